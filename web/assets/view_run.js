// The run as a whole: how it stands or ended, its jobs and hosts, what took longest.
import { h, line } from "farflung/dom";
import { count, percent, took, when } from "farflung/format";
import { artifacts } from "farflung/artifacts";

// Since it began; of one that goes on up to now, which its last event is not.
function elapsed(run) {
  return run.going ? Math.max(run.took_us, Date.now() * 1000 - run.began_us) : run.took_us;
}

// Times that pass, in what is shown: written anew each second, so that they go on between news.
let passing = [], timer = 0;

function tick() {
  passing = passing.filter(({ node, born }) => node.isConnected || Date.now() - born < 10000);
  for (const { node, run, from } of passing) node.textContent = took(elapsed(run) - from);
  if (passing.length) return;
  clearInterval(timer);
  timer = 0;
}

function since(run, from) {
  const node = h("span", null, took(elapsed(run) - from));
  if (!run.going) return node;
  passing.push({ node, run, from, born: Date.now() });
  timer = timer || setInterval(tick, 1000);
  return node;
}

function verdict(run) {
  if (!run.over) return run.going ? ["running", "running"] : run.read < 1000 ? ["running", "being read"] : ["failed", "cut off: its process is gone"];
  return run.exit_code === 0 ? ["passed", "passed"] : ["failed", `failed (exit ${run.exit_code})`];
}

function tiles(source) {
  const order = ["failed", "error", "crashed", "timeout", "lost", "not-run", "running", "passed", "skipped", "xfailed", "xpassed"];
  return h(".tiles", null, order.filter((state) => source.run.by_state[state]).map((state) =>
    h(`a.tile.s-${state}`, { href: `#/tests?states=${state}` }, h("b", null, count(source.run.by_state[state])), " ", state)));
}

function jobs(source) {
  return h("table", null, h("caption", null, "Jobs"),
    h("thead", null, h("tr", null, ["job", "payload", "result", "units", "reason"].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", null, source.run.jobs.map((job, number) => h("tr", null,
      h("th", { scope: "row" }, h("a", { href: `#/tests?job=${number}` }, line(job.name))),
      h("td", null, line(job.payload)), h(`td.s-${job.result || job.state}`, null, job.result || job.state || ""),
      h("td.number", null, job.units === undefined ? "" : count(job.units)), h("td", null, line(job.reason || ""))))));
}

// What sessions left: of each host a few, where there are many hosts.
function left(source) {
  return source.run.jobs.map((job) => (job.artifacts || []).slice(0, 50).map((one) => artifacts(source, one, `Artifacts of ${line(job.name)} on ${line(one.host)}`)));
}

// Busy shares: units on each host's lanes, of its slots for all of the run.
function hosts(source) {
  const busy = new Map();
  for (const lane of source.run.lanes) {
    const sum = busy.get(lane.host) || { us: 0, units: 0 };
    busy.set(lane.host, { us: sum.us + lane.busy_us, units: sum.units + lane.attempts });
  }
  return h("table", null, h("caption", null, "Hosts"),
    h("thead", null, h("tr", null, ["host", "slots", "attempts", "busy", "state"].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", null, source.run.hosts.map((host) => {
      const sum = busy.get(host.name) || { us: 0, units: 0 };
      return h("tr", null, h("th", { scope: "row" }, line(host.name)), h("td.number", null, count(host.slots)),
        h("td.number", null, count(sum.units)), h("td.number", null, percent(sum.us, host.slots * source.run.took_us)),
        h("td", null, host.error ? `${host.state}: ${line(host.error)}` : host.state));
    })));
}

// What runs right now, the longest first, with its last line.
function running(source) {
  const lanes = source.run.lanes.filter((lane) => lane.row !== undefined).sort((a, b) => a.since_us - b.since_us);
  if (source.run.over || !lanes.length) return null;
  return h("table.running", null, h("caption", null, "Running"),
    h("tbody", null, lanes.slice(0, 200).map((lane) => h("tr", null,
      h("td", null, line(`${lane.host} ${lane.name}`)), h("td.number", null, since(source.run, lane.since_us)),
      h("td", null, h("a", { href: `#/unit/${lane.row}` }, line(lane.unit))), h("td.quiet", null, line(lane.last_line || ""))))),
    lanes.length > 200 ? h("tfoot", null, h("tr", null, h("td", { colspan: 4 }, `and ${count(lanes.length - 200)} more`))) : null);
}

async function slowest(source) {
  const { rows } = await source.rows({ sort: "slowest" }, 0, 10);
  return h("table", null, h("caption", null, "Longest"),
    h("tbody", null, rows.filter((row) => row.took > 0).map((row) =>
      h("tr", null, h("td.number", null, took(row.took)), h("td", null, h("a", { href: `#/unit/${row.number}` }, line(row.name)))))));
}

// The newest failures of a run that goes on.
async function failures(source) {
  if (source.run.over || !source.run.causes.length) return null;
  const { found } = await source.rows({ bad: 1 }, 0, 1);
  const { rows } = await source.rows({ bad: 1 }, Math.max(0, found - 10), 10);
  return h("table", null, h("caption", null, "Latest failures"),
    h("tbody", null, rows.reverse().map((row) => h("tr", null, h(`td.s-${row.state}`, null, row.state),
      h("td", null, h("a", { href: `#/unit/${row.number}` }, line(row.name))), h("td.quiet", null, line(row.message || ""))))));
}

// What is done to a run: only where a server may, and says so when it does not.
export function button(source, what, names, words) {
  if (!source.act) return null;
  const said = h("span", { role: "status" });
  const node = h("button", {
    onclick: async () => {
      node.disabled = true;
      try {
        await source.act(what, names);
        said.textContent = " it was asked for";
      } catch (error) {
        said.textContent = ` ${error.message}`;
        node.disabled = false;
      }
    },
  }, words);
  return h("p", null, node, said);
}

const PACE_FROM = 3; // attempts that tell how long the others will take

// How long it will go on, if what is left takes as long as what is done, on as many lanes as are busy now. Empty: nothing tells.
function left_of(run, done) {
  const busy = run.lanes.reduce((us, lane) => us + lane.busy_us, 0), attempts = run.lanes.reduce((n, lane) => n + lane.attempts, 0);
  const running = run.lanes.filter((lane) => lane.row !== undefined);
  const open = run.counts.total - done;
  if (!run.going || !running.length || attempts < PACE_FROM || open <= 0) return "";
  const mean = busy / attempts, now = elapsed(run);
  // Of what runs a part is done; what runs for longer than others is not expected to end at once.
  const under_way = running.reduce((us, lane) => us + Math.max(mean - (now - lane.since_us), 0), 0);
  const us = (Math.max(0, open - running.length) * mean + under_way) / running.length;
  return us >= 1e6 ? `, about ${took(us)} left at this pace` : ", nearly done at this pace";
}

function progress(source) {
  const run = source.run;
  const done = Object.entries(run.by_state).reduce((sum, [state, n]) => sum + (state === "running" ? 0 : n), 0);
  return [
    run.read < 1000 ? h("p", null, "reading its journal ", h("progress", { max: 1000, value: run.read })) : null,
    !run.over && run.counts.total ? h("p", null, `${count(Math.min(done, run.counts.total))} of ${count(run.counts.total)}${left_of(run, done)} `,
      h("progress", { max: Math.max(1, run.counts.total), value: Math.min(done, run.counts.total), "aria-label": "units done" })) : null,
  ];
}

export async function view(source) {
  const run = source.run;
  const [state, words] = verdict(run);
  return h("section", null,
    h(`h1.verdict.s-${state}`, null, words),
    h("p", null, line(run.reason || "")),
    h("dl", null,
      h("dt", null, "run"), h("dd", null, line(run.id || "")),
      h("dt", null, "command"), h("dd", null, h("code", null, `farflung ${line(run.command || "")}`)),
      h("dt", null, "began"), h("dd", null, when(run.began_us)),
      h("dt", null, "took"), h("dd", null, since(run, 0))),
    progress(source), tiles(source),
    !run.going || run.read < 1000 ? null : button(source, "cancel", null, "Stop the run"),
    run.over && Object.keys(run.by_state).some((state) => ["failed", "error", "crashed", "timeout", "lost"].includes(state)) ? button(source, "rerun", null, "Run what failed again") : null,
    running(source), await failures(source), jobs(source), left(source), hosts(source), await slowest(source));
}

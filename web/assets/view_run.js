// The run as a whole: how it stands or ended, its jobs and hosts, what took longest.
import { h, line } from "farflung/dom";
import { count, percent, took, when } from "farflung/format";

function verdict(run) {
  if (!run.over) return ["running", run.state === "running" ? "running" : "did not come to its end"];
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

// Busy shares: units on each host's lanes, of its slots for all of the run.
function hosts(source) {
  const busy = new Map();
  const { lane, took: times, row } = source.spans;
  for (let i = 0; i < lane.length; i++) {
    if (row[i] < 0) continue;
    const host = source.run.lanes[lane[i]].host;
    const sum = busy.get(host) || { us: 0, units: 0 };
    busy.set(host, { us: sum.us + times[i], units: sum.units + 1 });
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

function slowest(source) {
  const found = source.find({ sort: "slowest" }).slice(0, 10).filter((number) => source.rows.took[number] > 0);
  return h("table", null, h("caption", null, "Longest"),
    h("tbody", null, found.map((number) => {
      const row = source.row(number);
      return h("tr", null, h("td.number", null, took(row.took)), h("td", null, h("a", { href: `#/unit/${number}` }, line(row.name))));
    })));
}

export function view(source) {
  const run = source.run;
  const [state, words] = verdict(run);
  return h("section", null,
    h(`h1.verdict.s-${state}`, null, words),
    h("p", null, line(run.reason || "")),
    h("dl", null,
      h("dt", null, "run"), h("dd", null, line(run.id || "")),
      h("dt", null, "command"), h("dd", null, h("code", null, `farflung ${line(run.command || "")}`)),
      h("dt", null, "began"), h("dd", null, when(run.began_us)),
      h("dt", null, "took"), h("dd", null, took(run.took_us))),
    tiles(source), jobs(source), hosts(source), slowest(source));
}

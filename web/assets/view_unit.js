// One row: its attempts, with tracebacks and output; of one that runs what it has said so far.
import { h, line, terminal } from "farflung/dom";
import { KINDS, took } from "farflung/format";
import { artifacts } from "farflung/artifacts";
import { linked, place } from "farflung/links";
import { button } from "farflung/view_run";
import { chart } from "farflung/view_trends";

function quoted(text) {
  return /^[\w@%+=:,./[\]-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

// The command that does so.
export function repeat(source, row) {
  if (row.kind !== 0 || !source.run.id) return null;
  return h("p", null, "again: ", h("code", null, `farflung rerun ${source.run.id} ${quoted(row.name)}`));
}

function entry(run, one, many) {
  const facts = Object.entries(one.properties || {});
  return h("div.attempt", null,
    many ? h("h3", null, `attempt ${one.attempt}: ${one.outcome || ""}`) : null,
    one.longrepr ? linked(run, terminal(one.longrepr)) : one.message ? h("p", null, line(one.message)) : null,
    (one.sections || []).map((section) => [h("h4", null, line(section.title)), linked(run, terminal(section.text))]),
    (one.reruns || []).map((rerun) => [h("h4", null, `run again after: ${rerun.outcome}`), linked(run, terminal(rerun.longrepr || rerun.message || ""))]),
    facts.length ? h("dl", null, facts.map(([name, value]) => [h("dt", null, line(name)), h("dd", null, line(value))])) : null);
}

export function attempts(run, { attempts: found, output }) {
  const nodes = found.map((one) => entry(run, one, found.length > 1 || output !== undefined));
  if (output !== undefined) nodes.push(h("div.attempt", null, h("h4", null, "output so far"), terminal(output)));
  return nodes.length ? nodes : [h("p.quiet", null, "It said nothing.")];
}

// The latest runs that had it: since when it is bad, how often it was, what it took.
function history(runs) {
  const last = runs.at(-1);
  const first = last.bad ? runs.slice(runs.findLastIndex((run) => !run.bad) + 1)[0] : null;
  const known = first && first !== runs[0];
  const link = (run) => h("a", { href: `/runs/${encodeURIComponent(run.id)}` }, line(run.id));
  return h("article", null, h("h2", null, `In the latest ${runs.length} runs`),
    h("p", null, chart(runs.map((run) => [1, run.bad ? 1 : 0, run.flaky ? 1 : 0, run.took_us, run.took_us])), " ",
      `bad in ${runs.filter((run) => run.bad).length}, flaky in ${runs.filter((run) => run.flaky).length}`),
    first ? h("p", null, known ? "first bad run: " : "bad since the first of them: ", link(first)) : null,
    h("table", null, h("tbody", null, [...runs].reverse().slice(0, 10).map((run) => h("tr", null,
      h(`td.s-${run.state}`, null, run.state + (run.flaky ? ", flaky" : "")), h("td.number", null, took(run.took_us)),
      h("td", null, line(run.host || "")), h("td", null, link(run)))))));
}

// Later than the rest: journals of other runs are read for it.
export function earlier(source, row) {
  const place = h("div");
  if (source.history && row.kind === 0 && source.run.jobs[row.job])
    source.history(source.run.jobs[row.job].name, row.name).then((runs) => { if (runs.length > 1) place.append(history(runs)); }, () => {});
  return place;
}

export async function view(source, number) {
  let found;
  try {
    found = await source.unit(number);
  } catch (error) {
    return h("section", null, h("h1", null, "There is no such unit."), h("p", null, line(error.message)));
  }
  const row = found.row;
  const lane = row.lane === undefined ? null : source.run.lanes[row.lane];
  return h("section", null,
    h("h1", null, h(`span.state.s-${row.state}`, null, row.state), " ", line(row.name)),
    row.message ? h("p", null, line(row.message)) : null,
    h("dl", null,
      h("dt", null, "job"), h("dd", null, line(source.run.jobs[row.job]?.name || "")),
      row.kind ? [h("dt", null, "kind"), h("dd", null, KINDS[row.kind])] : null,
      row.file ? [h("dt", null, "place"), h("dd", null, place(source.run, row.file, row.line))] : null,
      lane ? [h("dt", null, "where"), h("dd", null, line(`${lane.host} ${lane.name}`))] : null,
      row.took ? [h("dt", null, "took"), h("dd", null, took(row.took),
        row.setup || row.teardown ? ` (set-up ${took(row.setup)}, teardown ${took(row.teardown)})` : "")] : null,
      row.attempts > 1 ? [h("dt", null, "attempts"), h("dd", null, String(row.attempts))] : null),
    row.state === "running" ? button(source, "cancel", [row.name], "Cancel it") : null,
    row.bad && source.run.over && row.kind === 0 ? button(source, "rerun", [row.name], "Run it again") : null,
    repeat(source, row), attempts(source.run, found),
    artifacts(source, found.artifacts, "Artifacts"), earlier(source, row));
}

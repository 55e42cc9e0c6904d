// Failures by cause, the most frequent first; what happened is shown on demand.
import { h, line } from "farflung/dom";
import { count } from "farflung/format";
import { attempts } from "farflung/view_unit";

const NAMES = 20;

function item(source, number) {
  const row = source.row(number);
  const body = h("div");
  return h("details", {
    ontoggle: async (event) => {
      if (event.target.open && !body.hasChildNodes()) body.append(...(await attempts(source, row)));
    },
  }, h("summary", null, h(`span.state.s-${row.state}`, null, row.state), " ", h("a", { href: `#/unit/${number}` }, line(row.name))), body);
}

function group(source, cause, numbers) {
  const list = h("div", null, numbers.slice(0, NAMES).map((number) => item(source, number)));
  const more = numbers.length > NAMES && h("button", {
    onclick: () => { list.append(...numbers.slice(NAMES).map((number) => item(source, number))); more.remove(); },
  }, `show ${count(numbers.length - NAMES)} more`);
  return h("article", null,
    h("h2", null, h("span.badge", null, count(numbers.length)), " ", line(cause ? cause.message || "no message" : "others")),
    cause && cause.frame ? h("p.frame", null, line(cause.frame)) : null, list, more || null);
}

export function view(source) {
  const bad = source.find({}).filter((number) => source.rows.flags[number] & 1);
  const groups = new Map();
  for (const number of bad) {
    const cause = source.rows.cause[number];
    if (!groups.has(cause)) groups.set(cause, []);
    groups.get(cause).push(number);
  }
  const sorted = [...groups].sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
  const flaky = source.find({ flaky: true });
  return h("section", null,
    h("h1", null, bad.length ? `${count(bad.length)} failures, ${count(sorted.length)} causes` : "No failures"),
    sorted.map(([cause, numbers]) => group(source, cause < 0 ? null : source.run.causes[cause], numbers)),
    flaky.length ? [h("h1", null, `${count(flaky.length)} flaky`), flaky.map((number) => item(source, number))] : null);
}

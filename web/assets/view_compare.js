// Two runs beside each other.
import { h, line } from "farflung/dom";
import { count, took } from "farflung/format";
import { compare } from "farflung/source";

const LISTS = [["broken", "newly failing", "s-failed"], ["fixed", "fixed", "s-passed"], ["still", "still failing", "s-failed"], ["slower", "slower", "s-skipped"], ["faster", "faster", "s-passed"], ["added", "new", ""], ["removed", "gone", ""]];

function list({ units, found }, words, cls, [before, after]) {
  if (!found) return null;
  const times = (unit) => (unit.before_us !== undefined && unit.after_us !== undefined ? `${took(unit.before_us)} → ${took(unit.after_us)}` : "");
  return h("article", null, h("h2", null, h("span.badge", null, count(found)), " ", h(`span${cls ? `.${cls}` : ""}`, null, words)),
    h("table", null, h("tbody", null, units.map((unit) => h("tr", null,
      h("th", { scope: "row" }, h("a", { href: `/runs/${encodeURIComponent(unit.after === undefined ? before : after)}#/tests?q=${encodeURIComponent(unit.name)}` }, line(unit.name))),
      h("td.quiet", null, line(unit.job)), h("td", null, unit.before || ""), h("td", null, unit.after || ""), h("td.number", null, times(unit)))))),
    found > units.length ? h("p.quiet", null, `${count(found - units.length)} more`) : null);
}

export async function view(asked) {
  const found = await compare(asked.get("before"), asked.get("after"));
  const ids = [found.before, found.after];
  const lists = LISTS.map(([name, words, cls]) => list(found[name], words, cls, ids)).filter(Boolean);
  return h("section", null, h("h1", null, "Two runs"),
    h("p", null, ids.map((id, i) => [i ? " → " : "", h("a", { href: `/runs/${encodeURIComponent(id)}` }, line(id))])),
    lists.length ? lists : h("p", null, "They came to the same, and took what they usually take."));
}

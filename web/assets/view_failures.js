// Failures by cause, the most frequent first; what happened is shown on demand.
import { h, line } from "farflung/dom";
import { count, some } from "farflung/format";
import { frame, place } from "farflung/links";
import { attempts, earlier, repeat } from "farflung/view_unit";

const NAMES = 20; // of a cause that are shown at first,
const MORE = 200; // and with each wish for more
const GROUPS = 50;

function item(source, row) {
  const body = h("div");
  return h("details", {
    ontoggle: async (event) => {
      if (event.target.open && !body.hasChildNodes()) body.append(...attempts(source.run, await source.unit(row.number)), ...[repeat(source, row), earlier(source, row)].filter(Boolean));
    },
  }, h("summary", null, h(`span.state.s-${row.state}`, null, row.state), " ", h("a", { href: `#/unit/${row.number}` }, line(row.name)),
    source.run.links && row.bad && row.file ? [" ", place(source.run, row.file, row.line)] : null), body);
}

// Rows that a query finds, with a button for those that are not shown.
function listed(source, query, first) {
  const list = h("div", null, first.rows.map((row) => item(source, row)));
  const more = h("button", {
    onclick: async () => {
      const next = await source.rows(query, list.childElementCount, MORE);
      list.append(...next.rows.map((row) => item(source, row)));
      name_more();
    },
  });
  const name_more = () => {
    const left = first.found - list.childElementCount;
    if (left > 0) more.textContent = `show ${count(Math.min(left, MORE))} of ${count(left)} more`;
    else more.remove();
  };
  name_more();
  return [list, first.found > list.childElementCount ? more : null];
}

async function group(source, number) {
  const cause = number === "none" ? null : source.run.causes[number];
  const query = { bad: 1, cause: number };
  const first = await source.rows(query, 0, NAMES);
  if (!first.found) return null;
  return h("article", null,
    h("h2", null, h("span.badge", null, count(first.found)), " ", line(cause ? cause.message || "no message" : "others")),
    cause && cause.frame ? h("p.frame", null, frame(source.run, cause.frame)) : null, ...listed(source, query, first));
}

export async function view(source) {
  const causes = source.run.causes.map((_, number) => number).sort((a, b) => source.run.causes[b].count - source.run.causes[a].count || a - b);
  const { found } = await source.rows({ bad: 1 }, 0, 1);
  const groups = [];
  for (const number of [...causes.slice(0, GROUPS), "none"]) groups.push(await group(source, number));
  const flaky = await source.rows({ flaky: 1 }, 0, NAMES);
  return h("section", null,
    h("h1", null, found ? `${some(found, "failure")}, ${some(causes.length, "cause")}` : "No failures"),
    groups.filter(Boolean),
    causes.length > GROUPS ? h("p", null, h("a", { href: "#/tests?bad=1" }, `${count(causes.length - GROUPS)} further causes are among all failures`)) : null,
    flaky.found ? [h("h1", null, `${count(flaky.found)} flaky`), listed(source, { flaky: 1 }, flaky)] : null);
}

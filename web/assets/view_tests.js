// All rows, in a list of which only the part that is seen is there, and asked for.
import { fill, h, line } from "farflung/dom";
import { STATES, count, took } from "farflung/format";

const HEIGHT = 26; // px of a line; style.css has the same
const TALLEST = 8000000; // px; browsers cut higher elements off
const CHUNK = 200; // rows that are asked for at once
const CHUNKS = 20; // that are kept

function item(row) {
  return h("a.row", { href: `#/unit/${row.number}`, role: "listitem" },
    h(`span.state.s-${row.state}`, null, row.state), h("span.took", null, row.took ? took(row.took) : ""),
    h("span.name", null, line(row.name)), h("span.message", null, row.message ? line(row.message) : ""));
}

function list(source, query, first) {
  const chunks = new Map([[0, first.rows]]);
  const height = Math.min(first.found * HEIGHT, TALLEST);
  const inner = h("div.rows", { role: "list" });
  const outer = h("div.window", { tabindex: "0", "aria-label": "tests" }, h("div", null, inner));
  outer.firstChild.style.height = `${height}px`;
  const ask = (number) => {
    if (chunks.has(number)) return;
    if (chunks.size >= CHUNKS) chunks.delete(chunks.keys().next().value);
    chunks.set(number, null);
    source.rows(query, number * CHUNK, CHUNK).then(({ rows }) => { chunks.set(number, rows); draw(); }, () => chunks.delete(number));
  };
  const draw = () => {
    const shown = Math.ceil((outer.clientHeight || 600) / HEIGHT) + 2;
    const most = Math.max(1, height - (outer.clientHeight || 600));
    // Where the list is higher than an element can be, places are shares of it.
    const top = first.found * HEIGHT <= TALLEST ? Math.floor(outer.scrollTop / HEIGHT)
      : Math.round((outer.scrollTop / most) * Math.max(0, first.found - shown + 2));
    inner.style.transform = `translateY(${first.found * HEIGHT <= TALLEST ? top * HEIGHT : outer.scrollTop}px)`;
    const nodes = [];
    for (let i = top; i < Math.min(top + shown, first.found); i++) {
      const number = Math.floor(i / CHUNK);
      ask(number);
      const row = chunks.get(number)?.[i % CHUNK];
      nodes.push(row ? item(row) : h("div.row.quiet", null, "…"));
    }
    fill(inner, nodes);
  };
  outer.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(outer);
  draw();
  return outer;
}

export async function view(source, asked, change) {
  const states = (asked.get("states") || "").split(",").filter((word) => STATES.includes(word));
  const query = {
    q: asked.get("q") || undefined, states: states.length ? states.join(",") : undefined,
    job: asked.get("job") ?? undefined, bad: asked.has("bad") ? 1 : undefined, sort: asked.get("sort") || undefined,
  };
  const first = await source.rows(query, 0, CHUNK);
  const set = (name) => (event) => change(name, event.target.value);
  return h("section.tests", null,
    h("h1", null, `${count(first.found)} of ${count(source.run.rows)}`),
    h("form.filter", { role: "search", onsubmit: (event) => event.preventDefault() },
      h("input#q", { type: "search", value: asked.get("q") || "", placeholder: "words of a name or message  ( / )", "aria-label": "search", onchange: set("q") }),
      h("select", { "aria-label": "outcome", onchange: set("states") }, h("option", { value: "" }, "all outcomes"),
        STATES.filter((word) => source.run.by_state[word]).map((word) =>
          h("option", { value: word, selected: states.length === 1 && states[0] === word }, word))),
      h("select", { "aria-label": "order", onchange: set("sort") }, [["order", "as they came"], ["slowest", "longest first"], ["name", "by name"], ["start", "by start"]].map(([value, words]) =>
        h("option", { value, selected: (asked.get("sort") || "order") === value }, words)))),
    list(source, query, first));
}

// All rows, in a list of which only the part that is seen is there.
import { fill, h, line } from "farflung/dom";
import { STATES, count, took } from "farflung/format";

const HEIGHT = 26; // px of a line; style.css has the same
const TALLEST = 8000000; // px; browsers cut higher elements off

function item(source, number) {
  const row = source.row(number);
  return h("a.row", { href: `#/unit/${number}`, role: "listitem" },
    h(`span.state.s-${row.state}`, null, row.state), h("span.took", null, row.took ? took(row.took) : ""),
    h("span.name", null, line(row.name)), h("span.message", null, row.message ? line(row.message) : ""));
}

function list(source, numbers) {
  const height = Math.min(numbers.length * HEIGHT, TALLEST);
  const inner = h("div.rows", { role: "list" });
  const outer = h("div.window", { tabindex: "0", "aria-label": "tests" }, h("div", null, inner));
  outer.firstChild.style.height = `${height}px`;
  const draw = () => {
    const shown = Math.ceil((outer.clientHeight || 600) / HEIGHT) + 2;
    const most = Math.max(1, height - (outer.clientHeight || 600));
    // Where the list is higher than an element can be, places are shares of it.
    const first = numbers.length * HEIGHT <= TALLEST ? Math.floor(outer.scrollTop / HEIGHT)
      : Math.round((outer.scrollTop / most) * Math.max(0, numbers.length - shown + 2));
    inner.style.transform = `translateY(${numbers.length * HEIGHT <= TALLEST ? first * HEIGHT : outer.scrollTop}px)`;
    fill(inner, numbers.slice(first, first + shown).map((number) => item(source, number)));
  };
  outer.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(outer);
  draw();
  return outer;
}

export function view(source, query, change) {
  const states = (query.get("states") || "").split(",").filter((word) => STATES.includes(word));
  const job = query.has("job") ? Number(query.get("job")) : null;
  const numbers = source.find({
    text: query.get("q") || "", states: states.length ? states : null, job, sort: query.get("sort") || "order",
  });
  const set = (name) => (event) => change(name, event.target.value);
  return h("section.tests", null,
    h("h1", null, `${count(numbers.length)} of ${count(source.length)}`),
    h("form.filter", { role: "search", onsubmit: (event) => event.preventDefault() },
      h("input#q", { type: "search", value: query.get("q") || "", placeholder: "words of a name or message  ( / )", "aria-label": "search", onchange: set("q") }),
      h("select", { "aria-label": "outcome", onchange: set("states") }, h("option", { value: "" }, "all outcomes"),
        STATES.filter((word) => source.run.by_state[word]).map((word) =>
          h("option", { value: word, selected: states.length === 1 && states[0] === word }, word))),
      h("select", { "aria-label": "order", onchange: set("sort") }, [["order", "as they came"], ["slowest", "longest first"], ["name", "by name"], ["start", "by start"]].map(([value, words]) =>
        h("option", { value, selected: (query.get("sort") || "order") === value }, words)))),
    list(source, numbers));
}

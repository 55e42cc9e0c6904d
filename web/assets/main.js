// The page: which view the address names, keys, light and dark.
import { fill, h, line } from "farflung/dom";
import { open } from "farflung/source";
import { view as failures } from "farflung/view_failures";
import { view as run } from "farflung/view_run";
import { view as tests } from "farflung/view_tests";
import { view as timeline } from "farflung/view_timeline";
import { view as unit } from "farflung/view_unit";

const TABS = [["run", "Run", "r"], ["failures", "Failures", "f"], ["timeline", "Timeline", "t"], ["tests", "Tests", "u"]];

function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, argument] = path.split("/");
  return { name: name || "run", argument, query: new URLSearchParams(query || "") };
}

function change(name, value) {
  const { name: view, query } = address();
  if (value) query.set(name, value);
  else query.delete(name);
  location.hash = `#/${view}${query.size ? `?${query}` : ""}`;
}

async function show(source, main) {
  const { name, argument, query } = address();
  const views = { run, failures, timeline, tests: () => tests(source, query, change), unit: () => unit(source, Number(argument)) };
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.tab === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fill(main, await (views[name] || run)(source));
  main.focus({ preventScroll: true });
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const tab = TABS.find(([, , key]) => key === event.key);
  if (tab) location.hash = `#/${tab[0]}`;
  else if (event.key === "/") {
    event.preventDefault();
    if (address().name !== "tests") location.hash = "#/tests";
    setTimeout(() => document.getElementById("q")?.focus());
  } else if (event.key === "Escape") history.back();
}

async function begin() {
  const app = document.getElementById("app");
  const main = h("main", { tabindex: "-1" }, h("p", null, "reading…"));
  try {
    const source = await open();
    const title = line(source.run.id || "a run");
    fill(app, h("header", null, h("strong", null, "farflung"), " ", title,
      h("nav", { "aria-label": "views" }, TABS.map(([name, words, key]) =>
        h("a", { href: `#/${name}`, "data-tab": name, title: `key: ${key}` }, words)))), main);
    window.addEventListener("hashchange", () => show(source, main));
    document.addEventListener("keydown", keys);
    await show(source, main);
  } catch (error) {
    fill(app, h("p.s-failed", null, `This page can't be shown: ${error.message}`));
    throw error;
  }
}

begin();

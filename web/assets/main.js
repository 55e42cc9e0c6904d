// The page: which view the address names, keys, light and dark.
import { fill, h, line } from "farflung/dom";
import { open, runs } from "farflung/source";
import { view as failures } from "farflung/view_failures";
import { view as run } from "farflung/view_run";
import { view as all } from "farflung/view_runs";
import { view as compared } from "farflung/view_compare";
import { view as changing } from "farflung/view_trends";
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

function mark(name) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.tab === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

let turn = 0; // of what is to be shown: what comes late is for nobody
let searching = false;

async function show(source, main, focus = true) {
  const mine = ++turn;
  const { name, argument, query } = address();
  const views = { run, failures, timeline, tests: () => tests(source, query, change), unit: () => unit(source, Number(argument)) };
  mark(name);
  const node = await (views[name] || run)(source);
  if (mine !== turn) return;
  fill(main, node);
  if (focus) (searching && document.getElementById("q") || main).focus({ preventScroll: true });
  searching = false;
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const tab = TABS.find(([, , key]) => key === event.key);
  if (tab) location.hash = `#/${tab[0]}`;
  else if (event.key === "/") {
    event.preventDefault();
    searching = address().name !== "tests";
    if (searching) location.hash = "#/tests";
    else document.getElementById("q")?.focus();
  } else if (event.key === "Escape") history.back();
}

// A run that goes on is drawn anew; what somebody reads there, or writes, stays.
function follow(source, main, note) {
  source.follow(async () => {
    const { name } = address();
    if (main.firstChild?.refresh) { main.firstChild.refresh(); return; }
    if (name === "unit" && !main.querySelector("h1 .s-running")) return;
    if (/^(INPUT|BUTTON|SELECT)$/.test(document.activeElement?.tagName) || main.querySelector("details[open]")) return;
    const top = main.querySelector(".window")?.scrollTop;
    await show(source, main, false);
    if (top !== undefined) main.querySelector(".window").scrollTop = top;
  }, (broken) => { note.textContent = source.run.over ? "" : broken ? "no connection; trying again" : "live"; });
}

// Of all runs.
async function show_all(main) {
  const mine = ++turn, { name, query } = address();
  const views = { trends: () => changing(query, change), compare: () => compared(query) };
  mark(name in views ? name : "runs");
  const node = views[name] ? await views[name]() : all(await runs());
  if (mine === turn) fill(main, node);
}

async function begin() {
  const app = document.getElementById("app");
  const main = h("main", { tabindex: "-1" }, h("p", null, "reading…"));
  const note = h("span.quiet", { role: "status" });
  try {
    const source = await open();
    const top = [h("strong", null, document.getElementById("ff-run") ? "farflung" : h("a", { href: "/" }, "farflung")), " "];
    if (!source) {
      fill(app, h("header", null, top, h("nav", { "aria-label": "views" }, [["runs", "Runs"], ["trends", "Trends"]].map(([name, words]) =>
        h("a", { href: `#/${name}`, "data-tab": name }, words)))), main);
      const look = () => show_all(main).catch((error) => fill(main, h("p.s-failed", null, line(error.message))));
      window.addEventListener("hashchange", look);
      await look();
      return;
    }
    fill(app, h("header", null, top, line(source.run.id || "a run"),
      h("nav", { "aria-label": "views" }, TABS.map(([name, words, key]) =>
        h("a", { href: `#/${name}`, "data-tab": name, title: `key: ${key}` }, words))), note), main);
    document.title = `farflung ${line(source.run.id || "")}`;
    window.addEventListener("hashchange", () => show(source, main).catch((error) => fill(main, h("p.s-failed", null, line(error.message)))));
    document.addEventListener("keydown", keys);
    await show(source, main);
    follow(source, main, note);
  } catch (error) {
    fill(app, h("p.s-failed", null, `This page can't be shown: ${error.message}`), h("p", null, h("a", { href: "/" }, "all runs")));
  }
}

begin();

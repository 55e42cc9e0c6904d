// What changes over the latest runs: durations, failures, flakiness of jobs, files, hosts and tests.
import { h, line, svg } from "farflung/dom";
import { count, took } from "farflung/format";
import { trends } from "farflung/source";

const WIDTH = 220, HEIGHT = 36;
const BAD = 1, FLAKY = 2, MEDIAN = 3, HIGH = 4; // of a point

// Medians as a line, the 95th percentile as a faint one, marks below runs with failures.
export function chart(points) {
  const most = Math.max(1, ...points.map((point) => point[HIGH]));
  const x = (i) => (points.length < 2 ? WIDTH / 2 : 3 + (i * (WIDTH - 6)) / (points.length - 1));
  const y = (us) => HEIGHT - 6 - (us / most) * (HEIGHT - 10);
  const path = (which) => points.map((point, i) => (point[0] ? `${x(i).toFixed(1)},${y(point[which]).toFixed(1)}` : null)).filter(Boolean).join(" ");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": `up to ${took(most)}` },
    svg("polyline", { points: path(HIGH), class: "high" }), svg("polyline", { points: path(MEDIAN), class: "median" }),
    points.map((point, i) => (point[BAD] || point[FLAKY] ? svg("circle", { cx: x(i).toFixed(1), cy: HEIGHT - 3, r: 2.5, class: point[BAD] ? "bad" : "flaky" }) : null)));
}

function sum(points, which) {
  return points.reduce((total, point) => total + point[which], 0);
}

function row(group) {
  const grown = group.last_us - group.first_us;
  return h("tr", null, h("th", { scope: "row" }, line(group.name), group.job ? h("span.quiet", null, ` ${line(group.job)}`) : null),
    h("td", null, chart(group.points)), h("td.number", null, took(group.last_us)),
    h(`td.number${grown > 0 ? ".s-failed" : ""}`, null, grown ? `${grown > 0 ? "+" : "−"}${took(Math.abs(grown))}` : ""),
    h("td.number", null, count(sum(group.points, BAD))), h("td.number", null, count(sum(group.points, FLAKY))));
}

function choice(name, values, asked, change) {
  return h("select", { "aria-label": name, onchange: (event) => change(name, event.target.value) },
    values.map(([value, words]) => h("option", { value, selected: (asked.get(name) || values[0][0]) === value }, words)));
}

export async function view(asked, change) {
  const query = Object.fromEntries(["by", "sort", "q"].filter((name) => asked.get(name)).map((name) => [name, asked.get(name)]));
  const found = await trends(query);
  const whole = found.runs.map((run) => [run.units, run.bad, run.flaky, run.took_us, run.took_us]);
  return h("section", null, h("h1", null, `Trends of ${count(found.runs.length)} runs`),
    found.runs.length ? h("p", null, "whole runs: ", chart(whole), ` now ${took(found.runs.at(-1).took_us)}`) : null,
    h("form.filter", { role: "search", onsubmit: (event) => event.preventDefault() },
      h("input#q", { type: "search", value: asked.get("q") || "", placeholder: "a part of a name", "aria-label": "search", onchange: (event) => change("q", event.target.value) }),
      choice("by", [["job", "jobs"], ["file", "files"], ["host", "hosts"], ["test", "tests"]], asked, change),
      choice("sort", [["growing", "growing most"], ["slowest", "longest first"], ["failing", "bad most often"], ["flaky", "flaky most often"]], asked, change)),
    h("table.trends", null, h("thead", null, h("tr", null, ["name", "median and 95 % over runs", "median", "grown", "bad", "flaky"].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", null, found.groups.map(row))),
    found.found > found.groups.length ? h("p.quiet", null, `${count(found.found - found.groups.length)} more`) : null);
}

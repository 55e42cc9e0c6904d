// All runs of the folder, the latest first; two of them can be chosen, to be shown beside each other.
import { h, line } from "farflung/dom";
import { took, when } from "farflung/format";

export function view(runs) {
  const chosen = [];
  const both = h("button", { disabled: true, onclick: () => {
    const [before, after] = [...chosen].sort((a, b) => a.began_us - b.began_us);
    location.hash = `#/compare?${new URLSearchParams({ before: before.id, after: after.id })}`;
  } }, "Compare the two");
  const choose = (run) => (event) => {
    if (event.target.checked) chosen.push(run);
    else chosen.splice(chosen.indexOf(run), 1);
    both.disabled = chosen.length !== 2;
  };
  const over = (run) => run.state === "passed" || run.state === "failed";
  return h("section", null, h("h1", null, runs.length ? "Runs" : "There are no runs here yet."),
    runs.length > 1 ? h("p", null, both) : null,
    h("table", null, h("tbody", null, runs.map((run) => h("tr", null,
      h("td", null, over(run) ? h("input", { type: "checkbox", "aria-label": `compare ${run.id}`, onchange: choose(run) }) : null),
      h(`td.s-${run.state.replace(" ", "-")}`, null, run.state),
      h("th", { scope: "row" }, h("a", { href: `/runs/${encodeURIComponent(run.id)}` }, line(run.id))),
      h("td", null, when(run.began_us)),
      h("td.number", null, run.took_us === undefined ? "" : took(run.took_us)),
      h("td", null, h("code", null, line(run.command || ""))),
      h("td", null, line(run.reason || "")))))));
}

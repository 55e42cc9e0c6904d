// All runs of the folder, the latest first.
import { h, line } from "farflung/dom";
import { took, when } from "farflung/format";

export function view(runs) {
  return h("section", null, h("h1", null, runs.length ? "Runs" : "There are no runs here yet."),
    h("table", null, h("tbody", null, runs.map((run) => h("tr", null,
      h(`td.s-${run.state.replace(" ", "-")}`, null, run.state),
      h("th", { scope: "row" }, h("a", { href: `/runs/${encodeURIComponent(run.id)}` }, line(run.id))),
      h("td", null, when(run.began_us)),
      h("td.number", null, run.took_us === undefined ? "" : took(run.took_us)),
      h("td", null, h("code", null, line(run.command || ""))),
      h("td", null, line(run.reason || "")))))));
}

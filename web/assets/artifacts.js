// What a unit, or a job's sessions, left on a host and was brought here: listed on demand, each file a download.
import { fill, h, line } from "farflung/dom";
import { bytes, count, some } from "farflung/format";

const MORE = 200; // files with each wish for more

function file(source, left, one) {
  const gone = one.size === undefined;
  return h("tr", null,
    h("td", null, gone ? line(one.path) : h("a", { href: source.artifact(left.number, one.number), download: true }, line(one.path))),
    h("td.number", null, gone ? "not there any more" : bytes(one.size)), h("td", null, h("code.sum", null, one.sum)));
}

async function list(source, left, place) {
  const body = h("tbody"), more = h("p");
  const next = async () => {
    const from = body.childElementCount, { found, files } = await source.artifacts(left.number, from, MORE);
    body.append(...files.map((one) => file(source, left, one)));
    const rest = found - body.childElementCount;
    fill(more, rest > 0 && files.length ? h("button", { onclick: next }, `show ${count(Math.min(rest, MORE))} of ${count(rest)} further files`) : null);
  };
  fill(place, h("div.wide", null, h("table", null, h("thead", null, h("tr", null, ["file", "size", "xxh128"].map((name) => h("th", { scope: "col" }, name)))), body)), more);
  await next();
}

// `words`: what they are of; null: nothing was to be brought.
export function artifacts(source, left, words) {
  if (!left) return null;
  const place = h("div");
  const amount = `${some(left.files, "file")}, ${bytes(left.bytes)}`;
  const where = left.folder ? [" in ", h("code", null, line(left.folder))] : null;
  const lost = left.error ? h("p.s-failed", null, line(left.error)) : null;
  if (!source.artifacts || !left.files) return h("article.artifacts", null, h("h2", null, words), h("p", null, amount, where), lost);
  return h("article.artifacts", null, h("h2", null, words), lost,
    h("details", {
      ontoggle: (event) => {
        if (event.target.open && !place.hasChildNodes()) list(source, left, place).catch((error) => fill(place, h("p.quiet", null, line(error.message))));
      },
    }, h("summary", null, amount, where), place));
}

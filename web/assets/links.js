// Links to a line of a file, where a run says how they are made (settings.links) or who serves the pages does.
import { h, line } from "farflung/dom";

// What begins no script: runner/config/links.c has the same ones. A journal may say anything.
const SCHEMES = ["http", "https", "vscode", "vscode-insiders", "vscodium", "cursor", "zed", "idea", "pycharm", "clion", "goland", "jetbrains", "subl", "txmt", "mvim", "emacs"];
const LINKS_MAX = 200; // in a text

const encoded = (value) => value.split("/").map(encodeURIComponent).join("/");

// null: it can't be said where it is.
export function address(run, file, at) {
  const { links, directory, below, commit, id } = run;
  if (!links || !file || !SCHEMES.includes(links.split(":", 1)[0]) || file.split("/").includes("..")) return null;
  const inside = directory ? `${directory}/` : null;
  const path = file.startsWith("/") ? file : inside && inside + file;
  const relative = !file.startsWith("/") ? file : inside && file.startsWith(inside) ? file.slice(inside.length) : null;
  const values = { path, file: relative && (below || "") + relative, line: String(at > 0 ? at : 1), run: id, commit };
  let known = true;
  try {
    const url = links.replace(/\{(\w*)\}/g, (_, name) => {
      known = known && Object.hasOwn(values, name) && Boolean(values[name]);
      return known ? encoded(values[name]) : "";
    });
    return known ? url : null;
  } catch (error) { return null; } // a name that is no text
}

function link(run, file, at, text) {
  const url = address(run, file, at);
  return url ? h("a.place", { href: url, rel: "noreferrer noopener", title: "open it there" }, text) : null;
}

// "tests/test_x.py:12", with a link if there can be one.
export function place(run, file, at) {
  const text = line(at > 0 ? `${file}:${at}` : file);
  return h("code", null, link(run, file, at, text) || text);
}

export function frame(run, text) {
  const [, file, at] = text.match(/^(.+):(\d+)$/) || [];
  return file ? place(run, file, Number(at)) : h("code", null, line(text));
}

const PLACES = /(?:^|(?<=\n))([^\s:"'<>()[\]]+\.\w+):(\d+)(?=:)|(?<=File ")([^"\n]+)", line (\d+)/g;

// Puts links into what terminal() has made of a traceback.
export function linked(run, node) {
  if (!run.links) return node;
  const texts = [], walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push(walker.currentNode);
  let left = LINKS_MAX;
  for (const text of texts) {
    const parts = [], { data } = text;
    let at = 0;
    for (const match of data.matchAll(PLACES)) {
      const words = match[1] ? match[0] : match[3];
      const made = left > 0 ? link(run, match[1] || match[3], Number(match[2] || match[4]), words) : null;
      if (!made) continue;
      left--;
      parts.push(data.slice(at, match.index), made);
      at = match.index + words.length;
    }
    if (parts.length) text.replaceWith(...parts, data.slice(at));
  }
  return node;
}

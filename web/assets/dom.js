// Elements, and foreign text in them: nothing that came from a host is ever parsed as HTML.

// h("a.cls#id", {href: "…", onclick: …}, child, …): children are nodes, text, or null for nothing.
export function h(what, properties, ...children) {
  const [, tag, rest] = what.match(/^([a-z0-9]*)(.*)$/);
  const node = document.createElement(tag || "div");
  for (const [, mark, name] of rest.matchAll(/([.#])([\w-]+)/g)) {
    if (mark === "#") node.id = name;
    else node.classList.add(name);
  }
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = ["http:", "", "www.w3.org", "2000", "svg"].join("/"); // a name, which nobody is asked for

// The same for pictures: svg("circle", {cx: 1, …}, child, …).
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null));
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

const NAMED = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// The class names that SGR codes stand for; other sequences change nothing.
function apply(codes, style) {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) { style.colour = null; style.bold = false; style.faint = false; style.underline = false; }
    else if (code === 1) style.bold = true;
    else if (code === 2) style.faint = true;
    else if (code === 4) style.underline = true;
    else if (code === 22) { style.bold = false; style.faint = false; }
    else if (code === 24) style.underline = false;
    else if (code >= 30 && code <= 37) style.colour = NAMED[code - 30];
    else if (code === 39) style.colour = null;
    else if (code >= 90 && code <= 97) style.colour = NAMED[code - 90];
    else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4;
  }
}

const SEQUENCE = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g;

function shown(text) {
  return text.replace(/\r\n/g, "\n").replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

// Output with its colours; every other control is shown, not obeyed.
export function terminal(text) {
  const style = { colour: null, bold: false, faint: false, underline: false };
  const parts = [];
  const add = (piece) => {
    if (!piece) return;
    const names = [style.colour && `c-${style.colour}`, style.bold && "bold", style.faint && "faint", style.underline && "underline"];
    const cls = names.filter(Boolean).join(" ");
    parts.push(cls ? h("span", { class: cls }, shown(piece)) : shown(piece));
  };
  let at = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    add(text.slice(at, match.index));
    if (match[2] === "m") apply((match[1] || "0").split(/[;:]/).map(Number), style);
    at = match.index + match[0].length;
  }
  add(text.slice(at));
  return h("pre.output", null, parts);
}

// One line of foreign text.
export function line(text) {
  return shown(String(text)).replace(/\n/g, "\\n");
}

// Numbers and words as people read them.

export const STATES = ["running", "passed", "failed", "error", "skipped", "xfailed", "xpassed", "crashed", "timeout", "lost", "not-run"];
export const SPANS = ["unit", "connect", "sync", "setup", "start", "collect"];
export const KINDS = ["unit", "attempt", "collection", "not run", "job"];

export function took(us) {
  const s = us / 1e6;
  if (s < 0.001) return `${Math.round(us)} µs`;
  if (s < 1) return `${(s * 1000).toFixed(s < 0.1 ? 1 : 0)} ms`;
  if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
  const m = Math.floor(s / 60);
  return m < 60 ? `${m} min ${Math.floor(s % 60)} s` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

export function bytes(n) {
  const words = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  for (; n >= 1024 && place < words.length - 1; place++) n /= 1024;
  return place ? `${n.toFixed(n < 10 ? 1 : 0)} ${words[place]}` : n === 1 ? "1 byte" : `${n} bytes`;
}

export function count(n) {
  return n.toLocaleString("en-US").replace(/,/g, "\u202f");
}

export function some(n, word) {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

export function when(us) {
  return new Date(us / 1000).toLocaleString();
}

export function percent(part, whole) {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "–";
}

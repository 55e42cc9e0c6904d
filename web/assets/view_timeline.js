// A lane for each worker and slot; what is shorter than a pixel is drawn as shares of it.
import { h, line } from "farflung/dom";
import { SPANS, STATES, took } from "farflung/format";

const LANE = 18; // px
const LEFT = 150; // px for names
const TOP = 24; // px for the axis

const COLOURS = {
  passed: "--passed", failed: "--failed", error: "--failed", crashed: "--failed", timeout: "--failed", lost: "--failed",
  skipped: "--skipped", xfailed: "--skipped", xpassed: "--skipped", connect: "--wait", sync: "--wait", setup: "--wait", start: "--wait", collect: "--collect",
};

function colour_of(style, spans, i) {
  const word = spans.kind[i] === 0 ? STATES[spans.state[i]] : SPANS[spans.kind[i]];
  return style.getPropertyValue(COLOURS[word] || "--running");
}

// Spans of each lane by start, so that those in sight are found by bisection.
function by_lane(source) {
  const lanes = source.run.lanes.map(() => []);
  const { lane, start } = source.spans;
  for (let i = 0; i < lane.length; i++) lanes[lane[i]].push(i);
  for (const list of lanes) list.sort((a, b) => start[a] - start[b]);
  return lanes;
}

function first_at(list, start, us) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start[list[middle]] < us) low = middle + 1;
    else high = middle;
  }
  return low;
}

function step_of(span_us, pixels) {
  const least = (span_us / pixels) * 90;
  let step = 1;
  for (const factor of [2, 2.5, 2]) {
    while (step * 10 < least) step *= 10;
    if (step < least) step *= factor;
  }
  return step < least ? step * 2 : step;
}

export function view(source) {
  const lanes = by_lane(source);
  const order = lanes.map((_, i) => i).filter((i) => lanes[i].length);
  const total = Math.max(1, source.run.took_us);
  const { start, took: times, row } = source.spans;
  let from = 0, to = total;
  const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": "timeline: + and - zoom, arrows move, Enter opens what is under the pointer" });
  const tip = h("p.tip", { role: "status" }, "\u00a0");
  let pointed = -1;

  const draw = () => {
    const width = canvas.clientWidth, height = TOP + order.length * LANE;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const ctx = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    ctx.scale(scale, scale);
    ctx.font = "12px system-ui, sans-serif";
    ctx.fillStyle = style.getPropertyValue("--text");
    const pixels = Math.max(1, width - LEFT), per = pixels / (to - from);
    const step = step_of(to - from, pixels);
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      const x = LEFT + (at - from) * per;
      ctx.fillText(took(at), x + 3, 12);
      ctx.fillRect(x, 0, 1, TOP - 6);
    }
    order.forEach((number, place) => {
      const y = TOP + place * LANE, list = lanes[number], lane = source.run.lanes[number];
      ctx.fillStyle = style.getPropertyValue("--text");
      ctx.fillText(line(`${lane.host} ${lane.name}`).slice(0, 22), 4, y + 13);
      let i = Math.max(0, first_at(list, start, from) - 1), filled = -1;
      for (; i < list.length && start[list[i]] < to; i++) {
        const span = list[i];
        if (start[span] + times[span] < from) continue;
        const x = Math.max(0, (start[span] - from) * per);
        const w = Math.min(pixels, (start[span] + times[span] - from) * per) - x;
        // Of many on one pixel the bad ones are seen.
        const bad = row[span] >= 0 && source.rows.flags[row[span]] & 1;
        if (w < 1 && Math.floor(x) === filled && !bad) continue;
        filled = Math.floor(x);
        ctx.fillStyle = colour_of(style, source.spans, span);
        ctx.fillRect(LEFT + x, y + 2, Math.max(w > 3 ? w - 0.5 : w, 1), LANE - 4);
      }
    });
  };

  const at_pointer = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left - LEFT, place = Math.floor((event.clientY - box.top - TOP) / LANE);
    if (x < 0 || place < 0 || place >= order.length) return -1;
    const us = from + (x * (to - from)) / Math.max(1, canvas.clientWidth - LEFT);
    const list = lanes[order[place]];
    for (let i = Math.min(list.length, first_at(list, start, us + 1)) - 1; i >= 0 && i >= first_at(list, start, us) - 3; i--)
      if (start[list[i]] <= us && us <= start[list[i]] + times[list[i]]) return list[i];
    return -1;
  };
  const zoom = (factor, centre) => {
    const span = Math.min(total, Math.max(1000, (to - from) * factor));
    from = Math.min(total - span, Math.max(0, centre - (centre - from) * (span / (to - from))));
    to = from + span;
    draw();
  };
  const move = (share) => {
    const span = to - from;
    from = Math.min(total - span, Math.max(0, from + share * span));
    to = from + span;
    draw();
  };
  const open = () => { if (pointed >= 0 && row[pointed] >= 0) location.hash = `#/unit/${row[pointed]}`; };
  canvas.addEventListener("pointermove", (event) => {
    pointed = at_pointer(event);
    if (pointed < 0) { tip.textContent = "\u00a0"; return; }
    const what = row[pointed] >= 0 ? source.rows.name[row[pointed]] : SPANS[source.spans.kind[pointed]];
    tip.textContent = `${line(what)}: ${took(times[pointed])}, at ${took(start[pointed])}`;
  });
  canvas.addEventListener("click", open);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const x = event.clientX - canvas.getBoundingClientRect().left - LEFT;
    zoom(event.deltaY > 0 ? 1.25 : 0.8, from + (x * (to - from)) / Math.max(1, canvas.clientWidth - LEFT));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const keys = {
      "+": () => zoom(0.5, (from + to) / 2), "=": () => zoom(0.5, (from + to) / 2), "-": () => zoom(2, (from + to) / 2),
      ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), 0: () => { from = 0; to = total; draw(); }, Enter: open,
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  new ResizeObserver(draw).observe(canvas);
  const legend = [["passed", "passed"], ["failed", "bad"], ["skipped", "skipped"], ["wait", "connecting, starting, set-up"], ["collect", "collecting"]];
  return h("section", null, h("h1", null, "Timeline"), tip, canvas,
    h("p.legend", null, legend.map(([name, words]) => h(`span.k-${name}`, null, words))));
}

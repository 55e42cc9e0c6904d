// A lane for each worker and slot. Pieces are asked for as they are seen: what is shorter than a pixel comes put together.
import { fill, h, line } from "farflung/dom";
import { STATES, count, took } from "farflung/format";
import { PIECE, PIECES } from "farflung/source";
import { draw_path, path_list } from "farflung/view_critical";

const LANE = 18; // px
const LEFT = 150; // px for names
const TOP = 24; // px for the axis

const COLOURS = {
  passed: "--passed", failed: "--failed", error: "--failed", crashed: "--failed", timeout: "--failed", lost: "--failed",
  skipped: "--skipped", xfailed: "--skipped", xpassed: "--skipped", connect: "--wait", sync: "--wait", setup: "--wait", start: "--wait",
  collect: "--collect", "unit-setup": "--phase", "unit-teardown": "--phase",
};

// Of a piece at i of a list of pieces.
const word_of = (list, i) => {
  const kind = PIECES[list[i + 2]];
  return kind === "unit" || kind === "many" ? STATES[list[i + 3]] : kind;
};

function step_of(span_us, pixels) {
  const least = (span_us / pixels) * 90;
  let step = 1;
  for (const factor of [2, 2.5, 2]) {
    while (step * 10 < least) step *= 10;
    if (step < least) step *= factor;
  }
  return step < least ? step * 2 : step;
}

export async function view(source) {
  let total = Math.max(1, source.run.took_us);
  let from = 0, to = total, drawn = { lanes: [] }, asked = null;
  const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": "timeline: + and - zoom, arrows move, 0 shows all, Enter opens what is under the pointer" });
  const tip = h("p.tip", { role: "status" }, "\u00a0");
  let pointed = null, path = [];
  const marked = h("input", { type: "checkbox", checked: true, "aria-label": "show the critical path", onchange: () => draw() });
  const steps = h("div");

  const draw = () => {
    const width = canvas.clientWidth, height = TOP + drawn.lanes.length * LANE;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const ctx = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colours = {};
    const colour = (word) => (colours[word] ||= style.getPropertyValue(COLOURS[word] || "--running"));
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
    drawn.lanes.forEach(({ lane: number, pieces }, place) => {
      const y = TOP + place * LANE, lane = source.run.lanes[number];
      ctx.fillStyle = style.getPropertyValue("--text");
      ctx.fillText(line(`${lane?.host} ${lane?.name}`).slice(0, 22), 4, y + 13);
      for (let i = 0; i < pieces.length; i += PIECE) {
        const x = Math.max(0, (pieces[i] - from) * per);
        const w = Math.min(pixels, (pieces[i] + pieces[i + 1] - from) * per) - x;
        if (w < 0 || x > pixels) continue;
        ctx.fillStyle = colour(word_of(pieces, i));
        ctx.fillRect(LEFT + x, y + 2, Math.max(w > 3 ? w - 0.5 : w, 1), LANE - 4);
      }
    });
    if (marked.checked) {
      const places = new Map(drawn.lanes.map(({ lane }, place) => [lane, TOP + place * LANE]));
      draw_path(ctx, path, { places, from, to, left: LEFT, pixels, lane: LANE, colour: style.getPropertyValue("--critical") });
    }
  };
  // What is there is drawn at once, finer when the answer has come.
  const ask = async () => {
    const want = `${from} ${to} ${canvas.clientWidth}`;
    if (asked) { asked.again = want !== asked.want; return; }
    asked = { want, again: false };
    try {
      drawn = await source.timeline(from, to, Math.max(1, canvas.clientWidth - LEFT));
    } catch (error) { tip.textContent = line(error.message); }
    const { again } = asked;
    asked = null;
    draw();
    if (again) ask();
  };
  const show = () => { draw(); ask(); };

  const at_pointer = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left - LEFT, place = Math.floor((event.clientY - box.top - TOP) / LANE);
    if (x < 0 || !drawn.lanes[place]) return null;
    const pixel = (to - from) / Math.max(1, canvas.clientWidth - LEFT), us = from + x * pixel, { pieces } = drawn.lanes[place];
    for (let i = pieces.length - PIECE; i >= 0; i -= PIECE)
      if (pieces[i] <= us && us <= pieces[i] + Math.max(pieces[i + 1], pixel)) return pieces.slice(i, i + PIECE);
    return null;
  };
  const zoom = (factor, centre) => {
    const span = Math.min(total, Math.max(1000, (to - from) * factor));
    from = Math.min(total - span, Math.max(0, centre - (centre - from) * (span / (to - from))));
    to = from + span;
    show();
  };
  const move = (share) => {
    const span = to - from;
    from = Math.min(total - span, Math.max(0, from + share * span));
    to = from + span;
    show();
  };
  const open = () => { if (pointed && pointed[5] >= 0) location.hash = `#/unit/${pointed[5]}`; };
  let telling = 0;
  canvas.addEventListener("pointermove", async (event) => {
    pointed = at_pointer(event);
    const turn = ++telling;
    if (!pointed) { tip.textContent = "\u00a0"; return; }
    const [start, took_us, kind, , many, row] = pointed;
    const times = `${took(took_us)}, at ${took(start)}`;
    let what = PIECES[kind];
    if (many > 1) what = `${count(many)} units`;
    else if (row >= 0) {
      try {
        what = `${line((await source.unit(row)).row.name)}${kind === 1 ? " (set-up)" : kind === 2 ? " (teardown)" : ""}`;
      } catch (error) { what = "unit"; }
    }
    if (turn === telling) tip.textContent = `${what}: ${times}`;
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
      ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), 0: () => { from = 0; to = total; show(); }, Enter: open,
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  // With a little of what was before and after.
  const zoom_to = (step) => {
    const span = Math.min(total, Math.max(1000, step.took * 1.5));
    from = Math.min(total - span, Math.max(0, step.start - (span - step.took) / 2));
    to = from + span;
    show();
    canvas.scrollIntoView({ block: "nearest" });
  };
  // Later than the rest; who is at the list keeps it as it is.
  const find_path = async () => {
    try {
      path = (await source.critical()).steps;
    } catch (error) { tip.textContent = line(error.message); return; }
    draw();
    if (!steps.contains(document.activeElement)) fill(steps, path_list(source, path, zoom_to));
  };
  new ResizeObserver(show).observe(canvas);
  drawn = await source.timeline(from, to, 1000);
  const legend = [["passed", "passed"], ["failed", "bad"], ["skipped", "skipped"], ["phase", "a unit's set-up, teardown"], ["wait", "connecting, starting, set-up"], ["collect", "collecting"], ["critical", "critical path"]];
  const node = h("section", null, h("h1", null, "Timeline"), tip, canvas,
    h("p.legend", null, legend.map(([name, words]) => h(`span.k-${name}`, null, words)), h("label", null, marked, " show the critical path")), steps);
  find_path();
  // Who sees all of it sees what is new, too.
  node.refresh = () => {
    const all = from === 0 && to === total;
    total = Math.max(1, source.run.took_us);
    if (all) to = total;
    show();
    find_path();
  };
  return node;
}

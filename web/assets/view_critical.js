// What the run's end waited for, one after the other: on the timeline, and as a list for those who read.
import { fill, h, line } from "farflung/dom";
import { count, percent, took } from "farflung/format";

const SHOWN = 50; // steps at first,
const MORE = 500; // and with each wish for more

const WORDS = {
  "set-up-run": "setting up the run", "wait-for-host": "waiting to connect", connect: "connecting", prepare: "finding an interpreter",
  sync: "bringing the tree", "set-up-host": "setting up the host", "wait-for-slot": "waiting for a slot", "start-worker": "starting the worker",
  "wait-for-front": "waiting for the front", collect: "collecting", "wait-for-test": "waiting for the first test", job: "a job that ran nothing",
  "tear-down-host": "tearing down the host", "tear-down-run": "tearing down the run", end: "the end of the job",
};
const WHY = {
  "wait-for-host": "what there was to run did not need this host before", "wait-for-slot": "its slots were taken, or what it needs had not ended",
  "wait-for-front": "plugins or options need it before tests are collected", "wait-for-test": "others had not collected yet, or there was nothing for it",
  end: "what comes next began when this job was over: it needs it, or its slots",
};

function what(step) {
  const link = step.row === undefined ? null : h("a", { href: `#/unit/${step.row}` }, line(step.unit));
  if (step.step === "tests" && step.units > 1) return [`${count(step.units)} units`, link ? [", the longest ", link] : null];
  if (step.step === "tests") return step.row === undefined ? "units" : [h(`span.state.s-${step.state}`, null, step.state), " ", link];
  if (step.step === "wait-between-tests") return link ? ["waiting, then ", link] : "waiting";
  return [WORDS[step.step] || step.step, link ? [", then ", link] : null];
}

function why(step) {
  if (step.before) return "an attempt elsewhere: the next one had to wait for its end";
  if (step.waited > 0) return `${took(step.waited)} of it between them`;
  if (step.step === "wait-between-tests") return step.row === undefined ? "its last result was told late" : "there was nothing for it to run, or it told results";
  return WHY[step.step] || "";
}

function where(source, step) {
  const lane = step.lane === undefined ? null : source.run.lanes[step.lane];
  return line(lane ? `${lane.host} ${lane.name}`.trim() : step.name || "");
}

function row(source, step, total, show) {
  const words = `show on the timeline what is ${took(step.start)} from the start`;
  return h("tr", null, h("td", null, h("button", { onclick: () => show(step), "aria-label": words }, took(step.start))),
    h("td.number", null, took(step.took)), h("td.number", null, percent(step.took, total)), h("td", null, what(step)),
    h("td", null, where(source, step)), h("td.quiet", null, why(step)));
}

// What a path is made of, in a sentence.
function shares(steps, total) {
  const sum = (wanted) => steps.filter(wanted).reduce((us, step) => us + step.took, 0);
  const gaps = steps.reduce((us, step) => us + (step.waited || 0), 0);
  const units = sum((step) => step.step === "tests") - gaps, waits = sum((step) => step.waiting) + gaps;
  return `${percent(units, total)} in units, ${percent(waits, total)} waiting, ${percent(total - units - waits, total)} for hosts, workers and collection`;
}

export function path_list(source, steps, show) {
  const total = steps.reduce((us, step) => us + step.took, 0);
  if (!steps.length) return h("p.quiet", null, "Nothing has run: there is no critical path.");
  const body = h("tbody", null, steps.slice(0, SHOWN).map((step) => row(source, step, total, show)));
  const more = h("p");
  const name_more = () => {
    const left = steps.length - body.childElementCount;
    fill(more, left > 0 ? h("button", {
      onclick: () => {
        const first = body.childElementCount;
        body.append(...steps.slice(first, first + MORE).map((step) => row(source, step, total, show)));
        name_more();
        body.children[first].querySelector("button").focus();
      },
    }, `show ${count(Math.min(left, MORE))} of ${count(left)} further steps`) : null);
  };
  name_more();
  return h("article.path", null, h("h2", null, source.run.over ? "What the end waited for" : "What has taken the time so far"),
    h("p", null, `${count(steps.length)} steps, one after the other, ${took(total)}: ${shares(steps, total)}.`),
    h("div.wide", null, h("table", null, h("thead", null, h("tr", null, ["from", "took", "share", "what", "where", "why"].map((name) => h("th", { scope: "col" }, name)))), body)), more);
}

// A band below what is on it, dashed where it waits, and a line from lane to lane.
export function draw_path(ctx, steps, { places, from, to, left, pixels, lane, colour }) {
  const per = pixels / (to - from), within = (us) => left + Math.min(pixels, Math.max(0, (us - from) * per));
  let before = null;
  ctx.fillStyle = colour;
  for (const step of steps) {
    const y = places.get(step.lane), x = within(step.start), end = within(step.start + step.took);
    if (step.start > to) break;
    if (y === undefined) continue;
    if (step.start + step.took >= from) {
      if (before !== null && before !== y && step.start >= from) ctx.fillRect(x - 1, Math.min(before, y) + lane - 3, 2, Math.abs(y - before));
      if (!step.waiting) ctx.fillRect(x, y + lane - 4, Math.max(end - x, 1), 4);
      else for (let at = x; at < end; at += 6) ctx.fillRect(at, y + lane - 3, Math.min(3, end - at), 2);
    }
    before = y;
  }
}

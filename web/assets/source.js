// Where views get a run from: a server, which is asked for what is seen, or a file, which has all of it, compressed,
// in itself. Both have
//   run                         how it stands (document.h)
//   rows(query, from, count)    {found, rows}: a window of what a query finds
//   unit(number)                {row, attempts, artifacts, output}: one row, and what there is to read of it
//   timeline(from, to, pixels)  {lanes: [{lane, pieces}]}, PIECE numbers a piece
//   critical()                  {steps}: what the run's end waited for
//   follow(changed, broken)     calls `changed` when there is more
import { STATES } from "farflung/format";

export const PIECE = 6; // start, took, kind, state, count, row
export const PIECES = ["unit", "unit-setup", "unit-teardown", "many", "connect", "sync", "setup", "start", "collect"];
const PHASES_FROM = 12; // pixels, as in timeline.c
const MANY = PIECES.indexOf("many");

async function inflate(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const CACHED_BLOCKS = 8;
const ORDERS = {
  slowest: ({ took }) => (a, b) => took[b] - took[a] || a - b,
  name: ({ name }) => (a, b) => (name[a] < name[b] ? -1 : name[a] > name[b] ? 1 : a - b),
  start: ({ start }) => (a, b) => start[a] - start[b] || a - b,
};

class FileSource {
  #details = null;
  #left = null;
  #blocks = new Map();
  #lanes = null;
  #found = { key: null, numbers: [] };

  async open() {
    [this.run, this.columns, this.spans] = await Promise.all(["ff-run", "ff-rows", "ff-spans"].map(inflate));
    for (const name of ["message", "file"]) {
      const list = this.columns[name], texts = new Map();
      for (let i = 0; i < list.length; i += 2) texts.set(list[i], list[i + 1]);
      this.columns[name] = texts;
    }
    return this;
  }

  // It is over.
  follow() {}

  #row(number) {
    const of = this.columns;
    return {
      number, name: of.name[number], job: of.job[number], state: STATES[of.state[number]], kind: of.kind[number],
      bad: (of.flags[number] & 1) > 0, flaky: (of.flags[number] & 2) > 0,
      lane: of.lane[number] < 0 ? undefined : of.lane[number], cause: of.cause[number] < 0 ? undefined : of.cause[number],
      attempts: of.attempts[number], start: of.start[number], took: of.took[number], setup: of.setup[number],
      teardown: of.teardown[number], message: of.message.get(number), file: of.file.get(number), line: of.line[number],
    };
  }

  #wants({ states, job, cause, bad, flaky, q }) {
    const of = this.columns, wanted = states && new Set(states.split(",").map((word) => STATES.indexOf(word)));
    const words = (q || "").toLowerCase().split(/\s+/).filter(Boolean);
    return (i) => {
      if (wanted && !wanted.has(of.state[i])) return false;
      if (job !== undefined && of.job[i] !== Number(job)) return false;
      if (cause !== undefined && of.cause[i] !== (cause === "none" ? -1 : cause)) return false;
      if ((bad && !(of.flags[i] & 1)) || (flaky && !(of.flags[i] & 2))) return false;
      if (!words.length) return true;
      const all = `${of.name[i]} ${of.message.get(i) || ""}`.toLowerCase();
      return words.every((word) => all.includes(word));
    };
  }

  async rows(query, from, count) {
    const key = JSON.stringify(query);
    if (this.#found.key !== key) {
      const wants = this.#wants(query), numbers = [];
      for (let i = 0; i < this.columns.name.length; i++) if (wants(i)) numbers.push(i);
      if (ORDERS[query.sort]) numbers.sort(ORDERS[query.sort](this.columns));
      this.#found = { key, numbers };
    }
    const { numbers } = this.#found;
    return { found: numbers.length, from, rows: numbers.slice(from, from + count).map((number) => this.#row(number)) };
  }

  async #block(number) {
    if (!this.#blocks.has(number)) {
      if (this.#blocks.size >= CACHED_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value);
      this.#blocks.set(number, inflate(`ff-block${number}`));
    }
    return this.#blocks.get(number);
  }

  async unit(number) {
    if (!(number >= 0 && number < this.columns.name.length)) throw new Error("there is no such row");
    if (!this.#details) {
      const index = JSON.parse(document.getElementById("ff-index").textContent);
      this.#details = new Map();
      for (let i = 0; i < index.length; i += 2) {
        if (!this.#details.has(index[i])) this.#details.set(index[i], new Set());
        this.#details.get(index[i]).add(index[i + 1]);
      }
    }
    const attempts = [];
    for (const block of this.#details.get(number) || [])
      for (const [row, entry] of await this.#block(block)) if (row === number) attempts.push(entry);
    this.#left ||= await inflate("ff-left");
    return { row: this.#row(number), attempts, artifacts: this.#left[number] };
  }

  // Spans of each lane by start.
  #by_lane() {
    if (this.#lanes) return this.#lanes;
    const { lane, start } = this.spans;
    this.#lanes = this.run.lanes.map(() => []);
    for (let i = 0; i < lane.length; i++) this.#lanes[lane[i]].push(i);
    for (const list of this.#lanes) list.sort((a, b) => start[a] - start[b]);
    return this.#lanes;
  }

  // As timeline.c has it.
  #pieces(list, from, to, pixel) {
    const { start, took, kind, state, row } = this.spans, of = this.columns, pieces = [];
    let many = null;
    const put = () => {
      if (many) pieces.push(many.start, many.took, many.count > 1 ? MANY : 0, many.state, many.count, many.row);
      many = null;
    };
    for (const i of list) {
      if (start[i] >= to) break;
      if (start[i] + took[i] < from) continue;
      if (kind[i] === 0 && took[i] < pixel) {
        if (many && start[i] - many.start >= pixel) put();
        many = many || { start: start[i], took: 0, state: state[i], row: row[i], count: 0 };
        many.count++;
        many.took = Math.max(many.took, start[i] + took[i] - many.start);
        if (row[i] >= 0 && of.flags[row[i]] & 1) [many.row, many.state] = [row[i], state[i]];
        continue;
      }
      put();
      const setup = row[i] >= 0 ? of.setup[row[i]] : 0, teardown = row[i] >= 0 ? of.teardown[row[i]] : 0;
      if (kind[i] !== 0) pieces.push(start[i], took[i], kind[i] + MANY, state[i], 1, -1);
      else if (took[i] < PHASES_FROM * pixel || start[i] !== of.start[row[i]] || setup + teardown === 0 || setup + teardown > took[i])
        pieces.push(start[i], took[i], 0, state[i], 1, row[i]);
      else {
        if (setup) pieces.push(start[i], setup, 1, state[i], 1, row[i]);
        pieces.push(start[i] + setup, took[i] - setup - teardown, 0, state[i], 1, row[i]);
        if (teardown) pieces.push(start[i] + took[i] - teardown, teardown, 2, state[i], 1, row[i]);
      }
    }
    put();
    return pieces;
  }

  async timeline(from, to, pixels) {
    const pixel = Math.max(1, (to - from) / pixels);
    const lanes = this.#by_lane().map((list, lane) => ({ lane, pieces: this.#pieces(list, from, to, pixel) }));
    return { from, to, lanes: lanes.filter(({ pieces }) => pieces.length) };
  }

  async critical() {
    return inflate("ff-critical");
  }
}

async function ask(path, options) {
  const response = await fetch(`/api/v1/${path}`, { credentials: "same-origin", ...options });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || `status ${response.status}`);
  return answer;
}

// One that a server has, which may be going on, or of which not all has been read yet.
class ServedSource {
  constructor(id) {
    this.path = `runs/${encodeURIComponent(id)}`;
  }

  async open() {
    this.run = await ask(this.path);
    return this;
  }

  rows(query, from, count) {
    const given = Object.entries({ ...query, from, count }).filter(([, value]) => value !== undefined && value !== null && value !== false);
    return ask(`${this.path}/rows?${new URLSearchParams(given)}`);
  }

  unit(number) {
    return ask(`${this.path}/rows/${number}`);
  }

  timeline(from, to, pixels) {
    return ask(`${this.path}/timeline?from=${Math.floor(from)}&to=${Math.ceil(to)}&pixels=${Math.max(1, Math.floor(pixels))}`);
  }

  // Files that were brought, and where one of them is.
  artifacts(number, from, count) {
    return ask(`${this.path}/artifacts/${number}?${new URLSearchParams({ from, count })}`);
  }

  artifact(number, file) {
    return `/api/v1/${this.path}/artifacts/${number}/${file}`;
  }

  critical() {
    return ask(`${this.path}/critical-path`);
  }

  // What came of a unit in the latest runs.
  async history(job, name) {
    return (await ask(`history?${new URLSearchParams({ job, name })}`)).runs;
  }

  // "cancel" or "rerun"; no names: all of it, or all that failed.
  act(what, names) {
    return ask(`${this.path}/${what}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(names ? { names } : {}),
    });
  }

  // What was missed while the connection was cut comes with it.
  follow(changed, broken) {
    if (this.run.over && this.run.read === 1000) return;
    const news = new EventSource(`/api/v1/${this.path}/events?after=${this.run.seq}`);
    let busy = false, again = false;
    const look = async () => {
      if (busy) { again = true; return; }
      busy = true;
      try {
        do {
          again = false;
          await this.open();
          await changed();
          await new Promise((done) => setTimeout(done, 500));
        } while (again);
      } catch (error) { broken(true); }
      busy = false;
    };
    news.addEventListener("news", look);
    news.addEventListener("over", () => { news.close(); look(); });
    news.addEventListener("open", () => broken(false));
    news.addEventListener("error", () => broken(true));
  }
}

export async function runs() {
  return (await ask("runs")).runs;
}

export function trends(query) {
  return ask(`trends?${new URLSearchParams(query)}`);
}

export function compare(before, after) {
  return ask(`compare?${new URLSearchParams({ before, after })}`);
}

// The run that this page is about; null: it is about all of them.
export async function open() {
  if (document.getElementById("ff-run")) return new FileSource().open();
  const [, id] = location.pathname.match(/^\/runs\/([^/]+)$/) || [];
  return id ? new ServedSource(decodeURIComponent(id)).open() : null;
}

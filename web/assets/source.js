// Where views get a run from. A file has all of it, compressed, in itself.
import { STATES } from "farflung/format";

async function inflate(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const CACHED_BLOCKS = 8;

class FileSource {
  live = false;
  #details = null;
  #blocks = new Map();

  async open() {
    [this.run, this.rows, this.spans] = await Promise.all(["ff-run", "ff-rows", "ff-spans"].map(inflate));
    this.length = this.rows.name.length;
    for (const name of ["message", "file"]) {
      const texts = new Map();
      for (let i = 0; i < this.rows[name].length; i += 2) texts.set(this.rows[name][i], this.rows[name][i + 1]);
      this.rows[name] = texts;
    }
    return this;
  }

  row(number) {
    const rows = this.rows;
    return {
      number, name: rows.name[number], job: this.run.jobs[rows.job[number]], state: STATES[rows.state[number]],
      kind: rows.kind[number], bad: (rows.flags[number] & 1) > 0, flaky: (rows.flags[number] & 2) > 0,
      lane: this.run.lanes[rows.lane[number]], cause: rows.cause[number], attempts: rows.attempts[number],
      start: rows.start[number], took: rows.took[number], setup: rows.setup[number], teardown: rows.teardown[number],
      message: rows.message.get(number), file: rows.file.get(number), line: rows.line[number],
    };
  }

  // Numbers of the rows that a query wants, in its order.
  find({ text = "", states = null, job = null, cause = null, flaky = false, sort = "order" }) {
    const { name, state, took, start, flags, message } = this.rows;
    const wanted = states && new Set(states.map((word) => STATES.indexOf(word)));
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let i = 0; i < this.length; i++) {
      if (wanted && !wanted.has(state[i])) continue;
      if (job !== null && this.rows.job[i] !== job) continue;
      if (cause !== null && this.rows.cause[i] !== cause) continue;
      if (flaky && !(flags[i] & 2)) continue;
      if (words.length) {
        const all = `${name[i]} ${message.get(i) || ""}`.toLowerCase();
        if (!words.every((word) => all.includes(word))) continue;
      }
      found.push(i);
    }
    if (sort === "slowest") found.sort((a, b) => took[b] - took[a] || a - b);
    else if (sort === "name") found.sort((a, b) => (name[a] < name[b] ? -1 : name[a] > name[b] ? 1 : a - b));
    else if (sort === "start") found.sort((a, b) => start[a] - start[b] || a - b);
    return found;
  }

  async #block(number) {
    if (!this.#blocks.has(number)) {
      if (this.#blocks.size >= CACHED_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value);
      this.#blocks.set(number, inflate(`ff-block${number}`));
    }
    return this.#blocks.get(number);
  }

  // What there is of a row's attempts, the first one first.
  async details(number) {
    if (!this.#details) {
      const index = JSON.parse(document.getElementById("ff-index").textContent);
      this.#details = new Map();
      for (let i = 0; i < index.length; i += 2) {
        if (!this.#details.has(index[i])) this.#details.set(index[i], new Set());
        this.#details.get(index[i]).add(index[i + 1]);
      }
    }
    const found = [];
    for (const block of this.#details.get(number) || [])
      for (const [row, entry] of await this.#block(block)) if (row === number) found.push(entry);
    return found;
  }
}

export async function open() {
  return new FileSource().open();
}

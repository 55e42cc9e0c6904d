// Where views get a run from. A file has all of it, compressed, in itself.
import { STATES } from "farflung/format";

async function inflate(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const CACHED_BLOCKS = 8;

// What both have: the run in columns.
class Source {
  take(run, rows, spans) {
    [this.run, this.rows, this.spans] = [run, rows, spans];
    this.length = rows.name.length;
    for (const name of ["message", "file"]) {
      const texts = new Map();
      for (let i = 0; i < rows[name].length; i += 2) texts.set(rows[name][i], rows[name][i + 1]);
      rows[name] = texts;
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
}

class FileSource extends Source {
  #details = null;
  #blocks = new Map();

  async open() {
    return this.take(...(await Promise.all(["ff-run", "ff-rows", "ff-spans"].map(inflate))));
  }

  // It is over.
  follow() {}

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

async function ask(path) {
  const response = await fetch(`/api/v1/${path}`, { credentials: "same-origin" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || `status ${response.status}`);
  return answer;
}

// One that a server has, which may be going on.
class ServedSource extends Source {
  constructor(id) {
    super();
    this.path = `runs/${encodeURIComponent(id)}`;
  }

  async open() {
    const run = await ask(this.path);
    return this.take(run, await ask(`${this.path}/rows`), await ask(`${this.path}/spans`));
  }

  // Calls `changed` when there is more; what was missed while the connection was cut comes with it.
  follow(changed, broken) {
    if (this.run.over) return;
    const news = new EventSource(`/api/v1/${this.path}/events?after=${this.run.seq}`);
    let busy = false, again = false;
    const look = async () => {
      if (busy) { again = true; return; }
      busy = true;
      do {
        again = false;
        await this.open();
        changed();
        await new Promise((done) => setTimeout(done, 500));
      } while (again);
      busy = false;
    };
    news.addEventListener("news", look);
    news.addEventListener("over", () => { news.close(); look(); });
    news.addEventListener("open", () => broken(false));
    news.addEventListener("error", () => broken(true));
  }

  details(number) {
    return ask(`${this.path}/rows/${number}`);
  }
}

export async function runs() {
  return (await ask("runs")).runs;
}

// The run that this page is about; null: it is about all of them.
export async function open() {
  if (document.getElementById("ff-run")) return new FileSource().open();
  const [, id] = location.pathname.match(/^\/runs\/([^/]+)$/) || [];
  return id ? new ServedSource(decodeURIComponent(id)).open() : null;
}

// Runs to look at, made by the program itself, and a server of them.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export const FARFLUNG = process.env.FARFLUNG;
export const HOSTILE = `<img src=x onerror="document.title='taken'">'"&amp;\u202e`;

export function folder() {
  return fs.mkdtempSync(path.join(os.tmpdir(), "farflung-browser-"));
}

const environment = (home) => ({ ...process.env, HOME: home, NO_COLOR: "1" });

export function run(home, yaml, ...args) {
  fs.writeFileSync(path.join(home, "farflung.yaml"), yaml);
  const done = spawnSync(FARFLUNG, ["run", ...args], { cwd: home, env: environment(home), encoding: "utf8", timeout: 120000 });
  const last = fs.readlinkSync(path.join(home, ".farflung/runs/last"));
  return { code: done.status, id: last, err: done.stderr };
}

// One that goes on; `ended` is a promise of its exit code.
export function start(home, yaml, ...args) {
  fs.writeFileSync(path.join(home, "farflung.yaml"), yaml);
  const child = spawn(FARFLUNG, ["run", ...args], { cwd: home, env: environment(home), stdio: ["ignore", "ignore", "pipe"] });
  return { child, ended: new Promise((done) => child.on("exit", done)) };
}

// A journal of many units, as a run of commands on two hosts leaves it.
export function many(home, units, slots = 16) {
  const id = `20260102-030405-${createHash("sha1").update(String(units)).digest("hex").slice(0, 4)}`;
  const where = path.join(home, ".farflung/runs", id);
  fs.mkdirSync(where, { recursive: true });
  fs.writeFileSync(path.join(where, "output"), "");
  const out = fs.openSync(path.join(where, "journal.jsonl"), "w");
  let seq = 0, text = "";
  const began = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000;
  const say = (us, event) => {
    const at = began + us;
    const time = `${new Date(Math.floor(at / 1000)).toISOString().slice(0, 20)}${String(at % 1000000).padStart(6, "0")}Z`;
    text += `${JSON.stringify({ seq: ++seq, time, ...event })}\n`;
    if (text.length > 1 << 20) { fs.writeSync(out, text); text = ""; }
  };
  say(0, { event: "run-started", run: id, version: "0.1.0", config: "many.yaml", command: "run many.yaml", directory: home, hosts: 2, slots: 16, jobs: 1, machine: "here", pid: 1 });
  for (const host of ["a", "b"]) say(0, { event: "host-added", host, spec: "popen", slots: 8 });
  say(0, { event: "job-added", job: "many", payload: "run", units, timeout_us: 0, addopts_read: false, open: false });
  const free = Array.from({ length: slots }, (_, i) => ({ at: 1000 + i, host: i % 2 ? "b" : "a" }));
  let bad = 0;
  for (let i = 0; i < units; i++) {
    const slot = free.shift();
    const took = 500 + ((i * 7919) % 20000), failed = i % 500 === 7;
    say(slot.at, { event: "unit-started", job: "many", unit: `many[n=${i}]`, index: i, host: slot.host, attempt: 1 });
    say(slot.at + took, { event: "unit-finished", job: "many", unit: `many[n=${i}]`, index: i, host: slot.host, attempt: 1, final: true,
      result: failed ? { outcome: "failed", duration_us: took, status: 3, message: "exit status 3" } : { outcome: "passed", duration_us: took, status: 0 } });
    bad += failed ? 1 : 0;
    slot.at += took + 20;
    let place = free.findIndex((other) => other.at > slot.at);
    if (place < 0) place = free.length;
    free.splice(place, 0, slot);
  }
  const end = Math.max(...free.map((slot) => slot.at)), counts = { total: units, passed: units - bad, failed: bad };
  say(end, { event: "job-finished", job: "many", state: "failed", counts, problems: 0, took_us: end });
  say(end, { event: "run-finished", exit_code: 1, reason: `${bad} failed`, counts, took_us: end });
  fs.writeSync(out, text);
  fs.closeSync(out);
  return { id, bad };
}

// A journal of one unit that failed, which says what it is given.
export function told(home, started, result) {
  const id = "20260102-030405-abcd", where = path.join(home, ".farflung/runs", id), time = "2026-01-02T03:04:05.000000Z";
  const counts = { total: 1, failed: 1 };
  const events = [
    { event: "run-started", run: id, version: "0.1.0", config: "x.yaml", command: "run x.yaml", directory: "/some/where", hosts: 1, slots: 1, jobs: 1, machine: "here", pid: 1, ...started },
    { event: "host-added", host: "a", spec: "popen", slots: 1 },
    { event: "job-added", job: "one", payload: "pytest", units: 1, timeout_us: 0, addopts_read: false, open: false },
    { event: "unit-started", job: "one", unit: "one", index: 0, host: "a", worker: "gw0", attempt: 1 },
    { event: "unit-finished", job: "one", unit: "one", index: 0, host: "a", worker: "gw0", attempt: 1, final: true, result: { outcome: "failed", duration_us: 5, message: "no", ...result } },
    { event: "job-finished", job: "one", state: "failed", counts, problems: 0, took_us: 9 },
    { event: "run-finished", exit_code: 1, reason: "1 failed", counts, took_us: 9 },
  ];
  fs.mkdirSync(where, { recursive: true });
  fs.writeFileSync(path.join(where, "output"), "");
  fs.writeFileSync(path.join(where, "journal.jsonl"), events.map((event, i) => `${JSON.stringify({ seq: i + 1, time, ...event })}\n`).join(""));
  return id;
}

export class Server {
  static async start(home, ...args) {
    const server = new Server();
    server.child = spawn(FARFLUNG, ["web", "--listen", "127.0.0.1:0", ...args], { cwd: home, env: environment(home), stdio: ["ignore", "pipe", "inherit"] });
    server.url = await new Promise((done, fail) => {
      server.child.stdout.once("data", (data) => done(new URL(String(data).trim())));
      server.child.once("exit", () => fail(new Error("no server")));
    });
    return server;
  }

  page(id, view = "") {
    return new URL(`/runs/${id}${this.url.search}#/${view}`, this.url).href;
  }

  async stop() {
    const ended = new Promise((done) => this.child.on("exit", done));
    this.child.kill("SIGINT");
    return ended;
  }
}

// The pages in a browser: each view, live updates, keys, foreign text, many units, and that nobody else is asked for anything.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { chromium } from "playwright-core";
import { HOSTILE, Server, folder, many, run, start, told } from "./runs.mjs";

const SHOTS = process.env.SCREENSHOTS;
const LIVE = "version: 1\ninventory: [{spec: popen, slots: 2}]\njobs:\n  first: {run: 'true'}\n  waits: {run: 'echo so far; until test -e go; do sleep 0.05; done; test -e good', needs: [first]}\n";

let browser, context, page, home, server, said, asked;

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(() => browser.close());

beforeEach(async () => {
  home = folder();
  server = null;
  context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  page = await context.newPage();
  page.setDefaultTimeout(10000);
  [said, asked] = [[], []];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("request", (request) => asked.push(request.url()));
});
afterEach(async () => {
  await context.close();
  if (server) assert.equal(await server.stop(), 0);
  fs.rmSync(home, { recursive: true });
});

// What every page has to be like, whatever it showed.
function was_quiet(origin) {
  assert.deepEqual(said, [], "the console has nothing to say");
  assert.deepEqual(asked.filter((url) => !url.startsWith(origin) && !url.startsWith("data:")), [], "nobody else was asked");
}

// Playwright's own waiting would have to evaluate text in the page, which its policy refuses.
async function until(holds, argument) {
  const end = Date.now() + 20000;
  while (!(await page.evaluate(holds, argument))) {
    if (Date.now() > end) assert.fail(`not within 20 s: ${holds}\n${await page.evaluate(() => document.body.innerText)}`);
    await new Promise((done) => setTimeout(done, 30));
  }
}

async function shot(name) {
  if (!SHOTS) return;
  fs.mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
}

const MIXED = `version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  good: {run: "echo fine", matrix: {n: [1, 2, 3, 4, 5]}}
  bad: {run: "printf '\\\\033[31mred\\\\033[0m <b>bold</b>\\\\n' >&2; exit 3", matrix: {n: [1, 2]}}
  other: {run: "exit 4"}
  flaky: {run: "test -e flag || { touch flag; exit 1; }", retries: 1}
  after: {run: "true", needs: [other]}
`;

describe("views of a run", () => {
  beforeEach(async () => {
    const done = run(home, MIXED);
    assert.equal(done.code, 1, done.err);
    server = await Server.start(home);
    server.id = done.id;
  });

  it("lists all runs, and leads to one", async () => {
    await page.goto(server.url.href);
    await page.click(`a[href="/runs/${server.id}"]`);
    await page.waitForSelector("h1.verdict.s-failed");
    was_quiet(server.url.origin);
  });

  it("shows the run", async () => {
    await page.goto(server.page(server.id));
    await page.waitForSelector(".tile.s-passed");
    assert.equal(await page.textContent(".tile.s-failed b"), "3");
    assert.equal(await page.textContent(".tile.s-passed b"), "6");
    assert.deepEqual(await page.$$eval("caption", (all) => all.map((one) => one.textContent)), ["Jobs", "Hosts", "Longest"]);
    await shot("run");
    await page.click(".tile.s-failed");
    await page.waitForSelector(".window .row");
    assert.equal(await page.$$eval(".window .row", (all) => all.length), 3);
    was_quiet(server.url.origin);
  });

  it("shows failures by cause, what they said in its colours, and no markup of theirs", async () => {
    await page.goto(server.page(server.id, "failures"));
    await page.waitForSelector("article");
    assert.match(await page.textContent("h1"), /3 failures, 2 causes/);
    assert.deepEqual(await page.$$eval("article .badge", (all) => all.map((one) => one.textContent)), ["2", "1"]);
    assert.match(await page.textContent("section"), /1 flaky/);
    await page.click("article summary .state");
    await page.waitForSelector("pre.output .c-red");
    assert.equal(await page.textContent("pre.output .c-red"), "red");
    assert.equal(await page.$("pre.output b"), null);
    assert.match(await page.textContent("article details[open]"), new RegExp(`farflung rerun ${server.id} 'bad\\[n=1\\]'|farflung rerun ${server.id} bad\\[n=1\\]`));
    await shot("failures");
    was_quiet(server.url.origin);
  });

  it("shows a unit and its attempts, and how to repeat it", async () => {
    await page.goto(server.page(server.id, "tests?q=flaky"));
    await page.click(".window .row");
    await page.waitForSelector(".attempt");
    assert.equal(await page.$$eval(".attempt", (all) => all.length), 2);
    assert.match(await page.textContent("section"), new RegExp(`farflung rerun ${server.id} flaky`));
    await page.goto(server.page(server.id, "unit/99999"));
    await until(() => /no such unit/.test(document.querySelector("h1")?.textContent));
    await page.goto("about:blank");
    said = said.filter((text) => !text.includes("404"));
    was_quiet(server.url.origin);
  });

  it("draws the timeline; zooming and the pointer tell more", async () => {
    await page.goto(server.page(server.id, "timeline"));
    const canvas = await page.waitForSelector("canvas");
    const colours = await page.evaluate(() => {
      const canvas = document.querySelector("canvas"), seen = new Set();
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
      return [...seen];
    });
    assert.ok(colours.includes("26,127,55") && colours.includes("195,32,47"), `passed and failed are drawn: ${colours}`);
    const box = await canvas.boundingBox();
    for (let x = box.x + 151; x < box.x + box.width && !/µs|ms|s,/.test(await page.textContent(".tip")); x += 3)
      for (let y = box.y + 33; y < box.y + box.height; y += 18) {
        await page.mouse.move(x, y);
        if (/, at /.test(await page.textContent(".tip"))) break;
      }
    await until(() => /, at /.test(document.querySelector(".tip").textContent));
    await canvas.focus();
    const count = asked.filter((url) => url.includes("/timeline?")).length;
    await page.keyboard.press("+");
    await until((n) => performance.getEntriesByType("resource").filter((one) => one.name.includes("/timeline?")).length > n, count);
    await shot("timeline");
    was_quiet(server.url.origin);
  });

  it("tells what the end waited for, on the timeline and as a list, by keys as well", async () => {
    await page.goto(server.page(server.id, "timeline"));
    await page.waitForSelector(".path tbody tr");
    const drawn = () => page.evaluate(() => {
      const canvas = document.querySelector("canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < data.length; i += 4) if (data[i] === 217 && data[i + 1] === 72 && data[i + 2] === 15) return true;
      return false;
    });
    assert.ok(await drawn(), "the path is drawn");
    await shot("critical-path");
    await page.uncheck("input[type=checkbox]");
    assert.ok(!(await drawn()), "or not, as one likes");
    assert.match(await page.textContent(".path p"), /steps, one after the other, .*% in units, .*% waiting/);
    const zoomed = await page.evaluate(() => performance.getEntriesByType("resource").filter((one) => one.name.includes("/timeline?")).length);
    await page.focus(".path tbody tr:last-child button");
    await page.keyboard.press("Enter");
    await until((n) => performance.getEntriesByType("resource").filter((one) => one.name.includes("/timeline?")).length > n, zoomed);
    await page.focus(".path a[href^='#/unit/']");
    await page.keyboard.press("Enter");
    await page.waitForSelector("h1 .state");
    said = said.filter((text) => !text.includes("getImageData")); // which only this test asks for
    was_quiet(server.url.origin);
  });

  it("can be used by keys alone", async () => {
    await page.goto(server.page(server.id));
    await page.waitForSelector(".tile");
    for (const [key, words] of [["f", /failures/], ["t", /Timeline/], ["u", / of /], ["r", /failed \(exit 1\)/]]) {
      await page.keyboard.press(key);
      await until((pattern) => new RegExp(pattern).test(document.querySelector("main h1")?.textContent), words.source);
    }
    await page.keyboard.press("/");
    await until(() => document.activeElement?.id === "q");
    await page.keyboard.type("bad");
    await page.keyboard.press("Enter");
    await until(() => /^2 of/.test(document.querySelector("main h1")?.textContent));
    await page.focus(".window .row");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".attempt");
    was_quiet(server.url.origin);
  });

  it("has names for what it shows, in light, in dark and on a phone", async () => {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: colorScheme === "dark" ? 380 : 1100, height: 700 });
      for (const view of ["run", "failures", "timeline", "tests"]) {
        await page.goto(server.page(server.id, view));
        await page.waitForSelector("main h1");
        assert.equal(await page.$$eval("button, input, select, canvas", (all) => all.filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label")).length), 0);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `${view} is no wider than the screen`);
        await shot(`${view}-${colorScheme}`);
        await page.goto("about:blank");
      }
    }
    was_quiet(server.url.origin);
  });
});

it("shows a long critical path bit by bit", async () => {
  const { id } = many(home, 300, 1);
  server = await Server.start(home);
  await page.goto(server.page(id, "timeline"));
  await page.waitForSelector(".path tbody tr");
  assert.equal(await page.$$eval(".path tbody tr", (rows) => rows.length), 50);
  await page.click(".path > p > button");
  await until(() => document.querySelectorAll(".path tbody tr").length > 100 && document.activeElement.closest("tr") === document.querySelectorAll(".path tbody tr")[50]);
  assert.equal(await page.$(".path > p > button"), null);
  was_quiet(server.url.origin);
});

describe("links to lines", () => {
  const FAILED = { file: "t/a b#?%.py", line: 7, longrepr: "../../x.py:1: in no\nt/a.py:12: AssertionError\n  File \"/some/where/lib/b.py\", line 3, in f\n" };
  const hrefs = () => page.$$eval("a.place", (all) => all.map((one) => one.getAttribute("href")));
  const open_unit = async (started, ...args) => {
    const id = told(home, started, FAILED);
    server = await Server.start(home, ...args);
    await page.goto(server.page(id, "unit/0"));
    await page.waitForSelector("pre.output");
    return id;
  };

  it("lead into an editor, with nothing in them that a name could say", async () => {
    const id = await open_unit({ links: "vscode://file{path}:{line}" });
    assert.deepEqual(await hrefs(), ["vscode://file/some/where/t/a%20b%23%3F%25.py:7", "vscode://file/some/where/t/a.py:12", "vscode://file/some/where/lib/b.py:3"]);
    await page.goto(server.page(id, "failures"));
    await page.waitForSelector("article a.place");
    await page.click("article summary .state");
    await page.waitForSelector("pre.output a.place");
    assert.equal((await hrefs()).length, 4, "the cause's frame, the unit's place, two of the traceback");
    await shot("links");
    was_quiet(server.url.origin);
  });

  it("lead to a commit, and are not there where none is known", async () => {
    await open_unit({ links: "https://example.org/r/blob/{commit}/{file}#L{line}", commit: "abc1234", below: "sub/" });
    assert.deepEqual(await hrefs(), ["https://example.org/r/blob/abc1234/sub/t/a%20b%23%3F%25.py#L7", "https://example.org/r/blob/abc1234/sub/t/a.py#L12", "https://example.org/r/blob/abc1234/sub/lib/b.py#L3"]);
    await page.goto("about:blank");
    const id = told(home, { links: "https://example.org/{commit}/{file}" }, FAILED);
    await server.stop();
    server = await Server.start(home);
    asked = [];
    await page.goto(server.page(id, "unit/0"));
    await page.waitForSelector("pre.output");
    assert.deepEqual(await hrefs(), []);
    was_quiet(server.url.origin);
  });

  it("are none that a journal makes up", async () => {
    for (const links of ["javascript:alert(document.domain)//{path}", "JAVASCRIPT://{path}", "data:text/html,{path}", " javascript://{path}", "java\tscript://{path}", "https://e/{constructor}"]) {
      await open_unit({ links });
      assert.deepEqual(await hrefs(), [], links);
      assert.match(await page.textContent("dl"), /t\/a b#\?%\.py:7/);
      was_quiet(server.url.origin);
      await page.goto("about:blank");
      await server.stop();
      [server, asked] = [null, []];
    }
  });
});

it("lists what units left, as downloads that it never shows", async () => {
  fs.mkdirSync(path.join(home, "box"));
  const name = "<img src=x onerror=alert(1)>.html";
  fs.writeFileSync(path.join(home, "box", name), "<script>document.title = 'taken'</script>");
  for (let i = 0; i < 230; i++) fs.writeFileSync(path.join(home, "box", `n${i}.log`), "x");
  const done = run(home, "version: 1\ninventory: [{spec: popen, chdir: box}]\njobs:\n  one: {run: 'true', artifacts: ['*.html', '*.log']}\n", "--html", "r.html");
  assert.equal(done.code, 0, done.err);
  server = await Server.start(home);
  await page.goto(server.page(done.id, "unit/0"));
  assert.match(await page.textContent(".artifacts summary"), /231 files, 2\d\d bytes in .*out\/one\/one/);
  await page.focus(".artifacts summary");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".artifacts tbody tr");
  await until(() => document.querySelectorAll(".artifacts tbody tr").length === 200);
  await page.click(".artifacts button");
  await until(() => document.querySelectorAll(".artifacts tbody tr").length === 231);
  assert.equal(await page.$("img"), null);
  const link = await page.$(".artifacts a:has-text('onerror')");
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  assert.equal(fs.readFileSync(await download.path(), "utf8"), "<script>document.title = 'taken'</script>");
  assert.doesNotMatch(download.suggestedFilename(), /[<>/\\]/);
  const shown = await context.newPage();
  await assert.rejects(shown.goto(new URL(await link.getAttribute("href"), server.url.origin).href), /Download is starting|ERR_ABORTED/);
  await shown.close();
  await shot("artifacts");
  await page.goto(`file://${home}/r.html#/unit/0`);
  await page.waitForSelector(".artifacts");
  assert.match(await page.textContent(".artifacts"), /231 files.*out\/one\/one/);
  asked = asked.filter((url) => !url.startsWith("file:"));
  was_quiet(server.url.origin);
});

it("shows trends, and two runs beside each other", async () => {
  for (const bad of [0, 1]) run(home, `version: 1\ninventory: [popen]\njobs:\n  turns: {run: "exit ${bad}"}\n  good: {run: "true"}\n`);
  server = await Server.start(home);
  await page.goto(server.url.href);
  await page.click("text=Trends");
  await page.waitForSelector(".trends svg polyline");
  assert.match(await page.textContent("h1"), /2 runs/);
  await page.selectOption("select[aria-label=by]", "test");
  await until(() => document.querySelectorAll(".trends tbody tr").length === 2 && location.hash.includes("by=test"));
  await page.selectOption("select[aria-label=sort]", "failing");
  await until(() => /turns/.test(document.querySelector(".trends tbody th").textContent));
  await shot("trends");
  await page.click("text=Runs");
  await page.click("th a[href^=\"/runs/\"]");
  await page.waitForSelector(".tile");
  await page.keyboard.press("u");
  await page.click(".window .row:has-text('turns')");
  await until(() => /In the latest 2 runs/.test(document.querySelector("main article")?.textContent));
  // The same beside each failure.
  await page.goto(server.page(fs.readlinkSync(path.join(home, ".farflung/runs/last")), "failures"));
  await until(() => document.querySelector("main h1")?.textContent === "1 failure, 1 cause");
  await page.click("article summary .state");
  await until(() => /first bad run/.test(document.querySelector("article details").textContent) && /farflung rerun/.test(document.querySelector("article details").textContent));
  await shot("history");
  await page.goto(server.url.href);
  await page.waitForSelector("input[type=checkbox]");
  for (const box of await page.$$("input[type=checkbox]")) await box.check();
  await page.click("text=Compare the two");
  await until(() => /newly failing|fixed/.test(document.querySelector("article")?.textContent));
  await shot("compare");
  was_quiet(server.url.origin);
});

it("shows foreign text as text", async () => {
  const done = run(home, `version: 1\ninventory: [popen]\njobs:\n  bad: {run: "printf %s {n}; exit 1", matrix: {n: [${JSON.stringify(HOSTILE)}]}}\n`);
  assert.equal(done.code, 1, done.err);
  server = await Server.start(home);
  for (const view of ["run", "failures", "tests", "unit/0"]) {
    await page.goto(server.page(done.id, view));
    await page.waitForSelector("main h1");
    if (view === "failures") await page.click("summary .state");
    await until(() => document.querySelector("main").textContent.includes("<img src=x"));
    assert.equal(await page.$("img"), null);
    assert.ok((await page.textContent("main")).includes("\\x202e"), "a mark that turns text around is shown");
    assert.doesNotMatch(await page.title(), /taken/);
    await page.goto("about:blank");
  }
  was_quiet(server.url.origin);
});

it("shows what runs, as it goes on, and over a connection that was cut", async () => {
  const live = start(home, LIVE);
  await new Promise((done) => { const look = () => (fs.existsSync(path.join(home, ".farflung/runs/last")) ? done() : setTimeout(look, 20)); look(); });
  const id = fs.readlinkSync(path.join(home, ".farflung/runs/last"));
  server = await Server.start(home);
  // Between the browser and the server: who can cut the wire.
  const wires = new Set();
  const proxy = net.createServer((from) => {
    const to = net.connect(Number(server.url.port), "127.0.0.1");
    for (const wire of [from, to]) { wires.add(wire); wire.on("error", () => {}); wire.on("close", () => { from.destroy(); to.destroy(); }); }
    from.on("data", (data) => to.write(String(data).replaceAll(`127.0.0.1:${proxy.address().port}`, server.url.host)));
    to.pipe(from);
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  await page.goto(`${origin}/runs/${id}#/run`);
  await until(() => /so far/.test(document.querySelector(".running")?.textContent));
  await shot("live");
  // Time passes in one and the same text, without news.
  await page.evaluate(() => { window.seen = new Map(); });
  await until(() => {
    const cell = document.querySelector(".running .number span"), was = window.seen.get(cell);
    window.seen.set(cell, cell.textContent);
    return was !== undefined && was !== cell.textContent;
  });
  await page.evaluate(() => { window.stayed = true; });
  for (const wire of wires) wire.destroy();
  await until(() => /no connection/.test(document.querySelector("header [role=status]").textContent));
  fs.writeFileSync(path.join(home, "good"), "");
  fs.writeFileSync(path.join(home, "go"), "");
  assert.equal(await live.ended, 0);
  await page.waitForSelector("h1.verdict.s-passed", { timeout: 20000 });
  assert.equal(await page.textContent(".tile.s-passed b"), "2");
  assert.ok(await page.evaluate(() => window.stayed), "the page was not loaded anew");
  said = said.filter((text) => !/ERR_|net::/.test(text));
  proxy.close();
  was_quiet(origin);
});

it("says how long a run will go on", async () => {
  const live = start(home, `version: 1\ninventory: [popen]\njobs:\n  quick: {run: "sleep 1.1; true", matrix: {n: [1, 2, 3]}}\n  waits: {run: "until test -e go; do sleep 0.05; done", matrix: {n: [1, 2, 3, 4]}, needs: [quick]}\n`);
  await new Promise((done) => { const look = () => (fs.existsSync(path.join(home, ".farflung/runs/last")) ? done() : setTimeout(look, 20)); look(); });
  server = await Server.start(home);
  await page.goto(server.page(fs.readlinkSync(path.join(home, ".farflung/runs/last"))));
  await until(() => /3 of 7, about [34]\.\d+ s left at this pace/.test(document.querySelector("main")?.textContent));
  await shot("eta");
  fs.writeFileSync(path.join(home, "go"), "");
  assert.equal(await live.ended, 0);
  await page.waitForSelector("h1.verdict.s-passed", { timeout: 20000 });
  assert.doesNotMatch(await page.textContent("main"), /at this pace/);
  was_quiet(server.url.origin);
});

it("cancels a unit, and runs what failed again, where a token is asked for", async () => {
  const live = start(home, LIVE);
  await new Promise((done) => { const look = () => (fs.existsSync(path.join(home, ".farflung/runs/last")) ? done() : setTimeout(look, 20)); look(); });
  const id = fs.readlinkSync(path.join(home, ".farflung/runs/last"));
  server = await Server.start(home, "--token");
  await page.goto(server.page(id));
  await page.click(".running a");
  await page.click("text=Cancel it");
  await until(() => !document.querySelector("h1 .s-running"));
  assert.equal(await live.ended, 1);
  fs.writeFileSync(path.join(home, "go"), "");
  fs.writeFileSync(path.join(home, "good"), "");
  await page.goto("about:blank");
  await page.goto(server.page(id));
  await page.click("text=Run what failed again");
  await until(() => /asked for/.test(document.querySelector("main").textContent));
  await page.goto(server.url.origin);
  await until(async () => {
    const { runs } = await (await fetch("/api/v1/runs")).json();
    return runs.length === 2 && runs.some((run) => run.state === "passed");
  });
  was_quiet(server.url.origin);
});

it("shows 100,000 units", async () => {
  const { id, bad } = many(home, 100000);
  server = await Server.start(home);
  const began = Date.now();
  await page.goto(server.page(id));
  await page.waitForSelector(".tile");
  const first = Date.now() - began;
  await until(() => !document.querySelector("progress"));
  const all = Date.now() - began;
  assert.equal(await page.textContent(".tile.s-failed b"), String(bad));
  await page.keyboard.press("t");
  await page.waitForSelector("canvas");
  await page.waitForSelector(".path tbody tr");
  assert.ok(await page.$$eval(".path tbody tr", (rows) => rows.length >= 10 && rows.length <= 50), "many units are put together");
  await shot("timeline-100000");
  await page.keyboard.press("u");
  await until(() => /^100.000 of 100.000$/.test(document.querySelector("main h1")?.textContent));
  await page.$eval(".window", (node) => { node.scrollTop = node.scrollHeight; });
  await until(() => /n=99999/.test(document.querySelector(".rows").textContent));
  assert.ok(await page.$$eval(".row", (rows) => rows.length < 100), "only what is seen is there");
  await shot("tests-100000");
  console.log(`100,000 units: first paint ${first} ms, all of it ${all} ms`);
  was_quiet(server.url.origin);
});

it("opens a report from disk", async () => {
  const done = run(home, MIXED, "--html", "r.html");
  assert.equal(done.code, 1, done.err);
  const url = `file://${home}/r.html`;
  for (const [view, words] of [["run", /failed \(exit 1\)/], ["failures", /3 failures, 2 causes/], ["timeline", /Timeline/], ["tests", /^\d+ of/], ["unit/0", /good/]]) {
    await page.goto(`${url}#/${view}`);
    await until((pattern) => new RegExp(pattern).test(document.querySelector("main h1")?.textContent), words.source);
    if (view === "timeline") await page.waitForSelector(".path tbody tr");
    await shot(`file-${view.replace("/", "-")}`);
    await page.goto("about:blank");
  }
  was_quiet(url);
});

"""--html: one file that has the whole run in it, compressed, and asks nobody for anything."""
import base64
import collections
import html.parser
import json
import re
import zlib

import pytest

from conftest import junit_outcomes, write

STATES = ["running", "passed", "failed", "error", "skipped", "xfailed", "xpassed", "crashed", "timeout", "lost", "not-run"]
TESTS = r"""
import os, pytest, time

def test_good(): pass

@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "</script><img src=x>", "\x1b[31mred", "&amp;"])
def test_text(text):
    print(text)
    assert len(text) < 3, text

@pytest.mark.xfail
def test_known(): assert 0

def test_crash(): os._exit(3)
"""
YAML = """
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  py: {pytest: [t]}
  flaky: {run: "echo once; test -e flag || { touch flag; exit 1; }", retries: 1}
  list: {steps: [{name: one, run: "true"}, {name: two, run: "exit 4"}, {name: three, run: "true"}]}
  after: {run: "true", needs: [list]}
"""


class Page(html.parser.HTMLParser):
    """The page, as a browser reads it: its scripts by id, and what it is made of."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.scripts, self.tags, self.policy, self.inside = {}, collections.Counter(), None, None
        self.text = path.read_text()
        self.feed(self.text)
        self.close()
        self.run, self.rows, self.spans = (self.value(name) for name in ("run", "rows", "spans"))
        for name in ("message", "file"):
            pairs = self.rows[name]
            self.rows[name] = dict(zip(pairs[::2], pairs[1::2]))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags[tag] += 1
        assert "src" not in attrs and "href" not in attrs, "nothing is asked for elsewhere"
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        self.inside = (attrs.get("id") or attrs.get("type")) if tag == "script" else None

    def handle_data(self, data):
        if self.inside:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + data

    def handle_endtag(self, tag):
        self.inside = None

    def value(self, name):
        return json.loads(zlib.decompress(base64.b64decode(self.scripts[f"ff-{name}"], validate=True)))

    def states(self):
        jobs = [job["name"] for job in self.run["jobs"]]
        return {(jobs[job], name): STATES[state] for job, name, state in zip(self.rows["job"], self.rows["name"], self.rows["state"])}

    def details(self, job, name):
        number = list(self.states()).index((job, name))
        index = json.loads(self.scripts["ff-index"])
        blocks = sorted({block for row, block in zip(index[::2], index[1::2]) if row == number})
        return [entry for block in blocks for row, entry in self.value(f"block{block}") if row == number]


@pytest.fixture
def page(farflung, python):
    write(farflung.cwd / "t" / "test_x.py", TESTS)
    farflung.run_yaml(YAML, "--html", "r.html", "--junit", "r.xml", code=1)
    return Page(farflung.cwd / "r.html")


def test_it_has_all(page, farflung):
    assert len(page.rows["name"]) == len(page.run["by_state"] and page.rows["state"]) == sum(page.run["by_state"].values())
    states = page.states()
    assert states["py", "t/test_x.py::test_good"] == "passed" and states["py", "t/test_x.py::test_known"] == "xfailed"
    assert states["py", "t/test_x.py::test_crash"] == "crashed" and states["flaky", "flaky"] == "passed"
    assert states["list", "list::two"] == "failed" and states["list", "list::three"] == "skipped"
    assert states["after", "after"] == "skipped"
    assert len(states) == len(page.rows["name"]) == len(junit_outcomes(farflung.cwd / "r.xml"))
    assert page.run["over"] and page.run["exit_code"] == 1
    assert [job["result"] for job in page.run["jobs"]] == ["failed", "passed", "failed", "skipped"]
    flags = dict(zip(page.rows["name"], page.rows["flags"]))
    assert flags["flaky"] == 2 and flags["list::two"] == 1
    assert sum(cause["count"] for cause in page.run["causes"]) == sum(flag & 1 for flag in page.rows["flags"])


def test_spans_lie_within_the_run_and_one_after_another(page):
    lanes = collections.defaultdict(list)
    for lane, start, took, row in zip(*(page.spans[name] for name in ("lane", "start", "took", "row"))):
        assert 0 <= start and took >= 0 and start + took <= page.run["took_us"] + 1000
        if row >= 0:
            lanes[lane].append((start, start + took))
    attempts = sum(page.rows["attempts"])
    assert sum(map(len, lanes.values())) == attempts
    for spans in lanes.values():
        spans.sort()
        assert all(before[1] <= after[0] + 1000 for before, after in zip(spans, spans[1:]))


def test_details(page):
    (crash,) = page.details("py", "t/test_x.py::test_crash")
    assert crash["outcome"] == "crashed" and crash["worker"]
    first, second = page.details("flaky", "flaky")
    assert (first["attempt"], first["outcome"], second["attempt"], second["outcome"]) == (1, "failed", 2, "passed")
    assert [section["text"] for section in second["sections"]] == ["once\n"]
    (text,) = page.details("py", "t/test_x.py::test_text[<script>alert(1)</script>]")
    assert "assert" in text["longrepr"] and text["sections"][0]["text"] == "<script>alert(1)</script>\n"
    assert page.details("py", "t/test_x.py::test_good") == []


def test_nothing_of_the_run_is_markup(page):
    assert page.tags["img"] == 0 and page.tags["script"] == len(page.scripts)
    assert "default-src 'none'" in page.policy and "http" not in re.sub(r"[A-Za-z0-9+/=]{60,}", "", page.text).replace("http-equiv", "")
    modules = json.loads(page.scripts["importmap"])["imports"]
    for name, url in modules.items():
        source = base64.b64decode(url.split(",", 1)[1], validate=True).decode()
        assert all(target in modules for target in re.findall(r'from "([^"]+)"', source)), name
        assert "innerHTML" not in source and "eval(" not in source and "//" not in re.sub(r"(?m)^\s*//.*$|\s// .*$", "", source)


def test_from_a_journal_that_was_cut_off(farflung):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'sleep 100', matrix: {n: [1, 2]}}}\n")
    run = farflung.follow("run")
    run.event("unit-started")
    run.process.kill()
    run.process.wait()
    farflung.run("replay", "-q", "--html", "r.html", code=3)
    page = Page(farflung.cwd / "r.html")
    assert sorted(page.run["by_state"]) == ["error", "lost", "not-run"], "the error is the job's"
    assert page.run["exit_code"] == 3


def test_it_can_not_be_written(farflung):
    write(farflung.cwd / "file", "")
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    assert "file/r.html" in farflung.run("run", "--html", "file/r.html", code=2).stderr


def test_many_are_small(farflung):
    (farflung.cwd / "lines").write_text("".join(f"{i}\n" for i in range(5000)))
    farflung.run("map", "-j4", "-a", "lines", "--html", "r.html", "--", "echo", "a line of output for {}", code=0, timeout=300)
    page = Page(farflung.cwd / "r.html")
    assert page.run["by_state"] == {"passed": 5000}
    assert (farflung.cwd / "r.html").stat().st_size < 1500000
    assert page.details("map", page.rows["name"][4999])[0]["sections"][0]["text"].startswith("a line of output for ")

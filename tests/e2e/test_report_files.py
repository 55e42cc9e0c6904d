"""--tap, --md and --ctrf: what each says of a run is what JUnit says of it, and the exit code."""
import json
import re
import signal
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from conftest import write

TESTS = r"""
import pytest, sys

def test_good(): pass

def test_bad():
    print("said # this\n  deeper\n...\n---")
    print("err", file=sys.stderr)
    assert 0, "bad # thing \\ \"quoted\""

def test_skipped(): pytest.skip("why # not")

@pytest.mark.xfail(reason="known")
def test_known(): assert 0

@pytest.mark.xfail
def test_better(): pass

@pytest.fixture
def broken():
    yield
    assert 0, "behind it"

def test_twice(broken): assert 0, "first"

def test_teardown(broken): pass

@pytest.mark.parametrize("text", ["<b>&amp;</b>", "a|b`c`", "\x1b[31m\u202e\udcff"])
def test_text(text): pass
"""
YAML = """
version: 1
inventory: [popen]
jobs:
  py: {pytest: [t]}
  broken: {pytest: [broken]}
  sh: {run: "echo out; echo err >&2; exit 3"}
  flaky: {run: "test -e flag || { touch flag; exit 1; }", retries: 1}
  list: {steps: [{name: one, run: "true"}, {name: two, run: "exit 4"}, {name: three, run: "true"}]}
  after: {run: "true", needs: [sh]}
  many: {run: "exit {n}", matrix: {n: [0, 1, 2]}}
"""
# The published specification's facts: what must be there, of what type, and that nothing else may be.
TEST = {
    "type": "object", "required": ["name", "status", "duration"], "additionalProperties": False,
    "properties": {
        "name": {"type": "string"}, "status": {"enum": ["passed", "failed", "skipped", "pending", "other"]},
        "duration": {"type": "integer", "minimum": 0}, "start": {"type": "integer"}, "stop": {"type": "integer"},
        "suite": {"type": "array", "items": {"type": "string"}}, "message": {"type": "string"}, "trace": {"type": "string"},
        "rawStatus": {"type": "string"}, "type": {"type": "string"}, "filePath": {"type": "string"},
        "line": {"type": "integer"}, "retries": {"type": "integer"}, "flaky": {"type": "boolean"},
        "stdout": {"type": "array", "items": {"type": "string"}}, "stderr": {"type": "array", "items": {"type": "string"}},
        "threadId": {"type": "string"}, "extra": {"type": "object"},
    },
}  # fmt: skip
NUMBERS = ["tests", "passed", "failed", "skipped", "pending", "other", "flaky", "start", "stop"]
CTRF = {
    "type": "object", "required": ["reportFormat", "specVersion", "results"],
    "properties": {
        "reportFormat": {"const": "CTRF"}, "specVersion": {"pattern": r"^\d+\.\d+\.\d+$"},
        "timestamp": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}, "generatedBy": {"type": "string"},
        "extra": {"type": "object"},
        "results": {
            "type": "object", "required": ["tool", "summary", "tests"],
            "properties": {
                "tool": {"type": "object", "required": ["name"]},
                "summary": {"type": "object", "required": NUMBERS,
                            "properties": dict({name: {"type": "integer"} for name in NUMBERS}, extra={"type": "object"})},
                "tests": {"type": "array", "items": TEST},
            },
        },
    },
    "additionalProperties": False,
}  # fmt: skip


def tap_of(text):
    """[(ok, description, directive or None, block or None)], the plan (None: there is none), whether it bailed out."""
    lines, points, plan, bailed = text.split("\n"), [], None, False
    assert lines[0] == "TAP version 14" and lines[-1] == ""
    at = 1
    while at < len(lines) - 1:
        line = lines[at]
        at += 1
        if line.startswith("#"):
            continue
        if line.startswith("Bail out!"):
            bailed = True
            continue
        if line.startswith("1.."):
            assert plan is None
            plan = int(line[3:])
            continue
        ok, number, words = re.fullmatch(r"(ok|not ok) (\d+) - (.*)", line).groups()
        assert int(number) == len(points) + 1
        words, _, directive = re.fullmatch(r"((?:[^\\#]|\\.)*?)( # ((?:TODO|SKIP)\b.*))?", words).groups()
        block = None
        if lines[at] == "  ---":
            end = lines.index("  ...", at)
            block = yaml.safe_load("".join(line[2:] + "\n" for line in lines[at + 1 : end]))
            at = end + 1
        points.append((ok == "ok", re.sub(r"\\(.)", r"\1", words), directive, block))
    return points, plan, bailed


class Reports:
    """What the four say of one run."""

    def __init__(self, folder):
        self.tap, self.plan, self.bailed = tap_of((folder / "r.tap").read_bytes().decode())
        self.md = (folder / "r.md").read_bytes().decode()
        self.ctrf = json.loads((folder / "r.json").read_bytes().decode())
        jsonschema.validate(self.ctrf, CTRF)
        self.summary, self.tests = self.ctrf["results"]["summary"], self.ctrf["results"]["tests"]
        suites = list(ElementTree.parse(folder / "r.xml").getroot())
        self.junit = {kind: sum(int(suite.get(kind)) for suite in suites) for kind in ("tests", "failures", "errors", "skipped")}

    def agree(self):
        bad = [point for point in self.tap if not point[0] and not (point[2] or "").startswith("TODO")]
        skipped = [point for point in self.tap if re.match("SKIP|TODO known", point[2] or "")]
        assert len(self.tap) == self.plan == self.junit["tests"] == self.summary["tests"] == len(self.tests)
        assert len(bad) == self.junit["failures"] + self.junit["errors"] == self.summary["failed"]
        assert len(skipped) == self.junit["skipped"] == self.summary["skipped"]
        for status in ("passed", "failed", "skipped"):
            assert self.summary[status] == sum(test["status"] == status for test in self.tests)
        assert {test["name"] for test in self.tests} == {name.split(": ", 1)[-1] for _, name, _, _ in self.tap}


OPTIONS = ("--tap", "r.tap", "--md", "r.md", "--ctrf", "r.json", "--junit", "r.xml")


@pytest.fixture
def ran(farflung, python):
    write(farflung.cwd / "t" / "test_x.py", TESTS)
    write(farflung.cwd / "broken" / "test_y.py", "import nothing_like_it\n")
    done = farflung.run_yaml(YAML, *OPTIONS, code=1)
    return done, Reports(farflung.cwd)


def test_all_say_the_same(ran):
    done, reports = ran
    reports.agree()
    assert reports.summary["extra"] == {"exitCode": 1, "reason": done.stderr.strip().split("\n")[-1][10:].rsplit(" (", 1)[0]}
    by_name = {(test["suite"][0], test["name"]): test for test in reports.tests}
    bad = by_name["py", "t/test_x.py::test_bad"]
    assert bad["message"] == 'AssertionError: bad # thing \\ "quoted"' and "assert 0" in bad["trace"]
    assert bad["stdout"] == ["said # this", "  deeper", "...", "---"] and bad["stderr"] == ["err"]
    assert (bad["filePath"], bad["line"]) == ("t/test_x.py", 6)
    assert by_name["py", "t/test_x.py::test_known"]["rawStatus"] == "xfailed"
    assert by_name["flaky", "flaky"]["flaky"] and by_name["flaky", "flaky"]["retries"] == 1
    assert reports.summary["flaky"] == 1
    assert by_name["list", "list::two"]["status"] == "failed" and by_name["list", "list::three"]["status"] == "skipped"
    assert by_name["after", "after"]["rawStatus"] == "needs"
    assert len([test for test in reports.tests if test["name"].endswith("test_twice")]) == 2, "as in JUnit"


def test_tap_blocks(ran):
    _, reports = ran
    blocks = {name: block for _, name, _, block in reports.tap}
    bad = blocks["py: t/test_x.py::test_bad"]
    assert bad["message"] == 'AssertionError: bad # thing \\ "quoted"' and bad["line"] == 6
    assert {part["title"]: part["text"] for part in bad["output"]} == {
        "Captured stdout call": "said # this\n  deeper\n...\n---\n", "Captured stderr call": "err\n"}  # fmt: skip
    directives = {name: directive for _, name, directive, _ in reports.tap}
    assert directives["py: t/test_x.py::test_skipped"] == r"SKIP why \# not"
    assert directives["py: t/test_x.py::test_better"].startswith("TODO")
    assert blocks["flaky: flaky"]["attempts"] == 2
    assert "py: t/test_x.py::test_good" in blocks and blocks["py: t/test_x.py::test_good"] is None


def test_the_summary(ran):
    _, reports = ran
    text = reports.md
    assert text.startswith("## farflung: failed\n")
    heads = {name: int(count) for name, count in re.findall(r"^### (.*): (\d+)$", text, re.MULTILINE)}
    failed = reports.junit["failures"] + reports.junit["errors"]
    assert heads["Flaky"] == 1 and heads["Failures"] + heads["Hosts and jobs"] == failed
    assert "<b>" not in text and "\x1b" not in text


def test_not_run_units_are_named(farflung):
    farflung.run_yaml("""
        version: 1
        inventory: [popen]
        settings: {maxfail: 1}
        jobs:
          a: {run: "exit 1"}
          b: {run: "true", matrix: {n: [1, 2, 3]}}
        """, *OPTIONS, code=1)
    reports = Reports(farflung.cwd)
    reports.agree()
    assert "### Not run: " in reports.md and "maxfail" in reports.md


@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupt(farflung, signals):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'sleep 100', matrix: {n: [1, 2, 3]}}}\n")
    run = farflung.follow("run", *OPTIONS)
    run.event("unit-started")
    for _ in range(signals):
        run.process.send_signal(signal.SIGINT)
        if signals == 2:
            run.event("interrupted", times=1)
    if signals == 1:
        run.event("interrupted")
        run.process.send_signal(signal.SIGINT)
    run.finish(code=130)
    reports = Reports(farflung.cwd)
    reports.agree()
    assert reports.summary["passed"] == 0 and reports.summary["extra"]["exitCode"] == 130
    assert reports.summary["failed"] >= 1 and not reports.bailed


def test_no_host(farflung):
    farflung.run_yaml("version: 1\ninventory: [popen//python=/nothing]\njobs: {a: {pytest: [x]}}\n",
                      *OPTIONS, code=3)
    reports = Reports(farflung.cwd)
    reports.agree()
    assert reports.summary["failed"] >= 1


def test_a_stream_as_things_happen(farflung):
    """Each line is there before the next unit ends."""
    farflung.yaml("version: 1\ninventory: [popen]\n"
                  "jobs: {a: {run: 'true'}, b: {run: 'until test -e flag; do sleep 0.02; done', needs: [a]}}\n")
    run = farflung.start("run", "--tap", "-")
    try:
        lines = [run.stdout.readline() for _ in range(2)]
        assert lines == ["TAP version 14\n", "ok 1 - a: a\n"]
        (farflung.cwd / "flag").touch()
        assert run.stdout.read().split("\n")[:2] == ["ok 2 - b: b", "1..2"]
        assert run.wait(60) == 0
    finally:
        run.kill()
        run.communicate()


@pytest.mark.parametrize("option", ["--tap", "--md", "--ctrf"])
def test_what_can_not_be_written(farflung, option):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    write(farflung.cwd / "file", "")
    done = farflung.run("run", option, "file/r", code=2)
    assert "file/r" in done.stderr
    if option != "--tap":
        done = farflung.run("run", option, "-", code=2)
        assert f"'{option[2:]}' can't be written to stdout" in done.stderr


def test_again_from_the_journal(ran, farflung):
    _, first = ran
    farflung.run("replay", *OPTIONS, code=1)
    again = Reports(farflung.cwd)
    again.agree()
    assert again.tap == first.tap and again.md == first.md and again.tests == first.tests

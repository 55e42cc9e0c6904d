"""farflung report: reports of runs from their journals; of several, and of shards, one."""
import json
import xml.etree.ElementTree as ET

import pytest
from conftest import of_kind, outcomes, read_jsonl
from test_merge import journal, shards

INVENTORY = "version: 1\ninventory: [2*popen]\n"
GOOD = INVENTORY + "jobs: {a: {run: 'true'}, b: {run: 'echo said; exit 3'}}\n"
OTHER = INVENTORY + "jobs: {b: {run: 'true'}, c: {run: 'true'}}\n"
SLOW = INVENTORY + """\
jobs:
  one: {run: 'echo begun; until test -e flag; do sleep 0.02; done'}
  two: {run: 'true', needs: [one]}
"""


def report(farflung, *runs, code):
    """Of all kinds at once: the suites by name, the events, what was said."""
    for name in ("r.xml", "r.jsonl"):
        (farflung.cwd / name).unlink(missing_ok=True)
    done = farflung.run("report", *runs, "--junit", "r.xml", "--jsonl", "r.jsonl", code=code)
    done.suites = {each.get("name"): each for each in ET.parse(farflung.cwd / "r.xml").getroot().iter("testsuite")}
    done.events = read_jsonl(farflung.cwd / "r.jsonl")
    return done


def run_id(events):
    return events[0]["run"]


@pytest.fixture
def two(farflung):
    """Two runs, with a job that both have."""
    first = run_id(farflung.run_yaml(GOOD, code=1).events)
    return first, run_id(farflung.run_yaml(OTHER, code=0).events)


def test_a_summary_is_on_stdout(two, farflung):
    done = farflung.run("report", two[0], code=1)
    assert "1 failed" in done.stdout and "said" in done.stdout and "FAILED" in done.stdout
    done = farflung.run("report", code=0)
    assert "2 passed" in done.stdout and "failed" not in done.stdout
    assert farflung.run("report", "last", code=0).stdout.count("2 passed") == done.stdout.count("2 passed")


def test_files_are_those_of_the_run_itself(farflung):
    farflung.yaml(GOOD)
    own = ["--junit", "own.xml", "--md", "own.md", "--tap", "own.tap", "--codequality", "own.cq"]
    farflung.run("run", *own, "--jsonl", "own.jsonl", code=1)
    done = farflung.run("report", *(each.replace("own", "again") for each in own), "--jsonl", "again.jsonl",
                        "--html", "again.html", "--ctrf", "again.ctrf", code=1)  # fmt: skip
    assert done.stdout == ""
    for kind in ("xml", "md", "tap", "cq"):
        assert (farflung.cwd / f"again.{kind}").read_text() == (farflung.cwd / f"own.{kind}").read_text(), kind
    assert read_jsonl(farflung.cwd / "again.jsonl") == read_jsonl(farflung.cwd / "own.jsonl")
    assert json.loads((farflung.cwd / "again.ctrf").read_text())["results"]["summary"]["failed"] == 1
    assert (farflung.cwd / "again.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("kind", ["junit", "html", "md", "tap", "ctrf", "jsonl", "codequality"])
def test_any_of_them_on_stdout(two, farflung, kind):
    """As in a file; nothing else is there."""
    on_stdout = farflung.run("report", two[0], f"--{kind}", "-", code=1).stdout
    farflung.run("report", two[0], f"--{kind}", "file", code=1)
    assert on_stdout == (farflung.cwd / "file").read_text() and on_stdout.endswith("\n")


def test_only_one_on_stdout(two, farflung):
    done = farflung.run("report", "--junit", "-", "--md", "-", code=2)
    assert "can't both be written to stdout" in done.stderr and done.stdout == ""
    done = farflung.run("report", "--results", "-", code=2)
    assert "'results' can't be written to stdout" in done.stderr


def test_several_runs_in_one(two, farflung):
    """What both have is there twice, by its run; the worst one's exit code is that of all."""
    first, second = two
    for runs in ((first, second), (f".farflung/runs/{first}", f".farflung/runs/{second}/journal.jsonl")):
        done = report(farflung, *runs, code=1)
        assert set(done.suites) == {"a", f"b@{first}", f"b@{second}", "c"}
        assert [done.suites[name].get("failures") for name in ("a", f"b@{first}", f"b@{second}", "c")] == [
            "0", "1", "0", "0"]  # fmt: skip
        told = {p.get("name"): p.get("value") for p in done.suites["c"].find("properties")}
        assert told["farflung.run"] == second
        assert [event["seq"] for event in done.events] == list(range(1, len(done.events) + 1))
        assert done.events[-1]["counts"]["total"] == 4 and done.events[-1]["exit_code"] == 1
        assert {event["host"][:2] for event in of_kind(done.events, "unit-finished")} == {"1/", "2/"}
    summary = farflung.run("report", first, second, code=1).stdout
    assert "1 failed" in summary and "3 passed" in summary
    assert len(list((farflung.cwd / ".farflung" / "runs").glob("2*"))) == 2, "a report is no run"


def amiss(done, words):
    """It is in the files, too."""
    assert done.suites["report"].get("errors") == "1"
    assert words in ET.tostring(done.suites["report"], "unicode")


def test_a_damaged_journal(two, farflung):
    path = farflung.cwd / ".farflung" / "runs" / two[0] / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:4], '{"seq": nonsense\n', *lines[5:]]))
    done = report(farflung, two[1], two[0], code=3)
    assert "journal.jsonl:5: not an event" in done.stderr and set(done.suites) == {"b", "c", "report"}
    amiss(done, "journal.jsonl:5: not an event")
    done = farflung.run("report", two[0], code=3)
    assert "journal.jsonl:5: not an event" in done.stderr


def test_the_same_run_twice(two, farflung):
    done = report(farflung, two[1], f".farflung/runs/{two[1]}", code=3)
    assert "are the same run" in done.stderr and done.events[-1]["counts"]["total"] == 2
    amiss(done, "are the same run")


def test_what_is_no_run(two, farflung):
    done = farflung.run("report", "20200101-nothing", code=2)
    assert "no run '20200101-nothing'" in done.stderr
    done = report(farflung, two[1], "nothing", code=3)
    assert "nothing: no journal there" in done.stderr and "c" in done.suites
    amiss(done, "nothing: no journal there")
    farflung.run("report", "no", "nothing", code=2)


def test_shards(farflung, python):
    """As merge has it, and nothing is kept."""
    folders = shards(farflung, python, 3, fails=4)
    done = report(farflung, *folders, code=1)
    assert len(outcomes(done.events)) == 7 and set(done.suites) == {"pytest"}
    assert done.suites["pytest"].get("tests") == "7" and done.suites["pytest"].get("failures") == "1"
    assert not (farflung.cwd / ".farflung").exists()
    done = report(farflung, folders[0], folders[2], code=3)
    assert "shard 2/3 is missing" in done.stderr
    assert "shard 2/3 is missing" in done.events[-1]["reason"]
    assert "shard 2/3 is missing" in (farflung.cwd / "r.xml").read_text()
    done = report(farflung, *folders, folders[1], code=3)
    assert "are the same run" in done.stderr and len(outcomes(done.events)) == 7


@pytest.mark.parametrize("alone", [True, False])
def test_a_run_that_goes_on_and_one_that_was_killed(farflung, alone):
    before = [] if alone else [run_id(farflung.run_yaml(OTHER, code=0).events)]
    farflung.yaml(SLOW)
    live = farflung.follow("run")
    live.event("unit-output", job="one")
    this = run_id(live.events)
    done = report(farflung, *before, this, code=3)
    assert "goes on" in done.stderr and "goes on" in (farflung.cwd / "r.xml").read_text()
    assert of_kind(done.events, "unit-finished", unit="one")[0]["result"]["outcome"] == "lost"
    assert len(of_kind(done.events, "units-not-run", job="two")) == 1
    live.process.kill()
    live.process.wait(60)
    (farflung.cwd / "flag").touch()
    done = report(farflung, *before, this, code=3)
    assert "goes on" not in done.stderr and "killed" in done.stderr
    assert done.suites["one"].get("errors") == "1" and done.suites["two"].get("errors") != "0"
    assert of_kind(done.events, "unit-finished", unit="one")[0]["result"]["outcome"] == "lost"
    assert done.events[-1]["event"] == "run-finished" and done.events[-1]["exit_code"] == 3


def test_a_shard_that_was_cut_off(farflung, python):
    """What it did not come to is told as not run, not dropped."""
    folders = shards(farflung, python, 2)
    path = journal(folders[1])
    lines = path.read_text().splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if json.loads(line)["event"] == "unit-finished"]
    own = len(ends)
    path.write_text("".join(lines[: ends[0]]))
    done = report(farflung, *folders, code=3)
    lost = [unit for unit, outcome in outcomes(done.events).items() if outcome == "lost"]
    not_run = sum(event["count"] for event in of_kind(done.events, "units-not-run"))
    assert len(lost) + not_run == own and lost
    assert len(outcomes(done.events)) + not_run == 7
    assert int(done.suites["pytest"].get("tests")) >= 7 and int(done.suites["pytest"].get("errors")) > 0

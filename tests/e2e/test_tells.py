"""What the end of a run tells of failures beyond themselves: causes in common, since when, flaky ones."""
import xml.etree.ElementTree as ET

import pytest
from conftest import read_jsonl, write

ALIKE = """
import pytest

class Thing:
    pass

def check(tmp_path, n):
    raise KeyError(f"{Thing()} is not in {tmp_path} after {n}.5 s")

@pytest.mark.parametrize("n", range(40))
def test_alike(tmp_path, n):
    check(tmp_path, n)

def test_other():
    assert [] == ["other"]
"""

SWITCH = """
import os

def test_switch():
    assert not os.path.exists("broken")

def test_always():
    assert not os.path.exists("worse")
"""


def run(farflung, python, *args, code):
    return farflung.run("pytest", "--python", python, "-n", 2, "--front", "never", *args, code=code)


def section(done, title):
    """The lines below that rule; none: there is no such section."""
    lines = done.stdout.splitlines()
    heads = [at for at, line in enumerate(lines) if line.strip("═= ") == title]
    if not heads:
        return []
    rest = lines[heads[0] + 1:]
    return rest[:rest.index("")]


def run_id(done):
    return next(line for line in done.stdout.splitlines() if line.startswith("farflung ")).split(" run ")[1].split()[0]


def test_failures_of_one_cause_are_one_entry(farflung, python):
    write(farflung.cwd / "test_a.py", ALIKE)
    lines = section(run(farflung, python, "--tb", "short", code=1), "failures that are alike")
    assert lines[0].startswith("40 times: KeyError: ") and lines[0].endswith(" at test_a.py:8")
    assert "0x..." in lines[0] and "<path>" in lines[0]
    assert len(lines) == 6 and lines[4] == "  and 37 more"
    assert all(line.startswith("  test_a.py::test_alike[") for line in lines[1:4])
    assert lines[5] == "40 of 41 failures have their cause in common with others"


def test_nothing_is_said_of_failures_that_differ(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a():\n    assert 1 == 2\n\ndef test_b():\n    assert 1 == 2\n")
    done = run(farflung, python, code=1)
    assert section(done, "failures that are alike") == []
    assert section(done, "failures by their history") == []


def test_since_when_failures_are_there(farflung, python):
    write(farflung.cwd / "test_a.py", SWITCH)
    green = run_id(run(farflung, python, code=0))
    (farflung.cwd / "broken").touch()
    first = run(farflung, python, code=1)
    assert section(first, "failures by their history") == [
        f"last green run: {green} of 2",
        "new: 1", f"  test_a.py::test_switch - passing since {green}"]

    (farflung.cwd / "worse").touch()
    write(farflung.cwd / "test_b.py", "def test_new():\n    assert False\n")
    second = section(run(farflung, python, code=1), "failures by their history")
    assert second[0] == f"last green run: {green} of 2" and second[1] == "new: 2"
    assert sorted(second[2:4]) == [f"  test_a.py::test_always - passing since {green}",
                                   "  test_b.py::test_new - never seen before"]
    assert second[4:] == ["failing before: 1", f"  test_a.py::test_switch - failing since {run_id(first)}"]


def test_without_a_green_run(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a():\n    assert False\n")
    first = run_id(run(farflung, python, code=1))
    assert section(run(farflung, python, code=1), "failures by their history") == [
        "last green run: none is known", "failing before: 1", f"  test_a.py::test_a - failing since {first}"]
    assert section(run(farflung, python, "--history", "none", code=1), "failures by their history") == []


FLAKY = """
import os

def test_flaky():
    with open("tries", "a") as file:
        file.write("x")
    assert os.path.getsize("tries") >= 3, "too early"
"""


def test_flaky_tests_have_their_attempts(farflung, python):
    write(farflung.cwd / "test_a.py", FLAKY)
    report = farflung.cwd.parent / "junit.xml"
    done = run(farflung, python, "--retries", 2, "--junit", report, code=0)
    lines = section(done, "passed after retries")
    assert lines[0] == "test_a.py::test_flaky (attempt 3)"
    assert [line.split(" [")[0] for line in lines[1:]] == ["  attempt 1: failed", "  attempt 2: failed"]
    assert all("too early" in line for line in lines[1:])
    assert ", 1 flaky" in done.stdout.splitlines()[-1]
    case = ET.parse(report).getroot().find(".//testcase")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties == {"farflung.flaky": "true", "farflung.attempts": "3"}
    assert len(case.findall("flakyFailure")) == 2 and case.find("failure") is None


def test_flaky_tests_may_fail_the_run(farflung, python):
    """With them the run is not green anywhere: in its exit code, its last line, JUnit and the journal."""
    write(farflung.cwd / "test_a.py", FLAKY)
    report, events = farflung.cwd.parent / "junit.xml", farflung.cwd.parent / "events.jsonl"
    done = run(farflung, python, "--retries", 2, "--flaky-fail", "--junit", report, "--jsonl", events, code=1)
    assert "1 flaky: passed only when tried again" in done.stdout
    assert "1 flaky: passed only when tried again (exit 1)" in done.stderr
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite.get("errors") == "1" and suite.find("testcase/error").get("type") == "flaky"
    (end,) = [event for event in read_jsonl(events) if event["event"] == "job-finished"]
    assert (end["state"], end["why"]) == ("failed", "flaky")
    # What passes at once is no failure, nor what fails is flaky.
    run(farflung, python, "--retries", 2, "--flaky-fail", code=0)
    (farflung.cwd / "tries").unlink()
    assert "flaky" not in run(farflung, python, "--retries", 1, "--flaky-fail", code=1).stderr


def test_flaky_tests_fail_the_run_with_a_front(farflung, python):
    write(farflung.cwd / "test_a.py", FLAKY)
    done = farflung.run("pytest", "--python", python, "-n", 2, "--front", "always", "--retries", 2, "--flaky-fail", code=1)
    assert "1 flaky: passed only when tried again" in done.stderr


def test_flaky_jobs_of_a_file(farflung):
    write(farflung.cwd / "farflung.yaml", """inventory: {hosts: [popen]}
settings: {flaky_fail: true}
jobs:
  a: {run: 'test -e tried || { touch tried; exit 1; }', retries: 1}
  b: {run: 'true', needs: [a]}
""")
    done = farflung.run("run", code=1)
    assert "job a: failed: 1 flaky: passed only when tried again" in done.stdout
    assert "job b: skipped: it needs 'a', which did not pass" in done.stdout
    (farflung.cwd / "tried").unlink()
    write(farflung.cwd / "other.yaml", (farflung.cwd / "farflung.yaml").read_text().replace("true}", "false}", 1))
    farflung.run("run", "other.yaml", code=0)
    (farflung.cwd / "tried").unlink()
    farflung.run("run", "--flaky-fail", "other.yaml", code=1)


CRASHES = """
import os

def test_fails():
    assert not os.path.exists("made"), "again"

def test_crashes():
    if not os.path.exists("made"):
        open("made", "w").close()
        os._exit(3)
"""


def test_only_given_outcomes_are_tried_again(farflung, python):
    write(farflung.cwd / "test_a.py", CRASHES)
    events = farflung.cwd.parent / "events.jsonl"

    def attempts(outcomes, code):
        (farflung.cwd / "made").unlink(missing_ok=True)
        farflung.run("pytest", "--python", python, "-n", 1, "--front", "never", "--history", "none", "--retries", 2,
                     "--retry-on", outcomes, "--jsonl", events, code=code)
        return [(event["unit"].split("::")[1], event["attempt"], event["result"]["outcome"]) for event in read_jsonl(events)
                if event["event"] == "unit-finished"]

    passed = ("test_fails", 1, "passed")
    assert attempts(" crashed , timeout", 0) == [
        passed, ("test_crashes", 1, "crashed"), ("test_crashes", 2, "passed")]
    assert attempts("failed,error", 1) == [passed, ("test_crashes", 1, "crashed")]


@pytest.mark.parametrize("words", ["passed", "lost", "failed,", "failed error", ",", "Failed", "failed;error"])
def test_no_outcome_to_try_again(farflung, python, words):
    done = farflung.run("pytest", "--python", python, "-n", 1, "--retry-on", words, code=4)
    assert f"job 'pytest': 'retry_on' wants failed, error, crashed or timeout, with commas between them, got '{words}'" in done.stderr
    write(farflung.cwd / "farflung.yaml", f"inventory: {{hosts: [popen]}}\njobs:\n  a: {{run: x, retry_on: '{words}'}}\n")
    done = farflung.run("run", code=2)
    assert "farflung.yaml:3:" in done.stderr and f"got '{words}'" in done.stderr

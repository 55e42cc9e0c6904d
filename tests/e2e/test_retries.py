"""What fails is tried again: when its rest is over, elsewhere if that is as soon, and in the meantime all
else goes on."""
import datetime
import signal
from xml.etree import ElementTree

import pytest

from conftest import of_kind, outcomes, read_jsonl, write

FAILS_ONCE = "test -e tried-{index} && exit 0; touch tried-{index}; exit 1"
FLAKY = """
import os, pathlib, time
def test_flaky():
    flag = pathlib.Path("tried")
    if not flag.exists():
        flag.touch()
        assert False
"""
# It fails when another worker is there.
WAITS = FLAKY.replace("        flag.touch()\n", """\
        flag.touch()
        while not [path for path in pathlib.Path().glob("was-*") if path.name != f"was-{os.getpid()}"]:
            time.sleep(0.01)
""")
QUIET = "import os, pathlib, time, pytest\n@pytest.mark.parametrize('n', range(15))\ndef test_x(n): time.sleep(0.05); pathlib.Path(f'was-{os.getpid()}').touch()\n"


def attempts(events, unit):
    """Of a unit: (what began it, what ended it), in order."""
    began, ended = of_kind(events, "unit-started", unit=unit), of_kind(events, "unit-finished", unit=unit)
    assert [e["attempt"] for e in began] == [e["attempt"] for e in ended] == list(range(1, len(ended) + 1))
    return list(zip(began, ended))


def at(event):
    return datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ")


def rested(events, unit):
    """How long, between its first two attempts, in seconds."""
    first, second = attempts(events, unit)[:2]
    return (at(second[0]) - at(first[1])).total_seconds()


def test_others_go_on_meanwhile(farflung):
    done = farflung.run_yaml(
        "inventory:\n  - {spec: popen, name: box, slots: 1}\n"
        f"jobs:\n  flaky: {{run: '{FAILS_ONCE}', retries: 2, retry_delay: 1s}}\n"
        "  other: {run: 'true', count: 3}\n", code=0)
    assert 1 <= rested(done.events, "flaky") < 30
    again = done.events.index(attempts(done.events, "flaky")[1][0])
    assert len(of_kind(done.events[:again], "unit-finished", job="other")) == 3
    assert done.events[-1]["counts"]["retried"] == 1


@pytest.mark.parametrize("says", ["settings", "command line", "job"])
def test_who_says_how_long(farflung, says):
    job = ", retry_delay: 700ms" if says == "job" else ""
    settings = {"settings": "700ms", "job": "1h"}.get(says, "1h")
    words = ["--retry-delay", "0.7s"] if says == "command line" else []
    done = farflung.run_yaml(
        f"inventory: {{hosts: [popen]}}\njobs:\n  a: {{run: '{FAILS_ONCE}', retries: 1{job}}}\n"
        f"settings: {{retry_delay: {settings}}}\n", *words, code=0)
    assert 0.7 <= rested(done.events, "a") < 30


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope", "loadfile", "loadgroup", "each", "no", "auto"])
@pytest.mark.parametrize("collect", ["every", "shard"])
def test_tests_rest(farflung, python, dist, collect):
    if collect == "shard" and dist not in ("load", "loadfile"):
        pytest.skip("every worker collects all then")
    write(farflung.cwd / "test_a.py", FLAKY)
    for name in "bc":
        write(farflung.cwd / f"test_{name}.py", QUIET)
    path = farflung.cwd.parent / "events.jsonl"
    junit = farflung.cwd.parent / "junit.xml"
    farflung.run("pytest", "-n", 2, "--python", python, "--dist", dist, "--collect", collect, "--retries", 3,
                 "--retry-delay", "800ms", "--jsonl", path, "--junit", junit, "-p", "no:cacheprovider", code=0)
    events = read_jsonl(path)
    ended = outcomes(events)
    assert set(ended.values()) == {"passed"} and len(ended) == (62 if dist == "each" else 31)
    retried = of_kind(events, "unit-finished", final=False)
    assert 1 <= len(retried) <= 2 and {e["result"]["outcome"] for e in retried} == {"failed"}
    for event in retried:
        assert 0.8 <= rested(events, event["unit"]) < 30
        case, = [c for c in ElementTree.parse(junit).iter("testcase") if c.get("name") in event["unit"].split("::")[1]
                 and c.find("flakyFailure") is not None][:1]
        assert {p.get("name"): p.get("value") for p in case.iter("property")}["farflung.attempts"] == "2"


@pytest.mark.parametrize("dist, collect", [("load", "every"), ("worksteal", "every"), ("auto", "every"), ("load", "shard"),
                                           ("loadfile", "every")])
def test_another_worker_tries_it(farflung, python, dist, collect):
    write(farflung.cwd / "test_a.py", WAITS)
    for name in "bcdefg":
        write(farflung.cwd / f"test_{name}.py", QUIET)
    path = farflung.cwd.parent / "events.jsonl"
    farflung.run("pytest", "-n", 2, "--python", python, "--dist", dist, "--collect", collect, "--retries", 1,
                 "--jsonl", path, "-p", "no:cacheprovider", code=0)
    events = read_jsonl(path)
    first, second = attempts(events, "test_a.py::test_flaky")
    assert first[0]["worker"] != second[0]["worker"] or runs_something_else(events, second[0])


def runs_something_else(events, began):
    """Whether at this moment the other worker had no time for it."""
    others = [e for e in events if e["seq"] < began["seq"] and e["event"] in ("unit-started", "unit-finished")
              and e["worker"] != began["worker"]]
    return bool(others) and others[-1]["event"] == "unit-started"


def test_another_host_tries_it(farflung):
    hosts = "".join(f"  - {{spec: popen, name: {name}, slots: 2}}\n" for name in ("a", "b"))
    done = farflung.run_yaml(
        f"inventory:\n{hosts}settings: {{require_hosts: all}}\n"
        f"jobs:\n  flaky: {{run: '{FAILS_ONCE}', retries: 1, retry_delay: 100ms}}\n", code=0)
    first, second = attempts(done.events, "flaky")
    assert {first[0]["host"], second[0]["host"]} == {"a", "b"}


def test_the_same_worker_where_there_is_no_other(farflung, python):
    write(farflung.cwd / "test_a.py", FLAKY)
    path = farflung.cwd.parent / "events.jsonl"
    farflung.run("pytest", "-n", 1, "--python", python, "--retries", 1, "--jsonl", path, code=0)
    assert [pair[1]["result"]["outcome"] for pair in attempts(read_jsonl(path), "test_a.py::test_flaky")] == [
        "failed", "passed"]


def test_an_interrupt_ends_the_rest(farflung):
    farflung.yaml("inventory: {hosts: [popen]}\njobs:\n  a: {run: 'exit 1', retries: 1, retry_delay: 1h}\n")
    live = farflung.follow("run")
    live.event("unit-finished", final=False)
    live.process.send_signal(signal.SIGINT)
    events = live.finish(130)
    assert outcomes(events) == {} and len(of_kind(events, "unit-started")) == 1
    assert of_kind(events, "units-not-run", job="a")[0]["count"] == 1


def test_maxfail_ends_the_rest(farflung):
    done = farflung.run_yaml(
        "inventory:\n  - {spec: popen, name: box, slots: 1}\n"
        "jobs:\n  rests: {run: 'exit 1', retries: 1, retry_delay: 1h}\n  fails: {run: 'exit 1'}\n"
        "settings: {maxfail: 1}\n", code=1)
    assert outcomes(done.events) == {"fails": "failed"}
    assert len(of_kind(done.events, "unit-started", unit="rests")) == 1
    assert of_kind(done.events, "units-not-run", job="rests")[0]["count"] == 1


SCHEDULER = """
from xdist.scheduler import LoadScheduling
def pytest_xdist_make_scheduler(config, log):
    return LoadScheduling(config, log)
"""


def test_its_own_scheduler_waits_too(farflung, python, xdist):
    write(farflung.cwd / "conftest.py", SCHEDULER)
    write(farflung.cwd / "test_a.py", FLAKY)
    write(farflung.cwd / "test_b.py", QUIET)
    path = farflung.cwd.parent / "events.jsonl"
    farflung.run("pytest", "-n", 2, "--python", python, "--retries", 1, "--retry-delay", "1s", "--jsonl", path, code=0)
    events = read_jsonl(path)
    assert len(outcomes(events)) == 16 and set(outcomes(events).values()) == {"passed"}
    assert 1 <= rested(events, "test_a.py::test_flaky") < 30


@pytest.mark.parametrize("words", ["soon", "-1s", "2d", "", "5 s"])
def test_no_time_to_rest(farflung, python, words):
    wants = "wants a duration such as 90s, 10m or 1.5h, from 0 to 1d"
    done = farflung.run("pytest", "--python", python, f"--retry-delay={words}", code=4)
    assert f"--retry-delay {wants}, got '{words}'" in done.stderr
    farflung.yaml("inventory: {hosts: [popen]}\njobs:\n  a: {run: x}\n")
    assert f"--retry-delay {wants}" in farflung.run("run", f"--retry-delay={words}", code=2).stderr
    farflung.yaml(f"inventory: {{hosts: [popen]}}\njobs:\n  a: {{run: x, retry_delay: '{words}'}}\n"
                  f"settings: {{retry_delay: '{words}'}}\n")
    done = farflung.run("run", code=2)
    assert f"farflung.yaml:3:28: 'retry_delay' {wants}" in done.stderr
    assert f"farflung.yaml:4:25: 'retry_delay' {wants}" in done.stderr

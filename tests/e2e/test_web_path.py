"""What a run's end waited for, as pages and reports tell it."""
import signal

from conftest import wait_until
from test_html import Page
from test_web import check, web  # noqa: F401

CHAIN = """
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  short: {run: "true", matrix: {n: [1, 2, 3]}}
  first: {run: "until test -e go; do sleep 0.02; done"}
  then: {run: "sleep 0.05", needs: [first]}
"""


def steps_of(served, run):
    path = served.json(f"/api/v1/runs/{run}/critical-path")
    check(path, "/api/v1/runs/{run}/critical-path")
    return path["steps"]


def whole(steps, took):
    """They follow one another, up to the end."""
    at = 0
    for step in steps:
        assert step["start"] == at, steps
        at += step["took"]
    assert at == took
    return [step.get("unit") for step in steps if step["step"] == "tests"]


def test_what_decided_the_end(farflung, web):  # noqa: F811
    process = start(farflung)
    last = farflung.cwd / ".farflung" / "runs" / "last"
    served = web()
    wait_until(lambda: last.exists() and "first" in running(served, last.readlink().name), 30, "first runs")
    live = served.json(f"/api/v1/runs/{last.readlink().name}")
    # Up to now: what runs is what the end waits for.
    units = [step.get("unit") for step in steps_of(served, live["id"]) if step["step"] == "tests"]
    assert units[-1] == "first", units
    (farflung.cwd / "go").write_text("")
    assert process.wait(timeout=60) == 0
    wait_until(lambda: served.json(f"/api/v1/runs/{live['id']}")["over"], 30, "the end is read")
    run = served.json(f"/api/v1/runs/{live['id']}")
    steps = steps_of(served, run["id"])
    units = whole(steps, run["took_us"])
    assert units[-2:] == ["first", "then"], steps
    assert all(run["lanes"][step["lane"]]["host"] == run["hosts"][0]["name"] for step in steps if step["step"] == "tests")
    page = Page(farflung.cwd / "r.html")
    assert page.value("critical")["steps"] == steps


def start(farflung):
    (farflung.cwd / "farflung.yaml").write_text(CHAIN)
    return farflung.start("run", "--html", "r.html")


def running(served, run):
    status, _, _ = served.ask(f"/api/v1/runs/{run}")
    if status != 200:
        return []
    return [lane.get("unit") for lane in served.json(f"/api/v1/runs/{run}")["lanes"]]


def test_a_run_that_was_killed(farflung, web):  # noqa: F811
    process = start(farflung)
    last = farflung.cwd / ".farflung" / "runs" / "last"
    served = web()
    wait_until(lambda: last.exists() and "first" in running(served, last.readlink().name), 30, "first runs")
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    (farflung.cwd / "go").write_text("")
    run = served.json(f"/api/v1/runs/{last.readlink().name}")
    units = whole(steps_of(served, run["id"]), run["took_us"])
    assert units[-1] == "first"


def test_an_attempt_that_was_repeated(farflung, web):  # noqa: F811
    farflung.run_yaml("""
version: 1
inventory: [{spec: popen, slots: 1}]
jobs:
  again: {run: "sleep 0.05; test -e flag || { touch flag; exit 1; }", retries: 1}
""", code=0)
    served = web()
    (one,) = served.json("/api/v1/runs")["runs"]
    steps = steps_of(served, one["id"])
    assert whole(steps, one["took_us"]) == ["again", "again"], steps
    assert [step["state"] for step in steps if step["step"] == "tests"] == ["failed", "passed"]


def test_a_run_of_nothing(farflung, web):  # noqa: F811
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs:\n  off: {run: 'true', when: 'false'}\n", code=None)
    served = web()
    (one,) = served.json("/api/v1/runs")["runs"]
    assert [step for step in steps_of(served, one["id"]) if step["step"] == "tests"] == []
    assert served.json("/api/v1/runs/20000101-000000-abcd/critical-path", code=404)["error"]

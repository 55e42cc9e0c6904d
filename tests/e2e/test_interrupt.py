"""Ctrl-C once: what runs may end. Twice: it is killed. Both report what there is."""
import os
import signal
import time

from conftest import junit_outcomes, of_kind, outcomes, result_of, wait_until, write

WAITS = "while [ ! -e go ]; do sleep 0.01; done"


def start(farflung, text, *args):
    farflung.yaml(text)
    # A group of its own, to be signalled as a terminal does it.
    return farflung.follow("run", "--junit", "junit.xml", *args, start_new_session=True)


def interrupt(live, signum=signal.SIGINT):
    os.killpg(live.process.pid, signum)


def test_once_lets_running_units_end(farflung):
    live = start(farflung, "inventory: [2*popen]\nsettings: {grace: 60s}\n"
                 f"jobs:\n  unit: {{run: '{WAITS}; echo done', count: 6}}\n  later: {{run: 'touch never', needs: unit}}\n")
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) == 2)
    interrupt(live)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    events = live.finish(130)
    assert sorted(outcomes(events).values()) == ["passed", "passed"]
    assert len(of_kind(events, "unit-started")) == 2
    assert not (farflung.cwd / "never").exists()
    assert live.stderr.splitlines()[-1] == "farflung: 2 passed, 5 not run; interrupted (exit 130)"
    assert events[-1]["event"] == "run-finished" and events[-1]["exit_code"] == 130
    assert {e["job"]: e["state"] for e in of_kind(events, "job-finished")} == {"unit": "stopped", "later": "stopped"}
    left = {e["unit"] for e in of_kind(events, "units-not-run", why="interrupted")}
    assert left == {f"unit[{n}]" for n in range(1, 7)} - set(outcomes(events)) | {"later"}
    in_junit = {name: kind for (_, name), (kind, _) in junit_outcomes(farflung.cwd / "junit.xml").items()}
    assert in_junit == dict.fromkeys(left, "error") | dict.fromkeys(outcomes(events), "passed")
    assert 'message="not run: interrupted"' in (farflung.cwd / "junit.xml").read_text()


def test_grace_ends(farflung):
    live = start(farflung, "inventory: [popen]\nsettings: {grace: 200ms}\n"
                 "jobs:\n  unit: {run: 'echo words; sleep 1000'}\n")
    live.event("unit-output")
    interrupt(live)
    events = live.finish(130)
    assert outcomes(events) == {"unit": "lost"}
    assert len(of_kind(events, "interrupted")) == 1
    (stopping,) = of_kind(events, "stopping")
    assert stopping["kill"] is True and stopping["why"] == "interrupted"
    result = result_of(events, "unit")
    assert result["message"] == "interrupted" and result["duration_us"] >= 200000
    assert result["sections"][0]["text"] == "words\n"
    assert junit_outcomes(farflung.cwd / "junit.xml")[("", "unit")][0] == "error"


def test_twice_kills(farflung):
    live = start(farflung, "inventory: [2*popen]\nsettings: {grace: 1h}\n"
                 "jobs:\n  unit: {run: \"trap '' TERM INT; echo words; while :; do sleep 0.02; done\", count: 3, grace: 1h}\n")
    live.wait_for(lambda events: len({e["unit"] for e in of_kind(events, "unit-output")}) == 2)
    interrupt(live)
    live.event("interrupted", times=1)
    interrupt(live)
    events = live.finish(130)
    assert of_kind(events, "interrupted")[-1]["times"] == 2
    assert list(outcomes(events).values()) == ["lost", "lost"]
    sections = result_of(events, sorted(outcomes(events))[0])["sections"]
    assert sections[0]["text"] == "words\n"
    assert len(junit_outcomes(farflung.cwd / "junit.xml")) == 3
    assert "words" in (farflung.cwd / "junit.xml").read_text()
    assert live.stderr.splitlines()[-1] == "farflung: 2 lost, 1 not run; interrupted (exit 130)"


SUITE = """
import os, pathlib, time, pytest
@pytest.fixture(scope="session", autouse=True)
def whole():
    yield
    pathlib.Path("torn-down-%d" % os.getpid()).touch()
@pytest.mark.parametrize("n", range(20))
def test_n(n):
    end = time.monotonic() + 60
    while not os.path.exists("go"):
        assert time.monotonic() < end
        time.sleep(0.01)
"""


def test_once_with_pytest(farflung, python):
    write(farflung.cwd / "test_it.py", SUITE)
    live = start(farflung, f"inventory: [{{spec: 2*popen, python: '{python}'}}]\nsettings: {{grace: 60s}}\n"
                 "jobs: {unit: {pytest: [-p, 'no:cacheprovider']}}\n")
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) == 2)
    interrupt(live)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    events = live.finish(130)
    # What ran comes to its end; a worker may have begun one more before it heard.
    assert set(outcomes(events).values()) == {"passed"}
    assert 2 <= len(outcomes(events)) <= 4
    assert len(list(farflung.cwd.glob("torn-down-*"))) == 2
    kinds = [kind for kind, _ in junit_outcomes(farflung.cwd / "junit.xml").values()]
    assert kinds.count("passed") == len(outcomes(events)) and kinds.count("error") == 20 - len(outcomes(events))
    not_run = 20 - len(outcomes(events))
    assert live.stderr.splitlines()[-1].endswith(f", {not_run} not run; interrupted (exit 130)")


def test_twice_with_pytest(farflung, python):
    write(farflung.cwd / "test_it.py", SUITE)
    live = start(farflung, f"inventory: [{{spec: 2*popen, python: '{python}'}}]\nsettings: {{grace: 1h}}\n"
                 "jobs: {unit: {pytest: [-p, 'no:cacheprovider']}}\n")
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) == 2)
    interrupt(live)
    live.event("interrupted", times=1)
    interrupt(live)
    events = live.finish(130)
    assert sorted(outcomes(events).values()) == ["lost", "lost"]
    assert {o for o, _ in junit_outcomes(farflung.cwd / "junit.xml").values()} == {"error"}


def test_before_any_host_is_there(farflung):
    # An interpreter that never answers: interrupted while it is being opened.
    write(farflung.cwd / "mute", "#!/bin/sh\ntouch opened\nexec sleep 1000\n").chmod(0o755)
    live = start(farflung, f"inventory: [{{spec: popen, worker: python, python: '{farflung.cwd}/mute'}}]\n"
                 "settings: {connect_timeout: 1h, grace: 200ms}\njobs: {unit: {run: 'true'}}\n")
    live.event("run-started")
    wait_until((farflung.cwd / "opened").exists, 60, "the interpreter was started")
    interrupt(live)
    events = live.finish(130)
    assert outcomes(events) == {}


def test_sigterm_is_like_it(farflung):
    live = start(farflung, "inventory: [popen]\nsettings: {grace: 60s}\n"
                 f"jobs:\n  unit: {{run: '{WAITS}', count: 2}}\n")
    live.event("unit-started")
    os.kill(live.process.pid, signal.SIGTERM)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    events = live.finish(130)
    assert list(outcomes(events).values()) == ["passed"]


def test_the_summary_says_what_did_not_run(farflung, python):
    """For each job, on the terminal, in the last line and in JUnit: also for those never begun."""
    write(farflung.cwd / "test_it.py", "def test_n(): pass\n")
    farflung.yaml(
        f"inventory: [{{spec: popen, python: '{python}'}}]\nsettings: {{grace: 60s}}\njobs:\n"
        f"  done: {{run: 'true', count: 2}}\n"
        f"  unit: {{run: 'touch begun; {WAITS}', count: 5, needs: done}}\n"
        "  later: {run: 'true', count: 3, needs: unit}\n"
        "  tests: {pytest: [-p, 'no:cacheprovider'], needs: unit}\n")
    process = farflung.start("run", "--junit", "junit.xml", start_new_session=True)
    wait_until((farflung.cwd / "begun").exists, 60, "a unit runs")
    os.killpg(process.pid, signal.SIGINT)
    # It says that it heard before what runs may end: else the next one would begin.
    for line in process.stdout:
        if "nterrupt" in line:
            break
    write(farflung.cwd / "go", "")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "farflung: 3 passed, 7 not run; interrupted (exit 130)"
    assert "job unit: stopped: interrupted; 4 of 5 commands did not run: unit[2], unit[3], unit[4], unit[5]\n" in out
    assert "job later: stopped: interrupted; 3 of 3 commands did not run: later[1], later[2], later[3]\n" in out
    assert "job tests: stopped: interrupted" in out
    assert "job done" not in out
    text = (farflung.cwd / "junit.xml").read_text()
    assert "1970" not in text and "<skipped" not in text
    kinds = [kind for kind, _ in junit_outcomes(farflung.cwd / "junit.xml").values()]
    assert kinds.count("passed") == 3 and kinds.count("error") == 7 + 1

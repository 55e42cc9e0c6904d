"""Units that take their host down: they alone are lost, whatever ran beside them; and what a host's
loss costs is no retry of a unit."""
import pytest

from conftest import of_kind, outcomes, result_of, write


@pytest.mark.parametrize("hosts", [2, 3])
def test_only_bombs_are_lost(farflung, hosts):
    """Several bombs among many innocents that share their hosts, again and again."""
    inventory = "".join(f"  - {{spec: popen, name: h{n}, slots: 4}}\n" for n in range(hosts))
    done = farflung.run_yaml(
        f"inventory:\n{inventory}"
        "jobs:\n"
        "  bomb: {run: 'sleep 0.{index}; kill -9 $PPID; sleep 100', count: 6}\n"
        "  good: {run: 'sleep 0.2; echo ok', count: 60}\n", code=1)
    got = outcomes(done.events)
    assert len(got) == 66
    bad = {unit: outcome for unit, outcome in got.items() if outcome != "passed"}
    assert bad == {unit: "lost" for unit in got if unit.startswith("bomb")}
    assert len(bad) == 6
    for unit in bad:
        message = result_of(done.events, unit)["message"]
        assert "was lost while running it" in message and "SIGKILL" in message
        # It was suspected where others ran, and convicted where none did.
        alone = of_kind(done.events, "unit-lost", unit=unit, alone=True)
        assert len(alone) >= 1
        assert alone[-1] is of_kind(done.events, "unit-lost", unit=unit)[-1]
    # An innocent may lose an attempt; it isn't convicted for one.
    assert "6 lost" in done.stderr and "60 passed" in done.stderr


def test_an_innocent_beside_a_bomb_on_the_only_host(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: box, slots: 2}]\n"
        "jobs:\n"
        "  bomb: {run: 'until test -e good-begun; do sleep 0.05; done; kill -9 $PPID; sleep 100'}\n"
        "  good: {run: 'touch good-begun; sleep 0.5; echo ok'}\n", code=1)
    assert outcomes(done.events) == {"bomb": "lost", "good": "passed"}
    first = of_kind(done.events, "unit-lost")[:2]
    assert {(e["unit"], e["alone"]) for e in first} == {("bomb", False), ("good", False)}


FLAKY = """
  x:
    run: 'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; case $n in {steps} *) echo ok;; esac'
    retries: 1
"""
KILL, FAIL = "kill -9 $PPID; sleep 100", "echo flaky; exit 1"


@pytest.mark.parametrize("first, second", [(KILL, FAIL), (FAIL, KILL)], ids=["loss-failure", "failure-loss"])
def test_a_loss_is_no_retry(farflung, first, second):
    done = farflung.run_yaml(
        "inventory:\n  - {spec: popen, name: A}\n  - {spec: popen, name: B}\njobs:"
        + FLAKY.format(steps=f"1) {first};; 2) {second};;"), code=0)
    assert outcomes(done.events) == {"x": "passed"}
    finished = of_kind(done.events, "unit-finished", unit="x")
    assert [e["result"]["outcome"] for e in finished] == ["failed", "passed"]
    assert len(of_kind(done.events, "unit-lost", unit="x")) == 1
    assert [e["attempt"] for e in of_kind(done.events, "unit-started", unit="x")] == [1, 2, 3]


def test_a_second_failure_is_final_with_a_loss_between(farflung):
    done = farflung.run_yaml(
        "inventory:\n  - {spec: popen, name: A}\n  - {spec: popen, name: B}\njobs:"
        + FLAKY.format(steps=f"1) {FAIL};; 2) {KILL};; 3) {FAIL};;"), code=1)
    assert outcomes(done.events) == {"x": "failed"}
    assert (farflung.cwd / "n").read_text() == "3\n"


BOMB_SUITE = """
import os, pytest, signal, time

def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])

def foreman():
    '''The worker that the session's interpreter hangs on, however many stand between.'''
    pid = os.getppid()
    while pid > 1 and open(f"/proc/{pid}/comm").read().strip() != "farflung-worker":
        pid = parent(pid)
    assert pid > 1
    return pid

@pytest.mark.parametrize("n", range(30))
def test_n(n):
    if n == 7:
        os.kill(foreman(), signal.SIGKILL)
        time.sleep(1000)
    time.sleep(0.02)
"""


@pytest.mark.parametrize("slots", [1, 2])
def test_a_test_that_kills_its_host(farflung, python, slots):
    write(farflung.cwd / "tree" / "test_it.py", BOMB_SUITE)
    done = farflung.run_yaml(
        f"inventory:\n"
        f"  - {{spec: popen, name: A, slots: {slots}, python: '{python}'}}\n"
        f"  - {{spec: popen, name: B, slots: {slots}, python: '{python}'}}\n"
        "tree: tree\n"
        "jobs:\n  unit: {pytest: [-p, 'no:cacheprovider', test_it.py]}\n", code=1)
    got = outcomes(done.events)
    assert set(got) == {f"test_it.py::test_n[{n}]" for n in range(30)}
    assert {unit: outcome for unit, outcome in got.items() if outcome != "passed"} == {
        "test_it.py::test_n[7]": "lost"}
    assert "SIGKILL" in result_of(done.events, "test_it.py::test_n[7]")["message"]

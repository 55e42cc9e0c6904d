"""Weights and pools: what runs at the same time never takes more than there is."""
import pytest

from conftest import of_kind, outcomes, write

# Each tells when it begins and ends (one short write each); the first two of a job wait for each
# other, so that what may run together is seen to.
UNIT = "echo \"+ {job} {n}\" >> log; {meet} sleep 0.05; echo \"- {job} {n}\" >> log"
MEET = "touch {job}-{{index}}; while [ {{index}} -le 2 ] && ! [ -e {job}-1 -a -e {job}-2 ]; do sleep 0.02; done;"


def unit(job, n, meet=False):
    return UNIT.format(job=job, n=n, meet=MEET.format(job=job) if meet else "")


def peak(farflung, *jobs):
    """The most of these that ran at the same time, each counted with its number."""
    now = most = 0
    for line in (farflung.cwd / "log").read_text().splitlines():
        sign, job, n = line.split()
        if job in jobs:
            now += int(n) if sign == "+" else -int(n)
            most = max(most, now)
    assert now == 0
    return most


def run(farflung, text, slots=8):
    done = farflung.run_yaml(f"inventory: [{{spec: popen, slots: {slots}}}]\n{text}", code=0)
    assert set(outcomes(done.events).values()) == {"passed"}
    return done


def test_a_pool_is_never_overdrawn(farflung):
    run(farflung, "pools: {licence: 3}\njobs:\n"
        f"  one: {{run: '{unit('one', 1, True)}', count: 8, uses: {{licence: 1}}}}\n"
        f"  two: {{run: '{unit('two', 2)}', count: 5, uses: {{licence: 2}}}}\n"
        f"  free: {{run: '{unit('free', 1)}', count: 8}}\n")
    assert 2 <= peak(farflung, "one", "two") <= 3
    assert peak(farflung, "one", "two", "free") <= 3 + 8


def test_several_pools_at_once(farflung):
    run(farflung, "pools: {port: 2, disk: 1}\njobs:\n"
        f"  a: {{run: '{unit('a', 1, True)}', count: 6, uses: {{port: 1}}}}\n"
        f"  b: {{run: '{unit('b', 1)}', count: 4, uses: {{port: 1, disk: 1}}}}\n"
        f"  c: {{run: '{unit('c', 1)}', count: 4, uses: {{disk: 1}}}}\n")
    assert peak(farflung, "a", "b") <= 2
    assert peak(farflung, "b", "c") == 1


def test_a_heavy_unit_takes_its_slots(farflung):
    run(farflung, "jobs:\n"
        f"  heavy: {{run: '{unit('heavy', 2, True)}', count: 6, weight: 2}}\n"
        f"  light: {{run: '{unit('light', 1)}', count: 9}}\n", slots=4)
    assert peak(farflung, "heavy") == 4
    assert peak(farflung, "heavy", "light") <= 4


def test_the_heaviest_is_not_kept_waiting_for_ever(farflung):
    """One that needs the whole host runs though light ones could always slip in before it."""
    done = run(farflung, "jobs:\n"
               f"  first: {{run: '{unit('first', 1)}', count: 3}}\n"
               f"  whole: {{run: '{unit('whole', 3)}', weight: 3}}\n"
               f"  light: {{run: '{unit('light', 1)}', count: 30}}\n", slots=3)
    assert peak(farflung, "first", "whole", "light") <= 3
    began = [e["job"] for e in of_kind(done.events, "unit-started")]
    assert began.index("whole") < len(began) - 5


@pytest.mark.parametrize("slots", [1, 4])
def test_sessions_use_pools_and_weights(farflung, python, slots):
    write(farflung.cwd / "test_a.py", """
import os, pytest, time
def log(sign):
    with open("log", "a") as file:
        file.write(f"{sign} unit 1\\n")
@pytest.mark.parametrize("n", range(8))
def test_n(n):
    log("+")
    time.sleep(0.02)
    log("-")
""")
    farflung.yaml(f"inventory: [{{spec: popen, slots: {slots}, python: '{python}'}}]\npools: {{board: 1}}\njobs:\n"
                  "  unit: {pytest: [-p, 'no:cacheprovider'], uses: {board: 1}}\n"
                  f"  cmd: {{run: '{unit('cmd', 1)}', count: 4, uses: {{board: 1}}}}\n")
    live = farflung.follow("run")
    events = live.finish(0)
    assert len(outcomes(events)) == 12
    assert peak(farflung, "unit", "cmd") == 1


def test_a_heavy_session_takes_its_slots(farflung, python):
    write(farflung.cwd / "test_a.py", "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_n(n): pass\n")
    farflung.yaml(f"inventory: [{{spec: popen, slots: 5, python: '{python}'}}]\n"
                  "jobs: {unit: {pytest: [-p, 'no:cacheprovider'], weight: 2}}\n")
    events = farflung.follow("run").finish(0)
    opening = of_kind(events, "worker-opening")
    assert len(opening) == 2 and {e["slots"] for e in opening} == {2}


def test_a_lost_host_gives_its_pools_back(farflung):
    """What a host took with it is there for the others."""
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: box, slots: 2}]\npools: {licence: 1}\njobs:\n"
        "  bomb: {run: '[ -e bombed ] && exit 0; touch bombed; kill -9 $PPID; sleep 1000', uses: {licence: 1}}\n"
        "  next: {run: 'true', count: 3, uses: {licence: 1}}\n", code=0)
    assert len(of_kind(done.events, "unit-lost")) == 1
    assert set(outcomes(done.events).values()) == {"passed"}

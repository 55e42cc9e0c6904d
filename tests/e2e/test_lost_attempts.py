"""A worker is killed under what runs there: each attempt is told as lost, the failure once, and only
a unit that was alone is to blame."""
import os
import re
import signal

from conftest import of_kind, outcomes, process_name, read_journal, result_of, wait_until, write

# A unit's parent is its host's worker. Any attempt but the first is an ordinary command.
WAITS = "mkdir begun-{index} 2>/dev/null || exit 0; echo worker $PPID; until test -e go; do sleep 0.05; done"
HOSTS = "inventory:\n  - {spec: popen, name: box, slots: 3}\n  - {spec: popen, name: spare, slots: 3}\n"


def all_wait(live, count):
    """Waits until so many units run; gives the worker's pid and the units of each host."""

    def find(events):
        said = [(e["host"], e["unit"], int(e["text"].split()[1])) for e in of_kind(events, "unit-output")]
        return said if len(said) == count else None

    hosts = {}
    for host, unit, pid in live.wait_for(find):
        assert hosts.setdefault(host, (pid, set()))[0] == pid
        hosts[host][1].add(unit)
    return hosts


def lines_about(text, words):
    return [line for line in text.splitlines() if words in line]


def test_each_is_tried_again_alone(farflung):
    farflung.yaml(HOSTS + f"jobs:\n  work: {{run: '{WAITS}', count: 6}}\n")
    live = farflung.follow("run", "--junit", "junit.xml")
    pid, units = all_wait(live, 6)["box"]
    assert len(units) == 3 and process_name(pid) == "farflung-worker"
    os.kill(pid, signal.SIGKILL)
    live.wait_for(lambda events: len(of_kind(events, "unit-lost")) == 3)
    live.event("host-away")
    write(farflung.cwd / "go", "")
    events = live.finish(0)

    lost = of_kind(events, "unit-lost")
    assert {e["unit"] for e in lost} == units and len(lost) == 3
    for event in lost:
        assert event["host"] == "box" and event["attempt"] == 1 and event["alone"] is False
        assert "SIGKILL" in event["reason"] and event["duration_us"] > 0
    (away,) = of_kind(events, "host-away")
    assert away["host"] == "box" and away["units"] == 3 and "SIGKILL" in away["error"]
    assert outcomes(events) == {f"work[{n}]": "passed" for n in range(1, 7)}
    for unit in units:
        assert [e["attempt"] for e in of_kind(events, "unit-started", unit=unit)] == [1, 2]
        assert [e["attempt"] for e in of_kind(events, "unit-finished", unit=unit)] == [2]
        assert others_beside(events, unit) == set()
    # A host's loss is no retry.
    assert events[-1]["counts"].get("retried", 0) == 0

    assert {e["native"] for e in of_kind(events, "host-ready")} == {True}
    # The others may be done before it is.
    if len(of_kind(events, "host-ready", host="box")) > 1:
        assert "host box is back: native worker, " in live.stderr
    # Said once as it happens, and in the summary if it was not back by then.
    said = [line for line in lines_about(live.stderr, "SIGKILL") if not line.startswith("hosts: ")]
    (line,) = [line for line in said if not line.startswith("work[")]
    assert line.startswith("host box away: ") and "; 3 units ran there; trying again in " in line
    # The end names what was lost, though all of it passed elsewhere.
    assert {line.split(" [box]: ")[0] for line in said if line.startswith("work[")} == units
    assert not re.search(r"^(LOST|RETRY)", live.stderr, re.MULTILINE)
    assert live.stderr.splitlines()[-1] == "farflung: 6 passed (exit 0)"
    told = [dict(e) for e in read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")]
    assert len(of_kind(told, "unit-lost", alone=False)) == 3 and len(of_kind(told, "host-away", units=3)) == 1
    assert "<failure" not in (farflung.cwd / "junit.xml").read_text()


def others_beside(events, unit):
    """What else ran on the host of this unit's second attempt during it."""
    start = next(i for i, e in enumerate(events) if e["event"] == "unit-started" and e["unit"] == unit and e["attempt"] == 2)
    end = next(i for i, e in enumerate(events) if e["event"] == "unit-finished" and e["unit"] == unit)
    host, running, beside = events[start]["host"], set(), set()
    for i, event in enumerate(events[:end]):
        if event["event"] == "unit-started" and event["host"] == host:
            running.add(event["unit"])
        elif event["event"] in ("unit-finished", "unit-lost"):
            running.discard(event["unit"])
        if i >= start:
            beside |= running - {unit}
    return beside


def test_verbose_tells_each_attempt_with_its_time(farflung):
    farflung.yaml(HOSTS + f"jobs:\n  work: {{run: '{WAITS}', count: 6}}\n")
    live = farflung.follow("run", "-v")
    pid, units = all_wait(live, 6)["box"]
    os.kill(pid, signal.SIGKILL)
    live.wait_for(lambda events: len(of_kind(events, "unit-lost")) == 3)
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    durations = {e["unit"]: e["duration_us"] for e in of_kind(events, "unit-lost")}
    for unit in units:
        (line,) = [line for line in lines_about(live.stderr, unit + " ") if line.startswith("LOST    ")]
        match = re.fullmatch(r"LOST +\S+ \[box\] (\d+\.\d\d)s? - attempt 1: .*SIGKILL.*", line)
        assert match, line
        assert abs(float(match.group(1)) - durations[unit] / 1e6) < 0.011
    assert len([line for line in live.stderr.splitlines() if line.startswith("host box away: ")]) == 1


def test_one_that_takes_its_host_down_is_set_aside(farflung):
    """It kills whichever worker it runs on, and is told so with the host's name; the innocent beside
    it, and those that come later, pass."""
    farflung.yaml(
        HOSTS + "jobs:\n"
        f"  work: {{run: '{WAITS}', count: 5}}\n"
        "  bomb: {run: 'until test -e light; do sleep 0.05; done; kill -9 $PPID; sleep 1000', retries: 5}\n")
    live = farflung.follow("run", "--junit", "junit.xml")
    all_wait(live, 5)
    live.event("unit-started", unit="bomb")
    write(farflung.cwd / "light", "")
    live.event("unit-lost", unit="bomb")
    write(farflung.cwd / "go", "")  # it needs a host of its own
    events = live.finish(1)

    got = outcomes(events)
    assert got.pop("bomb") == "lost"
    assert set(got.values()) == {"passed"} and len(got) == 5
    lost = of_kind(events, "unit-lost", unit="bomb")
    assert [e["alone"] for e in lost][-2:] == [True, True] and [e["attempt"] for e in lost] == [1, 2, 3]
    assert not [e for e in of_kind(events, "unit-lost", alone=True) if e["unit"] != "bomb"]
    result = result_of(events, "bomb")
    assert re.match(r"host (box|spare) was lost while running it: .*SIGKILL", result["message"])
    assert result["duration_us"] > 0
    last = lost[-1]["host"]
    assert f"host {last} was lost" in result["message"]
    (line,) = [line for line in live.stderr.splitlines() if line.startswith("LOST    ")]
    assert f"bomb [{last}]" in line and f"host {last} was lost while running it" in line
    assert "0.00" not in line
    assert f"host {last} was lost" in (farflung.cwd / "junit.xml").read_text()
    assert live.stderr.splitlines()[-1].endswith("(exit 1)")


def test_sessions_lose_theirs_with_their_host(farflung, python):
    """Tests of long executions: the one that ran is told, with the worker and the time it had."""
    write(farflung.cwd / "test_it.py", """
import os, time, pytest
@pytest.mark.parametrize("n", range(3))
def test_n(n):
    try:
        os.mkdir(f"begun-{n}")
    except FileExistsError:
        return
    while not os.path.exists("go"):
        time.sleep(0.05)
""")
    farflung.yaml(
        f"inventory: [{{spec: popen, name: box, slots: 3, python: '{python}'}}]\n"
        "jobs:\n  unit: {pytest: [-p, 'no:cacheprovider', test_it.py]}\n")
    live = farflung.follow("run", "-v")
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) == 3)
    wait_until(lambda: len(list(farflung.cwd.glob("begun-*"))) == 3, 60, "all are inside their tests")
    (pid,) = [pid for pid in farflung.left_over() if process_name(pid) == "farflung-worker"]
    os.kill(pid, signal.SIGKILL)
    live.wait_for(lambda events: len(of_kind(events, "unit-lost")) == 3)
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    lost = of_kind(events, "unit-lost")
    assert len({e["unit"] for e in lost}) == 3 and all(e["duration_us"] > 0 and e["worker"] for e in lost)
    assert {e["alone"] for e in lost} == {False}
    assert [e["units"] for e in of_kind(events, "host-away")] == [3]
    assert set(outcomes(events).values()) == {"passed"}
    assert len([line for line in live.stderr.splitlines() if line.startswith("host box away: ")]) == 1
    lines = [line for line in live.stderr.splitlines() if line.startswith("LOST    ")]
    assert len(lines) == 3 and not [line for line in lines if " 0.00" in line]

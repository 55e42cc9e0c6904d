"""Short commands: a slot's next one is on its host before the last has ended. Nobody may notice."""
import os
import signal

from conftest import of_kind, outcomes

TELLS = "echo + >> log; echo - >> log"  # one short write each
SHORT = "inventory: [{{spec: popen, slots: {slots}}}]\n{settings}jobs:\n  unit: {{run: '{run}', count: {count}}}\n"


def yaml(run, count, slots=2, settings=""):
    return SHORT.format(run=run, count=count, slots=slots, settings=settings)


def began(farflung):
    return len((farflung.cwd / "log").read_text().splitlines())


def test_slots_are_never_exceeded(farflung):
    done = farflung.run_yaml(yaml(TELLS, 200), code=0)
    assert len(outcomes(done.events)) == 200 and set(outcomes(done.events).values()) == {"passed"}
    now = 0
    for line in (farflung.cwd / "log").read_text().splitlines():
        now += 1 if line == "+" else -1
        assert 0 <= now <= 2
    now = 0
    for event in done.events:
        now += {"unit-started": 1, "unit-finished": -1}.get(event["event"], 0)
        assert 0 <= now <= 2


def test_units_begin_in_their_order(farflung):
    farflung.run_yaml(yaml("echo {index} >> log", 100, slots=1), code=0)
    assert (farflung.cwd / "log").read_text().split() == [str(n) for n in range(1, 101)]


def test_the_first_failure_stops_the_next_one(farflung):
    """With -x nothing begins before it is known how the last one ended."""
    done = farflung.run_yaml(yaml("echo x >> log; [ {index} -ne 50 ]", 100, slots=1), "--maxfail", "1", code=1)
    assert began(farflung) == 50
    assert list(outcomes(done.events).values()).count("passed") == 49


def test_failures_are_tried_again(farflung):
    text = yaml("[ -e {index} ] || { touch {index}; exit 1; }", 60).replace("count:", "retries: 1, count:")
    done = farflung.run_yaml(text, code=0)
    assert set(outcomes(done.events).values()) == {"passed"}
    assert len(of_kind(done.events, "unit-finished")) == 120


def test_an_interrupt_begins_nothing_more(farflung):
    """What had begun is told; what had not is not run."""
    farflung.yaml(yaml("echo x >> log; [ {index} -lt 100 ] || sleep 1000", 400, settings="settings: {grace: 200ms}\n"))
    live = farflung.follow("run", start_new_session=True)
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) >= 101)
    os.killpg(live.process.pid, signal.SIGINT)
    events = live.finish(130)
    left = {e["unit"] for e in of_kind(events, "units-not-run")}
    assert len(outcomes(events)) + len(left) == 400 and not left & set(outcomes(events))
    assert began(farflung) == len(outcomes(events))


def test_one_long_unit_holds_nobody_up(farflung):
    """What waits behind it goes to the slots that are free."""
    run = "if [ {index} -eq 150 ]; then until [ -e last ]; do sleep 0.01; done; fi; [ {index} -ne 160 ] || touch last"
    done = farflung.run_yaml(yaml(run, 160), code=0)
    assert set(outcomes(done.events).values()) == {"passed"}


def test_a_killed_host_loses_no_unit(farflung):
    run = "echo {index} >> log; [ {index} -ne 80 ] || [ -e once ] || { touch once; kill -9 $PPID; }"
    text = yaml(run, 160).replace("[{spec: popen, slots: 2}]", "[{spec: popen, slots: 2}, {spec: popen, slots: 2, name: b}]")
    done = farflung.run_yaml(text, code=0)
    assert len(outcomes(done.events)) == 160 and set(outcomes(done.events).values()) == {"passed"}
    lost = {e["unit"] for e in of_kind(done.events, "unit-lost")}
    assert "unit[80]" in lost and len(lost) <= 2
    ran = (farflung.cwd / "log").read_text().split()
    assert set(ran) == {str(n) for n in range(1, 161)}

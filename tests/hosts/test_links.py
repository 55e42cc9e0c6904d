"""Links that break or are slow, and hosts that stand still."""
import os

import pytest

from rig import dice, of_kind, points, wait_until

SETTINGS = "silence: 2s"


@pytest.mark.parametrize("at", points("cut", range(0, 40), 1))
def test_cut_for_good(case, at):
    """The other host does what is left; what the lost one has of ours ends by itself."""
    case.commands(settings=SETTINGS)
    live = case.start_all()
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= at)
    victim = case.hosts[at % 2]
    victim.cut()
    events = live.finish(0)
    assert of_kind(events, "host-away", host=victim.name) or of_kind(events, "host-lost", host=victim.name)
    # Its foreman hears nothing, either, and goes.
    wait_until(lambda: not victim.processes(), 60, "its foreman has gone by itself")
    victim.mend()
    case.check()


def test_cut_and_mended(case):
    """It comes back, and goes on with its part."""
    case.commands(settings=SETTINGS, count=20, work=f"until [ -e {case.trail}.back ]; do sleep 0.01; done; ")
    live = case.start_all()
    live.wait_for(lambda events: {e["host"] for e in of_kind(events, "unit-started")} == {"one", "two"})
    victim = case.hosts[0]
    victim.cut()
    live.event("host-away", host="one")
    victim.mend()
    live.wait_for(lambda events: len(of_kind(events, "host-ready", host="one")) == 2)
    case.trail.with_name("trail.back").touch()
    events = live.finish(0)
    assert of_kind(events, "unit-finished", host="one")
    case.check()


def test_cut_one_way(case):
    """Half a link is none, whichever: it is away, and comes back when all of it is there again."""
    case.commands(settings=SETTINGS, count=90, work=f"[ $HERE = two ] || until [ -e {case.trail}.back ]; do sleep 0.01; done; ")
    live = case.start_all()
    random = dice("one way")
    case.progress(live, random.randrange(1, 30))
    victim = case.hosts[0]
    if not victim.cut_one_way(to=random.random() < 0.5):
        case.trail.with_name("trail.back").touch()
        live.finish(0)
        pytest.skip("no link here can be cut one way")
    live.event("host-away", host="one")
    victim.mend()
    case.trail.with_name("trail.back").touch()
    live.finish(0)
    case.check()


def test_cut_from_a_controller_that_dies(case):
    """Nobody can tell its foreman: silence does."""
    case.commands(settings=SETTINGS)
    live = case.start_all()
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= 10)
    victim = case.hosts[0]
    victim.cut()
    case.kill_controller(live)
    case.gone()
    victim.mend()
    case.farflung.run("run", "--resume", code=0)
    case.check()


@pytest.mark.parametrize("at", points("frozen", range(0, 40), 2))
def test_frozen(case, at):
    """For longer than silence: its units go elsewhere. Awake again it finds that it is alone, and goes."""
    case.commands(settings=SETTINGS)
    live = case.start_all()
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= at)
    victim = case.hosts[at % 2]
    victim.freeze()
    frozen = set(victim.stopped)
    away = live.event("host-away", host=victim.name)
    assert "no sign of life for 2 s" in away["error"]
    victim.thaw()
    wait_until(lambda: not frozen & set(victim.processes()), 60, "what was frozen has gone")
    live.finish(0)
    case.check()


def test_frozen_until_the_end(case):
    case.commands(settings=SETTINGS)
    live = case.start_all()
    live.wait_for(lambda events: of_kind(events, "unit-finished", host="two"))
    victim = case.hosts[1]
    victim.freeze()
    live.event("host-away", host="two")
    live.finish(0)
    victim.thaw()
    case.check()


def test_slow(case):
    """Some 40 kB a second, and more to say than that: slow is not silent."""
    case.commands(settings=SETTINGS + ", output_cap: 1M", count=12,
                  work="head -c 40000 /dev/urandom | od -An -tx1; ")
    live = case.start()
    for host in case.hosts:
        live.event("host-ready", host=host.name)
    if not all(host.slow("4mbit") for host in case.hosts):
        case.go.touch()
        live.finish(0)
        pytest.skip("no link here can be made slow")
    case.go.touch()
    events = live.finish(0, seconds=120)
    assert not of_kind(events, "host-away") and not of_kind(events, "host-lost")
    assert len(of_kind(events, "unit-started")) == 12
    case.check()
    journal = case.runs / ".farflung" / "runs" / "last" / "output"
    assert os.path.getsize(journal) >= 12 * 120_000

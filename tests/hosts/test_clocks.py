"""Wall clocks that step by two hours while a run goes on, here or on its hosts (fakes/clock.c): nothing times
out for it, what took a moment is told to have taken that, and a run is gone on with by any clock."""
import contextlib
import os
import pathlib
import re
import signal
import struct
import time
import xml.etree.ElementTree as ElementTree

import pytest

import rig
from rig import dice, nanoseconds, of_kind, wait_until

HOURS = 2 * 3600
LIBRARY = pathlib.Path(os.environ.get("FARFLUNG_CLOCK") or pathlib.Path(os.environ["FARFLUNG"]).parent / "tests" / "libclock.so")


class Clock:
    def __init__(self, path):
        self.path = path
        self.step(0)
        assert LIBRARY.exists(), LIBRARY
        # The sanitizers' library wants to be the first.
        sanitized = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        self.env = {"LD_PRELOAD": str(LIBRARY), "FARFLUNG_TEST_CLOCK": str(path), "ASAN_OPTIONS": sanitized}

    def step(self, seconds):
        """That much more than the system's."""
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds * 1_000_000))


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture
def here(case, clock):
    """A case whose controller goes by the clock."""
    case.farflung.env.update(clock.env)
    return case


def numbers(value):
    """Every duration in an event."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("took_us", "duration_us", "setup_us", "call_us", "teardown_us"):
                yield one
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)


def check_times(events, seconds, junit=None):
    """None is negative, none longer than the whole; and events come one after the other."""
    assert [e for e in events for us in numbers(e) if not 0 <= us <= seconds * 1e6] == []
    assert any(us > 0 for e in events for us in numbers(e))
    moments = [nanoseconds(event) for event in events]
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] <= seconds * 1e9
    if junit:
        times = [float(node.get("time")) for node in ElementTree.parse(junit).iter() if node.get("time")]
        assert times and all(0 <= one <= seconds for one in times), times


SETTINGS = "silence: 2s"
LIMITS = ", timeout: 30s, retries: {count: 1, delay: 1s}"


@pytest.mark.parametrize("hours", [HOURS, -HOURS], ids=["forward", "back"])
def test_the_controllers(here, clock, hours):
    """Also while one is asked what runs, and with a unit that is tried again after a pause."""
    fails = f"if [ {{n}} = 7 ] && [ ! -e {here.trail}.failed ]; then touch {here.trail}.failed; exit 1; fi; "
    here.commands(settings=SETTINGS, more=LIMITS, work=fails)
    begun = time.monotonic()
    live = here.start_all()
    here.progress(live, dice(f"clock {hours}").randrange(1, 30))
    clock.step(hours)
    live.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "\nhost one" in live.stderr or live.ended, 60, "it says what runs")
    events = live.finish(0)
    seconds = time.monotonic() - begun
    for word in ("host-away", "host-lost", "host-failed"):
        assert of_kind(events, word) == []
    (again,) = [e for e in of_kind(events, "unit-finished") if not e["final"]]
    assert again["unit"] == "many[n=7]"
    (first, second) = [nanoseconds(e) for e in of_kind(events, "unit-started", unit="many[n=7]")]
    assert second - first >= 1e9
    check_times(events, seconds, here.farflung.cwd / "junit.xml")
    said = re.findall(r"^running: .*; for (.*)$", live.stderr, re.MULTILINE)
    assert said and all(re.fullmatch(r"[\d.]+ (ms|s)", one) for one in said), live.stderr
    here.check()


def test_between_runs(here, clock):
    """Killed, and gone on with by an earlier clock, and then by a later one: always the latest run."""
    here.clocks_agree = False
    here.commands(count=90)
    here.go.touch()
    for at, hours in enumerate((0, -HOURS, HOURS)):
        clock.step(hours)
        live = here.start(*(["--resume"] if at else []))
        assert here.progress(live, dice("between").randrange(5, 20))
        here.kill_controller(live)
    clock.step(0)
    begun = time.monotonic()
    here.farflung.run("run", "--resume", code=0)
    check_times(here.journals()[-1], time.monotonic() - begun)
    here.check()


TESTS = """
import os, pytest, struct, time
CLOCK = {clock!r}
@pytest.mark.parametrize("n", range(20))
def test_n(n):
    begun, went = time.time(), time.monotonic()
    if n == 7:
        with open(CLOCK, "r+b") as file:
            file.write(struct.pack("=q", {hours} * 1000000))
        assert abs(time.time() - begun - {hours}) < 60
    time.sleep(0.02)
    with open({trail!r}, "a") as file:
        file.write("test_it.py::test_n[%d] %s 0\\n" % (n, os.environ.get("HERE", "here")))
    {last}
"""


def write_tests(folder, clock, hours, trail, last="pass"):
    folder.mkdir()
    (folder / "test_it.py").write_text(TESTS.format(clock=str(clock.path), hours=hours, trail=str(trail), last=last))


def test_the_hosts(farflung, network, tmp_path, clock):
    """With sessions of pytest on them, in the middle of a test."""
    hours = dice("hosts").choice([HOURS, -HOURS])
    if not rig.fake.available():
        pytest.skip("no sshd, ssh or ssh-keygen here")
    with contextlib.ExitStack() as stack:
        more = " ".join(f"{name}={value}" for name, value in clock.env.items())
        hosts = [rig.Host(stack, name, tmp_path / "far", farflung.mark, network, more) for name in ("one", "two")]
        case = rig.Case(farflung, hosts, tmp_path)
        case.clocks_agree = False
        hosts[1].keys = ", worker: python"  # of which all goes by the clock
        write_tests(farflung.cwd / "tree", clock, hours, case.trail)
        case.write("  unit: {pytest: [-p, 'no:cacheprovider'], timeout: 20s, session_timeout: 20s}\n",
                   [f"test_it.py::test_n[{n}]" for n in range(20)], SETTINGS, 2, "tree: tree\n", "/usr/bin/python3")
        begun = time.monotonic()
        live = case.start()
        events = live.finish(0)
        check_times(events, time.monotonic() - begun, farflung.cwd / "junit.xml")
        assert of_kind(events, "host-away") == []
        case.check()


@pytest.mark.parametrize("hours", [HOURS, -HOURS], ids=["forward", "back"])
def test_a_session_that_ends_with_its_test(farflung, tmp_path, clock, hours):
    """What took so long is not told by pytest then: by us, and not by this clock."""
    write_tests(farflung.cwd / "tree", clock, hours, tmp_path / "trail", "n == 7 and pytest.exit('enough')")
    farflung.yaml("inventory:\n  - {spec: popen, name: one, slots: 1, python: /usr/bin/python3}\n"
                  "tree: tree\njobs:\n  unit: {pytest: [-p, 'no:cacheprovider']}\n")
    farflung.env.update(clock.env)
    begun = time.monotonic()
    live = farflung.follow("run")
    events = live.finish()
    check_times(events, time.monotonic() - begun)
    (ended,) = of_kind(events, "unit-finished", unit="test_it.py::test_n[7]")
    assert ended["result"]["outcome"] == "error" and "enough" in str(ended["result"])
    assert ended["result"]["duration_us"] >= 20_000

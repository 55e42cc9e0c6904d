"""kill -9 of everybody, at drawn points of a run over two hosts: alone in a run, where it can be said exactly
what must become of it, and twenty times in one, which must get through."""
import contextlib
import os
import signal

import pytest

from rig import dice, of_kind, points, told, wait_until

TIMES = 20

KILL = signal.SIGKILL


def kill(pid):
    os.kill(pid, KILL)


@pytest.mark.parametrize("at", points("controller", range(1, 121), 2))
def test_controller(case, at):
    """At the so many-th event; what it had told as done is not done again."""
    case.commands()
    case.go.touch()
    live = case.start()
    live.wait_for(lambda events: len(events) >= at)
    case.kill_controller(live)
    case.gone()
    (events,) = case.journals()
    over = set(told(events))
    case.farflung.run("run", "--resume", code=0)
    case.check()
    after = case.journals()[-1]
    assert {e["unit"] for e in of_kind(after, "unit-started")} == set(case.names) - over
    if not over:
        return
    # Each line of what was done is the only one.
    lines = [unit for unit, _, _ in case.lines()]
    assert {unit: lines.count(unit) for unit in over} == dict.fromkeys(over, 1)


def test_controller_again_and_again(case):
    """While it opens hosts, tells what was done before, and runs units; each time the next one goes on."""
    case.commands(count=300)
    case.go.touch()
    random = dice("controllers")
    for time in range(TIMES):
        live = case.start(*(["--resume"] if time else []))
        if random.random() < 0.3:
            at = random.randrange(1, 12)
            live.wait_for(lambda events: len(events) >= at)
        else:
            case.progress(live, random.randrange(25))
        case.kill_controller(live)
    # The hosts may still be ending what they ran for those.
    case.farflung.run("run", "--resume", code=0)
    case.check()


class Victims:
    """Hurts a run twenty times, a few units apart, on hosts as the dice say; those may be just coming back."""

    def __init__(self, kind, case, live):
        self.random, self.case, self.live = dice(kind), case, live

    def hurt(self, hit, apart):
        """hit(host) is false while there is nothing to hit. Gives how often it was true."""
        hits = 0
        while hits < TIMES and self.case.progress(self.live, self.random.randrange(1, apart), len(self.live.events)):
            first = self.random.randrange(2)
            hits += any(hit(self.case.hosts[host]) for host in (first, 1 - first))
        return hits

    def end(self):
        """What took down two hosts while nothing else ran there is poison, whoever killed these."""
        events = self.live.finish()
        lost = [e for e in of_kind(events, "unit-finished", final=True) if e["result"]["outcome"] == "lost"]
        for each in lost:
            alone = of_kind(events, "unit-lost", unit=each["unit"], alone=True)
            assert len(alone) >= 2, each
        assert self.live.process.returncode == (1 if lost else 0), self.live.story()
        self.case.check(("passed", "lost"))
        return events


@pytest.mark.parametrize("at", points("foreman", range(0, 50), 1))
def test_foreman(case, at):
    case.commands()
    live = case.start_all()
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= at)
    victim = case.hosts[at % 2]
    before = set(victim.processes())
    kill(victim.foreman())
    wait_until(lambda: not before & set(victim.processes()), 20, "all of the killed foreman's is gone")
    events = live.finish(0)
    assert "SIGKILL" in of_kind(events, "host-away", host=victim.name)[0]["error"]
    case.check()


def test_foremen(case):
    case.commands(count=300)
    victims = Victims("foremen", case, case.start_all())

    def hit(host):
        pid = host.foreman()
        with contextlib.suppress(ProcessLookupError):
            if pid:
                kill(pid)
                return True
        return False

    assert victims.hurt(hit, 12) == TIMES
    events = victims.end()
    assert of_kind(events, "host-away")


@pytest.mark.parametrize("at", points("connection", range(0, 50), 1))
def test_ssh_connection(case, at):
    case.commands()
    live = case.start_all()
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= at)
    victim = case.hosts[at % 2]
    before = set(victim.processes())
    victim.sshd.kill_sessions()
    wait_until(lambda: not before & set(victim.processes()), 20, "all on the other side is gone")
    events = live.finish(0)
    assert of_kind(events, "host-away", host=victim.name)
    case.check()


def test_sshds(case):
    """Connections' own, and now and then the one that listens, which somebody starts again."""
    case.commands(count=300)
    victims = Victims("sshds", case, case.start_all())

    def hit(host):
        if not host.sshd.session_pids():
            return False
        if victims.random.random() < 0.25:
            host.sshd.crash()
        else:
            host.sshd.kill_sessions()
        return True

    assert victims.hurt(hit, 12) == TIMES
    events = victims.end()
    assert of_kind(events, "host-away")


@pytest.mark.parametrize("at", points("opening", ["sshd", "session", "foreman"], 3))
def test_while_a_host_is_opened(case, at):
    """No host is there yet: whoever of it dies, it is opened again, or the other does all."""
    case.commands()
    case.go.touch()
    victim = case.hosts[0]
    live = case.start()
    if at == "sshd":
        live.event("host-joining", host="one")
        kill(victim.sshd.process.pid)
        victim.sshd.process.wait()
        victim.sshd.kill_sessions()
    elif at == "session":
        wait_until(victim.sshd.session_pids, 60, "somebody is let in")
        victim.sshd.kill_sessions()
    else:
        pid = wait_until(victim.foreman, 60, "there is a foreman")
        kill(pid)
    live.finish(0)
    case.check(clean=False)


TESTS = """
import os, pathlib, pytest, time
@pytest.mark.parametrize("n", range({count}))
def test_n(n):
    begun = time.time_ns()
    while not os.path.exists("{go}"):
        time.sleep(0.01)
    time.sleep(0.01 * (n % 4 + 1))
    with open("{trail}", "a") as file:
        file.write("test_it.py::test_n[%d] %s %d\\n" % (n, os.environ["HERE"], begun))
"""


def start_tests(case, count, retries, slots, settings=""):
    tree = case.farflung.cwd / "tree"
    tree.mkdir()
    (tree / "test_it.py").write_text(TESTS.format(go=case.go, trail=case.trail, count=count))
    case.write(f"  unit: {{pytest: [-p, 'no:cacheprovider'], retries: {retries}}}\n",
               [f"test_it.py::test_n[{n}]" for n in range(count)], settings, slots, "tree: tree\n",
               python="/usr/bin/python3")
    live = case.start()
    live.wait_for(lambda events: len({e["host"] for e in of_kind(events, "unit-started")}) == 2)
    case.go.touch()
    return live


@pytest.mark.parametrize("at", points("python", range(0, 48), 1))
def test_python_worker(case, at):
    """A test it was in is tried again; the others of its worker are none the worse."""
    live = start_tests(case, 60, 1, 1)
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= at)
    started = {e["host"]: e for e in of_kind(list(live.events), "worker-started")}
    assert set(started) == {"one", "two"}
    kill(int(started[case.hosts[at % 2].name]["facts"]["pid"]))
    events = live.finish(0)
    (ended,) = of_kind(events, "worker-ended", crashed=True)
    assert "SIGKILL" in ended["reason"] and ended["host"] == case.hosts[at % 2].name
    crashed = [e for e in of_kind(events, "unit-finished") if e["result"]["outcome"] == "crashed"]
    assert len(crashed) <= 1 and not any(e["final"] for e in crashed)
    case.check()


def test_python_workers(case):
    live = start_tests(case, 250, TIMES, 2, "max_worker_restart: 100")
    victims = Victims("pythons", case, live)

    def hit(host):
        over = {e["worker"] for e in of_kind(list(live.events), "worker-ended")}
        there = [e for e in of_kind(list(live.events), "worker-started", host=host.name) if e["worker"] not in over]
        with contextlib.suppress(ProcessLookupError):
            if there:
                kill(int(victims.random.choice(there)["facts"]["pid"]))
                return True
        return False

    hits = victims.hurt(hit, 9)
    events = victims.end()
    assert hits == TIMES
    assert not of_kind(events, "host-away")
    # One that had its end already is none the worse for it.
    assert len(of_kind(events, "worker-ended", crashed=True)) <= TIMES
    assert all(e["result"]["outcome"] in ("passed", "crashed") for e in of_kind(events, "unit-finished"))

"""kill -9 of everybody, at drawn points of a run over two hosts."""
import os
import signal

import pytest

from rig import of_kind, points, told, wait_until

KILL = signal.SIGKILL


def kill(pid):
    os.kill(pid, KILL)


@pytest.mark.parametrize("at", points("controller", range(1, 121), 4))
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
    case.commands()
    case.go.touch()
    for at in points("controllers", range(20, 70), 3)[:6]:
        live = case.start(*(["--resume"] if (case.runs / ".farflung").exists() else []))
        live.wait_for(lambda events: len(events) >= at)
        case.kill_controller(live)
    # The hosts may still be ending what they ran for those.
    case.farflung.run("run", "--resume", code=0)
    case.check()


@pytest.mark.parametrize("at", points("foreman", range(0, 50), 4))
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


@pytest.mark.parametrize("at", points("connection", range(0, 50), 4))
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
        wait_until(victim.sshd.session_pids, 20, "somebody is let in")
        victim.sshd.kill_sessions()
    else:
        pid = wait_until(victim.foreman, 20, "there is a foreman")
        kill(pid)
    live.finish(0)
    case.check(clean=False)


TESTS = """
import os, pathlib, pytest, time
@pytest.mark.parametrize("n", range(60))
def test_n(n):
    begun = time.time_ns()
    while not os.path.exists("{go}"):
        time.sleep(0.01)
    time.sleep(0.01 * (n % 4 + 1))
    with open("{trail}", "a") as file:
        file.write("test_it.py::test_n[%d] %s %d\\n" % (n, os.environ["HERE"], begun))
"""


@pytest.mark.parametrize("at", points("python", range(0, 48), 4))
def test_python_worker(case, at):
    """A test it was in is tried again; the others of its worker are none the worse."""
    tree = case.farflung.cwd / "tree"
    tree.mkdir()
    (tree / "test_it.py").write_text(TESTS.format(go=case.go, trail=case.trail))
    case.write("  unit: {pytest: [-p, 'no:cacheprovider'], retries: 1}\n",
               [f"test_it.py::test_n[{n}]" for n in range(60)], slots=1, tree="tree: tree\n", python="/usr/bin/python3")
    live = case.start()
    live.wait_for(lambda events: len({e["host"] for e in of_kind(events, "unit-started")}) == 2)
    case.go.touch()
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

"""farflung itself stands still (Ctrl-Z, a laptop's sleep) for longer than `silence`: it was us, and no
host is to blame."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from conftest import of_kind, outcomes, wait_until, write

SILENCE = 0.5
SUITE = """
import pathlib, pytest, time
@pytest.mark.parametrize("n", range(12))
def test_n(n):
    with open(f"ran-{n}", "a") as file:
        file.write("x")
    end = time.monotonic() + 60
    while n == 5 and not pathlib.Path("go").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
"""


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def stand_still(live, seconds):
    """How long it stands still is what is tested: here alone a test lets time pass."""
    pid = live.process.pid
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T", 60, "farflung stands still")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            live.process.wait(end - time.monotonic())
        assert live.process.returncode is None
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: state_of(pid) != "T", 60, "farflung goes on")


def ask(live, root, name):
    """Something comes back from a running unit: it is there, and heard."""
    (root / f"ask-{name}").touch()
    live.wait_for(lambda events: [e for e in of_kind(events, "unit-output") if f"heard {name}" in e.get("text", "")])


@pytest.mark.parametrize("where", ["local", "python", "ssh"])
@pytest.mark.parametrize("seconds", [2.2 * SILENCE, 3.4])
def test_nothing_is_lost_and_nothing_runs_twice(farflung, fresh_sshd, tmp_path, where, seconds):
    """Shorter and longer than the 2 s from which on the runner itself sees a gap."""
    silence = SILENCE if seconds < 2 else 1.6
    spec, root = "popen", farflung.cwd / "tree"
    if where == "python":
        spec = "popen//worker=python//python=/usr/bin/python3"
    if where == "ssh":
        root = tmp_path / "there"
        spec = f"ssh={fresh_sshd().words}//chdir={root}"
    write(farflung.cwd / "tree" / "test_it.py", SUITE)
    farflung.yaml(
        f"inventory: [{{spec: '{spec}', name: box, slots: 3, python: /usr/bin/python3}}]\n"
        f"tree: tree\nsettings: {{heartbeat: 100ms, silence: {silence:.1f}s}}\n"
        "jobs:\n"
        "  unit: {pytest: [-p, 'no:cacheprovider', test_it.py]}\n"
        "  shell: {run: 'echo x >> shell-ran; for n in 1 2; do"
        " until test -e ask-$n; do sleep 0.05; done; echo heard $n; done;"
        " until test -e go; do sleep 0.05; done'}\n"
        "  later: {run: 'echo x >> later-ran-{index}', count: 5, needs: [shell]}\n")
    live = farflung.follow("run")
    live.event("unit-started", job="shell")
    live.event("unit-started", unit="test_it.py::test_n[5]")
    for n in (1, 2):
        stand_still(live, seconds)
        ask(live, root, n)
    (root / "go").touch()
    events = live.finish(0)
    got = outcomes(events)
    assert len(got) == 12 + 1 + 5 and set(got.values()) == {"passed"}
    assert not of_kind(events, "unit-lost") and not of_kind(events, "host-away")
    assert len(of_kind(events, "host-joining")) == 1
    assert len(of_kind(events, "unit-started")) == len(got)
    assert {(root / f"ran-{n}").read_text() for n in range(12)} == {"x"}
    assert (root / "shell-ran").read_text() == "x\n"
    assert {(root / f"later-ran-{n}").read_text() for n in range(1, 6)} == {"x\n"}


def test_limits_of_units(farflung):
    """Commands and tests go on while we stand still, and so does their time; what ended in it has ended in time."""
    write(farflung.cwd / "test_it.py", "import pathlib, time\n"
          "def test_ends():\n    pathlib.Path('test').touch()\n    time.sleep(0.6)\n    pathlib.Path('test-over').touch()\n"
          "def test_next():\n    time.sleep(0.6)\n")
    farflung.yaml("inventory: [{spec: 2*popen, python: /usr/bin/python3}]\njobs:\n"
                  "  ends: {pytest: [-p, 'no:cacheprovider', test_it.py], timeout: 1500ms}\n"
                  "  hangs: {run: 'touch command; exec sleep 60', timeout: 1500ms}\n")
    live = farflung.follow("run")
    wait_until(lambda: all((farflung.cwd / name).exists() for name in ("test", "command")), 60, "both run")
    stand_still(live, 3.4)
    assert (farflung.cwd / "test-over").exists()
    events = live.finish(1)
    assert outcomes(events) == {"test_it.py::test_ends": "passed", "test_it.py::test_next": "passed", "hangs": "timeout"}
    assert not of_kind(events, "unit-lost") and not [e for e in of_kind(events, "worker-ended") if e.get("reason")]
    (hung,) = of_kind(events, "unit-finished", unit="hangs")
    assert hung["result"]["duration_us"] < 3_000_000, "it was killed when its time was over, not when we went on"

"""Whoever is killed in the middle of a run: every test is reported exactly once, the run ends by
itself, and no process of it stays behind."""
import json
import os
import signal
import time

import pytest

from conftest import of_kind, outcomes, process_name, result_of, wait_until, write

SUITE = """
import os, pathlib, pytest, time
@pytest.mark.parametrize("n", range(30))
def test_n(n):
    # The eleventh waits to be killed; when it is run again it is an ordinary test.
    if n == 10 and not os.path.exists("begun"):
        pathlib.Path("begun").touch()
        time.sleep(1000)
"""
VICTIM = "test_it.py::test_n[10]"
NAMES = {f"test_it.py::test_n[{n}]" for n in range(30)}


def start(farflung, python, spec="popen", slots=2, jobs="", settings=""):
    write(farflung.cwd / "tree" / "test_it.py", SUITE)
    farflung.yaml(
        f"inventory: [{{spec: '{spec}', name: box, slots: {slots}, python: '{python}'}}]\n"
        f"tree: tree\nsettings: {{{settings}}}\n"
        f"jobs:\n  unit: {{pytest: [-p, 'no:cacheprovider', test_it.py]}}\n{jobs}"
    )
    return farflung.follow("run", "--junit", "junit.xml")


def victim_started(live):
    """Waits until the victim runs; gives the pid of its worker."""
    worker = live.event("unit-started", unit=VICTIM)["worker"]
    wait_until(lambda: of_kind(live.events, "worker-started", worker=worker), 60, "the worker said its pid")
    return int(of_kind(live.events, "worker-started", worker=worker)[0]["facts"]["pid"])


def begun(root):
    wait_until((root / "begun").exists, 60, "the victim is inside its test")


def named(farflung, name):
    return [pid for pid in farflung.left_over() if process_name(pid) == name]


@pytest.mark.parametrize("slots", [1, 2])
def test_python_worker(farflung, python, slots):
    live = start(farflung, python, slots=slots)
    pid = victim_started(live)
    begun(farflung.cwd / "tree")
    os.kill(pid, signal.SIGKILL)
    events = live.finish(1)
    got = outcomes(events)
    assert set(got) == NAMES
    assert {name for name, outcome in got.items() if outcome != "passed"} == {VICTIM}
    assert got[VICTIM] == "crashed"
    message = result_of(events, VICTIM)["message"]
    assert "SIGKILL" in message and "box" in message and VICTIM in message
    ended = of_kind(events, "worker-ended", crashed=True)
    assert len(ended) == 1 and "SIGKILL" in ended[0]["reason"]
    assert VICTIM in (farflung.cwd / "junit.xml").read_text().replace("&quot;", '"') or "test_n[10]" in (
        farflung.cwd / "junit.xml").read_text()


def test_python_worker_with_retries(farflung, python):
    write(farflung.cwd / "tree" / "test_it.py", SUITE)
    farflung.yaml(
        f"inventory: [{{spec: 2*popen, python: '{python}'}}]\ntree: tree\n"
        "jobs:\n  unit: {pytest: [-p, 'no:cacheprovider'], retries: 1}\n")
    live = farflung.follow("run")
    pid = victim_started(live)
    begun(farflung.cwd / "tree")
    os.kill(pid, signal.SIGKILL)
    events = live.finish(0)
    assert outcomes(events) == dict.fromkeys(NAMES, "passed")
    tries = of_kind(events, "unit-finished", unit=VICTIM)
    assert [t["result"]["outcome"] for t in tries] == ["crashed", "passed"]


def test_worker_that_ends_itself(farflung, python):
    write(farflung.cwd / "test_it.py", """
import os, pytest
@pytest.mark.parametrize("n", range(6))
def test_n(n):
    if n == 3:
        os.write(2, b"last words\\n")  # to the real one: nothing is captured
        os._exit(7)
""")
    done = farflung.run("pytest", "-n", 2, "--python", python, "--jsonl", "e.jsonl", "--", "-s", code=1)
    events = [json.loads(line) for line in (farflung.cwd / "e.jsonl").read_text().splitlines()]
    got = outcomes(events)
    assert [n for n, o in got.items() if o != "passed"] == ["test_it.py::test_n[3]"] and len(got) == 6
    result = result_of(events, "test_it.py::test_n[3]")
    assert result["outcome"] == "crashed" and "exit status 7" in result["message"]
    assert "last words" in result["longrepr"]
    assert "1 crashed" in done.stderr


def test_every_worker_dies_again_and_again(farflung, python):
    write(farflung.cwd / "test_it.py", """
import os, pytest
@pytest.mark.parametrize("n", range(40))
def test_n(n): os.kill(os.getpid(), 9)
""")
    done = farflung.run(
        "pytest", "-n", 2, "--max-worker-restart", 3, "--python", python, "--jsonl", "e.jsonl", code=3)
    events = [json.loads(line) for line in (farflung.cwd / "e.jsonl").read_text().splitlines()]
    got = outcomes(events)
    assert len(got) == 40  # those that never ran are told too
    assert list(got.values()).count("crashed") in (4, 5)
    assert "max_worker_restart" in done.stderr


@pytest.mark.parametrize("name", ["farflung-worker", "farflung-guard"])
def test_native_worker(farflung, python, name):
    live = start(
        farflung, python, slots=3,
        jobs="  shell:\n    run: '[ -e shell-begun ] || { touch shell-begun; sleep 1000; }; echo survived'\n")
    victim_started(live)
    begun(farflung.cwd / "tree")
    wait_until((farflung.cwd / "tree" / "shell-begun").exists, 60, "the command runs")
    pids = wait_until(lambda: named(farflung, name), 60, f"there is a {name}")
    before = set(farflung.left_over()) - {live.process.pid}
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: not before & set(farflung.left_over()), 20, "all of the first worker is gone")
    events = live.finish(0)
    got = outcomes(events)
    assert set(got) == NAMES | {"shell"}
    assert set(got.values()) == {"passed"}  # run again, on the host that was opened again
    assert len(of_kind(events, "unit-started", unit=VICTIM)) == 2
    assert len(of_kind(events, "unit-started", unit="shell")) == 2
    (away,) = of_kind(events, "host-away")
    assert away["host"] == "box" and "SIGKILL" in away["error"] and away["units"] == 2
    assert os.WTERMSIG(away["status"]) == signal.SIGKILL
    assert len(of_kind(events, "host-ready", host="box")) == 2


def test_native_worker_dies_again_and_again(farflung):
    """A command that kills its own worker: given up after two hosts, and said so."""
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: box}]\n"
        "jobs:\n  bomb: {run: 'kill -9 $PPID; sleep 1000'}\n  good: {run: echo fine, needs: []}\n")
    assert done.returncode in (1, 3), done.stdout + done.stderr
    got = outcomes(done.events)
    assert got["bomb"] == "lost"
    message = result_of(done.events, "bomb")["message"]
    assert "box" in message and "SIGKILL" in message
    assert set(got) == {"bomb", "good"}


def test_ssh_session(farflung, sshd, python, tmp_path):
    root = tmp_path / "there"
    live = start(farflung, "/usr/bin/python3", spec=f"ssh={sshd.words}//chdir={root}", slots=3,
                 jobs="  shell:\n    run: '[ -e shell-begun ] || { touch shell-begun; sleep 1000; }; echo survived'\n")
    victim_started(live)
    begun(root)
    wait_until((root / "shell-begun").exists, 60, "the command runs")
    before = set(farflung.left_over()) - {live.process.pid}
    assert before
    sessions = sshd.session_pids()
    assert len(sessions) == 1
    for pid in sessions:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not before & set(farflung.left_over()), 20, "all on the other side is gone")
    events = live.finish(0)
    got = outcomes(events)
    assert set(got) == NAMES | {"shell"} and set(got.values()) == {"passed"}
    assert len(of_kind(events, "unit-started", unit=VICTIM)) == 2
    assert sshd.connections() == 2


def test_ssh_session_and_host_stay_away(farflung, sshd, tmp_path):
    """The host can't be reached again: what ran there is reported lost, with its name, once."""
    root = tmp_path / "there"
    live = start(farflung, "/usr/bin/python3", spec=f"ssh={sshd.words}//chdir={root}", slots=2)
    victim_started(live)
    begun(root)
    sshd.process.kill()
    sshd.process.wait()
    # The listener is gone: who it had accepted is found by its connection instead.
    for pid in [p for p in os.listdir("/proc") if p.isdigit() and process_name(p) == "sshd"]:
        if f"127.0.0.1:{sshd.port}" and owns_connection(pid, sshd.port):
            os.kill(int(pid), signal.SIGKILL)
    events = live.finish(3)
    got = outcomes(events)
    assert set(got) == NAMES
    assert got[VICTIM] == "lost"
    assert set(got.values()) <= {"passed", "lost"}
    assert "box" in result_of(events, VICTIM)["message"]
    assert len(of_kind(events, "host-lost", host="box")) == 1


def owns_connection(pid, port):
    """Whether one of the process's sockets is a connection accepted on this port."""
    inodes = set()
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == port and fields[3] == "01":
                inodes.add(f"socket:[{fields[9]}]")
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def test_silent_host_is_lost(farflung, python):
    """A worker that neither dies nor speaks (stopped): lost after settings.silence."""
    live = start(farflung, python, settings="heartbeat: 200ms, silence: 1500ms")
    victim_started(live)
    begun(farflung.cwd / "tree")
    pid = wait_until(lambda: named(farflung, "farflung-worker"), 60, "there is a worker")[0]
    os.kill(pid, signal.SIGSTOP)
    events = live.finish(0)
    assert outcomes(events) == dict.fromkeys(NAMES, "passed")
    (away,) = of_kind(events, "host-away")
    assert away["host"] == "box" and away["error"].endswith("no sign of life for 1.5 s")


@pytest.mark.parametrize("where", ["local", "python", "ssh"])
def test_farflung_itself(farflung, fresh_sshd, python, tmp_path, where):
    temp = tmp_path / "tmp"
    temp.mkdir()
    root = farflung.cwd / "tree"
    spec = "popen//worker=python//python=/usr/bin/python3" if where == "python" else "popen"
    if where == "ssh":
        server = fresh_sshd()
        root = tmp_path / "there"
        spec = f"ssh={server.words}//chdir={root}"
        python = "/usr/bin/python3"
    farflung.env["TMPDIR"] = str(temp)
    live = start(
        farflung, python, spec=spec, slots=4,
        jobs="  shell: {run: 'touch shell-begun; sleep 1000'}\n"
             "  daemon: {run: 'setsid sleep 1000 & touch daemon-begun; sleep 1000'}\n")
    victim_started(live)
    begun(root)
    for name in ("shell-begun", "daemon-begun"):
        wait_until((root / name).exists, 60, f"{name} is there")
    assert len(farflung.left_over()) >= 6
    began = time.monotonic()
    live.process.kill()
    live.process.wait()
    wait_until(lambda: not farflung.left_over(), 20, "all of its processes are gone")
    print(f"gone after {time.monotonic() - began:.1f} s")
    assert list(temp.iterdir()) == []
    if where == "ssh":
        assert list(server.temp.iterdir()) == []
        wait_until(lambda: not server.session_pids(), 20, "the ssh session is gone")
    # Where it ran nothing but the journal has come into being.
    assert sorted(p.name for p in farflung.cwd.iterdir()) == [".farflung", "farflung.yaml", "tree"]
    journal = (farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl").read_text()
    lines = journal.splitlines()
    assert json.loads(lines[0])["event"] == "run-started"
    assert any(json.loads(line)["event"] == "unit-started" for line in lines)


@pytest.mark.parametrize("where", ["local", "ssh"])
def test_a_pause_of_farflung_loses_nothing(farflung, fresh_sshd, tmp_path, where):
    """Ctrl-Z for longer than settings.silence: it is ourselves that were away, each time."""
    spec = "popen"
    root = farflung.cwd / "tree"
    if where == "ssh":
        root = tmp_path / "there"
        spec = f"ssh={fresh_sshd().words}//chdir={root}"
    write(farflung.cwd / "tree" / "test_it.py", """
import pathlib, time
def test_it():
    pathlib.Path("test-begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
""")
    farflung.yaml(
        f"inventory: [{{spec: '{spec}', name: box, slots: 2, python: /usr/bin/python3}}]\n"
        "tree: tree\nsettings: {heartbeat: 200ms, silence: 1s}\n"
        "jobs:\n"
        "  unit: {pytest: [-p, 'no:cacheprovider', test_it.py]}\n"
        "  shell: {run: 'touch shell-begun; until test -e go; do sleep 0.1; done'}\n")
    live = farflung.follow("run")
    for name in ("test-begun", "shell-begun"):
        wait_until((root / name).exists, 60, f"{name} is there")
    for _ in range(4):  # more often than a host is opened
        os.kill(live.process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(live.process.pid, signal.SIGCONT)
        time.sleep(0.3)
    (root / "go").touch()
    events = live.finish(0)
    assert set(outcomes(events).values()) == {"passed"}
    assert len(of_kind(events, "unit-started")) == 2
    assert not of_kind(events, "notice", host="box")


def test_python_foreman(farflung):
    """A host without the native worker loses it: what it ran is gone before it runs again."""
    farflung.yaml(
        "inventory: [{spec: 'popen//worker=python//python=/usr/bin/python3', name: box, slots: 1}]\n"
        "jobs:\n"
        "  shell: {run: 'test -e pids && exit 0; echo $$ >> pids;"
        " setsid sh -c \"echo \\$\\$ >> pids; exec sleep 1001\" & sleep 1000'}\n")
    live = farflung.follow("run")
    pids = farflung.cwd / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60, "both run")
    first = [int(pid) for pid in pids.read_text().split()]
    guard = wait_until(lambda: named(farflung, "farflung-guard"), 60, "there is a guard")[0]
    foreman = [pid for pid in farflung.left_over() if process_name(pid).startswith("python3")]
    assert len(foreman) == 1
    os.kill(foreman[0], signal.SIGKILL)
    wait_until(lambda: not {guard, *first} & set(farflung.left_over()), 20, "all of it is gone")
    live.finish(0)


def test_stopped_farflung_is_left_by_its_workers(farflung, sshd, tmp_path):
    """A controller that is there but silent (a frozen machine): the heartbeat tells its workers."""
    root = tmp_path / "there"
    live = start(farflung, "/usr/bin/python3", spec=f"ssh={sshd.words}//chdir={root}", slots=2,
                 settings="heartbeat: 200ms, silence: 2s")
    victim_started(live)
    begun(root)
    others = set(farflung.left_over()) - {live.process.pid}
    os.kill(live.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: not others & set(farflung.left_over()), 20, "the workers have gone")
    finally:
        os.kill(live.process.pid, signal.SIGCONT)
    events = live.finish()
    assert set(outcomes(events)) == NAMES

"""What is kept of runs for later ones: the store, farflung history, and the policy that goes by it."""
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import termios
import time

import pytest

from conftest import of_kind, outcomes, read_jsonl, write

SLEEPERS = """
import time
import pytest

@pytest.mark.parametrize("ms", %s)
def test_sleep(ms):
    time.sleep(ms / 1000)
"""


def database(farflung):
    return farflung.cwd / ".farflung" / "history.db"


def units(farflung):
    with sqlite3.connect(database(farflung)) as db:
        return {name: us for name, us in db.execute("SELECT name, us FROM units")}


def pytest_run(farflung, python, *args, code=0):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "--python", python, "--jsonl", path, *args, code=code)
    done.events = read_jsonl(path)
    return done


def notices(done):
    return [event["text"] for event in of_kind(done.events, "notice")]


def order(done):
    return [event["unit"] for event in of_kind(done.events, "unit-started")]


def test_the_second_run_begins_with_the_longest(farflung, python):
    write(farflung.cwd / "test_a.py", SLEEPERS % "[1, 1, 1, 30]")
    write(farflung.cwd / "test_b.py", SLEEPERS % "[1, 400, 1, 200]")
    first = pytest_run(farflung, python, "-n", 1)
    assert order(first)[0].startswith("test_a.py")
    assert not any("--dist auto" in text for text in notices(first))
    known = units(farflung)
    assert len(known) == 8 and known["test_b.py::test_sleep[400]"] > 400000

    second = pytest_run(farflung, python, "-n", 1)
    assert any("--dist auto" in text for text in notices(second))
    assert order(second)[:2] == ["test_b.py::test_sleep[400]", "test_b.py::test_sleep[200]"]
    assert outcomes(second.events) == outcomes(first.events)
    assert "--dist auto" not in second.stdout + second.stderr
    loud = farflung.run("pytest", "--python", python, "-n", 1, "-v", "--front", "never", code=0)
    assert (loud.stdout + loud.stderr).count("--dist auto") == 1


def test_who_chose_gets_what_he_chose(farflung, python):
    write(farflung.cwd / "test_a.py", SLEEPERS % "[1, 1, 1, 30]")
    pytest_run(farflung, python, "-n", 1)
    done = pytest_run(farflung, python, "-n", 1, "--dist", "worksteal")
    assert not any("--dist auto" in text for text in notices(done))
    assert [unit[-4:] for unit in order(done)][-1] == "[30]"
    # A scheduler of the suite's own stays in its place.
    write(farflung.cwd / "conftest.py", """
from xdist.scheduler import LoadScopeScheduling

class Own(LoadScopeScheduling):
    def _split_scope(self, nodeid):
        return "all"

def pytest_xdist_make_scheduler(config, log):
    return Own(config, log)
""")
    done = pytest_run(farflung, python, "-n", 2)
    assert not any("--dist auto" in text for text in notices(done))


def test_a_broken_file_is_set_aside(farflung, python):
    write(farflung.cwd / "test_a.py", SLEEPERS % "[1, 2]")
    (farflung.cwd / ".farflung").mkdir()
    database(farflung).write_bytes(b"no database at all " * 500)
    done = pytest_run(farflung, python, "-n", 1)
    moved = [path.name for path in database(farflung).parent.glob("history.db.broken-*")]
    assert len(moved) == 1 and moved[0] in done.stderr
    assert len(units(farflung)) == 2
    done = pytest_run(farflung, python, "-n", 1)
    assert "history" not in done.stderr


def test_history_elsewhere_and_nowhere(farflung, python):
    write(farflung.cwd / "test_a.py", SLEEPERS % "[1, 2]")
    pytest_run(farflung, python, "-n", 1, "--history", "none")
    assert not database(farflung).exists()
    pytest_run(farflung, python, "-n", 1, "--history", "here.db")
    assert not database(farflung).exists()
    assert "[2]" in farflung.run("history", "--history", "here.db", code=0).stdout


def files(farflung):
    """What the store has of files: {name: (content, µs)}."""
    with contextlib.closing(sqlite3.connect(database(farflung))) as db:
        return {name: (content, us) for name, content, us in db.execute("SELECT name, content, collect_us FROM files")}


@pytest.mark.parametrize("collect", ["every", "shard"])
def test_files_are_known(farflung, python, collect):
    """How long each takes to be collected, and whether it is what it was: of a changed one nothing is known."""
    for name, ms in ("a", 60), ("b", 600), ("c", 200), ("d", 10):
        write(farflung.cwd / f"test_{name}.py", f"import time\ntime.sleep(0.05)\ndef test_{name}(): time.sleep({ms / 1000})\n")
    args = ["-n", 1, "--collect", collect]
    pytest_run(farflung, python, *args)
    first = files(farflung)
    assert sorted(first) == [f"test_{name}.py" for name in "abcd"]
    assert all(content > 0 and us >= 50000 for content, us in first.values())
    assert [unit[:6] for unit in order(pytest_run(farflung, python, *args))] == ["test_b", "test_c", "test_a", "test_d"]
    assert {name: content for name, (content, _) in files(farflung).items()} == {
        name: content for name, (content, _) in first.items()
    }
    # All that is known of the one that takes longest was of another file of its name.
    write(farflung.cwd / "test_b.py", "import time\ndef test_b(): time.sleep(0.001)\n")
    assert order(pytest_run(farflung, python, *args))[0] == "test_c.py::test_c"
    assert files(farflung)["test_b.py"][0] != first["test_b.py"][0]


def test_a_store_without_files(farflung, python):
    """As older ones are."""
    write(farflung.cwd / "test_a.py", SLEEPERS % "[1, 2]")
    pytest_run(farflung, python, "-n", 1)
    with contextlib.closing(sqlite3.connect(database(farflung))) as db:
        db.execute("DROP TABLE files")
    done = pytest_run(farflung, python, "-n", 1)
    assert not [text for text in notices(done) if "histor" in text] and list(files(farflung)) == ["test_a.py"]


def test_commands_are_in_the_history(farflung):
    farflung.run_yaml("""
        inventory: {hosts: [popen]}
        jobs:
          quick: {run: "true", count: 3}
          slow: {run: "sleep 0.3"}
        settings: {history: kept.db}
    """, code=0)
    done = farflung.run("history", "--history", "kept.db", "--json", code=0)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [unit["unit"] for unit in found][0] == "slow" and len(found) == 4
    assert found[0]["duration_us"] > 300000 and found[0]["kind"] == "run"


FLAKY = """
import os

def test_now_and_then():
    if not os.path.exists("tried"):
        open("tried", "w").close()
        assert False

def test_never():
    assert False

def test_always():
    pass
"""


def test_history_command(farflung, python):
    missing = farflung.run("history", code=2)
    assert "history.db: No such file or directory" in missing.stderr
    write(farflung.cwd / "test_f.py", FLAKY)
    pytest_run(farflung, python, "-n", 1, "--retries", 1, code=1)
    run = json.loads(farflung.run("history", "--json", "never", code=0).stdout)["since"]
    shown = farflung.run("history", code=0).stdout.splitlines()
    assert len(shown) == 3
    assert [line for line in shown if "failing since " + run in line] == [line for line in shown if "test_never" in line]
    flaky = farflung.run("history", "--flaky", code=0).stdout.splitlines()
    assert len(flaky) == 1 and re.search(r"test_f\.py::test_now_and_then .*flaky in 1 run$", flaky[0])
    assert len(farflung.run("history", "--slowest", 2, code=0).stdout.splitlines()) == 2
    assert "nothing in" in farflung.run("history", "nowhere", code=0).stdout
    farflung.run("history", "a", "b", code=2)
    farflung.run("history", "--slowest", "many", code=2)
    pytest_run(farflung, python, "-n", 1, code=1)
    again = json.loads(farflung.run("history", "--json", "never", code=0).stdout)
    assert again["since"] == run and again["failures"] == 2 and again["failed_in"] != run


def test_setups_are_told(farflung, python):
    write(farflung.cwd / "test_s.py", """
import time
import pytest

@pytest.fixture(scope="module")
def slow():
    time.sleep(0.2)

def test_one(slow): pass
def test_two(slow): pass
""")
    done = pytest_run(farflung, python, "-n", 1)
    results = {e["unit"][-3:]: e["result"] for e in of_kind(done.events, "unit-finished")}
    assert results["one"]["setup_us"] >= 200000 > results["two"].get("setup_us", 0)
    found = farflung.run("history", "--json", "test_one", code=0).stdout
    assert json.loads(found)["setup_us"] >= 200000


def etas(farflung, *args, code=0, interrupt=None):
    """(seconds since the first, seconds that it says are left) of each live line, and how long all took. `interrupt`:
    when this file is there."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(farflung.cwd)
        os.environ.update(farflung.env, TERM="xterm")
        os.execv(farflung.program, [str(farflung.program), *map(str, args)])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    seen, begun = [], None
    while True:
        if interrupt and not begun and interrupt.exists():
            begun = time.monotonic()
            os.kill(pid, signal.SIGINT)
        try:
            text = os.read(screen, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        seen += [(time.monotonic(), int(left)) for left in re.findall(r"ETA (\d+)s", text)]
        if not text:
            break
    os.close(screen)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    first = begun or seen[0][0]
    return [(at - first, left) for at, left in seen if at >= first], time.monotonic() - first


def test_setups_and_teardowns_are_foretold(farflung):
    """What they took in the run before is added to what the units will."""
    farflung.yaml("inventory: [popen]\nsetup: sleep 1\nteardown: {run: sleep 2, per: run}\n"
                  "jobs: {j: {run: 'sleep 0.25', count: 8}}\n")
    farflung.run("run", code=0)
    told, took = etas(farflung, "run")
    off = [at + left - took for at, left in told if at > 0.5]
    assert len(off) > 4 and took > 3.5
    assert -0.2 * took < min(off) and max(off) < 1 + 0.2 * took, (told, took)
    assert any(at > took - 1.9 for at, left in told), "while all units are over, too"


def test_delays_of_retries_are_foretold(farflung):
    farflung.yaml("inventory: [{spec: popen, slots: 2}]\nsettings: {history: none}\njobs:\n"
                  "  j: {run: 'echo . ; test -e tried', retries: 1, retry_delay: 4s}\n"
                  "  quick: {run: 'sleep 0.1', count: 6}\n  later: {run: 'sleep 2; touch tried'}\n")
    told, took = etas(farflung, "run", code=0)
    later = [(at, left) for at, left in told if at > 1]
    assert later and all(abs(at + left - took) < 1.6 for at, left in later), (told, took)


def test_the_end_of_a_stop_is_foretold(farflung):
    """What waits is not run any more, and what runs is killed when the grace is over."""
    farflung.yaml("inventory: [popen]\nsettings: {grace: 2s}\njobs:\n"
                  "  j: {run: \"sleep 0.1; test {index} -lt 3 || { touch begun; trap '' TERM; sleep 30; }\", count: 40}\n")
    told, took = etas(farflung, "run", code=130, interrupt=farflung.cwd / "begun")
    later = [(at, left) for at, left in told if at > 0.3]
    assert later and max(left for at, left in later) <= 3, (told, took)


def test_the_end_is_foretold(farflung, python):
    """One test takes as long as all the others together: how many are done says nothing of the end."""
    write(farflung.cwd / "test_a.py", SLEEPERS % ([20] * 100 + [4000]))
    pytest_run(farflung, python, "-n", 2)
    told, took = etas(farflung, "pytest", "--python", python, "-n", 2, "--front", "never")
    later = [(at, left) for at, left in told if at > took / 3]
    assert later
    # Whole seconds are shown, rounded up.
    off = [at + left - took for at, left in later]
    assert -0.15 * took < min(off) and max(off) < 1 + 0.15 * took, (told, took)


def test_the_end_is_foretold_of_files(farflung, python):
    """They are collected one by one: what is in those that wait is known of the last run alone."""
    for i in range(12):
        write(farflung.cwd / f"test_{i:02}.py", SLEEPERS % ([40] * (5 + 5 * i)))
    args = ["-n", 2, "--collect", "shard"]
    pytest_run(farflung, python, *args)
    told, took = etas(farflung, "pytest", "--python", python, "--front", "never", *args)
    later = [(at, left) for at, left in told if at > took / 3]
    assert later
    off = [at + left - took for at, left in later]
    assert -0.15 * took < min(off) and max(off) < 1 + 0.15 * took, (told, took)

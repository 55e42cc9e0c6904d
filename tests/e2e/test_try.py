"""farflung try: a suite by plain pytest, by ours and by pytest-xdist: what differs, why, and what would help."""
import json
import os
import signal
import socket
import subprocess

import pytest

from conftest import has, wait_until, write

# For tests of one file that meet if they are in two workers: once all workers are there, one doesn't wait long.
MEETING = """
import os, pathlib, time
def flag(name): return pathlib.Path(os.environ["FLAGS"], os.environ.get("PYTEST_XDIST_TESTRUNUID", "") + name)
def meet(mine, other):
    flag(mine).touch()
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    patience = 200 if count > 1 else 0
    while patience and not flag(other).exists():
        patience -= all(flag("gw%d" % i).exists() for i in range(count))
        time.sleep(0.01)
"""
HERE = MEETING + """
def pytest_collection_finish(): flag(os.environ.get("PYTEST_XDIST_WORKER", "none")).touch()
"""
ORDER = MEETING + """
made = []
def test_first():
    made.append(1)
    meet("first", "second")
def test_second():
    meet("second", "first")
    assert made
"""
PORT = MEETING + """
import socket
def test_first():
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
        meet("first", "second")
def test_second():
    meet("second-waits", "first")
    try:
        socket.create_server(("127.0.0.1", int(os.environ["PORT"]))).close()
    finally:
        meet("second", "first")
"""
FILE = MEETING + """
def test_first():
    os.mkdir("shared")
    meet("first", "second")
    os.rmdir("shared")
def test_second():
    meet("second-waits", "first")
    try:
        os.mkdir("shared")
        os.rmdir("shared")
    finally:
        meet("second", "first")
"""
# Fails in the second run of all: ours.
ALONE = """
import os, pathlib, pytest
counter = pathlib.Path(os.environ["FLAGS"], "runs")
def test_flaky():
    with open(counter, "a") as file: file.write("x")
    assert counter.stat().st_size != 2
def test_worker(): assert "PYTEST_XDIST_WORKER" not in os.environ
def test_crash():
    if "PYTEST_XDIST_WORKER" in os.environ: os._exit(7)
def test_good(): pass
"""
MIXED = """
import pytest, warnings
def test_pass(): warnings.warn("a warning")
def test_fail(): assert 0
def test_skip(): pytest.skip("not now")
@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.fixture
def bad():
    yield
    raise ValueError
def test_error(bad): pass
@pytest.mark.xdist_group("one@two")
class TestA:
    @pytest.mark.parametrize("word", ["a@b", "x::y", "é"])
    def test_word(self, word): assert word != "é"
"""


@pytest.fixture
def trial(farflung, python, tmp_path):
    """Runs `farflung try`; gives what it did, with `found`: its JSON (or no --json). It leaves nothing behind."""
    temporary, flags = tmp_path / "temporary", tmp_path / "flags"
    temporary.mkdir(), flags.mkdir()
    farflung.env.update(TMPDIR=str(temporary), FLAGS=str(flags), PYTHONDONTWRITEBYTECODE="1")

    def run(*args, code, form="--json"):
        before = content_of(farflung.cwd)
        done = farflung.run("try", "--python", python, "-n", 2, *filter(None, [form]), *args, code=code)
        done.found = json.loads(done.stdout) if form else None
        assert content_of(farflung.cwd) == before
        assert list(temporary.iterdir()) == []
        return done

    run.cwd, run.env, run.temporary, run.flags = farflung.cwd, farflung.env, temporary, flags
    return run


def content_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def test_the_same(trial, python):
    write(trial.cwd / "test_mixed.py", MIXED)
    # With --lf the cache of the user's last run is read, by every run, and stays as it is.
    subprocess.run([python, "-m", "pytest", "-q", "-p", "no:xdist"], cwd=trial.cwd, env=trial.env, stdout=subprocess.DEVNULL)
    assert (trial.cwd / ".pytest_cache").exists()
    found = trial("--dist", "loadgroup", code=0).found
    want = {"passed": 3, "failed": 2, "error": 1, "skipped": 1, "xfailed": 1, "xpassed": 1}
    names = ["pytest", *(["pytest-xdist"] if has(python, "xdist") else []), "farflung"]
    assert [(r["name"], r["exit_code"], r["outcomes"]) for r in found["runs"]] == [(name, 1, want) for name in names]
    assert found["same"] and found["differences"] == [] and found["speedup"] > 0
    assert {run["warnings"] for run in found["runs"]} == {1}
    found = trial("--", "--lf", "-x", "-p", "no:xdist", code=0).found
    assert [(r["name"], r["outcomes"]) for r in found["runs"]] == [
        (name, {"failed": 2, "error": 1}) for name in ("pytest", "farflung")
    ]


@pytest.mark.parametrize("text, reason", [(ORDER, "order"), (FILE, "file"), (PORT, "port")], ids=["order", "file", "port"])
def test_tests_that_need_or_disturb_each_other(trial, python, text, reason):
    with socket.create_server(("127.0.0.1", 0)) as server:
        trial.env["PORT"] = str(server.getsockname()[1])
    write(trial.cwd / "test_two.py", text)
    write(trial.cwd / "conftest.py", HERE)
    found = trial(code=1).found
    (it,) = found["differences"]
    assert (it["id"], it["pytest"], it["farflung"]) == ("test_two.py::test_second", "passed", "failed")
    assert it["reason"] == reason
    assert found["advice"][0] == "--dist loadscope: nothing differs with it"


def test_tests_that_differ_by_themselves(trial):
    write(trial.cwd / "test_alone.py", ALONE)
    done = trial(code=1, form=None)
    lines = done.stdout.splitlines()
    told = {line.partition(": pytest ")[0]: lines[i + 1].split(":")[0].strip() for i, line in enumerate(lines) if ", farflung " in line}
    assert told == {
        "test_alone.py::test_flaky": "flaky", "test_alone.py::test_worker": "worker", "test_alone.py::test_crash": "crash",
    }  # fmt: skip
    assert any(line.startswith("speed-up: ") for line in lines) and any("exit 0  4 passed" in line for line in lines)
    assert "3 tests differ (exit 1)" in done.stderr


def test_ids_that_are_never_the_same(trial):
    write(trial.cwd / "test_ids.py", "import pytest, uuid\n@pytest.mark.parametrize('x', [uuid.uuid4().hex])\ndef test_x(x): pass\n")
    found = trial("-p", "no:cacheprovider", code=1).found
    assert {it["reason"] for it in found["differences"]} <= {"ids", "unrun"} and found["differences"]


def test_what_cannot_be_compared(trial, farflung, python):
    assert "refuses this" in trial("no_such_file.py", code=4).found["notes"][0]
    assert trial(code=5).found["notes"][0].startswith("pytest collected no test")
    write(trial.cwd / "test_slow.py", "import time\ndef test_slow(): time.sleep(600)\n")
    assert trial("--timeout", "3s", code=3).found["notes"] == ["pytest was not ready within --timeout"]
    with open("/dev/full", "w") as full:
        command = [farflung.program, "try", "--python", python, "--timeout", "1s"]
        done = subprocess.run(command, cwd=trial.cwd, env=farflung.env, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 3 and "stdout can't be written" in done.stderr and "Traceback" not in done.stderr
    for args, words in (
        (["--dist", "each"], "--dist"), (["--pdb"], "--pdb"), (["-n", "many"], "-n"), (["--timeout", "long"], "--timeout"),
        (["--no-such"], "--no-such"),
    ):  # fmt: skip
        done = farflung.run("try", *args, code=2)
        assert words.strip("-") in done.stderr and len(done.stderr.splitlines()) == 1 and done.stdout == ""


@pytest.mark.parametrize("where", ["plain", "ours"])
def test_an_interrupt_ends_all(trial, farflung, python, where):
    text = "import os, pathlib, time\ndef test_it():\n    if ('PYTEST_XDIST_WORKER' in os.environ) == %r:\n"
    text += "        pathlib.Path(os.environ['FLAGS'], 'here').touch()\n        time.sleep(600)\n"
    write(trial.cwd / "test_it.py", text % (where == "ours"))
    process = farflung.start("try", "--python", python)
    wait_until((trial.flags / "here").exists, 60, "the test runs")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in out and "exit 130" in err
    assert farflung.left_over() == [] and list(trial.temporary.iterdir()) == []
    assert not os.path.exists(trial.cwd / ".farflung")

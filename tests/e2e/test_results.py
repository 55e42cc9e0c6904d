"""A folder for each unit: what it wrote and how it ended, of its last attempt and of those before."""
import os
import signal

import pytest

from conftest import of_kind, wait_until, write
from test_full_disk import small  # noqa: F401: a fixture

ONE = "version: 1\ninventory: [{spec: 2*popen, name: box, chdir: box}]\nreport: {results: res}\njobs:\n"


def status(folder):
    first, *rest = (folder / "status").read_text().splitlines()
    return {"outcome": first, **dict(line.split(" ", 1) for line in rest)}


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_commands(farflung):
    done = farflung.run_yaml(
        ONE + "  good: {run: 'printf \"a\\0b\"; echo e >&2'}\n  bad: {run: 'kill -9 $$'}\n  worse: {run: 'exit 3'}\n"
        "  names: {run: 'echo {n}', matrix: {n: [a/b, a%2Fb, ..]}}\n", code=1)
    res = farflung.cwd / "res"
    assert (res / "good/good/stdout").read_bytes() == b"a\0b" and (res / "good/good/stderr").read_text() == "e\n"
    told = status(res / "good/good")
    run = of_kind(done.events, "run-started")[0]["run"]
    assert float(told.pop("seconds")) >= 0
    assert told == {"outcome": "passed", "exit": "0", "signal": "0", "attempt": "1", "host": "box", "run": run}
    assert [status(res / name / name)[key] for name, key in (("bad", "signal"), ("worse", "exit"))] == ["9", "3"]
    assert {(path / "stdout").read_text() for path in (res / "names").iterdir()} == {"a/b\n", "a%2Fb\n", "..\n"}


def test_attempts(farflung):
    """Those before the last, and what an earlier run left of some that this one did not need."""
    text = ONE + "  j: {run: 'echo x >> tries; cat tries; test $(wc -l < tries) -ge 3', retries: 2}\n"
    farflung.run_yaml(text, code=0)
    unit = farflung.cwd / "res/j/j"
    assert [(unit / part / "stdout").read_text() for part in ("attempt-1", "attempt-2", "")] == ["x\n", "x\nx\n", "x\nx\nx\n"]
    assert [status(unit / part)["outcome"] for part in ("attempt-1", "attempt-2", "")] == ["failed", "failed", "passed"]
    farflung.run_yaml(text, code=0)
    assert files(unit) == ["status", "stderr", "stdout"] and status(unit)["attempt"] == "1"


def test_a_lost_attempt(farflung):
    farflung.yaml("version: 1\ninventory: [{spec: popen, name: box}]\nreport: {results: res}\njobs:\n"
                  "  j: {run: 'mkdir once && { echo $PPID > pid; exec sleep 1000; }; echo again'}\n")
    process = farflung.start("run")
    pid = farflung.cwd / "pid"
    wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"), 60, "it runs")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 0
    unit = farflung.cwd / "res/j/j"
    assert (unit / "stdout").read_text() == "again\n" and status(unit)["outcome"] == "passed"
    assert status(unit / "attempt-1")["outcome"] == "lost"


def test_interrupted(farflung):
    """What was killed does not look as it did in an earlier run."""
    text = ONE + "  j: {run: 'echo said; %s'}\n"
    farflung.run_yaml(text % "true", code=0)
    before = status(farflung.cwd / "res/j/j")
    farflung.yaml(text % "exec sleep 1000")
    live = farflung.follow("run")
    live.wait_for(lambda events: of_kind(events, "unit-output"))
    live.process.send_signal(signal.SIGINT)
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(60) == 130
    after = status(farflung.cwd / "res/j/j")
    assert (before["outcome"], after["outcome"]) == ("passed", "lost") and after["run"] != before["run"]


def test_tests(farflung, python):
    write(farflung.cwd / "test_a.py", """
import logging, sys, pytest

@pytest.fixture
def made():
    print("made")
    yield
    print("unmade")

def test_good(made):
    print("in it"); print("err", file=sys.stderr)

def test_bad():
    logging.getLogger().warning("beware"); assert 1 == 2
""")
    farflung.run_yaml(f"version: 1\ninventory: ['2*popen//python={python}']\njobs:\n  t: {{pytest: [test_a.py]}}\n",
                      "--results", "there/", code=1)
    good, bad = (farflung.cwd / "there/t" / f"test_a.py::test_{name}" for name in ("good", "bad"))
    assert (good / "stdout").read_text() == "made\nin it\nunmade\n" and (good / "stderr").read_text() == "err\n"
    assert status(good)["outcome"] == "passed" and "exit" not in status(good)
    assert status(bad)["outcome"] == "failed" and status(bad)["message"].startswith("assert 1 == 2")
    assert "E       assert 1 == 2" in (bad / "failure").read_text() and "beware" in (bad / "log").read_text()


@pytest.mark.parametrize("slash", ["", "/"])
def test_it_does_not_travel(farflung, slash):
    text = ("version: 1\ninventory: [{spec: popen, name: box, chdir: ../box}]\ntree: {source: .}\n"
            f"report: {{results: res{slash}}}\njobs:\n  j: {{run: 'ls'}}\n")
    for _ in range(2):
        farflung.run_yaml(text, code=0)
    assert (farflung.cwd / "res/j/j/stdout").read_text() == "farflung.yaml\n"


def test_told_again(farflung):
    """A journal's replay, and a run that goes on, have all of it."""
    text = ONE + "  j: {run: 'echo {index}; test -e ../ok || test {index} = 1', count: 2}\n"
    farflung.run_yaml(text, code=1)
    farflung.run("replay", "--results", "again", code=1)
    for unit in ("j[1]", "j[2]"):
        for name in ("stdout", "stderr", "status"):
            assert (farflung.cwd / "again/j" / unit / name).read_text() == (farflung.cwd / "res/j" / unit / name).read_text()
    (farflung.cwd / "ok").touch()
    farflung.run("rerun", "--failed", "--results", "more", code=0)
    assert [status(farflung.cwd / "more/j" / unit)["outcome"] for unit in ("j[1]", "j[2]")] == ["passed", "passed"]
    assert (farflung.cwd / "more/j/j[1]/stdout").read_text() == "1\n"


def test_what_cannot_be_written_is_known_before(farflung):
    write(farflung.cwd / "res", "in the way")
    farflung.yaml(ONE + "  j: {run: touch begun}\n")
    done = farflung.run("run", code=2)
    assert f"{farflung.cwd}/res" in done.stderr and not (farflung.cwd / "box").exists()
    done = farflung.run("run", "--results", "-", code=2)
    assert "'results' can't be written to stdout, it wants a folder" in done.stderr
    farflung.yaml(ONE.replace("res}", "[res]}") + "  j: {run: touch begun}\n")
    assert "3:19: 'results' wants a path, got a list" in farflung.run("run", code=2).stderr


def test_a_folder_that_cannot_be_written(farflung):
    """It is named, the others are whole, and the run is not green."""
    write(farflung.cwd / "res/j/j[2]", "in the way")
    done = farflung.run_yaml(ONE + "  j: {run: 'echo {index}', count: 3}\n", code=3)
    assert f"cannot write '{farflung.cwd}/res/j/j[2]': Not a directory" in done.stderr
    assert [(farflung.cwd / f"res/j/j[{n}]/stdout").read_text() for n in (1, 3)] == ["1\n", "3\n"]


def test_a_full_disk(farflung, small):  # noqa: F811
    """The run stops with the path; no status stands beside output that is cut."""
    if not small.mounted:
        pytest.skip("nothing can be mounted here")
    farflung.yaml("version: 1\ninventory: [popen]\nsettings: {output_cap: 8MiB}\njobs:\n"
                  "  j: {run: 'head -c 1000000 /dev/zero', count: 30}\n")
    done = farflung.run("run", "--results", small.path / "res", code=3)
    assert f"cannot write '{small.path}/res/j/j[" in done.stderr and "No space left on device" in done.stderr
    folders = list((small.path / "res/j").iterdir())
    whole = [path for path in folders if (path / "status").exists()]
    assert 2 <= len(whole) < 30
    for path in whole:
        assert (path / "stdout").stat().st_size == 1000000

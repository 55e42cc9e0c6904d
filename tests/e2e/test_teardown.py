"""Reports, summary and last line don't wait for interpreters to end; what these do at their exit is
done behind them, for as long as `grace` allows."""
import json
import os
import signal

import pytest

from conftest import of_kind, outcomes, read_jsonl, wait_until, write

# Waits to be told, for as long as no test would: so nothing here depends on time.
CONFTEST = """
import atexit, os, pathlib, time
def late():
    pathlib.Path(f"begun-{os.environ['PYTEST_XDIST_WORKER']}").touch()
    end = time.monotonic() + 120
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.02)
    os.write(2, b"said at the exit\\n")
    pathlib.Path(f"done-{os.environ['PYTEST_XDIST_WORKER']}").touch()
atexit.register(late)
"""
SUITE = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_n(n): pass\n"


def start(farflung, python, grace, slots=2):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_a.py", SUITE)
    farflung.yaml(f"inventory: [{{spec: popen, slots: {slots}, python: '{python}'}}]\nsettings: {{grace: {grace}}}\n"
                  "jobs: {unit: {pytest: [-p, 'no:cacheprovider']}}\n")
    return farflung.start("run", "--junit", "junit.xml", "--jsonl", "e.jsonl")


def read_last_line(process):
    for line in process.stderr:
        if "(exit " in line:
            return line


def names(farflung, what):
    return sorted(path.name for path in farflung.cwd.glob(f"{what}-*"))


def test_the_last_line_comes_first(farflung, python):
    process = start(farflung, python, "100s")
    assert read_last_line(process) == "farflung: 6 passed (exit 0)\n"
    # All is told, and nothing that is done at their exit has come to its end.
    assert names(farflung, "done") == [] and process.poll() is None
    assert (farflung.cwd / "junit.xml").read_text().count("<testcase") == 6
    events = read_jsonl(farflung.cwd / "e.jsonl")
    assert events[-1]["event"] == "run-finished" and len(outcomes(events)) == 6
    wait_until(lambda: names(farflung, "begun"), 60, "a worker is at its exit")
    begun = names(farflung, "begun")
    write(farflung.cwd / "go", "")
    assert process.wait(60) == 0
    assert process.stdout.read().endswith("══\n") and process.stderr.read() == ""
    assert len(names(farflung, "done")) == len(names(farflung, "begun")) >= len(begun)
    journal = (farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl").read_text()
    assert journal.index('"run-finished"') < journal.index("said at the exit")


def test_grace_is_all_the_time_there_is(farflung, python):
    process = start(farflung, python, "300ms", slots=1)
    assert read_last_line(process) == "farflung: 6 passed (exit 0)\n"
    assert process.wait(60) == 0
    assert names(farflung, "done") == []
    wait_until(lambda: not farflung.left_over(), 20, "the interpreter is gone")
    process.communicate()


def test_a_command_needs_not_wait_for_it(farflung, python):
    """The slot of a session that has said its last is free."""
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_a.py", SUITE)
    done = farflung.run_yaml(
        f"inventory: [{{spec: popen, slots: 1, python: '{python}'}}]\nsettings: {{grace: 100s}}\n"
        "jobs:\n  unit: {pytest: [-p, 'no:cacheprovider']}\n  next: {run: 'touch go', needs: unit}\n", code=0)
    assert len(outcomes(done.events)) == 7 and len(names(farflung, "done")) == 1


def test_an_end_that_fails_is_told(farflung, python):
    """A worker that crashes at its exit: the tests are what they were, the journal has it."""
    write(farflung.cwd / "conftest.py", "import atexit, os\natexit.register(lambda: os.kill(os.getpid(), 9))\n")
    write(farflung.cwd / "test_a.py", SUITE)
    farflung.run("pytest", "-n", 1, "--python", python, code=0)
    journal = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    (ended,) = of_kind([json.loads(line) for line in journal.read_text().splitlines()], "worker-ended")
    assert os.WTERMSIG(ended["status"]) == signal.SIGKILL


@pytest.mark.parametrize("where", ["1", "2"])
def test_what_is_not_captured_is_within_the_cap(farflung, python, where):
    """pytest -s: half a million lines, and the journal stays small."""
    write(farflung.cwd / "test_a.py", f"""
import os
def test_loud():
    for _ in range(500):
        os.write({where}, b"a line of no interest at all\\n" * 1000)
    os.write({where}, b"the last words\\n")
""")
    done = farflung.run("pytest", "-n", 1, "--python", python, "--", "-s", code=0)
    assert done.stderr.splitlines()[-1] == "farflung: 1 passed (exit 0)"
    folder = farflung.cwd / ".farflung" / "runs" / "last"
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size < 8 << 20, size
    text = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"the last words" in text and b"bytes were cut here" in text

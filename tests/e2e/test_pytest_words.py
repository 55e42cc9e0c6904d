"""What our own reporter says at the end, in pytest's words; and what goes wrong is told once."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from conftest import write

SUITE = """
import pytest
@pytest.fixture
def early(): raise RuntimeError("early")
@pytest.fixture
def late():
    yield
    raise RuntimeError("late")
def test_good(): pass
def test_bad(): assert 1 == 2
def test_twice(late): assert 0, "called"
def test_early(early): pass
def test_early_too(early): pass
def test_skipped(): pytest.skip("no need")
@pytest.mark.xfail
def test_expected(): assert 0
@pytest.mark.xfail
def test_unexpected(): pass
def test_left_out(): pass
def test_left_out_too(): pass
"""


def ending(text):
    """(counts in their words, lines of the short summary)"""
    counts = re.findall(r"(\d+) ([a-z]+)(?=,| in )", re.sub(r"\x1b\[[0-9;]*m", "", text.splitlines()[-1]))
    lines = [line for line in text.splitlines() if re.match(r"(FAILED|ERROR) \S+::\S+( -|$)", line)]
    return {word: int(count) for count, word in counts}, sorted(lines)


def test_the_end(farflung, python):
    write(farflung.cwd / "test_e.py", SUITE)
    words = ["-k", "not left_out"]
    theirs = subprocess.run([python, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *words],
                            cwd=farflung.cwd, env=farflung.env, capture_output=True, text=True)
    done = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, *words, code=1)
    assert ending(done.stdout) == ending(theirs.stdout)
    counts, lines = ending(done.stdout)
    assert counts["errors"] == 3 and counts["deselected"] == 2 and len(lines) == 5
    assert done.stdout.index("short test summary info") > done.stdout.index("── failures ".replace("──", "══"))
    for name, words in (("test_twice", "FAILED"), ("test_twice", "ERROR at teardown"), ("test_early", "ERROR at setup")):
        assert f"test_e.py::{name} ── {words} on popen" in done.stdout
    coloured = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, "--color=yes", "-k", "bad", code=1)
    assert re.search(r"\x1b\[31;1mE +assert 1 == 2\n\x1b\[0m", coloured.stdout)
    assert "\x1b[1m>   def test_bad(): assert 1 == 2\n" in coloured.stdout


def test_verbosity(farflung, python):
    write(farflung.cwd / "test_e.py", "def test_e(): pass\n")
    for words, listed, headed in ((["--verbosity=1"], True, True), (["--", "--verbosity", "-1"], False, False),
                                  (["-v", "--verbosity=0"], False, True)):
        done = farflung.run("pytest", "-n", 1, "--front", "never", "--python", python, *words, code=0)
        assert ("PASSED  test_e.py::test_e" in done.stdout, "job pytest: 1 test" in done.stdout) == (listed, headed)


def test_an_error_of_all_workers_is_told_once(farflung, python):
    write(farflung.cwd / "broken_plugin.py", "import nothing_here_at_all\n")
    write(farflung.cwd / "test_e.py", "def test_e(): pass\n")
    env = dict(farflung.env, PYTHONPATH=str(farflung.cwd))
    done = farflung.run("pytest", "-n", 3, "--python", python, "--", "-p", "broken_plugin", env=env)
    assert done.returncode in (1, 2)
    assert done.stdout.count("Traceback") == 1 and done.stdout.count("\\n") == 0
    assert done.stderr.count("\n") == 1 and "No module named 'nothing_here_at_all'" in done.stderr
    write(farflung.cwd / "conftest.py", "raise ImportError('only here')\n")
    done = farflung.run("pytest", "-n", 3, "--python", python, code=4)
    assert done.stdout.count("E   ImportError: only here") == 1
    (farflung.cwd / "conftest.py").unlink()
    done = farflung.run("pytest", "-n", 3, "--python", python, "--", "--bogus", code=4)
    assert done.stdout.count("usage: ") == 1 and done.stdout.count("unrecognized arguments: --bogus") == 2


DEEP = """
import warnings
def inner(): assert 0
def test_deep():
    warnings.warn("mind the gap")
    inner()
"""


@pytest.mark.parametrize("front", ["never", "always"])
def test_quiet_and_quieter(farflung, python, front):
    """-qq is not -q, and warnings are told with both."""
    write(farflung.cwd / "test_e.py", DEEP)
    words = ["pytest", "-n", 1, "--python", python, "--front", front]
    once, twice = (farflung.run(*words, quiet, code=1).stdout for quiet in ("-q", "-qq"))
    assert "1 failed, 1 warning in " in once and " in " not in twice.split("short test summary")[1]
    for out in once, twice:
        assert "UserWarning: mind the gap" in out and "collected" not in out
    assert "1 failed, 1 warning in " in farflung.run(*words, "--", "-qq", "-v", code=1).stdout
    assert farflung.run(*words, "--co", "-qq", code=0).stdout.split() == ["test_e.py:", "1"]


def on_terminal(farflung, columns, *args):
    """What is shown on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen([farflung.program, *map(str, args)], cwd=farflung.cwd, env=farflung.env,
                               stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 65536):
            text += chunk
    except OSError:
        pass  # nobody has it open any more
    os.close(ours)
    assert process.wait(60) == 1
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()).replace("\r", "")


@pytest.mark.parametrize("where", ["terminal", "environment"])
def test_tracebacks_are_as_wide_as_the_terminal(farflung, python, where):
    write(farflung.cwd / "test_e.py", DEEP)
    farflung.env.pop("COLUMNS", None)
    words = ["pytest", "--tx", f"popen//python={python}//env:COLUMNS=50", "--front", "never", "--color=no"]
    if where == "terminal":
        text = on_terminal(farflung, 120, *words)
    else:
        text = farflung.run(*words, code=1, env={**farflung.env, "COLUMNS": "120"}).stdout
    lines = text.splitlines()
    assert "_ " * 59 + "_" in [line.rstrip() for line in lines]
    assert {len(line) for line in lines if line.startswith("═══")} == {120}
    assert "_ " * 39 + "_" in farflung.run(*words, code=1).stdout


ASKED = """
import pytest, sys, warnings
def test_bad():
    print("printed")
    print("on stderr", file=sys.stderr)
    assert 0
def test_good():
    print("fine")
    warnings.warn("mind the gap")
@pytest.mark.skip(reason="no need")
def test_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_expected(): assert 0
@pytest.mark.xfail(reason="was known")
def test_unexpected(): pass
@pytest.fixture
def broken(): 1 / 0
def test_error(broken): pass
"""
SUMMARY = r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) "
# What stands in pytest's own output, and is to stand in ours or not.
MARKS = ["printed", "on stderr", "fine", "mind the gap", ">       assert 0", "ZeroDivisionError", "test_e.py:6: ",
         "assert 0"]


@pytest.mark.parametrize("words", [
    [], ["--tb=line"], ["--tb=no"], ["--tb=native"], ["--tb=short"], ["-rA"], ["-ra"], ["-rN"], ["-rsx"], ["-rP"],
    ["-rX", "--tb=no"], ["--show-capture=no"], ["--show-capture=stderr"], ["--disable-warnings"],
], ids=lambda words: " ".join(words))
def test_reporting_options_mean_what_they_mean_in_pytest(farflung, python, words):
    write(farflung.cwd / "test_e.py", ASKED)
    theirs = subprocess.run([python, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *words],
                            cwd=farflung.cwd, env=farflung.env, capture_output=True, text=True).stdout
    done = farflung.run("pytest", "-n", 1, "--front", "never", "--python", python, "-q", *words, code=1)
    found = [{mark for mark in MARKS if mark in text} for text in (theirs, done.stdout)]
    assert found[0] == found[1], done.stdout
    lines = [sorted(line.split()[0] for line in text.splitlines() if re.match(SUMMARY, line)) for text in (theirs, done.stdout)]
    assert lines[0] == lines[1], done.stdout
    assert "has no effect" not in done.stdout + done.stderr


SLOW = """
import time, pytest
@pytest.fixture
def slow():
    time.sleep(0.5)
    yield
    time.sleep(0.3)
def test_slow(slow): pass
def test_call(): time.sleep(0.4)
def test_bad(late): assert 0
@pytest.fixture
def late():
    yield
    assert 0, "late"
@pytest.mark.skip
def test_skipped(): pass
"""


@pytest.mark.parametrize("words", [
    ["--durations=2"], ["--durations=0"], ["--durations=3", "--durations-min=0.2"], ["--durations=2", "--durations-min=9"]],
    ids=" ".join)
def test_durations_are_those_of_pytest(farflung, python, words):
    write(farflung.cwd / "test_slow.py", SLOW)
    plain = subprocess.run([python, "-m", "pytest", "-p", "no:cacheprovider", *words], cwd=farflung.cwd, env=farflung.env,
                           capture_output=True, text=True).stdout
    done = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, "--", *words, code=1)
    assert "has no effect" not in done.stdout + done.stderr and "(exit 1)" in done.stderr

    def told(text):
        lines = [line.strip("=═ ") for line in re.findall(r"^\d+\.\d\ds \w+ .*|^[=═(].*durations.*$", text, re.M)]
        # What takes next to no time may take as much as is shown, on a busy machine.
        lines = [re.sub(r"^\(\d+ durations", "(durations", line) for line in lines if not line.startswith("0.0")]
        return [re.sub(r"^(\d+\.\d)\ds", r"\1", line) for line in lines]

    assert told(done.stdout) == told(plain) != []


def test_without_summary_and_header(farflung, python):
    write(farflung.cwd / "test_slow.py", SLOW)
    ours = ["pytest", "-n", 1, "--front", "never", "--python", python, "-v", "--"]
    shown = farflung.run(*ours, code=1).stdout
    assert re.search("^plugins: |^  plugins: ", shown, re.M) and "short test summary" in shown
    done = farflung.run(*ours, "--no-header", "--no-summary", code=1)
    assert not re.search("plugins: |, pytest [0-9]", done.stdout)
    assert "FAILED  test_slow.py::test_bad" in done.stdout
    for part in "short test summary", "failures ═", "has no effect":
        assert part not in done.stdout + done.stderr


def test_an_error_behind_a_failure_counts_everywhere(farflung, python):
    write(farflung.cwd / "test_slow.py", SLOW)
    done = farflung.run("pytest", "-n", 1, "--front", "never", "--python", python, code=1)
    words = "1 failed, 1 error, 2 passed, 1 skipped"
    assert words in done.stdout and f"farflung: {words} (exit 1)" in done.stderr

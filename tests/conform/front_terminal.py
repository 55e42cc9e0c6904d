"""What front.py prints, beside what pytest-xdist prints for the same suite.
Run with: python3 -m pytest tests/conform/front_terminal.py"""
import contextlib
import os
import re
import subprocess
import sys
import threading

import pytest

from payload_front import LIMIT, MIXED, Play, suite, under_xdist, xdist  # noqa: F401


def same_times(text):
    text = re.sub(r"in \d+\.\d+s", "in X", text)
    text = re.sub(r"=+((?:\x1b\[\d+m)* .* (?:\x1b\[\d+m)*)=+", r"==\1==", text)
    return re.sub(r"\d\.\d\ds", "Ts", text)


def without_ours(text):
    """What xdist doesn't say at all."""
    return re.sub(r"^=+ \d+ not run: .* =+\r?\n|^NOT RUN .*\r?\n", "", text, flags=re.M)


OPTIONS = [
    [], ["-q"], ["-qq"], ["-v"], ["-vv", "-rA"], ["-ra", "--tb=short"], ["--tb=line"], ["--tb=no"],
    ["--tb=native"], ["-l"], ["--show-capture=no"], ["--durations=1", "--durations-min=9"], ["-x"],
    ["--maxfail=2", "-v"], ["--color=yes"], ["-k", "pass or skip"], ["-k", "nothing"], ["--no-header"],
    ["--disable-warnings", "-ra"], ["--no-summary"], ["-p", "no:terminal"],
]  # fmt: skip


@pytest.mark.skipif(xdist is None, reason="pytest-xdist is not installed: nothing to compare with")
@pytest.mark.parametrize("args", OPTIONS, ids=" ".join)
def test_prints_what_xdist_prints(suite, args):  # noqa: F811
    folder = suite(test_mixed=MIXED)
    expected, status = under_xdist(folder, *args)
    play = Play(folder, *args, workers=1, front="always")
    assert same_times(without_ours(play.text)) == same_times(expected)
    assert play.finished["exitstatus"] == status and not play.finished["bad"]


@pytest.mark.skipif(xdist is None, reason="pytest-xdist is not installed: nothing to compare with")
def test_same_lines_from_two_workers(suite):  # noqa: F811
    folder = suite(test_mixed=MIXED)
    expected, status = under_xdist(folder, "-v", count=2)
    play = Play(folder, "-v", front="always")
    lines = [
        sorted(re.sub(r"gw\d|\[ *\d+%\]", "#", line) for line in same_times(text).split("\n"))
        for text in (play.text, expected)
    ]
    assert lines[0] == lines[1]


@contextlib.contextmanager
def pty():
    """(a terminal's descriptor, the list that gets what is written there)"""
    master, slave = os.openpty()
    got = []

    def read():
        while 1:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield slave, got
    finally:
        os.close(slave)
        thread.join(LIMIT)
        os.close(master)


@pytest.mark.parametrize("args", [[], ["-v"], ["-q", "-x"]], ids=" ".join)
def test_terminal_of_the_user(suite, args):  # noqa: F811
    """Output goes to the descriptor that is inherited, which is a terminal here."""
    folder = suite(test_mixed=MIXED.replace("[1, 2] == [1, 3]", "0"))
    with pty() as (slave, got):
        play = Play(folder, *args, workers=1, front="always", terminal=slave, fds=(slave,))
    text = b"".join(got).decode()
    assert play.text == "" and not play.named("text") and "test session starts" in text or "-q" in args
    assert "\x1b[31m" in text and play.finished["exitstatus"] in (1, 2)
    if xdist is not None:
        with pty() as (slave, got):
            argv = [sys.executable, "-m", "pytest", "-n1", *args]
            subprocess.run(argv, cwd=folder, stdout=slave, timeout=LIMIT)
        assert same_times(without_ours(text)) == same_times(b"".join(got).decode())


def test_output_beside_the_reporter(suite):  # noqa: F811
    """What plugins print, and what a program of theirs prints, is in order and complete."""
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="""
            import os, subprocess, sys
            def pytest_unconfigure(config):
                if not hasattr(config, "workerinput"):
                    print("first \\u00e9")
                    sys.stdout.flush()
                    subprocess.run(["printf", "second\\\\n"])
                    os.write(1, b"third \\xff\\n")
                    print("x" * 200000)
        """,
    )
    play = Play(folder, workers=1)
    assert "first é\nsecond\nthird \ufffd\n" + "x" * 200000 + "\n" in play.text

"""On a terminal `t` tells what runs where; the terminal is left as it was, however the run ends."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

from conftest import wait_until, write

WAITING = "version: 1\ninventory: [{spec: popen, name: box}]\njobs: {one: {run: 'echo hello; until test -e go; do sleep 0.02; done'}}\n"


class Terminal:
    """A program in the foreground of a terminal of its own."""

    def __init__(self, farflung, *args, stdin=None):
        self.master, slave = pty.openpty()
        self.text, self.slave = b"", slave
        self.before = termios.tcgetattr(slave)

        def begin():
            os.setsid()
            import fcntl
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [farflung.program, *args], cwd=farflung.cwd, env=farflung.env, stdin=slave if stdin is None else stdin,
            stdout=slave, stderr=slave, preexec_fn=begin)

    def until(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text.encode() not in self.text:
            assert time.monotonic() < end, (text, self.text.decode(errors="replace"))
            self.more(0.1)

    def more(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536)

    def mode(self):
        return termios.tcgetattr(self.slave)

    def is_taken(self):
        return not self.mode()[3] & termios.ICANON

    def press(self, keys):
        os.write(self.master, keys)

    def end(self):
        """Its wait status; what it still says is read, so that it can."""
        end = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text
            self.more(0.05)
        return self.process.returncode

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(farflung):
    made = []

    def start(*args, **options):
        made.append(Terminal(farflung, *args, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def running(farflung, terminal):
    farflung.yaml(WAITING)
    live = terminal("run")
    wait_until(live.is_taken, 60, "keys are the run's")
    return live


def test_t_tells_what_runs(running, farflung):
    running.press(b"xyz\n t")
    running.until("running: 1 unit; 0 of 1 done")
    end = time.monotonic() + 60
    while b"| hello" not in running.text:  # it comes from the unit's host, in its own time
        assert time.monotonic() < end, running.text
        running.press(b"t")
        running.more(0.1)
    write(farflung.cwd / "go", "")
    assert running.end() == 0
    assert running.mode() == running.before
    assert b"xyz" not in running.text, "keys are not shown"


@pytest.mark.parametrize("key, code", [(b"\x03", 130), (b"\x1c", -signal.SIGQUIT)], ids=["Ctrl-C", "Ctrl-\\"])
def test_the_terminal_is_as_it_was(running, farflung, key, code):
    running.press(key)
    if code == 130:
        running.until("nterrupt")
        running.press(key)
    assert running.end() == code
    assert running.mode() == running.before
    write(farflung.cwd / "go", "")


def test_while_it_is_stopped_the_terminal_is_the_shells(running, farflung):
    os.kill(running.process.pid, signal.SIGTSTP)
    wait_until(lambda: not running.is_taken(), 60, "it is given back")
    wait_until(lambda: open(f"/proc/{running.process.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T", 60, "it is stopped")
    os.kill(running.process.pid, signal.SIGCONT)
    wait_until(running.is_taken, 60, "keys are the run's again")
    running.press(b"t")
    running.until("running: 1 unit")
    write(farflung.cwd / "go", "")
    assert running.end() == 0 and running.mode() == running.before


def test_stdin_of_others_is_not_read(farflung, terminal):
    read, give = os.pipe()
    live = terminal("map", "-j1", "echo", "got {}", stdin=read)
    os.close(read)
    os.write(give, b"t\n")
    live.until("got t")
    assert not live.is_taken()
    os.close(give)
    assert live.end() == 0

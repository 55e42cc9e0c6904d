# The built-in `command` for hosts where the native worker can't run: one program in a process group
# of its own, its output streamed as items, its end told in detail. Sent by remote_exec, behind
# programs.py; POSIX only.
import os
import signal
import subprocess
import sys
import time
from _thread import start_new_thread
from select import select
from threading import Timer

CHUNK = 1 << 16
STALL = 1.0  # what nobody takes for so long waits for a reader who stopped: not the program's time


class Command:
    def __init__(self, channel, grace):
        self.channel = channel
        self.grace = grace
        self.timers = []
        self.deadline = None  # while it runs
        self.sending = None  # since when
        self.timed_out = self.killed = self.gone = False

    def start(self, argv, cwd, env, stdin, merge, nice, rlimits):
        self.program = start_program(
            self.channel, argv, cwd, env, nice, rlimits,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        )  # fmt: skip
        self.signal = self.program.signal
        if stdin is not None:
            start_new_thread(self.feed, (stdin,))

    def feed(self, data):
        try:
            with self.program.stdin as pipe:
                view = memoryview(data)
                while view:
                    view = view[pipe.write(view) :]
        except OSError:
            pass

    def later(self, seconds, function):
        timer = Timer(seconds, function)
        timer.daemon = True
        self.timers = [each for each in self.timers if each.is_alive()] + [timer]
        timer.start()

    def end(self):
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        self.later(self.grace, lambda: self.signal(signal.SIGKILL))

    def limit(self, seconds):
        self.deadline = time.monotonic() + seconds
        self.later(seconds, self.time_out)

    def time_out(self):
        deadline, sending = self.deadline, self.sending
        if deadline is None:
            return
        left = deadline - time.monotonic()
        if sending is not None:  # how long nobody takes it shows later
            left = max(left, STALL)
        if left > 0:
            self.later(left, self.time_out)
        else:
            self.timed_out = True
            self.end()

    def pass_on(self, name, data):
        """Gives back the time that it took, if that was no time of the program's. Returns it."""
        self.sending = began = time.monotonic()
        self.send(name, data)
        took = time.monotonic() - began
        if self.deadline is not None and took >= STALL:
            self.deadline += took
        self.sending = None
        return took

    def on_item(self, item):
        if item is None:
            self.gone = self.killed = True
            self.signal(signal.SIGKILL)
        elif item[0] == "signal":
            self.signal(item[1])
        elif item[0] == "kill":
            self.killed = True
            self.end()

    def send(self, *item):
        if not self.gone:
            try:
                self.channel.send(item)
            except OSError:
                self.on_item(None)

    def pump(self, leak):
        """Pass output on until it is closed, at most `leak` seconds longer than the program runs."""
        names = {self.program.stdout: "out", self.program.stderr: "err"}
        woken = self.program.woken
        names.pop(None, None)
        running, deadline = True, None
        while running or names:
            left = None if running else max(0, deadline - time.monotonic())
            ready = select(list(names) + ([woken] if running else []), [], [], left)[0]
            if not ready or left == 0:
                return True
            for pipe in ready:
                if pipe is woken:
                    running, deadline = False, time.monotonic() + leak
                    self.deadline = None
                    continue
                data = os.read(pipe.fileno(), CHUNK)
                if data:
                    took = self.pass_on(names[pipe], data)
                    if not running:  # a slow controller is no leak
                        deadline += took
                else:
                    del names[pipe]
        return False

    def reap(self):
        self.signal(signal.SIGKILL)
        for timer in self.timers:
            timer.cancel()
        try:
            return self.program.reap()
        finally:
            self.program.close()


def command(
    channel, argv=None, shell=None, cwd=None, env=None, stdin=None, timeout_us=0,
    grace_us=5000000, leak_us=200000, nice=0, rlimits=None, merge=False, or_shell=False,
    memory=0, cpu=0,
):  # fmt: skip
    if isinstance(shell, bytes):  # not UTF-8
        shell = os.fsdecode(shell)
    if shell is not None:
        argv = ["/bin/sh", "-c", shell]
    elif or_shell and argv:  # scripts without "#!", programs that are not there: as if it were shell text
        argv = ["/bin/sh", "-c", 'exec "$0" "$@"', *argv]
    if not argv:
        raise Refused("command: neither argv nor shell")
    began = time.monotonic()
    environ = dict(os.environ)
    for name, value in (env or {}).items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    if isinstance(stdin, str):
        stdin = stdin.encode()
    it = Command(channel, grace_us / 1e6)
    limits = []
    if memory > 0:  # macOS has RLIMIT_DATA, and does not look at it
        name = "data" if sys.platform.startswith("linux") else "as"
        rlimits = dict(rlimits or {}, **{name: memory})
        limits.append("memory by RLIMIT_%s, of each process" % name.upper())
    if cpu > 0:
        limits.append("cpu not limited, only reckoned with")
    it.start(list(argv), cwd, environ, stdin, merge, nice, rlimits)
    try:
        it.send("start", it.program.pid)
        channel.setcallback(it.on_item, endmarker=None)
        if timeout_us:
            it.limit(timeout_us / 1e6)
        # greenlets must not wait for select()
        leaked = channel.gateway.execmodel.apart(it.pump, leak_us / 1e6)
    finally:
        status, user, system, max_rss = channel.gateway.execmodel.apart(it.reap)
    told = {}
    if limits:
        told["limits"] = ", ".join(limits) + " (the python worker makes no cgroups)"
    if memory > 0:
        told["memory_limit"] = memory
    it.send(
        "exit",
        {
            **told,
            "status": status,
            "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "timed_out": it.timed_out,
            "killed": it.killed,
            "leaked": leaked,
            "wall_us": int((time.monotonic() - began) * 1e6),
            "user_us": int(user * 1e6),
            "system_us": int(system * 1e6),
            "max_rss_kib": max_rss,
        },
    )

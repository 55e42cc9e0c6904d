# The built-in `proxy` for hosts where the native worker can't run: a program whose stdin and stdout
# are a channel, so that a gateway can run through this worker; a second channel carries control.
# It takes the stream as it is and knows nothing of frames. Sent by remote_exec, behind programs.py;
# POSIX only.
import os
import subprocess
import sys
import time
from _thread import allocate_lock, start_new_thread
from select import select

CHUNK = 1 << 16
LEAK = 0.2  # seconds that its output may stay open after the exit
KILL, WAIT, ADDRESS, CLOSE_WRITE = 1, 2, 3, 4
BOOTSTRAP_LINE = "import sys;exec(eval(sys.stdin.readline()))"


def argv_of(spec):
    """The argv that an xspec's fields ask for."""
    import shlex

    get = spec.get
    if get("popen"):
        argv = shlex.split(get("python") or "") or [sys.executable]
        return argv + ["-u"] + ["-B"] * bool(get("dont_write_bytecode")) + ["-c", BOOTSTRAP_LINE]
    config = ["-F", get("ssh_config")] if get("ssh_config") else []
    remote = '%s -c "%s"' % (get("python") or "python", BOOTSTRAP_LINE)
    if get("ssh"):
        return ["ssh", "-C"] + config + get("ssh").split() + [remote]
    if get("vagrant_ssh"):
        return ["vagrant", "ssh", get("vagrant_ssh"), "--", "-C"] + config + [remote]
    raise Refused("the proxy can start popen, ssh and vagrant_ssh only")


class Proxy:
    def __init__(self, channel, control, ours, address):
        self.channel, self.control, self.ours, self.address = channel, control, ours, address
        self.lock = allocate_lock()  # held while stdin is written to or closed
        self.state = allocate_lock()
        self.closing = False
        self.waits = 0
        self.code = None

    def start(self, argv, cwd, env, nice):
        self.program = start_program(
            self.channel, argv, cwd, env, nice,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self.ours else 2,
        )  # fmt: skip

    def close_stdin(self):
        """At once, or by who is writing just now."""
        self.closing = True
        if self.lock.acquire(False):
            try:
                self.program.stdin.close()
            finally:
                self.lock.release()

    def write(self):
        """Received bytes to stdin. An item counts as consumed when it is fetched here."""
        try:
            for data in self.channel:
                if isinstance(data, str):
                    data = data.encode()
                with self.lock:
                    view = memoryview(data)
                    while view and not self.closing:
                        view = view[self.program.stdin.write(view) :]
                if self.closing:
                    self.close_stdin()
        except Exception:
            pass  # it reads no more, or the connection is gone
        if self.channel.isclosed() and self.code is None:
            self.kill()
        self.close_stdin()

    def answer(self, item):
        try:
            self.control.send(item)
        except OSError:
            pass

    def on_control(self, request):
        if request == KILL:
            self.kill()
            self.answer(None)
        elif request == WAIT:
            with self.state:
                self.waits += self.code is None
            if self.code is not None:
                self.answer(self.code)
        elif request == ADDRESS:
            self.answer(self.address)
        elif request == CLOSE_WRITE:
            self.close_stdin()
            self.answer(None)

    def kill(self):
        self.program.signal(9)

    def exited(self):
        """Who waits is told."""
        status = self.program.status
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        with self.state:
            self.code, waits = code, self.waits
        for _ in range(waits):
            self.answer(code)

    def pump(self):
        pipes = [pipe for pipe in (self.program.stdout, self.program.stderr) if pipe is not None]
        woken = self.program.woken
        running, deadline = True, None
        while running or pipes:
            left = None if running else max(0, deadline - time.monotonic())
            ready = select(pipes + ([woken] if running else []), [], [], left)[0]
            if not ready or left == 0:
                break
            for pipe in ready:
                if pipe is woken:
                    self.exited()
                    running, deadline = False, time.monotonic() + LEAK
                    continue
                data = os.read(pipe.fileno(), CHUNK)
                began = time.monotonic()
                if not data:
                    pipes.remove(pipe)
                elif pipe is self.program.stderr:
                    self.answer(("stderr", data))
                else:
                    self.pass_on(data)
                if not running:  # a slow reader is no leak
                    deadline += time.monotonic() - began

    def pass_on(self, data):
        try:
            self.channel.send(data)
        except OSError:
            self.kill()  # nobody listens

    def run(self):
        start_new_thread(self.write, ())
        self.control.setcallback(self.on_control)
        try:
            # greenlets must not wait for select()
            self.channel.gateway.execmodel.apart(self.pump)
        finally:
            self.kill()  # what is left of its group, too
            status = self.channel.gateway.execmodel.apart(self.program.reap)[0]
            self.program.close()
        if self.ours:
            self.answer(("exit", status))  # as waitpid gives it
            self.control.close()


def proxy(channel, argv=None, cwd=None, env=None, nice=0, control=None):
    ours = argv is not None
    address = None
    if not ours:  # execnet's form
        spec = channel.receive()
        control = channel.receive()
        address = spec.get("ssh") or spec.get("vagrant_ssh")
        argv = argv_of(spec)
    environ = dict(os.environ)
    for name, value in (env or {}).items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    it = Proxy(channel, control, ours, address)
    it.start(list(argv), cwd, environ, nice)
    it.run()

"""Runs the conformance suite over one transport: run_conform.py CONFORM TRANSPORT [SCENARIO...]

Starts what the transport needs at the other end, and takes it down again. Exit status 77: that is not
installed here.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes"))
import sshd  # noqa: E402

SKIP = 77
SECONDS = 60
PYTHON = "python=" + sys.executable
NATIVE = "worker=native"
SOCKET_SERVERS = 8  # as many gateways as a scenario may open


def run(conform, *arguments):
    return subprocess.run([conform, *arguments], stdin=subprocess.DEVNULL).returncode


# -- what needs nobody at the other end

LOCAL = {
    "popen_python": ["popen//" + PYTHON],
    "popen_gevent": ["popen//" + PYTHON + "//execmodel=gevent"],
    "popen_eventlet": ["popen//" + PYTHON + "//execmodel=eventlet"],
    "popen_native": ["popen//" + NATIVE],
    "via_native": ["--parent", "popen//id=p1//" + NATIVE, "popen//via=p1//" + PYTHON],
    "via_python": ["--parent", "popen//id=p1//" + PYTHON, "popen//via=p1//" + PYTHON],
    # The native worker is uploaded to where its parent runs.
    "via_upload": ["--parent", "popen//id=p1//" + NATIVE, "popen//via=p1//" + NATIVE],
    "chain": ["--parent", "popen//id=p1//" + NATIVE,
              "--parent", "popen//id=p2//via=p1//" + PYTHON,
              "popen//via=p2//" + PYTHON],
    "fake_python": ["--fake", "popen//" + PYTHON],
    "fake_native": ["--fake", "popen//" + NATIVE],
}


# -- ssh: to an sshd of our own


def over_ssh(conform, worker, names, chain=()):
    if not sshd.available():
        print("no sshd, ssh or ssh-keygen")
        return SKIP
    # What is uploaded shall not end up in the home folder.
    with sshd.Sshd(options=["SetEnv XDG_CACHE_HOME=" + os.environ["XDG_CACHE_HOME"]]) as server:
        if chain:  # ssh is what the others go through
            status = run(conform, "--parent", server.xspec(worker, "id=p1"), *chain, *names)
        else:
            status = run(conform, server.xspec(worker), *names)
        deadline = time.monotonic() + SECONDS
        while server.session_pids():
            if time.monotonic() > deadline:
                print("FAIL sessions are left at the server: %s" % server.session_pids())
                return 1
            time.sleep(0.01)
    return status


# -- socket: to execnet's own script, as it ships


class SocketServer:
    """One server; it serves one connection after the other, in its own process."""

    def __init__(self, script, log):
        self.log = log
        while True:
            self.address = "127.0.0.1:%d" % sshd.free_port()
            with open(log, "w") as out:
                self.process = subprocess.Popen([sys.executable, "-u", script, self.address],
                                                stdin=subprocess.DEVNULL, stdout=out,
                                                stderr=subprocess.STDOUT)
            if self._wait():
                break

    def text(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def _wait(self):
        deadline = time.monotonic() + SECONDS
        while "Entering Accept loop" not in self.text():
            # Somebody else may have taken the port.
            if self.process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the socket server does not start: " + self.text())
            time.sleep(0.01)
        return True

    def used(self):
        return self.process.poll() is not None or "got new connection" in self.text()

    def stop(self):
        self.process.kill()
        self.process.wait()


def over_socket(conform, names):
    try:
        import execnet
    except ImportError:
        print("no execnet")
        return SKIP
    script = os.path.join(os.path.dirname(execnet.__file__), "script", "socketserver.py")
    if not os.path.exists(script):
        print("no", script)
        return SKIP
    listed = subprocess.run([conform, "--list", "socket=x", *names], stdout=subprocess.PIPE,
                            check=True, universal_newlines=True).stdout.split()
    logs = [os.path.join(os.environ["XDG_CACHE_HOME"], "log%d" % i) for i in range(SOCKET_SERVERS)]
    servers = []
    failed = 0 if listed else 1
    try:
        servers = [SocketServer(script, log) for log in logs]
        for name in listed:
            # What a gateway has changed (or ended) is the server's process itself.
            for i, server in enumerate(servers):
                if server.used():
                    server.stop()
                    servers[i] = SocketServer(script, logs[i])
            specs = ["socket=" + server.address for server in servers]
            more = [word for spec in specs[1:] for word in ("--more", spec)]
            failed += run(conform, *more, specs[0], name) != 0
    finally:
        for server in servers:
            server.stop()
    return 1 if failed else 0


def main(conform, transport, names):
    if transport in ("popen_gevent", "popen_eventlet"):
        module = transport.split("_")[1]
        if importlib.util.find_spec(module) is None:
            print("%s has no %s" % (sys.executable, module))
            return SKIP
    if transport in LOCAL:
        return run(conform, *LOCAL[transport], *names)
    if transport == "ssh":
        return over_ssh(conform, PYTHON, names)
    if transport == "ssh_chain":
        chain = ["--parent", "popen//id=p2//via=p1//" + PYTHON, "popen//via=p2//" + PYTHON]
        return over_ssh(conform, NATIVE, names, chain)
    if transport == "ssh_native":
        return over_ssh(conform, NATIVE, names)
    if transport == "socket":
        return over_socket(conform, names)
    sys.exit("no such transport: " + transport)


def on_term(number, frame):
    sys.exit(128 + number)


if __name__ == "__main__":
    # Whoever stops us shall not leave servers behind.
    signal.signal(signal.SIGTERM, on_term)
    # Uploads go here.
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="farflung-conform-")
    try:
        result = main(sys.argv[1], sys.argv[2], sys.argv[3:])
    finally:
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)
    sys.exit(result)

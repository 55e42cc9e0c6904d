#!/usr/bin/python3
"""The native worker against Python's execnet, and its built-ins over raw frames.

usage: native_worker.py WORKER [test name ...]

Every test starts a worker of its own. Nothing here sleeps to synchronize: it waits for items, for
ends of file, or polls /proc for the disappearance of a process, with a limit.
"""

import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import execnet
from execnet.gateway_base import Unserializer, dumps_internal

WORKER = os.path.abspath(sys.argv[1])
LIMIT_S = 60

STATUS, RECONFIGURE, TERMINATE, EXEC, DATA, CLOSE, CLOSE_ERROR, LAST = range(8)
HELLO, HEARTBEAT, CREDIT = 64, 65, 66


class Ref:
    """A channel inside an item."""

    def __init__(self, id):
        self.id = id


class FakeFactory:
    def new(self, id):
        return Ref(id)


class FakeGateway:
    _channelfactory = FakeFactory()
    _strconfig = (True, False)


def loads(data):
    import io

    return Unserializer(io.BytesIO(data), FakeGateway()).load(versioned=False)


def dumps(obj):
    """dumps_internal, with Refs as channels."""
    marker = "\0ref%d\0"
    refs = []

    def swap(value):
        if isinstance(value, Ref):
            refs.append(value)
            return marker % value.id
        if isinstance(value, dict):
            return {key: swap(item) for key, item in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value)(swap(item) for item in value)
        return value

    data = dumps_internal(swap(obj))
    for ref in refs:
        text = (marker % ref.id).encode()
        old = b"N" + struct.pack("!i", len(text)) + text
        assert old in data
        data = data.replace(old, b"B" + struct.pack("!i", ref.id))
    return data


class Ended(Exception):
    """The channel closed; str() is the remote error, '' without."""


class Client:
    """A frame client that does nothing behind one's back."""

    def __init__(self, *argv, env=None):
        self.popen = subprocess.Popen(
            [WORKER, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, bufsize=0
        )
        self.queues = {}
        self.next_id = 1

    def __enter__(self):
        assert self.read(1) == b"1"
        return self

    def __exit__(self, *exc):
        self.popen.stdin.close()
        self.popen.stdout.close()
        try:
            self.popen.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.popen.stdout.read(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def send(self, code, channel=0, payload=b""):
        self.popen.stdin.write(struct.pack("!bii", code, channel, len(payload)) + payload)

    def frame(self):
        code, channel, size = struct.unpack("!bii", self.read(9))
        return code, channel, self.read(size)

    def start(self, name, source="", **kwargs):
        id = self.next_id
        self.next_id += 2
        self.send(EXEC, id, dumps((source, None, name, kwargs)))
        return id

    def channel(self):
        self.next_id += 2
        return self.next_id - 2

    def receive(self, id):
        """The next item of a channel; raises Ended at its close."""
        while not self.queues.get(id):
            code, channel, payload = self.frame()
            self.queues.setdefault(channel, []).append((code, payload))
        code, payload = self.queues[id].pop(0)
        if code == DATA:
            return loads(payload)
        if code == CLOSE_ERROR:
            raise Ended(loads(payload))
        assert code == CLOSE, code
        raise Ended("")

    def out(self, id):
        """The next output of a command; a shell's own words on stderr are skipped."""
        while True:
            item = self.receive(id)
            if item[0] == "out":
                return item[1]
            assert item[0] in ("start", "err"), item

    def item(self, id, value):
        self.send(DATA, id, dumps(value))

    def all(self, id):
        items = []
        while True:
            try:
                items.append(self.receive(id))
            except Ended as end:
                return items, str(end)

    def command(self, *argv, **kwargs):
        """Runs it to its end: (stdout, stderr, exit dict)."""
        if argv:
            kwargs["argv"] = list(argv)
        items, error = self.all(self.start("command", **kwargs))
        assert error == "", error
        assert items[0][0] == "start", items
        assert items[-1][0] == "exit", items
        out = b"".join(item[1] for item in items if item[0] == "out")
        err = b"".join(item[1] for item in items if item[0] == "err")
        return out, err, items[-1][1]

    def pid(self):
        items, error = self.all(self.start("info"))
        assert error == "", error
        return items[0]["pid"]


# --- processes


def state(pid):
    """One letter, or None when there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_gone(pid, limit_s=LIMIT_S):
    deadline = time.monotonic() + limit_s
    while state(pid) is not None:
        try:
            os.waitpid(pid, os.WNOHANG)  # handed down to us
        except ChildProcessError:
            pass
        assert time.monotonic() < deadline, "process %d still lives" % pid
        time.sleep(0.01)


def wait_until(condition, what, limit_s=LIMIT_S):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def start_stray(client, prefix="setsid "):
    """A shell that tells the pid of a long sleep of its own, and stays."""
    id = client.start("command", shell=prefix + "sleep 1000 & echo $!; wait; sleep 1000")
    word, shell_pid = client.receive(id)
    assert word == "start"
    word, text = client.receive(id)
    assert word == "out", (word, text)
    pid = int(text)
    if "setsid" in prefix:  # forks only if it led a group: the pid stays
        wait_until(lambda: pid == os.getsid(pid), "no session of its own")
    return shell_pid, pid


# --- execnet


def execnet_gateway(group, more=""):
    return group.makegateway("popen//python=%s%s" % (WORKER, more))


def test_execnet_script():
    group = execnet.Group()
    channel = execnet_gateway(group).remote_exec(
        "#!/bin/sh\necho one\necho two >&2\nprintf 'd\\303\\274\\377'\n"
    )
    assert sorted(channel) == ["d\u00fc\ufffd", "one", "two"]
    channel.waitclose(LIMIT_S)
    group.terminate(LIMIT_S)


def test_execnet_script_fails():
    group = execnet.Group()
    gateway = execnet_gateway(group)
    for body, text in [("exit 3", "exit status 3"), ("kill -9 $$", "killed by signal 9 (SIGKILL)")]:
        channel = gateway.remote_exec("#!/bin/sh -e\necho hi\n" + body)
        assert channel.receive(LIMIT_S) == "hi"
        try:
            channel.waitclose(LIMIT_S)
            raise AssertionError("no error")
        except channel.RemoteError as error:
            assert error.formatted == text, error.formatted
    for source, text in [
        ("#!/no/such/thing\n", "cannot run '/no/such/thing': No such file or directory"),
        ("#! \n", "the script's first line names no interpreter"),
    ]:
        try:
            gateway.remote_exec(source).waitclose(LIMIT_S)
            raise AssertionError("no error")
        except channel.RemoteError as error:
            assert error.formatted == text, error.formatted
    group.terminate(LIMIT_S)


def test_execnet_python_is_refused():
    group = execnet.Group()
    channel = execnet_gateway(group).remote_exec("import os")
    try:
        channel.waitclose(LIMIT_S)
        raise AssertionError("no error")
    except channel.RemoteError as error:
        assert "native worker" in error.formatted
    group.terminate(LIMIT_S)


def test_execnet_status():
    group = execnet.Group()
    gateway = execnet_gateway(group)
    status = gateway.remote_status()
    assert (status.numchannels, status.numexecuting) == (0, 0)
    channel = gateway.remote_exec("#!/bin/sh\necho up\nexec sleep 1000")
    assert channel.receive(LIMIT_S) == "up"
    status = gateway.remote_status()
    assert (status.numchannels, status.numexecuting) == (1, 1)
    group.terminate(LIMIT_S)


def test_execnet_terminate():
    group = execnet.Group()
    gateway = execnet_gateway(group)
    channel = gateway.remote_exec("#!/bin/sh\necho $$\nexec sleep 1000")
    pid = int(channel.receive(LIMIT_S))
    start = time.monotonic()
    group.terminate(LIMIT_S)
    assert time.monotonic() - start < LIMIT_S  # then it would have been killed
    assert gateway._io.popen.wait() == 0
    wait_gone(pid)


def test_execnet_rinfo():
    group = execnet.Group()
    gateway = execnet_gateway(group)
    info = gateway._rinfo()
    assert os.path.samefile(info.executable, WORKER), info
    assert (info.platform, info.cwd) == ("linux", os.getcwd()), info
    assert info.version_info[3] == "native" and state(info.pid) is not None, info
    group.terminate(LIMIT_S)


def test_execnet_settings():
    group = execnet.Group()
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.join(os.path.realpath(folder), "new")
        gateway = execnet_gateway(group, "//chdir=%s//nice=20//env:FF_WORD=a b" % folder)
        assert gateway._rinfo().cwd == folder
        lines = list(gateway.remote_exec("#!/bin/sh\npwd\nnice\necho $FF_WORD"))
        assert lines == [folder, "19", "a b"], lines
        try:
            execnet_gateway(group, "//chdir=/proc/none")
            raise AssertionError("no error")
        except execnet.RemoteError as error:
            assert "cannot create '/proc/none'" in error.formatted, error.formatted
        group.terminate(LIMIT_S)


def listening(pid):
    """What the worker, with all that it started, listens on."""
    below, inodes = {pid}, set()
    for _ in range(4):
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit():
                    parent = open("/proc/%s/stat" % entry).read().rsplit(")", 1)[1].split()[1]
                    if int(parent) in below:
                        below.add(int(entry))
            except OSError:
                pass
    for one in below:
        try:
            for fd in os.listdir("/proc/%d/fd" % one):
                word = os.readlink("/proc/%d/fd/%s" % (one, fd))
                if word.startswith("socket:["):
                    inodes.add(word[8:-1])
        except OSError:
            pass
    found = []
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and words[9] in inodes:
            host, port = words[1].split(":")
            found.append((socket.inet_ntoa(struct.pack("=I", int(host, 16))), int(port, 16)))
    return found


def test_execnet_installvia():
    """Bound to what was asked for, open for one connection, and then a gateway as any other."""
    group = execnet.Group()
    master = execnet_gateway(group, "//id=master")
    sub = group.makegateway("socket//installvia=master")
    assert sub.remoteaddress.startswith("127.0.0.1:"), sub.remoteaddress
    assert list(sub.remote_exec("#!/bin/sh\necho up")) == ["up"]
    pid = sub._rinfo().pid
    assert pid != master._rinfo().pid
    assert listening(master._io.popen.pid) == []
    group.terminate(LIMIT_S)
    wait_gone(pid)


def test_execnet_socketserver():
    from execnet.script import socketserver

    group = execnet.Group()
    master = execnet_gateway(group)
    channel = master.remote_exec(socketserver)
    assert master.remote_status().numexecuting == 1
    assert listening(master._io.popen.pid) == []  # nobody has asked for a port yet
    channel.send(("127.0.0.1", 0))
    address = channel.receive(LIMIT_S)
    assert listening(master._io.popen.pid) == [address]
    group.terminate(LIMIT_S)
    assert listening(master._io.popen.pid) == []
    for bad, text in [(("no.such.host", 0), "cannot listen on 'no.such.host'"),
                      (("127.0.0.1", 70000), "(host, port) was expected"),
                      (("192.0.2.1", 0), "cannot listen on 192.0.2.1:0"), (7, "was expected")]:
        channel = execnet_gateway(group).remote_exec(socketserver)
        channel.send(bad)
        try:
            channel.receive(LIMIT_S)
            raise AssertionError("no error")
        except channel.RemoteError as error:
            assert text in error.formatted, error.formatted
    group.terminate(LIMIT_S)


def test_execnet_module_is_no_script():
    """A module that begins like a script is Python, and would do by itself what nobody asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path, mark = os.path.join(folder, "looks_like.py"), os.path.join(folder, "mark")
        with open(path, "w") as file:
            file.write("#!/bin/sh\necho > %s\n" % mark)
        module = type(os)("looks_like")
        module.__file__ = path
        group = execnet.Group()
        channel = execnet_gateway(group).remote_exec(module)
        try:
            channel.waitclose(LIMIT_S)
            raise AssertionError("no error")
        except channel.RemoteError as error:
            assert "native worker" in error.formatted and "looks_like.py" in error.formatted
        assert not os.path.exists(mark)
        group.terminate(LIMIT_S)


def test_execnet_rsync():
    group = execnet.Group()
    gateway = execnet_gateway(group)
    with tempfile.TemporaryDirectory() as folder:
        source, dest = os.path.join(folder, "source"), os.path.join(folder, "made", "dest")
        os.makedirs(os.path.join(source, "sub", "empty"))
        for name, text in [("a", b"one"), ("sub/b", b"x" * 100000), ("sub/d\u00fc", b"")]:
            with open(os.path.join(source, name), "wb") as file:
                file.write(text)
        os.chmod(os.path.join(source, "a"), 0o640)
        os.symlink(os.path.join(source, "a"), os.path.join(source, "inside"))
        os.symlink("../a", os.path.join(source, "sub", "near"))

        def sync(**options):
            sent, done = [], []
            rsync = execnet.RSync(source, verbose=False)
            rsync._report_send_file = lambda *words: sent.append(words)
            rsync.add_target(gateway, dest, finishedcallback=lambda: done.append(1), **options)
            rsync.send()
            assert done == [1]
            return len(sent)

        assert sync() == 3
        for name in ["a", "sub/b", "sub/d\u00fc"]:
            old, new = os.path.join(source, name), os.path.join(dest, name)
            assert open(old, "rb").read() == open(new, "rb").read()
            assert os.stat(old).st_mode == os.stat(new).st_mode
            assert abs(os.stat(old).st_mtime - os.stat(new).st_mtime) < 1e-5
        assert os.path.isdir(os.path.join(dest, "sub", "empty"))
        assert os.readlink(os.path.join(dest, "inside")) == os.path.join(dest, "a")
        assert os.readlink(os.path.join(dest, "sub", "near")) == "../a"
        assert sync() == 0
        os.unlink(os.path.join(source, "sub", "b"))
        with open(os.path.join(source, "a"), "wb") as file:
            file.write(b"longer")
        assert sync() == 1
        assert os.path.exists(os.path.join(dest, "sub", "b"))
        sync(delete=True)
        assert not os.path.exists(os.path.join(dest, "sub", "b"))
        assert open(os.path.join(dest, "a"), "rb").read() == b"longer"
        os.rename(os.path.join(source, "sub"), os.path.join(source, "other"))
        open(os.path.join(source, "sub"), "w").close()  # a file where a folder was
        sync(delete=True)
        assert os.path.isfile(os.path.join(dest, "sub"))
    group.terminate(LIMIT_S)


def test_foreign_rsync_stays_inside():
    from execnet import rsync_remote

    group = execnet.Group()
    gateway = execnet_gateway(group)
    with tempfile.TemporaryDirectory() as folder:
        for items in [([0o755, "../out"],), ([0o755, ".."],), ([0o755, 7],),
                      ([0o755], ("link", "../out", "x")), ([0o755], ("link", "/tmp/out", "x"))]:
            channel = gateway.remote_exec(rsync_remote)
            channel.send((os.path.join(folder, "dest"), {}))
            for item in items:
                channel.send(item)
            try:
                while True:
                    channel.receive(LIMIT_S)
            except channel.RemoteError as error:
                assert "of a tree" in error.formatted or "of an entry" in error.formatted
        assert os.listdir(folder) == ["dest"]
    group.terminate(LIMIT_S)


def test_execnet_via():
    """Plain execnet opens a Python gateway through ours, in its own form."""
    group = execnet.Group()
    execnet_gateway(group, "//id=master")
    sub = group.makegateway("popen//via=master//python=/usr/bin/python3")
    channel = sub.remote_exec("channel.send(channel.receive() * 2)")
    channel.send(21)
    assert channel.receive(LIMIT_S) == 42
    blob = os.urandom(1 << 20)
    channel = sub.remote_exec("for item in channel: channel.send(item)")
    for _ in range(4):
        channel.send(blob)
        assert channel.receive(LIMIT_S) == blob
    pid_channel = sub.remote_exec("import os; channel.send(os.getpid())")
    pid = pid_channel.receive(LIMIT_S)
    group.terminate(LIMIT_S)
    wait_gone(pid)


# --- command


def test_command_exit():
    with Client() as client:
        out, err, end = client.command("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
        assert (out, err) == (b"out\n", b"err\n")
        assert (end["exit"], end["signal"], end["status"]) == (7, None, 7 << 8)
        assert not end["timed_out"] and not end["killed"] and not end["leaked"]
        assert end["wall_us"] > 0 and end["max_rss_kib"] > 0
        assert end["user_us"] >= 0 and end["system_us"] >= 0
        assert client.command(shell="exit 0")[2]["exit"] == 0


def test_command_signal():
    with Client() as client:
        end = client.command(shell="kill -TERM $$")[2]
        assert (end["exit"], end["signal"], end["killed"]) == (None, signal.SIGTERM, False)
        id = client.start("command", shell="trap 'echo got; exit 5' USR1; echo up; while :; do sleep 0.01; done")
        assert client.out(id) == b"up\n"
        client.item(id, ("signal", int(signal.SIGUSR1)))
        assert client.out(id) == b"got\n"
        assert client.all(id)[0][-1][1]["exit"] == 5


def test_command_kill():
    with Client() as client:
        id = client.start("command", argv=["sleep", "1000"])
        client.receive(id)
        client.item(id, ("kill",))
        end = client.receive(id)[1]
        assert end["signal"] == signal.SIGTERM and end["killed"] and not end["timed_out"]


def test_command_timeout():
    with Client() as client:
        end = client.command("sleep", "1000", timeout_us=50000)[2]
        assert end["timed_out"] and end["signal"] == signal.SIGTERM and not end["killed"]
        stubborn = "trap '' TERM; echo up; while :; do sleep 0.01; done"
        out, err, end = client.command(shell=stubborn, timeout_us=200000, grace_us=50000)
        assert out == b"up\n"
        assert end["timed_out"] and end["signal"] == signal.SIGKILL
        end = client.command(shell="kill -STOP $$", timeout_us=50000)[2]
        assert end["timed_out"] and end["signal"] == signal.SIGTERM


def test_command_leak():
    with Client() as client:
        out, err, end = client.command(shell="sleep 1000 & echo $!", leak_us=50000)
        assert end["leaked"] and end["exit"] == 0
        wait_gone(int(out))
        out, err, end = client.command(shell="setsid sleep 1000 & echo $!; sleep 0.2", leak_us=50000)
        assert end["leaked"] and end["exit"] == 0
        pid = int(out)
        assert state(pid) is not None  # left the group: it goes with the worker
        out, err, end = client.command(shell="(sleep 0.1; echo late) &", leak_us=LIMIT_S * 10**6)
        assert not end["leaked"] and out == b"late\n"
        # Silent ones are no leak, but do not stay either.
        out, err, end = client.command(shell="sleep 1000 >/dev/null 2>&1 & echo $!")
        assert not end["leaked"]
        wait_gone(int(out))
        client.send(TERMINATE)
        assert client.popen.wait(LIMIT_S) == 0
        wait_gone(pid)


def test_command_stdin():
    with Client() as client:
        assert client.command("cat", stdin=b"a\0b")[0] == b"a\0b"
        assert client.command("cat", stdin="d\u00fc")[0] == "d\u00fc".encode()
        assert client.command("cat", stdin=b"")[0] == b""
        assert client.command("cat")[0] == b""
        assert client.command("readlink", "/proc/self/fd/0")[0] == b"/dev/null\n"
        big = os.urandom(3 << 20)
        assert client.command("cat", stdin=big)[0] == big
        assert client.command("true", stdin=big)[2]["exit"] == 0


def test_command_surroundings():
    with Client(env=dict(os.environ, KEEP="1", DROP="1")) as client, \
            tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        assert client.command("pwd", cwd=folder)[0] == folder.encode() + b"\n"
        env = {"DROP": None, "NEW": "d\u00fc=", "KEEP": "2"}
        out = client.command("env", env=env)[0].decode().splitlines()
        assert "NEW=d\u00fc=" in out and "KEEP=2" in out
        assert not [line for line in out if line.startswith("DROP=")]
        base = int(client.command("nice")[0])
        assert int(client.command("nice", nice=3)[0]) == min(base + 3, 19)
        out, err, end = client.command(shell="echo a; echo b >&2; echo c", merge=True)
        assert (out, err) == (b"a\nb\nc\n", b"")
        out = client.command(shell="ulimit -n; ulimit -c; pwd", cwd=folder,
                             rlimits={"nofile": 77, "core": 0})[0]
        assert out.split() == [b"77", b"0", folder.encode()], out
        end = client.command(shell="while :; do :; done", rlimits={"cpu": 1})[2]
        assert end["signal"] in (signal.SIGXCPU, signal.SIGKILL)


def error_of(client, name="command", **kwargs):
    items, error = client.all(client.start(name, **kwargs))
    assert items == [], items
    return error


def test_command_errors():
    with Client() as client:
        missing = "No such file or directory"
        assert error_of(client, argv=["no-such-prog"]) == "cannot run 'no-such-prog': " + missing
        assert error_of(client, argv=["/no/prog"]) == "cannot run '/no/prog': " + missing
        assert error_of(client, argv=["no-such-prog"], rlimits={"core": 0}) == (
            "cannot run 'no-such-prog': " + missing
        )
        assert "/no/dir" in error_of(client, argv=["true"], cwd="/no/dir")
        assert error_of(client, argv=["/etc/passwd"]) == "cannot run '/etc/passwd': Permission denied"
        assert error_of(client, argv=[]) == "argv must be a list of str"
        assert error_of(client, argv="ls") == "argv must be a list of str"
        assert error_of(client, argv=["a\0b"]) == "argv must be a list of str"
        assert error_of(client, shell="x", env={"a=b": "c"}).startswith("env must be a dict")
        assert error_of(client, shell="x", rlimits={"zap": 1}) == "unknown rlimit 'zap'"
        assert error_of(client, shell="x", stdin=3) == "stdin must be bytes, str or None"
        assert "no built-in 'nonsense'" in error_of(client, "nonsense")
        assert error_of(client, "rsync") != ""
        assert client.command("true")[2]["exit"] == 0


def test_command_close_kills():
    with Client() as client:
        id = client.start("command", shell="trap '' TERM; sleep 1000 & echo $!; wait")
        shell_pid = client.receive(id)[1]
        pid = int(client.receive(id)[1])
        client.send(CLOSE, id)
        wait_gone(pid)
        wait_gone(shell_pid)
        client.send(STATUS, 1001)
        wait_until(lambda: numexecuting(client) == 0, "still executing")


def numexecuting(client):
    id = client.channel()
    client.send(STATUS, id)
    return client.receive(id)["numexecuting"]


def test_command_follows():
    """It begins when the other one has ended, with all that it was given, and is told behind it."""
    with Client() as client, tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        first = client.start("command", argv=["sleep", "1000"])
        assert client.receive(first)[0] == "start"
        second = client.start("command", shell="pwd; cat", cwd=folder, stdin=b"a\0b", follow=first)
        third = client.start("command", shell="echo third", follow=first)  # behind the second
        assert numexecuting(client) == 3
        client.item(first, ("kill",))
        order = []
        while len(order) < 6:
            code, channel, payload = client.frame()
            item = loads(payload) if code == DATA else None
            if channel in (second, third) and item and item[0] == "out":
                assert item[1] in (folder.encode() + b"\n", b"a\0b", folder.encode() + b"\na\0b", b"third\n")
            elif channel in (first, second, third) and code in (DATA, CLOSE):
                order.append((channel, item[0] if item else "close"))
        assert order[:2] == [(first, "exit"), (first, "close")], order
        assert order[2:5] == [(second, "start"), (second, "exit"), (second, "close")], order
        assert order[5] == (third, "start"), order
        assert client.all(third)[1] == ""


def test_command_follows_nobody():
    with Client() as client:
        assert client.command("true", follow=1001)[2]["exit"] == 0
        done = client.start("command", argv=["true"])
        client.all(done)
        assert client.command("true", follow=done)[2]["exit"] == 0
        echo = client.start("echo")  # something else runs there
        assert client.command("true", follow=echo)[2]["exit"] == 0


def test_command_withdrawn():
    with Client() as client, tempfile.TemporaryDirectory() as folder:
        first = client.start("command", argv=["sleep", "1000"])
        assert client.receive(first)[0] == "start"
        others = [client.start("command", argv=["touch", "%s/%d" % (folder, n)], follow=first) for n in range(4)]
        client.item(others[0], ("withdraw",))
        assert client.all(others[0]) == ([("returned", None)], "")
        client.item(others[1], ("kill",))
        assert client.all(others[1]) == ([("returned", None)], "")
        client.send(CLOSE, others[2])
        assert numexecuting(client) == 2
        client.item(first, ("kill",))
        assert client.all(others[3])[0][-1][1]["exit"] == 0
        client.item(others[3], ("withdraw",))  # too late: no harm
        assert os.listdir(folder) == ["3"]
        assert numexecuting(client) == 0


def test_command_that_follows_fails():
    with Client() as client:
        first = client.start("command", argv=["sleep", "1000"])
        second = client.start("command", argv=["true"], cwd="/nonexistent", follow=first)
        third = client.start("command", argv=["no-such-program"], follow=first)
        fourth = client.start("command", argv=["true"], follow=first)
        assert client.receive(first)[0] == "start"
        client.item(first, ("kill",))
        items, error = client.all(second)
        assert (items, "/nonexistent" in error) == ([], True), error
        items, error = client.all(third)
        assert (items, "no-such-program" in error) == ([], True), error
        assert client.all(fourth)[0][-1][1]["exit"] == 0


def test_command_follows_no_more():
    """The worker ends: what has not begun never does."""
    with Client() as client, tempfile.TemporaryDirectory() as folder:
        first = client.start("command", argv=["sleep", "1000"])
        client.start("command", argv=["touch", folder + "/file"], follow=first)
        assert client.receive(first)[0] == "start"
        client.send(TERMINATE)
        assert client.popen.wait(LIMIT_S) == 0
        assert os.listdir(folder) == []


def test_command_stalled_reader():
    """1 GiB for nobody: the worker stays small, and ends in time."""
    with Client() as client:
        pid = client.pid()
        id = client.start("command", argv=["head", "-c", str(1 << 30), "/dev/zero"])
        assert client.receive(id)[0] == "start"
        # It has stopped reading once the writer sleeps in its write.
        child = int(open("/proc/%d/task/%d/children" % (pid, pid)).read().split()[0])
        wait_until(lambda: cpu_still(pid) and state(child) == "S", "never stalls")
        sanitized = status_kib(pid, "VmPeak") > 1 << 30  # shadow memory
        assert status_kib(pid, "VmRSS") < 24 << 10 or sanitized
        total = 0
        while True:
            item = client.receive(id)
            if item[0] == "exit":
                break
            assert len(item[1]) <= 64 << 10
            total += len(item[1])
        assert (total, item[1]["exit"]) == (1 << 30, 0)


def status_kib(pid, field):
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])


def cpu_still(pid):
    def ticks():
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
            return fields[0], int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.1)
    return before == ticks() and before[0] == "S"


def test_command_credit():
    """A peer with a window of 100,000 bytes gets no more than that, and a little."""
    with Client() as client:
        client.send(HELLO, 0, dumps({"version": 1, "window": 100000}))
        code, channel, payload = client.frame()
        assert code == HELLO
        id = client.start("command", argv=["head", "-c", "1000000", "/dev/zero"])
        got, frames = 0, 0
        while True:
            code, channel, payload = client.frame()
            assert (code, channel) == (DATA, id)
            got += len(payload)
            frames += 1
            item = loads(payload)
            if item[0] == "exit":
                break
            assert got < 100000 + (70 << 10)
            if got >= 100000:
                client.send(CREDIT, id, struct.pack("!i", got))
                got = 0
        assert frames > 10


def test_command_many():
    with Client() as client:
        count, threads = 300, 30
        ids = []
        start = time.monotonic()
        for i in range(count):
            ids.append(client.start("command", argv=["/bin/true"]))
            if len(ids) >= threads:
                assert client.all(ids.pop(0))[0][-1][1]["exit"] == 0
        for id in ids:
            assert client.all(id)[0][-1][1]["exit"] == 0
        print("  %.0f commands/s" % (count / (time.monotonic() - start)))


# --- ends


def test_worker_killed():
    with Client() as client:
        pid = client.pid()
        shell_pid, stray = start_stray(client)
        os.kill(pid, signal.SIGKILL)
        assert client.popen.wait(LIMIT_S) == -signal.SIGKILL
        for victim in (pid, shell_pid, stray):
            wait_gone(victim)


def test_guard_killed():
    with Client() as client:
        pid = client.pid()
        assert pid != client.popen.pid
        shell_pid, stray = start_stray(client)
        # A daemon of a command that ended long ago goes as well.
        daemon = int(client.command(shell="setsid sleep 1000 >/dev/null 2>&1 & echo $!; sleep 0.1")[0])
        assert state(daemon) is not None
        os.kill(client.popen.pid, signal.SIGKILL)
        for victim in (pid, shell_pid, stray, daemon):
            wait_gone(victim)


def test_eof_ends():
    with Client() as client:
        pid = client.pid()
        shell_pid, stray = start_stray(client)
        id = client.start("command", shell="trap '' TERM; echo up; while :; do sleep 0.01; done")
        stubborn = client.receive(id)[1]
        client.receive(id)
        start = time.monotonic()
        client.popen.stdin.close()
        assert client.popen.wait(LIMIT_S) == 0
        assert 1.5 < time.monotonic() - start
        for victim in (pid, shell_pid, stray, stubborn):
            wait_gone(victim)


def test_terminate_tells():
    with Client() as client:
        id = client.start("command", shell="trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.01; done")
        assert client.out(id) == b"up\n"
        client.send(TERMINATE)
        assert client.out(id) == b"bye\n"
        end = client.all(id)[0][-1][1]
        assert end["exit"] == 4 and end["killed"]
        assert client.popen.wait(LIMIT_S) == 0


def test_sigterm():
    with Client() as client:
        pid = client.pid()
        os.kill(client.popen.pid, signal.SIGTERM)
        assert client.popen.wait(LIMIT_S) == 128 + signal.SIGTERM
        wait_gone(pid)


def test_silence():
    with Client() as client:
        shell_pid, stray = start_stray(client)
    with Client() as client:
        client.send(HELLO, 0, dumps({"version": 1, "window": 1 << 20, "silence_us": 300000,
                                     "heartbeat_us": 100000}))
        assert client.frame()[0] == HELLO
        shell_pid, stray = start_stray(client)
        while True:
            try:
                client.frame()
            except EOFError:
                break
        assert client.popen.wait(LIMIT_S) == 1
        wait_gone(shell_pid)
        wait_gone(stray)


def test_own_pause_is_not_silence():
    """A stopped worker could not hear us: it gives us a new limit when it goes on, every time."""
    with Client() as client:
        pid = client.pid()
        client.send(HELLO, 0, dumps({"version": 1, "window": 1 << 20, "silence_us": 1000000,
                                     "heartbeat_us": 50000}))
        assert client.frame()[0] == HELLO
        for _ in range(2):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1.5)
            os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            while time.monotonic() - began < 0.3:
                assert client.frame()[0] == HEARTBEAT
        assert client.popen.wait(LIMIT_S) == 1  # and then it is


def test_closed_descriptors():
    """Without stdin or stdout there is no line; without stderr there is one all the same."""
    for fd in 0, 1:
        done = subprocess.run([WORKER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda fd=fd: os.close(fd), timeout=LIMIT_S)
        assert done.returncode == 2 and b"stdin and stdout are needed" in done.stderr and not done.stdout
    popen = subprocess.Popen([WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                             preexec_fn=lambda: os.close(2))
    assert popen.stdout.read(1) == b"1"
    links = [os.readlink("/proc/%d/fd/%d" % (popen.pid, fd)) for fd in range(3)]
    assert links == ["/dev/null"] * 3
    popen.stdin.close()
    assert popen.wait(LIMIT_S) == 0
    popen.stdout.close()


def test_nonsense():
    with Client() as client:
        client.send(99, 1)
        assert client.popen.wait(LIMIT_S) == 1


def test_output_broken():
    with Client() as client:
        shell_pid, stray = start_stray(client)
        client.popen.stdout.close()
        client.send(STATUS, 1001)
        assert client.popen.wait(LIMIT_S) == 0
        wait_gone(stray)


def test_strays_are_reaped():
    with Client() as client:
        pid = client.pid()
        out = client.command(shell="setsid sh -c 'sleep 0.3' >/dev/null 2>&1 & echo $!; sleep 0.1")[0]
        wait_gone(int(out))
        assert state(pid) == "S"


def test_as_python():
    with_line = subprocess.Popen([WORKER, "-u", "-c", "import sys"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
    status = struct.pack("!bii", STATUS, 1, 0)
    out, _ = with_line.communicate(b"'" + b"x" * 200000 + b"'\n" + status)
    assert out[:1] == b"1" and out[1:2] == bytes([DATA]) and with_line.returncode == 0
    assert subprocess.run([WORKER, "-c"], stdin=subprocess.DEVNULL).returncode == 0
    version = subprocess.run([WORKER, "--version"], stdout=subprocess.PIPE)
    assert version.stdout.startswith(b"farflung-worker ")


def test_socket():
    """stdin and stdout may be one socket, as sshd gives it."""
    ours, theirs = socket.socketpair()
    popen = subprocess.Popen([WORKER], stdin=theirs, stdout=theirs)
    theirs.close()
    with ours, ours.makefile("rb") as file:
        assert file.read(1) == b"1"
        ours.sendall(struct.pack("!bii", STATUS, 1, 0))
        code, channel, size = struct.unpack("!bii", file.read(9))
        assert (code, channel) == (DATA, 1)
        assert loads(file.read(size))["numexecuting"] == 0
        ours.shutdown(socket.SHUT_WR)
        assert popen.wait(LIMIT_S) == 0


# --- configure, info


def comm(pid):
    with open("/proc/%d/comm" % pid) as file:
        return file.read().strip()


def test_info():
    with Client(env=dict(os.environ, LOGNAME="jo")) as client:
        items, error = client.all(client.start("info"))
        info, = items
        assert error == ""
        assert info["hostname"] == os.uname().nodename
        assert info["cpus"] == len(os.sched_getaffinity(0))
        assert info["user"] == "jo" and info["cwd"] == os.getcwd()
        assert info["memory_kib"] > 0 and info["load1"] >= 0 and info["uptime_s"] >= 0
        assert os.uname().sysname in info["platform"] and os.uname().machine in info["platform"]
        assert comm(info["pid"]) == "farflung-worker"
        wait_until(lambda: comm(client.popen.pid) == "farflung-guard", "not named")


def test_configure():
    with Client() as client, tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        deep = folder + "/a/b//c/"
        items, error = client.all(client.start("configure", chdir=deep, nice=2,
                                               env={"FF_X": "y", "HOME": None}))
        assert (items, error) == ([{"cwd": folder + "/a/b/c"}], "")
        out = client.command(shell="pwd; nice; echo $FF_X; echo ${HOME-unset}")[0]
        expected = [folder + "/a/b/c", str(min(os.nice(0) + 2, 19)), "y", "unset"]
        assert out.decode().split("\n")[:4] == expected, out
        open(folder + "/file", "w").close()
        error = error_of(client, "configure", chdir=folder + "/file/x")
        assert error.endswith("Not a directory"), error
        items, error = client.all(client.start("configure", chdir=None, nice=0, env={}))
        assert (items, error) == ([{"cwd": folder + "/a/b/c"}], "")


# --- proxy


def test_proxy():
    with Client() as client:
        control = client.channel()
        id = client.start("proxy", argv=["sh", "-c", "echo err >&2; cat; exit 3"], cwd="/",
                          env={"A": "b"}, control=Ref(control))
        blob = os.urandom(100000)
        for at in range(0, len(blob), 10000):
            client.item(id, blob[at:at + 10000])
        got = b""
        while len(got) < len(blob):
            got += client.receive(id)
        assert got == blob
        assert client.receive(control) == ("stderr", b"err\n")
        client.item(control, 3)
        assert client.receive(control) is None
        client.item(control, 2)
        client.item(control, 4)
        assert client.receive(control) is None
        assert client.receive(control) == 3
        assert client.all(control) == ([("exit", 3 << 8)], "")
        assert client.all(id) == ([], "")


def test_proxy_kill():
    with Client() as client:
        control = client.channel()
        id = client.start("proxy", argv=["sleep", "1000"], control=Ref(control))
        client.item(control, 1)
        assert client.receive(control) is None
        assert client.all(control) == ([("exit", 9)], "")
        assert client.all(id) == ([], "")
        control = client.channel()
        id = client.start("proxy", argv=["sh", "-c", "echo $$; exec sleep 1000"],
                          control=Ref(control))
        pid = int(client.receive(id))
        client.send(CLOSE, id)
        wait_gone(pid)
        assert client.all(control) == ([("exit", 9)], "")
        assert error_of(client, "proxy", argv=["no-such-prog"], control=Ref(client.channel())) == (
            "cannot run 'no-such-prog': No such file or directory")
        assert numexecuting(client) == 0


def test_proxy_credit():
    """Input that the program does not read is not credited."""
    with Client() as client:
        client.send(HELLO, 0, dumps({"version": 1, "window": 1 << 20}))
        code, _, payload = client.frame()
        window = loads(payload)["window"]
        control = client.channel()
        id = client.start("proxy", argv=["sh", "-c", "read x; cat >/dev/null"], control=Ref(control))
        for _ in range(window // 65536):
            client.item(id, b"x" * 65536)
        # The answer comes behind all credit that was given until then.
        client.item(control, 3)
        credited = 0
        while True:
            code, channel, payload = client.frame()
            if (code, channel) == (DATA, control):
                break
            assert (code, channel) == (CREDIT, id)
            credited += struct.unpack("!i", payload)[0]
        assert credited < window, credited
        client.item(id, b"\n")
        client.item(control, 4)
        while True:
            code, channel, payload = client.frame()
            if code == DATA and loads(payload) == ("exit", 0):
                break


def test_proxy_flood():
    """A peer without credit is slowed down by the pipe; nothing is lost."""
    with Client() as client:
        pid = client.pid()
        control = client.channel()
        id = client.start("proxy", argv=["sh", "-c", "read x; sleep 0.2; wc -c"],
                          control=Ref(control))
        block = b"x" * (1 << 20)
        client.item(id, b"go\n")
        for _ in range(64):
            client.item(id, block)
        sanitized = status_kib(pid, "VmPeak") > 1 << 30
        assert status_kib(pid, "VmHWM") < 48 << 10 or sanitized
        client.item(control, 4)
        assert int(client.receive(id)) == 64 << 20


def test_proxy_nested():
    """Our worker through our worker, raw."""
    with Client() as client:
        control = client.channel()
        id = client.start("proxy", argv=[WORKER], control=Ref(control))
        assert client.receive(id) == b"1"
        client.item(id, struct.pack("!bii", STATUS, 1, 0))
        data = b""
        while not data.endswith(struct.pack("!bii", CLOSE, 1, 0)):
            data += client.receive(id)
        client.item(id, struct.pack("!bii", TERMINATE, 0, 0))
        assert client.all(control) == ([("exit", 0)], "")


# --- no process stays


def reap_orphans(limit_s=5):
    """With us as the subreaper, whatever a worker leaves behind shows up here."""
    left = []
    deadline = time.monotonic() + limit_s
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left
        if pid:
            continue
        if time.monotonic() < deadline:
            time.sleep(0.01)
            continue
        for entry in open("/proc/self/task/%d/children" % os.getpid()).read().split():
            left.append(int(entry))
            os.kill(int(entry), signal.SIGKILL)
            os.waitpid(int(entry), 0)


def main():
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = sys.argv[2:] or [name for name in globals() if name.startswith("test_")]
    failed = []
    for name in names:
        start = time.monotonic()
        watchdog = threading.Timer(3 * LIMIT_S, lambda: os._exit(99))
        watchdog.start()
        try:
            globals()[name]()
            word = "ok"
        except BaseException:
            traceback.print_exc()
            word = "FAILED"
        left = reap_orphans()
        if left:
            word = "FAILED: processes left behind: %s" % left
        watchdog.cancel()
        if word != "ok":
            failed.append(name)
        print("%-32s %s (%.2f s)" % (name, word, time.monotonic() - start), flush=True)
    print("%d of %d failed: %s" % (len(failed), len(names), " ".join(failed))
          if failed else "all %d passed" % len(names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

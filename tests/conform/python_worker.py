"""worker.py, started as the controller starts it, spoken to with execnet's own client and, for what
execnet does not know, with a small frame client. Run with: python3 -m pytest tests/conform/python_worker.py"""
import _imp
import hashlib
import marshal
import os
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time

import pytest
from execnet.gateway import Gateway
from execnet.gateway_base import Message, RemoteError, dumps_internal, get_execmodel, loads_internal
from execnet.gateway_io import Popen2IOMaster
from execnet.xspec import XSpec

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes"))
from worker_text import builtin_text, part, worker_text  # noqa: E402

PYTHON = os.environ.get("FF_TEST_PYTHON", sys.executable)
LIMIT = 60
STATUS, RECONFIGURE, TERMINATE, EXEC, DATA, CLOSE, CLOSE_ERROR, LAST_MESSAGE = range(8)
HELLO, HEARTBEAT, CREDIT = 64, 65, 66


def bootstrap(execmodel="thread", extra="", start=bool(os.environ.get("FF_TEST_START"))):
    text = worker_text(execmodel)
    if start:  # as with start.py, which keeps the compiled form
        text = "FF_TEXT=%r\n%s" % (text, part("start"))
    head = "FF_ID='gw7'\nFF_EXECMODEL=%r\n%s" % (execmodel, extra)
    return (repr(head + text) + "\n").encode()


def command():
    return [PYTHON, "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]


class Raw:
    """Frames by hand."""

    def __init__(self, execmodel="thread", line=None, **popen):
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen(command(), stdin=pipe, stdout=pipe, bufsize=0, **popen)
        self.popen.stdin.write(line or bootstrap(execmodel))
        self.data = b""
        assert self.read(1) == b"1"

    def read(self, n, timeout=LIMIT):
        deadline = time.monotonic() + timeout
        while len(self.data) < n:
            left = max(0, deadline - time.monotonic())
            if not select.select([self.popen.stdout], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(self.popen.stdout.fileno(), 1 << 16)
            if not chunk:
                raise EOFError
            self.data += chunk
        data, self.data = self.data[:n], self.data[n:]
        return data

    def send(self, code, id=0, payload=b""):
        self.popen.stdin.write(struct.pack("!bii", code, id, len(payload)) + payload)

    def frame(self, timeout=LIMIT):
        code, id, size = struct.unpack("!bii", self.read(9, timeout))
        return code, id, self.read(size)

    def exec(self, source, id=1, call_name=None, kwargs=None, file_name=None):
        self.send(EXEC, id, dumps_internal((source, file_name, call_name, kwargs or {})))

    def item(self):
        code, _, payload = self.frame()
        assert code == DATA, (code, payload)
        return loads_internal(payload)

    def hello(self, **more):
        self.send(HELLO, 0, dumps_internal(dict({"version": 1, "window": 1 << 20}, **more)))
        code, id, payload = self.frame()
        assert (code, id) == (HELLO, 0)
        return loads_internal(payload)

    def quiet(self, seconds=0.2):
        """Whether nothing arrives for a while; wrong answers are only possible towards success."""
        return not self.data and not select.select([self.popen.stdout], [], [], seconds)[0]

    def close(self):
        try:
            self.popen.stdin.close()
        except OSError:
            pass
        try:
            return self.popen.wait(LIMIT)
        finally:
            self.popen.kill()
            self.popen.wait()
            self.popen.stdout.close()


@pytest.fixture
def raw():
    opened = []

    def make(*args, **kwargs):
        opened.append(Raw(*args, **kwargs))
        return opened[-1]

    yield make
    for one in opened:
        one.popen.kill()
        one.close()


@pytest.fixture
def make_gateway():
    opened = []

    def make(execmodel="thread"):
        io = Popen2IOMaster(command(), get_execmodel("thread"))
        io.write(bootstrap(execmodel))
        assert io.read(1) == b"1"
        io.remoteaddress = "local"
        opened.append(Gateway(io, XSpec("popen//id=gw7")))
        return opened[-1]

    yield make
    for gw in opened:
        try:
            gw._send(Message.GATEWAY_TERMINATE)
            gw._io.close_write()
        except OSError:
            pass
        try:
            gw._io.popen.wait(LIMIT)
        finally:
            gw._io.popen.kill()
            gw._io.popen.wait()
        gw._io.popen.stdout.close()
        gw.join()


@pytest.fixture
def gw(make_gateway):
    return make_gateway()


# --- executing ---


def test_remote_exec_and_namespace(gw):
    channel = gw.remote_exec("channel.send((__name__, 6 * 7, channel.gateway.id))")
    assert channel.receive(LIMIT) == ("__channelexec__", 42, "gw7-worker")
    channel.waitclose(LIMIT)
    with pytest.raises(EOFError):
        channel.receive(LIMIT)


def test_call_name_with_kwargs(gw):
    def work(channel, a, b=2):
        channel.send((a, b))

    assert gw.remote_exec(work, a=1, b=[3]).receive(LIMIT) == (1, [3])


def test_standard_files_are_replaced(gw):
    channel = gw.remote_exec(
        "import sys, os\nprint('noise')\nos.write(1, b'noise')\nsys.__stdout__.write('x')\n"
        "channel.send((sys.stdin.read(), os.read(0, 9), sys.stdout.fileno(), sys.stdin.fileno()))"
    )
    assert channel.receive(LIMIT) == ("", b"", 1, 0)


def test_first_execution_in_main_thread_others_beside_it(gw):
    where = "import threading\nchannel.send(threading.current_thread() is threading.main_thread())\n"
    first = gw.remote_exec(where + "channel.receive()")
    assert first.receive(LIMIT) is True
    second = gw.remote_exec(where)
    assert second.receive(LIMIT) is False
    second.waitclose(LIMIT)
    first.send(1)
    first.waitclose(LIMIT)
    assert gw.remote_exec(where).receive(LIMIT) is True


def test_main_thread_only(make_gateway):
    gw = make_gateway("main_thread_only")
    first = gw.remote_exec("channel.receive()")
    second = gw.remote_exec("channel.send(1)")
    with pytest.raises(RemoteError) as info:
        second.receive(LIMIT)
    assert str(info.value) == (
        "concurrent remote_exec would cause deadlock for main_thread_only execmodel"
    )
    first.send(1)
    for _ in range(50):  # never a false alarm: free as soon as the close is seen
        first.waitclose(LIMIT)
        first = gw.remote_exec("pass")


def test_main_thread_only_in_a_row(make_gateway):
    gw = make_gateway("main_thread_only")
    where = """
        import threading
        channel.send(threading.current_thread() is threading.main_thread())
        """
    # Not even the close is waited for, and what they still do takes some time.
    for i in range(300):
        assert gw.remote_exec(where + "import time; time.sleep(%f)" % (i % 3 * 0.002)).receive(LIMIT)
    several = [gw.remote_exec(where + "import time; time.sleep(0.01)") for _ in range(20)]
    assert all(channel.receive(LIMIT) for channel in several)
    assert gw.remote_status().numexecuting <= 1


def test_indented_source(raw):
    worker = raw()
    sources = "  channel.send(1)", "\n\tif 1:\n\t\tchannel.send(1)\n", "\n\n  # why\n  channel.send(1)\n"
    for number, source in enumerate(sources):
        worker.exec(source, 1 + 2 * number)
        assert worker.item() == 1
        assert worker.frame()[0] == CLOSE
    worker.exec("  a = 1\n b = 2\n", 11)
    code, _, payload = worker.frame()
    assert code == CLOSE_ERROR and "IndentationError" in loads_internal(payload)


def test_syntax_error_text(raw):
    worker = raw()
    worker.exec("x = = 1")
    code, _, payload = worker.frame()
    text = loads_internal(payload)
    assert code == CLOSE_ERROR and text.startswith("Traceback (most recent call last):\n")
    assert text.count("Traceback") == 1 and "SyntaxError: invalid syntax" in text and "x = = 1" in text


@pytest.mark.parametrize("model", ["nonsense", "gevent", "eventlet"])
def test_bad_execmodel(model):
    extra = "" if model == "nonsense" else "import sys\nsys.modules[%r] = None\n" % model
    done = subprocess.run(
        command(), input=bootstrap(model, extra), stdout=-1, stderr=-1, timeout=LIMIT
    )
    assert done.returncode == 1 and done.stdout == b""
    if model == "nonsense":
        assert done.stderr == b"execmodel=nonsense: not known\n"
    else:
        start = "execmodel=%s: import of %s halted" % (model, model)
        assert done.stderr.startswith(start.encode())
        assert done.stderr.endswith(b" in %s\n" % PYTHON.encode())


def test_traceback_shows_the_source_and_not_the_worker(gw):
    channel = gw.remote_exec("def f():\n    raise ValueError('boo')  # marked\nf()")
    with pytest.raises(RemoteError) as info:
        channel.waitclose(LIMIT)
    text = str(info.value)
    assert text.startswith("Traceback (most recent call last):\n")
    assert "raise ValueError('boo')  # marked" in text and 'File "<remote exec>", line 2, in f' in text
    assert text.endswith("ValueError: boo\n")
    assert "_execute" not in text


def test_file_name_in_traceback(raw):
    worker = raw()
    worker.send(EXEC, 1, dumps_internal(("\n\n1 / 0  # here", "/nowhere/some.py", None, {})))
    code, _, payload = worker.frame()
    text = loads_internal(payload)
    assert code == CLOSE_ERROR
    assert 'File "/nowhere/some.py", line 3' in text and "1 / 0  # here" in text


@pytest.mark.parametrize(
    "source, part",
    [
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "keyboard-interrupted"),
        ("channel.close()", "cannot explicitly close channel within remote_exec"),
        ("channel.send(object())", "can't serialize <class 'object'>"),
        ("channel.send('\\udc80')", "strings must be utf-8 encodable"),
        ("x = []\nx.append(x)\nchannel.send(x)", "can't serialize: maximum recursion"),
    ],
)
def test_errors_close_the_channel(gw, source, part):
    with pytest.raises(RemoteError) as info:
        gw.remote_exec(source).receive(LIMIT)
    assert part in str(info.value)
    assert gw.remote_exec("channel.send(1)").receive(LIMIT) == 1


def test_eoferror_ends_quietly(gw):
    gw.remote_exec("raise EOFError").waitclose(LIMIT)


def test_missing_call_name(raw):
    worker = raw()
    worker.exec("x = 1", call_name="nothing")
    code, _, payload = worker.frame()
    assert code == CLOSE_ERROR and "KeyError: 'nothing'" in loads_internal(payload)


def test_status(gw):
    channel = gw.remote_exec("channel.receive()")
    status = gw.remote_status()
    assert (status.numchannels, status.numexecuting, status.execmodel) == (1, 1, "thread")
    channel.send(0)
    channel.waitclose(LIMIT)


def test_dropped_channels_are_forgotten(gw):
    channel = gw.remote_exec(
        "for i in range(10): channel.gateway.newchannel()\nchannel.send(1)\nchannel.receive()"
    )
    channel.receive(LIMIT)
    assert gw.remote_status().numchannels == 1
    channel.send(0)
    channel.waitclose(LIMIT)
    assert gw.remote_status().numchannels == 0


def test_forked_child_leaves_our_line_alone(gw):
    channel = gw.remote_exec(
        """
        import os, sys
        pid = os.fork()
        if pid == 0:
            try:
                channel.send("from the child")
            except OSError:
                sys.exit(7)
            sys.exit(8)
        channel.send(os.waitpid(pid, 0)[1] >> 8)
        """
    )
    assert channel.receive(LIMIT) == 7
    channel.waitclose(LIMIT)
    assert gw.remote_exec("channel.send(1)").receive(LIMIT) == 1


# --- channels ---


def test_echo_until_closed(gw):
    channel = gw.remote_exec("for x in channel:\n    channel.send(x)")
    for item in (1, "two", [3.5, {"a": (None, True)}]):
        channel.send(item)
        assert channel.receive(LIMIT) == item
    channel.close()


def test_receive_timeout_and_remote_exceptions(gw):
    channel = gw.remote_exec(
        """
        try:
            channel.receive(timeout=0.01)
        except channel.TimeoutError as exc:
            channel.send((str(exc), isinstance(exc, OSError)))
        other = channel.receive()
        try:
            other.receive()
        except other.RemoteError as exc:
            channel.send(exc.formatted)
        try:
            other.receive()
        except EOFError:
            channel.send("eof")
        try:
            other.send(1)
        except OSError as exc:
            channel.send(str(exc))
        channel.send(other.isclosed())
        """
    )
    assert channel.receive(LIMIT) == ("no item after 0.01 seconds", True)
    other = gw.newchannel()
    channel.send(other)
    other.close("went wrong")
    assert channel.receive(LIMIT) == "went wrong"
    assert channel.receive(LIMIT) == "eof"
    assert channel.receive(LIMIT).startswith("cannot send to <Channel id=")
    assert channel.receive(LIMIT) is True


def test_new_channel_over_channel(gw):
    channel = gw.remote_exec("c = channel.gateway.newchannel()\nchannel.send(c)\nc.send(c.receive() + 1)")
    other = channel.receive(LIMIT)
    assert other.id % 2 == 0
    other.send(1)
    assert other.receive(LIMIT) == 2
    channel.waitclose(LIMIT)


def test_setcallback_takes_queued_items_then_new_ones_then_the_endmarker(gw):
    channel = gw.remote_exec(
        """
        other = channel.receive()
        first = channel.receive()
        got = []
        other.setcallback(got.append, endmarker="end")
        try:
            other.receive()
        except OSError as exc:
            channel.send(str(exc))
        try:
            other.setcallback(print)
        except OSError as exc:
            channel.send("again")
        other.waitclose()
        channel.send(got)
        """
    )
    other = gw.newchannel()
    channel.send(other)
    other.send(1)
    channel.send("go")
    assert channel.receive(LIMIT) == "cannot receive(), channel has receiver callback"
    assert channel.receive(LIMIT) == "again"
    other.send(2)
    other.close()
    assert channel.receive(LIMIT) == [1, 2, "end"]


def test_failing_callback_closes_with_its_traceback(gw):
    channel = gw.remote_exec(
        "c = channel.receive()\nc.setcallback(lambda x: 1 / x)\nchannel.send(0)\n"
        "try:\n    c.waitclose()\nexcept c.RemoteError as exc:\n    channel.send(str(exc))"
    )
    other = gw.newchannel()
    channel.send(other)
    channel.receive(LIMIT)
    other.send(0)
    with pytest.raises(RemoteError, match="ZeroDivisionError"):
        other.receive(LIMIT)
    assert "ZeroDivisionError" in channel.receive(LIMIT)


def test_waitclose_timeout(gw):
    channel = gw.remote_exec(
        "c = channel.gateway.newchannel()\ntry:\n    c.waitclose(0.01)\n"
        "except c.TimeoutError as exc:\n    channel.send(str(exc))"
    )
    assert channel.receive(LIMIT) == "Timeout after 0.01 seconds"


def test_dropped_channel_is_closed(raw):
    worker = raw()
    worker.exec("c = channel.receive()\nc.send(1)\ndel c\nchannel.receive()")
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.frame()[:2] == (DATA, 3)
    assert worker.frame() == (CLOSE, 3, b"")


def test_dropped_channel_with_callback_sends_last_message_and_goes_on(raw):
    worker = raw()
    worker.exec("c = channel.receive()\nc.setcallback(channel.send, 'end')\ndel c\nchannel.receive()")
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.frame() == (LAST_MESSAGE, 3, b"")
    worker.send(DATA, 3, dumps_internal("more"))
    assert worker.item() == "more"
    worker.send(CLOSE, 3)
    assert worker.item() == "end"


def test_last_message_leaves_sending_open(raw):
    worker = raw()
    worker.exec("c = channel.receive()\nc.waitclose()\nc.send(c.isclosed())\nc.close()")
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    worker.send(LAST_MESSAGE, 3)
    assert worker.frame() == (DATA, 3, dumps_internal(False))
    assert worker.frame() == (CLOSE, 3, b"")
    assert worker.frame() == (CLOSE, 1, b"")


def test_last_message_then_end_of_execution_closes(raw):
    worker = raw()
    worker.exec("channel.send(sum(channel))\nraise ValueError('late')")
    worker.send(DATA, 1, dumps_internal(20))
    worker.send(DATA, 1, dumps_internal(22))
    worker.send(LAST_MESSAGE, 1)
    assert worker.item() == 42
    code, channel, data = worker.frame()
    assert (code, channel) == (CLOSE_ERROR, 1) and b"ValueError: late" in data


def test_makefile(gw):
    channel = gw.remote_exec(
        """
        c = channel.receive()
        r = c.makefile("r", proxyclose=True)
        channel.send((r.readline(), r.read(2), r.readline(), r.readline(), r.readline(), r.read(3)))
        w = channel.makefile("w")
        w.write("text")
        w.flush()
        w.close()
        print("hello", file=w)
        try:
            channel.makefile("x")
        except ValueError:
            channel.send(c.isclosed())
        """
    )
    other = gw.newchannel()
    channel.send(other)
    for part in ("li", "ne\nab", "c\nx\nlast"):
        other.send(part)
    other.close()
    assert channel.receive(LIMIT) == ("line\n", "ab", "c\n", "x\n", "last", "")
    assert [channel.receive(LIMIT) for _ in range(4)] == ["text", "hello", "\n", True]


def test_reconfigure(raw):
    worker = raw()
    py2str = b"M" + struct.pack("!i", 1) + b"\xe4Q"
    worker.exec("channel.send(channel.receive())\nchannel.send(channel.receive())")
    worker.send(DATA, 1, py2str)
    assert worker.item() == "\xe4"
    worker.send(RECONFIGURE, 1, dumps_internal((False, False)))
    worker.send(DATA, 1, py2str)
    assert worker.item() == b"\xe4"


def test_concurrent_senders_do_not_mix_frames(gw):
    channel = gw.remote_exec(
        """
        import threading
        def send(n):
            for i in range(200):
                channel.send((n, i, bytes([n]) * (i * 100)))
        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        """
    )
    seen = {}
    for n, i, data in channel:
        assert i == seen.get(n, -1) + 1 and data == bytes([n]) * (i * 100)
        seen[n] = i
    assert seen == {n: 199 for n in range(4)}


# --- serialization ---

VALUES = [
    None, True, False, 0, -1, 2**31 - 1, -(2**31) + 1, -(2**31), 2**31, -(2**40), 10**30, 1.5,
    float("inf"), 1 - 2j, "", "\xe4\u20ac\U0001f600", b"", b"\x00\xff", [], [1, [2, []]], (), (1, ("a",)),
    {}, {"a": {1: (2,)}, None: [b"x"]}, set(), {1, "a"}, frozenset([1.5]), "x" * 100000, [0] * 5000,
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_values_travel_both_ways(raw, value):
    worker = raw()
    worker.exec("x = channel.receive()\nchannel.send((repr(x), x))")
    try:
        payload = dumps_internal(value)
    except struct.error:  # below -2**31 execnet can't dump, but load
        text = str(value).encode()
        payload = b"H" + struct.pack("!i", len(text)) + text + b"Q"
    worker.send(DATA, 1, payload)
    text, back = worker.item()
    assert back == value and type(back) is type(value)
    assert value in (set(), {1, "a"}) or text == repr(value)


def test_subclasses_are_sent_as_their_base(gw):
    channel = gw.remote_exec(
        """
        import collections, enum
        class E(enum.IntEnum):
            A = 5
        class S(str, enum.Enum):
            B = "b"
        class F(float): pass
        class Index:
            def __index__(self): return 2**40
        class Float:
            def __float__(self): return 0.25
        P = collections.namedtuple("P", "x y")
        channel.send([E.A, S.B, F(1.5), Index(), Float(), P(1, E.A),
                      collections.OrderedDict(a=E.A), collections.Counter("aa"), E(5)])
        """
    )
    items = channel.receive(LIMIT)
    assert items == [5, "b", 1.5, 2**40, 0.25, (1, 5), {"a": 5}, {"a": 2}, 5]
    assert [type(x).__name__ for x in items] == "int str float int float tuple dict dict int".split()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"Q", b"L", b"LLQ", b"LQL", b"?Q", b"F\0\0", b"N\xff\xff\xff\xffQ", b"N\0\0\0\x09abQ",
        b"K\x7f\xff\xff\xffQ", b"@\0\0\0\x02LQ", b"@\xff\xff\xff\xffLQ", b"PQ", b"JLPQ", b"JJLPQ",
        b"N\0\0\0\x01\xffQ", b"H\0\0\0\x02xxQ",
    ],
)
def test_bad_items_close_their_channel_only(raw, data):
    worker = raw(stderr=subprocess.DEVNULL)
    worker.exec("channel.receive()")
    worker.send(DATA, 1, data)
    code, _, payload = worker.frame()
    assert code == CLOSE_ERROR and "LoadError" in loads_internal(payload)
    worker.exec("channel.send(1)", 3)
    assert worker.item() == 1


# --- the end ---


def test_terminate_when_idle_ends_at_once(raw):
    worker = raw()
    worker.send(TERMINATE)
    assert worker.popen.wait(4.5) == 0  # what is busy has five seconds


def test_eof_when_idle_runs_atexit_handlers(raw, tmp_path):
    worker = raw()
    flag = tmp_path / "flag"
    worker.exec("import atexit\natexit.register(open, %r, 'w')" % str(flag))
    assert worker.frame()[0] == CLOSE
    assert worker.close() == 0
    assert flag.exists()


def test_eof_wakes_a_waiting_execution(raw, tmp_path):
    worker = raw()
    out = tmp_path / "out"
    worker.exec(
        "channel.send(0)\ntry:\n    channel.receive()\nexcept EOFError as exc:\n"
        "    open(%r, 'w').write('eof')\n" % str(out)
    )
    worker.item()
    assert worker.close() == 0
    assert out.read_text() == "eof"


def test_running_execution_is_interrupted_after_five_seconds(raw, tmp_path):
    worker = raw()
    out = tmp_path / "out"
    worker.exec(
        "import time\nchannel.send(0)\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n"
        "    open(%r, 'w').write('interrupted')\n" % str(out)
    )
    worker.item()
    began = time.monotonic()
    worker.send(TERMINATE)
    assert worker.popen.wait(LIMIT) == 0
    assert 4 < time.monotonic() - began
    assert out.read_text() == "interrupted"


def test_interrupt_closes_the_channel_and_the_worker_goes_on(raw):
    worker = raw()
    worker.exec("import time\nchannel.send(0)\ntime.sleep(1000)")
    worker.item()
    os.kill(worker.popen.pid, signal.SIGINT)
    code, _, payload = worker.frame()
    assert (code, loads_internal(payload)) == (CLOSE_ERROR, "keyboard-interrupted")
    worker.exec("channel.send(1)", 3)
    assert worker.item() == 1


def test_interrupts_do_not_tear_frames(raw):
    worker = raw()
    worker.exec(
        """
import signal
armed = False
def handler(*args):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
interrupted = 0
for i in range(150):
    try:
        armed = True
        channel.send(b"x" * 300000)
        armed = False
    except KeyboardInterrupt:
        armed = False
        interrupted += 1
signal.setitimer(signal.ITIMER_REAL, 0)
channel.send(interrupted)
"""
    )
    item = None
    while not isinstance(item, int):
        item = worker.item()
        assert isinstance(item, int) or item == b"x" * 300000
    assert item > 0


def test_broken_frames_end_the_worker(raw):
    worker = raw(stderr=subprocess.PIPE)
    worker.send(50, 0)
    assert worker.popen.wait(LIMIT) == 0
    assert b"protocol error: unexpected frame code 50" in worker.popen.stderr.read()
    worker.popen.stderr.close()


def test_socket_server(tmp_path):
    import socket

    from execnet.script import socketserver

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    script = os.path.realpath(socketserver.__file__)
    # as socketserver.py runs it: eval of the line, exec with clientsock in the namespace
    code = (
        "import socket, sys\nserver = socket.socket(fileno=int(sys.argv[1]))\n"
        "for _ in range(2):\n    clientsock, address = server.accept()\n"
        "    f = clientsock.makefile('rb'); source = eval(f.readline().rstrip()); f.close()\n"
        "    exec(compile(source + '\\n', '<socket server>', 'exec'),"
        " {'clientsock': clientsock, 'address': address, 'execmodel': None})\n"
    )
    assert os.path.exists(script)
    server = subprocess.Popen(
        [PYTHON, "-c", code, str(listener.fileno())], pass_fds=[listener.fileno()]
    )
    try:
        for _ in range(2):
            with socket.create_connection(listener.getsockname(), LIMIT) as sock:
                sock.sendall(bootstrap(extra="FF_SOCKET=1\n"))
                stream = sock.makefile("rb")
                assert stream.read(1) == b"1"
                payload = dumps_internal(("channel.send(channel.receive())", None, None, {}))
                sock.sendall(struct.pack("!bii", EXEC, 1, len(payload)) + payload)
                payload = dumps_internal("over a socket")
                sock.sendall(struct.pack("!bii", DATA, 1, len(payload)) + payload)
                assert stream.read(9 + len(payload))[9:] == payload
                assert stream.read(9) == struct.pack("!bii", CLOSE, 1, 0)
                sock.sendall(struct.pack("!bii", TERMINATE, 0, 0))
                assert stream.read() == b""
        assert server.wait(LIMIT) == 0
    finally:
        server.kill()
        server.wait()
        listener.close()


# --- built-ins for hosts without the native worker ---


def builtin(worker, name, id=1, control=None, **kwargs):
    task = dumps_internal((builtin_text(name), name + ".py", name, kwargs))
    if control:  # a channel as keyword argument
        at = task.rindex(b"@")
        pair = dumps_internal("control")[:-1] + b"B" + struct.pack("!i", control) + b"P"
        task = task[:at] + pair + task[at:]
    worker.send(EXEC, id, task)


def gather(worker, limit=None):
    """All items of an execution, output joined; the error text, or None."""
    items, output = [], {"out": b"", "err": b""}
    while 1:
        code, _, payload = worker.frame()
        if code == CLOSE:
            return items, output, None
        if code == CLOSE_ERROR:
            return items, output, loads_internal(payload)
        item = loads_internal(payload)
        if item[0] in output:
            output[item[0]] += item[1]
        else:
            items.append(item)


def test_command(raw, tmp_path):
    worker = raw()
    builtin(
        worker, "command", shell="cat; pwd; echo $A$HOME. >&2; exit 3", stdin="in\n",
        cwd=str(tmp_path), env={"A": "a", "HOME": None},
    )
    (start, end), output, error = gather(worker)
    assert error is None and start[0] == "start" and start[1] > 0
    assert output == {"out": b"in\n%s\n" % str(tmp_path).encode(), "err": b"a.\n"}
    told = end[1]
    assert end[0] == "exit" and (told["exit"], told["signal"], told["status"]) == (3, None, 768)
    assert not (told["timed_out"] or told["killed"] or told["leaked"])
    assert told["wall_us"] > 0 and told["max_rss_kib"] > 0


def test_command_merge_nice_rlimits_and_big_output(raw):
    worker = raw()
    builtin(
        worker, "command", argv=["sh", "-c", "nice; ulimit -n; echo e >&2; head -c 3000000 /dev/zero"],
        merge=True, nice=3, rlimits={"nofile": 77},
    )
    _, output, error = gather(worker)
    expected = b"%d\n77\ne\n" % (os.nice(0) + 3)
    assert error is None and output["out"] == expected + bytes(3000000)


@pytest.mark.parametrize(
    "kwargs, text",
    [
        ({"argv": ["/not/there"]}, "cannot run '/not/there': No such file or directory"),
        ({"argv": ["true"], "cwd": "/no/dir"}, "cannot change to '/no/dir': No such file or directory"),
        ({}, "command: neither argv nor shell"),
        ({"argv": ["true"], "rlimits": {"x": 1}}, "unknown rlimit 'x'"),
    ],
)
def test_command_refused(raw, kwargs, text):
    worker = raw()
    builtin(worker, "command", **kwargs)
    assert gather(worker) == ([], {"out": b"", "err": b""}, text)


@pytest.mark.parametrize("trap, signum", [("", signal.SIGTERM), ("trap '' TERM; ", signal.SIGKILL)])
@pytest.mark.parametrize("how", ["timeout", "kill"])
def test_command_ended(raw, trap, signum, how):
    worker = raw()
    extra = {"timeout_us": 300000} if how == "timeout" else {}
    builtin(worker, "command", shell=trap + "echo up; while :; do sleep 9; done", grace_us=200000, **extra)
    assert worker.item()[0] == "start" and worker.item() == ("out", b"up\n")
    if how == "kill":
        worker.send(DATA, 1, dumps_internal(("kill",)))
    ((word, told),), _, error = gather(worker)
    assert (word, error, told["signal"], told["exit"]) == ("exit", None, signum, None)
    assert (told["timed_out"], told["killed"]) == (how == "timeout", how == "kill")


def test_command_signalled(raw):
    worker = raw()
    builtin(worker, "command", argv=["sleep", "60"])
    assert worker.item()[0] == "start"
    worker.send(DATA, 1, dumps_internal(("signal", int(signal.SIGUSR1))))
    ((_, told),), _, _ = gather(worker)
    assert told["signal"] == signal.SIGUSR1 and not told["killed"]


def test_command_leak_is_cut_and_its_group_killed(raw):
    worker = raw()
    builtin(worker, "command", shell="sleep 60 & echo $!", leak_us=50000)
    (_, (_, told)), output, _ = gather(worker)
    assert told["leaked"] and told["exit"] == 0
    wait_gone(int(output["out"]))


def test_command_endless_leak(raw):
    worker = raw()
    builtin(worker, "command", shell="yes & exit 4", leak_us=50000)
    (_, (_, told)), output, _ = gather(worker)
    assert told["leaked"] and told["exit"] == 4 and output["out"].startswith(b"y\ny\n")


def test_slow_controller_is_no_leak(raw):
    worker = raw()
    worker.hello(window=1000)
    builtin(worker, "command", argv=["head", "-c", "50000", "/dev/zero"], leak_us=1000)
    assert worker.item()[0] == "start"
    size = 0
    while size < 50000:
        word, data = worker.item()
        size += len(data)
        worker.quiet(0.05)
        worker.send(CREDIT, 1, struct.pack("!i", len(data) + 10))
    items, _, _ = gather(worker)
    assert size == 50000 and not items[-1][1]["leaked"]


def wait_gone(pid):
    """Killed, and no more than a zombie that its new parent has still to reap."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            with open("/proc/%d/stat" % pid) as fp:
                if fp.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
    raise AssertionError("process %d still runs" % pid)


def test_command_is_killed_when_the_channel_closes(raw):
    worker = raw()
    builtin(worker, "command", shell="echo $$; exec sleep 60")
    assert worker.item()[0] == "start"
    pid = int(worker.item()[1])
    worker.send(CLOSE, 1)
    wait_gone(pid)
    worker.exec("channel.send(1)", 3)
    assert worker.item() == 1


DAEMONS = """
sleep 1001 & echo $!
setsid sleep 1002 & echo $!
setsid sh -c 'sh -c "env -i sleep 1003 & echo \\$!"' &
sleep 1004
"""


def start_daemons(worker, id=1):
    """A command that leaves nothing out; gives the pids of what runs, its own first."""
    builtin(worker, "command", id=id, shell=DAEMONS)
    word, pid = worker.item()
    assert word == "start"
    text = b"%d\n" % pid
    while text.count(b"\n") < 4:
        text += worker.item()[1]
    return [int(line) for line in text.split()]


def guard_of(pid):
    """The parent of a command."""
    with open("/proc/%d/stat" % pid) as fp:
        return int(fp.read().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("victim", ["worker", "group", "guard", "line", "terminate"])
def test_no_orphans(raw, victim):
    worker = raw(start_new_session=True)
    pids = start_daemons(worker)
    guard = guard_of(pids[0])
    try:
        if victim == "worker":
            os.kill(worker.popen.pid, signal.SIGKILL)
        elif victim == "group":
            os.killpg(worker.popen.pid, signal.SIGKILL)
        elif victim == "guard":
            os.kill(guard, signal.SIGKILL)
        elif victim == "line":
            worker.popen.stdin.close()
        else:
            worker.send(TERMINATE)
        assert worker.popen.wait(LIMIT) == {"guard": 1, "line": 0, "terminate": 0}.get(victim, -9)
        for pid in pids + [guard]:
            wait_gone(pid)
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def test_a_daemon_of_a_command_lives_with_the_worker(raw):
    worker = raw()
    # It is a daemon once it leads a session: not a moment earlier.
    shell = ("setsid sleep 1001 >/dev/null 2>&1 & p=$!\n"
             "until [ \"$(cut -d' ' -f6 /proc/$p/stat)\" = $p ]; do :; done; echo $p")
    builtin(worker, "command", shell=shell)
    items, output, error = gather(worker)
    assert error is None and not items[-1][1]["leaked"]
    pid = int(output["out"])
    os.kill(pid, 0)
    worker.send(TERMINATE)
    assert worker.popen.wait(LIMIT) == 0
    wait_gone(pid)


def test_a_forked_child_does_not_keep_the_guard(raw):
    """It has copies of all descriptors of the worker."""
    worker = raw()
    pids = start_daemons(worker)
    worker.exec("import os, time\npid = os.fork()\nif not pid: time.sleep(1000)\nchannel.send(pid)", 3)
    child = worker.item()
    os.kill(worker.popen.pid, signal.SIGKILL)
    try:
        for pid in pids:
            wait_gone(pid)
    finally:
        os.kill(child, signal.SIGKILL)


def test_many_commands_at_once(raw):
    worker = raw()
    for n in range(20):
        builtin(worker, "command", id=2 * n + 1, shell="echo %d; exit %d" % (n, n))
    ended = {}
    while len(ended) < 20:
        code, id, payload = worker.frame()
        if code == DATA:
            item = loads_internal(payload)
            if item[0] == "exit":
                ended[id // 2] = item[1]["exit"]
        else:
            assert code == CLOSE
    assert ended == {n: n for n in range(20)}


def test_command_stalls_without_credit_and_can_be_killed_then(raw):
    worker = raw()
    worker.hello(window=100000)
    builtin(worker, "command", argv=["cat", "/dev/zero"])
    assert worker.item()[0] == "start"
    assert worker.item()[0] == "out" and worker.item()[0] == "out"
    assert worker.quiet()
    worker.send(DATA, 1, dumps_internal(("kill",)))
    worker.send(CREDIT, 1, struct.pack("!i", 1 << 30))
    items, _, _ = gather(worker)
    assert items[-1][1]["signal"] == signal.SIGTERM and items[-1][1]["killed"]


def test_configure(raw, tmp_path):
    worker = raw()
    builtin(worker, "configure", chdir=str(tmp_path / "a" / "b"), env={"FF_X": "x", "PATH": None}, nice=1)
    ((_, cwd),) = worker.item().items()
    assert cwd == str(tmp_path / "a" / "b") and worker.frame() == (CLOSE, 1, b"")
    worker.exec("import os\nchannel.send((os.getcwd(), os.environ['FF_X'], 'PATH' in os.environ, os.nice(0)))", 3)
    assert worker.item() == (cwd, "x", False, os.nice(0) + 1)
    assert worker.frame()[0] == CLOSE
    (tmp_path / "file").write_text("")
    builtin(worker, "configure", 5, chdir=str(tmp_path / "file"))
    assert gather(worker)[2] == "cannot create '%s': File exists" % (tmp_path / "file")


def test_proxy(raw):
    worker = raw()
    builtin(worker, "proxy", control=3, argv=["sh", "-c", "echo note >&2; cat; exit 5"])
    assert worker.frame() == (DATA, 3, dumps_internal(("stderr", b"note\n")))
    worker.send(DATA, 1, dumps_internal(b"bytes"))
    assert worker.frame() == (DATA, 1, dumps_internal(b"bytes"))
    for request in (3, 2, 4):
        worker.send(DATA, 3, dumps_internal(request))
    got = [worker.frame() for _ in range(6)]
    assert [loads_internal(p) for _, id, p in got if id == 3 and p] == [None, None, 5, ("exit", 5 << 8)]
    assert [frame for frame in got if not frame[2]] == [(CLOSE, 3, b""), (CLOSE, 1, b"")]


def test_proxy_kill_and_close(raw):
    worker = raw()
    builtin(worker, "proxy", control=3, argv=["sleep", "60"])
    worker.send(DATA, 3, dumps_internal(1))
    got = [worker.frame() for _ in range(4)]
    assert [loads_internal(p) for _, _, p in got if p] == [None, ("exit", 9)]
    builtin(worker, "proxy", 5, control=7, argv=["sh", "-c", "echo $$; exec sleep 60"])
    pid = int(worker.item())
    worker.send(CLOSE, 5)
    wait_gone(pid)


def test_gateway_through_a_proxy(gw):
    """execnet's own form: the fields of an xspec, then the control channel, then the stream."""
    source = builtin_text("proxy") + "\nproxy(channel)\n"
    channel = gw.remote_exec(source)
    control = gw.newchannel()
    channel.send({"popen": True, "python": PYTHON})
    channel.send(control)
    channel.send(bootstrap())
    data = channel.receive(LIMIT)
    payload = dumps_internal(("channel.send(42)", None, None, {}))
    channel.send(struct.pack("!bii", EXEC, 1, len(payload)) + payload)
    expected = struct.pack("!bii", DATA, 1, 6) + dumps_internal(42) + struct.pack("!bii", CLOSE, 1, 0)
    while len(data) < 1 + len(expected):
        data += channel.receive(LIMIT)
    assert data == b"1" + expected
    control.send(3)
    assert control.receive(LIMIT) is None
    control.send(4)
    control.send(2)
    assert [control.receive(LIMIT), control.receive(LIMIT)] == [None, 0]
    channel.waitclose(LIMIT)


# --- tree sync ---


def manifest(root, patch=None):
    """What a sender says of a folder: (bytes, [path])."""
    out, paths, previous = [b"FFT1"], [], b""

    def add(path, full):
        nonlocal previous
        found = os.lstat(full)
        kind = "d" if stat.S_ISDIR(found.st_mode) else "l" if stat.S_ISLNK(found.st_mode) else "f"
        shared = len(os.path.commonprefix([previous, path]))
        head = (ord(kind), found.st_mode & 0o7777, found.st_mtime_ns, shared, len(path) - shared)
        out.append(struct.pack(">BHqHH", *head) + path[shared:])
        if kind == "f":
            out.append(struct.pack(">Q", found.st_size))
        if kind == "l":
            target = os.readlink(full)
            out.append(struct.pack(">H", len(target)) + target)
        paths.append(path)
        previous = path
        if kind == "d":
            for name in sorted(os.listdir(full)):
                add(path + b"/" + name if path else name, os.path.join(full, name))

    add(b"", os.fsencode(root))
    return b"".join(out), paths


def raw_manifest(*entries):
    out = [b"FFT1"]
    for kind, path, more in entries:
        out.append(struct.pack(">BHqHH", ord(kind), 0o755, 0, 0, len(path)) + path + more)
    return b"".join(out)


class Sync:
    """A sender, as simple as can be."""

    def __init__(self, worker, source, dest, id=1, blocks=100000, **kwargs):
        kwargs.setdefault("version", 1)
        builtin(worker, "rsync", id, dest=str(dest), **kwargs)
        self.worker, self.id, self.need, self.hashes, self.done = worker, id, [], {}, None
        data, paths = (source, []) if isinstance(source, bytes) else manifest(source)
        for at in range(0, len(data), 1000):
            self.send("m", data[at : at + 1000])
        self.send("m", None)
        self.error = self.ask()
        if self.error is None:
            self.answer(source, paths, blocks)

    def send(self, *item):
        self.worker.send(DATA, self.id, dumps_internal(item))

    def item(self):
        code, id, payload = self.worker.frame()
        assert id == self.id
        if code == CLOSE_ERROR:
            self.error = loads_internal(payload)
            return None
        return loads_internal(payload) if payload else None

    def ask(self):
        while 1:
            item = self.item()
            if item is None:
                return self.error
            if item == ("need", None):
                return None
            if item[0] == "need":
                self.need += struct.unpack(">%dI" % (len(item[1]) // 4), item[1])
            else:
                assert item[:2] == ("hash", "md5")
                for at in range(0, len(item[2]), 20):
                    (index,) = struct.unpack_from(">I", item[2], at)
                    self.hashes[index] = item[2][at + 4 : at + 20]

    def answer(self, source, paths, blocks):
        for index in self.need + list(self.hashes):
            with open(os.path.join(os.fsencode(source), paths[index]), "rb") as fp:
                data = fp.read()
            if self.hashes.get(index) == hashlib.md5(data).digest():
                self.record(index, 2 | 4)
                continue
            parts = [data[at : at + blocks] for at in range(0, len(data), blocks)] or [b""]
            for i, part in enumerate(parts):
                self.record(index, (i == 0) | (i == len(parts) - 1) << 1, part)
        self.send("end", None)
        item = self.item()
        if item is not None:
            assert item[0] == "done" and self.item() is None
            self.done = item[1]

    def record(self, index, flags, data=b""):
        self.send("d", struct.pack(">IBI", index, flags, len(data)) + data)


def tree_of(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files + ["."]:
            path = os.path.normpath(os.path.join(folder, name))
            info = os.lstat(path)
            what = None
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as fp:
                    what = fp.read()
            elif stat.S_ISLNK(info.st_mode):
                what = os.readlink(path)
            key = os.path.relpath(path, root)
            found[key] = (info.st_mode, info.st_mtime_ns, what)
    return found


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty dir").mkdir()
    (root / "a.txt").write_text("a")
    (root / "empty").write_text("")
    (root / "sub" / "big").write_bytes(bytes(range(256)) * 2000)
    (root / "sub" / "deep" / "\xfc\udcff").write_text("name")
    (root / "sub-2").write_text("sorts between")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("sub/big")
    (root / "dangling").symlink_to("/nowhere/at/all")
    (root / "empty dir").chmod(0o750)
    os.utime(root / "sub", ns=(1, 1234567890123456789))
    return root


def test_rsync_whole_then_nothing_then_what_changed(raw, source, tmp_path):
    worker, dest = raw(), tmp_path / "x" / "dest"
    sync = Sync(worker, source, dest)
    assert sync.error is None and tree_of(dest) == tree_of(source)
    assert sync.done["files"] == 6 and sync.done["bytes"] == 512028 and sync.done["deleted"] == 0
    assert sync.done["root"] == str(dest) and sync.done["problems"] == []

    sync = Sync(worker, source, dest, 3)
    assert (sync.need, sync.hashes, sync.done["files"]) == ([], {}, 0)

    (dest / "extra").write_text("stays")
    (source / "a.txt").write_text("longer")
    os.utime(source / "sub" / "big")  # only its time: the hash tells
    (source / "link").unlink()
    (source / "link").mkdir()
    (source / "link" / "inside").write_text("i")
    (source / "run").chmod(0o700)
    (source / "sub-2").unlink()
    (source / "sub-2").symlink_to("a.txt")
    sync = Sync(worker, source, dest, 5)
    assert sync.error is None and len(sync.hashes) == 1 and sync.done["files"] == 2
    (dest / "extra").unlink()
    os.utime(dest, ns=(1, os.stat(source).st_mtime_ns))
    assert tree_of(dest) == tree_of(source)


def test_rsync_delete_and_things_in_the_way(raw, source, tmp_path):
    worker, dest = raw(), tmp_path / "dest"
    (dest / "a.txt" / "dir").mkdir(parents=True)
    (dest / "a.txt" / "dir" / "file").write_text("")
    (dest / "link").mkdir()
    (dest / "link" / "file").write_text("")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    (dest / "sub").symlink_to(outside)
    (dest / "run").symlink_to(outside / "precious")
    (dest / "old" / "older").mkdir(parents=True)
    (dest / "old" / "older" / "file").write_text("")
    (dest / "old" / "out").symlink_to(outside)
    (dest / (".ff-" + "0" * 20 + ".tmp")).write_text("at work")
    (dest / (".ff-" + "1" * 20 + ".tmp")).write_text("left behind")
    os.utime(dest / (".ff-" + "1" * 20 + ".tmp"), (1, 1))
    sync = Sync(worker, source, dest, delete=True)
    # No sync brought it: it stays. What killed syncs left goes, since no other one is at work.
    assert sync.error is None and sync.done["deleted"] == 0
    assert (dest / "old" / "older" / "file").exists() and (dest / "old" / "out").is_symlink()
    assert not list(dest.glob(".ff-*"))
    shutil.rmtree(dest / "old")
    os.utime(dest, ns=(1, os.stat(source).st_mtime_ns))
    assert tree_of(dest) == tree_of(source)
    shutil.rmtree(source / "sub")
    (source / "a.txt").unlink()
    sync = Sync(worker, source, dest, 3, delete=True)
    assert sync.error is None and sync.done["deleted"] == 5
    assert tree_of(dest) == tree_of(source)
    assert [p.name for p in outside.iterdir()] == ["precious"]
    assert (outside / "precious").read_text() == "keep"


ROOT = ("d", b"", b"")
EMPTY = struct.pack(">Q", 0)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"FFT2", b"FFT1", raw_manifest(ROOT)[:-1], raw_manifest(("f", b"", EMPTY)),
        raw_manifest(ROOT, ("f", b"../x", EMPTY)), raw_manifest(ROOT, ("f", b"/etc/x", EMPTY)),
        raw_manifest(ROOT, ("d", b"..", b"")), raw_manifest(ROOT, ("d", b".", b"")),
        raw_manifest(ROOT, ("d", b"a", b""), ("f", b"a/../x", EMPTY)),
        raw_manifest(ROOT, ("f", b"a//x", EMPTY)), raw_manifest(ROOT, ("f", b"a/x", EMPTY)),
        raw_manifest(ROOT, ("f", b"b", EMPTY), ("f", b"a", EMPTY)),
        raw_manifest(ROOT, ("f", b"a", EMPTY), ("f", b"a", EMPTY)),
        raw_manifest(ROOT, ("l", b"a", b"\0\1/"), ("f", b"a/x", EMPTY)),
        raw_manifest(ROOT, ("l", b"a", b"\0\0")), raw_manifest(ROOT, ("x", b"a", b"")),
        raw_manifest(ROOT, ("f", b"a\0b", EMPTY)), raw_manifest(ROOT, ROOT),
        raw_manifest(ROOT, ("f", b".ff-0123456789abcdef.tmp", EMPTY)),
        raw_manifest(ROOT, ("d", b"a", b""), ("f", b"b", EMPTY), ("f", b"a/x", EMPTY)),
    ],
)
def test_rsync_refuses_bad_manifests(raw, tmp_path, data):
    dest = tmp_path / "dest"
    sync = Sync(raw(), data, dest)
    assert sync.error.startswith("manifest") and "\n" not in sync.error
    assert list(dest.iterdir()) == []


@pytest.mark.parametrize(
    "record",
    [
        struct.pack(">IBI", 1, 2, 1) + b"x",  # no beginning
        struct.pack(">IBI", 0, 3, 0), struct.pack(">IBI", 9, 3, 0), struct.pack(">IBI", 1, 32, 0),
        struct.pack(">IBI", 1, 3, 5) + b"x", b"short", struct.pack(">IBI", 1, 4, 0),
        struct.pack(">IBI", 1, 6, 1) + b"x", struct.pack(">IBI", 1, 16, 3) + b"xxx",
    ],
)
def test_rsync_refuses_bad_records(raw, tmp_path, record):
    worker = raw()
    sync = Sync.__new__(Sync)
    builtin(worker, "rsync", 1, dest=str(tmp_path / "d"), version=1)
    sync.worker, sync.id, sync.need, sync.error = worker, 1, [], None
    sync.send("m", raw_manifest(ROOT, ("f", b"a", struct.pack(">Q", 5))))
    sync.send("m", None)
    assert sync.ask() is None and sync.need == [1]
    sync.send("d", struct.pack(">IBI", 1, 1, 2) + b"be" + record if record[4:5] == b"\6" else record)
    assert sync.item() is None and sync.error.startswith("sync: ")
    assert list((tmp_path / "d").iterdir()) == []


def test_rsync_void_parts_gone_and_meta(raw, tmp_path):
    worker, dest = raw(), tmp_path / "d"
    dest.mkdir()
    (dest / "c").write_text("old")
    sync = Sync.__new__(Sync)
    builtin(worker, "rsync", 1, dest=str(dest), version=1)
    sync.worker, sync.id, sync.need, sync.error = worker, 1, [], None
    size = struct.pack(">Q", 5)
    sync.send("m", raw_manifest(ROOT, ("f", b"a", size), ("f", b"b", size), ("f", b"c", size)))
    sync.send("m", None)
    assert sync.ask() is None and sync.need == [1, 2, 3]
    record = struct.Struct(">IBI").pack
    sync.send("d", record(1, 1, 2) + b"xx" + record(1, 16, 10) + struct.pack(">qH", 10**9, 0o600))
    sync.send("d", record(1, 1, 3) + b"abc" + record(1, 0, 1) + b"d" + record(1, 2, 0))
    sync.send("d", record(3, 1, 2) + b"xx" + record(3, 10, 0) + record(2, 3, 1) + b"b")
    sync.send("end", None)
    assert sync.item()[1]["files"] == 2
    assert {p.name: p.read_text() for p in dest.iterdir()} == {"a": "abcd", "b": "b", "c": "old"}
    info = (dest / "a").stat()
    assert (info.st_mtime, info.st_mode & 0o7777) == (1, 0o600)


def test_rsync_end_of_the_connection_leaves_no_temporary_file(raw, tmp_path):
    worker, dest = raw(), tmp_path / "d"
    sync = Sync.__new__(Sync)
    builtin(worker, "rsync", 1, dest=str(dest), version=1)
    sync.worker, sync.id, sync.need, sync.error = worker, 1, [], None
    sync.send("m", raw_manifest(ROOT, ("f", b"a", struct.pack(">Q", 5))))
    sync.send("m", None)
    sync.ask()
    sync.send("d", struct.pack(">IBI", 1, 1, 2) + b"xx")
    assert worker.close() == 0
    assert list(dest.iterdir()) == []


def test_rsync_refused_places(raw, tmp_path):
    worker = raw(env=dict(os.environ, HOME=str(tmp_path / "home")))
    (tmp_path / "home" / "below").mkdir(parents=True)
    one = raw_manifest(ROOT)
    for i, dest in enumerate(("/", tmp_path, tmp_path / "home")):
        error = Sync(worker, one, dest, 1 + 2 * i, delete=True).error
        assert error.startswith("%s: delete is refused for " % dest)
    assert Sync(worker, one, tmp_path / "home" / "below", 7, delete=True).error is None
    assert Sync(worker, one, tmp_path / "v", 9, version=3).error == (
        "sync: version 3 of the protocol is not known"
    )
    (tmp_path / "file").write_text("")
    assert Sync(worker, one, tmp_path / "file", 11).error == "%s: File exists" % (tmp_path / "file")


# --- beyond execnet ---


def test_hello(raw):
    worker = raw()
    told = worker.hello()
    assert told.pop("pid") == worker.popen.pid
    assert told.pop("window") == 1 << 20 and told.pop("version") == 1
    assert told.pop("cwd") == os.getcwd() and told.pop("worker") == "python"
    assert told.pop("platform") == sys.platform
    assert told.pop("cpus") == len(os.sched_getaffinity(0))
    assert told.pop("memory_kib") == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    assert set(told) == {"python", "executable"}


def test_without_hello_nothing_of_ours_is_sent(raw):
    worker = raw()
    worker.exec("for x in channel: pass")
    for _ in range(40):
        worker.send(DATA, 1, dumps_internal(b"x" * 50000))
    worker.send(CLOSE, 1)
    worker.exec("channel.send(b'y' * 3000000)", 3)
    assert worker.frame()[:2] == (DATA, 3)
    assert worker.frame() == (CLOSE, 3, b"")


def credit_of(frames):
    return sum(struct.unpack("!i", payload)[0] for code, _, payload in frames if code == CREDIT)


def test_sender_stalls_without_credit_and_goes_on_with_it(raw):
    worker = raw()
    worker.hello(window=10000)
    worker.exec("for i in range(100): channel.send(bytes(999 - 6))")
    for _ in range(11):  # 999 bytes each: the eleventh begins when 9990 are under way
        code, _, payload = worker.frame()
        assert code == DATA and len(payload) == 999
    assert worker.quiet()
    worker.exec("channel.send('another channel flows')", 3)
    assert worker.item() == "another channel flows"
    assert worker.frame() == (CLOSE, 3, b"")
    got = 11
    while got < 100:
        worker.send(CREDIT, 1, struct.pack("!i", 999))
        assert worker.frame()[0] == DATA
        got += 1
    assert worker.frame() == (CLOSE, 1, b"")


@pytest.mark.parametrize("how", ["close", "eof"])
def test_stalled_sender_wakes_at_the_end(raw, how, tmp_path):
    worker = raw()
    worker.hello(window=100)
    out = tmp_path / "out"
    worker.exec(
        "try:\n    channel.send(b'x' * 200)\n    channel.send(b'x' * 200)\n    channel.send(1)\n"
        "except OSError as exc:\n    open(%r, 'w').write(str(exc))\n" % str(out)
    )
    assert worker.frame()[0] == DATA
    if how == "close":
        worker.send(CLOSE, 1)
        worker.exec("channel.send(1)", 3)
        worker.send(CREDIT, 3, struct.pack("!i", 1))
        assert worker.item() == 1
        assert worker.close() == 0
        assert out.read_text() == "cannot send to <Channel id=1 closed>"
    else:
        worker.popen.stdout.close()
        worker.popen.stdin.close()
        assert worker.popen.wait(LIMIT) == 0
        assert out.read_text().startswith("cannot send")


def test_received_items_give_credit_back_in_bulk(raw):
    worker = raw()
    worker.hello()
    worker.exec("for x in channel: pass\nchannel.send(1)")
    size = 0
    for _ in range(30):
        payload = dumps_internal(b"x" * 50000)
        size += len(payload)
        worker.send(DATA, 1, payload)
    frames = [worker.frame(), worker.frame()]
    assert all(code == CREDIT and id == 1 for code, id, _ in frames)
    assert size - (1 << 19) < credit_of(frames) <= size


def test_unread_items_give_no_credit(raw):
    worker = raw()
    worker.hello()
    worker.exec("c = channel.receive()\nc.waitclose()\nchannel.send(1)\nfor x in c: pass\nchannel.send(2)")
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    for _ in range(15):
        worker.send(DATA, 3, dumps_internal(b"x" * 50000))
    worker.send(LAST_MESSAGE, 3)
    assert worker.item() == 1
    assert worker.item() == 2  # and none after the sender's last message either


def test_callback_gives_credit_even_when_its_channel_is_dropped(raw):
    worker = raw()
    worker.hello()
    worker.exec("c = channel.receive()\nc.setcallback(len, None)\ndel c\nchannel.receive()")
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.frame() == (LAST_MESSAGE, 3, b"")
    payload = dumps_internal(b"x" * 300000)
    worker.send(DATA, 3, payload)
    worker.send(DATA, 3, payload)
    assert worker.frame() == (CREDIT, 3, struct.pack("!i", 2 * len(payload)))


def test_callback_that_sends_without_credit_does_not_block_the_reader(raw):
    worker = raw()
    worker.hello(window=10)
    worker.exec("channel.setcallback(channel.send)\nchannel.waitclose()")
    for i in range(5):
        worker.send(DATA, 1, dumps_internal("item %d is long enough" % i))
    for i in range(5):
        assert worker.item() == "item %d is long enough" % i
        if i < 4:
            worker.send(CREDIT, 1, struct.pack("!i", len(dumps_internal("item 0 is long enough"))))


@pytest.mark.parametrize("how", ["ch.close()", "ch.close('oops')", "del ch"])
def test_close_keeps_its_place_behind_what_waits(raw, how):
    worker = raw()
    worker.hello(window=10)
    worker.exec(
        "def back(x, c=[channel.receive()]):\n    c[0].send(x)\n    if x == 3:\n"
        "        ch = c.pop(0)\n        %s\nother = channel.receive()\n"
        "other.setcallback(back)\nother.waitclose()" % how
    )
    for id in 3, 5:
        worker.send(DATA, 1, b"B" + struct.pack("!i", id) + b"Q")
    for x in (1, 2, 3):
        worker.send(DATA, 5, dumps_internal(x))
    size = len(dumps_internal(1))
    assert worker.frame()[:2] == (DATA, 3) and worker.frame()[:2] == (DATA, 3)
    assert worker.quiet()
    worker.send(DATA, 3, dumps_internal(b"x" * 600000))  # nobody wants it: credited at once
    code, id, payload = worker.frame()
    assert (code, id) == (CREDIT, 3) and struct.unpack("!i", payload)[0] > 600000
    worker.send(CREDIT, 3, struct.pack("!i", 2 * size))
    assert worker.frame() == (DATA, 3, dumps_internal(3))
    code, id, payload = worker.frame()
    assert id == 3
    if "oops" in how:
        assert (code, loads_internal(payload)) == (CLOSE_ERROR, "oops")
    else:
        assert (code, payload) == (CLOSE, b"")


def test_a_talk_sends_with_a_time_limit(raw):
    top = os.path.join(os.path.dirname(__file__), "..", "..")
    with open(os.path.join(top, "core", "python", "farflung", "talk.py")) as file:
        source = file.read()
    worker = raw()
    worker.hello(window=10)
    worker.exec(source + """
talk = Talk(channel)
try:
    talk.send("longer than the window", "two", "three", timeout=0.01)
except channel.TimeoutError as exc:
    talk.set(sent=exc.sent)
talk.send("more", timeout=%d)
""" % LIMIT)
    assert worker.item() == "longer than the window"
    for item in ("\0names", {"sent": 1}), "more":
        assert worker.quiet(0.05)
        worker.send(CREDIT, 1, struct.pack("!i", 28))
        assert worker.item() == item
        

@pytest.mark.parametrize("code", [CREDIT, HEARTBEAT])
def test_ours_before_hello_is_refused(raw, code):
    worker = raw(stderr=subprocess.PIPE)
    worker.send(code, 0, b"\0\0\0\1")
    assert worker.popen.wait(LIMIT) == 0
    assert b"protocol error: unexpected frame code" in worker.popen.stderr.read()
    worker.popen.stderr.close()


def test_heartbeats(raw):
    worker = raw()
    worker.hello(heartbeat_us=20000)
    for _ in range(3):
        assert worker.frame() == (HEARTBEAT, 0, b"")
    worker.send(HEARTBEAT)
    worker.exec("channel.send(1)")
    while 1:
        code, _, payload = worker.frame()
        if code == DATA:
            break
        assert code == HEARTBEAT


def test_silence_ends_the_worker_even_while_it_executes(raw):
    worker = raw()
    worker.hello(heartbeat_us=50000, silence_us=300000)
    worker.exec("import time\ntime.sleep(1000)")
    assert worker.popen.wait(LIMIT) == 1


def test_silence_ends_the_worker_when_nobody_reads(raw):
    worker = raw()
    worker.hello(heartbeat_us=50000, silence_us=500000, window=1 << 30)
    worker.exec("while 1: channel.send(b'x' * 100000)")
    assert worker.popen.wait(LIMIT) == 1


def test_its_own_pause_is_not_our_silence(raw):
    """A stopped worker could not hear us: it gives us a new limit when it goes on, every time."""
    worker = raw()
    worker.hello(heartbeat_us=50000, silence_us=1000000)
    for _ in range(2):
        os.kill(worker.popen.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(worker.popen.pid, signal.SIGCONT)
        began = time.monotonic()
        while time.monotonic() - began < 0.3:
            assert worker.frame()[0] == HEARTBEAT
    assert worker.popen.wait(LIMIT) == 1  # and then it is


def test_traffic_counts_as_life(raw):
    worker = raw()
    worker.hello(heartbeat_us=100000, silence_us=2000000)
    beats = 0
    while beats < 40:  # twice the silence, kept alive by our answers only
        if worker.frame()[0] == HEARTBEAT:
            beats += 1
            worker.send(HEARTBEAT)
    assert worker.popen.poll() is None


# --- what must not bring it down ---


def goes_on(worker, id=99):
    worker.exec("channel.send('goes on')", id)
    assert worker.item() == "goes on"
    assert worker.frame() == (CLOSE, id, b"")


def test_callback_that_exits_closes_its_channel_only(raw):
    worker = raw(stderr=subprocess.DEVNULL)
    worker.exec("import sys\nc = channel.receive()\nc.setcallback(sys.exit)\n"
                "channel.send(1)\nchannel.receive()")  # fmt: skip
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.item() == 1
    worker.send(DATA, 3, dumps_internal(3))
    code, id, payload = worker.frame()
    assert (code, id) == (CLOSE_ERROR, 3) and "SystemExit: 3" in loads_internal(payload)
    goes_on(worker)


def test_error_of_a_callback_keeps_its_place_behind_what_waits(raw):
    worker = raw()
    worker.hello(window=1)
    worker.exec("def back(x):\n    c.send(x)\n    c.send(x)\n    1 / 0\nc = channel.receive()\n"
                "c.setcallback(back)\nchannel.send(0)\nchannel.receive()")  # fmt: skip
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.item() == 0
    worker.send(DATA, 3, dumps_internal(5))
    assert worker.frame() == (DATA, 3, dumps_internal(5))
    assert worker.quiet()
    worker.send(CREDIT, 3, struct.pack("!i", 6))
    assert worker.frame() == (DATA, 3, dumps_internal(5))
    code, id, payload = worker.frame()
    assert (code, id) == (CLOSE_ERROR, 3) and "ZeroDivisionError" in loads_internal(payload)


def test_two_tasks_for_one_channel(raw):
    worker = raw()
    worker.exec("channel.send(channel.receive())")
    worker.exec("channel.send(channel.receive())")
    for _ in range(2):
        worker.send(DATA, 1, dumps_internal(1))
    assert worker.item() == 1
    while worker.frame()[:2] != (CLOSE, 1):
        pass
    worker.exec("channel.send('goes on')", 3)
    while worker.frame() != (DATA, 3, dumps_internal("goes on")):
        pass


@pytest.mark.parametrize("end", ["close", "eof"])
def test_endmarker_that_fails(raw, tmp_path, end):
    worker = raw(stderr=subprocess.PIPE)
    out = tmp_path / "out"
    worker.exec(
        "c, d = channel.receive(), channel.receive()\nc.setcallback(lambda x: 1 / 0, 0)\n"
        "d.setcallback(open(%r, 'w').write, 'end')\nchannel.send(1)\nc.waitclose()\n"
        "channel.send(2)\nd.waitclose()" % str(out)
    )
    for id in 3, 5:
        worker.send(DATA, 1, b"B" + struct.pack("!i", id) + b"Q")
    assert worker.item() == 1
    if end == "close":
        worker.send(CLOSE, 3)
        assert worker.item() == 2
        goes_on(worker)
    worker.popen.stdin.close()
    assert worker.popen.wait(LIMIT) == 0
    assert out.read_text() == "end"
    assert b"ZeroDivisionError" in worker.popen.stderr.read()
    worker.popen.stderr.close()


@pytest.mark.parametrize(
    "source, part",
    [
        ("raise ValueError('\\udc80')", "ValueError: \\udc80"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E: <"),
        ("class E(Exception):\n    @property\n    def ff_text(self): 1 / 0\nraise E", "E"),
        ("import sys\nsys.modules['traceback'] = None\n1 / 0", "ZeroDivisionError"),
        ("import os, signal\nclass E(Exception):\n    @property\n    def ff_text(self):\n"
         "        os.kill(os.getpid(), signal.SIGINT)\n        while 1: pass\nraise E", "keyboard-int"),
    ],
)  # fmt: skip
def test_strange_exceptions(raw, source, part):
    worker = raw()
    worker.exec(source)
    code, _, payload = worker.frame()
    assert code == CLOSE_ERROR and part in loads_internal(payload)
    goes_on(worker)


@pytest.mark.parametrize("task", [(), ("x",), (1, None, None, {}), ("x = 1", 5, None, {}), 7])
def test_bad_tasks_fail_alone(raw, task):
    worker = raw()
    worker.send(EXEC, 1, dumps_internal(task))
    assert worker.frame()[0] == CLOSE_ERROR
    goes_on(worker)


def test_thread_that_can_not_start(raw):
    worker = raw()
    worker.exec("import _thread\n_thread.stack_size(1 << 46)\nchannel.send(1)\nchannel.receive()")
    assert worker.item() == 1
    worker.exec("channel.send(1)", 3)
    code, id, payload = worker.frame()
    assert (code, id) == (CLOSE_ERROR, 3) and "cannot execute: " in loads_internal(payload)
    worker.send(DATA, 1, dumps_internal(1))
    assert worker.frame() == (CLOSE, 1, b"")
    goes_on(worker)


def test_interrupts_while_it_closes_a_channel(raw, tmp_path):
    worker = raw()
    flag = tmp_path / "flag"
    worker.exec(
        """
import os, _thread
c = channel.receive()
_thread.start_new_thread(c.send, (b"x" * 1000000,))
while channel.gateway._writelock.acquire(False):  # until it writes, which nobody reads
    channel.gateway._writelock.release()
open(%r, "w")
""" % str(flag)
    )
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    until(flag.exists)
    for _ in range(3):
        os.kill(worker.popen.pid, signal.SIGINT)
    ends = [worker.frame()[:2] for _ in range(2)]
    assert (DATA, 3) in ends and ends[1][1] in (1, 3)
    worker.exec("channel.send('goes on')", 99)
    while worker.frame() != (DATA, 99, dumps_internal("goes on")):
        pass


def until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_folder_that_is_gone(raw, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    worker = raw(cwd=str(gone))
    gone.rmdir()
    assert worker.hello()["cwd"] == ""
    goes_on(worker)


def test_tasks_are_read_as_ever_after_reconfigure(raw):
    worker = raw()
    worker.send(RECONFIGURE, 0, dumps_internal((False, True)))
    worker.exec("channel.send(type(channel.receive()).__name__)")
    worker.send(DATA, 1, dumps_internal("x"))
    assert worker.item() == "bytes"


@pytest.mark.parametrize("digits", [4300, 4301, 20000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_very_long_ints(raw, digits, sign):
    worker = raw()
    worker.exec("x = channel.receive()\nchannel.send(x)\nchannel.send((x + 1) % 1000007)")
    text = (sign + "12345678" * digits)[: digits + len(sign)].encode()
    payload = b"H" + struct.pack("!i", len(text)) + text + b"Q"
    worker.send(DATA, 1, payload)
    code, _, back = worker.frame()
    assert code == DATA and back == payload
    modulo = 0
    for digit in text.lstrip(b"-"):
        modulo = (modulo * 10 + digit - 48) % 1000007
    assert worker.item() == ((-modulo if sign else modulo) + 1) % 1000007


def test_an_item_can_not_claim_more_than_it_brings(raw):
    worker = raw()
    worker.exec("channel.receive()")
    claim = b"K" + struct.pack("!i", 800000)
    worker.send(DATA, 1, claim * 200000 + b"Q")
    code, _, payload = worker.frame()
    assert code == CLOSE_ERROR and "is too large" in loads_internal(payload)
    goes_on(worker)


def test_who_waits_in_receive_hears_of_the_callback(gw):
    channel = gw.remote_exec(
        """
        import sys, threading
        other = channel.receive()
        def wait():
            try:
                other.receive()
            except OSError as exc:
                channel.send(str(exc))
        thread = threading.Thread(target=wait)
        thread.start()
        while sys._current_frames()[thread.ident].f_code.co_name != "receive": pass
        other.setcallback(channel.send)
        thread.join()
        """
    )
    other = gw.newchannel()
    channel.send(other)
    assert channel.receive(LIMIT) == "cannot receive(), channel has receiver callback"
    channel.waitclose(LIMIT)


def test_callback_that_fails_on_queued_items_leaves_no_peer_stalled(raw):
    worker = raw()
    worker.hello()
    worker.exec(
        "c = channel.receive()\nchannel.receive()\ntry:\n    c.setcallback(lambda x: 1 / 0)\n"
        "except ZeroDivisionError:\n    channel.send('failed')\nchannel.receive()"
    )
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    worker.send(DATA, 3, dumps_internal(1))
    worker.send(DATA, 1, dumps_internal(1))
    assert worker.item() == "failed"
    payload = dumps_internal(b"x" * 600000)
    worker.send(DATA, 3, payload)
    code, id, credit = worker.frame()
    assert (code, id) == (CREDIT, 3) and struct.unpack("!i", credit)[0] >= len(payload)


def test_reconfigure_keeps_its_place_behind_what_waits(raw):
    worker = raw()
    worker.hello(window=1)
    worker.exec(
        "def back(x):\n    channel.send(x)\n    channel.send(x)\n    channel.reconfigure(False)\n"
        "channel.setcallback(back)\nchannel.waitclose()"
    )
    worker.send(DATA, 1, dumps_internal(5))
    assert worker.frame() == (DATA, 1, dumps_internal(5))
    assert worker.quiet()
    worker.send(CREDIT, 1, struct.pack("!i", 6))
    assert worker.frame() == (DATA, 1, dumps_internal(5))
    assert worker.frame() == (RECONFIGURE, 1, dumps_internal((False, False)))


def test_close_by_another_thread_wakes_a_stalled_sender(raw):
    worker = raw()
    worker.hello(window=10)
    worker.exec(
        """
import threading
c = channel.receive()
errors = []
def send():
    try:
        while 1: c.send("a text that is long enough")
    except OSError as exc:
        errors.append(str(exc))
threads = [threading.Thread(target=send) for _ in range(3)]
for thread in threads: thread.start()
channel.receive()
c.close()
for thread in threads: thread.join()
channel.send(str(set(errors)))
"""
    )
    worker.send(DATA, 1, b"B" + struct.pack("!i", 3) + b"Q")
    assert worker.frame()[:2] == (DATA, 3)
    worker.send(DATA, 1, dumps_internal(1))
    assert worker.frame() == (CLOSE, 3, b"")
    assert worker.item() == "{'cannot send to <Channel id=3 closed>'}"


def test_end_of_the_connection_while_it_writes(raw, tmp_path):
    worker = raw()
    out = tmp_path / "out"
    worker.exec(
        "try:\n    channel.send(b'x' * 1000000)\nexcept OSError as exc:\n"
        "    open(%r, 'w').write(str(exc))\n" % str(out)
    )
    worker.read(1000)
    worker.popen.stdin.close()
    worker.popen.stdout.close()
    assert worker.popen.wait(LIMIT) == 0
    assert out.read_text() == "cannot send (already closed?)"


def test_who_holds_the_interpreter_is_not_silent(raw):
    worker = raw()
    worker.hello(heartbeat_us=50000, silence_us=300000)
    worker.exec("import ctypes\nctypes.PyDLL(None).usleep(900000)\nchannel.send(1)")
    done = threading.Event()

    def beat():
        while not done.wait(0.05):
            worker.send(HEARTBEAT)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        while 1:
            code, _, payload = worker.frame()
            if code == DATA:
                break
            assert code == HEARTBEAT
    finally:
        done.set()
        thread.join()


def test_many_channels(raw):
    worker = raw()
    worker.hello()
    worker.exec(
        "many = [channel.gateway.newchannel() for _ in range(20000)]\nfor c in many: c.send(c.id)\n"
        "channel.send(sum(c.receive() for c in many))\ndel c, many"
    )
    total = 0
    for i in range(20000):
        code, id, payload = worker.frame()
        assert code == DATA and loads_internal(payload) == id
        total += 1
    for i in range(20000):
        worker.send(DATA, 2 + 2 * i, dumps_internal(1))
    assert worker.item() == 20000
    assert {worker.frame()[0] for _ in range(20001)} == {CLOSE}


def rss_of(worker):
    with open("/proc/%d/statm" % worker.popen.pid) as fp:
        return int(fp.read().split()[1]) * 4096


def test_executions_leave_nothing_behind(raw):
    worker = raw()
    worker.hello()
    count = [0]

    def execute(times):
        for _ in range(times):
            id = count[0] * 2 + 1
            count[0] += 1
            worker.exec("def f(x):\n    return x\nchannel.send(f(channel.receive()))", id)
            worker.send(DATA, id, dumps_internal(b"x" * 100))
            while worker.frame()[:2] != (CLOSE, id):
                pass
        return rss_of(worker)

    before = execute(2000)
    assert execute(int(os.environ.get("FF_TEST_EXECUTIONS", "10000"))) - before < 1 << 20
    worker.exec(
        "g = channel.gateway\nchannel.send((len(g._states), len(g._late), g._running))",
        count[0] * 2 + 1,
    )
    assert worker.item() == (1, 0, 1)


def test_classes_of_items_are_not_kept(gw):
    channel = gw.remote_exec(
        """
        import gc, weakref
        class Text(str): pass
        gone = weakref.ref(Text)
        channel.send(Text("x"))
        del Text
        gc.collect()
        channel.send(gone() is None)
        """
    )
    assert channel.receive(LIMIT) == "x"
    assert channel.receive(LIMIT) is True


# --- tracing ---


def trace_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.endswith("_DEBUG")}
    return dict(env, **more)


@pytest.mark.parametrize("name", ["FARFLUNG_DEBUG", "EXECNET_DEBUG"])
def test_trace_to_stderr(raw, name):
    worker = raw(env=trace_env(**{name: "2"}), stderr=subprocess.PIPE)
    worker.hello()
    worker.exec("channel.send('item')\n1 / 0", 5)
    assert worker.item() == "item"
    assert worker.frame()[0] == CLOSE_ERROR
    pid = worker.popen.pid
    assert worker.close() == 0
    lines = worker.popen.stderr.read().decode().splitlines()
    worker.popen.stderr.close()
    start = "[%d] gw7-worker " % pid
    assert all(line.startswith(start) for line in lines)
    told = [line[len(start) :] for line in lines]
    for wanted in (
        "received HELLO channel=0 size=", "sent HELLO channel=0 size=", "received EXEC channel=5 size=",
        "execution starts channel=5: \"channel.send('item')", "sent DATA channel=5 size=10",
        "execution ends channel=5: Traceback", "sent CLOSE_ERROR channel=5 size=",
    ):  # fmt: skip
        assert any(line.startswith(wanted) for line in told), (wanted, told)
    assert any("ZeroDivisionError" in line for line in told)


def test_trace_to_execnets_file(raw, tmp_path):
    worker = raw(env=trace_env(EXECNET_DEBUG="1", TMPDIR=str(tmp_path)))
    worker.exec("channel.send(1)")
    assert worker.item() == 1
    assert [one.name for one in tmp_path.iterdir()] == ["execnet-debug-%d" % worker.popen.pid]


def test_trace_to_a_file(raw, tmp_path):
    env = trace_env(FARFLUNG_DEBUG="1", EXECNET_DEBUG="2", TMPDIR=str(tmp_path))
    worker = raw(env=env, stderr=subprocess.PIPE)
    path = tmp_path / ("farflung-debug-%d" % worker.popen.pid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    worker.exec("channel.send(1)")
    assert worker.item() == 1
    worker.send(50)
    worker.popen.wait(LIMIT)
    text = path.read_text()
    assert "sent DATA channel=1 size=6\n" in text and "received 50 channel=0 size=0\n" in text
    assert "protocol error" in text
    assert worker.popen.stderr.read().count(b"\n") == 1  # the error as ever, and no trace
    worker.popen.stderr.close()


@pytest.mark.parametrize("word", ["", "0"])
def test_no_trace(raw, tmp_path, word):
    env = trace_env(FARFLUNG_DEBUG=word, TMPDIR=str(tmp_path))
    goes_on(raw(env=env))
    assert list(tmp_path.iterdir()) == []


# --- the start ---


@pytest.mark.parametrize("names", [{"XDG_CACHE_HOME": "rel"}, {"HOME": "rel"}])
def test_cache_is_never_below_the_working_directory(raw, tmp_path, names):
    env = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"}
    env["HOME"] = str(tmp_path / "home")
    env.update(names)
    here = tmp_path / "here"
    here.mkdir()
    goes_on(raw(line=bootstrap(start=True), env=env, cwd=str(here)))
    assert list(here.iterdir()) == []


def test_start_from_cache(raw, tmp_path):
    env = dict(os.environ, XDG_CACHE_HOME=str(tmp_path))

    def start():
        worker = raw(line=bootstrap(start=True), env=env)
        worker.exec("channel.send(1)")
        assert worker.item() == 1
        worker.close()
        (cached,) = (tmp_path / "farflung").iterdir()
        return cached

    cached = start()
    good, info = cached.read_bytes(), cached.stat()
    assert info.st_mode & 0o777 == 0o600 and start().stat().st_ino == info.st_ino
    cached.write_bytes(good[:1000])
    assert start().read_bytes() == good
    evil = compile("import os\nos._exit(9)", "x", "exec")
    cached.write_bytes(marshal.dumps(evil))
    cached.chmod(0o666)  # others could have written it
    assert start().read_bytes() == good
    (tmp_path / "farflung").rename(tmp_path / "moved")
    (tmp_path / "farflung").write_text("no folder can be made here")
    worker = raw(line=bootstrap(start=True), env=env)
    worker.exec("channel.send(1)")
    assert worker.item() == 1


@pytest.fixture
def cache(raw, tmp_path):
    """Starts a worker with its cache in tmp_path; gives what is in there afterwards."""

    def start():
        worker = raw(line=bootstrap(start=True), env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path)))
        goes_on(worker)
        folder = tmp_path / "farflung"
        return sorted(folder.iterdir()) if folder.is_dir() else None

    return start


@pytest.mark.parametrize("where", [0, 7, 8, 9, 100, 5000, -40, -1])
def test_a_damaged_cache_is_replaced(cache, where):
    (cached,) = cache()
    good = bytearray(cached.read_bytes())
    bad = good[:]
    for at in range(len(bad))[where:][:40]:
        bad[at] ^= 0x55
    cached.write_bytes(bad)
    assert cache() == [cached] and cached.read_bytes() == good


@pytest.mark.parametrize("content", [b"", b"x" * 7, bytes(8), bytes(1 << 20)],
                         ids=["none", "short", "zeros", "much"])
def test_a_cache_of_other_content(cache, content):
    (cached,) = cache()
    good = cached.read_bytes()
    cached.write_bytes(content)
    assert cache() == [cached] and cached.read_bytes() == good


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_a_cache_that_is_no_file(cache, tmp_path, kind):
    (cached,) = cache()
    good = cached.read_bytes()
    cached.rename(tmp_path / "moved")
    if kind == "fifo":
        os.mkfifo(cached)
    elif kind == "folder":
        cached.mkdir()
    else:
        cached.symlink_to(tmp_path / "moved")
    cache()
    assert kind == "folder" or (not cached.is_symlink() and cached.read_bytes() == good)


def evil(cached):
    """What would be run at once if it were trusted; of the right form."""
    from _frozen_importlib_external import MAGIC_NUMBER

    code = marshal.dumps(compile("import os\nos._exit(9)", "x", "exec"))
    cached.write_bytes(_imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), code) + code)
    return cached.read_bytes()


@pytest.mark.parametrize("kind", ["mode", "link"] + (["owner"] if os.getuid() == 0 else []))
def test_a_cache_folder_that_is_not_ours_alone(cache, tmp_path, kind):
    (cached,) = cache()
    text = evil(cached)
    folder = cached.parent
    if kind == "mode":
        folder.chmod(0o777)
    elif kind == "owner":
        os.chown(folder, 12345, 12345)
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to("elsewhere")
    assert cache() == [cached] and cached.read_bytes() == text


def test_what_killed_writers_have_left(cache):
    (cached,) = cache()
    here, dead = os.uname().nodename, 2**22 + 1
    names = [f"{here}-{dead}", str(dead), "other-1", "other-2", f"{here}-{os.getpid()}", "odd"]
    left = [cached.with_name(f"worker-0-1.pyc.{name}") for name in names]
    for path in left:
        path.touch()
    os.utime(left[2], (0, 0))
    others = [cached.with_name(name) for name in ("payload.py-0-1.pyc", "worker-0-1.pyc", "notes.txt")]
    for path in others:
        path.touch()
    for path in others[1:]:
        os.utime(path, (0, 0))
    cached.unlink()
    cache()
    assert [path.exists() for path in left] == [False, False, False, True, True, True]
    assert [path.exists() for path in others] == [True, False, True]
    assert cached.exists()


LARGE = "channel.send(__name__)\n" + "# so that it is worth it\n" * 2000


@pytest.mark.parametrize("name, kept", [
    ("<front.py>", True), ("<remote exec>", False), ("front.py", False), ("<../front.py>", False), (None, False)])
def test_the_programs_own_large_texts_are_kept(raw, tmp_path, name, kept):
    for _ in range(2):
        worker = raw(line=bootstrap(start=True), env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path)))
        worker.exec(LARGE, file_name=name)
        assert worker.item() == "__channelexec__"
        assert worker.frame() == (CLOSE, 1, b"")
    names = [path.name for path in (tmp_path / "farflung").iterdir()]
    assert sorted(name.partition("-")[0] for name in names) == ["front.py"] * kept + ["worker"]


def test_a_full_cache_is_no_obstacle(raw, tmp_path):
    import resource

    worker = raw(
        line=bootstrap(start=True), env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )  # fmt: skip
    goes_on(worker)
    assert list((tmp_path / "farflung").iterdir()) == []


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15)])
def test_interpreters_that_are_too_old(version):
    code = f"import sys;sys.version_info={version};sys.executable='/old';exec(eval(sys.stdin.readline()))"
    done = subprocess.run(
        [PYTHON, "-u", "-c", code], input=bootstrap(start=True), capture_output=True, timeout=LIMIT)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.decode() == (
        "farflung: /old is Python %d.%d.%d, but a worker needs Python 3.7 or newer\n" % version)


def test_the_word_before_the_byte():
    line = bootstrap(extra="FF_MARK = True\n")
    done = subprocess.run(command(), input=line, capture_output=True, timeout=LIMIT)
    assert done.stdout[:14] == b"farflung-run\n1"


def test_no_modules_more_than_needed():
    probe = bootstrap(start=False)[:-1].decode()
    loaded = subprocess.run(
        [PYTHON, "-c", "import sys\nbefore = set(sys.modules)\nexec(%s)\n"
         "sys.stderr.write(' '.join(set(sys.modules) - before))" % probe],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT,
    )
    assert set(loaded.stderr.decode().split()) <= {"_queue", "_struct", "time"}

"""worker.py under each execmodel: the same scenarios with threads, gevent's greenlets and eventlet's.
Run with: python3 -m pytest tests/conform/python_models.py"""
import os
import signal
import struct
import subprocess
import time

import pytest
from execnet.gateway_base import RemoteError, dumps_internal, loads_internal

from python_worker import (  # noqa: F401
    CLOSE, CLOSE_ERROR, CREDIT, DATA, HEARTBEAT, LIMIT, PYTHON, TERMINATE, builtin, gather,
    make_gateway, raw,
)  # fmt: skip

GREEN = ("gevent", "eventlet")


def installed(name):
    return subprocess.run([PYTHON, "-c", "import " + name], stderr=subprocess.DEVNULL).returncode == 0


def models(*names):
    return pytest.mark.parametrize(
        "model",
        [
            pytest.param(
                name,
                marks=pytest.mark.skipif(
                    name in GREEN and not installed(name), reason="no %s" % name
                ),
            )
            for name in names
        ],
    )


each = models("thread", *GREEN)
green = models(*GREEN)


def answers(worker, count):
    """`count` items by channel, and the closes that come among them."""
    items, closes = [], []
    while len(items) < count:
        code, id, payload = worker.frame()
        if code == DATA:
            items.append((id, loads_internal(payload)))
        elif code != HEARTBEAT:
            closes.append((code, id))
    return items, closes


@each
def test_names(make_gateway, model):
    gw = make_gateway(model)
    channel = gw.remote_exec(
        """
        model = channel.gateway.execmodel
        names = [model.backend, repr(model), model.queue.__name__, model.socket.__name__,
                 model.subprocess.__name__, model.threading.__name__, model.sleep.__module__]
        with model.Lock(), model.RLock(), model.Semaphore(2), model.Semaphore():
            event = model.Event()
        model.start(event.set)
        event.wait()
        reading, writing = __import__("os").pipe()
        with model.fdopen(writing, "wb", 0) as file:
            file.write(b"pipe")
        names.append(__import__("os").read(reading, 9))
        popen = model.PopenPiped(["cat"])
        names.append(popen.communicate(b"cat")[0])
        channel.send((model.get_ident() != 0, names))
        try:
            model.nothing
        except AttributeError:
            channel.send(1)
        """
    )
    known, names = channel.receive(LIMIT)
    assert known and names[:2] == [model, "<ExecModel %r>" % model]
    assert names[-2:] == [b"pipe", b"cat"]
    if model != "thread":
        assert all(name.startswith(model) for name in names[2:5])
    assert channel.receive(LIMIT) == 1
    assert gw.remote_status().execmodel == model


@each
def test_executions_beside_each_other(make_gateway, model):
    gw = make_gateway(model)
    source = """
        import _thread
        channel.send((_thread.get_ident(), channel.receive()))
        other = channel.receive()
        other.send(channel.receive())
        """
    channels = [gw.remote_exec(source) for _ in range(5)]
    assert gw.remote_status().numexecuting == 5
    others = [gw.newchannel() for _ in channels]
    for i, channel in enumerate(reversed(channels)):
        channel.send(i)
    threads = set()
    for i, channel in enumerate(channels):
        thread, item = channel.receive(LIMIT)
        threads.add(thread)
        assert item == 4 - i
    assert len(threads) == (5 if model == "thread" else 1)
    for channel, other in zip(channels, others):
        channel.send(other)
        channel.send(channel.id)
        assert other.receive(LIMIT) == channel.id
        channel.waitclose(LIMIT)


@each
def test_waiting_with_time_limits(make_gateway, model):
    gw = make_gateway(model)
    channel = gw.remote_exec(
        """
        other = channel.receive()
        for wait in (lambda: channel.receive(0.01), lambda: channel.receive(0),
                     lambda: other.waitclose(0.01)):
            try:
                wait()
            except channel.TimeoutError as exc:
                channel.send(str(exc))
        other.waitclose()
        channel.send("closed")
        """
    )
    other = gw.newchannel()
    channel.send(other)
    assert channel.receive(LIMIT) == "no item after 0.01 seconds"
    assert channel.receive(LIMIT) == "no item after 0 seconds"
    assert channel.receive(LIMIT) == "Timeout after 0.01 seconds"
    other.close()
    assert channel.receive(LIMIT) == "closed"


@each
def test_callbacks(make_gateway, model):
    gw = make_gateway(model)
    channel = gw.remote_exec(
        """
        got = []
        event = channel.gateway.execmodel.Event()
        def callback(item):
            got.append(item)
            if item is None:
                event.set()
        # Kept: else its LAST_MESSAGE may come before execnet's close, which then sends no CLOSE.
        other = channel.receive()
        other.setcallback(callback, endmarker=None)
        event.wait()
        channel.send(got)
        """
    )
    other = gw.newchannel()
    channel.send(other)
    for i in range(10):
        other.send(i)
    other.close()
    assert channel.receive(LIMIT) == list(range(10)) + [None]


@each
def test_errors_and_dropped_channels(make_gateway, model):
    gw = make_gateway(model)
    keeper = gw.remote_exec("channel.receive()")  # so that the next is beside it
    for open_ones in 2, 1:
        with pytest.raises(RemoteError, match="ValueError: boo"):
            gw.remote_exec("raise ValueError('boo')").waitclose(LIMIT)
        channel = gw.remote_exec(
            "for i in range(100): channel.gateway.newchannel()\nchannel.send(1)\nchannel.receive()"
        )
        assert channel.receive(LIMIT) == 1
        assert gw.remote_status().numchannels == open_ones
        channel.send(1)
        channel.waitclose(LIMIT)
        if not keeper.isclosed():
            keeper.send(1)
            keeper.waitclose(LIMIT)


@each
def test_who_waits_for_credit_stops_nobody_else(raw, model):
    worker = raw(model)
    worker.hello(window=10)
    worker.exec("for i in range(4): channel.send('a long item %d' % i)")
    assert worker.item() == "a long item 0"
    worker.exec("for item in channel: channel.send(item)", 3)
    for i in range(3):
        worker.send(DATA, 3, dumps_internal(i))
        worker.send(CREDIT, 3, struct.pack("!i", 6))
        assert answers(worker, 1) == ([(3, i)], [])
    for i in range(1, 4):
        worker.send(CREDIT, 1, struct.pack("!i", len(dumps_internal("a long item 0"))))
        assert answers(worker, 1) == ([(1, "a long item %d" % i)], [])
    assert worker.frame() == (CLOSE, 1, b"")


@each
def test_who_waits_for_the_pipe_stops_nobody_else(raw, model, tmp_path):
    worker = raw(model)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    worker.exec(
        "import os\nchannel.send('up')\nfor step in channel:\n    fd = os.open(%r, os.O_WRONLY)\n"
        "    os.write(fd, b'alive')\n    os.close(fd)" % str(fifo)
    )
    assert worker.item() == "up"
    worker.exec("channel.send('x')\nchannel.send(b'y' * 5000000)\nchannel.send('z')", 3)
    assert worker.item() == "x"
    for _ in range(2):  # nobody reads what it sends, yet the first executes
        worker.send(DATA, 1, dumps_internal(1))
        assert fifo.read_text() == "alive"
    assert worker.item() == b"y" * 5000000 and worker.item() == "z"


@green
def test_a_time_limit_tears_no_frame(raw, model):
    worker = raw(model)
    worker.exec(
        """
import %s as lib
def one():
    with lib.Timeout(0.05, False):
        channel.send(b"x" * 1000000)
        return "sent"
    return "late"
channel.send("go")
channel.send(one())
channel.send("next")
""" % model
    )
    assert worker.item() == "go"
    time.sleep(0.2)  # that the limit is over: too short only makes the test pass too easily
    assert worker.item() == b"x" * 1000000
    assert worker.item() in ("late", "sent") and worker.item() == "next"


@green
def test_channels_in_real_threads(raw, model):
    worker = raw(model)
    worker.hello(window=10)
    worker.exec(
        """
from _thread import start_new_thread, get_ident
done = channel.gateway.execmodel.queue.Queue()
def work(c):
    for item in c:
        c.send((item, get_ident() != main))
    c.waitclose()
    again = channel.gateway.newchannel()
    channel.send(("closed", again.id))
main = get_ident()
for _ in range(3):
    start_new_thread(work, (channel.receive(),))
channel.send("up")
for item in channel:
    channel.send(item)
"""
    )
    for id in 3, 5, 7:
        worker.send(DATA, 1, b"B" + struct.pack("!i", id) + b"Q")
    assert worker.item() == "up"
    worker.send(CREDIT, 1, struct.pack("!i", 10000))
    for i in range(20):
        for id in 3, 5, 7:
            worker.send(DATA, id, dumps_internal(i))
        worker.send(DATA, 1, dumps_internal(i))
        for id in 3, 5, 7:
            worker.send(CREDIT, id, struct.pack("!i", len(dumps_internal((i, True)))))
        items, _ = answers(worker, 4)
        assert sorted(items) == [(1, i)] + [(id, (i, True)) for id in (3, 5, 7)]
    for id in 3, 5, 7:
        worker.send(CLOSE, id)
    items, _ = answers(worker, 3)
    assert all(id == 1 and item[0] == "closed" for id, item in items)


@each
def test_heartbeats_while_it_computes(raw, model):
    worker = raw(model)
    worker.hello(heartbeat_us=20000)
    worker.exec("channel.send(1)\nwhile 1: pass")
    assert answers(worker, 1)[0] == [(1, 1)]
    for _ in range(3):
        assert worker.frame() == (HEARTBEAT, 0, b"")


@each
def test_silence_ends_it(raw, model):
    worker = raw(model)
    worker.hello(heartbeat_us=50000, silence_us=300000)
    worker.exec("channel.gateway.execmodel.sleep(1000)")
    assert worker.popen.wait(LIMIT) == 1


@each
def test_the_end(raw, model, tmp_path):
    for how in "terminate", "eof":
        worker = raw(model)
        out = tmp_path / how
        for id in 1, 3:  # in the main thread and beside it
            worker.exec(
                "channel.send(0)\ntry:\n    channel.receive()\nexcept EOFError:\n"
                "    open(%r, 'w').write('eof')\n" % ("%s%d" % (out, id)), id
            )  # fmt: skip
        assert answers(worker, 2)[1] == []
        if how == "terminate":
            worker.send(TERMINATE)
            assert worker.popen.wait(LIMIT) == 0
        assert worker.close() == 0
        # By the end of their channel, not by the interrupt that comes five seconds later.
        assert open("%s1" % out).read() == open("%s3" % out).read() == "eof"


@each
def test_idle_ends_at_once(raw, model):
    worker = raw(model)
    worker.send(TERMINATE)
    assert worker.popen.wait(4.5) == 0


@each
def test_running_execution_is_interrupted(raw, model, tmp_path):
    worker = raw(model)
    out = tmp_path / "out"
    worker.exec(
        "channel.send(0)\ntry:\n    channel.gateway.execmodel.sleep(1000)\nexcept KeyboardInterrupt:\n"
        "    open(%r, 'w').write('interrupted')\n" % str(out)
    )
    worker.item()
    began = time.monotonic()
    worker.send(TERMINATE)
    assert worker.popen.wait(LIMIT) == 0
    assert 4 < time.monotonic() - began
    assert out.read_text() == "interrupted"


@each
def test_interrupt_and_go_on(raw, model):
    worker = raw(model)
    for id in 1, 5:
        worker.exec("channel.send(0)\nchannel.gateway.execmodel.sleep(1000)", id)
        assert worker.item() == 0
        os.kill(worker.popen.pid, signal.SIGINT)
        code, got, payload = worker.frame()
        assert (code, got, loads_internal(payload)) == (CLOSE_ERROR, id, "keyboard-interrupted")
        worker.exec("channel.send(1)", id + 2)
        assert worker.item() == 1
        assert worker.frame() == (CLOSE, id + 2, b"")


@each
def test_forked_children(raw, model):
    worker = raw(model)
    source = """
import os, sys
if os.fork() == 0:
    try:
        channel.receive()
    except EOFError:
        sys.exit(7)
channel.send(os.wait()[1] >> 8)
"""
    worker.exec("channel.send(1)\nchannel.receive()", 3)  # so that the next is beside it
    assert worker.item() == 1
    for id in 1, 5:
        worker.exec(source, id)
        assert answers(worker, 1)[0] == [(id, 7)]
        if id == 1:
            worker.send(DATA, 3, dumps_internal(1))
            assert {worker.frame(), worker.frame()} == {(CLOSE, 1, b""), (CLOSE, 3, b"")}
    worker.exec("import os\nif os.fork() == 0: 1 / 0\nchannel.send(os.wait()[1] >> 8)", 7)
    assert answers(worker, 1)[0] == [(7, 1)]


@each
def test_builtins_stop_nobody(raw, model):
    worker = raw(model)
    builtin(worker, "command", shell="read line; echo got $line; exec sleep 60", stdin="it\n")
    items, output = [], b""
    while b"got it\n" not in output:
        _, _, payload = worker.frame()
        item = loads_internal(payload)
        output += item[1] if item[0] == "out" else b""
    worker.exec("channel.send('beside it')", 3)
    assert worker.item() == "beside it"
    assert worker.frame() == (CLOSE, 3, b"")
    worker.send(DATA, 1, dumps_internal(("kill",)))
    items, _, error = gather(worker)
    assert error is None and items[-1][1]["killed"] and items[-1][1]["signal"] == signal.SIGTERM


@each
def test_proxy(raw, model):
    worker = raw(model)
    builtin(worker, "proxy", 1, control=3, argv=["cat"])
    data = b"z" * 300000
    worker.send(DATA, 1, dumps_internal(data))
    got = b""
    while len(got) < len(data):
        code, id, payload = worker.frame()
        assert (code, id) == (DATA, 1)
        got += loads_internal(payload)
    worker.exec("channel.send('beside it')", 5)
    assert worker.item() == "beside it"
    assert worker.frame() == (CLOSE, 5, b"")
    worker.send(DATA, 3, dumps_internal(4))  # close its stdin
    ends = [worker.frame() for _ in range(4)]
    assert (DATA, 3, dumps_internal(("exit", 0))) in ends and (CLOSE, 1, b"") in ends


@green
def test_execution_does_not_need_patches(raw, model):
    """What is executed may patch the library in; the worker goes on."""
    worker = raw(model)
    worker.hello(heartbeat_us=50000)
    worker.exec("import %s as lib\n%s()\nimport time\ntime.sleep(0.01)\nchannel.send(1)" % (
        ("gevent.monkey", "lib.patch_all") if model == "gevent" else ("eventlet", "lib.monkey_patch")
    ))  # fmt: skip
    worker.exec("channel.send(2)", 3)
    assert sorted(answers(worker, 2)[0]) == [(1, 1), (3, 2)]
    for _ in range(3):
        while worker.frame()[0] != HEARTBEAT:
            pass
    worker.exec("channel.send(channel.receive())", 5)
    worker.send(DATA, 5, dumps_internal("after it"))
    assert answers(worker, 1)[0] == [(5, "after it")]
    worker.send(TERMINATE)
    assert worker.popen.wait(LIMIT) == 0

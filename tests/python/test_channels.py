"""Channels and gateways where things go wrong, or are large, many, or late."""
import os
import random
import signal
import subprocess
import sys
import threading

import farflung.execnet as execnet
import pytest

SECONDS = 30


def test_remote_error_once_then_eof(gateway):
    channel = gateway.remote_exec("raise ValueError(17)")
    with pytest.raises(channel.RemoteError, match="ValueError: 17"):
        channel.receive(SECONDS)
    with pytest.raises(EOFError):
        channel.receive(SECONDS)


def test_items_before_an_error_come_first(gateway):
    channel = gateway.remote_exec("channel.send(1); channel.send(2); raise ValueError")
    assert [channel.receive(SECONDS), channel.receive(SECONDS)] == [1, 2]
    with pytest.raises(execnet.RemoteError):
        channel.waitclose(SECONDS)


def test_timeout(gateway):
    channel = gateway.remote_exec("channel.receive()")
    with pytest.raises(channel.TimeoutError, match="no item after 0.01 seconds"):
        channel.receive(timeout=0.01)
    with pytest.raises(OSError):
        channel.waitclose(timeout=0.01)
    channel.send(None)
    channel.waitclose(SECONDS)


def test_sending_on_a_closed_channel(gateway):
    channel = gateway.remote_exec("pass")
    channel.waitclose(SECONDS)
    assert channel.isclosed()
    with pytest.raises(OSError, match="cannot send"):
        channel.send(1)
    channel.close()
    channel.close()


def test_close_with_an_error(gateway):
    channel = gateway.remote_exec(
        """
        inner = channel.receive()
        try:
            inner.receive()
        except inner.RemoteError as exc:
            channel.send(str(exc))
        """)
    inner = gateway.newchannel()
    channel.send(inner)
    inner.close("no more of that")
    assert channel.receive(SECONDS) == "no more of that"


@pytest.mark.parametrize("item", [object(), {"key": [object()]}, bytearray(b"x"), ValueError(1), int])
def test_what_cannot_be_sent(gateway, item):
    channel = gateway.remote_exec("for x in channel: channel.send(x)")
    with pytest.raises(execnet.DumpError, match="can't serialize"):
        channel.send(item)
    channel.send("the channel lives")
    assert channel.receive(SECONDS) == "the channel lives"


def test_large_items_both_ways(gateway):
    channel = gateway.remote_exec("for x in channel: channel.send(x)")
    for size in (0, 1, 65536, 1 << 20, 20 << 20):
        channel.send(b"x" * size)
        assert channel.receive(SECONDS) == b"x" * size


def test_all_is_sent_before_anything_is_received(gateway):
    """As with execnet, what comes back is kept for whoever receives later."""
    channel = gateway.remote_exec("for x in channel: channel.send(x)")
    block = b"x" * (1 << 20)
    for _ in range(50):
        channel.send(block)
    assert all(channel.receive(SECONDS) == block for _ in range(50))


def test_channels_that_their_maker_closed(gateway):
    channel = gateway.remote_exec(
        """
        for i in range(20):
            one = channel.gateway.newchannel()
            channel.send({"channel": one})
            one.send(i)
            one.close()
        """)
    channel.waitclose(SECONDS)
    for i in range(20):
        one = channel.receive()["channel"]
        assert isinstance(one, execnet.Channel)
        assert list(one) == [i]


def test_a_callback_that_raises(gateway):
    channel = gateway.remote_exec("channel.receive(); channel.send(1); channel.send(2); channel.receive()")
    seen = []

    def callback(item):
        seen.append(item)
        if item == 1:
            raise ValueError("from the callback")

    channel.setcallback(callback, endmarker="end")
    channel.send("go")
    with pytest.raises(execnet.RemoteError, match="from the callback"):
        channel.waitclose(SECONDS)
    assert seen[0] == 1 and 2 not in seen


def test_callbacks_come_before_what_was_sent_behind(gateway):
    """Callbacks are done with when an item is received that was sent after theirs."""
    channel = gateway.remote_exec(
        """
        other = channel.receive()
        for i in range(100):
            other.send(i)
        channel.send("behind")
        """)
    other, seen, go = gateway.newchannel(), [], threading.Event()

    def callback(item):
        go.wait(SECONDS)
        seen.append(item)

    other.setcallback(callback)
    channel.send(other)
    threading.Timer(0.05, go.set).start()
    assert channel.receive(SECONDS) == "behind"
    assert seen == list(range(100))


def test_a_callback_may_send_and_exec(gateway):
    channel = gateway.remote_exec("for x in channel: channel.send(x)")
    done = threading.Event()
    seen = []

    def callback(item):
        seen.append(item)
        if item < 5:
            channel.send(item + 1)
        else:
            seen.append(channel.gateway.newchannel() is not None)
            done.set()

    channel.setcallback(callback)
    channel.send(0)
    assert done.wait(SECONDS) and seen == [0, 1, 2, 3, 4, 5, True]


def test_a_dropped_channel_with_callback_goes_on(gateway):
    channel = gateway.remote_exec(
        """
        other = channel.receive()
        channel.receive()
        other.send("late")
        """)
    got = threading.Event()
    other = gateway.newchannel()
    other.setcallback(lambda item: got.set())
    channel.send(other)
    del other
    channel.send(None)
    assert got.wait(SECONDS)


def test_a_dropped_channel_is_closed_there(gateway):
    channel = gateway.remote_exec(
        """
        other = channel.receive()
        channel.send("ready")
        try:
            other.receive()
        except EOFError:
            channel.send("closed")
        """)
    other = gateway.newchannel()
    channel.send(other)
    assert channel.receive(SECONDS) == "ready"
    del other
    assert channel.receive(SECONDS) == "closed"


def test_killed_worker(group):
    gateway = group.makegateway()
    channel = gateway.remote_exec("import os; channel.send(os.getpid()); channel.receive()")
    other = gateway.remote_exec("channel.receive()")
    ended = threading.Event()
    other.setcallback(lambda item: ended.set(), endmarker=None)
    os.kill(channel.receive(SECONDS), signal.SIGKILL)
    with pytest.raises(EOFError, match="SIGKILL|signal 9"):
        channel.waitclose(SECONDS)
    assert ended.wait(SECONDS)
    with pytest.raises(OSError):
        channel.send(1)
    with pytest.raises(OSError):
        gateway.remote_exec("pass")
    assert not gateway.hasreceiver()
    group.terminate(timeout=SECONDS)


def test_many_threads_share_a_gateway(gateway):
    wrong = []

    def work(number):
        channel = gateway.remote_exec("for x in channel: channel.send(x)")
        for i in range(200):
            channel.send((number, i))
            if channel.receive(SECONDS) != (number, i):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_two_threads_receive_from_one_channel(gateway):
    channel = gateway.remote_exec("for i in range(1000): channel.send(i)")
    seen = [[], []]
    threads = [threading.Thread(target=lambda l=l: l.extend(channel)) for l in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(seen[0] + seen[1]) == list(range(1000))


def test_gateways_open_in_parallel(group):
    threads = [threading.Thread(target=group.makegateway) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(gateway.id for gateway in group) == ["gw%d" % n for n in range(8)]
    assert all(gateway.remote_exec("channel.send(1)").receive(SECONDS) == 1 for gateway in group)


def test_the_same_id_again_after_exit(group):
    first = group.makegateway("popen//id=same")
    first.remote_exec("channel.receive()")
    first.exit()
    assert "same" not in group
    second = group.makegateway("popen//id=same")
    assert group["same"] is second
    with pytest.raises(ValueError, match="same"):
        group.makegateway("popen//id=same")


def test_terminate_kills_what_does_not_end(group):
    gateway = group.makegateway()
    channel = gateway.remote_exec(
        """
        import os, signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        channel.send(os.getpid())
        while True:
            try:
                channel.receive()
            except BaseException:
                pass
        """)
    pid = channel.receive(SECONDS)
    group.terminate(timeout=0.2)
    with pytest.raises(OSError):
        os.kill(pid, 0)


@pytest.mark.parametrize("spec, exception", [
    ("hello", ValueError),
    ("popen//execmodel=none", ValueError),
    ("popen//via=nobody", KeyError),
    ("popen//python=/not/there/python", OSError),
    ("socket=127.0.0.1:1", execnet.HostNotFound),
    ("socket=no.such.host.invalid:8888", execnet.HostNotFound),
    ("ssh=-F /dev/null -p 1 127.0.0.1", execnet.HostNotFound),
])
def test_what_cannot_be_opened(group, spec, exception):
    with pytest.raises(exception):
        group.makegateway(spec)
    assert len(group) == 0


def test_values_with_slashes(group, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    spec = execnet.XSpec("popen")
    spec.chdir = str(tmp_path) + "//a"
    spec.env["TWO"] = "a//b"
    gateway = group.makegateway(spec)
    ask = "import os; channel.send((os.getcwd(), os.environ['TWO']))"
    assert gateway.remote_exec(ask).receive(SECONDS) == (str(folder), "a//b")


INTERRUPTED = """
import os, signal, threading
import farflung.execnet as execnet
channel = execnet.makegateway().remote_exec("channel.receive()")
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    channel.receive()
except KeyboardInterrupt:
    print("interrupted")
channel.send(1)
channel.waitclose(30)
print("goes on")
"""


def test_an_interrupt_ends_a_receive(script):
    assert script(INTERRUPTED) == "interrupted\ngoes on\n"


FORKED = """
import os
import farflung.execnet as execnet
gateway = execnet.makegateway()
channel = gateway.remote_exec("for x in channel: channel.send(x)")
child = os.fork()
if child == 0:
    for tried in (lambda: channel.send(1), channel.receive, execnet.makegateway):
        try:
            tried()
        except OSError:
            print("refused", flush=True)
    os._exit(0)
os.waitpid(child, 0)
channel.send("parent")
print(channel.receive())
"""


def quiet():
    """Newer interpreters warn of any fork of a process with threads."""
    return dict(os.environ, PYTHONWARNINGS="ignore")


def test_a_forked_child_is_refused(script):
    assert script(FORKED, env=quiet()) == "refused\nrefused\nrefused\nparent\n"


def test_a_forked_child_ends_quietly(script):
    """As programs end, with what is registered for that: its parent's gateways are left alone."""
    text = FORKED.replace("os._exit(0)", "raise SystemExit(0)")
    assert script(text, env=quiet()) == "refused\nrefused\nrefused\nparent\n"


LEFT_OPEN = """
import os
import farflung.execnet as execnet
gateway = execnet.makegateway()
channel = gateway.remote_exec("import os, time; channel.send(os.getpid()); time.sleep(100)")
print(channel.receive())
channel.setcallback(print)
"""


def test_nothing_is_left_at_exit(script):
    pid = int(script(LEFT_OPEN))
    with pytest.raises(OSError):
        os.kill(pid, 0)


def test_an_unread_error_is_told_at_the_end(script):
    text = """
import farflung.execnet as execnet
gateway = execnet.makegateway()
channel = gateway.remote_exec("raise ValueError(17)")
while not channel.isclosed():
    pass
import sys
sys.stderr = sys.stdout
del channel
"""
    said = script(text)
    assert "Warning: unhandled RemoteError" in said and "ValueError: 17" in said


def test_without_a_library(tmp_path):
    top = os.path.dirname(os.path.dirname(os.path.dirname(execnet.__file__)))
    done = subprocess.run(
        [sys.executable, "-c", "import farflung.execnet"], stderr=subprocess.PIPE, universal_newlines=True,
        env=dict(os.environ, PYTHONPATH=top, FARFLUNG_LIBRARY=str(tmp_path)))
    assert done.returncode == 1
    assert "FARFLUNG_LIBRARY=%s: no %s/libfarflung-python.so" % (tmp_path, tmp_path) in done.stderr


def test_workers_show_their_channels_as_execnets_do(gateway):
    channel = gateway.remote_exec(
        """
        factory = channel.gateway._channelfactory
        channel.send((channel.id in factory._channels, -1 in factory._channels))
        """)
    assert channel.receive(SECONDS) == (True, False)


def test_all_sorts_of_work_in_six_threads(group):
    """Ends, callbacks, errors and channels in items, as they come; a seed draws them."""
    for _ in range(3):
        group.makegateway()
    failed = []

    def ask(gateway, draw):
        channel = gateway.remote_exec("for x in channel: channel.send(x)")
        for i in range(10):
            channel.send(i)
            assert channel.receive(SECONDS) == i

    def call(gateway, draw):
        channel = gateway.remote_exec("for x in channel: channel.send(x)")
        seen, done = [], threading.Event()
        channel.setcallback(lambda item: (seen.append(item), len(seen) == 10 and done.set()))
        for i in range(10):
            channel.send(i)
        assert done.wait(SECONDS) and seen == list(range(10))
        channel.close()

    def blocks(gateway, draw):
        channel = gateway.remote_exec("for x in channel: channel.send(x)")
        sizes = [draw.randrange(1 << 18) for _ in range(5)]
        for size in sizes:
            channel.send(b"x" * size)
        assert [len(channel.receive(SECONDS)) for _ in sizes] == sizes

    def channels(gateway, draw):
        channel = gateway.remote_exec("channel.send(channel.receive())")
        one = gateway.newchannel()
        channel.send({"one": [one]})
        assert channel.receive(SECONDS)["one"][0] is one

    def error(gateway, draw):
        with pytest.raises(execnet.RemoteError):
            gateway.remote_exec("1 / 0").receive(SECONDS)

    def work(number):
        draw = random.Random(number)
        try:
            for _ in range(60):
                draw.choice([ask, call, blocks, channels, error])(group[draw.randrange(3)], draw)
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    assert not failed and not any(thread.is_alive() for thread in threads)

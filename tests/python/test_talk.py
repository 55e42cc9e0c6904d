"""Named values and plain items on one channel, and modules as namespaces elsewhere."""
import farflung.execnet as execnet
import pytest
from conftest import SECONDS
from farflung.talk import SOURCE, Talk

MODULE = """\
import os

number = 7


def add(a, b=1):
    return a + b


def pid():
    return os.getpid()


def fails():
    raise ValueError("not today")


def unsendable():
    return object()


class Deep:
    @staticmethod
    def echo(x):
        return x
"""


@pytest.fixture(params=["ours", "execnet"])
def peer(request, gateway):
    """A gateway whose worker is ours, or one of Python's own execnet on both sides."""
    if request.param == "ours":
        yield gateway
        return
    theirs = pytest.importorskip("execnet")
    group = theirs.Group()
    yield group.makegateway("popen")
    group.terminate(5)


def talk(gateway, source):
    return Talk(gateway.remote_exec(SOURCE + "\ntalk = Talk(channel)\n" + source))


def test_items_and_names_mix(peer):
    both = talk(peer, """
talk.send(1, "two")
talk.set(a=1, b=[2])
talk.send(("\\0names", {"no": "name"}), ("x", 3))
talk.set({"with blanks": talk.get("go")})
talk.send(talk.receive())
""")
    assert both.get("b", SECONDS) == [2] and both.get("a") == 1
    assert [both.receive(SECONDS) for _ in range(4)] == [1, "two", ("\0names", {"no": "name"}), ("x", 3)]
    both.set(go="went")
    assert both.get("with blanks", SECONDS) == "went"
    both.send("back")
    assert both.receive(SECONDS) == "back"
    with pytest.raises(EOFError):
        both.receive(SECONDS)
    assert both.get("a") == 1


def test_get_ignores_what_is_known(peer):
    both = talk(peer, "for i in range(3): talk.set(n=i); talk.receive()")
    seen = both.get("n", SECONDS)
    for want in (1, 2):
        both.send(None)
        seen = both.get("n", SECONDS, ignore=seen)
        assert seen == want
    with pytest.raises(both.channel.TimeoutError):
        both.get("n", 0.01, ignore=2)
    with pytest.raises(both.channel.TimeoutError):
        both.get("other", 0.01)
    both.send(None)
    with pytest.raises(EOFError):
        both.get("n", SECONDS, ignore=2)


def test_subscriptions_are_called_in_order(peer):
    both = talk(peer, "talk.send(1); talk.receive(); talk.set(a=1); talk.send(2); talk.set(a=2, b=3)")
    calls = []
    first, second = (lambda x: calls.append(("first", x))), (lambda x: calls.append(("second", x)))
    name, other = (lambda x: calls.append(("a", x))), (lambda x: calls.append(("b", x)))
    both.subscribe(first)
    both.subscribe(second)
    both.subscribe(name, "a")
    both.subscribe(other, "b")
    both.unsubscribe(other, "b")
    with pytest.raises(OSError):
        both.receive()
    both.send(None)
    both.channel.waitclose(SECONDS)
    with pytest.raises(EOFError):
        both.get("never", SECONDS)
    plain = [call for call in calls if call[0] != "a"]
    assert plain[-4:] == [("first", 2), ("second", 2), ("first", Talk.END), ("second", Talk.END)]
    assert ("first", 1) in plain and ("b", 3) not in calls
    assert [call[1] for call in calls if call[0] == "a"] == [1, 2, Talk.END]
    assert calls.index(("a", 1)) < calls.index(("first", 2)) < calls.index(("a", 2))


def test_sending_with_a_time_limit(peer, tmp_path):
    gate = tmp_path / "gate"
    both = talk(peer, """
import os, time
got = []
def slow(item):
    while not os.path.exists(%r):
        time.sleep(0.01)
    got.append(item)
    if item == "last":
        talk.set(got=[one if isinstance(one, (str, tuple)) else len(one) for one in got])
talk.subscribe(slow)
talk.set(ready=True)
talk.get("over")
""" % str(gate))
    both.send(timeout=0)
    assert both.get("ready", SECONDS)
    with pytest.raises(both.channel.TimeoutError, match="not taken after 0.2 seconds; . of 9 items") as caught:
        both.send(*[b"x" * (3 << 20)] * 9, timeout=0.2)
    sent = caught.value.sent
    assert 0 < sent <= 9
    with pytest.raises(both.channel.TimeoutError) as caught:
        both.send("later", timeout=0.01)
    later = ["later"] * caught.value.sent
    gate.write_text("")
    both.send(("\0special", 1), "last", timeout=SECONDS)
    assert both.get("got", SECONDS) == [3 << 20] * sent + later + [("\0special", 1), "last"]
    both.set(over=True)
    both.channel.waitclose(SECONDS)
    with pytest.raises(OSError):
        both.send(1, timeout=SECONDS)


def test_what_cannot_be_sent(peer):
    both = talk(peer, "talk.send(talk.receive()); talk.receive()")
    with pytest.raises(Exception, match="(?i)object"):
        both.send(1, object(), timeout=SECONDS)
    assert both.receive(SECONDS) == 1


def test_a_remote_error_comes_through(peer):
    both = talk(peer, "raise ValueError('no')")
    with pytest.raises(both.channel.RemoteError, match="ValueError: no"):
        both.receive(SECONDS)


def test_names_that_are_none(peer):
    both = talk(peer, "talk.receive()")
    for wrong in ({}, {"": 1}, {"a" * 256: 1}, {1: 1}, {"a\0b": 1}):
        with pytest.raises(ValueError):
            both.set(wrong)


def test_remote_import(gateway, tmp_path):
    path = tmp_path / "there.py"
    path.write_text(MODULE)
    there = gateway.remote_import(str(path))
    assert there.add(1) == 2 and there.add(1, b=5) == 6
    assert there.pid() == gateway._rinfo().pid
    with pytest.raises(execnet.RemoteError, match="there.py.*line 15(.|\n)*ValueError: not today"):
        there.fails()
    with pytest.raises(execnet.RemoteError, match="no_such"):
        there.no_such()
    with pytest.raises(execnet.RemoteError):
        there.unsendable()
    assert there.number() == 7
    assert getattr(there, "Deep.echo")("x") == "x"
    path.write_text("1 / 0")
    with pytest.raises(execnet.RemoteError, match="ZeroDivisionError"):
        gateway.remote_import(str(path))


def test_what_was_taken_was_sent(gateway):
    """By who has closed the channel since."""
    from farflung import _native

    channel = gateway.remote_exec("channel.send(channel.receive())")
    channel.send(1)
    channel.waitclose(SECONDS)
    assert _native.taken(channel._end, 0.0) is True
    assert channel.receive(SECONDS) == 1

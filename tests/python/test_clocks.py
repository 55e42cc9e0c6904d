"""A wall clock that is set while somebody waits (fakes/clock.c)."""
import os

import pytest

LIBRARY = os.environ.get("FARFLUNG_CLOCK", "")

WAITERS = """
import struct, threading, time
import farflung.execnet as execnet

def wait(channel, seconds):
    begun = time.monotonic()
    try:
        channel.receive(timeout=seconds)
    except channel.TimeoutError:
        print("timeout after", "a second" if 1 <= time.monotonic() - begun < 20 else time.monotonic() - begun)
    else:
        print("got it")

gateway = execnet.makegateway("popen")
long = gateway.remote_exec("channel.send(channel.receive())")
short = gateway.remote_exec("channel.receive()")
# The first who waits runs the loop; the other one waits for his time, or a word from him.
first = threading.Thread(target=wait, args=(long, 50))
first.start()
while not first.is_alive():
    pass
second = threading.Thread(target=wait, args=(short, 1))
second.start()
second.join(0.3)
with open(sys.argv[1], "r+b") as file:
    file.write(struct.pack("=q", int(sys.argv[2]) * 1000000))
second.join()
long.send(1)
first.join()
short.send(1)
execnet.default_group.terminate(10)
"""


@pytest.mark.skipif(not os.path.exists(LIBRARY), reason="FARFLUNG_CLOCK names no clock to preload")
@pytest.mark.parametrize("hours", [2, -2])
def test_timeouts_keep_to_their_time(script, tmp_path, hours):
    clock = tmp_path / "clock"
    clock.write_bytes(bytes(8))
    env = dict(os.environ, LD_PRELOAD=LIBRARY, FARFLUNG_TEST_CLOCK=str(clock))
    said = script(WAITERS, str(clock), str(hours * 3600), env=env)
    assert said.splitlines() == ["timeout after a second", "got it"]

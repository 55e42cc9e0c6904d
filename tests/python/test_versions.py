"""One library serves every version of Python that the package is for: each that is here."""
import glob
import os
import subprocess

import pytest
from conftest import SECONDS, TOP

OLDEST, NEWEST = 8, 14
SCRIPT = """
import queue
import sys
sys.path.insert(0, %r)
import farflung.execnet as execnet
from farflung.talk import SOURCE, Talk

value = [None, True, 1 << 100, -1.5, 2j, b"x", "\\u20ac", (1,), {1}, frozenset([2]), {"a": [3]}]
assert execnet.loads(execnet.dumps(value)) == value
group = execnet.Group()
gateway = group.makegateway("popen//id=one")
assert gateway._rinfo().executable == sys.executable
channel = gateway.remote_exec("for item in channel: channel.send(item)")
for item in (value, b"y" * (1 << 20)):
    channel.send(item)
    assert channel.receive(60) == item
got = queue.Queue()
channel.setcallback(got.put, endmarker="end")
channel.send(7)
assert got.get(timeout=60) == 7  # what is sent to a closed channel is an error
channel.close()
channel.waitclose(60)
try:
    gateway.remote_exec("1 / 0").receive(60)
except execnet.RemoteError as exc:
    assert "ZeroDivisionError" in str(exc)
talk = Talk(gateway.remote_exec(SOURCE + "talk = Talk(channel); talk.set(a=1); talk.send(talk.receive())"))
talk.send(2, timeout=60)
assert talk.receive(60) == 2 and talk.get("a") == 1
multi = execnet.MultiChannel([gateway.remote_exec("channel.send(%%d)" %% n) for n in range(2)])
assert multi.receive_each() == [0, 1]
group.terminate(10)
print("%%d.%%d" %% sys.version_info[:2])
""" % str(TOP / "core" / "python")


def interpreters():
    """{minor version: path}, of pyenv's and the system's."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = {}
    for minor in range(OLDEST, NEWEST + 1):
        name = "python3.%d" % minor
        places = glob.glob("%s/versions/3.%d.*/bin/%s" % (pyenv, minor, name))
        places += [place for folder in ("/usr/bin", "/usr/local/bin") for place in glob.glob("%s/%s" % (folder, name))]
        if places:
            found[minor] = places[0]
    return found


FOUND = interpreters()


@pytest.mark.parametrize("minor", range(OLDEST, NEWEST + 1))
def test_a_version(minor, tmp_path):
    if minor not in FOUND:
        pytest.skip("no Python 3.%d here" % minor)
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    done = subprocess.run([FOUND[minor], str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=2 * SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.%d\n" % minor, "")

"""Ways to reach a worker, each with each other, as libfarflung(3) lists them, and peers that know execnet's
protocol alone: python3 -m pytest combinations.py, with FARFLUNG and FF_SOCKET_PROBE naming the built
programs. What needs other programs than these (ssh, docker) is in other files."""

import os
import socket
import sys

import pytest

from socket_server import (  # noqa: F401
    OURS, PSK_PYTHON, SECRET, check, check_failure, needs_psk, other_token, probe, serve, start, token)

FOREIGN = """\
import os, sys
sys.stdin.readline()
from execnet.gateway_base import Popen2IO, get_execmodel, serve
model = get_execmodel("thread")
io = Popen2IO(os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb"), model)
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 0)
os.dup2(2, 1)
io.write(b"1")
serve(io, id="foreign")
"""
WORKERS = ["python", "native"]


@pytest.fixture
def foreign(tmp_path):
    """A worker that is execnet and nothing of ours, as a program."""
    path = tmp_path / "worker"
    path.write_text("#!%s\n%s" % (sys.executable, FOREIGN))
    path.chmod(0o755)
    return str(path)


def parent(worker, name="m"):
    return "popen//id=%s//worker=%s//python=%s" % (name, worker, sys.executable)


# --- socket= and via= ---


@pytest.mark.parametrize("worker", WORKERS)
def test_socket_via(serve, worker):
    spec = "socket=%s//via=m" % serve().address
    check("-b", "8000000", parent(worker), spec, echo="8011776")
    check(parent(worker), spec + "//worker=native", worker="native", echo="5")


@pytest.mark.parametrize("worker", WORKERS)
def test_socket_via_by_name_and_through_two(serve, worker):
    server = serve()
    check("-b", "100000", parent(worker), "popen//id=n//via=m//worker=" + worker,
          "socket=localhost:%d//via=n" % server.port, echo="147456")
    check(parent(worker), "socket=%s:%d//via=m" % (socket.gethostname(), server.port)
          if server.host == "0.0.0.0" else "socket=:%d//via=m" % server.port)


@pytest.mark.parametrize("worker", WORKERS)
def test_tokens_hold_through_the_gateway(serve, token, other_token, worker):
    spec = "socket=%s//via=m//token_file=" % serve("--token-file", token).address
    check("-b", "1000000", parent(worker), spec + token, echo="1032192")
    check_failure("FF_EAUTH", "", parent(worker), spec + other_token)


@pytest.mark.parametrize("worker", WORKERS)
def test_proofs_through_the_gateway(start, token, worker):
    server = start(sys.executable, OURS, "127.0.0.1:0", "--token-file", token)
    extra = "" if sys.version_info >= (3, 13) else "//insecure_no_encryption"
    check("-b", "100000", parent(worker),
          "socket=%s//via=m//token_file=%s%s" % (server.address, token, extra), echo="147456")


@pytest.mark.parametrize("worker", WORKERS)
def test_a_socket_that_the_gateway_cannot_reach(worker):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        check_failure("FF_EUNREACH", "gateway 'm' cannot connect to 127.0.0.1:%d: Connection refused" % port,
                      parent(worker), "socket=127.0.0.1:%d//via=m" % port)
    check_failure("FF_EUNREACH", "gateway 'm' cannot connect to nowhere.invalid:1: ", parent(worker),
                  "socket=nowhere.invalid:1//via=m")
    check_failure("FF_EINVAL", "it wants host:port", parent(worker), "socket=nowhere//via=m")


def test_a_socket_that_goes_away(start):
    """The server is there, and ends the connection before it has a worker."""
    server = start(sys.executable, "-u", "-c",
                   "import socket, sys, signal\n"
                   "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
                   "s = socket.create_server(('127.0.0.1', 0))\n"
                   "print('listening on %s:%d' % s.getsockname())\n"
                   "while 1: s.accept()[0].close()\n")
    for worker in WORKERS:
        result = probe(parent(worker), "socket=%s//via=m" % server.address)
        assert result.code == 1 and result.lines[-1].startswith("failed 1 "), result.lines


# --- what goes together, and what does not ---


@pytest.mark.parametrize("via", WORKERS)
@pytest.mark.parametrize("worker", WORKERS)
def test_popen_via(via, worker):
    result = probe(parent(via), "popen//via=m//worker=%s//python=%s" % (worker, sys.executable))
    assert result.code == 0 and result.lines[1].endswith(worker), result.lines


@pytest.mark.parametrize("via", WORKERS)
def test_installvia(via):
    check(parent(via), "socket//installvia=m")


@pytest.mark.parametrize("specs, code, words", [
    (["popen//ssh=x"], "FF_EINVAL", "it names several"),
    (["popen//socket=x:1"], "FF_EINVAL", "it names several"),
    (["docker=x//kubectl=y"], "FF_EINVAL", "it names several"),
    (["via=m"], "FF_EINVAL", "no gateway type found"),
    (["popen//via=nobody"], "FF_EINVAL", "no gateway 'nobody'"),
    (["socket=x:1//via=nobody"], "FF_EINVAL", "no gateway 'nobody'"),
    (["popen//id=m", "popen//installvia=m"], "FF_EINVAL", "installvia= is for socket= alone"),
    (["popen//id=m", "socket//via=m//installvia=m"], "FF_EINVAL", "installvia= is for socket= alone"),
    (["popen//id=m", "popen//id=m"], "FF_EEXISTS", "taken"),
])
def test_refused(specs, code, words):
    check_failure(code, words, *specs)


# --- peers without HELLO ---


def test_a_foreign_worker_is_plain(foreign):
    check("-b", "1000000", "popen//plain//python=" + foreign, echo="1032192")


def test_a_foreign_worker_is_configured(foreign, tmp_path):
    check("popen//plain//chdir=%s//env:A=b//python=%s" % (tmp_path / "new", foreign))
    assert os.path.isdir(tmp_path / "new")


def test_a_foreign_worker_must_be_said_to_be_plain(foreign):
    result = probe("popen//python=" + foreign)
    assert result.code == 1 and "FF_E" in result.lines[-1], result.lines


@pytest.mark.parametrize("worker", WORKERS)
def test_our_own_workers_need_no_hello(worker):
    result = probe("popen//plain//worker=%s//python=%s" % (worker, sys.executable))
    assert result.code == 0, result.lines


@pytest.mark.parametrize("via", WORKERS)
def test_plain_via(foreign, via):
    check(parent(via), "popen//plain//via=m//python=" + foreign)

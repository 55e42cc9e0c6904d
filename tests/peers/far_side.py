"""A pytest plugin: the worker that FF_PEER names at the far side of execnet's gateways."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes"))
PEER = os.environ.get("FF_PEER", "")


def greeted(io):
    answer = io.read(1)
    assert answer == b"1", repr(answer)


def python_worker():
    from execnet import gateway_bootstrap
    from worker_text import worker_text

    def line(spec_id, execmodel, more=""):
        head = "FF_ID=%r\nFF_EXECMODEL=%r\n%s" % (spec_id, execmodel, more)
        return (repr(head + worker_text(execmodel)) + "\n").encode()

    def over_pipes(io, spec):
        io.write(line(spec.id, spec.execmodel or "thread"))
        try:
            greeted(io)
        except EOFError:
            if io.wait() == 255 and hasattr(io, "remoteaddress"):
                raise gateway_bootstrap.HostNotFound(io.remoteaddress) from None

    def over_socket(io, id):
        io.write(line(getattr(id, "id", id), "thread", "FF_SOCKET=1\n"))
        greeted(io)

    gateway_bootstrap.bootstrap_import = gateway_bootstrap.bootstrap_exec = over_pipes
    gateway_bootstrap.bootstrap_socket = over_socket


def native_worker():
    from execnet import gateway_io

    worker = os.environ["FF_WORKER"]
    gateway_io.popen_args = lambda spec: [worker, "-c", gateway_io.popen_bootstrapline]


def pytest_configure(config):
    if PEER:
        {"python": python_worker, "native": native_worker}[PEER]()

"""Ports of the controlling machine in `workerinput`, carried to workers that run elsewhere (ports.py).
Run with: python3 -m pytest tests/conform/payload_ports.py"""
import os
import socket
import sys
import textwrap

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes"))
from front_runner import Play, joined  # noqa: E402

# A server in the controller. A connection says one line, and is served as that says.
SERVER = """
    import os, pathlib, socket, threading
    HEARD = pathlib.Path(__file__).with_name("heard")

    def serve(conn):
        file = conn.makefile("rb")
        word, _, rest = file.readline().decode().strip().partition(" ")
        if word == "echo":
            while 1:
                data = file.read1(1 << 16)
                if not data:
                    break
                conn.sendall(data)
        elif word == "count":
            conn.sendall(b"%d" % len(file.read()))
        elif word == "note":
            with open(HEARD, "a") as heard:
                heard.write("%s %d\\n" % (rest.strip(), len(file.read())))
        elif word == "flood":
            conn.sendall(b"x" * int(rest))
        elif word == "break":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
        file.close()
        conn.close()

    class Server:
        def __init__(self):
            self.threads = []
            self.sock = socket.create_server(("127.0.0.1", 0), backlog=256)
            self.port = self.sock.getsockname()[1]
            threading.Thread(target=self.run, daemon=True).start()
        def run(self):
            while 1:
                try:
                    conn, _ = self.sock.accept()
                except OSError:
                    return
                self.threads.append(threading.Thread(target=serve, args=(conn,)))
                self.threads[-1].start()

    def pytest_configure(config):
        if not hasattr(config, "workerinput"):
            config.server = Server()
    def pytest_configure_node(node):
        port = node.config.server.port
        node.workerinput.update(
            sock_port=port, true=port, url="http://127.0.0.1:%d/x" % port, address=("localhost", port),
            free_port=FREE, nested={"ports": [port, FREE]},
        )
    def pytest_unconfigure(config):
        if not hasattr(config, "workerinput"):
            for thread in config.server.threads:
                thread.join(30)
            config.server.sock.close()
"""

HELPERS = """
    import socket
    def talk(request, line, data=b"", end=True):
        conn = socket.create_connection(("127.0.0.1", request.config.workerinput["sock_port"]))
        conn.sendall(line.encode() + b"\\n" + data)
        if end:
            conn.shutdown(socket.SHUT_WR)
        return conn
    def rest(conn):
        parts = []
        while not parts or parts[-1]:
            parts.append(conn.recv(1 << 16))
        conn.close()
        return b"".join(parts)
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def suite(tmp_path, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("PYTEST", "PY_COLORS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))

    def write(tests, conftest=""):
        folder = tmp_path / "suite"
        folder.mkdir()
        text = textwrap.dedent(SERVER).replace("FREE", str(free_port())) + textwrap.dedent(conftest)
        (folder / "conftest.py").write_text(text)
        (folder / "test_a.py").write_text(textwrap.dedent(HELPERS) + textwrap.dedent(tests))
        return folder

    return write


class Away(Play):
    """Its workers run elsewhere, as far as anybody knows."""

    def tell_front(self, *message):
        if message[0] == "node":
            message = (*message[:2], dict(message[2], local=False))
        super().tell_front(*message)


def passes(play):
    assert {o for outcomes in play.results().values() for o in outcomes} == {"passed"}, play.text
    assert play.finished == {"exitstatus": 0, "words": "", "bad": False}, play.text


def test_connections(suite):
    folder = suite("""
        import threading
        def test_values(request):
            given = request.config.workerinput
            port = given["sock_port"]
            assert port not in (given["true"], given["free_port"])
            assert given["url"] == "http://127.0.0.1:%d/x" % port
            assert given["address"] == ("localhost", port)
            assert given["nested"] == {"ports": [port, given["free_port"]]}

        def test_there_and_back(request):
            data = b"0123456789" * 500000
            conn = talk(request, "echo", end=False)
            def write():
                conn.sendall(data)
                conn.shutdown(socket.SHUT_WR)
            writer = threading.Thread(target=write)
            writer.start()
            assert rest(conn) == data
            writer.join()

        def test_one_way_ends_before_the_other(request):
            assert rest(talk(request, "count", b"y" * 3000000)) == b"3000000"

        def test_more_than_are_carried_at_once(request):
            conns = [talk(request, "echo", b"%d" % n) for n in range(150)]
            assert [rest(conn) for conn in conns] == [b"%d" % n for n in range(150)]

        def test_who_reads_nothing_holds_up_nobody(request):
            flood = talk(request, "flood 50000000")
            assert rest(talk(request, "echo", b"still")) == b"still"
            flood.close()

        def test_a_break_is_no_end(request):
            conn = talk(request, "break", end=False)
            try:
                assert conn.recv(10) == "never", "an end"
            except ConnectionResetError:
                pass
    """)
    passes(Away(folder))


def test_near_the_controller_nothing_is_carried(suite):
    passes(Play(suite("""
        def test_a(request):
            assert request.config.workerinput["sock_port"] == request.config.workerinput["true"]
            assert rest(talk(request, "echo", b"direct")) == b"direct"
    """)))


def test_a_test_may_replace_what_it_likes(suite):
    passes(Away(suite("""
        import _thread, os, select, threading, time
        def test_a(request, monkeypatch):
            conn = talk(request, "echo", b"first", end=False)
            assert conn.recv(100) == b"first"
            def never(*args, **kwargs): raise AssertionError("it was used")
            real = socket.create_connection, socket.SHUT_WR
            with monkeypatch.context() as patch:
                for name in ("socket", "socketpair", "create_server"): patch.setattr(socket, name, never)
                for name in ("Lock", "Thread", "Condition"): patch.setattr(threading, name, never)
                for name in ("monotonic", "time", "sleep"): patch.setattr(time, name, never)
                for name in ("poll", "select", "epoll"): patch.setattr(select, name, never)
                patch.setattr(_thread, "start_new_thread", never)
                conn.sendall(b"second")
                assert conn.recv(100) == b"second"
            assert rest(talk(request, "echo", b"third")) == b"third"
        def test_fork(request):
            conn = talk(request, "echo", end=False)
            child = os.fork()
            if not child:
                try:
                    conn.sendall(rest(talk(request, "echo", b"of a child")))
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            conn.shutdown(socket.SHUT_WR)
            assert rest(conn) == b"of a child"
    """), workers=1))


def test_what_was_written_last_arrives(suite):
    folder = suite("""
        KEPT = []
        def test_a(request): KEPT.append(talk(request, "note kept", b"z" * 900000, end=False))
    """, """
        def pytest_unconfigure(config, before=pytest_unconfigure):
            if hasattr(config, "workerinput"):
                conn = socket.create_connection(("127.0.0.1", config.workerinput["sock_port"]))
                conn.sendall(b"note last\\n" + b"z" * 700000)
            before(config)
    """)
    passes(Away(folder, workers=1))
    assert sorted((folder / "heard").read_text().splitlines()) == ["kept 900000", "last 700000"]


def test_a_worker_that_dies_has_hung_up(suite):
    folder = suite("""
        import os
        def test_a(request):
            conn = talk(request, "note dead", b"1234567", end=False)
            assert rest(talk(request, "echo", b"so it is there")) == b"so it is there"
            os._exit(9)
    """)
    play = Away(folder, workers=1)
    assert play.results() == {"test_a.py::test_a": ["crashed"]}
    assert (folder / "heard").read_text() == "dead 7\n"


@pytest.mark.parametrize("what", [
    (-1, "open", "other"), (-1, "open", None), (-1, "data", b"x"), (0, "took", -1), (0, "what", 1), ("a", "open", 1), (0,),
    (-1, "open", "sock_port", "twice"), (-1, "open", "sock_port", "flood"), (-1, "open", "sock_port", "took"),
], ids=str)
def test_a_lying_worker_gets_nowhere(suite, what):
    """It reaches what it was offered, and costs nobody else anything."""

    class Lying(Away):
        def hear_front(self, item):
            if item[0] == "to" and "workerinput" in item[2]:
                self.ports = dict(item[2]["workerinput"], other=self.other)
            super().hear_front(item)

        def tell_front(self, *message):
            super().tell_front(*message)
            if message[0] == "from" and message[2][0] == "ready":
                number, *words = what
                more = words.pop() if len(words) > 2 else None
                if len(words) > 1 and isinstance(words[1], str):
                    words[1] = self.ports[words[1]]
                say = lambda *item: super(Lying, self).tell_front("from", message[1], ("net", *item))
                say(number, *words)
                if more == "twice":
                    say(number, *words)
                for _ in range(40 if more == "flood" else 0):
                    say(number, "data", b"note flood\n" + b"x" * 100000)
                if more == "took":
                    say(number, "took", 1 << 60)

    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        Lying.other = other.getsockname()[1]
        folder = suite("""
            def test_a(request): assert rest(talk(request, "echo", b"good")) == b"good"
        """)
        play = Lying(folder, workers=1)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert play.results() == {"test_a.py::test_a": ["passed"]}
    assert play.finished["exitstatus"] == 0


@pytest.mark.parametrize("given, wanted", [
    ({"port": 5000, "seed": 5000}, {"port": 6000, "seed": 5000}),
    ({"SERVER_PORT": "5000", "PORTS": [5000, 5001]}, {"SERVER_PORT": "6000", "PORTS": [6000, 5001]}),
    ({"a": {"b": ["127.0.0.1", 5000]}}, {"a": {"b": ["127.0.0.1", 6000]}}),
    ({"a": ("::1", 5000), "b": ("10.0.0.1", 5000)}, {"a": ("127.0.0.1", 6000), "b": ("10.0.0.1", 5000)}),
    ({"u": "tcp://localhost:5000,127.0.0.2:5000"}, {"u": "tcp://localhost:6000,127.0.0.1:6000"}),
    ({"u": "at [::1]:5000 and 1127.0.0.1:5000 and 127.0.0.1:50001"},
     {"u": "at 127.0.0.1:6000 and 1127.0.0.1:5000 and 127.0.0.1:50001"}),
    ({"port": True, "ports": None, "transport": 5000.0, 5000: 5000}, {"port": True, "ports": None, "transport": 5000.0, 5000: 5000}),
    ({"port": "5000x", "x": b"127.0.0.1:5000"}, {"port": "5000x", "x": b"127.0.0.1:5000"}),
], ids=str)
def test_what_names_a_port(given, wanted):
    names = {}
    exec(joined("front"), names)
    assert names["redirected"](given, {5000: 6000}) == wanted
    asked = names["Asked"]()
    assert names["redirected"](given, asked) == given
    assert (5000 in asked.ports) == (given != wanted)


def test_only_listeners_of_this_process_for_this_machine():
    names = {}
    exec(joined("front"), names)
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("", 0)) as everywhere, \
            socket.socket() as bound, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for sock in (bound, datagrams):
            sock.bind(("127.0.0.1", 0))
        port = here.getsockname()[1]
        assert names["own_listeners"]() == {
            port: (socket.AF_INET, ("127.0.0.1", port)),
            everywhere.getsockname()[1]: (socket.AF_INET, ("127.0.0.1", everywhere.getsockname()[1])),
        }
    assert names["own_listeners"]() == {}

"""`farflung socketserver`, core/worker/python/socketserver.py and execnet's own, as servers for our client and
for Python's execnet: python3 -m pytest socket_server.py, with FARFLUNG and FF_SOCKET_PROBE naming the
built programs."""

import glob
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import execnet
import pytest

FARFLUNG = os.environ.get("FARFLUNG", "farflung")
PROBE = os.environ.get("FF_SOCKET_PROBE", "socket_probe")
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
OURS = os.path.join(TOP, "core", "worker", "python", "socketserver.py")
THEIRS = os.path.join(os.path.dirname(execnet.__file__), "script", "socketserver.py")
SECONDS = 60
SECRET = "0123456789abcdef0123456789abcdef"
MARK = "socketserver-was-here"


def psk_python():
    """A Python whose ssl module knows pre-shared keys (3.13)."""
    for python in [shutil.which("python3.13")] + sorted(
        glob.glob(os.path.expanduser("~/.pyenv/versions/3.1[3-9]*/bin/python3"))
    ):
        if python and subprocess.call(
            [python, "-c", "import ssl, sys; sys.exit(not ssl.HAS_PSK)"], stderr=subprocess.DEVNULL
        ) == 0:
            return python
    return None


PSK_PYTHON = psk_python()
needs_psk = pytest.mark.skipif(not PSK_PYTHON, reason="no Python with TLS and pre-shared keys")


class Server:
    """A server process whose stderr is read line by line."""

    def __init__(self, *argv, **popen):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, **popen)
        self.seen, self.lines = [], queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        line = self.process.stdout.readline()
        match = re.search(r"listening on \[?(.*?)\]?:(\d+)$", line.strip())
        if not match:
            self.process.wait(SECONDS)
            self.until("a line that never comes", fail=False)
            raise AssertionError((line, self.seen))
        self.host, self.port = match.group(1), int(match.group(2))
        self.address = "%s:%d" % (self.host, self.port)

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def until(self, words, fail=True):
        """Waits for a line on stderr that has these words."""
        while True:
            line = self.lines.get(timeout=SECONDS)
            if line is None:
                assert not fail, (words, self.seen)
                return None
            self.seen.append(line)
            if words in line:
                return line

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(SECONDS)
        if not self.process.stdout.closed:
            self.until("a line that never comes", fail=False)
            self.process.stdout.close()
        assert code == 0, (code, self.seen)
        assert not any("Sanitizer" in line or "Traceback" in line for line in self.seen), self.seen


@pytest.fixture
def start():
    servers = []

    def start(*argv, **popen):
        servers.append(Server(*argv, **popen))
        return servers[-1]

    yield start
    try:
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.process.kill()


@pytest.fixture
def serve(start):
    def serve(*options, listen="127.0.0.1:0"):
        return start(FARFLUNG, "socketserver", "--listen", listen, "--python", sys.executable,
                     *options)

    return serve


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def other_token(tmp_path):
    path = tmp_path / "other"
    path.write_text(SECRET[::-1] + "\n")
    path.chmod(0o600)
    return str(path)


class Result:
    def __init__(self, done):
        assert done.returncode in (0, 1) and not done.stderr, (done.stdout, done.stderr)
        self.code, self.lines = done.returncode, done.stdout.splitlines()


def probe(*words):
    return Result(subprocess.run([PROBE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, timeout=SECONDS))


def check(*words, worker="python", echo="0"):
    result = probe(*words)
    assert result.code == 0, result.lines
    assert result.lines[-2].endswith(" " + worker), result.lines
    assert result.lines[-1] == "echo " + echo, result.lines
    return result


def check_failure(code, words, *specs):
    result = probe(*specs)
    assert result.code == 1, result.lines
    assert result.lines[-1].split()[2] == code and words in result.lines[-1], result.lines


def gone(pid):
    deadline = time.monotonic() + SECONDS
    while os.path.exists("/proc/%d" % pid):
        assert time.monotonic() < deadline, pid
        time.sleep(0.01)


# --- without a token ---


def test_execnet_connects_to_ours(serve):
    server = serve()
    group = execnet.Group()
    gateway = group.makegateway("socket=" + server.address)
    channel = gateway.remote_exec("channel.send(channel.receive() + 1)")
    channel.send(41)
    assert channel.receive(SECONDS) == 42
    group.terminate(5)
    server.until("the worker ended: exit status 0")


def test_several_at_once(serve):
    server = serve()
    group = execnet.Group()
    gateways = [group.makegateway("socket=" + server.address) for _ in range(3)]
    pids = {g.remote_exec("import os; channel.send(os.getpid())").receive(SECONDS) for g in gateways}
    assert len(pids) == 3
    group.terminate(5)


def test_ours_plain(serve):
    spec = "socket=" + serve().address
    check("-b", "8000000", spec, echo="8011776")
    check(spec + "//worker=native", worker="native", echo="5")


def test_ours_to_execnets(start):
    server = start(sys.executable, "-u", "-c",
                   "import sys, execnet.script.socketserver as s\n"
                   "from execnet.gateway_base import get_execmodel\n"
                   "s.execmodel = get_execmodel('thread')\n"
                   "sock = s.bind_and_listen(('127.0.0.1', 0), s.execmodel)\n"
                   "print('listening on %s:%d' % sock.getsockname(), flush=True)\n"
                   "sys.stdout = sys.stderr\n"
                   "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
                   "try: s.startserver(sock, loop=True)\n"
                   "except SystemExit: pass\n")
    check("-b", "1000000", "socket=" + server.address, echo="1032192")


def test_native_is_asked_of_a_server_without_it(start):
    server = start(sys.executable, OURS, "127.0.0.1:0")
    check("socket=%s//worker=native" % server.address)


def test_plain_needs_loopback():
    done = subprocess.run([FARFLUNG, "socketserver", "--listen", "0.0.0.0:0"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == 2 and not done.stdout
    assert "anybody who can reach that address could execute code here" in done.stderr
    done = subprocess.run([FARFLUNG, "socketserver"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == 2 and "a token file is needed" in done.stderr
    done = subprocess.run([sys.executable, OURS, "0.0.0.0:0"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == 2 and "a token is needed" in done.stderr


def test_plain_everywhere_on_demand(serve):
    server = serve("--insecure-allow-anyone-to-execute-code", listen="0.0.0.0:0")
    server.until("whoever can connect can execute code")
    check("socket=127.0.0.1:%d" % server.port)


# --- with a token ---


@pytest.mark.parametrize("listen", ["127.0.0.1:0", ":0"])
def test_tls(serve, token, listen):
    server = serve("--token-file", token, listen=listen)
    spec = "socket=127.0.0.1:%d//token_file=%s" % (server.port, token)
    check("-b", "8000000", spec, echo="8011776")
    server.until("python worker runs")
    server.until("the worker ended: exit status 0")
    check(spec + "//worker=native", worker="native", echo="5")
    server.until("native worker runs")


def test_wrong_token(serve, token, other_token):
    server = serve("--token-file", token)
    check_failure("FF_EAUTH", "the server refused the token",
                  "socket=%s//token_file=%s" % (server.address, other_token))
    line = server.until("refused: wrong token")
    assert re.search(r" 127\.0\.0\.1:\d+: refused", line)


def test_no_token(serve, token, tmp_path):
    server = serve("--token-file", token)
    mark = tmp_path / MARK
    with socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(("'open(%r, \"w\")'\n" % str(mark)).encode())
        server.until("refused: no TLS 1.3 with a token")
        while sock.recv(4096):
            pass
    assert not mark.exists()
    check_failure("FF_EAUTH", "the server wants TLS: token_file= is missing",
                  "socket=" + server.address)


def test_certificates_do_not_help(serve, token):
    """TLS 1.3 without the key, and older TLS: no code of theirs is ever read."""
    import ssl

    server = serve("--token-file", token)
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((server.host, server.port)) as sock:
            with pytest.raises(OSError):
                context.wrap_socket(sock)
        server.until("refused: no")


def test_a_certificate_does_not_fool_the_client(token, tmp_path):
    import ssl

    key, cert = str(tmp_path / "key"), str(tmp_path / "cert")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj",
                    "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    got = []

    def answer():
        conn, _ = listener.accept()
        try:
            with context.wrap_socket(conn, server_side=True) as tls:
                got.append(tls.recv(100))
        except OSError:
            got.append(b"")

    thread = threading.Thread(target=answer)
    thread.start()
    check_failure("FF_EAUTH", "it offers a certificate",
                  "socket=127.0.0.1:%d//token_file=%s" % (listener.getsockname()[1], token))
    thread.join(SECONDS)
    listener.close()
    assert got == [b""]


def test_no_tls_at_the_other_end(serve, token):
    server = serve()
    # It takes what it gets for a line and waits for its end, or sees one and Python refuses it.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            conn, _ = listener.accept()
            conn.recv(10)
            conn.sendall(b"220 smtp here\r\n")
            conn.close()

        thread = threading.Thread(target=answer)
        thread.start()
        check_failure("FF_EPROTO", "no TLS 1.3 at the other end",
                      "socket=127.0.0.1:%d//token_file=%s" % (listener.getsockname()[1], token))
        thread.join(SECONDS)
    assert server.process.poll() is None


def test_connection_refused(token):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        spec = "socket=127.0.0.1:%d" % sock.getsockname()[1]
        check_failure("FF_EUNREACH", "Connection refused", spec)
        check_failure("FF_EUNREACH", "Connection refused", spec + "//token_file=" + token)


def test_silent_server(token):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        check_failure("FF_EUNREACH", "no answer to the TLS handshake",
                      "socket=127.0.0.1:%d//token_file=%s" % (listener.getsockname()[1], token))


def test_silent_client(serve, token):
    server = serve("--token-file", token)
    with socket.create_connection((server.host, server.port)) as sock:
        server.until("refused: no token in time")
        while sock.recv(4096):
            pass


def test_many_silent_clients(serve, token):
    server = serve("--token-file", token)
    socks = [socket.create_connection((server.host, server.port)) for _ in range(100)]
    server.until("too many come without proving anything")
    check("socket=%s//token_file=%s" % (server.address, token))
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("server", ["farflung", "python"])
def test_token_files(server, tmp_path):
    path = tmp_path / "token"
    argv = [FARFLUNG, "socketserver"] if server == "farflung" else [sys.executable, OURS]

    def refused():
        done = subprocess.run(argv + ["--listen", "127.0.0.1:0", "--token-file", str(path)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=SECONDS)
        assert done.returncode == 2 and not done.stdout, done
        return done.stderr

    assert str(path) in refused()
    path.write_text(SECRET)
    path.chmod(0o640)
    assert "open to others" in refused()
    path.write_text(SECRET[:31] + "\n")
    path.chmod(0o600)
    assert "from 32 to 4096 characters" in refused()


def test_make_token(serve, tmp_path):
    path = tmp_path / "token"
    server = serve("--token-file", str(path), "--make-token")
    secret = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600 and re.fullmatch("[0-9a-f]{64}\n", secret)
    check("socket=%s//token_file=%s" % (server.address, path))
    server.stop()
    serve("--token-file", str(path), "--make-token")
    assert path.read_text() == secret


def test_client_refuses_an_open_token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(0o644)
    check_failure("FF_EAUTH", "open to others", "socket=127.0.0.1:1//token_file=%s" % path)
    check_failure("FF_ENOTFOUND", "no token file", "socket=127.0.0.1:1//token_file=%s-" % path)


# --- ends ---


def test_once(serve, token, other_token):
    server = serve("--once", "--token-file", token)
    spec = "socket=%s//token_file=" % server.address
    check_failure("FF_EAUTH", "refused the token", spec + other_token)
    check(spec + token)
    assert server.process.wait(SECONDS) == 0


@pytest.mark.parametrize("worker", ["python", "native"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_server(start, token, worker, number):
    server = Server(FARFLUNG, "socketserver", "--listen", "127.0.0.1:0", "--token-file", token,
                    "--python", sys.executable)
    client = subprocess.Popen(
        [PROBE, "-w", "socket=%s//token_file=%s//worker=%s" % (server.address, token, worker)],
        stdout=subprocess.PIPE, text=True)
    pid = int(re.search(r"pid (\d+)", server.until("worker runs")).group(1))
    for line in client.stdout:
        if line == "waiting\n":
            break
    server.process.send_signal(number)
    # The client hears of it at once, whatever the worker does.
    assert "ended" in client.communicate(timeout=SECONDS)[0]
    assert server.process.wait(SECONDS) == (0 if number == signal.SIGTERM else -number)
    gone(pid)
    server.process.stdout.close()


@pytest.mark.parametrize("worker", ["python", "native"])
def test_worker_ends_with_its_client(serve, token, worker):
    server = serve("--token-file", token)
    client = subprocess.Popen(
        [PROBE, "-w", "socket=%s//token_file=%s//worker=%s" % (server.address, token, worker)],
        stdout=subprocess.PIPE, text=True)
    pid = int(re.search(r"pid (\d+)", server.until("worker runs")).group(1))
    for line in client.stdout:
        if line == "waiting\n":
            break
    client.kill()
    client.communicate(timeout=SECONDS)
    server.until("the connection was lost")
    server.until("the worker ended")
    gone(pid)


# --- the one for Python alone ---


@pytest.mark.parametrize("python", sorted({sys.executable, PSK_PYTHON or sys.executable}))
def test_python_server_plain(start, python):
    server = start(python, OURS, "127.0.0.1:0")
    check("-b", "1000000", "socket=" + server.address, echo="1032192")
    group = execnet.Group()
    gateway = group.makegateway("socket=" + server.address)
    assert gateway.remote_exec("channel.send(1)").receive(SECONDS) == 1
    group.terminate(5)


@needs_psk
def test_python_server_tls(start, token, other_token):
    server = start(PSK_PYTHON, OURS, "127.0.0.1:0", "--token-file", token)
    spec = "socket=%s//token_file=" % server.address
    check("-b", "4000000", spec + token, echo="4030464")
    check_failure("FF_EAUTH", "refused the token", spec + other_token)
    server.until("refused: wrong token")
    check_failure("FF_EAUTH", "token_file= is missing", "socket=" + server.address)
    server.until("refused: no TLS 1.3")


def proof_server(start, token, *options):
    if sys.version_info >= (3, 13):
        pytest.skip("this Python has TLS with pre-shared keys")
    return start(sys.executable, OURS, "127.0.0.1:0", "--token-file", token, *options)


def test_python_server_proof(start, token, other_token):
    server = proof_server(start, token)
    spec = "socket=%s//insecure_no_encryption//token_file=" % server.address
    check("-b", "1000000", spec + token, echo="1032192")
    check_failure("FF_EAUTH", "refused the token", spec + other_token)
    server.until("refused: wrong token")
    # Never by itself.
    check_failure("FF_EPROTO", "insecure_no_encryption",
                  "socket=%s//token_file=%s" % (server.address, token))


def test_proof_needs_loopback(token):
    if sys.version_info >= (3, 13):
        pytest.skip("this Python has TLS with pre-shared keys")
    done = subprocess.run([sys.executable, OURS, "0.0.0.0:0", "--token-file", token],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == 2 and "the connection is not protected" in done.stderr


def test_client_wants_the_servers_proof(token):
    """A server that only pretends to know the token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            conn, _ = listener.accept()
            conn.sendall(b"farflung-token-1 " + b"0" * 64 + b"\n")
            conn.makefile("rb").readline()
            conn.sendall(b"0" * 64 + b"\n1")
            conn.recv(1)
            conn.close()

        thread = threading.Thread(target=answer)
        thread.start()
        check_failure("FF_EAUTH", "the server does not know the token",
                      "socket=127.0.0.1:%d//insecure_no_encryption//token_file=%s"
                      % (listener.getsockname()[1], token))
        thread.join(SECONDS)


def test_python_server_once(start, token):
    server = proof_server(start, token, "--once")
    check("socket=%s//insecure_no_encryption//token_file=%s" % (server.address, token))
    assert server.process.wait(SECONDS) == 0


# --- installvia= ---


@pytest.mark.parametrize("python", sorted({sys.executable, PSK_PYTHON or sys.executable}))
def test_installvia_python(python):
    result = check("-b", "1000000", "popen//python=%s//id=master" % python,
                   "socket//installvia=master", echo="1032192")
    assert result.lines[0] == "open master python"


def test_installvia_native():
    result = check("popen//worker=native//id=master", "socket//installvia=master")
    assert result.lines[0] == "open master native"


def test_installvia_chain():
    check("popen//python=%s//id=a" % sys.executable,
          "popen//via=a//python=%s//id=b" % sys.executable, "socket//installvia=b//id=c",
          "popen//via=c//python=%s" % sys.executable)


def test_installvia_names_nobody():
    check_failure("FF_EINVAL", "no gateway 'nobody'", "socket//installvia=nobody")


def test_installvia_where_it_cannot_listen():
    check_failure("FF_ESPAWN", "cannot install a socket server through gateway 'm'",
                  "popen//id=m//python=" + sys.executable, "socket=203.0.113.1:0//installvia=m")

"""Servers that are told of runs: HTTP and SMTP on free ports of 127.0.0.1, which do as a test says."""
import base64
import contextlib
import email
import email.policy
import http.server
import json
import queue
import socketserver
import ssl
import subprocess
import threading


def certificate(folder, name="localhost"):
    """A key and a certificate that nobody vouches for: (certificate, key)."""
    folder.mkdir(exist_ok=True)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    return cert, key


def context_of(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context


class Got:
    """A request as it came."""

    def __init__(self, handler, body):
        self.method, self.path, self.headers, self.body = handler.command, handler.path, handler.headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Hook:
    """What came, in order; `answer(handler, got)` says what is answered, by default 200."""

    def __init__(self, port, scheme):
        self.url = f"{scheme}://{'localhost' if scheme == 'https' else '127.0.0.1'}:{port}"
        self.port = port
        self.got = queue.Queue()
        self.answer = lambda handler, got: reply(handler, 200, b"ok")
        self.over = threading.Event()  # answers that hold somebody up wait for this

    def next(self, seconds=60):
        return self.got.get(timeout=seconds)

    def rest(self):
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.got.get_nowait())
        return found


def reply(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def hook(pair=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def take(self):
            got = Got(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            server.hook.got.put(got)
            self.close_connection = True
            with contextlib.suppress(OSError):
                server.hook.answer(self, got)

        do_GET = do_POST = do_PUT = do_PATCH = take

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request, client_address):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.hook = Hook(server.server_address[1], "https" if pair else "http")
    if pair:
        server.socket = context_of(pair).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield server.hook


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        if hasattr(server, "hook"):
            server.hook.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Mail:
    def __init__(self, sender, recipients, data, login, encrypted):
        self.sender, self.recipients, self.login, self.encrypted = sender, recipients, login, encrypted
        self.message = email.message_from_bytes(data, policy=email.policy.default)
        self.data = data


class MailServer(socketserver.ThreadingTCPServer):
    """SMTP as far as it is needed; `refuse` maps a command to lines to be answered, each once."""
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, tls=None, implicit=False):
        super().__init__(("127.0.0.1", 0), Smtp)
        self.tls, self.implicit = tls, implicit
        self.mails = queue.Queue()
        self.refuse = {}
        self.seen = []
        scheme = "smtps" if implicit else "smtp"
        self.url = f"{scheme}://localhost:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        pass


class Smtp(socketserver.StreamRequestHandler):
    def setup(self):
        self.encrypted = self.server.implicit
        if self.encrypted:
            self.request = context_of(self.server.tls).wrap_socket(self.request, server_side=True)
        super().setup()

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def line(self):
        return self.rfile.readline().decode().rstrip("\r\n")

    def handle(self):
        sender, recipients, login = None, [], None
        self.say("220 here")
        while True:
            line = self.line()
            word = line.split(" ")[0].upper()
            self.server.seen.append(line)
            if not line or word == "QUIT":
                self.say("221 bye")
                return
            if self.server.refuse.get(word):
                self.say(self.server.refuse[word].pop(0))
            elif word == "EHLO":
                more = ["STARTTLS"] if self.server.tls and not self.encrypted else ["AUTH PLAIN"]
                self.say("250-here")
                self.say("250 " + more[0])
            elif word == "STARTTLS":
                self.say("220 go on")
                self.connection = context_of(self.server.tls).wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
                self.encrypted = True
            elif word == "AUTH":
                if len(line.split(" ")) < 3:
                    self.say("334 ")
                    answer = self.line()
                else:
                    answer = line.split(" ")[2]
                login = base64.b64decode(answer).decode().split("\0")[1:]
                self.say("235 welcome")
            elif word == "MAIL":
                sender = line.split(":", 1)[1]
                self.say("250 ok")
            elif word == "RCPT":
                recipients.append(line.split(":", 1)[1])
                self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += self.rfile.readline()
                self.server.mails.put(Mail(sender, recipients, data[:-3], login, self.encrypted))
                self.say("250 kept")
            else:
                self.say("250 ok")


@contextlib.contextmanager
def mail_server(tls=None, implicit=False):
    server = MailServer(tls, implicit)
    with serving(server):
        yield server

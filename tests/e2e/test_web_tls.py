"""farflung web and --web over TLS: who trusts the certificate reads all, and no other pair is served with."""
import contextlib
import datetime
import http.client
import json
import re
import socket
import ssl
import subprocess
import urllib.parse

import pytest

from conftest import wait_until, write
from test_output_cap import sanitized
from test_web import GOES_ON, RUN

NAME = "farm.example.org"


@pytest.fixture
def pair(farflung):
    """For 127.0.0.1 and a name: (certificate, key)."""
    return made(farflung.cwd / "pair")


def made(folder, *, subject=NAME, names=f"IP:127.0.0.1,DNS:localhost,DNS:{NAME}", key=("-newkey", "rsa:2048"), days=("-days", "2")):
    folder.mkdir()
    cert, secret = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", *days, "-subj", f"/CN={subject}", "-addext", f"subjectAltName={names}",
                    "-keyout", secret, "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return cert, secret


class Https:
    """A server, and one that trusts its certificate."""

    def __init__(self, process, url, cert):
        self.process, self.url = process, url
        parts = urllib.parse.urlsplit(url)
        assert parts.scheme == "https"
        self.port, self.token = parts.port, urllib.parse.parse_qs(parts.query).get("token", [None])[0]
        self.context = ssl.create_default_context(cafile=cert)

    def connect(self, context=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context or self.context)

    def ask(self, path, context=None, **headers):
        """(status, headers, body)"""
        with contextlib.closing(self.connect(context)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def finish(self, code):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == code, out + err

    def json(self, path, **headers):
        status, _, body = self.ask(path, **headers)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
def https(farflung, pair):
    started = []

    def start(*args, of=pair, at="127.0.0.1"):
        started.append(farflung.start("web", "--listen", f"{at}:0", "--cert", of[0], "--key", of[1], *args))
        return Https(started[-1], started[-1].stdout.readline().strip(), of[0])

    yield start
    for process in started:
        process.terminate()
        assert process.communicate(timeout=30) == ("", "") and process.returncode == 0


@pytest.mark.parametrize("key", [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), ("-newkey", "ed25519")], ids=["rsa", "ec", "ed25519"])
def test_who_trusts_it_reads_all(farflung, https, key):
    farflung.run_yaml(RUN, code=1)
    served = https(of=made(farflung.cwd / "other", key=key))
    (one,) = served.json("/api/v1/runs")["runs"]
    assert served.json(f"/api/v1/runs/{one['id']}")["by_state"] == {"passed": 3, "failed": 1}
    assert b'id="app"' in served.ask("/")[2]


def test_who_does_not_trust_it_gets_nothing(https):
    served = https()
    with pytest.raises(ssl.SSLCertVerificationError):
        served.ask("/", context=ssl.create_default_context())
    assert served.json("/api/v1/runs") == {"runs": []}, "others are served on"


def test_plain_http_gets_nothing(https):
    served = https("--token")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as plain:
        plain.sendall(f"GET /?token={served.token} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := plain.recv(4096):
                answer += part
    assert b"HTTP" not in answer
    assert served.ask("/api/v1/runs")[0] == 401


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_protocols_are_refused(https):
    served = https()
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        served.ask("/", context=old)
    served.context.minimum_version = ssl.TLSVersion.TLSv1_3
    assert served.ask("/")[0] == 200


def test_the_token_is_kept_for_tls_alone(https):
    served = https("--token")
    status, headers, _ = served.ask(f"/runs/x?token={served.token}")
    cookie = headers["Set-Cookie"]
    assert status == 303 and {"Secure", "HttpOnly", "SameSite=Strict"} <= {word.strip() for word in cookie.split(";")}
    assert served.ask("/api/v1/runs", Cookie=cookie.split(";")[0])[0] == 200


def test_names_and_origins(https):
    served = https()
    for host, code in ((NAME, 200), (f"{NAME}:{served.port}", 200), ("evil.example", 403), (f"x.{NAME}", 403), ("", 403), (":1", 403), ("[", 403)):
        assert served.ask("/api/v1/runs", Host=host)[0] == code, host
    mine = f"127.0.0.1:{served.port}"
    for origin, code in ((f"https://{mine}", 200), (f"http://{mine}", 403), (f"https://{mine}0", 403), ("https://evil.example", 403), ("https://", 403), ("null", 403)):
        assert served.ask("/api/v1/runs", Origin=origin)[0] == code, origin


def shown_over_tls(farflung, pair):
    """A run that is shown while it goes on."""
    process = farflung.start("run", "--web=0", "--cert", pair[0], "--key", pair[1])
    url = next(found[1] for line in process.stderr if (found := re.search(r"web: (https://\S+)", line)))
    shown = Https(process, url, pair[0])
    shown.base, shown.cookie = "/api/v1" + urllib.parse.urlsplit(url).path, {"Cookie": f"farflung-{shown.port}={shown.token}"}
    return shown


def test_live_events(farflung, pair):
    farflung.yaml(GOES_ON)
    shown = shown_over_tls(farflung, pair)
    wait_until(lambda: shown.json(shown.base, **shown.cookie)["by_state"] == {"passed": 1, "running": 1}, 10, "what runs is shown")
    with contextlib.closing(shown.connect()) as connection:
        seq = shown.json(shown.base, **shown.cookie)["seq"]
        connection.request("GET", shown.base + "/events", headers={**shown.cookie, "Last-Event-ID": str(seq)})
        stream = connection.getresponse()
        write(farflung.cwd / "go", "")
        assert b"event: over\n" in stream.read(), "who listens is told of the end"
    shown.finish(0)


def test_who_is_silent_in_the_handshake_keeps_nobody_out(https):
    served = https()
    with contextlib.ExitStack() as stack:
        for i in range(50):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            # Nothing, or the head of a record that promises more.
            silent.sendall(b"\x16\x03\x01\x02\x00\x01" if i % 2 else b"")
        assert served.json("/api/v1/runs") == {"runs": []}


def test_a_run_does_not_notice_who_looks_at_it(farflung, pair):
    """200 clients: silent ones, some in the middle of a handshake, some that only listen, some that ask and never read."""
    farflung.yaml(GOES_ON)
    shown = shown_over_tls(farflung, pair)
    wait_until(lambda: shown.json(shown.base, **shown.cookie)["by_state"].get("running"), 10, "it runs")

    def memory():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{shown.process.pid}/status").read())[1])

    before = memory()
    asked = f"GET {{}} HTTP/1.1\r\nHost: 127.0.0.1:{shown.port}\r\nCookie: {shown.cookie['Cookie']}\r\n\r\n"
    words = [b"", b"\x16\x03\x01\x02\x00\x01", asked.format(shown.base + "/events").encode(), asked.format("/assets/main.js").encode() * 200]
    with contextlib.ExitStack() as stack:
        for i in range(200):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.2)
            # More than are served at once are refused, or wait.
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", shown.port))
                if i % 4 > 1:
                    client = stack.enter_context(shown.context.wrap_socket(client, server_hostname="127.0.0.1"))
                client.send(words[i % 4])
        after = memory()
        write(farflung.cwd / "go", "")
        shown.finish(0)
    # A sanitizer keeps what was freed.
    assert sanitized(farflung.program) or after - before < 32 << 10


def refused(farflung, *args, code=2):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'touch began'}}\n")
    for command in (("web", "--listen", "0"), ("run", "--web=0")):
        answer = farflung.run(*command, *args, code=code)
        assert answer.stdout == "" and "https" not in answer.stderr
    assert not (farflung.cwd / "began").exists()
    return answer.stderr


def test_pairs_that_are_none(farflung, pair):
    cert, key = pair
    other = made(farflung.cwd / "other")
    garbage, nothing = farflung.cwd / "garbage.pem", farflung.cwd / "nothing.pem"
    write(garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    big = farflung.cwd / "big.pem"
    big.write_bytes(b"#" * (2 << 20))
    for wrong_cert, wrong_key, words in ((garbage, key, "garbage.pem has no certificate"), (cert, garbage, "garbage.pem has no private key"),
                                         (key, key, "key.pem has no certificate"), (cert, cert, "cert.pem has no private key"),
                                         (nothing, key, "nothing.pem: No such file"), (cert, nothing, "nothing.pem: No such file"),
                                         (farflung.cwd, key, "directory"), (big, key, "big.pem is no file of PEM"),
                                         (cert, other[1], f"the key in {other[1]} is not that of the certificate in {cert}")):
        assert words in refused(farflung, "--cert", wrong_cert, "--key", wrong_key), words
    assert f"{cert}: a certificate needs its key" in refused(farflung, "--cert", cert)
    assert f"{key}: a key needs its certificate" in refused(farflung, "--key", key)


def test_a_key_that_has_a_password(farflung, pair):
    locked = farflung.cwd / "locked.pem"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", pair[1], "-out", locked, "-passout", "pass:secret"], check=True)
    assert "locked.pem has a password" in refused(farflung, "--cert", pair[0], "--key", locked)


def test_a_certificate_that_does_not_hold_today(farflung, pair):
    """From a clock of its own: openssl x509 only has a number of days."""
    today = datetime.datetime.now(datetime.timezone.utc)
    for days, words in ((-10, "has expired"), (10, "holds only from")):
        folder = farflung.cwd / f"of{days}"
        folder.mkdir()
        write(folder / "ca.conf", "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nserial=serial\ndefault_md=sha256\npolicy=p\nnew_certs_dir=.\n[p]\ncommonName=supplied\n")
        write(folder / "index", "")
        write(folder / "serial", "01\n")
        begins, ends = ((today + datetime.timedelta(days=n)).strftime("%Y%m%d%H%M%SZ") for n in (days, days + 5))
        subprocess.run(["openssl", "req", "-new", "-key", pair[1], "-subj", "/CN=x", "-out", "x.csr"], cwd=folder, check=True)
        subprocess.run(["openssl", "ca", "-config", "ca.conf", "-selfsign", "-keyfile", pair[1], "-in", "x.csr", "-out", "x.pem", "-batch", "-notext",
                        "-startdate", begins, "-enddate", ends], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        told = refused(farflung, "--cert", folder / "x.pem", "--key", pair[1])
        assert f"{folder / 'x.pem'} {words}" in told


def test_for_nothing_that_is_served(farflung, pair):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'touch began'}}\n")
    assert "--cert is for --web" in farflung.run("run", "--cert", pair[0], "--key", pair[1], code=2).stderr
    assert not (farflung.cwd / "began").exists()


def test_other_commands_have_it(farflung, pair):
    """map and pytest say where, too."""
    write(farflung.cwd / "test_one.py", "def test_one(): pass\n")
    for command in (("map", "true", ":::", "1"), ("pytest", "-n1", "test_one.py")):
        answer = farflung.run(command[0], "--web=0", "--cert", pair[0], "--key", pair[1], *command[1:], code=0)
        assert re.search(r"web: https://127\.0\.0\.1:\d+/runs/", answer.stderr)

"""Inventories from outside of the file: a program's, and a URL's."""
import contextlib
import http.server
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading

import pytest

from conftest import processes_with, wait_until, write

ANSIBLE = {
    "_meta": {"hostvars": {
        "web2": {"farflung_slots": 3},
        "db1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "own"},
        "lone": {"farflung_spec": "popen//chdir=there"},
        "box": {"ansible_connection": "community.docker.docker", "ansible_host": "c1"},
    }},
    "all": {"children": ["ungrouped", "prod"], "vars": {"ansible_user": "jo", "ansible_connection": "ssh"}},
    "ungrouped": {"hosts": ["lone", "box"]},
    "web": {"hosts": ["web1", "web2"], "vars": {"ansible_connection": "local"}},
    "db": ["db1", "db2"],
    "prod": {"children": ["web", "db"], "vars": {"ansible_user": "admin"}},
    "nobody": {"hosts": []},
}


def program(farflung, text, name="hosts"):
    path = write(farflung.cwd / name, text)
    path.chmod(0o755)
    return path


def saying(farflung, what):
    """A program that writes this text, and keeps its arguments."""
    write(farflung.cwd / "said", what)
    return program(farflung, '#!/bin/sh\necho "$@" > args\ncat said\n')


def test_ansibles_list(farflung):
    saying(farflung, json.dumps(ANSIBLE))
    farflung.yaml("""\
inventory:
  cmd: ./hosts --list 'two words'
  hosts: [popen//id=own]
  groups: {mine: "@web!web1,own"}
jobs:
  a: {run: "true", on: "@prod&@web", count: 2}
""")
    done = farflung.run("check", code=0)
    assert "7 hosts with 9 slots" in done.stdout
    assert (farflung.cwd / "args").read_text() == "--list two words\n"
    assert farflung.run("exec", "--on", "@mine,lone", "--", "basename $PWD", code=0).stdout == (
        "own,web2:\nwork\n\nlone:\nthere\n")
    farflung.run("run", code=0)
    assert "no host matches '@nobody'" in farflung.run("exec", "--on", "@nobody", "--", "true", code=2).stderr
    done = farflung.run("exec", "--on", "@db,box", "--", "true", code=3)
    # The nearest variable counts: the host's, its groups', theirs.
    assert "ssh=-p 2222 own@10.0.0.1" in done.stdout
    assert "ssh=admin@db2" in done.stdout
    assert "docker=c1" in done.stdout


@pytest.mark.parametrize("text", [
    '["popen//id=a[1-2]", {"spec": "popen", "name": "b", "tags": ["t"]}]',
    "hosts: ['popen//id=a[1-2]', 'popen//id=b']\ndefaults: {tags: [x]}\ngroups: {t: b}\n",
    "{bs: {hosts: {b: {farflung_spec: popen}}}, all: {hosts: {a1: {farflung_spec: popen}, a2: {farflung_spec: popen}}}, t: [b]}",
])
def test_shapes(farflung, text):
    saying(farflung, text)
    farflung.yaml("inventory: {cmd: [./hosts], defaults: {env: {FROM: file}}}\n")
    if text.startswith("{bs"):
        # Ansible's YAML, where hosts may be a mapping to their variables.
        assert farflung.run("exec", "--on", "@t,a*", "--", "echo $FROM", code=0).stdout == "a[1-2],b:\nfile\n"
    else:
        assert farflung.run("exec", "--on", "@t", "--", "echo $FROM", code=0).stdout == "b:\nfile\n"
        assert farflung.run("exec", "--", "echo $FROM", code=0).stdout == "a[1-2],b:\nfile\n"


@pytest.mark.parametrize("text, words", [
    ("exit 3", "farflung.yaml:1:18: the inventory's program './hosts': ended with exit status 3"),
    ("kill -9 $$", "farflung.yaml:1:18: the inventory's program './hosts': was killed by signal 9"),
    ("exec sleep 60", "farflung.yaml:1:18: the inventory's program './hosts': took longer than 0.5 s"),
    ("sleep 60 & echo; sleep 60", "farflung.yaml:1:18: the inventory's program './hosts': took longer than 0.5 s"),
    ("exec cat /dev/zero", "farflung.yaml:1:18: the inventory's program './hosts': writes more than 16 MiB"),
    ("true", "<./hosts>: nothing is there"),
    ("echo words", "<./hosts>: an inventory is a mapping or a list of hosts"),
    ("echo '{'", "<./hosts>:2:1: did not find expected node content while parsing a flow node"),
    ("echo '{hosts: [popen], hots: 1}'", "<./hosts>:1:18: unknown key 'hots'; did you mean 'hosts'?"),
    ("echo '{hosts: [popen], cmd: x}'", "<./hosts>:1:18: 'cmd' is for the inventory of the file itself"),
    ("echo '{hosts: [popen, \"ssh=n[2-1]\"]}'", "<./hosts>:1:17: range '2-1' in 'ssh=n[2-1]' runs backwards"),
    ("echo '{web: {hosts: [a, []]}}'", "<./hosts>:1:19: 'hosts' wants names of hosts"),
    ("echo '{web: [a], all: 3}'", "<./hosts>:1:17: 'all' wants a group: a list of hosts, or a mapping with 'hosts'"),
    ("echo '{a: {children: [b]}, b: {children: [a]}, c: [x]}'", "<./hosts>:1:2: group 'a' leads back to itself: a -> b -> a"),
    ("echo '{web: [web]}'", "<./hosts>:1:2: group 'web' is a host, too"),
    ("echo '{w: {hosts: [a], vars: {ansible_connection: winrm}}}'",
     "<./hosts>:1:14: host 'a': ansible_connection 'winrm' is not known here; farflung_spec may name an xspec"),
    ("echo '{w: {hosts: [a], vars: {farflung_slots: many}}}'",
     "<./hosts>:1:14: host 'a': farflung_slots wants a number from 1 to 100000, got 'many'"),
])
def test_what_is_wrong_with_it(farflung, text, words):
    program(farflung, f"#!/bin/sh\n{text}\n")
    timeout = "500ms" if "sleep" in text else "1m"
    farflung.yaml(f"inventory: {{cmd: ./hosts, timeout: {timeout}}}\n"
                  "jobs: {a: {run: 'touch ran'}}\n")
    for command in ("check", "run"):
        done = farflung.run(command, code=2)
        lines = done.stderr.splitlines()
        assert lines[0] == words
        assert done.stdout == ""
    assert not (farflung.cwd / "ran").exists()


def test_no_such_program(farflung):
    farflung.yaml("inventory: {cmd: ./nowhere}\njobs: {a: {run: 'true'}}\n")
    assert farflung.run("check", code=2).stderr.startswith(
        "farflung.yaml:1:18: the inventory's program './nowhere': can't be run: No such file or directory\n")


def test_a_faulty_file_runs_nothing(farflung):
    program(farflung, "#!/bin/sh\ntouch ran\n")
    farflung.yaml("inventory: {cmd: ./hosts}\njobs: {a: {run: 'true', retires: 3}}\n")
    farflung.run("check", code=2)
    assert not (farflung.cwd / "ran").exists()


def test_what_it_starts_may_stay_behind_and_is_ended(farflung):
    """A child that holds the output open is not waited for."""
    program(farflung, "#!/bin/sh\nsleep 300 &\necho '[popen]'\n")
    farflung.yaml("inventory: {cmd: ./hosts}\n")
    farflung.run("exec", "--", "true", code=0, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(farflung, number):
    program(farflung, "#!/bin/sh\ntouch begun\nsleep 300\n")
    farflung.yaml("inventory: {cmd: ./hosts}\n")
    process = farflung.start("exec", "--", "true")
    wait_until((farflung.cwd / "begun").exists, 60, "the program runs")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
    wait_until(lambda: not processes_with(farflung.mark), 20, "nothing is left")


# --- URLs ---

@contextlib.contextmanager
def server(folder, answer):
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{httpd.server_address[1]}", cert
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")


@needs_openssl
def test_https(farflung, tmp_path):
    hold = threading.Event()

    def answer(request):
        if request.path == "/hosts":
            body = b'{"hosts": ["popen//id=u[1-3]"], "groups": {"g": "u1"}}'
        elif request.path == "/large":
            body = b"#" * (17 << 20)
        elif request.path == "/slow":
            hold.wait(60)
            return
        elif request.path == "/to-file":
            request.send_response(302)
            request.send_header("Location", "file:///etc/passwd")
            request.end_headers()
            return
        elif request.path == "/there":
            request.send_response(302)
            request.send_header("Location", "/hosts")
            request.end_headers()
            return
        else:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def fetch(path, more="", code=2):
        farflung.yaml(f"inventory: {{url: '{url}{path}', {more}}}\n")
        return farflung.run("exec", "--", "true", code=code)

    with server(tmp_path, answer) as (url, cert):
        ca = f"ca_file: {cert}"
        assert fetch("/hosts", ca, 0).stdout == "u[1-3]: no output\n"
        assert fetch("/there", ca, 0).stdout == "u[1-3]: no output\n"
        where = f"farflung.yaml:1:18: the inventory's URL '{url}"
        assert fetch("/hosts").stderr.startswith(f"{where}/hosts': SSL certificate problem: self")
        assert fetch("/nowhere", ca).stderr == f"{where}/nowhere': The requested URL returned error: 404\n"
        assert fetch("/large", ca).stderr == f"{where}/large': more than 16 MiB\n"
        assert "to-file': " in fetch("/to-file", ca).stderr
        assert "root:" not in fetch("/to-file", ca).stderr
        assert "/slow': " in fetch("/slow", ca + ", timeout: 300ms").stderr
        hold.set()


def test_file_url(farflung):
    path = write(farflung.cwd / "more.json", json.dumps(ANSIBLE))
    farflung.yaml(f"inventory: {{url: 'file://{path}'}}\n")
    assert farflung.run("exec", "--on", "@web", "--", "true", code=0).stdout == "web[1-2]: no output\n"
    os.unlink(path)
    assert farflung.run("exec", "--", "true", code=2).stderr == (
        f"farflung.yaml:1:18: the inventory's URL 'file://{path}': Couldn't open file {path}\n")


@pytest.mark.parametrize("url, words", [
    ("http://localhost/x", "whoever is on the way could name the hosts: https:// or file:// is wanted"),
    ("ftp://localhost/x", "https://... or file:///... is wanted"),
    ("hosts.yaml", "https://... or file:///... is wanted"),
])
def test_other_urls(farflung, url, words):
    farflung.yaml(f"inventory: {{url: '{url}'}}\n")
    assert farflung.run("exec", "--", "true", code=2).stderr == f"farflung.yaml:1:18: the inventory's URL '{url}': {words}\n"

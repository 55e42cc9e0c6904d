"""The ssh driver against a real sshd: python3 -m pytest ssh_transport.py, with FF_SSH_PROBE naming the
built ssh_probe. Every test has a server of its own, or shares an unchanged one."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))
import sshd as fake  # noqa: E402

PROBE = os.environ.get("FF_SSH_PROBE", "ssh_probe")
SECONDS = 60

pytestmark = pytest.mark.skipif(not fake.available(), reason="no sshd, ssh or ssh-keygen")


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.text = done.stderr.decode(errors="replace")
        closed = re.search(r"^probe: closed: (\S+) (.*); status (-?\d+); peer (.*)$", self.text,
                           re.MULTILINE)
        assert closed, self.text[-2000:]
        # Anything else is a sanitizer's.
        assert self.code in (0, 3), self.text[-2000:]
        self.error, self.words, self.status, self.peer = closed.groups()
        self.status = int(self.status)
        # What the command itself wrote to stderr.
        self.err = "".join(line + "\n" for line in self.text.splitlines()
                           if not line.startswith(("probe: ", "trace: ")))

    @property
    def native(self):
        return not self.peer.startswith("ssh (program")


# libssh2's own: it loses some numbers when it reads an ECDSA key file, and the old keys when it makes
# new ones. The session itself is allocated elsewhere, so our leaks still show.
SUPPRESSIONS = """\
leak:libssh2_userauth_publickey_fromfile_ex
leak:libssh2_session_handshake
leak:libssh2_channel_read_ex
leak:libssh2_channel_write_ex
"""


@pytest.fixture(scope="session", autouse=True)
def suppressions(tmp_path_factory):
    path = tmp_path_factory.mktemp("lsan") / "suppressions"
    path.write_text(SUPPRESSIONS)
    os.environ["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=%s" % path
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:fast_unwind_on_malloc=0")


def clean_env(env=None):
    return dict(os.environ if env is None else env)


def probe(spec, command, *options, stdin=b"", env=None):
    return Result(subprocess.run([PROBE, *options, spec, command], input=stdin,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
                                 env=clean_env(env)))


def no_agent():
    env = dict(os.environ)
    env.pop("SSH_AUTH_SOCK", None)
    return env


@pytest.fixture(scope="module")
def shared():
    with fake.Sshd() as server:
        yield server


@pytest.fixture
def server():
    with fake.Sshd() as server:
        yield server


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


# -- what runs there


def test_echo(shared):
    before = shared.connections()
    result = probe(shared.xspec(), "cat", stdin=b"hello\n")
    assert (result.error, result.out, result.status) == ("ok", b"hello\n", 0), result.text
    assert result.native
    assert result.peer == "ssh 127.0.0.1:%d as %s" % (shared.port, shared.user)
    assert shared.connections() == before + 1


def test_words_without_configuration(shared):
    result = probe("ssh=" + shared.plain_words, "echo $((6*7))")
    assert (result.error, result.out) == ("ok", b"42\n"), result.text
    assert result.native


def test_words_behind_the_host_go_before_the_command(shared):
    result = probe("ssh=%s env FF_X=7" % shared.plain_words, "printenv FF_X")
    assert result.out == b"7\n", result.text


@pytest.mark.parametrize("options", [[], ["-s", "300000"], ["-s", "1"]])
def test_ten_megabytes(shared, options):
    data = os.urandom(10 << 20)
    result = probe(shared.xspec(), "cat", *options, stdin=data)
    assert result.error == "ok", result.text
    assert hashlib.sha256(result.out).digest() == hashlib.sha256(data).digest()


def test_much_output_on_both(shared):
    result = probe(shared.xspec(), "head -c 3000000 /dev/zero;"
                                   "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo >&2")
    assert result.error == "ok"
    assert len(result.out) == 3000000
    assert len(result.err.strip()) == 3000000


def test_stderr(shared):
    result = probe(shared.xspec(), "echo out; echo err >&2")
    assert (result.out, result.err) == (b"out\n", "err\n")


@pytest.mark.parametrize("command, status, words", [
    ("exit 3", 3 << 8, "exit status 3"),
    ("no-such-program-here", 127 << 8, "exit status 127"),
    ("kill -KILL $$", signal.SIGKILL, "killed by signal 9 (SIGKILL)"),
    ("kill -TERM $$", signal.SIGTERM, "killed by signal 15 (SIGTERM)"),
])
def test_how_it_ended(shared, command, status, words):
    result = probe(shared.xspec(), command)
    assert (result.error, result.status, result.words) == ("FF_ELOST", status, words)


def test_output_closed_long_before_the_end(shared):
    result = probe(shared.xspec(), "exec >&- 2>&-; cat >/dev/null; exit 5", stdin=b"x" * 100000)
    assert result.words == "exit status 5"


def test_input_that_nobody_reads(shared):
    result = probe(shared.xspec(), "exit 0", stdin=b"x" * (8 << 20))
    assert result.error == "ok", result.text


def test_kill(shared):
    result = probe(shared.xspec(), "yes", "-c", "-k", "1000000")
    assert result.error == "FF_ECANCELED"
    until(lambda: not shared.session_pids())


def test_environment(shared, tmp_path):
    shared.write_ssh_config("SetEnv FARFLUNG_TEST_SET=a=b", "SendEnv FARFLUNG_TEST_S*")
    try:
        env = dict(no_agent(), FARFLUNG_TEST_SENT="two words", FARFLUNG_TEST_NOT="x")
        result = probe(shared.xspec(), "env", env=env)
    finally:
        shared.write_ssh_config()
    lines = result.out.decode().splitlines()
    assert "FARFLUNG_TEST_SET=a=b" in lines
    assert "FARFLUNG_TEST_SENT=two words" in lines
    assert "FARFLUNG_TEST_NOT=x" not in lines


def test_compression(server):
    server.write_ssh_config("Compression yes")
    data = b"abc" * 1000000
    result = probe(server.xspec(), "cat", stdin=data)
    assert (result.error, result.out == data, result.native) == ("ok", True, True), result.text


def test_new_keys_on_the_way():
    with fake.Sshd(options=["RekeyLimit 1M"]) as server:
        data = os.urandom(4 << 20)
        result = probe(server.xspec(), "cat", stdin=data)
        assert (result.error, result.out == data) == ("ok", True), result.text[-500:]


# -- host keys


def test_unknown_host_key(server):
    server.write("known_hosts", "")
    result = probe(server.xspec(), "true")
    assert result.error == "FF_EHOSTKEY"
    assert "127.0.0.1:%d is unknown (ssh-ed25519 SHA256:" % server.port in result.words
    assert "looked in %s" % server.known_hosts in result.words
    assert "StrictHostKeyChecking=ask" in result.words
    assert server.logins() == 0


def test_changed_host_key(server):
    server.restart(new_host_key=True)
    for policy in ("ask", "yes", "accept-new", "no"):
        server.write_ssh_config("StrictHostKeyChecking " + policy)
        result = probe(server.xspec(), "true")
        assert result.error == "FF_EHOSTKEY"
        assert "has CHANGED" in result.words
        assert "%s:1; offered: ssh-ed25519 SHA256:" % server.known_hosts in result.words
    assert server.logins() == 0


def test_revoked_host_key(server):
    with open(server.known_hosts, "a") as file:
        file.write("@revoked * %s\n" % server.host_public_key())
    result = probe(server.xspec(), "true")
    assert result.error == "FF_EHOSTKEY"
    assert "is revoked" in result.words


@pytest.mark.parametrize("hashed", ["yes", "no"])
def test_accept_new(server, hashed):
    os.unlink(server.known_hosts)
    known = server.path("new/known_hosts")
    server.write_ssh_config("StrictHostKeyChecking accept-new", "HashKnownHosts " + hashed,
                            "UserKnownHostsFile " + known)
    assert probe(server.xspec(), "true").error == "ok"
    assert os.stat(known).st_mode & 0o777 == 0o600
    with open(known) as file:
        first = file.read()
    assert first.startswith("|1|" if hashed == "yes" else "[127.0.0.1]:%d " % server.port)
    # It is known now, to ssh as well.
    server.write_ssh_config("StrictHostKeyChecking yes", "UserKnownHostsFile " + known)
    assert probe(server.xspec(), "true").error == "ok"
    assert subprocess.run(["ssh", "-o", "BatchMode=yes", *server.words.split(), "true"],
                          stdin=subprocess.DEVNULL).returncode == 0
    with open(known) as file:
        assert file.read() == first


def test_host_key_alias(server):
    server.write("known_hosts", "build1 %s\n" % server.host_public_key())
    server.write_ssh_config("HostKeyAlias build1")
    assert probe(server.xspec(), "true").error == "ok"


def test_the_known_one_of_several_host_keys(server):
    other = server.path("second_host_key")
    fake.keygen(other, "ecdsa")
    server.options.append("HostKey " + other)
    server.restart()
    with open(other + ".pub") as file:
        key = " ".join(file.read().split()[:2])
    server.write("known_hosts", "[127.0.0.1]:%d %s\n" % (server.port, key))
    result = probe(server.xspec(), "true")
    assert (result.error, result.native) == ("ok", True), result.words


# -- logging in


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_key_files(kind):
    with fake.Sshd(user_key=kind, host_key=kind) as server:
        result = probe(server.xspec(), "echo hi", env=no_agent())
        assert (result.out, result.native) == (b"hi\n", True), result.text


def test_pem_key_file(server):
    key = server.path("pem")
    fake.keygen(key, "ecdsa", extra=["-m", "PEM"])
    server.authorize(key + ".pub")
    os.unlink(key + ".pub")
    server.write_ssh_config("IdentityFile " + key)
    os.unlink(server.user_key)
    result = probe(server.xspec(), "echo hi", env=no_agent())
    assert (result.out, result.native) == (b"hi\n", True), result.text


def test_refused_key(server):
    server.write("authorized_keys", "")
    result = probe(server.xspec(), "true")
    assert result.error == "FF_EAUTH"
    assert "%s@127.0.0.1:%d refused all keys tried: %s (publickey); server allows publickey" % (
        server.user, server.port, server.user_key) in result.words


def test_locked_key(server):
    key = server.path("locked")
    fake.keygen(key, passphrase="secret")
    server.authorize(key + ".pub")
    server.write_ssh_config("IdentityFile " + key)
    os.unlink(server.user_key)
    os.unlink(server.user_key + ".pub")
    result = probe(server.xspec(), "true", env=no_agent())
    assert result.error == "FF_EAUTH"
    assert "%s (not tried: it has a passphrase)" % key in result.words


def test_key_others_may_read(server):
    os.chmod(server.user_key, 0o644)
    result = probe(server.xspec(), "true", env=no_agent())
    assert result.error == "FF_EAUTH"
    assert "others may read it" in result.words


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_agent(kind):
    with fake.Sshd(user_key=kind) as server, fake.Agent() as agent:
        agent.add(server.user_key)
        server.write_ssh_config("IdentityAgent SSH_AUTH_SOCK", "IdentitiesOnly no",
                                "IdentityFile none")
        os.unlink(server.user_key)
        result = probe(server.xspec(), "echo hi", env=agent.env())
        assert (result.out, result.native) == (b"hi\n", True), result.text
        # Only keys that are named: the public half is enough to name one.
        server.write_ssh_config("IdentityAgent " + agent.socket)
        result = probe(server.xspec(), "echo hi", env=no_agent())
        assert (result.out, result.native) == (b"hi\n", True), result.text
        os.unlink(server.user_key + ".pub")
        result = probe(server.xspec(), "echo hi", env=no_agent())
        assert result.error == "FF_EAUTH"


def test_refused_agent_keys(server):
    with fake.Agent() as agent:
        for name in ("one", "two"):
            fake.keygen(server.path(name))
            agent.add(server.path(name))
        server.write("authorized_keys", "")
        server.write_ssh_config("IdentityAgent SSH_AUTH_SOCK", "IdentitiesOnly no")
        result = probe(server.xspec(), "true", env=agent.env())
        assert result.error == "FF_EAUTH"
        assert "%s (publickey), agent (2 keys)" % server.user_key in result.words


def test_locked_key_in_the_agent(server):
    with fake.Agent() as agent:
        key = server.path("locked")
        fake.keygen(key)
        agent.add(key)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True)
        server.authorize(key + ".pub")
        server.write_ssh_config("IdentityAgent SSH_AUTH_SOCK", "IdentityFile " + key)
        os.unlink(server.user_key)
        result = probe(server.xspec(), "echo hi", env=agent.env())
        assert (result.out, result.native) == (b"hi\n", True), result.text


# -- what only the program can do


def test_rsa_key_goes_to_the_program():
    with fake.Sshd(user_key="rsa") as server:
        result = probe(server.xspec(), "cat", stdin=b"hello", env=no_agent())
        assert (result.out, result.native) == (b"hello", False), result.text
        assert result.peer.startswith("ssh (program: RSA key) ")
        # One login, and not even an attempt before it.
        assert (server.connections(), server.logins()) == (1, 1)


def test_refused_key_then_rsa_key(server):
    key = server.path("rsa")
    fake.keygen(key, "rsa")
    server.write("authorized_keys", "")
    server.authorize(key + ".pub")
    server.write_ssh_config("IdentityFile %s" % server.user_key, "IdentityFile %s" % key)
    result = probe(server.xspec(), "cat", stdin=b"hello", env=no_agent())
    assert (result.out, result.native) == (b"hello", False), result.text


def test_rsa_host_key_goes_to_the_program():
    with fake.Sshd(host_key="rsa") as server:
        result = probe(server.xspec(), "cat", stdin=b"hello")
        assert (result.out, result.native) == (b"hello", False), result.text
        assert "host key type ssh-rsa" in result.peer


def test_key_exchange_goes_to_the_program():
    with fake.Sshd(options=["Ciphers aes128-gcm@openssh.com"]) as server:
        result = probe(server.xspec(), "cat", stdin=b"hello")
        assert (result.out, result.native) == (b"hello", False), result.text
        assert result.peer.startswith("ssh (program: key exchange) ")


def test_proxy_jump(server):
    server.write_ssh_config("ProxyJump jump")
    with open(server.config, "a") as file:
        file.write("Host jump\n    HostName 127.0.0.1\n    Port %d\n    User %s\n"
                   "    IdentityFile %s\n    UserKnownHostsFile %s\n"
                   % (server.port, server.user, server.user_key, server.known_hosts))
    result = probe(server.xspec(), "cat; exit 4", stdin=b"hello")
    assert (result.out, result.words, result.native) == (b"hello", "exit status 4", False)
    assert result.peer == "ssh (program: ProxyJump) target"
    assert server.connections() == 2


def test_live_control_master(server):
    path = server.path("master")
    server.write_ssh_config("ControlPath " + path)
    assert probe(server.xspec(), "true").native
    master = subprocess.Popen(["ssh", "-M", "-N", *server.words.split()], stdin=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(path))
        before = server.connections()
        result = probe(server.xspec(), "echo hi")
        assert (result.out, result.native) == (b"hi\n", False), result.text
        assert server.connections() == before
    finally:
        master.terminate()
        master.wait()


def test_no_ssh_program(server):
    env = dict(no_agent(), PATH="/nonexistent")
    result = probe("ssh=-p %d -i %s -o UserKnownHostsFile=%s %s@127.0.0.1" % (
        server.port, server.user_key, server.known_hosts, server.user), "echo hi", env=env)
    assert (result.out, result.native) == (b"hi\n", True), result.text
    result = probe("ssh=-J jump h", "true", env=env)
    assert result.error == "FF_ESPAWN"
    assert result.words == "ssh=h: needs the ssh program (ProxyJump): there is no ssh program"


# -- hosts that can't be reached, lines that break


def test_refused_port():
    port = fake.free_port()
    result = probe("ssh=-F none -p %d 127.0.0.1" % port, "true")
    assert (result.error, result.words) == (
        "FF_EUNREACH", "ssh=127.0.0.1: connect to 127.0.0.1:%d: Connection refused" % port)


def test_unknown_host():
    result = probe("ssh=-F none nosuch.invalid", "true")
    assert result.error == "FF_EUNREACH"
    assert result.words.startswith("ssh=nosuch.invalid: cannot resolve host 'nosuch.invalid': ")


def test_bad_options():
    result = probe("ssh=-o NoSuchOption=1 h", "true")
    assert result.error == "FF_ECONFIG"
    assert "Bad configuration option: nosuchoption" in result.words


def test_who_answers_is_no_sshd():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen([PROBE, "ssh=-F none -p %d 127.0.0.1" % port, "true"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=clean_env())
        peer, _ = listener.accept()
        peer.sendall(b"220 mail.example ESMTP\r\n")
        peer.close()
        out, err = process.communicate(timeout=SECONDS)
    assert b"FF_ELOST ssh=127.0.0.1: 127.0.0.1:%d: no ssh handshake" % port in err


def test_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # Accepted by the kernel, and then silence: the setup's own limit must end it.
        process = subprocess.Popen(
            [PROBE, "ssh=-F none -o ConnectTimeout=1 -p %d 127.0.0.1" % port, "true"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_env())
        out, err = process.communicate(timeout=SECONDS)
    assert b"FF_EUNREACH ssh=127.0.0.1: no answer within 1 s" in err


def test_connection_cut_midway(server):
    process = subprocess.Popen([PROBE, "-c", server.xspec(), "echo up; exec sleep 1000"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_env())
    # The probe's stdout is not flushed until it ends: the server's log says when it runs.
    until(lambda: "Starting session: command" in server.log())
    server.kill_sessions()
    out, err = process.communicate(timeout=SECONDS)
    assert b"probe: closed: FF_ELOST connection to 127.0.0.1:%d lost: " % server.port in err

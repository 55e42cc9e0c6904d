"""An sshd of our own: unprivileged in style, on 127.0.0.1 and a free port (or at an address of another
network, into which `prefix` leads, words such as nsenter's), with its own host key, user key,
authorized_keys, known_hosts and ssh configuration, all in one temporary folder.

    with Sshd() as sshd:
        sshd.words           # for ssh=: "-F <folder>/ssh_config target"
        sshd.connections()   # how many TCP connections it has accepted so far

Whoever wants a server that shows another host key calls sshd.restart(new_host_key=True).
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
START_SECONDS = 60
STOP_SECONDS = 10


def available():
    return bool(SSHD and shutil.which("ssh") and shutil.which("ssh-keygen"))


def keygen(path, kind="ed25519", passphrase="", extra=()):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "farflung-test", "-f", path, *extra],
        check=True, stdin=subprocess.DEVNULL)


def free_port():
    """A port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Sshd:
    """See above. `options` are further lines for sshd_config, `host_key` is the type of its key."""

    def __init__(self, options=(), host_key="ed25519", user_key="ed25519", address="127.0.0.1", prefix=()):
        self.options = list(options)
        self.host_key_kind = host_key
        self.user_key_kind = user_key
        self.address = address
        self.prefix = list(prefix)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.folder = None
        self.process = None
        self.port = None

    # -- files

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def user_key(self):
        return self.path("user_key")

    @property
    def known_hosts(self):
        return self.path("known_hosts")

    @property
    def config(self):
        return self.path("ssh_config")

    @property
    def words(self):
        """The ssh= value that reaches it by its name in the configuration file."""
        return "-F %s target" % self.config

    @property
    def plain_words(self):
        """The same without a configuration file, everything as options."""
        return ("-F none -p %d -i %s -o IdentitiesOnly=yes -o IdentityAgent=none "
                "-o UserKnownHostsFile=%s %s@%s"
                % (self.port, self.user_key, self.known_hosts, self.user, self.address))

    def xspec(self, *parts):
        """The whole xspec, with ssh_config= instead of -F."""
        return "//".join(["ssh=target", "ssh_config=" + self.config, *parts])

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def authorize(self, public_key_file):
        with open(public_key_file) as source, open(self.path("authorized_keys"), "a") as target:
            target.write(source.read())

    def host_public_key(self):
        with open(self.path("host_key.pub")) as file:
            return " ".join(file.read().split()[:2])

    def trust(self):
        """known_hosts names the present host key, and nothing else."""
        self.write("known_hosts", "[%s]:%d %s\n" % (self.address, self.port, self.host_public_key()))

    def write_ssh_config(self, *lines, host="target"):
        text = "".join("    %s\n" % line for line in [
            "HostName %s" % self.address,
            "Port %d" % self.port,
            "User %s" % self.user,
            "IdentityFile %s" % self.user_key,
            "IdentitiesOnly yes",
            "IdentityAgent none",
            "UserKnownHostsFile %s" % self.known_hosts,
            "GlobalKnownHostsFile /dev/null",
        ])
        # In ssh the first value counts: what the caller says comes first.
        own = "".join("    %s\n" % line for line in lines)
        return self.write("ssh_config", "Host %s\n%s%s" % (host, own, text))

    # -- its life

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="farflung-sshd-")
        try:
            os.chmod(self.folder, 0o700)
            os.mkdir(self.path("home"))
            keygen(self.path("host_key"), self.host_key_kind)
            keygen(self.user_key, self.user_key_kind)
            self.authorize(self.user_key + ".pub")
            os.chmod(self.path("authorized_keys"), 0o600)
            self.start()
            self.trust()
            self.write_ssh_config()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self):
        """The first SetEnv counts. A home of its own: a login's start files that are killed half-way may
        leave locks there, for which each later login waits."""
        words = next((line.split(None, 1)[1] for line in self.options if line.startswith("SetEnv ")), "")
        return "SetEnv " + (words if words.startswith("HOME=") else f"HOME={self.path('home')} {words}")

    def _write_sshd_config(self):
        lines = [self._environment()] + self.options + [
            "Port %d" % self.port,
            "ListenAddress %s" % self.address,
            "HostKey %s" % self.path("host_key"),
            "PidFile none",
            "AuthorizedKeysFile %s" % self.path("authorized_keys"),
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "PermitUserEnvironment no",
            "AcceptEnv LANG LC_* FARFLUNG_TEST_*",
            "MaxStartups 100:30:200",
            "LogLevel VERBOSE",
            "Subsystem sftp internal-sftp",
        ]
        self.write("sshd_config", "\n".join(lines) + "\n")

    def command(self):
        return [*self.prefix, SSHD, "-D", "-f", self.path("sshd_config"), "-E", self.path("log")]

    def start(self):
        if os.getuid() == 0:
            # Its privilege separation wants this folder.
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = self.port or free_port()
            self._write_sshd_config()
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._wait_until_listening(deadline):
                return
            # Someone else took the port in between.
            self.port = None
            if time.monotonic() > deadline:
                raise RuntimeError("sshd does not start:\n" + self.log())

    def _wait_until_listening(self, deadline):
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            # Its own word, not a trial connection: that would be counted.
            if "Server listening on" in self.log():
                return True
            time.sleep(0.01)
        return False

    def session_pids(self):
        """The processes that serve accepted connections (those nearest to the listener)."""
        return children(self.process.pid) if self.process else []

    def kill_sessions(self):
        """Cuts all connections, as a crashed host would: nobody says goodbye."""
        for pid in self.session_pids():
            for victim in [pid, *descendants(pid)]:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def stop(self):
        if not self.process:
            return
        pids = [pid for child in self.session_pids() for pid in [child, *descendants(child)]]
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process = None

    def crash(self):
        """All of it is killed, and started again on the same port. The log starts anew."""
        victims = [pid for child in self.session_pids() for pid in [child, *descendants(child)]]
        for pid in [self.process.pid, *victims]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        os.unlink(self.path("log"))
        self.start()

    def restart(self, new_host_key=False, host_key=None):
        """On the same port. The log starts anew."""
        self.stop()
        if host_key:
            self.host_key_kind = host_key
        if new_host_key or host_key:
            for name in ("host_key", "host_key.pub"):
                os.unlink(self.path(name))
            keygen(self.path("host_key"), self.host_key_kind)
        os.unlink(self.path("log"))
        self.start()

    # -- what it has seen

    def log(self):
        try:
            with open(self.path("log"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def connections(self):
        return len(re.findall(r"^Connection from ", self.log(), re.MULTILINE))

    def logins(self):
        return len(re.findall(r"^Accepted publickey for ", self.log(), re.MULTILINE))

    def clients(self):
        """The version texts of those who connected ("SSH-2.0-libssh2_…"), if LogLevel is DEBUG."""
        return re.findall(r"remote software version (\S+)", self.log())


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return sorted(found)


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


class Agent:
    """An ssh-agent of our own. `with Agent() as agent: agent.add(key); env = agent.env()`"""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="farflung-agent-")
        self.socket = os.path.join(self.folder, "socket")
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", self.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("ssh-agent does not start")
            time.sleep(0.01)
        return self

    def _is_listening(self):
        """Its socket is there a moment before it listens."""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(self.socket) == 0

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def env(self):
        return dict(os.environ, SSH_AUTH_SOCK=self.socket)

    def add(self, key):
        subprocess.run(["ssh-add", "-q", key], check=True, env=self.env(),
                       stdin=subprocess.DEVNULL)

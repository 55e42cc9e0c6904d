#!/usr/bin/env python3
"""Whole other systems as hosts of one run: Debian's releases, each in a tree of its own with an sshd of its own.

    tests/matrix/hosts.py [SUITE…]      all of TREES, or those of these names

Makes the trees by debootstrap (kept in build/matrix/trees; some minutes and 300 MB each), and runs a suite on this
machine and in all of them at once: every test on every host (with and without a front), and each test on one of them.
Outcomes must be those of plain pytest here, and each host's Python and pytest those of its release. What the trees are
during a run (mounts, keys, caches) is in a mount namespace, and gone with it.
"""
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from environments import FARFLUNG, HOME, JOBS, TOP, UNREACHABLE, clean_env, obey_signals, run, say, table

sys.path.insert(0, str(TOP / "tests" / "fakes"))
from sshd import Sshd, available  # noqa: E402

TREES = {"trixie": ("3.13.", "8.3."), "forky": ("3.14.", "9.")}  # how its versions of Python and pytest begin
PACKAGES = "python3,python3-pytest,openssh-server"
SCRIPTS = "/usr/share/debootstrap/scripts"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
LIMIT = 300  # s, of one run
# The tree as a system: its own /proc, and empty places where this run alone writes. $1: the tree, $2: the server's folder.
ENTER = """set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
for place in tmp run root; do mount -t tmpfs -o mode=1777 tmpfs "$1/$place"; done
mkdir -p "$1$2" "$1/run/sshd"
chmod 755 "$1/run/sshd"
chmod 700 "$1/root"
mount --bind "$2" "$1$2"
tree=$1
shift 2
exec chroot "$tree" "$@"
"""
SUITE = """
import sys, warnings
import pytest

@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    yield tmp_path_factory.mktemp("shared")

@pytest.fixture
def broken(): raise ValueError("broken")

@pytest.fixture
def breaks():
    yield
    raise ValueError("breaks")

class Base:
    @pytest.mark.parametrize("text", ["plain", "a b", "x::y", "[]", "\\u00e9"])
    def test_text(self, text, capsys):
        print(text)
        assert capsys.readouterr().out == text + "\\n"

class TestOne(Base): pass
class TestTwo(Base):
    def test_own(self, shared): (shared / "file").write_text("x")

@pytest.mark.parametrize("i", range(20))
def test_many(i): assert i % 7, "a multiple of 7"

def test_difference(): assert {"a": 1, "b": [1, 2]} == {"a": 1, "b": [1, 3]}
def test_output():
    print("to stdout"); print("to stderr", file=sys.stderr)
    assert 0
def test_error(broken): pass
def test_teardown(breaks): pass
def test_skip(): pytest.skip("not now")
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
def test_warning(): warnings.warn("a warning")
def test_chain():
    try:
        raise KeyError("first")
    except KeyError as exc:
        raise RuntimeError("second") from exc
def test_import(): pytest.importorskip("no_such_module")
@pytest.mark.skipif(True, reason="never")
def test_never(): pass
"""
# No session begins its first test before all have one: each host takes part.
CONFTEST = """
import pathlib, socket, pytest
@pytest.fixture(scope="session", autouse=True)
def everybody():
    port = pathlib.Path(__file__).with_name("port")
    if port.exists():
        with socket.create_connection(("127.0.0.1", int(port.read_text())), 120) as there:
            assert there.recv(1)
def pytest_configure_node(node): node.workerinput["told"] = "by the front"
def pytest_testnodedown(node, error): ended.append(node.workeroutput["said"])
ended = []
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["said"] = session.config.workerinput.get("told")
def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("ended: %s" % ended)
pytest_configure_node.optionalhook = pytest_testnodedown.optionalhook = True
"""
PLAIN = """
import json, sys
import pytest
sys.path.insert(0, sys.argv[1])
from reports import outcome_of
class Recorder:
    def __init__(self): self.reports = {}
    def pytest_runtest_logreport(self, report): self.reports.setdefault(report.nodeid, []).append(report)
recorder = Recorder()
pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist"], [recorder])
with open(sys.argv[2], "w") as file:
    json.dump({nodeid: outcome_of(reports) for nodeid, reports in recorder.reports.items()}, file)
"""


class TreeSshd(Sshd):
    """An sshd inside a tree, which sees its folder by the path that it has here."""

    def __init__(self, tree):
        super().__init__()
        self.tree = str(tree)

    def command(self):
        words = ["/usr/sbin/sshd", "-D", "-f", self.path("sshd_config"), "-E", self.path("log")]
        return ["unshare", "--mount", "sh", "-c", ENTER, "sh", self.tree, self.folder, *words]


def mirror():
    """The one that apt has for this machine."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    try:
        sites = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.split()
    except OSError:
        sites = []
    return next((site for site in sites if site.rstrip("/").endswith("/debian")), DEFAULT_MIRROR)


def make_tree(suite):
    """The folder of a release, made if it isn't there; exits with 3 if it can't be."""
    tree = HOME / "trees" / suite
    if tree.exists():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    part, log = tree.with_suffix(".part"), tree.with_suffix(".log")
    shutil.rmtree(part, ignore_errors=True)
    say(f"{suite}: debootstrap, some minutes")
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, part, mirror()]
    if not os.path.exists(f"{SCRIPTS}/{suite}"):
        command.append(f"{SCRIPTS}/sid")  # a release that this debootstrap doesn't know yet
    with open(log, "wb") as out:
        code = subprocess.call(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise OSError(f"{suite}: debootstrap failed ({code}), see {log}\n{tail}")
    part.rename(tree)
    return tree


def why_not():
    """Why this machine can't do it, or None."""
    if os.getuid() != 0:
        return "it takes root, to make and to enter the trees"
    for program in ("debootstrap", "unshare", "chroot", "mount"):
        if not shutil.which(program):
            return f"there is no {program} here"
    if not available():
        return "there is no sshd, ssh or ssh-keygen here"
    null = subprocess.DEVNULL
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    if subprocess.call(command, stdin=null, stdout=null, stderr=null):
        return "mounting is not allowed here"
    return None


def configuration(servers, dist, front):
    hosts = [f"    - {{name: here, spec: 'popen//python={sys.executable}//chdir=host-here'}}"]
    for name, server in servers.items():
        hosts.append(f"    - {{name: {name}, spec: '{server.xspec('chdir=host')}'}}")
    job = f"{{pytest: [], dist: {dist}, front: {front}}}"
    return "\n".join([
        "version: 1", "inventory:", "  hosts:", *hosts, "tree: {source: suite}",
        f"settings: {{require_hosts: {len(hosts)}}}", f"jobs: {{suite: {job}}}", "",
    ])  # fmt: skip


def outcomes_of(events):
    """(id -> outcomes, host -> how many tests it ran)"""
    found, hosts = collections.defaultdict(list), collections.Counter()
    for event in events:
        if event["event"] == "unit-finished" and event["final"]:
            found[event["unit"].replace(f"@{event['host']}", "")].append(event["result"]["outcome"])
            hosts[event["host"]] += 1
    return found, hosts


def versions_of(events):
    """host -> Python's and pytest's there"""
    facts = {event["host"]: event["facts"] for event in events if event["event"] == "worker-started"}
    return {host: (its["python"], its["pytest"]) for host, its in facts.items()}


@contextlib.contextmanager
def meeting(count):
    """A port that answers when so many have come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)

        def wait():
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
                for there in [stack.enter_context(server.accept()[0]) for _ in range(count)]:
                    there.send(b"x")

        thread = threading.Thread(target=wait)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def check(place, servers, plain, dist, front):
    """(row of the table, what is wrong)"""
    (place / "farflung.yaml").write_text(configuration(servers, dist, front))
    path = place / "events.jsonl"
    with meeting(len(servers) + 1) as port:
        (place / "suite" / "port").write_text(str(port))
        code, out, err = run([FARFLUNG, "run", "--jsonl", path], place, clean_env(), LIMIT)
    log = HOME / "results" / f"hosts-{dist}-{front}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"exit {code}\n{out}\n--- stderr\n{err}")
    events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found, hosts = outcomes_of(events)
    versions = versions_of(events)
    times = len(servers) + 1 if dist == "each" else 1
    wrong = [f"exit {code}, not 1"] if code != 1 else []
    for test in sorted({*plain, *found}):
        if found.get(test) != [plain.get(test)] * times:
            wrong.append(f"{test}: {plain.get(test)} here, {', '.join(found.get(test, ['nothing']))}")
    for name in ["here", *servers]:
        have, want = versions.get(name, ("", "")), TREES.get(name, ("3.", ""))
        if not hosts[name] or not all(map(str.startswith, have, want)):
            wrong.append(f"{name} ran {hosts[name]} tests by Python and pytest {have}, not {want}")
    if front == "always" and out.count("'by the front'") != len(servers) + 1:
        wrong.append("the front did not hear from every worker")
    counts = ", ".join(f"{name} {hosts[name]}" for name in ["here", *servers])
    return [dist, front, f"exit {code}", counts, "the same" if not wrong else f"wrong, see {log.relative_to(TOP)}"], wrong


def plain_outcomes(place):
    path = place / "plain.json"
    reports = TOP / "plugins" / "pytest"
    command = [sys.executable, "-c", PLAIN, str(reports), str(path)]
    subprocess.run(command, cwd=place / "suite", env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return json.loads(path.read_text())


def main(names):
    suites = [suite for suite in TREES if not names or suite in names]
    if not suites or len(suites) < len(set(names)):
        say("known are: " + " ".join(TREES))
        return 2
    reason = why_not()
    if reason:
        say(f"no other system can be a host: {reason} (exit 3)")
        return UNREACHABLE
    try:
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            trees = dict(zip(suites, pool.map(make_tree, suites)))
    except OSError as exc:
        say(f"{exc}\nmatrix: no trees, no hosts (exit 3)")
        return UNREACHABLE
    rows, bad = [], []
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="farflung-hosts-"))
        place = pathlib.Path(place)
        (place / "suite").mkdir()
        (place / "suite" / "test_suite.py").write_text(SUITE)
        (place / "suite" / "conftest.py").write_text(CONFTEST)
        plain = plain_outcomes(place)
        servers = {suite: stack.enter_context(TreeSshd(tree)) for suite, tree in trees.items()}
        for dist, front in (("each", "never"), ("each", "always"), ("load", "always"), ("load", "never")):
            row, wrong = check(place, servers, plain, dist, front)
            rows.append(row)
            bad += [f"{dist}, front {front}: {text}" for text in wrong]
    print("\n".join(bad), end="\n" if bad else "")
    print(table(["dist", "front", "exit", "tests by host", "outcomes"], rows))
    say(f"{len(plain)} tests on this machine, {', '.join(suites)}: {len(bad)} wrong")
    return 1 if bad or not plain else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))

"""A front whose workers are on other machines: sshd servers of our own, each host with a folder of its own."""
import os
import re
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import has, of_kind, outcomes, read_jsonl, wait_until, write

# As pytest-rerunfailures: a server in the controller, to which each worker has a connection for all the time.
CONFTEST = """
import os, pathlib, socket, threading
HERE = pathlib.Path(__file__).parent

def note(*words):
    with open(HERE / "notes", "a") as file:
        print(*words, file=file)

class Server:
    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("", 0))
        self.sock.listen()
        self.port = self.sock.getsockname()[1]
        self.threads = []
        self.all_here = threading.Event()  # one host could do it all before the other is there
        threading.Thread(target=self.accept, daemon=True).start()
    def accept(self):
        while 1:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.serve, args=(conn,)))
            self.threads[-1].start()
    def serve(self, conn):
        with conn, conn.makefile("rwb") as file:
            name = file.readline().decode().strip()
            count = 0
            if len(self.threads) >= 4:
                self.all_here.set()
            self.all_here.wait(60)
            for line in file:
                count += 1
                file.write(line.upper())
                file.flush()
        note("talked", name, count)

class Client:
    def __init__(self, given):
        self.conn = socket.create_connection(("localhost", given["sock_port"]))
        self.file = self.conn.makefile("rwb")
        self.file.write(given["workerid"].encode() + b"\\n")
        self.ask("begin")
    def ask(self, word):
        self.file.write(word.encode() + b"\\n")
        self.file.flush()
        return self.file.readline().decode().strip()

def pytest_configure(config):
    given = getattr(config, "workerinput", None)
    if given is None:
        config.server = Server()
    else:
        config.client = Client(given)

def pytest_configure_node(node):
    port = node.config.server.port
    node.workerinput.update(sock_port=port, true=port, url=f"http://127.0.0.1:{port}/", blob=b"\\0" * 100)

def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["said"] = {"host": os.environ["HOST"], "id": session.config.workerinput["workerid"]}

def pytest_testnodedown(node, error):
    said = getattr(node, "workeroutput", {}).get("said", {})
    note("down", node.gateway.id, said.get("host"), said.get("id"), "error" if error else "")

def pytest_unconfigure(config):
    if hasattr(config, "server"):
        for thread in config.server.threads:
            thread.join(30)
        config.server.sock.close()
"""

SUITE = """
import pathlib, pytest
FOLDERS = set()

@pytest.mark.parametrize("n", range(20))
def test_n(request, tmp_path, n):
    given = request.config.workerinput
    assert given["sock_port"] != given["true"] and given["url"] == "http://127.0.0.1:%d/" % given["sock_port"]
    assert given["blob"] == bytes(100)
    assert request.config.client.ask("test %d" % n) == "TEST %d" % n
    (tmp_path / "mine").write_text("x")  # its own, on this host
    FOLDERS.add(str(tmp_path.parent))
    assert len(FOLDERS) == 1
"""


def tree(farflung, conftest=CONFTEST, suite=SUITE, **more):
    write(farflung.cwd / "tree" / "conftest.py", conftest)
    write(farflung.cwd / "tree" / "test_a.py", suite)
    for name, text in more.items():
        write(farflung.cwd / "tree" / f"{name}.py", text)


def hosts(farflung, tmp_path, python, first, second, args, slots=2, settings="", dist="load"):
    """A job over two hosts, whose name is in HOST there. The front's interpreter is the first with pytest."""
    farflung.env["PATH"] = os.pathsep.join([os.path.dirname(python), farflung.env["PATH"]])
    lines = [
        f"  - {{spec: 'ssh={sshd.words}//chdir={tmp_path / 'remote' / name}//python={python}//env:HOST={name}', "
        f"name: {name}, slots: {slots}}}\n"
        for name, sshd in (("one", first), ("two", second))
    ]
    farflung.yaml(
        f"{settings}inventory:\n{''.join(lines)}tree: {{source: tree}}\n"
        f"jobs:\n  unit: {{pytest: {args}, dist: {dist}}}\n"
    )


def notes(farflung, kind):
    lines = (farflung.cwd / "tree" / "notes").read_text().splitlines()
    return sorted(line.split(" ")[1:] for line in lines if line.startswith(kind))


def test_values_and_ports(farflung, fresh_sshd, tmp_path, python):
    tree(farflung)
    hosts(farflung, tmp_path, python, fresh_sshd(), fresh_sshd(), ["-p", "no:cacheprovider"])
    done = farflung.run("run", "--jsonl", "e.jsonl", code=0)
    assert "20 passed in " in done.stdout
    events = read_jsonl(farflung.cwd / "e.jsonl")
    assert set(outcomes(events).values()) == {"passed"}
    workers = {e["worker"]: e["host"] for e in of_kind(events, "worker-started")}
    assert len(workers) == 4 and set(workers.values()) == {"one", "two"}
    assert notes(farflung, "down") == [[id, workers[id], id, ""] for id in sorted(workers)]
    talked = notes(farflung, "talked")
    assert [id for id, _ in talked] == sorted(workers) and sum(int(count) - 1 for _, count in talked) == 20


def test_plugins_see_that_tests_are_spread(farflung, sshd, tmp_path, python):
    """Some ask for --numprocesses, and for nothing else; and before there is a session."""
    tree(farflung, suite="def test_a(): pass\n", conftest="""
import pathlib
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        note = config.option
        note = [note.numprocesses, note.dist, [spec.split("=")[0] for spec in note.tx], config.known_args_namespace.numprocesses]
        pathlib.Path(__file__).with_name("notes").write_text(repr(note))
def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        with pathlib.Path(__file__).with_name("notes").open("a") as file:
            file.write(" then %s" % [spec.split("=")[0] for spec in session.config.option.tx])
""")
    farflung.env["PATH"] = os.pathsep.join([os.path.dirname(python), farflung.env["PATH"]])
    specs = [f"ssh={sshd.words}//chdir={tmp_path / name}//python={python}" for name in ("one", "two")]
    farflung.run("pytest", "--tx", specs[0], "--tx", specs[1], "--rsyncdir", ".", cwd=farflung.cwd / "tree", code=0)
    assert (farflung.cwd / "tree" / "notes").read_text() == "[2, 'load', ['ssh', 'ssh'], 2] then ['ssh', 'ssh']"


@pytest.mark.parametrize("given, spec, used, vainly", [
    ("given", "plain", "given", False), (None, "host", "host", False), (None, "plain", "plain", False),
    ("/nonesuch/python", "host", "host", True),
])
def test_whose_interpreter_runs_it(farflung, sshd, tmp_path, python, given, spec, used, vainly):
    """What was named, if it is here; and it is said."""
    tree(farflung, suite="def test_a(): pass\n", conftest="""
import os, pathlib
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path(__file__).with_name("notes").write_text(os.environ.get("RUN_BY", "plain"))
""")
    programs = {"plain": python}
    for name in ("given", "host"):
        programs[name] = write(tmp_path / f"python-{name}", f"#!/bin/sh\nRUN_BY={name} exec {python} \"$@\"\n")
        programs[name].chmod(0o755)
    farflung.env["PATH"] = os.pathsep.join([os.path.dirname(python), farflung.env["PATH"]])
    words = ["--python", programs.get(given, given)] if given else []
    done = farflung.run("pytest", "--tx", f"ssh={sshd.words}//chdir={tmp_path / 'there'}//python={programs[spec]}",
                        "--rsyncdir", ".", *words, cwd=farflung.cwd / "tree", code=0)
    assert (farflung.cwd / "tree" / "notes").read_text() == used
    (line,) = [line for line in done.stdout.splitlines() if "the front of job 'pytest' runs here with " in line]
    assert str(programs[used]) in line and ("the one that was named is not here" in line) is vainly


HANGING = """
import os, pathlib, time
import pytest
HUNG = pathlib.Path("HUNG")

@pytest.mark.parametrize("n", range(8))
def test_n(request, n):
    if os.environ["HOST"] == "two":
        HUNG.touch()
        assert request.config.client.ask("hang") == "HANG"
        time.sleep(600)
    end = time.monotonic() + 60
    while not HUNG.exists():  # the other host has a test, too
        assert time.monotonic() < end
        time.sleep(0.01)
"""


def test_a_host_that_is_killed(farflung, fresh_sshd, tmp_path, python):
    """Its tests run elsewhere, its workers are down for the front, and their connections have ended."""
    tree(farflung, suite=HANGING.replace("HUNG\")", str(tmp_path / "hung") + "\")"))
    second = fresh_sshd()
    hosts(farflung, tmp_path, python, fresh_sshd(), second, ["-p", "no:cacheprovider"])
    process = farflung.start("run", "--jsonl", "e.jsonl")
    wait_until((tmp_path / "hung").exists, 60, "the second host has a test")
    second.stop()
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    events = read_jsonl(farflung.cwd / "e.jsonl")
    assert list(outcomes(events).values()) == ["passed"] * 8 and "8 passed in " in out
    workers = {e["worker"]: e["host"] for e in of_kind(events, "worker-started")}
    down = notes(farflung, "down")
    # Of the second host's one may have had nothing to do, and have said its last; one that was lost before it had
    # started may be known to the front.
    assert [line for line in down if workers.get(line[0]) == "one"] == [
        [id, "one", id, ""] for id, host in sorted(workers.items()) if host == "one"]
    lost = [line for line in down if workers.get(line[0]) != "one"]
    assert {id for id, host in workers.items() if host == "two"} <= {line[0] for line in lost}
    assert {line[0] for line in lost} <= {e["worker"] for e in of_kind(events, "worker-opening", host="two")}
    assert [line for line in lost if line[1:] == ["None", "None", "error"]]
    assert all(line[1:] == ["None", "None", "error"] or line[1:3] == ["two", line[0]] for line in lost)
    talked = [id for id, _ in notes(farflung, "talked")]
    assert talked == sorted(set(talked)) and set(workers) <= set(talked) <= set(workers) | {line[0] for line in lost}


LIBRARY = """
def on(host):
    if host == "one":
        return 1
    if host == "two":
        return 2

def below():
    return 3

def in_child():
    return 4

def never():
    return 5
"""

COVERED = """
import os, subprocess, sys
import pytest
from library import on, below

@pytest.mark.parametrize("n", range(6))
def test_n(n):
    assert on(os.environ["HOST"]) in (1, 2)

def test_child():
    subprocess.run([sys.executable, "-c", "import library; assert library.in_child() == 4"], check=True)
"""


def test_coverage_of_all_hosts(farflung, fresh_sshd, tmp_path, python):
    if not has(python, "pytest_cov"):
        pytest.skip("pytest-cov is not installed")
    tree(farflung, conftest="", suite=COVERED, library=LIBRARY)
    report = ["--cov=library", "--cov-report=term-missing", "--cov-report=xml", "--cov-fail-under=70"]
    hosts(farflung, tmp_path, python, fresh_sshd(), fresh_sshd(), [*report, "-p", "no:cacheprovider"],
          dist="each")
    done = farflung.run("run", code=0)
    assert "28 passed in " in done.stdout
    (line,) = re.findall(r"^library\.py .*", done.stdout, re.MULTILINE)
    assert line.split() == ["library.py", "11", "2", "82%", "9,", "15"], done.stdout
    classes = list(ElementTree.parse(farflung.cwd / "tree" / "coverage.xml").iter("class"))
    hits = {int(l.get("number")): int(l.get("hits")) for l in classes[0].iter("line")}
    assert [c.get("filename") for c in classes] == ["library.py"]
    assert sorted(line for line, count in hits.items() if not count) == [9, 15]
    left = [path for top in (farflung.cwd, tmp_path / "remote") for path in top.rglob(".coverage.*")]
    left += list((tmp_path / "remote-tmp").glob("farflung-cov-*"))
    assert left == [] and (farflung.cwd / "tree" / ".coverage").exists()

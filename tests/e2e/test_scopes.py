"""Fixtures of every scope with each --dist and --collect: set up before the first test on a worker that is in the scope, torn
down behind its last one there, the inner ones first, as plain pytest does with the tests in the order in which the worker ran them."""
import collections
import itertools

import pytest

from conftest import of_kind, outcomes, read_jsonl, write
from matrix_runs import COLLECTS, DISTS

CONFTEST = """
import os, pytest

def tell(*words):
    file = os.open(os.environ["SCOPES_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (" ".join([str(os.getpid()), os.environ["PYTEST_XDIST_WORKER"], *words]) + "\\n").encode())
    os.close(file)

def around(name):
    tell("+", name)
    yield
    tell("-", name)

@pytest.fixture(scope="session", autouse=True)
def for_session():
    yield from around("session")

@pytest.fixture(scope="module", autouse=True)
def for_module(for_session, request):
    yield from around("module:" + request.node.nodeid)

@pytest.fixture(scope="class", autouse=True)
def for_class(for_module, request):
    if request.cls is None:
        yield
    else:
        yield from around("class:" + request.node.nodeid)

@pytest.fixture(autouse=True)
def for_function(for_class, request):
    tell("+", "function:" + request.node.nodeid)
    tell("test", request.node.nodeid)
    yield
    tell("-", "function:" + request.node.nodeid)
"""

PACKAGE = """
import pytest
from conftest import around

@pytest.fixture(scope="package", autouse=True)
def for_package(for_session):
    yield from around("package:sub")

@pytest.fixture(scope="module", autouse=True)
def for_module(for_package, request):
    yield from around("module:" + request.node.nodeid)
"""

PLAIN = """
import pytest, time
@pytest.mark.parametrize("n", range(4))
def test_n(n): time.sleep(0.005)
"""

CLASSES = """
import time
class TestOne:
    def test_a(self): time.sleep(0.005)
    def test_b(self): time.sleep(0.005)
class TestTwo:
    def test_c(self): time.sleep(0.005)
    def test_d(self): time.sleep(0.005)
def test_e(): pass
"""

FILES = {"test_a.py": PLAIN, "test_b.py": CLASSES, "sub/__init__.py": "", "sub/test_c.py": CLASSES, "sub/test_d.py": PLAIN}
COUNT = 2 * (4 + 5)
# What is never parted, of what these keep together.
WHOLE = {"loadscope": ("class",), "loadfile": ("module", "class"), "each": ("module", "class", "package"),
         "no": ("module", "class", "package")}


def scopes_of(test):
    """Of a test, from the outermost on."""
    file, *inner = test.split("::")
    scopes = ["session", *["package:sub"] * file.startswith("sub/"), "module:" + file]
    if len(inner) == 2:
        scopes.append(f"class:{file}::{inner[0]}")
    return [*scopes, "function:" + test]


def check_worker(words, whole):
    """One worker's fixtures and tests, in order."""
    up, ran, ups = [], [], collections.Counter()
    for kind, name in words:
        if kind == "+":
            up.append(name)
            ups[name] += 1
        elif kind == "-":
            assert up and up.pop() == name, f"{name} is torn down before what is inside of it"
        else:
            assert up == scopes_of(name), f"{name} runs inside of other scopes"
            ran.append(name)
    assert not up, "never torn down"
    assert len(set(ran)) == len(ran)
    # What is left and come back to is set up anew; nothing else is.
    blocks = collections.Counter()
    for before, test in zip([None, *ran], ran):
        there = scopes_of(before) if before else []
        blocks.update(scope for scope in scopes_of(test) if scope not in there)
    assert ups == blocks
    assert ups["session"] == 1
    assert all(count == 1 for scope, count in ups.items() if scope.split(":")[0] in whole), ups
    return ran


@pytest.mark.parametrize("dist, collect", itertools.product(DISTS, COLLECTS))
def test_fixtures_of_every_scope(farflung, python, tmp_path, dist, collect):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "sub" / "conftest.py", PACKAGE)
    for name, text in FILES.items():
        write(farflung.cwd / name, text)
    farflung.env["SCOPES_LOG"] = str(tmp_path / "log")
    events = tmp_path / "events.jsonl"
    farflung.run("pytest", "-n", 2, "--python", python, "--dist", dist, "--collect", collect, "-p", "no:cacheprovider",
                 "--jsonl", events, code=0)
    by_worker, names = collections.defaultdict(list), collections.defaultdict(set)
    for line in (tmp_path / "log").read_text().splitlines():
        pid, worker, kind, name = line.split(" ")
        by_worker[pid].append((kind, name.partition("@")[0]))
        names[pid].add(worker)
    assert all(len(workers) == 1 for workers in names.values())
    ran = [test for words in by_worker.values() for test in check_worker(words, WHOLE.get(dist, ()))]
    assert len(ran) == COUNT * (2 if dist == "each" else 1) and len(set(ran)) == COUNT
    told = read_jsonl(events)
    assert len(outcomes(told)) == len(ran)
    # Who ran it is who told it.
    ours = {(worker, test) for pid, words in by_worker.items() for worker in names[pid] for kind, test in words if kind == "test"}
    assert ours == {(e["worker"], e["unit"].partition("@")[0]) for e in of_kind(told, "unit-finished")}

"""What a worker does less often than pytest does must not be seen: suites that look, beside plain pytest."""
import subprocess

import pytest

from conftest import outcomes, read_jsonl, write

COLLECTOR = """
import gc, weakref

class Node:
    pass

def cycle():
    node = Node()
    node.itself = node
    return node

KEPT, HELD = Node(), [cycle()]
DEAD = weakref.ref(HELD[0])

def test_what_is_left_of_the_import_is_collected():
    HELD.clear()
    assert gc.collect(generation=2) >= 1
    assert DEAD() is None

def test_what_was_imported_is_found():
    assert any(found is KEPT for found in gc.get_objects())

def test_who_refers_to_it_is_found():
    assert globals() in gc.get_referrers(KEPT)

def test_they_keep_their_names():
    assert gc.collect.__name__ == "collect" and gc.collect.__doc__
    gc.get_objects(generation=0)
"""

OUTPUT = """
import os, subprocess, sys

def test_empties_its_output():
    os.write(1, b"gone")
    os.ftruncate(1, 0)

def test_everyone_writes():
    print("by print")
    sys.stdout.flush()
    os.write(1, b"by write\\n")
    subprocess.run(["echo", "by a child"])
    print("to stderr", file=sys.stderr)
    assert 0

def test_moves_about():
    os.write(1, b"before")
    os.lseek(1, 0, os.SEEK_SET)
    os.write(1, b"B")
    assert 0

def test_silent():
    assert 0

def test_reads_its_own(capfd):
    print("mine")
    assert capfd.readouterr().out == "mine\\n"
"""

HOOKS = {
    "logged.py": """
import pathlib

def log(*words):
    with open(pathlib.Path(__file__).parent / "log.txt", "a") as file:
        print(*words, file=file)
""",
    "conftest.py": """
import pytest
from logged import log

class Late:
    def pytest_runtest_teardown(self, item):
        log("late", item.name)

@pytest.fixture
def late(request):
    manager = request.config.pluginmanager
    manager.register(Late(), "late")
    yield
    manager.unregister(name="late")

def pytest_sessionfinish(session):
    stats = session.config.pluginmanager.getplugin("terminalreporter").stats
    log("passed", len(stats["passed"]), "failed", len(stats["failed"]), "error", len(stats["error"]))
""",
    "a/conftest.py": """
from logged import log

def pytest_runtest_setup(item):
    log("a sets up", item.name)

def pytest_runtest_logreport(report):
    log("a hears", report.when, report.outcome)
""",
    "a/b/conftest.py": """
from logged import log

def pytest_runtest_call(item):
    log("b calls", item.name)
""",
    "a/test_a.py": "def test_a(): pass\n",
    "a/b/test_b.py": "def test_b(): pass\ndef test_late(late): pass\ndef test_after(): assert 0\n",
    "c/test_c.py": """
import pytest

@pytest.fixture
def broken():
    yield
    assert 0

def test_c(broken): pass
def test_d(): pass
""",
}


@pytest.fixture(params=["every", "shard"])
def collect(request):
    return request.param


def plainly(farflung, python):
    done = subprocess.run([python, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA"], cwd=farflung.cwd,
                          env=farflung.env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout
    return done.stdout


def ours(farflung, python, collect, *options):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "-n", 1, "--front", "never", "--collect", collect, "--python", python, "--jsonl", path,
                        *options, "--", "-p", "no:cacheprovider", code=None)
    return done.stdout, outcomes(read_jsonl(path))


def test_the_garbage_collector_finds_all(farflung, python, collect):
    write(farflung.cwd / "test_collector.py", COLLECTOR)
    assert "4 passed" in plainly(farflung, python)
    assert set(ours(farflung, python, collect)[1].values()) == {"passed"}


def test_output_is_where_it_was_written(farflung, python, collect):
    write(farflung.cwd / "test_output.py", OUTPUT)
    expected = plainly(farflung, python)
    text, results = ours(farflung, python, collect)
    assert sorted(results.values()) == ["failed"] * 3 + ["passed"] * 2
    for part in ("by print\nby write\nby a child\n", "to stderr\n", "Before\n"):
        assert part in expected and part in text, text
    assert "gone" not in text and "\0" not in text
    assert text.count("Captured stdout") == 2, text


def test_hooks_are_called_for_whom_they_are_for(farflung, python):
    for name, text in HOOKS.items():
        write(farflung.cwd / name, text)
    log = farflung.cwd / "log.txt"
    plainly(farflung, python)
    expected = log.read_text().splitlines()
    assert "late test_late" in expected and "b calls test_b" in expected and "a sets up test_a" in expected
    log.unlink()
    ours(farflung, python, "every")
    assert log.read_text().splitlines() == expected

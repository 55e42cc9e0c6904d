"""Workers that tests or hooks leave in a bad way: seen at once, bounded, and told with the cause."""
import pytest

from conftest import junit_outcomes, of_kind, outcomes, read_jsonl, write


def run(farflung, python, *args, code, count=2):
    done = farflung.run("pytest", "-n", count, "--front", "never", "--python", python, "--jsonl", "e.jsonl", "--junit",
                        "j.xml", *args, code=code)
    done.events = read_jsonl(farflung.cwd / "e.jsonl")
    return done


def test_one_whose_descriptors_are_closed(farflung, python):
    write(farflung.cwd / "test_c.py", """
import os
def test_a(): pass
def test_closes(): os.closerange(3, 256)
def test_b(): pass
def test_c(): pass
""")
    events = run(farflung, python, count=1, code=1).events
    assert outcomes(events) == {"test_c.py::test_a": "passed", "test_c.py::test_closes": "crashed",
                                "test_c.py::test_b": "passed", "test_c.py::test_c": "passed"}


@pytest.mark.parametrize("patch", [
    'os, "write", lambda fd, data: len(data)', 'os, "writev", None', 'os, "read", lambda *a: b""',
    'os, "write", lambda *a: 1 / 0', 'os, "getpid", lambda: 1'])
def test_one_with_other_system_calls(farflung, python, patch):
    write(farflung.cwd / "test_p.py", f"""
import os, time, pytest
@pytest.mark.parametrize("i", range(3))
def test_before(i): pass
def test_patched(monkeypatch):
    monkeypatch.setattr({patch})
    time.sleep(0.1)
@pytest.mark.parametrize("i", range(2))
def test_after(i): pass
""")
    assert set(outcomes(run(farflung, python, code=0).events).values()) == {"passed"}


def test_the_cause_of_a_crash(farflung, python):
    write(farflung.cwd / "test_s.py", """
import ctypes, sys
def test_noise():
    print("earlier noise\\\\n" * 2000, file=sys.__stderr__, flush=True)
def test_segv():
    ctypes.string_at(0)
""")
    done = run(farflung, python, "-s", count=1, code=1)
    (event,) = of_kind(done.events, "unit-finished", unit="test_s.py::test_segv")
    assert "\n" not in event["result"]["message"] and "SIGSEGV" in event["result"]["message"]
    text = (farflung.cwd / "j.xml").read_text()
    assert text.count("Fatal Python error") == 1 and text.count("in test_segv") == 1 and "earlier noise" not in text
    assert done.stdout.split("failures ═")[1].count("Fatal Python error") == 1


def test_one_that_does_not_come_to_its_end(farflung, python):
    """No limit of its own, but that of the tests."""
    write(farflung.cwd / "conftest.py", "import time\ndef pytest_sessionfinish(session): time.sleep(3600)\n")
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = run(farflung, python, "--timeout", "1s", count=1, code=1)
    assert "gw0 did not end in time after its last test and was killed" in done.stderr.splitlines()[-1]
    assert junit_outcomes(farflung.cwd / "j.xml")[("test_a", "test_a")] == ("passed", "")
    assert len(junit_outcomes(farflung.cwd / "j.xml")) == 2


def test_one_that_is_not_needed(farflung, python):
    write(farflung.cwd / "conftest.py",
          "import os, time\nif os.environ.get('PYTEST_XDIST_WORKER') == 'gw1': time.sleep(3600)\n")
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = run(farflung, python, "--timeout", "1s", code=0)
    assert outcomes(done.events) == {"test_a.py::test_a": "passed"}
    assert not [event for event in of_kind(done.events, "worker-ended") if event["crashed"]]

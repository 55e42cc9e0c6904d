"""Workers that tests or hooks leave in a bad way: seen at once, bounded, and told with the cause."""
import math
import subprocess
import time

import pytest

from conftest import junit_outcomes, of_kind, outcomes, read_jsonl, write


@pytest.fixture(scope="module")
def limit(python):
    """Seconds without a sign of life that nobody needs who is well: a start of pytest takes far less, here and now."""
    began = time.monotonic()
    subprocess.run([python, "-m", "pytest", "--version", "-p", "no:cacheprovider"], capture_output=True, check=True)
    return min(max(3, math.ceil(8 * (time.monotonic() - began))), 40)


def run(farflung, python, *args, code, count=2):
    front = () if "--front" in args else ("--front", "never")
    done = farflung.run("pytest", "-n", count, *front, "--python", python, "--jsonl", "e.jsonl", "--junit",
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
    done = run(farflung, python, "--timeout", "1s", code=1)
    assert outcomes(done.events) == {"test_a.py::test_a": "passed"}
    assert not [event for event in of_kind(done.events, "worker-ended") if event["crashed"]]
    assert "gw1 gave no sign of life for 10.0 s while loading plugins" in done.stderr.splitlines()[-1]


LOADS = "while loading plugins and conftest files"
COLLECTS = "while collecting test_z.py"
HANG = {
    "file-loops": ("test_z.py", "while True: pass", COLLECTS),
    "file-waits": ("test_z.py", "import threading; threading.Event().wait()", COLLECTS),
    "conftest": ("conftest.py", "import time; time.sleep(10 ** 6)", LOADS),
    "configure": ("conftest.py", "import time\ndef pytest_configure(config): time.sleep(10 ** 6)", LOADS),
    "reads": ("test_z.py", "import os; os.read(os.pipe()[0], 1)", COLLECTS),
}


@pytest.mark.parametrize("kind, some, front", [
    ("file-loops", False, "never"), ("file-loops", False, "always"), ("file-loops", True, "always"),
    ("conftest", False, "never"), ("conftest", False, "always"), ("conftest", True, "never"),
    ("file-waits", True, "never"), ("configure", True, "always"), ("reads", True, "never"),
])
def test_a_collection_that_hangs(farflung, python, limit, kind, some, front):
    name, hangs, words = HANG[kind]
    if some:
        lines = "".join(f"    {line}\n" for line in hangs.splitlines())
        hangs = "import os\nif os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n    open('hung', 'w').close()\n" + lines
    write(farflung.cwd / name, hangs + "\n")
    # It hangs before the other one is done: who is alive then, and slow, is let go without a word.
    write(farflung.cwd / "test_a.py", f"""
import os, time
def test_a():
    while {some} and not os.path.exists('hung'): time.sleep(0.01)
def test_b(): pass
""")
    done = run(farflung, python, "--session-timeout", f"{limit}s", "--front", front, code=1)
    last = done.stderr.splitlines()[-1]
    assert f"gave no sign of life for {limit}.0 s {words} and was killed (exit 1)" in last
    assert last.startswith("farflung: 2 passed; gw1" if some else "farflung: nothing ran; gw")
    assert outcomes(done.events) == ({"test_a.py::test_a": "passed", "test_a.py::test_b": "passed"} if some else {})
    told = junit_outcomes(farflung.cwd / "j.xml")
    assert [kind for kind, _ in told.values()].count("error") == 1 and len(told) == (3 if some else 1)


def test_one_that_is_slow_and_alive(farflung, python, limit):
    for name in "abcd":
        write(farflung.cwd / f"test_{name}.py", f"import time\ntime.sleep({0.4 * limit})\ndef test_it(): pass\n")
    assert len(outcomes(run(farflung, python, "--session-timeout", f"{limit}s", code=0).events)) == 4


@pytest.mark.parametrize("front", ["never", "always"])
@pytest.mark.parametrize("fixture, words", [
    ("time.sleep(10 ** 6)\n    yield", "setting up fixture 'server' (session)"),
    ("yield\n    time.sleep(10 ** 6)", "tearing down the session's fixtures"),
])
def test_a_fixture_of_the_session_that_hangs(farflung, python, limit, fixture, words, front):
    write(farflung.cwd / "test_a.py", f"""
import pytest, time
@pytest.fixture(scope="session")
def server():
    {fixture}
def test_long(): time.sleep({limit + 1})
def test_it(server): pass
""")
    done = run(farflung, python, "--session-timeout", f"{limit}s", "--front", front, count=1, code=1)
    assert outcomes(done.events) == {"test_a.py::test_long": "passed", "test_a.py::test_it": "timeout"}
    (event,) = of_kind(done.events, "unit-finished", unit="test_a.py::test_it")
    assert event["result"]["message"].startswith(f"no sign of life for {limit}.0 s while {words}")


@pytest.mark.parametrize("front", ["never", "always"])
def test_an_end_that_hangs(farflung, python, limit, front):
    write(farflung.cwd / "conftest.py", "import time\ndef pytest_sessionfinish(session):\n"
          "    if hasattr(session.config, 'workerinput'): time.sleep(10 ** 6)\n")
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = run(farflung, python, "--session-timeout", f"{limit}s", "--front", front, count=1, code=1)
    assert "gw0 did not end in time after its last test and was killed" in done.stderr.splitlines()[-1]
    assert outcomes(done.events) == {"test_a.py::test_a": "passed"}


def test_a_front_that_hangs(farflung, python, limit):
    write(farflung.cwd / "conftest.py", "import time\ndef pytest_sessionfinish(session):\n"
          "    if not hasattr(session.config, 'workerinput'): time.sleep(10 ** 6)\n")
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = run(farflung, python, "--session-timeout", f"{limit}s", "--front", "always", code=3)
    assert f"the front of job 'pytest' gave no sign of life for {limit} s" in done.stderr.splitlines()[-1]
    assert outcomes(done.events) == {"test_a.py::test_a": "passed"}


def test_the_limit_in_a_file_and_behind_the_dashes(farflung, python, limit):
    write(farflung.cwd / "slow" / "test_z.py", "while True: pass\n")
    write(farflung.cwd / "good" / "test_a.py", "def test_a(): pass\n")
    done = farflung.run_yaml(
        f"inventory: [popen//python={python}]\njobs:\n  slow: {{pytest: [slow], session_timeout: {limit}s, front: never}}\n"
        "  good: {pytest: [good], front: never}\n", code=1)
    assert "slow/test_z.py and was killed (exit 1)" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("farflung: 1 passed; gw")
    # There it is a plugin's.
    done = farflung.run("pytest", "-n", "1", "--python", python, "--front", "never", "--", "--session-timeout=9",
                        "-p", "no:timeout", "good", code=4)
    assert "--session-timeout=9" in done.stderr

"""`farflung pytest` against plain pytest: the same outcome for every test."""
import subprocess

import pytest

from conftest import junit_outcomes, of_kind, read_journal, read_jsonl, write

SUITE = {
    "conftest.py": """
import pytest

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        assert config.workerinput["workerid"].startswith("gw")
        assert config.workerinput["workercount"] == 2

@pytest.fixture
def broken_setup():
    raise RuntimeError("no luck in setup")

@pytest.fixture
def broken_teardown():
    yield 1
    raise RuntimeError("no luck in teardown")
""",
    "test_kinds.py": """
import sys, warnings
import pytest

def test_pass(): pass
def test_fail():
    print("said on stdout")
    print("said on stderr", file=sys.stderr)
    assert 1 == 2, "one is not two"
def test_setup_error(broken_setup): pass
def test_teardown_error(broken_teardown): pass
def test_skip(): pytest.skip("not today")
@pytest.mark.skipif(True, reason="marked")
def test_skipif(): pass
@pytest.mark.xfail
def test_xfail(): assert False
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_xpass_strict(): pass
@pytest.mark.parametrize("x", [1, "a/b", "a::b", "[c]", "\\u00e9"])
def test_param(x): pass
def test_warns(): warnings.warn("mind the gap")
class TestClass:
    def test_method(self): pass
    @staticmethod
    def test_static(): pass
def test_properties(record_property): record_property("colour", "blue")
""",
    "pkg/__init__.py": "",
    "pkg/test_deep.py": "import unittest\nclass TestCase(unittest.TestCase):\n    def test_one(self): self.assertTrue(True)\n    def test_two(self): self.fail('no')\n",
    "test_skipped_module.py": "import pytest\npytest.skip('whole module', allow_module_level=True)\ndef test_never(): pass\n",
}


def make_suite(work, extra=()):
    for name, text in {**SUITE, **dict(extra)}.items():
        write(work / name, text)


def plain_pytest(python, work, out, *args):
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={out}", *args],
        cwd=work,
        capture_output=True,
        text=True,
    )


def test_outcomes_are_those_of_plain_pytest(farflung, python, tmp_path):
    make_suite(farflung.cwd)
    # the conftest insists on two workers: only a worker has workerinput
    theirs = tmp_path / "theirs.xml"
    ours = tmp_path / "ours.xml"
    assert plain_pytest(python, farflung.cwd, theirs).returncode == 1
    done = farflung.run("pytest", "-n", 2, "--python", python, "--junit", ours, code=1)
    assert junit_outcomes(ours) == junit_outcomes(theirs)
    assert "one is not two" in done.stdout
    assert "said on stdout" in done.stdout
    assert "no luck in setup" in done.stdout and "no luck in teardown" in done.stdout
    assert "mind the gap" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("farflung: ")
    assert done.stderr.splitlines()[-1].endswith("(exit 1)")


def test_everything_can_be_rebuilt_from_the_journal(farflung, python, tmp_path):
    make_suite(farflung.cwd)
    jsonl = tmp_path / "events.jsonl"
    farflung.run("pytest", "-n", 2, "--python", python, "--jsonl", jsonl, code=1)
    journal = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    events = read_journal(journal)
    # How workers ended is known only behind the summary.
    told = read_jsonl(jsonl)
    assert events[: len(told)] == told
    assert {(e["event"], e["crashed"]) for e in events[len(told) :]} <= {("worker-ended", False)}
    assert len(of_kind(events, "worker-ended")) == 2
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "run-started" and told[-1]["event"] == "run-finished"
    finished = [e["unit"] for e in events if e["event"] == "unit-finished"]
    assert len(finished) == len(set(finished)) == told[-1]["counts"]["total"]
    assert {e["worker"] for e in events if e["event"] == "unit-finished"} <= {"gw0", "gw1"}
    failed = next(e for e in events if e["event"] == "unit-finished" and e["unit"].endswith("::test_fail"))
    assert failed["result"]["outcome"] == "failed"
    titles = [s["title"] for s in failed["result"]["sections"]]
    assert titles == ["Captured stdout call", "Captured stderr call"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_fixtures_are_torn_down_as_often_as_set_up(farflung, python, count):
    write(
        farflung.cwd / "test_order.py",
        """
import os, pytest
LOG = os.environ["ORDER_LOG"]
def log(word):
    with open(LOG, "a") as f:
        f.write(f"{os.getpid()} {word}\\n")
@pytest.fixture(scope="session")
def s():
    log("+s"); yield; log("-s")
@pytest.fixture(scope="module")
def m(s):
    log("+m"); yield; log("-m")
@pytest.fixture(scope="class")
def c(m):
    log("+c"); yield; log("-c")
class TestA:
    @pytest.mark.parametrize("n", range(7))
    def test_a(self, c, n): log("a")
class TestB:
    @pytest.mark.parametrize("n", range(7))
    def test_b(self, c, n): log("b")
def test_last(s): log("last")
""",
    )
    log = farflung.cwd / "log.txt"
    farflung.run("pytest", "-n", count, "--python", python, env=dict(farflung.env, ORDER_LOG=str(log)), code=0)
    by_worker = {}
    for line in log.read_text().splitlines():
        pid, word = line.split()
        by_worker.setdefault(pid, []).append(word)
    tests = [w for words in by_worker.values() for w in words if w in ("a", "b", "last")]
    assert sorted(tests) == ["a"] * 7 + ["b"] * 7 + ["last"]
    for words in by_worker.values():
        open_fixtures = []
        for word in words:
            if word[0] == "+":
                open_fixtures.append(word[1:])
            elif word[0] == "-":
                assert open_fixtures.pop() == word[1:], words
            elif word in "ab":
                assert open_fixtures == ["s", "m", "c"], words
        assert open_fixtures == [], words
        assert words.count("+s") <= 1 and words.count("+m") <= 1


def test_collection_error_is_told_and_nothing_runs(farflung, python, tmp_path):
    make_suite(farflung.cwd, {"test_broken.py": "import nonesuch_module\n"}.items())
    ours = tmp_path / "ours.xml"
    # Where files are collected one by one, others may have run by then: test_collect.py.
    done = farflung.run("pytest", "-n", 2, "--python", python, "--collect", "every", "--junit", ours, code=2)
    assert "No module named 'nonesuch_module'" in done.stdout
    assert "1 not collected" in done.stderr
    got = junit_outcomes(ours)
    assert got.pop(("", "test_broken")) == ("error", "")
    assert got.pop(("", "test_skipped_module"))[0] == "skipped"
    # Nobody asked for the names of those that could be collected.
    ((_, name),) = got
    assert name.endswith(" units not run") and got[("", name)] == ("error", "")


def test_usage_error_is_pytests_own(farflung, python):
    make_suite(farflung.cwd)
    done = farflung.run("pytest", "-n", 2, "--python", python, "--", "--no-such-option", code=4)
    assert "--no-such-option" in done.stdout + done.stderr


def test_nothing_collected_is_no_success(farflung, python):
    make_suite(farflung.cwd)
    done = farflung.run("pytest", "-n", 2, "--python", python, "--", "-k", "nothing_like_it", code=5)
    assert "no tests were collected" in done.stderr


def test_pytests_options_need_no_dashes(farflung, python):
    write(farflung.cwd / "test_a.py", "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_one(n): pass\n"
          "def test_other(): print('loud')\n")
    done = farflung.run("pytest", "-n", 1, "--python", python, "-k", "test_one", "-p", "no:cacheprovider", "-sv",
                        "--durations=5", "test_a.py", "--tb", "short", code=0)
    assert done.stderr.splitlines()[-1].startswith("farflung: 4 passed")
    done = farflung.run("pytest", "-xn1", "--python", python, "--deselect", "test_a.py::test_other", "--junitxml",
                        "out.xml", code=0)
    assert (farflung.cwd / "out.xml").exists()


def test_selection_reaches_the_workers(farflung, python, tmp_path):
    make_suite(farflung.cwd)
    ours = tmp_path / "ours.xml"
    farflung.run("pytest", "-n", 2, "--python", python, "--", f"--junitxml={ours}", "-k", "param or method", code=0)
    names = {name for _, name in junit_outcomes(ours)}
    assert "test_method" in names and "test_pass" not in names


def test_exitfirst_stops(farflung, python, tmp_path):
    write(
        farflung.cwd / "test_many.py",
        "import pytest, time\n@pytest.mark.parametrize('n', range(300))\ndef test_n(n):\n    time.sleep(0.01)\n    assert n != 3\n",
    )
    ours = tmp_path / "ours.xml"
    done = farflung.run("pytest", "-n", 2, "-x", "--python", python, "--junit", ours, code=1)
    kinds = [kind for kind, _ in junit_outcomes(ours).values()]
    assert len(kinds) == 300 and kinds.count("failure") == 1
    assert 1 <= kinds.count("passed") < 150
    not_run = 299 - kinds.count("passed")
    assert "\nstopping after 1 failure\n" in done.stdout
    assert kinds.count("skipped") == not_run
    assert done.stderr.splitlines()[-1] == (
        f"farflung: 1 failed, {kinds.count('passed')} passed, {not_run} not run; stopped after 1 failure (exit 1)")


def test_retries_make_a_flaky_test_pass(farflung, python, tmp_path):
    write(
        farflung.cwd / "test_flaky.py",
        "import os\ndef test_flaky():\n    path = os.environ['FLAKY']\n    if not os.path.exists(path):\n        open(path, 'w').close()\n        assert False\n",
    )
    ours = tmp_path / "ours.xml"
    env = dict(farflung.env, FLAKY=str(tmp_path / "flag"))
    farflung.run("pytest", "-n", 1, "--retries", 2, "--python", python, "--junit", ours, env=env, code=0)
    assert "flakyFailure" in ours.read_text()


def test_a_test_that_hangs_is_killed(farflung, python, tmp_path):
    write(farflung.cwd / "test_hang.py", "import time\ndef test_hang(): time.sleep(1000)\ndef test_ok(): pass\n")
    ours = tmp_path / "ours.xml"
    farflung.run("pytest", "-n", 1, "--timeout", "1s", "--python", python, "--junit", ours, code=1)
    assert junit_outcomes(ours)[("test_hang", "test_hang")][0] == "error"
    assert junit_outcomes(ours)[("test_hang", "test_ok")][0] == "passed"

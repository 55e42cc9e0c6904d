"""farflung stress: tests run again and again; each run is a unit of its own, told once, and in the table."""
import collections
import json
import os
import re
import signal

import pytest
from conftest import CONTROLLER_CONFTEST, has, junit_outcomes, of_kind, outcomes, read_jsonl, wait_until, write

TICK = """
import fcntl, os, pathlib, pytest
HERE = pathlib.Path(__file__).parent

def tick(name):
    with open(HERE / name, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = len(file.read()) + 1
        file.write("x")
        file.flush()
    return number
"""

SEVENTH = TICK + """
def test_seventh():
    number = tick("seventh")
    if number % 7 == 0:
        assert number % 2, "even %d" % number
        raise ValueError("odd %d" % number)

def test_good():
    pass
"""


def stress(farflung, python, *args, code, json_too=True, **options):
    """Runs it; gives what became of it, with `events`, `tests` (what --json has of each), `cases` of JUnit."""
    path, junit = farflung.cwd.parent / "events.jsonl", farflung.cwd.parent / "junit.xml"
    more = ["--json"] if json_too else []
    done = farflung.run(
        "stress", "--python", python, "-n", 2, "--jsonl", path, "--junitxml", junit, *more, *args, code=code, **options
    )
    done.events = read_jsonl(path) if path.exists() else []
    done.tests = {}
    for line in done.stdout.splitlines() if json_too else ():
        told = json.loads(line)
        assert told["test"] not in done.tests
        done.tests[told["test"]] = told
    done.cases = junit_outcomes(junit) if junit.exists() else {}
    return done


def same_everywhere(done):
    """Each run is told once by events, is one case of JUnit, and is counted once; gives runs by test."""
    told = outcomes(done.events)
    by_test = collections.Counter(name.rpartition("@")[0] for name in told)
    assert by_test == {name: test["runs"] for name, test in done.tests.items()}
    bad = {name for name, outcome in told.items() if outcome not in ("passed", "skipped")}
    assert sum(test["failures"] for test in done.tests.values()) == len(bad)
    assert sorted(name for (_, name), _ in done.cases.items()) == sorted(name.rpartition("::")[2] for name in told)
    not_passed = {name for (_, name), (kind, _) in done.cases.items() if kind != "passed"}
    assert not_passed == {name.rpartition("::")[2] for name in told if told[name] != "passed"}
    return by_test


def test_rate_and_groups(farflung, python):
    write(farflung.cwd / "test_a.py", SEVENTH)
    done = stress(farflung, python, "--count", 84, "test_a.py", code=1)
    assert same_everywhere(done) == {"test_a.py::test_seventh": 84, "test_a.py::test_good": 84}
    numbers = {int(name.rpartition("@")[2]) for name in outcomes(done.events) if "seventh" in name}
    assert numbers == set(range(1, 85))
    assert (farflung.cwd / "seventh").read_text() == "x" * 84
    test = done.tests["test_a.py::test_seventh"]
    assert test["failures"] == test["failed"] == 12 and test["passed"] == 72
    assert 0 <= test["fastest_us"] <= test["median_us"] <= test["slowest_us"]
    groups = {group["message"]: group for group in test["groups"]}
    assert [group["count"] for group in test["groups"]] == [6, 6]
    assert set(groups) == {"AssertionError: even N", "ValueError: odd N"}
    for message, word in (("AssertionError: even N", "even"), ("ValueError: odd N", "odd")):
        first = next(
            e for e in of_kind(done.events, "unit-finished")
            if word in (e["result"].get("message") or "")
        )  # fmt: skip
        run = f"run {first['unit'].rpartition('@')[2]} on {first['worker']} (popen)"
        assert groups[message]["first"].partition(", seed: ")[0] == run
        assert re.fullmatch(r"test_a\.py:\d+", groups[message]["frame"])
    assert done.tests["test_a.py::test_good"]["groups"] == []
    assert done.stderr.splitlines()[-1] == "farflung: 12 failed, 156 passed (exit 1)"
    # Of each cause one is shown as a whole.
    assert done.stderr.count("\nE ") >= 2 and done.stderr.count("FAILED on popen") == 2
    assert not (farflung.cwd / ".farflung" / "history.db").exists()
    assert not (farflung.cwd / ".pytest_cache" / "v" / "cache" / "lastfailed").exists()


def test_table(farflung, python):
    write(farflung.cwd / "test_a.py", SEVENTH)
    done = stress(farflung, python, "--count", 14, "test_a.py", code=1, json_too=False)
    table = done.stdout[done.stdout.index("2/14 failed (14.3%)  test_a.py::test_seventh\n") :].splitlines()
    assert re.fullmatch(r"  12 passed, 2 failed; median .+, fastest .+, slowest .+", table[1])
    causes = sorted(table[2:6:2])
    assert re.fullmatch(r"  1 time: AssertionError: even N at test_a.py:\d+", causes[0])
    assert re.fullmatch(r"  1 time: ValueError: odd N at test_a.py:\d+", causes[1])
    assert all(re.fullmatch(r"    first: run \d+ on gw[01] \(popen\)", line) for line in table[3:7:2])
    assert table[6] == "0/14 failed (0.0%)  test_a.py::test_good"
    assert table[8:] == ["2 of 28 runs failed, of 1 of 2 tests"]


def test_all_pass(farflung, python):
    write(farflung.cwd / "test_a.py", SEVENTH + "\ndef test_skipped():\n    pytest.skip('not here')\n")
    done = stress(farflung, python, "test_a.py", "--", "-k", "good or skipped", code=0)
    assert same_everywhere(done) == {"test_a.py::test_good": 100, "test_a.py::test_skipped": 100}
    assert done.tests["test_a.py::test_skipped"]["skipped"] == 100
    assert not (farflung.cwd / "seventh").exists()


def test_crash_is_one_run(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + """
def test_crashes():
    if tick("crashes") % 10 == 3:
        os._exit(7)

def test_other():
    pass
""")
    # More crashes than a run of a suite would bear of two workers.
    done = stress(farflung, python, "--count", 100, "test_a.py", code=1)
    assert same_everywhere(done) == {"test_a.py::test_crashes": 100, "test_a.py::test_other": 100}
    test = done.tests["test_a.py::test_crashes"]
    assert (test["crashed"], test["passed"]) == (10, 90)
    (group,) = test["groups"]
    assert group["count"] == 10 and "exit status N" in group["message"]
    assert done.tests["test_a.py::test_other"]["passed"] == 100
    assert (farflung.cwd / "crashes").read_text() == "x" * 100


def test_each_run_is_set_up(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + """
import doctest, unittest

def note(word):
    with open(HERE / "notes", "a") as file:
        file.write("%s %s\\n" % (word, os.getpid()))

@pytest.fixture(scope="module")
def wide():
    note("wide")
    return []

@pytest.fixture
def own(request):
    note("set up")
    yield {}
    note("torn down")

@pytest.fixture(autouse=True)
def every():
    note("every")

def test_own(own, wide, tmp_path, request):
    assert not own and not list(tmp_path.iterdir())
    own["seen"] = (tmp_path / "seen").write_text("")
    assert not hasattr(request.node, "seen") and not request.node.get_closest_marker("late")
    request.node.seen = True
    request.node.add_marker("late")
    assert request.node.user_properties == []
    request.node.user_properties.append(("seen", "1"))

class TestInstance:
    def test_instance(self):
        assert not hasattr(self, "seen")
        self.seen = True

    @pytest.mark.parametrize("n", [1, 2])
    def test_param(self, n, request):
        assert n == request.node.callspec.params["n"]

class TestCase(unittest.TestCase):
    def setUp(self):
        assert not hasattr(self, "seen")

    def test_case(self):
        self.seen = True
""")
    write(farflung.cwd / "test_doc.txt", ">>> 'seen' in globals()\nFalse\n>>> seen = 1\n")
    done = stress(farflung, python, "--count", 25, "test_a.py", "test_doc.txt", code=0)
    runs = same_everywhere(done)
    assert set(runs.values()) == {25} and len(runs) == 6
    words = collections.Counter(line.rpartition(" ")[0] for line in (farflung.cwd / "notes").read_text().splitlines())
    assert words["set up"] == words["torn down"] == 25
    assert words["every"] == 25 * 5


def test_one_worker_of_one_test(farflung, python):
    """Whose next item is the same test: it is torn down and set up all the same."""
    write(farflung.cwd / "test_a.py", """
import pathlib, pytest
NOTES = pathlib.Path(__file__).with_name("notes")

@pytest.fixture
def own():
    with NOTES.open("a") as file:
        file.write("(")
    yield
    with NOTES.open("a") as file:
        file.write(")")

@pytest.fixture(scope="module")
def wide():
    with NOTES.open("a") as file:
        file.write("[")
    yield
    with NOTES.open("a") as file:
        file.write("]")

def test_it(wide, own):
    pass
""")
    stress(farflung, python, "-n", 1, "--count", 30, "test_a.py::test_it", code=0)
    assert (farflung.cwd / "notes").read_text() == "[" + "()" * 30 + "]"


def test_time_ends_it(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + "def test_it():\n    tick('it')\n")
    done = stress(farflung, python, "--time", "1500ms", "test_a.py", code=0)
    (runs,) = same_everywhere(done).values()
    assert runs == len((farflung.cwd / "it").read_text()) and 2 < runs < 200000
    assert done.stderr.splitlines()[-1] == f"farflung: {runs} passed (exit 0)"
    assert "not run" not in done.stderr and "the time is over" in done.stderr
    assert "job pytest: at most 200000 runs\n" in done.stderr
    left = of_kind(done.events, "units-not-run")
    assert left and {event["why"] for event in left} == {"time"}
    assert runs + sum(event["count"] for event in left) == of_kind(done.events, "collected")[0]["count"]


def test_a_failure_counts_though_the_time_ends(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + "def test_it():\n    assert tick('it') != 3\n")
    done = stress(farflung, python, "--time", "1s", "test_a.py", code=1)
    assert same_everywhere(done)
    assert done.tests["test_a.py::test_it"]["failures"] == 1


@pytest.mark.parametrize("time", ["1ms", "1h"])
def test_whichever_comes_first(farflung, python, time):
    write(farflung.cwd / "test_a.py", TICK + "def test_it():\n    import time\n    time.sleep(0.005)\n")
    done = stress(farflung, python, "--time", time, "--count", 300, "test_a.py", code=0)
    (runs,) = same_everywhere(done).values()
    assert runs == 300 if time == "1h" else 1 <= runs < 300


def test_interrupted(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + """
import time

def test_it():
    number = tick("it")
    assert number != 2
    if number > 20:
        while not (HERE / "go").exists():
            time.sleep(0.01)
""")
    live = farflung.follow("stress", "--python", python, "-n", 2, "test_a.py", start_new_session=True)
    live.wait_for(lambda events: len(of_kind(events, "unit-finished")) >= 20)
    wait_until(lambda: len((farflung.cwd / "it").read_text()) == 22, 60, "both wait")
    os.killpg(live.process.pid, signal.SIGINT)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    events = live.finish(130)
    told = outcomes(events)
    assert collections.Counter(told.values()) == {"failed": 1, "passed": 21}
    assert "1/22 failed (4.5%)  test_a.py::test_it\n" in live.stderr
    assert "  1 time: assert N != N at test_a.py:" in live.stderr.replace("AssertionError: ", "")
    assert live.stderr.splitlines()[-1] == "farflung: 1 failed, 21 passed, 78 not run; interrupted (exit 130)"


def test_stops_at_the_first(farflung, python):
    write(farflung.cwd / "test_a.py", SEVENTH)
    done = stress(farflung, python, "-x", "--count", 200, "test_a.py::test_seventh", code=1)
    test = done.tests["test_a.py::test_seventh"]
    assert test["failures"] in (1, 2) and test["runs"] < 200
    assert "stopped after 1 failure" in done.stderr.splitlines()[-1]
    not_run = sum(event["count"] for event in of_kind(done.events, "units-not-run"))
    assert test["runs"] + not_run == 200


def test_marks_hold(farflung, python):
    write(farflung.cwd / "test_a.py", TICK + """
@pytest.mark.farflung(serial=True)
def test_alone():
    with open(HERE / "alone", "x"):
        pass
    (HERE / "alone").unlink()
""")
    done = stress(farflung, python, "--count", 20, "test_a.py", code=0)
    assert same_everywhere(done) == {"test_a.py::test_alone": 20}


@pytest.mark.parametrize("name", ["--randomly-seed", "PYTHONHASHSEED"])
def test_seed_is_told(farflung, python, name):
    write(farflung.cwd / "test_a.py", "def test_it():\n    assert 0\n")
    if not has(python, "pytest_randomly"):
        write(farflung.cwd / "conftest.py", """
def pytest_addoption(parser):
    parser.addoption("--randomly-seed", type=int, dest="randomly_seed")
""")
    elif name == "PYTHONHASHSEED":
        pytest.skip("there pytest-randomly's seed is told")
    more = ["--", "--randomly-seed=4711"] if name == "--randomly-seed" else []
    farflung.env["PYTHONHASHSEED"] = "12"
    done = stress(farflung, python, "--count", 2, "test_a.py", *more, code=1)
    (group,) = done.tests["test_a.py::test_it"]["groups"]
    seed = "-p randomly --randomly-seed=4711" if more else "PYTHONHASHSEED=12"
    assert re.fullmatch(rf"run [12] on gw[01] \(popen\), seed: {re.escape(seed)}", group["first"])


def test_with_a_front(farflung, python):
    write(farflung.cwd / "test_a.py", SEVENTH)
    write(farflung.cwd / "conftest.py", CONTROLLER_CONFTEST)
    done = stress(farflung, python, "--count", 7, "test_a.py", code=1)
    assert same_everywhere(done) == {"test_a.py::test_seventh": 7, "test_a.py::test_good": 7}
    assert done.tests["test_a.py::test_seventh"]["failures"] == 1
    done = stress(farflung, python, "--time", "1s", "test_a.py::test_good", code=0)
    assert same_everywhere(done)
    assert "our own summary, status 0" in done.stderr


WRONG = {
    "count 0": (["--count", "0"], "--count wants a number from 1 to 1000000000, got '0'"),
    "count of letters": (["--count", "many"], "--count wants a number from 1 to 1000000000, got 'many'"),
    "time of letters": (["--time", "soon"], "--time wants a duration such as"),
    "time 0": (["--time", "0s"], "--time wants more than 0, got '0s'"),
    "time below 0": (["--time=-1s"], "--time wants a duration such as"),
    "workers": (["-n", "x"], "stress: -n wants a number"),
    "pdb": (["--pdb"], "with --pdb nothing can be run many times"),
    "only collected": (["--collect-only"], "with --collect-only nothing"),
    "retries": (["--retries", "2"], "unknown option '--retries'"),
    "stdout twice": (["--json", "--jsonl", "-"], "--json and --jsonl can't both be written to stdout"),
}


@pytest.mark.parametrize("words, message", WRONG.values(), ids=WRONG.keys())
def test_wrong_options(farflung, words, message):
    write(farflung.cwd / "test_a.py", TICK + "def test_it():\n    tick('it')\n")
    done = farflung.run("stress", *words, "test_a.py", code=2)
    assert message in done.stderr
    assert not (farflung.cwd / "it").exists()


def test_no_such_test(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_it():\n    pass\n")
    done = stress(farflung, python, "test_a.py::test_nothing", code=2)
    assert "test_a.py::test_nothing" in done.stderr and not done.tests
    done = stress(farflung, python, "test_b.py", code=2)
    assert "test_b.py" in done.stderr and not done.tests
    done = stress(farflung, python, "test_a.py", "--", "-k", "nothing", code=1)
    assert not done.tests and list(done.cases.values()) == [("error", "")]
    assert done.stderr.splitlines()[-1] == "farflung: nothing ran; no tests were collected (exit 1)"


def test_too_many(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_it():\n    pass\ndef test_too():\n    pass\n")
    done = stress(farflung, python, "--count", 500001, "test_a.py", code=2)
    assert "2 tests, each 500001 times, are more than 1000000 runs" in done.stderr


def test_hypothesis(farflung, python):
    """It takes another instance of a class for a mistake of the test's."""
    if not has(python, "hypothesis"):
        pytest.skip("that Python has no hypothesis")
    write(farflung.cwd / "test_a.py", """
from hypothesis import given, strategies

class TestIt:
    def setup_method(self):
        assert not hasattr(self, "seen")

    @given(strategies.integers())
    def test_it(self, number):
        self.seen = number
""")
    done = stress(farflung, python, "--count", 10, "test_a.py", code=0)
    assert same_everywhere(done) == {"test_a.py::TestIt::test_it": 10}

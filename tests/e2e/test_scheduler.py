"""Schedulers of one's own (pytest_xdist_make_scheduler): they are driven as pytest-xdist drives them, each
test runs once whatever they do, and one that does it badly ends the run, not well."""
import subprocess

import pytest

from conftest import of_kind, outcomes, read_jsonl, write

pytestmark = pytest.mark.usefixtures("xdist")

SUITE = """
import os, pathlib, time
import pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture(scope="module")
def module():
    note("up")
    yield
    note("down")

def note(words):
    with open(HERE / ("ran-" + os.environ["PYTEST_XDIST_WORKER"]), "a") as file:
        file.write(words + "\\n")

@pytest.fixture(autouse=True)
def noted(request):
    note(request.node.name)

@pytest.mark.parametrize("n", range(8))
def test_n(n, module):
    while n == 0 and (HERE / "steals").exists():
        time.sleep(0.01)

class TestA:
    def test_1(self): pass
    def test_2(self): pass
    def test_3(self): pass

class TestB:
    def test_1(self): pass
    def test_2(self): pass
"""
TESTS = 13

# Others of pytest-xdist's methods than _split_scope: everything is dealt out by its number.
SUBCLASS = """
from xdist.scheduler import LoadScheduling

class Dealt(LoadScheduling):
    def schedule(self):
        if self.collection is not None:
            return super().schedule()
        self.collection = list(next(iter(self.node2collection.values())))
        nodes = sorted(self.nodes, key=lambda node: node.gateway.id)
        for number, node in enumerate(nodes):
            mine = [index for index in range(len(self.collection)) if index % len(nodes) == number]
            self.node2pending[node].extend(mine)
            node.send_runtest_some(mine)
            node.shutdown()

def pytest_xdist_make_scheduler(config, log):
    return Dealt(config, log)
"""

# Without a base class; it takes back half of what it gave, and gives that to the other.
SCRATCH = """
import os

class Stealing:
    def __init__(self, count):
        self.count = count
        self.pending = {}
        self.ids = {}
        self.asked = None
        self.started = False

    @property
    def nodes(self):
        return list(self.pending)

    @property
    def collection_is_completed(self):
        return len(self.ids) >= self.count

    @property
    def tests_finished(self):
        return self.started and self.asked is None and not any(self.pending.values())

    @property
    def has_pending(self):
        return any(self.pending.values())

    def add_node(self, node):
        assert node.gateway.spec.popen and not node.shutting_down
        self.pending[node] = []

    def add_node_collection(self, node, collection):
        self.ids[node] = list(collection)

    def schedule(self):
        one, two = sorted(self.nodes, key=lambda node: node.gateway.id)
        self.started, self.asked, self.other = True, one, two
        open("steals", "w").close()
        self.send(one, list(range(len(self.ids[one]))))
        one.send_steal(list(range(7, 13)))

    def send(self, node, indices):
        self.pending[node] += indices
        node.send_runtest_some(indices)

    def remove_pending_tests_from_node(self, node, indices):
        assert node is self.asked and indices == list(range(7, 13))
        self.asked = None
        os.remove("steals")
        self.pending[node] = [index for index in self.pending[node] if index not in indices]
        self.send(self.other, indices)
        for each in self.nodes:
            each.shutdown()

    def mark_test_complete(self, node, item_index, duration=0):
        assert duration >= 0 and self.pending[node][0] == item_index
        self.pending[node].pop(0)

    def mark_test_pending(self, item):
        raise NotImplementedError()

    def remove_node(self, node):
        pending = self.pending.pop(node)
        return self.ids[node][pending[0]] if pending else None

def pytest_xdist_make_scheduler(config, log):
    return Stealing(len(config.option.tx))
"""

# As people publish them: groups by a name, and each group has its worker.
GROUPS = """
from xdist.scheduler import LoadScopeScheduling

class Grouped(LoadScopeScheduling):
    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.log = log.grouped

    def _split_scope(self, nodeid):
        return nodeid.split("::")[1].split("[")[0]

    def _assign_work_unit(self, node):
        mine = [scope for scope in self.workqueue if (scope == "test_n") == (node.gateway.id == "gw0")]
        for scope in mine[:1]:
            self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)
        if not mine:
            node.shutdown()

    def _reschedule(self, node):
        if not node.shutting_down:
            self._assign_work_unit(node) if self.workqueue else node.shutdown()

def pytest_xdist_make_scheduler(config, log):
    return Grouped(config, log)
"""


def make(farflung, conftest, suite=SUITE):
    write(farflung.cwd / "conftest.py", conftest)
    write(farflung.cwd / "test_a.py", suite)


def who_ran(farflung):
    """What each worker ran, in order; with what its fixtures did."""
    found = {}
    for path in farflung.cwd.glob("ran-*"):
        found[path.name[4:]] = path.read_text().split("\n")[:-1]
        path.unlink()
    return found


def run(farflung, python, *args, code):
    path = farflung.cwd.parent / "events.jsonl"
    farflung.env.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    done = farflung.run("pytest", "-n", 2, "--python", python, "--jsonl", path, "-p", "no:cacheprovider", *args, code=code)
    done.events = read_jsonl(path)
    return done


def under_xdist(farflung, python, *args):
    env = {name: value for name, value in farflung.env.items() if not name.startswith("PYTEST_")}
    return subprocess.run([python, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", *args], cwd=farflung.cwd,
                          env=env, capture_output=True, text=True, timeout=120)


NUMBERS = ["test_n[%d]" % n for n in range(8)]
STOLEN = {
    "gw0": [NUMBERS[0], "up", *NUMBERS[1:7], "down"],
    "gw1": [NUMBERS[7], "up", "test_1", "test_2", "test_3", "test_1", "test_2", "down"],
}


@pytest.mark.parametrize("conftest, name", [(SUBCLASS, "Dealt"), (SCRATCH, "Stealing"), (GROUPS, "Grouped")],
                         ids=["subclass", "scratch", "groups"])
def test_each_worker_runs_what_it_does_under_xdist(farflung, python, conftest, name):
    make(farflung, conftest)
    if name == "Stealing":  # Debian's pytest-xdist has no send_steal
        theirs = STOLEN
    else:
        there = under_xdist(farflung, python, "-v")
        assert there.returncode == 0, there.stdout
        theirs = who_ran(farflung)
    done = run(farflung, python, "-v", code=0)
    ours = who_ran(farflung)
    for ran in (*theirs.values(), *ours.values()):  # both are made for the first test, in any order
        ran[:2] = sorted(ran[:2])
    assert ours == theirs
    assert len(outcomes(done.events)) == TESTS and set(outcomes(done.events).values()) == {"passed"}
    assert done.stdout.count("scheduling tests via %s\n" % name) == 1


# --- bad ones ---

BAD = """
from xdist.scheduler import LoadScheduling

class Bad(LoadScheduling):
%s
def pytest_xdist_make_scheduler(config, log):
    return Bad(config, log)
"""
RAISES = """
    def %s(self, *args):
        raise ValueError("boom")
"""
FIRST = """
    def schedule(self):
        if self.collection is None:
            self.collection = list(next(iter(self.node2collection.values())))
            node, other = sorted(self.nodes, key=lambda node: node.gateway.id)
            self.node2pending[node].append(0)
            %s
"""
UNENDING = """
    tests_finished = False
"""
BOOM = "the scheduler Bad (conftest.py:7): ValueError: boom"
EXITS = {  # (what it does, what is said of it, tests that ran)
    "add_node": (RAISES % "add_node", BOOM, 0),
    "mark_test_complete": (RAISES % "mark_test_complete", BOOM, None),
    "remove_node": (RAISES % "remove_node", BOOM, None),
    "tests_finished": ("    @property" + RAISES % "tests_finished", BOOM, 0),
    "twice": (FIRST % "node.send_runtest_some([0]); other.send_runtest_some([0])",
              "Bad gives 'test_a.py::test_n[0]' to gw1, but gw0 has it already: each test is run once", None),
    "unknown": (FIRST % "node.send_runtest_some([13])", "Bad gives number 13 to gw0, and there are only 13 tests", 0),
    "not a number": (FIRST % "node.send_runtest_some(['test_a'])", "TypeError: ", 0),
    "behind the end": (FIRST % "node.shutdown(); node.send_runtest_some([0])",
                       "Bad gives 'test_a.py::test_n[0]' to gw0, but it has shut that down before", 0),
    "not all": (FIRST % "node.send_runtest_some([0]); node.shutdown(); other.shutdown()",
                "its own scheduler has ended all workers, and 12 of 13 tests have not run", 1),
    "nothing more": (FIRST % "node.send_runtest_some([0])" + UNENDING,
                     "its own scheduler gives out nothing more, and 12 of 13 tests have not run", 1),
    "no end": (FIRST % "node.send_runtest_some(range(13)); self.node2pending[node] = list(range(13))" + UNENDING +
               "    def check_schedule(self, node, duration=0): pass\n",
               "all tests have run, but its own scheduler does not end", 13),
}


BEFORE = ("add_node", "tests_finished")  # tests have names


@pytest.mark.parametrize("case", EXITS)
def test_a_bad_one_ends_the_run(farflung, python, case):
    body, words, ran = EXITS[case]
    make(farflung, BAD % body)
    done = run(farflung, python, "-v", code=None)
    assert done.returncode in (1, 2, 3), done.stdout
    assert words in done.stdout + done.stderr
    named = of_kind(done.events, "units-not-run")
    assert sum(event["count"] for event in named) + len(outcomes(done.events)) in (TESTS, 0)  # 0: it knew none
    for event in named if case not in BEFORE else ():
        assert "NOT RUN %s\n" % event["unit"] in done.stdout
    if ran is not None:
        assert len(outcomes(done.events)) == ran
    (job,) = of_kind(done.events, "job-finished")
    assert job["state"] == "error" and (words in job["reason"] or "Bad" in job["reason"])


def test_what_is_no_scheduler_is_named(farflung, python):
    make(farflung, "class Mine:\n    def schedule(self): pass\n"
                   "def pytest_xdist_make_scheduler(config, log): return Mine()\n")
    done = run(farflung, python, code=4)
    assert "gives, a Mine, is no scheduler: it has no nodes, collection_is_completed," in done.stdout + done.stderr


# --- crashes ---

CRASH = SUITE + """
def test_crash():
    mark = HERE / "crashed"
    if not mark.exists():
        mark.write_text("")
        os._exit(9)
"""
HANDLED = """
def pytest_handlecrashitem(crashitem, report, sched):
    with open("handled", "a") as file:
        print(crashitem, type(sched).__name__, len(sched.nodes), file=file)
"""
LOAD = """
from xdist.scheduler import LoadScheduling

class Own(LoadScheduling):
    def check_schedule(self, node, duration=0):
        super().check_schedule(node, duration)

def pytest_xdist_make_scheduler(config, log):
    return Own(config, log)
"""
RERUN = """
    sched.mark_test_pending(crashitem)
    report.outcome = "rerun"
"""
KEEPS = LOAD.replace("def pytest_xdist", """    def remove_node(self, node):
        self.pending[:0] = self.node2pending.pop(node)
        for other in self.nodes:
            self.check_schedule(other)

def pytest_xdist""")


@pytest.mark.parametrize("conftest, args, end", [
    (LOAD + HANDLED, [], "crashed"),
    (GROUPS + HANDLED, [], "crashed"),  # which gives it out again with its group, as pytest-xdist's does
    (LOAD + HANDLED + RERUN, [], "passed"),
    (LOAD + HANDLED, ["--retries", 1], "passed"),
    (GROUPS + HANDLED, ["--retries", 1], "passed"),
    (KEEPS, [], "passed"),
], ids=["load", "groups", "rerun", "retries", "groups-retries", "keeps"])
def test_crashes(farflung, python, conftest, args, end):
    make(farflung, conftest, suite=CRASH)
    done = run(farflung, python, *args, code=1 if end == "crashed" else 0)
    found = outcomes(done.events)
    assert len(found) == TESTS + 1 and found.pop("test_a.py::test_crash") == end
    assert set(found.values()) == {"passed"}
    if "handle" in conftest:
        handled = (farflung.cwd / "handled").read_text().split("\n")[:-1]
        assert [line.split()[0] for line in handled] == ["test_a.py::test_crash"]
    assert "worker 'gw" in done.stdout or end == "passed"


FLAKY = SUITE + """
def test_flaky():
    mark = HERE / "failed"
    if not mark.exists():
        mark.write_text("")
        assert False
"""


@pytest.mark.parametrize("conftest, end", [(LOAD, "passed"), (GROUPS, "lost")], ids=["load", "groups"])
def test_a_retry_is_for_the_scheduler(farflung, python, conftest, end):
    """pytest-xdist's loadscope can't run a test again: it says so."""
    make(farflung, conftest, suite=FLAKY)
    done = run(farflung, python, "--retries", 1, code=1 if end == "lost" else 0)
    found = outcomes(done.events)
    assert len(found) == TESTS + 1 and found.pop("test_a.py::test_flaky") == end
    assert set(found.values()) == {"passed"}
    assert ("the scheduler Grouped runs no test again" in done.stdout) == (end == "lost")


def test_each_worker_runs_all(farflung, python):
    """By pytest-xdist's class, or one that is the same; one of one's own that does so is named."""
    make(farflung, "from xdist.scheduler import EachScheduling\nclass Own(EachScheduling): pass\n"
                   "def pytest_xdist_make_scheduler(config, log): return Own(config, log)\n")
    assert len(outcomes(run(farflung, python, code=0).events)) == 2 * TESTS
    make(farflung, BAD % FIRST % "for node in self.nodes: node.send_runtest_all()")
    done = run(farflung, python, code=None)
    assert done.returncode != 0 and "(--dist each runs all on every worker)" in done.stdout


def test_a_worker_that_does_not_come_is_not_waited_for(farflung, python):
    make(farflung, LOAD)
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run_yaml(
        f"inventory: [{{spec: popen, python: {python}, slots: 2}}, {{name: none, spec: popen, python: /no/python}}]\n"
        "jobs: {t: {pytest: [-p, 'no:cacheprovider']}}\nsettings: {reconnect: 1s}\n", "--jsonl", path, code=0)
    done.events = read_jsonl(path)
    assert len(outcomes(done.events)) == TESTS


# --- how many workers ---

WISH = """
import os

def pytest_xdist_auto_num_workers(config):
    assert config.option.numprocesses in ("auto", "logical")
    print("noise")
    return {wish}
"""


@pytest.mark.parametrize("wish, args, workers", [
    ("3", ["-n", "auto"], 3),
    ("3", ["-n", "logical", "--maxprocesses", "2"], 2),
    ("3", ["-n", "1"], 1),
    ("0", ["-n", "auto"], 1),
    ("None", [], 5),
], ids=str)
def test_what_auto_means(farflung, python, wish, args, workers):
    """A hook is asked before the environment is; 0 means that nothing is spread."""
    make(farflung, WISH.format(wish=wish), suite="def test_a(): pass\n")
    farflung.env["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "5"
    path = farflung.cwd.parent / "events.jsonl"
    farflung.run("pytest", "--python", python, "--jsonl", path, *args, code=0)
    (started,) = of_kind(read_jsonl(path), "job-started")
    assert started["workers"] == workers
    assert of_kind(read_jsonl(path), "front-started") == []


@pytest.mark.parametrize("wish, words", [
    ("'many'", "it gives 'many', which is no number of workers"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("10001", "wants 10001 workers: at most 10000 are possible"),
], ids=str)
def test_a_wish_that_is_none(farflung, python, wish, words):
    make(farflung, WISH.format(wish=wish), suite="def test_a(): pass\n")
    done = farflung.run("pytest", "--python", python, code=4)
    assert "pytest_xdist_auto_num_workers" in done.stderr and words in done.stderr


VAIN = """
def pytest_xdist_rsyncstart(source, gateways): pass
def pytest_xdist_rsyncfinish(source, gateways): pass
def pytest_xdist_getremotemodule(): pass
"""


def test_hooks_without_an_effect_are_named_once(farflung, python):
    make(farflung, VAIN, suite="def test_a(): pass\n")
    done = run(farflung, python, code=0)
    for name in ("rsyncstart", "rsyncfinish", "getremotemodule"):
        assert done.stdout.count(f"pytest_xdist_{name} (conftest.py) has no effect: ") == 1
    assert of_kind(done.events, "front-started") == []


EACH = """
from xdist.scheduler import EachScheduling
class Mine(EachScheduling):
    def schedule(self):
        return super().schedule()
def pytest_xdist_make_scheduler(config, log): return Mine(config, log)
"""

ALL_TO_ALL = """
class Mine:
    def __init__(self, count):
        self.count, self.pending, self.ids = count, {}, {}
    nodes = property(lambda self: list(self.pending))
    collection_is_completed = property(lambda self: len(self.ids) >= self.count)
    tests_finished = property(lambda self: self.collection_is_completed and not any(self.pending.values()))
    has_pending = property(lambda self: any(self.pending.values()))
    def add_node(self, node): self.pending[node] = []
    def add_node_collection(self, node, collection): self.ids[node] = list(collection)
    def mark_test_complete(self, node, index, duration=0): self.pending[node].remove(index)
    def mark_test_pending(self, item): raise NotImplementedError
    def remove_node(self, node):
        left = self.pending.pop(node)
        return self.ids[node][left[0]] if left else None
    def schedule(self):
        for node in self.nodes:
            self.pending[node] = list(range(len(self.ids[node])))
            node.send_runtest_all()
            node.shutdown()
def pytest_xdist_make_scheduler(config, log): return Mine(len(config.option.tx))
"""


@pytest.mark.parametrize("front", ["auto", "always"])
@pytest.mark.parametrize("conftest, words, note", [
    (EACH, [], "what the scheduler Mine changes has no effect, as it runs all on every worker: schedule"),
    (EACH, ["--dist", "each"], "what the scheduler Mine changes has no effect"),
    (ALL_TO_ALL, ["--dist", "each"], "the scheduler Mine that pytest_xdist_make_scheduler gives has no effect"),
])
def test_one_that_runs_all_on_every_worker(farflung, python, conftest, words, note, front):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\ndef test_b(): pass\n")
    write(farflung.cwd / "conftest.py", conftest)
    done = farflung.run("pytest", "-n", 2, "--python", python, "--front", front, "--jsonl", "e.jsonl", *words, code=0)
    assert outcomes(read_jsonl(farflung.cwd / "e.jsonl")) == {
        f"test_a.py::test_{test}@gw{worker}": "passed" for test in "ab" for worker in (0, 1)}
    assert note in done.stdout
    if conftest is ALL_TO_ALL:  # without that word it is refused, by it
        done = farflung.run("pytest", "-n", 2, "--python", python, code=3)
        assert "each test is run once (--dist each runs all on every worker)" in done.stderr.splitlines()[-1]

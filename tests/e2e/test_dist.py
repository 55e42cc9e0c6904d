"""How tests are spread: each --dist keeps its promise, also when workers die and tests are run again."""
import collections
import json
import subprocess

import pytest

from conftest import has, of_kind, read_jsonl, write

FILES = {
    f"test_{name}.py": f"""
import pytest

class TestOne:
    def test_a(self): pass
    def test_b(self): pass
    def test_c(self): pass

class TestTwo:
    @pytest.mark.parametrize("x", ["a::b", "c@d"])
    def test_p(self, x): pass

@pytest.mark.xdist_group("{group}")
def test_f(): pass

@pytest.mark.xdist_group("{group}")
class TestGroup:
    def test_g(self): pass
"""
    for name, group in (("x", "db"), ("y", "db"), ("z", "net"))
}
PLAIN = 7  # tests of each file


# None begins before all have collected: else one worker may be done before the others are there.
TOGETHER = """
import os, time

def pytest_collection_finish(session):
    open("up-" + os.environ["PYTEST_XDIST_WORKER"], "w").close()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if sum(name.startswith("up-") for name in os.listdir(".")) >= int(os.environ["TOGETHER"]):
            break
        time.sleep(0.01)
"""


def make(folder, files=FILES, conftest="", **more):
    for name, text in files.items():
        write(folder / name, text)
    for name, text in more.items():
        write(folder / f"{name}.py", text)
    write(folder / "conftest.py", TOGETHER + conftest)


def run(farflung, python, *args, code=0):
    """The events of a run of two workers, if `args` do not say otherwise."""
    path = farflung.cwd.parent / "events.jsonl"
    together = args[args.index("-n") + 1] if "-n" in args and "no" not in args else 0
    farflung.env["TOGETHER"] = str(together)
    for mark in farflung.cwd.glob("up-*"):
        mark.unlink()
    done = farflung.run("pytest", "--python", python, "--jsonl", path, *args, code=code)
    done.events = read_jsonl(path)
    return done


def started(events):
    """(unit, worker) of each attempt, in order."""
    return [(e["unit"], e["worker"]) for e in of_kind(events, "unit-started")]


def workers_of(events, scope):
    found = collections.defaultdict(set)
    for unit, worker in started(events):
        found[scope(unit)].add(worker)
    return found


def scope_of(unit):
    return unit.split("[")[0].rsplit("::", 1)[0]


SCOPES = {
    "loadscope": scope_of,
    "loadfile": lambda unit: unit.split("::")[0],
    "loadgroup": lambda unit: group_of(unit) or unit,
}


def group_of(unit):
    """That of FILES; newer versions of pytest keep it out of the id."""
    if "test_f" in unit or "test_g" in unit:
        return "net" if "test_z" in unit else "db"


@pytest.fixture(params=["with-xdist", "without"])
def plugin(request):
    """Whether pytest-xdist is there in the workers."""
    return [] if request.param == "with-xdist" else ["-p", "no:xdist"]


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope", "loadfile", "loadgroup"])
def test_each_test_runs_once(farflung, python, plugin, dist):
    make(farflung.cwd)
    done = run(farflung, python, "-n", 3, "--dist", dist, *plugin)
    units = [unit for unit, _ in started(done.events)]
    assert len(units) == len(set(units)) == 3 * PLAIN
    if dist in SCOPES:
        for scope, workers in workers_of(done.events, SCOPES[dist]).items():
            assert len(workers) == 1, scope


def test_no_runs_on_one_worker_in_order(farflung, python):
    make(farflung.cwd)
    done = run(farflung, python, "-n", 3, "--dist", "no")
    assert {worker for _, worker in started(done.events)} == {"gw0"}
    assert len(of_kind(done.events, "worker-opening")) == 1
    indexes = [e["index"] for e in of_kind(done.events, "unit-started")]
    assert indexes == list(range(3 * PLAIN))


def test_each_runs_everything_on_every_worker(farflung, python, plugin):
    make(farflung.cwd)
    done = run(farflung, python, "-n", 3, "--dist", "each", *plugin)
    ran = collections.defaultdict(set)
    for unit, worker in started(done.events):
        name, at, seat = unit.rpartition("@")
        assert seat == worker
        ran[worker].add(name)
    assert set(ran) == {"gw0", "gw1", "gw2"}
    assert [len(names) for names in ran.values()] == [3 * PLAIN] * 3
    assert f"{9 * PLAIN} passed" in done.stdout


def test_each_misses_a_host_that_is_not_there(farflung, python):
    """Its tests are not run by another host instead."""
    make(farflung.cwd)
    done = run(farflung, python, "--tx", f"popen//id=here//python={python}", "--tx",
               "popen//id=there//python=/no/such/python", "--dist", "each", code=3)
    finished = of_kind(done.events, "unit-finished", final=True)
    kinds = collections.Counter((e["unit"].rpartition("@")[2], e["result"]["outcome"]) for e in finished)
    assert kinds == {("here", "passed"): 3 * PLAIN, ("there", "lost"): 3 * PLAIN}
    assert "no worker is left" in done.stderr and "/no/such/python" in done.stderr


CRASH = """
import os, pathlib, pytest
class TestCrash:
    def test_1(self): pass
    def test_2(self):
        mark = pathlib.Path(f"crashed-{os.environ['PYTEST_XDIST_WORKER']}")
        mark.touch()
        os._exit(3)
    def test_3(self): pass
    def test_4(self): pass
    def test_5(self): pass
"""


@pytest.mark.parametrize("dist", ["worksteal", "loadscope", "loadfile", "loadgroup", "each", "no"])
@pytest.mark.parametrize("restarts", [[], ["--max-worker-restart", "0"]], ids=["restarted", "not"])
def test_a_crash_is_one_tests_own(farflung, python, dist, restarts):
    """The run goes on to its end, or says what did not run; the rest of the scope stays together."""
    make(farflung.cwd, test_crash=CRASH)
    done = run(farflung, python, "-n", 2, "--dist", dist, *restarts, code=None)
    assert done.returncode in ([1] if not restarts else [1, 3])
    total = (3 * PLAIN + 5) * (2 if dist == "each" else 1)
    ends = {(e["unit"]): e["result"]["outcome"] for e in of_kind(done.events, "unit-finished", final=True)}
    not_run = sum(e.get("count", 1) for e in of_kind(done.events, "units-not-run"))
    assert len(ends) + not_run == total
    counts = collections.Counter(ends.values())
    crashes = 2 if dist == "each" else 1
    assert counts["crashed"] == crashes if not restarts else counts["crashed"] >= 1
    if not restarts:
        assert counts["passed"] == total - crashes
    if dist in ("loadscope", "loadfile") and not restarts:
        rest = [(u, w) for u, w in started(done.events) if "TestCrash::test_" in u]
        assert len({w for u, w in rest if u[-1] in "12"}) == 1
        assert len({w for u, w in rest if u[-1] in "345"}) == 1


FLAKY = """
import pathlib, pytest
class TestFlaky:
    def test_1(self):
        mark = pathlib.Path("failed-once")
        if not mark.exists():
            mark.touch()
            assert 0
    def test_2(self): pass
    def test_3(self): pass
class TestLast:
    def test_4(self): pass
"""


@pytest.mark.parametrize("dist", ["loadscope", "loadfile"])
def test_a_retry_stays_with_its_scope(farflung, python, dist):
    make(farflung.cwd, files={}, test_flaky=FLAKY)
    done = run(farflung, python, "-n", 2, "--dist", dist, "--retries", 1)
    attempts = [(u, w) for u, w in started(done.events) if "TestFlaky" in u]
    assert len(attempts) == 4 and len({w for _, w in attempts}) == 1


ORDER = {
    "test_small.py": "def test_1(): pass\n",
    "test_zlarge.py": "import pytest\n@pytest.mark.parametrize('i', range(5))\ndef test_2(i): pass\n",
}


def test_the_largest_scope_comes_first(farflung, python):
    make(farflung.cwd, files=ORDER)
    first = {}
    for option in ("--loadscope-reorder", "--no-loadscope-reorder"):
        done = run(farflung, python, "-n", 1, "--dist", "loadfile", option)
        first[option] = started(done.events)[0][0]
    assert first == {
        "--loadscope-reorder": "test_zlarge.py::test_2[0]",
        "--no-loadscope-reorder": "test_small.py::test_1",
    }


# --- what pytest's own settings say ---


def test_addopts_choose_the_policy(farflung, python, plugin):
    make(farflung.cwd)
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = -n 3 --dist loadfile\n")
    done = run(farflung, python, "-n", 2, *plugin)
    files = workers_of(done.events, SCOPES["loadfile"])
    assert all(len(workers) == 1 for workers in files.values())
    assert "pytest's settings" not in done.stdout + done.stderr  # the command line wins, as ever


def test_the_command_line_wins_over_addopts(farflung, python):
    make(farflung.cwd)
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = --dist no\n")
    done = run(farflung, python, "-n", 2, "--dist", "each")
    assert len(started(done.events)) == 6 * PLAIN


def test_groups_of_addopts(farflung, python, plugin):
    make(farflung.cwd)
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = --dist loadgroup\n")
    done = run(farflung, python, "-n", 3, *plugin)
    groups = {g: w for g, w in workers_of(done.events, SCOPES["loadgroup"]).items() if "::" not in g}
    assert set(groups) == {"db", "net"}
    assert all(len(workers) == 1 for workers in groups.values())


def test_addopts_limit_the_workers(farflung, python, plugin):
    make(farflung.cwd)
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = -n 1\n")
    farflung.env["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "3"
    done = run(farflung, python, *plugin)
    assert len({worker for _, worker in started(done.events)}) == 1
    assert len(started(done.events)) == 3 * PLAIN
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = -n 5\n")
    done = run(farflung, python, *plugin)
    assert done.stdout.count("-n 5 in pytest's settings: there are 3 workers") == 1


def test_what_has_no_effect_in_addopts_is_told_once(farflung, python):
    make(farflung.cwd)
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = --tx popen --maxschedchunk=3\nrsyncdirs = .\n")
    done = run(farflung, python, "-n", 2, "-p", "no:xdist")
    for option in ("--tx", "--maxschedchunk", "rsyncdirs"):
        assert done.stdout.count(f"{option} in pytest's settings has no effect") == 1
    write(farflung.cwd / "pytest.ini", "[pytest]\naddopts = -n 2\n")
    done = farflung.run_yaml(
        f"version: 1\ninventory: [{{spec: popen, python: {python}}}]\njobs: {{t: {{pytest: []}}}}\n", code=0
    )
    assert done.stdout.count("-n 2 in pytest's settings has no effect: the inventory") == 1


# --- schedulers of one's own ---

OWN = """
from xdist.scheduler import LoadScopeScheduling

class Odd(LoadScopeScheduling):
    def _split_scope(self, nodeid):
        with open("split.txt", "a") as file:
            file.write(nodeid + "\\n")
        return "odd" if "test_f" in nodeid or "test_a" in nodeid else nodeid

def pytest_xdist_make_scheduler(config, log):
    return Odd(config, log)
"""


def test_an_own_split_is_honoured(farflung, python, xdist):
    make(farflung.cwd, conftest=OWN)
    done = run(farflung, python, "-n", 3, "--dist", "worksteal")
    own = workers_of(done.events, lambda u: "odd" if "test_f" in u or "test_a" in u else u)
    assert len(own["odd"]) == 1
    asked = (farflung.cwd / "split.txt").read_text().split("\n")[:-1]
    assert len(asked) == len(set(asked)) == 3 * PLAIN


OTHER = """
from xdist.scheduler import LoadScheduling

class Mine(LoadScheduling):
    def schedule(self): raise ValueError

def pytest_xdist_make_scheduler(config, log):
    return Mine(config, log)
"""


def test_another_scheduler_is_named_where_there_is_no_front(farflung, python, xdist):
    make(farflung.cwd, conftest=OTHER)
    done = run(farflung, python, "-n", 2, "--front", "never")
    assert done.stdout.count("the scheduler Mine that pytest_xdist_make_scheduler gives has no effect") == 1


# --- the cache ---

CACHED = """
import os, pytest

@pytest.mark.xdist_group("b")
@pytest.mark.xdist_group("a")
def test_grouped(): assert os.environ["GOOD"] == "yes"

@pytest.mark.xdist_group("a@b")
def test_other(): pass

def test_plain(): assert os.environ["GOOD"] == "yes"
"""


def test_what_failed_is_known_by_one_name(farflung, python, xdist):
    """--lf finds it in the next run, however that and this one are spread, and whoever ran."""
    write(farflung.cwd / "conftest.py", "def pytest_testnodedown(): pass\n")
    write(farflung.cwd / "test_x.py", CACHED)
    cache = farflung.cwd / ".pytest_cache" / "v" / "cache"
    groups, load = ["--dist", "loadgroup"], ["--dist", "load"]

    def ours(*args, good="no", code=1):
        farflung.env["GOOD"] = good
        path = farflung.cwd.parent / "events.jsonl"
        farflung.run("pytest", "-n", 2, "--python", python, "--jsonl", path, *args, code=code)
        ran = {event["unit"] for event in of_kind(read_jsonl(path), "unit-finished")}
        return ran, set(json.loads((cache / "lastfailed").read_text())), set(json.loads((cache / "nodeids").read_text()))

    names = {"test_x.py::test_grouped", "test_x.py::test_other", "test_x.py::test_plain"}
    bad = names - {"test_x.py::test_other"}
    grouped = {"test_x.py::test_grouped@a_b", "test_x.py::test_plain"}
    ran, failed, known = ours(*groups)
    assert (failed, known) == (bad, names) and grouped < ran
    assert ours("--lf", *load)[:2] == (bad, bad)
    assert ours("--lf", *groups)[:2] == (grouped, bad)
    assert ours("--sw", *groups, code=2)[1] <= bad
    assert "@" not in (farflung.cwd / ".pytest_cache" / "v" / "cache" / "stepwise").read_text()
    assert ours(*groups, good="yes", code=0)[1] == set()
    subprocess.run([python, "-m", "pytest", "-q", "-n2", *groups], cwd=farflung.cwd, env={**farflung.env, "GOOD": "no"})
    theirs = set(json.loads((cache / "lastfailed").read_text()))
    if theirs == bad and has(python, "_pytest.nodeid"):
        # pytest 9.2 has ids of another kind, to which pytest-xdist 3.8 can't give a group: as an earlier one leaves it.
        write(cache / "lastfailed", json.dumps(dict.fromkeys(grouped, True)))
    else:
        assert any("@" in name for name in theirs)
    assert ours("--lf", *load)[:2] == (bad, bad)
    assert ours("--lf", *load, good="yes", code=0)[1] == set()

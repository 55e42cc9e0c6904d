"""farflung rerun: what one worker of an earlier run did, once more, in exactly its order."""
import json
import os
import shutil

import pytest
from conftest import junit_outcomes, of_kind, outcomes, read_jsonl, write

# Each test writes down that it ran, and where.
CONFTEST = """
import os, pathlib, pytest

@pytest.fixture(autouse=True)
def written_down(request):
    name = request.node.nodeid.encode("utf-8", "backslashreplace").decode()
    with open(os.environ["ORDER"], "a", encoding="utf-8") as file:
        file.write("%s %s\\n" % (os.environ["PYTEST_XDIST_WORKER"], name))
"""

STATE = """
import pytest
polluted = []

def test_first(): pass
@pytest.mark.parametrize("n", range(5))
def test_many(n): pass
def test_pollutes(): polluted.append(1)
def test_victim(): assert not polluted
"""


@pytest.fixture
def suite(farflung, python):
    order = farflung.cwd.parent / "order.txt"
    farflung.env["ORDER"] = str(order)
    write(farflung.cwd / "conftest.py", CONFTEST)

    class Suite:
        folder = farflung.cwd

        @staticmethod
        def pytest(*args, code=None):
            order.unlink(missing_ok=True)
            farflung.run("pytest", "--python", python, *args, code=code)
            return journal(farflung.cwd)

        @staticmethod
        def ran(worker=None):
            """What ran since the last call, by the tests' own word."""
            lines = [line.split(" ", 1) for line in order.read_text(encoding="utf-8").splitlines()]
            order.unlink()
            return [name for who, name in lines if worker in (None, who)]

        @staticmethod
        def rerun(*args, code=None, **options):
            path = farflung.cwd.parent / "rerun.jsonl"
            path.unlink(missing_ok=True)
            done = farflung.run("rerun", *args, "--jsonl", path, code=code, **options)
            done.events = read_jsonl(path) if path.exists() else []
            return done

    return Suite


def journal(folder):
    return read_jsonl(folder / ".farflung" / "runs" / "last" / "journal.jsonl")


def sequence(events, worker):
    return [event["unit"] for event in of_kind(events, "unit-started", worker=worker)]


def workers_of(events):
    return sorted({event["worker"] for event in of_kind(events, "unit-started")})


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadgroup", "no"])
def test_the_same_tests_in_the_same_order(suite, dist):
    for name in "abc":
        write(suite.folder / f"test_{name}.py", STATE)
    events = suite.pytest("-n", 2, "--dist", dist)
    suite.ran()
    for worker in workers_of(events):
        expected = [unit.split("@")[0] for unit in sequence(events, worker)]
        code = 1 if any("test_victim" in name for name in outcomes_of(events, worker, "failed")) else 0
        done = suite.rerun("last", "--worker", worker, code=code)
        assert suite.ran() == expected
        assert workers_of(done.events) == ["gw0"]
        assert [u.split("@")[0] for u in outcomes_of(events, worker, "failed")] == [
            unit for unit, outcome in outcomes(done.events).items() if outcome == "failed"]


def outcomes_of(events, worker, outcome):
    return [e["unit"] for e in of_kind(events, "unit-finished", worker=worker) if e["result"]["outcome"] == outcome]


def test_leaves_nothing_behind(suite, farflung):
    write(suite.folder / "test_a.py", STATE)
    suite.pytest("-n", 1, code=1)
    runs = sorted(os.listdir(farflung.cwd / ".farflung" / "runs"))
    history = (farflung.cwd / ".farflung" / "history.db").read_bytes()
    suite.rerun("last", "--worker", "gw0", code=1)
    suite.rerun(runs[0], "--worker", "gw0", code=1)
    suite.rerun(farflung.cwd / ".farflung" / "runs" / runs[0] / "journal.jsonl", "--worker", "gw0", code=1)
    suite.rerun(farflung.cwd, "--worker", "gw0", code=1)
    assert sorted(os.listdir(farflung.cwd / ".farflung" / "runs")) == runs
    assert (farflung.cwd / ".farflung" / "history.db").read_bytes() == history


def test_until(suite):
    write(suite.folder / "test_a.py", STATE)
    events = suite.pytest("-n", 1)
    suite.ran()
    suite.rerun("last", "--worker", "gw0", "--until", "test_a.py::test_many[2]", code=0)
    names = sequence(events, "gw0")
    assert suite.ran() == names[: names.index("test_a.py::test_many[2]") + 1]


def test_from_elsewhere_with_reports(suite, farflung):
    """It runs where the run did, and reports go where the user is."""
    write(suite.folder / "test_a.py", STATE)
    suite.pytest("-n", 1)
    suite.ran()
    elsewhere = farflung.cwd.parent / "elsewhere"
    elsewhere.mkdir()
    done = suite.rerun(farflung.cwd, "--worker", "gw0", "--junit", "out.xml", cwd=elsewhere, code=1)
    assert len(suite.ran()) == 8
    assert junit_outcomes(elsewhere / "out.xml")[("test_a", "test_victim")][0] == "failure"
    assert of_kind(done.events, "host-ready")[0]["cwd"] == str(farflung.cwd)
    assert sorted(os.listdir(elsewhere)) == ["out.xml"]


def test_tried_again_is_repeated_as_it_was(suite):
    write(suite.folder / "test_a.py", STATE + "def test_fails(): assert 0\n")
    events = suite.pytest("-n", 1, "--retries", 2, code=1)
    # What was tried again is another worker's, or not: what counts is what each did.
    suite.ran()
    for worker in workers_of(events):
        done = suite.rerun("last", "--worker", worker)
        assert suite.ran() == sequence(events, worker)
        again = len([e for e in of_kind(events, "unit-started", worker=worker) if e["attempt"] > 1])
        assert ("tried again" in done.stderr) == (again > 0)
        assert len(of_kind(done.events, "unit-finished")) == len(sequence(events, worker))


def repeat_in_journal(folder, unit):
    """As if the unit's first try had not been its last, and its second had followed on the same worker."""
    path = folder / ".farflung" / "runs" / "last" / "journal.jsonl"
    events = read_jsonl(path)
    first = [e for e in events if e.get("unit") == unit]
    again = [dict(e, attempt=2) for e in first]
    at = events.index(first[-1]) + 1
    first[-1]["final"] = False
    events[at:at] = again
    for number, event in enumerate(events, 1):
        event["seq"] = number
    path.write_text("".join(json.dumps(e) + "\n" for e in events))


def test_twice_in_one_session(suite):
    """A test that ran twice on one worker runs twice, set up and torn down each time."""
    write(suite.folder / "test_a.py", """
import unittest, pytest
runs = []
@pytest.fixture
def fresh():
    runs.append("up"); yield; runs.append("down")
def test_twice(fresh): assert len(runs) == 1
def test_end(): assert runs == ["up", "down"] * 2

class TestUnit(unittest.TestCase):
    runs = []
    def setUp(self): self.runs.append("up")
    def tearDown(self): self.runs.append("down")
    def test_unit(self): pass
    def test_unit_end(self): assert self.runs == ["up", "down"] * 2 + ["up"], self.runs
""")
    suite.pytest("-n", 1)
    suite.ran()
    repeat_in_journal(suite.folder, "test_a.py::test_twice")
    repeat_in_journal(suite.folder, "test_a.py::TestUnit::test_unit")
    done = suite.rerun("last", "--worker", "gw0", code=1)
    assert suite.ran() == ["test_a.py::test_twice"] * 2 + ["test_a.py::test_end"] + [
        "test_a.py::TestUnit::test_unit"] * 2 + ["test_a.py::TestUnit::test_unit_end"]
    assert [e["result"]["outcome"] for e in of_kind(done.events, "unit-finished")] == [
        "passed", "failed", "passed", "passed", "passed", "passed"]
    assert "2 of them were tried again" in done.stderr


def test_each(suite):
    """Of those that all workers run, the one that is meant."""
    write(suite.folder / "test_a.py", STATE)
    events = suite.pytest("-n", 2, "--dist", "each")
    suite.ran()
    assert workers_of(events) == ["gw0", "gw1"]
    done = suite.rerun("last", "--worker", "gw1", code=1)
    assert [name + "@gw1" for name in suite.ran()] == sequence(events, "gw1")
    assert outcomes(done.events)["test_a.py::test_victim"] == "failed"


ODD = """
import pytest

@pytest.mark.parametrize("text", ["with blank", "'single'", '"double"', "[brackets]", "a::b", "ü€😀", "$HOME;`x`", "@gw1",
                                  "back\\\\slash", "{brace}", "", "--until", "tab\\there"])
def test_odd(text): pass

class TestIn:
    @pytest.mark.parametrize("a", [1, 2])
    @pytest.mark.parametrize("b", ["x y", "z"])
    def test_two(self, a, b): pass
"""


def test_odd_names(suite):
    write(suite.folder / "test_with blank.py", ODD)
    write(suite.folder / "täst" / "test_ü.py", ODD)
    events = suite.pytest("-n", 2, code=0)
    suite.ran()
    for worker in workers_of(events):
        suite.rerun("last", "--worker", worker, code=0)
        # pytest shows some characters otherwise to its hooks than to the journal's readers.
        assert [name.encode("unicode_escape") for name in suite.ran()] == [
            name.encode("unicode_escape") for name in sequence(events, worker)]
    name = next(unit for unit in sequence(events, workers_of(events)[0]))
    suite.rerun("last", "--worker", workers_of(events)[0], "--until", name, code=0)
    assert suite.ran() == [name]


def test_whatever_orders_tests(suite):
    """Hooks that order and choose see all, and what is repeated is as it was."""
    write(suite.folder / "conftest.py", CONFTEST + """
import random

def pytest_collection_modifyitems(config, items):
    random.Random(os.environ.get("SEED", "1")).shuffle(items)
    if os.environ.get("SEED"):
        config.hook.pytest_deselected(items=items[10:])
        del items[10:]
""")
    for name in "ab":
        write(suite.folder / f"test_{name}.py", STATE)
    events = suite.pytest("-n", 1)
    suite.ran()
    for seed in "23":
        os.environ["SEED"] = seed
        try:
            suite.rerun("last", "--worker", "gw0")
        finally:
            del os.environ["SEED"]
        assert suite.ran() == sequence(events, "gw0")


def test_arguments_and_settings_again(suite, farflung, python):
    """pytest's own are used again, but what would choose by the last session, or stop at a failure."""
    write(suite.folder / "pytest.ini", "[pytest]\naddopts = -x\n")
    write(suite.folder / "tests" / "test_a.py", STATE + "def test_option(pytestconfig):\n"
          "    assert pytestconfig.getoption('verbose') == 1 and pytestconfig.getoption('keyword') == 'not first'\n")
    events = suite.pytest("-n", 1, "tests", "-v", "-k", "not first", code=1)
    suite.ran()
    (added,) = of_kind(events, "job-added")
    assert "not first" in added["args"] and "tests" in added["args"] and "-v" in added["args"]
    suite.rerun("last", "--worker", "gw0", code=1)
    assert suite.ran() == sequence(events, "gw0")


@pytest.mark.parametrize("where", ["addopts", "arguments"])
def test_what_chooses_by_the_last_session_does_not(suite, farflung, where):
    write(suite.folder / "test_a.py", STATE + "def test_fails(): assert 0\ndef test_fails_too(): assert 0\n")
    suite.pytest("-n", 1, code=1)
    words = ["-p", "no:randomly", "--lf", "--maxfail=5"]
    if where == "addopts":
        write(suite.folder / "pytest.ini", "[pytest]\naddopts = %s\n" % " ".join(words))
        words = []
    events = suite.pytest("-n", 1, "--front", "never", *words, code=1)
    suite.ran()
    assert "test_a.py::test_fails" in sequence(events, "gw0")
    write(suite.folder / ".pytest_cache" / "v" / "cache" / "lastfailed", '{"test_a.py::test_first": true}')
    suite.rerun("last", "--worker", "gw0", code=1)
    assert suite.ran() == sequence(events, "gw0")


def test_yaml_job(farflung, python, suite):
    """Its environment is not in the journal, and comes from the file; gone with it, and then said."""
    write(suite.folder / "sub" / "test_env.py", "import os\ndef test_env():\n"
          "    assert os.environ['JOBS'] == 'job value' and os.environ['HOSTS'] == 'host value'\n")
    farflung.run_yaml(f"""
inventory: [{{spec: popen, python: {python}, chdir: sub, env: {{HOSTS: host value}}}}]
jobs:
  other: {{run: 'true'}}
  unit: {{pytest: [.], env: {{JOBS: job value}}}}
""", code=0)
    events = journal(farflung.cwd)
    assert "job value" not in json.dumps(events)
    (worker,) = workers_of([e for e in events if e.get("worker")])
    done = suite.rerun("last", "--worker", worker, code=0)
    assert of_kind(done.events, "host-ready")[0]["cwd"] == str(farflung.cwd / "sub")
    (farflung.cwd / "farflung.yaml").unlink()
    done = suite.rerun("last", "--worker", worker, code=1)
    assert "farflung.yaml can't be read any more: what it had in env: is not set" in done.stderr


def test_another_machine(farflung, fresh_sshd, python, suite, tmp_path):
    """It is repeated on this one, where its tree is from, from whatever folder."""
    sshd = fresh_sshd()
    write(suite.folder / "tree" / "tests" / "test_a.py", STATE + """
def test_env():
    import os
    assert os.environ["JOBS"] == "job" and os.environ["HOSTS"] == "host"
""")
    write(suite.folder / "tree" / "conftest.py", "")
    farflung.run_yaml(f"""
inventory: [{{spec: 'ssh={sshd.words}//chdir={tmp_path}/remote', name: far, python: {python}, env: {{HOSTS: host}}}}]
tree: {{source: tree}}
jobs: {{unit: {{pytest: [-p, 'no:cacheprovider', tests], env: {{JOBS: job}}}}}}
""", code=1)
    events = journal(farflung.cwd)
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere / "farflung.yaml", "jobs: {unit: {pytest: [], env: {JOBS: other}}}\n")
    (worker,) = workers_of(events)
    done = suite.rerun(farflung.cwd, "--worker", worker, "--python", python, cwd=elsewhere, code=1)
    assert f"{worker} ran on far; it is repeated on this machine" in done.stderr
    assert of_kind(done.events, "host-ready")[0]["cwd"] == str(suite.folder / "tree")
    assert [e["unit"] for e in of_kind(done.events, "unit-started")] == sequence(events, worker)
    assert {unit: outcome for unit, outcome in outcomes(done.events).items() if outcome != "passed"} == {
        "tests/test_a.py::test_victim": "failed"}


def test_crash_is_repeated(suite):
    write(suite.folder / "test_a.py", "import os\nhere = []\ndef test_one(): here.append(1)\n"
          "def test_dies():\n    if here: os.abort()\ndef test_after(): pass\n")
    events = suite.pytest("-n", 1, "--max-worker-restart", 1)
    assert workers_of(events) == ["gw0", "gw1"]
    suite.ran()
    done = suite.rerun("last", "--worker", "gw0", code=1)
    assert suite.ran() == ["test_a.py::test_one", "test_a.py::test_dies"]
    assert outcomes(done.events)["test_a.py::test_dies"] == "crashed"
    assert "gw0 did not get beyond 'test_a.py::test_dies'" in done.stderr
    suite.rerun("last", "--worker", "gw1", code=0)
    assert suite.ran() == ["test_a.py::test_after"]


def test_a_test_that_is_gone(suite):
    """It is an error, the others run."""
    write(suite.folder / "test_a.py", STATE)
    events = suite.pytest("-n", 1)
    suite.ran()
    write(suite.folder / "test_a.py", STATE.replace("test_first", "test_other"))
    done = suite.rerun("last", "--worker", "gw0", "--until", "test_a.py::test_pollutes", code=1)
    (problem,) = of_kind(done.events, "collect-problem")
    assert problem["nodeid"] == "test_a.py::test_first"
    assert "it is not repeated" in done.stdout
    assert suite.ran() == [name for name in sequence(events, "gw0")[:7] if name != "test_a.py::test_first"]


def test_marks_do_not_reorder(suite):
    """What tests need decided who ran them when; now that is given."""
    write(suite.folder / "test_a.py", """
import pytest
@pytest.mark.farflung(serial=True)
def test_serial(): pass
@pytest.mark.farflung(resource="db", retries=2)
def test_db(): assert 0
@pytest.mark.farflung(host="nobody-there")
def test_host(): pass
def test_plain(): pass
""".replace('@pytest.mark.farflung(host="nobody-there")\n', ""))
    events = suite.pytest("-n", 1, code=1)
    suite.ran()
    for worker in workers_of(events):
        suite.rerun("last", "--worker", worker)
        assert suite.ran() == sequence(events, worker)


def test_files_of_others_stay_unimported(suite, farflung):
    """As in a run whose workers collect what they run."""
    for name in "abcdefgh":
        write(suite.folder / "pack" / f"test_{name}.py", f"""
import os
with open(os.environ["ORDER"] + ".imports", "a") as file:
    file.write("{name} ")
def test_it(): pass
""")
    write(suite.folder / "pack" / "__init__.py", "")
    imports = farflung.cwd.parent / "order.txt.imports"
    events = suite.pytest("-n", 2, "--collect", "shard", "pack", code=0)
    suite.ran()
    for worker in workers_of(events):
        imports.unlink()
        suite.rerun("last", "--worker", worker, code=0)
        mine = sequence(events, worker)
        assert suite.ran() == mine
        assert sorted(imports.read_text().split()) == sorted(name[len("pack/test_")] for name in mine)


def test_a_shard_and_merged_runs(suite, farflung, python):
    write(suite.folder / "test_a.py", STATE)
    folders = []
    for shard in "12":
        folders.append(farflung.cwd.parent / f"shard{shard}")
        folders[-1].mkdir()
        farflung.env["FARFLUNG_RUNS"] = str(folders[-1])
        farflung.run("pytest", "--python", python, "-n", 1, "--shard", f"{shard}/2")
    del farflung.env["FARFLUNG_RUNS"]
    expected = sequence(journal(folders[1]), "gw0")
    suite.ran()
    suite.rerun(folders[1], "--worker", "gw0")
    assert suite.ran() == expected
    farflung.run("merge", *folders)
    suite.rerun("last", "--worker", "2/gw0")
    assert suite.ran() == expected


# --- wrong input ---


@pytest.fixture
def recorded(suite):
    write(suite.folder / "test_a.py", STATE)
    suite.pytest("-n", 1, code=1)
    return suite


@pytest.mark.parametrize("args, words", [
    ([], "rerun: which RUN?"),
    (["last", "last"], "rerun: one RUN is enough"),
    (["last"], "which --worker of run"),
    (["nowhere", "--worker", "gw0"], "there is no run 'nowhere'"),
    (["no/such/folder", "--worker", "gw0"], "there is no run 'no/such/folder'"),
    (["last", "--worker", "gw9"], "has no worker 'gw9' that ran a test; there are gw0"),
    (["last", "--worker", "gw0", "--until", "test_a.py::test_victims"],
     "ran no test 'test_a.py::test_victims'; did you mean 'test_a.py::test_victim'?"),
    (["last", "--worker", "gw0", "--until", "test_pollutes"], "did you mean 'test_a.py::test_pollutes'?"),
    (["last", "--worker", "gw0", "--until", "a/quite/long/path/to/a/file/of/tests/test_a.py::test_victms"],
     "did you mean 'test_a.py::test_victim'?"),
    (["last", "--worker", "gw0", "--until", "a/quite/long/path/to/a/file/of/tests/test_a.py::TestIt::test_many[1]"],
     "did you mean 'test_a.py::test_many[1]'?"),
    (["last", "--worker", "gw0", "--until", "nothing like it"], "ran no test 'nothing like it'\n"),
    (["last", "--worker", "gw0", "--timeout", "soon"], "--timeout"),
    (["last", "--worker"], "--worker"),
    (["last", "--workers", "gw0"], "--workers"),
])
def test_wrong_words(recorded, args, words):
    recorded.ran()
    done = recorded.rerun(*args, code=2)
    assert words in done.stderr and not done.events
    with pytest.raises(FileNotFoundError):
        recorded.ran()


@pytest.mark.parametrize("damage", ["no json", "unknown event", "empty", "folder"])
def test_damaged_journal(recorded, farflung, damage):
    path = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    lines = path.read_text().splitlines()
    if damage == "no json":
        lines[4] = lines[4][:20]
    elif damage == "unknown event":
        lines[4] = lines[4].replace('"event":"', '"event":"un')
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_text("" if damage == "empty" else "\n".join(lines) + "\n")
    done = recorded.rerun("last", "--worker", "gw0", code=3)
    assert "journal.jsonl" in done.stderr and not done.events
    if damage in ("no json", "unknown event"):
        assert "journal.jsonl:5" in done.stderr


def test_run_that_was_killed(recorded, farflung):
    """What the journal has is repeated, and that it is not all is said."""
    recorded.ran()
    path = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "test_many[1]" in line and "unit-started" in line)
    path.write_text("\n".join(lines[: at + 1]) + "\n" + lines[at + 1][:30])
    done = recorded.rerun("last", "--worker", "gw0", code=0)
    assert recorded.ran() == ["test_a.py::test_first", "test_a.py::test_many[0]", "test_a.py::test_many[1]"]
    assert "the journal ends before the run does" in done.stderr
    assert "gw0 did not get beyond 'test_a.py::test_many[1]'" in done.stderr


def test_old_journal(recorded, farflung):
    """One that does not tell the arguments."""
    path = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    events = read_jsonl(path)
    for event in of_kind(events, "job-added"):
        for key in ("args", "timeout_us", "addopts_read"):
            del event[key]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    done = recorded.rerun("last", "--worker", "gw0", code=1)
    assert "does not tell pytest's arguments" in done.stderr


def test_commands_and_folders_that_are_gone(suite, farflung, python):
    farflung.run_yaml("inventory: [popen]\njobs: {unit: {run: 'true', count: 3}}\n", code=0)
    done = suite.rerun("last", "--worker", "gw0", code=2)
    assert "only tests of pytest can be repeated" in done.stderr
    folder = farflung.cwd.parent / "for a while"
    write(folder / "test_a.py", "def test_it(): pass\n")
    farflung.env["FARFLUNG_RUNS"] = str(farflung.cwd)
    farflung.run("pytest", "--python", python, "-n", 1, cwd=folder, code=0)
    shutil.rmtree(folder)
    done = suite.rerun("last", "--worker", "gw0", code=2)
    assert "for a while, where it ran, is not there" in done.stderr


def test_with_a_front(suite):
    write(suite.folder / "test_a.py", STATE)
    events = suite.pytest("-n", 2, "--front", "always")
    suite.ran()
    for worker in workers_of(events):
        suite.rerun("last", "--worker", worker)
        assert suite.ran() == sequence(events, worker)


def test_help(farflung):
    done = farflung.run("rerun", "--help", code=0)
    assert "--until TEST" in done.stdout and max(map(len, done.stdout.splitlines())) <= 110
    assert "rerun" in farflung.run("--help", code=0).stdout


@pytest.mark.parametrize("front", ["never", "always"])
def test_it_is_that_worker(suite, front):
    """What tests call after their worker, they call so again."""
    write(suite.folder / "test_a.py", """
import os, pytest
@pytest.mark.parametrize("n", range(8))
def test_who(n, worker_id, pytestconfig, tmp_path):
    with open("who.txt", "a") as file:
        print(worker_id, pytestconfig.workerinput["workerid"], pytestconfig.workerinput["workercount"],
              os.environ["PYTEST_XDIST_WORKER"], os.environ["PYTEST_XDIST_WORKER_COUNT"], file=file)
""")
    events = suite.pytest("-n", 3, "--dist", "each", "--front", front, code=0)
    assert len(workers_of(events)) == 3
    suite.ran()
    (suite.folder / "who.txt").unlink()
    suite.rerun("last", "--worker", "gw2", code=0)
    assert set((suite.folder / "who.txt").read_text().splitlines()) == {"gw2 gw2 3 gw2 3"}
    assert len(suite.ran("gw2")) == 8


def test_drawn_by_lot(suite):
    """What pytest-randomly says in the header that it drew is an option of the next session."""
    write(suite.folder / "conftest.py", CONFTEST + """
def pytest_addoption(parser): parser.addoption("--randomly-seed", default="new")
def pytest_report_header(config): return "Using --randomly-seed=77"
""")
    write(suite.folder / "test_a.py", """
def test_draws(pytestconfig):
    with open("drawn.txt", "a") as file:
        print(pytestconfig.getoption("--randomly-seed"), file=file)
""")
    suite.pytest("-n", 1, code=0)
    suite.rerun("last", "--worker", "gw0", code=0)
    assert (suite.folder / "drawn.txt").read_text() == "new\n77\n"

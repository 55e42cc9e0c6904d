"""farflung rerun and farflung pytest --resume: a run of pytest without a YAML file is gone on with by the words,
PYTEST_ADDOPTS and folder that it had. What was done is not done again; summary, JUnit and exit code are of all."""
import os
import shutil
import signal

import pytest

from conftest import junit_outcomes, of_kind, wait_until, write
from test_resume import finals, journal, lines, runs_in

WAIT = """
import os, time, pytest
def note(name):
    with open("done.txt", "a") as file:
        file.write(name + "\\n")
def wait():
    end = time.monotonic() + 60
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.01)
"""
MANY = WAIT + """
@pytest.mark.parametrize("n", range(8))
def test_n(n, request):
    note(request.node.nodeid)
    assert n != 5
    if n == 7:
        wait()
"""


@pytest.fixture
def given(farflung, python):
    """The words of each run here."""
    return ["--python", python, "-p", "no:cacheprovider"]


def kill_when(farflung, condition, *args):
    """Kills the controller (SIGKILL) as soon as condition(events) holds."""
    live = farflung.follow("pytest", *args)
    live.wait_for(condition)
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    for thread in live.threads:
        thread.join(60)
    live.process.stdout.close()
    live.process.stderr.close()
    wait_until(lambda: not farflung.left_over(), 30, "its workers are gone")


def earlier_in(junit):
    return junit.read_text().count('<property name="farflung.earlier_run" value="true"/>')


def started(run):
    return {event["unit"] for event in of_kind(journal(run), "unit-started")}


@pytest.mark.parametrize("collect", ["every", "shard"])
@pytest.mark.parametrize("ends", [1, 7])
def test_a_killed_controller(farflung, given, collect, ends):
    for name in "abc":
        write(farflung.cwd / f"test_{name}.py", MANY)
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= ends,
              *given, "-n2", "--collect", collect, "--junit", "all of it.xml")
    (first,) = runs_in(farflung.cwd)
    before = finals(journal(first))
    assert len(before) >= ends
    write(farflung.cwd / "go", "")
    done = farflung.run("pytest", "--resume", code=1)
    assert f"going on with run {first.name}: {len(before)} of its " in done.stderr
    assert "changed" not in done.stderr
    after = runs_in(farflung.cwd)[1]
    names = [f"test_{file}.py::test_n[{n}]" for file in "abc" for n in range(8)]
    assert finals(journal(after)) == {name: ["failed" if "[5]" in name else "passed"] for name in names}
    assert started(after) == set(names) - set(before)
    for name in names:
        # What a worker did after its controller was gone nobody knows of.
        assert lines(farflung.cwd / "done.txt").count(name) in ((1,) if name in before else (1, 2)), name
    assert len(junit_outcomes(farflung.cwd / "all of it.xml")) == 24
    assert earlier_in(farflung.cwd / "all of it.xml") == len(before)
    assert f"3 failed, 21 passed, {len(before)} by an earlier run in " in done.stderr
    assert done.stderr.splitlines()[-1] == "farflung: 3 failed, 21 passed (exit 1)"
    # All is over: nothing runs any more, and the story is the same.
    done = farflung.run("pytest", "--resume", code=1)
    assert not started(runs_in(farflung.cwd)[-1])
    assert done.stderr.splitlines()[-1] == "farflung: 3 failed, 21 passed (exit 1)"


def test_killed_again_and_again(farflung, given):
    for name in "abc":
        write(farflung.cwd / f"test_{name}.py", MANY)
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"), *given, "-n2")
    for word in ["units-before", "unit-before", "unit-started"]:
        kill_when(farflung, lambda events, word=word: of_kind(events, word), "--resume")
    write(farflung.cwd / "go", "")
    done = farflung.run("pytest", "--resume", code=1)
    runs = runs_in(farflung.cwd)
    assert len(runs) == 5
    ended = [e["unit"] for run in runs for e in of_kind(journal(run), "unit-finished")]
    assert len(ended) == len(set(ended)) == 24
    assert done.stderr.splitlines()[-1] == "farflung: 3 failed, 21 passed (exit 1)"


def test_what_was_interrupted_goes_on_elsewhere(farflung, given):
    """Other workers, another report and another look may be said; pytest's own number is the exit code."""
    write(farflung.cwd / "test_a.py", MANY)
    live = farflung.follow("pytest", *given, "-n1", "-q")
    live.event("unit-started", unit="test_a.py::test_n[7]")
    live.process.send_signal(signal.SIGINT)
    live.process.send_signal(signal.SIGINT)
    live.finish(2)
    write(farflung.cwd / "go", "")
    farflung.run("pytest", "--resume", "-n", "2", "-v", "--tb=short", "--junit", "j.xml", code=1)
    assert started(runs_in(farflung.cwd)[-1]) == {"test_a.py::test_n[7]"}
    assert len(junit_outcomes(farflung.cwd / "j.xml")) == 8
    assert of_kind(journal(runs_in(farflung.cwd)[-1]), "host-added")[0]["slots"] == 2


def test_rerun(farflung, given):
    write(farflung.cwd / "test_a.py", MANY.replace("n != 5", "n not in (2, 5) or os.path.exists('good')").replace("n == 7", "0"))
    write(farflung.cwd / "test_b.py", WAIT + "def test_out(): note('out'); assert 0\ndef test_in(): note('in')\n")
    farflung.env["PYTEST_ADDOPTS"] = "-k 'not test_out' -n 2"
    farflung.run("pytest", *given, "--", "--junit", "j.xml", code=1)
    # What the variable says now was not asked of that run.
    farflung.env["PYTEST_ADDOPTS"] = "-k nothing -n 1"
    farflung.run("rerun", "--failed", code=1)
    again = {"test_a.py::test_n[2]", "test_a.py::test_n[5]"}
    assert started(runs_in(farflung.cwd)[-1]) == again
    assert of_kind(journal(runs_in(farflung.cwd)[-1]), "host-added")[0]["slots"] == 2
    write(farflung.cwd / "good", "")
    farflung.run("rerun", "last", "test_a.py::test_n[2]", "-v", code=1)
    assert started(runs_in(farflung.cwd)[-1]) == {"test_a.py::test_n[2]"}
    done = farflung.run("rerun", "--failed", "--md", "told.md", code=0)
    assert started(runs_in(farflung.cwd)[-1]) == {"test_a.py::test_n[5]"}
    assert done.stderr.splitlines()[-1] == "farflung: 9 passed (exit 0)"
    assert set(kind for kind, _ in junit_outcomes(farflung.cwd / "j.xml").values()) == {"passed"}
    assert len(junit_outcomes(farflung.cwd / "j.xml")) == 9 and "9" in (farflung.cwd / "told.md").read_text()
    assert sorted(lines(farflung.cwd / "done.txt")) == sorted(
        [f"test_a.py::test_n[{n}]" for n in range(8)] + ["in"] + [f"test_a.py::test_n[{n}]" for n in (2, 2, 5, 5)])
    farflung.run("rerun", "--lost", code=0)
    assert not started(runs_in(farflung.cwd)[-1])


@pytest.mark.parametrize("collect", ["every", "shard"])
def test_changed_files_are_named(farflung, given, collect):
    more = "#" * 200 + "\n"  # the largest come first where files are spread
    write(farflung.cwd / "test_a.py", WAIT + "def test_a(): note('a')\n" + more)
    write(farflung.cwd / "test_b.py", WAIT + "def test_b(): note('b')\n" + more)
    write(farflung.cwd / "test_c.py", WAIT + "def test_c(): wait(); assert os.path.exists('good')\n")
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) == 2, *given, "-n1", "--collect", collect)
    write(farflung.cwd / "go", "")
    # Of the same size and time: only the content tells.
    stat = (farflung.cwd / "test_b.py").stat()
    write(farflung.cwd / "test_b.py", WAIT + "def test_b(): note('B')\n" + more)
    os.utime(farflung.cwd / "test_b.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.utime(farflung.cwd / "test_a.py", (1, 1))
    done = farflung.run("pytest", "--resume", code=1)
    assert "farflung: test_b.py has changed since then: its tests run again\n" in done.stderr
    assert done.stderr.count("changed") == 1
    assert started(runs_in(farflung.cwd)[-1]) == {"test_b.py::test_b", "test_c.py::test_c"}
    assert sorted(lines(farflung.cwd / "done.txt")) == ["B", "a", "b"]
    # Who names what is to run again is told, and is let.
    write(farflung.cwd / "good", "")
    write(farflung.cwd / "test_a.py", WAIT + "def test_a(): note('A')\n")
    done = farflung.run("rerun", "--failed", code=0)
    assert "farflung: test_a.py has changed since then\n" in done.stderr
    assert started(runs_in(farflung.cwd)[-1]) == {"test_c.py::test_c"}


@pytest.mark.parametrize("front", ["never", "always"])
def test_tests_in_an_order_that_was_drawn(farflung, given, front):
    """As pytest-randomly draws it, and says so."""
    write(farflung.cwd / "conftest.py", '''
import pytest, random
def pytest_addoption(parser):
    parser.addoption("--randomly-seed", dest="randomly_seed")
def pytest_report_header(config):
    return "Using --randomly-seed=" + config.option.randomly_seed
@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["randomly_seed"] = node.config.option.randomly_seed
def pytest_configure(config):
    option = config.option.randomly_seed
    config.option.randomly_seed = option or getattr(config, "workerinput", {}).get("randomly_seed") or str(
        random.SystemRandom().randrange(10**9))
def pytest_collection_modifyitems(config, items):
    random.Random(config.option.randomly_seed).shuffle(items)
''')
    write(farflung.cwd / "test_a.py", MANY.replace("range(8)", "range(20)").replace("if n == 7:", "if len(list(open('done.txt'))) > 3:"))
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 2, *given, "-n1", "--front", front,
              "--collect", "every")
    before = set(finals(journal(runs_in(farflung.cwd)[0])))
    write(farflung.cwd / "go", "")
    farflung.run("pytest", "--resume", code=1)
    assert len(before) >= 2 and not before & started(runs_in(farflung.cwd)[-1])
    done = farflung.run("rerun", "--failed", code=1)
    assert started(runs_in(farflung.cwd)[-1]) == {"test_a.py::test_n[5]"} and "other tests" not in done.stderr


def test_a_front_that_knows_of_a_part(farflung, given):
    """What plugins say at the end is of what ran now; the rest is told all the same, and the exit code is of all."""
    write(farflung.cwd / "conftest.py", "def pytest_terminal_summary(terminalreporter):\n"
          "    terminalreporter.write_line('SUMMARY %d' % len(terminalreporter.stats.get('passed', ())))\n")
    write(farflung.cwd / "test_a.py", MANY)
    kill_when(farflung, lambda events: of_kind(events, "unit-started", unit="test_a.py::test_n[7]"),
              *given, "-n1", "--front", "always")
    write(farflung.cwd / "go", "")
    done = farflung.run("pytest", "--resume", code=1)
    assert "SUMMARY 1\n" in done.stderr and "assert 5 != 5" in done.stderr
    assert "1 failed, 7 passed, 7 by an earlier run in " in done.stderr


def test_a_tree_that_was_brought(farflung, given):
    """Tests are those of the folder that was brought, not of where it was brought to."""
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    write(farflung.cwd / "test_b.py", WAIT.replace('"go"', repr(str(farflung.cwd / "go"))) + "def test_b(): wait()\n")
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"), *given, "--rsyncdir", ".", "--rsyncignore", ".farflung",
              "--tx", f"popen//chdir={farflung.cwd.parent}/there")
    write(farflung.cwd / "go", "")
    write(farflung.cwd / "test_a.py", "def test_a(): assert 1\n")
    done = farflung.run("pytest", "--resume", code=0)
    assert "test_a.py has changed since then: its tests run again" in done.stderr
    assert started(runs_in(farflung.cwd)[-1]) == {"test_a.py::test_a", "test_b.py::test_b"}


def test_other_tests_than_then(farflung, given):
    write(farflung.cwd / "test_a.py", WAIT + "def test_a(): pass\ndef test_b(): wait()\n")
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"), *given, "-n1", "--collect", "every")
    write(farflung.cwd / "go", "")
    with open(farflung.cwd / "test_a.py", "a") as file:
        file.write("def test_c(): pass\n")
    done = farflung.run("pytest", "--resume", code=0)
    assert "test_a.py has changed since then" in done.stderr
    events = journal(runs_in(farflung.cwd)[-1])
    assert "other tests than in the run before" in of_kind(events, "notice", level="note")[0]["text"]
    assert finals(events) == {f"test_a.py::test_{name}": ["passed"] for name in "abc"}


def test_what_can_not_be_gone_on_with(farflung, given):
    def refused(*args, words, code):
        done = farflung.run(*args, code=code)
        assert words in done.stderr, done.stderr
        assert done.stderr.splitlines()[-1] == f"farflung: nothing was started (exit {code})"

    refused("pytest", "--resume", words="no run was started here", code=4)
    refused("rerun", "--failed", words="no run was started here", code=2)
    refused("pytest", "--resume=nothing", words="nothing: there is no such run", code=4)
    refused("pytest", "--resume", "20261128-101816-2976", words="20261128-101816-2976: there is no such run", code=4)
    write(farflung.cwd / "test_a.py", WAIT + "def test_a(): wait()\n")
    live = farflung.follow("pytest", *given, "-n1")
    live.event("unit-started")
    refused("pytest", "--resume", words="this run is still going", code=4)
    refused("rerun", "--failed", words="this run is still going", code=2)
    write(farflung.cwd / "go", "")
    live.finish(0)
    (run,) = runs_in(farflung.cwd)
    refused("rerun", "test_a.py::test_b", words=f"run {run.name} has no unit 'test_a.py::test_b' with an end", code=2)
    refused("pytest", "--resume", "-k", "other", words="'-k' may make others of them", code=4)
    refused("pytest", "--resume", "test_a.py", words="'test_a.py' may make others of them", code=4)
    refused("run", "--resume", words=f"farflung pytest --resume {run.name} goes on with it", code=2)
    assert "unknown option '--var'" in farflung.run("rerun", "--failed", "-e", "a=b", code=2).stderr
    # Its words are meant from the folder that it was begun in, unless that has moved as a whole.
    other = farflung.cwd / "other"
    other.mkdir()
    whole = str(run)
    done = farflung.run("rerun", whole, "--failed", code=2, cwd=other)
    assert f"run {run.name} was begun in {farflung.cwd}, from where" in done.stderr
    assert f"this is {other}" in done.stderr
    done = farflung.run("pytest", "--resume", whole, code=4, cwd=other)
    assert "from where what it was given is meant" in done.stderr
    assert len(runs_in(farflung.cwd)) == 1, "nothing was started"
    moved = farflung.cwd.parent / "moved"
    shutil.move(farflung.cwd, moved)
    try:
        farflung.run("rerun", "test_a.py::test_a", code=0, cwd=moved)
    finally:
        shutil.move(moved, farflung.cwd)
    # Other commands' runs.
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'true'}}\n")
    farflung.run("run", code=0)
    refused("pytest", "--resume", words="was 'farflung run': farflung run --resume ", code=4)

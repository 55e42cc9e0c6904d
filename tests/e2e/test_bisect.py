"""farflung bisect: the tests behind which another one fails, and a command line that shows it."""
import os
import re
import signal
import subprocess
import threading

import pytest
from conftest import read_jsonl, wait_until, write
from test_rerun import repeat_in_journal

FILLER = "\nimport pytest\n@pytest.mark.parametrize('n', range({}))\ndef test_filler{}(n): pass\n"


@pytest.fixture
def suite(farflung, python):
    temporary = farflung.cwd.parent / "temporary"
    temporary.mkdir()
    farflung.env["TMPDIR"] = str(temporary)

    class Suite:
        folder, temp = farflung.cwd, temporary

        @staticmethod
        def pytest(*args, code=1, **options):
            farflung.run("pytest", "--python", python, *(args or ("-n", 1)), code=code, **options)

        @staticmethod
        def bisect(test, *args, code=None, run="last", **options):
            done = farflung.run("bisect", run, test, *args, code=code, **options)
            done.found = [line[2:] for line in done.stdout.splitlines() if line.startswith("  ")]
            assert not list(temporary.glob("farflung-bisect*"))
            return done

        @staticmethod
        def shows(done, test):
            """The command line, by copy and paste: the test fails there."""
            folder, line = re.search(r"\nin (.*):\n(.*)\n$", done.stdout).groups()
            env = dict(farflung.env, PYTHONDONTWRITEBYTECODE="1")
            shown = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True)
            assert shown.returncode == 1 and f"FAILED {test}" in shown.stdout, (line, shown.stdout, shown.stderr)
            return shown.stdout

    return Suite


def test_a_module_global(suite):
    write(suite.folder / "test_a.py", FILLER.format(10, "") + """
seen = []
def test_pollutes(): seen.append(1)
def test_between(): pass
def test_victim(): assert not seen
def test_behind(): pass
""")
    suite.pytest()
    runs = sorted(os.listdir(suite.folder / ".farflung" / "runs"))
    history = (suite.folder / ".farflung" / "history.db").read_bytes()
    before = sorted(os.listdir(suite.folder))
    done = suite.bisect("test_a.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_pollutes"]
    assert "test_a.py::test_victim fails behind 1 of the 12 tests that gw0 ran before it:" in done.stdout
    assert done.stderr.endswith("farflung: found (exit 0)\n")
    # Nothing is left: no run, no history, no files.
    assert sorted(os.listdir(suite.folder / ".farflung" / "runs")) == runs
    assert (suite.folder / ".farflung" / "history.db").read_bytes() == history
    assert sorted(os.listdir(suite.folder)) == before
    assert "2 failed" not in suite.shows(done, "test_a.py::test_victim")


def test_two_together(suite):
    write(suite.folder / "test_a.py", """
import state_of_it
def test_one(): state_of_it.one = 1
def test_nothing(): pass
""")
    write(suite.folder / "state_of_it.py", "one = two = 0\n")
    write(suite.folder / "test_b.py", FILLER.format(3, "") + """
import state_of_it
def test_two(): state_of_it.two = 1
def test_three(): pass
def test_victim(): assert not (state_of_it.one and state_of_it.two)
""")
    suite.pytest()
    done = suite.bisect("test_b.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_one", "test_b.py::test_two"]
    suite.shows(done, "test_b.py::test_victim")


@pytest.mark.parametrize("pollutes, victim", [
    ("os.environ['LEFT_BEHIND'] = '1'", "assert 'LEFT_BEHIND' not in os.environ"),
    ("sys.modules['json'] = None", "import json"),
    ("os.chdir('/')", "assert os.path.exists('test_a.py')"),
    ("os.environ['LEFT'] = '1'", "assert 'LEFT' not in os.environ or os.abort()"),
])
def test_what_a_process_shares(suite, pollutes, victim):
    write(suite.folder / "test_a.py", FILLER.format(4, "") + f"""
import os, sys
def test_pollutes():
    {pollutes}
def test_between(): pass
def test_victim():
    {victim}
""")
    suite.pytest()
    done = suite.bisect("test_a.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_pollutes"]


def test_five_hundred(suite):
    """Rounds grow as the logarithm."""
    write(suite.folder / "test_a.py", FILLER.format(500, "").replace("pass", "n == 321 and seen.append(n)") + """
seen = []
def test_victim(): assert not seen
""")
    suite.pytest()
    done = suite.bisect("test_a.py::test_victim", "-n", 2, code=0)
    assert done.found == ["test_a.py::test_filler[321]"]
    rounds = re.findall(r"round (\d+): (\d+) tests left, (\d+) tr", done.stderr)
    assert len(rounds) <= 9 and sum(int(tries) for _, _, tries in rounds) <= 18
    assert [int(left) for _, left, _ in rounds] == sorted((int(left) for _, left, _ in rounds), reverse=True)
    done = suite.bisect("test_a.py::test_victim", "-n", 8, code=0)
    assert done.found == ["test_a.py::test_filler[321]"]
    assert len(re.findall(r"round \d+", done.stderr)) <= 3


ODD = """
import pytest
seen = []
@pytest.mark.parametrize("text", ["it's with blank", '"double" [brackets]', "a::b", "$HOME;`x` ü€😀 {number}", "--until"])
def test_odd(text):
    if text == PICKED:
        seen.append(1)

class TestIn:
    @pytest.mark.parametrize("a", [1, "x y's"])
    def test_victim(self, a): assert not seen
"""


@pytest.mark.parametrize("picked", ["it's with blank", '"double" [brackets]', "$HOME;`x` ü€😀 {number}"])
def test_odd_names(suite, picked):
    write(suite.folder / "täst" / "test_with blank.py", ODD.replace("PICKED", repr(picked)))
    suite.pytest("-n", 1, "täst")
    test = "täst/test_with blank.py::TestIn::test_victim[x y's]"
    done = suite.bisect(test, code=0)
    (found,) = done.found
    assert found.startswith("täst/test_with blank.py::test_odd[")
    suite.shows(done, test)


def test_settings_of_the_suite(suite, farflung):
    """What spreads, stops or shuffles stands in its settings; and it has another root."""
    farflung.env["PYTEST_ADDOPTS"] = "-k 'not unwanted'"
    write(suite.folder / "pytest.ini", "[pytest]\naddopts = -n 2 --dist load -x --lf -p no:doctest\n")
    write(suite.folder / "sub" / "test_a.py", """
import os
seen = []
def test_fails(): assert os.environ.get("GREEN")
def test_unwanted(): seen.append(1)
def test_pollutes(tmp_path, cache, pytestconfig):
    cache.set("a", 1)
    seen.append(tmp_path)
    (tmp_path / "new").touch(exist_ok=False)
def test_victim(worker_id): assert not seen
""")
    farflung.env["GREEN"] = "1"
    suite.pytest("-n", 1, "--retries", 0, "-v", "--maxfail", 9, ".", cwd=suite.folder / "sub")
    del farflung.env["GREEN"]
    done = suite.bisect("sub/test_a.py::test_victim", run=suite.folder / "sub", code=0)
    assert done.found == ["sub/test_a.py::test_pollutes"]
    assert f"in {suite.folder}/sub:\n" in done.stdout


def test_order_that_plain_pytest_would_not_keep(suite):
    write(suite.folder / "conftest.py", "def pytest_collection_modifyitems(items): items.reverse()\n")
    write(suite.folder / "test_a.py", """
seen = []
def test_victim(): assert not seen
def test_between(): pass
def test_pollutes(): seen.append(1)
""")
    suite.pytest()
    done = suite.bisect("test_a.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_pollutes"]
    # The hook turns the two round there, too, which were turned round on the command line.
    assert "this alone does not show it" in done.stdout


def test_the_worker_that_is_meant(suite, farflung):
    """By default where it failed; a retry elsewhere passed."""
    write(suite.folder / "test_a.py", """
seen = []
def test_pollutes(): seen.append(1)
def test_victim(): assert not seen
""")
    suite.pytest("-n", 1, "--retries", 1, code=0)
    events = read_jsonl(suite.folder / ".farflung" / "runs" / "last" / "journal.jsonl")
    tried = [e["worker"] for e in events if e["event"] == "unit-started" and "victim" in e["unit"]]
    assert len(tried) == 2 and tried[0] != tried[1]
    done = suite.bisect("test_a.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_pollutes"] and f"that {tried[0]} ran" in done.stdout
    done = suite.bisect("test_a.py::test_victim", "--worker", tried[1], code=1)
    assert "nothing ran before it, and alone it did not fail again" in done.stderr


def test_its_own_first_try_does_it(suite):
    """It was tried again on the same worker."""
    write(suite.folder / "test_a.py", """
runs = []
def test_nothing(): pass
def test_victim():
    runs.append(1)
    assert len(runs) == 1
""")
    suite.pytest(code=0)
    repeat_in_journal(suite.folder, "test_a.py::test_victim")
    path = suite.folder / ".farflung" / "runs" / "last" / "journal.jsonl"
    lines = path.read_text().splitlines()
    (second,) = [i for i, line in enumerate(lines) if '"attempt": 2' in line and "unit-finished" in line]
    lines[second] = lines[second].replace('"outcome": "passed"', '"outcome": "failed"')
    path.write_text("\n".join(lines) + "\n")
    done = suite.bisect("test_a.py::test_victim", code=0)
    assert done.found == ["test_a.py::test_victim"]
    assert "this alone does not show it" in done.stdout  # plain pytest runs it once


def test_a_job_of_a_file(suite, farflung, python):
    write(suite.folder / "tests" / "test_a.py", """
import os
seen = []
def test_pollutes():
    if os.environ["MODE"] == "job's": seen.append(1)
def test_victim(): assert not seen
""")
    farflung.run_yaml(f"""
inventory: [{{spec: popen, python: {python}}}]
jobs: {{unit: {{pytest: [tests], env: {{MODE: "job's"}}}}}}
""", code=1)
    done = suite.bisect("tests/test_a.py::test_victim", code=0)
    assert done.found == ["tests/test_a.py::test_pollutes"]
    assert "with the environment of job 'unit'" in done.stdout


# --- what is no order dependence ---


def test_fails_alone(suite):
    write(suite.folder / "test_a.py", "def test_one(): pass\ndef test_bad(): assert 0\n")
    suite.pytest()
    done = suite.bisect("test_a.py::test_bad", code=1)
    assert done.stderr.endswith("it fails alone: that is no matter of order (exit 1)\n") and not done.stdout


def test_does_not_fail_again(suite):
    write(suite.folder / "test_a.py", """
import os
def test_one(): pass
def test_flaky(): assert os.path.exists("was_here") or open("was_here", "w").close()
""")
    suite.pytest()
    done = suite.bisect("test_a.py::test_flaky", code=1)
    assert "did not fail again behind all of them: not order dependence, or flaky" in done.stderr
    done = suite.bisect("test_a.py::test_one", code=1)
    assert "nothing ran before it, and alone it did not fail again" in done.stderr


@pytest.mark.parametrize("with_test", [False, True])
def test_an_import_does_it(suite, with_test):
    """Of a file that its worker ran nothing of: all were imported."""
    write(suite.folder / "shared.py", "imported = ran = 0\n")
    write(suite.folder / "test_a.py", f"""
import shared
def test_ran(): shared.ran = 1
def test_nothing(): pass
def test_victim(): assert not (shared.imported and shared.ran >= {int(with_test)})
""")
    write(suite.folder / "test_b.py", "import shared\nshared.imported = 1\ndef test_b(): pass\n")
    suite.pytest("-n", 1, "--collect", "every")
    done = suite.bisect("test_a.py::test_victim", code=0 if with_test else 1)
    if with_test:
        assert done.found == ["test_a.py::test_ran"] and "must be imported, too" in done.stdout
    else:
        assert "where all files of the run are imported, as there: an import does it" in done.stderr


def test_tests_that_are_gone(suite):
    write(suite.folder / "test_a.py", "seen = []\ndef test_one(): seen.append(1)\ndef test_bad(): assert not seen\n")
    suite.pytest()
    text = (suite.folder / "test_a.py").read_text()
    write(suite.folder / "test_a.py", text.replace("test_bad", "test_other"))
    done = suite.bisect("test_a.py::test_bad", code=3)
    assert "the test alone could not be tried: the test is not collected any more" in done.stderr
    write(suite.folder / "test_a.py", text.replace("test_one", "test_other"))
    done = suite.bisect("test_a.py::test_bad", code=3)
    assert "the whole sequence could not be tried: 'test_a.py::test_one' is not collected any more" in done.stderr


@pytest.mark.parametrize("broken, words", [
    ("conftest.py", "conftest"),
    ("pytest.ini", "unrecognized arguments: --no-such-option"),
])
def test_what_does_not_start(suite, broken, words):
    write(suite.folder / "test_a.py", "seen = []\ndef test_one(): seen.append(1)\ndef test_bad(): assert not seen\n")
    suite.pytest()
    write(suite.folder / broken, "[pytest]\naddopts = --no-such-option\n" if "ini" in broken else "import no_such\n")
    done = suite.bisect("test_a.py::test_bad", code=3)
    assert "the test alone could not be tried" in done.stderr and words in done.stderr


# --- time, and signals ---


def test_a_try_that_hangs(suite):
    """Those that leave out what the others wait for tell nothing."""
    write(suite.folder / "test_a.py", """
import time
seen = []
def test_opens(): seen.append("open")
def test_waits():
    while "open" not in seen: time.sleep(0.05)
def test_pollutes(): seen.append("dirt")
def test_victim(): assert "dirt" not in seen
""")
    suite.pytest()
    done = suite.bisect("test_a.py::test_victim", "--timeout", "4s", "-n", 2, code=0)
    assert done.found == ["test_a.py::test_pollutes"]
    assert "a try of 3 tests did not come to it: its time was over" in done.stderr


def test_the_test_itself_hangs(suite):
    write(suite.folder / "test_a.py", """
import time
seen = []
def test_one(): pass
def test_pollutes(): seen.append("dirt")
def test_victim():
    while seen: time.sleep(0.05)
""")
    suite.pytest("-n", 1, "--timeout", "2s")
    done = suite.bisect("test_a.py::test_victim", "--timeout", "4s", code=0)
    assert done.found == ["test_a.py::test_pollutes"]


HANGS = FILLER.format(40, "").replace("pass", "n == 33 and seen.append(n)") + """
import os, time
seen = []

@pytest.fixture(autouse=True)
def hang():
    if os.path.exists("hang"):
        open("hung-%d" % os.getpid(), "w").close()
        while 1: time.sleep(0.05)

def test_victim(): assert not seen
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", ["nothing", "round 2:"])
def test_interrupted(suite, farflung, after, number):
    write(suite.folder / "test_a.py", HANGS)
    suite.pytest()
    if after == "nothing":
        write(suite.folder / "hang", "")
    process = farflung.start("bisect", "last", "test_a.py::test_victim", "-n", 2, start_new_session=True)
    said = []
    came = threading.Event()

    def read():
        for line in process.stderr:
            said.append(line)
            if after in line:
                write(suite.folder / "hang", "")
                came.set()

    thread = threading.Thread(target=read)
    thread.start()
    if after != "nothing":
        assert came.wait(60), said
    wait_until(lambda: list(suite.folder.glob("hung-*")), 60, "a try hangs")
    os.killpg(process.pid, number)
    out = process.stdout.read()
    assert process.wait(30) == 130
    thread.join(10)
    process.stdout.close(), process.stderr.close()
    assert not list(suite.temp.glob("farflung-bisect*"))
    if after == "nothing":
        assert said[-1] == "farflung: interrupted before anything was found (exit 130)\n" and not out
    else:
        assert said[-1] == "farflung: interrupted; the smallest set so far is above (exit 130)\n"
        assert "so far: test_a.py::test_victim fails behind these" in out
        assert "  test_a.py::test_filler[33]\n" in out and "test_filler[0]" not in out


# --- wrong input ---


@pytest.fixture
def recorded(suite):
    write(suite.folder / "test_a.py", "seen = []\ndef test_one(): seen.append(1)\ndef test_bad(): assert not seen\n")
    suite.pytest()
    return suite


@pytest.mark.parametrize("args, words", [
    ([], "a RUN and a TEST are wanted"),
    (["last"], "a RUN and a TEST are wanted"),
    (["last", "a", "b"], "a RUN and a TEST are wanted"),
    (["nowhere", "test_a.py::test_bad"], "there is no run 'nowhere'"),
    (["last", "test_a.py::test_bat"], "ran no test 'test_a.py::test_bat'; did you mean 'test_a.py::test_bad'?"),
    (["last", "test_bad"], "did you mean 'test_a.py::test_bad'?"),
    (["last", "nothing like it at all"], "ran no test 'nothing like it at all'\n"),
    (["last", "test_a.py::test_bad", "--worker", "gw7"], "has no worker 'gw7' that ran a test; there are gw0"),
    (["last", "test_a.py::test_bad", "-n", "1001"], "-n wants a number from 0 to 1000"),
    (["last", "test_a.py::test_bad", "-n", "many"], "many"),
    (["last", "test_a.py::test_bad", "--timeout", "soon"], "--timeout"),
])
def test_wrong_words(recorded, farflung, args, words):
    done = farflung.run("bisect", *args, code=2)
    assert words in done.stderr and not done.stdout


def test_damaged_journal(recorded, suite):
    path = suite.folder / ".farflung" / "runs" / "last" / "journal.jsonl"
    lines = path.read_text().splitlines()
    lines[7] = lines[7][:-9]
    path.write_text("\n".join(lines) + "\n")
    done = suite.bisect("test_a.py::test_bad", code=3)
    assert "journal.jsonl:8" in done.stderr


def test_no_place_for_files(recorded, farflung):
    farflung.env["TMPDIR"] = str(farflung.cwd / "nowhere")
    done = farflung.run("bisect", "last", "test_a.py::test_bad", code=3)
    assert "nowhere/farflung-bisect-" in done.stderr and "No such file or directory" in done.stderr


def test_no_interpreter(recorded, suite):
    done = suite.bisect("test_a.py::test_bad", "--python", "/no/such/python", code=3)
    assert "/no/such/python" in done.stderr


def test_help(farflung):
    done = farflung.run("bisect", "--help", code=0)
    assert "RUN TEST" in done.stdout and max(map(len, done.stdout.splitlines())) <= 110

"""Options of pytest and pytest-xdist: before and after "--", in PYTEST_ADDOPTS."""
import subprocess

import pytest

from conftest import junit_outcomes, of_kind, read_jsonl, write

THREE = """
import pytest
@pytest.mark.parametrize("i", range(3))
def test_i(i, worker_id, testrun_uid):
    with open("ran.txt", "a") as file:
        print(worker_id, testrun_uid, i, file=file)
def test_bad(): assert 0
"""


@pytest.fixture
def three(farflung):
    write(farflung.cwd / "test_three.py", THREE)
    return farflung


def ran(farflung):
    """[worker, run, test] of each."""
    path = farflung.cwd / "ran.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.split() for line in lines]


@pytest.mark.parametrize(
    "args, environment",
    [
        (["-n", 0], None),
        (["-n0", "--dist", "loadfile"], None),
        (["-n0", "--tx", "popen//python=/no/such/python"], None),
        (["--", "-n", 0], None),
        (["--", "-n0", "test_three.py"], None),
        ([], "-n 0"),
        ([], "-vn0"),
    ],
)
def test_no_distribution(three, python, args, environment):
    if environment:
        three.env["PYTEST_ADDOPTS"] = environment
    three.run("pytest", "--python", python, *args, code=1)
    assert [(worker, i) for worker, _, i in ran(three)] == [("gw0", "0"), ("gw0", "1"), ("gw0", "2")]


@pytest.mark.parametrize("where", ["before", "after", "environment"])
def test_an_unknown_dist_is_refused(three, where):
    args = {"before": ["--dist", "loadscop"], "after": ["--", "--dist=loadscop"], "environment": []}[where]
    if where == "environment":
        three.env["PYTEST_ADDOPTS"] = "--dist loadscop"
    done = three.run("pytest", *args, code=4)
    assert "'loadscop'" in done.stderr and "did you mean 'loadscope'?" in done.stderr
    assert ran(three) == []


def test_an_unknown_dist_in_addopts_is_refused(three, python):
    write(three.cwd / "pytest.ini", "[pytest]\naddopts = --dist loadscop\n")
    for plugin in ([], ["-p", "no:xdist"]):
        done = three.run("pytest", "-n", 1, "--python", python, *plugin)
        assert done.returncode != 0 and "loadscop" in done.stdout
    assert ran(three) == []


def test_the_environment_is_read_once(three, python):
    """Its words come before the command line's, which wins."""
    three.env["PYTEST_ADDOPTS"] = "-n 1 --testrunuid one test_three.py -k 'i or bad'"
    done = three.run("pytest", "--python", python, "--testrunuid", "two", "-k", "test_i", code=0)
    assert "3 passed" in done.stdout
    assert {run for _, run, _ in ran(three)} == {"two"}


def test_the_environment_is_there_in_tests(farflung, python):
    write(farflung.cwd / "test_env.py", "import os\ndef test_it(): assert os.environ['PYTEST_ADDOPTS'] == '-n1'\n")
    farflung.env["PYTEST_ADDOPTS"] = "-n1"
    farflung.run("pytest", "--python", python, code=0)


def test_a_bad_environment_is_named(three):
    three.env["PYTEST_ADDOPTS"] = "-k 'open"
    assert "PYTEST_ADDOPTS" in three.run("pytest", code=4).stderr


def test_options_behind_the_dashes(three, python, tmp_path):
    junit = tmp_path / "out.xml"
    done = three.run("pytest", "--python", python, "--", "-n1", "-xk", "test_i or bad", f"--junitxml={junit}",
                     "--junit-prefix", "pre", "--maxfail=2", "--dist=no", "-v", code=1)
    assert len(ran(three)) == 3
    assert {classname for classname, _ in junit_outcomes(junit)} == {"pre.test_three"}
    assert "PASSED  test_three.py::test_i[0]" in done.stdout


@pytest.mark.parametrize("args", [["-x"], ["--", "-x"], ["--maxfail=1"], ["--", "--maxfail", "1"]])
def test_the_first_failure_ends_the_run(farflung, python, args):
    """No other test is begun."""
    write(farflung.cwd / "test_bad.py",
          "import pytest\n@pytest.mark.parametrize('i', range(50))\ndef test_b(i): assert 0\n")
    done = farflung.run("pytest", "-n", 1, "--python", python, *args, code=1)
    assert "1 failed, 49 not run" in done.stdout


@pytest.mark.parametrize("word, coloured", [("yes", True), ("always", True), ("no", False), ("never", False)])
def test_color_by_pytests_words_too(three, python, word, coloured):
    three.env["PYTEST_ADDOPTS"] = f"--color={word}"
    done = three.run("pytest", "-n", 1, "--python", python, "-k", "test_i")
    assert done.returncode == 0 and ("\x1b[" in done.stdout) == coloured


def test_maxschedchunk(farflung, python, tmp_path):
    write(farflung.cwd / "test_many.py",
          "import pytest\n@pytest.mark.parametrize('i', range(100))\ndef test_m(i): pass\n")
    done = farflung.run("pytest", "-n", 2, "--python", python, "--maxschedchunk", 1, code=0)
    assert "100 passed" in done.stdout
    assert "maxschedchunk" in farflung.run("pytest", "--maxschedchunk", "x", code=4).stderr


# --- one plain pytest ---


@pytest.mark.parametrize("args, text", [
    (["--version"], "pytest 7."),
    (["--", "--version"], "pytest 7."),
    (["--markers"], "@pytest.mark.parametrize"),
    (["--fixtures"], "no tests ran"),
    (["--cache-show"], "cachedir"),
    (["--setup-plan"], "test_three.py::test_i[0]"),
    (["--", "--help"], "usage: "),
])
def test_what_only_shows_something_is_shown_once(three, python, args, text):
    if "7." in text:
        text = "pytest " + pytest.__version__
    done = three.run("pytest", "-n", 2, "--python", python, *args, code=0)
    assert (done.stdout + done.stderr).count(text) == 1
    assert ran(three) == []


def test_pdb_has_the_terminal(three, python):
    done = three.run("pytest", "-n", 2, "--python", python, "--pdb", "-x", stdin=subprocess.DEVNULL)
    assert "--pdb: one plain pytest runs on this machine, nothing is distributed" in done.stderr
    assert "(Pdb)" in done.stdout and done.returncode == 2
    assert {worker for worker, _, _ in ran(three)} == {"master"}


# --- hosts ---


def test_a_proxy_runs_no_tests(three, python, tmp_path):
    events = tmp_path / "events.jsonl"
    three.run("pytest", "--px", "popen//id=gate", "--tx", f"popen//id=behind//via=gate//python={python}",
              "--jsonl", events, code=1)
    told = read_jsonl(events)
    assert {e["host"] for e in of_kind(told, "host-ready")} == {"gate", "behind"}
    assert {e["host"] for e in of_kind(told, "unit-started")} == {"behind"}


def test_folders_are_brought_along(farflung, python, tmp_path):
    there = tmp_path / "there"
    work = farflung.cwd
    write(work / "conftest.py", "import sys; sys.path.insert(0, 'src')\n")
    write(work / "src" / "lib.py", "x = 1\n")
    write(work / "src" / "big.bin", "x")
    write(work / "src" / "docs" / "note.txt", "x")
    write(work / "docs" / "note.txt", "x")
    write(work / "a" / "b" / "tests" / "test_l.py", "import lib\ndef test_l(): assert lib.x == 1\n")
    write(work / "a" / "c" / "note.txt", "x")
    for name in (".hidden", ".config", ".coverage", ".coverage.x", ".coconut"):
        write(work / "a" / "b" / "tests" / name, "x")
    write(work / ".coveragerc", "[run]\n")  # as pytest-cov makes xdist do
    args = ["--tx", f"popen//chdir={there}//python={python}", "--rsyncdir", "src", "--rsyncdir", "a/b/tests",
            "--rsyncignore", "*.bin"]
    for path in ("a/b/tests", work / "a" / "b" / "tests" / "test_l.py"):
        done = farflung.run("pytest", *args, path, code=0)
        assert "1 passed" in done.stdout
    brought = {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file() and "cache" not in str(p)}
    assert brought == {".coveragerc", "conftest.py", "src/lib.py", "src/docs/note.txt", "a/b/tests/test_l.py"}


def test_folders_are_brought_over_ssh(three, python, sshd, tmp_path):
    there = tmp_path / "there"
    done = three.run("pytest", "--tx", f"ssh={sshd.words}//chdir={there}//python={python}", "--rsyncdir", ".",
                     "--dist", "loadfile", "-k", "test_i", "test_three.py", code=0)
    assert "3 passed" in done.stdout
    assert (there / "test_three.py").read_text() == THREE
    assert ran(three) == [] and len((there / "ran.txt").read_text().splitlines()) == 3


def test_folders_from_elsewhere_are_refused(three, tmp_path):
    for folder, words in ((tmp_path, "is not below the working directory"), ("nothing", "no such folder")):
        assert words in three.run("pytest", "--rsyncdir", folder, code=4).stderr


# --- temporary folders ---

EVIDENCE = """
import pytest
@pytest.mark.parametrize("i", range(8))
def test_evidence(tmp_path, worker_id, i):
    assert tmp_path.parent.name == "popen-" + worker_id
    (tmp_path / "evidence.txt").write_text(str(i))
    assert 0
"""


def test_temporary_folders_of_a_run_are_together(farflung, python, tmp_path):
    root = tmp_path / "temporary"
    root.mkdir()
    farflung.env["PYTEST_DEBUG_TEMPROOT"] = str(root)
    write(farflung.cwd / "test_e.py", EVIDENCE)
    for run in (1, 2):
        farflung.run("pytest", "-n", 5, "--python", python, code=1)
        folders = {path for path in root.glob("pytest-of-*/pytest-*") if not path.is_symlink()}
        assert len(folders) == run
    for folder in folders:
        files = {path.resolve() for path in folder.glob("popen-gw*/test_evidence_*/evidence.txt")}
        assert len(files) == 8


# --- what is printed under -s ---

LOUD = """
import os, sys, pytest
@pytest.mark.parametrize("i", range(6))
def test_s(i):
    me = os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0]
    print("out of", me)
    print("err of", me, file=sys.stderr)
    sys.stdout.buffer.write(b"bytes of %s\\n" % me.encode())
    os.write(1, b"raw\\n")
    print("open end of", me, end="")
"""


@pytest.mark.parametrize("quiet", [[], ["-q"], ["-v"]])
def test_lines_are_tagged_with_their_test(farflung, python, quiet):
    write(farflung.cwd / "test_s.py", LOUD)
    done = farflung.run("pytest", "-n", 2, "-s", "--python", python, *quiet, code=0)
    lines = [line for line in done.stdout.splitlines() if line.startswith("[gw") and " of test_s[" in line]
    assert len(lines) == 6 * 4
    for line in lines:
        tag, _, rest = line.partition("] ")
        tag, rest = (tag + "]", rest) if tag.endswith("[") else (tag, rest)
        name = "test_s.py::" + rest.rsplit(" of ", 1)[1]
        assert f" {name}]" in line, line
    assert (done.stdout.count("raw") == 6) is (quiet != ["-q"])


def test_lines_come_while_the_test_runs(farflung, python):
    go = farflung.cwd / "go"
    write(farflung.cwd / "test_live.py",
          "import os, time\ndef test_l():\n    print('now')\n"
          f"    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n")
    live = farflung.follow("pytest", "-n", 1, "-s", "--python", python)
    live.event("notice", level="output", text="now", unit="test_live.py::test_l", worker="gw0")
    go.touch()
    live.finish(code=0)


# --- --collect-only ---


def test_collect_only(three, python):
    done = three.run("pytest", "-n", 2, "--python", python, "--co", "-q", code=0)
    assert done.stdout.splitlines()[:4] == [f"test_three.py::test_i[{i}]" for i in range(3)] + ["test_three.py::test_bad"]
    assert "4 tests collected" in done.stdout
    assert three.run("pytest", "-n", 2, "--python", python, "--co", "-k", "nothing").returncode == 5
    assert ran(three) == []


def test_collect_only_elsewhere(three, python):
    """On the hosts that were named: their names, once."""
    done = three.run("pytest", "--tx", f"2*popen//python={python}", "--co", "-q", code=0)
    for i in range(3):
        assert done.stdout.count(f"test_three.py::test_i[{i}]\n") == 1
    assert ran(three) == []


@pytest.mark.parametrize("where", ["behind", "environment"])
def test_what_plugins_call_so_too_is_theirs(farflung, python, where):
    """--timeout and --retries are ours on our command line, and a plugin's where pytest's words stand."""
    write(farflung.cwd / "conftest.py",
          "def pytest_addoption(parser):\n    parser.addoption('--timeout')\n    parser.addoption('--retries', type=int)\n")
    write(farflung.cwd / "test_a.py",
          "def test_a(request):\n    assert request.config.option.timeout == '7'\n    assert request.config.option.retries == 3\n")
    words = ["--timeout=7", "--retries", "3"]
    if where == "environment":
        farflung.env["PYTEST_ADDOPTS"] = " ".join(words)
        words = []
    farflung.run("pytest", "-n", 1, "--python", python, "--front", "never", "--", *words, code=0)

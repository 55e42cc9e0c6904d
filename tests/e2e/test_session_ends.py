"""A session's end decides: never exit 0 when one ended badly, with the reason in the last line and in
JUnit, and one job's end is no other job's."""
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import write

CACHE = "-p, 'no:cacheprovider'"
ONE_TEST = "def test_a(): pass\n"


def junit(farflung, name="junit.xml"):
    """(suite, name) -> (kind, message) of every testcase."""
    text = (farflung.cwd / name).read_text()
    assert "1970" not in text
    found = {}
    for suite in ElementTree.fromstring(text).iter("testsuite"):
        for kind in ("errors", "failures", "skipped"):
            tag = {"errors": "error", "failures": "failure", "skipped": "skipped"}[kind]
            assert int(suite.get(kind)) == len(suite.findall(f"testcase/{tag}")), suite.attrib
        for case in suite.iter("testcase"):
            bad = [child for child in case if child.tag in ("error", "failure", "skipped")]
            key = (suite.get("name"), case.get("name"))
            assert key not in found
            found[key] = (bad[0].tag, bad[0].get("message")) if bad else ("passed", None)
    return found


def last_line(stderr):
    assert stderr.endswith("\n") and stderr.count("(exit ") == 1
    last = stderr.splitlines()[-1]
    assert last.startswith("farflung: ")
    return last


def pytest_run(farflung, python, *args, code):
    done = farflung.run("pytest", "-n", 2, "--python", python, "--junit", "junit.xml", *args, code=code)
    return last_line(done.stderr), done.stdout


BEFORE_ANY_TEST = [
    "def pytest_configure(config): {end}",
    "def pytest_sessionstart(session): {end}",
    "def pytest_collection_modifyitems(items): {end}",
    "def pytest_collection_finish(session): {end}",
]
# The exit status is pytest's, but never 0.
ENDS = [("pytest.exit('no database', returncode=7)", "no database", 7), ("pytest.exit('no license', returncode=0)", "no license", 1), ("raise KeyboardInterrupt", "KeyboardInterrupt", 2)]


@pytest.mark.parametrize("hook", BEFORE_ANY_TEST, ids=lambda hook: hook.split("(")[0][4:])
@pytest.mark.parametrize("front", ["auto", "always"])
@pytest.mark.parametrize("end, reason, code", ENDS, ids=["exit", "exit-0", "interrupt"])
def test_a_session_that_ends_before_any_test(farflung, python, hook, end, reason, code, front):
    write(farflung.cwd / "test_a.py", ONE_TEST)
    write(farflung.cwd / "conftest.py", "import pytest\n" + hook.format(end=end) + "\n")
    if front == "always" and "collection" in hook and code == 1 and "=0" in end:
        code = 2  # it was interrupted by a worker, which has no better number
    last, _ = pytest_run(farflung, python, "--front", front, code=code)
    assert reason in last and f"(exit {code})" in last
    errors = [message for kind, message in junit(farflung).values() if kind == "error"]
    assert any(reason in message for message in errors), errors


@pytest.mark.parametrize("front", ["never", "auto", "always"])
def test_a_hook_that_fails_before_all_says_why(farflung, python, front):
    write(farflung.cwd / "test_a.py", ONE_TEST)
    write(farflung.cwd / "conftest.py", "def pytest_configure(config): raise ValueError('why')\n")
    last, _ = pytest_run(farflung, python, "--front", front, code=3)
    assert last.startswith("farflung: nothing ran; ") and last.endswith("ValueError: why (exit 3)")


@pytest.mark.parametrize("front", ["never", "always"])
@pytest.mark.parametrize("end, reason", [("raise ValueError('why')", "ValueError: why"), ("raise SystemExit(0)", "SystemExit: 0")])
def test_a_hook_of_collection_that_fails_is_internal(farflung, python, end, reason, front):
    write(farflung.cwd / "test_a.py", ONE_TEST)
    write(farflung.cwd / "conftest.py", f"def pytest_collectstart(collector): {end}\n")
    last, _ = pytest_run(farflung, python, "--front", front, code=3)
    assert reason in last


# Each ends with status 0, without a word of why.
RUNS_NOTHING = {
    "main": "def pytest_cmdline_main(config): return 0\n",
    "loop": """
import pytest
class Other:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session): return True
def pytest_collection_finish(session): session.config.pluginmanager.register(Other())
""",
}


@pytest.mark.parametrize("kind, front, reason", [
    ("main", "never", "it ended before it knew what to run"),
    ("main", "auto", "the front of job 'unit' ended before the job did"),
    ("loop", "auto", "it ended before it knew what to run"),
])
def test_a_session_that_runs_nothing(farflung, python, kind, front, reason):
    write(farflung.cwd / "none" / "test_a.py", ONE_TEST)
    write(farflung.cwd / "none" / "conftest.py", RUNS_NOTHING[kind])
    write(farflung.cwd / "good" / "test_b.py", "def test_b(): pass\n")
    last, out = jobs_run(
        farflung, python,
        f"  unit: {{pytest: [{CACHE}, none], front: {front}}}\n  more: {{pytest: [{CACHE}, good]}}\n"
        "  deploy: {run: 'touch deployed', needs: unit}\n", 1)
    assert last.startswith("farflung: 1 passed") and last.endswith(f"; {reason} (exit 1)")
    assert f"job unit: error: {reason}\n" in out
    assert not (farflung.cwd / "deployed").exists()
    assert junit(farflung) == {
        ("unit", "unit"): ("error", reason),
        ("more", "test_b"): ("passed", None),
        ("deploy", "deploy"): ("skipped", "it needs 'unit', which did not pass"),
    }


@pytest.mark.parametrize("option", ["--collect-only", "--co"])
def test_a_session_that_is_to_run_nothing(farflung, python, option):
    write(farflung.cwd / "test_a.py", "def test_a(): assert 0\ndef test_b(): assert 0\n")
    hosts = ["pytest", "--tx", f"2*popen//python={python}", "--junit", "junit.xml", "--", option]
    done = farflung.run(*hosts, code=0)
    last, out = last_line(done.stderr), done.stdout
    assert last == "farflung: nothing ran, 2 not run (exit 0)"
    assert [line for line in out.splitlines() if line.startswith("test_a.py::")] == [
        "test_a.py::test_a", "test_a.py::test_b"]
    assert [kind for kind, _ in junit(farflung).values()] == ["skipped"]
    write(farflung.cwd / "test_c.py", "import nonesuch\n")
    done = farflung.run(*hosts, code=None)
    assert done.returncode == 2 and "1 not collected" in last_line(done.stderr)


@pytest.mark.parametrize("what, reason", [
    ("raise ValueError('leak found')", "leak found"),
    ("session.exitstatus = 7", "exit status to 7"),
    ("pytest.exit('leak found', 1)", "leak found"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise SystemExit(3)", "SystemExit"),
])
def test_a_session_that_fails_at_its_end(farflung, python, what, reason):
    write(farflung.cwd / "test_a.py", ONE_TEST)
    write(farflung.cwd / "conftest.py", f"import pytest\ndef pytest_sessionfinish(session): {what}\n")
    last, _ = pytest_run(farflung, python, code=7 if "7" in what else 1)
    assert last.startswith("farflung: 1 passed; ") and reason in last
    got = junit(farflung)
    assert got.pop(("pytest", "test_a")) == ("passed", None)
    ((kind, message),) = got.values()
    assert kind == "error" and reason in message


def jobs_run(farflung, python, jobs, code):
    farflung.yaml(f"inventory: [{{spec: popen, slots: 2, python: '{python}'}}]\njobs:\n{jobs}")
    done = farflung.run("run", "--junit", "junit.xml", code=code)
    return last_line(done.stderr), done.stdout


def test_one_jobs_end_is_no_other_jobs(farflung, python):
    write(farflung.cwd / "sub" / "conftest.py", "import pytest\ndef pytest_sessionstart(session): pytest.exit('no database', 1)\n")
    write(farflung.cwd / "sub" / "test_a.py", ONE_TEST)
    write(farflung.cwd / "good" / "test_b.py", "def test_b(): pass\n")
    last, _ = jobs_run(
        farflung, python,
        f"  unit: {{pytest: [{CACHE}, sub]}}\n  more: {{pytest: [{CACHE}, good]}}\n  lint: {{run: 'echo lint ran; false'}}\n"
        "  deploy: {run: 'touch deployed', needs: unit}\n", 1)
    assert "no database" in last and "1 failed" in last and "1 passed" in last
    assert not (farflung.cwd / "deployed").exists()
    got = junit(farflung)
    assert got.pop(("unit", "unit"))[0] == "error"
    assert got.pop(("more", "test_b"))[0] == "passed"
    assert got.pop(("lint", "lint"))[0] == "failure"
    assert got.pop(("deploy", "deploy")) == ("skipped", "it needs 'unit', which did not pass")
    assert got == {}


@pytest.mark.parametrize("stop", ["-x", "--maxfail=1"])
def test_pytests_own_maxfail_is_its_jobs(farflung, python, stop):
    write(farflung.cwd / "one" / "test_a.py", "def test_a(): assert 0\n" + "".join(f"def test_{n}(): pass\n" for n in range(20)))
    write(farflung.cwd / "two" / "test_b.py", "".join(f"def test_{n}(): pass\n" for n in range(20)))
    last, out = jobs_run(
        farflung, python,
        f"  one: {{pytest: [{CACHE}, '{stop}', one]}}\n  two: {{pytest: [{CACHE}, two]}}\n  cmd: {{run: 'true', count: 5}}\n", 1)
    got = junit(farflung)
    assert [k for (suite, _), (k, _) in got.items() if suite in ("two", "cmd")] == ["passed"] * 25
    kinds = [k for (suite, _), (k, _) in got.items() if suite == "one"]
    assert len(kinds) == 21 and kinds.count("failure") == 1 and kinds.count("error") == 0
    not_run = kinds.count("skipped")
    assert ("1 failed" in last) and (f", {not_run} not run" in last or not_run == 0)
    assert "stopping after 1 failures" in last  # pytest's words


def test_a_worker_that_can_not_collect(farflung, python):
    write(farflung.cwd / "tests" / "conftest.py",
          "import os\nif os.environ.get('PYTEST_XDIST_WORKER') == 'gw1': raise ImportError('only here')\n")
    write(farflung.cwd / "tests" / "test_a.py",
          "import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_a(n): pass\n")
    last, _ = jobs_run(farflung, python, f"  unit: {{pytest: [{CACHE}, tests]}}\n  other: {{run: 'true'}}\n", 2)
    assert "only here" in last
    got = junit(farflung)
    assert got.pop(("other", "other"))[0] == "passed"
    kind, message = got.pop(("unit", "unit"))
    assert kind == "error" and "conftest" in message
    assert {k for k, _ in got.values()} <= {"passed", "error"}


def test_workers_that_collect_in_different_orders(farflung, python):
    write(farflung.cwd / "test_s.py", "import os, pytest\nnames = ['a', 'b', 'c']\n"
          "if os.environ['PYTEST_XDIST_WORKER'] == 'gw1': names.reverse()\n"
          "@pytest.mark.parametrize('v', names)\ndef test_s(v): pass\n")
    last, _ = pytest_run(farflung, python, "--strict-collection", "--", "-p", "no:cacheprovider", code=1)
    assert "different tests were collected" in last
    got = junit(farflung)
    kind, message = got.pop(("pytest", "pytest"))
    assert kind == "error" and "different tests were collected" in message
    # Each that was collected is there: run, or not.
    assert {name for _, name in got} == {"test_s[a]", "test_s[b]", "test_s[c]"}
    assert {k for k, _ in got.values()} <= {"passed", "error"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_keyboard_interrupt_is_one_tests(farflung, python, workers):
    """The session ends with it, the other tests are run all the same."""
    write(farflung.cwd / "test_k.py", "def test_a(): pass\ndef test_kbi(): raise KeyboardInterrupt\n"
          "def test_b(): pass\ndef test_again(): raise KeyboardInterrupt\ndef test_c(): pass\n")
    done = farflung.run("pytest", "-n", workers, "--python", python, "--junit", "junit.xml", code=1)
    assert last_line(done.stderr) == "farflung: 2 errors, 3 passed (exit 1)"
    got = junit(farflung)
    assert {name: kind for (_, name), (kind, _) in got.items()} == {
        "test_a": "passed", "test_b": "passed", "test_c": "passed", "test_kbi": "error", "test_again": "error"}
    assert "KeyboardInterrupt" in got[("pytest", "test_kbi")][1]


def test_a_test_that_ends_the_session(farflung, python):
    """pytest.exit is meant for all: what was not run is said, and why."""
    write(farflung.cwd / "test_k.py", "import pytest\ndef test_0(): pytest.exit('state broken')\n"
          + "".join(f"def test_{n}(): pass\n" for n in range(1, 30)))
    done = farflung.run("pytest", "-n", 1, "--python", python, "--junit", "junit.xml", code=2)
    last = last_line(done.stderr)
    assert "29 not run" in last and "state broken" in last
    kinds = {name: kind for (_, name), (kind, _) in junit(farflung).items()}
    assert kinds.pop("pytest") == "error" and set(kinds.values()) == {"error"} and len(kinds) == 30


def test_text_goes_on_behind_a_nul(farflung, python):
    write(farflung.cwd / "test_n.py", """
import pytest, warnings
def test_nul():
    print("out\\0after-the-nul")
    raise Exception("before\\0after-the-nul\\nand more lines")
def test_skipped(): pytest.skip("skip\\0after-the-nul")
@pytest.fixture
def broken(): raise ValueError("setup\\0after-the-nul")
def test_setup(broken): pass
@pytest.fixture
def late():
    yield
    raise ValueError("teardown\\0after-the-nul")
def test_teardown(late): pass
""")
    done = farflung.run("pytest", "-n", 1, "--python", python, "--junit", "junit.xml", "--jsonl", "e.jsonl", code=1)
    assert "\0" not in done.stdout + done.stderr
    assert done.stdout.count("\\x00after-the-nul") >= 5
    text = (farflung.cwd / "junit.xml").read_text()
    events = (farflung.cwd / "e.jsonl").read_text()
    for word in ("before", "out", "skip", "setup", "teardown"):
        assert f"{word}\\x00after-the-nul" in text or f"{word}#x00after-the-nul" in text, word
        assert f"{word}\\\\x00after-the-nul" in events or f"{word}\\u0000after-the-nul" in events, word
    assert "and more lines" in text


@pytest.mark.parametrize("text", ["raise ImportError('first\\nsecond\\n\\nlast')", "raise ImportError('\\x1b[31mred\\r\\x07')"])
def test_the_last_line_is_one_line(farflung, python, text):
    write(farflung.cwd / "conftest.py", text + "\n")
    write(farflung.cwd / "test_a.py", ONE_TEST)
    last, _ = pytest_run(farflung, python, code=4)
    assert last.endswith("(exit 4)") and "ImportError" in last
    assert all(ch.isprintable() for ch in last)


@pytest.mark.parametrize("files, args, gist", [
    ({"conftest.py": "def f():\n    raise ImportError('only here\\nand there')\nf()\n"}, [],
     "conftest.py': ImportError: only here (exit 4)"),
    ({}, ["--bogus"], "pytest: error: unrecognized arguments: --bogus (exit 4)"),
    ({"broken.py": "import nothing_here\n"}, ["-p", "broken"],
     "Error importing plugin \"broken\": No module named 'nothing_here' (exit %d)"),
    ({"conftest.py": "def pytest_unconfigure(): 1 / 0\n"}, [],
     "ZeroDivisionError: division by zero (in pytest_unconfigure) (exit 1)"),
])
def test_the_last_line_has_the_gist_of_a_traceback(farflung, python, files, args, gist):
    write(farflung.cwd / "test_a.py", ONE_TEST)
    for name, text in files.items():
        write(farflung.cwd / name, text)
    done = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, "--", *args, code=None,
                        env={**farflung.env, "PYTHONPATH": str(farflung.cwd)})
    last = last_line(done.stderr)
    if "%d" in gist:  # as pytest itself ends: since 9.2 it says that this is an internal error
        plain = subprocess.run([python, "-m", "pytest", *args], cwd=farflung.cwd, capture_output=True,
                               env={**farflung.env, "PYTHONPATH": str(farflung.cwd)})
        gist %= plain.returncode
    assert last.endswith(gist) and " / " not in last and "Traceback" not in last, last


def test_values_of_a_matrix_are_quoted_for_the_shell(farflung):
    farflung.yaml("inventory: [popen]\njobs:\n"
                  "  quoted: {run: 'echo {v}', matrix: {v: ['a;echo pwn', \"it's\", '*', 'a   b']}}\n"
                  "  raw: {run: 'echo {v:raw}', matrix: {v: ['one; echo two']}}\n")
    done = farflung.run("run", "--jsonl", "e.jsonl", "-vv", code=0)
    for value in ("a;echo pwn", "it's", "*", "a   b"):
        assert f"quoted[v={value}]] {value}\n" in done.stdout
    assert "pwn\n" not in done.stdout.replace("a;echo pwn\n", "")
    assert "] one\n" in done.stdout and "] two\n" in done.stdout

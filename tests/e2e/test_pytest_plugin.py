"""`pytest --farflung`: the user's own pytest is the front. It is compared with `pytest -n` by pytest-xdist."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import CONTROLLER_CONFTEST as CONFTEST
from conftest import TOP, command_line, has, junit_outcomes, of_kind, outcomes, read_journal, wait_until, write

PLUGIN = TOP / "plugins" / "pytest"

SUITE = """
import sys
import pytest
def test_told(request): assert request.config.workerinput["answer"] == 42
@pytest.mark.parametrize("n", range(6))
def test_n(n):
    print("said by", n)
    assert n != 3
def test_skipped(): pytest.skip("no need")
@pytest.mark.xfail
def test_xfailed(): assert 0
@pytest.fixture
def broken(): raise ValueError("no fixture")
def test_error(broken): pass
"""

WAITS = """
import os, pathlib, time
HERE = pathlib.Path(__file__).parent
def test_ends(): pass
def test_waits():
    (HERE / "waits").touch()
    time.sleep(600)
"""


@pytest.fixture
def session(farflung, python, program):
    """Runs pytest as a user does who has the plugin."""
    farflung.program = python
    farflung.env.update(PYTHONPATH=str(PLUGIN), PYTEST_PLUGINS="pytest_farflung", FARFLUNG=program)
    farflung.env["PYTHONDONTWRITEBYTECODE"] = "1"
    return farflung


def run(session, *args, code=None, **options):
    return session.run("-m", "pytest", "--farflung", *args, code=code, **options)


def make(session, conftest=CONFTEST, suite=SUITE):
    write(session.cwd / "conftest.py", conftest)
    write(session.cwd / "test_a.py", suite)


def journal(session):
    (path,) = (session.cwd / ".farflung" / "runs").glob("2*/journal.jsonl")
    return read_journal(path)


def started(session):
    return (session.cwd / ".farflung").exists()


def shown(done):
    """What a session shows, without times."""
    text = re.sub(r"\d+\.\d+s\b( \(\d+:\d+:\d+\))?", "T", done.stdout)
    return re.sub(r"(=+) (.*) in T (=+)", r"\2 in T", text).splitlines()


def in_any_order(lines):
    """The same for several workers: who ran what, and in which order, is nobody's promise."""
    return sorted("".join(sorted(re.sub(r"\[gw\d\]", "[gw]", line))) for line in lines)


@pytest.mark.parametrize("args", [[], ["-v"], ["-q", "-ra", "--tb=short"]], ids=str)
def test_looks_as_with_xdist(session, xdist, args):
    make(session)
    ours = run(session, "-n", 1, *args, code=1)
    theirs = session.run("-m", "pytest", "-n", 1, *args, code=1)
    assert shown(ours) == shown(theirs)
    assert ours.stderr == theirs.stderr == ""
    down = (session.cwd / "down.txt").read_text().splitlines()
    assert len(down) == 2 and down[0] == down[1]


def test_two_workers(session, xdist):
    make(session)
    ours = run(session, "-n", 2, "-rA", "--junitxml=ours.xml", code=1)
    theirs = session.run("-m", "pytest", "-n", 2, "-rA", "--junitxml=theirs.xml", code=1)
    assert in_any_order(shown(ours)) == in_any_order(line.replace("theirs.xml", "ours.xml") for line in shown(theirs))
    names = [sorted(re.findall(r'classname="[^"]*" name="[^"]*"|<\w+ message|<skipped', (session.cwd / f"{name}.xml").read_text()))
             for name in ("ours", "theirs")]
    assert names[0] == names[1] and len(names[0]) > 10
    (finished,) = of_kind(journal(session), "front-finished")
    assert finished["exit_status"] == 1 and finished.get("error") is None
    # the next session knows what failed
    assert "1 failed, 1 error in " in run(session, "-n", 2, "--lf", code=1).stdout


def test_without_xdist(session):
    make(session)
    done = run(session, "-n", 2, "-p", "no:xdist", "-v", code=1)
    assert "2 workers [10 items]" in done.stdout
    assert done.stdout.count("our own summary, status 1\n") == 1
    assert "1 failed, 6 passed, 1 skipped, 1 xfailed, 1 error in " in done.stdout
    assert done.stderr == ""
    done = run(session, "-p", "no:xdist", "-n2", "--dist=loadscope", "-p", "no:terminal", code=1)
    assert done.stdout == done.stderr == ""
    done = run(session, "-n", 2, "-s", code=1)  # xdist loses what tests print
    assert sorted(re.findall(r"said by (\d)", done.stdout)) == list("012345")


@pytest.mark.parametrize("blocked", [False, True])
def test_exit_statuses(session, blocked):
    make(session, suite=SUITE.replace("test_told(request): assert", "test_told(request): assert 1 or"))
    block = ["-p", "no:xdist"] if blocked else []
    for args, code in (
        (["-k", "told or skipped"], 0), (["-k", "n"], 1), (["--no-such-option"], 4), (["-k", "nothing_like_it"], 5),
        (["-x", "--maxfail=1"], 2), (["test_a.py::no_such_test"], 4), (["--tx", "nothing=1"], 4), (["-n", "x"], 4),
    )[blocked * 3 :]:  # fmt: skip
        number = [] if {"-n", "--tx"} & set(args) else ["-n", 2]
        done = run(session, *number, *block, *args)
        assert done.returncode == code, (args, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_broken_conftest_or_module(session):
    make(session)
    write(session.cwd / "test_broken.py", "import no_such_module\n")
    done = run(session, "-n", 2, code=2)
    assert "no_such_module" in done.stdout and "1 error in " in done.stdout
    make(session, conftest="def pytest_sessionstart(session): raise ValueError('no start')\n")
    done = run(session, "-n", 2, code=3)
    assert "INTERNALERROR" in done.stdout and "no start" in done.stdout
    make(session, conftest="import pytest\ndef pytest_configure(config): raise pytest.UsageError('not like this')\n")
    done = run(session, "-n", 2, code=4)
    assert "not like this" in done.stderr
    make(session, conftest="def pytest_sessionfinish(session): session.exitstatus = 7\n", suite="def test_a(): pass\n")
    run(session, "-n", 2, code=7)


def test_a_crash_is_told(session):
    make(session, conftest="", suite="import os\ndef test_dies(): os._exit(3)\ndef test_lives(): pass\n")
    done = run(session, "-n", 2, code=1)
    assert re.search(r"worker 'gw\d' crashed while running 'test_a.py::test_dies'", done.stdout)
    assert "1 failed, 1 passed in " in done.stdout


def test_nobody_pays_who_does_not_ask(session):
    make(session, conftest="", suite="import sys\ndef test_a(): assert 'pytest_farflung.run' not in sys.modules\n")
    session.run("-m", "pytest", code=0)
    done = session.run("-m", "pytest", "-n", 2, "-p", "no:xdist", code=4)
    assert "unrecognized arguments" in done.stderr
    assert not started(session)


@pytest.mark.parametrize("args, code, words", [
    (["--collect-only"], 0, "test_a.py"), (["--pdb"], 0, "1 passed"), (["-n", 0], 0, "1 passed"), (["--dist", "no"], 0, "1 passed"),
    (["--fixtures"], 0, "tmp_path"), (["--setup-plan"], 0, "no tests ran"), (["--help"], 0, "--farflung"),
], ids=str)  # fmt: skip
def test_what_is_not_spread(session, args, code, words):
    make(session, conftest="", suite="def test_a(): pass\n")
    done = run(session, *([] if {"-n", "--dist"} & set(args) else ["-n", 2]), *args, code=code)
    assert words in done.stdout and not started(session)


def test_settings_and_environment(session):
    sub = session.cwd / "project" / "tests"
    write(sub / "conftest.py", "")
    write(sub / "test_a.py", """
import os, pytest
@pytest.mark.parametrize("n", range(4))
def test_where(n, request, worker_id):
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "2" and worker_id in ("gw0", "gw1")
    assert str(request.config.rootpath if hasattr(request.config, "rootpath") else request.config.rootdir).endswith("project")
""")
    write(session.cwd / "project" / "pytest.ini", "[pytest]\naddopts = --farflung -n 2 --dist loadfile --tx popen -p no:cacheprovider\n")
    done = session.run("-m", "pytest", "--strict-config", cwd=sub, code=0)
    assert "4 passed" in done.stdout and "has no effect" not in done.stdout + done.stderr
    events = read_journal(next((sub / ".farflung" / "runs").glob("2*/journal.jsonl")))
    assert len(of_kind(events, "worker-started")) == 2
    write(session.cwd / "project" / "pytest.ini", "[pytest]\nfarflung = true\n")
    done = session.run("-m", "pytest", "-c", "project/pytest.ini", "--rootdir", "project", "project/tests", code=0,
                       env=dict(session.env, PYTEST_ADDOPTS="-n 2 -p no:xdist -k 'where and not 3'"))
    assert "3 passed" in done.stdout and started(session)
    shutil.rmtree(session.cwd / ".farflung")
    done = session.run("-m", "pytest", "project", "-o", "farflung=false", code=1)
    assert not started(session)


def test_more_options_of_the_program(session):
    write(session.cwd / "test_flaky.py", """
import pathlib
def test_flaky():
    seen = pathlib.Path("seen")
    before = seen.exists()
    seen.touch()
    assert before
""")
    write(session.cwd / "pytest.ini", "[pytest]\nfarflung_args = --history none\n    --retries 2\n")
    assert "1 passed" in run(session, "-n1", code=0).stdout
    assert not (session.cwd / ".farflung" / "history.db").exists()
    (session.cwd / "seen").unlink()
    assert "1 failed" in run(session, "-n1", "--farflung-args=--retries=0", code=1).stdout
    for words, told in (
            ("--no-such-option", "--no-such-option"), ("'open", "No closing quotation: 'open"),
            ("--retries 2 -- -k x", "--farflung-args: '--' is no option"), ("retries", "--farflung-args: 'retries' is no"),
            ("--session-timeout soon", "soon")):
        done = run(session, "-n1", "--farflung-args=" + words, code=4)
        assert told in done.stdout + done.stderr, words


def test_a_host_without_the_plugin(session):
    write(session.cwd / "pytest.ini", "[pytest]\nfarflung = true\naddopts = --farflung --strict-config\nfarflung_program = /no/where\n")
    make(session, conftest="", suite="""
import sys
def test_a(): assert "pytest_farflung" not in sys.modules
""")
    done = session.run("-m", "pytest", "--tx", "popen//env:PYTHONPATH=//env:PYTEST_PLUGINS=", code=0)
    assert "1 passed" in done.stdout


def test_the_program_itself_with_these_settings(session, program, python):
    write(session.cwd / "pytest.ini", "[pytest]\nfarflung = true\naddopts = --farflung\n")
    make(session)
    session.program = program
    done = session.run("pytest", "-n", 2, "--python", python, code=1)
    assert done.stdout.count("our own summary") == 1
    assert done.stderr.endswith("(exit 1)\n")


def test_workers_have_the_interpreter_that_runs_pytest(session, python, tmp_path):
    venv = tmp_path / "a venv"
    made = subprocess.run([python, "-m", "venv", "--without-pip", "--system-site-packages", venv], stderr=subprocess.PIPE, text=True)
    if made.returncode:
        pytest.skip(f"no venv: {made.stderr}")
    session.program = str(venv / "bin" / "python")
    if not has(session.program, "pytest"):
        pytest.skip("a venv of a venv does not see its packages")
    make(session, conftest="", suite="import sys\ndef test_a(): assert 'a venv' in sys.executable and 'a venv' in sys.prefix\n")
    for args in (["-n", 1], ["--tx", "popen"]):
        run(session, *args, code=0)


def test_a_program_calls_it_twice(session):
    make(session)
    write(session.cwd / "calls.py", """
import signal, sys, threading
import pytest
before = signal.getsignal(signal.SIGINT)
codes = [int(pytest.main(["--farflung", "-n", "2", "-q", *more])) for more in ([], ["-k", "skipped"])]
assert signal.getsignal(signal.SIGINT) is before
assert threading.active_count() == 1, threading.enumerate()
print("codes", codes)
""")
    done = session.run("calls.py", code=0)
    assert "codes [1, 0]" in done.stdout and done.stdout.count("our own summary") == 2


def test_what_plugins_and_editors_do(session):
    write(session.cwd / "lib" / "helper.py", """
def pytest_load_initial_conftests(early_config):  # as pytest-cov does
    option = early_config.known_args_namespace
    early_config.spread = bool(option.numprocesses or option.dist != "no")
def pytest_report_header(config):
    return "spread: %s %s" % (config.spread, config.option.dist)
""")
    make(session, conftest="", suite="import helper\ndef test_a(): pass\n")
    write(session.cwd.parent / "editor.py", f"""
import sys
sys.path.insert(0, {str(session.cwd / "lib")!r})
import pytest
sys.exit(pytest.main(sys.argv[1:]))
""")
    for args, header in (([], "True load"), (["-n1"], "True load"), (["--dist=each", "--tx", "popen"], "True each"), (["-n0"], "False no")):
        done = session.run("../editor.py", "-p", "helper", "--farflung", *args, code=0)
        assert f"spread: {header}\n" in done.stdout


def test_loaded_too_late(session):
    make(session, conftest="pytest_plugins = ['pytest_farflung']\n", suite="def test_a(): pass\n")
    session.env["PYTEST_PLUGINS"] = ""
    done = run(session, code=4)
    assert "a conftest is too late for the plugin" in done.stderr


def test_within_pytester(session):
    make(session, conftest="pytest_plugins = ['pytester']\n", suite="""
def test_inner(pytester):
    pytester.makepyfile("def test_a(): pass\\ndef test_b(): assert 0\\n")
    result = pytester.runpytest_subprocess("--farflung", "-n2")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    result = pytester.runpytest_inprocess("--farflung", "-n2")
    result.assert_outcomes(passed=1, failed=1)
""")
    session.run("-m", "pytest", code=0)
    run(session, "-n", 1, code=0)  # and within a worker


def child_of(session):
    """The program that a session has started."""
    pids = [pid for pid in session.left_over() if "--front-fd" in command_line(pid)]
    return pids[0] if pids else None


def begin(session, *args):
    """A session whose second test waits."""
    make(session, conftest="", suite=WAITS)
    process = session.start("-m", "pytest", "--farflung", "-n", 1, *args, start_new_session=True)
    wait_until((session.cwd / "waits").exists, 60, "the test runs")
    return process


def test_an_interrupt_reaches_the_program_once(session):
    process = begin(session)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    events = lambda: of_kind(journal(session), "interrupted")
    wait_until(events, 60, "the program hears of it")
    os.killpg(process.pid, signal.SIGINT)  # don't wait for what runs
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, (out, err)
    assert "KeyboardInterrupt" in out and "1 passed" in out
    assert len(events()) == 2 and "Traceback" not in err


def test_a_program_that_is_killed_is_no_success(session):
    process = begin(session)
    os.kill(child_of(session), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)
    assert "farflung was killed by SIGKILL: not all that it ran is known" in out
    assert "1 passed" in out and "Traceback" not in err


def test_a_pytest_that_is_killed_takes_all_with_it(session):
    process = begin(session)
    child = child_of(session)
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: child not in session.left_over(), 60, "the program ends")
    assert of_kind(journal(session), "front-finished")[0]["error"]


def test_what_hooks_do_at_the_end_can_be_interrupted(session):
    make(session, suite="def test_a(): pass\n", conftest="""
import pathlib, time
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path(__file__).with_name("ends").touch()
        time.sleep(600)
""")
    process = session.start("-m", "pytest", "--farflung", "-n", 1, start_new_session=True)
    wait_until((session.cwd / "ends").exists, 60, "the session ends")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0, (out, err)


def test_which_program(session, program, tmp_path):
    make(session, conftest="", suite="def test_a(): pass\n")
    other = write(tmp_path / "bin" / "farflung", "#!/bin/sh\necho farflung 99.1\n")
    other.chmod(0o755)
    done = run(session, code=4, env=dict(session.env, FARFLUNG=str(other)))
    assert f"but {other} is version 99.1: install both from one source" in done.stderr
    done = run(session, code=4, env=dict(session.env, FARFLUNG="/no/such/file"))
    assert "$FARFLUNG names '/no/such/file', which is no program" in done.stderr
    done = run(session, code=4, env=dict(session.env, FARFLUNG="/bin/echo"))
    assert "/bin/echo is not farflung" in done.stderr
    env = dict(session.env)
    del env["FARFLUNG"]
    done = run(session, "-o", f"farflung_program={other}", code=4, env=env)
    assert "is version 99.1" in done.stderr
    done = run(session, "-n", 1, code=0, env=dict(env, PATH=f"{os.path.dirname(program)}:{env['PATH']}"))
    checkout = tmp_path / "checkout"
    shutil.copytree(PLUGIN / "pytest_farflung", checkout / "plugins" / "pytest" / "pytest_farflung")
    env.update(PYTHONPATH=str(checkout / "plugins" / "pytest"), PATH=str(tmp_path / "empty"))
    done = run(session, code=4, env=env)
    assert "--farflung needs the program farflung: neither $FARFLUNG nor" in done.stderr
    (checkout / "build").mkdir()
    (checkout / "build" / "farflung").symlink_to(program)
    run(session, "-n", 1, code=0, env=env)
    # and the program knows whom that option is for
    session.program = program
    for number in (1, 99):
        done = session.run("pytest", "--front-fd", number, code=4)
        assert f"--front-fd wants the number of a connected socket, got {number}" in done.stderr


def test_installed_by_pip(session, python, program, tmp_path):
    if not has(python, "pip", "setuptools"):
        pytest.skip("that Python can build no package")
    source = tmp_path / "source"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    target = tmp_path / "target"
    made = subprocess.run(
        [python, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--target", target, source],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(session.env, PYTHONPATH="", PYTEST_PLUGINS=""),
    )  # fmt: skip
    assert made.returncode == 0, made.stdout
    assert sorted(path.name for path in (target / "pytest_farflung").glob("*.py")) == ["__init__.py", "run.py", "stand_in.py"]
    session.env.update(PYTHONPATH=str(target), PYTEST_PLUGINS="")
    make(session)
    done = run(session, "-n", 2, code=1)
    version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True).stdout.split()[1]
    assert f"farflung-{version}" in done.stdout and "our own summary" in done.stdout


@pytest.mark.parametrize("dist", ["load", "loadfile", "no"])
def test_shards(session, dist):
    """Each test in one of them; the exit status and JUnit of each are its own, and one without tests is pytest's 5."""
    files = {"test_a.py": 7, "sub/test_b.py": 4}
    for name, count in files.items():
        write(session.cwd / name, f"import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n): assert n != 6\n")
    plain = session.run("-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", code=0)
    ids = [line for line in plain.stdout.splitlines() if "::" in line]
    assert len(ids) == sum(files.values())
    found, statuses = [], []
    for k in (1, 2, 3):
        shutil.rmtree(session.cwd / ".farflung", ignore_errors=True)
        done = run(session, "-n", 2, "--dist", dist, "--junitxml=ours.xml", "--farflung-args", f"--shard {k}/3")
        ended = outcomes(journal(session))
        assert ended and done.stdout.count(f"shard {k}/3") == 1
        cases = junit_outcomes(session.cwd / "ours.xml")
        assert len(cases) == len(ended)
        assert [kind for kind, _ in cases.values()].count("failure") == list(ended.values()).count("failed")
        assert done.returncode == ("failed" in ended.values())
        found += ended
        statuses.append(done.returncode)
    assert sorted(found) == sorted(ids) and sorted(statuses) == [0, 0, 1]
    run(session, "-n", 2, "--dist", dist, "--farflung-args", "--shard 12/12", code=5)
    done = run(session, "-n", 2, "--farflung-args", "--shard 4/3", code=4)
    assert "--shard wants K/N" in done.stdout + done.stderr

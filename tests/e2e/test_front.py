"""The front: the controller's half of pytest and its plugins, in `farflung pytest` and `farflung run`."""
import array
import fcntl
import re
import signal
import subprocess
import termios

import pytest

from conftest import CONTROLLER_CONFTEST, junit_outcomes, of_kind, read_journal, read_jsonl, wait_until, write

CONFTEST = CONTROLLER_CONFTEST + """
def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        (HERE / "front.pid").write_text(str(os.getpid()))
"""

SUITE = """
import pytest
def test_told(request): assert request.config.workerinput["answer"] == 42
@pytest.mark.parametrize("n", range(6))
def test_n(n): assert n != 3
def test_skipped(): pytest.skip("no need")
"""


def run(farflung, python, *args, code):
    return farflung.run("pytest", "-n", 2, "--python", python, *args, code=code)


def journal(farflung):
    (path,) = (farflung.cwd / ".farflung" / "runs").glob("2*/journal.jsonl")
    return read_journal(path)


def last_line(done):
    return done.stderr.splitlines()[-1]


def make(farflung, conftest=CONFTEST, suite=SUITE):
    write(farflung.cwd / "conftest.py", conftest)
    write(farflung.cwd / "test_a.py", suite)


def test_hooks_of_the_controller(farflung, python):
    make(farflung)
    done = run(farflung, python, "-ra", "--durations=2", code=1)
    assert last_line(done) == "farflung: 1 failed, 6 passed, 1 skipped (exit 1)"
    assert done.stdout.count("our own summary, status 1\n") == 1
    assert "slowest 2 durations" in done.stdout
    assert "SKIPPED [1] test_a.py:6: no need" in done.stdout
    assert "FAILED test_a.py::test_n[3]" in done.stdout
    assert "1 failed, 6 passed, 1 skipped in " in done.stdout
    assert "farflung 0" not in done.stdout  # ours is silent
    down = sorted((farflung.cwd / "down.txt").read_text().splitlines())
    assert [line.split()[:2] for line in down] == [["gw0", "None"], ["gw1", "None"]]
    events = journal(farflung)
    (started,) = of_kind(events, "front-started")
    assert started["job"] == "pytest" and any("pytest_configure_node" in why for why in started["reasons"])
    (finished,) = of_kind(events, "front-finished")
    assert finished["exit_status"] == 1 and finished.get("error") is None and finished["bad"] is False
    kinds = [event["event"] for event in events]
    assert kinds.index("front-ready") < kinds.index("front-ending") < kinds.index("front-finished") < kinds.index("job-finished")


def test_last_failed_on_the_next_run(farflung, python):
    make(farflung)
    run(farflung, python, code=1)
    done = run(farflung, python, "--lf", code=1)
    assert last_line(done) == "farflung: 1 failed (exit 1)"
    write(farflung.cwd / "test_a.py", SUITE.replace("n != 3", "n != 9"))
    done = run(farflung, python, "--lf", code=0)
    assert last_line(done) == "farflung: 1 passed (exit 0)"


@pytest.mark.parametrize("front", ["auto", "always", "never"])
@pytest.mark.parametrize("args, code", [
    (["-k", "test_told or n-1"], 0), (["-k", "n-3"], 0), ([], 1), (["--no-such-option"], 4), (["-k", "nothing_like_it"], 5),
    (["test_a.py::no_such_test"], 4), (["-m", "nothing"], 5), (["-n", "x"], 4),
], ids=str)
def test_exit_statuses_are_pytests(farflung, python, args, code, front):
    conftest = "" if front != "auto" else "def pytest_terminal_summary(): pass\n"
    make(farflung, conftest, SUITE.replace("test_told(request): assert", "test_told(request): assert 1 or"))
    if args == ["-k", "n-3"]:
        args, code = ["-k", "3"], 1
    run(farflung, python, "--front", front, *args, code=code)


def test_collection_errors_interrupt(farflung, python):
    make(farflung)
    write(farflung.cwd / "test_broken.py", "import no_such_module\n")
    done = run(farflung, python, code=2)
    assert "no_such_module" in done.stdout and "1 error in " in done.stdout
    assert "1 not collected" in last_line(done)


def test_without_one_what_has_no_effect_is_named(farflung, python):
    make(farflung, suite="def test_a(): pass\n")
    done = run(farflung, python, "--front", "never", code=0)
    assert "without a front this has no effect: " in done.stdout
    for hook in ("pytest_configure_node", "pytest_testnodedown", "pytest_terminal_summary"):
        assert hook in done.stdout
    assert not of_kind(journal(farflung), "front-started")


def test_who_can_not_do_without_one_is_named(farflung, python):
    """As with pytest-rerunfailures: nothing runs, and the reason is no traceback."""
    make(farflung, conftest="""
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.told = config.workerinput["sock_port"]
def pytest_configure_node(node): node.workerinput["sock_port"] = 1
""", suite="def test_a(): pass\n")
    done = run(farflung, python, "--front", "never", code=4)
    assert last_line(done) == ("farflung: nothing ran; conftest wants workerinput['sock_port'], which only a front can "
                               "give, and there is none (--front never) (exit 4)")
    assert "Traceback" not in done.stdout + done.stderr
    run(farflung, python, code=0)
    make(farflung, conftest="def pytest_configure_node(node): node.workerinput['answer'] = 42\n", suite="""
import pickle
def test_asks_first(request):
    given = request.config.workerinput
    assert "answer" not in given and given.get("answer") is None and pickle.loads(pickle.dumps(given)) == dict(given)
    try:
        given["answer"]
    except KeyError:
        pass
def test_needs_it(request): request.config.workerinput["answer"]
""")
    done = run(farflung, python, "--front", "never", code=1)
    assert last_line(done) == "farflung: 1 failed, 1 passed (exit 1)"
    assert "test_a wants workerinput['answer'], which only a front can give" in done.stdout


def test_a_suite_that_needs_none_has_none(farflung, python):
    make(farflung, conftest="import pytest\n@pytest.fixture\ndef x(): return 1\n", suite="def test_a(x): assert x\n")
    done = run(farflung, python, code=0)
    assert done.stdout.startswith("farflung 0") and "1 passed" in done.stdout
    assert not of_kind(journal(farflung), "front-started")


def test_maxfail_ends_as_under_xdist(farflung, python):
    make(farflung, suite="def test_bad(): assert 0\n" + "".join(f"def test_{n}(): pass\n" for n in range(40)))
    done = run(farflung, python, "-x", code=2)
    assert "stopping after 1 failures" in done.stdout and "1 failed" in last_line(done)


def test_a_retry_is_shown_as_a_rerun(farflung, python):
    make(farflung, suite="""
import pathlib
def test_flaky():
    mark = pathlib.Path(__file__).with_name("mark")
    had = mark.exists()
    mark.touch()
    assert had
""")
    done = run(farflung, python, "--retries", 1, code=0)
    assert "1 passed, 1 rerun in " in done.stdout
    assert last_line(done) == "farflung: 1 passed, 1 retried (exit 0)"


def test_a_crash_is_told(farflung, python):
    make(farflung, conftest=CONFTEST.replace('node.workeroutput["exitstatus"]', '"-"'),
         suite="import os\ndef test_a(): pass\ndef test_dies(): os._exit(7)\ndef test_b(): pass\n")
    done = run(farflung, python, code=1)
    assert last_line(done) == "farflung: 1 crashed, 2 passed (exit 1)"
    assert "crashed while running 'test_a.py::test_dies'" in done.stdout
    assert "1 failed, 2 passed in " in done.stdout
    down = (farflung.cwd / "down.txt").read_text()
    assert sum(" None " not in line for line in down.splitlines()) == 1


def test_a_plugin_may_have_a_crash_run_again(farflung, python):
    """As pytest-rerunfailures does: the crash is a rerun then, and the test's next attempt counts."""
    make(farflung, conftest="""
def pytest_handlecrashitem(crashitem, report, sched):
    if "twice" not in crashitem:
        report.outcome = "rerun"
        sched.mark_test_pending(crashitem)
""", suite="""
import os, pathlib
def dies_first(name):
    mark = pathlib.Path(__file__).with_name(name)
    had = mark.exists()
    mark.touch()
    if not had:
        os._exit(7)
def test_once(): dies_first("once")
def test_twice(): os._exit(7)
def test_plain(): pass
""")
    done = run(farflung, python, code=1)
    assert "1 failed, 2 passed, 1 rerun in " in done.stdout
    assert last_line(done) == "farflung: 1 crashed, 2 passed, 1 retried (exit 1)"
    write(farflung.cwd / "test_a.py", (farflung.cwd / "test_a.py").read_text().replace("os._exit(7)\ndef test_plain", "pass\ndef test_plain"))
    (farflung.cwd / "once").unlink()
    done = run(farflung, python, code=0)
    assert "3 passed, 1 rerun in " in done.stdout


def test_values_go_both_ways_over_a_socket(farflung, python):
    """As pytest-rerunfailures does: a server in the controller, whose port workers are told."""
    make(farflung, conftest="""
import pathlib, socket, threading
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return
    server = config.server = socket.create_server(("127.0.0.1", 0))
    def serve():
        while 1:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            config.heard.append(conn.recv(100).decode())
            conn.sendall(b"and back")
            conn.close()
    config.heard = []
    threading.Thread(target=serve, daemon=True).start()
def pytest_configure_node(node):
    node.workerinput["sock_port"] = node.config.server.getsockname()[1]
def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        config.server.close()
        pathlib.Path(__file__).with_name("heard").write_text(" ".join(sorted(config.heard)))
""", suite="""
import pytest, socket
@pytest.mark.parametrize("n", range(4))
def test_talk(request, n):
    with socket.create_connection(("127.0.0.1", request.config.workerinput["sock_port"])) as conn:
        conn.sendall(b"test%d" % n)
        assert conn.recv(100) == b"and back"
""")
    run(farflung, python, code=0)
    assert (farflung.cwd / "heard").read_text() == "test0 test1 test2 test3"


# --- what goes wrong ---


def test_stderr_is_stderr(farflung, python):
    make(farflung, conftest=CONFTEST + """
import sys
def pytest_unconfigure(): print("said late", file=sys.stderr, flush=True)
""", suite="def test_a(): pass\n")
    done = run(farflung, python, code=0)
    assert "said late" in done.stderr.splitlines() and "said late" not in done.stdout


def test_a_front_that_is_killed_is_no_success(farflung, python):
    make(farflung, suite="""
import os, pathlib, signal
def test_first(): pass
def test_kills(): os.kill(int(pathlib.Path(__file__).with_name("front.pid").read_text()), signal.SIGKILL)
""")
    done = farflung.run("pytest", "-n", 1, "--python", python, "--jsonl", "e.jsonl", "--junit", "j.xml", code=3)
    assert "the front of job 'pytest' died" in last_line(done) and "SIGKILL" in last_line(done)
    events = read_jsonl(farflung.cwd / "e.jsonl")
    assert "passed" in {event["result"]["outcome"] for event in of_kind(events, "unit-finished")}
    (finished,) = of_kind(events, "front-finished")
    assert "SIGKILL" in finished["error"] and of_kind(events, "job-finished")[0]["state"] == "error"
    assert ("pytest", "pytest") in {(suite, name) for suite, name in junit_outcomes(farflung.cwd / "j.xml")} or \
        "the front of job" in (farflung.cwd / "j.xml").read_text()


def test_a_front_that_can_not_start_is_quoted(farflung, python):
    make(farflung, conftest="""
import os, sys
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        print("no licence for this machine", file=sys.stderr, flush=True)
        os._exit(9)
""", suite="def test_a(): pass\n")
    done = run(farflung, python, code=3)
    assert "the front of job 'pytest' died" in last_line(done)
    assert "no licence for this machine" in done.stderr
    (finished,) = of_kind(journal(farflung), "front-finished")
    assert "no licence for this machine" in finished["error"] and "exit status 9" in finished["error"]


def test_a_plugin_that_fails_in_it_is_named_first(farflung, python):
    make(farflung, conftest="def pytest_runtest_logreport(report):\n"
         "    import os\n    if 'PYTEST_XDIST_WORKER' not in os.environ: raise ValueError('no disk for reports')\n",
         suite="def test_a(): pass\n")
    done = run(farflung, python, code=3)
    assert last_line(done).startswith("farflung: 1 passed; the front of job 'pytest': ")
    assert "ValueError: no disk for reports" in last_line(done)[:120]


def test_an_exit_status_of_the_front_counts(farflung, python):
    make(farflung, conftest="def pytest_sessionfinish(session):\n"
         "    if not hasattr(session.config, 'workerinput'): session.exitstatus = 1\n", suite="def test_a(): pass\n")
    done = run(farflung, python, code=1)
    assert last_line(done).startswith("farflung: 1 passed; ")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\njobs: {{unit: {{pytest: [test_a.py]}}}}")
    farflung.run("run", code=1)


def test_a_hook_may_be_content_with_nothing(farflung, python):
    make(farflung, conftest="def pytest_sessionfinish(session, exitstatus):\n"
         "    if not hasattr(session.config, 'workerinput') and exitstatus == 5: session.exitstatus = 0\n",
         suite="def test_a(): pass\n")
    assert last_line(run(farflung, python, "-k", "nothing", code=0)).endswith("no tests were collected (exit 0)")
    run(farflung, python, "-k", "nothing", "--front", "never", code=5)


def test_an_interrupt_lets_it_write(farflung, python):
    make(farflung, suite="""
import pathlib, time
def test_ends(): pass
def test_waits():
    pathlib.Path(__file__).with_name("waits").touch()
    while not pathlib.Path(__file__).with_name("go").exists():
        time.sleep(0.01)
def test_never(): pass
""")
    process = farflung.start("pytest", "-n", 1, "--python", python)
    wait_until((farflung.cwd / "waits").exists, 60, "the test runs")
    process.send_signal(signal.SIGINT)
    journal = next((farflung.cwd / ".farflung" / "runs").glob("2*/journal.jsonl"))
    wait_until(lambda: '"interrupted"' in journal.read_text(), 60, "the interrupt is known")
    (farflung.cwd / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, out + err
    assert "KeyboardInterrupt" in out and "our own summary, status 2" in out
    assert "interrupted (exit 2)" in err.splitlines()[-1]


def bytes_in(file):
    size = array.array("i", [0])
    fcntl.ioctl(file, termios.FIONREAD, size)
    return size[0]


def test_a_reader_that_stops_holds_it_up(farflung, python):
    count = 3000
    make(farflung, suite=f"import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_n(n): pass\n")
    process = farflung.start("pytest", "-n", 2, "--python", python, "-v")
    wait_until(lambda: bytes_in(process.stdout) >= 60000, 60, "the pipe is full")
    assert process.poll() is None
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert sum(" PASSED test_a.py::test_n[" in line for line in out.splitlines()) == count
    assert f"{count} passed in " in out


def test_who_interrupts_twice_waits_for_no_reader(farflung, python):
    make(farflung, suite="import pytest\n@pytest.mark.parametrize('n', range(3000))\ndef test_n(n): pass\n")
    process = farflung.start("pytest", "-n", 1, "--python", python, "-v")
    wait_until(lambda: bytes_in(process.stdout) >= 60000, 60, "the pipe is full")
    process.send_signal(signal.SIGINT)
    (path,) = (farflung.cwd / ".farflung" / "runs").glob("2*/journal.jsonl")
    wait_until(lambda: '"interrupted"' in path.read_text(), 60, "the interrupt is known")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: '"run-finished"' in path.read_text(), 60, "the run is over")
    process.send_signal(signal.SIGINT)  # nor for what we have to say of it ourselves
    assert process.wait(timeout=60) != 0
    process.stdout.close()
    assert "interrupted (exit 2)" in process.stderr.read()
    process.stderr.close()


def test_two_jobs_have_a_front_each(farflung, python):
    for name, body in ("one", "assert 1"), ("two", "assert 0"):
        write(farflung.cwd / name / "conftest.py",
              f"def pytest_terminal_summary(terminalreporter): terminalreporter.write_line('summary of {name}')\n")
        write(farflung.cwd / name / f"test_{name}.py", f"def test_{name}(): {body}\n")
    farflung.yaml(f"inventory: [{{spec: popen, slots: 2, python: '{python}'}}]\njobs:\n"
                  "  one: {pytest: [-p, 'no:cacheprovider', one]}\n  two: {pytest: [-p, 'no:cacheprovider', two]}\n"
                  "  cmd: {run: 'echo hello'}\n")
    done = farflung.run("run", "--junit", "j.xml", code=1)
    assert "[one] summary of one\n" in done.stdout and "[two] summary of two\n" in done.stdout
    assert done.stdout.count("assert 0") >= 1 and done.stdout.count("> ") == done.stdout.count("[two] > ")
    assert last_line(done) == "farflung: 1 failed, 2 passed (exit 1)"
    events = journal(farflung)
    assert sorted(event["job"] for event in of_kind(events, "front-finished")) == ["one", "two"]
    assert "summary of two" in "".join(event["text"] for event in of_kind(events, "front-text"))


def test_the_key_of_a_job(farflung, python):
    make(farflung, suite="def test_a(): pass\n")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\njobs: {{unit: {{pytest: [test_a.py], front: never}}}}")
    done = farflung.run("run", code=0)
    assert "without a front this has no effect: " in done.stdout
    farflung.yaml("inventory: [popen]\njobs: {unit: {pytest: [test_a.py], front: sometimes}}")
    done = farflung.run("run", code=2)
    assert "auto, always or never" in done.stderr


# --- beside pytest-xdist's options ---

HEARS = """
import os, pathlib
def pytest_xdist_setupnodes(config, specs):
    note("setup %d %s" % (len(specs), config.option.dist))
def pytest_handlecrashitem(crashitem, report, sched): note("crash %s" % crashitem)
def pytest_runtest_logreport(report):
    if hasattr(report, "item_index") and report.when == "call":
        note("%s %s %s" % (report.worker_id, report.item_index, report.nodeid))
def note(text):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with open(pathlib.Path(__file__).parent / "heard.txt", "a") as file: print(text, file=file)
"""


def heard(farflung):
    return sorted((farflung.cwd / "heard.txt").read_text().splitlines())


def test_each_test_by_each_worker(farflung, python):
    make(farflung, conftest=HEARS, suite="def test_a(): pass\ndef test_b(): pass\n")
    done = run(farflung, python, "--dist", "each", code=0)
    assert last_line(done) == "farflung: 4 passed (exit 0)"
    assert heard(farflung) == [
        "gw0 0 test_a.py::test_a", "gw0 1 test_a.py::test_b", "gw1 0 test_a.py::test_a", "gw1 1 test_a.py::test_b",
        "setup 2 each"]


def test_a_crash_where_each_worker_runs_all(farflung, python):
    make(farflung, conftest=HEARS, suite="import os\ndef test_a(): pass\n"
         "def test_b():\n    if os.environ['PYTEST_XDIST_WORKER'] == 'gw1': os._exit(9)\n")
    done = run(farflung, python, "--dist", "each", code=1)
    assert last_line(done) == "farflung: 1 crashed, 3 passed (exit 1)"
    assert [line for line in heard(farflung) if line.startswith("crash")] == ["crash test_a.py::test_b"]


@pytest.mark.parametrize("args, settings, setup", [
    (["-n", "2"], "--dist loadfile", "setup 2 loadfile"),
    (["-n", "2", "--dist", "loadscope"], "--dist loadfile", "setup 2 loadscope"),
    (["-n", "2"], "-d", "setup 2 load"),
    (["-n", "3", "--dist", "no"], "", "setup 1 load"),
    (["-n", "0"], "", "setup 1 load"),
], ids=str)
def test_it_knows_how_tests_are_spread(farflung, python, args, settings, setup):
    make(farflung, conftest=HEARS, suite="def test_a(): pass\n")
    write(farflung.cwd / "pytest.ini", f"[pytest]\naddopts = {settings}\n")
    done = farflung.run("pytest", "--python", python, *args, code=0)
    assert last_line(done) == "farflung: 1 passed (exit 0)"
    assert setup in heard(farflung)


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "quiet"])
def test_what_tests_print_is_among_its_lines(farflung, python, quiet):
    make(farflung, conftest=HEARS, suite="def test_a(): print('hello there')\n")
    done = run(farflung, python, "-s", *quiet, code=0)
    assert done.stdout.count("hello there") == 1
    assert "test_a.py::test_a] hello there\n" in done.stdout
    farflung.yaml(f"inventory: [{{spec: popen, slots: 2, python: '{python}'}}]\njobs: {{unit: {{pytest: [-s]}}}}")
    assert farflung.run("run", code=0).stdout.count("hello there") == 1


def test_addopts_of_the_environment_are_read_once(farflung, python):
    make(farflung, conftest=HEARS, suite="import pytest\n@pytest.mark.flaky_here\ndef test_a(): pass\n")
    farflung.env["PYTEST_ADDOPTS"] = "--maxfail 5 --junit-prefix x -v --testrunuid mine"
    done = run(farflung, python, code=0)
    assert last_line(done) == "farflung: 1 passed (exit 0)"


@pytest.mark.parametrize("args", [[], ["-p", "no:xdist"]], ids=["", "without xdist"])
@pytest.mark.parametrize("made", ["None", "Split()"])
def test_a_scheduler_of_ones_own_needs_no_front(farflung, python, made, args):
    make(farflung, conftest="class Split:\n    def _split_scope(self, nodeid): return 'all'\n"
                            f"def pytest_xdist_make_scheduler(config, log): return {made}\n",
         suite="def test_a(): pass\n")
    run(farflung, python, *args, code=0)
    assert of_kind(journal(farflung), "front-started") == []


def test_who_reads_it_may_leave(farflung, python):
    """As with "| head": the run comes to its own end, without a word about pipes but the last."""
    make(farflung, suite="import pytest\n@pytest.mark.parametrize('n', range(1000))\ndef test_n(n): assert n != 999\n")
    for args, code in ([], 1), (["--deselect", "test_a.py::test_n[999]"], 0):
        process = farflung.start("pytest", "-n", 2, "--python", python, "-v", *args)
        assert process.stdout.readline().startswith("=====")
        process.stdout.close()
        assert process.wait(timeout=100) == code
        err = process.stderr.read()
        process.stderr.close()
        assert err.splitlines()[-1].endswith(f"; stdout was closed (exit {code})"), err
        assert "Error" not in err and "error" not in err, err
    events = read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")
    (finished,) = of_kind(events, "front-finished")
    assert finished["exit_status"] == 0 and not finished["bad"]
    assert len((farflung.cwd / "down.txt").read_text().splitlines()) == 2 * 2


def test_what_pytest_cov_lacks_is_in_the_last_line(farflung, python):
    if subprocess.run([python, "-c", "import pytest_cov"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("pytest-cov is not installed")
    write(farflung.cwd / "library.py", "def used(): return 1\ndef never():\n    return 2\n")
    write(farflung.cwd / "test_a.py", "import library\ndef test_a(): assert library.used()\n")
    cov = ["--", "--cov=library", "--cov-report=xml"]
    done = run(farflung, python, *cov, "--cov-fail-under=99", code=1)
    assert last_line(done) == "farflung: 1 passed; the coverage of 66.67% is below --cov-fail-under=99 (exit 1)"
    assert (farflung.cwd / "coverage.xml").exists()
    done = run(farflung, python, "--", "--cov=.", "--cov-report=xml", "--cov-report=term", code=0)
    assert "CoverageWarning" not in done.stdout + done.stderr
    assert sorted(re.findall(r'filename="([^"]*)"', (farflung.cwd / "coverage.xml").read_text())) == [
        "library.py", "test_a.py"]
    assert last_line(run(farflung, python, *cov, "--cov-fail-under=66", code=0)) == "farflung: 1 passed (exit 0)"

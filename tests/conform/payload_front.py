"""front.py and payload.py through a small runner, beside pytest-xdist: the controller's half of
plugins. Run with: python3 -m pytest tests/conform/payload_front.py"""
import json
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "fakes"))
from front_runner import END, LIMIT, Play, joined  # noqa: E402

try:
    import xdist
except ImportError:
    xdist = None

MIXED = """
    import sys, warnings, pytest

    def test_pass(): pass
    def test_fail(): print("to stdout"); assert [1, 2] == [1, 3], "mine"
    def test_warns(): warnings.warn("careful")
    def test_skip(): pytest.skip("not today")
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert 0
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.fixture
    def bad_teardown():
        yield
        raise RuntimeError("teardown broke")
    def test_teardown_error(bad_teardown): print("in call")
    @pytest.fixture
    def bad_setup(): raise RuntimeError("setup broke")
    def test_setup_error(bad_setup): pass
    def test_chained():
        try:
            {}["a"]
        except KeyError as exc:
            raise ValueError("b") from exc
"""

# Writes down, for each side, which hooks were called with what.
RECORDING = """
    import json, os, pytest

    PATH = os.path.join(os.path.dirname(__file__), "told")

    def tell(config, *what):
        if not hasattr(config, "workerinput"):
            with open(PATH, "a") as fp:
                fp.write(json.dumps(what) + "\\n")

    def pytest_configure(config):
        pytest.config_of_this = config
        tell(config, "configure", config.option.numprocesses, config.option.dist, config.option.tx,
             config.getvalue("dist"), os.environ.get("PYTEST_XDIST_WORKER"))

    def pytest_sessionstart(session): tell(session.config, "sessionstart")
    def pytest_xdist_setupnodes(config, specs):
        tell(config, "setupnodes", [[spec.id, bool(spec.popen), spec.ssh, spec.chdir] for spec in specs])
    def pytest_xdist_newgateway(gateway):
        rinfo = gateway._rinfo()
        tell(pytest.config_of_this, "newgateway", gateway.id, gateway.spec.id, rinfo.platform,
             list(rinfo.version_info[:2]), rinfo.executable)
    def pytest_configure_node(node):
        node.workerinput["shared"] = {"from": "controller", "id": node.gateway.id}
        node.workerinput["odd"] = {1, 2} and os
        tell(node.config, "configure_node", node.workerinput["workerid"], node.workerinput["workercount"],
             node.nodemanager.testrunuid, node.workerinput["mainargv"], node.nodemanager.roots)
    def pytest_testnodeready(node):
        tell(node.config, "ready", node.workerinfo["id"], node.workerinfo["sysplatform"])
    def pytest_xdist_node_collection_finished(node, ids):
        tell(node.config, "collected", node.gateway.id, ids)
    def pytest_runtest_logstart(nodeid, location):
        tell(pytest.config_of_this, "start", nodeid)
    def pytest_runtest_logreport(report):
        if hasattr(report, "node"):
            tell(report.node.config, "report", report.nodeid, report.when, report.outcome,
                 report.node.gateway.id == report.worker_id, report.item_index, report.testrun_uid,
                 list(report.location), sorted(report.keywords), report.user_properties,
                 getattr(report, "extra_thing", None))
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        result = yield
        if call.when == "call":
            result.get_result().extra_thing = ["seen", {"in": item.name}]
            result.get_result().unsendable = object()
    def pytest_runtest_logfinish(nodeid, location):
        tell(pytest.config_of_this, "finish", nodeid)
    def pytest_handlecrashitem(crashitem, report, sched):
        tell(sched.config, "crash", crashitem, report.longrepr)
    def pytest_testnodedown(node, error):
        tell(node.config, "down", node.gateway.id, error, getattr(node, "workeroutput", None))
    def pytest_sessionfinish(session, exitstatus):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["told"] = session.config.workerinput["shared"]
        tell(session.config, "sessionfinish", int(exitstatus))
    def pytest_terminal_summary(terminalreporter, exitstatus):
        terminalreporter.write_line("MY SUMMARY %d" % exitstatus)
    def pytest_unconfigure(config): tell(config, "unconfigure")

    @pytest.fixture
    def shared(request): return request.config.workerinput["shared"]
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Writes files into a folder of its own."""
    folder = tmp_path / "suite"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith(("PYTEST", "PY_COLORS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def write(**files):
        for name, text in files.items():
            path = folder / (name.replace("__", ".") if "__" in name else name + ".py")
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return folder

    return write


def of_the_suite(reasons):
    """Without those of plugins that happen to be installed here."""
    return [reason for reason in reasons if not reason.startswith("pytest-")]


def told(folder):
    with open(folder / "told") as fp:
        return [json.loads(line) for line in fp]


def under_xdist(folder, *args, count=1):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"-n{count}", *args], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=LIMIT,
    )
    return done.stdout.decode(), done.returncode


def test_hooks_of_the_controller(suite):
    folder = suite(
        conftest=RECORDING,
        test_a="""
            def test_shared(shared, request, record_property):
                record_property("a", (1, 2))
                assert shared == {"from": "controller", "id": request.config.workerinput["workerid"]}
                assert "os" in request.config.workerinput["odd"]
                name = "popen-" + request.config.workerinput["workerid"]
                assert str(request.getfixturevalue("tmp_path_factory").getbasetemp()).endswith(name)
        """,
    )
    play = Play(folder)
    assert play.results() == {"test_a.py::test_shared": ["passed"]}
    assert play.finished == {"exitstatus": 0, "words": "", "bad": False}
    assert "MY SUMMARY 0\n" in play.text and "1 passed" in play.text
    for reasons in play.needs.values():
        (reason,) = of_the_suite(reasons)
        assert reason.startswith("conftest.py: pytest_configure_node, ")
        assert "pytest_sessionfinish" in reason and "pytest_runtest_makereport" not in reason
    calls = told(folder)
    names = [call[0] for call in calls]
    assert names[:3] == ["configure", "sessionstart", "setupnodes"]
    assert names[-2:] == ["sessionfinish", "unconfigure"]
    assert calls[0][1:] == [2, "load", ["popen", "popen"], "load", None]
    assert calls[2][1] == [["gw0", True, None, None], ["gw1", True, None, None]]
    by = {name: [call[1:] for call in calls if call[0] == name] for name in names}
    version = list(sys.version_info[:2])
    assert sorted(by["newgateway"]) == [
        [id, id, sys.platform, version, sys.executable] for id in ("gw0", "gw1")
    ]
    assert sorted(by["configure_node"]) == [[id, 2, "uid", ["pytest"], []] for id in ("gw0", "gw1")]
    assert sorted(by["ready"]) == [[id, sys.platform] for id in ("gw0", "gw1")]
    assert sorted(by["collected"]) == [[id, ["test_a.py::test_shared"]] for id in ("gw0", "gw1")]
    assert by["start"] == by["finish"] == [["test_a.py::test_shared"]]
    reports = by["report"]
    assert [report[1] for report in reports] == ["setup", "call", "teardown"]
    for report in reports:
        assert report[2:6] == ["passed", True, 0, "uid"]
        assert report[6] == ["test_a.py", 1, "test_shared"]
        assert "test_shared" in report[7] and "test_a.py" in report[7]
    assert [report[8] for report in reports] == [[], [["a", [1, 2]]], [["a", [1, 2]]]]
    assert [report[9] for report in reports] == [None, ["seen", {"in": "test_shared"}], None]
    for id, error, output in by["down"]:
        assert error is None and output["exitstatus"] == (0 if id in "gw0 gw1" else None)
        assert output["told"] == {"from": "controller", "id": id}


def test_front_without_xdist(suite):
    """Where it isn't installed, or put aside: hooks without optionalhook and options are there."""
    folder = suite(
        conftest=RECORDING, test_a="def test_a(worker_id, testrun_uid): assert testrun_uid == 'uid'\n"
    )
    play = Play(folder, "-p", "no:xdist")
    assert play.finished == {"exitstatus": 0, "words": "", "bad": False}
    calls = told(folder)
    assert calls[0][1:] == [2, "load", ["popen", "popen"], "load", None]
    # The first list is enough to begin: the other worker's may be still to come.
    counted = r"(2 workers \[1 item\]|collecting: 1/2 workers)"
    assert re.search(r"created: 2/2 workers\n" + counted + r"\n\n\.   ", play.text), play.text
    play = Play(folder, "-p", "no:xdist", "-v", workers=1)
    assert "created: 1/1 worker\n1 worker [1 item]\n\nscheduling tests via LoadScheduling\n" in play.text
    assert "[gw0] [100%] PASSED test_a.py::test_a" in play.text


@pytest.mark.parametrize("text", ["popen", "ssh=-p 22 a@b//chdir=x//python=py3", "popen//env:A=b//id=q"])
def test_specs_without_execnet(text):
    import execnet

    names = {}
    exec(joined("front"), names)
    ours, theirs = names["Spec"](text), execnet.XSpec(text)
    for name in ("popen", "ssh", "chdir", "python", "socket", "via", "id", "env", "nice", "_spec"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert str(ours) == str(theirs) and ours == names["Spec"](text) and len({ours, ours}) == 1
    assert not hasattr(ours, "__len__")


@pytest.mark.parametrize("what", [("nonsense",), ("collected", "many", 5), ("warning", {}, 1, 2, 3)])
def test_nonsense_from_a_worker_is_not_green(suite, what):
    class Lying(Play):
        def tell_front(self, *message):
            if message[0] == "from" and message[2][0] == "ready":
                message = ("from", message[1], what)
            super().tell_front(*message)

    play = Lying(suite(test_a="def test_a(): pass\n"), "-ra", workers=1)
    assert play.finished["exitstatus"] == 3 and play.finished["bad"]


@pytest.mark.parametrize("args", [["--fixtures"], ["--version"], ["--markers"], ["--collect-only"]])
def test_what_only_shows_has_no_front(suite, args):
    folder = suite(test_a="def test_a(): pass\n", conftest="def pytest_terminal_summary(): pass\n")
    play = Play(folder, *args, workers=1, front="always")
    assert not play.needs and play.front is None


PLAIN = {
    "only tests": dict(),
    "fixtures and marks": dict(conftest="""
        import os, sys, pytest
        def pytest_addoption(parser): parser.addoption("--slow", action="store_true")
        def pytest_configure(config):
            config.addinivalue_line("markers", "slow: marks")
            os.environ["SEEN"] = "1"
            sys.path.insert(0, os.path.dirname(__file__))
        def pytest_collection_modifyitems(config, items): pass
        def pytest_generate_tests(metafunc): pass
        def pytest_runtest_setup(item): pass
        @pytest.fixture(autouse=True, scope="session")
        def all(request): yield
    """),
    "addopts": dict(pytest__ini="[pytest]\naddopts = -p no:cacheprovider -v --strict-markers\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_plain_suites_need_no_front(suite, name):
    folder = suite(test_a="def test_a(): pass\n", **PLAIN[name])
    play = Play(folder, workers=1)
    assert play.results() == {"test_a.py::test_a": ["passed"]}
    assert not any(of_the_suite(reasons) for reasons in play.needs.values())
    if not play.needs:  # nor had a plugin that is installed here
        (done,) = [item for _, item in play.items if item[0] == "done"]
        assert done[10] is None and not play.said


REASONS = {
    "once per run": (["--co"], "def pytest_configure(config):\n    open('x', 'w')\n", None),
    "configure": ([], "def pytest_configure(config):\n    open('x', 'w').close()\n",
                  "conftest.py: pytest_configure"),
    "asks": ([], "def pytest_configure(config):\n    if hasattr(config, 'workerinput'): return\n",
             "conftest.py: pytest_configure"),
    "summary": ([], "def pytest_terminal_summary(terminalreporter): pass\n",
                "conftest.py: pytest_terminal_summary"),
    "teststatus": ([], "def pytest_report_teststatus(report): pass\n",
                   "conftest.py: pytest_report_teststatus"),
    "logreport": ([], "def pytest_runtest_logreport(report): pass\n",
                  "conftest.py: pytest_runtest_logreport"),
    "-ra": (["-ra"], "", ""), "tb": (["--tb=short"], "", ""),
    "durations": (["--durations=3"], "", ""), "lf": (["--lf"], "", ""),
    "ff": (["--ff"], "", ""), "nf": (["--nf"], "", ""), "sw": (["--sw"], "", "--sw"),
    "capture": (["--show-capture=no"], "", ""),
    "junit": (["--junitxml=x.xml"], "", "--junitxml"),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_reasons(suite, name, monkeypatch):
    args, conftest, reason = REASONS[name]
    folder = suite(test_a="def test_a(): pass\n", conftest=conftest)
    play = Play(folder, *args, workers=1, front="never")
    assert not play.needs and not play.front
    assert of_the_suite(sum(play.withouts, [])) == ([reason] if reason else [])
    if args and reason:
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(args))
        (reasons,) = Play(folder, workers=1, front="never").withouts
        assert of_the_suite(reasons) == [reason]


def test_ended_while_it_waits(suite):
    """A worker that is told to end before the front has answered ends without a word of trouble."""

    class Deaf(Play):
        def tell_front(self, *message):
            if message[0] == "node":
                self.workers[message[1]].send("end")
            else:
                super().tell_front(*message)

    play = Deaf(suite(test_a="def test_a(): pass\n"), "-ra", workers=1)
    (finished,) = [item[1] for _, item in play.items if item[0] == "finished"]
    assert not finished["bad"] and finished["stop"] == "" and not play.outcomes


def test_interrupted(suite):
    """By the user, whose Ctrl-C also reaches the front: it is the runner's to say so."""

    class Interrupting(Play):
        def hear_front(self, item):
            if item != END and item[0] == "ready":
                os.kill(self.front.process.pid, signal.SIGINT)
            super().hear_front(item)

        def tell_front(self, *message):
            super().tell_front(*(("end", True, "interrupted") if message[0] == "end" else message))

    folder = suite(test_a="def test_a(): pass\n")
    play = Interrupting(folder, "-ra", workers=1)
    assert "!!! KeyboardInterrupt !!!" in play.text and "= 1 passed in" in play.text
    assert play.finished["exitstatus"] == 2 and not play.finished["bad"]


def test_results_do_not_wait_for_ever(suite):
    """They are held back until all have collected, but not for one that never comes."""
    folder = suite(test_a="def test_a(): pass\n")
    specs = [{"id": id, "spec": "popen", "host": "local"} for id in ("gw0", "gw1")]
    play = Play(folder, "-ra", workers=1, specs=specs)
    assert play.finished == {"exitstatus": 0, "words": "", "bad": False}
    assert "1 passed" in play.text


def test_junit_of_the_front(suite):
    folder = suite(test_mixed=MIXED)
    play = Play(folder, "--junitxml=x.xml", workers=1)
    under_xdist(folder, "--junitxml=y.xml")
    texts = []
    for name in ("x.xml", "y.xml"):
        text = re.sub(r' (time|timestamp)="[^"]*"', "", (folder / name).read_text())
        texts.append(re.sub(r"0x[0-9a-f]+", "0x", text))
    assert texts[0] == texts[1] and play.finished["exitstatus"] == 1


def test_order_of_what_is_told(suite):
    """A test's warning comes behind its reports, as it happened."""
    folder = suite(
        test_a="import warnings\ndef test_a(): warnings.warn('careful')\n",
        conftest="""
            SEEN = []
            def pytest_runtest_logstart(nodeid): SEEN.append("start")
            def pytest_runtest_logreport(report): SEEN.append(report.when)
            def pytest_runtest_logfinish(nodeid): SEEN.append("finish")
            def pytest_warning_recorded(warning_message): SEEN.append(str(warning_message.message))
            def pytest_terminal_summary(terminalreporter):
                terminalreporter.write_line("SEEN " + " ".join(SEEN))
        """,
    )
    play = Play(folder, workers=1)
    assert "SEEN start setup call teardown finish careful\n" in play.text


def test_controller_decides_the_exit_status(suite):
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="""
            def pytest_sessionfinish(session, exitstatus):
                if not hasattr(session.config, "workerinput"):
                    session.exitstatus = {5: 0, 0: 6}[int(exitstatus)]
        """,
    )
    play = Play(folder)
    assert play.finished == {
        "exitstatus": 6, "words": "a hook set the exit status to 6", "bad": True,
    }
    assert Play(folder, "-k", "none").finished["exitstatus"] == 0


def test_nothing_collected(suite):
    play = Play(suite(test_a="def test_a(): pass\n"), "-k", "none", "-ra")
    assert play.finished == {"exitstatus": 5, "words": "", "bad": False}


def test_last_failed(suite):
    folder = suite(test_a="def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): pass\n")
    assert Play(folder, "-ra").finished["exitstatus"] == 1
    with open(folder / ".pytest_cache" / "v" / "cache" / "lastfailed") as fp:
        assert json.load(fp) == {"test_a.py::test_a": True}
    with open(folder / ".pytest_cache" / "v" / "cache" / "nodeids") as fp:
        assert json.load(fp) == ["test_a.py::test_" + c for c in "abc"]
    play = Play(folder, "--lf")
    assert play.results() == {"test_a.py::test_a": ["failed"]}


def test_stepwise_stops_all(suite):
    folder = suite(test_a="def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n")
    play = Play(folder, "--sw", workers=1)
    assert play.stopped and "test_a.py::test_c" not in play.results()
    assert play.finished["exitstatus"] == 2
    with open(folder / ".pytest_cache" / "v" / "cache" / "stepwise") as fp:
        assert "test_a.py::test_b" in fp.read()


def test_tests_that_did_not_run_are_counted(suite):
    folder = suite(test_a="def test_a(): assert 0\ndef test_b(): pass\ndef test_c(): pass\n")
    play = Play(folder, "-x", "-v", workers=1, front="always")
    left = [name for name in play.ids if name not in play.results()]
    (count,) = re.findall(r"^=+ (\d) not run: stopping after 1 failures =+$", play.text, re.M)
    named = re.findall("^NOT RUN (.*)$", play.text, re.M)
    assert named and len(named) == int(count) and set(named) <= set(left)
    assert "1 failed in" in play.text and play.finished["exitstatus"] == 2


def test_runner_retries(suite):
    folder = suite(
        test_a="""
            import os
            def test_flaky():
                if not os.path.exists("second"):
                    open("second", "w").close()
                    assert 0
            def test_bad(): assert 0
        """
    )
    play = Play(folder, "-v", workers=1, retries=1, front="always")
    assert play.results() == {
        "test_a.py::test_flaky": ["failed", "passed"], "test_a.py::test_bad": ["failed", "failed"],
    }
    assert play.finished == {"exitstatus": 1, "words": "", "bad": False}
    assert "1 failed, 1 passed, 2 rerun in" in play.text
    assert play.text.count("] RERUN test_a.py::test_") == 2
    assert play.text.count("____ test_bad ____") == 1 and "____ test_flaky ____" not in play.text


CRASH = """
    import os, signal
    def test_a(): pass
    def test_crash():
        if not os.path.exists("again"):
            open("again", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    def test_b(): pass
    def test_c(): pass
"""


def test_crash(suite):
    folder = suite(test_a=CRASH, conftest=RECORDING)
    play = Play(folder, "-v")
    assert play.finished["exitstatus"] == 1 and not play.finished["bad"]
    assert sorted(play.results().values()) == [["crashed"], ["passed"], ["passed"], ["passed"]]
    calls = told(folder)
    (crash,) = [call for call in calls if call[0] == "crash"]
    (down,) = [call for call in calls if call[0] == "down" and call[2]]
    words = "worker '%s' crashed while running 'test_a.py::test_crash'" % down[1]
    assert crash[1:] == ["test_a.py::test_crash", words + "\nkilled by signal 9"]
    assert down[2:] == ["killed by signal 9", None]
    assert calls.index(down) < calls.index(crash)
    text = play.text
    assert "[%s] node down: killed by signal 9\n" % down[1] in text
    assert "\nreplacing crashed worker %s\n" % down[1] in text
    assert "FAILED test_a.py::test_crash" in text and "1 failed, 3 passed" in text
    assert ["gw2"] in [call[1:2] for call in calls if call[0] == "newgateway"]


def test_crash_that_a_plugin_reruns(suite):
    folder = suite(
        test_a=CRASH,
        conftest="""
            def pytest_handlecrashitem(crashitem, report, sched):
                sched.mark_test_pending(crashitem)
                report.outcome = "rerun"
        """,
    )
    play = Play(folder, workers=1)
    assert play.named("again") == [("test_a.py::test_crash",)]
    assert play.results()["test_a.py::test_crash"] == ["crashed", "passed"]
    assert play.finished["exitstatus"] == 0 and "4 passed, 1 rerun" in play.text


def test_collection_errors_are_shown_once(suite):
    folder = suite(test_a="import nothing_there\n", test_b="def test_b(): pass\n",
                   test_c="import pytest; pytest.skip('all', allow_module_level=True)\n")
    play = Play(folder, "-ra")
    assert play.text.count("ERROR collecting test_a.py") == 1
    assert "Interrupted: 1 error during collection" in play.text
    assert play.finished["exitstatus"] == 2
    assert "1 skipped, 1 error in" in play.text


def test_warnings_are_those_of_their_classes(suite):
    folder = suite(
        own_warning="class Own(UserWarning):\n    def __init__(self, a, b): self.a = a\n",
        test_a="""
            import warnings, own_warning
            def test_a():
                warnings.warn(own_warning.Own("x", 2))
                class Local(UserWarning): pass
                warnings.warn(Local("here"))
                warnings.warn(UserWarning(object))
        """,
        conftest="""
            SEEN = []
            def pytest_warning_recorded(warning_message, when, nodeid, location):
                kind = warning_message.category
                SEEN.append("%s.%s %s %s" % (kind.__module__, kind.__name__, when, nodeid))
            def pytest_terminal_summary(terminalreporter):
                for line in sorted(SEEN): terminalreporter.write_line("SEEN " + line)
        """,
    )
    play = Play(folder, workers=1)
    seen = re.findall("SEEN (.*)", play.text)
    assert seen == [
        "builtins.UserWarning runtest test_a.py::test_a", "own_warning.Own runtest test_a.py::test_a",
        "test_a.Local runtest test_a.py::test_a",
    ]
    assert "1 passed, 3 warnings" in play.text


def test_internal_error_of_a_worker(suite):
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="def pytest_runtest_protocol(item):\n    raise ValueError('broken inside')\n",
    )
    play = Play(folder, "-ra", workers=1)
    assert "INTERNALERROR> " in play.text and "broken inside" in play.text
    assert play.finished["exitstatus"] == 3 and play.finished["bad"]


def test_error_in_a_hook_of_the_controller(suite):
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="def pytest_configure_node(node):\n    raise ValueError('no database')\n",
    )
    play = Play(folder, workers=1)
    assert play.finished["exitstatus"] == 3 and play.finished["bad"]
    assert "no database" in play.finished["words"] and "no database" in play.text
    assert not play.outcomes


def test_usage_error_of_the_controller_alone(suite):
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="""
            import pytest
            def pytest_configure(config):
                if not hasattr(config, "workerinput"):
                    raise pytest.UsageError("give me a database")
        """,
    )
    play = Play(folder, workers=1)
    assert play.named("usage_error") == [("give me a database",)]
    assert play.finished == {"exitstatus": 4, "words": "give me a database", "bad": True}


def test_sections_of_a_report_are_its_own(suite):
    folder = suite(
        test_a="def test_a(): print('the one line'); assert 0\n",
        conftest="""
            import pytest
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item, call):
                result = yield
                result.get_result().sections.append(("note " + call.when, "of its own"))
            def pytest_terminal_summary(terminalreporter):
                for kind in terminalreporter.stats.values():
                    for report in kind:
                        terminalreporter.write_line(
                            "SECTIONS %s %s" % (report.when, [s[0] for s in report.sections]))
        """,
    )
    play = Play(folder, workers=1)
    assert re.findall("SECTIONS (.*)", play.text) == [
        "setup ['note setup']",
        "teardown ['Captured stdout call', 'note teardown']",
        "call ['Captured stdout call', 'note call']",
    ]


def test_what_cannot_be_sent_costs_itself(suite):
    folder = suite(
        test_a="def test_a(): print('\\0\\udc80'); assert 0\ndef test_b(): pass\n",
        conftest="""
            import enum, pytest
            class Kind(enum.IntEnum):
                ONE = 1
            class Bad:
                def __repr__(self): raise ValueError("no")
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item, call):
                report = (yield).get_result()
                report.kind, report.bad, report.deep = Kind.ONE, Bad(), {Bad: [Bad()]}
            def pytest_report_to_serializable(config, report):
                if report.nodeid.endswith("test_b") and report.when == "call":
                    raise RuntimeError("can't")
            def pytest_terminal_summary(terminalreporter):
                for report in terminalreporter.stats["failed"]:
                    terminalreporter.write_line("KIND %r %s" % (report.kind, report.sections))
        """,
    )
    play = Play(folder, workers=1)
    assert r"KIND 1 [('Captured stdout call', '\x00?\n')]" in play.text
    assert "1 failed, 1 passed" in play.text and play.finished["exitstatus"] == 1


def test_report_class_of_a_plugin(suite):
    """It travels by the hooks of the plugin that knows it."""
    folder = suite(
        test_a="def test_a(): pass\n",
        conftest="""
            import pytest
            class Part(pytest.TestReport):
                pass
            @pytest.hookimpl(hookwrapper=True, trylast=True)
            def pytest_runtest_call(item):
                yield
                report = Part(item.nodeid, item.location, {}, "passed", None, "call")
                report.part = 7
                item.ihook.pytest_runtest_logreport(report=report)
            def pytest_report_to_serializable(report):
                if isinstance(report, Part):
                    data = report._to_json()
                    data["$report_type"] = "Part"
                    return data
            def pytest_report_from_serializable(data):
                if data["$report_type"] == "Part":
                    return Part._from_json(data)
            def pytest_report_teststatus(report):
                if isinstance(report, Part):
                    return "parts", ",", "PART %d" % report.part
        """,
    )
    play = Play(folder, "-v", workers=1)
    assert "PART 7 test_a.py::test_a" in play.text and "1 passed, 1 parts" in play.text


def cov_suite(suite, fail_under):
    return suite(
        mod="def f(x):\n    if x:\n        return 1\n    return 2\n",
        test_a="import mod\ndef test_a(): assert mod.f(1) == 1\n",
        test_b="import mod\ndef test_b(): assert mod.f(1) == 1\n",
    ), ["--cov=mod", "--cov-report=term", "--cov-report=xml", "--cov-fail-under=%d" % fail_under]


def test_coverage(suite):
    pytest.importorskip("pytest_cov", reason="pytest-cov is not installed")
    folder, args = cov_suite(suite, 99)
    play = Play(folder, *args)
    assert re.search(r"TOTAL +4 +1 +75%", play.text) and (folder / "coverage.xml").exists()
    assert play.finished["exitstatus"] == 1 and play.finished["bad"]
    assert [name for name in os.listdir(folder) if name.startswith(".coverage")] == [".coverage"]
    folder, args = cov_suite(suite, 50)
    play = Play(folder, *args)
    assert play.finished == {"exitstatus": 0, "words": "", "bad": False}


def test_rerunfailures(suite):
    pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed")
    folder = suite(test_a=CRASH, test_b="def test_bad(): assert 0\n")
    play = Play(folder, "--reruns=1")
    assert play.finished["exitstatus"] == 1
    assert "1 failed, 4 passed, 2 rerun" in play.text

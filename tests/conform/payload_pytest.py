"""payload.py driven through execnet (and through worker.py), compared with plain pytest.
Run with: python3 -m pytest tests/conform/payload_pytest.py"""
import hashlib
import os
import struct
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ElementTree

import execnet
import pytest
from execnet.gateway import Gateway
from execnet.gateway_base import Message, dumps_internal, get_execmodel
from execnet.gateway_io import Popen2IOMaster
from execnet.xspec import XSpec

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "fakes"))
from front_runner import joined  # noqa: E402
from worker_text import worker_text  # noqa: E402
LIMIT = 60

SUITE = {
    "conftest.py": """
        import os, pytest

        def pytest_configure(config):
            config.addinivalue_line("markers", "slow: marked")

        def pytest_report_header(config):
            return ["a line of the header"]

        @pytest.fixture(autouse=True)
        def log_test(request):
            yield

        def log(text):
            with open(os.environ["FF_LOG"], "a") as fp:
                fp.write(text + "\\n")

        @pytest.fixture(scope="session")
        def for_session():
            log("setup session")
            yield
            log("teardown session")

        @pytest.fixture(scope="module")
        def for_module(request, for_session):
            log("setup module " + request.node.name)
            yield
            log("teardown module " + request.node.name)

        @pytest.fixture(scope="class")
        def for_class(request, for_module):
            log("setup class " + request.node.name)
            yield
            log("teardown class " + request.node.name)

        @pytest.fixture
        def for_test(request):
            log("setup test " + request.node.name)
            yield
            log("teardown test " + request.node.name)

        def pytest_sessionfinish(session):
            if hasattr(session.config, "workeroutput"):
                import enum
                class E(enum.IntEnum):
                    A = 3
                class Odd: 
                    def __repr__(self): return "odd"
                session.config.workeroutput.update(
                    told=E.A, odd=Odd(), deep=[{"x": (E.A, 1.5)}],
                    got=session.config.workerinput["workerid"])
    """,
    "test_outcomes.py": """
        import sys, unittest, warnings, pytest

        def test_pass(): pass

        def test_fail():
            print("to stdout")
            print("to stderr", file=sys.stderr)
            x = 1
            assert x == 2

        def test_raise():
            raise ValueError("two\\nlines")

        @pytest.fixture
        def bad_setup():
            print("in setup")
            raise RuntimeError("setup broke")

        @pytest.fixture
        def bad_teardown():
            yield
            print("in teardown")
            raise RuntimeError("teardown broke")

        def test_setup_error(bad_setup): pass
        def test_teardown_error(bad_teardown): print("in call")
        def test_fail_and_teardown_error(bad_teardown): assert 0

        def test_skip(): pytest.skip("not today")
        @pytest.mark.skip(reason="marked")
        def test_skip_mark(): pass
        @pytest.mark.skipif(True, reason="condition")
        def test_skipif(): pass
        def test_skip_and_teardown_error(bad_teardown): pytest.skip("x")

        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert 0
        @pytest.mark.xfail
        def test_xpass(): pass
        @pytest.mark.xfail(strict=True, reason="must fail")
        def test_xpass_strict(): pass
        @pytest.mark.xfail(run=False, reason="never run")
        def test_xfail_norun(): assert 0
        @pytest.mark.xfail(raises=KeyError)
        def test_xfail_other(): raise ValueError
        def test_xfail_inside(): pytest.xfail("inside")

        @pytest.mark.parametrize("n", [1, 2, 3], ids=["one", "two", "\\u00fc"])
        def test_param(n): assert n != 2

        def test_prints(): print("only printed")
        def test_warns(): warnings.warn("careful", UserWarning)
        def test_property(record_property):
            record_property("number", 3)
            record_property("odd", {1})
        def test_exit(): sys.exit(3)
        def test_surrogate(): print("\\udc80"); assert "\\udc80" == 1

        class TestUnit(unittest.TestCase):
            def test_ok(self): pass
            def test_not(self): self.fail("no")
            @unittest.skip("unit skip")
            def test_skipped(self): pass
            @unittest.expectedFailure
            def test_expected(self): self.fail("yes")
            @unittest.expectedFailure
            def test_unexpected(self): pass
    """,
    "test_fixtures_a.py": """
        class TestOne:
            def test_a(self, for_class, for_test): pass
            def test_b(self, for_class, for_test): pass
        class TestTwo:
            def test_c(self, for_class): pass
        def test_d(for_module, for_test): pass
        def test_e(for_test): pass
    """,
    "sub/test_fixtures_b.py": """
        def test_f(for_module): pass
        class TestThree:
            def test_g(self, for_class): assert 0
            def test_h(self, for_class): pass
    """,
    "test_skipped_module.py": """
        import pytest
        pytest.skip("whole module", allow_module_level=True)
    """,
}


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Writes files into a folder of its own; plain runs go into other temporary folders."""
    folder = tmp_path / "suite"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith(("PYTEST", "PY_COLORS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FF_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")

    def write(files=SUITE):
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return folder

    return write


def open_execnet(folder):
    group = execnet.Group()
    gateway = group.makegateway("popen//python=%s//chdir=%s" % (sys.executable, folder))
    return gateway, lambda: group.terminate(timeout=LIMIT)


def open_farflung(folder):
    args = [sys.executable, "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"]
    here = os.getcwd()
    os.chdir(folder)
    try:
        io = Popen2IOMaster(args, get_execmodel("thread"))
    finally:
        os.chdir(here)
    io.write((repr("FF_ID='gw0'\n" + worker_text()) + "\n").encode())
    assert io.read(1) == b"1"
    gateway = Gateway(io, XSpec("popen//id=gw0"))

    def close():
        gateway._send(Message.GATEWAY_TERMINATE)
        io.close_write()
        try:
            assert io.popen.wait(LIMIT) == 0
        finally:
            io.popen.kill()
            io.popen.wait()
        gateway.join()
        io.close_read()

    return gateway, close


class Run:
    """One session of the payload. `give`: how many tests it is given at a time."""

    def __init__(self, folder, *args, give=None, opener=open_execnet, orders=None, **kw):
        self.items, self.tests, self.phases, self.order, self.ids = [], {}, {}, [], []
        self.wants = 0
        gateway, close = opener(folder)
        try:
            source = joined("payload")
            kwargs = dict(
                args=list(args), workerid="gw0", workercount=1, testrunuid="uid",
                mainargv=["farflung", "x"], dist="load", pythonpath=None,
            )
            kwargs.update(kw)
            self.channel = gateway.newchannel()
            task = dumps_internal((source, "payload.py", "main", kwargs))
            gateway._send(Message.CHANNEL_EXEC, self.channel.id, task)
            (orders or self.drive)(give)
        finally:
            close()
        self.finished = self.items[-1][1] if self.items and self.items[-1][0] == "finished" else None

    def receive(self):
        item = ("doing", None)
        while item[0] == "doing":  # comes in between, whenever it likes
            item = self.channel.receive(LIMIT)
            self.items.append(item)
        for done in ([item] if item[0] == "done" else [item[1]] if item[0] == "next" else []):
            assert done[1] in self.order and done[1] not in self.tests, "reported once, after its start"
            self.tests[done[1]] = done
        if item[0] in ("start", "next"):
            self.order.append(item[-1])
        if item[0] == "ids":
            self.ids = item[1]
        return item

    def order_it(self, *order):
        try:
            self.channel.send(order)
        except OSError:
            pass  # it has ended already: errors during collection, pytest.exit in a test

    def drive(self, give):
        todo, running, ended = [], 0, False
        while 1:
            try:
                item = self.receive()
            except EOFError:
                return
            if item[0] == "collected":
                todo = [] if item[1]["collectonly"] else list(range(item[1]["count"]))
                self.order_it("list")
                give = give or max(1, len(todo))
            elif item[0] in ("done", "next"):
                running -= 1
            elif item[0] == "want":
                self.wants += 1
            if item[0] == "finished":
                continue
            if item[0] in ("ids", "want") or item[0] == "done" and not running:
                if todo:
                    part, todo = todo[:give], todo[give:]
                    running += len(part)
                    self.order_it("run", part)
                elif not ended:
                    ended = True
                    self.order_it("end")

    def named(self, kind):
        return [item[1] for item in self.items if item[0] == kind]

    def outcomes(self):
        return {self.ids[index]: done[2] for index, done in self.tests.items()}

    def test(self, name):
        (done,) = [d for i, d in self.tests.items() if self.ids[i].endswith("::" + name)]
        return done

    def failing(self, name):
        return [phase for phase in self.test(name)[5] if phase["outcome"] != "passed"]


def plain_pytest(folder, *args):
    """Outcomes by (classname, name), exit status and the log, of pytest itself."""
    log = os.environ["FF_LOG"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "--junit-xml=../plain.xml", *args],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
    )
    outcomes = {}
    for case in ElementTree.parse(folder / ".." / "plain.xml").iter("testcase"):
        found = {child.tag: child.get("type") for child in case}
        outcome = "passed"
        for tag, kind in found.items():
            outcome = {"failure": "failed", "error": "error"}.get(tag, outcome)
            if tag == "skipped":
                outcome = "xfailed" if kind == "pytest.xfail" else "skipped"
        if "error" in found and outcome == "skipped":
            outcome = "error"
        key = (case.get("classname"), case.get("name"))
        # a failure with an error in teardown makes two entries of one name
        outcomes[key] = "failed" if outcomes.get(key) == "failed" else outcome
    text = ""
    if os.path.exists(log):
        with open(log) as fp:
            text = fp.read()
        os.remove(log)
    return outcomes, done.returncode, text, done.stdout.decode()


def junit_key(nodeid):
    path, *names = nodeid.split("::")
    return ".".join([path[: -len(".py")].replace("/", "."), *names[:-1]]), names[-1]


def take_log():
    with open(os.environ["FF_LOG"]) as fp:
        text = fp.read()
    os.remove(os.environ["FF_LOG"])
    return text


@pytest.mark.parametrize("opener", [open_execnet, open_farflung])
@pytest.mark.parametrize("give", [None, 1, 2, 3])
def test_outcomes_and_fixtures_as_plain_pytest(suite, give, opener):
    folder = suite()
    expected, status, log, _ = plain_pytest(folder)
    run = Run(folder, give=give, opener=opener)
    outcomes = {
        key: {"xpassed": "passed"}.get(value, value)  # JUnit has no xpassed
        for key, value in ((junit_key(nodeid), v) for nodeid, v in run.outcomes().items())
    }
    skipped_module = ("", "test_skipped_module")
    assert expected.pop(skipped_module) == "skipped"
    assert outcomes == expected
    assert take_log() == log
    assert run.finished["exitstatus"] == status == 1
    assert run.finished["stop"] == ""
    assert run.order == list(range(len(run.ids)))
    assert run.wants == -(-len(run.ids) // (give or len(run.ids)))


def test_what_arrives(suite):
    folder = suite()
    run = Run(folder)
    told = run.named("collected")[0]
    assert told["count"] == len(run.ids) and told["deselected"] == told["errors"] == 0
    assert told["rootdir"] == str(folder) and told["header"] == ["a line of the header"]
    assert told["pytest"] == pytest.__version__ and told["executable"] == sys.executable
    digest = hashlib.sha256(b"".join(nodeid.encode() + b"\0" for nodeid in run.ids))
    assert told["digest"] == digest.hexdigest()
    assert run.test("test_pass")[5] is None
    durations = run.test("test_pass")[6]
    assert len(durations) == 3 and run.test("test_pass")[3] == pytest.approx(sum(durations))
    assert run.test("test_pass")[7] == ("test_outcomes.py", 3)

    (phase,) = run.failing("test_fail")
    assert phase["when"] == "call" and phase["message"] == "assert 1 == 2"
    assert phase["location"] == [str(folder / "test_outcomes.py"), 10]
    assert ">       assert x == 2\nE       assert 1 == 2\n\ntest_outcomes.py:10: AssertionError" in (
        phase["longrepr"]
    )
    assert "\x1b" not in phase["longrepr"]
    assert phase["sections"] == [
        ["Captured stdout call", "to stdout\n"],
        ["Captured stderr call", "to stderr\n"],
    ]
    assert run.failing("test_raise")[0]["message"] == "ValueError: two"
    (phase,) = run.failing("test_setup_error")
    assert (phase["when"], phase["outcome"]) == ("setup", "error")
    assert phase["sections"] == [["Captured stdout setup", "in setup\n"]]
    phases = run.test("test_teardown_error")[5]
    assert [(p["when"], p["outcome"]) for p in phases] == [
        ("setup", "passed"), ("call", "passed"), ("teardown", "error"),
    ]
    assert [p["sections"] for p in phases] == [
        [], [["Captured stdout call", "in call\n"]], [["Captured stdout teardown", "in teardown\n"]],
    ]
    assert [p["outcome"] for p in run.failing("test_fail_and_teardown_error")] == ["failed", "error"]
    (phase,) = run.failing("test_skip")
    assert phase["message"] == "not today" and phase["longrepr"] is None
    assert phase["location"] == [str(folder / "test_outcomes.py"), 30]
    assert run.failing("test_skip_mark")[0]["message"] == "marked"
    assert run.failing("test_xfail")[0]["wasxfail"] == "known"
    assert run.test("test_xpass")[2] == "xpassed"
    (phase,) = run.failing("test_xpass_strict")
    assert phase["outcome"] == "failed" and phase["message"] == "[XPASS(strict)] must fail"
    assert run.test("test_prints")[2] == "passed"
    assert run.test("test_prints")[5][1]["sections"] == [["Captured stdout call", "only printed\n"]]
    number, odd = run.test("test_property")[8]
    assert number == ["number", 3] and odd[0] == "odd"
    assert run.test("test_pass")[8] is None
    assert run.test("test_exit")[2] == "failed"
    assert run.failing("test_surrogate")[0]["outcome"] == "failed"
    assert run.finished["workeroutput"] == {
        "told": 3, "odd": "odd", "deep": [{"x": (3, 1.5)}], "got": "gw0",
        "exitstatus": 1, "shouldfail": False, "shouldstop": False,
    }
    (warning,) = run.named("warning")
    assert warning["message"] == "careful" and warning["category"] == "UserWarning"
    assert warning["nodeid"] == "test_outcomes.py::test_warns" and "warnings.warn(" in warning["source"]
    (report,) = run.named("collect_report")
    assert report["nodeid"] == "test_skipped_module.py" and report["outcome"] == "skipped"
    assert report["message"] == "whole module" and report["longrepr"] is None


def test_longrepr_is_what_the_terminal_shows(suite):
    folder = suite({"test_x.py": SUITE["test_outcomes.py"]})
    for style in ("long", "short", "line", "native", "no"):
        args = ["--tb=" + style, "-k", "test_fail or test_raise or test_not"]
        shown = plain_pytest(folder, *args)[3]
        run = Run(folder, *args)
        failing = [p for d in run.tests.values() for p in d[5] if p["outcome"] == "failed"]
        assert len(failing) == 4
        for phase in failing:
            if style not in ("line", "no"):  # these the terminal does itself
                assert phase["longrepr"].rstrip() in shown


def test_selection_and_options_in_args_and_ini(suite):
    pytest.importorskip("xdist")  # whose -n stands in the ini file
    folder = suite()
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -q -v --tb=short -rA --color=yes --durations=3 -p no:cacheprovider -n 2\n"
    )
    run = Run(folder, "-k", "test_param", "-x", "test_outcomes.py::test_param")
    assert run.ids == ["test_outcomes.py::test_param[one]", "test_outcomes.py::test_param[two]",
                       "test_outcomes.py::test_param[\\xfc]"]
    assert [run.tests[i][2] for i in run.tests] == ["passed", "failed"]
    assert run.finished["stop"] == "stopping after 1 failures"
    assert run.finished["exitstatus"] == 1
    assert run.failing("test_param[two]")[0]["longrepr"].startswith("test_outcomes.py:")
    run = Run(folder, "-k", "test_pass")
    assert run.named("collected")[0]["deselected"] > 20 and len(run.tests) == 1
    assert run.finished["exitstatus"] == 0
    run = Run(folder, "-k", "nothing_like_it")
    assert run.finished["exitstatus"] == 5


def test_collection_errors(suite):
    files = {
        "test_good.py": "def test_good(): pass",
        "test_import.py": "import does_not_exist_anywhere",
        "test_syntax.py": "def f(:",
        "test_raise.py": "1 / 0",
    }
    folder = suite(files)
    _, status, _, shown = plain_pytest(folder)
    run = Run(folder)
    reports = {r["nodeid"]: r for r in run.named("collect_report")}
    assert set(reports) == {"test_import.py", "test_syntax.py", "test_raise.py"}
    assert all(r["outcome"] == "failed" for r in reports.values())
    assert reports["test_import.py"]["message"] == (
        "ModuleNotFoundError: No module named 'does_not_exist_anywhere'"
    )
    assert reports["test_syntax.py"]["message"] == "SyntaxError: invalid syntax"
    assert reports["test_raise.py"]["message"] == "ZeroDivisionError: division by zero"
    for report in reports.values():
        assert report["longrepr"].rstrip() in shown
    assert run.finished["exitstatus"] == status == 2
    assert run.finished["stop"] == "3 errors during collection"
    assert run.named("collected")[0]["errors"] == 3 and not run.tests
    run = Run(folder, "--continue-on-collection-errors")
    assert list(run.outcomes().values()) == ["passed"] and run.finished["exitstatus"] == 1


@pytest.mark.parametrize(
    "files, args, part",
    [
        ({}, ["--no-such-option"], "unrecognized arguments: --no-such-option"),
        ({}, ["not_there.py"], "file or directory not found: not_there.py"),
        ({}, ["-m", "("], "Wrong expression passed to '-m'"),
        ({"pytest.ini": "[pytest\n"}, [], "pytest.ini:1: unexpected"),
        ({"conftest.py": "import not_to_be_found\n"}, [], "No module named 'not_to_be_found'"),
    ],
)
def test_usage_errors(suite, files, args, part):
    folder = suite(dict({"test_x.py": "def test_x(): pass"}, **files))
    run = Run(folder, *args)
    (text,) = run.named("usage_error")
    assert part in text
    assert run.finished["bad"] and run.finished["stop"] in text and "usage:" not in run.finished["stop"]
    assert run.finished["exitstatus"] == 4
    assert not run.tests


def test_pytest_missing(suite, monkeypatch):
    folder = suite({"pytest/__init__.py": "raise ImportError('broken on purpose')"})
    run = Run(folder)
    (told,) = run.named("missing")
    assert told["module"] == "pytest" and told["error"] == "broken on purpose"
    assert told["executable"] == sys.executable
    assert len(run.items) == 1


def test_internal_error_keyboard_interrupt_and_exit(suite):
    folder = suite({
        "conftest.py": "def pytest_runtest_setup(item):\n    pass\n"
        "def pytest_runtest_protocol(item):\n    if 'internal' in item.name: raise ValueError('boo')",
        "test_x.py": "import pytest\ndef test_internal(): pass\n"
        "def test_interrupt(): raise KeyboardInterrupt\ndef test_exit(): pytest.exit('enough', 7)",
    })
    run = Run(folder, "-k", "internal")
    (text,) = run.named("internal_error")
    assert "ValueError: boo" in text and run.finished["exitstatus"] == 3
    run = Run(folder, "-k", "interrupt")
    assert run.finished["exitstatus"] == 2 and run.finished["stop"] == "KeyboardInterrupt"
    run = Run(folder, "-k", "exit")
    assert run.finished["exitstatus"] == 7 and run.finished["stop"] == "Exit: enough"


@pytest.mark.parametrize("xdist", [True, False])
def test_what_xdist_users_rely_on(suite, tmp_path, xdist):
    folder = suite({
        "conftest.py": "def pytest_configure(config):\n    assert config.workerinput['workercount'] == 1\n",
        "test_x.py": """
            import os, sys, pytest
            @pytest.mark.xdist_group("some")
            def test_it(worker_id, testrun_uid, tmp_path, request):
                assert (worker_id, testrun_uid) == ("gw0", "uid")
                assert os.environ["PYTEST_XDIST_WORKER"] == "gw0"
                assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "1"
                assert os.environ["PYTEST_XDIST_TESTRUNUID"] == "uid"
                assert request.config.workerinput["mainargv"] == sys.argv == ["farflung", "x"]
                assert tmp_path.parent.name == "popen-gw0"
                assert tmp_path.parent.parent.name == "base"
                assert os.getcwd() in sys.path and "" not in sys.path
                assert "/first" in sys.path
            def test_plain(): pass
        """,
    })
    if xdist:
        pytest.importorskip("xdist")
    args = ["--strict-markers", "-p", "no:xdist" if not xdist else "xdist"]
    args.append(f"--basetemp={tmp_path / 'base'}")
    run = Run(folder, *args, pythonpath=["/first"], dist="loadgroup")
    assert run.outcomes() == {"test_x.py::test_it@some": "passed", "test_x.py::test_plain": "passed"}


@pytest.mark.parametrize("capture", ["no", "sys", "fd"])
def test_uncaptured_output_is_seen(suite, capture, capfd):
    folder = suite({
        "test_x.py": "import os\ndef test_x():\n    print('by print', flush=True)\n"
        "    os.write(1, b'by write\\n')",
    })
    run = Run(folder, "--capture=" + capture)
    err = capfd.readouterr().err
    assert "by print" not in err and ("by write" in err) == (capture != "fd")
    assert [item[1:] for item in run.items if item[0] == "said"] == [(0, 1, "by print")] * (capture == "no")


def test_what_is_said_has_its_test(suite, capfd):
    folder = suite({
        "conftest.py": "print('by conftest')\n",
        "test_x.py": """
            import os, sys
            def test_a():
                print("one\\ntwo")
                print("three", end="", file=sys.stderr)
            def test_b():
                sys.stdout.buffer.write(b"f\\xffour")
            def test_c():
                child = os.fork()
                if child == 0:
                    print("by child")
                    os._exit(0)
                os.waitpid(child, 0)
            def test_d():
                print("x" * 900)
                print("y" * 900)
                print("z")
        """,
    })
    run = Run(folder, "-s", output_cap=1000)
    said = [item[1:] for item in run.items if item[0] == "said"]
    assert said == [
        (0, 1, "one"), (0, 1, "two"), (0, 2, "three"), (1, 1, "f\ufffdour"),
        (3, 1, "x" * 900), (3, 1, "z"), (3, 1, "[… 901 bytes were cut here: output_cap is 1000 …]"),
    ]
    err = capfd.readouterr().err
    assert "by conftest" in err and "by child" in err
    assert run.outcomes() == {f"test_x.py::test_{t}": "passed" for t in "abcd"}


def test_controller_may_drop_and_pause(suite):
    folder = suite({
        "conftest.py": SUITE["conftest.py"],
        "test_x.py": "import pytest\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_n(n, for_session): pass",
    })

    def orders(give):
        run = runs[0]
        send = run.channel.send
        assert run.receive()[0] == "collected"
        send(("list",))
        send(("run", [0]))
        while run.receive()[0] != "want":
            pass
        send(("idle",))  # tears everything down
        assert run.receive()[:2] == ("done", 0)
        send(("run", [3, 4, 5, 1]))
        send(("drop", [4, 1, 2]))
        send(("drop", None))
        send(("end",))
        while run.receive()[0] != "finished":
            pass

    runs = []

    class Driven(Run):
        def drive(self, give):
            runs.append(self)
            orders(give)

    run = Driven(folder)
    dropped = [index for part in run.named("dropped") for index in part]
    assert sorted(dropped + list(run.tests)) == [0, 1, 3, 4, 5]
    assert take_log().startswith("setup session\nteardown session\n")


def test_orders_that_wait_are_nothing_to_the_running_test(suite, tmp_path):
    """Tests that look for leaks count the objects of the process."""
    flags = [str(tmp_path / name) for name in ("counted", "arrived")]
    folder = suite({
        "test_x.py": f"""
            import gc, os, time, pytest
            counted, arrived = {flags}

            @pytest.mark.parametrize("n", range(100))
            def test_x(n):
                if n:
                    return
                gc.collect()
                before = len(gc.get_objects())
                open(counted, "w").close()
                while not os.path.exists(arrived):
                    time.sleep(0.01)
                assert len(gc.get_objects()) - before < 30
        """,
    })

    class Driven(Run):
        def drive(self, give):
            assert self.receive()[0] == "collected"
            self.order_it("list")
            self.order_it("run", [0])
            while self.receive()[0] != "start":
                pass
            while not os.path.exists(flags[0]):
                time.sleep(0.01)
            for index in range(1, 100):
                self.order_it("run", [index])
            self.order_it("drop", [99])
            while self.receive()[0] != "dropped":  # said by the thread that takes them in
                pass
            open(flags[1], "w").close()
            self.order_it("end")
            while self.receive()[0] != "finished":
                pass

    run = Driven(folder)
    assert set(run.outcomes().values()) == {"passed"} and len(run.tests) == 99


def test_controller_gone_ends_the_session(suite):
    folder = suite({
        "conftest.py": SUITE["conftest.py"],
        "test_x.py": "def test_x(for_session): pass\ndef test_y(for_session): pass",
    })

    class Gone(Run):
        def drive(self, give):
            self.receive()
            self.channel.send(("run", [0]))
            while self.receive()[0] != "want":
                pass
            self.channel.close()

    Gone(folder)
    assert take_log() == "setup session\nteardown session\n"


def test_crash_leaves_the_running_test_known(suite):
    folder = suite({"test_x.py": "import os\ndef test_a(): pass\ndef test_b(): os._exit(3)\n"})
    run = Run(folder)
    assert list(run.tests) == [0] and run.order == [0, 1]
    assert run.items[-1][0] == "next" and run.finished is None


def test_collect_only(suite):
    folder = suite()
    run = Run(folder, "--collect-only", "-q")
    assert run.named("collected")[0]["collectonly"] and len(run.ids) > 30
    assert not run.tests and run.finished["exitstatus"] == 0


def test_frames_stay_small():
    """Plainly passed tests must stay cheap: a done item of one fits into a small frame."""
    done = ("done", 12345, "passed", 0.5, 1e9, None, (0.1, 0.3, 0.1), ("tests/test_x.py", 3), None,
            None)  # fmt: skip
    assert len(dumps_internal(("next", done, 1))) + struct.calcsize("!bii") < 250

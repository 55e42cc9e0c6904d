"""What a test's reports say, and hooks add to them, arrives as pytest has it."""
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import of_kind, outcomes, read_jsonl, result_of, write


def run(farflung, python, *args, code):
    done = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, "--jsonl", "e.jsonl", *args, code=code)
    done.events = read_jsonl(farflung.cwd / "e.jsonl")
    return done


def titles(events, unit):
    return [(section["title"], section["text"]) for section in result_of(events, unit).get("sections", [])]


def test_sections_that_hooks_add(farflung, python):
    write(farflung.cwd / "conftest.py", """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.sections.append(("note", "of %s" % call.when))
@pytest.fixture
def loud():
    print("set up")
    yield
    print("torn down")
""")
    write(farflung.cwd / "test_s.py", """
def test_fails(loud):
    print("why")
    assert 0
def test_passes(loud): print("fine")
def test_ends_badly(loud, request):
    request.addfinalizer(lambda: 1 / 0)
""")
    events = run(farflung, python, code=1).events
    captured = [("Captured stdout setup", "set up\n"), ("Captured stdout call", "why\n")]
    assert titles(events, "test_s.py::test_fails") == captured + [
        ("note", "of call"), ("Captured stdout teardown", "torn down\n")]
    passed = titles(events, "test_s.py::test_passes")
    assert len(passed) == len(set(passed)) == 6
    assert titles(events, "test_s.py::test_ends_badly") == captured[:1] + [
        ("Captured stdout teardown", "torn down\n"), ("note", "of teardown")]


PARTS = """
import pytest
class Part(pytest.TestReport):
    "As pytest 9's own and pytest-subtests have it."
class Context:
    def __init__(self, msg, **kwargs): self.msg, self.kwargs = msg, kwargs
def pytest_configure(config): pass
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    for msg, outcome in getattr(item.obj, "parts", ()):
        report = Part(item.nodeid, item.location, {}, outcome, None, "call", ())
        report.longrepr = "E  part fails" if outcome == "failed" else ("f", 1, "Skipped: part") if outcome == "skipped" else None
        report.context = Context(*msg[:1], **dict(msg[1:]))
        item.ihook.pytest_runtest_logreport(report=report)
    yield
"""


def test_parts_of_a_test(farflung, python):
    write(farflung.cwd / "conftest.py", PARTS)
    write(farflung.cwd / "test_p.py", """
import pytest
def test_passes(): pass
test_passes.parts = [(("one",), "passed"), ((None, ("n", 1)), "skipped"), ((None,), "passed")]
def test_fails(): pass
test_fails.parts = [((None, ("n", 1)), "failed"), (("two", ("n", "x")), "failed"), ((None,), "failed")]
def test_skips(): pytest.skip("all of it")
test_skips.parts = [((None,), "passed")]
""")
    done = run(farflung, python, code=1)
    assert outcomes(done.events) == {
        "test_p.py::test_passes": "passed", "test_p.py::test_fails": "failed", "test_p.py::test_skips": "skipped"}
    for words in ("(n=1)\n", "[two] (n='x')\n", "(<subtest>)\n"):
        assert done.stdout.count("\n" + words) == 1
    assert result_of(done.events, "test_p.py::test_fails")["message"] == "(n=1): part fails"


KILLED = """
import pytest
def pytest_runtest_protocol(item):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    report = pytest.TestReport(item.nodeid, item.location, {}, "failed", "killed in its own process", "???", ())
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


@pytest.mark.parametrize("front", ["always", "never"])
def test_a_failure_of_no_known_phase(farflung, python, front):
    """As of tests that pytest-forked runs: pytest calls it a failure, not an error."""
    write(farflung.cwd / "conftest.py", KILLED)
    write(farflung.cwd / "test_k.py", "def test_k(): pass\n")
    done = farflung.run("pytest", "-n", 1, "--front", front, "--python", python, "--jsonl", "e.jsonl", code=1)
    assert outcomes(read_jsonl(farflung.cwd / "e.jsonl")) == {"test_k.py::test_k": "failed"}
    assert " 1 failed in " in done.stdout and "killed in its own process" in done.stdout


@pytest.mark.parametrize("count", [1, 2])
def test_who_compares_the_next_item_with_none(farflung, python, count):
    write(farflung.cwd / "conftest.py", """
import pytest
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.getparent(pytest.Class) is not item.getparent(pytest.Class):
        with open("ends.txt", "a") as file:
            file.write("%s %s\\n" % (item.getparent(pytest.Class), nextitem is None))
""")
    write(farflung.cwd / "test_n.py", """
import time
class TestA:
    def test_1(self): pass
    def test_2(self): time.sleep(0.2)
class TestB:
    def test_3(self): pass
""")
    farflung.run("pytest", "-n", count, "--front", "never", "--python", python, code=0)
    ends = (farflung.cwd / "ends.txt").read_text().splitlines()
    assert sum(line.endswith("True") for line in ends) >= 1
    if count == 1:
        assert ends == ["<Class TestA> False", "<Class TestB> True"]


def test_colours_of_explanations(farflung, python):
    """As under pytest-xdist: where the front shows them. Files have none."""
    write(farflung.cwd / "conftest.py", """
def pytest_assertrepr_compare(config):
    return ["told", "\\x1b[92mgreen\\x1b[0m" if config.get_terminal_writer().hasmarkup else "plain"]
""")
    write(farflung.cwd / "test_c.py", "def test_c(): assert 1 == 2\n")
    for words, colour in ((["--color=yes", "--front", "always"], True), (["--front", "always"], False),
                          (["--color=yes", "--front", "never"], False)):
        done = farflung.run("pytest", "-n", 1, "--python", python, "--junit", "j.xml", *words, code=1)
        assert ("\x1b[92mgreen\x1b[0m" in done.stdout, "plain" in done.stdout) == (colour, not colour)
        text = (farflung.cwd / "j.xml").read_text()
        assert ("green" in text) is colour and "#x1B" not in text


@pytest.mark.parametrize("front", ["never", "always"])
def test_attempts_belong_to_their_test_where_names_repeat(farflung, python, front):
    write(farflung.cwd / "test_d.py", """
import os
def test_d():
    open("cnt", "a").write("x")
    assert os.path.getsize("cnt") > 2
""")
    path = farflung.cwd / "out.xml"
    farflung.run("pytest", "-n", 1, "--retries", 2, "--front", front, "--python", python, "--junit", path,
                 "--jsonl", farflung.cwd.parent / "events.jsonl", "--", "test_d.py", "test_d.py", "--keep-duplicates",
                 code=0)
    cases = list(ElementTree.parse(path).iter("testcase"))
    assert [case.get("name") for case in cases] == ["test_d", "test_d"]
    failed = of_kind(read_jsonl(farflung.cwd.parent / "events.jsonl"), "unit-finished", final=False)
    assert sorted(event["index"] for event in failed) == [0, 1]
    assert [len(case.findall("flakyFailure")) for case in cases] == [1, 1]
    assert [case.findall("failure") for case in cases] == [[], []]


@pytest.mark.parametrize("front", ["never", "always"])
@pytest.mark.parametrize("how", ["os._exit(3)", "os.kill(os.getpid(), 9)", "import ctypes; ctypes.string_at(0)"])
def test_a_module_that_ends_the_interpreter_is_named(farflung, python, front, how):
    write(farflung.cwd / "test_bad.py", f"import os\n{how}\n")
    write(farflung.cwd / "test_ok.py", "def test_ok(): pass\n")
    path = farflung.cwd / "out.xml"
    done = farflung.run("pytest", "-n", 2, "--front", front, "--python", python, "--junit", path,
                        "--jsonl", farflung.cwd.parent / "events.jsonl", code=4)
    assert "crashed while collecting test_bad.py, as one did before it" in done.stderr.splitlines()[-1]
    events = read_jsonl(farflung.cwd.parent / "events.jsonl")
    assert 2 <= len(of_kind(events, "worker-opening")) <= 3
    assert "test_bad.py" in next(ElementTree.parse(path).iter("error")).get("message")

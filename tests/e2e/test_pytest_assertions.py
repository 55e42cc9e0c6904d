"""What pytest and plugins take from a worker's terminal reporter: it is there, and writes to nowhere."""
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import of_kind, outcomes, read_jsonl, result_of, write

COMPARISONS = """
import pytest

def test_dicts():
    assert {"a": 1, "b": [1, 2]} == {"a": 1, "b": [1, 3]}

def test_texts():
    assert "one\\ntwo\\nthree\\n" == "one\\n2\\nthree\\n"

def test_names():
    wanted, got = 3, 4
    assert wanted == got

def test_membership():
    assert "x" in ["y", "z"]

def test_message_is_checked():
    with pytest.raises(AssertionError, match="1 == 2"):
        one = 1
        assert one == 2
"""


def run(farflung, python, *args, code, env=None, **options):
    path = farflung.cwd.parent / "events.jsonl"
    farflung.env.update(env or {})
    done = farflung.run("pytest", "-n", 2, "--python", python, "--jsonl", path, *args, code=code, **options)
    done.events = read_jsonl(path)
    return done


@pytest.mark.parametrize("env", [{}, {"FORCE_COLOR": "1"}, {"PY_COLORS": "1"}], ids=["", "forced", "py"])
def test_a_failing_comparison_shows_values_and_difference(farflung, python, env):
    write(farflung.cwd / "test_compare.py", COMPARISONS)
    done = run(farflung, python, "--junit", "junit.xml", code=1, env=env)
    got = outcomes(done.events)
    assert got.pop("test_compare.py::test_message_is_checked") == "passed"
    assert set(got.values()) == {"failed"} and len(got) == 4

    def said(name):
        (phase,) = [p for p in result_of(done.events, f"test_compare.py::{name}")["phases"] if p.get("longrepr")]
        return phase["message"], phase["longrepr"]

    message, text = said("test_dicts")
    assert message == "AssertionError: assert {'a': 1, 'b': [1, 2]} == {'a': 1, 'b': [1, 3]}"
    assert "Differing items:" in text and "{'b': [1, 2]} != {'b': [1, 3]}" in text
    message, text = said("test_texts")
    assert "assert 'one\\ntwo\\nthree\\n' == 'one\\n2\\nthree\\n'" in message
    assert "E         - 2\n" in text and "E         + two\n" in text
    assert said("test_names")[0] == "assert 3 == 4"
    assert said("test_membership")[0] == "AssertionError: assert 'x' in ['y', 'z']"

    cases = ElementTree.parse(farflung.cwd / "junit.xml").iter("testcase")
    failures = {case.get("name"): case.find("failure") for case in cases}
    assert "{'b': [1, 2]} != {'b': [1, 3]}" in failures["test_dicts"].text
    assert "{'b': [1, 2]} != {'b': [1, 3]}" in done.stdout


WRITERS = """
import sys

def test_writer(request):
    writer = request.config.get_terminal_writer()
    writer.line("WRITTEN by writer")
    writer.sep("=", "WRITTEN as title")
    writer.write("WRITTEN \\u2713", red=True, flush=True)
    writer.flush()
    assert writer.fullwidth > 0

def test_reporter(request):
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    reporter.write_line("WRITTEN by reporter")
    reporter.write_sep("-", "WRITTEN as title")
    reporter.write("WRITTEN raw", flush=True)
    reporter.ensure_newline()
    reporter.section("WRITTEN section")
    assert reporter.hasopt("f") is True or reporter.hasopt("f") is False
    assert reporter.stats[""]

def test_own_writer(request, tmp_path):
    import io
    from _pytest.config import create_terminal_writer
    out = io.StringIO()
    create_terminal_writer(request.config, out).line("seen")
    assert out.getvalue() == "seen\\n"
"""
CONFTEST = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.pluginmanager.getplugin("terminalreporter").write_line("WRITTEN at configure")

def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line("WRITTEN at the end")
    if hasattr(config, "workeroutput"):
        config.workeroutput["stats"] = sorted(terminalreporter.stats)

def pytest_unconfigure(config):
    config.get_terminal_writer().line("WRITTEN at unconfigure")

def pytest_report_header(config):
    return "header of conftest"
"""
OWN_REPORTER = """
import pytest
from _pytest.terminal import TerminalReporter

class Mine(TerminalReporter):
    def pytest_runtest_logfinish(self, nodeid):
        self.write_line("WRITTEN by mine")

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    manager = config.pluginmanager
    manager.unregister(manager.getplugin("terminalreporter"))
    manager.register(Mine(config), "terminalreporter")
"""


@pytest.mark.parametrize("conftest", [CONFTEST, OWN_REPORTER], ids=["pytest's", "replaced"])
@pytest.mark.parametrize("options", [[], ["-s"], ["-v", "--color=yes"]], ids=" ".join)
def test_terminal_reporter_is_there_and_silent(farflung, python, conftest, options):
    write(farflung.cwd / "test_write.py", WRITERS)
    write(farflung.cwd / "conftest.py", conftest)
    done = run(farflung, python, "--front", "never", "--", *options, code=0)
    assert set(outcomes(done.events).values()) == {"passed"} and len(outcomes(done.events)) == 3
    assert "WRITTEN" not in done.stdout + done.stderr
    assert "WRITTEN" not in str(done.events)


def test_with_a_front_the_terminal_is_written_to_once(farflung, python):
    write(farflung.cwd / "test_write.py", WRITERS)
    write(farflung.cwd / "conftest.py", CONFTEST)
    done = run(farflung, python, code=0)
    assert [line for line in done.stdout.splitlines() if "WRITTEN" in line] == [
        "WRITTEN at configure", "WRITTEN at the end", "WRITTEN at unconfigure"]


@pytest.mark.parametrize("option", ["--setup-show", "--debug", "--traceconfig"])
def test_options_that_write_to_the_terminal(farflung, python, option):
    write(farflung.cwd / "test_a.py", "import pytest\n@pytest.fixture\ndef f(): pass\ndef test_a(f): pass\n")
    done = run(farflung, python, "--", option, code=None)
    assert "Traceback" not in done.stdout + done.stderr
    assert "terminalreporter" not in done.stdout + done.stderr
    assert not of_kind(done.events, "worker-lost")
    assert done.returncode == 0 and outcomes(done.events) == {"test_a.py::test_a": "passed"}


def test_what_is_not_captured_is_still_seen(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a(): print('printed by a test')\n")
    done = run(farflung, python, "--", "-s", code=0)
    assert "printed by a test" in done.stdout + done.stderr

"""What farflung try finds out of collecting each file once, and what --collect auto makes of it."""
import json

import pytest

from conftest import of_kind, outcomes, read_jsonl, write

MARKS_EACH = """
import pytest
def pytest_collection_modifyitems(items):
    for _, item in enumerate(items):
        if item.name.endswith("[3]"):
            item.add_marker(pytest.mark.skip(reason="three"))
"""
KEEPS_EVERY_SECOND_FILE = """
def pytest_collection_modifyitems(items):
    names = sorted({item.nodeid.split("::")[0] for item in items})
    items[:] = [item for item in items if names.index(item.nodeid.split("::")[0]) % 2 == 0]
"""
FILES, EACH = 6, 4


@pytest.fixture
def suite(farflung, python):
    for i in range(FILES):
        write(farflung.cwd / "tests" / f"test_{i}.py",
              f"import pytest\n@pytest.mark.parametrize('i', range({EACH}))\ndef test_it(i): pass\n")

    class Suite:
        conftest = farflung.cwd / "tests" / "conftest.py"

        @staticmethod
        def found(code=0):
            return json.loads(farflung.run("try", "--python", python, "-n", 2, "--json", "tests", code=code).stdout)

        @staticmethod
        def files_found(tests=FILES * EACH):
            """By a run; None: all tests were collected by each worker."""
            path = farflung.cwd.parent / "events.jsonl"
            done = farflung.run("pytest", "--python", python, "-n", 2, "--jsonl", path, "tests", code=0)
            events = read_jsonl(path)
            assert len(outcomes(events)) == tests
            all_at_once = "collected by each worker because of pytest_collection_modifyitems" in done.stdout
            assert all_at_once == (not of_kind(events, "units-added"))
            return None if all_at_once else len(of_kind(events, "units-added"))

    return Suite


def test_what_comes_out_the_same_is_remembered(suite):
    write(suite.conftest, MARKS_EACH)
    assert suite.files_found() is None
    found = suite.found()
    assert [run["name"] for run in found["runs"]][-1] == "farflung --collect shard"
    assert any(note.endswith("noted for --collect auto") for note in found["notes"])
    assert suite.files_found() == FILES
    write(suite.conftest, MARKS_EACH + "# changed\n")
    assert suite.files_found() is None
    write(suite.conftest, MARKS_EACH)
    assert suite.files_found() == FILES


def test_what_does_not_is_not(suite):
    write(suite.conftest, KEEPS_EVERY_SECOND_FILE)
    found = suite.found()
    assert found["same"] and "--collect shard: %d tests differ" % (FILES // 2 * EACH) in found["notes"]
    assert suite.files_found(FILES // 2 * EACH) is None


def test_nothing_is_tried_where_nothing_sees_all(suite):
    found = suite.found()
    assert "--collect shard" not in json.dumps(found)
    assert suite.files_found() == FILES


def test_where_it_can_not_be_noted(suite, farflung):
    write(suite.conftest, MARKS_EACH)
    write(farflung.cwd / ".farflung" / "history.db", "this is no database at all, but a longer text")
    (note,) = [note for note in suite.found()["notes"] if note.startswith("--collect shard: nothing differs")]
    assert "that can't be noted: " in note and "history.db" in note


@pytest.mark.parametrize("args", [["--sharded", "x", "pattern"], ["--sharded", "x", "--json"], ["--sharded", "x", "--flaky"]])
def test_noting_shows_nothing(farflung, args):
    done = farflung.run("history", *args, code=2)
    assert "--sharded shows nothing" in done.stderr

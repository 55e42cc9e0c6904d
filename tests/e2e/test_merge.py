"""farflung merge: one report, journal and history of shards; and what it complains of."""
import json
import shutil
import sqlite3
import xml.etree.ElementTree as ET

import pytest
from conftest import of_kind, outcomes, read_jsonl, write

SUITE = """
import pytest

@pytest.mark.parametrize("n", range(6))
def test_it(n):
    print("said by", n)
    assert n != %d

@pytest.mark.skip
def test_skipped():
    pass
"""


def shards(farflung, python, count, *args, fails=9, of=None):
    """Runs the shards, each with a folder of its own as its machine had it; gives these."""
    write(farflung.cwd / "test_a.py", SUITE % fails)
    folders = []
    for k in range(1, count + 1):
        folder = farflung.cwd.parent / f"{of or 'shard'}{k}"
        folder.mkdir()
        farflung.env["FARFLUNG_RUNS"] = str(folder)
        farflung.run("pytest", "--python", python, "-n", 2, "--shard", f"{k}/{count}", *args)
        folders.append(folder)
    del farflung.env["FARFLUNG_RUNS"]
    return folders


def merge(farflung, *args, code):
    path, report = farflung.cwd.parent / "merged.jsonl", farflung.cwd.parent / "merged.xml"
    for each in (path, report):
        each.unlink(missing_ok=True)
    done = farflung.run("merge", "--jsonl", path, "--junit", report, *args, code=code)
    done.events = read_jsonl(path) if path.exists() else []
    done.suite = ET.parse(report).getroot().find("testsuite") if report.exists() else None
    return done


def journal(folder):
    (path,) = {path.resolve() for path in folder.glob(".farflung/runs/*/journal.jsonl")}
    return path


def test_one_report_of_all(farflung, python):
    folders = shards(farflung, python, 3, fails=4)
    done = merge(farflung, *folders, code=1)
    expected = {f"test_a.py::test_it[{n}]": "failed" if n == 4 else "passed" for n in range(6)}
    expected["test_a.py::test_skipped"] = "skipped"
    assert outcomes(done.events) == expected
    assert done.suite.get("tests") == "7" and done.suite.get("failures") == "1" and done.suite.get("errors") == "0"
    told = {each.get("name"): each.get("value") for each in done.suite.find("properties")}
    assert told["farflung.merged"] == "3" and "farflung.shard" not in told
    assert "1 failed, 5 passed, 1 skipped" in done.stdout and "FAILED test_a.py::test_it[4]" in done.stdout
    assert "said by 4" in done.stdout
    assert "deselected" not in done.stdout
    assert [event["index"] for event in of_kind(done.events, "unit-finished")] and len(
        {event["index"] for event in of_kind(done.events, "unit-finished")}) == 7
    with sqlite3.connect(farflung.cwd / ".farflung" / "history.db") as db:
        assert db.execute("SELECT count(*) FROM units").fetchone() == (7,)
    lines = [json.loads(line) for line in journal(farflung.cwd).read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["event"] == "run-finished" and lines[-1]["exit_code"] == 1


def test_green_is_green(farflung, python):
    """Also where one of them had nothing to do, and with the runs' own folders."""
    folders = shards(farflung, python, 9)
    done = merge(farflung, *(journal(folder).parent for folder in folders), code=0)
    assert len(outcomes(done.events)) == 7 and done.suite.get("errors") == "0"


def bad(farflung, *args, words, code=3):
    """What is amiss is on stderr, in the last line, and no report is green."""
    done = merge(farflung, *args, "--history", "none", code=code)
    for each in words:
        assert each in done.stderr, done.stderr
    if code == 3:
        assert int(done.suite.get("errors")) >= 1
        assert of_kind(done.events, "run-finished")[0]["exit_code"] == 3
        assert of_kind(done.events, "job-finished")[0]["why"] == "shards"
    return done


def test_what_is_missing_or_twice(farflung, python):
    one, two, three = shards(farflung, python, 3)
    bad(farflung, one, three, words=["shard 2/3 is missing"])
    bad(farflung, three, words=["shard 1/3 is missing", "shard 2/3 is missing"])
    done = bad(farflung, one, two, three, two, words=[f"{two} and {two} are the same run"])
    assert len(outcomes(done.events)) == 7
    (again,) = shards(farflung, python, 1, of="again")[:1]
    shutil.rmtree(again / ".farflung")
    farflung.env["FARFLUNG_RUNS"] = str(again)
    farflung.run("pytest", "--python", python, "-n", 2, "--shard", "2/3", code=0)
    del farflung.env["FARFLUNG_RUNS"]
    bad(farflung, one, two, three, again, words=[f"shard 2/3 is there twice: {two} and {again}"])


def test_shards_of_different_runs(farflung, python):
    one, _ = shards(farflung, python, 2)
    _, other = shards(farflung, python, 2, "-k", "test_it", of="other")
    bad(farflung, one, other, words=[f"{one} and {other} are shards of different runs", "shard 2/2 is missing"])
    _, third = shards(farflung, python, 3, of="third")[:2]
    bad(farflung, one, third, words=["are shards of different runs"])


def test_a_run_of_all_is_no_shard(farflung, python):
    one, two = shards(farflung, python, 2)
    farflung.run("pytest", "--python", python, "-n", 2, code=0)
    bad(farflung, one, two, farflung.cwd, words=[f"{farflung.cwd}: job 'pytest' of run", "run without --shard"])
    bad(farflung, farflung.cwd, words=["run without --shard", "nothing was merged"], code=2)


@pytest.mark.parametrize("how", ["cut", "torn", "nonsense", "empty", "gone", "no output"])
def test_broken_journals(farflung, python, how):
    one, two = shards(farflung, python, 2, "--front", "never")
    path = journal(two)
    text = path.read_text()
    words = ["ends before the run does"]
    if how == "cut":
        path.write_text("".join(text[: text.index('"unit-finished"')].splitlines(True)[:-1]))
        words.append("came to an end")
    elif how == "torn":
        path.write_text(text[: text.index('"run-finished"') + 9])
    elif how == "nonsense":
        path.write_text(text.replace('"event":"unit-finished"', '"event":"never"', 1))
        words = ["journal.jsonl:", "shard 2/2 is missing"]
    elif how == "empty":
        path.write_text("")
        words = ["it has no beginning of a run", "shard 2/2 is missing"]
    elif how == "gone":
        path.unlink()
        words = [f"{two}: no journal there", "shard 2/2 is missing"]
    else:
        (path.parent / "output").unlink()
        words = ["output"]
    bad(farflung, one, two, words=words)


def test_tests_that_ran_twice(farflung, python):
    one, two = shards(farflung, python, 2)
    first = next(event["unit"] for event in of_kind(read_jsonl(journal(one)), "unit-finished"))
    path = journal(two)
    unit = next(event["unit"] for event in of_kind(read_jsonl(path), "unit-finished"))
    path.write_text(path.read_text().replace(json.dumps(unit), json.dumps(first)))
    bad(farflung, one, two, words=[f"'{first}' ran in {one} and in {two}"])


@pytest.mark.parametrize("which", ["1/4000000000", "0/2", "3/2", "x", "", "99999999999999999999/2"])
def test_journals_that_tell_nonsense(farflung, python, which):
    one, two = shards(farflung, python, 2)
    path = journal(two)
    path.write_text(path.read_text().replace("farflung.shard=2/2", f"farflung.shard={which}"))
    bad(farflung, one, two, words=["does not tell which shard it is", "shard 2/2 is missing"])


def test_many_complaints_are_counted(farflung, python):
    one = shards(farflung, python, 1)[0]
    farflung.env["FARFLUNG_RUNS"] = str(one)
    farflung.run("pytest", "--python", python, "-n", 2, "--shard", "1/200", code=0)
    del farflung.env["FARFLUNG_RUNS"]
    done = bad(farflung, one, words=["shard 2/200 is missing", "and 198 more to complain of"])
    assert len(done.stderr.splitlines()) == 51


@pytest.mark.parametrize("args, words", [
    ([], "which runs?"),
    (["nowhere"], "nowhere: no journal there"),
    (["."], ".: no journal there"),
])  # fmt: skip
def test_nothing_to_merge(farflung, args, words):
    assert words in merge(farflung, *args, code=2).stderr

"""--shard K/N: each test in exactly one shard, whatever the machine; cut by history, else by file sizes."""
import random
import xml.etree.ElementTree as ET

import pytest
from conftest import TOP, of_kind, outcomes, read_jsonl, write

SUITE = """
import pytest

@pytest.mark.parametrize("n", range(%d))
def test_it(n):
    pass
"""

SHUFFLED = """
import os, random
def pytest_collection_modifyitems(items):
    random.Random(os.environ["ORDER"]).shuffle(items)
"""

SKEWED = """
import pytest, time
@pytest.mark.parametrize("n", range(8))
def test_it(n):
    time.sleep(1.5 if n == 0 else 0.01)
"""


def cut():
    names = {"os": __import__("os")}
    exec((TOP / "plugins" / "pytest" / "slice.py").read_text(), names)
    return names["slices"]


def shard(farflung, python, which, *args, code=0):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "--python", python, "-n", 2, "--jsonl", path, "--shard", which, *args, code=code)
    done.events = read_jsonl(path) if code != 4 else []
    return done


def properties(done):
    texts = [event["text"] for event in of_kind(done.events, "notice") if event["level"] == "property"]
    return dict(text.split("=", 1) for text in texts)


def all_of(farflung, python, count, *args):
    """The tests of each shard, after what must hold of them."""
    runs = [shard(farflung, python, f"{k}/{count}", *args) for k in range(1, count + 1)]
    told = [properties(done) for done in runs]
    ids = [sorted(outcomes(done.events)) for done in runs]
    total = sum(len(names) for names in ids)
    assert len(set().union(*ids)) == total, "a test is in two shards"
    assert len({each["farflung.shard.plan"] for each in told}) == 1
    for k, (names, each) in enumerate(zip(ids, told), 1):
        assert each["farflung.shard"] == f"{k}/{count}" and names
        assert int(each["farflung.shard.tests"]) == len(names)
        assert int(each["farflung.shard.left"]) == total - len(names)
    return ids, told


def test_every_test_is_in_one_shard(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE % 7)
    write(farflung.cwd / "sub" / "test_b.py", SUITE % 3)
    ids, told = all_of(farflung, python, 3)
    assert sum(map(len, ids)) == 10 and told[0]["farflung.shard.by"] == "file sizes"


def test_the_order_of_collection_does_not_matter(farflung, python):
    """Plugins that shuffle do so otherwise on each machine."""
    write(farflung.cwd / "test_a.py", SUITE % 9)
    write(farflung.cwd / "conftest.py", SHUFFLED)
    found = []
    for k in (1, 2, 3):
        farflung.env["ORDER"] = str(k)
        found += outcomes(shard(farflung, python, f"{k}/3").events)
    assert sorted(found) == [f"test_a.py::test_it[{n}]" for n in range(9)]


def test_what_is_chosen_is_cut(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE % 6)
    write(farflung.cwd / "test_b.py", "def test_other(): pass\n")
    ids, _ = all_of(farflung, python, 2, "-k", "test_it")
    assert sorted(ids[0] + ids[1]) == [f"test_a.py::test_it[{n}]" for n in range(6)]


def test_history_balances_and_stays_as_it_is(farflung, python):
    write(farflung.cwd / "test_a.py", SKEWED)
    farflung.run("pytest", "--python", python, "-n", 2, code=0)
    ids, told = all_of(farflung, python, 2)
    assert told[0]["farflung.shard.by"] == told[1]["farflung.shard.by"] == "history"
    assert ids[0] == ["test_a.py::test_it[0]"] and len(ids[1]) == 7
    assert all_of(farflung, python, 2) == (ids, told), "the runs of shards have changed what shards go by"


def test_reports_tell_which_shard_it_was(farflung, python, tmp_path):
    write(farflung.cwd / "test_a.py", SUITE % 5)
    report = tmp_path / "junit.xml"
    done = shard(farflung, python, "2/2", "--junit", report, "--front", "never")
    assert "shard 2/2: tests here: 2, left to other shards: 3" in done.stdout.splitlines()
    suite = ET.parse(report).getroot().find("testsuite")
    told = {each.get("name"): each.get("value") for each in suite.find("properties")}
    assert told["farflung.shard"] == "2/2" and told["farflung.shard.left"] == "3"
    assert suite.get("tests") == "2"
    (journal,) = {path.resolve() for path in (farflung.cwd / ".farflung" / "runs").glob("*/journal.jsonl")}
    assert "farflung.shard=2/2" in journal.read_text()


def test_with_a_front(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE % 5)
    done = shard(farflung, python, "1/2", "--front", "always")
    assert "farflung: note: shard 1/2, by file sizes: tests here: 3, left to other shards: 2" in done.stdout
    assert "3 passed" in done.stdout and "farflung.shard" not in done.stdout


def test_more_shards_than_tests(farflung, python):
    """As with pytest nothing collected is no success."""
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    assert list(outcomes(shard(farflung, python, "1/2").events)) == ["test_a.py::test_a"]
    done = shard(farflung, python, "2/2", code=5)
    assert properties(done)["farflung.shard.left"] == "1"


@pytest.mark.parametrize("which", ["0/3", "4/3", "a/b", "3", "/", "1/", "/3", "1/2/3", "-1/2", "1/0", "1/10001", "9" * 30 + "/2"])
def test_no_shard(farflung, python, which):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = shard(farflung, python, which, code=4)
    assert f"--shard wants K/N, the K-th of N parts (1 <= K <= N <= 10000), got '{which}'" in done.stderr


@pytest.mark.parametrize("args, words", [
    (["--dist", "each"], "where each worker runs all tests"),
    (["--collect", "shard"], "it wants 'every'"),
    (["--pdb"], "--shard 1/2 can't be had with --pdb"),
])  # fmt: skip
def test_what_shards_can_not_be_had_with(farflung, python, args, words):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    assert words in shard(farflung, python, "1/2", *args, code=4).stderr


def test_what_only_shows_something_shows_all(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    done = farflung.run("pytest", "--python", python, "--shard", "2/2", "--collect-only", "-q", code=0)
    assert "test_a.py::test_a" in done.stdout and "--shard has no effect with --collect-only" in done.stderr


def test_jobs_of_a_file(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE % 4)
    text = f"inventory: {{hosts: [{{spec: 2*popen, python: '{python}'}}]}}\njobs:\n  t: {{pytest: [test_a.py]}}\n"
    write(farflung.cwd / "farflung.yaml", text)
    path = farflung.cwd.parent / "events.jsonl"
    found = []
    for k in (1, 2):
        farflung.run("run", "--jsonl", path, "--shard", f"{k}/2", code=0)
        found += outcomes(read_jsonl(path))
    assert sorted(found) == [f"test_a.py::test_it[{n}]" for n in range(4)]
    write(farflung.cwd / "farflung.yaml", text + "  c: {run: 'true'}\n  d: {pytest: [test_a.py], needs: [t]}\n")
    assert "job 'c' is no pytest job" in farflung.run("run", "--shard", "1/2", "-j", "c", code=2).stderr
    assert "job 'd' needs 't'" in farflung.run("run", "--shard", "1/2", "-j", "d", code=2).stderr
    farflung.run("run", "--shard", "1/2", "-j", "t", code=0)


def test_cuts_of_any_numbers():
    slices, numbers = cut(), random.Random(8)
    for _ in range(2000):
        count = numbers.randint(1, 12)
        weights = [numbers.choice((1, 1, 5, 10**6)) for _ in range(numbers.randint(0, 40))]
        cuts = slices(weights, count)
        assert len(cuts) == count + 1 and cuts[0] == 0 and cuts[-1] == len(weights) and cuts == sorted(cuts)
        pieces = [weights[a:b] for a, b in zip(cuts, cuts[1:])]
        assert sum(map(bool, pieces)) == min(count, len(weights))
        # A piece is no further from its share than one number reaches, save for pieces kept from being empty.
        if len(weights) >= count and max(weights) == 1:
            assert max(map(len, pieces)) - min(map(len, pieces)) <= 1

"""--collect shard: files are handed out one by one, and collected by whoever runs their tests."""
import collections
import re
import signal
import subprocess

import pytest

from conftest import junit_outcomes, of_kind, outcomes, read_jsonl, result_of, write

CONFTEST = """
import os, pytest

def log(*words):
    with open(os.environ["FF_LOG"], "a") as file:
        print(os.environ.get("PYTEST_XDIST_WORKER", "-"), *words, file=file)

@pytest.fixture(scope="session")
def for_session():
    log("+", "session"); yield; log("-", "session")

@pytest.fixture(scope="module")
def for_module(request):
    log("+", request.node.name); yield; log("-", request.node.name)

@pytest.fixture(scope="class")
def for_class(request):
    log("+", request.node.nodeid); yield; log("-", request.node.nodeid)

@pytest.fixture(autouse=True)
def each(request):
    yield
    log("ran", request.node.nodeid)

class Line(pytest.Item):
    def runtest(self):
        assert self.name != "bad"

class Lines(pytest.File):
    def collect(self):
        for word in self.path.read_text().split():
            yield Line.from_parent(self, name=word)

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".lines":
        return Lines.from_parent(parent, path=file_path)
"""

SUITE = {
    "pytest.ini": "[pytest]\naddopts = --doctest-modules\nmarkers =\n  slow: marked\njunit_family = xunit1\n",
    "conftest.py": CONFTEST,
    "words.lines": "one two bad",
    "test_plain.py": """
import pytest
def test_one(for_session, for_module): pass
@pytest.mark.slow
def test_two(for_module): assert 0
@pytest.mark.parametrize("n", [1, 2])
def test_three(n): assert n == 1
@pytest.mark.xfail
def test_known(): assert 0
def test_skip(): pytest.skip("not today")
class TestHere:
    def test_four(self, for_class, for_session): pass
    def test_five(self, for_class): pass
""",
    "test_unit.py": """
import unittest
class Case(unittest.TestCase):
    def test_ok(self): pass
    def test_not(self): self.fail("no")
""",
    "doc.py": 'def double(n):\n    """\n    >>> double(2)\n    4\n    """\n    return 2 * n\n',
    "test_skipped.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
    "pack/__init__.py": "",
    "pack/test_a.py": "def test_pa(for_module): pass\ndef test_pb(for_module, for_session): pass\n",
    "pack/test_b.py": "def test_pc(for_session): pass\n",
}


@pytest.fixture
def suite(farflung, tmp_path):
    farflung.env["FF_LOG"] = str(tmp_path / "log")

    def make(files=SUITE):
        for name, text in files.items():
            write(farflung.cwd / name, text)
        return farflung

    return make


def shard(farflung, python, *args, workers=2, timeout=120):
    return collected_by("shard", farflung, python, *args, workers=workers, timeout=timeout)


def collected_by(how, farflung, python, *args, workers=2, timeout=120):
    """A run of its own; with its events and exit code."""
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "-n", workers, "--python", python, *["--collect", how] * bool(how), "--jsonl", path,
                        "-p", "no:cacheprovider", *args, timeout=timeout)
    done.events = read_jsonl(path)
    return done


def logged(farflung):
    """By worker: what was done there."""
    by_worker = collections.defaultdict(list)
    with open(farflung.env["FF_LOG"]) as file:
        for line in file:
            worker, *words = line.split()
            by_worker[worker].append(tuple(words))
    return by_worker


def counts_agree(events):
    """Every test that became known has one end, and the totals say so."""
    known = sum(event["count"] for event in of_kind(events, "units-added"))
    ends = len(outcomes(events)) + sum(e["count"] for e in of_kind(events, "units-not-run"))
    (finished,) = of_kind(events, "run-finished")
    assert known == ends == finished["counts"]["total"]


@pytest.mark.parametrize("args", [
    [], ["-k", "test_p or one"], ["-m", "not slow"], ["--deselect", "test_plain.py::TestHere"],
    ["test_plain.py::TestHere::test_four", "pack", "doc.py", "words.lines"], ["--dist", "loadfile"],
])  # fmt: skip
def test_outcomes_are_those_of_pytest(suite, python, tmp_path, args):
    farflung = suite()
    theirs, ours = tmp_path / "theirs.xml", tmp_path / "ours.xml"
    plain = subprocess.run(
        [python, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={theirs}",
         *[arg for arg in args if arg not in ("--dist", "loadfile")]],
        cwd=farflung.cwd, env=farflung.env, capture_output=True, timeout=60)
    done = shard(farflung, python, f"--junitxml={ours}", *args)
    assert done.returncode == plain.returncode
    assert junit_outcomes(ours) == junit_outcomes(theirs)
    counts_agree(done.events)


def test_each_scope_is_set_up_once_per_worker_and_torn_down_behind_its_last_test(suite, python):
    farflung = suite()
    shard(farflung, python)
    for worker, words in logged(farflung).items():
        for name in {word[1] for word in words if word[0] == "+"}:
            assert words.count(("+", name)) == words.count(("-", name)) == 1, (worker, name)
        up = set()
        for kind, name in words:
            if kind == "ran":
                file = name.split("::")[0]
                assert not [one for one in up if one.endswith(".py") and not file.endswith(one)], (worker, name)
            else:
                (up.add if kind == "+" else up.discard)(name)
        assert not up


def test_a_long_file_is_taken_over(suite, python):
    farflung = suite({
        "conftest.py": CONFTEST,
        "test_long.py": "import time, pytest\n@pytest.mark.parametrize('n', range(30))\n"
                        "def test(n, for_module): time.sleep(0.1)\n",
        "test_short.py": "def test(): pass\n",
    })
    done = shard(farflung, python)
    assert done.returncode == 0 and len(outcomes(done.events)) == 31
    assert len(of_kind(done.events, "units-added", part="test_long.py")) == 1
    words = logged(farflung)
    assert all(("+", "test_long.py") in words[worker] for worker in ("gw0", "gw1")), "both have run some of it"
    for worker in words:
        ran = [name for kind, name in words[worker] if kind == "ran" and "long" in name]
        assert len(ran) >= 5
    counts_agree(done.events)


def test_with_loadfile_nobody_takes_over(suite, python):
    farflung = suite({
        "conftest.py": CONFTEST,
        "test_long.py": "import time, pytest\n@pytest.mark.parametrize('n', range(15))\n"
                        "def test(n): time.sleep(0.1)\n",
        "test_short.py": "def test(): pass\n",
    })
    done = shard(farflung, python, "--dist", "loadfile")
    assert done.returncode == 0
    assert len({worker for worker, words in logged(farflung).items() for word in words if "long" in word[1]}) == 1


def test_files_that_differ_between_workers_are_an_error_with_names(suite, python):
    farflung = suite({
        "test_long.py": "import os, time, pytest\n@pytest.mark.parametrize('n', range(30))\n"
                        "def test(n): time.sleep(0.1)\n"
                        "globals()['test_' + os.environ['PYTEST_XDIST_WORKER']] = lambda: None\n",
        "test_short.py": "def test(): pass\n",
    })
    done = shard(farflung, python)
    assert done.returncode == 1
    (error,) = of_kind(done.events, "notice", level="error")
    assert error["text"].startswith("different tests were collected in test_long.py: gw"), error
    assert "number 31 is 'test_long.py::test_gw" in error["text"]
    assert error["text"] in done.stdout or error["text"] in done.stderr
    first, second = error["text"].split("test_long.py: ")[1][:3], {"gw0": "gw1", "gw1": "gw0"}
    (note,) = [event["text"] for event in of_kind(done.events, "notice", level="note")]
    assert note == (f"--- {first}\n+++ {second[first]}\n- test_long.py::test_{first}\n"
                    f"+ test_long.py::test_{second[first]}")
    counts_agree(done.events)


WHO = "import os\nME = os.environ['PYTEST_XDIST_WORKER']\n"


@pytest.mark.parametrize("body, diff", [
    ("globals()['test_' + ME] = lambda: None\ndef test_b(): pass\n",
     ["--- A", "+++ B", "- test_a.py::test_A", "+ test_a.py::test_B"]),
    ("import pytest\n@pytest.mark.parametrize('n', range(30 if ME == 'gw0' else 1))\ndef test_b(n): pass\n", None),
    ("def test_a(): pass\ndef test_b(): pass\nif ME == 'gw1': test_a, test_b = test_b, test_a\n"
     "else: pass\n", []),
    ("import pytest\n@pytest.mark.parametrize('n', 'pq' if ME == 'gw0' else 'qp')\ndef test_b(n): pass\n",
     ["--- A", "+++ B", "the same ones in another order, from number 1 on", "- test_a.py::test_b[?]",
      "+ test_a.py::test_b[?]"]),
])  # fmt: skip
def test_collections_that_differ_are_shown_as_a_diff(suite, python, body, diff):
    farflung = suite({"test_a.py": WHO + body})
    done = collected_by("every", farflung, python, "--strict-collection")
    if diff == []:  # names are what counts
        assert done.returncode == 0 and len(outcomes(done.events)) == 2
        return
    assert done.returncode == 1 and not of_kind(done.events, "unit-finished", outcome="failed")
    (note,) = [event["text"] for event in of_kind(done.events, "notice", level="note")]
    first, second = note.split("\n")[0][4:], note.split("\n")[1][4:]
    assert {first, second} == {"gw0", "gw1"}
    if diff is None:
        sign = "-" if first == "gw0" else "+"
        assert note.endswith(f"\n{sign} ... 9 more") and note.count("\n") == 22
    else:
        note = note.replace("[p]", "[?]").replace("[q]", "[?]").replace(first, "A").replace(second, "B")
        assert note.split("\n") == diff


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope", "loadfile", "loadgroup", "each", "no", "auto"])
def test_another_order_is_no_difference(suite, python, dist):
    """Each result is its own test's, whoever ran it: a third fail, by their names."""
    body = (WHO + "import pytest, time\nnumbers = list(range(20))\nif ME != 'gw0': numbers.reverse()\n"
            "@pytest.mark.parametrize('n', numbers)\ndef test_b(n):\n    time.sleep(0.05)\n    assert n % 3\n")
    farflung = suite({f"test_{name}.py": body for name in "abc"})
    done = collected_by("every", farflung, python, "--dist", dist)
    ended = outcomes(done.events)
    assert len(ended) == (120 if dist == "each" else 60) and done.returncode == 1
    for unit, outcome in ended.items():
        number = int(unit.split("[")[1].split("]")[0])
        assert outcome == ("passed" if number % 3 else "failed"), unit
    if dist != "no":
        assert len({event["worker"] for event in of_kind(done.events, "unit-started")}) == 2
        (note,) = of_kind(done.events, "notice", level="note")
        assert "the same ones in another order, from number 1 on" in note["text"]
    assert "why" not in of_kind(done.events, "job-finished")[0]


COMMON = ("import time, pytest\n@pytest.mark.parametrize('n', range(30))\ndef test_a(n): time.sleep(0.1)\n")


@pytest.mark.parametrize("dist", ["load", "loadfile", "worksteal", "auto"])
def test_what_all_have_in_common_runs(suite, python, dist):
    own = "globals()['test_only_' + ME] = lambda: None\ndef test_both(): pass\n"
    farflung = suite({"test_a.py": COMMON, "test_b.py": COMMON, "test_z.py": WHO + own})
    done = collected_by("every", farflung, python, "--dist", dist, "--junit", "junit.xml")
    assert done.returncode == 1
    (note,) = [event["text"] for event in of_kind(done.events, "notice", level="note")]
    first, second = note.split("\n")[0][4:], note.split("\n")[1][4:]
    assert note.split("\n")[2:] == [f"- test_z.py::test_only_{first}", f"+ test_z.py::test_only_{second}"]
    ended = outcomes(done.events)
    alone = ended.pop(f"test_z.py::test_only_{first}")
    assert len(ended) == 61 and set(ended.values()) == {"passed"}
    if dist in ("load", "worksteal"):  # the last ones, which nobody has begun by then
        assert alone == "lost"
        message = result_of(done.events, f"test_z.py::test_only_{first}")["message"]
        assert message == f"not run: {first} has collected it, not {second}"
    (problem,) = of_kind(done.events, "collect-problem")
    assert problem["nodeid"] == f"test_z.py::test_only_{second}"
    assert problem["message"] == f"not run: {second} has collected it, {first} has not"
    (finished,) = of_kind(done.events, "job-finished")
    assert finished["state"] == "error" and finished["why"] == "collections-differ"
    assert done.events[-1]["why"] == "collections-differ"
    assert "different tests were collected" in done.stderr.splitlines()[-1]
    found = (farflung.cwd / "junit.xml").read_text()
    assert f"test_only_{first}" in found and f"test_only_{second}" in found


@pytest.mark.parametrize("slow", [False, True], ids=["", "behind it"])
def test_who_comes_later_with_less(suite, python, slow):
    """It is not used as long as another one can run what it lacks, or may be about to."""
    wait = ("import pathlib\nseen = pathlib.Path(__file__).with_name('seen')\nif ME == 'gw2': seen.write_text('')\n"
            "while not seen.exists() and ME == 'gw1': time.sleep(0.02)\ntime.sleep(ME == 'gw1')\n")
    body = (WHO + "import pytest, time\n" + wait * slow +
            "@pytest.mark.parametrize('n', range(40 if ME in ('gw0', 'gw1') else 1))\ndef test_b(n): time.sleep(0.1)\n")
    farflung = suite({"test_0.py": "import os\ndef test_0(): os._exit(3)\n", "test_a.py": body})
    done = collected_by("every", farflung, python, "--dist", "load")
    ended = outcomes(done.events)
    assert ended.pop("test_0.py::test_0") == "crashed"
    assert len(ended) == 40 and set(ended.values()) == {"passed"}
    assert done.returncode == 1 and done.events[-1]["why"] == "collections-differ"
    (note,) = [e["text"] for e in of_kind(done.events, "notice", level="note") if "runs nothing" in e["text"]]
    assert re.fullmatch(r"gw2 runs nothing: it has not collected \d+ of the tests that are left", note)
    assert not of_kind(done.events, "unit-started", worker="gw2")


def test_who_is_alone_with_less(suite, python):
    """What the only one that is left lacks is told."""
    body = (WHO + "import os, pytest\ndef test_0():\n    os._exit(3)\n"
            "@pytest.mark.parametrize('n', range(4 if ME == 'gw0' else 2))\ndef test_b(n): pass\n")
    farflung = suite({"test_a.py": body})
    done = farflung.run("pytest", "-n", 1, "--python", python, "--collect", "every", "--jsonl", "events.jsonl",
                        "-p", "no:cacheprovider", code=1)
    events = read_jsonl(farflung.cwd / "events.jsonl")
    assert outcomes(events) == {"test_a.py::test_0": "crashed", "test_a.py::test_b[0]": "passed",
                                "test_a.py::test_b[1]": "passed", "test_a.py::test_b[2]": "lost",
                                "test_a.py::test_b[3]": "lost"}
    assert result_of(events, "test_a.py::test_b[3]")["message"] == "not run: gw0 has collected it, not gw1"
    assert "different tests were collected" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("how", ["job", "settings", "command line"])
def test_a_strict_collection(suite, python, how):
    farflung = suite({"test_a.py": COMMON, "test_z.py": WHO + "globals()['test_' + ME] = lambda: None\n"})
    yes = ", strict_collection: true"
    done = farflung.run_yaml(
        f"inventory: [{{spec: popen//python={python}, slots: 2}}]\n"
        f"jobs:\n  t: {{pytest: [-p, 'no:cacheprovider'], collect: every{yes if how == 'job' else ''}}}\n"
        f"settings: {{history: none{yes if how == 'settings' else ''}}}\n",
        *(["--strict-collection"] if how == "command line" else []))
    assert done.returncode == 1 and done.events[-1]["why"] == "collections-differ"
    assert of_kind(done.events, "units-not-run") and not of_kind(done.events, "collect-problem")
    assert len(outcomes(done.events)) < 31


def test_no_strictness(farflung, python):
    done = farflung.run("pytest", "--python", python, "--strict-collection=yes", code=4)
    assert "farflung: pytest: --strict-collection takes no value" in done.stderr
    assert "--strict-collection takes no value" in farflung.run("run", "--strict-collection=yes", code=2).stderr
    farflung.yaml("inventory: {hosts: [popen]}\njobs:\n  a: {pytest: [t], strict_collection: perhaps}\n"
                  "  b: {run: x, strict_collection: true}\nsettings: {strict_collection: [1]}\n")
    said = farflung.run("run", code=2).stderr
    assert "farflung.yaml:3:39: 'strict_collection' wants" in said and "farflung.yaml:5:31: 'strict_collection'" in said
    assert "farflung.yaml:4:" in said


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadscope", "loadfile", "loadgroup", "auto"])
@pytest.mark.parametrize("collect", ["shard", "every", "auto"])
def test_outcomes_and_scopes_for_each_policy(suite, python, tmp_path, collect, dist):
    """Every test once, with pytest's outcome; every scope once per worker, down behind its last test there."""
    farflung = suite()
    theirs, ours = tmp_path / "theirs.xml", tmp_path / "ours.xml"
    subprocess.run([python, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={theirs}"],
                   cwd=farflung.cwd, env=dict(farflung.env, FF_LOG=str(tmp_path / "plain")), capture_output=True,
                   timeout=60)
    done = collected_by(collect, farflung, python, f"--junitxml={ours}", "--dist", dist)
    assert done.returncode == 1
    assert junit_outcomes(ours) == junit_outcomes(theirs)
    ended = [event["unit"] for event in of_kind(done.events, "unit-finished")]
    assert len(ended) == len(set(ended)) == of_kind(done.events, "run-finished")[0]["counts"]["total"]
    sharded = collect != "every" and dist in ("load", "worksteal", "loadfile")
    assert bool(of_kind(done.events, "units-added")) == sharded
    for worker, words in logged(farflung).items():
        for name in {word[1] for word in words if word[0] == "+"}:
            assert words.count(("+", name)) == words.count(("-", name)), (worker, name)
            assert sharded or name != "session" or words.count(("+", name)) == 1


def test_auto_is_the_default_and_says_why_not(suite, python):
    farflung = suite({f"test_{name}.py": "def test_1(): pass\n" for name in "abcd"})
    done = collected_by(None, farflung, python)
    assert done.returncode == 0 and len(of_kind(done.events, "units-added")) == 4
    suite({"conftest.py": "def pytest_collection_modifyitems(items): items.reverse()\n"})
    done = collected_by(None, farflung, python)
    assert done.returncode == 0 and not of_kind(done.events, "units-added")
    (note,) = [event["text"] for event in of_kind(done.events, "notice", level="note")]
    assert "pytest_collection_modifyitems" in note and "conftest.py" in note and note in done.stdout + done.stderr


ERRORS = {
    "import error": "import nothing_like_it\n",
    "crash": "import os\nos._exit(7)\n",
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("go_on", [False, True])
def test_a_file_that_can_not_be_collected(suite, python, kind, go_on):
    farflung = suite({
        "test_a.py": "def test_a(): pass\n",
        "test_bad.py": ERRORS[kind] + "#" * 1000,  # comes first
        "test_c.py": "import time\ndef test_c(): time.sleep(0.1)\ndef test_d(): pass\n",
    })
    done = shard(farflung, python, *["--continue-on-collection-errors"] * go_on)
    (problem,) = of_kind(done.events, "collect-problem")
    assert problem["nodeid"] == "test_bad.py"
    if kind == "crash":
        assert "crashed while collecting test_bad.py" in problem["message"]
    counts_agree(done.events)
    ended = outcomes(done.events)
    assert set(ended.values()) <= {"passed"}
    if go_on:
        assert len(ended) == 3 and done.returncode == 1
    elif kind == "import error":
        assert done.returncode == 2, "as pytest's"
    else:
        assert done.returncode in (1, 2)


def test_a_crash_in_a_test(suite, python):
    farflung = suite({
        "test_a.py": "import os, time\ndef test_1(): pass\ndef test_2(): os._exit(3)\ndef test_3(): pass\n",
        "test_b.py": "import time\ndef test_4(): time.sleep(0.5)\ndef test_5(): pass\n",
    })
    done = shard(farflung, python)
    ended = outcomes(done.events)
    assert ended.pop("test_a.py::test_2") == "crashed"
    assert len(ended) == 4 and set(ended.values()) == {"passed"}
    assert done.returncode == 1
    counts_agree(done.events)


def test_maxfail(suite, python):
    body = "import time\n" + "".join(f"def test_{i}(): time.sleep(0.05); assert {i} != 2\n" for i in range(20))
    farflung = suite({f"test_{name}.py": body for name in "abcd"})
    done = shard(farflung, python, "-x")
    ended = outcomes(done.events)
    assert done.returncode == 1 and "failed" in ended.values() and len(ended) < 20
    counts_agree(done.events)


@pytest.mark.parametrize("end, options, kind, code", [
    ("assert 0", ["-x"], "skipped", 1), ("pytest.exit('enough')", [], "error", 2),
], ids=["-x", "exit"])  # fmt: skip
def test_files_that_nobody_got_to_are_told(suite, python, end, options, kind, code):
    """Nobody knows how many tests are in them: each is named in the journal and in JUnit, and counted apart."""
    farflung = suite({
        "test_first.py": f"import pytest\ndef test_end(): {end}\n" + "#" * 1000,  # the largest
        "test_b.py": "def test_b(): pass\n",
        "test_c.py": "def test_c(): pass\n",
    })
    done = shard(farflung, python, "--junit", "ours.xml", *options, workers=1)
    assert done.returncode == code
    assert sorted(event["part"] for event in of_kind(done.events, "part-not-run")) == ["test_b.py", "test_c.py"]
    (finished,) = of_kind(done.events, "run-finished")
    assert finished["counts"]["parts_not_run"] == 2 and finished["counts"]["total"] == 1
    assert "2 files not run" in done.stderr.splitlines()[-1]
    assert "2 files not run in" in done.stdout and "2 files did not run" in done.stdout
    cases = junit_outcomes(farflung.cwd / "ours.xml")
    assert [cases["", name][0] for name in ("test_b", "test_c")] == [kind] * 2
    counts_agree(done.events)


def test_retries(suite, python):
    farflung = suite({
        "test_a.py": "import os\ndef test_1():\n    there = os.path.exists('flag'); open('flag', 'w').close()\n"
                     "    assert there\ndef test_2(): pass\n",
        "test_b.py": "def test_3(): pass\n",
    })
    done = shard(farflung, python, "--retries", "1")
    assert done.returncode == 0 and len(outcomes(done.events)) == 3
    assert len(of_kind(done.events, "unit-finished", unit="test_a.py::test_1")) == 2
    counts_agree(done.events)


def test_an_interrupt(suite, python):
    farflung = suite({f"test_{name}.py": "import time\n" + "".join(
        f"def test_{i}(): time.sleep(0.2)\n" for i in range(30)) for name in "abc"})
    live = farflung.follow("pytest", "-n", 2, "--python", python, "--collect", "shard", "-p", "no:cacheprovider")
    live.event("unit-finished")
    live.process.send_signal(signal.SIGINT)
    events = live.finish(code=2)
    assert len(of_kind(events, "units-added")) < 3
    counts_agree(events)


@pytest.mark.parametrize("args, code", [(["-k", "nothing_is_so"], 5), (["--timeout", "1s"], 1)])
def test_other_ends(suite, python, args, code):
    farflung = suite({"test_a.py": "import time\ndef test_1(): time.sleep(20)\n", "test_b.py": "def test_2(): pass\n"})
    done = shard(farflung, python, *args)
    assert done.returncode == code, done.stdout
    counts_agree(done.events)
    if code == 1:
        assert outcomes(done.events) == {"test_a.py::test_1": "timeout", "test_b.py::test_2": "passed"}


def test_the_reports_of_what_has_no_effect(suite, python):
    farflung = suite({"test_a.py": "def test_1(): pass\n", "test_b.py": "def test_2(): pass\n"})
    done = shard(farflung, python, "--dist", "loadscope")
    notes = [event["text"] for event in of_kind(done.events, "notice", level="note")]
    assert notes == ["--collect shard has no effect because of --dist loadscope"]
    assert done.returncode == 0 and not of_kind(done.events, "units-added")

"""farflung why-slow, and the same behind --durations: relations between figures, on real runs."""
import json
import re
import signal

import pytest
from conftest import of_kind, write

CONFTEST = """
import time
time.sleep(0.4)
"""
LONG = """
import time
def test_long(): time.sleep(1.5)
def test_short(): pass
"""
FIXTURE = """
import pytest, time
@pytest.fixture(scope="module")
def slow():
    time.sleep(0.3)
    yield
    time.sleep(0.2)
def test_first(slow): pass
def test_second(slow): pass
"""


def suite(farflung):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_long.py", LONG)
    write(farflung.cwd / "test_fixture.py", FIXTURE)


def pytest_run(farflung, python, *args, code=0, workers=2):
    return farflung.run("pytest", "--python", python, "-n", workers, "-p", "no:cacheprovider", *args, code=code)


def why(farflung, *args):
    """Its JSON, with what holds for every run."""
    told = json.loads(farflung.run("why-slow", "--json", *args, code=0).stdout)
    assert sum(told["time"].values()) == told["slot_us"] and min(told["time"].values()) >= 0
    if "shards" not in told:
        assert told["slot_us"] == told["slots"] * told["wall_us"]
        if told["path"]:
            assert sum(step["us"] for step in told["path"]) == told["wall_us"]
    for units in told["tests"], told["files"]:
        assert [unit["us"] for unit in units] == sorted((unit["us"] for unit in units), reverse=True)
    assert told["time"]["other"] <= told["slot_us"] // 10 + 100_000
    return told


def step(told, word):
    return sum(each["us"] for each in told["path"] if each["step"] == word)


def test_where_the_time_went(farflung, python):
    suite(farflung)
    pytest_run(farflung, python)
    told = why(farflung)
    time = told["time"]
    assert told["over"] and told["slots"] == 2 and told["attempts"] == 4
    assert time["starting"] >= 2 * 400_000  # both imported the conftest
    assert time["call"] >= 1_500_000
    assert 300_000 <= time["setup"] < 1_500_000 and 200_000 <= time["teardown"] < 1_500_000
    assert 0 < time["collection"] < time["starting"]
    # One of both was idle, once its half second of fixtures was over.
    assert time["idle-worker"] + time["idle-slot"] >= 500_000
    assert time["front"] == time["lost"] == time["away"] == 0
    assert told["tests"][0]["name"] == "test_long.py::test_long" and told["tests"][0]["us"] >= 1_500_000
    assert {test["name"]: test for test in told["tests"]}["test_fixture.py::test_first"]["us"] >= 300_000
    assert told["files"][0]["name"] == "test_long.py" and told["files"][0]["tests"] == 2
    worker = told["tests"][0]["worker"]
    assert step(told, "start-worker") >= 400_000 and step(told, "tests") >= 1_500_000
    assert [each["name"] for each in told["path"] if each["step"] == "tests"] == [worker]
    estimate = told["estimate"]
    assert estimate["slots"] == 2 and estimate["longest"] == "test_long.py::test_long"
    assert estimate["one_more_slot_us"] == estimate["us"] == estimate["longest_us"]
    assert estimate["longest_us"] / 2 <= estimate["longest_split_us"] < estimate["us"]
    assert any("no more workers will help; split test_long.py::test_long" in line for line in told["advice"])


def table(text):
    """(seconds, percent, words) of each row."""
    block = text.split("where the slots' time went\n", 1)[1].split("\n\n", 1)[0]
    rows = [re.fullmatch(r" *(\d+\.\d\d)s +(\d+\.\d) %  (.*)", line).groups() for line in block.splitlines()]
    return [(float(seconds), float(percent), words) for seconds, percent, words in rows]


def assert_adds_up(text):
    *rows, (seconds, percent, words) = table(text)
    assert words.startswith("all slots") and percent == 100.0
    assert sum(row[0] for row in rows) == pytest.approx(seconds, abs=0.001)
    assert sum(row[1] for row in rows) == pytest.approx(100, abs=0.01)


def test_in_words(farflung, python):
    suite(farflung)
    pytest_run(farflung, python, "--dist", "loadfile")
    (run,) = (path.name for path in (farflung.cwd / ".farflung" / "runs").iterdir()
              if path.is_dir() and not path.is_symlink())
    text = farflung.run("why-slow", code=0).stdout
    assert_adds_up(text)
    assert text.startswith(f"run {run}: ")
    for part in ("longest tests and commands", "longest files", "what the end waited for", "an estimate:",
                 "files kept together", "on 3 slots", "with test_long.py split into its tests"):
        assert part in text
    # A run by its id, its folder and its journal is the same one; so is the last one.
    folder = farflung.cwd / ".farflung" / "runs" / run
    for name in run, folder, folder / "journal.jsonl", farflung.cwd:
        assert farflung.run("why-slow", name, code=0).stdout == text
    assert why(farflung, run)["estimate"]["together"] == "files"
    only = farflung.run("why-slow", "--longest", 1, code=0).stdout
    assert "test_long.py::test_long" in only and "1 test" not in only
    assert "test_fixture.py, 2 tests" in text and "test_fixture.py, 2 tests" not in only
    assert len(why(farflung, "--longest", "1")["tests"]) == 1 and len(why(farflung, "--longest", "0")["tests"]) == 4


def test_more_workers_than_tests(farflung, python):
    write(farflung.cwd / "test_a.py", LONG)
    pytest_run(farflung, python, workers=3)
    told = why(farflung)
    assert told["slots"] == 3
    assert told["time"]["idle-worker"] + told["time"]["idle-slot"] >= 2_000_000
    assert any("idle: fewer slots might do" in line for line in told["advice"])


@pytest.mark.parametrize("front", ["never", "always"])
def test_behind_durations(farflung, python, front):
    suite(farflung)
    done = pytest_run(farflung, python, "--front", front, "--durations=2")
    assert re.search(r"slowest 2 durations(.|\n)*where the time went", done.stdout)
    assert_adds_up(done.stdout)
    # By the journal, it is the same; live there are fewer names.
    told = farflung.run("why-slow", "--longest", 5, code=0).stdout
    assert told in done.stdout
    assert ("waiting for the front" in told) == (front == "always")
    for args in ["--durations=2", "--no-summary"], []:
        done = pytest_run(farflung, python, "--front", front, *args)
        assert "where the time went" not in done.stdout


def test_files_collected_one_by_one(farflung, python):
    """What a file's import takes is collection, where each worker collects what it runs."""
    for n in range(4):
        write(farflung.cwd / f"test_{n}.py", "import time\ntime.sleep(0.3)\ndef test_it(): pass\n")
    pytest_run(farflung, python, "--collect", "shard")
    told = why(farflung)
    assert 1_200_000 <= told["time"]["collection"] < told["slot_us"]
    assert told["time"]["between"] < 300_000 and step(told, "collect") >= 300_000


def test_commands_and_what_needs_them(farflung):
    done = farflung.run_yaml("inventory: [{spec: popen, slots: 3}]\njobs:\n"
                             "  build: {run: sleep 0.3, count: 4}\n"
                             "  wide: {run: sleep 0.2, needs: build, weight: 3}\n", code=0)
    assert len(of_kind(done.events, "unit-finished")) == 5
    told = why(farflung)
    assert told["time"]["call"] >= 4 * 300_000 + 3 * 200_000
    assert told["time"]["collection"] == told["time"]["setup"] == told["time"]["starting"] == 0
    builds, (wide,) = ([each["us"] for each in told["tests"] if each["name"].startswith(word)] for word in ("build", "wide"))
    before_wide, _ = (each["us"] for each in told["path"] if each["step"] == "tests")
    idle = 3 * before_wide - sum(builds)
    assert idle > 0 and abs(told["time"]["idle-slot"] - idle) <= idle // 5 + 50_000
    assert told["files"] == [] and told["tests"][0]["name"].startswith("build[")
    assert [each["units"] for each in told["path"] if each["step"] == "tests"] == [2, 1]
    assert told["estimate"]["us"] == max(max(builds), sum(sorted(builds)[:2])) + wide >= 800_000
    assert told["estimate"]["one_more_slot_us"] == max(builds) + wide >= 500_000
    assert_adds_up(farflung.run("why-slow", code=0).stdout)


def test_a_worker_that_crashes(farflung, python):
    write(farflung.cwd / "test_a.py", "import os, time\ndef test_dies():\n    time.sleep(0.2)\n    os._exit(3)\n"
                                      "def test_lives(): time.sleep(0.2)\n")
    pytest_run(farflung, python, code=1, workers=1)
    told = why(farflung)
    assert told["attempts"] == 2 and told["estimate"]["slots"] == 1
    assert told["time"]["call"] >= 400_000
    assert step(told, "wait-for-slot") >= 200_000 and step(told, "start-worker") > 0


def test_merged(farflung, python):
    suite(farflung)
    folders = [farflung.cwd.parent / f"shard{n}" for n in (1, 2)]
    for n, folder in enumerate(folders, 1):
        folder.mkdir()
        farflung.env["FARFLUNG_RUNS"] = str(folder)
        pytest_run(farflung, python, "--shard", f"{n}/2", workers=1)
    del farflung.env["FARFLUNG_RUNS"]
    farflung.run("merge", *folders, code=0)
    told, parts = why(farflung), [why(farflung, folder) for folder in folders]
    assert told["shards"] == 2 and told["slots"] == 2 and told["attempts"] == 4
    for row in "setup", "call", "teardown":
        assert told["time"][row] == sum(part["time"][row] for part in parts)
    assert told["time"]["starting"] >= 800_000
    assert told["wall_us"] <= max(part["wall_us"] for part in parts) + 1_000_000
    assert "merged of 2 shards" in farflung.run("why-slow", code=0).stdout


def test_interrupted(farflung):
    farflung.yaml("inventory: [2*popen]\njobs:\n  unit: {run: 'while [ ! -e go ]; do sleep 0.01; done', count: 6}\n")
    live = farflung.follow("run", start_new_session=True)
    live.wait_for(lambda events: len(of_kind(events, "unit-started")) == 2)
    live.process.send_signal(signal.SIGINT)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    live.finish(130)
    told = why(farflung)
    assert told["over"] and told["attempts"] == 2 and told["time"]["call"] > 0


def test_killed(farflung):
    """Its journal has no end: it is told up to its last event, and says so."""
    farflung.yaml("inventory: [popen]\njobs:\n  unit: {run: 'echo on; while [ ! -e go ]; do sleep 0.01; done'}\n")
    live = farflung.follow("run")
    live.event("unit-output")
    live.process.kill()
    live.process.wait()
    write(farflung.cwd / "go", "")
    told = why(farflung)
    assert not told["over"] and told["attempts"] == 0
    # What ran when it was cut off is what its end waited for.
    assert told["path"][-1]["step"] == "tests" and told["path"][-1]["us"] > 0, told["path"]
    text = farflung.run("why-slow", code=0).stdout
    assert "it has no end" in text and "nothing ran" in text


def test_nothing_ran(farflung, python):
    write(farflung.cwd / "test_a.py", "")
    pytest_run(farflung, python, code=5, workers=1)
    text = farflung.run("why-slow", code=0).stdout
    assert "nothing ran: no test and no command came to an end in it" in text
    assert_adds_up(text)
    assert why(farflung)["tests"] == []


def test_what_is_no_run(farflung):
    done = farflung.run("why-slow", code=2)
    assert done.stderr == ("farflung: why-slow: no run in ./.farflung/runs (farflung pytest and farflung run make "
                           "them)\n")
    done = farflung.run("why-slow", "20261120-080000-4f3a", code=2)
    assert "no run '20261120-080000-4f3a': expected the id of one in ./.farflung/runs, or its folder" in done.stderr
    assert "one RUN is enough, got 'b' as well" in farflung.run("why-slow", "a", "b", code=2).stderr
    assert "unknown option '--nonesuch'" in farflung.run("why-slow", "--nonesuch", code=2).stderr
    assert "--longest" in farflung.run("why-slow", "--longest", "many", code=2).stderr
    write(farflung.cwd / "empty" / "journal.jsonl", "")
    assert "empty/journal.jsonl: it has no beginning of a run" in farflung.run("why-slow", "empty", code=2).stderr


def test_damaged_journals(farflung):
    farflung.run_yaml("inventory: [popen]\njobs:\n  unit: {run: 'true', count: 2}\n", code=0)
    (path,) = {path.resolve() for path in farflung.cwd.glob(".farflung/runs/*/journal.jsonl")}
    lines = path.read_text().splitlines(keepends=True)

    def refused(*damaged):
        done = farflung.run("why-slow", write(farflung.cwd / "bad.jsonl", "".join(damaged)), code=3)
        assert done.stdout == "" and "Traceback" not in done.stderr
        return done.stderr

    assert "bad.jsonl:3: " in refused(*lines[:2], "{]\n", *lines[3:])
    assert "events are missing" in refused(*lines[:2], *lines[3:])
    assert "'seq'" in refused(lines[0], lines[0])
    # One that can't be true: a second end of the run.
    last = json.loads(lines[-1])
    assert "bad.jsonl: event " in refused(*lines, json.dumps(dict(last, seq=last["seq"] + 1)) + "\n")
    # A torn last line is none, as everywhere.
    told = why(farflung, write(farflung.cwd / "torn.jsonl", "".join(lines[:-1]) + lines[-1][:20]))
    assert not told["over"] and told["attempts"] == 2


def test_foreign_names_are_harmless(farflung):
    """What a journal has for names goes to a terminal, and comes from anywhere."""
    farflung.run_yaml("inventory: [popen]\njobs:\n  unit: {run: 'sleep 0.2'}\n", code=0)
    (path,) = {path.resolve() for path in farflung.cwd.glob(".farflung/runs/*/journal.jsonl")}
    text = path.read_text().replace('"unit":"unit"', '"unit":"\\u001b[2J\\nx"').replace(
        '"host":"popen"', '"host":"\\u001b[31mh"')
    done = farflung.run("why-slow", write(farflung.cwd / "evil.jsonl", text), code=0)
    assert "\x1b" not in done.stdout and r"\x1b[2J\nx [\x1b[31mh]" in done.stdout
    assert why(farflung, farflung.cwd / "evil.jsonl")["tests"][0]["name"] == "\x1b[2J\nx"


@pytest.mark.parametrize("per", ["host", "run"])
def test_setup_and_teardown_have_their_rows(farflung, per):
    farflung.run_yaml(
        "inventory: [{spec: popen, slots: 2}]\n"
        f"setup: {{run: sleep 0.4, per: {per}}}\nteardown: {{run: sleep 0.3, per: {per}}}\n"
        "jobs: {j: {run: 'true'}}\n", code=0)
    told = why(farflung)
    assert told["time"]["host-setup"] >= 2 * 400_000
    assert told["time"]["host-teardown"] >= 2 * 300_000
    assert told["time"]["connecting"] < 2 * 300_000 and told["time"]["idle-slot"] < 2 * 300_000
    assert step(told, f"set-up-{per}") >= 400_000 and step(told, f"tear-down-{per}") >= 300_000
    text = farflung.run("why-slow", code=0).stdout
    assert re.search(r"setup of hosts, and of the run", text) and re.search(r"setting up (popen|the run)\n", text)
    assert "with 'inputs' it is run only where these have changed" in text

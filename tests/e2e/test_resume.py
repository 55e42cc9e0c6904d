"""farflung run --resume: a run that was killed is gone on with. What was done is not done again, and
all reports have every unit, each once."""
import json
import os
import pathlib
import random
import shutil
import signal

import pytest

from conftest import junit_outcomes, of_kind, outcomes, read_jsonl, wait_until, write

# Each unit leaves a line when it has done its work, in one write.
COUNTS = 'sleep 0.0{n}; echo {n} >> done.txt; test {n} != 7'


def runs_in(cwd):
    runs = cwd / ".farflung" / "runs"
    found = [path for path in runs.iterdir() if path.is_dir() and path.name != "last" and path.name[0] != "."]
    return sorted(found, key=lambda run: (run / "journal.jsonl").read_text().partition("\n")[0].partition("time")[2])


def journal(run):
    return read_jsonl(run / "journal.jsonl")


def kill_when(farflung, condition, *args):
    """Starts a run and kills it (SIGKILL) as soon as condition(events) holds; its own journal is what counts."""
    live = farflung.follow("run", *args)
    live.wait_for(condition)
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    for thread in live.threads:
        thread.join(60)
    live.process.stdout.close()
    live.process.stderr.close()
    wait_until(lambda: not farflung.left_over(), 30, "its workers are gone")


def finals(events):
    """Units with their final outcomes, and how often each is told, this run's and earlier ones' together."""
    told = {}
    for event in of_kind(events, "unit-finished") + of_kind(events, "unit-before"):
        if event["final"]:
            told.setdefault(event["unit"], []).append(event["result"]["outcome"])
    for event in of_kind(events, "units-not-run"):
        told.setdefault(event.get("unit", "?"), []).append("not-run")
    return told


def lines(path):
    return path.read_text().split() if path.exists() else []


def counting(farflung, units=30, slots=3, extra=""):
    numbers = ", ".join(str(n) for n in range(1, units + 1))
    farflung.yaml(f"inventory: [{slots}*popen]\njobs:\n"
                  f"  many: {{run: '{COUNTS}', matrix: {{n: [{numbers}]}}}}\n"
                  "  other: {run: 'echo other >> done.txt', count: 2}\n"
                  "report: {junit: junit.xml}\n" + extra)
    return [f"many[n={n}]" for n in range(1, units + 1)] + ["other[1]", "other[2]"]


@pytest.mark.parametrize("ends", [0, 1, 9, 25])
def test_killed_at_some_point(farflung, ends):
    names = counting(farflung)
    if ends:
        kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= ends)
    else:
        kill_when(farflung, lambda events: of_kind(events, "unit-started"))
    (first,) = runs_in(farflung.cwd)
    before = journal(first)
    done_before = {unit for unit, told in finals(before).items()}
    begun_before = {e["unit"] for e in of_kind(before, "unit-started")}
    done = farflung.run("run", "--resume", code=1)
    assert f"going on with run {first.name}: {len(done_before)} of its 32 known units are done" in done.stderr
    after = journal(runs_in(farflung.cwd)[1])
    assert {e["unit"] for e in of_kind(after, "unit-started")} == set(names) - done_before
    assert finals(after) == {name: ["failed" if name == "many[n=7]" else "passed"] for name in names}
    # What was done was not done again; what was running may have been.
    for n in range(1, 31):
        times = lines(farflung.cwd / "done.txt").count(str(n))
        assert times == 1 or (times == 2 and f"many[n={n}]" in begun_before - done_before), n
    cases = {name: kind for (_, name), (kind, _) in junit_outcomes(farflung.cwd / "junit.xml").items()}


    assert sorted(cases) == sorted(names)
    assert [kind for name, kind in cases.items() if name == "many[n=7]"] != ["passed"]
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 31 passed (exit 1)"


def test_killed_again_and_again(farflung):
    """Also while what was done before is still being told: nothing gets lost on the way."""
    names = counting(farflung, units=40, slots=2)
    chance = random.Random(4)
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 5)
    for _ in range(6):
        at = chance.choice(["run-started", "units-before", "unit-before", "unit-started", "unit-finished"])
        kill_when(farflung, lambda events: of_kind(events, at), "--resume")
    done = farflung.run("run", "--resume", code=1)
    runs = runs_in(farflung.cwd)
    assert len(runs) == 8
    after = journal(runs[-1])
    assert finals(after) == {name: ["failed" if name == "many[n=7]" else "passed"] for name in names}
    started = [e["unit"] for run in runs for e in of_kind(journal(run), "unit-started")]
    ended = [e["unit"] for run in runs for e in of_kind(journal(run), "unit-finished")]
    assert sorted(ended) == sorted(names), "each came to one end of its own"
    assert len(started) <= len(names) + 7 * 2
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 41 passed (exit 1)"
    # All is over: nothing runs any more, and the story is the same.
    again = farflung.run("run", "--resume", code=1)
    assert not of_kind(journal(runs_in(farflung.cwd)[-1]), "unit-started")
    assert again.stderr.splitlines()[-1] == "farflung: 1 failed, 41 passed (exit 1)"
    replayed = farflung.run("replay", "--junit", "again.xml", code=1)
    assert replayed.stderr.splitlines()[-1] == "farflung: 1 failed, 41 passed (exit 1)"
    assert junit_outcomes(farflung.cwd / "again.xml") == junit_outcomes(farflung.cwd / "junit.xml")


def test_attempts_and_output_come_along(farflung):
    farflung.yaml("inventory: [popen]\njobs:\n"
                  "  flaky: {run: 'echo try; test -e tried || { touch tried; exit 3; }', retries: 1}\n"
                  "  bad: {run: 'echo words; echo more >&2; exit 4', needs: []}\n"
                  "  slow: {run: 'echo slow; until [ -e go ]; do sleep 0.02; done'}\n"
                  "report: {junit: junit.xml}\n")
    kill_when(farflung, lambda events: of_kind(events, "unit-started", unit="slow"))
    write(farflung.cwd / "go", "")
    done = farflung.run("run", "--resume", code=1)
    assert "1 failed, 2 passed, 1 retried" in done.stderr
    assert "flaky" in done.stderr and "attempt 1: failed" in done.stderr  # stdout is taken by --jsonl
    text = (farflung.cwd / "junit.xml").read_text()
    assert "flakyFailure" in text and "words\n" in text and "more\n" in text and "slow\n" in text
    events = journal(runs_in(farflung.cwd)[-1])
    assert [(e["unit"], e["attempt"], e["final"]) for e in of_kind(events, "unit-before")] == [
        ("flaky", 1, False), ("flaky", 2, True), ("bad", 1, True)]


def test_what_was_interrupted_goes_on(farflung):
    farflung.yaml("inventory: [popen]\nsettings: {grace: 100ms}\njobs:\n"
                  "  a: {run: 'echo a >> done.txt; test {n} != 3 || [ -e go ] || sleep 1000', "
                  "matrix: {n: [1, 2, 3, 4]}}\n"
                  "  b: {run: 'echo b >> done.txt', needs: a}\n")
    live = farflung.follow("run")
    live.event("unit-started", unit="a[n=3]")
    live.process.send_signal(signal.SIGTERM)
    live.finish(130)
    write(farflung.cwd / "go", "")
    farflung.run("run", "--resume", code=0)
    events = journal(runs_in(farflung.cwd)[-1])
    assert {e["unit"] for e in of_kind(events, "unit-started")} == {"a[n=3]", "a[n=4]", "b"}
    assert finals(events) == {f"a[n={n}]": ["passed"] for n in (1, 2, 3, 4)} | {"b": ["passed"]}
    assert lines(farflung.cwd / "done.txt").count("b") == 1


def test_changed_inputs_are_named(farflung):
    text = ("inventory: [popen]\njobs:\n  base: {{run: 'echo {base} >> done.txt'}}\n"
            "  upon: {{run: 'echo upon >> done.txt', needs: base}}\n"
            "  else: {{run: 'echo else >> done.txt', env: {{SECRET: sesame{secret}}}}}\n"
            "  last: {{run: 'until [ -e go ]; do sleep 0.02; done', needs: [upon, else]{more}}}\n")
    farflung.yaml(text.format(base="base", secret="", more=""))
    kill_when(farflung, lambda events: of_kind(events, "unit-started", unit="last"))
    write(farflung.cwd / "go", "")
    shutil.copytree(farflung.cwd / ".farflung", farflung.cwd / "kept", symlinks=True)
    (first,) = runs_in(farflung.cwd)
    assert "sesame" not in (first / "journal.jsonl").read_text()

    def resumed(**changes):
        farflung.yaml(text.format(**{"base": "base", "secret": "", "more": "", **changes}))
        done = farflung.run("run", "--resume", first.name, code=0)
        events = journal(runs_in(farflung.cwd)[-1])
        assert sorted(finals(events).items()) == [(name, ["passed"]) for name in ("base", "else", "last", "upon")]
        return done.stderr, {e["unit"] for e in of_kind(events, "unit-started")}

    said, ran = resumed()
    assert "changed" not in said and ran == {"last"}
    said, ran = resumed(more=", timeout: 1h")  # how, not what
    assert "farflung.yaml has changed since then" in said and "job '" not in said and ran == {"last"}
    said, ran = resumed(base="basis")
    assert "job 'base' has changed: it is run anew (1 done before)" in said
    assert "job 'upon' needs 'base', which has changed: it is run anew (1 done before)" in said
    assert "job 'else'" not in said and ran == {"base", "upon", "last"}
    said, ran = resumed(secret="2")
    assert "job 'else' has changed" in said and ran == {"else", "last"}


def test_words_of_the_first_run_hold(farflung):
    farflung.yaml("inventory: [popen]\njobs:\n  a: {run: 'echo a'}\n"
                  "  b: {run: 'until [ -e go ]; do sleep 0.02; done'}\n  c: {run: 'touch never'}\n", "other.yaml")
    kill_when(farflung, lambda events: of_kind(events, "unit-started", unit="b"),
              "other.yaml", "--job", "a", "-j", "b", "--junit", "with blank.xml")
    write(farflung.cwd / "go", "")
    farflung.run("run", "--resume", code=0)
    assert len(junit_outcomes(farflung.cwd / "with blank.xml")) == 2
    assert not (farflung.cwd / "never").exists()


@pytest.mark.parametrize("collect", ["every", "shard"])
def test_pytest_jobs(farflung, python, collect):
    for name in ("test_a.py", "test_b.py", "test_c.py"):
        write(farflung.cwd / name, """
import os, pathlib, time, pytest
@pytest.mark.parametrize("n", range(8))
def test_n(n, request):
    with open("done.txt", "a") as file:
        file.write(request.node.nodeid + "\\n")
    assert n != 5
    end = time.monotonic() + 60
    while n == 7 and not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.01)
""")
    farflung.yaml(f"inventory: [{{spec: 2*popen, python: '{python}'}}]\nreport: {{junit: junit.xml}}\n"
                  f"jobs: {{unit: {{pytest: [-p, 'no:cacheprovider'], collect: {collect}}}}}\n")
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 7)
    before = {unit for unit in finals(journal(runs_in(farflung.cwd)[0]))}
    write(farflung.cwd / "go", "")
    done = farflung.run("run", "--resume", code=1)
    events = journal(runs_in(farflung.cwd)[-1])
    names = [f"test_{file}.py::test_n[{n}]" for file in "abc" for n in range(8)]
    assert finals(events) == {name: ["failed" if "[5]" in name else "passed"] for name in names}
    assert not before & {e["unit"] for e in of_kind(events, "unit-started")}
    assert len(before) >= 7
    assert len(junit_outcomes(farflung.cwd / "junit.xml")) == 24
    assert done.stderr.splitlines()[-1] == "farflung: 3 failed, 21 passed (exit 1)"


def test_what_can_not_be_gone_on_with(farflung):
    def refused(*args, words):
        done = farflung.run("run", *args, code=2)
        assert words in done.stderr, done.stderr
        assert done.stderr.splitlines()[-1] == "farflung: nothing was started (exit 2)"

    refused("--resume", words="no run was started here")
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'until [ -e go ]; do sleep 0.02; done'}}\n")
    refused("--resume=nothing", words="nothing: there is no such run")
    live = farflung.follow("run")
    live.event("unit-started")
    refused("--resume", words="this run is still going")
    write(farflung.cwd / "go", "")
    live.finish(0)
    (run,) = runs_in(farflung.cwd)
    write(run / "journal.jsonl", (run / "journal.jsonl").read_text().replace('"run --jsonl', '"pytest --jsonl'))
    refused("--resume", words=f"run {run.name} was 'farflung pytest': farflung pytest --resume {run.name} goes on with it")
    write(run / "journal.jsonl", (run / "journal.jsonl").read_text().replace('"pytest --jsonl', '"stress --jsonl'))
    refused("--resume", words="only runs of farflung run, pytest and map can be gone on with")
    write(run / "journal.jsonl", "{}\n")
    done = farflung.run("run", "--resume", code=3)
    assert "journal.jsonl:1: " in done.stderr
    write(run / "journal.jsonl", "")
    assert "it has no run in it" in farflung.run("run", "--resume", code=3).stderr


def test_a_run_whose_beginning_is_gone(farflung):
    """A run that had not taken over all from the one before can't do without it; one that has, can."""
    names = counting(farflung, units=20, slots=2)
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 5)
    first = runs_in(farflung.cwd)[0]
    kill_when(farflung, lambda events: of_kind(events, "unit-started"), "--resume")
    second = runs_in(farflung.cwd)[1]
    kept = (second / "journal.jsonl").read_text()
    cut = kept[:kept.index("\n", kept.rindex('"units-before"')) + 1]
    shutil.move(first, farflung.cwd / "elsewhere")
    write(second / "journal.jsonl", cut)
    done = farflung.run("run", "--resume", code=2)
    assert f"run {second.name} went on with another one" in done.stderr and str(first) in done.stderr
    shutil.move(farflung.cwd / "elsewhere", first)
    farflung.run("run", "--resume", second.name, code=1)
    third = runs_in(farflung.cwd)[2]
    shutil.rmtree(first)
    shutil.rmtree(second)
    farflung.run("run", "--resume", third.name, code=1)
    assert set(finals(journal(runs_in(farflung.cwd)[-1]))) == set(names)


def test_rerun(farflung):
    farflung.yaml("inventory: [2*popen]\nreport: {junit: junit.xml}\njobs:\n"
                  "  a: {run: 'echo {n} >> done.txt; [ -e good ] || test {n} != 2', matrix: {n: [1, 2, 3]}}\n"
                  "  b: {run: 'echo b >> done.txt', needs: a}\n")
    farflung.run("run", code=1)
    assert "and what of it: --failed" in farflung.run("rerun", code=2).stderr
    assert "--until goes with --worker" in farflung.run("rerun", "--failed", "--until", "x", code=2).stderr
    assert "no unit 'a[n=9]'" in farflung.run("rerun", "a[n=9]", code=2).stderr
    farflung.run("rerun", "--failed", code=1)
    write(farflung.cwd / "good", "")
    farflung.run("rerun", "--failed", "-v", code=0)
    assert sorted(lines(farflung.cwd / "done.txt")) == ["1", "2", "2", "2", "3", "b"]
    assert {name: kind for (_, name), (kind, _) in junit_outcomes(farflung.cwd / "junit.xml").items()} == dict.fromkeys(
        ("a[n=1]", "a[n=2]", "a[n=3]", "b"), "passed")
    farflung.run("rerun", "last", "a[n=3]", "b", code=0)
    assert sorted(lines(farflung.cwd / "done.txt")) == ["1", "2", "2", "2", "3", "3", "b", "b"]
    events = journal(runs_in(farflung.cwd)[-1])
    assert finals(events) == dict.fromkeys(("a[n=1]", "a[n=2]", "a[n=3]", "b"), ["passed"])
    farflung.run("rerun", "--lost", code=0)
    assert len(lines(farflung.cwd / "done.txt")) == 8


def test_a_changed_tree_is_named(farflung):
    """What the tree's files held is noted while it is brought; what is another one then is said."""
    tree = farflung.cwd / "tree"
    for name in ("a.py", "b.py", "deep/c.py", "gone.py"):
        write(tree / name, f"content of {name}\n")
    (tree / "link").symlink_to("a.py")
    farflung.yaml("inventory: [{spec: popen, chdir: there}]\ntree: tree\njobs:\n"
                  "  a: {run: 'cat a.py'}\n  b: {run: 'until [ -e ../go ]; do sleep 0.02; done', needs: a}\n")

    def noted(run):
        return (run / "tree").exists() and (run / "tree").read_text().endswith("end\n")

    live = farflung.follow("run")
    live.event("unit-started", unit="b")
    (first,) = runs_in(farflung.cwd)
    wait_until(lambda: noted(first), 60, "the tree is noted")
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    wait_until(lambda: not farflung.left_over(), 30, "its workers are gone")
    # Another time alone is no change; another content of the same size and time is one.
    stat = (tree / "b.py").stat()
    os.utime(tree / "a.py", (1, 1))
    write(tree / "b.py", "CONTENT of b.py\n")
    os.utime(tree / "b.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tree / "gone.py").unlink()
    write(tree / "deep" / "new.py", "")
    live = farflung.follow("run", "--resume")
    notice = live.event("notice", level="warning")
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    assert notice["text"] == (f"the tree has changed since run {first.name}: changed: b.py; new: deep/new.py; gone: gone.py")
    assert {e["unit"] for e in of_kind(events, "unit-started")} == {"b"}
    # Pruning knows the note.
    farflung.yaml("inventory: [popen]\nsettings: {keep: {runs: 1}}\njobs: {a: {run: 'true'}}\n")
    farflung.run("run", code=0)
    assert not first.exists()


def test_changed_tests_are_said(farflung, python):
    write(farflung.cwd / "test_it.py", "def test_a(): pass\ndef test_b():\n    import os, time\n"
          "    end = time.monotonic() + 60\n    while not os.path.exists('go') and time.monotonic() < end: time.sleep(0.01)\n")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\n"
                  "jobs: {unit: {pytest: [-p, 'no:cacheprovider'], collect: every}}\n")
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"))
    write(farflung.cwd / "go", "")
    with open(farflung.cwd / "test_it.py", "a") as file:
        file.write("def test_c(): pass\n")
    done = farflung.run("run", "--resume", code=0)
    events = journal(runs_in(farflung.cwd)[-1])
    assert "other tests than in the run before" in of_kind(events, "notice", job="unit", level="note")[0]["text"]
    assert "farflung: test_it.py has changed since then\n" in done.stderr
    assert finals(events) == {f"test_it.py::test_{name}": ["passed"] for name in "abc"}
    assert "3 passed" in done.stderr


def test_a_shard_that_is_gone_on_with_is_merged(farflung, python):
    write(farflung.cwd / "test_it.py", """
import os, time, pytest
@pytest.mark.parametrize("n", range(12))
def test_n(n):
    end = time.monotonic() + 60
    while n % 3 == 2 and not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.01)
    assert n != 4
""")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\njobs: {{unit: {{pytest: [-p, 'no:cacheprovider']}}}}\n")
    codes = set()
    for shard in ("1", "2"):
        (farflung.cwd / shard).mkdir()
        farflung.env["FARFLUNG_RUNS"] = str(farflung.cwd / shard)
        if shard == "1":
            kill_when(farflung, lambda events: of_kind(events, "unit-finished"), "--shard", "1/2", "--history", "none")
            write(farflung.cwd / "go", "")
            codes.add(farflung.run("run", "--resume").returncode)
        else:
            codes.add(farflung.run("run", "--shard", "2/2", "--history", "none").returncode)
    assert codes == {0, 1}
    del farflung.env["FARFLUNG_RUNS"]
    done = farflung.run("merge", "1", "2", "--junit", "merged.xml", "--jsonl", "merged.jsonl", code=1)
    assert done.stderr.splitlines()[-1] == "farflung: 11 passed, 1 failed (exit 1)"
    assert len(junit_outcomes(farflung.cwd / "merged.xml")) == 12
    told = finals(read_jsonl(farflung.cwd / "merged.jsonl"))
    assert told == {f"test_it.py::test_n[{n}]": ["failed" if n == 4 else "passed"] for n in range(12)}


def test_last_failed_of_pytest_has_what_failed_before(farflung, python):
    write(farflung.cwd / "test_it.py", "def test_a(): assert 0\ndef test_b():\n    import os, time\n"
          "    end = time.monotonic() + 60\n    while not os.path.exists('go') and time.monotonic() < end: time.sleep(0.01)\n")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\njobs: {{unit: {{pytest: []}}}}\n")
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"))
    write(farflung.cwd / "go", "")
    farflung.run("run", "--resume", code=1)
    cached = json.loads((farflung.cwd / ".pytest_cache/v/cache/lastfailed").read_text())
    assert cached == {"test_it.py::test_a": True}


def test_history_has_what_a_killed_run_did(farflung, python):
    write(farflung.cwd / "test_it.py", "import os, time\ndef wait():\n"
          "    end = time.monotonic() + 60\n    while not os.path.exists('go') and time.monotonic() < end: time.sleep(0.01)\n"
          "def test_a(): assert 0\ndef test_b(): wait()\ndef test_c(): pass\n")
    farflung.yaml(f"inventory: [{{spec: popen, python: '{python}'}}]\njobs: {{unit: {{pytest: [-p, 'no:cacheprovider']}}}}\n")

    def known():
        lines = farflung.run("history", "--json", "--slowest", "0", code=0).stdout.splitlines()
        return {each["unit"] for each in map(json.loads, lines)}

    kill_when(farflung, lambda events: of_kind(events, "unit-finished"))
    write(farflung.cwd / "go", "")
    farflung.run("run", "--resume", code=1)
    events = journal(runs_in(farflung.cwd)[-1])
    assert [e["unkept"] for e in of_kind(events, "unit-before")] == [True]
    assert known() == {"test_it.py::test_a", "test_it.py::test_b", "test_it.py::test_c"}
    # That one came to its end: it is kept already.
    farflung.run("run", "--resume", code=1)
    events = journal(runs_in(farflung.cwd)[-1])
    assert len(of_kind(events, "unit-before")) == 3 and not any("unkept" in e for e in events)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_file_that_came_from_stdin(farflung, name):
    """It is wanted there once more; nothing there is said as what it is."""
    text = "inventory: [popen]\njobs: {a: {run: 'echo x >> ran; test -e go'}}\n"
    path = write(farflung.cwd / "text", text)
    with path.open() as stdin:
        farflung.run("run", name, code=1, stdin=stdin)
    done = farflung.run("run", "--resume", code=2)
    assert "the file is read from there, and nothing came" in done.stderr and "nothing was started" in done.stderr
    write(farflung.cwd / "go", "")
    for args in (["rerun", "--failed"], ["run", name, "--resume"]):
        with path.open() as stdin:
            farflung.run(*args, code=0, stdin=stdin)
    assert (farflung.cwd / "ran").read_text() == "x\nx\n"

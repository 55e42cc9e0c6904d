"""farflung map --resume and farflung rerun without a job log: by the journal and the items that were read."""
import signal
import subprocess

import pytest

from conftest import Live, junit_outcomes, of_kind, wait_until, write
from test_full_disk import small  # noqa: F401 (a fixture)
from test_map import joblog
from test_resume import finals, journal, lines, runs_in

# Each unit leaves a line when it has done its work, in one write.
COUNTS = "echo {} >> done.txt; echo out {}; test {} != 7"
WAITS = "until [ -e go ] || [ {} -lt 12 ]; do sleep 0.02; done; " + COUNTS


def numbers(first, last):
    return "".join(f"{n}\n" for n in range(first, last + 1))


def from_file(farflung, text):
    path = write(farflung.cwd.parent / "stdin", text)
    return open(path, "rb")


def run_map(farflung, *args, text="", code=0, **options):
    with from_file(farflung, text) as stdin:
        return farflung.run("map", *args, code=code, stdin=stdin, **options)


def kill_when(farflung, condition, *args, text=None, feed=None, ends=False):
    """Kills the controller (SIGKILL) as soon as condition(events) holds. `feed`: lines that come by a pipe, which then
    ends or not."""
    if feed is None:
        stdin = from_file(farflung, text or "")
        live = Live(farflung.start("map", "--jsonl", "-", *args, stdin=stdin))
        stdin.close()
    else:
        live = Live(farflung.start("map", "--jsonl", "-", *args, stdin=subprocess.PIPE))
        live.process.stdin.write(feed)
        live.process.stdin.flush()
        if ends:
            live.process.stdin.close()
    live.wait_for(condition)
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    for thread in live.threads:
        thread.join(60)
    for stream in (live.process.stdin, live.process.stdout, live.process.stderr):
        if stream and not stream.closed:
            stream.close()
    wait_until(lambda: not farflung.left_over(), 30, "its commands are gone")


def started(run):
    return {event["unit"] for event in of_kind(journal(run), "unit-started")}


def unit_names(first, last):
    return {f"map[{n}]" for n in range(first, last + 1)}


def all_but_seven(last):
    return {name: ["failed" if name == "map[7]" else "passed"] for name in unit_names(1, last)}


@pytest.mark.parametrize("how", ["file", "pipe", "words", "arg-file"])
def test_a_killed_controller(farflung, how):
    write(farflung.cwd / "items", numbers(1, 20))
    args = {"arg-file": ["-a", "items", WAITS], "words": [WAITS, ":::", *map(str, range(1, 21))]}.get(how, [WAITS])
    options = {"file": {"text": numbers(1, 20)}, "pipe": {"feed": numbers(1, 20), "ends": True}}.get(how, {})
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 9 and (
        how != "pipe" or of_kind(events, "units-added", open=False)), "-j3", "--junit", "all of it.xml", *args, **options)
    (first,) = runs_in(farflung.cwd)
    before = finals(journal(first))
    assert len(before) >= 9
    write(farflung.cwd / "go", "")
    (farflung.cwd / "items").unlink()
    done = farflung.run("map", "--resume", code=1)
    assert f"going on with run {first.name}: {len(before)} of its 20 known units are done" in done.stderr
    after = runs_in(farflung.cwd)[1]
    assert finals(journal(after)) == all_but_seven(20)
    assert started(after) == unit_names(1, 20) - set(before)
    for n in range(1, 21):
        assert lines(farflung.cwd / "done.txt").count(str(n)) in ((1,) if f"map[{n}]" in before else (1, 2)), n
    assert len(junit_outcomes(farflung.cwd / "all of it.xml")) == 20
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 19 passed (exit 1)"
    # What was done is not shown again (events have stdout here); and when all is over, nothing runs any more.
    shown = [line for line in done.stderr.splitlines() if line.startswith("out ")]
    assert sorted(shown) == sorted(f"out {n}" for n in range(1, 21) if f"map[{n}]" not in before)
    done = farflung.run("map", "--resume", code=1)
    assert not started(runs_in(farflung.cwd)[-1])
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 19 passed (exit 1)"


def test_killed_again_and_again(farflung):
    kill_when(farflung, lambda events: of_kind(events, "unit-finished"), "-j2", WAITS, text=numbers(1, 20))
    for word in ["run-started", "units-before", "unit-before", "unit-started", "unit-started"]:
        kill_when(farflung, lambda events, word=word: of_kind(events, word), "--resume")
    write(farflung.cwd / "go", "")
    done = farflung.run("map", "--resume", code=1)
    runs = runs_in(farflung.cwd)
    assert len(runs) == 7 and finals(journal(runs[-1])) == all_but_seven(20)
    ended = [e["unit"] for run in runs for e in of_kind(journal(run), "unit-finished")]
    assert len(ended) == len(set(ended)) == 20
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 19 passed (exit 1)"


def test_stdin_that_was_cut_off(farflung):
    """More lines were to come when it was killed: they are not known, so the same stdin is wanted again."""
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 9, "-j2", WAITS, feed=numbers(1, 15) + "16")
    (first,) = runs_in(farflung.cwd)
    before = set(finals(journal(first)))
    assert (first / "input").read_text() == numbers(1, 15), "no half a line"

    def refused(text, words):
        done = run_map(farflung, "--resume", text=text, code=255)
        assert words in done.stderr, done.stderr
        assert len(runs_in(farflung.cwd)) == 1

    refused("", "has but 0 of the 15 items that were read")
    refused(numbers(1, 14), f"has but 14 of the 15 items that were read (to run no more than those: < {first}/input)")
    refused(numbers(1, 4) + "x\n" + numbers(6, 20), f"<stdin>: item 5 is 'x', and was '5' in run {first.name}: these are others")
    assert "farflung map --resume-failed goes on with that" in farflung.run("rerun", "--failed", code=2).stderr
    # By a pipe again, of which more comes while units run; that is killed, too.
    kill_when(farflung, lambda events: {e["unit"] for e in of_kind(events, "unit-started")} & unit_names(12, 15),
              "--resume", feed=numbers(1, 15))
    write(farflung.cwd / "go", "")
    done = subprocess.run([farflung.program, "map", "--resume", "-j2", "--jsonl", "-", WAITS], input=numbers(1, 20), text=True,
                          cwd=farflung.cwd, env=farflung.env, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    runs = runs_in(farflung.cwd)
    assert finals(journal(runs[-1])) == all_but_seven(20)
    assert not started(runs[-1]) & before
    assert (runs[-1] / "input").read_text() == numbers(1, 20)
    # Now all of it is known.
    farflung.run("map", "--resume", code=1)
    assert not started(runs_in(farflung.cwd)[-1])


def test_stdin_that_could_not_be_read_to_its_end(farflung):
    """What was to come behind it is not taken for nothing."""
    live = Live(farflung.start("map", "--jsonl", "-", "-j1", COUNTS, stdin=subprocess.PIPE))
    live.process.stdin.write("1\n2\n")
    live.process.stdin.flush()
    live.event("unit-finished", unit="map[2]")
    live.process.stdin.write("3\n4\0\n5\n")
    live.process.stdin.close()
    live.finish(255)
    assert "<stdin>:4:2: a NUL byte" in live.stderr
    done = run_map(farflung, "--resume", text=numbers(1, 3), code=0)
    assert "going on with" in done.stderr
    runs = runs_in(farflung.cwd)
    assert not started(runs[1]) & {"map[1]", "map[2]"} and set(finals(journal(runs[1]))) == unit_names(1, 3)


def test_a_full_disk(farflung, small):
    """Of output, and of what is read: it says how to go on, and that works."""
    farflung.env["FARFLUNG_RUNS"] = str(small.path)
    command = "head -c 300000 /dev/zero | tr '\\0' x; echo {} >> done.txt"
    stopped = run_map(farflung, "-j2", "--results", "results", command, text=numbers(1, 40), code=255, **small.options())
    (run,) = runs_in(small.path)
    done = {e["unit"] for e in of_kind(journal(run), "unit-finished", final=True)}
    assert 1 <= len(done) < 40
    assert f"{small.path}/.farflung/runs/" in stopped.stderr and small.words() in stopped.stderr
    if small.mounted:
        assert f"farflung map --resume {run.name} goes on from there" in stopped.stderr
    small.grow()
    farflung.run("map", "--resume", code=0)
    assert set(finals(journal(runs_in(small.path)[-1]))) == unit_names(1, 40)
    assert not started(runs_in(small.path)[-1]) & done
    assert sorted(set(lines(farflung.cwd / "done.txt")), key=int) == numbers(1, 40).split()


def test_a_disk_that_is_full_of_what_is_read(farflung, small):
    farflung.env["FARFLUNG_RUNS"] = str(small.path)
    fed = "".join(f"{n}{'x' * 10000}\n" for n in range(600))
    done = subprocess.run([farflung.program, "map", "-j2", "-N0", "true"], input=fed, text=True, cwd=farflung.cwd, env=farflung.env,
                          capture_output=True, timeout=120, check=False, **small.options())
    assert done.returncode == 255 and small.words() in done.stderr, done.stderr
    (run,) = runs_in(small.path)
    before = {e["index"] for e in of_kind(journal(run), "unit-finished", final=True)}
    small.grow()
    run_map(farflung, "--resume", text=fed, code=0)
    events = journal(runs_in(small.path)[-1])
    assert {e["index"] for e in of_kind(events, "unit-finished")} == set(range(600)) - before
    assert {e["index"] for e in of_kind(events, "unit-before")} == before


def test_no_more_than_had_come(farflung):
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 3, "-j2", COUNTS, feed=numbers(1, 5))
    with open(runs_in(farflung.cwd)[0] / "input", "rb") as stdin:
        farflung.run("map", "--resume", code=0, stdin=stdin)
    assert finals(journal(runs_in(farflung.cwd)[-1])) == {name: ["passed"] for name in unit_names(1, 5)}


def test_rerun(farflung):
    """With columns, a job log, tags and results, as they were."""
    command = ["-j2", "--tag", "-C", ",", "--joblog", "log", "echo {2} >> done.txt; echo got {1}; [ -e good ] || test {1} != b"]
    run_map(farflung, *command, text="a,1\nb,2\nb,3\nc,4\n", code=2)
    done = farflung.run("rerun", "--failed", code=2)
    assert sorted(done.stdout.splitlines()) == ["b 2\tgot b", "b 3\tgot b"]
    write(farflung.cwd / "good", "")
    done = farflung.run("rerun", "last", "map[b,3]", "--junit", "j.xml", code=1)
    assert done.stdout == "b 3\tgot b\n" and len(junit_outcomes(farflung.cwd / "j.xml")) == 4
    done = farflung.run("rerun", "--failed", code=0)
    assert done.stdout == "b 2\tgot b\n" and done.stderr.startswith("farflung: going on with run ")
    assert sorted(lines(farflung.cwd / "done.txt")) == sorted("1 2 3 4 2 3 3 2".split())
    assert [(row["Seq"], row["Exitval"]) for row in joblog(farflung.cwd / "log")][4:] in (
        [("2", "1"), ("3", "1"), ("3", "0"), ("2", "0")], [("3", "1"), ("2", "1"), ("3", "0"), ("2", "0")])
    farflung.run("rerun", "--lost", code=0)
    assert len(lines(farflung.cwd / "done.txt")) == 8


def test_resume_failed(farflung):
    run_map(farflung, "-j2", COUNTS + " || [ -e good ]", text=numbers(5, 8), code=1)
    farflung.run("map", "--resume", code=1)
    assert not started(runs_in(farflung.cwd)[-1])
    write(farflung.cwd / "good", "")
    farflung.run("map", "--resume-failed", runs_in(farflung.cwd)[0].name, "-k", code=0)
    assert started(runs_in(farflung.cwd)[-1]) == {"map[7]"}


def test_a_job_log_that_lacks_lines(farflung):
    """What had ended, and was killed before the job log had it, is written there."""
    log = farflung.cwd / "log"

    def some_are_logged(events):
        if len(of_kind(events, "unit-finished")) < 5:
            return False
        wait_until(lambda: log.read_text().count("\n") > 3, 20, "the job log has three lines")
        return True

    kill_when(farflung, some_are_logged, "-j2", "--joblog", "log", WAITS, text=numbers(1, 14))
    kept = log.read_text().splitlines(keepends=True)
    write(farflung.cwd / "log", "".join(kept[:3]) + kept[3][:5])
    write(farflung.cwd / "go", "")
    farflung.run("map", "--resume", code=1)
    rows = joblog(farflung.cwd / "log")
    assert sorted(int(row["Seq"]) for row in rows) == list(range(1, 15))
    assert [row["Exitval"] for row in rows if row["Seq"] == "7"] == ["1"]


def test_order_is_kept_around_what_was_done(farflung):
    kill_when(farflung, lambda events: of_kind(events, "unit-finished", unit="map[3]"),
              "-j3", "-k", "test {} != 2 || until [ -e go ]; do sleep 0.02; done; echo out {}; test {} != 5 || sleep 100",
              text=numbers(1, 5))
    write(farflung.cwd / "go", "")
    stdin = from_file(farflung, "")
    live = Live(farflung.start("map", "--resume", "--jsonl", "-", stdin=stdin))
    stdin.close()
    live.event("unit-finished", unit="map[2]")
    # It is shown before all is over: nobody waits for what was done before.
    wait_until(lambda: "out 2" in live.stderr, 60, "its output is shown")
    live.process.send_signal(signal.SIGTERM)
    live.process.send_signal(signal.SIGTERM)
    live.finish(130)


def test_changed_files_are_named(farflung):
    write(farflung.cwd / "items", numbers(1, 14))
    write(farflung.cwd / "same", "x\n")
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 3, "-j2", "-a", "items",
              WAITS.replace("{}", "{1}"), "::::", "same")
    write(farflung.cwd / "items", numbers(1, 3))
    write(farflung.cwd / "go", "")
    done = farflung.run("map", "--resume", code=1)
    first = runs_in(farflung.cwd)[0].name
    assert f"items has changed since then: run {first} goes on with the items that it had" in done.stderr
    assert "same has changed" not in done.stderr
    assert len(finals(journal(runs_in(farflung.cwd)[-1]))) == 14


def test_what_can_not_be_gone_on_with(farflung):
    def refused(*args, words, code=255, text="", **options):
        done = run_map(farflung, *args, text=text, code=code, **options) if args[0] != "rerun" else farflung.run(
            *args, code=code, **options)
        assert words in done.stderr, done.stderr
        assert "nothing was started" in done.stderr.splitlines()[-1] or "map: " in done.stderr

    refused("--resume", words="no run was started here")
    refused("--resume=nothing", words="nothing: there is no such run")
    refused("--resume", "20261128-101816-2976", words="20261128-101816-2976: there is no such run")
    live = Live(farflung.start("map", "--jsonl", "-", WAITS, ":::", "12", "13"))
    live.event("unit-started")
    refused("--resume", words="this run is still going")
    refused("rerun", "--failed", words="this run is still going", code=2)
    write(farflung.cwd / "go", "")
    live.finish(0)
    (run,) = runs_in(farflung.cwd)
    refused("rerun", "map[14]", words=f"run {run.name} has no unit 'map[14]' with an end", code=2)
    for args in (["echo", "{}"], ["-0"], ["-C", ","], ["-a", "file"], [WAITS, ":::", "12"]):
        refused("--resume", *args, words="its units are those of the command and the items")
    refused("--resume", "--dry-run", words="--dry-run shows what a command would do")
    refused("--resume", run.name, "--joblog", "log", WAITS, words=f"the run '{run.name}' or the job log 'log', not both")
    assert f"farflung map --resume {run.name} goes on with it" in farflung.run("run", "--resume", code=2).stderr
    assert "unknown option '-v'" in farflung.run("rerun", "--failed", "-v", code=2).stderr
    other = farflung.cwd / "other"
    other.mkdir()
    refused("rerun", run, "--failed", words=f"was begun in {farflung.cwd}, from where", code=2, cwd=other)
    refused("--resume", str(run), words="from where what it was given is meant", cwd=other)
    # The whole command again is fine.
    farflung.run("map", "--resume", "-j1", WAITS, ":::", "12", "13", code=0)
    run_map(farflung, "--pipe", "cat", text="x\n")
    refused("--resume", words="blocks of stdin (--pipe) are kept nowhere")
    run_map(farflung, "--joblog", "log", "echo", text=numbers(1, 3))
    run_map(farflung, "--joblog", "log", "--resume", "echo", text=numbers(1, 4))
    refused("--resume", words="it went on by its job log")
    assert len(joblog(farflung.cwd / "log")) == 4
    run_map(farflung, "echo", text=numbers(1, 3))
    kept = runs_in(farflung.cwd)[-1] / "input"
    write(kept, "1\n2\n")
    refused("--resume", words="had 3 units, and what it read is 2: it is not whole")
    refused("rerun", "--failed", words="it is not whole", code=255)
    kept.unlink()
    refused("--resume", words="is not there: '")
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'true'}}\n")
    farflung.run("run", code=0)
    refused("--resume", words="was 'farflung run': farflung run --resume ")


def test_the_hosts_of_a_file(farflung):
    """Its hosts, and what runs there is found again; other hosts may be said."""
    farflung.yaml("inventory:\n  hosts:\n    - {name: one, spec: popen}\n    - {name: two, spec: 2*popen}\n", "h.yaml")
    kill_when(farflung, lambda events: len(of_kind(events, "unit-finished")) >= 5, "-f", "h.yaml", "--on", "two", WAITS,
              text=numbers(1, 14))
    write(farflung.cwd / "go", "")
    farflung.run("map", "--resume", "--on", "one", code=1)
    assert {e["host"] for e in of_kind(journal(runs_in(farflung.cwd)[-1]), "unit-started")} == {"one"}


def test_pruning_knows_what_was_read(farflung):
    write(farflung.cwd / "a", "1\n")
    run_map(farflung, "echo", "::::", "a", "a")
    (first,) = runs_in(farflung.cwd)
    assert sorted(path.name for path in first.iterdir() if path.name.startswith("input")) == ["input", "input-2"]
    farflung.yaml("inventory: [popen]\nsettings: {keep: {runs: 1}}\njobs: {a: {run: 'true'}}\n")
    farflung.run("run", code=0)
    assert not first.exists()


@pytest.mark.parametrize("args, words", [
    (["--shuf"], "the order of --shuf is another one each time"),
    (["-X"], "units depend on how many slots there are"), (["-m"], "units depend on how many slots there are"),
])  # fmt: skip
def test_what_a_journal_does_not_know(farflung, args, words):
    """Nothing of them is kept; a job log goes on with the same."""
    run_map(farflung, "-j1", *args, "echo {} >> done.txt; test -e go", text="n\n1,2\n3\n", code=None)
    (first,) = runs_in(farflung.cwd)
    assert not (first / "input").exists()
    for command in (["map", "--resume"], ["rerun", "--failed"]):
        done = farflung.run(*command)
        assert done.returncode in (2, 255) and words in done.stderr and "nothing was started" in done.stderr
    assert runs_in(farflung.cwd) == [first]


@pytest.mark.parametrize("args", [["-N2"], ["--trim", "lr"], ["--link", ":::", "a", "b", "c", ":::", "1", "2", "3"], ["-q"]])
def test_how_units_are_made_stays(farflung, args):
    options, sources = (args[:1], args[1:]) if ":::" in args else (args, [])
    text = "" if sources else " a\nb \nc\nd\n"
    command = ["sh", "-c", "test -e go"] if args == ["-q"] else ["sh -c 'test -e go'"]
    run_map(farflung, "-j1", *options, *command, *sources, text=text, code=None)
    first = journal(runs_in(farflung.cwd)[0])
    write(farflung.cwd / "go", "")
    farflung.run("map", "--resume-failed", code=0)
    again = journal(runs_in(farflung.cwd)[1])
    assert set(finals(again)) == set(finals(first)) and {tuple(end) for end in finals(again).values()} == {("passed",)}
    assert "its units are those of the command" in farflung.run("map", "--resume", "-N3", "sh -c 'test -e go'", ":::", "x").stderr


@pytest.mark.parametrize("words, text", [
    (["--header", ":", "run {n}"], "n\n1\n2\n3\n"),
    (["--header", ":", "-C", ",", "run {b}{a}"], "a,b\n1,x\n2,y\n"),
    (["--header", ":", "run {n}", "::::", "numbers", "::::", "numbers"], ""),
    (["-d", ",", "run {}"], "1,2,3"),
    (["-d", "END", "run {}"], "1\n1END2"),
    (["-d", "\\0", "run {}"], "1\n1\0002\0"),
    (["-d", ",", "run {}", ":::", "1,2", "3", "::::", "numbers"], ""),
    (["-d", ",", "--header", ":", "run {n}"], "n,1,2"),
    (["-E", "2", "run {}"], "1\n2\n3\n"),
    (["-I", ",,", "run ,,"], "1\n2\n"),
    (["-L", "2", "run {2}{1}"], "1\n2\n3\n"),
    (["--header", ":", "run {n}"], "n\n"),
])
@pytest.mark.parametrize("command", ["whole", "bare"])
def test_items_told_apart_in_other_ways_are_kept(farflung, words, text, command):
    """They are run again as they were, with the same values, also where nothing but --resume-failed is said."""
    write(farflung.cwd / "numbers", "n\n7\n8\n")
    write(farflung.cwd / "run", '#!/bin/sh\nprintf "<%s>" "$*" >> "$(cat where)"\ntest -e go\n').chmod(0o755)
    write(farflung.cwd / "where", "one")
    words = [word.replace("run ", "./run ") for word in words]
    run_map(farflung, "-j1", *words, text=text, code=None)
    if not (farflung.cwd / "one").exists():  # nothing to do makes no run
        assert text == "n\n"
        return
    write(farflung.cwd / "where", "two")
    write(farflung.cwd / "go", "")
    farflung.run("map", "--resume-failed", *(["-j1", *words] if command == "whole" else []), code=0)
    assert (farflung.cwd / "one").read_bytes() == (farflung.cwd / "two").read_bytes()
    assert len(finals(journal(runs_in(farflung.cwd)[1]))) == (farflung.cwd / "one").read_text().count("<")
    farflung.run("map", "--resume-failed", code=0)
    assert (farflung.cwd / "one").read_bytes() == (farflung.cwd / "two").read_bytes()

"""runs, show, status, attach, replay, cancel: a run as others see it."""
import json
import os
import signal

from conftest import junit_outcomes, of_kind, read_jsonl, wait_until, write

WAITS = "until [ -e go ]; do sleep 0.02; done"


def waiting(farflung, more=""):
    farflung.yaml("inventory: [2*popen]\nsettings: {grace: 30s}\njobs:\n"
                  f"  a: {{run: 'echo begun {{n}}; printf half; test {{n}} = 1 || {WAITS}', matrix: {{n: [1, 2, 3, 4]}}}}\n"
                  "  b: {run: 'echo words; exit 3'}\n" + more)
    live = farflung.follow("run")
    live.wait_for(lambda events: {e["unit"] for e in of_kind(events, "unit-output")} >= {"a[n=2]", "a[n=3]"})
    return live



def run_id(live):
    return live.event("run-started")["run"]


def test_status(farflung):
    assert "no run in" in farflung.run("status", code=2).stderr
    live = waiting(farflung)
    status = json.loads(farflung.run("status", "--json", code=0).stdout)
    assert status["run"] == run_id(live) and status["state"] == "going" and status["pid"] == live.process.pid
    assert [(u["unit"], u["host"], u["attempt"], u["line"]) for u in status["running"]] == [
        ("a[n=2]", "popen", 1, "half"), ("a[n=3]", "popen", 1, "half")]
    assert status["done"] == 1 and status["total"] == 5
    text = farflung.run("status", run_id(live), code=0).stdout
    assert f"going on, process {live.process.pid} on " in text and "1 of 5 units done: 1 passed" in text
    assert "popen  a[n=2]" in text and "| half" in text
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    assert json.loads(farflung.run("status", "--json", code=0).stdout)["state"] == "cut-off"
    text = farflung.run("status", code=0).stdout
    assert "cut off: its process is gone" in text and "it was running:" in text
    write(farflung.cwd / "go", "")
    farflung.run("run", "--resume", code=1)
    text = farflung.run("status", code=0).stdout
    assert "exit 1" in text and "running" not in text


def test_runs_and_show(farflung):
    assert "no run was started here" in farflung.run("runs", code=2).stderr
    live = waiting(farflung)
    first = run_id(live)
    (listed,) = map(json.loads, farflung.run("runs", "--json", code=0).stdout.splitlines())
    assert listed["run"] == first and listed["state"] == "going" and "exit_code" not in listed
    assert f"{first}  " in farflung.run("runs", code=0).stdout
    write(farflung.cwd / "go", "")
    live.finish(1)
    (listed,) = map(json.loads, farflung.run("runs", "--json", code=0).stdout.splitlines())
    assert listed["state"] == "ended" and listed["exit_code"] == 1 and listed["ended_us"] > listed["began_us"]
    assert listed["counts"] == {"total": 5, "not_run": 0, "passed": 4, "failed": 1}
    shown = farflung.run("show", "last", code=0).stdout
    assert f"run {first}: exit 1" in shown and "job b: failed, 1 of 1 units have an end, 1 failed" in shown
    shown = farflung.run("show", first, "b", code=0).stdout
    assert "b of job b: attempt 1 failed on popen" in shown and "exit status 3" in shown and "words\n" in shown
    assert farflung.run("show", first, "b", "--output", code=0).stdout == "words\n"
    assert "did you mean 'a[n=4]'?" in farflung.run("show", "last", "a[n=44]", code=2).stderr
    assert "no run 'nothing'" in farflung.run("show", "nothing", code=2).stderr
    farflung.run("run", code=1)
    farflung.run("run", code=1)
    assert len(farflung.run("runs", "--limit", "2", code=0).stdout.splitlines()) == 3
    ids = [json.loads(line)["run"] for line in farflung.run("runs", "--json", code=0).stdout.splitlines()]
    assert len(ids) == 3 and ids[-1] == first and ids[0] == os.readlink(farflung.cwd / ".farflung/runs/last")


def test_attach(farflung):
    live = waiting(farflung)
    others = [farflung.start("attach", "-v"), farflung.start("attach", run_id(live), "--jsonl", "attached.jsonl")]
    attached = farflung.cwd / "attached.jsonl"
    wait_until(lambda: attached.exists() and '"unit-output"' in attached.read_text(), 60, "it is attached")
    left = farflung.follow("attach")
    left.event("unit-output")
    left.process.send_signal(signal.SIGINT)
    left.finish(130)
    assert left.stderr.splitlines()[-1] == "farflung: the run goes on without anybody looking (exit 130)"
    write(farflung.cwd / "go", "")
    events = live.finish(1)
    for other in others:
        out, err = other.communicate(timeout=60)
        assert other.returncode == 1, err
        assert err.splitlines()[-1] == "farflung: 1 failed, 4 passed (exit 1)"
        assert "a[n=4]" in out or other is others[1]
    assert [e["seq"] for e in read_jsonl(attached)] == list(range(1, len(read_jsonl(attached)) + 1))
    assert of_kind(read_jsonl(attached), "run-finished") == of_kind(events, "run-finished")


def test_attached_to_one_that_is_killed(farflung):
    live = waiting(farflung)
    other = farflung.follow("attach", "--junit", "junit.xml")
    other.event("unit-output")
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    events = other.finish(3)
    assert "the run was cut off" in other.stderr.splitlines()[-1]
    lost = {e["unit"] for e in of_kind(events, "unit-finished") if e["result"]["outcome"] == "lost"}
    assert lost == {"a[n=2]", "a[n=3]"}
    text = (farflung.cwd / "junit.xml").read_text()
    assert text.count('type="lost"') == 2 and text.count('name="1 unit not run"') == 2  # of each job
    write(farflung.cwd / "go", "")


def test_replay(farflung):
    farflung.yaml("inventory: [popen]\nreport: {junit: junit.xml}\njobs:\n"
                  "  a: {run: 'echo words; test {n} != 2', matrix: {n: [1, 2]}, retries: 1}\n"
                  "  b: {run: 'touch never', needs: a}\n")
    first = farflung.run("run", code=1)
    again = farflung.run("replay", "--junit", "again.xml", "--jsonl", "again.jsonl", code=1)
    assert junit_outcomes(farflung.cwd / "again.xml") == junit_outcomes(farflung.cwd / "junit.xml")
    assert again.stderr == first.stderr
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    kinds = [e["event"] for e in read_jsonl(farflung.cwd / "again.jsonl")]
    assert kinds[0] == "run-started" and kinds[-1] == "run-finished"
    journal = farflung.cwd / ".farflung/runs/last/journal.jsonl"
    damaged = journal.read_text().splitlines(keepends=True)
    write(farflung.cwd / "x.jsonl", "".join(damaged[:5] + damaged[6:]))
    assert "events are missing" in farflung.run("replay", "x.jsonl", code=3).stderr
    assert "one RUN is enough" in farflung.run("replay", "a", "b", code=2).stderr


def test_cancel(farflung):
    live = waiting(farflung)
    first = run_id(live)
    other = farflung.start("cancel", first)
    live.event("interrupted", times=1)
    write(farflung.cwd / "go", "")
    live.finish(130)
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0 and out.startswith(f"run {first} was ended: exit 130, 3 passed, 2 not run"), out + err
    assert f"run {first} is not going" in farflung.run("cancel", "last", code=2).stderr
    assert "which RUN?" in farflung.run("cancel", code=2).stderr


def test_cancel_now(farflung):
    live = waiting(farflung)
    done = farflung.run("cancel", "last", "--now", code=0)
    events = live.finish(130)
    assert [e["times"] for e in of_kind(events, "interrupted")] == [1, 2]
    assert "2 lost" in done.stdout


def test_nobody_else_is_ended(farflung):
    """A journal that names a process which is not the run's: held by another one, with a number that is mine."""
    live = waiting(farflung)
    folder = farflung.cwd / ".farflung/runs" / run_id(live)
    journal = (folder / "journal.jsonl").read_text()
    copy = farflung.cwd / "copy"
    copy.mkdir()
    innocent = farflung.start("attach", "last")
    first, _, rest = journal.partition("\n")
    started = json.loads(first)
    started["pid"] = innocent.pid
    write(copy / "journal.jsonl", json.dumps(started) + "\n" + rest)
    import fcntl
    with open(copy / "journal.jsonl") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = farflung.run("cancel", "copy", code=2)
        assert f"process {innocent.pid} is not that of the run" in done.stderr
    assert innocent.poll() is None
    started["machine"] = "elsewhere"
    write(copy / "journal.jsonl", json.dumps(started) + "\n" + rest)
    with open(copy / "journal.jsonl") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "goes on on elsewhere: cancel it there" in farflung.run("cancel", "copy", code=2).stderr
    write(farflung.cwd / "go", "")
    live.finish(1)
    innocent.communicate(timeout=60)

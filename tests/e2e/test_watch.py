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


def ends(events):
    """Each unit's only end: its outcome, or why it was not run."""
    got = {}
    for e in events:
        if e["event"] == "unit-finished" and e["final"] or e["event"] == "units-not-run":
            assert e["unit"] not in got, e
            got[e["unit"]] = e["result"]["outcome"] if "result" in e else e["why"]
    return got


def test_cancel_units(farflung):
    live = waiting(farflung, "  c: {run: 'touch never', needs: a}\n")
    run = run_id(live)
    done = farflung.run("cancel", run, "a[n=2]", "a[n=4]", code=0)
    assert done.stdout.splitlines() == ["cancelled a[n=2]: 1 running, 0 waiting", "cancelled a[n=4]: 0 running, 1 waiting"]
    (killed,) = live.wait_for(lambda events: of_kind(events, "unit-finished", unit="a[n=2]"))
    assert killed["result"]["message"] == "cancelled" and killed["attempt"] == 1
    write(farflung.cwd / "go", "")
    events = live.finish(1)
    assert ends(events) == {"a[n=1]": "passed", "a[n=2]": "lost", "a[n=3]": "passed", "a[n=4]": "cancelled", "b": "failed",
                            "c": "needs"}
    assert not (farflung.cwd / "never").exists()
    assert "2 not run" in live.stderr.splitlines()[-1] and "1 lost" in live.stderr.splitlines()[-1]
    farflung.run("replay", "last", "--junit", "x.xml", "--tap", "x.tap", code=1)
    assert 'message="not run: cancelled"' in (farflung.cwd / "x.xml").read_text()
    assert "not run: cancelled" in (farflung.cwd / "x.tap").read_text()
    assert "cancelled" in farflung.run("show", run, "a[n=2]", code=0).stdout
    assert "is not going" in farflung.run("cancel", run, "a[n=2]", code=2).stderr
    again = farflung.follow("run", "--resume").finish(1)
    assert {e["unit"] for e in of_kind(again, "unit-started")} == {"a[n=2]", "a[n=4]", "c"}
    assert (farflung.cwd / "never").exists()


def test_cancel_is_enough_to_fail(farflung):
    """Nothing has gone wrong but that a unit was not wanted."""
    farflung.yaml(f"inventory: [popen]\njobs:\n  a: {{run: 'echo x; {WAITS}', retries: 3, matrix: {{n: [1, 2]}}}}\n")
    live = farflung.follow("run")
    live.event("unit-output")
    farflung.run("cancel", "last", "a[n=2]", code=0)
    write(farflung.cwd / "go", "")
    assert ends(live.finish(1)) == {"a[n=1]": "passed", "a[n=2]": "cancelled"}


def test_cancel_job(farflung):
    live = waiting(farflung)
    done = farflung.run("cancel", "last", "a", code=0)
    assert done.stdout == "cancelled a: 2 running, 1 waiting\n"
    events = live.finish(1)
    assert ends(events) == {"a[n=1]": "passed", "a[n=2]": "lost", "a[n=3]": "lost", "a[n=4]": "cancelled", "b": "failed"}


def test_cancel_what_others_follow(farflung):
    """Short commands are on their host before the one ahead of them has ended: they come back, and are run."""
    numbers = list(range(1, 61))
    farflung.yaml("inventory: [{spec: popen, name: one, slots: 1}]\n"
                  "jobs:\n  a: {run: 'test {n} != 30 || sleep 1000', matrix: {n: %s}}\n" % numbers)
    live = farflung.follow("run")
    live.event("unit-started", unit="a[n=30]")
    done = farflung.run("cancel", "last", "a[n=30]", code=0)
    assert done.stdout == "cancelled a[n=30]: 1 running, 0 waiting\n"
    events = live.finish(1)
    assert ends(events) == {f"a[n={n}]": "lost" if n == 30 else "passed" for n in numbers}


def test_cancel_what_is_not_there(farflung):
    live = waiting(farflung)
    done = farflung.run("cancel", "last", "a[n=3]", "a[n=9]", code=2)
    assert "there is no job and no unit 'a[n=9]'; nothing was cancelled" in done.stderr and not done.stdout
    assert "'a[n=1]' has come to its end already" in farflung.run("cancel", "last", "a[n=1]", code=2).stderr
    assert "--now is for a whole run" in farflung.run("cancel", "--now", "last", "a", code=2).stderr
    with open(farflung.cwd / ".farflung/runs/last/requests", "a") as requests:
        requests.write('{"id": "x"}\nno words\n{"id": "x", "cancel": [3]}\n')
    live.wait_for(lambda events: [e for e in of_kind(events, "notice") if "is no request" in e["text"]])
    write(farflung.cwd / "go", "")
    events = live.finish(1)
    assert set(ends(events).values()) == {"passed", "failed"}


def test_cancel_file_of_another_kind(farflung):
    live = waiting(farflung)
    os.symlink("/etc/passwd", farflung.cwd / ".farflung/runs/last/requests")
    live.wait_for(lambda events: [e for e in of_kind(events, "notice") if "is not read" in e["text"]])
    assert "requests: " in farflung.run("cancel", "last", "a", code=3).stderr
    write(farflung.cwd / "go", "")
    live.finish(1)


def test_cancel_a_test(farflung):
    """Its worker is killed, and another one goes on."""
    farflung.yaml("inventory: [popen]\njobs:\n  t: {pytest: [test_x.py]}\n")
    write(farflung.cwd / "test_x.py", "import os, time\n"
          "def test_a(): pass\n"
          "def test_b():\n    open('begun', 'w').close()\n    while True: time.sleep(0.02)\n"
          "def test_c(): pass\n"
          "def test_d(): pass\n")
    live = farflung.follow("run")
    wait_until(lambda: (farflung.cwd / "begun").exists(), 60, "test_b runs")
    done = farflung.run("cancel", "last", "test_x.py::test_d", "test_x.py::test_b", code=0)
    assert done.stdout.splitlines()[1] == "cancelled test_x.py::test_b: 1 running, 0 waiting"
    events = live.finish(1)
    assert ends(events) == {"test_x.py::test_a": "passed", "test_x.py::test_b": "lost", "test_x.py::test_c": "passed",
                            "test_x.py::test_d": "cancelled"}
    (killed,) = of_kind(events, "unit-finished", unit="test_x.py::test_b")
    assert killed["result"]["message"] == "cancelled"

"""Hosts that join and leave while a run goes on: the inventory read again, and `farflung drain`."""
import json
import os
import signal

import pytest

from conftest import has, of_kind, wait_until, write

WAITS = "until [ -e go ]; do sleep 0.02; done"


def offer(farflung, *hosts, name="hosts.json"):
    """The inventory from now on; complete at any moment."""
    whole = [{"spec": "popen", "name": host} if isinstance(host, str) else host for host in hosts]
    path = write(farflung.cwd / (name + ".new"), json.dumps({"hosts": whole}))
    os.replace(path, farflung.cwd / name)


def jobs(farflung, text, inventory="cmd: [cat, hosts.json]", refresh="100ms"):
    farflung.yaml(f"inventory:\n  {inventory}\n  refresh: {refresh}\nsettings: {{grace: 30s}}\n{text}")


def reread(live):
    live.process.send_signal(signal.SIGHUP)


def hosts_of(events, **fields):
    return {e["host"] for e in of_kind(events, "unit-started", **fields)}


def ends(events):
    """Each unit's only end: its outcome, or why it was not run."""
    got = {}
    for e in events:
        if e["event"] == "unit-finished" and e["final"] or e["event"] == "units-not-run":
            assert e["unit"] not in got, e
            got[e["unit"]] = e["result"]["outcome"] if "result" in e else e["why"]
    return got


@pytest.mark.parametrize("inventory", ["cmd: [cat, hosts.json]", "url: 'file://{here}/hosts.json'"])
def test_a_host_joins(farflung, inventory):
    """It gets the tree, is set up, and runs what waits; a job for each host has no part on it."""
    write(farflung.cwd / "tree/there", "")
    offer(farflung, {"spec": "popen//chdir=one", "name": "a"})
    jobs(farflung, f"""\
tree: {{source: tree}}
setup: 'echo up >> {farflung.cwd}/$FARFLUNG_HOST.up'
teardown: 'echo down >> {farflung.cwd}/$FARFLUNG_HOST.down'
jobs:
  all: {{run: 'true', each_host: true}}
  j: {{run: 'test -e there; touch {farflung.cwd}/begun-$FARFLUNG_HOST; until [ -e {farflung.cwd}/go ]; do sleep 0.02; done',
      count: 4}}
""".replace("$FARFLUNG_HOST", "$(basename $PWD)"), inventory.replace("{here}", str(farflung.cwd)))
    live = farflung.follow("run")
    live.event("unit-started", job="j", host="a")
    offer(farflung, {"spec": "popen//chdir=one", "name": "a"}, {"spec": "popen//chdir=two", "name": "b"})
    added = live.event("host-added", host="b")
    assert added["late"] and added["slots"] == 1
    live.event("unit-started", host="b")
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    assert hosts_of(events, job="j") == {"a", "b"}
    assert ends(events) == {"all@a": "passed", **{f"j[{i}]": "passed" for i in range(1, 5)}}
    assert of_kind(events, "sync-finished", host="b") and len(of_kind(events, "host-setup", host="b")) == 2
    (said,) = [e for e in of_kind(events, "notice", host="b") if e["level"] == "warning"]
    assert said["text"] == "job all (each_host) is not run on it: it has joined after the beginning"
    assert said["text"] in live.stderr + farflung.run("replay", "last", code=0).stdout
    assert (farflung.cwd / "two.up").read_text() == "up\n" and (farflung.cwd / "two.down").read_text() == "down\n"
    assert "job j: passed, 4 of 4 units have an end" in farflung.run("show", "last", code=0).stdout
    assert "host b: joins\n" in farflung.run("replay", "last", code=0).stdout


def test_a_host_leaves(farflung):
    """What runs there comes to its end, nothing else is begun, it is torn down, and gone while others go on."""
    a, b = ({"spec": "popen", "name": host, "env": {"WHO": host}} for host in "ab")
    offer(farflung, a, b)
    jobs(farflung, "teardown: 'echo down >> downs'\n"
         "jobs:\n  j: {run: 'until [ -e go-$WHO ]; do sleep 0.02; done', count: 4}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b"})
    offer(farflung, b)
    draining = live.event("host-draining", host="a")
    assert draining["reason"] == "it is not in the inventory any more" and draining["running"] == 1
    write(farflung.cwd / "go-a", "")
    live.event("host-left", host="a")
    write(farflung.cwd / "go-b", "")
    events = live.finish(0)
    assert len(of_kind(events, "unit-started", host="a")) == 1 and set(ends(events).values()) == {"passed"}
    assert [e["event"] for e in events if e.get("host") == "a"][-4:] == [
        "host-draining", "unit-finished", "host-setup", "host-left"]
    assert (farflung.cwd / "downs").read_text() == "down\ndown\n"
    assert "host a: gets no more, 1 unit ends there: it is not in the inventory any more\n" in \
        farflung.run("replay", "last", code=0).stdout
    status = farflung.run("status", "last", code=0).stdout
    assert "host a: gone, 0 of 1 slots busy, it is not in the inventory any more" in status


def test_a_host_comes_back_as_another(farflung):
    """Its entry changes: it leaves, and joins anew with what the entry says now."""
    offer(farflung, "a", "b")
    jobs(farflung, "jobs:\n  j: {run: '[ -e go ] || sleep 0.05; printf \"$WHO\"', count: 400}\n")
    live = farflung.follow("run")
    live.event("unit-started", host="b")
    offer(farflung, "a", {"spec": "popen", "name": "b", "slots": 3, "env": {"WHO": "new"}})
    live.wait_for(lambda events: [e for e in of_kind(events, "host-ready", host="b") if e["slots"] == 3])
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    (left,) = of_kind(events, "host-left", host="b")
    assert left["reason"] == "its entry in the inventory has changed"
    assert [e["late"] for e in of_kind(events, "host-added", host="b")] == [False, True]
    assert len(ends(events)) == 400 and set(ends(events).values()) == {"passed"}
    assert {e["text"] for e in of_kind(events, "unit-output", host="b")} == {"new"}


def test_sighup_reads_the_file_again(farflung):
    """Without refresh only when it is asked; and the rest of the file is as it was."""
    text = "inventory: [{hosts}]\njobs:\n  j: {{run: '" + WAITS.replace("{", "{{") + "', count: 3}}\n"
    farflung.yaml(text.format(hosts="popen//id=a"))
    live = farflung.follow("run")
    live.event("unit-started")
    farflung.yaml(text.format(hosts="popen//id=a, 2*popen//id=b").replace("jobs:", "jobs:\n  no: {run: 'exit 1'}"))
    reread(live)
    live.wait_for(lambda events: len(of_kind(events, "unit-started", host="b")) == 2)
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    assert set(ends(events)) == {"j[1]", "j[2]", "j[3]"}


def test_hosts_join_a_map(farflung):
    """With what its command line says of the file's hosts."""
    offer(farflung, "a")
    jobs(farflung, "")
    lines = farflung.start("map", "-f", "farflung.yaml", "-j2", "--joblog", "log", "--", WAITS + "; true {}",
                           stdin=write(farflung.cwd / "lines", "x\n" * 5).open())

    def begun():
        return json.loads(farflung.run("status", "--json", code=0).stdout)["running"]

    wait_until(lambda: (farflung.cwd / ".farflung/runs/last").exists() and len(begun()) == 2, 60, "two run")
    offer(farflung, "a", "b")
    wait_until(lambda: sorted(unit["host"] for unit in begun()) == ["a", "a", "b", "b"], 60, "four run")
    write(farflung.cwd / "go", "")
    assert lines.wait(60) == 0
    assert len((farflung.cwd / "log").read_text().splitlines()) == 6


def test_what_is_wrong_is_told_once(farflung):
    offer(farflung, "a")
    write(farflung.cwd / "hosts", "#!/bin/sh\necho >> asked\ncat hosts.json\n").chmod(0o755)
    jobs(farflung, f"jobs:\n  j: {{run: '{WAITS}', count: 3}}\n", "cmd: ./hosts")
    live = farflung.follow("run")
    live.event("unit-started")

    def asked():
        return len((farflung.cwd / "asked").read_text())

    def told(events):
        return [e["text"] for e in of_kind(events, "notice", level="warning") if "can't be read again" in e["text"]]

    def break_it(text, nth):
        write(farflung.cwd / "broken", text)
        os.replace(farflung.cwd / "broken", farflung.cwd / "hosts.json")
        live.wait_for(lambda events: len(told(events)) == nth)
        before = asked()
        wait_until(lambda: asked() > before + 3, 60, "it is asked again")

    break_it("{", 1)
    break_it('{"hosts": []}', 2)
    break_it('{"hosts": [{"spec": "popen", "naem": "x"}]}', 3)
    offer(farflung, "a", "b")
    live.event("unit-started", host="b")
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    first, second, third = told(events)
    assert "all hosts stay" in first and "<./hosts>:2:1:" in first
    assert "the inventory has no hosts" in second
    assert "<./hosts>:1:" in third and "unknown key 'naem'" in third
    assert not of_kind(events, "host-left")


def test_a_program_that_hangs_holds_up_nothing(farflung):
    """It has `timeout`; and when the run is over before that, it is killed."""
    offer(farflung, "a")
    write(farflung.cwd / "hosts", "#!/bin/sh\n[ ! -e hang ] || { echo $$ > hung; sleep 1000; }\ncat hosts.json\n").chmod(0o755)
    jobs(farflung, "jobs:\n  j: {run: 'until [ -e hung ]; do touch hang; sleep 0.02; done', count: 2}\n", "cmd: ./hosts")
    events = farflung.follow("run").finish(0)
    assert set(ends(events).values()) == {"passed"}
    pid = int((farflung.cwd / "hung").read_text())
    assert not os.path.exists(f"/proc/{pid}")

    os.unlink(farflung.cwd / "hang")
    os.unlink(farflung.cwd / "hung")
    jobs(farflung, f"jobs:\n  j: {{run: '{WAITS}'}}\n", "cmd: ./hosts\n  timeout: 200ms")
    live = farflung.follow("run")
    live.event("unit-started")
    write(farflung.cwd / "hang", "")
    live.wait_for(lambda events: [e for e in of_kind(events, "notice") if "took longer than 0.2 s" in e["text"]])
    write(farflung.cwd / "go", "")
    live.finish(0)


def test_more_hosts_than_there_is_room_for(farflung):
    """They stay out, which is told once; those that no job is for are not opened."""
    offer(farflung, "a")
    jobs(farflung, f"jobs:\n  j: {{run: '{WAITS}', on: 'a,n2'}}\n")
    live = farflung.follow("run")
    live.event("unit-started")
    offer(farflung, "a", "n[1-1003]")
    live.event("host-ready", host="n2")
    offer(farflung, "a", "n[1-1004]")
    live.event("host-added", host="n1000")
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    assert len(of_kind(events, "host-added")) == 1001
    assert {e["host"] for e in of_kind(events, "host-joining")} == {"a", "n2"}
    told = [e["text"] for e in of_kind(events, "notice", level="warning")]
    assert told == ["host n1001 stays out: a run has room for 1000 hosts that were not there when it began"]


def test_drain_timeout(farflung):
    """What runs on a host that is to leave goes elsewhere in the end, and is killed there."""
    offer(farflung, "a", "b")
    jobs(farflung, "jobs:\n  j: {run: '[ -e go ] || { echo $$ > pid; exec sleep 1000; }'}\n",
         "cmd: [cat, hosts.json]\n  drain_timeout: 200ms")
    live = farflung.follow("run")
    host = live.event("unit-started")["host"]
    wait_until(lambda: (farflung.cwd / "pid").exists() and (farflung.cwd / "pid").read_text(), 60, "it runs")
    pid = int((farflung.cwd / "pid").read_text())
    write(farflung.cwd / "go", "")
    offer(farflung, "b" if host == "a" else "a")
    events = live.finish(0)
    (lost,) = of_kind(events, "unit-lost")
    assert lost["host"] == host and not lost["alone"] and "took longer than drain_timeout" in lost["reason"]
    assert ends(events) == {"j": "passed"} and len(hosts_of(events)) == 2
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 60, "it is killed")


def test_no_host_is_left(farflung):
    """A job whose hosts have left waits for one that may come, or ends, and tells what was not run."""
    offer(farflung, {"spec": "popen", "name": "a", "tags": ["big"]}, "b")
    text = f"jobs:\n  j: {{run: '{WAITS}', count: 3, on: big}}\n"
    jobs(farflung, text)
    live = farflung.follow("run")
    live.event("unit-started", host="a")
    offer(farflung, "b")
    live.event("host-draining", host="a")
    write(farflung.cwd / "go", "")
    live.event("host-left", host="a")
    live.wait_for(lambda events: [e for e in of_kind(events, "notice", level="warning", job="j")
                                  if "no host is left for it: host a: it is not in the inventory any more; one may join within 60.1 s" == e["text"]])
    offer(farflung, "b", {"spec": "popen", "name": "c", "tags": ["big"]})
    events = live.finish(0)
    assert hosts_of(events) == {"a", "c"}

    os.unlink(farflung.cwd / "go")
    offer(farflung, {"spec": "popen", "name": "a", "tags": ["big"]}, "b")
    jobs(farflung, text + "settings: {reconnect: 100ms}\n")
    farflung.yaml((farflung.cwd / "farflung.yaml").read_text().replace("settings: {grace: 30s}\n", ""))
    live = farflung.follow("run")
    live.event("unit-started", host="a")
    offer(farflung, "b")
    live.event("host-draining", host="a")
    write(farflung.cwd / "go", "")
    events = live.finish(3)
    assert sorted(ends(events).values()) == ["lost", "lost", "passed"]
    assert "no host is left for it: host a: it is not in the inventory any more" in live.stderr


def test_drain(farflung):
    farflung.yaml(f"inventory: [popen//id=a, popen//id=b, popen//id=c]\njobs:\n  j: {{run: '{WAITS}', count: 8}}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b", "c"})
    done = farflung.run("drain", "last", "a", "nobody", code=2)
    assert "no host matches 'nobody'; all stay" in done.stderr and not done.stdout
    done = farflung.run("drain", live.event("run-started")["run"], "*!c", "a", code=0)
    assert done.stdout == "draining a: 1 running\ndraining b: 1 running\n"
    status = json.loads(farflung.run("status", "--json", code=0).stdout)
    assert status["state"] == "going"
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    assert len(of_kind(events, "unit-started", host="c")) == 6 and set(ends(events).values()) == {"passed"}
    assert [e["reason"] for e in of_kind(events, "host-left", host="a")] == ["somebody asked it to"]
    assert "is not going" in farflung.run("drain", "last", "c", code=2).stderr
    assert "which HOST?" in farflung.run("drain", "last", code=2).stderr


def test_drain_of_the_last(farflung):
    """Nobody is there for what waits: it is told, and the exit code says so."""
    farflung.yaml(f"inventory: [popen//id=a]\njobs:\n  j: {{run: '{WAITS}', count: 3}}\n")
    live = farflung.follow("run")
    live.event("unit-started")
    farflung.run("drain", "last", "a", code=0)
    write(farflung.cwd / "go", "")
    events = live.finish(3)
    assert sorted(ends(events).values()) == ["lost", "lost", "passed"]
    # what was lost is run by the next one, on a host that is there
    again = farflung.follow("run", "--resume").finish(0)
    assert len(of_kind(again, "unit-started")) == 2


def test_drain_of_one_that_others_go_via(farflung):
    farflung.yaml(f"inventory: [popen//id=a, popen//id=b//via=a]\njobs:\n  j: {{run: '{WAITS}', count: 2}}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b"})
    assert "host 'b' goes via 'a', and is to stay; all stay" in farflung.run("drain", "last", "a", code=2).stderr
    done = farflung.run("drain", "last", "[", code=2)
    assert "; all stay" in done.stderr
    assert farflung.run("drain", "last", "all", code=0).stdout == "draining a: 1 running\ndraining b: 1 running\n"
    write(farflung.cwd / "go", "")
    events = live.finish(0)
    left = [e["host"] for e in of_kind(events, "host-left")]
    assert left[:1] == ["b"]


def test_sessions_end_on_a_host_that_leaves(farflung, python):
    """Tests that a session was given and has not begun are run by others."""
    if not has(python, "pytest"):
        pytest.skip("no pytest")
    write(farflung.cwd / "test_x.py", """\
import os, pathlib, time
import pytest

@pytest.mark.parametrize("n", range(40))
def test(n):
    time.sleep(0.1)
    while not pathlib.Path("go-" + os.environ["WHO"]).exists():
        time.sleep(0.02)
""")
    a, b = ({"spec": f"popen//python={python}", "name": host, "env": {"WHO": host}} for host in "ab")
    offer(farflung, a, b)
    jobs(farflung, "jobs:\n  t: {pytest: [test_x.py, -p, 'no:cacheprovider']}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b"})
    offer(farflung, b)
    live.event("host-draining", host="a")
    write(farflung.cwd / "go-a", "")
    live.event("host-left", host="a")
    write(farflung.cwd / "go-b", "")
    events = live.finish(0)
    assert len(ends(events)) == 40 and set(ends(events).values()) == {"passed"}
    assert len(of_kind(events, "unit-started", host="a")) < 20  # most often 1; it has to hear of it
    assert [e["crashed"] for e in of_kind(events, "worker-ended", host="a")] == [False]


@pytest.mark.parametrize("when", ["always", "failure"])
def test_what_sessions_left_is_brought_before_their_host_leaves(farflung, python, when):
    """How the job will end nobody knows yet."""
    if not has(python, "pytest"):
        pytest.skip("no pytest")
    write(farflung.cwd / "test_x.py", f"""\
import os, pathlib, time
import pytest

@pytest.mark.parametrize("n", range(6))
def test(n):
    pathlib.Path(f"made-{{n}}").write_text(os.environ["WHO"])
    while not pathlib.Path({str(farflung.cwd)!r}, "go-" + os.environ["WHO"]).exists():
        time.sleep(0.02)
""")
    a, b = ({"spec": f"popen//python={python}//chdir={host}", "name": host, "env": {"WHO": host}} for host in "ab")
    offer(farflung, a, b)
    jobs(farflung, "jobs:\n  t: {pytest: [%s, -p, 'no:cacheprovider'], artifacts: {paths: 'made-*', when: %s}}\n"
         % (farflung.cwd / "test_x.py", when))
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b"})
    offer(farflung, b)
    live.event("host-draining", host="a")
    write(farflung.cwd / "go-a", "")
    live.event("host-left", host="a")
    brought = sorted((farflung.cwd / "out/t/a").glob("made-*"))
    assert brought and {path.read_text() for path in brought} == {"a"}
    assert not (farflung.cwd / "out/t/b").exists()
    write(farflung.cwd / "go-b", "")
    events = live.finish(0)
    assert len(ends(events)) == 6 and set(ends(events).values()) == {"passed"}
    told = {e["host"]: e["files"] for e in of_kind(events, "job-artifacts")}
    assert told["a"] == len(brought)
    assert told.get("b", 0) == (6 - len(brought) if when == "always" else 0)


def test_sessions_begin_on_a_host_that_joins(farflung, python):
    if not has(python, "pytest"):
        pytest.skip("no pytest")
    write(farflung.cwd / "test_x.py", """\
import os, pathlib, time
import pytest

@pytest.mark.parametrize("n", range(40))
def test(n):
    while os.environ["WHO"] == "a" and not pathlib.Path("go").exists():
        time.sleep(0.02)
    pathlib.Path("go").touch()
""")
    a, b = ({"spec": f"popen//python={python}", "name": host, "env": {"WHO": host}} for host in "ab")
    offer(farflung, a)
    jobs(farflung, "jobs:\n  t: {pytest: [test_x.py, -p, 'no:cacheprovider']}\n")
    live = farflung.follow("run")
    live.event("unit-started", host="a")
    offer(farflung, a, b)
    events = live.finish(0)
    assert len(ends(events)) == 40 and set(ends(events).values()) == {"passed"}
    assert hosts_of(events) == {"a", "b"}


@pytest.mark.parametrize("spec, end", [("popen//chdir=/proc/no/folder", "host-away"),
                                       ("popen//worker=python//python=/no/python", "host-failed")])
def test_a_host_is_mended(farflung, spec, end):
    """It could not be opened, and is, or is not, tried again; once its entry is another one it is tried anew."""
    offer(farflung, "a", {"spec": spec, "name": "b"})
    jobs(farflung, f"jobs:\n  j: {{run: '{WAITS}', count: 3}}\n")
    live = farflung.follow("run")
    live.event("unit-started", host="a")
    live.event(end, host="b")
    offer(farflung, "a", "b")
    live.event("unit-started", host="b")
    write(farflung.cwd / "go", "")
    live.finish(0)


def test_ctrl_c_while_one_leaves(farflung):
    offer(farflung, "a", "b")
    jobs(farflung, "jobs:\n  j: {run: 'echo x; sleep 1000', count: 4}\n")
    farflung.yaml((farflung.cwd / "farflung.yaml").read_text().replace("grace: 30s", "grace: 100ms"))
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b"})
    offer(farflung, "b")
    live.event("host-draining", host="a")
    live.process.send_signal(signal.SIGINT)
    events = live.finish(130)
    assert sorted(ends(events).values()) == ["interrupted", "interrupted", "lost", "lost"]


def test_a_killed_run_is_gone_on_with(farflung):
    """Its journal has hosts that came and went."""
    offer(farflung, "a")
    jobs(farflung, f"jobs:\n  j: {{run: 'echo x; test {{n}} = 1 || {WAITS}', matrix: {{n: [1, 2, 3]}}}}\n")
    live = farflung.follow("run")
    live.event("unit-started", unit="j[n=2]")
    offer(farflung, "a", "b")
    live.event("unit-started", host="b")
    offer(farflung, "a")
    live.event("host-draining", host="b")
    live.process.send_signal(signal.SIGKILL)
    live.process.wait(60)
    assert "host b: draining, 1 of 1 slots busy" in farflung.run("status", "last", code=0).stdout
    write(farflung.cwd / "go", "")
    events = farflung.follow("run", "--resume").finish(0)
    assert {e["unit"] for e in of_kind(events, "unit-started")} == {"j[n=2]", "j[n=3]"}


def test_a_parent_changes(farflung):
    """Who goes via it leaves and joins anew with it, and is closed before it."""
    go = "go"
    text = "inventory: [{first}, popen//id=b//via=a, popen//id=c]\njobs:\n  j: {{run: '[ -e " + go + " ] || sleep 0.05', count: 300}}\n"
    farflung.yaml(text.format(first="popen//id=a"))
    live = farflung.follow("run")
    live.wait_for(lambda events: hosts_of(events) == {"a", "b", "c"})
    farflung.yaml(text.format(first="2*popen//id=a"))
    reread(live)
    live.wait_for(lambda events: {"a", "b"} <= {e["host"] for i, e in enumerate(events) if e["event"] == "host-ready"
                                                and any(o["event"] == "host-added" and o["late"] and o["host"] == e["host"]
                                                        for o in events[:i])})
    write(farflung.cwd / go, "")
    events = live.finish(0)
    moves = [(e["event"], e["host"]) for e in events if e["event"] in ("host-added", "host-left")][3:]
    assert moves.index(("host-left", "b")) < moves.index(("host-left", "a")) < moves.index(("host-added", "a")) \
        < moves.index(("host-added", "b"))
    assert len(ends(events)) == 300 and set(ends(events).values()) == {"passed"}


def test_the_terminal_goes(farflung, tmp_path):
    """Its SIGHUP is no wish to read anything: the run ends in order."""
    farflung.yaml(f"inventory: [popen]\nsettings: {{grace: 100ms}}\njobs:\n  j: {{run: '{WAITS}', count: 2}}\n")
    pid, terminal = os.forkpty()
    if pid == 0:
        os.chdir(farflung.cwd)
        os.execve(farflung.program, [str(farflung.program), "run", "--jsonl", str(tmp_path / "events")], farflung.env)
    try:
        wait_until(lambda: (tmp_path / "events").exists() and "unit-started" in (tmp_path / "events").read_text(), 60, "it runs")
        farflung.yaml((farflung.cwd / "farflung.yaml").read_text().replace("[popen]", "[popen, popen//id=b]"))
        os.kill(pid, signal.SIGHUP)  # from somebody else: the terminal is there
        wait_until(lambda: '"host":"b"' in (tmp_path / "events").read_text(), 60, "it has read it")
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert "interrupted" in (tmp_path / "events").read_text()


def test_a_run_from_standard_input(farflung):
    """It can't be read again: refresh has no effect, and says so; SIGHUP ends it as ever."""
    text = f"inventory: {{hosts: [popen], refresh: 1s}}\njobs:\n  j: {{run: 'echo x; {WAITS}'}}\nsettings: {{grace: 100ms}}\n"
    live = farflung.follow("run", "-", stdin=write(farflung.cwd / "text", text).open())
    live.event("unit-output")
    reread(live)
    live.finish(130)
    assert "inventory: refresh has no effect" in live.stderr


@pytest.mark.parametrize("key, value, words", [
    ("refresh", "often", "'refresh' wants a duration"), ("refresh", "-1s", "'refresh' wants"),
    ("drain_timeout", "400d", "'drain_timeout' wants a duration"), ("refrehs", "1s", "did you mean 'refresh'?")])
def test_wrong_values(farflung, key, value, words):
    farflung.yaml(f"inventory:\n  hosts: [popen]\n  {key}: {value}\njobs: {{j: {{run: 'true'}}}}\n")
    done = farflung.run("run", code=2)
    assert "farflung.yaml:3:" in done.stderr and words in done.stderr

"""Hosts are set up before their first unit and torn down at the end, whatever happened; what the setup exports
reaches the units; where it fails nothing runs."""
import signal
from xml.etree import ElementTree

import pytest

from conftest import of_kind, outcomes, wait_until, write

HOSTS = "version: 1\ninventory:\n  hosts:\n"
ONE = HOSTS + "    - {spec: popen, name: box, slots: 2, chdir: box}\n"
NATIVE = HOSTS + "    - {spec: popen, name: box, slots: 2, chdir: box, worker: %s}\n"


def setups(events, phase="setup"):
    return of_kind(events, "host-setup", phase=phase)


@pytest.mark.parametrize("worker", ["native", "python"])
def test_before_and_after(farflung, worker):
    done = farflung.run_yaml(
        NATIVE % worker + "setup: 'echo setup >> log; echo WORD=a b=c >> $FARFLUNG_ENV; echo OTHER=x >> $FARFLUNG_ENV'\n"
        "teardown: 'echo teardown $WORD $FARFLUNG_HOST >> log'\n"
        "jobs:\n  j: {run: 'echo unit $WORD $OTHER >> log', count: 2, env: {OTHER: own}}\n", code=0)
    lines = (farflung.cwd / "box" / "log").read_text().splitlines()
    assert lines == ["setup", "unit a b=c own", "unit a b=c own", "teardown a b=c box"]
    assert [(e["phase"], e["skipped"]) for e in of_kind(done.events, "host-setup")] == [("setup", False), ("teardown", False)]
    assert "host box: setup done in " in done.stdout and "host box: teardown done in " in done.stdout


def test_what_it_exports_reaches_tests(farflung):
    """Also the look for an interpreter, by PATH."""
    (farflung.cwd / "test_x.py").write_text("import os\ndef test_x(): assert os.environ['WORD'] == 'a'\n")
    farflung.run_yaml("inventory: [popen]\nsetup: 'echo WORD=a >> $FARFLUNG_ENV'\njobs:\n  t: {pytest: [test_x.py]}\n", code=0)


@pytest.mark.parametrize("worker", ["native", "python"])
def test_only_when_its_inputs_have_changed(farflung, worker):
    text = NATIVE % worker + (
        "setup: {run: 'echo made >> made; echo WORD=$(cat lock) >> $FARFLUNG_ENV', inputs: [lock, 'conf/**']}\n"
        "jobs:\n  j: {run: 'echo $WORD >> log'}\n")
    box = farflung.cwd / "box"
    (box / "conf").mkdir(parents=True)
    (box / "conf" / "x").touch()

    def run(lock, text=text):
        (box / "lock").write_text(lock)
        return setups(farflung.run_yaml(text, code=0).events)[0]["skipped"]

    assert [run("1"), run("1"), run("2"), run("2"), run("1")] == [False, True, False, True, False]
    (box / "conf" / "y").touch()
    assert [run("1"), run("1")] == [False, True]
    changed = text.replace("echo made", "echo  made")
    assert [run("1", changed), run("1", changed)] == [False, True]
    assert (box / "log").read_text().split() == ["1", "1", "2", "2", "1", "1", "1", "1", "1"]
    assert len((box / "made").read_text().split()) == 5


def test_one_that_failed_is_run_again(farflung):
    text = ONE + "setup: {run: 'mkdir once && exit 1; true', inputs: lock}\njobs:\n  j: {run: 'true'}\n"
    (farflung.cwd / "box").mkdir()
    (farflung.cwd / "box" / "lock").touch()
    farflung.run_yaml(text, code=3)
    assert not setups(farflung.run_yaml(text, code=0).events)[0]["skipped"]
    assert setups(farflung.run_yaml(text, code=0).events)[0]["skipped"]


def test_an_input_that_is_not_there(farflung):
    done = farflung.run_yaml(ONE + "setup: {run: 'true', inputs: lokc}\njobs:\n  j: {run: 'true'}\n", code=3)
    assert "host box: setup failed: nothing matches 'lokc' of 'inputs'" in done.stdout


def test_where_it_fails_nothing_runs(farflung):
    """Others do the work; what it printed is shown, and the exit code says so."""
    junit = farflung.cwd / "junit.xml"
    farflung.yaml(
        HOSTS + "    - {spec: popen, name: bad, chdir: bad}\n    - {spec: popen, name: good, chdir: good}\n"
        "setup: 'test $FARFLUNG_HOST = good && exit; echo no licence >&2; exit 7'\nteardown: 'touch torn'\n"
        "jobs:\n  j: {run: 'until test -e go; do sleep 0.02; done', count: 4}\n")
    live = farflung.follow("run", "--junit", junit)
    failed = live.wait_for(lambda events: [e for e in of_kind(events, "host-setup") if e.get("error")])
    assert [(e["host"], e["error"]) for e in failed] == [("bad", "exit status 7")]
    live.event("unit-started")
    write(farflung.cwd / "good" / "go", "")
    events = live.finish(code=3)
    assert {e["host"] for e in of_kind(events, "unit-finished")} == {"good"}
    assert "host bad: setup failed: exit status 7" in live.stderr and "  no licence\n" in live.stderr
    assert live.stderr.splitlines()[-1] == "farflung: 4 passed; 1 setup or teardown of hosts failed (exit 3)"
    case, = ElementTree.parse(junit).findall("./testsuite[@name='setup']/testcase")
    assert case.get("name") == "setup of host bad" and "no licence" in case.find("error").text
    assert (farflung.cwd / "bad" / "torn").exists() and (farflung.cwd / "good" / "torn").exists()


def test_all_fail(farflung):
    done = farflung.run_yaml(ONE + "setup: 'exit 7'\njobs:\n  j: {run: 'true'}\n", code=3)
    assert "setup: exit status 7" in done.stderr
    assert not of_kind(done.events, "unit-started")


def test_what_is_exported_is_checked(farflung):
    done = farflung.run_yaml(ONE + "setup: 'echo nonsense >> $FARFLUNG_ENV'\njobs:\n  j: {run: 'true'}\n", code=3)
    assert "host box: setup failed: line 1 of $FARFLUNG_ENV is not NAME=VALUE: 'nonsense'" in done.stdout


def test_it_takes_too_long(farflung):
    done = farflung.run_yaml(ONE + "setup: {run: 'sleep 1000', timeout: 200ms}\njobs:\n  j: {run: 'true'}\n", code=3)
    assert "host box: setup failed: timed out after 0." in done.stdout


def test_a_teardown_that_fails(farflung):
    done = farflung.run_yaml(ONE + "teardown: 'echo cannot; exit 1'\njobs:\n  j: {run: 'true'}\n", code=3)
    assert outcomes(done.events) == {"j": "passed"}
    assert "host box: teardown failed: exit status 1\n  cannot\n" in done.stdout
    assert done.events[-1]["why"] == "setup"


def test_teardown_of_units_that_failed(farflung):
    farflung.run_yaml(ONE + "teardown: 'touch torn'\njobs:\n  j: {run: 'exit 1'}\n", code=1)
    assert (farflung.cwd / "box" / "torn").exists()


def test_hosts_that_share_a_folder(farflung):
    """One after the other: the second finds it done."""
    done = farflung.run_yaml(
        HOSTS + "".join(f"    - {{spec: popen, name: h{i}, chdir: box}}\n" for i in range(3)) +
        "setup: {run: 'mkdir venv && echo DIR=$PWD/venv >> $FARFLUNG_ENV', inputs: ../lock*}\n".replace("../lock*", "lock") +
        "jobs:\n  j: {run: 'test -d $DIR', count: 9}\n", code=3)
    assert "nothing matches 'lock'" in done.stdout
    (farflung.cwd / "box" / "lock").touch()
    done = farflung.run_yaml((farflung.cwd / "farflung.yaml").read_text(), code=0)
    assert sorted(e["skipped"] for e in setups(done.events)) == [False, True, True]


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted(farflung, times):
    """It is run, as long as the grace lasts."""
    farflung.yaml(ONE + "settings: {grace: 20s}\nteardown: 'touch torn'\njobs:\n  j: {run: 'touch runs; exec sleep %d'}\n" % (1 if times == 1 else 1000))
    live = farflung.follow("run")
    wait_until((farflung.cwd / "box" / "runs").exists, 60, "the unit runs")
    for n in range(times):  # two at once would be one
        live.process.send_signal(signal.SIGINT)
        wait_until(lambda: len(of_kind(live.events, "interrupted")) > n, 60, "it has been taken in")
    live.finish(130)
    assert (farflung.cwd / "box" / "torn").exists()


def test_a_teardown_that_hangs_is_killed(farflung):
    """After an interrupt, when the grace is over."""
    farflung.yaml(ONE + "settings: {grace: 1s}\nteardown: 'touch tears; exec sleep 1000'\njobs:\n  j: {run: 'true'}\n")
    process = farflung.start("run")
    wait_until((farflung.cwd / "box" / "tears").exists, 60, "it is torn down")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "host box: teardown failed: interrupted" in out


def test_a_host_that_dies_while_it_is_set_up(farflung):
    """It comes back, and is set up again; nothing runs before."""
    done = farflung.run_yaml(
        ONE + "setup: 'mkdir once && kill -9 $PPID; touch ready'\njobs:\n  j: {run: 'test -e ready'}\n", code=0)
    assert len(setups(done.events)) == 1 and len(of_kind(done.events, "host-away")) == 1


def test_a_host_that_is_lost_is_not_torn_down(farflung):
    done = farflung.run_yaml(
        ONE + "settings: {reconnect: 0}\nteardown: 'touch torn'\njobs:\n  j: {run: 'kill -9 $PPID'}\n", code=3)
    assert "its teardown could not be run: the host is not there" in done.stdout
    assert not (farflung.cwd / "box" / "torn").exists()


def test_of_the_run(farflung):
    """Once, here, before any host is opened; what it exports reaches all of them; its teardown is the last."""
    text = (HOSTS + "".join(f"    - {{spec: popen, name: h{i}, chdir: h{i}}}\n" for i in range(2)) +
            "setup: {run: 'pwd >> log; echo WORD=a >> $FARFLUNG_ENV', per: run, inputs: lock}\n"
            "teardown: {run: 'echo end $WORD $(cat h*/units | wc -l) >> log', per: run}\n"
            "jobs:\n  j: {run: 'echo x >> units; test $WORD = a', count: 4}\n")
    (farflung.cwd / "lock").touch()
    first = farflung.run_yaml(text, code=0).events
    kinds = [e["event"] for e in first]
    assert kinds.index("host-setup") < kinds.index("host-joining") and kinds[-2:] == ["host-setup", "run-finished"]
    second = farflung.run_yaml(text, code=0).events
    assert [e["skipped"] for e in setups(first) + setups(second)] == [False, True]
    assert (farflung.cwd / "log").read_text() == f"{farflung.cwd}\nend a 4\nend a 8\n"


def test_of_the_run_that_fails(farflung):
    """Nothing is opened; its teardown is run all the same."""
    junit = farflung.cwd / "junit.xml"
    done = farflung.run_yaml(
        ONE + "setup: {run: 'echo broken; exit 4', per: run}\nteardown: {run: 'touch torn', per: run}\njobs:\n  j: {run: 'true'}\n",
        "--junit", junit, code=3)
    assert not of_kind(done.events, "host-joining") and of_kind(done.events, "units-not-run")
    assert "setup failed: exit status 4\n  broken\n" in done.stdout
    assert "setup: exit status 4" in done.stderr
    assert (farflung.cwd / "torn").exists()
    assert "broken" in ElementTree.parse(junit).find("./testsuite[@name='setup']/testcase/error").text


def test_of_the_run_that_takes_too_long(farflung):
    done = farflung.run_yaml(
        ONE + "settings: {grace: 0}\nsetup: {run: 'sleep 1000 & wait', per: run, timeout: 100ms}\njobs:\n  j: {run: 'true'}\n", code=3)
    assert "setup failed: timed out" in done.stdout


@pytest.mark.parametrize("teardown", ["", "teardown: {run: 'touch torn', per: run}\n"])
def test_of_the_run_interrupted(farflung, teardown):
    farflung.yaml(ONE + "setup: {run: 'touch runs; exec sleep 1000', per: run}\n" + teardown + "jobs:\n  j: {run: 'true'}\n")
    process = farflung.start("run")
    wait_until((farflung.cwd / "runs").exists, 60, "it is set up")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert (farflung.cwd / "torn").exists() == bool(teardown)


WRONG = [
    ("setup: {run: x, per: job}", "'per' wants host or run, got 'job'"),
    ("setup: {inputs: x}", "'run' is missing"),
    ("setup: {run: x, inptus: x}", "unknown key 'inptus'; did you mean 'inputs'?"),
    ("setup: [x]", "'setup' wants a mapping, got a list"),
    ("teardown: {run: x, timeout: soon}", "'timeout' wants a duration such as 90s, 10m or 1.5h, from 1s to 365d, got 'soon'"),
    ("setup: {run: x, inputs: ../lock}", "'../lock' of 'inputs' leads out of the folder"),
]


@pytest.mark.parametrize("key, words", WRONG, ids=[key for key, _ in WRONG])
def test_wrong_input(farflung, key, words):
    farflung.yaml("inventory: [popen]\n%s\njobs:\n  j: {run: 'x'}\n" % key)
    done = farflung.run("run", code=2)
    assert words in done.stderr
    assert not (farflung.cwd / ".farflung").exists()

"""Files that a unit gets before it begins: only what is not there, whole or not at all, and counted at --resume."""
import os
import shutil
import signal
import subprocess

import pytest

from conftest import outcomes, wait_until

ONE = "version: 1\ninventory:\n  hosts:\n    - {spec: popen, name: box, slots: 2, chdir: box%s}\n"
WORKERS = pytest.mark.parametrize("worker", ["native", "python"])


def host(worker="native"):
    return ONE % f", worker: {worker}"


@pytest.fixture
def data(farflung):
    folder = farflung.cwd / "data"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.csv").write_text(name + "\n")
    return folder


@WORKERS
def test_each_unit_gets_its_own(farflung, data, worker):
    """At the same place below where it runs, before it begins; the others' are not there."""
    text = host(worker) + (
        "jobs:\n  use:\n    run: 'test $(cat data/{set}.csv) = {set} && test $(ls data | wc -l) = 1'\n"
        "    matrix: {set: [a, b, c]}\n    cwd: '{set}'\n    inputs: 'data/{set}.csv'\n")
    farflung.run_yaml(text, code=0)
    assert sorted(str(path.relative_to(farflung.cwd / "box")) for path in farflung.cwd.glob("box/**/*.csv")) == [
        "a/data/a.csv", "b/data/b.csv", "c/data/c.csv"]


@WORKERS
def test_whole_with_modes_and_folders(farflung, worker):
    """Content of many parts, an empty one, a program, a name that is no text, a folder, what was brought before."""
    top = farflung.cwd / "top"
    (top / "deep").mkdir(parents=True)
    (top / "big").write_bytes(os.urandom(3_000_000))
    (top / "none").touch()
    (top / "deep" / "run").write_text("#!/bin/sh\necho hello\n")
    (top / "deep" / "run").chmod(0o755)
    (top / ".farflung.sums").touch()
    with open(os.fsencode(top) + b"/\xff.so", "w") as file:
        file.write("odd")
    farflung.run_yaml(host(worker) + "jobs:\n  j: {run: 'test $(top/deep/run) = hello', inputs: [top, 'top/n*e']}\n", code=0)
    for path in [b"big", b"none", b"deep/run", b"\xff.so"]:
        with open(os.fsencode(top) + b"/" + path, "rb") as a, open(os.fsencode(farflung.cwd) + b"/box/top/" + path, "rb") as b:
            assert a.read() == b.read()
    assert not (farflung.cwd / "box/top/.farflung.sums").exists()


@WORKERS
def test_what_is_there_is_not_sent_again(farflung, data, worker):
    """A file of the same content stays the file that it is; another one is replaced, its mode too."""
    text = host(worker) + "jobs:\n  j: {run: 'cat data/a.csv data/b.csv', inputs: ['data/[ab].csv']}\n"
    farflung.run_yaml(text, code=0)
    box = farflung.cwd / "box" / "data"
    a, b = (box / "a.csv").stat().st_ino, (box / "b.csv").stat().st_ino
    (data / "b.csv").write_text("B\n")
    farflung.run_yaml(text, code=0)
    assert (box / "a.csv").stat().st_ino == a and (box / "b.csv").stat().st_ino != b
    assert (box / "b.csv").read_text() == "B\n"
    (data / "a.csv").chmod(0o755)
    farflung.run_yaml(text, code=0)
    assert (box / "a.csv").stat().st_mode & 0o100


def test_where_it_runs_may_be_where_they_are(farflung, data):
    """Nothing is written over itself, or removed."""
    before = (data / "a.csv").stat().st_ino
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs:\n"
                      "  j: {run: 'cat data/a.csv', cwd: '%s', inputs: {paths: data/a.csv, cleanup: true}}\n" % farflung.cwd, code=0)
    assert (data / "a.csv").stat().st_ino == before


def test_artifacts_are_inputs_of_the_next(farflung):
    farflung.run_yaml(
        "version: 1\ninventory:\n  hosts:\n    - {spec: popen, name: a, chdir: a, tags: [a]}\n    - {spec: popen, name: b, chdir: b, tags: [b]}\n"
        "jobs:\n  make: {run: 'mkdir lib; echo made > lib/x.so', on: a, artifacts: lib}\n"
        "  use: {run: 'grep made out/make/make/lib/x.so', on: b, needs: make, inputs: [out/make/make]}\n", code=0)
    assert not (farflung.cwd / "b/out/make/make/.farflung.sums").exists()


@WORKERS
@pytest.mark.parametrize("inputs, words", [
    ("data/d.csv", "inputs: nothing matches data/d.csv"),
    ("[data/a.csv, 'x*']", "inputs: nothing matches x*"),
    ("data/out", "inputs: data/out: a link that leads out of the folder"),
    ("data/pipe", "inputs: data/pipe: neither a file nor a folder"),
], ids=["missing", "second", "out", "pipe"])
def test_without_its_files_it_does_not_run(farflung, data, worker, inputs, words):
    (data / "out").symlink_to("/etc/hostname")
    os.mkfifo(data / "pipe")
    done = farflung.run_yaml(host(worker) + f"jobs:\n  j: {{run: 'touch ../ran', inputs: {inputs}}}\n", code=1)
    assert outcomes(done.events) == {"j": "error"}
    assert words in done.stdout
    assert not (farflung.cwd / "ran").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_unreadable(farflung, data):
    (data / "a.csv").chmod(0)
    done = farflung.run_yaml(host() + "jobs:\n  j: {run: 'true', inputs: data/a.csv}\n", code=1)
    assert "inputs: data/a.csv: Permission denied" in done.stdout


@WORKERS
@pytest.mark.parametrize("way", ["folder", "file"])
def test_the_host_is_not_left_by_links(farflung, data, worker, way):
    """A link there in a folder's place is an error; one in the file's place is replaced, not written through."""
    box = farflung.cwd / "box"
    victim = farflung.cwd / "victim"
    (victim / "data").mkdir(parents=True)
    (victim / "a.csv").write_text("mine")
    box.mkdir()
    if way == "folder":
        (box / "data").symlink_to(victim)
    else:
        (box / "data").mkdir()
        (box / "data/a.csv").symlink_to(victim / "a.csv")
    done = farflung.run_yaml(host(worker) + "jobs:\n  j: {run: 'cat data/a.csv', inputs: data/a.csv}\n", code=1 if way == "folder" else 0)
    assert (victim / "a.csv").read_text() == "mine"
    assert ("inputs: " in done.stdout) == (way == "folder")


@WORKERS
def test_cleanup(farflung, data, worker):
    """What was sent goes when the last unit that has it has ended, whatever became of it; what was there stays."""
    (farflung.cwd / "box/data").mkdir(parents=True)
    (farflung.cwd / "box/data/c.csv").write_text("c\n")
    done = farflung.run_yaml(
        host(worker) + "jobs:\n  j:\n    run: 'cat data/{n}.csv data/c.csv && test {n} != a'\n    matrix: {n: [a, b]}\n"
        "    inputs: {paths: ['data/{n}.csv', data/c.csv], cleanup: true}\n"
        "  k: {run: 'ls data', needs: {j: any}}\n", code=1)
    assert sorted(outcomes(done.events).values()) == ["failed", "passed", "passed"]
    assert os.listdir(farflung.cwd / "box/data") == ["c.csv"]


@WORKERS
def test_cleanup_of_what_the_next_needs(farflung, data, worker):
    """It goes, and comes again, as often as need be: never under who has it."""
    farflung.run_yaml(
        host(worker) + "jobs: {j: {run: 'grep a data/a.csv', count: 40, inputs: {paths: data/a.csv, cleanup: true}}}\n", code=0)
    assert os.listdir(farflung.cwd / "box/data") == []


def test_steps_get_them_once(farflung, data):
    farflung.run_yaml(host() + "jobs:\n  j:\n    inputs: data/a.csv\n    steps:\n      - 'grep a data/a.csv; echo x > data/a.csv'\n      - 'grep x data/a.csv'\n", code=0)


def test_resume_runs_what_has_other_inputs(farflung, data):
    """And what needs it; the rest is not run again. The file is named."""
    text = host() + (
        "jobs:\n  use: {run: 'echo {s} >> ../ran; test -e ../go', matrix: {s: [a, b]}, inputs: 'data/{s}.csv'}\n"
        "  sum: {run: 'echo sum >> ../ran', needs: use}\n  apart: {run: 'echo apart >> ../ran'}\n")
    (farflung.cwd / "go").touch()
    farflung.run_yaml(text, code=0)
    assert sorted((farflung.cwd / "ran").read_text().split()) == ["a", "apart", "b", "sum"]
    (farflung.cwd / "ran").unlink()
    done = farflung.run("run", "--resume", code=0)
    assert not (farflung.cwd / "ran").exists() and "inputs" not in done.stderr
    (data / "b.csv").write_text("other\n")
    done = farflung.run("run", "--resume", code=0)
    assert sorted((farflung.cwd / "ran").read_text().split()) == ["b", "sum"]
    assert "2 units are run again, for inputs have changed: data/b.csv" in done.stderr
    (farflung.cwd / "ran").unlink()
    farflung.run("run", "--resume", code=0)  # twice removed: the first run's note still counts for a
    assert not (farflung.cwd / "ran").exists()
    (data / "a.csv").unlink()
    done = farflung.run("run", "--resume", code=1)
    assert "nothing matches data/a.csv" in done.stderr


def test_a_host_that_dies_while_it_is_sent_to(farflung):
    """The unit runs elsewhere with its file."""
    with open(farflung.cwd / "big", "wb") as file:
        file.truncate(1 << 30)
    farflung.yaml(
        "version: 1\nsettings: {reconnect: 0}\ninventory:\n  hosts:\n    - {spec: popen, name: a, chdir: a}\n"
        "jobs:\n  pid: {run: 'echo $PPID > ../pid'}\n  j: {run: 'true', needs: pid, inputs: big}\n")
    process = farflung.start("run")
    wait_until(lambda: list(farflung.cwd.glob("a/.ff-*.tmp")), 60, "it is being sent")
    os.kill(int((farflung.cwd / "pid").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0, (out, err)
    assert "j" in out and "1 passed" in out and not (farflung.cwd / "a/big").exists()


def test_interrupted(farflung):
    """Twice while it is sent: at once, and nothing half-written stays under its name."""
    with open(farflung.cwd / "big", "wb") as file:
        file.truncate(1 << 30)
    farflung.yaml(host() + "jobs:\n  j: {run: 'true', inputs: big}\n")
    process = farflung.start("run")
    wait_until(lambda: list(farflung.cwd.glob("box/.ff-*.tmp")), 60, "it is being sent")
    process.send_signal(signal.SIGINT)
    for line in process.stdout:
        if "nterrupt" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert not (farflung.cwd / "box/big").exists()
    wait_until(lambda: not list(farflung.cwd.glob("box/.ff-*.tmp")), 60, "the worker has removed it")


@pytest.mark.parametrize("key, words", [
    ("inputs: [../x]", "3:26: job 'j': '../x' of 'inputs' leads out of the folder where it runs"),
    ("inputs: /x", "'/x' of 'inputs' is absolute"),
    ("inputs: {path: x}", "unknown key 'path'; did you mean 'paths'?"),
    ("inputs: {cleanup: true}", "'paths' is missing"),
], ids=["out", "absolute", "unknown", "missing"])
def test_wrong_input(farflung, key, words):
    farflung.yaml("inventory: [popen]\njobs:\n  j: {run: 'x', %s}\n" % key)
    done = farflung.run("run", code=2)
    assert words in done.stderr
    assert not (farflung.cwd / ".farflung").exists()


def test_a_placeholder_may_not_lead_out(farflung):
    """What it stands for is looked at when it is known."""
    (farflung.cwd.parent / "secret.csv").write_text("x")
    done = farflung.run_yaml(host() + "jobs:\n  j: {run: 'true', matrix: {n: [../secret]}, inputs: '{n}.csv'}\n", code=1)
    assert "leads out of the folder by '..'" in done.stdout


def test_tests_of_pytest_have_none(farflung):
    farflung.yaml("inventory: [popen]\njobs:\n  j: {pytest: [x], inputs: x}\n")
    assert "3:20: 'inputs' is for 'run, ctest, gtest or tap' jobs, not for 'pytest'" in farflung.run("run", code=2).stderr


TAP = "jobs:\n  t: {tap: ['t/*.t'], inputs: %s}\n"


def scripts(farflung, data):
    for name in "ab":
        path = farflung.cwd / f"t/{name}.t"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {name} >> ../ran\necho 1..1\ngrep -q . data/a.csv && echo ok\n")
        path.chmod(0o755)


@WORKERS
def test_of_tap_scripts(farflung, data, worker):
    """They may be what is sent themselves: who looks for them has them, too. What they left with is gone behind them."""
    scripts(farflung, data)
    done = farflung.run_yaml(host(worker) + TAP % "{paths: [data/a.csv, t], cleanup: true}", code=0)
    assert outcomes(done.events) == {"t/a.t": "passed", "t/b.t": "passed"}
    assert not list(farflung.cwd.glob("box/**/*.t")) and not list(farflung.cwd.glob("box/**/*.csv"))


@WORKERS
def test_what_is_missing_is_told_before_units_are_looked_for(farflung, data, worker):
    scripts(farflung, data)
    done = farflung.run_yaml(host(worker) + TAP % "[t, data/none.csv]", code=1)
    assert outcomes(done.events) == {} and not (farflung.cwd / "ran").exists()
    assert "inputs: nothing matches data/none.csv" in done.stdout


def test_of_gtest_programs(farflung, data):
    path = farflung.cwd / "tests"
    path.write_text("#!/bin/sh\ncase $1 in --gtest_list_tests) printf 'A.\\n  one\\n  two\\n'; exit;; esac\n"
                    "for arg; do case $arg in --gtest_filter=*) name=${arg#*=};; esac; done\n"
                    "cat data/a.csv || exit 1\necho \"[ RUN      ] $name\"; echo \"[       OK ] $name (0 ms)\"\n")
    path.chmod(0o755)
    done = farflung.run_yaml(host() + "jobs:\n  t: {gtest: ./tests, inputs: [tests, data/a.csv]}\n", code=0)
    assert outcomes(done.events) == {"A.one": "passed", "A.two": "passed"}


@pytest.mark.skipif(not shutil.which("ctest"), reason="there is no ctest")
def test_of_ctest_tests(farflung, data):
    """ctest's own file is sent as well, so that the host need know nothing."""
    folder = farflung.cwd / "build"
    folder.mkdir()
    (folder / "CTestTestfile.cmake").write_text("add_test(one /bin/sh -c \"grep a ../data/a.csv\")\nadd_test(two /bin/sh -c \"exit 1\")\n")
    done = farflung.run_yaml(host() + "jobs:\n  t: {ctest: build, inputs: [build, data/a.csv]}\n", code=1)
    assert outcomes(done.events) == {"one": "passed", "two": "failed"}


def test_resume_of_found_units(farflung, data):
    """By number, since their names are not known before: one that was not run again with other inputs stays to be run."""
    scripts(farflung, data)
    text = host() + TAP % "[t, data/a.csv]" + "  sum: {run: 'echo sum >> ../ran', needs: t}\n"
    farflung.run_yaml(text, code=0)
    ran = farflung.cwd / "ran"
    assert sorted(ran.read_text().split()) == ["a", "b", "sum"]
    ran.unlink()
    done = farflung.run("run", "--resume", code=0)
    assert not ran.exists() and "inputs" not in done.stderr
    (data / "a.csv").write_text("other\n")
    done = farflung.run("run", "--resume", "--maxfail", "1", code=0)
    assert sorted(ran.read_text().split()) == ["a", "b", "sum"]
    assert "3 units are run again, for inputs have changed: data/a.csv" in done.stderr
    ran.unlink()
    farflung.run("run", "--resume", code=0)
    assert not ran.exists()


def test_resume_of_found_units_twice(farflung, data):
    """A run that was killed between them had the new content for one of two only."""
    scripts(farflung, data)
    (farflung.cwd / "t/b.t").write_text("#!/bin/sh\necho b >> ../ran\necho 1..1\ntest -e ../stop && kill -9 $(cat ../pid)\necho ok\n")
    text = host().replace("slots: 2", "slots: 1") + "settings: {history: none}\n" + TAP % "[t, data/a.csv]"
    farflung.run_yaml(text, code=0)
    (data / "a.csv").write_text("other\n")
    (farflung.cwd / "ran").unlink()
    (farflung.cwd / "stop").touch()
    process = subprocess.Popen(["sh", "-c", 'echo $$ > pid; exec "$0" run --resume', farflung.program], cwd=farflung.cwd,
                               env=farflung.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(60) == -signal.SIGKILL
    assert (farflung.cwd / "ran").read_text().split() == ["a", "b"]
    (farflung.cwd / "stop").unlink()
    farflung.run("run", "--resume", code=0)
    assert (farflung.cwd / "ran").read_text().split() == ["a", "b", "b"]

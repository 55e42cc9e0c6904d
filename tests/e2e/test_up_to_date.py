"""Commands whose inputs and text are as when they last succeeded, and whose outputs are there, are not run again."""
import signal
from xml.etree import ElementTree

import pytest

from conftest import of_kind, outcomes, wait_until

HOST = "version: 1\ninventory:\n  hosts:\n    - {spec: popen, name: box, slots: 2, chdir: box, worker: %s}\n"
JOB = HOST + (
    "jobs:\n  make:\n    run: 'cat src-{n}*/* > out-{n}; echo {n} >> ran'\n    matrix: {n: [a, b]}\n"
    "    up_to_date: {inputs: ['src-{n}/**'], outputs: 'out-{n}'}\n")


@pytest.fixture
def box(farflung):
    for n in "ab":
        (farflung.cwd / "box" / f"src-{n}").mkdir(parents=True)
        (farflung.cwd / "box" / f"src-{n}" / "x").write_text(n)
    return farflung.cwd / "box"


def ran(farflung, box, text, *args):
    """Which units were run, the others are told as skipped."""
    (box / "ran").unlink(missing_ok=True)
    done = farflung.run_yaml(text, *args, code=0)
    names = "".join(sorted((box / "ran").read_text().split())) if (box / "ran").exists() else ""
    assert outcomes(done.events) == {f"make[n={n}]": "passed" if n in names else "skipped" for n in "ab"}
    return names


@pytest.mark.parametrize("worker", ["native", "python"])
def test_what_changed_is_run(farflung, box, worker):
    text = JOB % worker
    assert ran(farflung, box, text) == "ab"
    assert ran(farflung, box, text) == ""
    (box / "src-b" / "x").write_text("other")
    assert ran(farflung, box, text) == "b"
    (box / "src-a" / "new").write_text("")
    assert ran(farflung, box, text) == "a"
    (box / "out-a").unlink()
    assert ran(farflung, box, text) == "a"
    assert ran(farflung, box, text.replace("cat src", "cat  src")) == "ab"
    assert ran(farflung, box, text.replace("cat src", "cat  src"), "--force") == "ab"
    assert ran(farflung, box, text.replace("cat src", "cat  src")) == ""


def test_how_it_is_told(farflung, box):
    junit = farflung.cwd / "junit.xml"
    farflung.run_yaml(JOB % "native", code=0)
    done = farflung.run_yaml(JOB % "native", "--junit", junit, code=0)
    assert [e["result"]["message"] for e in of_kind(done.events, "unit-finished")] == ["up to date"] * 2
    assert [case.find("skipped").get("message") for case in ElementTree.parse(junit).iter("testcase")] == ["up to date"] * 2
    assert done.stderr.splitlines()[-1] == "farflung: 2 skipped (exit 0)"


def test_those_who_need_it_run(farflung, box):
    text = JOB % "native" + "  use: {run: 'test -e out-a', needs: make}\n"
    for _ in range(2):
        assert outcomes(farflung.run_yaml(text, code=0).events)["use"] == "passed"


def test_its_artifacts_come_all_the_same(farflung, box):
    text = JOB % "native" + "    artifacts: 'out-{n}'\n"
    for _ in range(2):
        farflung.run_yaml(text, "--collect", farflung.cwd / "there", code=0)
        assert (farflung.cwd / "there" / "make" / "make[n=a]" / "out-a").read_text() == "a"
        (farflung.cwd / "there" / "make" / "make[n=a]" / "out-a").unlink()


def test_one_that_fails_is_run_again(farflung, box):
    text = HOST % "native" + "jobs:\n  j: {run: 'mkdir once && exit 1; true', up_to_date: {inputs: src-a}}\n"
    expected = ["failed", "passed", "skipped"]
    assert [outcomes(farflung.run_yaml(text).events)["j"] for _ in expected] == expected


def test_one_that_was_killed_is_run_again(farflung, box):
    text = HOST % "native" + "settings: {grace: 0}\njobs:\n  j: {run: 'mkdir once && exec sleep 1000; true', up_to_date: {inputs: src-a}}\n"
    farflung.yaml(text)
    process = farflung.start("run")
    wait_until((box / "once").exists, 60, "it runs")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    expected = ["passed", "skipped"]
    assert [outcomes(farflung.run_yaml(text).events)["j"] for _ in expected] == expected


def test_an_input_that_is_not_there(farflung, box):
    done = farflung.run_yaml(HOST % "native" + "jobs:\n  j: {run: 'true', up_to_date: {inputs: srcs}}\n", code=1)
    assert outcomes(done.events) == {"j": "error"}
    assert "nothing matches 'srcs' of 'inputs'" in done.stdout


WRONG = [
    ("up_to_date: {inputs: [../x]}", "job 'j': '../x' of 'inputs' leads out of the folder where it runs"),
    ("up_to_date: {inputs: x, outputs: /x}", "job 'j': '/x' of 'outputs' is absolute"),
    ("up_to_date: {outputs: x}", "'inputs' is missing"),
    ("up_to_date: x", "'up_to_date' wants a mapping, got 'x'"),
]


@pytest.mark.parametrize("key, words", WRONG, ids=[key for key, _ in WRONG])
def test_wrong_input(farflung, key, words):
    farflung.yaml("inventory: [popen]\njobs:\n  j: {run: 'x', %s}\n" % key)
    assert words in farflung.run("run", code=2).stderr

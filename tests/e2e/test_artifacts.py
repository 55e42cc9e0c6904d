"""What jobs leave on their hosts is brought back, whole or not at all, before those who need it begin."""
import os
import signal
import subprocess
from xml.etree import ElementTree

import pytest

from conftest import of_kind, outcomes, wait_until

HOSTS = "version: 1\ninventory:\n  hosts:\n"
ONE = HOSTS + "    - {spec: popen, name: box, slots: 2, chdir: box}\n"


def test_each_unit_has_a_folder(farflung):
    done = farflung.run_yaml(
        ONE + "jobs:\n  make:\n    run: 'mkdir -p build/{n}/deep && echo {n} > build/{n}/deep/lib-{n}.so && echo log > {n}.log'\n"
        "    matrix: {n: [a, b]}\n"
        "    artifacts: ['build/**/*-{n}.so', '{n}.log']\n", code=0)
    out = farflung.cwd / "out" / "make"
    for n in "ab":
        assert (out / f"make[n={n}]" / "build" / n / "deep" / f"lib-{n}.so").read_text() == n + "\n"
        assert (out / f"make[n={n}]" / f"{n}.log").read_text() == "log\n"
        sums = (out / f"make[n={n}]" / ".farflung.sums").read_text().splitlines()
        assert [line.split("  ")[1] for line in sums] == [f"{n}.log", f"build/{n}/deep/lib-{n}.so"]
    told = of_kind(done.events, "unit-artifacts", unit="make[n=a]")
    assert [(e["files"], e["folder"], e.get("error")) for e in told] == [(2, str(out / "make[n=a]"), None)]
    assert "artifacts: 4 files, 12 bytes in " in done.stdout


def test_the_working_directory_counts(farflung):
    farflung.run_yaml(ONE + "jobs:\n  j: {run: 'echo x > here; echo y > ../not', cwd: sub, artifacts: '*'}\n", code=1)
    (farflung.cwd / "box" / "sub").mkdir(parents=True)
    farflung.run_yaml(ONE + "jobs:\n  j: {run: 'echo x > here; echo y > ../not', cwd: sub, artifacts: '*'}\n", code=0)
    assert sorted(os.listdir(farflung.cwd / "out/j/j")) == [".farflung.sums", "here"]


@pytest.mark.parametrize("worker", ["native", "python"])
def test_both_workers_bring_the_same(farflung, worker):
    """Content of several parts, an empty file, modes, a name that is no text, links."""
    box = farflung.cwd / "box"
    (box / "d" / ".hidden").mkdir(parents=True)
    (box / "d" / "big").write_bytes(os.urandom(3_000_000))
    (box / "d" / "none").touch()
    (box / "d" / "run").write_text("#!/bin/sh\n")
    (box / "d" / "run").chmod(0o755)
    (box / "d" / ".hidden" / "x").write_text("x")
    (box / "d" / "link").symlink_to("run")
    with open(os.fsencode(box / "d") + b"/\xff.so", "w") as file:
        file.write("odd")
    done = farflung.run_yaml(
        HOSTS + f"    - {{spec: popen, name: box, chdir: box, worker: {worker}}}\n"
        "jobs:\n  j: {run: 'true', artifacts: [d, 'none*']}\n", code=0)
    assert subprocess.run(["diff", "-r", "--no-dereference", "-x", "link", box / "d", farflung.cwd / "out/j/j/d"]).returncode == 0
    assert (farflung.cwd / "out/j/j/d/link").read_text() == "#!/bin/sh\n"
    assert (farflung.cwd / "out/j/j/d/run").stat().st_mode & 0o777 == 0o755
    assert [e["text"] for e in of_kind(done.events, "notice", level="warning")] == ["j: artifacts: nothing matches none*"]


@pytest.mark.parametrize("worker", ["native", "python"])
@pytest.mark.parametrize("way", ["/etc/hostname", "/etc"])
def test_links_that_lead_out_are_refused(farflung, worker, way):
    """Told, not followed; what is beside them comes."""
    done = farflung.run_yaml(
        HOSTS + f"    - {{spec: popen, name: box, chdir: box, worker: {worker}}}\n"
        f"jobs:\n  j: {{run: 'mkdir d && echo x > d/x && ln -s {way} d/out', artifacts: d}}\n", code=1)
    assert outcomes(done.events) == {"j": "error"}
    assert "d/out: a link that leads out of the folder" in done.stdout
    assert sorted(os.listdir(farflung.cwd / "out/j/j/d")) == ["x"]


def test_when(farflung):
    done = farflung.run_yaml(
        ONE + "jobs:\n"
        "  always: {run: 'echo x > f; exit {n}', matrix: {n: [0, 3]}, artifacts: {paths: f, when: always}}\n"
        "  failure: {run: 'echo x > f; exit {n}', matrix: {n: [0, 3]}, artifacts: {paths: f, when: failure}}\n"
        "  success: {run: 'echo x > f; exit {n}', matrix: {n: [0, 3]}, artifacts: {paths: f, when: success}}\n", code=1)
    found = sorted(str(path.relative_to(farflung.cwd / "out")) for path in farflung.cwd.glob("out/*/*/f"))
    assert found == ["always/always[n=0]/f", "always/always[n=3]/f", "failure/failure[n=3]/f", "success/success[n=0]/f"]
    assert sorted(outcomes(done.events).values()) == ["failed"] * 3 + ["passed"] * 3


def test_nothing_that_matches(farflung):
    """A warning; with `required` an error, in every report."""
    job = "jobs:\n  j: {run: 'true', artifacts: {paths: ['*.so', x], required: %s}}\n"
    done = farflung.run_yaml(ONE + job % "false", code=0)
    assert [e["text"] for e in of_kind(done.events, "notice", level="warning")] == \
        ["j: artifacts: nothing matches *.so", "j: artifacts: nothing matches x"]
    junit = farflung.cwd / "junit.xml"
    done = farflung.run_yaml(ONE + job % "true", "--junit", junit, code=1)
    assert outcomes(done.events) == {"j": "error"}
    case = ElementTree.parse(junit).find(".//testcase")
    assert case.find("error").get("message") == "artifacts: nothing matches *.so"
    assert not (farflung.cwd / "out").exists()


def test_those_who_need_it_find_it(farflung):
    """The second job begins only when all of the first's is here."""
    farflung.run_yaml(
        HOSTS + "    - {spec: popen, name: a, chdir: a, tags: [a]}\n    - {spec: popen, name: b, chdir: ., tags: [b]}\n"
        "jobs:\n  make: {run: 'head -c 20000000 /dev/zero > big', on: a, artifacts: big}\n"
        "  use: {run: 'test $(stat -c %s out/make/make/big) = 20000000', on: b, needs: make}\n", code=0)


def test_the_next_run_replaces_it(farflung):
    run = ONE + "jobs:\n  j: {run: 'rm -f *; touch %s', artifacts: '*'}\n"
    farflung.run_yaml(run % "a b", code=0)
    (farflung.cwd / "out/j/j/mine").touch()
    farflung.run_yaml(run % "b c", code=0)
    assert sorted(os.listdir(farflung.cwd / "out/j/j")) == [".farflung.sums", "b", "c", "mine"]


def test_where_to(farflung, tmp_path):
    job = ONE + "settings: {collect: kept}\njobs:\n  j: {run: 'touch f', artifacts: f}\n"
    farflung.run_yaml(job, code=0)
    assert (farflung.cwd / "kept/j/j/f").exists()
    farflung.run_yaml(job, "--collect", tmp_path / "there", code=0)
    assert (tmp_path / "there/j/j/f").exists()


def test_it_is_not_brought_along_with_the_tree(farflung):
    """Nor fetched again from where it was put, where the tree is the working directory."""
    text = HOSTS + "    - {spec: popen, name: box%s}\ntree: {source: .}\njobs:\n  j: {run: 'mkdir -p d; touch d/f', artifacts: '**/f'}\n"
    for _ in range(2):
        farflung.run_yaml(text % ", chdir: ../box", code=0)
        farflung.run_yaml(text % "", code=0)
    assert not (farflung.cwd.parent / "box" / "out").exists()
    assert [str(path.relative_to(farflung.cwd)) for path in farflung.cwd.glob("out/**/f")] == ["out/j/j/d/f"]


def test_a_retry_brings_its_own(farflung):
    done = farflung.run_yaml(
        ONE + "jobs:\n  j: {run: 'test -e t && { echo second > f; exit 0; }; touch t; echo first > f; exit 1', retries: 1, artifacts: f}\n", code=0)
    assert [e["attempt"] for e in of_kind(done.events, "unit-artifacts")] == [1, 2]
    assert (farflung.cwd / "out/j/j/f").read_text() == "second\n"


WRONG = [
    ("artifacts: [../x]", "3:29: job 'j': '../x' of 'artifacts' leads out of the folder where it runs"),
    ("artifacts: [a, /x]", "3:32: job 'j': '/x' of 'artifacts' is absolute; it is meant below the folder where it runs"),
    ("artifacts: {paths: a/../b}", "3:36: job 'j': 'a/../b' of 'artifacts' leads out of the folder where it runs"),
    ("artifacts: {paths: a, when: never}", "'when' wants always, failure or success, got 'never'"),
    ("artifacts: {when: always}", "'paths' is missing"),
    ("artifacts: {paths: a, path: b}", "unknown key 'path'; did you mean 'paths'?"),
    ("artifacts: {paths: {a: b}}", "'paths' wants text or a list of texts, got a mapping"),
]


@pytest.mark.parametrize("key, words", WRONG, ids=[key for key, _ in WRONG])
def test_wrong_input(farflung, key, words):
    farflung.yaml("inventory: [popen]\njobs:\n  j: {run: 'x', %s}\n" % key)
    done = farflung.run("run", code=2)
    assert words in done.stderr
    assert not (farflung.cwd / ".farflung").exists()


TESTS = """import os
import pytest

@pytest.mark.parametrize("n", range(6))
def test_it(n):
    with open(os.path.join(os.environ["TOP"], f"log.{n}"), "w") as file:
        file.write(str(n))
    assert n != int(os.environ["BAD"])
"""
BOTH = HOSTS + "    - {spec: popen, name: a, slots: 2, chdir: a}\n    - {spec: popen, name: b, chdir: b}\n"


def sessions(farflung, artifacts, bad=9, hosts=BOTH, **options):
    (farflung.cwd / "tests").mkdir(exist_ok=True)
    (farflung.cwd / "tests/test_x.py").write_text(TESTS)
    return farflung.run_yaml(
        hosts + "tree: {source: tests}\njobs:\n"
        f"  t: {{pytest: [-p, 'no:cacheprovider'], dist: each, env: {{TOP: '.', BAD: '{bad}'}}, artifacts: {artifacts}}}\n", *options.pop("args", ()), **options)


@pytest.mark.parametrize("bad, code", [(9, 0), (3, 1)])
def test_of_tests_each_host_has_a_folder(farflung, bad, code):
    """When all its workers have ended, whatever became of the tests."""
    done = sessions(farflung, "'log.*'", bad, code=code)
    for host in "ab":
        out = farflung.cwd / "out" / "t" / host
        assert sorted(os.listdir(out)) == [".farflung.sums"] + [f"log.{n}" for n in range(6)]
        assert (out / "log.5").read_text() == "5"
    told = of_kind(done.events, "job-artifacts", job="t")
    assert sorted((e["host"], e["files"], e["folder"]) for e in told) == [(host, 6, str(farflung.cwd / "out/t" / host)) for host in "ab"]
    kinds = [e["event"] for e in done.events]
    assert kinds.index("job-finished") > max(i for i, kind in enumerate(kinds) if kind == "job-artifacts")
    assert "artifacts: 12 files, 12 bytes in " in done.stdout


def test_of_tests_when(farflung):
    assert not of_kind(sessions(farflung, "{paths: 'log.*', when: failure}", code=0).events, "job-artifacts")
    assert len(of_kind(sessions(farflung, "{paths: 'log.*', when: failure}", 3, code=1).events, "job-artifacts")) == 2
    assert not of_kind(sessions(farflung, "{paths: 'log.*', when: success}", 3, code=1).events, "job-artifacts")


def test_of_tests_nothing_that_matches(farflung):
    """A warning for each host; with `required` the job's error, in every report, though all tests passed."""
    done = sessions(farflung, "[x]", code=0)
    assert sorted(e["text"] for e in of_kind(done.events, "notice", level="warning")) == ["t: artifacts: nothing matches x"] * 2
    done = sessions(farflung, "{paths: [x], required: true}", code=1, args=("--junit", "j.xml"))
    (end,) = of_kind(done.events, "job-finished")
    assert (end["state"], end["why"]) == ("error", "artifacts")
    assert "artifacts: nothing matches x" in end["reason"]
    assert "artifacts: nothing matches x" in (farflung.cwd / "j.xml").read_text()
    assert "artifacts: nothing matches x" in farflung.run("replay", code=1).stdout


def test_of_tests_those_who_need_them_find_them(farflung):
    (farflung.cwd / "tests").mkdir()
    (farflung.cwd / "tests/test_x.py").write_text("def test(): open('made', 'w').close()\n")
    farflung.run_yaml(
        HOSTS + "    - {spec: popen, name: a, chdir: a, tags: [a]}\n    - {spec: popen, name: b, chdir: ., tags: [b]}\njobs:\n"
        "  t: {pytest: [../tests], on: a, artifacts: made}\n  use: {run: 'test -e out/t/a/made', on: b, needs: t}\n", code=0)


def test_of_tests_a_host_that_dies_meanwhile(farflung):
    """Not green, with the host's name."""
    (farflung.cwd / "tests").mkdir()
    (farflung.cwd / "tests/test_x.py").write_text(
        "import os\ndef test():\n    with open('big', 'w') as file:\n        file.truncate(40 << 30)\n")
    farflung.yaml(HOSTS + "    - {spec: popen, name: a, chdir: a}\nsettings: {reconnect: 0}\njobs:\n"
                  "  pid: {run: 'echo $PPID > ../pid'}\n  t: {pytest: [../tests], artifacts: big, needs: pid}\n")
    process = farflung.start("run", "--junit", "j.xml")
    wait_until(lambda: list(farflung.cwd.glob("out/t/a/.ff-*.tmp")), 60, "it is being brought")
    os.kill(int((farflung.cwd / "pid").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert "its artifacts were lost with it" in (farflung.cwd / "j.xml").read_text()
    assert not list(farflung.cwd.glob("out/t/a/*"))


def test_of_tests_interrupted(farflung):
    (farflung.cwd / "tests").mkdir()
    (farflung.cwd / "tests/test_x.py").write_text(
        "import os\ndef test():\n    with open('big', 'w') as file:\n        file.truncate(40 << 30)\n")
    farflung.yaml(HOSTS + "    - {spec: popen, name: a, chdir: a}\njobs:\n  t: {pytest: [../tests], artifacts: big}\n")
    process = farflung.start("run")
    wait_until(lambda: list(farflung.cwd.glob("out/t/a/.ff-*.tmp")), 60, "it is being brought")
    process.send_signal(signal.SIGINT)
    for line in process.stdout:
        if "nterrupt" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert not list(farflung.cwd.glob("out/**/*.tmp")) and not (farflung.cwd / "out/t/a/big").exists()


def test_a_folder_that_cannot_be_written(farflung):
    """The path and why, exit 1; nothing else is harmed."""
    (farflung.cwd / "out").write_text("in the way")
    done = farflung.run_yaml(ONE + "jobs:\n  j: {run: 'touch f', artifacts: f}\n  k: {run: 'true'}\n", code=1)
    assert outcomes(done.events) == {"j": "error", "k": "passed"}
    assert f"{farflung.cwd}/out/j/j: Not a directory" in done.stdout


def test_a_host_that_dies_while_it_is_fetched_from(farflung):
    """What it had is told as lost, in words, exit code and JUnit; its partial file is gone."""
    junit = farflung.cwd / "junit.xml"
    farflung.yaml(
        ONE + "settings: {reconnect: 0}\njobs:\n"
        "  j: {run: 'truncate -s 40G f; echo $PPID > ../pid', artifacts: f}\n")
    process = farflung.start("run", "--junit", junit)
    partial = wait_until(lambda: list(farflung.cwd.glob("out/j/j/.ff-*.tmp")), 60, "it is being brought")
    os.kill(int((farflung.cwd / "pid").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (out, err)
    assert "its artifacts were lost with host box" in out
    assert "its artifacts were lost with host box" in ElementTree.parse(junit).find(".//error").get("message")
    assert not [path for path in partial if path.exists()]


def test_it_is_tried_again_elsewhere(farflung):
    """With a retry left another host runs it, and brings what there is."""
    farflung.yaml(
        HOSTS + "    - {spec: popen, name: a, chdir: a}\n    - {spec: popen, name: b, chdir: b}\n"
        "settings: {reconnect: 0}\njobs:\n"
        "  j: {run: 'if mkdir ../once; then truncate -s 40G f; echo $PPID > ../pid; else echo x > f; fi', artifacts: f, retries: 1}\n")
    process = farflung.start("run")
    wait_until(lambda: list(farflung.cwd.glob("out/j/j/.ff-*.tmp")), 60, "it is being brought")
    os.kill(int((farflung.cwd / "pid").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert (farflung.cwd / "out/j/j/f").read_text() == "x\n"


def test_interrupted(farflung):
    """Twice: at once, nothing half-written stays."""
    farflung.yaml(ONE + "jobs:\n  j: {run: 'truncate -s 40G f', artifacts: f}\n")
    process = farflung.start("run")
    wait_until(lambda: list(farflung.cwd.glob("out/j/j/.ff-*.tmp")), 60, "it is being brought")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert not list(farflung.cwd.glob("out/**/*.tmp")) and not (farflung.cwd / "out/j/j/f").exists()


def test_runs_with_artifacts_are_gone_on_with_and_told_again(farflung):
    """A setup, artifacts and steps of the run before are no riddle to who reads its journal."""
    text = (ONE + "setup: 'echo WORD=exported >> $FARFLUNG_ENV'\nteardown: 'true'\njobs:\n"
            "  good: {run: 'echo $WORD > {n}.txt; echo ran >> ../good.{n}', matrix: {n: [a, b]}, artifacts: ['{n}.txt']}\n"
            "  list: {steps: [echo one, 'echo two > two.txt; echo ran >> ../list'], artifacts: two.txt}\n"
            "  bad: {run: 'test -e ../mended', artifacts: {paths: [nothing*], when: failure}}\n")
    farflung.run_yaml(text, code=1)
    assert farflung.run("replay", code=1).stdout.count("FAILED") >= 1
    assert "3 passed" in farflung.run("show", "last", code=0).stdout
    (farflung.cwd / "mended").touch()
    for code, words in (1, ("replay",)), (0, ("rerun", "--failed")):
        farflung.run(*words, "--junit", "j.xml", code=code)
        cases = [case.get("name") for case in ElementTree.parse(farflung.cwd / "j.xml").iter("testcase")]
        assert sorted(cases) == ["1", "2", "bad", "good[n=a]", "good[n=b]"]
    assert [(farflung.cwd / name).read_text() for name in ("good.a", "good.b", "list")] == ["ran\n"] * 3

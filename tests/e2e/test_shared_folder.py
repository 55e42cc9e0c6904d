"""Two runs that share a working folder, and what a sync leaves alone there."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import of_kind, outcomes, wait_until, write


def shared(farflung, there, source, run, reconnect="60s", name="farflung.yaml", tree=""):
    return farflung.yaml(
        f"inventory: [{{spec: 'popen//chdir={there}', name: box}}]\n"
        f"tree: {{source: {source}, delete: true{tree}}}\nsettings: {{reconnect: {reconnect}}}\n"
        f"jobs: {{shell: {{run: '{run}'}}}}\n", name)


WAIT = "touch begun; until test -e go; do sleep 0.05; done; cat data"


def begin(farflung, tmp_path):
    there = tmp_path / "there"
    write(farflung.cwd / "one" / "data", "of one")
    write(farflung.cwd / "two" / "data", "of two")
    shared(farflung, there, "one", WAIT, name="one.yaml")
    live = farflung.follow("run", "one.yaml")
    live.event("unit-started")
    wait_until((there / "begun").exists, 60, "the first run's unit is at work")
    return live, there


def test_the_second_run_waits(farflung, tmp_path):
    first, there = begin(farflung, tmp_path)
    shared(farflung, there, "two", "cat data", name="two.yaml")
    second = farflung.follow("run", "two.yaml")
    away = second.event("host-away", host="box")
    assert "in use by another run" in away["error"] and f"pid {first.process.pid}" in away["error"]
    second.wait_for(lambda events: len(of_kind(events, "host-away")) >= 2)
    assert (there / "data").read_text() == "of one"
    (there / "go").touch()
    told = of_kind(first.finish(0), "unit-output")
    assert "".join(e["text"] for e in told) == "of one"
    told = of_kind(second.finish(0), "unit-output")
    assert "".join(e["text"] for e in told) == "of two"


def test_the_second_run_is_refused(farflung, tmp_path):
    first, there = begin(farflung, tmp_path)
    shared(farflung, there, "two", "cat data", reconnect="400ms", name="two.yaml")
    done = farflung.run("run", "two.yaml", code=3)
    assert "in use by another run" in done.stderr.strip().splitlines()[-1]
    assert done.stdout.count("host box away") == 1  # once, however often it was tried
    assert (there / "data").read_text() == "of one"
    (there / "go").touch()
    assert outcomes(first.finish(0)) == {"shell": "passed"}


def test_a_killed_run_holds_nothing(farflung, tmp_path):
    first, there = begin(farflung, tmp_path)
    os.kill(first.process.pid, signal.SIGKILL)
    first.finish(-signal.SIGKILL)
    shared(farflung, there, "two", "cat data", name="two.yaml")
    farflung.run("run", "two.yaml", code=0)
    assert (there / "data").read_text() == "of two"


def test_only_what_was_brought_is_deleted(farflung, tmp_path):
    there, source = tmp_path / "there", farflung.cwd / "src"
    brought = ("gone", "dir/gone", "stays", ".coveragerc")
    for name in (*brought, ".coverage", ".coverage.box.1", ".farflung/x", ".pytest_cache/x", "no.skip"):
        write(source / name, name)
    shared(farflung, there, "src", "mkdir -p venv/bin __pycache__; touch venv/bin/python __pycache__/a.pyc keep.skip",
           tree=", exclude: [\"*.skip\"]")
    farflung.run("run", code=0)
    made = {"venv/bin/python", "__pycache__/a.pyc", "keep.skip"}

    def files():
        return {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()
                and not p.name.startswith(".farflung")}

    assert files() == made | set(brought)
    (source / "gone").unlink()
    (source / "dir" / "gone").unlink()
    (source / "dir").rmdir()
    farflung.run("run", code=0)
    assert files() == made | {"stays", ".coveragerc"}
    assert not (there / "dir").exists()


def test_report_files_do_not_travel(farflung, tmp_path):
    there = tmp_path / "there"
    for name in ("src/data", "src/junit.xml", "src/out/junit.xml"):
        write(farflung.cwd / name, "old")
    shared(farflung, there, "src", "cat data")
    farflung.run("run", "--junit", "src/junit.xml", code=0)
    assert (there / "data").exists() and (there / "out" / "junit.xml").exists()
    assert not (there / "junit.xml").exists()


def test_reports_beside_the_configuration_do_not_travel(farflung, tmp_path):
    there = tmp_path / "there"
    for name in ("data", "junit.xml", "events.jsonl", "dir/junit.xml"):
        write(farflung.cwd / name, "old")
    farflung.yaml(
        f"inventory: [{{spec: 'popen//chdir={there}', name: box}}]\ntree: .\n"
        "report: {jsonl: events.jsonl}\njobs: {shell: {run: cat data}}\n")
    farflung.run("run", "--junit", "junit.xml", code=0)
    assert {p.name for p in there.iterdir() if not p.name.startswith(".farflung")} == {
        "data", "dir", "farflung.yaml"}
    assert (there / "dir" / "junit.xml").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not read a file")
def test_an_unreadable_file_is_named(farflung, tmp_path):
    """An older copy stays on the host: that is said."""
    there = tmp_path / "there"
    shared(farflung, there, "src", "cat secret")
    write(farflung.cwd / "src" / "secret", "old")
    farflung.run("run", code=0)
    nobody = pwd.getpwnam("nobody")
    (farflung.cwd / "src" / "secret").write_text("NEW")
    (farflung.cwd / "src" / "secret").chmod(0)
    for folder in (there, farflung.cwd):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    # Nothing above may keep the other user from getting there.
    with tempfile.TemporaryDirectory() as open_place:
        os.chmod(open_place, 0o755)
        top = pathlib.Path(open_place)
        for name, path in (("work", farflung.cwd), ("there", there)):
            shutil.move(path, top / name)
        shutil.copy(farflung.program, top / "farflung")
        (top / "work" / "farflung.yaml").write_text(
            (top / "work" / "farflung.yaml").read_text().replace(str(there), str(top / "there")))
        env = dict(farflung.env, HOME=str(top / "work"), XDG_CACHE_HOME=str(top / "work" / "cache"))
        process = subprocess.run([top / "farflung", "run"], cwd=top / "work", env=env, text=True, capture_output=True,
                                 timeout=60, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
        assert process.returncode == 0, process.stdout + process.stderr
        said = process.stdout + process.stderr
        assert "secret" in said and "ermission denied" in said, said
        wait_until(lambda: not farflung.left_over(), 20, "all of it is gone")

"""The folder that runs leave: what it says of itself, and that it does not grow for ever."""
import os
import subprocess

from conftest import of_kind, read_journal, write


def runs(farflung):
    folder = farflung.cwd / ".farflung" / "runs"
    return sorted(path.name for path in folder.iterdir() if path.name != "last")


def test_only_so_many_runs_are_kept(farflung):
    farflung.yaml("inventory: [popen]\nsettings: {keep: {runs: 3}}\njobs: {a: {run: 'echo hello'}}\n")
    begun = []
    for _ in range(6):
        farflung.run("run", code=0)
        begun.append(os.readlink(farflung.cwd / ".farflung" / "runs" / "last"))
    # Those of one second are in no order.
    assert len(runs(farflung)) == 3 and begun[-1] in runs(farflung) and set(runs(farflung)) < set(begun)
    events = read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")
    assert "".join(e["text"] for e in of_kind(events, "unit-output")) == "hello\n"


def test_a_run_that_goes_on_is_kept(farflung):
    farflung.yaml("inventory: [popen]\nsettings: {keep: {runs: 1}}\n"
                  "jobs: {a: {run: 'until test -e go; do sleep 0.02; done'}}\n")
    live = farflung.follow("run")
    live.event("unit-started")
    going = runs(farflung)
    write(farflung.cwd / "other.yaml", "inventory: [popen]\nsettings: {keep: {runs: 1}}\njobs: {a: {run: 'true'}}\n")
    for _ in range(3):
        farflung.run("run", "other.yaml", code=0)
    assert set(going) < set(runs(farflung))
    write(farflung.cwd / "go", "")
    live.finish(0)


def test_the_folder_explains_itself_and_is_not_committed(farflung):
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'true'}}\n")
    farflung.run("run", code=0)
    folder = farflung.cwd / ".farflung"
    assert "farflung" in (folder / "README").read_text() and "keep" in (folder / "README").read_text()
    assert (folder / ".gitignore").read_text().splitlines()[-1] == "*"
    write(folder / "README", "mine\n")
    farflung.run("run", code=0)
    assert (folder / "README").read_text() == "mine\n"
    subprocess.run(["git", "init", "-q", "."], cwd=farflung.cwd, check=True)
    said = subprocess.run(["git", "status", "--short", "-uall"], cwd=farflung.cwd, check=True, capture_output=True, text=True)
    assert ".farflung" not in said.stdout


def test_output_stands_in_it_once(farflung):
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'head -c 1048576 /dev/zero | tr \"\\\\0\" x'}}\n")
    farflung.run("run", code=0)
    folder = farflung.cwd / ".farflung" / "runs" / "last"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1.1 * (1 << 20)

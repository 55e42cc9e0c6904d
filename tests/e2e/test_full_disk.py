"""A disk that is full: the run stops with the path, what was told as done is in the journal, and is gone on with
once there is room."""
import os
import pathlib
import resource
import signal
import subprocess

import pytest

from conftest import junit_outcomes, of_kind, read_jsonl

MIB = 1 << 20


class Small:
    """A file system of a few MiB; for who may not mount one, a limit of files' size stands for it."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], capture_output=True).returncode == 0

    def options(self):
        return {} if self.mounted else {"preexec_fn": self.limit}

    @staticmethod
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, resource.RLIM_INFINITY))

    def grow(self):
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", self.path], check=True)

    def words(self):
        return "No space left on device" if self.mounted else "File too large"

    def end(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)


@pytest.fixture
def small(farflung):
    disk = Small(farflung.cwd / "small")
    yield disk
    disk.end()


def journals(small):
    return sorted((path for path in small.path.glob(".farflung/runs/2*/journal.jsonl")),
                  key=lambda path: path.read_text().partition("\n")[0].partition("time")[2])


def test_full_of_output(farflung, small):
    farflung.env["FARFLUNG_RUNS"] = str(small.path)
    farflung.yaml("inventory: [2*popen]\nreport: {junit: junit.xml}\njobs:\n"
                  "  a: {run: 'head -c 300000 /dev/zero | tr \"\\0\" x; echo {index} >> done.txt', count: 40}\n")
    stopped = farflung.run("run", code=3, **small.options())
    assert f"{small.path}/.farflung/runs/" in stopped.stderr and small.words() in stopped.stderr
    (journal,) = journals(small)
    events = read_jsonl(journal)
    done = {e["unit"] for e in of_kind(events, "unit-finished")}
    told = {name for (_, name), (kind, _) in junit_outcomes(farflung.cwd / "junit.xml").items() if kind == "passed"}
    assert 1 <= len(done) < 40
    lines = (farflung.cwd / "done.txt").read_text().split()
    if small.mounted:
        # What ran when the disk was found to be full has its end, too, and the journal its own.
        assert told == done and len(lines) == len(done)
        assert events[-1]["event"] == "run-finished" and events[-1]["why"] == "disk"
        assert f"farflung run --resume {journal.parent.name} goes on" in stopped.stderr
    small.grow()
    farflung.run("run", "--resume", code=0)
    lines = (farflung.cwd / "done.txt").read_text().split()
    assert set(lines) == {str(n) for n in range(1, 41)}
    if small.mounted:
        assert len(lines) == 40, "what was told as done stays done"
    cases = junit_outcomes(farflung.cwd / "junit.xml")
    assert len(cases) == 40 and {kind for kind, _ in cases.values()} == {"passed"}
    begun = {e["unit"] for e in of_kind(read_jsonl(journals(small)[1]), "unit-started")}
    assert not begun & done and len(begun) + len(done) == 40
    # Room that was taken for the end is given back.
    for journal in journals(small):
        for path in (journal, journal.parent / "output"):
            stat = path.stat()
            assert stat.st_blocks * 512 <= stat.st_size + 65536


def test_full_at_once(farflung, small):
    if not small.mounted:
        pytest.skip("nothing can be mounted here")
    (small.path / "filler").write_bytes(b"x" * (4 * MIB - 65536))
    farflung.env["FARFLUNG_RUNS"] = str(small.path)
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'touch ran'}}\n")
    done = farflung.run("run", code=3)
    assert small.words() in done.stderr and str(small.path) in done.stderr
    assert not (farflung.cwd / "ran").exists()
    (small.path / "filler").unlink()
    farflung.run("run", "--resume", code=0)
    assert (farflung.cwd / "ran").exists()


def test_full_for_a_report(farflung, small):
    if not small.mounted:
        pytest.skip("nothing can be mounted here")
    farflung.yaml("inventory: [popen]\njobs:\n"
                  "  a: {run: 'head -c 900000 /dev/zero | tr \"\\0\" x', count: 8}\nreport: {junit: small/junit.xml}\n")
    done = farflung.run("run", code=3)
    assert "cannot write" in done.stderr and "small/junit.xml" in done.stderr and small.words() in done.stderr
    assert os.listdir(small.path) == [], "no half of a report"
    small.grow()
    farflung.run("replay", "--junit", "small/junit.xml", code=0)
    assert len(junit_outcomes(small.path / "junit.xml")) == 8

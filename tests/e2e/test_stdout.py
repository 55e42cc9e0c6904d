"""The reader of stdout is slow, stopped or gone: the run does not mind."""
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest

from conftest import of_kind, outcomes, read_journal, wait_until, write
from test_output_cap import high_water, sanitized

LIMIT_KIB = 120 << 10  # 8 units: their outputs up to output_cap, the writer's queue, windows of channels
SILENCE = 1.0
SETTINGS = "settings: {heartbeat: 100ms, silence: 1s, output_cap: 1MiB}\n"
ENDLESS = "touch begun-{index}; until test -e go; do seq -w 1 20000; done; echo the last of {index}"


def journal(farflung):
    return read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")


def beats_pass(farflung, pid, seconds):
    """The run lives for so long while nobody reads: that time is what the test is about."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process_alive(pid)
        time.sleep(0.05)


def process_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Words(threading.Thread):
    """All that comes on a pipe, read as it comes."""

    def __init__(self, file):
        super().__init__(daemon=True)
        self.file = file
        self.text = ""
        self.start()

    def run(self):
        self.text = self.file.read()


def nothing_was_lost(events, units):
    assert not [e for e in events if e["event"] in ("host-away", "host-lost", "host-failed", "unit-lost")]
    assert outcomes(events) == dict.fromkeys(units, "passed")
    for unit in units:
        assert len(of_kind(events, "unit-started", unit=unit)) == 1


UNITS = [f"loud[{n}]" for n in range(1, 9)]


@pytest.mark.parametrize("args", [["-vv"], ["--jsonl", "-"]], ids=["-vv", "jsonl"])
def test_reader_stops_and_goes_on(farflung, program, args):
    farflung.yaml(f"inventory: [8*popen]\n{SETTINGS}jobs:\n  loud: {{run: '{ENDLESS}', count: 8}}\n")
    process = farflung.start("run", *args)
    err = Words(process.stderr)
    for n in range(1, 9):
        wait_until((farflung.cwd / f"begun-{n}").exists, 60, f"unit {n} runs")
    beats_pass(farflung, process.pid, 4 * SILENCE)
    peak = high_water(process.pid)
    write(farflung.cwd / "go", "")
    out = process.stdout.read()
    assert process.wait(60) == 0
    err.join()

    events = journal(farflung)
    nothing_was_lost(events, UNITS)
    assert err.text.splitlines()[-1] == "farflung: 8 passed (exit 0)"
    if args == ["-vv"]:
        assert "8 passed" in out.splitlines()[-1]
        for n in range(1, 9):
            head = [line.split("] ", 1)[1] for line in out.splitlines() if line.startswith(f"[popen loud[{n}]] ")]
            assert head[:20000] == [f"{i:05}" for i in range(1, 20001)]
            assert head[-1] == f"the last of {n}"
    else:
        told = [json.loads(line) for line in out.splitlines()]
        assert [e["seq"] for e in told] == list(range(1, len(told) + 1))
        assert told[-1]["event"] == "run-finished"
        nothing_was_lost(told, UNITS)
    print("peak KiB", peak)
    if not sanitized(program):
        assert 0 < peak <= LIMIT_KIB


def test_reader_comes_late(farflung):
    """All is over before anything is read: the end waits for the reader, the last line too."""
    farflung.yaml(f"inventory: [2*popen]\n{SETTINGS}"
                  "jobs:\n  loud: {run: 'seq -w 1 60000; touch done-{index}', count: 2}\n")
    process = farflung.start("run", "-vv")
    err = Words(process.stderr)
    wait_until(lambda: (farflung.cwd / "done-1").exists() and (farflung.cwd / "done-2").exists(), 60,
               "both have printed")
    beats_pass(farflung, process.pid, 2 * SILENCE)
    assert process.poll() is None and err.text == ""
    out = process.stdout.read()
    assert process.wait(60) == 0
    err.join()
    assert err.text.splitlines()[-1] == "farflung: 2 passed (exit 0)"
    for n in (1, 2):
        got = [line.split("] ", 1)[1] for line in out.splitlines() if line.startswith(f"[popen loud[{n}]] ")]
        assert got == [f"{i:05}" for i in range(1, 60001)]
    nothing_was_lost(journal(farflung), ["loud[1]", "loud[2]"])


@pytest.mark.parametrize("worker", ["native", "python"])
def test_a_stopped_reader_uses_up_no_timeout(farflung, worker):
    """Only the unit's own time counts: one that waits for our reader is not too slow, one that hangs is."""
    farflung.yaml(
        f"inventory: [{{spec: popen, slots: 2, worker: {worker}}}]\n{SETTINGS.replace('1MiB', '64MiB')}jobs:\n"
        f"  loud: {{run: '{ENDLESS}', timeout: 6s, count: 1}}\n  hangs: {{run: 'echo hi; sleep 1000', timeout: 6s}}\n")
    process = farflung.start("run", "-vv")
    err = Words(process.stderr)
    wait_until((farflung.cwd / "begun-1").exists, 60, "the unit runs")
    beats_pass(farflung, process.pid, 10)
    write(farflung.cwd / "go", "")
    out = process.stdout.read()
    assert process.wait(60) == 1
    err.join()
    assert outcomes(journal(farflung)) == {"loud": "passed", "hangs": "timeout"}
    assert "the last of 1" in out
    assert err.text.splitlines()[-1] == "farflung: 1 timeout, 1 passed (exit 1)"


@pytest.mark.parametrize("worker", ["native", "python"])
def test_endless_output_is_no_stopped_reader(farflung, worker):
    """A unit that prints faster than it is read has no more time for that."""
    farflung.yaml(
        f"inventory: [{{spec: popen, worker: {worker}}}]\n{SETTINGS}jobs:\n"
        "  endless: {run: 'yes', timeout: 3s}\n")
    done = farflung.run("run", code=1, timeout=60)
    assert outcomes(journal(farflung)) == {"endless": "timeout"}
    assert done.stderr.splitlines()[-1] == "farflung: 1 timeout (exit 1)"


@pytest.mark.parametrize("args", [["-vv"], ["--jsonl", "-"]], ids=["-vv", "jsonl"])
@pytest.mark.parametrize("ends, code, counts", [("true", 0, "2 passed"), ("exit 1", 1, "2 failed")])
def test_reader_goes_away(farflung, args, ends, code, counts):
    farflung.yaml(
        f"inventory: [2*popen]\n{SETTINGS}jobs:\n"
        "  loud: {run: 'touch begun-{index}; seq -w 1 20000; until test -e go; do sleep 0.05; done; seq 20000; %s',"
        " count: 2}\n" % ends)
    process = farflung.start("run", *args, "--junit", "junit.xml")
    err = Words(process.stderr)
    for n in (1, 2):
        wait_until((farflung.cwd / f"begun-{n}").exists, 60, f"unit {n} runs")
    process.stdout.read(1)
    process.stdout.close()
    write(farflung.cwd / "go", "")
    assert process.wait(60) == code
    err.join()
    lines = err.text.splitlines()
    assert lines[-1] == f"farflung: {counts}; stdout was closed (exit {code})"
    # Said once, and by the last line.
    assert len([line for line in lines if re.search("was closed|cannot write|Broken pipe", line)]) == 1, err.text
    events = journal(farflung)
    assert len(of_kind(events, "unit-started")) == 2 and events[-1]["event"] == "run-finished"
    assert "</testsuites>" in (farflung.cwd / "junit.xml").read_text()


def test_reader_goes_away_after_it_had_stopped(farflung):
    """The queue is full and workers are stalled: they go on."""
    farflung.yaml(f"inventory: [2*popen]\n{SETTINGS}jobs:\n  loud: {{run: '{ENDLESS}', count: 2}}\n")
    process = farflung.start("run", "-vv")
    err = Words(process.stderr)
    for n in (1, 2):
        wait_until((farflung.cwd / f"begun-{n}").exists, 60, f"unit {n} runs")
    beats_pass(farflung, process.pid, 2 * SILENCE)
    process.stdout.close()
    write(farflung.cwd / "go", "")
    assert process.wait(60) == 0
    err.join()
    assert err.text.splitlines()[-1] == "farflung: 2 passed; stdout was closed (exit 0)"
    nothing_was_lost(journal(farflung), ["loud[1]", "loud[2]"])


@pytest.mark.parametrize("args", [[], ["--jsonl", "-"]], ids=["plain", "jsonl"])
def test_reader_never_was(farflung, args):
    farflung.yaml("inventory: [popen]\njobs: {a: {run: echo x}}\n")
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [farflung.program, "run", *args], cwd=farflung.cwd, env=farflung.env, stdin=subprocess.DEVNULL,
        stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.splitlines()[-1] == "farflung: 1 passed; stdout was closed (exit 0)"

"""A job that prints a gigabyte costs no memory, and says that most of it was cut."""
import subprocess
import sys
import threading

import pytest

from conftest import of_kind, process_name, processes_with, read_jsonl, result_of

GROWTH_KIB = 32 << 10


def sanitized(program):
    return b"__asan_init" in open(program, "rb").read()


class Peaks(threading.Thread):
    """The highest VmHWM of each of the run's own processes, read again and again until the end."""

    def __init__(self, farflung):
        super().__init__(daemon=True)
        self.farflung = farflung
        self.over = threading.Event()
        self.peak = {}

    def run(self):
        while not self.over.wait(0.01):
            for pid in processes_with(self.farflung.mark):
                name = process_name(pid)
                if name.startswith("farflung"):
                    self.peak[name] = max(self.peak.get(name, 0), high_water(pid))


def high_water(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


# Peak memory is taken over from whoever starts a program, up to its exec: so a small one does that.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print("peak", usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run_measured(farflung, text):
    """Peaks in KiB by process name, as seen while it ran; `last` is farflung's own to its very end."""
    farflung.yaml(text)
    peaks = Peaks(farflung)
    peaks.start()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, farflung.program,
         "run", "--jsonl", "events.jsonl", "--junit", "junit.xml"],
        cwd=farflung.cwd, env=farflung.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    peaks.over.set()
    peaks.join()
    assert done.returncode == 0, done.stderr
    last = int(done.stderr.split()[-1])
    return peaks.peak, last, read_jsonl(farflung.cwd / "events.jsonl")


@pytest.mark.parametrize("worker", ["native", "python"])
def test_a_gigabyte(farflung, program, python, worker):
    size = (64 << 20) if sanitized(program) else (1 << 30)
    if worker == "python":
        size //= 4
    hosts = f"inventory: [{{spec: popen, name: box, worker: {worker}, python: '{python}'}}]\n"
    silent, _, _ = run_measured(farflung, hosts + "jobs: {print: {run: 'sleep 0.2'}}\n")
    loud, last, events = run_measured(farflung, hosts + f"jobs:\n  print: {{run: \"head -c {size} /dev/zero | tr '\\\\0' x; echo the end\"}}\n")

    result = result_of(events, "print")
    assert result["outcome"] == "passed"
    assert result["output_cut"] is True
    assert result["output_bytes"] == size + len("the end\n")
    (section,) = result["sections"]
    assert section["text"].startswith("xxxx") and section["text"].endswith("x" * 50 + "the end\n")
    assert "bytes were cut here" in section["text"] and str(size + 8) in section["text"]
    assert len(section["text"]) < (1 << 20) + (128 << 10) + 300
    told = of_kind(events, "unit-output")
    assert sum(len(e["text"]) for e in told if not e.get("tail")) <= 1 << 20
    assert sum(len(e["text"]) for e in told if e.get("tail")) <= 64 << 10
    assert "bytes were cut here" in (farflung.cwd / "junit.xml").read_text()

    print("KiB, silent and loud:", silent, loud, last)
    if sanitized(program):
        return  # its quarantine is no memory of ours
    assert max(loud["farflung"], last) - silent["farflung"] <= GROWTH_KIB
    for name in ("farflung-worker", "farflung-guard"):
        if worker == "native":
            assert name in loud, loud
            assert loud[name] - silent.get(name, 0) <= GROWTH_KIB


def test_cap_is_a_setting(farflung):
    done = farflung.run_yaml(
        "inventory: [popen]\nsettings: {output_cap: 4KiB}\n"
        "jobs:\n  under: {run: 'head -c 4096 /dev/zero'}\n  over: {run: 'head -c 400000 /dev/zero; echo end'}\n",
        "--junit", "junit.xml", code=0)
    assert "output_cut" not in result_of(done.events, "under")
    over = result_of(done.events, "over")
    assert over["output_cut"] is True and over["sections"][0]["text"].endswith("end\n")
    assert "output_cap is 4096, 400004 were written" in over["sections"][0]["text"]


def test_failing_job_shows_the_end_of_its_output(farflung):
    farflung.yaml("inventory: [popen]\nsettings: {output_cap: 1KiB}\n"
                  "jobs:\n  bad: {run: 'seq 100000; echo the last words; exit 1'}\n")
    done = farflung.run("run", code=1)
    assert "the last words" in done.stdout and "were cut here" in done.stdout


def test_a_test_that_prints_much(farflung, python):
    """pytest captures it on the worker; what it sends of that is within the cap too."""
    (farflung.cwd / "test_it.py").write_text("def test_loud():\n    print('y' * (8 << 20))\n    assert 0\n")
    farflung.run("pytest", "-n", 1, "--python", python, "--junit", "j.xml", "--jsonl", "e.jsonl", code=1)
    result = result_of(read_jsonl(farflung.cwd / "e.jsonl"), "test_it.py::test_loud")
    (section,) = result["sections"]
    assert (1 << 20) < len(section["text"]) < (1 << 20) + (64 << 10) + 200
    assert section["text"].startswith("yyy") and section["text"].endswith("yyy\n")
    assert f"{(8 << 20) + 1} were written" in section["text"]

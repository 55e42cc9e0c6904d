"""Suites of tests beside pytest-xdist: small ones, long ones, skewed ones, and those that import much."""
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

from common import ROUNDS, log, python_with, timed
from make_suite import make_suite, naps_of

MEDIAN_OF = ROUNDS if "ROUNDS" in os.environ else 5
QUIET = ["-p", "no:cacheprovider"]


def ours(bench, python, workers, *options):
    return [bench.program("farflung"), "pytest", "-q", "-n", str(workers), "--python", python, *options, "--", *QUIET]


def theirs(python, workers):
    return [python, "-m", "pytest", "-q", "-n", str(workers), *QUIET]


def forget(work):
    """What was learned in earlier runs."""
    shutil.rmtree(work / ".farflung", ignore_errors=True)


def in_turn(bench, name, work, python, bound, workers=2, options=(), args=(), fresh=False):
    """One figure. `fresh`: as if it were the first run each time; else after two that are not counted."""

    def run():
        if fresh:
            forget(work)
        return timed([*ours(bench, python, workers, *options), *args], work)

    for _ in range(0 if fresh else 2):
        run()
    figures = bench.in_turn(MEDIAN_OF, ours=run, theirs=lambda: timed([*theirs(python, workers), *args], work))
    bench.line(name, *figures, bound)


def needs(name, *modules):
    python = python_with("pytest", "xdist", *modules)
    if not python:
        log(f"{name}: no Python with pytest, xdist {' '.join(modules)}")
    return python


def trivial(bench):
    """Tests that do nothing, on two workers."""
    python = needs("trivial")
    if not python:
        return
    for name, files, front, bound in (
        ("1,000 trivial", 50, "never", 0.45),
        ("10,000 trivial, no front", 500, "never", 0.40),
        ("10,000 trivial, front", 500, "always", 0.55),
    ):
        work = bench.scratch / name.replace(" ", "_")
        make_suite(work, files, 20)
        in_turn(bench, name, work, python, bound, options=["--front", front])


def networkx(bench):
    """networkx's suite: the first time, and with what that has taught; on eight workers."""
    python = needs("networkx", "networkx")
    if not python:
        return
    work = bench.scratch / "networkx"
    work.mkdir()
    args = ["--pyargs", "networkx"]
    in_turn(bench, "networkx, no history", work, python, 0.80, args=args, fresh=True)
    in_turn(bench, "networkx, history", work, python, 0.74, args=args)
    in_turn(bench, "networkx, 8 workers", work, python, 0.50, workers=8, args=args)


def first_test(argv, work):
    """(s to the line of the first test that has passed, s of the whole run)"""
    began = time.perf_counter()
    first = None
    with subprocess.Popen(argv, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace") as process:
        for line in process.stdout:
            if first is None and re.search(r"\bPASSED\b", line):
                first = time.perf_counter() - began
    if process.returncode not in (0, 1) or first is None:
        raise SystemExit(f"{argv} ended with {process.returncode}")
    return first, time.perf_counter() - began


def descendants(pid):
    """Of a process, itself included; what ends meanwhile has none."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        try:
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                with open(f"/proc/{found[-1]}/task/{task}/children") as file:
                    waiting += map(int, file.read().split())
        except OSError:
            pass
    return found


def memory_of(argv, work):
    """(MiB as each process has it, MiB where what is shared counts once) of a run's Pythons, when they have the most."""
    most = (0, 0)
    with subprocess.Popen(argv, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            rss = pss = 0
            for pid in descendants(process.pid):
                try:
                    if "python" not in os.readlink(f"/proc/{pid}/exe"):
                        continue
                    with open(f"/proc/{pid}/smaps_rollup") as file:
                        sizes = dict(line.split()[:2] for line in file.readlines()[1:])
                except OSError:
                    continue
                rss, pss = rss + int(sizes["Rss:"]), pss + int(sizes["Pss:"])
            most = max(most, (rss >> 10, pss >> 10))
            time.sleep(0.1)
    return most


def heavy(bench):
    """A part of pandas' own suite, whose imports take longer than most of its tests; on eight workers."""
    python = needs("heavy", "pandas.tests")
    if not python:
        return
    work = bench.scratch / "heavy"
    work.mkdir()
    top = subprocess.run([python, "-c", "import pandas; print(*pandas.__path__)"], capture_output=True, text=True,
                         check=True).stdout.strip()
    # As paths: of a package's name pytest finds the conftest too late for its options.
    args = ["-v", "--rootdir", top, "--confcutdir", top, f"{top}/tests/reshape/concat"]
    figures = {"ours": [], "theirs": []}
    for turn in range(MEDIAN_OF + 2):
        for whose, argv in (("ours", ours(bench, python, 8)), ("theirs", theirs(python, 8))):
            argv = [word for word in argv if word != "-q"]
            if whose == "ours" or turn >= 2:  # ours learns in two runs
                figures[whose].append(first_test([*argv, *args], work))
    figures["ours"] = figures["ours"][2:]
    log(figures)
    for whose, argv in (("ours", ours(bench, python, 8)), ("theirs", theirs(python, 8))):
        print("pandas, memory, {:9} {:8} MiB in all processes, {} MiB where what they share counts once".format(
            whose, *memory_of([*argv, *args], work)), flush=True)
    for at, (name, bound) in enumerate((("pandas, first test", 0.4), ("pandas, whole", 0.6))):
        bench.line(name, *(statistics.median(one[at] for one in figures[whose]) for whose in ("ours", "theirs")), bound)


# A process's own time and memory, of a program that has not yet taken over those of its parent.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
peak = cpu = 0
tick = os.sysconf("SC_CLK_TCK")
import time
while True:
    try:
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / tick
        peak = next(int(l.split()[1]) for l in open(f"/proc/{pid}/status") if l.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    if os.waitpid(pid, os.WNOHANG)[0]:
        break
    time.sleep(0.02)
print("cpu", cpu, "peak", peak)
"""


def many(bench):
    """100,000 tests that do nothing on eight workers: what the controller takes."""
    python = needs("many")
    if not python:
        return
    work = bench.scratch / "many"
    make_suite(work, 1000, 100)
    argv = [sys.executable, "-I", "-S", "-c", MEASURE, *ours(bench, python, 8, "--front", "never", "--junit", "out.xml")]
    done = subprocess.run(argv, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0 or "100000 passed" not in done.stdout:
        raise SystemExit(f"{argv} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    fields = done.stdout.split()
    bench.limit("100,000 trivial, a test", float(fields[fields.index("cpu") + 1]) * 1e6 / 100000, 12, "us")
    bench.limit("100,000 trivial, peak", float(fields[fields.index("peak") + 1]) / 1024, 100, "MiB")


def skewed(bench):
    """Tests of very different lengths on eight workers, with a history: against the shortest run that there
    could be, from the first test's start (the workers' own start is the machine's) and as a whole."""
    python = python_with("pytest")
    work = bench.scratch / "skewed"
    make_suite(work, 40, 15, 7)
    naps = [nap for file in naps_of(40, 15, 7) for nap in file]
    best = max(sum(naps) / 8, max(naps))
    argv = [bench.program("farflung"), "pytest", "-q", "-n", "8", "--python", python, "--front", "never"]
    took = []

    def once():
        timed([*argv, "--jsonl", "events.jsonl"], work)
        events = [json.loads(line) for line in (work / "events.jsonl").read_text().splitlines()]
        first = next(e for e in events if e["event"] == "unit-started")["time"]
        last = [e for e in events if e["event"] == "unit-finished"][-1]["time"]
        took.append((seconds_between(first, last), seconds_between(events[0]["time"], last)))

    for _ in range(2):  # what is learned
        once()
    took.clear()
    for _ in range(max(3, ROUNDS)):
        once()
    bench.limit("skewed, from first test", statistics.median(t[0] for t in took), 1.06 * best + 0.3, "s")
    bench.limit("skewed, whole run", statistics.median(t[1] for t in took), 1.06 * best + 0.3, "s")


def seconds_between(first, last):
    """Of two of the journal's times."""
    read = datetime.datetime.fromisoformat
    return (read(last.replace("Z", "+00:00")) - read(first.replace("Z", "+00:00"))).total_seconds()

"""What the engine promises: many units, many hosts, short commands, much output, a reader that stops."""
import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

from common import LAUNCHER, ROUNDS, log, said, timed

MIB = 1 << 20
SLOTS = 2
POLL_S = 0.002
ENDS_S = 120     # an interrupted run has ended by then
STOPPED_S = 60   # the reader of stdout stands still
PIPE_READ = 1 << 16


# --- a run that is looked at from outside ---

class Running:
    """farflung in a folder of its own, its journal read as it grows."""

    def __init__(self, bench, name, yaml, *words, command="run", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        """`yaml`: None where the folder and its file are there."""
        self.work = bench.scratch / name
        if yaml is not None:
            self.work.mkdir()
            (self.work / "farflung.yaml").write_text(yaml)
        self.journal, self.rest = None, b""
        self.before = set(self.journals())
        self.began = time.perf_counter()
        self.process = subprocess.Popen([bench.program("farflung"), command, *words], cwd=self.work, stdout=stdout,
                                        stdin=stdin, stderr=subprocess.DEVNULL)

    def journals(self):
        return self.work.glob(".farflung/runs/2*/journal.jsonl")

    def lines(self):
        """Whole lines that are new in the journal."""
        if not self.journal:
            found = [path for path in self.journals() if path not in self.before]
            if not found:
                return []
            self.journal = found[0].open("rb")
        *lines, self.rest = (self.rest + self.journal.read()).split(b"\n")
        return lines

    def wait_for(self, word, count=1):
        """Until an event has happened so often; when that was seen."""
        mark = b'"event":"' + word.encode() + b'"'
        while count > 0:
            over = self.process.poll() is not None
            count -= sum(mark in line for line in self.lines())
            if count > 0 and over:
                raise SystemExit(f"{self.work.name}: ended with {self.process.returncode} before {word}")
            time.sleep(POLL_S)
        return time.perf_counter() - self.began

    def memory(self, key):
        """In KiB."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1])

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        try:
            return self.process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)  # the second kills what is left
            return self.process.wait(ENDS_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.journal:
            self.journal.close()


def events_of(work):
    with next(work.glob(".farflung/runs/*/journal.jsonl")).open() as lines:
        return [json.loads(line) for line in lines]


# --- many units ---

def million_once(bench, turn):
    """Seconds to the first unit, MiB at that time, bytes that each of 10,000 finished units left behind."""
    yaml = f"inventory: ['{SLOTS}*popen']\njobs: {{t: {{run: [/bin/true], count: 1000000}}}}\n"
    with contextlib.closing(Running(bench, f"million{turn}", yaml, "-q", "--junit", "junit.xml")) as run:
        first = run.wait_for("unit-started")
        before, peak = run.memory("VmRSS"), run.memory("VmHWM")
        run.wait_for("unit-finished", 10000)
        after = run.memory("VmRSS")
        code = run.interrupt()
    if code != 130:
        raise SystemExit(f"the interrupted run of a million units ended with {code}")
    return first, peak / 1024, max(0, after - before) * 1024 / 10000


def million(bench):
    first, memory, grown = map(statistics.median, zip(*(million_once(bench, i) for i in range(ROUNDS))))
    bench.limit("1e6 units, first after", first, 1.0, "s")
    bench.limit("1e6 units, peak by then", memory, 64.0, "MiB")
    bench.limit("1e6 units, grown a unit", grown, 200.0, "bytes")


SIMULATED = re.compile(r": ([\d.]+) s, ([\d.]+) us a unit, makespan ([\d.]+) of the bound$", re.M)


def simulated(bench, units, hosts, *journal):
    done = subprocess.run([bench.program("tests/simulate"), "-p", str(units), str(hosts), *journal],
                          capture_output=True, text=True)
    found = SIMULATED.search(done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"simulate -p {units} {hosts}: {done.stdout}{done.stderr}")
    return [float(x) for x in found.groups()]


def simulation(bench):
    """A million units through decide and apply; what one costs, its events encoded for the journal,
    over 10,000 hosts and over 10."""
    bare, many, few = [], [], []
    for _ in range(max(3, ROUNDS)):
        bare.append(simulated(bench, 1000000, 10000))
        many.append(simulated(bench, 1000000, 10000, "journal"))
        few.append(simulated(bench, 1000000, 10, "journal"))
    log({"10,000 hosts": bare, "with events": many, "10 hosts": few})
    took, _, makespan = map(statistics.median, zip(*bare))
    each = statistics.median(x[1] for x in many)
    bench.limit("simulation, 1e6 units", took, 6.0, "s")
    bench.limit("simulation, makespan", makespan, 1.02, "bound")
    bench.line("a unit, 10,000 beside 10", each, statistics.median(x[1] for x in few), 1.5, "us")


# --- short commands ---

def commands(bench, count=5000):
    """Commands that do nothing, beside a loop around posix_spawn: jobs per second."""
    work = bench.scratch / "commands"
    work.mkdir()
    (work / "farflung.yaml").write_text(
        f"inventory: ['{SLOTS}*popen']\njobs: {{t: {{run: [/bin/true], count: {count}}}}}\n")

    def ours():
        argv = [bench.program("farflung"), "run", "-q", "--junit", "junit.xml"]
        return count / timed(argv, cwd=work, codes=(0,))

    def theirs(*words):
        return said([bench.program("tests/bench_limit"), *words, str(count), str(SLOTS)], "jobs_per_s")

    ours_per_s, read, unread = bench.in_turn(max(7, ROUNDS), ours=ours, read=theirs, unread=lambda: theirs("-u"))
    # Jobs per second, so the bound of what takes longer is the other way round.
    bench.line("5,000 x /bin/true, read", 1e6 / ours_per_s, 1e6 / read, 1 / 0.8, "us")
    bench.line("5,000 x /bin/true", 1e6 / ours_per_s, 1e6 / unread, 1 / 0.8, "us")


# --- much output ---

def printing(count, size):
    """A job of so many commands that print so many bytes."""
    return f"{{run: \"head -c {size} /dev/zero | tr '\\\\0' x\", count: {count}}}"


def journal(bench):
    """The journal and the output beside it, of a command that prints 1 MiB, all of which is kept."""
    yaml = f"settings: {{output_cap: 2MiB}}\ninventory: [popen]\njobs: {{t: {printing(1, MIB)}}}\n"
    with contextlib.closing(Running(bench, "journal", yaml, "-q")) as run:
        if run.end() != 0:
            raise SystemExit("the command that prints 1 MiB failed")
        files = [f for f in run.work.glob(".farflung/runs/2*/*") if f.is_file()]
    size = sum(f.stat().st_size for f in files) / MIB
    if size < 1:
        raise SystemExit("the output is not kept")
    bench.limit("journal of 1 MiB", size, 1.1, "MiB")


def junit_memory(bench):
    """Peak memory of farflung when 1,000 commands print 1 MB each into a JUnit report."""
    work = bench.scratch / "junit"
    work.mkdir()
    (work / "farflung.yaml").write_text(f"inventory: ['{SLOTS}*popen']\njobs: {{t: {printing(1000, 1000000)}}}\n")
    peak = said([sys.executable, "-I", "-S", "-c", LAUNCHER, bench.program("farflung"), "run", "-q", "--junit",
                 "junit.xml"], "peak", cwd=work) / 1024
    bench.limit("1,000 x 1 MB, JUnit", peak, 20.0, "MiB")


def stopped_reader(bench):
    """Eight units print without end, and nobody reads our stdout for a minute."""
    yaml = ("settings: {silence: 3s, grace: 1s}\ninventory: ['8*popen']\n"
            "jobs: {t: {run: 'yes 0123456789abcdefghijklmnopqrstuvwxyz', count: 8}}\n")
    with contextlib.closing(Running(bench, "stopped", yaml, "-vv", stdout=subprocess.PIPE)) as run:
        run.wait_for("unit-started", 8)
        os.read(run.process.stdout.fileno(), PIPE_READ)
        time.sleep(STOPPED_S)
        peak = run.memory("VmHWM") / 1024
        run.process.send_signal(signal.SIGINT)
        while os.read(run.process.stdout.fileno(), PIPE_READ):
            pass
        run.end()
        run.process.stdout.close()
        events = events_of(run.work)
    kinds = [event["event"] for event in events]
    bench.limit("reader stops, hosts lost", sum(kinds.count(k) for k in ("host-away", "host-lost", "host-failed")),
                0, "hosts")
    bench.limit("reader stops, run twice", kinds.count("unit-started") - 8, 0, "units")
    bench.limit("reader stops, peak", peak, 64.0, "MiB")


def engine(bench):
    for figure in (million, simulation, commands, stopped_reader, journal, junit_memory):
        figure(bench)

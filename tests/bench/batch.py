"""What batch jobs promise: short commands beside GNU parallel and xargs, many lines, a run gone on with, many hosts."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys

from common import LAUNCHER, ROUNDS, log, said, timed
from engine import Running

COUNT = 5000
LINES = 100000
FAR = {"hosts": 20, "slots": 10, "units": 20000}


def lines(bench, count):
    path = bench.scratch / f"lines{count}"
    path.write_text("".join(f"{i}\n" for i in range(count)))
    return path


def short(bench):
    """5,000 x /bin/true, as it is (with one argument it reads the locale's files), two at a time, with a job log: jobs per
    second."""
    parallel = shutil.which("parallel")
    work = bench.scratch / "short"
    work.mkdir()
    given = lines(bench, COUNT)

    def run(*argv):
        (work / "log").unlink(missing_ok=True)
        return COUNT / timed(["sh", "-c", 'exec "$@" <"$0"', str(given), *argv], cwd=work, codes=(0,))

    def ours():
        return run(bench.program("farflung"), "map", "-N0", "-j2", "--joblog", "log", "/bin/true")

    things = {
        "ours": ours,
        "xargs": lambda: run("xargs", "-P2", "-I{}", "/bin/true"),
        "limit": lambda: said([bench.program("tests/bench_limit"), "-u", str(COUNT), "2"], "jobs_per_s"),
    }
    ours_per_s, xargs, limit = bench.in_turn(max(5, ROUNDS), **things)
    if parallel:
        beside, theirs = bench.in_turn(
            max(3, ROUNDS), ours=ours, parallel=lambda: run(parallel, "--will-cite", "-N0", "-j2", "--joblog", "log", "/bin/true"))
        bench.rate("true, GNU parallel", beside, theirs, 8.0, "/s")
    else:
        log("short: parallel is needed")
    log(f"short: bare posix_spawn, which nobody can be faster than, is {limit / xargs:.2f} times xargs -P2")
    bench.rate("true, xargs -P2", ours_per_s, xargs, 1.3, "/s")
    bench.rate("true, bare posix_spawn", ours_per_s, limit, 0.8, "/s")


def many_lines(bench):
    """100,000 lines: the first is begun, and what the program takes at its peak."""
    given = lines(bench, LINES)
    first = []
    for turn in range(max(3, ROUNDS)):
        with given.open() as stdin, contextlib.closing(
                Running(bench, f"lines{turn}", "", "-j2", "/bin/true", command="map", stdin=stdin)) as run:
            first.append(run.wait_for("unit-started"))
            run.interrupt()
            run.interrupt()
    log(first)
    work = bench.scratch / "all_lines"
    work.mkdir()
    with given.open() as stdin:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, bench.program("farflung"), "map", "-j2", "/bin/true"],
                              cwd=work, stdin=stdin, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"100,000 lines: {done.stderr[-2000:]}")
    bench.limit("1e5 lines, first after", sorted(first)[len(first) // 2], 0.3, "s")
    bench.limit("1e5 lines, peak", int(done.stdout.split()[-1]) / 1024, 40.0, "MiB")


RESUMED = """inventory: ['2*popen']
jobs:
  done: {run: [/bin/true], count: %d}
  last: {run: 'sleep 1000', needs: [done]}
""" % LINES


def resumed_after(bench, name, *words, command="run"):
    """The run in that folder is gone on with, and killed: seconds to the first new unit."""
    with contextlib.closing(Running(bench, name, None, *words, command=command)) as run:
        seconds = run.wait_for("unit-started")
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
    return seconds


def resume(bench):
    """A run that was killed with 100,000 finished units, of a file or of lines: until the first new one."""
    with contextlib.closing(Running(bench, "resume", RESUMED, "-q")) as run:
        run.wait_for("unit-started", LINES + 1)
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
    took = [resumed_after(bench, "resume", "-q", "--resume") for _ in range(max(3, ROUNDS))]
    shutil.rmtree(run.work)
    log(took)
    bench.limit("1e5 done, resumed after", sorted(took)[len(took) // 2], 1.5, "s")
    with lines(bench, LINES + 1000).open() as stdin, contextlib.closing(
            Running(bench, "resume_map", "", "-j2", "/bin/true", command="map", stdin=stdin)) as run:
        run.wait_for("unit-finished", LINES)
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
    # Each has new units to begin: the run that it goes on with is the first one.
    first = next(run.work.glob(".farflung/runs/2*"))
    took = [resumed_after(bench, "resume_map", "--resume", first.name, command="map") for _ in range(max(3, ROUNDS))]
    shutil.rmtree(run.work)
    log(took)
    bench.limit("1e5 lines done, resumed", sorted(took)[len(took) // 2], 1.5, "s")


def far(bench):
    """20,000 x sleep 0.05 over 200 slots of 20 hosts, beside /bin/true as fast as it can be spawned. Once more in the C locale:
    in others each sleep reads the locale's files, as /bin/true does not, which takes it a third longer."""
    work = bench.scratch / "far"
    work.mkdir()
    hosts = "".join(f"    - {{spec: 'popen//id=h{n}//chdir=h{n}', slots: {FAR['slots']}}}\n" for n in range(FAR["hosts"]))
    (work / "farflung.yaml").write_text(
        f"inventory:\n  hosts:\n{hosts}jobs: {{t: {{run: [/bin/sleep, '0.05'], count: {FAR['units']}}}}}\n")
    slots = FAR["hosts"] * FAR["slots"]

    def rate(**env):
        return FAR["units"] / timed([bench.program("farflung"), "run", "-q"], cwd=work, codes=(0,), env={**os.environ, **env})

    ours, plain, limit = bench.in_turn(
        max(3, ROUNDS), ours=rate, plain=lambda: rate(LC_ALL="C"),
        limit=lambda: said([bench.program("tests/bench_limit"), "-u", str(FAR["units"]), str(slots)], "jobs_per_s"))
    bare = said([bench.program("tests/bench_limit"), "-u", str(FAR["units"]), str(slots), "/bin/sleep", "0.05"], "jobs_per_s")
    log(f"bare posix_spawn of the same sleep, as many at a time: {bare:.0f}/s")
    bench.rate("sleep 0.05, 20 hosts", ours, limit, 0.75, "/s")
    bench.rate("the same, LC_ALL=C", plain, limit, 0.75, "/s")


def batch(bench):
    os.sync()
    for figure in (short, many_lines, resume, far):
        figure(bench)

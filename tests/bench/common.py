"""What the benches share: running things in turn, medians, and lines with ratio and bound."""
import os
import shutil
import statistics
import subprocess
import sys
import time

# What pytest has rewritten is kept from run to run, as it is by default.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
ROUNDS = int(os.environ.get("ROUNDS", "3"))


# Peak memory is taken over from whoever starts a program, up to its exec: so a small one does that.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print("peak", usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def log(*words):
    print("  #", *words, file=sys.stderr, flush=True)


def python_with(*modules):
    for candidate in ("/usr/bin/python3", sys.executable, shutil.which("python3")):
        if candidate and subprocess.run(
                [candidate, "-c", "import " + ", ".join(modules)], capture_output=True).returncode == 0:
            return candidate
    return None


class Bench:
    def __init__(self, build, scratch):
        self.build = build
        self.scratch = scratch
        self.missed = []

    def program(self, name):
        return str(self.build / name)

    def judge(self, name, good):
        if not good:
            self.missed.append(name)
        return "ok" if good else "MISSED"

    def rate(self, name, ours, theirs, times, unit):
        """A rate, where more is better: at least so many `times` theirs."""
        print(f"{name:<24} ours {ours:10.0f} {unit:<5} theirs {theirs:8.0f} {unit:<5} times {ours / theirs:5.1f}"
              f"  at least {times:4.1f}  {self.judge(name, ours >= times * theirs)}", flush=True)

    def limit(self, name, ours, most, unit):
        """A figure with a bound of its own."""
        print(f"{name:<24} ours {ours:8.3f} {unit:<5} at most {most:8.3f} {unit}"
              f"  {self.judge(name, ours <= most)}", flush=True)

    def line(self, name, ours, theirs, bound, unit="s", ratio=None):
        ratio = ours / theirs if ratio is None else ratio
        print(f"{name:<24} ours {ours:8.3f} {unit:<3}  theirs {theirs:8.3f} {unit:<3}  ratio {ratio:5.2f}"
              f"  bound {bound:4.2f}  {self.judge(name, ratio <= bound)}", flush=True)

    def in_turn(self, rounds=ROUNDS, **things):
        """Runs each of these in turn, `rounds` times; gives the medians of what they return."""
        figures = {name: [] for name in things}
        for _ in range(rounds):
            for name, thing in things.items():
                figures[name].append(thing())
        log({name: [round(x, 3) for x in values] for name, values in figures.items()})
        return [statistics.median(values) for values in figures.values()]


def timed(argv, cwd=None, codes=(0, 1), env=None):
    began = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    took = time.perf_counter() - began
    if done.returncode not in codes:
        raise SystemExit(f"{argv} ended with {done.returncode}\n{done.stdout[-3000:]}")
    return took


def said(argv, word, cwd=None, env=None):
    """The number behind a word in a program's output."""
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}\n{done.stderr[-3000:]}")
    fields = done.stdout.split()
    return float(fields[fields.index(word) + 1])


# --- the figures ---

#!/usr/bin/env python3
"""Tree sync beside execnet's RSync, in turn: 10,000 files, 1 and 4 targets, first and unchanged.

    /usr/bin/python3 tests/bench/bench_rsync.py BUILD_DIR      ROUNDS=5

Sources and copies lie in /dev/shm where there is one (else where temporary files do), each round's
copies in fresh folders: what is compared is the programs, not a disk's mood. Beside execnet stand the
medians; 4 targets beside 1 the fastest rounds, since one target needs little more than one CPU, and
whatever else runs meanwhile slows only the four. The exit status is 1 if a bound was missed.
"""
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import execnet

ROUNDS = int(os.environ.get("ROUNDS", "5"))
FIRST, UNCHANGED, SPREAD = 0.6, 0.5, 2.5  # the bounds
TARGETS = (1, 4)


def make_source(top):
    rng = random.Random(1)
    for d in range(100):
        folder = top / f"d{d:03}"
        folder.mkdir(parents=True)
        for f in range(100):
            (folder / f"f{f:03}.py").write_bytes(rng.randbytes(rng.choice([200, 2000, 8000, 20000])))


def ours(program, source, targets, dest):
    done = subprocess.run([program, str(source), str(targets), f"{dest}/to"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{program} ended with {done.returncode}\n{done.stderr}")
    words = done.stdout.split()
    return [float(words[words.index(name) + 1]) for name in ("first", "unchanged")]


def theirs(source, targets, dest):
    group = execnet.Group()
    gateways = [group.makegateway("popen") for _ in range(targets)]
    took = []
    for _ in range(2):
        sync = execnet.RSync(str(source), verbose=False)
        for i, gateway in enumerate(gateways):
            sync.add_target(gateway, f"{dest}/to{i}", delete=True)
        began = time.perf_counter()
        sync.send()
        took.append(time.perf_counter() - began)
    group.terminate(timeout=5)
    return took


def fresh(scratch, run):
    dest = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    try:
        return run(dest)
    finally:
        shutil.rmtree(dest)


def figures(program, source, scratch):
    """{(whose, targets): [(first, unchanged) of each round]}"""
    found = {(who, k): [] for who in ("ours", "theirs") for k in TARGETS}
    for _ in range(ROUNDS):
        for k in TARGETS:
            found["ours", k].append(fresh(scratch, lambda to: ours(program, source, k, to)))
            found["theirs", k].append(fresh(scratch, lambda to: theirs(source, k, to)))
    return found


def over_rounds(function, rows):
    return [function(column) for column in zip(*rows)]


def line(name, one, other, bound):
    good = one / other <= bound
    print(f"{name:<26} ours {one:7.3f} s  theirs {other:7.3f} s  ratio {one / other:5.2f}"
          f"  bound {bound:4.2f}  {'ok' if good else 'MISSED'}", flush=True)
    return good


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    program = str(pathlib.Path(sys.argv[1]).resolve() / "tests/bench_rsync")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="farflung-bench-", dir=memory))
    try:
        make_source(scratch / "source")
        found = figures(program, scratch / "source", scratch)
    finally:
        shutil.rmtree(scratch)
    good = True
    for k in TARGETS:
        one, other = (over_rounds(statistics.median, found[who, k]) for who in ("ours", "theirs"))
        for at, (name, bound) in enumerate((("first", FIRST), ("unchanged", UNCHANGED))):
            good &= line(f"rsync {k} {name}", one[at], other[at], bound)
    fours, ones = (over_rounds(min, found["ours", k]) for k in (4, 1))
    for at, name in enumerate(("first", "unchanged")):
        four, one = fours[at], ones[at]
        spread = four / one <= SPREAD
        good &= spread
        print(f"rsync 4 of 1 {name:<13} four {four:7.3f} s  one    {one:7.3f} s  ratio "
              f"{four / one:5.2f}  bound {SPREAD:4.2f}  {'ok' if spread else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

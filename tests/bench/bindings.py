"""farflung.execnet beside Python's execnet: the same calls to both, in turn, in one run."""
import os
import pathlib
import subprocess

from common import ROUNDS, log, python_with
from library import medians

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "core" / "python"


def figures_of(bench, python, module):
    done = subprocess.run(
        [python, str(HERE / "bindings_calls.py"), module], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=str(PACKAGE), FARFLUNG_LIBRARY=str(bench.build / "core")))
    if done.returncode != 0:
        raise SystemExit(f"{module} ended with {done.returncode}\n{done.stderr[-3000:]}")
    return {name: float(number) for name, number in map(str.split, done.stdout.splitlines())}


def bindings(bench):
    """Starts, round trips, 1 MiB items, dumps and loads under Python."""
    python = python_with("execnet")
    if not python:
        return log("bindings: python3-execnet is needed")
    ours, theirs = [], []
    for _ in range(max(3, ROUNDS)):
        theirs.append(figures_of(bench, python, "execnet"))
        ours.append(figures_of(bench, python, "farflung.execnet"))
    log({"ours": ours, "theirs": theirs})
    us, them = medians(ours), medians(theirs)
    bench.line("Python: start", us["start_ms"], them["start_ms"], 0.6, "ms")
    bench.line("Python: round trip", us["round_trip_us"], them["round_trip_us"], 0.7, "us")
    bench.rate("Python: 1 MiB, both ways", us["blocks_MBps"], them["blocks_MBps"], 2.0, "MB/s")
    bench.rate("Python: 1 MiB received", us["received_MBps"], them["received_MBps"], 1.0, "MB/s")
    bench.rate("Python: dumps", us["dumps_MBps"], them["dumps_MBps"], 3.0, "MB/s")
    bench.rate("Python: loads", us["loads_MBps"], them["loads_MBps"], 3.0, "MB/s")
    bench.rate("Python: small dumps", us["small_dumps_per_s"], them["small_dumps_per_s"], 3.0, "1/s")
    bench.rate("Python: small loads", us["small_loads_per_s"], them["small_loads_per_s"], 3.0, "1/s")
    return None

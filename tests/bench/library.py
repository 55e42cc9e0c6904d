"""libfarflung beside Python's execnet: the same work by both, in turn, in one run."""
import pathlib
import statistics
import subprocess
import sys

from common import ROUNDS, log, python_with, said

HERE = pathlib.Path(__file__).resolve().parent
SERIALIZED = {"dumps": "dumps_MBps", "loads": "loads_MBps"}


def figures_of(argv):
    """{name: number} of a program that prints "name number" lines."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}\n{done.stderr[-3000:]}")
    pairs = (line.split()[:2] for line in done.stdout.splitlines() if line.strip())
    return {name: float(number) for name, number in pairs}


def medians(rounds):
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def library(bench):
    """Starts, round trips, messages, bytes, dumps and loads."""
    python = python_with("execnet")
    if not python:
        return log("library: python3-execnet is needed")
    ours, theirs = [], []
    for _ in range(max(3, ROUNDS)):
        one = figures_of([bench.program("tests/bench_core"), python])
        one.update(figures_of([bench.program("tests/bench_serialize")]))
        ours.append(one)
        theirs.append(figures_of([python, str(HERE / "execnet_core.py")]))
    log({"ours": ours, "theirs": theirs})
    us, them = medians(ours), medians(theirs)
    bench.line("native start", us["native_start_ms"], them["start_ms"], 0.1, "ms")
    bench.line("python start", us["python_start_ms"], them["start_ms"], 0.6, "ms")
    bench.line("16 python gateways", us["python_16_ms"], them["open_16_ms"], 0.4, "ms")
    bench.line("native round trip", us["native_round_trip_us"], them["round_trip_us"], 0.25, "us")
    bench.line("python round trip", us["python_round_trip_us"], them["round_trip_us"], 1.0, "us")
    bench.rate("messages, queue", us["messages_per_s"], 1000000, 1.0, "1/s")
    bench.rate("1 MiB items", us["bytes_MBps"], them["bytes_MBps"], 2.0, "MB/s")
    for name, figure in SERIALIZED.items():
        bench.rate(name, us[figure], them[figure], 20.0, "MB/s")
    return None


def ssh64(bench):
    """64 python gateways to one ssh host, beside 8."""
    sys.path.insert(0, str(HERE.parent / "fakes"))
    import sshd as fake

    python = python_with("execnet")
    if not python or not fake.available():
        return log("ssh64: python3-execnet and openssh-server are needed")
    cache = bench.scratch / "cache64"
    cache.mkdir()
    with fake.Sshd(options=[f"SetEnv XDG_CACHE_HOME={cache}"]) as server:

        def opened(count):
            argv = [bench.program("tests/bench_ssh8"), "ssh=" + server.words, python, str(count)]
            return said(argv, "seconds")

        many, few = bench.in_turn(max(3, ROUNDS), many=lambda: opened(64), few=lambda: opened(8))
    bench.line("ssh 64 beside 8", many, few, 4.0)
    return None


def rsync(bench):
    """Tree sync to 1 and 4 targets: bench_rsync.py prints the lines."""
    python = python_with("execnet")
    if not python:
        return log("rsync: python3-execnet is needed")
    done = subprocess.run([python, str(HERE / "bench_rsync.py"), str(bench.build)])
    if done.returncode:
        bench.missed.append("rsync")
    return None


def thousand(bench):
    """1,000 native gateways in one group: opened, one item each, ended."""
    rounds = medians([figures_of([bench.program("tests/bench_thousand")]) for _ in range(max(3, ROUNDS))])
    bench.limit("1000 gateways", rounds["total_s"], 3.0, "s")
    bench.limit("1000 gateways, each", rounds["kib_each"], 100.0, "KiB")

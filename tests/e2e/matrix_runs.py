"""What test_matrix.py runs: the factors, the suite of each situation, and runs of it, a few at a time.

The tests of the suite say themselves, in a file, when they begin and end (`log`): what farflung tells is compared with that.
"""
import collections
import concurrent.futures
import itertools
import os
import signal
import subprocess

from conftest import MARK, Farflung, wait_until, write

Combination = collections.namedtuple("Combination", "dist collect transport situation")


DISTS = ("auto", "load", "worksteal", "loadscope", "loadfile", "loadgroup", "each", "no")
COLLECTS = ("auto", "shard", "every")
TRANSPORTS = ("popen", "ssh", "via")
SITUATIONS = ("ok", "crash", "host", "exitfirst", "timeout", "exit")
WHOLE = [Combination(*levels) for levels in itertools.product(DISTS, COLLECTS, TRANSPORTS, SITUATIONS)]
RUN_SECONDS = 60
AT_ONCE = 3


def covering(combinations):
    """The fewest that a greedy choice needs so that each pair of levels of two factors occurs; the same ones each time."""

    def pairs(one):
        return set(itertools.combinations(enumerate(one), 2))

    wanted = set().union(*map(pairs, combinations))
    chosen = []
    while wanted:
        best = max(combinations, key=lambda one: len(wanted & pairs(one)))
        chosen.append(best)
        wanted -= pairs(best)
    return chosen


# --- the suite

LOG = """
import os, signal, time

def tell(word):
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
    file = os.open(os.environ["MATRIX_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, ("%s %s %d %s\\n" % (word, os.environ["PYTEST_XDIST_WORKER"], os.getpid(), test)).encode())
    os.close(file)

def test():
    tell("begin")
    time.sleep(0.01)
    tell("end")

def process(pid):
    with open("/proc/%d/stat" % pid) as file:
        name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
    return name, int(rest.split()[1])

def first_time():
    try:
        os.close(os.open(os.environ["MATRIX_LOG"] + ".flag", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

def kill_host():
    # Once: who is nearest above this process and called so. When it is run again it is an ordinary test.
    if not first_time():
        return
    pid = os.getpid()
    while process(pid)[0] not in os.environ["MATRIX_HOST"].split():
        pid = process(pid)[1]
        assert pid > 1
    os.kill(pid, signal.SIGKILL)
    time.sleep(1000)
"""

PLAIN = """
import log, os, pytest, signal, time

@pytest.mark.parametrize("n", range(3))
def test_n(n):
    log.test()
"""

CLASS = """
import log, pytest

class TestIt:
    def test_one(self): log.test()
    @pytest.mark.xdist_group("g")
    def test_two(self): log.test()

def test_skipped():
    log.tell("begin")
    pytest.skip("no need")
"""

VICTIM = """
import log, os, pytest, signal, time

@pytest.mark.xfail
def test_known():
    log.tell("begin")
    assert 0

def test_victim():
    log.tell("begin")
    {victim}
    log.tell("end")

def test_behind():
    log.test()
"""

OTHER = """
import log, os, pytest, signal, time

@pytest.mark.xdist_group("g")
def test_before():
    log.test()

def test_other():
    log.tell("begin")
    {other}
    log.tell("end")

def test_last():
    log.test()
"""

VICTIMS = {
    "ok": ("pass", "pass"),
    "crash": ("os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"),
    "host": ("log.kill_host()", "pass"),
    "exitfirst": ("assert 0", "pass"),
    "timeout": ("time.sleep(1000)", "pass"),
    "exit": ("pytest.exit('no database')", "pass"),
}
# What the two come to, and the exit code of the run: as `farflung pytest --help` and README.md have it.
ENDS = {
    "ok": ("passed", "passed", 0),
    "crash": ("crashed", "crashed", 1),
    "host": ("passed", "passed", 0),
    "exitfirst": ("failed", "passed", 1),
    "timeout": ("timeout", "passed", 1),
    "exit": ("error", "passed", 2),
}
# Situations in which tests may be left out; all else is run to its end.
STOPS = ("exitfirst", "exit")
OPTIONS = {"exitfirst": ["-x"], "timeout": ["--timeout", "2s"]}


def make_suite(folder, situation):
    victim, other = VICTIMS[situation]
    write(folder / "log.py", LOG)
    write(folder / "pytest.ini", "[pytest]\nmarkers = xdist_group: of pytest-xdist\n")
    write(folder / "test_a.py", PLAIN)
    write(folder / "test_b.py", CLASS)
    write(folder / "test_c.py", VICTIM.format(victim=victim))
    write(folder / "test_d.py", OTHER.format(other=other))


def expected(situation):
    """The outcome of each test that is no pass."""
    victim, other, _ = ENDS[situation]
    return {"test_b.py::test_skipped": "skipped", "test_c.py::test_known": "xfailed", "test_c.py::test_victim": victim,
            "test_d.py::test_other": other}


def collected_by_pytest(python, folder, situation):
    """The ids of the suite, as plain pytest has them."""
    make_suite(folder, situation)
    done = subprocess.run(
        [python, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"], cwd=folder,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


# --- runs

class Run:
    """One run, when it is over."""

    def __init__(self, combination, program, python, folder, sshd):
        self.combination = combination
        self.farflung = Farflung(program, folder)
        self.log = folder.parent / "log"
        make_suite(folder, combination.situation)
        farflung = self.farflung
        farflung.env.update(MATRIX_LOG=str(self.log), MATRIX_HOST="farflung-worker")
        words = {"popen": "popen", "ssh": f"ssh={sshd.words}" if sshd else "", "via": "popen//via=relay"}[combination.transport]
        if combination.transport == "ssh":
            words += f"//chdir={folder}//env:{MARK}={farflung.mark}//env:MATRIX_LOG={self.log}//env:MATRIX_HOST=sshd sshd-session"
        args = ["--px", "popen//id=relay"] if combination.transport == "via" else []
        args += ["--tx", f"2*{words}//id=box//python={python}", "--dist", combination.dist, "--collect", combination.collect]
        args += OPTIONS.get(combination.situation, [])
        self.args = [*args, "-p", "no:cacheprovider", "--junit", "../junit.xml", "--jsonl", "../events.jsonl"]
        self.done = farflung.run("pytest", *self.args, timeout=RUN_SECONDS)
        self.left_over = self.end_all()

    def end_all(self):
        """What is still there when it should be gone; no more after that."""
        try:
            wait_until(lambda: not self.farflung.left_over(), 25, "every process of the run is gone")
        finally:
            for pid in self.farflung.left_over():
                os.kill(pid, signal.SIGKILL)

    def path(self, name):
        return self.farflung.cwd.parent / name


class Runs:
    """All that are asked for are run in the background, in this order."""

    def __init__(self, combinations, program, python, folder, sshd):
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        self.futures = {}
        for number, combination in enumerate(combinations):
            work = folder / str(number) / "work"
            work.mkdir(parents=True)
            self.futures[combination] = self.pool.submit(Run, combination, program, python, work, sshd)

    def __getitem__(self, combination):
        return self.futures[combination].result()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.pool.shutdown(wait=True, cancel_futures=True)


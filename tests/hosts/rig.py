"""Hosts that can be hurt: an sshd each, in a network namespace of its own where that may be made, else on
the loopback; and the oracle that every run is held to, whatever befell it.

    network = Network.make()            # None: no namespaces here
    host = Host("one", folder, env, network)
    host.cut(); host.mend()             # the link, without a word to either side
    host.freeze(); host.thaw()          # all of its processes
"""
import contextlib
import ctypes
import datetime
import fcntl
import os
import random
import re
import signal
import subprocess

import sshd as fake

from e2e_conftest import MARK, junit_outcomes, of_kind, process_name, processes_with, read_jsonl, wait_until

CLONE_NEWNET = 0x40000000
HOST_MARK = "FARFLUNG_TEST_HOST"
SEED = os.environ.get("FARFLUNG_SEED") or str(random.SystemRandom().randrange(1_000_000))


def dice(kind):
    """Others in each session; with FARFLUNG_SEED, which a failure tells, the same ones again."""
    return random.Random(f"{kind} {SEED}")


def points(kind, among, count):
    """Where a run is hurt; FARFLUNG_POINTS=20 draws more."""
    wanted = int(os.environ.get("FARFLUNG_POINTS", count))
    return sorted(dice(kind).sample(among, min(wanted, len(among))))


def ip(*words, inside=()):
    subprocess.run([*inside, "ip", *map(str, words)], check=True, capture_output=True)


class Network:
    """This process, and all that it starts from now on, in a network of its own, which ends with them: no
    name and no address of it is seen outside. FARFLUNG_LOOPBACK=1 does without."""

    @classmethod
    def make(cls):
        if os.environ.get("FARFLUNG_LOOPBACK") or os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            return None
        try:
            ip("link", "set", "lo", "up")
            probe = cls()
            with contextlib.ExitStack() as stack:
                probe.link(stack)
            return probe
        except (OSError, subprocess.CalledProcessError):
            return None

    def __init__(self):
        self.links = 0

    def link(self, stack):
        """A further namespace with a pair of devices: (our device, its address, words that lead into it)."""
        self.links += 1
        ours, theirs = f"near{self.links}", f"far{self.links}"
        # It holds the namespace, and ends with us, whatever becomes of us: then its stdin ends.
        keeper = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        stack.callback(keeper.wait)
        stack.callback(keeper.stdin.close)
        wait_until(lambda: keeper.poll() is not None or process_name(keeper.pid) == "cat", 60, "the namespace is there")
        if keeper.poll() is not None:
            raise OSError("no network namespace")
        inside = ["nsenter", "-n", "-t", str(keeper.pid)]
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
        stack.callback(subprocess.run, ["ip", "link", "del", ours], capture_output=True)
        ip("link", "set", theirs, "netns", keeper.pid)
        subnet = f"10.77.{self.links}"
        for device, end, words in ((ours, 1, []), (theirs, 2, inside)):
            ip("addr", "add", f"{subnet}.{end}/30", "dev", device, inside=words)
            ip("link", "set", device, "up", inside=words)
        return ours, theirs, f"{subnet}.2", inside


class Host:
    """One host. What runs on it bears the test's mark and its own; its files are in one folder."""

    def __init__(self, stack, name, folder, mark, network, more=""):
        self.name, self.mark = name, f"{mark}-{name}"
        self.root, self.cache, self.temp = (folder / name / part for part in ("root", "cache", "tmp"))
        home = folder / name / "home"
        for path in (self.root, self.cache, self.temp, home):
            path.mkdir(parents=True)
        self.inside, self.device, self.far, address = [], None, None, "127.0.0.1"
        if network:
            self.device, self.far, address, self.inside = network.link(stack)
        self.address, self.near = address, address[:-1] + "1"
        # A home of its own: a login's start files that are killed half-way may leave locks, everybody's.
        words = (f"SetEnv HOME={home} XDG_CACHE_HOME={self.cache} TMPDIR={self.temp} {MARK}={mark} {HOST_MARK}={self.mark} "
                 f"HERE={name} PYTHONDONTWRITEBYTECODE=1 {more}")
        self.sshd = stack.enter_context(fake.Sshd(options=[words], address=address, prefix=self.inside))
        self.stopped = []
        self.keys = ""  # further ones in the inventory
        stack.callback(self.thaw)

    @property
    def spec(self):
        return f"ssh={self.sshd.words}//chdir={self.root}"

    def processes(self):
        return processes_with(self.mark, HOST_MARK)

    def foreman(self):
        found = [pid for pid in self.processes() if process_name(pid) == "farflung-worker"]
        return min(found) if found else None

    # -- what can befall it

    def cut(self):
        """Nothing comes through any more, either way, and nobody is told."""
        if self.device:
            ip("link", "set", self.far, "down", inside=self.inside)
        else:
            served = fake.descendants(self.sshd.process.pid)
            self.stop([self.sshd.process.pid, *(pid for pid in served if process_name(pid).startswith("sshd"))])

    def cut_one_way(self, to):
        """Only what goes to it, or only what comes from it, is lost: at an address that nobody has. False
        where no link is its own."""
        if not self.device:
            return False
        device, words, other = (self.device, [], self.address) if to else (self.far, self.inside, self.near)
        ip("neigh", "replace", other, "lladdr", "02:00:00:00:00:01", "dev", device, "nud", "permanent", inside=words)
        return True

    def mend(self):
        if self.device:
            ip("link", "set", self.far, "up", inside=self.inside)
            for device, words in ((self.device, []), (self.far, self.inside)):
                ip("neigh", "flush", "dev", device, "nud", "permanent", inside=words)
        else:
            self.thaw()

    def slow(self, rate):
        """Both ways; False where there is no such queue."""
        if not self.device:
            return False
        return all(subprocess.run([*words, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate,
                                   "burst", "8kb", "latency", "2s"], capture_output=True).returncode == 0
                   for device, words in ((self.device, []), (self.far, self.inside)))

    def stop(self, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.stopped.append(pid)

    def freeze(self):
        """All that runs there, until none is left that was started meanwhile."""
        while True:
            new = [pid for pid in self.processes() if pid not in self.stopped]
            if not new:
                return
            self.stop(new)

    def thaw(self):
        while self.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.stopped.pop(), signal.SIGCONT)


def is_locked(path):
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def runs_in(folder):
    runs = folder / ".farflung" / "runs"
    found = [path for path in runs.iterdir() if path.is_dir() and path.name != "last" and path.name[0] != "."]
    # By the system's own clock, which no test sets.
    return sorted(found, key=lambda run: (run / "journal.jsonl").stat().st_mtime_ns)


def told(events):
    """Units with their final outcomes, each as often as it is told."""
    found = {}
    for event in of_kind(events, "unit-finished", final=True) + of_kind(events, "unit-before", final=True):
        found.setdefault(event["unit"], []).append(event["result"]["outcome"])
    for event in of_kind(events, "units-not-run"):
        found.setdefault(event.get("unit", "?"), []).append("not-run")
    return found


def nanoseconds(event):
    moment = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    return int(moment.timestamp() * 1e6) * 1000


class Case:
    """A run of many short units over some hosts, and what must hold of it at its end."""

    def __init__(self, farflung, hosts, folder):
        self.farflung, self.hosts = farflung, hosts
        self.trail, self.go, self.temp = folder / "trail", folder / "go", folder / "here-tmp"
        self.temp.mkdir()
        self.runs = farflung.cwd
        farflung.env["TMPDIR"] = str(self.temp)
        self.names = []
        self.clocks_agree = True  # here and on the hosts

    def write(self, jobs, names, settings="", slots=3, tree="", python="python3"):
        self.names = names
        hosts = "".join(f"  - {{spec: '{host.spec}', name: {host.name}, slots: {slots}, python: '{python}'{host.keys}}}\n"
                        for host in self.hosts)
        self.farflung.yaml(f"inventory:\n{hosts}{tree}report: {{junit: junit.xml}}\n"
                           f"settings: {{heartbeat: 200ms, {settings}}}\njobs:\n{jobs}")

    def commands(self, count=60, settings="", work="", more=""):
        """Each waits until it may go, works for some hundredths of a second and leaves a line in the trail."""
        numbers = ", ".join(map(str, range(1, count + 1)))
        script = (f"until [ -e {self.go} ]; do sleep 0.01; done; begun=$(date +%s%N); sleep 0.0$(({{n}} % 5 + 2)); "
                  f"{work}echo many[n={{n}}] $HERE $begun >> {self.trail}")
        self.write(f"  many: {{run: '{script}', matrix: {{n: [{numbers}]}}{more}}}\n",
                   [f"many[n={n}]" for n in range(1, count + 1)], settings)

    def start(self, *words):
        return self.farflung.follow("run", *words)

    def start_all(self):
        """Gives a run in which all hosts are at work, and none has done anything yet."""
        live = self.start()
        for host in self.hosts:
            live.event("host-ready", host=host.name)
        self.go.touch()
        return live

    def journals(self):
        return [read_jsonl(run / "journal.jsonl") for run in runs_in(self.runs)]

    def gone(self, seconds=25):
        wait_until(lambda: not self.farflung.left_over(), seconds, "every process of the run is gone")

    def lines(self):
        text = self.trail.read_text() if self.trail.exists() else ""
        return [(unit, host, int(begun)) for unit, host, begun in (line.rsplit(" ", 2) for line in text.splitlines())]

    def check(self, outcomes=("passed",), clean=True):
        """One final outcome each, in the journal and in JUnit; nothing again that was told as done; nothing left."""
        journals = self.journals()
        final = told(journals[-1])
        assert sorted(final) == sorted(self.names)
        assert {unit: each for unit, each in final.items() if len(each) != 1 or each[0] not in outcomes} == {}
        cases = junit_outcomes(self.farflung.cwd / "junit.xml")
        assert len(cases) == len(self.names)
        self.check_order(journals)
        self.check_trail(journals, final)
        self.gone()
        if clean:
            self.check_files()
        return final

    @staticmethod
    def check_order(journals):
        """No unit begins, or ends, once its end was told; in this run or one that goes on with it."""
        over = set()
        for events in journals:
            for event in events:
                if event["event"] in ("unit-started", "unit-finished"):
                    assert event["unit"] not in over, event
                if event["event"] == "unit-finished" and event["final"]:
                    over.add(event["unit"])

    def check_trail(self, journals, final):
        """What passed has been done; what was told as done was not done again. Nobody knows what a host that
        could not be heard still did."""
        lines = self.lines()
        done = {unit for unit, _, _ in lines}
        assert [unit for unit, each in final.items() if each == ["passed"] and unit not in done] == []
        events = [event for each in journals for event in each]
        lost = {e["host"] for word in ("host-away", "host-lost") for e in of_kind(events, word)}
        ends = {e["unit"]: e for e in of_kind(events, "unit-finished", final=True)}
        for unit, host, begun in lines:
            if self.clocks_agree and unit in ends and (host not in lost or host == ends[unit].get("host")):
                # The controller looks at the clock once for all that it finds to do: a little earlier.
                assert begun <= nanoseconds(ends[unit]) + 250_000_000, (unit, host, ends[unit])

    def check_files(self):
        assert list(self.temp.iterdir()) == []
        for host in self.hosts:
            assert list(host.temp.iterdir()) == []
            names = [path.name for path in host.cache.glob("farflung/*")]
            # The native worker, and what Python hosts keep compiled; nothing half.
            assert [name for name in names if not re.fullmatch(r"worker-[0-9a-f]{64}|[a-z.]+-[0-9a-f]+-\d+\.pyc", name)] == []
            for path in host.root.rglob("*"):
                assert not re.fullmatch(r"\.ff-[0-9a-f]+\.tmp|.*\.sync-new", path.name), path
                assert not (path.name.endswith(".sync-lock") and is_locked(path)), path
        for run in runs_in(self.runs):
            assert not is_locked(run / "journal.jsonl"), run
        kept = {path.name for run in runs_in(self.runs) for path in run.iterdir()}
        assert kept <= {"journal.jsonl", "output", "tree"}, kept
        beside = {path.name for path in (self.runs / ".farflung" / "runs").iterdir()}
        assert beside == {run.name for run in runs_in(self.runs)} | {"last"}, beside

    def progress(self, live, at, start=0):
        """Waits until so many units have ended in the run, or it is over; False: it is."""
        live.wait_for(lambda events: events and (events[-1]["event"] == "run-finished" or
                                                 len(of_kind(events[start:], "unit-finished")) >= at))
        return live.process.poll() is None and live.events[-1]["event"] != "run-finished"

    def kill_controller(self, live):
        live.process.send_signal(signal.SIGKILL)
        live.process.wait(60)
        for thread in live.threads:
            thread.join(60)
        live.process.stdout.close()
        live.process.stderr.close()

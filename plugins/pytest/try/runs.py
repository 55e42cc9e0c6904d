# `farflung try`, its first part: one suite's runs by plain pytest, by pytest-xdist and by farflung, one
# after another, and what became of each test. The build joins it with reasons.py, tell.py and main.py.
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

END_PATIENCE = (10, 5)  # s, that a run has after each interrupt, before it is killed
NO_TESTS, USAGE, INFRASTRUCTURE = 5, 4, 3  # exit codes of pytest, and of ours


class Stop(BaseException):
    """A signal came."""


class OutOfTime(Exception):
    pass


class Run:
    """One run: how it is called, its exit code, and by node id outcomes, texts of failures, and seconds."""

    def __init__(self, name, code, seconds, output):
        self.name, self.code, self.seconds, self.output = name, code, seconds, output
        self.outcomes, self.texts, self.durations = {}, {}, {}
        self.suite = None  # what it is called, if something in it may see all its tests at once
        counts = re.findall(r"\b(\d+) warnings?\b", output)
        self.warnings = int(counts[-1]) if counts else 0

    def add(self, nodeid, outcome, text, seconds):
        self.outcomes[nodeid] = outcome
        self.texts[nodeid] = text or ""
        self.durations[nodeid] = seconds

    def last_line(self):
        lines = [line.strip("= ") for line in self.output.splitlines() if line.strip("= ")]
        internal = [line for line in lines if line.startswith("INTERNALERROR>")]
        return (internal or lines or ["it said nothing"])[-1]

    def read_record(self, lines):
        for line in lines:
            it = json.loads(line)
            self.add(it["id"], it["outcome"], it["text"], it["seconds"])

    def read_events(self, lines):
        for line in lines:
            event = json.loads(line)
            kind = event["event"]
            if kind == "unit-finished" and event["final"]:
                result = event["result"]
                text = "\n".join(filter(None, (result.get("longrepr"), result.get("message"))))
                self.add(event["unit"], result["outcome"], text, result.get("duration_us", 0) / 1e6)
            elif kind == "worker-started":
                self.suite = event.get("facts", {}).get("suite") or self.suite
            elif kind == "unit-lost":
                self.add(event["unit"], "lost", event.get("reason"), 0)
            elif kind == "collect-problem" and not event.get("skipped"):
                self.add(event["nodeid"], "error", event.get("longrepr") or event.get("message"), 0)

    def without_groups(self, known):
        """loadgroup appends "@group" to node ids; those of `known` are told as they are there."""
        for nodeid in list(self.outcomes):
            bare = nodeid
            while "@" in bare and bare not in known:
                bare = bare.rpartition("@")[0]
            if bare != nodeid and bare in known:
                for table in (self.outcomes, self.texts, self.durations):
                    table[bare] = table.pop(nodeid)


class Trial:
    """What all runs have in common: the words of pytest, a temporary folder, and a time to be ready."""

    def __init__(self, farflung, python, workers, dist, args, seconds, record):
        self.farflung, self.python, self.workers, self.dist, self.args = farflung, python, workers, dist, args
        self.deadline = time.monotonic() + seconds
        self.record = record
        self.folder = self.process = None
        self.options = []  # of ours
        self.count = 0
        self.stopped = None  # the signal
        self.starting = False

    def prepare(self):
        self.folder = tempfile.mkdtemp(prefix="farflung-try-")
        plugin = os.path.join(self.folder, "plugin")
        os.mkdir(plugin)
        with open(os.path.join(plugin, "farflung_try_record.py"), "w") as file:
            file.write(self.record)
        self.env = dict(os.environ, FARFLUNG_RUNS=os.path.join(self.folder, "runs"))
        self.env["PYTHONPATH"] = os.pathsep.join(filter(None, (plugin, os.environ.get("PYTHONPATH"))))
        os.mkdir(self.env["FARFLUNG_RUNS"])
        self.has_xdist = self.can_import("xdist")

    def release(self):
        self.end_process()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # signals

    def on_signal(self, number, _):
        if self.stopped:
            self.kill(signal.SIGKILL)
            return
        self.stopped = number
        if not self.starting:
            raise Stop(number)

    def kill(self, number):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def end_process(self):
        """Its own end of it, with what it started; none of it is left."""
        for patience in END_PATIENCE:
            self.kill(signal.SIGINT)
            if self.wait(patience):
                return
        self.kill(signal.SIGKILL)
        self.wait(None)

    def wait(self, seconds):
        try:
            if self.process:
                self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    # runs

    def left(self):
        return self.deadline - time.monotonic()

    def can_import(self, module):
        null = subprocess.DEVNULL
        return not subprocess.call(self.python + ["-c", "import " + module], stdin=null, stdout=null, stderr=null)

    def place(self):
        """Paths of a run: its record, its temporary files, and a cache that begins as the user's is."""
        self.count += 1
        folder = os.path.join(self.folder, str(self.count))
        temporary = os.path.join(folder, "tmp")
        os.makedirs(temporary)
        cache = os.path.join(folder, "cache")
        if os.path.isdir(".pytest_cache"):
            shutil.copytree(".pytest_cache", cache)
        return os.path.join(folder, "record"), temporary, cache

    def execute(self, name, command, env, output):
        if self.left() <= 0:
            raise OutOfTime(name)
        began = time.monotonic()
        with open(output, "wb") as out:
            self.starting = True
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )
            self.starting = False
        if self.stopped:
            raise Stop(self.stopped)
        in_time = self.wait(self.left())
        self.end_process()
        if not in_time:
            raise OutOfTime(name)
        with open(output, "rb") as file:
            text = file.read().decode(errors="replace")
        return Run(name, self.process.returncode, time.monotonic() - began, text)

    def remember_sharded(self, suite):
        """In the store of runs here. None, or why it can't be."""
        done = subprocess.run([self.farflung, "history", "--sharded", suite], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        return done.stderr.decode(errors="replace").strip() if done.returncode else None

    def go(self, name, spread, only=None, ours=False):
        record, temporary, cache = self.place()
        env = dict(self.env, PYTEST_DEBUG_TEMPROOT=temporary, FARFLUNG_TRY_RECORD=record)
        tail = self.args + ["-o", "cache_dir=" + cache, "--maxfail=0", "--color=no"] + spread
        if ours:
            python = " ".join(shlex.quote(word) for word in self.python)
            command = [self.farflung, "pytest", "--ci", "none", "--python", python, "--jsonl", record]
            command += [*self.options, "--"] + tail
        else:
            command = self.python + ["-m", "pytest", "-p", "farflung_try_record"] + tail
        if only is not None:
            env["FARFLUNG_TRY_ONLY"] = record + ".only"
            with open(env["FARFLUNG_TRY_ONLY"], "w") as file:
                json.dump(only, file)
        run = self.execute(name, command, env, record + ".output")
        if os.path.exists(record):
            with open(record) as file:
                (run.read_events if ours else run.read_record)(file)
        return run

    def plain(self, name="pytest", only=None):
        run = self.go(name, ["-n", "0"] if self.has_xdist else [], only)
        if self.has_xdist and run.code == USAGE and "unrecognized arguments: -n" in run.output:
            self.has_xdist = False  # -p no:xdist
            run = self.go(name, [], only)
        return run

    def spread(self, workers, dist):
        return ["-n", str(workers)] + (["--dist", dist] if dist else [])

    def ours(self, name="farflung", workers=None, dist=None, options=()):
        self.options = list(options)
        return self.go(name, self.spread(workers or self.workers, dist or self.dist), ours=True)

    def xdist(self):
        return self.go("pytest-xdist", self.spread(self.workers, self.dist))

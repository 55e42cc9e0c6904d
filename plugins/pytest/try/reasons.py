# `farflung try`, continued: why a test comes out otherwise, from what it says and from further runs: of it
# alone, of all of it again, by one worker, by file and by scope.

ALONE_MAX = 8  # tests that are run by themselves
PORT = r"Address already in use|EADDRINUSE|Errno 98\b|port \d+ is (already )?in use"
FILE = (
    r"FileExistsError|FileNotFoundError|database is locked|Directory not empty|NotADirectoryError|PermissionError"
    r"|Errno (2|11|13|17|39)\b|BlockingIOError|LockTimeout|could not lock"
)

REASONS = {
    "ids": "the ids of tests are not the same in every process (a set, the time or chance decides them)",
    "unrun": "farflung did not run it",
    "crash": "the worker that ran it died",
    "port": "a port that another test, or another program, uses at the same time",
    "file": "a file or folder that another test uses at the same time",
    "order": "it depends on tests that run before it in the same process",
    "worker": "it behaves otherwise in a worker, also alone in one",
    "flaky": "it is flaky: a second run gave plain pytest's outcome",
    "together": "another test that runs at the same time, or timing",
    "unknown": "not found out",
}


class Difference:
    def __init__(self, nodeid, plain, ours, theirs, text):
        self.id, self.plain, self.ours, self.theirs, self.text = nodeid, plain, ours, theirs, text
        self.reason = None


def differences(plain, ours, theirs):
    found = []
    for nodeid in sorted(set(plain.outcomes) | set(ours.outcomes)):
        before, after = plain.outcomes.get(nodeid), ours.outcomes.get(nodeid)
        if before != after:
            text = ours.texts.get(nodeid) or plain.texts.get(nodeid) or ""
            found.append(Difference(nodeid, before, after, theirs and theirs.outcomes.get(nodeid), text))
    return found


def same(one, other):
    return one.outcomes == other.outcomes


class Inquiry:
    """The further runs, each made when it is first needed, as long as there is time."""

    def __init__(self, trial, plain, say):
        self.trial, self.known, self.say = trial, plain.outcomes, say
        self.runs = {}
        self.alone = {}

    def run(self, key, words, make):
        if key not in self.runs:
            self.runs[key] = None
            self.say("finding out: " + words)
            try:
                self.runs[key] = make()
                self.runs[key].without_groups(self.known)
            except OutOfTime:
                self.say("no time left for it")
        return self.runs[key]

    def again(self):
        return self.run("again", "once more", self.trial.ours)

    def one(self):
        return self.run("one", "by one worker", lambda: self.trial.ours(workers=1))

    def by(self, dist):
        return self.run(dist, "--dist " + dist, lambda: self.trial.ours(dist=dist))

    def by_itself(self, nodeid):
        """The outcome of a test that runs alone by plain pytest; None: not known."""
        if nodeid not in self.alone and len(self.alone) < ALONE_MAX:
            run = self.run("alone " + nodeid, nodeid + " alone", lambda: self.trial.plain(only=[nodeid]))
            self.alone[nodeid] = run and run.outcomes.get(nodeid)
        return self.alone.get(nodeid)

    def gives(self, run, nodeid, outcome):
        return bool(run) and run.outcomes.get(nodeid) == outcome

    def reason(self, it, ran_through):
        if it.plain is None or it.ours is None:
            return "ids" if ran_through else "unrun"
        if it.ours == "lost" or "crashed while running" in it.text:
            return "crash"
        if re.search(PORT, it.text):
            return "port"
        in_one = self.gives(self.one(), it.id, it.ours)
        if self.by_itself(it.id) == it.ours and not in_one:
            return "order"
        if in_one and self.gives(self.again(), it.id, it.ours):
            return "worker"
        if re.search(FILE, it.text):
            return "file"
        if self.gives(self.again(), it.id, it.plain):
            return "flaky"
        return "together" if self.gives(self.one(), it.id, it.plain) else "unknown"

    def mended_by(self, plain):
        """The --dist with which nothing differs, if one is known; the finer one first."""
        for dist in ("loadscope", "loadfile"):
            if dist != self.trial.dist:
                run = self.by(dist)
                if run and same(run, plain):
                    return dist
        return None

# `farflung try`, continued: what was found, as text or as JSON.
import sys

SHOWN = 50  # differing tests on the terminal


def say(text):
    sys.stderr.write("farflung: try: %s\n" % clean_line(text))
    sys.stderr.flush()


def clean_line(text):
    """One line without what could drive a terminal."""
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)


def counts_of(run):
    found = {}
    for outcome in run.outcomes.values():
        found[outcome] = found.get(outcome, 0) + 1
    return found


def counts_text(run):
    return ", ".join("%d %s" % (n, outcome) for outcome, n in sorted(counts_of(run).items())) or "no tests"


class Findings:
    def __init__(self):
        self.plain = self.ours = self.theirs = None
        self.sharded = None  # ours, with each file collected once
        self.differing = []
        self.advice = []
        self.notes = []
        self.code = 0

    def runs(self):
        return [run for run in (self.plain, self.theirs, self.ours, self.sharded) if run]

    def speedup(self):
        return self.plain.seconds / self.ours.seconds if self.ours else None

    def as_dict(self):
        return {
            "exit_code": self.code,
            "same": self.code == 0,
            "runs": [
                {
                    "name": run.name, "exit_code": run.code, "seconds": round(run.seconds, 3),
                    "outcomes": counts_of(run), "warnings": run.warnings,
                }
                for run in self.runs()
            ],
            "speedup": self.ours and round(self.speedup(), 2),
            "differences": [
                {
                    "id": it.id, "pytest": it.plain, "farflung": it.ours, "pytest-xdist": it.theirs,
                    "reason": it.reason, "words": REASONS[it.reason],
                }
                for it in self.differing
            ],
            "notes": self.notes,
            "advice": self.advice,
        }  # fmt: skip

    def tell(self, form):
        if form == "json":
            print(json.dumps(self.as_dict(), indent=2))
        else:
            self.tell_text()

    def tell_text(self):
        width = max([len(run.name) for run in self.runs()] or [0])
        lines = [
            "%-*s  %8.2f s  exit %d  %s; %d warning%s"
            % (width, run.name, run.seconds, run.code, counts_text(run), run.warnings, "" if run.warnings == 1 else "s")
            for run in self.runs()
        ]
        if self.ours:
            lines.append("speed-up: %.2f" % self.speedup())
        for it in self.differing[:SHOWN]:
            theirs = " (pytest-xdist: %s)" % it.theirs if it.theirs else ""
            lines.append("%s: pytest %s, farflung %s%s" % (it.id, it.plain or "-", it.ours or "-", theirs))
            lines.append("    %s: %s" % (it.reason, REASONS[it.reason]))
        if len(self.differing) > SHOWN:
            lines.append("and %d more" % (len(self.differing) - SHOWN))
        lines += self.notes + ["advice: " + words for words in self.advice]
        print("\n".join(clean_line(line) for line in lines))

    def last_word(self):
        if self.code == 0:
            return "the same: %d tests" % len(self.plain.outcomes)
        if self.code == 1:
            tests = len(self.differing)
            return "%d test%s differ%s" % (tests, "" if tests == 1 else "s", "s" if tests == 1 else "") if tests else "the runs differ"
        return "not compared"


def advise(findings, trial, cpus):
    """Options that would do better."""
    plain, ours, workers = findings.plain, findings.ours, trial.workers
    total, longest = sum(plain.durations.values()), max(plain.durations.values() or [0])
    useful = min(cpus, int(total / longest) if longest > 0 else 1)
    if ours.seconds >= plain.seconds:
        findings.advice.append("plain pytest is as fast: the suite is too short to be worth spreading here")
    elif useful > workers:
        findings.advice.append("-n %d: there are %d CPUs, and tests enough" % (useful, cpus))
    elif workers > cpus:
        findings.advice.append("-n %d: there are %d CPUs" % (cpus, cpus))

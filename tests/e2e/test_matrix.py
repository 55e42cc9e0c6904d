"""Each --dist with each --collect, over each transport, in each situation: every test is accounted for exactly once, in the
exit code, the summary, JUnit, --jsonl and the journal, and they agree with what the tests themselves have written.

Here a sample is run in which each pair of these occurs; with FARFLUNG_MATRIX=whole (`./setup matrix whole`) all of them.
"""
import collections
import os
import re

import pytest

from conftest import junit_outcomes, of_kind, read_jsonl, read_journal
from matrix_runs import DISTS, ENDS, STOPS, WHOLE, Runs, collected_by_pytest, covering, expected

WANTED = WHOLE if os.environ.get("FARFLUNG_MATRIX") == "whole" else covering(WHOLE)


@pytest.fixture(scope="module")
def one_sshd(tmp_path_factory):
    """A server for all; its sessions keep their cache in a folder of ours."""
    import sshd as fake

    if not fake.available():
        yield None
        return
    folder = tmp_path_factory.mktemp("there")
    with fake.Sshd(options=[f"SetEnv XDG_CACHE_HOME={folder} TMPDIR={folder} PYTHONDONTWRITEBYTECODE=1"]) as server:
        yield server


@pytest.fixture(scope="module")
def runs(request, program, python, one_sshd, tmp_path_factory):
    wanted = [item.callspec.params["combination"] for item in request.session.items
              if item.module is request.module and "combination" in getattr(item, "fixturenames", ())]
    wanted = [one for one in wanted if one_sshd or one.transport != "ssh"]
    with Runs(wanted, program, python, tmp_path_factory.mktemp("runs"), one_sshd) as runs:
        yield runs


@pytest.fixture(scope="module")
def collected(python, tmp_path_factory):
    """Situation -> what plain pytest collects."""
    known = {}

    def ask(situation):
        if situation not in known:
            known[situation] = collected_by_pytest(python, tmp_path_factory.mktemp("plain"), situation)
            assert len(known[situation]) == len(set(known[situation])) == 12
        return known[situation]

    return ask


@pytest.mark.parametrize("combination", WANTED, ids="-".join)
def test_each_test_is_accounted_for_once(runs, collected, one_sshd, combination):
    if combination.transport == "ssh" and not one_sshd:
        pytest.skip("no sshd, ssh or ssh-keygen here")
    run = runs[combination]
    told = Told(run, collected(combination.situation))
    try:
        told.check_ends()
        told.check_attempts()
        told.check_log()
        told.check_junit()
        told.check_counts()
        told.check_exit()
    except BaseException:
        print("farflung", "pytest", *run.args)
        print(run.done.stdout, run.done.stderr, run.log.read_text(), sep="\n")
        for event in told.events:
            if event["event"] not in ("run-started", "host-added", "host-opened", "job-added"):
                print({key: value for key, value in event.items() if key not in ("facts", "header", "time", "job")})
        raise


class Told:
    """What a run has told, beside what must be."""

    def __init__(self, run, ids):
        self.run = run
        self.combination = run.combination
        self.events = read_jsonl(run.path("events.jsonl"))
        self.ids = ids
        self.each = self.combination.dist == "each"
        self.names = [f"{test}@gw{seat}" for seat in (0, 1) for test in ids] if self.each else ids
        self.wanted = expected(self.combination.situation)

    def test_of(self, unit):
        """A unit's id as pytest has it: less the worker of `each`, and the group of `loadgroup`."""
        if self.each:
            unit = unit.rpartition("@")[0]
        return unit[:-2] if unit.endswith("@g") else unit

    def name_of(self, unit):
        return unit if self.each else self.test_of(unit)

    def check_ends(self):
        """Each test has one end: an outcome, or that it did not run. It is the one that it must have."""
        self.finals = {}
        for event in of_kind(self.events, "unit-finished", final=True):
            name = self.name_of(event["unit"])
            assert name not in self.finals, f"{name} has two ends"
            self.finals[name] = event["result"]["outcome"]
        self.not_run = set()
        for event in of_kind(self.events, "units-not-run"):
            name = self.name_of(event["unit"])
            assert event["count"] == 1 and name not in self.not_run and name not in self.finals, f"{name} has two ends"
            self.not_run.add(name)
        self.files_not_run = [event["part"] for event in of_kind(self.events, "part-not-run")]
        of_files = {name for name in self.names if name.split("::")[0] in self.files_not_run}
        assert len(self.files_not_run) == len({name.split("::")[0] for name in of_files}), "a file is told twice, or is none"
        assert not of_files & (set(self.finals) | self.not_run)
        assert set(self.finals) | self.not_run | of_files == set(self.names)
        for name, outcome in self.finals.items():
            test = self.test_of(name)
            assert outcome == self.wanted.get(test, "passed"), name
        if self.combination.situation not in STOPS:
            assert not self.not_run and not self.files_not_run

    def check_attempts(self):
        """What began has ended, once, as an end or as lost; the journal has the same as --jsonl."""
        kinds = ("unit-started", "unit-finished", "unit-lost", "units-not-run", "part-not-run", "job-finished",
                 "run-finished")
        (path,) = self.run.farflung.cwd.glob(".farflung/runs/2*/journal.jsonl")
        assert [e for e in read_journal(path) if e["event"] in kinds] == [e for e in self.events if e["event"] in kinds]
        began = collections.Counter((e["unit"], e["attempt"]) for e in of_kind(self.events, "unit-started"))
        ended = collections.Counter((e["unit"], e["attempt"]) for e in self.events
                                    if e["event"] in ("unit-finished", "unit-lost"))
        assert began == ended and set(began.values()) == {1}
        lost = of_kind(self.events, "unit-lost")
        assert self.combination.situation == "host" or not lost

    def check_log(self):
        """What the tests have written themselves agrees with the attempts."""
        begins, ends = collections.defaultdict(list), collections.defaultdict(list)
        for line in self.run.log.read_text().splitlines():
            word, worker, pid, test = line.split(" ", 3)
            {"begin": begins, "end": ends}[word][worker].append(self.test_of(test + "@gw0" * self.each))
        told, passed, lost = (collections.defaultdict(list) for _ in range(3))
        for event in self.events:
            if event["event"] in ("unit-finished", "unit-lost"):
                told[event["worker"]].append(self.test_of(event["unit"]))
                if event["event"] == "unit-lost":
                    lost[event["worker"]].append(told[event["worker"]][-1])
                elif event["result"]["outcome"] == "passed":
                    passed[event["worker"]].append(told[event["worker"]][-1])
        died = {e["worker"] for e in of_kind(self.events, "worker-ended") if "reason" in e and not e["crashed"]}
        assert self.combination.situation == "host" or not died
        for worker in {*begins, *told}:
            if worker in died:
                # Of what it did last nobody was told any more; of what was lost nobody knows how far it came.
                known = [test for test in told[worker] if test in begins[worker] or test not in lost[worker]]
                assert begins[worker][: len(known)] == known
                assert [test for test in ends[worker] if test in told[worker] and test not in lost[worker]] == passed[worker]
            else:
                assert (begins[worker], ends[worker]) == (told[worker], passed[worker])

    def check_junit(self):
        cases = junit_outcomes(self.run.path("junit.xml"))
        assert bool(cases.pop(("", "pytest"), None)) == (self.combination.situation == "exit")
        kinds = {"passed": "passed", "failed": "failure", "skipped": "skipped", "xfailed": "skipped"}
        wanted = {case(name): kinds.get(outcome, "error") for name, outcome in self.finals.items()}
        stopped = "error" if self.combination.situation == "exit" else "skipped"
        wanted.update((case(name), stopped) for name in [*self.not_run, *self.files_not_run])
        got = {(where, re.sub("@g$|@g(?=@gw)", "", name)): kind for (where, name), (kind, _) in cases.items()}
        assert got == wanted and len(cases) == len(got)

    def check_counts(self):
        counts = collections.Counter(self.finals.values())
        counts["not_run"] = len(self.not_run)
        counts["parts_not_run"] = len(self.files_not_run)
        counts = {word: count for word, count in counts.items() if count}
        for kind in ("job-finished", "run-finished"):
            (event,) = of_kind(self.events, kind)
            assert event["counts"] == dict(counts, total=len(self.finals) + len(self.not_run)), kind
        last = self.run.done.stderr.splitlines()[-1]
        (summary,) = re.findall(r"^═+ (.*) in [\d.]+s ═+$", self.run.done.stdout, re.MULTILINE)
        for text in (last.removeprefix("farflung: ").partition(";")[0].partition(" (exit")[0], summary):
            said = dict(reversed(re.fullmatch(r"(\d+) (.*)", part).groups()) for part in text.split(", "))
            names = {"errors": "error", "not run": "not_run", "files not run": "parts_not_run",
                     "file not run": "parts_not_run"}
            assert {names.get(word, word): int(count) for word, count in said.items()} == counts, text

    def check_exit(self):
        _, _, code = ENDS[self.combination.situation]
        assert self.run.done.returncode == code
        assert self.run.done.stderr.splitlines()[-1].endswith(f"(exit {code})")
        (finished,) = of_kind(self.events, "run-finished")
        assert finished["exit_code"] == code


def case(name):
    """An id as JUnit has it."""
    *where, last = name.replace(".py", "").split("::")
    return ".".join(where), last


def test_the_sample_has_each_pair_and_is_the_same_each_time():
    pairs = {(i, a[i], j, a[j]) for a in WHOLE for i in range(4) for j in range(i)}
    sample = covering(WHOLE)
    assert {(i, a[i], j, a[j]) for a in sample for i in range(4) for j in range(i)} == pairs
    assert sample == covering(list(WHOLE)) and len(sample) < 60


def test_every_policy_is_in_it(program, farflung):
    (line,) = [line for line in farflung.run("pytest", "--help", code=0).stdout.splitlines() if "--dist MODE" in line]
    assert line.split("--dist MODE")[1].partition(";")[0].replace(",", " ").split() == list(DISTS)

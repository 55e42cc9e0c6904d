#!/usr/bin/env python3
"""execnet's own tests, and pytest-xdist's, with execnet itself and with farflung.execnet in its place;
and execnet's with execnet itself, whose gateways have our workers at their far side.

    tests/peers/execnet_suite.py BUILD_DIR [execnet] [xdist] [python] [native]

Prints a table: suite, how many of the tests that pass or fail with execnet do the same with us, how many
differ always, or at times only, and why (the reasons are those of core/python/README.md and suites.py);
below it those that hung and were ended. Exit status 1: a test differs without a reason there, or too many
do; 3: what it takes can't be had, or a run did not end.
"""
import collections
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import suites

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGE = TOP / "core" / "python"
VERSIONS = ["execnet==2.1.2", "pytest-xdist==3.8.0"]
NEEDS = ["pytest<9", "pytest-timeout", "gevent", "eventlet", "filelock"]
SUITES = {"execnet": ("execnet-2.1.2", 800), "xdist": ("pytest_xdist-3.8.0", 190)}
PEERS = tuple(suites.REASONS)
MINUTES = 30  # for a whole suite: on a busy machine one takes twelve
SECONDS = 30  # for a test: some of execnet's own hang at times
TRIES = 3  # what differs is run again so often: both suites have tests that depend on timing


class CannotBe(Exception):
    pass


def call(argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise CannotBe("%s\n%s" % (" ".join(map(str, argv)), done.stdout.decode("utf-8", "replace")[-2000:]))


class Peers:
    def __init__(self, build):
        self.build = build.resolve()
        self.folder = self.build / "peers"
        self.python = self.folder / "venv" / "bin" / "python"
        self.hung = set()
        self.texts = {}  # by test: the first line of what failed in the last run

    def prepare(self):
        """A virtual environment with both, and their sources; kept from run to run."""
        self.folder.mkdir(exist_ok=True)
        done = self.folder / "complete"
        if done.exists() and done.read_text() == repr(VERSIONS + NEEDS):
            return
        shutil.rmtree(str(self.folder / "venv"), ignore_errors=True)
        call([sys.executable, "-m", "venv", str(self.folder / "venv")])
        pip = [str(self.python), "-m", "pip", "-q", "--disable-pip-version-check"]
        call(pip + ["install"] + VERSIONS + NEEDS)
        for version in VERSIONS:
            name = version.split("==")[0]
            call(pip + ["download", "--no-deps", "--no-binary", name, "-d", str(self.folder), version])
        for archive in self.folder.glob("*.tar.gz"):
            with tarfile.open(str(archive)) as tar:
                tar.extractall(str(self.folder))
        done.write_text(repr(VERSIONS + NEEDS))

    def run(self, suite, whose, only=()):
        """{test: outcome} of one run of a suite with "execnet", with "farflung" in its place, or with one
        of PEERS at its far side; of the tests `only`, unless that is empty."""
        place = self.folder / ("%s-%s" % (suite, whose))
        shutil.rmtree(str(place), ignore_errors=True)
        shutil.copytree(str(self.folder / SUITES[suite][0] / "testing"), str(place / "testing"))
        (place / "pytest.ini").write_text("[pytest]\n")
        path = [str(TOP / "tests" / "peers")]
        if whose == "farflung":
            path += [str(PACKAGE / "farflung" / "instead"), str(PACKAGE)]
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(path), HOME=str(place), FARFLUNG_LIBRARY=str(self.build / "core"),
            PEERS_OUTCOMES=str(place / "outcomes.json"), FF_WORKER=str(self.build / "farflung-worker"))
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a test of execnet's is about it
        argv = [str(self.python), "-m", "pytest", "-q", "-p", "outcomes", "-p", "no:cacheprovider",
                "-W", "ignore", "--timeout", str(SECONDS), "--timeout-method", "signal", "--tb", "short"]
        if suite == "execnet":
            argv += ["-p", "no:xdist"]
        if whose in PEERS:
            environment["FF_PEER"] = whose
            argv += ["-p", "far_side"]
        log = place / "log"
        try:
            with open(str(log), "wb") as file:
                subprocess.run(argv + (list(only) or ["testing"]), cwd=str(place), env=environment,
                               stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=60 * MINUTES)
        except subprocess.TimeoutExpired:
            raise CannotBe("%s with %s hung, and was ended after %d minutes: see %s" % (
                SUITES[suite][0], whose, MINUTES, log)) from None
        try:
            told = json.loads((place / "outcomes.json").read_text())
        except FileNotFoundError:
            raise CannotBe("the run did not end: see %s" % log) from None
        self.hung |= {(test, suite, whose) for test, (said, _) in told.items() if said == "hung"}
        self.texts = {test: text for test, (_, text) in told.items()}
        return {test: "failed" if said == "hung" else said for test, (said, _) in told.items()}


def reasons():
    """(pattern of test ids, reason), from the table in the package's README."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]*::[^`]*)` \| (.*) \|$", text, re.M)


def reason_for(test, known):
    plain = test.split("/", 1)[-1]
    for pattern, reason in known:
        if fnmatch.fnmatchcase(plain, pattern.replace("[", "[[]")):
            return reason
    return None


def compare(peers, row):
    """Prints the table's line; whether all is as it should be."""
    suite, whose = (row, "farflung") if row in SUITES else ("execnet", row)
    known = reasons()

    def why_differs(test):
        return reason_for(test, known) if row in SUITES else suites.reason_for(row, test, texts.get(test, ""))

    theirs, ours = peers.run(suite, "execnet"), peers.run(suite, whose)
    texts = peers.texts
    if row in PEERS:
        # What those add are greenlets on execnet's own side; our python worker's are in conform/popen_*.
        theirs, ours = ({test: said for test, said in told.items() if not re.search("eventlet|gevent", test)}
                        for told in (theirs, ours))
    differing = sorted(test for test in set(theirs) | set(ours) if theirs.get(test) != ours.get(test))
    # Both suites have tests that depend on time: one that has the same outcome in another try is told
    # apart. That execnet itself fails at what it passed before, makes no test the same.
    at_times = 0
    again = {}
    for attempt in range(TRIES - 1):
        unexplained = [test for test in differing if why_differs(test) is None]
        if not unexplained:
            break
        if attempt == 0:
            again = peers.run(suite, "execnet", unexplained)
        mine = peers.run(suite, whose, unexplained)
        for test in unexplained:
            allowed = {theirs.get(test)} | {again.get(test)} - {"failed"}
            if allowed & {ours.get(test), mine.get(test)}:
                differing.remove(test)
                at_times += 1
    counted = [test for test, said in theirs.items() if said in ("passed", "failed")]
    same = len(counted) - len(set(differing) & set(counted))
    why = collections.Counter(why_differs(test) or "NO REASON" for test in differing)
    name = SUITES[suite][0] + (", our %s worker at the far side" % row if row in PEERS else "")
    print("| %s | %d of %d | %d | %d | %s |" % (
        name, same, len(counted), len(differing), at_times,
        "; ".join("%d: %s" % (count, reason) for reason, count in why.most_common()) or "-"), flush=True)
    unexplained = [test for test in differing if why_differs(test) is None]
    least = min(SUITES[suite][1], len(counted)) if row in SUITES else 0
    return same >= least, [
        "%s: %s, with us %s %s" % (test, theirs.get(test), ours.get(test), texts.get(test, "")[:120])
        for test in unexplained]


def main(argv):
    if not argv or set(argv[1:]) - set(SUITES) - set(PEERS):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    peers = Peers(pathlib.Path(argv[0]))
    right, unexplained = True, []
    try:
        peers.prepare()
        print("| suite | outcomes as with execnet | differing | at times | reasons |\n|---|---|---|---|---|", flush=True)
        for row in argv[1:] or [*SUITES, *PEERS]:
            enough, lines = compare(peers, row)
            right = right and enough and not lines
            unexplained += lines
    except CannotBe as exc:
        print("peers: %s" % exc, file=sys.stderr)
        return 3
    finally:
        for line in unexplained:
            print("no reason: " + line)
        for test, suite, whose in sorted(peers.hung):
            print("hung, ended after %d s: %s of %s, with %s" % (SECONDS, test, suite, whose))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

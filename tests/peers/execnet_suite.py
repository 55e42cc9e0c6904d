#!/usr/bin/env python3
"""execnet's own tests, and pytest-xdist's, with execnet itself and with farflung.execnet in its place.

    tests/peers/execnet_suite.py BUILD_DIR [execnet] [xdist]

Prints a table: suite, how many tests passed or failed with execnet, how many of them do the same with
us, how many differ always, or at times only, and why (the reasons are those of core/python/README.md). Exit status 1: a test
differs without a reason there, or too many do; 3: what it takes can't be had.
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

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGE = TOP / "core" / "python"
VERSIONS = ["execnet==2.1.2", "pytest-xdist==3.8.0"]
NEEDS = ["pytest<9", "pytest-timeout", "gevent", "eventlet", "filelock"]
SUITES = {"execnet": ("execnet-2.1.2", 800), "xdist": ("pytest_xdist-3.8.0", 190)}
MINUTES = 15
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

    def run(self, suite, ours, only=()):
        """{test: outcome} of one run; of the tests `only`, unless that is empty."""
        place = self.folder / ("%s-%s" % (suite, "ours" if ours else "theirs"))
        shutil.rmtree(str(place), ignore_errors=True)
        shutil.copytree(str(self.folder / SUITES[suite][0] / "testing"), str(place / "testing"))
        (place / "pytest.ini").write_text("[pytest]\n")
        path = [str(TOP / "tests" / "peers")]
        if ours:
            path += [str(PACKAGE / "farflung" / "instead"), str(PACKAGE)]
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(path), HOME=str(place), FARFLUNG_LIBRARY=str(self.build / "core"),
            PEERS_OUTCOMES=str(place / "outcomes.json"))
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        argv = [str(self.python), "-m", "pytest", "-q", "-p", "outcomes", "-p", "no:cacheprovider",
                "-W", "ignore", "--timeout", "30", "--timeout-method", "signal", "--tb", "short"]
        if suite == "execnet":
            argv += ["-p", "no:xdist"]
        with open(str(place / "log"), "wb") as log:
            subprocess.run(argv + (list(only) or ["testing"]), cwd=str(place), env=environment,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60 * MINUTES)
        try:
            return json.loads((place / "outcomes.json").read_text())
        except FileNotFoundError:
            raise CannotBe("the run did not end: see %s" % (place / "log")) from None


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


def compare(peers, suite):
    """The table's line; whether all is as it should be."""
    known = reasons()
    theirs, ours = peers.run(suite, False), peers.run(suite, True)
    differing = sorted(test for test in set(theirs) | set(ours) if theirs.get(test) != ours.get(test))
    # Both suites have tests that depend on time: one that has the same outcome in another try is told
    # apart. That execnet itself fails at what it passed before, makes no test the same.
    at_times = 0
    again = {}
    for attempt in range(TRIES - 1):
        unexplained = [test for test in differing if reason_for(test, known) is None]
        if not unexplained:
            break
        if attempt == 0:
            again = peers.run(suite, False, unexplained)
        mine = peers.run(suite, True, unexplained)
        for test in unexplained:
            allowed = {theirs.get(test)} | {again.get(test)} - {"failed"}
            if allowed & {ours.get(test), mine.get(test)}:
                differing.remove(test)
                at_times += 1
    counted = [test for test, said in theirs.items() if said in ("passed", "failed")]
    same = len(counted) - len(set(differing) & set(counted))
    why = collections.Counter(reason_for(test, known) or "NO REASON" for test in differing)
    print("| %s | %d of %d | %d | %d | %s |" % (
        SUITES[suite][0], same, len(counted), len(differing), at_times,
        "; ".join("%d: %s" % (count, reason) for reason, count in why.most_common()) or "-"), flush=True)
    for test in differing:
        if reason_for(test, known) is None:
            print("  %s: %s, with us %s" % (test, theirs.get(test), ours.get(test)))
    return same >= min(SUITES[suite][1], len(counted)) and "NO REASON" not in why


def main(argv):
    if not argv:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    wanted = argv[1:] or list(SUITES)
    peers = Peers(pathlib.Path(argv[0]))
    try:
        peers.prepare()
        print("| suite | outcomes as with execnet | differing | at times | reasons |\n|---|---|---|---|---|", flush=True)
        return 0 if all([compare(peers, suite) for suite in wanted]) else 1
    except CannotBe as exc:
        print("peers: %s" % exc, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Test suites of others by plain pytest, by `pytest -n 2` and by `farflung pytest -n 2`.

    tests/matrix/suites.py [--every] [NAME…]      all of SUITES, or those of these names

Ours runs with every --dist where the suite is small (or with --every), else with load. Compares each test's outcome and
the number of warnings. A difference that plain pytest and pytest-xdist (with the same --dist) don't have between them
is a fault, unless KNOWN names its kind with a reason; what is there and equal is one, too. With MATRIX_TRIES=2 what
differs runs once more, and that is said: for machines that others share.
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

from environments import FARFLUNG, HOME, UNREACHABLE, Environment, clean_env, make_all, obey_signals, run, say, table
from plugins import outcomes_of

LIMIT = 600  # s, of one run
BASE_PACKAGES = ["pytest==8.4.*", "pytest-xdist==3.8.*"]
POLICIES = ("load", "worksteal", "loadscope", "loadfile", "loadgroup")


class Installed:
    """The system's own Python, with Debian's packages."""

    def __init__(self, module):
        self.name = f"the system's python3 with {module}"
        self.python = "/usr/bin/python3"
        self.module = module

    def make(self):
        wanted = f"import pytest, xdist, {self.module}"
        if subprocess.call([self.python, "-c", wanted], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            say(f"{self.python} lacks pytest, pytest-xdist or {self.module} (exit 3)")
            sys.exit(UNREACHABLE)


class Suite:
    """A project's tests: from its source distribution, or with `pyargs` those that are installed with it."""

    def __init__(self, name, *packages, args=("tests",), pyargs=False, system=False, small=False, env=None):
        self.name = name
        self.args = ["--pyargs", *args] if pyargs else list(args)
        self.pyargs, self.small, self.env = pyargs, small, env or {}
        packages = [name, *packages, *BASE_PACKAGES, "setuptools", "wheel"]
        pythons = ["3.12", "3.11", "3.13"]
        self.environment = Installed(name) if system else Environment(f"suite-{name}", pythons, packages)

    def source(self):
        """The unpacked source distribution of the installed version; None: the installed ones are run."""
        if self.pyargs:
            return None
        version = self.environment.versions()[self.name]
        folder = HOME / "sources" / f"{self.name}-{version}"
        if folder.exists():
            return folder
        download = HOME / "sources" / f"{self.name}-download"
        shutil.rmtree(download, ignore_errors=True)
        command = [self.environment.python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", self.name, "-d", str(download), f"{self.name}=={version}"]
        pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(command, **pipe)
        archives = list(download.glob("*.tar.gz"))
        if done.returncode or not archives:
            say(f"{self.name}: no source distribution: {done.stdout[-1000:]} (exit 3)")
            sys.exit(UNREACHABLE)
        with tarfile.open(archives[0]) as archive:
            archive.extractall(download)
        (inner,) = [path for path in download.iterdir() if path.is_dir()]
        inner.rename(folder)
        shutil.rmtree(download)
        return folder


# Their other tests start servers and pytests, and take many minutes on a machine that others share.
DJANGO = [f"tests/test_{x}.py" for x in ("asserts", "database", "environment", "fixtures", "isolate_apps", "unittest", "urls")]
WERKZEUG = ["tests", "--ignore=tests/test_serving.py"]
DJANGO_SETTINGS = {"DJANGO_SETTINGS_MODULE": "pytest_django_test.settings_sqlite_file"}
SUITES = [
    Suite("markupsafe", small=True),
    Suite("itsdangerous", "freezegun", small=True),
    Suite("pluggy", "pytest-benchmark", args=["testing"], small=True),
    Suite("attrs", "hypothesis", "cloudpickle"),
    Suite("click"),
    Suite("jinja2", "trio"),
    Suite("flask", "asgiref", "python-dotenv"),
    Suite("werkzeug", "ephemeral-port-reserve", "pytest-timeout", "watchdog", "cryptography", args=WERKZEUG),
    Suite("packaging", "pretend", "hypothesis", "tomli_w"),
    Suite("more-itertools"),
    Suite("requests", "pytest-httpbin", "pytest-mock", "trustme", "PySocks"),
    Suite("sqlalchemy", args=["test/base"]),
    Suite("pytest-django", "django", args=DJANGO, env=DJANGO_SETTINGS),
    Suite("numpy", "hypothesis", args=["numpy.ma", "numpy.lib"], pyargs=True),
    Suite("pandas", "hypothesis", args=["pandas.tests.series.methods"], pyargs=True),
    Suite("networkx", args=["networkx"], pyargs=True, system=True),
]
# name: (kinds: "outcomes", "warnings"; reason)
KNOWN = {}


class Result:
    """What one run gave: exit status, test -> outcomes, number of warnings, seconds."""

    def __init__(self, suite, how, dist="load"):
        source = suite.source()
        place = HOME / "suites" / suite.name
        place.mkdir(parents=True, exist_ok=True)
        name = how if how == "plain" else f"{how}-{dist}"
        work, junit = place / "work", place / f"{name}.xml"  # the same for all: ids may have it in them
        shutil.rmtree(work, ignore_errors=True)
        if source:
            shutil.copytree(source, work, symlinks=True)
        else:
            work.mkdir()
        if junit.exists():
            junit.unlink()
        began = time.monotonic()
        self.code, out, err = run(command_of(suite, how, dist, junit), work, clean_env(**suite.env), LIMIT)
        self.took = time.monotonic() - began
        (place / f"{name}.log").write_text(f"exit {self.code}\n{out}\n--- stderr\n{err}")
        shutil.rmtree(work, ignore_errors=True)
        counts = re.findall(r"\b(\d+) warnings?\b", out)
        self.warnings = int(counts[-1]) if counts else 0
        self.outcomes = outcomes_of(junit)

    def __str__(self):
        return f"exit {self.code}, {self.warnings} warnings, {self.took:.1f} s"


def command_of(suite, how, dist, junit):
    python = suite.environment.python
    if how == "farflung":
        spread = [FARFLUNG, "pytest", "-n", "2", "--dist", dist, "--python", python, "--junit", junit, "--"]
    else:
        spread = [python, "-m", "pytest", f"--junitxml={junit}", "-n", "0"]
        spread[-1:] = ["2", "--dist", dist] if how == "xdist" else ["0"]
    return [*spread, *suite.args]


def faults_of(plain, xdist, ours):
    """kind -> what only ours has: the tests, or the numbers of warnings."""
    tests = sorted({*plain.outcomes, *ours.outcomes})
    differing = [t for t in tests if ours.outcomes.get(t) != plain.outcomes.get(t)]
    differing = [t for t in differing if ours.outcomes.get(t) != xdist.outcomes.get(t)]
    lines = [f"{t}: {plain.outcomes.get(t)} | {xdist.outcomes.get(t)} | {ours.outcomes.get(t)}" for t in differing]
    found = {"outcomes": lines} if lines else {}
    if not lines and ours.code not in (plain.code, xdist.code):
        found["exit"] = [f"exit status: {plain.code} | {xdist.code} | {ours.code}"]
    if ours.warnings not in (plain.warnings, xdist.warnings):
        found["warnings"] = [f"warnings: {plain.warnings} | {xdist.warnings} | {ours.warnings}"]
    return found


def compare_dist(suite, plain, xdist, dist):
    """(our result, its faults) with one --dist; `xdist` is that of load."""
    for left in reversed(range(int(os.environ.get("MATRIX_TRIES", "1")))):
        ours = Result(suite, "farflung", dist)
        found = faults_of(plain, xdist, ours)
        if found and dist != "load":
            found = faults_of(plain, Result(suite, "xdist", dist), ours)
        if not (found and left):
            return ours, found
        say(f"{suite.name}: --dist {dist}: a second try, since it differs in {', '.join(found)}")


def compare(suite, every):
    """(row of the table, whether it is as it should be)"""
    plain, xdist = Result(suite, "plain"), Result(suite, "xdist")
    ours, kinds, verdicts = [], set(), []
    for dist in POLICIES if suite.small or every else POLICIES[:1]:
        result, found = compare_dist(suite, plain, xdist, dist)
        ours.append(result)
        kinds.update(found)
        verdicts.append(f"{dist} differs in {', '.join(found)}" if found else f"{dist} the same")
        for lines in found.values():
            lines = lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else [])
            print("\n".join(f"{suite.name}: {dist}: {line}" for line in lines), flush=True)
    known, reason = KNOWN.get(suite.name, ((), ""))
    passed = sum("passed" in outcomes for outcomes in plain.outcomes.values())
    if not passed:
        verdicts = ["nothing passed by plain pytest"]
    elif kinds and reason:
        verdicts.append(f"({reason})")
    say(f"{suite.name}: {'; '.join(verdicts)}")
    good = passed > 0 and kinds == set(known)
    return [suite.name, len(plain.outcomes), plain, xdist, ours[0], "; ".join(verdicts)], good


def main(words):
    every = "--every" in words
    names = [word for word in words if word != "--every"]
    suites = [suite for suite in SUITES if not names or suite.name in names]
    if not suites or len(suites) < len(set(names)):
        say("known are: --every " + " ".join(suite.name for suite in SUITES))
        return 2
    make_all([suite.environment for suite in suites])
    rows, bad = [], []
    for suite in suites:
        row, good = compare(suite, every)
        rows.append(row)
        bad += [] if good else [suite.name]
    print(table(["suite", "tests", "plain", "xdist", "farflung", "here"], rows))
    say(f"{len(rows)} suites, {len(bad)} wrong {' '.join(bad)}".rstrip())
    return 1 if bad else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Test suites of others by plain pytest, by `pytest -n 2` and by `farflung pytest -n 2`.

    tests/matrix/suites.py [--every | --dist=NAME,…] [--collect=HOW,…] [NAME…]      all of SUITES, or those of these names

Ours runs with every --dist where the suite is small (or with --every), else with load; or with those that are named. With
--every each is run with every --collect, else with the default, or with those that are named.
Compares each test's outcome and the number of warnings. A difference that plain pytest and pytest-xdist (with the same
--dist) don't have between them is a fault, unless KNOWN names its kind with a reason; what is there and equal is one,
too. With MATRIX_TRIES=2 what differs runs once more, and that is said: for machines that others share.
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

from environments import FARFLUNG, HOME, UNREACHABLE, Environment, clean_env, make_all, obey_signals, run, say, table
from hosts import mirror
from plugins import outcomes_of

RELEASE, KEYS = "bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg"
LIMIT = 600  # s, of one run
BASE_PACKAGES = ["pytest==8.4.*", "pytest-xdist==3.8.*"]
POLICIES = ("load", "worksteal", "loadscope", "loadfile", "loadgroup", "each", "no")
COLLECTS = ("every", "shard", "auto")


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
    """A project's tests: from its source distribution (with `debian`, a version: from Debian's source package of it), or
    those that are installed with it: by module names (`pyargs`), or by folders where a conftest.py has options
    (`installed`)."""

    def __init__(self, name, *packages, args=("tests",), pyargs=False, installed=False, system=False, small=False, env=None,
                 debian=None):
        self.name = name
        self.debian = debian
        self.args = ["--pyargs", *args] if pyargs else list(args)
        self.pyargs, self.installed, self.small, self.env = pyargs, installed, small, env or {}
        packages = [f"{name}=={debian}" if debian else name, *packages, *BASE_PACKAGES, "setuptools", "wheel"]
        pythons = ["3.12", "3.11", "3.13"]
        self.environment = Installed(name) if system else Environment(f"suite-{name}", pythons, packages)

    def source(self):
        """The unpacked source distribution of the installed version; None: the installed ones are run."""
        if self.pyargs or self.installed:
            return None
        version = self.environment.versions()[self.name]
        folder = HOME / "sources" / f"{self.name}-{version}"
        if folder.exists():
            return folder
        download = HOME / "sources" / f"{self.name}-download"
        shutil.rmtree(download, ignore_errors=True)
        download.mkdir(parents=True)
        archive = self._from_debian(download) if self.debian else self._from_pip(download, version)
        with tarfile.open(archive) as opened:
            opened.extractall(download)
        (inner,) = [path for path in download.iterdir() if path.is_dir()]
        inner.rename(folder)
        shutil.rmtree(download)
        return folder

    def _from_pip(self, download, version):
        command = [self.environment.python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        self._fetch(*command, "--no-binary", self.name, "-d", download, f"{self.name}=={version}")
        return self._archive(download, "*.tar.gz")

    def _from_debian(self, download):
        """Its sources are asked for in lists of their own: the machine's stay as they are."""
        apt = HOME / "sources" / "apt"
        for folder in ("lists/partial", "cache"):
            (apt / folder).mkdir(parents=True, exist_ok=True)
        (apt / "sources.list").write_text(f"deb-src [signed-by={KEYS}] {mirror()} {RELEASE} main\n")
        places = {"Etc::sourcelist": "sources.list", "Etc::sourceparts": "none", "State::lists": "lists", "Cache": "cache"}
        command = ["apt-get", "-qq", *(f"-oDir::{name}={apt / place}" for name, place in places.items())]
        self._fetch(*command, "update")
        self._fetch(*command, "source", "--download-only", self.name, cwd=download)
        return self._archive(download, f"{self.name}_{self.debian}.orig.tar.*")

    def _fetch(self, *command, cwd=None):
        pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        try:
            done = subprocess.run(list(map(str, command)), cwd=cwd, **pipe)
        except OSError as exc:
            self._unreachable(exc)
        if done.returncode:
            self._unreachable(done.stdout[-1000:])

    def _archive(self, download, pattern):
        return next(download.glob(pattern), None) or self._unreachable(f"there is no {pattern}")

    def _unreachable(self, why):
        say(f"{self.name}: no source distribution: {why} (exit 3)")
        sys.exit(UNREACHABLE)


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
    Suite("rich", "attrs", debian="13.3.1"),
    Suite("sqlalchemy", args=["test/base"]),
    Suite("pytest-django", "django", args=DJANGO, env=DJANGO_SETTINGS),
    Suite("numpy", "hypothesis", args=["numpy.ma", "numpy.lib"], pyargs=True),
    Suite("pandas", "hypothesis", args=["pandas/tests/series/methods"], installed=True),
    Suite("networkx", args=["networkx"], pyargs=True, system=True),
]
# name: (kinds: "outcomes", "warnings"; reason)
KNOWN = {}


class Result:
    """What one run gave: exit status, test -> outcomes, number of warnings, seconds."""

    def __init__(self, suite, how, dist="load", collect=None):
        source = suite.source()
        place = HOME / "suites" / suite.name
        place.mkdir(parents=True, exist_ok=True)
        name = how if how == "plain" else f"{how}-{dist}-{collect}" if collect else f"{how}-{dist}"
        work, junit = place / "work", place / f"{name}.xml"  # the same for all: ids may have it in them
        shutil.rmtree(work, ignore_errors=True)
        if source:
            shutil.copytree(source, work, symlinks=True)
        else:
            work.mkdir()
        if junit.exists():
            junit.unlink()
        began = time.monotonic()
        self.code, out, err = run(command_of(suite, how, dist, collect, junit), work, clean_env(**suite.env), LIMIT)
        self.took = time.monotonic() - began
        (place / f"{name}.log").write_text(f"exit {self.code}\n{out}\n--- stderr\n{err}")
        shutil.rmtree(work, ignore_errors=True)
        counts = re.findall(r"\b(\d+) warnings?\b", out)
        self.warnings = int(counts[-1]) if counts else 0
        self.outcomes = outcomes_of(junit)
        if dist == "each":  # ours names the worker
            self.outcomes = merged(self.outcomes)

    def __str__(self):
        return f"exit {self.code}, {self.warnings} warnings, {self.took:.1f} s"


def merged(outcomes):
    """The same without @gwN at the end of names."""
    found = {}
    for name, values in outcomes.items():
        found.setdefault(re.sub(r"@gw\d+$", "", name), []).extend(values)
    return {name: sorted(values) for name, values in found.items()}


def command_of(suite, how, dist, collect, junit):
    python = suite.environment.python
    if how == "farflung":
        chosen = ["--collect", collect] if collect else []
        spread = [FARFLUNG, "pytest", "-n", "2", "--dist", dist, *chosen, "--python", python, "--junit", junit, "--"]
    else:
        spread = [python, "-m", "pytest", f"--junitxml={junit}", "-n", "0"]
        spread[-1:] = ["2", "--dist", dist] if how == "xdist" else ["0"]
    if not suite.installed:
        return [*spread, *suite.args]
    (packages,) = suite.environment.path.glob("lib/python*/site-packages")
    return [*spread, *(packages / word for word in suite.args)]


def faults_of(plain, xdist, ours):
    """kind -> what only ours has: the tests, or the numbers of warnings."""
    tests = sorted({*plain.outcomes, *ours.outcomes})
    differing = [t for t in tests if ours.outcomes.get(t) != plain.outcomes.get(t)]
    differing = [t for t in differing if ours.outcomes.get(t) != xdist.outcomes.get(t)]
    lines = [f"{t}: {plain.outcomes.get(t)} | {xdist.outcomes.get(t)} | {ours.outcomes.get(t)}" for t in differing]
    found = {"outcomes": lines} if lines else {}
    if not lines and ours.code not in (plain.code, xdist.code):
        found["exit"] = [f"exit status: {plain.code} | {xdist.code} | {ours.code}"]
    # With xdist each worker tells those that are no test's: between both is some of them told once.
    low, high = sorted((plain.warnings, xdist.warnings))
    if not low <= ours.warnings <= high:
        found["warnings"] = [f"warnings: {plain.warnings} | {xdist.warnings} | {ours.warnings}"]
    return found


class Others:
    """What plain pytest and pytest-xdist give for one suite, each run once."""

    def __init__(self, suite):
        self.suite = suite
        self.plain, self.by_dist = Result(suite, "plain"), {}

    def xdist(self, dist="load"):
        if dist not in self.by_dist:
            self.by_dist[dist] = Result(self.suite, "xdist", dist)
        return self.by_dist[dist]


def compare_one(suite, others, dist, collect):
    """(our result, its faults) with one --dist and one --collect."""
    for left in reversed(range(int(os.environ.get("MATRIX_TRIES", "1")))):
        ours = Result(suite, "farflung", dist, collect)
        found = faults_of(others.plain, others.xdist(), ours)
        if found and dist != "load":
            found = faults_of(others.plain, others.xdist(dist), ours)
        if not (found and left):
            return ours, found
        say(f"{suite.name}: --dist {dist}: a second try, since it differs in {', '.join(found)}")


def policies_of(suite, wanted):
    return wanted or (POLICIES if suite.small else POLICIES[:1])


def compare(suite, policies, collects):
    """(row of the table, whether it is as it should be)"""
    others = Others(suite)
    ours, kinds, verdicts = [], set(), []
    for dist, collect in [(dist, collect) for dist in policies for collect in collects]:
        result, found = compare_one(suite, others, dist, collect)
        how = f"{dist}/{collect}" if collect else dist
        ours.append(result)
        kinds.update(found)
        verdicts.append(f"{how} differs in {', '.join(found)}" if found else f"{how} the same")
        for lines in found.values():
            lines = lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else [])
            print("\n".join(f"{suite.name}: {how}: {line}" for line in lines), flush=True)
    plain, xdist = others.plain, others.xdist()
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
    wanted, collects = POLICIES if every else (), COLLECTS if every else (None,)
    for word in words:
        if word.startswith("--dist="):
            wanted = tuple(word[len("--dist=") :].split(","))
        if word.startswith("--collect="):
            collects = tuple(word[len("--collect=") :].split(","))
    names = [word for word in words if not word.startswith("--")]
    suites = [suite for suite in SUITES if not names or suite.name in names]
    if not suites or len(suites) < len(set(names)) or not set(wanted) <= set(POLICIES) or not {*collects} - {None} <= {*COLLECTS}:
        known = f"--every --dist={','.join(POLICIES)} --collect={','.join(COLLECTS)} "
        say(f"known are: {known}" + " ".join(suite.name for suite in SUITES))
        return 2
    make_all([suite.environment for suite in suites])
    rows, bad = [], []
    for suite in suites:
        row, good = compare(suite, policies_of(suite, wanted), collects)
        rows.append(row)
        bad += [] if good else [suite.name]
    print(table(["suite", "tests", "plain", "xdist", "farflung", "here"], rows))
    say(f"{len(rows)} suites, {len(bad)} wrong {' '.join(bad)}".rstrip())
    return 1 if bad else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))

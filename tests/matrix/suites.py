#!/usr/bin/env python3
"""Test suites of others, from their source distributions, by plain pytest, `pytest -n 2` and `farflung pytest -n 2`.

    tests/matrix/suites.py [NAME…]      all of SUITES, or those of these names

Compares each test's outcome and the number of warnings. A difference that plain pytest and pytest-xdist don't have
between them is a fault, unless KNOWN names its kind with a reason; what is there and equal is one, too.
"""
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


class Suite:
    def __init__(self, name, *packages, args=("tests",)):
        self.name = name
        self.args = list(args)
        packages = [name, *packages, *BASE_PACKAGES, "setuptools", "wheel"]
        self.environment = Environment(f"suite-{name}", ["3.12", "3.11", "3.13"], packages)

    def source(self):
        """The unpacked source distribution of the installed version."""
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


SUITES = [
    Suite("attrs", "hypothesis", "cloudpickle"),
    Suite("click"),
    Suite("jinja2", "trio"),
    Suite("markupsafe"),
    Suite("itsdangerous", "freezegun"),
    Suite("flask", "asgiref", "python-dotenv"),
    Suite("werkzeug", "ephemeral-port-reserve", "pytest-timeout", "watchdog", "cryptography"),
    Suite("packaging", "pretend"),
    Suite("more-itertools"),
    Suite("pluggy"),
    Suite("requests", "pytest-httpbin", "pytest-mock", "trustme", "PySocks"),
]
# name: (kinds: "outcomes", "warnings"; reason)
KNOWN = {}


def run_suite(suite, how):
    """(exit status, test -> outcomes, number of warnings, seconds)"""
    source = suite.source()
    place = HOME / "suites" / suite.name
    place.mkdir(parents=True, exist_ok=True)
    work, junit = place / how, place / f"{how}.xml"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work, symlinks=True)
    if junit.exists():
        junit.unlink()
    python = suite.environment.python
    if how == "farflung":
        command = [FARFLUNG, "pytest", "-n", "2", "--python", python, "--junit", junit, "--", *suite.args]
    else:
        command = [python, "-m", "pytest", f"--junitxml={junit}", "-n", "2" if how == "xdist" else "0", *suite.args]
    began = time.monotonic()
    code, out, err = run(command, work, clean_env(), LIMIT)
    took = time.monotonic() - began
    (place / f"{how}.log").write_text(f"exit {code}\n{out}\n--- stderr\n{err}")
    shutil.rmtree(work, ignore_errors=True)
    counts = re.findall(r"\b(\d+) warnings?\b", out)
    return code, outcomes_of(junit), int(counts[-1]) if counts else 0, took


def compare(suite):
    """(row of the table, what is wrong in words, lines that tell it)"""
    results = {how: run_suite(suite, how) for how in ("plain", "xdist", "farflung")}
    (_, plain, warned, _), (_, xdist, xwarned, _), (_, ours, owarned, _) = results.values()
    tests = sorted({*plain, *ours})
    differing = [t for t in tests if ours.get(t) != plain.get(t)]
    faults = [t for t in differing if xdist.get(t) == plain.get(t)]
    kinds = (["outcomes"] if faults else []) + (["warnings"] if owarned not in (warned, xwarned) else [])
    known, reason = KNOWN.get(suite.name, ((), ""))
    wrong = sorted(set(kinds) ^ set(known)) if plain else ["nothing ran by plain pytest"]
    verdict = "the same" if not kinds else "differs: " + ", ".join(kinds) + (f" ({reason})" if reason else "")
    row = [suite.name, len(plain), *(f"exit {r[0]}, {r[2]} warnings, {r[3]:.1f} s" for r in results.values()), verdict]
    lines = [f"{suite.name}: {t}: {plain.get(t)} | {xdist.get(t)} | {ours.get(t)}" for t in differing]
    return row, wrong, lines[:20] + ([f"{suite.name}: and {len(lines) - 20} more"] if len(lines) > 20 else [])


def main(names):
    suites = [suite for suite in SUITES if not names or suite.name in names]
    if not suites or len(suites) < len(set(names)):
        say("known are: " + " ".join(suite.name for suite in SUITES))
        return 2
    make_all([suite.environment for suite in suites])
    rows, bad = [], []
    for suite in suites:
        row, wrong, lines = compare(suite)
        rows.append(row)
        bad += [suite.name] if wrong else []
        print("\n".join(lines), end="\n" if lines else "", flush=True)
    print(table(["suite", "tests", "plain", "xdist", "farflung", "here"], rows))
    say(f"{len(rows)} suites, {len(bad)} wrong {' '.join(bad)}".rstrip())
    return 1 if bad else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""The tests about pytest, with hosts that have other versions of pytest, pytest-xdist and Python.

    tests/matrix/versions.py [NAME…]      all environments, or those of these names

MATRIX_QUICK=1 leaves out what takes long and has shown little. With MATRIX_TRIES=2 a file in which something failed
is run once more, and that is said: for machines that others share.
Prints one line per environment, and names what failed. "differing": tests whose outcome is not the one that
they have in most environments (a skip where others pass shows so).
"""
import collections
import concurrent.futures
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

from environments import FARFLUNG, HOME, JOBS, TOP, Environment, clean_env, make_all, obey_signals, run, say, table

ENVIRONMENTS = [
    Environment("pytest-7.0", ["3.8", "3.9", "3.10", "3.11"], ["pytest==7.0.*", "execnet"]),
    Environment("pytest-7.4", ["3.9", "3.10", "3.11"], ["pytest==7.4.*", "pytest-xdist==3.1.*"]),
    Environment("pytest-8.0", ["3.10", "3.11"], ["pytest==8.0.*", "pytest-xdist==3.5.*"]),
    Environment("pytest-8.4", ["3.12", "3.13", "3.11"], ["pytest==8.4.*", "pytest-xdist==3.6.*"]),
    Environment("pytest-9.0", ["3.11", "3.12"], ["pytest==9.0.*", "execnet"]),
    Environment("pytest-9", ["3.14", "3.13", "3.12", "3.11"], ["pytest>=9.1,<10", "pytest-xdist==3.8.*"]),
]
# Those that run by the system's pytest with hosts of another ($FARFLUNG_PYTHON) …
END_TO_END = ["test_pytest", "test_pytest_assertions", "test_session_ends"]
LONG = ["test_pytest_cache", "test_dist", "test_scheduler", "test_front", "test_pytest_plugin"]  # minutes each
QUICK = {"test_session_ends": ["pytest-7.0", "pytest-9"], **dict.fromkeys(LONG, [])}  # with MATRIX_QUICK only in these
NEED_XDIST = ["test_scheduler"]  # nothing of it can run without
# … and those that drive the payload in the interpreter that runs them.
WITHIN = ["tests/conform/payload_pytest.py"]
LIMIT = 900  # s, of one file in one environment


def outcomes_of(path):
    """test -> passed, failed or skipped, from a JUnit file."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        name = f"{case.get('classname')}::{case.get('name')}"
        found[name] = "failed" if "failed" in (outcome, found.get(name)) else outcome
    return found


def run_file(environment, file):
    """(outcomes, text of the failure or None) of one file of tests, tried as often as may be."""
    for left in reversed(range(int(os.environ.get("MATRIX_TRIES", "1")))):
        began = time.monotonic()
        outcomes, trouble = try_file(environment, file)
        say(f"{environment.name}: {file}: {'failed' if trouble else 'ok'}, {time.monotonic() - began:.0f} s")
        if not (trouble and left):
            return outcomes, trouble
        say(f"{environment.name}: {file}: a second try, since {[t for t in outcomes if outcomes[t] == 'failed']} failed")


def try_file(environment, file):
    within = file in WITHIN
    path = TOP / file if within else TOP / "tests" / "e2e" / f"{file}.py"
    place = HOME / "results" / environment.name
    place.mkdir(parents=True, exist_ok=True)
    junit, log = place / f"{path.stem}.xml", place / f"{path.stem}.log"
    if junit.exists():
        junit.unlink()
    runner = environment.python if within else sys.executable
    command = [runner, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={junit}", path]
    with tempfile.TemporaryDirectory(prefix="farflung-matrix-") as temp:
        env = clean_env(FARFLUNG=FARFLUNG, FARFLUNG_PYTHON=environment.python, TMPDIR=temp)
        code, out, err = run(command, TOP, env, LIMIT)
    log.write_text(out + err)
    outcomes = outcomes_of(junit) if junit.exists() else {}
    if code == 0 and "passed" in outcomes.values():
        return outcomes, None
    if code != 1 or "failed" not in outcomes.values():
        outcomes[f"{path.stem}::(ended {code})"] = "failed"
    return outcomes, f"{environment.name}: see {log.relative_to(TOP)}"


def wanted(environment, file):
    if file in NEED_XDIST and not any(package.startswith("pytest-xdist") for package in environment.packages):
        return False
    return not os.environ.get("MATRIX_QUICK") or environment.name in QUICK.get(file, [environment.name])


def most(values):
    return collections.Counter(values).most_common(1)[0][0]


def main(names):
    chosen = [e for e in ENVIRONMENTS if not names or e.name in names]
    if not chosen or len(chosen) < len(names):
        say("known are: " + " ".join(e.name for e in ENVIRONMENTS))
        return 2
    make_all(chosen)
    results = {e.name: {} for e in chosen}
    troubles = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        todo = [(e, file) for file in [*WITHIN, *END_TO_END, *LONG] for e in chosen if wanted(e, file)]
        futures = {pool.submit(run_file, e, file): e for e, file in todo}
        for future in concurrent.futures.as_completed(futures):
            outcomes, trouble = future.result()
            results[futures[future].name].update(outcomes)
            troubles += [trouble] if trouble else []
    return tell(chosen, results, troubles)


def tell(chosen, results, troubles):
    every = sorted({test for outcomes in results.values() for test in outcomes})
    usual = {test: most(o[test] for o in results.values() if test in o) for test in every}
    rows, failed = [], 0
    for e in chosen:
        versions, got = e.versions(), results[e.name]
        counts = collections.Counter(got.values())
        failed += counts["failed"]
        differing = sum(got[test] != usual[test] for test in got)
        rows.append([
            e.name, versions["pytest"], versions.get("pytest-xdist", "-"), versions["python"],
            counts["passed"], counts["failed"], counts["skipped"], differing,
        ])  # fmt: skip
    for test in every:
        where = collections.defaultdict(list)
        for e in chosen:
            if test in results[e.name]:
                where[results[e.name][test]].append(e.name)
        if "failed" in where or len(where) > 1:
            print(f"{test}: " + "; ".join(f"{o} in {', '.join(names)}" for o, names in sorted(where.items())))
    print(table(["environment", "pytest", "xdist", "python", "passed", "failed", "skipped", "differing"], rows))
    print("\n".join(sorted(troubles)))
    passed = sum(row[4] for row in rows)
    say(f"{len(rows)} environments: {passed} passed, {failed} failed")
    return 1 if failed or troubles or not all(row[4] for row in rows) else 0


if __name__ == "__main__":
    obey_signals()
    sys.exit(main(sys.argv[1:]))

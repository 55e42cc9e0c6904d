"""configs/nightly.yaml, from a copy: as it stands, and in a night in which something is broken."""
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from conftest import TOP, has, junit_outcomes, write

HOSTS = ("n1", "n2")


@pytest.fixture
def nightly(farflung, python, tmp_path):
    if not has(python, "pytest_cov"):
        pytest.skip("pytest-cov is not installed")
    shutil.copytree(TOP / "configs", farflung.cwd / "configs")
    (tmp_path / "bin").mkdir()
    # A link would hide what an interpreter of a venv has beside it.
    write(tmp_path / "bin" / "python3", f'#!/bin/sh\nexec "{python}" "$@"\n').chmod(0o755)
    farflung.env["PATH"] = f"{tmp_path / 'bin'}:{farflung.env['PATH']}"
    return farflung.cwd / "build" / "nightly"


def covered(nightly):
    return {c.get("filename"): {int(l.get("number")) for l in c.iter("line") if l.get("hits") != "0"}
            for c in ElementTree.parse(nightly / "coverage.xml").iter("class")}


def test_as_it_stands(farflung, nightly):
    done = farflung.run("run", "configs/nightly.yaml", code=0)
    assert "13 passed" in done.stderr and not (nightly / "failure").exists()
    cases = junit_outcomes(nightly / "junit.xml")
    for host in HOSTS:
        assert {name for (job, name), what in cases.items() if job == f"program@{host}" and what == ("passed", "")} == {
            "counts", "nothing", "refuses_arguments"}
        assert (nightly / f"out/build@{host}/build@{host}/build/tally").stat().st_mode & 0o100
    # What the tests of both hosts ran, by the names that files have here: all of it.
    source = (farflung.cwd / "configs/nightly/tallies.py").read_text().splitlines()
    last = next(i for i, line in enumerate(source, 1) if "return max" in line)
    assert list(covered(nightly)) == ["tallies.py"] and {2, last} <= covered(nightly)["tallies.py"]
    root = ElementTree.parse(nightly / "coverage.xml").getroot()
    assert root.get("lines-valid") == root.get("lines-covered") != "0"
    assert "passed\n" in (nightly / "results/python/tests%2Ftest_program.py::test_the_program/status").read_text()


def test_a_test_that_fails(farflung, nightly):
    write(farflung.cwd / "configs/nightly/tests/test_broken.py", "def test_broken():\n    print('said')\n    assert False\n")
    done = farflung.run("run", "configs/nightly.yaml", code=1)
    assert "1 failed, 13 passed" in done.stderr
    told = (nightly / "failure").read_text()
    assert told.startswith("nightly failed: 1 failed, 13 passed in ") and "test_broken.py::test_broken (failed)" in told
    assert (nightly / "results/python/tests%2Ftest_broken.py::test_broken/stdout").read_text() == "said\n"
    assert (nightly / "out/build@n1/build@n1/build/tally").exists()


def test_a_build_that_fails(farflung, nightly):
    """What needs it is skipped, somebody is told all the same, and hears when it is mended."""
    source = farflung.cwd / "configs/nightly/tally.c"
    right = source.read_text()
    write(source, "this is no C\n")
    done = farflung.run("run", "configs/nightly.yaml", code=1)
    assert (nightly / "failure").exists() and not (nightly / "results/python").exists()
    assert "2 failed" in done.stderr, done.stderr
    write(source, right)
    farflung.run("run", "configs/nightly.yaml", code=0)
    assert (nightly / "recovery").read_text().startswith("nightly passed again: 13 passed in ")


TWO = """version: 1
inventory:
  hosts:
    - {{spec: "popen//python={python}", name: n1, chdir: n1, env: {{HOST: n1}}}}
    - {{spec: "popen//python={python}", name: n2, chdir: n2, env: {{HOST: n2}}}}
tree: tree
jobs:
  all: {{pytest: [test_a.py, --cov=lib, "--cov-report=xml:../coverage.xml", --cov-branch, --cov-fail-under=100], dist: each}}
"""
BEHIND = """  more: {pytest: [test_b.py, --cov=lib, --cov-append, "--cov-report=xml:../coverage.xml", --cov-branch, --cov-fail-under=100], needs: all}
"""
LIB = """import os

def of_host():
    if os.environ["HOST"] == "n1":
        return 1
    return 2
"""


@pytest.fixture
def two(farflung, python):
    if not has(python, "pytest_cov"):
        pytest.skip("pytest-cov is not installed")
    write(farflung.cwd / "tree" / "lib.py", LIB)
    write(farflung.cwd / "tree" / "test_a.py", "import lib\n\ndef test_it():\n    assert lib.of_host()\n")
    return TWO.format(python=python)


def test_coverage_of_two_hosts_is_one(farflung, two):
    """Each runs a part of the file, both all of it; one alone is told as less."""
    done = farflung.run_yaml(two, code=0)
    assert covered(farflung.cwd) == {"lib.py": {1, 3, 4, 5, 6}}
    assert "CoverageWarning" not in done.stdout + done.stderr, "who puts it together has imported nothing itself"
    done = farflung.run_yaml(two, "--on", "n1", code=1)
    assert covered(farflung.cwd) == {"lib.py": {1, 3, 4, 5}}
    assert "is below --cov-fail-under=100" in done.stderr + done.stdout
    left = [path for path in farflung.cwd.rglob(".coverage*") if path != farflung.cwd / "tree" / ".coverage"]
    assert left == []


def test_coverage_of_two_jobs(farflung, two):
    """As of two runs of pytest: the later one goes on with what the earlier one left."""
    write(farflung.cwd / "tree" / "lib.py", LIB + "\ndef more():\n    return 3\n")
    write(farflung.cwd / "tree" / "test_b.py", "import lib\n\ndef test_more():\n    assert lib.more()\n")
    farflung.run_yaml(two.replace("--cov-fail-under=100", "--cov-fail-under=1") + BEHIND, code=0)
    assert covered(farflung.cwd) == {"lib.py": {1, 3, 4, 5, 6, 8, 9}}


COMMANDS = """version: 1
inventory:
  hosts:
    - {spec: popen, name: n1, chdir: n1}
    - {spec: popen, name: n2, chdir: n2}
tree: tree
jobs:
  one: {run: "python3 -m coverage run --branch lib.py {n}", matrix: {n: [1, 3]}, on: n1, coverage: {combine: true}}
  two: {run: [python3, -m, coverage, run, --branch, lib.py, "2"], on: n2, coverage: true, artifacts: ["said-*"]}
  steps:
    steps: ["python3 -m coverage run --branch lib.py 4", "python3 -m coverage run --branch -a lib.py 5"]
    each_host: true
    coverage: true
"""
PROGRAM = """import sys

def of(n):
    if n == 1:
        return "one"
    if n == 2:
        return "two"
    if n == 3:
        return "three"
    if n == 4:
        return "four"
    return "more"

open(f"said-{sys.argv[1]}", "w").write(of(int(sys.argv[1])))
"""


@pytest.fixture
def measured(farflung, python, tmp_path):
    """Commands, measured on two hosts; what python3 is."""
    if not has(python, "coverage"):
        pytest.skip("coverage is not installed")
    write(farflung.cwd / "tree" / "lib.py", PROGRAM)
    program = write(tmp_path / "bin" / "python3", f'#!/bin/sh\nexec "{python}" "$@"\n')
    program.chmod(0o755)
    farflung.env["PATH"] = f"{program.parent}:{farflung.env['PATH']}"
    return program


def lines_that_ran(farflung, python):
    tree = farflung.cwd / "tree"
    subprocess.run([python, "-m", "coverage", "xml", "-q", "-o", "../coverage.xml"], cwd=tree, check=True, timeout=60)
    return covered(farflung.cwd)


def test_coverage_of_commands_of_two_hosts_is_one(farflung, measured, python):
    done = farflung.run_yaml(COMMANDS, code=0)
    assert lines_that_ran(farflung, python) == {"lib.py": set(range(1, 15)) - {2, 13}}, done.stderr
    assert (farflung.cwd / "out/two/two/said-2").read_text() == "two", "other artifacts come as well"
    # What an earlier run left on the hosts does not count.
    farflung.run_yaml(COMMANDS.replace('[python3, -m, coverage, run, --branch, lib.py, "2"]', '[python3, lib.py, "2"]'), code=0)
    assert lines_that_ran(farflung, python) == {"lib.py": set(range(1, 15)) - {2, 7, 13}}


def test_coverage_that_cannot_be_combined(farflung, measured):
    """Green would be told of less than was asked for."""
    one = COMMANDS.split("  two:")[0]
    done = farflung.run_yaml(one.replace("python3 -m coverage run --branch", "python3"), code=3)
    assert "no command has left coverage data" in done.stderr
    done = farflung.run_yaml(one.replace("python3 -m coverage run --branch lib.py {n}", "echo {n} > $COVERAGE_FILE"), code=3)
    assert "cannot combine coverage into" in done.stderr
    measured.write_text("#!/bin/sh\necho 'no module here' >&2\nexit 4\n")
    done = farflung.run_yaml(one.replace("python3 -m coverage run --branch lib.py {n}", "echo {n} > $COVERAGE_FILE"), code=3)
    assert "python3 ended with exit status 4: no module here" in done.stderr


def test_a_failure_is_told_rather_than_coverage(farflung, measured):
    one = COMMANDS.split("  two:")[0]
    done = farflung.run_yaml(one.replace("python3 -m coverage run --branch lib.py {n}", "exit 7 # {n}"), code=1)
    assert "coverage data" not in done.stderr


@pytest.mark.parametrize("job, words", [
    ("{pytest: [t], coverage: true}", "'coverage' is for 'run' jobs, not for 'pytest'"),
    ("{run: x, coverage: {}}", "'combine' is missing"),
    ("{run: x, coverage: {combine: maybe}}", "'combine' wants true or false"),
    ("{run: x, coverage: {combine: true, to: x}}", "unknown key 'to'"),
    ("{run: x, coverage: true, artifacts: {paths: [y], when: failure}}", "'coverage' wants 'artifacts' that are brought"),
], ids=str)
def test_wrong_coverage(farflung, job, words):
    assert words in farflung.run_yaml(f"version: 1\ninventory: [popen]\njobs:\n  a: {job}\n", code=2).stderr

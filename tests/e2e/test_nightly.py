"""configs/nightly.yaml, from a copy: as it stands, and in a night in which something is broken."""
import shutil
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

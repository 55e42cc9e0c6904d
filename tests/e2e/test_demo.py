"""The demo that a newcomer runs first, from a copy of configs/."""
import os
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import TOP, write


@pytest.fixture
def demo(farflung):
    copy = farflung.cwd / "configs"
    shutil.copytree(TOP / "configs", copy, ignore=shutil.ignore_patterns("__pycache__", ".farflung"))
    return copy / "demo.yaml"


def check_demo(farflung, done):
    suites = {s.get("name"): s for s in ElementTree.parse(farflung.cwd / "build" / "demo-junit.xml").iter("testsuite")}
    assert set(suites) == {"unit", "words", "squares", "report"}
    assert int(suites["unit"].get("tests")) > 40
    assert {name: (s.get("failures"), s.get("errors")) for name, s in suites.items()} == dict.fromkeys(
        suites, ("0", "0"))
    assert len(suites["squares"].findall("testcase")) == 3
    last = done.stderr.splitlines()[-1]
    assert last.startswith("farflung: ") and " passed" in last and last.endswith("(exit 0)")
    hosts = {p.get("value") for p in suites["unit"].iter("property") if p.get("name") == "farflung.host"}
    assert hosts <= {"here", "there"}
    assert (farflung.cwd / "build" / "demo-host" / "words.txt").exists()


def test_demo(farflung, demo):
    # As from the top folder of a clone.
    done = farflung.run("run", "configs/demo.yaml", code=0)
    check_demo(farflung, done)
    again = farflung.run("run", "configs/demo.yaml", code=0)
    check_demo(farflung, again)


@pytest.mark.parametrize(
    "fake",
    [
        "#!/bin/sh\nexec {python} -S -I \"$@\"\n",  # runs, but knows no site-packages
        "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n",
        "#!/no/such/interpreter\n",
    ],
    ids=["without-pytest", "broken-shim", "does-not-start"],
)
def test_first_python_without_pytest(farflung, demo, python, fake):
    shim = write(farflung.cwd.parent / "shims" / "python3", fake.format(python=python))
    shim.chmod(0o755)
    path = f"{shim.parent}:{os.path.dirname(python)}:/usr/bin:/bin"
    done = farflung.run("run", "configs/demo.yaml", env=dict(farflung.env, PATH=path), code=0)
    check_demo(farflung, done)
    notes = [line for line in done.stdout.splitlines() if "no pytest in" in line]
    assert notes and str(shim) in notes[0], done.stdout


def test_demo_file_is_right(farflung, demo):
    assert farflung.run("check", "configs/demo.yaml", code=0).stdout.startswith(
        "configs/demo.yaml: ok: 2 hosts with 3 slots, 4 jobs\n")

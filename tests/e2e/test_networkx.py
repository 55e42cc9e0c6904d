"""A real suite of thousands of tests: networkx's, with the outcomes that plain pytest gives."""
import subprocess
import sys

import pytest

from conftest import junit_outcomes

SYSTEM_PYTHON = "/usr/bin/python3"


def has(python, module):
    return subprocess.run([python, "-c", f"import {module}, pytest"], capture_output=True).returncode == 0


@pytest.mark.parametrize("collect", ["every", "shard"])
def test_networkx(farflung, tmp_path, collect):
    pytest.importorskip("pytest")
    python = next((p for p in (SYSTEM_PYTHON, sys.executable) if has(p, "networkx")), None)
    if not python:
        pytest.skip("networkx is not installed (Debian: python3-networkx)")
    theirs, ours = tmp_path / "theirs.xml", tmp_path / "ours.xml"
    plain = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider",
         f"--junitxml={theirs}", "--pyargs", "networkx"],
        cwd=farflung.cwd, capture_output=True, text=True, timeout=400)
    done = farflung.run(
        "pytest", "-n", 2, "--collect", collect, "--python", python, "--junit", ours, "--",
        "-p", "no:cacheprovider", "--pyargs", "networkx", timeout=400)
    assert done.returncode == plain.returncode, done.stdout[-3000:] + done.stderr
    expected, got = junit_outcomes(theirs), junit_outcomes(ours)
    assert len(expected) > 3000
    assert set(got) == set(expected)
    assert {k: (got[k], v) for k, v in expected.items() if got[k] != v} == {}

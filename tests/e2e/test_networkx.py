"""A real suite of thousands of tests: networkx's, with the outcomes that plain pytest gives."""
import subprocess
import sys

import pytest

from conftest import has, junit_outcomes

SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize("collect, what", [("every", "networkx"), ("shard", "networkx.generators")])
def test_networkx(farflung, tmp_path, collect, what):
    pytest.importorskip("pytest")
    python = next((p for p in (SYSTEM_PYTHON, sys.executable) if has(p, "networkx", "pytest")), None)
    if not python:
        pytest.skip("networkx is not installed (Debian: python3-networkx)")
    theirs, ours = tmp_path / "theirs.xml", tmp_path / "ours.xml"
    plain = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider",
         f"--junitxml={theirs}", "--pyargs", what],
        cwd=farflung.cwd, capture_output=True, text=True, timeout=400)
    done = farflung.run(
        "pytest", "-n", 2, "--collect", collect, "--python", python, "--junit", ours, "--",
        "-p", "no:cacheprovider", "--pyargs", what, timeout=400)
    assert done.returncode == plain.returncode, done.stdout[-3000:] + done.stderr
    expected, got = junit_outcomes(theirs), junit_outcomes(ours)
    assert len(expected) > (3000 if what == "networkx" else 300)
    assert set(got) == set(expected)
    assert {k: (got[k], v) for k, v in expected.items() if got[k] != v} == {}

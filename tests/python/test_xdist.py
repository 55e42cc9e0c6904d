"""pytest-xdist, as it is installed, on the package."""
import os
import pathlib
import re
import subprocess
import sys

import farflung
import pytest
import sshd as fake_sshd

pytest.importorskip("xdist")

PACKAGE = pathlib.Path(farflung.__file__).parent
SERVER = pathlib.Path(__file__).resolve().parents[2] / "core" / "worker" / "python" / "socketserver.py"
TESTS = """
import os, sys, pytest

@pytest.mark.parametrize("n", range(12))
def test_passes(n):
    import execnet
    assert execnet.__file__.endswith("farflung/execnet/__init__.py")

def test_fails():
    assert 0
"""
CRASHES = """
import os
def test_before(): pass
def test_crash(): os.kill(os.getpid(), 9)
def test_behind(): pass
"""


@pytest.fixture
def run(tmp_path):
    def run(text, *options, **environment):
        (tmp_path / "suite").mkdir()
        (tmp_path / "suite" / "test_it.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        done = subprocess.run(
            [sys.executable, "-m", "farflung.as_execnet", "pytest", "-p", "no:cacheprovider", "-v", *options, str(tmp_path / "suite")],
            cwd=str(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True, timeout=120,
            env=dict(os.environ, PYTHONPATH=str(PACKAGE.parent), **environment))
        return done.returncode, done.stdout

    return run


def outcomes(said):
    return dict(re.findall(r"(\d+) (passed|failed|error)s?", said.splitlines()[-1]))


def test_three_workers(run):
    status, said = run(TESTS, "-n", "3")
    assert (status, outcomes(said)) == (1, {"12": "passed", "1": "failed"}), said
    assert {"[gw0]", "[gw1]", "[gw2]"} >= set(re.findall(r"\[gw\d\]", said)) != set()


def test_popen(run):
    status, said = run(TESTS, "-d", "--tx", "2*popen//python=" + sys.executable)
    assert (status, outcomes(said)) == (1, {"12": "passed", "1": "failed"}), said


def test_ssh(run):
    if not fake_sshd.available():
        pytest.skip("openssh-server is needed")
    paths = os.pathsep.join([str(PACKAGE / "instead"), str(PACKAGE.parent)])
    options = ["SetEnv PYTHONPATH=%s FARFLUNG_LIBRARY=%s" % (paths, os.environ["FARFLUNG_LIBRARY"])]
    with fake_sshd.Sshd(options=options) as sshd:
        status, said = run(
            TESTS, "-d", "--tx", "ssh=%s//python=%s" % (sshd.words, sys.executable), "--rsyncdir=suite")
    assert (status, outcomes(said)) == (1, {"12": "passed", "1": "failed"}), said


def test_socket(run, tmp_path):
    paths = os.pathsep.join([str(PACKAGE / "instead"), str(PACKAGE.parent)])
    server = subprocess.Popen(
        [sys.executable, str(SERVER), "127.0.0.1:0", "--insecure-allow-anyone-to-execute-code"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True,
        cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=paths))
    try:
        address = server.stdout.readline().split()[-1]
        status, said = run(TESTS, "-d", "--tx", "socket=%s//chdir=%s" % (address, tmp_path / "there"),
                           "--rsyncdir=suite")
        assert (status, outcomes(said)) == (1, {"12": "passed", "1": "failed"}), said
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()


def test_a_crashed_worker(run):
    status, said = run(CRASHES, "-n", "1")
    assert status == 1 and "crashed while running" in said and "test_crash" in said, said
    assert outcomes(said) == {"2": "passed", "1": "failed"}

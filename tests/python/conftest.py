"""The Python package, as its users have it: from core/python, with the library of this build."""
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "core" / "python"), str(TOP / "tests" / "fakes")]

import farflung.execnet as execnet  # noqa: E402

SECONDS = 60


@pytest.fixture(scope="session")
def home_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def home(monkeypatch, home_folder):
    """Workers keep what they have compiled in its cache."""
    monkeypatch.setenv("HOME", str(home_folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.fixture
def group():
    group = execnet.Group()
    yield group
    group.terminate(timeout=10)


@pytest.fixture
def gateway(group):
    return group.makegateway("popen")


@pytest.fixture
def script(tmp_path):
    """Runs a text as a program of its own; its stdout. Anything on stderr, or a status, fails."""

    def run(text, *args, status=0, stderr="", **options):
        path = tmp_path / "script.py"
        path.write_text("import sys\nsys.path.insert(0, %r)\n" % str(TOP / "core" / "python") + text)
        done = subprocess.run(
            [sys.executable, str(path), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, universal_newlines=True, timeout=SECONDS, **options)
        assert (done.returncode, done.stderr) == (status, stderr), done.stdout
        return done.stdout

    return run

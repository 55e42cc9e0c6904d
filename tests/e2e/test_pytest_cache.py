"""pytest's cache after a run without a front: what the next --lf, of ours or of pytest's own, goes by."""
import json
import os
import subprocess

import pytest

from conftest import write

SUITE = """
import os, pathlib, pytest
def test_good(): pass
def test_bad(): assert 0
@pytest.mark.xdist_group("db")
@pytest.mark.parametrize("at", ["a@b", "plain"])
def test_group(at): assert at != "plain"
@pytest.mark.skip
def test_skipped(): pass
@pytest.mark.xfail
def test_expected(): assert 0
@pytest.fixture
def broken():
    yield
    assert 0
def test_ends_badly(broken): pass
class TestC:
    def test_m(self): pass
"""
BAD = {"test_a.py::test_bad", "test_a.py::test_group[plain]", "test_a.py::test_ends_badly"}


def pytest_itself(farflung, python, *args):
    """Runs it; gives the names of the tests that it ran."""
    done = subprocess.run([python, "-m", "pytest", "-p", "no:xdist", "-v", *args], cwd=farflung.cwd, env=farflung.env,
                          capture_output=True, text=True)
    return {line.split(" ")[0] for line in done.stdout.splitlines() if "::" in line and line[-2:] == "%]"}


def ours(farflung, python, *args, **options):
    return farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, *args, **options)


def cached(farflung, name="lastfailed", folder=".pytest_cache"):
    """What is there; and nothing that was half written."""
    place = farflung.cwd / folder / "v" / "cache"
    assert not list(place.glob("*.tmp"))
    return json.loads((place / name).read_text())


@pytest.mark.parametrize("dist", ["loadgroup", "each"])
def test_the_next_run_goes_by_it(farflung, python, dist):
    write(farflung.cwd / "test_a.py", SUITE)
    ours(farflung, python, "--dist", dist, code=1)
    assert set(cached(farflung)) == BAD
    names = cached(farflung, "nodeids")
    ((farflung.cwd / ".pytest_cache").rename(farflung.cwd / "of-ours"))
    assert {"README.md", ".gitignore", "CACHEDIR.TAG", "v"} == set(os.listdir(farflung.cwd / "of-ours"))
    assert pytest_itself(farflung, python)
    assert set(cached(farflung)) == BAD and cached(farflung, "nodeids") == names
    text = (farflung.cwd / ".pytest_cache/v/cache/nodeids").read_text()
    assert (farflung.cwd / "of-ours/v/cache/nodeids").read_text() == text
    subprocess.run(["rm", "-r", ".pytest_cache"], cwd=farflung.cwd, check=True)
    (farflung.cwd / "of-ours").rename(farflung.cwd / ".pytest_cache")
    assert pytest_itself(farflung, python, "--lf") == BAD
    if dist != "each":
        ours(farflung, python, "--dist", dist, "--lf", "--junit", "j.xml", code=1)
        assert (farflung.cwd / "j.xml").read_text().count("<testcase ") == len(BAD)
    write(farflung.cwd / "test_a.py", SUITE.replace("test_bad(): assert 0", "test_bad(): pass"))
    ours(farflung, python, "--dist", dist, "-k", "test_bad or good", code=0)
    assert set(cached(farflung)) == BAD - {"test_a.py::test_bad"} and cached(farflung, "nodeids") == names


def test_groups_with_a_front(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE)
    for _ in range(2):
        farflung.run("pytest", "-n", 2, "--front", "always", "--dist", "loadgroup", "--python", python, "--lf", code=1)
        assert set(cached(farflung)) == BAD
    write(farflung.cwd / "test_a.py", SUITE.replace('!= "plain"', '!= "x"'))
    farflung.run("pytest", "-n", 2, "--front", "always", "--dist", "loadgroup", "--python", python, "--lf", code=1)
    assert set(cached(farflung)) == BAD - {"test_a.py::test_group[plain]"}


def test_what_could_not_be_collected(farflung, python):
    write(farflung.cwd / "test_a.py", SUITE)
    write(farflung.cwd / "test_b.py", "import nothing_like_it\n")
    write(farflung.cwd / "test_c.py", "import pytest\npytest.skip('all', allow_module_level=True)\n")
    ours(farflung, python, code=2)
    assert set(cached(farflung)) == {"test_b.py"}
    write(farflung.cwd / "test_b.py", "def test_b(): pass\n")
    ours(farflung, python, code=1)
    assert set(cached(farflung)) == BAD


def test_the_last_attempt_counts(farflung, python):
    write(farflung.cwd / "test_f.py", """
import pathlib
def had(name):
    mark = pathlib.Path(__file__).with_name(name)
    had = mark.exists()
    mark.touch()
    return had
def test_flaky(): assert had("one")
def test_crashes(): assert had("two") or __import__("os")._exit(3)
def test_bad(): assert 0
""")
    ours(farflung, python, "--retries", 1, code=1)
    assert set(cached(farflung)) == {"test_f.py::test_bad"}


def test_where_it_is(farflung, python, tmp_path):
    write(farflung.cwd / "test_a.py", SUITE)
    ours(farflung, python, "-p", "no:cacheprovider", code=1)
    assert not (farflung.cwd / ".pytest_cache").exists()
    ours(farflung, python, "-o", "cache_dir=sub/my cache", "-k", "bad", code=1)
    assert set(cached(farflung, folder="sub/my cache")) == BAD - {"test_a.py::test_group[plain]"}
    farflung.env["ELSEWHERE"] = str(tmp_path / "elsewhere")
    ours(farflung, python, "-o", "cache_dir=$ELSEWHERE/c", "-k", "test_bad", code=1)
    assert set(cached(farflung, folder=tmp_path / "elsewhere" / "c")) == {"test_a.py::test_bad"}
    # From a folder below the root.
    write(farflung.cwd / "pytest.ini", "[pytest]\n")
    write(farflung.cwd / "below" / "test_d.py", "def test_d(): assert 0\n")
    farflung.run("pytest", "-n", 1, "--front", "never", "--python", python, cwd=farflung.cwd / "below", code=1)
    assert set(cached(farflung)) == {"below/test_d.py::test_d"}
    # Damaged: as if it were not there.
    write(farflung.cwd / ".pytest_cache/v/cache/lastfailed", "{\"test_a.py")
    ours(farflung, python, "-k", "test_bad", code=1)
    assert set(cached(farflung)) == {"test_a.py::test_bad"}
    assert not (farflung.cwd / "of-pytest").exists()


def test_one_that_can_not_be_written_fails_no_run(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    write(farflung.cwd / ".pytest_cache", "in the way\n")
    done = ours(farflung, python, code=0)
    assert "no cache of pytest for --lf: " in done.stderr and ".pytest_cache" in done.stderr
    assert done.stderr.splitlines()[-1] == "farflung: 1 passed (exit 0)"


def test_workers_elsewhere(farflung, python, tmp_path, sshd):
    """Their folder stands for the tree here; what would lead out of it is not believed."""
    write(farflung.cwd / "src" / "test_a.py", SUITE)
    text = (f"inventory: ['ssh={sshd.words}//chdir={tmp_path}/there//python={python}']\ntree: {{source: src}}\n"
            "jobs: {unit: {pytest: [%s], front: never}}\n")
    farflung.yaml(text % "'.'")
    farflung.run("run", code=1)
    assert set(cached(farflung, folder="src/.pytest_cache")) == BAD
    assert not (tmp_path / "there" / ".pytest_cache" / "v" / "cache" / "lastfailed").exists()
    farflung.yaml(text % f"'.', -o, cache_dir={tmp_path}/outside")
    farflung.run("run", code=1)
    assert not (tmp_path / "outside" / "v" / "cache" / "lastfailed").exists()

"""--collect shard below a front: its session is told what was found, and what nobody got to."""
import subprocess

import pytest

from conftest import CONTROLLER_CONFTEST, junit_outcomes, of_kind, outcomes, read_jsonl, write

SUITE = {
    "test_a.py": "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_a(n): assert n != 3\n",
    "test_b.py": "import pytest\ndef test_skip(): pytest.skip('no need')\ndef test_b(): print('said')\n",
    "pack/test_c.py": "import warnings\ndef test_c(): warnings.warn('look')\nclass TestC:\n    def test_d(self): pass\n",
    "test_d.py": "import pytest\n@pytest.fixture\ndef broken(): raise ValueError('broken')\ndef test_e(broken): pass\n",
}
BAD = {
    "test_a.py": "def test_a(): pass\n",
    "test_c.py": "import time\ndef test_c(): time.sleep(0.1)\ndef test_d(): pass\n",
}


@pytest.fixture
def shard(farflung, python, tmp_path):
    def run(files, *args, workers=2):
        for name, text in files.items():
            write(farflung.cwd / name, text)
        path = tmp_path / "events.jsonl"
        done = farflung.run("pytest", "-n", workers, "--python", python, "--front", "always", "--collect", "shard",
                            "--jsonl", path, "-p", "no:cacheprovider", *args)
        done.events = read_jsonl(path)
        done.last = done.stderr.splitlines()[-1]
        return done

    return run


def test_outcomes_and_totals_are_those_of_pytest(shard, farflung, python, tmp_path):
    done = shard(SUITE, f"--junitxml={tmp_path / 'ours.xml'}")
    plain = subprocess.run(
        [python, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={tmp_path / 'theirs.xml'}"],
        cwd=farflung.cwd, env=farflung.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == plain.returncode == 1
    assert junit_outcomes(tmp_path / "ours.xml") == junit_outcomes(tmp_path / "theirs.xml")
    assert plain.stdout.splitlines()[-1].split(" in ")[0] == done.stdout.splitlines()[-1].split(" in ")[0]
    assert "2 workers [4 files]" in done.stdout
    assert len(of_kind(done.events, "units-added")) == 4 and len(outcomes(done.events)) == 14
    assert "[100%]" in done.stdout and done.stdout.count("%]") == 1, "progress ends when all files are known"


def test_what_plugins_do_in_the_controller(shard, farflung):
    done = shard({**SUITE, "conftest.py": CONTROLLER_CONFTEST})
    assert done.returncode == 1 and of_kind(done.events, "units-added")
    down = sorted((farflung.cwd / "down.txt").read_text().splitlines())
    assert [line.split()[:2] for line in down] == [["gw0", "None"], ["gw1", "None"]]


def test_who_asks_for_all_tests_has_them(shard, farflung):
    hook = "def pytest_xdist_node_collection_finished(node, ids): open('ids', 'a').write('%d ' % len(ids))\n"
    done = shard({**SUITE, "conftest.py": hook})
    assert (farflung.cwd / "ids").read_text() == "14 14 "
    assert not of_kind(done.events, "units-added")
    assert "a hook in its front asks for all tests" in done.stdout
    assert len(outcomes(done.events)) == 14


@pytest.mark.parametrize("go_on", [False, True], ids=["stops", "goes on"])
@pytest.mark.parametrize("bad", ["import nothing_like_it\n", "import os\nos._exit(7)\n"], ids=["import", "crash"])
def test_a_file_that_can_not_be_collected(shard, bad, go_on):
    # The biggest is given first. Another worker might be through with all the others by then.
    done = shard({**BAD, "test_bad.py": bad + "#" * 1000}, *["--continue-on-collection-errors"] * go_on,
                 workers=2 if go_on else 1)
    assert done.returncode == (1 if go_on else 2)
    assert "1 not collected" in done.last
    assert "ERROR test_bad.py" in done.stdout
    if go_on:
        assert " 3 passed, 1 error in " in done.stdout
    else:
        assert "Interrupted: 1 error during collection" in done.stdout
        assert "not run: 1 error during collection" in done.stdout


def test_files_that_nobody_got_to(shard):
    done = shard({
        "test_first.py": "def test_end(): assert 0\n" + "#" * 1000,
        "test_b.py": "def test_b(): pass\n",
        "test_c.py": "def test_c(): pass\n",
    }, "-x", "-v", workers=1)
    assert done.returncode == 2, "as pytest -x -n"
    assert "2 not run: maxfail" in done.stdout
    assert "NOT RUN test_b.py" in done.stdout and "NOT RUN test_c.py" in done.stdout
    assert "2 files not run" in done.last
    assert len(of_kind(done.events, "part-not-run")) == 2


def test_a_test_that_crashes_its_worker(shard):
    done = shard({**BAD, "test_bad.py": "import os\ndef test_1(): pass\ndef test_2(): os._exit(3)\ndef test_3(): pass\n"})
    assert done.returncode == 1
    assert "crashed while running 'test_bad.py::test_2'" in done.stdout
    assert " 1 failed, 5 passed in " in done.stdout
    ended = outcomes(done.events)
    assert ended.pop("test_bad.py::test_2") == "crashed" and set(ended.values()) == {"passed"} and len(ended) == 5


@pytest.mark.parametrize("files", [BAD, {}], ids=["none left", "no file"])
def test_nothing_to_run(shard, files):
    done = shard(files, "-k", "nothing_is_so")
    assert done.returncode == 5
    assert "no tests ran" in done.stdout

"""Sessions that begin one after the other, where earlier runs tell that their beginning needs a CPU."""
import json
import os

import pytest

from conftest import outcomes, read_jsonl, write

CPUS = len(os.sched_getaffinity(0))
WORKERS = CPUS + 3
BEGINS = "import notes\nnotes.note('begun')\n"
NOTES = """
import os, time
def note(word):
    with open(os.environ["NOTES"], "a") as file:
        print(word, file=file)
def noted(word):
    with open(os.environ["NOTES"]) as file:
        return file.read().split().count(word)
def wait_for(word, count):
    limit = time.monotonic() + 60
    while noted(word) < count:
        assert time.monotonic() < limit, (word, noted(word))
        time.sleep(0.01)
"""
TESTS = """
import pytest, notes
@pytest.mark.parametrize("i", range(%d))
def test_i(i):
    notes.note("test")
    notes.wait_for("begun", %d)
""" % (3 * WORKERS, WORKERS)


@pytest.fixture
def suite(farflung, python):
    """Runs it: once to learn, then with what was learned changed to `turn_us`."""
    write(farflung.cwd / "notes.py", NOTES)
    write(farflung.cwd / "test_it.py", TESTS)
    events = farflung.cwd.parent / "events.jsonl"
    file = farflung.cwd.parent / "notes"
    farflung.env["NOTES"] = str(file)

    def run(turn_us, conftest, code=0):
        write(farflung.cwd / "conftest.py", BEGINS)
        one()
        (told,) = (farflung.cwd / ".farflung" / "imports").glob("*.json")
        known = json.loads(told.read_text())
        assert known["turn_us"] >= 0
        told.write_text(json.dumps(dict(known, turn_us=turn_us)))
        write(farflung.cwd / "conftest.py", conftest)
        file.unlink()
        done = one(code)
        done.events, done.notes = read_jsonl(events), file.read_text().split()
        return done

    def one(code=0):
        return farflung.run("pytest", "-n", WORKERS, "--front", "never", "--collect", "every", "--python", python,
                            "--jsonl", events, "--", "-p", "no:randomly", code=code)

    return run


def test_first_tests_run_before_all_have_begun(suite):
    done = suite(60_000_000, BEGINS)
    assert done.notes.index("test") <= CPUS
    assert done.notes.count("begun") == WORKERS and len(outcomes(done.events)) == 3 * WORKERS


def test_a_turn_has_an_end(suite):
    """Each waits for all the others."""
    done = suite(1000, BEGINS + "notes.wait_for('begun', %d)\n" % WORKERS)
    assert done.notes.index("test") == WORKERS and len(outcomes(done.events)) == 3 * WORKERS


def test_whoever_dies_passes_his_turn_on(suite):
    dies = (
        "import os\n" + BEGINS + "try: os.mkdir(os.environ['NOTES'] + '.died')\nexcept FileExistsError: pass\nelse: os._exit(7)\n"
    )
    done = suite(60_000_000, dies)
    assert len(outcomes(done.events)) == 3 * WORKERS


def test_the_end_reaches_those_who_wait(suite):
    ends = "import pytest\n" + BEGINS + "def pytest_configure(config): pytest.exit('enough', 3)\n"
    done = suite(60_000_000, ends, code=None)
    assert done.returncode != 0 and "enough" in done.stdout + done.stderr
    assert outcomes(done.events) == {}

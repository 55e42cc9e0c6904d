"""farflung_once: set up by one worker, had by all, torn down by the last, whoever dies meanwhile."""
import os
import pathlib
import signal

import pytest

from conftest import has, of_kind, outcomes, read_jsonl, wait_until, write

PLUGIN = pathlib.Path(__file__).parents[2] / "plugins" / "pytest"

CONFTEST = """
import os, time
import pytest

LOG = os.environ["LOG"]


def note(text):
    with open(LOG, "a") as file:
        file.write("%s %s %d\\n" % (text, os.environ.get("PYTEST_XDIST_WORKER"), os.getpid()))


def up():
    note("up")
    return {"port": 7, "more": (1, b"x", None, 1.5, float("inf"), {2}, [], (3,), "\\u20ac\\0\\ud800")}


def down(value):
    assert value["port"] == 7
    note("down")


@pytest.fixture(scope="session")
def db(farflung_once):
    value = farflung_once("db", up, down)
    note("had")
    yield value
    note("left")
"""
TESTS = """
import pytest
@pytest.mark.parametrize("n", range(20))
def test_a(db, n):
    assert db["more"] == (1, b"x", None, 1.5, float("inf"), {2}, [], (3,), "\\u20ac\\0\\ud800")
    db["port"] = n  # its own copy
def test_without(): pass
"""


@pytest.fixture
def log(farflung):
    path = farflung.cwd.parent / "log"
    farflung.env["LOG"] = str(path)
    return lambda: [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def run(farflung, python, *args, code=0):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "--python", python, "--jsonl", path, *args, code=code)
    done.events = read_jsonl(path)
    return done


@pytest.mark.parametrize("collect", ["every", "shard"])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_once(farflung, python, log, workers, collect):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_a.py", TESTS)
    write(farflung.cwd / "test_b.py", TESTS)
    run(farflung, python, "-n", workers, "--collect", collect)
    found = log()
    assert found[0] == "up" and found[-1] == "down" and found.count("up") == found.count("down") == 1


def test_setup_fails_for_all(farflung, python, log):
    write(farflung.cwd / "conftest.py", CONFTEST.replace('    note("up")', '    note("up"); raise KeyError("no db")'))
    write(farflung.cwd / "test_a.py", TESTS)
    done = run(farflung, python, "-n", 3, code=1)
    assert log() == ["up"]
    found = outcomes(done.events)
    assert found.pop("test_a.py::test_without") == "passed"
    assert set(found.values()) == {"error"}
    messages = [e["result"]["message"] for e in of_kind(done.events, "unit-finished") if e["result"]["outcome"] == "error"]
    assert all("no db" in message for message in messages), messages


@pytest.mark.parametrize(
    "value, words",
    [
        ("object()", "it holds a object; expected None, numbers, texts"),
        ("{'a': [__import__('pathlib').Path('x')]}", "it holds a PosixPath"),
        ("float('nan')", "a float that is not a number"),
        ("set()", "an empty set"),
        ("(lambda x: x.append(x) or x)([])", "nested too deeply, or holds itself"),
        ("'x' * (9 << 20)", "characters, and at most"),
    ],
)
def test_values_that_no_other_can_have(farflung, python, log, value, words):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(
        farflung.cwd / "test_a.py",
        f"from conftest import note\ndef test_a(farflung_once): farflung_once('v', lambda: {value}, lambda v: note('down'))\n",
    )
    done = run(farflung, python, "-n", 2, code=1)
    assert words in done.stdout and "farflung_once('v'): its value can't be shared" in done.stdout
    assert log() == ["down"]  # what was set up


@pytest.mark.parametrize(
    "call, words",
    [
        ("1, int", "its name is 1; expected a text"),
        ("'a', 5", "setup is 5; expected something to be called"),
        ("'a', int, 5", "teardown is 5; expected"),
        ("'a', int, scope='session'", "scope='session'; expected 'host' or 'run'"),
    ],
)
def test_wrong_calls(farflung, python, call, words):
    write(farflung.cwd / "test_a.py", f"def test_a(farflung_once): farflung_once({call})\n")
    assert words in run(farflung, python, "-n", 2, code=1).stdout


def test_teardown_fails(farflung, python, log):
    write(farflung.cwd / "conftest.py", CONFTEST.replace('    note("down")', '    raise OSError("stuck")'))
    write(farflung.cwd / "test_a.py", TESTS)
    done = farflung.run("pytest", "--python", python, "-n", 2)
    assert done.returncode not in (0, 5)
    assert "farflung_once('db'): its teardown failed: OSError: stuck" in done.stdout + done.stderr


def test_who_waits_is_not_silent(farflung, python, log):
    """A long setup is waited for, though nobody says anything else."""
    write(farflung.cwd / "conftest.py", CONFTEST.replace('    note("up")', '    note("up"); time.sleep(4)'))
    write(
        farflung.cwd / "test_a.py",
        "import pytest\n@pytest.mark.parametrize('n', range(2))\ndef test_a(db, n): pass\n",
    )
    farflung.run_yaml(
        f"inventory: [{{spec: popen//python={python}, slots: 2}}]\n"
        "jobs: {t: {pytest: [test_a.py], session_timeout: 30s}}\n",
        code=0,
    )
    assert log().count("up") == log().count("down") == 1


def test_the_one_who_sets_up_dies(farflung, python, log):
    """Whoever waits is next."""
    write(
        farflung.cwd / "conftest.py",
        CONFTEST.replace(
            '    note("up")',
            '    note("up")\n    if not os.path.exists(LOG + ".died"): open(LOG + ".died", "w").close(); os._exit(9)',
        ),
    )
    write(farflung.cwd / "test_a.py", TESTS)
    done = run(farflung, python, "-n", 3, code=1)
    assert sorted(outcomes(done.events).values()) == ["crashed"] + 20 * ["passed"]
    assert log().count("up") == 2 and log().count("down") == 1 and log()[-1] == "down"


def test_the_one_who_has_set_up_dies(farflung, python, log):
    """What is there stays for the others, and is torn down by the last of them."""
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(
        farflung.cwd / "test_a.py",
        TESTS
        + """
import os
from conftest import LOG
def test_dies(db):
    with open(LOG) as file:
        if "up %s " % os.environ["PYTEST_XDIST_WORKER"] in file.read():
            os._exit(9)
@pytest.mark.parametrize("n", range(4))
class TestMore:
    test_dies = staticmethod(lambda db, n: test_dies(db))
""",
    )
    done = farflung.run("pytest", "--python", python, "-n", 3)
    assert done.returncode in (0, 1)
    assert log().count("up") == 1 and log().count("down") == 1 and log()[-1] == "down"


def test_nobody_is_left_to_tear_down(farflung, python, log):
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_a.py", "import os\ndef test_a(db): os._exit(9)\n")
    done = run(farflung, python, "-n", 1, code=1)
    assert "farflung_once('db'): nobody tore it down" in done.stdout + done.stderr


@pytest.mark.parametrize("busy", [1, 2])
def test_an_interrupt(farflung, python, log, busy):
    """Whoever is still at a test is killed after a while; another one that had it tears it down."""
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(
        farflung.cwd / "test_a.py",
        TESTS.replace("    assert", f"    if n in {[0, 10][:busy]}:\n        note('waits'); time.sleep(600)\n    assert").replace(
            "import pytest", "import pytest, time\nfrom conftest import note"
        ),
    )
    farflung.yaml(
        f"inventory: [{{spec: popen//python={python}, slots: 3}}]\n"
        "jobs: {t: {pytest: [test_a.py], dist: worksteal}}\nsettings: {grace: 1s}\n"
    )
    process = farflung.start("run", "farflung.yaml")
    wait_until(lambda: log().count("waits") == busy and log().count("had") > busy, 60, "tests wait")
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert log().count("up") == 1 and log().count("down") == 1


@pytest.mark.parametrize("scope, times", [("host", 2), ("run", 1)])
def test_over_hosts(farflung, python, log, scope, times):
    write(farflung.cwd / "conftest.py", CONFTEST.replace("up, down)", f"up, down, scope={scope!r})"))
    for host in ("one", "two"):
        write(farflung.cwd / f"test_{host}.py", TESTS + f"pytestmark = pytest.mark.farflung(host={host!r})\n")
    farflung.run_yaml(
        f"inventory:\n  - {{spec: popen//python={python}, name: one, slots: 2}}\n"
        f"  - {{spec: popen//python={python}, name: two, slots: 2}}\n"
        "jobs: {t: {pytest: []}}\n",
        code=0,
    )
    assert log().count("up") == log().count("down") == times


@pytest.mark.parametrize("how", ["plain", "xdist", "farflung"])
def test_the_plugin(farflung, python, program, log, how):
    """The same suite under plain pytest, under pytest-xdist, and under `pytest --farflung`."""
    if how == "xdist" and not has(python, "xdist"):
        pytest.skip("that Python has no pytest-xdist")
    write(farflung.cwd / "conftest.py", CONFTEST)
    write(farflung.cwd / "test_a.py", TESTS)
    farflung.program = python
    farflung.env.update(PYTHONPATH=str(PLUGIN), PYTEST_PLUGINS="pytest_farflung", FARFLUNG=program)
    farflung.env["PYTHONDONTWRITEBYTECODE"] = "1"
    temporary = farflung.cwd.parent / "tmp"
    temporary.mkdir()
    farflung.env["TMPDIR"] = str(temporary)
    args = {"plain": [], "xdist": ["-n", 3], "farflung": ["--farflung", "-n", 3]}[how]
    done = farflung.run("-m", "pytest", "--strict-markers", *args, code=0)
    assert "21 passed" in done.stdout
    found = log()
    assert found.count("up") == found.count("down") >= 1
    assert how == "xdist" or found.count("up") == 1
    assert not list(temporary.glob("farflung-once*"))
    markers = farflung.run("-m", "pytest", "--markers", code=0).stdout
    assert markers.count("@pytest.mark.farflung(serial, resource, host") == 1
    # A setup that fails does so once for each, and the exit status says so.
    write(farflung.cwd / "conftest.py", CONFTEST.replace('    note("up")', '    raise KeyError("no db")'))
    assert "no db" in farflung.run("-m", "pytest", *args, code=1).stdout
    write(farflung.cwd / "conftest.py", CONFTEST.replace('    note("down")', '    raise OSError("stuck")'))
    done = farflung.run("-m", "pytest", *args)
    assert done.returncode != 0 or how == "xdist"
    assert how == "xdist" or "its teardown failed: OSError: stuck" in done.stdout + done.stderr

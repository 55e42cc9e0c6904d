"""What tests ask for by marks is kept, whoever spreads them; what can't be, or makes no sense, is told."""
import os

import pytest

from conftest import has, of_kind, outcomes, read_jsonl, wait_until, write

# Each test says that it runs, and looks who else does.
CONFTEST = """
import os, time
import pytest

HERE = os.environ["FOLDER"]


def running():
    return set(os.listdir(HERE)) - {os.environ["PYTEST_XDIST_WORKER"]}


@pytest.fixture(autouse=True)
def told(request):
    me = os.path.join(HERE, os.environ["PYTEST_XDIST_WORKER"])
    needs = request.node.name.split("_")[1].split("[")[0]
    with open(me + ".new", "w") as file:
        file.write(needs)
    os.rename(me + ".new", me)
    yield
    os.unlink(me)


def needs_of(others):
    found = []
    for name in others:
        try:
            with open(os.path.join(HERE, name)) as file:
                found.append(file.read())
        except OSError:
            pass
    return found


@pytest.fixture
def look(request):
    def look(bad):
        for _ in range(10):
            found = [needs for needs in needs_of(running()) if bad(needs)]
            assert not found, found
            time.sleep(0.002)
    return look
"""
SUITE = """
import pytest
mark = pytest.mark.farflung
many = pytest.mark.parametrize("n", range(5))

@many
def test_any(n, look): look(lambda needs: needs == "serial")

@mark(resource="db")
@many
def test_db(n, look): look(lambda needs: "db" in needs or needs == "serial")

@mark(resource=["db", "net"])
def test_dbnet(look): look(lambda needs: "db" in needs or "net" in needs or needs == "serial")

@mark(resource="net")
class TestNet:
    @many
    def test_net(self, n, look): look(lambda needs: "net" in needs or needs == "serial")

@mark(serial=True)
@pytest.mark.parametrize("n", range(3))
def test_serial(n, look): look(lambda needs: True)

@pytest.mark.xdist_group("g")
@many
def test_group(n, look): look(lambda needs: needs in ("group", "serial"))

@mark(weight=2)
def test_heavy(look): look(lambda needs: needs == "serial")
"""


def make(farflung, **files):
    folder = farflung.cwd.parent / "running"
    folder.mkdir(exist_ok=True)
    farflung.env["FOLDER"] = str(folder)
    write(farflung.cwd / "conftest.py", CONFTEST)
    for name, text in files.items():
        write(farflung.cwd / f"{name}.py", text)


def run(farflung, python, *args, code=0):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "--python", python, "--jsonl", path, *args, code=code)
    done.events = read_jsonl(path)
    return done


def workers_of(events, part):
    return {e["worker"] for e in of_kind(events, "unit-started") if part in e["unit"]}


@pytest.mark.parametrize(
    "dist, collect",
    [(dist, "every") for dist in ("load", "worksteal", "auto", "loadscope", "loadfile", "loadgroup", "no")]
    + [(dist, "shard") for dist in ("load", "worksteal", "loadfile")],
)
def test_all_is_kept(farflung, python, dist, collect):
    make(farflung, test_a=SUITE, test_b=SUITE, test_c="def test_any(look): look(lambda needs: needs == 'serial')")
    done = run(farflung, python, "-n", 3, "--dist", dist, "--collect", collect)
    assert len(outcomes(done.events)) == 51 and set(outcomes(done.events).values()) == {"passed"}
    assert len(workers_of(done.events, "::test_group[")) == 1
    if dist == "loadfile":
        for name in "abc":
            assert len(workers_of(done.events, f"test_{name}.py")) == 1
    again = run(farflung, python, "-n", 3, "--dist", dist, "--collect", collect)  # with a history
    assert outcomes(again.events) == outcomes(done.events)


def test_kept_when_workers_die_and_tests_run_again(farflung, python):
    """What a worker held that died is for others."""
    make(
        farflung,
        test_a=SUITE,
        test_b="""
import os, pytest
first = pytest.mark.parametrize("n", range(4))

@pytest.mark.farflung(resource="db", retries=1)
@first
def test_db(n, tmp_path_factory):
    mark = os.path.join(os.environ["FOLDER"], "..", "once-%d" % n)
    if not os.path.exists(mark):
        open(mark, "w").close()
        if n % 2:
            os.unlink(os.path.join(os.environ["FOLDER"], os.environ["PYTEST_XDIST_WORKER"]))
            os._exit(1)
        assert False

@pytest.mark.farflung(serial=True, retries=1)
def test_serial(look):
    look(lambda needs: True)
    mark = os.path.join(os.environ["FOLDER"], "..", "once-serial")
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.unlink(os.path.join(os.environ["FOLDER"], os.environ["PYTEST_XDIST_WORKER"]))
        os._exit(1)
""",
    )
    done = run(farflung, python, "-n", 3)
    assert set(outcomes(done.events).values()) == {"passed"} and len(outcomes(done.events)) == 30
    assert len(of_kind(done.events, "unit-finished", final=False)) == 5


def test_with_a_front(farflung, python):
    """`pytest --farflung` and suites with a conftest of xdist's go another way to the same."""
    make(farflung, test_a=SUITE)
    with open(farflung.cwd / "conftest.py", "a") as file:
        file.write("\ndef pytest_terminal_summary(terminalreporter): terminalreporter.write_line('the front is here')\n")
    done = run(farflung, python, "-n", 3)
    assert "the front is here" in done.stdout
    assert len(outcomes(done.events)) == 25 and set(outcomes(done.events).values()) == {"passed"}


BAD = {
    "serial='yes'": "serial='yes': expected True or False",
    "memory='lots'": "memory='lots': expected bytes, or a text such as '512M' or '2G'",
    "memory=True": "memory=True: expected bytes",
    "timeout=0": "timeout=0: expected a number of seconds above 0",
    "timeout=float('nan')": "timeout=nan: expected a number of seconds above 0",
    "retries=-1": "retries=-1: expected a number from 0 on",
    "retries=10**20": "retries=100000000000000000000: expected a number",
    "weight=0": "weight=0: expected a number from 1 on",
    "weight=1.5": "weight=1.5: expected a number from 1 on",
    "resource=''": "resource='': expected a name, or a list of names",
    "resource=[]": "resource=[]: expected a name",
    "resource=['a', 3]": "resource=['a', 3]: expected a name",
    "host=7": "host=7: expected the name or tag of hosts",
    "colour=1": "has no key 'colour'; expected keys are serial, resource, host, timeout, retries, weight, memory",
    "'db'": "takes no 'db' without a key; expected keys are serial",
}


@pytest.mark.parametrize("collect", ["every", "shard"])
def test_marks_that_make_no_sense(farflung, python, collect):
    write(
        farflung.cwd / "test_a.py",
        "import pytest\ndef test_fine(): pass\n"
        + "".join(f"@pytest.mark.farflung({bad})\ndef test_{n}(): pass\n" for n, bad in enumerate(BAD)),
    )
    done = run(farflung, python, "-n", 2, "--collect", collect, code=2)
    assert not of_kind(done.events, "unit-started")
    told = {e["nodeid"]: e["longrepr"] for e in of_kind(done.events, "collect-problem")}
    for n, words in enumerate(BAD.values()):
        assert words in told[f"test_a.py::test_{n}"] and f"test_a.py::test_{n}: @pytest.mark.farflung" in done.stdout
    assert len(told) == len(BAD)
    done = run(
        farflung, python, "-n", 2, "--collect", collect, "--continue-on-collection-errors", code=1
    )
    assert outcomes(done.events) == {"test_a.py::test_fine": "passed"}


def test_limits_of_its_own(farflung, python):
    write(
        farflung.cwd / "test_a.py",
        """
import os, time, pytest

@pytest.mark.farflung(timeout=0.2)
def test_slow(): time.sleep(60)

@pytest.mark.farflung(retries=2)
class TestAgain:
    def test_two(self): assert os.path.exists("2") or (os.path.exists("1") and open("2", "w").close()) or open("1", "w").close()
    @pytest.mark.farflung(retries=0)
    def test_none(self): assert False
""",
    )
    done = run(farflung, python, "-n", 2, "--timeout", 50, code=1)
    assert outcomes(done.events) == {
        "test_a.py::test_slow": "timeout",
        "test_a.py::TestAgain::test_two": "passed",
        "test_a.py::TestAgain::test_none": "failed",
    }
    assert "timed out after 0.2 s" in done.stdout
    assert len(of_kind(done.events, "unit-finished", unit="test_a.py::TestAgain::test_none")) == 1
    assert len(of_kind(done.events, "unit-finished", unit="test_a.py::TestAgain::test_two")) == 3


def test_the_mark_is_known(farflung, python):
    write(farflung.cwd / "test_a.py", "import pytest\n@pytest.mark.farflung(serial=True)\ndef test_a(): pass\n")
    run(farflung, python, "-n", 2, "--strict-markers")
    run(farflung, python, "-n", 2, "--strict-markers", "-p", "no:xdist")
    write(farflung.cwd / "conftest.py", "def pytest_terminal_summary(): pass\n")
    run(farflung, python, "-n", 2, "--strict-markers")


HOSTS = """
inventory:
  - {spec: popen, name: one, slots: 2, tags: [small]}
  - {spec: popen, name: two, slots: 2, tags: [big, gpu]}
"""
ON_HOSTS = """
import pytest

@pytest.mark.farflung(host="gpu")
@pytest.mark.parametrize("n", range(6))
def test_gpu(n): pass

@pytest.mark.farflung(host="one", serial=True)
def test_one(): pass

@pytest.mark.parametrize("n", range(6))
def test_any(n): pass
"""


@pytest.mark.parametrize("settings", ["", ", dist: loadgroup", ", dist: worksteal", ", dist: 'no'"])
def test_hosts(farflung, python, settings):
    write(farflung.cwd / "test_a.py", ON_HOSTS)
    done = farflung.run_yaml(
        HOSTS.replace("popen", f"popen//python={python}") + "jobs:\n  t: {pytest: [test_a.py]" + settings + "}\n", code=0
    )
    assert len(outcomes(done.events)) == 13
    for event in of_kind(done.events, "unit-started"):
        assert event["host"] == {"test_gpu": "two", "test_one": "one"}.get(event["unit"][11:].split("[")[0], event["host"])


def test_no_such_host(farflung, python):
    write(farflung.cwd / "test_a.py", ON_HOSTS.replace('"gpu"', '"tpu"'))
    hosts = HOSTS.replace("popen", f"popen//python={python}")
    done = farflung.run_yaml(hosts + "jobs:\n  t: {pytest: [test_a.py]}\n")
    assert done.returncode not in (0, 1)
    words = "test_a.py::test_gpu[0]: @pytest.mark.farflung(host='tpu'): no host of this job is called so"
    assert words in done.stderr and "its hosts are one, two" in done.stderr
    assert not of_kind(done.events, "unit-started")
    # It is there, but not for this job.
    write(farflung.cwd / "test_a.py", ON_HOSTS)
    done = farflung.run_yaml(hosts + "jobs:\n  t: {pytest: [test_a.py], on: small}\n")
    assert done.returncode not in (0, 1) and "its hosts are one" in done.stderr


def test_a_host_that_never_comes(farflung, python):
    """The others run; those that nobody can run are lost, and say why."""
    write(farflung.cwd / "test_a.py", ON_HOSTS)
    hosts = HOSTS.replace("popen, name: one", f"popen//python={python}, name: one").replace(
        "popen, name: two", "popen//python=/no/such/python, name: two"
    )
    done = farflung.run_yaml(hosts + "jobs:\n  t: {pytest: [test_a.py]}\nsettings: {reconnect: 1s}\n")
    assert done.returncode not in (0, 2)
    found = outcomes(done.events)
    assert len(found) == 13
    assert {unit for unit in found if found[unit] == "lost"} == {f"test_a.py::test_gpu[{n}]" for n in range(6)}
    assert sum(outcome == "passed" for outcome in found.values()) == 7
    assert "@pytest.mark.farflung(host='gpu')" in done.stderr + done.stdout


def test_a_resource_of_two_jobs(farflung, python):
    """There is one of it in the whole run; with a pool of that name, as many as that says."""
    make(farflung, test_a=SUITE.replace("serial=True", "retries=1").replace("test_serial", "test_any2"))
    text = HOSTS.replace("popen", f"popen//python={python}") + "jobs:\n  a: {pytest: [test_a.py, -k, db or net]}\n"
    text += "  b: {pytest: [test_a.py, -k, db or net]}\n"
    done = farflung.run_yaml(text, code=0)
    assert len(of_kind(done.events, "unit-finished")) == 22


def test_each_says_that_it_has_no_effect(farflung, python):
    write(farflung.cwd / "test_a.py", "import pytest\n@pytest.mark.farflung(serial=True)\ndef test_a(): pass\n")
    done = run(farflung, python, "-n", 2, "--dist", "each")
    assert "have no effect with --dist each" in done.stdout + done.stderr


def test_what_a_command_gives_back_is_there_for_tests(farflung, python):
    """Also where the worker that waits for it has nothing else to do, and no other will come."""
    write(farflung.cwd / "test_it.py", """
import os, pytest

@pytest.mark.farflung(resource="db")
def test_db():
    assert os.path.exists("given-back")

def test_other():
    open("has-run", "w").close()
""")
    done = farflung.run_yaml(f"""
        version: 1
        inventory: [{{spec: "2*popen//python={python}"}}]
        pools: {{db: 1}}
        jobs:
          first: {{run: "until [ -e has-run ]; do sleep 0.05; done; sleep 0.3; touch given-back", uses: {{db: 1}}}}
          tests: {{pytest: [], dist: "no", timeout: 20s}}
    """, code=0)
    assert set(outcomes(done.events).values()) == {"passed"} and len(outcomes(done.events)) == 3

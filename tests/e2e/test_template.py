"""Workers that are forked from a template: one interpreter that has imported what the run before had."""
import json
import os
import signal
import subprocess

import pytest

from conftest import command_line, of_kind, outcomes, read_jsonl, wait_until, write

COUNTED = """
import os
with open(os.environ["IMPORTS"], "a") as file:
    print(__name__, os.getpid(), os.environ.get("PYTEST_XDIST_WORKER", "-"), file=file)
"""
SUITE = """
import os, pytest, ff_counted
@pytest.mark.parametrize("i", range(12))
def test_i(i): pass
"""
WORKERS = 3


@pytest.fixture
def site(farflung, python):
    """A folder of installed modules that is this test's own."""
    base = farflung.cwd.parent / "base"
    farflung.env.update(PYTHONUSERBASE=str(base), IMPORTS=str(farflung.cwd.parent / "imports"))
    found = subprocess.run([python, "-c", "import site; print(site.ENABLE_USER_SITE, site.getusersitepackages())"],
                           env=farflung.env, capture_output=True, text=True, check=True).stdout.split()
    if found[0] != "True":
        pytest.skip("this Python has no user's site-packages")
    path = write(base.parent / "nothing", "").parent / found[1]
    write(path / "ff_counted.py", COUNTED)
    return path


def imports(farflung, module="ff_counted"):
    """(pid, worker or "-") of each import of the module since the last call; "-": in a template."""
    path = farflung.env["IMPORTS"]
    lines = open(path).read().splitlines() if os.path.exists(path) else []
    if lines:
        os.remove(path)
    return [tuple(line.split()[1:]) for line in lines if line.split()[0] == module]


def told(farflung):
    """What is kept for the next run; None if nothing is."""
    files = list((farflung.cwd / ".farflung" / "imports").glob("*"))
    assert len(files) < 2 and all(file.suffix == ".json" for file in files), files
    return json.loads(files[0].read_text()) if files else None


def ours(farflung, python, *args, code=0, tests=12):
    path = farflung.cwd.parent / "events.jsonl"
    done = farflung.run("pytest", "-n", WORKERS, "--front", "never", "--python", python, "--jsonl", path, *args, code=code)
    done.events = read_jsonl(path)
    assert len(outcomes(done.events)) == tests
    return done


def trained(farflung, python, *args, code=1, tests=13):
    """Runs it until there is one; a worker that dies may take what it was to tell with it."""
    for _ in range(6):
        ours(farflung, python, *args, code=code, tests=tests)
        if told(farflung) and "ff_counted" in told(farflung)["fit"]:
            imports(farflung)
            return
    pytest.fail("there is none after six runs")


def prepared(farflung, python):
    """Runs it until there is a template that is known to be good."""
    ours(farflung, python)
    first = imports(farflung)
    assert len(first) == WORKERS and "-" not in [worker for _, worker in first]
    assert "ff_counted" in told(farflung)["modules"] and told(farflung)["fit"] == []
    ours(farflung, python)
    second = imports(farflung)
    assert 1 <= len(second) <= 2 and {worker for _, worker in second} == {"-"}  # tried out, then done
    assert "ff_counted" in told(farflung)["fit"]


def test_the_second_run_has_one(farflung, python, site):
    write(farflung.cwd / "test_a.py", SUITE)
    prepared(farflung, python)
    ours(farflung, python)
    assert [worker for _, worker in imports(farflung)] == ["-"]
    ours(farflung, python, "--template", "off")
    assert len(imports(farflung)) == WORKERS


def test_workers_are_as_without(farflung, python, site):
    """What a test sees of its process is the same; what is drawn by chance differs from worker to worker."""
    write(farflung.cwd / "test_a.py", SUITE + """
def test_process(worker_id):
    import json, random, sys
    names = sorted(n for n in sys.modules["__main__"].__dict__ if not n.startswith("__"))
    told = [sys.argv, sys.path, sorted(os.listdir("/proc/self/fd")), names, os.getpgid(0) == os.getpid(),
            os.readlink("/proc/self/cwd"), sys.stdout.encoding, sys.executable]
    with open("told-" + worker_id, "w") as file:
        json.dump([told, random.random()], file)
""")

    def run(*args):
        ours(farflung, python, "--dist", "each", *args, tests=13 * WORKERS)
        files = sorted(farflung.cwd.glob("told-*"))
        assert len(files) == WORKERS
        values = [json.loads(file.read_text()) for file in files]
        assert len({value for _, value in values}) == WORKERS
        return values[0][0]

    run()
    run()
    imports(farflung)
    forked = run()
    assert [worker for _, worker in imports(farflung)] == ["-"]
    assert forked == run("--template", "off")


def test_what_does_more_than_be_imported_is_left_to_the_workers(farflung, python, site):
    write(site / "ff_warns.py", COUNTED + "import warnings\nwarnings.warn('from ff_warns')\n")
    write(site / "ff_uses.py", COUNTED + "import ff_warns\n")
    write(site / "ff_thread.py", COUNTED + "import threading\n"
          "threading.Thread(target=threading.Event().wait, daemon=True).start()\n")
    write(site / "ff_socket.py", COUNTED + "import socket\nline = socket.socketpair()\n")
    write(site / "ff_sets.py", COUNTED + "os.environ.setdefault('FF_SETS', '1')\n")
    write(site / "ff_dies.py", COUNTED + "if 'PYTEST_XDIST_WORKER' not in os.environ: os._exit(3)\n")
    names = ["ff_uses", "ff_thread", "ff_socket", "ff_dies"]
    write(farflung.cwd / "test_a.py", SUITE + f"import {', '.join(names)}\n")
    warned = []
    for _ in range(3):
        imports(farflung, "none")
        done = ours(farflung, python)
        warned.append(len([e for e in of_kind(done.events, "notice") if "from ff_warns" in e["text"]]))
    assert warned[0] > 0 and warned == warned[:1] * 3
    assert {"ff_warns", *names} <= set(told(farflung)["unfit"]) and "ff_counted" in told(farflung)["fit"]
    lines = open(farflung.env["IMPORTS"]).read().split("\n")
    for name in names:
        assert len([line for line in lines if line.startswith(name) and not line.endswith("-")]) == WORKERS
    # One that sets what others read is no use either: nothing but pytest and the standard library is told then.
    write(farflung.cwd / "test_b.py", "import ff_sets\n")
    ours(farflung, python)
    assert not [name for name in told(farflung)["modules"] if name.startswith("ff_")]


def test_what_pytest_rewrites_is_left_to_it(farflung, python, site):
    write(site / "ff_helper" / "__init__.py", COUNTED + "def check(a): assert a == 2\n")
    write(site / "ff_helper" / "sub.py", "")
    write(site / "ff_other.py", "import ff_helper\n")
    write(farflung.cwd / "conftest.py", "import pytest\npytest.register_assert_rewrite('ff_helper')\n")
    write(farflung.cwd / "test_a.py", SUITE + "import ff_helper.sub, ff_other\ndef test_it(): ff_helper.check(1)\n")
    for _ in range(3):
        done = ours(farflung, python, code=1, tests=13)
        assert "assert 1 == 2" in done.stdout and "warning" not in done.stdout
    assert "ff_other" in told(farflung)["unfit"] and "ff_counted" in told(farflung)["fit"]


def test_a_changed_environment_goes_without(farflung, python, site):
    write(farflung.cwd / "test_a.py", SUITE)
    prepared(farflung, python)
    write(site / "ff_new.py", "")
    ours(farflung, python)
    assert len(imports(farflung)) == WORKERS
    ours(farflung, python)  # what was told then is for what is there now
    assert {worker for _, worker in imports(farflung)} == {"-"}
    write(farflung.cwd / "uv.lock", "another")
    ours(farflung, python)
    assert len(imports(farflung)) == WORKERS


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null\n", '{"version": 1, "paths": 3, "modules": []}', "\0", "'" * 9])
def test_damaged_notes_cost_nothing(farflung, python, site, text):
    write(farflung.cwd / "test_a.py", SUITE)
    ours(farflung, python)
    (path,) = (farflung.cwd / ".farflung" / "imports").glob("*")
    path.write_text(text)
    imports(farflung)
    ours(farflung, python)
    assert len(imports(farflung)) == WORKERS
    assert "ff_counted" in told(farflung)["modules"]


def test_a_crash_and_its_successor(farflung, python, site):
    write(farflung.cwd / "test_a.py", SUITE)
    write(farflung.cwd / "test_0.py", "import os\ndef test_dies(): os.kill(os.getpid(), 11)\n")
    trained(farflung, python)
    done = ours(farflung, python, code=1, tests=13)
    assert [worker for _, worker in imports(farflung)] == ["-"]
    assert outcomes(done.events)["test_0.py::test_dies"] == "crashed"
    (ended,) = of_kind(done.events, "worker-ended", crashed=True)
    assert "signal 11" in ended["reason"]


def templates(farflung):
    """Interpreters of the run that are no workers."""
    return [pid for pid in farflung.left_over() if "sys.stdin.readline" in command_line(pid) and not opened(pid, 3)]


def opened(pid, fd):
    try:
        return not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    except OSError:
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_template_that_is_lost(farflung, python, site, how):
    """Those that are there go on; who comes later is started without."""
    write(farflung.cwd / "test_a.py", SUITE.replace(": pass", ": assert not os.path.exists('wait') or not wait('later')") + """
def wait(name):
    import time
    while not os.path.exists(name): time.sleep(0.01)
""")
    write(farflung.cwd / "test_0.py", """
import os, time
def test_dies():
    while not os.path.exists("go"): time.sleep(0.01)
    os.kill(os.getpid(), 9)
""")
    write(farflung.cwd / "go", "")
    trained(farflung, python)
    os.remove(farflung.cwd / "go")
    write(farflung.cwd / "wait", "")
    args = ["-n", WORKERS, "--front", "never", "--dist", "load", "--python", python]
    if how == signal.SIGSTOP:
        args += ["--max-worker-restart", 0]  # nobody is to be forked
    live = farflung.follow("pytest", *args)
    live.event("unit-started", unit="test_0.py::test_dies")
    (template,) = templates(farflung)
    os.kill(template, how)
    write(farflung.cwd / "go", "")
    live.event("worker-ended", crashed=True)  # the others wait: there is something left for another one
    if how == signal.SIGKILL:
        live.wait_for(lambda events: len(of_kind(events, "worker-started")) > WORKERS)
    write(farflung.cwd / "later", "")
    live.finish(code=1)
    assert len(outcomes(live.events)) == 13
    without = [worker for _, worker in imports(farflung) if worker != "-"]
    assert len(without) == (1 if how == signal.SIGKILL else 0)


def test_an_interrupt_leaves_nothing(farflung, python, site):
    write(farflung.cwd / "test_a.py", SUITE)
    prepared(farflung, python)
    write(farflung.cwd / "test_b.py", "import time\ndef test_long(): time.sleep(300)\n")
    live = farflung.follow("pytest", "-n", WORKERS, "--front", "never", "--python", python)
    live.event("unit-started", unit="test_b.py::test_long")
    assert len(templates(farflung)) == 1
    live.process.send_signal(signal.SIGINT)
    live.process.send_signal(signal.SIGINT)
    live.finish(code=2)
    wait_until(lambda: not farflung.left_over(), 20, "the template has gone with its workers")


def test_one_that_takes_too_long(farflung, python, site):
    """The workers are started without it."""
    write(site / "ff_slow.py", "import os, time\ntime.sleep(0 if 'PYTEST_XDIST_WORKER' in os.environ else 300)\n")
    write(farflung.cwd / "test_a.py", SUITE + "import ff_slow\n")
    yaml = f"""
version: 1
inventory: {{hosts: [{{spec: "popen//python={python}", slots: 3}}]}}
settings: {{connect_timeout: 8s}}
jobs: {{t: {{pytest: [.], front: never}}}}
"""
    farflung.run_yaml(yaml, code=0)
    imports(farflung)
    done = farflung.run_yaml(yaml, code=0)
    assert len(outcomes(done.events)) == 12 and len(imports(farflung)) == WORKERS

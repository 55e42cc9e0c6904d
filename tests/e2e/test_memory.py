"""With `memory: auto` what tests and commands take is kept, and what a host has no room for at once is not there."""
import json
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import TOP, of_kind, outcomes, read_journal, result_of, write

LEAST = 79 * 1024  # KiB of 80 MiB: the kernel counts roughly
# Tests say when they begin and end, and some wait for others to have begun: those run beside them.
TOOLS = """
import contextlib, os, time
import pytest

LOG = os.environ["LOG"]


def say(word, what):
    file = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, ("%s %s\\n" % (word, what)).encode())
    os.close(file)


def begun(what):
    with open(LOG) as file:
        return len([line for line in file if line.startswith("begin " + what)])


def wait_for(what, count):
    end = time.monotonic() + 60
    while begun(what) < count:
        assert time.monotonic() < end, (what, count)
        time.sleep(0.005)


@contextlib.contextmanager
def running(name):
    say("begin", name)
    yield
    say("end", name)


def take(mib):
    held = bytearray(mib << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    return held


TOGETHER = os.environ.get("TOGETHER")


def big(n):
    with running("big%s" % n):
        held = take(80)
        if TOGETHER:
            wait_for("big", 2)
        else:
            wait_for("small", 1)
            time.sleep(0.03)  # another one beside it would have begun
        del held


def small(n):
    with running("small%s" % n):
        wait_for("big", 1)
"""
SUITE = """
import pytest
from tools import big, small

@pytest.mark.parametrize("n", range(4))
def test_big(n): big(n)

@pytest.mark.parametrize("n", range(2))
def test_small(n): small(n)
"""
FILE = """
    version: 1
    inventory: [{spec: "3*popen//python=%s", memory: 120M}]
    jobs:
      unit: {pytest: [], memory: auto%s}
"""


def log_of(farflung):
    return farflung.cwd.parent / "log"


def run(farflung, text, *args, together=False, code=0):
    """Runs it, with a log of its own: gives the most big ones, and whether small ones, at one time."""
    log_of(farflung).write_text("")
    farflung.env["LOG"] = str(log_of(farflung))
    farflung.env.pop("TOGETHER", None)
    if together:
        farflung.env["TOGETHER"] = "1"
    done = farflung.run_yaml(text, *args, code=code)
    now, done.most, done.beside, done.begun = set(), 0, False, 0
    for line in log_of(farflung).read_text().splitlines():
        word, what = line.split()
        now = now | {what} if word == "begin" else now - {what}
        done.begun += word == "begin"
        bigs = [name for name in now if name.startswith("big")]
        done.most = max(done.most, len(bigs))
        done.beside = done.beside or 0 < len(bigs) < len(now)
    assert not now
    return done


def suite(farflung, **files):
    write(farflung.cwd / "tools.py", TOOLS)
    write(farflung.cwd / "conftest.py", "")
    for name, text in (files or {"test_it": SUITE}).items():
        write(farflung.cwd / f"{name}.py", text)


def known(farflung, *args):
    lines = farflung.run("history", "--json", *args, code=0).stdout.splitlines()
    return {line["unit"]: line.get("memory_kib") for line in map(json.loads, lines)}


def notices(done, part):
    return [e["text"] for e in of_kind(done.events, "notice") if part in e["text"]]


@pytest.mark.parametrize("dist", ["auto", "load", "worksteal", "loadgroup"])
def test_what_does_not_fit_is_not_there_at_once(farflung, python, dist):
    suite(farflung)
    text = FILE % (python, f", dist: {dist}")
    first = run(farflung, text, together=True)
    assert first.most > 1 and len(outcomes(first.events)) == 6
    kib = known(farflung, "test_big")
    assert len(kib) == 4 and all(LEAST <= memory < 100 * 1024 for memory in kib.values()), kib

    for _ in range(2):
        again = run(farflung, text)
        assert again.most == 1 and again.beside and again.begun == 6
        assert outcomes(again.events) == outcomes(first.events)
    without = run(farflung, text, "--memory", "off", together=True)
    assert without.most > 1


def test_files_stay_whole(farflung, python):
    """What a file needs is what its largest test does."""
    one = "from tools import big\ndef test_big(): big(%d)\ndef test_other(): pass\n"
    files = {f"test_{n}": one % n for n in range(4)}
    suite(farflung, **files, test_small="from tools import small\ndef test_small(): small(0)\n")
    text = FILE % (python, ", dist: loadfile")
    assert run(farflung, text, together=True).most > 1
    again = run(farflung, text)
    assert again.most == 1 and again.beside and len(outcomes(again.events)) == 9
    workers = {}
    for event in of_kind(again.events, "unit-started"):
        workers.setdefault(event["unit"].split("::")[0], set()).add(event["worker"])
    assert all(len(of_file) == 1 for of_file in workers.values())


def test_all_are_collected_once_some_are_known_to_be_large(farflung, python):
    """Before that whoever runs a file collects it: nothing is known of what is in it."""
    one = "from tools import big\ndef test_big(): big(%d)\n"
    files = {f"test_{n}": one % n for n in range(6)}
    suite(farflung, **files, test_small="from tools import small\ndef test_small(): small(0)\n")
    text = FILE % (python, "")
    first = run(farflung, text, together=True)
    assert first.most > 1 and of_kind(first.events, "collected")[0].get("parts") == 7
    again = run(farflung, text)
    assert again.most == 1 and again.beside
    assert not of_kind(again.events, "collected")[0].get("parts")


def test_what_is_told_and_kept(farflung, python):
    suite(farflung)
    junit, text = farflung.cwd.parent / "junit.xml", FILE % (python, "")
    done = run(farflung, text, "--junit", junit, together=True)
    cases = {case.get("name"): case for case in ET.parse(junit).iter("testcase")}
    (value,) = [p.get("value") for p in cases["test_big[0]"].iter("property") if p.get("name") == "farflung.memory_kib"]
    told = result_of(done.events, "test_it.py::test_big[0]")["memory_kib"]
    assert int(value) == told >= LEAST
    journal = next((farflung.cwd / ".farflung" / "runs").glob("*/journal.jsonl"))
    assert result_of(read_journal(journal), "test_it.py::test_big[0]")["memory_kib"] == told
    assert result_of(done.events, "test_it.py::test_small[0]")["memory_kib"] < 8 * 1024

    largest = farflung.run("history", "--largest", 2, code=0).stdout.splitlines()
    assert len(largest) == 2 and all("test_big" in line and "  takes " in line for line in largest)
    assert len(known(farflung, "--largest", 0)) == 6
    assert list(known(farflung, "--largest", 0))[0].startswith("test_it.py::test_big")
    assert "two orders" in farflung.run("history", "--largest", 2, "--slowest", 1, code=2).stderr
    farflung.run("history", "--largest", "many", code=2)

    without = run(farflung, text, "--memory", "off", "--junit", junit, together=True)
    assert "memory_kib" not in result_of(without.events, "test_it.py::test_big[0]")
    assert "memory_kib" not in junit.read_text()
    assert known(farflung, "test_big[0]") == {"test_it.py::test_big[0]": told}  # and it stays


def test_nothing_is_known_without_the_option(farflung, python):
    suite(farflung)
    run(farflung, FILE % (python, ""), "--memory", "off", together=True)
    assert set(known(farflung).values()) == {None}
    assert "memory is known" in farflung.run("history", "--largest", 5, code=0).stdout


def test_farflung_pytest_has_it(farflung, python):
    suite(farflung)
    log_of(farflung).write_text("begin big\nbegin big\n")
    farflung.env["LOG"] = str(log_of(farflung))
    farflung.env["TOGETHER"] = "1"
    farflung.run("pytest", "--python", python, "-n", 2, "--memory", "auto", code=0)
    assert known(farflung)["test_it.py::test_big[3]"] >= LEAST


def test_one_that_is_too_large_runs_and_is_named(farflung, python):
    suite(farflung)
    text = (FILE % (python, "")).replace("inventory: [", "inventory: {defaults: {memory: 50M}, hosts: [")
    text = text.replace(", memory: 120M}]", "}]}")
    run(farflung, text, together=True)
    again = run(farflung, text)
    assert again.most == 1 and again.beside and len(outcomes(again.events)) == 6
    (notice,) = notices(again, "the host has 50")
    assert "test_it.py::test_big[" in notice


def test_a_mark_counts_more(farflung, python):
    suite(farflung, test_it=SUITE.replace("@pytest", '@pytest.mark.farflung(memory="10M")\n@pytest', 1))
    text = FILE % (python, "")
    run(farflung, text, together=True)
    assert run(farflung, text, together=True).most > 1
    small = run(farflung, text.replace("120M", "50M"), together=True)
    assert small.most > 1 and not notices(small, "the host has")


def test_a_retry_waits_again(farflung, python):
    fails = SUITE.replace(": big(n)", ":\n    big(n)\n    assert os.path.exists(os.environ['LOG'] + 'ok')")
    suite(farflung, test_it="import os\n" + fails)
    text = FILE % (python, ", retries: 1")
    ok = farflung.cwd.parent / "logok"
    ok.touch()
    run(farflung, text, together=True)
    ok.unlink()
    again = run(farflung, text, code=1)
    assert again.most == 1 and again.begun == 10


def test_where_tests_are_not_ours_to_spread(farflung, python):
    suite(farflung)
    text = FILE % (python, ", dist: each")
    assert not notices(run(farflung, text, together=True), "not kept apart")
    again = run(farflung, text, together=True)
    assert len(notices(again, "not kept apart with --dist each")) == 1 and len(outcomes(again.events)) == 18


CHILD = "held = bytearray(%d << 20); held[::4096] = bytes(len(held) // 4096)"


def test_children_count(farflung, python):
    write(farflung.cwd / "test_it.py", f"""
import subprocess, sys

def test_a_child():
    subprocess.run([sys.executable, "-c", {CHILD % 150!r}], check=True)

def test_nothing():
    pass
""")
    farflung.run("pytest", "--python", python, "-n", 1, "--memory", "auto", code=0)
    kib = known(farflung)
    assert 60 * 1024 < kib["test_it.py::test_a_child"] <= 200 * 1024  # beyond what the worker had
    assert kib["test_it.py::test_nothing"] < 8 * 1024


MEASURE = f"""
exec(open({str(TOP / "plugins/pytest/memory.py")!r}).read())
def took(mib):
    memory.begin()
    held = bytearray(mib << 20)
    held[::4096] = bytes(len(held) // 4096)
    del held
    return memory.end() >> 10
memory = Memory()
"""


def told_by(python, code):
    return subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def test_measuring_without_a_reset(python):
    """As on other systems: only what is above all before it is known."""
    code = MEASURE + """
memory.can_reset = False
print(took(400) > 100, took(50), took(450) in range(40, 61))
"""
    assert told_by(python, code) == ["True", "0", "True"]


def test_what_started_a_worker_does_not_count(python):
    """Linux tells by getrusage also of what was there before exec."""
    held = bytearray(400 * 1024 * 1024)
    held[::4096] = bytes(len(held) // 4096)
    assert told_by(python, MEASURE + "print(took(100) in range(90, 111), took(0))") == ["True", "0"]
    del held


COMMANDS = """
    version: 1
    inventory: [{spec: "3*popen"%s}]
    jobs:
      big: {run: [%s, %s, "{n}"], matrix: {n: [1, 2, 3, 4]}, memory: auto}
      small: {run: [%s, %s], count: 2}
"""
BIG = "import sys; from tools import big; big(sys.argv[1])"
SMALL = "from tools import small; small(0)"


def commands(python, memory=", memory: 120M"):
    words = [json.dumps(word) for word in (python, "big.py", python, "small.py")]
    return COMMANDS % (memory, *words)


def test_commands(farflung, python):
    suite(farflung, big=BIG, small=SMALL)
    text = commands(python)
    first = run(farflung, text, together=True)
    assert first.most > 1
    assert result_of(first.events, "big[n=1]")["memory_kib"] >= LEAST
    for _ in range(2):
        again = run(farflung, text)
        assert again.most == 1 and again.beside and again.begun == 6
        assert outcomes(again.events) == outcomes(first.events)
    assert run(farflung, text, "--memory", "off", together=True).most > 1
    assert set(known(farflung, "small")) and None not in known(farflung).values()  # without asking


def test_tests_and_commands_share_a_host(farflung, python):
    suite(farflung, big=BIG, small=SMALL, test_it=SUITE.replace("range(4)", "range(4, 8)"))
    text = commands(python) + "      unit: {pytest: [], memory: auto}\n"
    first = run(farflung, text, together=True)
    assert first.most > 1 and first.begun == 12
    for _ in range(2):
        again = run(farflung, text)
        assert again.most == 1 and again.beside and again.begun == 12
        assert outcomes(again.events) == outcomes(first.events)


def test_commands_where_a_host_says_what_it_has(farflung, python):
    """Nobody told: it is looked for, and is enough here."""
    suite(farflung, big=BIG, small=SMALL)
    text = commands(python, "")
    run(farflung, text, together=True)
    again = run(farflung, text, together=True)
    assert again.most > 1 and not notices(again, "the host has")


@pytest.mark.parametrize(
    "command, wrong, expected",
    [
        ("run", ["--memory", "banana"], "--memory wants auto, off, a size such as 2GiB, or up to 100% of the host's, got 'banana'"),
        ("pytest", ["--memory", "banana"], "--memory wants auto, off, a size such as 2GiB, or up to 100% of the host's, got 'banana'"),
        ("pytest", ["--memory", "atuo"], "did you mean 'auto'?"),
    ],
)
def test_wrong_options(farflung, command, wrong, expected):
    farflung.yaml(FILE % ("python3", ""))
    done = farflung.run(command, *wrong, code=2 if command == "run" else 4)
    assert expected in done.stderr


@pytest.mark.parametrize(
    "was, wrong, expected",
    [
        ("auto}", "banana}", "farflung.yaml:5:34: 'memory' wants auto, off, a size such as 2GiB, or up to 100% of the host's, got 'banana'"),
        ("120M", "lots", "'memory' wants a size such as 64KiB or 1MiB, from 1MiB to 1024TiB, got 'lots'"),
        ("120M", "17", "from 1MiB to 1024TiB, got '17'"),
        ("auto}", "auto, collect: shard}", "job 'unit': 'memory: auto' wants all tests to be known"),
    ],
)
def test_wrong_keys(farflung, was, wrong, expected):
    done = farflung.run_yaml((FILE % ("python3", "")).replace(was, wrong), code=2)
    assert expected in done.stderr and "nothing was started" in done.stderr

"""`memory` and `cpu` of commands: limits of what one unit may take, and what of a host runs at one time."""
import os
import pathlib
import sys

import pytest

from conftest import of_kind, outcomes, read_jsonl, result_of, wait_until, write

GREEDY = f"{sys.executable} -c 'bytearray(600 << 20)'"
# Says that it runs, and waits to be let go.
HELD = "echo {x} >> begun; while ! test -e go; do sleep 0.02; done"


def cgroup_folder():
    """A folder in which groups with a memory limit can be made, or why there is none."""
    found = None
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, kind = line.split(), line.split(" - ", 1)[1].split()[0]
        if kind == "cgroup2":
            found = pathlib.Path(fields[4])
    if not found:
        return None, "no cgroup v2 is mounted"
    own = [line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    for folder in [found] + [found / path.strip("/") for path in own]:
        control = folder / "cgroup.subtree_control"
        if control.exists() and "memory" in control.read_text().split() and os.access(folder, os.W_OK):
            return folder, None
    return None, f"no memory controller for groups in {found}"


def limits_of(done, unit):
    return result_of(done.events, unit)["limits"]


def test_more_than_its_limit_is_not_there(farflung):
    """By cgroup or by rlimit, whichever there is: the journal says which, and so does `show`."""
    done = farflung.run_yaml(
        "inventory: [{spec: popen, slots: 2}]\n"
        "jobs:\n"
        f"  greedy: {{run: \"{GREEDY}\", memory: 100MiB}}\n"
        "  modest: {run: 'echo fine', memory: 1GiB, cpu: 0.5}\n"
        "  free: {run: 'true'}\n", code=1)
    found = outcomes(done.events)
    assert (found["modest"], found["free"]) == ("passed", "passed")
    assert found["greedy"] in ("failed", "crashed")
    said = limits_of(done, "greedy")
    assert said.startswith(("memory by cgroup", "memory by RLIMIT_DATA, of each process"))
    if said.startswith("memory by RLIMIT"):
        assert "MemoryError" in "".join(s["text"] for s in result_of(done.events, "greedy")["sections"])
        assert "(" in said, "it should say why there is no cgroup"
    assert ", cpu " in limits_of(done, "modest")
    assert "limits" not in result_of(done.events, "free")
    shown = farflung.run("show", "last", "greedy", code=0).stdout
    assert f"limits: {said}\n" in shown
    assert farflung.left_over() == []


def test_the_python_worker_limits_too(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, worker: python}]\n"
        "jobs:\n"
        f"  greedy: {{run: \"{GREEDY}\", memory: 100MiB, cpu: 1}}\n"
        "  half: {run: 'ulimit -d', memory: 50%}\n", code=1)
    assert outcomes(done.events) == {"greedy": "failed", "half": "passed"}
    assert limits_of(done, "greedy") == ("memory by RLIMIT_DATA, of each process, cpu not limited, only reckoned with "
                                         "(the python worker makes no cgroups)")
    half = int(result_of(done.events, "half")["sections"][0]["text"])
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    assert abs(half - total // 2) < 2048


def test_how_near_it_came_is_told(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, worker: python}]\n"
        f"jobs: {{near: {{run: \"{sys.executable} -c 'bytearray(160 << 20); raise SystemExit(3)'\", memory: 200MiB}}}}\n",
        code=1)
    message = result_of(done.events, "near")["message"]
    assert message.startswith("exit status 3 (its largest process had ") and message.endswith("MiB of its memory limit)")


def running_at_most(events, job):
    """The most units of the job that ran at one time."""
    now = most = 0
    for event in events:
        if event.get("job") == job:
            now += {"unit-started": 1, "unit-finished": -1}.get(event["event"], 0)
            most = max(most, now)
    return most


@pytest.mark.parametrize("keys, host, most", [
    ("memory: 400MiB", "memory: 1GiB", 2), ("memory: 25%", "memory: 1GiB", 4), ("cpu: '100%'", "", 1),
    ("memory: 1GiB", "memory: 1GiB", 1)])
def test_no_more_is_declared_than_there_is(farflung, keys, host, most):
    """Held, so that all that may run at one time does; others have the slots meanwhile."""
    farflung.yaml(
        f"inventory: [{{spec: popen, slots: 8{', ' + host if host else ''}}}]\n"
        "jobs:\n"
        f"  held: {{run: \"{HELD}\", {keys}, matrix: {{x: [a, b, c, d, e, f]}}}}\n"
        "  light: {run: 'echo l >> light', count: 3}\n")
    process = farflung.start("run", "--jsonl", farflung.cwd / "e.jsonl")
    begun, light = farflung.cwd / "begun", farflung.cwd / "light"
    wait_until(lambda: light.exists() and light.read_text().count("l") == 3, 60, "the others to have run")
    wait_until(lambda: begun.exists() and begun.read_text().count("\n") >= most, 60, "as many as there may be")
    write(farflung.cwd / "go", "")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    events = read_jsonl(farflung.cwd / "e.jsonl")
    assert set(outcomes(events).values()) == {"passed"}
    assert running_at_most(events, "held") == most


@pytest.mark.parametrize("keys, words", [
    ("memory: 3GiB", "'memory: 3GiB' of big[x=1] fits no host: the largest, large, has 2.0 GiB"),
    ("cpu: 999", "'cpu: 999' of big[x=1] fits no host: the largest, ")])
def test_what_fits_no_host_is_an_error(farflung, keys, words):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: small, memory: 1GiB}, {spec: popen, name: large, memory: 2GiB}]\n"
        "jobs:\n"
        f"  big: {{run: 'true', {keys}, matrix: {{x: [1, 2]}}}}\n"
        "  other: {run: 'true'}\n", "--junit", "j.xml", code=3)
    assert outcomes(done.events) == {"big[x=1]": "lost", "big[x=2]": "lost", "other": "passed"}
    assert of_kind(done.events, "unit-started", job="big") == []
    assert words in done.stdout + done.stderr
    assert words.replace("'", "&apos;") in (farflung.cwd / "j.xml").read_text() or words in (farflung.cwd / "j.xml").read_text()


def test_only_where_it_fits(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: small, slots: 8, memory: 1GiB}, {spec: popen, name: large, memory: 2GiB}]\n"
        "jobs: {big: {run: 'true', memory: 1.5GiB, count: 4}}\n", code=0)
    assert {e["host"] for e in of_kind(done.events, "unit-started")} == {"large"}


def test_steps_and_tap_have_them_too(farflung):
    write(farflung.cwd / "t.sh", "echo 1..1; ulimit -d >&2; echo ok 1\n")
    done = farflung.run_yaml(
        "inventory: [{spec: popen, worker: python}]\n"
        "jobs:\n"
        "  listed: {steps: ['ulimit -d', 'ulimit -d'], memory: 300MiB}\n"
        "  taps: {tap: [t.sh], memory: 300MiB}\n", code=0)
    for job in "listed", "taps":
        (unit,) = [e["unit"] for e in of_kind(done.events, "unit-finished", job=job)]
        assert "memory by RLIMIT_DATA" in limits_of(done, unit)
        assert str(300 * 1024) in "".join(s["text"] for s in result_of(done.events, unit)["sections"])


@pytest.mark.parametrize("keys, words", [
    ("run: 'true', memory: 1z", ":1:33: 'memory' wants auto, off, a size such as 2GiB, or up to 100% of the host's, got '1z'"),
    ("run: 'true', memory: 1KiB", "'memory' wants auto, off, a size such as 2GiB"),
    ("run: 'true', memory: 101%", "got '101%'"), ("run: 'true', memory: 0%", "got '0%'"),
    ("run: 'true', cpu: 0", "'cpu' wants CPUs such as 2 or 0.5, from 0.01 to 1000, or up to 100% of the host's, got '0'"),
    ("run: 'true', cpu: -1", "got '-1'"), ("run: 'true', cpu: [1]", "got a list"),
    ("pytest: [t], cpu: 1", "'cpu' is for 'run, ctest, gtest or tap' jobs, not for 'pytest'"),
    ("pytest: [t], memory: 1GiB", "'memory: 1GiB' is a limit for commands and for units of ctest, gtest and tap; "
                                  "of pytest it wants auto or off")])
def test_bad_values(farflung, keys, words):
    farflung.yaml(f"jobs: {{j: {{{keys}}}}}\ninventory: [popen]\n")
    done = farflung.run("check", code=2)
    assert words in done.stderr
    assert "farflung.yaml:1:" in done.stderr


@pytest.mark.skipif(cgroup_folder()[0] is None, reason=f"cgroup v2: {cgroup_folder()[1]}")
def test_a_real_cgroup(farflung):
    folder = cgroup_folder()[0]
    before = set(folder.glob("farflung-*"))
    done = farflung.run_yaml(
        "inventory: [{spec: popen, slots: 2}]\n"
        "jobs:\n"
        f"  child: {{run: \"sleep 0; {sys.executable} -c 'x = bytearray(600 << 20); x[::4096] = x[::4096]'; exit 0\","
        " memory: 100MiB}\n"
        "  fine: {run: 'cat /proc/self/cgroup', memory: 100MiB, cpu: 0.5}\n"
        "  strays: {run: 'setsid sleep 1000 & exit 0', memory: 100MiB}\n", code=1, env={"FARFLUNG_CGROUP": str(folder)})
    assert outcomes(done.events)["fine"] == "passed"
    assert "/farflung-" in result_of(done.events, "fine")["sections"][0]["text"]
    killed = result_of(done.events, "child")
    assert killed["outcome"] == "crashed" and killed["out_of_memory"]
    assert killed["message"].startswith("killed at its memory limit of 100.0 MiB (")
    assert limits_of(done, "fine").startswith("memory by cgroup")
    assert set(folder.glob("farflung-*")) == before
    assert farflung.left_over() == []


def test_a_cgroup_that_is_none_is_no_error(farflung):
    """What was asked for in vain is told with what was taken instead."""
    done = farflung.run_yaml("jobs: {j: {run: 'true', memory: 1GiB}}\ninventory: [popen]\n", code=0,
                             env={"FARFLUNG_CGROUP": str(farflung.cwd)})
    assert limits_of(done, "j") == ("memory by RLIMIT_DATA, of each process "
                                    f"({farflung.cwd} is no group of cgroup v2)")

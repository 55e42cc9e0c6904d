"""Disks that are full, here and there."""
import contextlib
import os
import subprocess

import pytest

from rig import dice, of_kind, points, told


@pytest.fixture
def disk(case):
    """Gives a file system of a few hundred kB at a path; it grows when it is told."""
    mounted = []

    def mount(path, size):
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                                               capture_output=True).returncode != 0:
            pytest.skip("nothing can be mounted here")
        mounted.append(path)
        return lambda: subprocess.run(["mount", "-o", "remount,size=64m", path], check=True)

    yield mount
    # What ran there must be gone first.
    case.gone()
    for path in mounted:
        subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("size", points("disk", range(1000, 3000, 50), 2))
def test_the_controllers(case, disk, size):
    """The run stops by itself and says where it goes on; what it told as done stays done."""
    case.runs = case.farflung.cwd / "small"
    grow = disk(case.runs, f"{size}k")
    case.farflung.env["FARFLUNG_RUNS"] = str(case.runs)
    case.commands(work="head -c 60000 /dev/zero | tr \"\\\\0\" x; ")
    case.go.touch()
    stopped = case.farflung.run("run", code=3)
    assert f"{case.runs}/.farflung/runs/" in stopped.stderr and "No space left on device" in stopped.stderr
    case.gone()
    (events,) = case.journals()
    over = {unit for unit, each in told(events).items() if each == ["passed"]}
    assert len(over) < 60
    grow()
    case.farflung.run("run", "--resume", code=0)
    case.check()
    lines = [unit for unit, _, _ in case.lines()]
    assert {unit: lines.count(unit) for unit in over} == dict.fromkeys(over, 1)


def fill(path):
    """All that is left there."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass


def test_the_controllers_again_and_again(case, disk):
    """Somebody else takes all that is left, at any time, and gives it back when the run has stopped."""
    case.runs = case.farflung.cwd / "small"
    disk(case.runs, "24m")
    case.farflung.env["FARFLUNG_RUNS"] = str(case.runs)
    case.commands(count=200, work="head -c 20000 /dev/zero | tr \"\\\\0\" x; ")
    case.go.touch()
    random, stopped = dice("disks"), 0
    for time in range(5):
        live = case.start(*(["--resume"] if time else []))
        if not case.progress(live, random.randrange(25)):
            live.finish(0)
            break
        fill(case.runs / "other")
        live.finish()
        stopped += live.process.returncode == 3
        assert live.process.returncode == 0 or "No space left on device" in live.stderr, live.story()
        (case.runs / "other").unlink()
        case.gone()
        if live.process.returncode == 0:
            break
    else:
        case.farflung.run("run", "--resume", code=0)
    assert stopped > 0
    case.check()


def test_a_hosts_cache_and_folder(case, disk):
    """Neither worker nor tree fits there: it says so, and the other does all."""
    tree = case.farflung.cwd / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(os.urandom(1 << 20))
    disk(case.hosts[0].root, "256k")
    case.commands()
    case.farflung.yaml((case.farflung.cwd / "farflung.yaml").read_text() + "tree: tree\n")
    case.go.touch()
    live = case.start()
    events = live.finish()
    said = [e["error"] for word in ("host-failed", "host-away", "host-lost") for e in of_kind(events, word, host="one")]
    assert said and "No space left on device" in said[-1], live.story()
    assert {e["host"] for e in of_kind(events, "unit-finished")} == {"two"}
    assert live.process.returncode == 0
    case.check()


def test_a_hosts_folder_that_commands_fill(case, disk):
    """Their own failure, with their words, and nobody else's; once there is room they are run again."""
    grow = disk(case.hosts[0].root, "64k")
    case.commands(work="head -c 100000 /dev/zero > out-{n} || exit 1; rm out-{n}; ")
    live = case.start_all()
    events = live.finish(1)
    finals = of_kind(events, "unit-finished", final=True)
    failed = {e["unit"] for e in finals if e["result"]["outcome"] == "failed"}
    assert failed == {e["unit"] for e in finals if e["host"] == "one"} != set()
    assert "No space left on device" in live.stderr
    case.check(("passed", "failed"))
    grow()
    case.farflung.run("rerun", "--failed", code=0)
    after = case.journals()[-1]
    assert {e["unit"] for e in of_kind(after, "unit-started")} == failed
    assert told(after) == {name: ["passed"] for name in case.names}
    case.check_files()

"""farflung fetch: files of each host's to this machine."""
import os
import signal
import subprocess

import pytest

from conftest import wait_until, write

HOSTS = "inventory:\n  - {spec: 'popen//id=n1', chdir: h/1, tags: [one], worker: %s}\n  - {spec: 'popen//id=n2', chdir: h/2, worker: %s}\n"


@pytest.fixture(params=["native", "python"])
def hosts(farflung, request):
    farflung.yaml(HOSTS % (request.param, request.param))
    for host in "12":
        for name in ("a.log", "sub/b.log", "sub/c"):
            write(farflung.cwd / "h" / host / name, name)
    write(farflung.cwd / "h/2/only", "here")
    return farflung


def here(farflung, folder="to"):
    top = farflung.cwd / folder
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and path.name != ".farflung.sums")


def test_from_each(hosts):
    done = hosts.run("fetch", "**/*.log", "only", "to", code=0)
    assert done.stdout == ("n1:\n2 files (14 bytes)\nnothing matches only\n\nn2:\n3 files (18 bytes)\n"
                           "\n5 files, 32 bytes in to/HOST\n")
    assert done.stderr == "farflung: 2 passed (exit 0)\n"
    assert here(hosts) == ["n1/a.log", "n1/sub/b.log", "n2/a.log", "n2/only", "n2/sub/b.log"]
    assert (hosts.cwd / "to/n2/only").read_text() == "here"
    assert len((hosts.cwd / "to/n1/.farflung.sums").read_text().splitlines()) == 2


def test_what_earlier_ones_brought_stays(hosts):
    """Also in the list of sums; what is brought again is replaced."""
    hosts.run("fetch", "*.log", "to", code=0)
    write(hosts.cwd / "h/1/sub/c", "other")
    (hosts.cwd / "h/1/a.log").unlink()
    write(hosts.cwd / "to/n1/mine", "mine")
    hosts.run("fetch", "sub", "to", code=0)
    assert here(hosts)[:4] == ["n1/a.log", "n1/mine", "n1/sub/b.log", "n1/sub/c"]
    assert (hosts.cwd / "to/n1/sub/c").read_text() == "other"
    names = [line.split("  ")[1] for line in (hosts.cwd / "to/n1/.farflung.sums").read_text().splitlines()]
    assert sorted(names) == ["a.log", "sub/b.log", "sub/c"]


def test_some_hosts_and_absolute_paths(hosts):
    path = str(hosts.cwd / "h/1/sub")
    hosts.run("fetch", "--on", "one", path + "/*", "to", code=0)
    assert here(hosts) == [f"n1{path}/b.log", f"n1{path}/c"]
    done = hosts.run("fetch", "--on", "one", "/no/such", "to", code=1)
    assert "nothing matches /no/such\n" in done.stdout


def test_nothing_matches(hosts):
    done = hosts.run("fetch", "*.txt", "a.log", "to", code=1)
    assert "fetch: nothing matches *.txt on any host that was there" in done.stderr
    assert here(hosts) == ["n1/a.log", "n2/a.log"]


def test_what_cannot_be_brought(hosts):
    """A link that leads out: named, exit 1, and all else comes."""
    (hosts.cwd / "h/2/sub/link").symlink_to("/etc/hostname")
    done = hosts.run("fetch", "sub", "to", code=1)
    assert "n2: not all of it could be brought\n2 files (14 bytes)\nsub/link: a link that leads out of the folder\n" in done.stdout
    assert done.stderr.endswith("farflung: 1 passed, 1 failed (n2) (exit 1)\n")
    assert here(hosts) == ["n1/sub/b.log", "n1/sub/c", "n2/sub/b.log", "n2/sub/c"]


def test_a_host_that_is_not_there(hosts):
    done = hosts.run("fetch", "--tx", "popen//id=n1//chdir=h/1", "--tx", "socket=127.0.0.1:1//id=gone", "a.log", "to", code=3)
    assert "gone: not reachable: " in done.stdout
    assert here(hosts) == ["n1/a.log"]


def test_a_folder_that_cannot_be_written(hosts):
    write(hosts.cwd / "to", "in the way")
    done = hosts.run("fetch", "a.log", "to", code=1)
    assert "Not a directory" in done.stdout


def test_a_host_that_dies(farflung):
    """Lost, exit 3, and nothing half-written stays."""
    farflung.yaml("inventory: [{spec: 'popen//id=n1', chdir: h, tags: [x]}]\n")
    (farflung.cwd / "h").mkdir()
    with open(farflung.cwd / "h/big", "wb") as file:
        file.truncate(40 << 30)
    process = farflung.start("fetch", "big", "to")
    wait_until(lambda: list(farflung.cwd.glob("to/n1/.ff-*.tmp")), 60, "it is being brought")
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], stdout=subprocess.PIPE, text=True).stdout.split()
    assert children
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)
    assert "lost: " in out
    assert here(farflung) == []


def test_interrupted(farflung):
    farflung.yaml("inventory: [{spec: 'popen//id=n1', chdir: h}]\n")
    (farflung.cwd / "h").mkdir()
    with open(farflung.cwd / "h/big", "wb") as file:
        file.truncate(40 << 30)
    process = farflung.start("fetch", "big", "to")
    wait_until(lambda: list(farflung.cwd.glob("to/n1/.ff-*.tmp")), 60, "it is being brought")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert here(farflung) == []


@pytest.mark.parametrize("words, text", [
    ([], "fetch: what is to be brought, and where to?"),
    (["a"], "fetch: what is to be brought, and where to?"),
    (["../a", "to"], "fetch: '../a' has a '..' in it; say an absolute path"),
    (["~/a", "to"], "fetch: '~/a' is no path from the host's working directory"),
    (["/", "to"], "fetch: '/' names no file"),
    (["a", "/b", "to"], "fetch: '/b' is absolute and 'a' is not: one sort at a time"),
    (["--on", "nobody", "a", "to"], "nobody"),
    (["--fanout", "x", "a", "to"], "--fanout"),
])
def test_wrong_input(farflung, words, text):
    farflung.yaml(HOSTS % ("native", "native"))
    done = farflung.run("fetch", *words, code=2)
    assert text in done.stderr
    assert not (farflung.cwd / "to").exists() and not (farflung.cwd / "h").exists()

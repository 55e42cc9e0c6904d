"""farflung sync: a folder or a file to each host."""
import os
import signal

import pytest

from conftest import wait_until, write


@pytest.fixture
def hosts(farflung):
    farflung.yaml("inventory:\n  - {spec: 'popen//id=n1', chdir: h/1, tags: [one]}\n  - {spec: 'popen//id=n2', chdir: h/2}\n")
    for name in ("a", "sub/b", "c.pyc", "d.log"):
        write(farflung.cwd / "src" / name, name)
    return farflung


def there(farflung, host, folder="there"):
    top = farflung.cwd / "h" / host / folder
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def test_a_folder(hosts):
    done = hosts.run("sync", "src", "there", code=0)
    assert done.stdout == "n[1-2]:\n3 of 3 files sent (11 bytes)\n"
    assert done.stderr == "farflung: 2 passed (exit 0)\n"
    assert there(hosts, "1") == there(hosts, "2") == ["a", "d.log", "sub/b"]
    assert hosts.run("sync", "src", "there", code=0).stdout == "n[1-2]:\nall of 3 files there already\n"


def test_what_is_deleted(hosts):
    hosts.run("sync", "src", "there", code=0)
    (hosts.cwd / "src/a").unlink()
    write(hosts.cwd / "src/sub/b", "other")
    write(hosts.cwd / "h/1/there/own", "of the host")
    (hosts.cwd / "h/2/there/d.log").unlink()
    done = hosts.run("sync", "src", "there", code=0)
    assert done.stdout == "n1:\n1 of 2 files sent (5 bytes)\n\nn2:\n2 of 2 files sent (10 bytes)\n"
    assert "a" in there(hosts, "1")
    done = hosts.run("sync", "--delete", "src", "there", code=0)
    assert done.stdout == "n[1-2]:\nall of 2 files there already, 1 deleted\n"
    assert there(hosts, "1") == ["d.log", "own", "sub/b"]
    assert there(hosts, "2") == ["d.log", "sub/b"]


def test_what_is_left_out(hosts):
    write(hosts.cwd / "src/.gitignore", "sub\n")
    write(hosts.cwd / "more", "a\n")
    hosts.run("sync", "--on", "one", "--exclude", "*.log", "--exclude-from", ".gitignore", "--exclude-from", "./more",
              "src", "there", code=0)
    assert there(hosts, "1") == [".gitignore", "c.pyc"]
    assert there(hosts, "2") == []


def test_a_file(hosts):
    write(hosts.cwd / "src/odd [1]*", "x")
    write(hosts.cwd / "src/odd 1y", "x")
    hosts.run("sync", "src/odd [1]*", "there", code=0)
    assert there(hosts, "1") == ["odd [1]*"]


def test_a_host_that_is_not_there(hosts):
    done = hosts.run("sync", "--tx", "popen//id=n1//chdir=h/1", "--tx", "socket=127.0.0.1:1//id=gone", "src", "there", code=3)
    assert "n1:\n3 of 3 files sent" in done.stdout and "gone: not reachable: " in done.stdout
    assert done.stderr == "farflung: 1 passed, 1 not reachable (gone) (exit 3)\n"
    assert there(hosts, "1") == ["a", "d.log", "sub/b"]


def test_not_all_of_it(hosts):
    os.mkfifo(hosts.cwd / "src/fifo")
    done = hosts.run("sync", "src", "there", code=1)
    assert done.stdout == "n[1-2]: 1 file is not as it is here\n3 of 3 files sent (11 bytes)\n"
    assert done.stderr == ("farflung: tree: fifo: neither a file nor a directory nor a link\n"
                           "farflung: 2 failed (n[1-2]) (exit 1)\n")


def test_where_nothing_can_be_put(hosts):
    write(hosts.cwd / "h/2/there", "a file")
    done = hosts.run("sync", "src", "there", code=1)
    assert "n1:\n3 of 3 files sent" in done.stdout and "n2: " in done.stdout
    assert done.stderr.endswith("farflung: 1 passed, 1 failed (n2) (exit 1)\n")
    assert (hosts.cwd / "h/2/there").read_text() == "a file"


def test_a_folder_in_use_is_not_touched(hosts):
    hosts.yaml("inventory:\n  - {spec: popen, chdir: h/1}\ntree: src\n"
               "jobs: {a: {run: 'touch ../begun; until [ -e ../over ]; do sleep 0.05; done'}}\n", name="run.yaml")
    run = hosts.start("run", "run.yaml")
    wait_until((hosts.cwd / "h/begun").exists, 60, "the job runs")
    write(hosts.cwd / "src/a", "new")
    done = hosts.run("sync", "--on", "n1", "src", ".", code=1)
    write(hosts.cwd / "h/over", "")
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert done.stdout.startswith(f"n1: {hosts.cwd}/h/1: in use by another run: ")
    assert (hosts.cwd / "h/1/a").read_text() == "a"
    hosts.run("sync", "--on", "n1", "src", ".", code=0)
    assert (hosts.cwd / "h/1/a").read_text() == "new"


@pytest.mark.parametrize("args, words", [
    ([], "farflung: sync: what is to be brought, and where to? (farflung sync [OPTIONS] SRC DEST)"),
    (["a"], "farflung: sync: what is to be brought, and where to? (farflung sync [OPTIONS] SRC DEST)"),
    (["a", "b", "c"], "farflung: sync: what is to be brought, and where to? (farflung sync [OPTIONS] SRC DEST)"),
    (["nowhere", "b"], "farflung: sync: nowhere: No such file or directory"),
    (["/dev/null", "b"], "farflung: sync: /dev/null: neither a folder nor a file"),
    (["src", ""], "farflung: sync: SRC and DEST can't be empty"),
    (["src", "~/x"], "farflung: sync: '~/x': DEST is a path from the host's working directory*"),
    (["--exclude", "./x", "src", "b"],
     "farflung: sync: --exclude: './x' can match nothing; a path from the tree's root begins with '/'"),
    (["--exclude-from", "./x", "src", "b"], "farflung: sync: --exclude-from: ./x: No such file or directory"),
    (["--on", "n3", "src", "b"], "farflung: sync: --on: no host matches 'n3'*"),
    (["-f", "x", "--tx", "popen", "src", "b"], "farflung: sync: --file or --tx, not both"),
])
def test_usage(hosts, args, words):
    line = hosts.run("sync", *args, code=2).stderr.splitlines()[0]
    assert line.startswith(words[:-1]) if words.endswith("*") else line == words
    assert not (hosts.cwd / "h").exists()


def test_interrupted(hosts):
    """A host that does not answer: its ssh takes its time."""
    ssh = write(hosts.cwd / "slow", "#!/bin/sh\ntouch begun\nexec sleep 300\n")
    ssh.chmod(0o755)
    process = hosts.start("sync", "--tx", f"docker=x//id=slow", "src", "there",
                          env=dict(hosts.env, PATH=f"{make_docker(hosts, ssh)}:{os.environ['PATH']}"))
    wait_until((hosts.cwd / "begun").exists, 60, "it opens")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130, err
    assert "slow" in out


def make_docker(hosts, program):
    folder = hosts.cwd / "bin"
    folder.mkdir()
    (folder / "docker").symlink_to(program)
    return folder

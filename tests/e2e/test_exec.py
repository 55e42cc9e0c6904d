"""farflung exec: one command on each host, and what they say alike."""
import contextlib
import os
import pty
import signal
import subprocess

import pytest

from conftest import wait_until, write

HOSTS = """\
inventory:
  hosts:
    - {spec: "popen//id=node[01-10]", env: {KIND: a}}
    - {spec: "popen//id=odd[1-2]", env: {KIND: b}, tags: [strange]}
  groups: {few: "node[01-03],odd1"}
"""


@pytest.fixture
def hosts(farflung):
    farflung.yaml(HOSTS)
    return farflung


def test_alike_is_said_once(hosts):
    done = hosts.run("exec", "--", "echo $KIND; echo err >&2", code=0)
    assert done.stdout == "node[01-10]:\na\nerr\n\nodd[1-2]:\nb\nerr\n"
    assert done.stderr == "farflung: 12 passed (exit 0)\n"


def test_only_those_chosen(hosts):
    done = hosts.run("exec", "--on", "@few!node02", "--", "true", code=0)
    assert done.stdout == "node[01,03],odd1: no output\n"
    done = hosts.run("exec", "--on", "@fwe", "--", "true", code=2)
    assert done.stderr == "farflung: exec: --on: no host matches '@fwe'; did you mean 'few'?\n"
    assert done.stdout == ""


def test_some_fail(hosts):
    done = hosts.run("exec", "--", "test $KIND = a || { echo no; exit 3; }", code=1)
    assert done.stdout == "node[01-10]: no output\n\nodd[1-2]: exit status 3\nno\n"
    assert done.stderr == "farflung: 10 passed, 2 failed (odd[1-2]) (exit 1)\n"


def test_words_are_not_the_shells(hosts):
    """One word is a text for the shell; several are a program and its arguments."""
    done = hosts.run("exec", "--on", "odd1", "--", "printf", "%s|", "$KIND", "a  b", "*", code=0)
    assert done.stdout == "odd1:\n$KIND|a  b|*|\n"
    assert hosts.run("exec", "--on", "odd1", "printf %s $KIND", code=0).stdout == "odd1:\nb\n"


def test_not_reachable(farflung):
    done = farflung.run("exec", "--tx", "popen//id=here[1-2]", "--tx", "socket=127.0.0.1:1//id=gone", "--", "exit 4", code=3)
    assert done.stdout.startswith("here[1-2]: exit status 4\n\ngone: not reachable: socket=127.0.0.1:1//id=gone: ")
    assert done.stderr == "farflung: 2 failed (here[1-2]), 1 not reachable (gone) (exit 3)\n"


def test_lost_on_the_way(farflung):
    """The command kills its worker; what it had said until then may be shown."""
    done = farflung.run("exec", "--tx", "popen//id=a", "--tx", "popen//id=b//env:STAYS=1", "--",
                        '[ -n "$STAYS" ] || { kill -9 $PPID; sleep 60; }', code=3)
    assert "a: lost: " in done.stdout and "b: no output" in done.stdout
    assert done.stderr == "farflung: 1 passed, 1 lost (a) (exit 3)\n"


def test_not_in_time(hosts):
    done = hosts.run("exec", "--on", "odd*", "--timeout", "0.2", "--", "echo begun; exec sleep 60", code=1)
    assert done.stdout.splitlines()[0].startswith("odd")
    assert "timed out after 0.2 s (TERM)" in done.stdout and "begun" in done.stdout


def test_diff(hosts):
    done = hosts.run("exec", "--diff", "--", "seq 5; echo $KIND; seq 6 10; test $KIND = a", code=1)
    most = "".join(f"{word}\n" for word in [1, 2, 3, 4, 5, "a", 6, 7, 8, 9, 10])
    assert done.stdout == (f"node[01-10]:\n{most}\nodd[1-2]: exit status 1\n--- node[01-10]\n+++ odd[1-2]\n"
                           "@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-a\n+b\n 6\n 7\n 8\n")
    done = hosts.run("exec", "--diff", "--", "echo x; test $KIND = a", code=1)
    assert done.stdout.endswith("odd[1-2]: exit status 1\nthe same output as node[01-10]\n")


def test_input_goes_to_all(hosts):
    data = "line\n" * 30000 + "\0end"
    write(hosts.cwd / "input", data)
    done = hosts.run("exec", "-i", "input", "--", "md5sum", code=0)
    assert done.stdout.startswith("node[01-10],odd[1-2]:\n") and done.stdout.count("\n") == 2
    with open(hosts.cwd / "input") as file:
        again = hosts.run("exec", "-i", "-", "--", "md5sum", code=0, stdin=file)
    assert again.stdout == done.stdout
    assert hosts.run("exec", "--", "cat", code=0, stdin=open(hosts.cwd / "input")).stdout.endswith(": no output\n")
    with open(hosts.cwd / "input", "wb") as file:
        file.truncate((16 << 20) + 1)
    assert "more than 16 MiB" in hosts.run("exec", "-i", "input", "--", "cat", code=2).stderr


def test_so_many_at_a_time(hosts):
    """None sees more than two others in the folder that each makes for its time."""
    script = 'mkdir -p t; d=$(mktemp -d t/XXXX); n=$(ls t | wc -l); sleep 0.05; rmdir $d; [ $n -le 2 ] && echo fine'
    done = hosts.run("exec", "--fanout", "2", "--", script, code=0)
    assert done.stdout == "node[01-10],odd[1-2]:\nfine\n"


def test_output_is_capped(farflung):
    farflung.yaml("inventory: [popen]\nsettings: {output_cap: 1KiB}\n")
    done = farflung.run("exec", "--", "seq 1 1000000", code=0)
    assert len(done.stdout) < 100_000 and "1000000\n" in done.stdout and "\n1\n2\n" in done.stdout


def test_interrupted(hosts):
    process = hosts.start("exec", "--", "touch begun.$KIND; echo so far; exec sleep 600")
    wait_until(lambda: (hosts.cwd / "begun.a").exists() and (hosts.cwd / "begun.b").exists(), 60, "commands run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in out and err.endswith("(exit 130)\n")


def test_a_terminal_shows_who_is_waited_for(hosts):
    script = "case $KIND in b) until [ -e go ]; do sleep 0.02; done;; esac; echo hi"
    ours, theirs = pty.openpty()
    process = subprocess.Popen([hosts.program, "exec", "--", script], cwd=hosts.cwd, env=hosts.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the end of a terminal whose other side is closed
        while True:
            seen += os.read(ours, 4096)
            if b"10 of 12 hosts; not yet: odd[1-2]" in seen:
                write(hosts.cwd / "go", "")
    os.close(ours)
    assert process.stdout.read() == b"node[01-10],odd[1-2]:\nhi\n"
    process.stdout.close()
    assert process.wait(60) == 0
    assert seen.endswith(b"\r\x1b[Kfarflung: 12 passed (exit 0)\r\n")


def test_nothing_of_a_tree_is_brought(farflung):
    farflung.yaml("inventory: {hosts: 'popen//chdir=there'}\ntree: .\n")
    done = farflung.run("exec", "--", "ls", code=0)
    assert done.stdout == "popen: no output\n"


@pytest.mark.parametrize("args, words", [
    ([], "farflung: exec: what is to be run? (farflung exec [OPTIONS] -- COMMAND)"),
    (["--"], "farflung: exec: what is to be run? (farflung exec [OPTIONS] -- COMMAND)"),
    (["a", "--", "b"], "farflung: exec: 'a' stands before '--': the command goes behind it"),
    (["--tx", "popen", "-f", "x", "--", "b"], "farflung: exec: --file or --tx, not both"),
    (["--", "b"], "farflung: exec: farflung.yaml: No such file or directory (-f FILE or --tx XSPEC say which hosts)"),
    (["--tx", "nonsense", "--", "b"], "xspec 'nonsense': no transport key*"),
    (["--tx", "popen", "--timeout", "soon", "--", "b"], "farflung: exec: --timeout wants a duration*"),
    (["--tx", "popen", "-i", "nowhere", "--", "b"], "farflung: exec: --input: nowhere: No such file or directory"),
])
def test_usage(farflung, args, words):
    done = farflung.run("exec", *args, code=2)
    line = done.stderr.splitlines()[0]
    assert line.startswith(words[:-1]) if words.endswith("*") else line == words
    assert done.stdout == ""


def test_a_reader_who_left(hosts):
    """That nobody reads what was said is no success."""
    read, write_end = os.pipe()
    os.close(read)
    process = hosts.start("exec", "--", "seq 10000")
    process.stdout.close()
    os.close(write_end)
    process.wait(60)
    assert process.returncode != 0

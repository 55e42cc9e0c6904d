"""The commands that run nothing, and everybody's --help."""
import re

import pytest

from conftest import write


def test_version(farflung):
    done = farflung.run("--version", code=0)
    assert re.fullmatch(r"farflung \d+\.\d+\.\d+\n", done.stdout)
    assert farflung.run("-V", code=0).stdout == done.stdout


def test_help_names_every_command(farflung):
    done = farflung.run("--help", code=0)
    for word in ("run", "pytest", "check", "hosts"):
        assert re.search(rf"^  {word} ", done.stdout, re.MULTILINE), word
    assert farflung.run(code=2).stdout == done.stdout


@pytest.mark.parametrize("word", ["run", "pytest", "check", "hosts"])
def test_help_of_each_command(farflung, word):
    done = farflung.run(word, "--help", code=0)
    assert done.stdout.startswith(f"usage: farflung {word} ")
    assert done.stderr == ""
    assert farflung.run(word, "-h", code=0).stdout == done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line) > 110]
    assert not wide, wide


def test_options_of_the_issue_are_there(farflung):
    run = farflung.run("run", "--help", code=0).stdout
    for option in ("--job NAME", "--on PATTERN", "--junit FILE", "--jsonl FILE"):
        assert option in run
    run = farflung.run("pytest", "--help", code=0).stdout
    for option in ("-n, --numprocesses N", "--tx XSPEC", "--dist MODE", "--junit FILE", "[-- PYTEST_ARGS"):
        assert option in run


def test_reference_of_the_file(farflung):
    text = farflung.run("run", "--help-config", code=0).stdout
    for key in ("inventory", "slots", "matrix", "needs", "timeout", "exclude", "heartbeat", "junit"):
        assert key in text


@pytest.mark.parametrize(
    "args, words",
    [
        (["nonesuch"], "farflung: unknown command 'nonesuch' (see farflung --help)"),
        (["run", "--nonesuch"], "farflung: run: unknown option '--nonesuch' (see farflung run --help)"),
        (["run", "--maxfail", "x"], "farflung: run: --maxfail wants a number, got 'x'"),
        (["run", "--junit"], "farflung: run: --junit wants FILE"),
        (["run", "--quiet=1"], "farflung: run: --quiet takes no value"),
        (["run", "a", "b"], "farflung: run: one FILE at a time, got 'a' and 'b'"),
        (["check", "a", "b"], "farflung: check: one FILE at a time, got 'a' and 'b'"),
        (["hosts", "a", "b"], "farflung: hosts: one FILE at a time, got 'a' and 'b'"),
        (["pytest", "-n", "0"], "farflung: pytest: -n wants a number from 1 to 10000, auto or logical, got '0'"),
        (["pytest", "-n", "many"], "farflung: pytest: -n wants a number from 1 to 10000, auto or logical, got 'many'"),
        (["pytest", "--timeout", "soon"], "farflung: pytest: --timeout wants a time such as 90s or 10m, got 'soon'"),
    ],
)
def test_bad_command_lines(farflung, args, words):
    done = farflung.run(*args, code=2)
    assert done.stderr.splitlines()[0] == words
    assert done.stdout == ""
    assert not (farflung.cwd / ".farflung").exists()


def test_check(farflung):
    farflung.yaml(
        "inventory: [popen, '3*popen']\n"
        "jobs:\n  b: {run: 'touch ran', needs: a, count: 4}\n  a: {pytest: [x]}\n"
    )
    done = farflung.run("check", code=0)
    assert done.stdout == (
        "farflung.yaml: ok: 2 hosts with 4 slots, 2 jobs\n"
        "  job a (pytest)\n"
        "  job b (run, 4 units; needs a)\n"
    )
    assert done.stderr == ""
    assert not (farflung.cwd / "ran").exists() and not (farflung.cwd / ".farflung").exists()


def test_hosts(farflung):
    path = write(
        farflung.cwd / "here.yaml",
        "inventory:\n  - {spec: popen, name: plain}\n  - {spec: popen, name: serpent, worker: python, slots: 3}\n"
        "jobs: {never: {run: touch ran}}\n",
    )
    done = farflung.run("hosts", path, code=0)
    plain, serpent = (re.search(rf"^{n} .*$", done.stdout, re.MULTILINE).group(0) for n in ("plain", "serpent"))
    assert re.fullmatch(
        r"plain +native  Linux \S+ \S+, \d+ CPUs, \d+\.\d GiB, load \d+\.\d+; 1 slot; "
        r"opened in \d+ ms, latency \d+\.\d+ ms", plain)
    assert re.match(r"serpent +python  Linux ", serpent) and "; 3 slots; " in serpent
    assert len(re.findall(r"^ +python: .*python3? ?\(?3\.\d+\.\d+", done.stdout, re.MULTILINE)) == 2, done.stdout
    assert not (farflung.cwd / "ran").exists()

    only = farflung.run("hosts", path, "--on", "serp*", code=0)
    assert "plain" not in only.stdout


def test_hosts_that_are_not_there(farflung):
    path = write(
        farflung.cwd / "some.yaml",
        "inventory:\n  - {spec: popen, name: good}\n"
        "  - {spec: popen, name: bad, worker: python, python: /no/such/python}\n",
    )
    done = farflung.run("hosts", path, code=3)
    assert re.search(r"^good +native", done.stdout, re.MULTILINE)
    assert re.search(r"^bad .*/no/such/python", done.stdout, re.MULTILINE)


def test_hosts_needs_no_jobs_in_the_file(farflung):
    farflung.yaml("inventory: [popen]\n")
    farflung.run("hosts", code=0)

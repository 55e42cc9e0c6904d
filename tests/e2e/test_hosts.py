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


@pytest.mark.parametrize("word", ["run", "pytest", "check", "hosts", "why-slow", "rerun", "runs", "show", "status",
                                  "attach", "replay", "cancel"])
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
        (["rnu"], "farflung: unknown command 'rnu'; did you mean 'run'? (see farflung --help)"),
        (["run", "--max-fail", "3"],
         "farflung: run: unknown option '--max-fail'; did you mean '--maxfail'? (see farflung run --help)"),
        (["run", "--juint=x"],
         "farflung: run: unknown option '--juint'; did you mean '--junit'? (see farflung run --help)"),
        (["run", "--maxfail", "x"], "farflung: run: --maxfail wants a number from 0 to 1000000000, got 'x'"),
        (["run", "--maxfail", "-1"], "farflung: run: --maxfail wants a number from 0 to 1000000000, got '-1'"),
        (["run", "--maxfail", "1e3"], "farflung: run: --maxfail wants a number from 0 to 1000000000, got '1e3'"),
        (["run", "--maxfail", "3 "], "farflung: run: --maxfail wants a number from 0 to 1000000000, got '3 '"),
        (["run", "--maxfail="], "farflung: run: --maxfail wants a number from 0 to 1000000000, got ''"),
        (["run", "--color", "allways"],
         "farflung: run: --color wants auto, always or never, got 'allways'; did you mean 'always'?"),
        (["run", "--on="], "farflung: run: --on wants text, got ''"),
        (["run", "--junit"], "farflung: run: --junit wants FILE"),
        (["run", "--quiet=1"], "farflung: run: --quiet takes no value"),
        (["run", "a", "b"], "farflung: run: one FILE at a time, got 'a' and 'b'"),
        (["check", "a", "b"], "farflung: check: one FILE at a time, got 'a' and 'b'"),
        (["hosts", "a", "b"], "farflung: hosts: one FILE at a time, got 'a' and 'b'"),
        (["pytest", "-n", "-1"], "farflung: pytest: -n wants a number from 0 to 10000, auto or logical, got '-1'"),
        (["pytest", "-n", "many"], "farflung: pytest: -n wants a number from 0 to 10000, auto or logical, got 'many'"),
        (["pytest", "--timeout", "soon"],
         "farflung: pytest: --timeout wants a duration such as 90s, 10m or 1.5h, from 0 to 365d, got 'soon'"),
        (["pytest", "--retries", "101"], "farflung: pytest: --retries wants a number from 0 to 100, got '101'"),
        (["pytest", "--max-worker-restart", "-2"],
         "farflung: pytest: --max-worker-restart wants a number from -1 to 1000000, got '-2'"),
        (["pytest", "--junitxml="], "farflung: pytest: --junitxml wants a path"),
        (["pytest", "-k"], "farflung: pytest: -k wants a value"),
        (["pytest", "--frobnicate"], "farflung: pytest: unknown option '--frobnicate' "
         "(see farflung pytest --help; other options of pytest go behind --)"),
        (["pytest", "--duration=5"], "farflung: pytest: unknown option '--duration'; did you mean '--durations'? "
         "(see farflung pytest --help; other options of pytest go behind --)"),
    ],
)
def test_bad_command_lines(farflung, args, words):
    done = farflung.run(*args, code=4 if args[0] == "pytest" else 2)  # as pytest
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


def test_check_reads_standard_input(farflung):
    text = "inventory: [popen]\njobs: {a: {run: x}}\n"
    for name, shown in (("-", "<stdin>"), ("/dev/stdin", "/dev/stdin")):
        with open(write(farflung.cwd / "some.yaml", text)) as file:
            done = farflung.run("check", name, stdin=file, code=0)
        assert done.stdout.startswith(f"{shown}: ok: 1 host ")
    with open(write(farflung.cwd / "bad.yaml", "jobz: 1\n")) as file:
        done = farflung.run("check", "-", stdin=file, code=2)
    assert done.stderr == "<stdin>:1:1: unknown key 'jobz'; did you mean 'jobs'?\n"


def test_check_gives_hints(farflung):
    farflung.yaml("inventory: [popen]\njobs:\n  a: {run: [make, make test]}\n  b: {run: [ls, '|', wc]}\n")
    done = farflung.run("check", code=0)
    meaning = "a list holds the words of one command, a text is what the shell runs"
    assert done.stderr.splitlines() == [
        f"farflung.yaml:3:12: hint: job 'a': 'make test' is an argument of 'make' here: {meaning}",
        f"farflung.yaml:4:12: hint: job 'b': '|' is an argument of 'ls' here: {meaning}",
    ]


def test_check_is_fast_with_many_jobs_and_hosts(farflung):
    many = 20000
    hosts = "".join(f"  - {{spec: popen//via=h{i - 1}, name: h{i}}}\n" for i in range(1, many))
    jobs = "".join(f"  j{i}: {{run: x, needs: j{i + 1}, on: 'h{i}'}}\n" for i in range(many))
    every = ", ".join(f"j{i}" for i in range(many))
    farflung.yaml(f"inventory:\n  - {{spec: popen, name: h0}}\n{hosts}jobs:\n{jobs}  j{many}: {{run: x}}\n"
                  f"  all: {{run: x, needs: [{every}]}}\n")
    # A second here, several minutes if anything is looked for in all of them for each of them.
    farflung.run("check", code=0, timeout=60)
    farflung.yaml("inventory: [popen]\njobs: {a: {run: x, count: 1000000000}}\n")
    assert "1000000000 units" in farflung.run("check", code=0, timeout=10).stdout


def test_ranges_mean_the_same_everywhere(farflung):
    farflung.yaml("inventory: ['popen//id=n[8-11]', {spec: popen, name: 'm[01-03]'}]\n")
    for pattern, names in (("n[8-11]", "n8 n9 n10 n11"), ("n[10-99],m[02]", "n10 n11 m02"), ("?[1-3]", "")):
        done = farflung.run("hosts", "--on", pattern, code=0 if names else 2)
        assert re.findall(r"^([mn]\d+) ", done.stdout, re.MULTILINE) == names.split()
    done = farflung.run("hosts", "--on", "n[a-c]", code=2)
    assert done.stderr == "bad range 'a-c' in 'n[a-c]'; brackets are ranges as in 'hosts': n[1-12], n[a,b]\n"


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

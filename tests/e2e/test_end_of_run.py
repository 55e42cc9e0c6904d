"""The end of a run with many failures is a list, not a flood; what runs is told to who asks."""
import os
import signal

from conftest import wait_until

MANY = """
inventory: [{spec: popen, name: box, slots: 2}]
jobs:
  many:
    run: 'seq 1000 1040; echo "cannot open {index}.db" >&2; exit $(( {index} % 3 + 1 ))'
    count: COUNT
"""


def end_of(done):
    lines = done.stdout.splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.strip("═= ") == "failures"):]


def test_500_failures_of_few_causes_fit_two_screens(farflung):
    farflung.yaml(MANY.replace("COUNT", "500"))
    done = farflung.run("run", code=1, env=dict(farflung.env, COLUMNS="60"))
    lines = end_of(done)
    assert len(lines) <= 2 * 48
    assert max(map(len, lines)) <= 60
    text = "\n".join(lines)
    for status, count in ((1, 166), (2, 167), (3, 167)):
        assert f"{count} times: exit status {status}: cannot open N.db" in text
    assert "497 more not shown here" in text and "and 497 more like these" in text
    assert lines.count("1040") == 3 and "1010" not in lines, "the last lines of one of each cause"
    run = next(line for line in lines if line.startswith("all of them:")).split()[-1]
    whole = farflung.run("show", run, "many[1]", "--output").stdout
    assert "1010\n" in whole
    told = end_of(farflung.run("replay", "-v", run, code=1))
    assert told.count("1010") == 500 and sum(line.startswith("FAILED many[") for line in told) == 500


def test_ten_failures_are_shown_whole(farflung):
    farflung.yaml(MANY.replace("COUNT", "10"))
    lines = end_of(farflung.run("run", code=1))
    assert lines.count("1010") == 10
    assert sum(line.startswith("FAILED many[") for line in lines) == 10


def test_verbose_shows_all(farflung):
    farflung.yaml(MANY.replace("COUNT", "12"))
    assert end_of(farflung.run("run", "-v", code=1)).count("1010") == 12


def test_sigusr1_tells_what_runs_and_what_waits(farflung):
    farflung.yaml(
        "inventory: [{spec: popen, name: box, slots: 1}]\n"
        "jobs:\n"
        "  one: {run: 'echo first; echo second; until test -e go; do sleep 0.02; done', count: 2}\n"
        "  later: {run: 'true', needs: [one]}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: [e for e in events if "second" in e.get("text", "")])
    os.kill(live.process.pid, signal.SIGUSR1)
    wait_until(lambda: "for a free slot" in live.stderr, 10, "it tells what runs")
    (farflung.cwd / "go").touch()
    live.finish(0)
    told = live.stderr
    assert "running: 1 unit; 0 of 3 done, 0 failed" in told
    assert "host box: ready\n" in told
    assert " one[1] | second\n" in told or " one[2] | second\n" in told
    assert "waiting: 1 unit, for a free slot" in told
    assert "waiting: job later, for the jobs that it needs" in told


def test_failed_tests_are_all_shown(farflung, python):
    """Tools look for these lines, as pytest writes them."""
    (farflung.cwd / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(30))\ndef test(n):\n" + "    n += 0\n" * 20 + "    assert n < 0\n")
    done = farflung.run("pytest", "-n", 2, "--python", python, code=1)
    assert done.stdout.count("FAILED test_many.py::test[") >= 30
    assert done.stdout.count(">       assert n < 0") == 30 and "left out" not in done.stdout

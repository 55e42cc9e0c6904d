"""The end of a run with many failures is a list, not a flood; what runs is told to who asks."""
import os
import re
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


def check_two_screens(farflung, done):
    lines = end_of(done)
    assert len(lines) <= 2 * 48, len(lines)
    text = "\n".join(lines)
    run = next(line for line in lines if line.startswith("all of them:")).split()[-1]
    return text, end_of(farflung.run("replay", "-v", run, code=1))


def test_500_failures_of_500_causes_fit_two_screens(farflung):
    """The first of them are shown, and how many more there are; all of them by replay -v."""
    farflung.yaml("inventory: [{spec: popen, name: box, slots: 2}]\njobs:\n  many:\n    count: 500\n"
                  "    run: 'seq 1000 1040; echo cause-{index} | tr 0-9 a-j; exit 1'\n")
    env = dict(farflung.env, COLUMNS="60")
    for _ in range(2):  # the second one can tell since when they fail
        done = farflung.run("run", code=1, env=env)
    text, told = check_two_screens(farflung, done)
    assert text.count("cause-") == 3 and "497 more not shown here" in text and "and 492 more" in text
    assert "failing before: 500" in text and "and 497 more" in text
    assert sum(line.startswith("cause-") for line in told) == 500


def test_500_failed_tests_of_a_run_fit_two_screens(farflung, python):
    """Where tests are one of a file's jobs; what most have in common comes first."""
    (farflung.cwd / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(500))\ndef test(n):\n    print('said', n)\n"
        "    if n % 5 == 0: raise ValueError(chr(65 + n // 26) + chr(65 + n % 26))\n"
        "    if n % 5 == 1: raise KeyError('k')\n    assert n < 0\n")
    farflung.yaml(f"inventory: ['2*popen//python={python}']\njobs:\n  tests: {{pytest: [test_many.py]}}\n")
    done = farflung.run("run", code=1, env=dict(farflung.env, COLUMNS="60"))
    text, told = check_two_screens(farflung, done)
    assert text.index("300 times: assert N < N") < text.index("100 times: KeyError: 'k'")
    assert "400 of 500 failures have their cause in common with others" in text
    assert "and 492 more" in text and text.count("FAILED test_many.py::test[") == 8
    assert sum(line.startswith("FAILED test_many.py::test[") for line in told) == 500


def test_fifty_failed_tests_of_a_run_are_all_shown(farflung, python):
    (farflung.cwd / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test(n):\n    assert n < 0\n")
    farflung.yaml(f"inventory: ['popen//python={python}']\njobs:\n  tests: {{pytest: [test_many.py]}}\n")
    assert "\n".join(end_of(farflung.run("run", code=1))).count(">       assert n < 0") == 50


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
    wait_until(lambda: "for a free slot" in live.stderr, 60, "it tells what runs")
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


STOPPED = """
inventory: [{spec: popen, name: one, slots: 2}, {spec: popen, name: two}]
settings: {maxfail: 1}
jobs:
  first: {run: 'exit 3', count: 1}
  a-job-with-a-name: {run: 'true', matrix: {a_long_name: [1, 2, 3, 4, 5, 6, 7]}, needs: {first: any}}
"""


def test_what_did_not_run_is_named_and_no_word_is_cut(farflung):
    farflung.yaml(STOPPED)
    lines = farflung.run("run", code=1, env=dict(farflung.env, COLUMNS="60")).stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("job a-job-with-a-name: "))
    text = " ".join(line.strip() for line in lines[at:at + 9])
    names = ", ".join(f"a-job-with-a-name[a_long_name={i}]" for i in range(1, 6))
    assert f"7 of 7 commands did not run: {names} and 2 more" in text
    assert max(map(len, lines[at:])) <= 60
    whole = farflung.run("replay", code=1).stdout.splitlines()
    assert any(line.endswith(f"did not run: {names} and 2 more") for line in whole), "known to be no screen"


def test_what_each_host_had(farflung):
    farflung.yaml("inventory: [{spec: popen, name: one, slots: 2}, {spec: popen, name: two}]\n"
                  "jobs: {a: {run: 'sleep 0.2', count: 6}}\n")
    lines = farflung.run("run", code=0).stdout.splitlines()
    told = [re.fullmatch(r"host (\w+): (\d+) attempts?, busy (\d+)(?:\.\d)? % of (\d) slots?", line) for line in lines]
    told = {match[1]: (int(match[2]), int(match[3]), int(match[4])) for match in told if match}
    assert set(told) == {"one", "two"} and sum(had[0] for had in told.values()) == 6
    assert told["one"][2] == 2 and all(0 < had[1] <= 100 for had in told.values() if had[0])


def test_many_hosts_are_summed_up(farflung):
    farflung.yaml("inventory: [" + ", ".join(f"{{spec: popen, name: h{i}}}" for i in range(8)) + "]\n"
                  "jobs: {a: {run: 'sleep 0.1', count: 16}}\n")
    out = farflung.run("run", code=0).stdout
    assert re.search(r"^hosts: 8, busy .* to .*, half of them over .*; the least h\d: ", out, re.M)
    assert out.count("attempt") == 3
    assert farflung.run("replay", "-v").stdout.count(" of 1 slot\n") == 8


def test_one_host_has_nothing_to_be_compared_with(farflung):
    farflung.yaml("inventory: [popen]\njobs: {a: {run: 'true', count: 3}}\n")
    assert "busy" not in farflung.run("run", code=0).stdout

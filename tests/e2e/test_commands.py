"""Jobs that run commands: how they are started, how they end, what is kept of them."""
import json
import os
import signal
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import of_kind, outcomes, read_journal, read_jsonl, result_of, wait_until, write

ONE_HOST = "inventory: [popen]\n"


def stdout_of(events, unit):
    return "".join(s["text"] for s in result_of(events, unit).get("sections", []) if s["title"] == "stdout")


def stderr_of(events, unit):
    return "".join(s["text"] for s in result_of(events, unit).get("sections", []) if s["title"] == "stderr")


def test_text_is_for_the_shell_and_a_list_is_not(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  text: {run: 'echo $((6 * 7)); echo to stderr >&2'}\n"
        "  list: {run: [printf, '<%s>', $HOME, 'a  b', '', '*']}\n",
        code=0,
    )
    assert stdout_of(done.events, "text") == "42\n"
    assert stderr_of(done.events, "text") == "to stderr\n"
    assert stdout_of(done.events, "list") == "<$HOME><a  b><><*>"
    assert outcomes(done.events) == {"text": "passed", "list": "passed"}


def test_folder_environment_and_input(farflung):
    (farflung.cwd / "sub").mkdir()
    done = farflung.run_yaml(
        "inventory:\n  defaults: {env: {FROM_DEFAULTS: d, OVERRIDDEN: d}}\n"
        "  hosts:\n    - {spec: popen, env: {FROM_HOST: h}}\n"
        "jobs:\n"
        "  where: {run: pwd, cwd: sub}\n"
        "  top: {run: pwd}\n"
        "  env:\n"
        "    run: echo \"$FROM_DEFAULTS $FROM_HOST $FROM_JOB $OVERRIDDEN\"\n"
        "    env: {FROM_JOB: 'j j', OVERRIDDEN: j}\n"
        "  input: {run: [cat], stdin: \"two\\nlines\\n\"}\n"
        "  silence: {run: [cat]}\n",
        code=0,
    )
    assert stdout_of(done.events, "where") == f"{farflung.cwd}/sub\n"
    assert stdout_of(done.events, "top") == f"{farflung.cwd}\n"
    assert stdout_of(done.events, "env") == "d h j j j\n"
    assert stdout_of(done.events, "input") == "two\nlines\n"
    assert stdout_of(done.events, "silence") == ""


def test_values_are_literal_in_shell_text(farflung):
    """Whatever a value holds, and wherever it stands, the shell reads it as it is."""
    values = ["a;echo pwn", "it's", "*", "a   b", "$(echo pwn)", '"', "", "\\", "#x"]
    here = "cat <<END\n{v}|\nEND\n"
    done = farflung.run_yaml(
        json.dumps({
            "inventory": ["popen"],
            "jobs": {
                "plain": {"run": "printf '<%s>' {v} b", "matrix": {"v": values}},
                "double": {"run": 'printf "<%s>" "{v}" b', "matrix": {"v": values}},
                "single": {"run": "printf '<%s><b>' '{v}'", "matrix": {"v": values}},
                "nested": {"run": 'printf "<%s><b>" "$(printf %s "{v}")"', "matrix": {"v": values}},
                "here": {"run": here, "matrix": {"v": values}},
                "list": {"run": ["printf", "<%s>", "{v}", "b"], "matrix": {"v": values}},
                "raw": {"run": "echo {v:raw}", "matrix": {"v": ["a; echo b"]}},
            },
        }),
        code=0,
    )
    for value in values:
        for job in ("plain", "double", "single", "nested", "list"):
            assert stdout_of(done.events, f"{job}[v={value}]") == f"<{value}><b>", job
        assert stdout_of(done.events, f"here[v={value}]") == f"{value}|\n"
    assert stdout_of(done.events, "raw[v=a; echo b]") == "a\nb\n"


def test_a_file_from_standard_input(farflung):
    """Paths in it, and the journal, are meant from here."""
    text = "inventory: [popen]\ntree: sub\njobs: {a: {run: cat there}}\nreport: {junit: out.xml}\n"
    write(farflung.cwd / "sub" / "there", "fine\n")
    for name in ("-", "/dev/stdin"):
        with open(write(farflung.cwd.parent / "elsewhere.yaml", text.replace("popen", "{spec: popen, chdir: d}"))) as file:
            farflung.run("run", name, stdin=file, code=0)
        assert (farflung.cwd / "out.xml").exists() and (farflung.cwd / ".farflung" / "runs").is_dir()
        (farflung.cwd / "out.xml").unlink()


def test_hints_come_before_the_last_line(farflung):
    done = farflung.run_yaml("inventory: [popen]\njobs: {a: {run: [echo, 'echo x']}}\n", code=0)
    first, *_, last = done.stderr.splitlines()
    assert first.startswith("farflung.yaml:2:17: hint: job 'a': 'echo x' is an argument of 'echo' here")
    assert last.startswith("farflung: ") and last.endswith("(exit 0)")


def test_matrix_and_count_make_instances(farflung):
    done = farflung.run_yaml(
        "inventory: [3*popen]\njobs:\n"
        "  grid:\n    run: echo {size}/{mode}\n    matrix: {size: [1, 10], mode: [a, b c]}\n"
        "  many: {run: 'echo number {index}', count: 5}\n",
        code=0,
    )
    names = sorted(outcomes(done.events))
    assert len(names) == 4 + 5
    grid = sorted(stdout_of(done.events, n) for n in names if n.startswith("grid"))
    assert grid == ["1/a\n", "1/b c\n", "10/a\n", "10/b c\n"]
    many = sorted(stdout_of(done.events, n) for n in names if n.startswith("many"))
    assert many == [f"number {n}\n" for n in range(1, 6)]
    assert of_kind(done.events, "run-finished")[0]["counts"] == {"total": 9, "passed": 9}


def test_needs_come_first(farflung):
    done = farflung.run_yaml(
        "inventory: [4*popen]\njobs:\n"
        "  last: {run: 'cat a b', needs: [left, right]}\n"
        "  left: {run: 'echo left > a', needs: first}\n"
        "  right: {run: 'echo right > b', needs: first}\n"
        "  first: {run: 'touch first'}\n",
        code=0,
    )
    assert stdout_of(done.events, "last") == "left\nright\n"
    order = [e["job"] for e in done.events if e["event"] in ("job-started", "job-finished")]
    assert order[:2] == ["first", "first"]
    assert order[-2:] == ["last", "last"]
    assert sorted(order[2:6]) == ["left", "left", "right", "right"]


def test_what_needs_a_failure_is_skipped(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  build: {run: 'exit 3'}\n"
        "  unit: {run: 'touch never', needs: build}\n"
        "  report: {run: 'touch never', needs: unit}\n"
        "  other: {run: 'true'}\n",
        code=1,
    )
    assert outcomes(done.events) == {"build": "failed", "other": "passed"}
    states = {e["job"]: (e["state"], e.get("reason")) for e in of_kind(done.events, "job-finished")}
    assert states["build"][0] == "failed"
    assert states["unit"] == ("skipped", "it needs 'build', which did not pass")
    assert states["report"] == ("skipped", "it needs 'unit', which did not pass")
    assert states["other"][0] == "passed"
    assert not (farflung.cwd / "never").exists()
    assert "it needs 'build', which did not pass" in done.stdout


def test_exit_codes_and_signals(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  three: {run: 'exit 3'}\n"
        "  segv: {run: 'kill -SEGV $$'}\n"
        "  kill: {run: [sh, -c, 'kill -KILL $$']}\n"
        "  absent: {run: [nonesuch-program-of-ours, x]}\n"
        "  absent_to_sh: {run: nonesuch-program-of-ours x}\n"
        "  nowhere: {run: 'true', cwd: no/such/folder}\n",
        code=1,
    )
    got = {unit: (outcome, result_of(done.events, unit)["message"]) for unit, outcome in outcomes(done.events).items()}
    assert got["three"] == ("failed", "exit status 3")
    assert got["segv"] == ("crashed", "killed by signal 11 (SIGSEGV)")
    assert got["kill"] == ("crashed", "killed by signal 9 (SIGKILL)")
    assert got["absent"][0] == "error" and "nonesuch-program-of-ours" in got["absent"][1]
    assert "No such file or directory" in got["absent"][1]
    assert got["absent_to_sh"] == ("failed", "exit status 127")
    assert got["nowhere"][0] == "error" and "no/such/folder" in got["nowhere"][1]
    assert os.WEXITSTATUS(result_of(done.events, "three")["status"]) == 3
    assert os.WTERMSIG(result_of(done.events, "segv")["status"]) == signal.SIGSEGV
    assert "killed by signal 11 (SIGSEGV)" in done.stdout
    assert done.stderr.splitlines()[-1] == "farflung: 2 failed, 2 errors, 2 crashed (exit 1)"


def test_time_limit_terminates(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  polite:\n    run: \"trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.02; done\"\n"
        "    timeout: 300ms\n    grace: 60s\n"
        "  deaf:\n    run: \"trap '' TERM; echo ready; while :; do sleep 0.02; done\"\n"
        "    timeout: 300ms\n    grace: 300ms\n",
        code=1,
    )
    assert outcomes(done.events) == {"polite": "timeout", "deaf": "timeout"}
    assert stdout_of(done.events, "polite") == "ready\nasked\n"
    assert result_of(done.events, "polite")["message"].startswith("timed out after ")
    deaf = result_of(done.events, "deaf")
    assert deaf["message"].startswith("timed out after ") and deaf["message"].endswith("(TERM, then KILL)")
    assert os.WTERMSIG(deaf["status"]) == signal.SIGKILL
    assert deaf["duration_us"] >= 600000


def test_retries(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  flaky: {run: 'echo x >> tries; test $(wc -l < tries) -ge 3', retries: 2}\n"
        "  hopeless: {run: 'exit 1', retries: 2}\n",
        "--junit", farflung.cwd / "junit.xml",
        code=1,
    )
    assert outcomes(done.events) == {"flaky": "passed", "hopeless": "failed"}
    for unit in ("flaky", "hopeless"):
        attempts = of_kind(done.events, "unit-finished", unit=unit)
        assert [(a["attempt"], a["final"]) for a in attempts] == [(1, False), (2, False), (3, True)]
        assert len(of_kind(done.events, "unit-started", unit=unit)) == 3
    assert of_kind(done.events, "run-finished")[0]["counts"]["retried"] == 4
    cases = {c.get("name"): c for c in ElementTree.parse(farflung.cwd / "junit.xml").iter("testcase")}
    assert len(cases["flaky"].findall("flakyFailure")) == 2 and cases["flaky"].find("failure") is None
    assert len(cases["hopeless"].findall("rerunFailure")) == 2 and cases["hopeless"].find("failure") is not None


def test_patterns_choose_hosts(farflung):
    hosts = (
        "inventory:\n"
        "  - {spec: popen, name: red1, tags: [red, big]}\n"
        "  - {spec: popen, name: red2, tags: [red]}\n"
        "  - {spec: popen, name: blue, tags: [blue, big]}\n"
    )
    done = farflung.run_yaml(
        hosts + "jobs:\n"
        # The first waits for the second, which then must be on the other host.
        "  reds: {run: 'touch r{index}; until test -e r2; do sleep 0.02; done', count: 6, on: red}\n"
        "  bigs: {run: 'true', count: 6, on: 'big,!red'}\n"
        "  named: {run: 'true', on: 'red*,&big'}\n",
        code=0,
    )
    used = {}
    for event in of_kind(done.events, "unit-finished"):
        used.setdefault(event["job"], set()).add(event["host"])
    assert used == {"reds": {"red1", "red2"}, "bigs": {"blue"}, "named": {"red1"}}

    done = farflung.run_yaml(hosts + "jobs:\n  all: {run: 'true', count: 6}\n", "--on", "blue", code=0)
    assert {e["host"] for e in of_kind(done.events, "unit-finished")} == {"blue"}
    assert {e["host"] for e in of_kind(done.events, "host-ready")} == {"blue"}


def test_chosen_jobs_run_with_what_they_need(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  a: {run: 'true'}\n  b: {run: 'true', needs: a}\n  c: {run: 'true'}\n  d: {run: 'true'}\n",
        "--job", "b", "-j", "d", code=0,
    )
    assert outcomes(done.events) == {"a": "passed", "b": "passed", "d": "passed"}


def test_two_hosts_share_the_work(farflung):
    # Both must be at work at the same time: each waits for the other's file.
    done = farflung.run_yaml(
        "inventory:\n  - {spec: popen, name: one}\n  - {spec: popen, name: two}\n"
        "jobs:\n  pair:\n    run: 'touch {index}; while [ ! -e 1 ] || [ ! -e 2 ]; do sleep 0.01; done'\n"
        "    count: 2\n    timeout: 60s\n",
        code=0,
    )
    assert {e["host"] for e in of_kind(done.events, "unit-finished")} == {"one", "two"}


def test_what_is_kept(farflung):
    junit = farflung.cwd / "out" / "junit.xml"
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  noisy: {run: 'echo some words; printf \"<&\\001\\377\" >&2'}\n"
        "  busy: {run: 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'}\n"
        "report: {junit: out/junit.xml, jsonl: out/events.jsonl}\n",
        code=0,
    )
    cases = {c.get("name"): c for c in ElementTree.parse(junit).iter("testcase")}
    assert cases["noisy"].findtext("system-out") == "some words\n"
    assert cases["noisy"].findtext("system-err").startswith("<&")
    journal = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    assert read_journal(journal) == done.events
    busy = result_of(done.events, "busy")
    assert busy["user_us"] + busy["system_us"] > 0
    assert busy["duration_us"] > 0
    assert busy["max_rss_kib"] > 500
    noisy = result_of(done.events, "noisy")
    assert noisy["output_bytes"] == len("some words\n") + 4
    streamed = [(e["stream"], e["text"]) for e in of_kind(done.events, "unit-output", unit="noisy")]
    assert (1, "some words\n") in streamed
    assert not (farflung.cwd / "out" / "events.jsonl").exists()  # --jsonl took its place


def test_report_files_named_in_yaml(farflung):
    farflung.yaml(ONE_HOST + "jobs: {a: {run: 'true'}}\nreport: {junit: out/j.xml, jsonl: out/e.jsonl}\n")
    other = farflung.cwd.parent
    farflung.run("run", farflung.cwd / "farflung.yaml", cwd=other, code=0)
    assert ElementTree.parse(farflung.cwd / "out" / "j.xml").find(".//testcase").get("name") == "a"
    assert read_jsonl(farflung.cwd / "out" / "e.jsonl")[-1]["event"] == "run-finished"


def test_background_process_is_killed_and_told(farflung):
    done = farflung.run_yaml(
        ONE_HOST + "jobs:\n"
        "  leaky: {run: 'sleep 1000 & echo $!'}\n"
        "  silent: {run: 'sleep 1000 > /dev/null 2>&1 & echo $!'}\n",
        code=0,
    )
    leaky = result_of(done.events, "leaky")
    assert leaky["leaked"] is True
    assert "leaked" not in result_of(done.events, "silent")
    for unit in ("leaky", "silent"):
        assert int(stdout_of(done.events, unit)) not in farflung.left_over()


def test_daemon_dies_with_the_run(farflung):
    """What left its process group, in a session of its own, is gone when the run is."""
    live = farflung.follow("run", farflung.yaml(
        ONE_HOST + "jobs:\n  daemon: {run: 'setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo ok'}\n"))
    live.finish(0)
    wait_until(lambda: not farflung.left_over(), 20, "the daemon is gone")


def test_python_worker_runs_commands_too(farflung, python):
    (farflung.cwd / "sub").mkdir()
    done = farflung.run_yaml(
        f"inventory:\n  - {{spec: popen, worker: python, python: '{python}'}}\n"
        "jobs:\n"
        "  ok: {run: 'pwd; cat; echo $A', cwd: sub, stdin: hello, env: {A: b}}\n"
        "  list: {run: [printf, '%s', '$A']}\n"
        "  three: {run: 'exit 3'}\n"
        "  term: {run: 'kill -TERM $$'}\n"
        "  late: {run: 'sleep 1000', timeout: 200ms, grace: 200ms}\n"
        "  deaf: {run: \"trap '' TERM; while :; do sleep 0.02; done\", timeout: 200ms, grace: 200ms}\n"
        "  absent: {run: [nonesuch-program-of-ours]}\n"
        "  leaky: {run: 'sleep 1000 & echo begun'}\n",
        code=1,
    )
    assert not of_kind(done.events, "host-ready")[0]["native"]
    assert outcomes(done.events) == {
        "ok": "passed", "list": "passed", "three": "failed", "term": "crashed",
        "late": "timeout", "deaf": "timeout", "absent": "error", "leaky": "passed"}
    assert stdout_of(done.events, "ok") == f"{farflung.cwd}/sub\nhellob\n"
    assert stdout_of(done.events, "list") == "$A"
    assert result_of(done.events, "term")["message"] == "killed by signal 15 (SIGTERM)"
    assert result_of(done.events, "leaky")["leaked"] is True


def test_tree_is_brought_to_a_folder_of_its_own(farflung):
    write(farflung.cwd / "src" / "a.txt", "a\n")
    write(farflung.cwd / "src" / "deep" / "b.txt", "b\n")
    write(farflung.cwd / "src" / "left.pyc", "x")
    write(farflung.cwd / "host" / "stale.txt", "old\n")
    os.symlink("deep/b.txt", farflung.cwd / "src" / "link")
    text = (
        "inventory:\n  - {spec: popen, name: there, chdir: host}\n"
        "tree: {source: src, delete: true}\n"
        "jobs: {see: {run: 'cat a.txt deep/b.txt link'}}\n"
    )
    done = farflung.run_yaml(text, code=0)
    assert stdout_of(done.events, "see") == "a\nb\nb\n"
    assert (farflung.cwd / "host" / "stale.txt").exists()  # the host's own
    assert not (farflung.cwd / "host" / "left.pyc").exists()
    first = of_kind(done.events, "sync-finished")[0]
    assert (first["files"], first["sent_files"], first["sent_bytes"], first["deleted"]) == (2, 2, 4, 0)
    assert first["root"] == str(farflung.cwd / "host")

    write(farflung.cwd / "src" / "a.txt", "changed\n")
    second = of_kind(farflung.run_yaml(text, code=0).events, "sync-finished")[0]
    assert (second["sent_files"], second["sent_bytes"], second["deleted"]) == (1, 8, 0)
    third = of_kind(farflung.run_yaml(text, code=0).events, "sync-finished")[0]
    assert (third["sent_files"], third["sent_bytes"], third["deleted"]) == (0, 0, 0)
    os.unlink(farflung.cwd / "src" / "a.txt")
    write(farflung.cwd / "src" / "deep" / "b.txt", "a\n")
    fourth = of_kind(farflung.run_yaml(text.replace("a.txt ", ""), code=0).events, "sync-finished")[0]
    assert (fourth["sent_files"], fourth["deleted"]) == (1, 1)
    assert not (farflung.cwd / "host" / "a.txt").exists()


def test_many_short_commands(farflung):
    done = farflung.run_yaml("inventory: [4*popen]\njobs: {many: {run: ['true'], count: 500}}\n", code=0)
    assert of_kind(done.events, "run-finished")[0]["counts"] == {"total": 500, "passed": 500}
    assert len(outcomes(done.events)) == 500


def test_maxfail_stops(farflung):
    done = farflung.run_yaml(ONE_HOST + "jobs: {bad: {run: 'false', count: 50}}\n", "--maxfail", 3, code=1)
    assert len(outcomes(done.events)) == 3
    assert done.stderr.splitlines()[-1] == "farflung: 3 failed, 47 not run; stopped after 3 failures (exit 1)"


@pytest.mark.parametrize("arguments", [["-v"], ["-vv"], ["-q"], ["--color", "always"], []])
def test_terminal_tells_failures(farflung, arguments):
    farflung.yaml(ONE_HOST + "jobs:\n  good: {run: echo cheerful words}\n  bad: {run: 'echo sad words; exit 5'}\n")
    done = farflung.run("run", *arguments, code=1)
    assert "sad words" in done.stdout
    assert "exit status 5" in done.stdout
    assert ("cheerful words" in done.stdout) == (arguments == ["-vv"])
    assert ("\033[" in done.stdout) == ("always" in arguments)
    assert done.stderr.splitlines()[-1] == "farflung: 1 failed, 1 passed (exit 1)"


def test_events_are_json_whatever_is_printed(farflung):
    live = farflung.follow("run", farflung.yaml(
        ONE_HOST + "jobs:\n  odd: {run: \"printf 'a\\\\000b\\\\377\\\\342\\\\202\\\\254\\\\033[0m\\\"\\\\\\\\'\"}\n"))
    events = live.finish(0)
    text = "".join(s["text"] for s in result_of(events, "odd")["sections"])
    assert text.startswith("a\0b") and text.endswith('\u20ac\033[0m"\\')
    assert json.dumps(text)

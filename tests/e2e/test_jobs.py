"""What jobs can say: on each host, from rows and lists, only if others came out so."""
import datetime
import os
import re
import signal
import shutil

import pytest

from conftest import TOP, junit_outcomes, of_kind, outcomes, read_journal, read_jsonl, result_of, wait_until, command_line, write


def test_each_host_runs_all_of_it(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: 'n[1-2]', slots: 2}, {spec: popen, name: other}]\n"
        "jobs:\n"
        "  made: {run: 'echo {v} >> made.{v}', matrix: {v: [a, b]}, each_host: true, on: 'n*'}\n"
        "  after: {run: 'cat made.a', needs: [made]}\n", "--junit", "j.xml", code=0)
    assert outcomes(done.events) == {
        "made@n1[v=a]": "passed", "made@n1[v=b]": "passed",
        "made@n2[v=a]": "passed", "made@n2[v=b]": "passed", "after": "passed"}
    for event in of_kind(done.events, "unit-started"):
        if "@" in event["unit"]:
            assert event["unit"].startswith(f"made@{event['host']}[")
    assert (farflung.cwd / "made.a").read_text() == "a\na\n"


def test_each_host_of_one_that_is_not_there_is_lost(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: here}, {spec: ssh=nowhere.invalid, name: off}]\n"
        "jobs:\n"
        "  made: {run: 'true', each_host: true}\n"
        "  after: {run: 'true', needs: [made]}\n", "--junit", farflung.cwd / "j.xml", code=3)
    assert outcomes(done.events) == {"made@here": "passed", "made@off": "lost"}
    assert "made@off" in done.stderr + done.stdout
    assert 'name="made@off" errors="1"' in (farflung.cwd / "j.xml").read_text()


HOST = "inventory: [{spec: popen, slots: 2}]\n"


def names(done):
    found = outcomes(done.events)
    assert set(found.values()) == {"passed"}
    return set(found)


def test_include_and_exclude_are_github_actions(farflung):
    # The example of its documentation, with something taken out.
    done = farflung.run_yaml(
        HOST + "jobs:\n  j:\n    run: 'echo {fruit}.{animal}.{color}.{shape} >> log'\n    matrix:\n"
        "      fruit: [apple, pear]\n      animal: [cat, dog]\n"
        "      exclude: [{fruit: pear, animal: dog}]\n"
        "      include: [{color: green}, {color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana},\n"
        "                {fruit: banana, animal: cat}]\n", code=0)
    assert names(done) == {
        "j[fruit=apple,animal=cat,color=pink,shape=circle]", "j[fruit=apple,animal=dog,color=green,shape=circle]",
        "j[fruit=pear,animal=cat,color=pink]", "j[fruit=banana]", "j[fruit=banana,animal=cat]"}
    assert set((farflung.cwd / "log").read_text().split()) == {
        "apple.cat.pink.circle", "apple.dog.green.circle", "pear.cat.pink.", "banana...", "banana.cat.."}


@pytest.mark.parametrize("rows", [
    "rows.csv", "{file: rows.csv}", "{cmd: 'cat rows.csv'}", "rows.json", "{cmd: cat rows.json}",
    "{file: rows.txt, format: jsonl}", "[{a: 1, b: \"it's\"}, {a: 2, b: x y}]"])
def test_rows(farflung, rows):
    write(farflung.cwd / "rows.csv", "a,b\n1,it's\n2,x y\n")
    write(farflung.cwd / "rows.json", '[{"a": 1, "b": "it\'s"}, {"a": 2, "b": "x y"}]')
    write(farflung.cwd / "rows.txt", '{"a": 1, "b": "it\'s"}\n{"b": "x y", "a": 2}\n')
    done = farflung.run_yaml(HOST + "jobs:\n  j:\n    run: echo \"{a}\" {b} {c} >> log\n    matrix:\n"
                             f"      rows: {rows}\n      c: [u, v]\n", code=0)
    assert names(done) == {f"j[a={a},b={b},c={c}]" for a, b in ((1, "it's"), (2, "x y")) for c in "uv"}
    assert sorted((farflung.cwd / "log").read_text().splitlines()) == ["1 it's u", "1 it's v", "2 x y u", "2 x y v"]


@pytest.mark.parametrize("foreach, items", [
    ("[b, a, b]", ["b", "a", "b,row=3"]), ("08..10", ["08", "09", "10"]), ("10..0..-5", ["10", "5", "0"]),
    ("{from: -1, to: 5, step: 3}", ["-1", "2", "5"]), ("{lines: '-'}", ["x y", "z"]), ("{cmd: 'seq 3'}", ["1", "2", "3"])])
def test_foreach(farflung, foreach, items):
    lines = write(farflung.cwd / "lines", "x y\n\nz")
    with open(lines) as stdin:
        done = farflung.run_yaml(HOST + f"jobs:\n  j: {{run: 'test -n {{item}}', foreach: {foreach}}}\n", code=0, stdin=stdin)
    assert names(done) == {f"j[item={item}]" for item in items}


@pytest.mark.parametrize("matrix, words", [
    ("matrix: {rows: none.csv}", "farflung.yaml:3:36: {cwd}/none.csv: No such file or directory"),
    ("matrix: {rows: bad.csv}", "bad.csv:3:1: 1 value, but the first line names 2 columns"),
    ("matrix: {rows: {cmd: exit 3}}", "farflung.yaml:3:42: 'exit 3' ended with exit status 3"),
    ("matrix: {a: [1, 2], exclude: [{b: 1}]}", "farflung.yaml:3:52: 'exclude' has 'b', which is no axis"),
    ("matrix: {a: [1, 2], exclude: [{a: 1}, {a: 2}]}", "farflung.yaml:3:29: 'exclude' leaves nothing to run"),
    ("matrix: {a: [1], include: {a: 1}}", "farflung.yaml:3:47: 'include' wants a list of mappings, got a mapping"),
    ("foreach: 1..3..0", "farflung.yaml:3:30: a step of 0 does not lead from 1 to 3"),
    ("foreach: {lines: empty}", "empty: there are no rows"),
    ("foreach: many", "farflung.yaml:3:30: 'foreach' wants a list, 1..500, {{from, to, step}}, {{lines: FILE}} "
     "or {{cmd: PROGRAM}}, got 'many'"),
])
def test_wrong_rows_start_nothing(farflung, matrix, words):
    write(farflung.cwd / "bad.csv", "a,b\n1,2\n1\n")
    write(farflung.cwd / "empty", "")
    done = farflung.run_yaml(HOST + f"jobs:\n  j: {{run: touch x, {matrix}}}\n", code=2)
    assert words.format(cwd=farflung.cwd) in done.stderr
    assert not (farflung.cwd / "x").exists() and not (farflung.cwd / ".farflung").exists()


def test_many_lines_are_cheap(farflung):
    """Each has its number and nothing else before it runs."""
    if b"__asan_init" in open(farflung.program, "rb").read():
        pytest.skip("its memory is not the program's own")
    (farflung.cwd / "lines").write_text("".join(f"line {i}\n" for i in range(1000000)))
    farflung.yaml(HOST + "jobs:\n  j: {run: 'echo {item}', foreach: {lines: lines}}\n")
    done = farflung.run("check", preexec_fn=limit_memory, code=0)
    assert "1000000 units" in done.stdout


def limit_memory():
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (80 << 20, 80 << 20))


def test_sweep(farflung):
    """configs/sweep.yaml, from a copy."""
    shutil.copytree(TOP / "configs", farflung.cwd / "configs")
    done = farflung.run("run", "configs/sweep.yaml", "--jsonl", farflung.cwd / "events", code=0)
    done.events = read_jsonl(farflung.cwd / "events")
    found = names(done)
    assert len(found) == 501 and "score[rate=0.2,depth=10,seed=500]" in found
    assert "501 passed" in done.stderr
    best = max((farflung.cwd / "build" / "sweep").glob("score-*.txt"), key=lambda path: float(path.read_text().split()[0]))
    assert best.read_text().split()[1] == "0.2"


CONDITIONS = HOST + """jobs:
  build: {run: "%s"}
  test: {run: "true", needs: [build]}
  deploy: {run: "true", needs: [test]}
  notify: {run: "true", needs: [deploy], when: failure}
  clean: {run: "true", needs: {deploy: any}}
  tidy: {run: "true", needs: [build], when: always}
  onfail: {run: "true", needs: {build: failed}}
  ci: {run: "true", when: "env.CI_HERE == 'yes'"}
  behind: {run: "true", needs: [ci]}
  mixed: {run: "true", needs: [build, test], when: failed(build) and skipped(test) or passed(build) && !skipped(test)}
"""


@pytest.mark.parametrize("build, ran", [
    ("exit 0", {"build", "test", "deploy", "clean", "tidy", "mixed"}),
    ("exit 1", {"build", "notify", "clean", "tidy", "onfail", "mixed"}),
])
@pytest.mark.parametrize("here", ["yes", "no"])
def test_conditions(farflung, build, ran, here):
    if here == "yes":
        ran = ran | {"ci", "behind"}
    done = farflung.run_yaml(CONDITIONS % build, "--junit", "j.xml", env=dict(farflung.env, CI_HERE=here),
                             code=int(build[-1]))
    assert set(outcomes(done.events)) == ran
    ends = {e["job"]: e for e in of_kind(done.events, "job-finished")}
    skipped = {name for name, end in ends.items() if end["state"] == "skipped"}
    assert skipped == set(ends) - ran and len(ends) == 10
    failed = {name for name in skipped if ends[name]["why"] == "needs"}
    assert failed == ({"test", "deploy"} if build == "exit 1" else set())
    # Each is told with its reason, everywhere.
    cases = junit_outcomes(farflung.cwd / "j.xml")
    for name in skipped:
        assert f"job {name}: skipped: {ends[name]['reason']}" in done.stdout
        assert cases["", name][0] == "skipped"
        assert ends[name]["reason"].replace("'", "&apos;").replace("&apos;", "'") in (farflung.cwd / "j.xml").read_text()
    assert {e["unit"] for e in of_kind(done.events, "units-not-run")} == skipped
    assert ("not run" in done.stderr) == bool(failed)


WANTED = HOST + """vars: {deploy: 'no', target: blue}
jobs:
  build: {run: "true"}
  deploy: {run: "true", needs: [build], when: "vars.deploy == 'yes'"}
  own: {run: "true", vars: {target: green}, when: "vars.target == green"}
  some:
    run: "echo {os} {n} >> ran"
    matrix: {os: [linux, mac], n: [1, 2]}
    when: "matrix.os == 'linux' and (matrix.n == 2 or vars.deploy == 'yes')"
    needs: [build]
  failed: {run: "true", matrix: {os: [linux, mac]}, needs: [build], when: "failed(build) and matrix.os == 'mac'"}
  none: {run: "true", foreach: [1, 2], when: "matrix.item == 3"}
  behind: {run: "true", needs: [some]}
"""


@pytest.mark.parametrize("more, ran, skipped", [
    ([], {"build", "own", "some[os=linux,n=2]", "behind"},
     {"some[os=linux,n=1]", "some[os=mac,n=1]", "some[os=mac,n=2]"}),
    (["-e", "deploy=yes"], {"build", "deploy", "own", "some[os=linux,n=1]", "some[os=linux,n=2]", "behind"},
     {"some[os=mac,n=1]", "some[os=mac,n=2]"})])
def test_when_by_variables_and_matrix(farflung, more, ran, skipped):
    """Of a job with values in `when` each unit has its own answer; one that is not run is told as skipped."""
    done = farflung.run_yaml(WANTED, "--junit", farflung.cwd / "j.xml", *more, code=0)
    found = outcomes(done.events)
    assert {unit for unit, outcome in found.items() if outcome == "passed"} == ran
    assert {unit for unit, outcome in found.items() if outcome == "skipped"} == skipped
    assert len(found) == len(ran) + len(skipped)
    assert (farflung.cwd / "ran").read_text().count("linux") == (2 if more else 1)
    ends = {e["job"]: e for e in of_kind(done.events, "job-finished")}
    for job in {"failed", "none"} | (set() if more else {"deploy"}):
        assert ends[job]["state"] == "skipped" and ends[job]["why"] == "when"
    assert ends["some"]["state"] == "passed"
    for unit in skipped:
        assert result_of(done.events, unit)["message"].startswith("not when: matrix.os == 'linux'")
        assert {e["event"] for e in done.events if e.get("unit") == unit} == {"unit-finished"}
        assert junit_outcomes(farflung.cwd / "j.xml")["", unit][0] == "skipped"
    # What was skipped is done, also for a run that goes on with it.
    again = farflung.run("run", "--resume", "last", "--jsonl", farflung.cwd / "again", *more, code=0)
    assert of_kind(read_jsonl(farflung.cwd / "again"), "unit-started") == []
    assert again.returncode == 0
    if not more:  # unless it is wanted now
        farflung.run("run", "--resume", "last", "--jsonl", farflung.cwd / "wanted", "-e", "deploy=yes", code=0)
        assert {e["unit"] for e in of_kind(read_jsonl(farflung.cwd / "wanted"), "unit-started")} == {
            "deploy", "some[os=linux,n=1]"}


def test_when_by_a_secret_is_refused(farflung):
    done = farflung.run_yaml(HOST + "vars: {token: {secret: env:HOME}}\njobs: {j: {run: x, when: vars.token}}\n", code=2)
    assert "farflung.yaml:3:" in done.stderr
    assert "'when': 'vars.token' is a secret, by which nothing is decided" in done.stderr


def test_a_failure_on_one_host_is_the_needs(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: 'n[1-2]', chdir: one}]\njobs:\n"
        "  make: {run: 'mkdir made', each_host: true}\n  mend: {run: 'true', needs: {make: failed}}\n", code=1)
    found = outcomes(done.events)
    assert found.pop("mend") == "passed" and set(found) == {"make@n1", "make@n2"}
    assert sorted(found.values()) == ["failed", "passed"]


def interrupted(farflung, grace, clean, unit="while [ ! -e go ]; do sleep 0.01; done"):
    farflung.yaml(f"inventory: [popen]\nsettings: {{grace: {grace}}}\njobs:\n  unit: {{run: '{unit}', count: 2}}\n"
                  f"  clean: {{run: '{clean}', needs: [unit], when: always}}\n  never: {{run: touch never, needs: [clean]}}\n")
    live = farflung.follow("run", "--junit", "j.xml", start_new_session=True)
    live.event("unit-started")
    os.killpg(live.process.pid, signal.SIGINT)
    live.event("interrupted", times=1)
    return live


def test_cleaning_up_behind_an_interrupt(farflung):
    live = interrupted(farflung, "60s", "echo clean; touch cleaned")
    write(farflung.cwd / "go", "")
    events = live.finish(130)
    assert outcomes(events) == {"unit[1]": "passed", "clean": "passed"}
    assert (farflung.cwd / "cleaned").exists() and not (farflung.cwd / "never").exists()
    assert {e["job"]: e["state"] for e in of_kind(events, "job-finished")} == {
        "unit": "stopped", "clean": "passed", "never": "stopped"}
    assert live.stderr.splitlines()[-1] == "farflung: 2 passed, 2 not run; interrupted (exit 130)"


def test_cleaning_up_when_the_grace_is_over(farflung):
    live = interrupted(farflung, "2s", "touch cleaned", unit="sleep 1000")
    events = live.finish(130)
    assert outcomes(events) == {"unit[1]": "lost", "clean": "passed"}
    assert (farflung.cwd / "cleaned").exists()


def test_cleaning_up_is_not_for_ever(farflung):
    live = interrupted(farflung, "1h", "touch began; sleep 1000")
    write(farflung.cwd / "go", "")
    live.event("unit-started", unit="clean")
    os.killpg(live.process.pid, signal.SIGINT)
    events = live.finish(130)
    assert outcomes(events) == {"unit[1]": "passed", "clean": "lost"}


def test_cleaning_up_is_cut_off_by_a_second_grace(farflung):
    live = interrupted(farflung, "500ms", "sleep 1000", unit="sleep 1000")
    assert set(outcomes(live.finish(130)).values()) == {"lost"}


def test_maxfail_lets_clean_up(farflung):
    done = farflung.run_yaml(
        "inventory: [popen]\nsettings: {maxfail: 1}\njobs:\n  a: {run: 'exit 1', count: 3}\n"
        "  b: {run: 'true', needs: [a]}\n  clean: {run: 'true', count: 2, needs: [b], when: always}\n", code=1)
    assert outcomes(done.events) == {"a[1]": "failed", "clean[1]": "passed", "clean[2]": "passed"}
    assert "2 not run" not in done.stdout and "3 not run" in done.stderr


@pytest.mark.parametrize("key, words", [
    ("needs: {a: maybe}", "'needs' of 'a' wants passed, failed or any, got 'maybe'"),
    ("needs: {aa: any}", "job 'b' needs 'aa', which is no job"),
    ("when: failed(a)", "'when': 'a' is not in its 'needs'"),
    ("when: allways", "'when': 'allways' is nothing: there is always, passed, failed, cancelled, skipped(NAME), env.NAME, vars.NAME and matrix.NAME"),
    ("vars: {deploy: no}, when: vars.deploi == 'yes'", "'when': there is no variable 'deploi' in 'vars'; did you mean 'deploy'?"),
    ("when: matrix.os", "'when': 'matrix.os', but it has no 'matrix'"),
    ("matrix: {os: [a]}, when: matrix.oss", "'when': there is no 'oss' in its 'matrix'; did you mean 'os'?"),
    ("when: vars.", "'when': expected a name behind 'vars.' at 'vars.'"),
    ("when: always and", "'when': expected a value at its end"),
    ("when: (always", "'when': expected ')' at its end"),
    ("when: always always", "'when': expected 'and', 'or' or nothing at 'always'"),
    ("needs: a, when: 'passed(a) == 3'", "'when': expected 'and', 'or' or nothing at '== 3'"),
])
def test_wrong_conditions(farflung, key, words):
    done = farflung.run_yaml(HOST + f"jobs:\n  a: {{run: touch x}}\n  b: {{run: touch x, {key}}}\n", code=2)
    assert "farflung.yaml:4:" in done.stderr and words in done.stderr
    assert not (farflung.cwd / "x").exists()


STEPS = """inventory: [{spec: popen, slots: 2}]
jobs:
  ci:
    env: {A: one, B: two}
    matrix: {v: [1, 2]}
    steps:
      - echo first {v} $A > made-{v}
      - {name: build it, run: 'cat made-{v}; echo "$A $B"; test {v} = 1', env: {A: three}}
      - {name: test, run: [sh, -c, 'pwd >&2', '{v}'], cwd: /}
      - {name: log, run: echo failed, when: failure}
      - {name: down, run: 'echo down', when: always}
"""


def steps_of(result):
    assert all(phase["step"] for phase in result["phases"])
    return [(phase["when"], phase["outcome"]) for phase in result["phases"]]


def test_steps(farflung):
    done = farflung.run_yaml(STEPS, "--junit", "j.xml", code=1)
    assert outcomes(done.events) == {"ci[v=1]": "passed", "ci[v=2]": "failed"}
    good, bad = result_of(done.events, "ci[v=1]"), result_of(done.events, "ci[v=2]")
    assert steps_of(good) == [("1", "passed"), ("build it", "passed"), ("test", "passed"), ("log", "skipped"),
                              ("down", "passed")]
    assert steps_of(bad) == [("1", "passed"), ("build it", "failed"), ("test", "skipped"), ("log", "passed"),
                             ("down", "passed")]
    assert bad["message"] == "step 'build it': exit status 1"
    assert [(s["title"], s["text"]) for s in good["sections"]] == [
        ("stdout", "first 1 one\nthree two\ndown\n"), ("stderr", "/\n")]
    assert [s["text"] for s in bad["sections"]] == ["first 2 one\nthree two\nfailed\ndown\n"]
    # Each is a case of its own.
    cases = {name: kind for (_, name), (kind, _) in junit_outcomes(farflung.cwd / "j.xml").items()}
    assert len(cases) == 10
    assert cases["ci[v=2]::build it"] == "failure" and cases["ci[v=2]::test"] == cases["ci[v=1]::log"] == "skipped"
    assert cases["ci[v=2]::down"] == cases["ci[v=1]::test"] == "passed"
    assert "build it: failed" in done.stdout
    # One unit each: it starts and ends once, on one host.
    assert len(of_kind(done.events, "unit-started")) == len(of_kind(done.events, "unit-finished")) == 2
    # What a replay of the journal says of the output is the same.
    journal = read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")
    assert [s["text"] for s in result_of(journal, "ci[v=1]")["sections"]] == [s["text"] for s in good["sections"]]


def test_steps_are_repeated_as_a_whole(farflung):
    done = farflung.run_yaml(
        HOST + "jobs:\n  a: {retries: 3, steps: ['echo 1 >> log', 'echo 2 >> log; test $(wc -l < log) -gt 4', 'echo 3 >> log']}\n",
        "--junit", "j.xml", code=0)
    assert (farflung.cwd / "log").read_text().split() == ["1", "2", "1", "2", "1", "2", "3"]
    finished = of_kind(done.events, "unit-finished")
    assert [(e["attempt"], e["result"]["outcome"]) for e in finished] == [(1, "failed"), (2, "failed"), (3, "passed")]
    assert (farflung.cwd / "j.xml").read_text().count("<flakyFailure") == 2


def test_a_step_takes_too_long(farflung):
    done = farflung.run_yaml(
        HOST + "jobs:\n  a: {timeout: 60s, steps: ['true', {run: sleep 1000, timeout: 300ms, name: slow}, touch never]}\n", code=1)
    result = result_of(done.events, "a")
    assert result["outcome"] == "timeout" and result["message"].startswith("step 'slow': timed out after 0.3 s")
    assert steps_of(result) == [("1", "passed"), ("slow", "timeout"), ("3", "skipped")]
    assert not (farflung.cwd / "never").exists()


def test_steps_hold_what_the_unit_holds(farflung):
    """One list at a time has the pool, from its first step to its last."""
    farflung.run_yaml(
        "inventory: [{spec: popen, slots: 4}]\npools: {p: 1}\n"
        "jobs:\n  a: {count: 4, uses: {p: 1}, steps: ['mkdir busy', 'true', 'rmdir busy']}\n", code=0)


def test_steps_are_interrupted(farflung):
    farflung.yaml(HOST + "settings: {grace: 300ms}\njobs:\n  a: {steps: ['true', 'sleep 1000', 'true']}\n")
    live = farflung.follow("run", "--junit", "j.xml", start_new_session=True)
    live.event("unit-started")
    wait_until(lambda: any("sleep" in command_line(pid) for pid in farflung.left_over()), 60, "the second step runs")
    os.killpg(live.process.pid, signal.SIGINT)
    result = result_of(live.finish(130), "a")
    assert result["outcome"] == "lost"
    assert steps_of(result) == [("1", "passed"), ("2", "lost"), ("3", "skipped")]


@pytest.mark.parametrize("job, words", [
    ("{steps: []}", "3:14: 'steps' wants a list of commands"),
    ("{steps: [a, {name: x}]}", "3:18: 'run' is missing"),
    ("{steps: [a, [b]]}", "3:18: a step is a command or a mapping with 'run', got a list"),
    ("{steps: [{run: a, name: x}, {run: b, name: x}]}", "job 'a' has two steps 'x'"),
    ("{steps: [a], run: b}", "job 'a' has both 'steps' and 'run'"),
    ("{steps: [{run: a, wehn: always}]}", "unknown key 'wehn'; did you mean 'when'?"),
    ("{steps: [{run: a, when: never}]}", "'when' wants success, failure or always, got 'never'"),
    ("{steps: ['echo {size:x}'], matrix: {size: [1]}}", "'run' has {size:x}"),
])
def test_wrong_steps(farflung, job, words):
    done = farflung.run_yaml(HOST + f"jobs:\n  a: {job}\n", code=2)
    assert words in done.stderr


def test_exclusive_has_its_host_alone(farflung):
    """Nothing that others begin or end comes between its beginning and its end, nor before it is alone."""
    done = farflung.run_yaml(
        "inventory: [{spec: popen, slots: 4}]\njobs:\n"
        "  many: {run: 'echo + >> log; sleep 0.02; echo - >> log', count: 20}\n"
        "  one: {run: 'echo ( >> log; sleep 0.05; echo ) >> log', count: 3, exclusive: true}\n"
        "  more: {run: 'echo + >> log; sleep 0.02; echo - >> log', count: 8}\n".replace("( ", '"(" ').replace(") ", '")" '),
        code=0)
    running, alone = 0, 0
    for word in (farflung.cwd / "log").read_text().split():
        assert not alone or word == ")"
        running += (word == "+") - (word == "-")
        alone += (word == "(") - (word == ")")
        assert not (alone and running)
    assert len(outcomes(done.events)) == 31


def test_priority_comes_first(farflung):
    farflung.run_yaml(
        "inventory: [popen]\njobs:\n  late: {run: echo late >> log, priority: -1}\n  a: {run: echo a >> log}\n"
        "  for: {run: echo for >> log}\n  urgent: {run: echo urgent >> log, needs: [for], priority: 5}\n", code=0)
    assert (farflung.cwd / "log").read_text().split() == ["for", "urgent", "a", "late"]


@pytest.mark.parametrize("command", ["run: nice; ", "run: [nice]", "steps: [nice]"])
def test_nice(farflung, command):
    here = os.getpriority(os.PRIO_PROCESS, 0)
    done = farflung.run_yaml(HOST + f"jobs:\n  a: {{{command.rstrip('; ')}, nice: 7}}\n", code=0)
    assert result_of(done.events, "a")["sections"][0]["text"] == f"{min(here + 7, 19)}\n"


def gaps(events, unit):
    """Seconds between an attempt's end and the next one's start."""
    ends = {e["attempt"]: e["time"] for e in of_kind(events, "unit-finished", unit=unit)}
    return [moment(e["time"]) - moment(ends[e["attempt"] - 1])
            for e in of_kind(events, "unit-started", unit=unit) if e["attempt"] > 1]


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_delays_grow(farflung):
    done = farflung.run_yaml(
        HOST + "jobs:\n  a: {run: 'exit 1', retries: {count: 3, delay: 60ms, backoff: 2.5}}\n", code=1)
    found = gaps(done.events, "a")
    assert len(found) == 3
    assert all(gap >= want - 0.001 for gap, want in zip(found, (0.06, 0.15, 0.375))), found


def test_delays_differ(farflung):
    done = farflung.run_yaml(
        "inventory: [8*popen]\njobs:\n"
        "  a: {run: 'exit 1', count: 8, retries: {count: 1, delay: 400ms, jitter: 50%, on: failed, elsewhere: false}}\n", code=1)
    found = [gaps(done.events, f"a[{n}]")[0] for n in range(1, 9)]
    assert min(found) >= 0.199
    # None comes with all others: the eight are drawn from 400 ms.
    assert max(found) - min(found) > 0.02


def test_retries_as_a_mapping_are_for_what_they_say(farflung):
    done = farflung.run_yaml(
        HOST + "jobs:\n  a: {run: 'exit 1', retries: {count: 2, on: 'timeout'}}\n", code=1)
    assert len(of_kind(done.events, "unit-started")) == 1


@pytest.mark.parametrize("retries, words", [
    ("{delay: 1s}", "'count' is missing"),
    ("{count: x}", "'count' wants a number from 0 to 100, got 'x'"),
    ("{count: 1, backoff: 0.5, delay: 1s}", "'backoff' wants a number such as 2 or 1.5, from 1 to 100, got '0.5'"),
    ("{count: 1, backoff: 2}", "job 'a': 'backoff' wants a 'delay'"),
    ("{count: 1, jitter: 20%}", "job 'a': 'jitter' wants a 'delay'"),
    ("{count: 1, jitter: 120%, delay: 1s}", "'jitter' wants a percentage from 0% to 100%, got '120%'"),
    ("{count: 1, on: never}", "'retry_on' wants failed, error, crashed or timeout"),
    ("{count: 1, dealy: 1s}", "unknown key 'dealy'; did you mean 'delay'?"),
    ("[1]", "'retries' wants a number from 0 to 100, got a list"),
])
def test_wrong_retries(farflung, retries, words):
    done = farflung.run_yaml(HOST + f"jobs:\n  a: {{run: x, retries: {retries}}}\n", code=2)
    assert "farflung.yaml:3:" in done.stderr and words in done.stderr


HALT = """inventory: [{spec: popen, slots: 3}]
settings: {halt: {on: fail, after: 2, how: %s}, grace: 60s}
jobs:
  bad: {run: 'while [ $(ls began.* | wc -l) -lt 1 ]; do sleep 0.01; done; exit 1', count: 2}
  long: {run: 'touch began.$$; while [ ! -e go ]; do sleep 0.01; done', count: 1}
  more: {run: touch never, needs: [long]}
  clean: {run: touch cleaned, needs: [long], when: always}
"""


def test_halt_now_kills(farflung):
    done = farflung.run_yaml(HALT % "now", "--junit", "j.xml", code=1)
    assert outcomes(done.events) == {"bad[1]": "failed", "bad[2]": "failed", "long": "lost", "clean": "passed"}
    assert result_of(done.events, "long")["message"] == "killed: the run stopped after 2 failures"
    assert [e["why"] for e in of_kind(done.events, "stopping")] == ["maxfail", "maxfail"]
    assert done.stderr.splitlines()[-1].endswith("stopped after 2 failures (exit 1)")
    assert not (farflung.cwd / "never").exists() and (farflung.cwd / "cleaned").exists()


def test_halt_soon_lets_end(farflung):
    farflung.yaml(HALT % "soon")
    live = farflung.follow("run")
    live.event("stopping", why="maxfail")
    write(farflung.cwd / "go", "")
    assert outcomes(live.finish(1)) == {"bad[1]": "failed", "bad[2]": "failed", "long": "passed", "clean": "passed"}


def test_halt_now_kills_tests(farflung, python):
    write(farflung.cwd / "test_x.py", "import os, time\ndef test_bad():\n    while not os.path.exists('began'): time.sleep(0.01)\n"
          "    assert 0\ndef test_long():\n    open('began', 'w').close()\n    time.sleep(1000)\n")
    done = farflung.run_yaml(f"inventory: ['2*popen//python={python}']\nsettings: {{halt: {{how: now}}}}\n"
                             "jobs:\n  t: {pytest: [test_x.py], dist: load}\n", code=1)
    found = outcomes(done.events)
    assert found == {"test_x.py::test_bad": "failed", "test_x.py::test_long": "lost"}


@pytest.mark.parametrize("halt, words", [
    ("{on: lost}", "'on' wants fail, success or done, got 'lost'"), ("{after: 0}", "'after' wants a number from 1 to 1000000000, got '0'"),
    ("{how: later}", "'how' wants soon or now, got 'later'"), ("3", "'halt' wants a mapping, got '3'")])
def test_wrong_halt(farflung, halt, words):
    done = farflung.run_yaml(HOST + f"settings: {{halt: {halt}}}\njobs:\n  a: {{run: x}}\n", code=2)
    assert "farflung.yaml:2:" in done.stderr and words in done.stderr


@pytest.mark.parametrize("kind", ["run", "steps", "pytest"])
def test_timeout_by_what_is_usual(farflung, python, kind):
    write(farflung.cwd / "test_x.py", "import os, time\ndef test_x():\n    time.sleep(1000 if os.path.exists('slow') else 0.05)\n")
    command = "sleep 0.05; if [ -e slow ]; then sleep 1000; fi"
    job = {"run": f"run: '{command}'", "steps": f"steps: ['true', '{command}']", "pytest": "pytest: [test_x.py]"}[kind]
    text = (f"inventory: ['popen//python={python}']\njobs:\n"
            f"  known: {{{job}, timeout: 300%, timeout_floor: 400ms}}\n")
    # Nothing is known: no limit.
    assert set(outcomes(farflung.run_yaml(text, code=0).events).values()) == {"passed"}
    assert set(outcomes(farflung.run_yaml(text, code=0).events).values()) == {"passed"}
    write(farflung.cwd / "slow", "")
    done = farflung.run_yaml(text, code=1)
    (unit,) = outcomes(done.events)
    result = result_of(done.events, unit)
    # Where a start takes long, three times as long is above the floor.
    assert result["outcome"] == "timeout"
    assert 0.4 <= float(re.search(r"timed out after ([\d.]+) s", result["message"])[1]) < 30


def test_timeout_of_what_is_not_known(farflung):
    done = farflung.run_yaml(
        HOST + "jobs:\n  new: {run: sleep 1000, timeout: 300%, timeout_default: 200ms}\n", code=1)
    assert "timed out after 0.2 s" in result_of(done.events, "new")["message"]


@pytest.mark.parametrize("timeout, words", [
    ("50%", "more than 100% of what is usual"), ("x%", "a duration such as 90s, 10m or 1.5h, from 0 to 365d"),
    ("100.5%", "a duration such as 90s, 10m or 1.5h, from 0 to 365d")])
def test_wrong_timeout(farflung, timeout, words):
    done = farflung.run_yaml(HOST + f"jobs:\n  a: {{run: x, timeout: {timeout}}}\n", code=2)
    assert f"farflung.yaml:3:24: 'timeout' wants {words}, got '{timeout}'" in done.stderr


def test_names_of_long_lines_are_short(farflung):
    lines = ["x" * 5000 + end for end in "ab"] + ["\u00e4" * 100]
    (farflung.cwd / "lines").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    done = farflung.run_yaml(HOST + "jobs:\n  j: {run: 'echo {item}', foreach: {lines: lines}}\n", code=0)
    found = names(done)
    assert len(found) == 3 and max(map(len, found)) < 150
    said = {result_of(done.events, unit)["sections"][0]["text"].strip() for unit in found}
    assert said == set(lines)

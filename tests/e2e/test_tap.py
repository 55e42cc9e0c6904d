"""`tap:` jobs: scripts whose TAP is read, each a unit."""
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import of_kind, outcomes, result_of, write


def script(farflung, name, lines, end="exit 0"):
    text = "#!/bin/sh\ncat <<'END'\n" + lines.strip("\n") + "\nEND\n" + end + "\n"
    write(farflung.cwd / name, text).chmod(0o755)


def run(farflung, job="tap: ['t/*.t']", *args, code=1):
    return farflung.run_yaml(f"inventory: [2*popen]\njobs:\n  all: {{{job}}}\n", *args, code=code)


def properties(result):
    return {p["name"]: p["value"] for p in result.get("properties", [])}


GOOD = "TAP version 14\n1..2\nok 1 - one\nok 2\n"
WRONG = {
    "plan missing": ("ok 1\n", "", "there is no plan, but 1 points"),
    "nothing": ("hello\n", "", "there is neither a plan nor a point"),
    "too few": ("1..3\nok\nok\n", "", "3 points were planned, 2 came"),
    "too many": ("1..1\nok\nok\n", "", "1 points were planned, 2 came"),
    "number": ("1..2\nok 1\nok 3\n", "", "point 2 is numbered 3"),
    "two plans": ("1..1\nok\n1..1\n", "", "there are two plans, of 1 and of 1 points"),
    "behind the plan": ("ok\n1..1\nok\n", "", "point 2 comes behind the plan"),
    "status": (GOOD, "exit 3", "exit status 3"),
    "failing": ("1..2\nnot ok 1 - adds\nok 2\n", "", "not ok 1 - adds"),
    "failing twice": ("1..3\nnot ok - adds # not a directive\nok\nnot ok - subtracts\n", "exit 1",
                      "not ok 1 - adds # not a directive and 1 more of 3; exit status 1"),
    "bail": ("1..9\nok 1\nBail out!  no database\nok 2\n", "exit 1", "Bail out! no database; exit status 1"),
    "bail in a subtest": ("1..1\n    Bail out!\n", "", "Bail out!"),
}
RIGHT = {
    "good": GOOD,
    "plan last": "ok 1\nok 2\n1..2\n",
    "old": "1..1\nok 1 told # skip by the way\n",
    "todo": "1..3\nnot ok 1 # TODO not yet\nnot ok 2 - b # todo\nok 3 - c # TODO done\n",
    "escaped": "1..1\nok 1 - what \\# TODO means\n",
    "skipped failure": "1..1\nnot ok 1 # SKIP no network\n",
    "subtest of a point that is well": "1..1\n    not ok 1 - tried\n    1..1\nok 1 - all\n",
    "yaml": "1..1\nok 1\n  ---\n  not ok: 2\n  ok 3\n  ...\n",
    "other lines": "pragma +strict\nsome text\n1..1\n# note\nokay\nok 1\n",
    "carriage returns": "1..1\r\nok 1 - x\r\n",
}


def test_what_is_wrong(farflung):
    for name, (lines, end, _) in WRONG.items():
        script(farflung, f"t/{name}.t", lines, end)
    done = run(farflung)
    assert outcomes(done.events) == {f"t/{name}.t": "failed" for name in WRONG}
    assert {name: result_of(done.events, f"t/{name}.t")["message"] for name in WRONG} == {
        name: message for name, (_, _, message) in WRONG.items()}


def test_what_is_right(farflung):
    for name, lines in RIGHT.items():
        script(farflung, f"t/{name}.t", lines)
    done = run(farflung, code=0)
    assert outcomes(done.events) == {f"t/{name}.t": "passed" for name in RIGHT}
    assert properties(result_of(done.events, "t/todo.t")) == {
        "tap.points": "3", "tap.todo": "2", "tap.todo_passed": "1"}
    assert properties(result_of(done.events, "t/skipped failure.t")) == {"tap.points": "1", "tap.skipped": "1"}


def test_a_plan_that_skips_all(farflung):
    script(farflung, "t/a.t", "1..0 # SKIP no perl here\n")
    script(farflung, "t/b.t", "1..0 # SKIP no perl here\n", "exit 1")
    done = run(farflung)
    assert outcomes(done.events) == {"t/a.t": "skipped", "t/b.t": "failed"}
    assert result_of(done.events, "t/a.t")["message"] == "skipped: no perl here"


def test_diagnostics_of_failing_points(farflung):
    script(farflung, "t/a.t", """
1..3
ok 1 - fine
  ---
  not: told
  ...
# Subtest: parts
    not ok 1 - left
      ---
      got: 3
      ...
    ok 2 - right
    1..2
not ok 2 - parts
  ---
  message: only half
  ...
# it was this half
not ok 3 - end
""", "exit 2")
    done = run(farflung, "tap: ['t/*.t']", "--junit", "out.xml")
    result = result_of(done.events, "t/a.t")
    assert result["message"] == "not ok 2 - parts and 1 more of 3; exit status 2"
    assert result["longrepr"].splitlines() == [
        "not ok 2 - parts", "    not ok 1 - left", "        got: 3", "    message: only half",
        "  # it was this half", "not ok 3 - end"]
    assert properties(result) == {"tap.points": "3", "tap.subtest_points": "2"}
    case = ElementTree.parse(farflung.cwd / "out.xml").find(".//testcase")
    assert (case.get("classname"), case.get("name")) == ("all", "t/a.t")
    assert "only half" in case.find("failure").text


def test_how_scripts_are_run(farflung):
    body = "echo 1..1; echo ok 1"
    write(farflung.cwd / "t/first line.t", f"#!/bin/sh -u\n{body}\n")
    write(farflung.cwd / "t/b.sh", f"{body}\n")
    write(farflung.cwd / "t/c.py", "print('1..1\\nok 1')\n")
    write(farflung.cwd / "d.t", f"#!/bin/sh\n{body}\n").chmod(0o755)
    done = run(farflung, "tap: [t, t/b.sh, 't/*.py', d.t]", code=0)
    assert outcomes(done.events) == dict.fromkeys(["t/first line.t", "t/b.sh", "t/c.py", "d.t"], "passed")


def test_where_they_run(farflung):
    script(farflung, "sub/t/a.t", GOOD)
    done = run(farflung, "tap: [t], cwd: sub", code=0)
    assert outcomes(done.events) == {"t/a.t": "passed"}


def test_a_command(farflung):
    done = run(farflung, "tap: 'echo 1..2; echo ok 1; echo not ok 2 - $WHAT', env: {WHAT: this}")
    assert outcomes(done.events) == {"all": "failed"}
    assert result_of(done.events, "all")["message"] == "not ok 2 - this"


def test_a_signal_and_a_time_that_is_over(farflung):
    script(farflung, "t/a.t", GOOD, "kill -TERM $$")
    script(farflung, "t/b.t", "1..2\nnot ok 1 - slow", "exec sleep 60")
    done = run(farflung, "tap: [t], timeout: 500ms")
    assert outcomes(done.events) == {"t/a.t": "crashed", "t/b.t": "timeout"}
    assert result_of(done.events, "t/b.t")["message"].startswith("not ok 1 - slow; timed out")


@pytest.mark.parametrize("what", ["t/none.t", "t/*.t", "nowhere/"])
def test_no_such_script(farflung, what):
    script(farflung, "here.t", GOOD)
    done = run(farflung, f"tap: [here.t, '{what}']")
    assert f"there is no '{what}" in done.stdout
    assert not of_kind(done.events, "unit-started")


@pytest.mark.parametrize("text, words", [
    ("tap: ['t/**/*.t']", "'t/**/*.t': '**' is no pattern here"),
    ("tap: []", "'tap' wants text for the shell or a list of texts"),
    ("tap: ['']", "a script has no name"),
])
def test_wrong_words(farflung, text, words):
    done = farflung.run_yaml(f"inventory: [popen]\njobs:\n  all: {{{text}}}\n", code=2)
    assert words in done.stderr and "farflung.yaml:3:" in done.stderr

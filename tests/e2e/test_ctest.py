"""`ctest:` jobs: the tests of a CMake build folder, each a unit, with the outcomes that ctest gives them."""
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import TOP, junit_outcomes, of_kind, outcomes, result_of, write

pytestmark = pytest.mark.skipif(not shutil.which("ctest"), reason="there is no ctest")

# CMake's own choice is make, which need not be there.
GENERATOR = {"CMAKE_GENERATOR": "Ninja"} if shutil.which("ninja") else {}

# Each property that decides how a test comes out, both ways.
OUTCOMES = r"""
test(good "exit 0")
test(bad "exit 3")
test(will_fail "exit 1" WILL_FAIL 1)
test(will_not_fail "exit 0" WILL_FAIL 1)
test(pass_regex "echo value: 42; exit 7" PASS_REGULAR_EXPRESSION "nothing;value: [0-9]+$|value: [0-9]+\n")
test(pass_regex_on_stderr "echo fine >&2" PASS_REGULAR_EXPRESSION "^fine")
test(no_pass_regex "echo value: x" PASS_REGULAR_EXPRESSION "value: [0-9]+")
test(no_pass_regex_wanted "echo x" PASS_REGULAR_EXPRESSION "y" WILL_FAIL 1)
test(fail_regex "echo all is well, but: ERROR" FAIL_REGULAR_EXPRESSION "warning;ERROR")
test(no_fail_regex "echo fine" FAIL_REGULAR_EXPRESSION "ERROR")
test(braces "echo 'a{2}'" PASS_REGULAR_EXPRESSION "a{2}")
test(skip_code "exit 77" SKIP_RETURN_CODE 77)
test(skip_code_other "exit 76" SKIP_RETURN_CODE 77)
test(skip_regex "echo no database here" SKIP_REGULAR_EXPRESSION "no [a-z]+ here")
test(times_out "exec sleep 60" TIMEOUT 0.3)
test(times_out_wanted "exec sleep 60" TIMEOUT 0.3 WILL_FAIL 1)
test(crashes "kill -SEGV $$")
test(disabled "exit 1" DISABLED 1)
add_test(NAME no_program COMMAND surely_there_is_no_such_program)
test(environment "test \"$A-$B\" = '1 2-'" ENVIRONMENT "A=1 2;B=")
test(modified "test \"$P:$Q:$R:$S\" = /x:/y:/z:ab:new:" ENVIRONMENT "P=/y;Q=a;S=x"
     ENVIRONMENT_MODIFICATION "P=path_list_prepend:/x;P=path_list_append:/z;Q=string_append:b;R=set:new;S=unset:")
test(folder "test $(basename $PWD) = elsewhere" WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/elsewhere)
test(setup "exit 0" FIXTURES_SETUP db)
test(uses_db "exit 0" FIXTURES_REQUIRED db)
test(cleanup "exit 0" FIXTURES_CLEANUP db)
test(setup_fails "exit 1" FIXTURES_SETUP broken)
test(needs_broken "exit 0" FIXTURES_REQUIRED broken FIXTURES_SETUP behind)
test(needs_behind "exit 0" FIXTURES_REQUIRED behind)
test(cleanup_broken "exit 0" FIXTURES_CLEANUP broken)
test(skipped_setup "exit 5" FIXTURES_SETUP skipped SKIP_RETURN_CODE 5)
test(needs_skipped "exit 0" FIXTURES_REQUIRED skipped)
test(behind_a_failure "exit 0" DEPENDS bad)
"""

HEAD = """
cmake_minimum_required(VERSION 3.14)
project(tests NONE)
enable_testing()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/elsewhere)
function(test name text)
  add_test(NAME ${name} COMMAND /bin/sh -c "${text}")
  set(at 2)
  while(at LESS ARGC)
    math(EXPR value "${at} + 1")
    set_tests_properties(${name} PROPERTIES ${ARGV${at}} "${ARGV${value}}")
    math(EXPR at "${at} + 2")
  endwhile()
endfunction()
"""

# As tests in test_pools.py: each tells when it begins and ends; `log` is the build folder's.
UNIT = r"echo '+ {name}' >> log; sleep 0.05; echo '- {name}' >> log"


def configure(cwd, tests):
    write(cwd / "CMakeLists.txt", HEAD + tests)
    done = subprocess.run(["cmake", "-S", cwd, "-B", cwd / "build"], env=dict(os.environ, **GENERATOR),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return cwd / "build"


def run(farflung, tests, *args, job="ctest: build", slots=4, more="", code=0):
    configure(farflung.cwd, tests)
    return farflung.run_yaml(
        f"inventory: [{{spec: popen, slots: {slots}}}]\njobs:\n  all: {{{job}}}\n{more}", *args, code=code)


def as_ctest_says(path):
    """Name -> outcome in a JUnit file of ctest's: what did not run is skipped, or failed."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        skipped = case.find("skipped")
        if case.get("status") == "run":
            word = "passed"
        elif skipped is not None and "dependency" in skipped.get("message", "").lower():
            word = "not run"
        elif case.get("status") == "disabled" or (skipped is not None and "find" not in skipped.get("message", "")):
            word = "skipped"
        else:
            word = "failed"
        found[case.get("name")] = word
    return found


def as_we_say(events):
    found = {}
    for event in of_kind(events, "unit-finished", final=True):
        result = event["result"]
        word = {"passed": "passed", "skipped": "skipped"}.get(result["outcome"], "failed")
        if word == "skipped" and "did not pass" in result["message"]:
            word = "not run"
        found[event["unit"]] = word
    return found


def story(farflung):
    """Begins and ends of tests, in order: ("+", name)."""
    return [tuple(line.split()) for line in (farflung.cwd / "build" / "log").read_text().splitlines()]


def beside(farflung):
    """Pairs of names that ran at the same time."""
    now, pairs = set(), set()
    for sign, name in story(farflung):
        if sign == "-":
            now.remove(name)
            continue
        pairs |= {frozenset((name, other)) for other in now}
        now.add(name)
    return pairs


def test_the_same_outcomes_as_ctest(farflung):
    done = run(farflung, OUTCOMES, code=1)
    report = farflung.cwd / "ctest.xml"
    theirs = subprocess.run(["ctest", "-j2", "--output-junit", report], cwd=farflung.cwd / "build",
                            capture_output=True, text=True, check=False)
    if not report.exists():
        pytest.skip("this ctest writes no JUnit")
    assert theirs.returncode == 8
    assert as_we_say(done.events) == as_ctest_says(report)


def test_what_is_said_of_them(farflung):
    done = run(farflung, OUTCOMES, code=1)
    message = {unit: result_of(done.events, unit).get("message") for unit in outcomes(done.events)}
    assert message["bad"] == "exit status 3"
    assert message["will_not_fail"] == "exit status 0, and it should have failed (WILL_FAIL)"
    assert message["no_pass_regex"] == "PASS_REGULAR_EXPRESSION 'value: [0-9]+' is not in its output"
    assert message["fail_regex"] == "FAIL_REGULAR_EXPRESSION 'ERROR' is in its output"
    assert message["skip_code"] == "skipped: exit status 77 (SKIP_RETURN_CODE)"
    assert message["disabled"] == "not run: it is DISABLED"
    assert message["needs_broken"] == "not run: it needs 'setup_fails', which did not pass"
    assert message["needs_behind"] == "not run: it needs 'needs_broken', which did not pass"
    assert "finds no executable" in message["no_program"]
    assert outcomes(done.events)["times_out"] == "timeout"
    assert outcomes(done.events)["crashes"] == "crashed"
    assert not {e["unit"] for e in of_kind(done.events, "unit-started")} & {"disabled", "needs_broken", "needs_behind"}


def test_order_of_fixtures_and_depends(farflung):
    names = {"up": "FIXTURES_SETUP db", "one": "FIXTURES_REQUIRED db", "two": "FIXTURES_REQUIRED db",
             "down": "FIXTURES_CLEANUP db", "last": "DEPENDS two"}
    done = run(farflung, "".join(f"test({n} \"{UNIT.format(name=n)}\" {p})\n" for n, p in reversed(names.items())))
    assert set(outcomes(done.events).values()) == {"passed"}
    at = {step: i for i, step in enumerate(story(farflung))}
    assert at["-", "up"] < min(at["+", "one"], at["+", "two"])
    assert at["+", "down"] > max(at["-", "one"], at["-", "two"])
    assert at["+", "last"] > at["-", "two"]


def test_locks_serial_tests_and_processors(farflung):
    tests = {f"lock{i}": "RESOURCE_LOCK disk" for i in range(4)}
    tests |= {f"free{i}": "" for i in range(6)}
    tests |= {f"wide{i}": "PROCESSORS 3" for i in range(3)}
    tests |= {f"serial{i}": "RUN_SERIAL 1" for i in range(2)}
    tests |= {"huge": "PROCESSORS 64"}
    done = run(farflung, "".join(f"test({n} \"{UNIT.format(name=n)}\" {p})\n" for n, p in tests.items()))
    assert set(outcomes(done.events)) == set(tests)
    together = beside(farflung)
    for pair in together:
        kinds = sorted(name.rstrip("0123456789") for name in pair)
        assert "serial" not in kinds and "huge" not in kinds, pair
        assert kinds not in (["lock", "lock"], ["wide", "wide"]), pair
    assert any(name.startswith("free") for pair in together for name in pair)


def test_a_lock_is_a_pool_of_that_name(farflung):
    tests = "".join(f"test(t{i} \"{UNIT.format(name=f't{i}')}\" RESOURCE_LOCK db)\n" for i in range(4))
    run(farflung, tests, more="  other: {run: \"" + UNIT.format(name="other").replace("log", "build/log")
        + "\", count: 1, uses: {db: 1}}\npools: {db: 1}\n")
    assert not beside(farflung)
    run(farflung, tests, job="ctest: build, uses: {db: 1}", more="pools: {db: 1}\n")


def test_ctests_words_choose(farflung):
    done = run(farflung, "test(a true LABELS fast)\ntest(b true LABELS slow)\ntest(c true LABELS \"fast;net\")\n",
               "--junit", "out.xml", job="ctest: build -L fast -E '^a'")
    assert outcomes(done.events) == {"c": "passed"}
    case = ElementTree.parse(farflung.cwd / "out.xml").find(".//testcase")
    assert (case.get("classname"), case.get("name")) == ("all", "c")
    assert case.find("properties/property[@name='cmake_labels']").get("value") == "fast;net"


def test_dear_ones_come_first(farflung):
    run(farflung, "".join(f"test({n} \"{UNIT.format(name=n)}\" COST {c})\n" for n, c in (("a", 1), ("b", 3), ("c", 2))),
        slots=1)
    assert [name for sign, name in story(farflung) if sign == "+"] == ["b", "c", "a"]


def test_the_longest_come_first_once_that_is_known(farflung):
    tests = "".join(f"test({n} \"echo '+ {n}' >> log; sleep {t}\")\n" for n, t in (("a", 0), ("b", 0), ("c", 0.8)))
    run(farflung, tests, slots=1)
    (farflung.cwd / "build" / "log").unlink()
    run(farflung, tests, slots=1)
    assert story(farflung)[0] == ("+", "c")


def test_a_worker_that_is_killed(farflung):
    """What ran there runs again, and what had passed before need not."""
    done = run(farflung, "test(up \"echo '+ up' >> log\" FIXTURES_SETUP f)\n"
               "test(use \"echo '+ use' >> log; test -e there || { touch there; kill -9 $PPID; }\" FIXTURES_REQUIRED f)\n"
               "test(down true FIXTURES_CLEANUP f)\n")
    assert outcomes(done.events) == {"up": "passed", "use": "passed", "down": "passed"}
    assert of_kind(done.events, "unit-lost", unit="use")
    assert story(farflung) == [("+", "up"), ("+", "use"), ("+", "use")]


@pytest.mark.parametrize("worker", ["native", "python"])
def test_either_worker(farflung, worker):
    configure(farflung.cwd, "test(a \"echo one; echo two >&2\" PASS_REGULAR_EXPRESSION \"one.two\")\ntest(b false)\n")
    done = farflung.run_yaml(f"inventory: [{{spec: popen, worker: {worker}}}]\njobs:\n  all: {{ctest: build}}\n", code=1)
    assert outcomes(done.events) == {"a": "passed", "b": "failed"}


def test_what_comes_after_each_other_is_on_one_host(farflung):
    """Each host has the build folder elsewhere; what a fixture has set up is there on its own host only."""
    tests = "".join(f"test(up{i} \"touch {i}\" FIXTURES_SETUP f{i})\ntest(use{i} \"test -e {i}\" FIXTURES_REQUIRED f{i})\n"
                    f"test(down{i} \"rm {i}\" FIXTURES_CLEANUP f{i})\n" for i in range(6))
    tests += "test(here \"test $A = $PWD/x -a -e ${CMAKE_BINARY_DIR}/x\" ENVIRONMENT \"A=${CMAKE_BINARY_DIR}/x\")\n"
    for name in ("one", "two"):
        write(configure(farflung.cwd / name, tests) / "x", "")
    done = farflung.run_yaml("""
inventory:
  - {spec: popen//chdir=one//id=one, slots: 2}
  - {spec: popen//chdir=two//id=two, slots: 2}
jobs:
  all: {ctest: build}
""", code=0)
    assert len(outcomes(done.events)) == 19 and set(outcomes(done.events).values()) == {"passed"}
    hosts = {e["unit"]: e["host"] for e in of_kind(done.events, "unit-finished")}
    assert set(hosts.values()) == {"one", "two"}
    for i in range(6):
        assert hosts[f"up{i}"] == hosts[f"use{i}"] == hosts[f"down{i}"]


def test_a_failed_setup_that_passes_when_tried_again(farflung):
    done = run(farflung, "test(up \"test -e there || { touch there; exit 1; }\" FIXTURES_SETUP db)\n"
               "test(one true FIXTURES_REQUIRED db)\n", job="ctest: build, retries: 1")
    assert outcomes(done.events) == {"up": "passed", "one": "passed"}


def test_tests_in_a_circle(farflung):
    """ctest itself refuses them only when it runs them."""
    done = run(farflung, "test(a true DEPENDS b)\ntest(b true DEPENDS a)\n", code=2)
    assert "wait for each other: 'a'" in done.stderr + done.stdout
    assert not of_kind(done.events, "unit-started")


@pytest.mark.parametrize("folder, words", [
    ("nowhere", "nowhere': No such file or directory"),
    (".", "it is no build folder with tests"),
])
def test_no_build_folder(farflung, folder, words):
    done = farflung.run_yaml(f"inventory: [popen]\njobs:\n  all: {{ctest: {folder}}}\n", code=1)
    assert words in done.stdout + done.stderr


def test_nothing_chosen(farflung):
    done = run(farflung, "test(a true)\n", job="ctest: build -R nothing", code=1)
    assert "no tests were collected" in done.stdout + done.stderr


def test_wrong_words(farflung):
    for text, words in (("ctest: build -j4", "'-j4' chooses no tests"), ("ctest: build -L", "'-L' wants a value"),
                        ("ctest: -L x", "'-L' is no build folder"), ("ctest: ''", "there is no build folder")):
        done = farflung.run_yaml(f"inventory: [popen]\njobs:\n  all: {{{text}}}\n", code=2)
        assert f"farflung.yaml:3:3: job 'all': {words}" in done.stderr


def test_an_interrupt(farflung):
    configure(farflung.cwd, "test(a \"touch begun; exec sleep 60\")\ntest(b true DEPENDS a)\n")
    farflung.yaml("inventory: [popen]\nsettings: {grace: 1s}\njobs:\n  all: {ctest: build}\n")
    live = farflung.follow("run")
    live.wait_for(lambda events: of_kind(events, "unit-started", unit="a"))
    live.process.send_signal(2)
    assert live.process.wait(60) == 130
    live.wait_for(lambda events: of_kind(events, "run-finished"))
    assert not of_kind(live.events, "unit-started", unit="b")
    assert of_kind(live.events, "units-not-run", unit="b")


def test_the_example(farflung):
    shutil.copytree(TOP / "configs", farflung.cwd / "configs")
    farflung.run("run", "configs/suites.yaml", code=0, env=dict(farflung.env, **GENERATOR))
    assert junit_outcomes(farflung.cwd / "build" / "suites-junit.xml") == dict.fromkeys(
        [("", "build"), ("tap", "t/sums.t")]
        + [("ctest", name) for name in ("server_starts", "server_answers", "server_stops", "refuses_nonsense")], ("passed", ""))

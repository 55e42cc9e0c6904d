"""What services that run builds are told: --ci, and by itself where one runs the program."""
import re
import signal
import textwrap

import pytest

from conftest import write

EVIL = """
    def test_bad():
        print("::error file=evil::injected")
        print("  ::set-output name=x::1")
        print("##teamcity[buildStatus text='x']")
        print("a ##[add-path]b")
        print("section_start:1:evil")
        print("--- evil")
        assert 1 == 2, "50% of"

    def test_good():
        pass
"""
YAML = """
    version: 1
    inventory: [popen]
    jobs:
      py: {pytest: [t]}
"""
VARIABLES = {"github": ("GITHUB_ACTIONS", "true"), "gitlab": ("GITLAB_CI", "true"),
             "buildkite": ("BUILDKITE", "true"), "teamcity": ("TEAMCITY_VERSION", "2026.1")}
# Lines that the service obeys.
COMMANDS = {"github": r"^\s*::|##\[", "gitlab": r"section_(start|end):", "buildkite": r"^(---|\+\+\+|~~~|\^\^\^)\s",
            "teamcity": r"##teamcity\["}


def run_in(farflung, service, *args, env=(), **options):
    name, value = VARIABLES[service]
    return farflung.run(*args, env=dict(farflung.env, **{name: value}, **dict(env)), **options)


def commands(service, text):
    return [line for line in text.split("\n") if re.search(COMMANDS[service], line)]


def lay(farflung, test=EVIL, text=YAML):
    write(farflung.cwd / "t" / "test_x.py", textwrap.dedent(test))
    farflung.yaml(text)


@pytest.mark.parametrize("service", VARIABLES)
@pytest.mark.parametrize("words", [("run",), ("run", "-vv"), ("pytest", "t"), ("pytest", "-s", "t")], ids=" ".join)
def test_text_of_tests_is_no_command(farflung, service, words):
    lay(farflung)
    done = run_in(farflung, service, *words, code=1)
    ours = commands(service, done.stdout)
    assert ours, done.stdout
    own = {"github": r"::(group::farflung run |endgroup::$|error file=t/test_x.py,line=9,title=\S*\S* ?t/test_x)",
           "gitlab": r"section_(start|end):\d{9,}:farflung$",
           "buildkite": r"--- farflung run |\+\+\+ farflung: result$",
           "teamcity": r"##teamcity\[(block(Opened|Closed) name='farflung'|test(Started|Finished|Failed|StdOut) )"}
    assert [line for line in ours if not re.match(own[service], line)] == []
    assert "injected" in done.stdout.replace("\n", ""), "what the test said is still to be read"
    assert not commands(service, done.stderr)


def test_annotations_on_github(farflung):
    lay(farflung)
    done = run_in(farflung, "github", "run", code=1)
    errors = [line for line in done.stdout.split("\n") if line.startswith("::error")]
    assert len(errors) == 1 and errors[0].startswith(
        "::error file=t/test_x.py,line=9,title=t/test_x.py%3A%3Atest_bad::AssertionError: 50%25 of%0A")


def test_files_are_named_from_the_checkout(farflung):
    lay(farflung)
    done = run_in(farflung, "github", "run", code=1, env={"GITHUB_WORKSPACE": str(farflung.cwd.parent)})
    assert f"::error file={farflung.cwd.name}/t/test_x.py,line=9," in done.stdout


def test_ten_annotations_at_most(farflung):
    lay(farflung, "import pytest\n@pytest.mark.parametrize('n', range(25))\ndef test_n(n): assert n < 0\n")
    done = run_in(farflung, "github", "run", code=1)
    errors = [line for line in done.stdout.split("\n") if line.startswith("::error")]
    assert len(errors) == 10
    assert errors[-1].endswith("::16 more failures, 25 in all: see the end of the log")


def test_summary_of_the_step(farflung):
    lay(farflung, text=YAML + """
      flaky:
        run: 'test -e seen || { touch seen; exit 1; }'
        retries: 1
""")
    summary = farflung.cwd.parent / "summary.md"
    summary.write_text("before\n")
    run_in(farflung, "github", "run", code=1, env={"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text()
    assert text.startswith("before\n## farflung: failed\n\n2 passed, 1 failed in ")
    assert "### Failures: 1\n" in text and "(t/test_x.py:9)" in text and "test\\_bad" in text
    assert "### Flaky: 1\n\n- flaky\\: flaky: passed at attempt 2\n" in text


def test_summary_that_cannot_be_written(farflung):
    lay(farflung, "def test_x(): pass\n")
    done = run_in(farflung, "github", "run", code=3, env={"GITHUB_STEP_SUMMARY": str(farflung.cwd)})
    assert f"cannot write the step's summary '{farflung.cwd}'" in done.stderr


def test_off(farflung):
    lay(farflung)
    done = run_in(farflung, "github", "run", "--ci", "none", code=1)
    assert "::group::" not in done.stdout and "\n::error file=evil::injected" in done.stdout
    assert "::group::" not in farflung.run("run", code=1).stdout


def test_in_the_file(farflung):
    lay(farflung, text=YAML + "    report: {ci: teamcity}\n")
    assert "##teamcity[testStarted name='t/test_x.py::test_good']" in farflung.run("run", code=1).stdout
    assert "::group::" in farflung.run("run", "--ci=github", code=1).stdout


def test_no_service(farflung):
    lay(farflung, text=YAML + "    report:\n      ci: gitlob\n")
    for command in "run", "check":
        done = farflung.run(command, code=2)
        assert re.search(r"farflung.yaml:\d+:\d+: 'ci' wants none, github, .*, got 'gitlob'", done.stderr)
    assert "'ci' wants none, github" in farflung.run("run", "--ci", "x", code=2).stderr


def test_the_end_comes_after_ctrl_c(farflung):
    lay(farflung, "import time\ndef test_x(): time.sleep(60)\n")
    live = farflung.start("run", "-v", "--ci", "github")
    for line in live.stdout:
        if "1 test collected" in line:
            break
    live.send_signal(signal.SIGINT)
    live.send_signal(signal.SIGINT)
    out, _ = live.communicate(timeout=60)
    assert live.returncode == 130 and "\n::endgroup::\n" in "\n" + out

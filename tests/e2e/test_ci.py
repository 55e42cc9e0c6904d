"""What services that run builds are told: --ci, and by itself where one runs the program."""
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
from xml.etree import ElementTree

import pytest
import yaml

from conftest import TOP, write

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
           "gitlab": r"\x1b\[0Ksection_(start:\d{9,}:farflung\[collapsed=true\]|end:\d{9,}:farflung$)",
           "buildkite": r"--- farflung run |\+\+\+ farflung: result$",
           "teamcity": r"##teamcity\[(block(Opened|Closed) name='farflung'|test(Started|Finished|Failed|StdOut) |"
                       r"buildStatus text='\{build\.status\.text\}; farflung: 1 passed, 1 failed in )"}
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


AGENT = """#!/bin/sh
printf '%s\\n' "$@" > agent.words
cat > agent.text
echo '--- what the agent says'
"""


def agent(farflung, script):
    """Buildkite's program, in a PATH."""
    tool = farflung.cwd.parent / "bin" / "buildkite-agent"
    write(tool, script)
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{farflung.env['PATH']}", "BUILDKITE_JOB_ID": "0190-ab"}


@pytest.mark.parametrize("words", [("run",), ("pytest", "t")], ids=" ".join)
def test_annotation_on_buildkite(farflung, words):
    lay(farflung)
    done = run_in(farflung, "buildkite", *words, code=1, env=agent(farflung, AGENT))
    assert (farflung.cwd / "agent.words").read_text().split("\n")[:-1] == [
        "annotate", "--context", "farflung-0190-ab", "--style", "error", "--append"]
    text = (farflung.cwd / "agent.text").read_text()
    assert text.startswith("## farflung: failed\n\n1 passed, 1 failed in ") and "(t/test_x.py:9)" in text
    assert "annotation" not in done.stdout + done.stderr and "the agent says" not in done.stdout + done.stderr


def test_annotation_of_a_good_run(farflung):
    lay(farflung, "def test_x(): pass\n")
    run_in(farflung, "buildkite", "run", code=0, env=agent(farflung, AGENT))
    assert "success" in (farflung.cwd / "agent.words").read_text().split("\n")
    (farflung.cwd / "agent.words").unlink()
    run_in(farflung, "github", "run", code=0, env=agent(farflung, AGENT))
    assert not (farflung.cwd / "agent.words").exists()


@pytest.mark.parametrize("script, why", [
    ("#!/bin/sh\ncat >/dev/null; exit 7\n", "no annotation: buildkite-agent ended with exit status 7\n"),
    ("#!/bin/sh\nexit 3\n", "no annotation: buildkite-agent ended with exit status 3\n"),
    ("#!/bin/sh\nkill -9 $$\n", "no annotation: buildkite-agent was killed by signal 9\n"),
], ids=["fails", "reads nothing", "dies"])
def test_agent_that_fails_is_no_failure(farflung, script, why):
    lay(farflung, "def test_x(): pass\n")
    assert run_in(farflung, "buildkite", "run", code=0, env=agent(farflung, script)).stdout.endswith(why)


def test_agent_that_hangs_is_given_up_at_ctrl_c(farflung):
    lay(farflung, "def test_x(): pass\n")
    os.mkfifo(farflung.cwd / "pid")
    env = agent(farflung, "#!/bin/sh\necho $$ > pid\nexec sleep 600\n")
    live = farflung.start("run", env=dict(farflung.env, BUILDKITE="true", **env))
    pid = int((farflung.cwd / "pid").read_text())
    live.send_signal(signal.SIGINT)
    live.send_signal(signal.SIGINT)
    live.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_agent(farflung):
    lay(farflung, "def test_x(): pass\n")
    assert "annotation" not in run_in(farflung, "buildkite", "run", code=0).stdout


QUALITY = """
    import pytest
    @pytest.mark.parametrize("n", ["a]b::c"])
    def test_bad(n):
        assert n == "x", "it's\\n[no]"

    def test_good(): pass
"""


def test_code_quality(farflung):
    """The format that GitLab documents, with the file from the top of its sources."""
    lay(farflung, QUALITY, text=YAML + """
      broken: {pytest: [broken]}
      command: {run: exit 1}
    report: {codequality: out/quality.json}
""")
    write(farflung.cwd / "broken" / "test_broken.py", "import nothing_of_that_name\n")
    farflung.run("run", code=1, env=dict(farflung.env, CI_PROJECT_DIR=str(farflung.cwd.parent)))
    findings = json.loads((farflung.cwd / "out" / "quality.json").read_text())
    found = {finding["location"]["path"].rpartition("/")[2]: finding for finding in findings}
    assert set(found) == {"test_x.py", "test_broken.py"} and len(findings) == 2
    for finding in findings:
        assert set(finding) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert re.fullmatch("[0-9a-f]{16}", finding["fingerprint"])
        assert finding["location"]["path"].startswith(f"{farflung.cwd.name}/")
    bad = found["test_x.py"]
    assert bad["location"]["lines"] == {"begin": 5} and (bad["check_name"], bad["severity"]) == ("pytest", "major")
    assert bad["description"].startswith("t/test_x.py::test_bad[a]b::c]: AssertionError: it's")
    assert "\n" not in bad["description"]
    assert found["test_broken.py"]["severity"] == "critical"
    # The same failure is the same one in the next pipeline, also a line further down.
    write(farflung.cwd / "t" / "test_x.py", "\n" + textwrap.dedent(QUALITY))
    farflung.run("run", code=1, env=dict(farflung.env, CI_PROJECT_DIR=str(farflung.cwd.parent)))
    later = [f for f in json.loads((farflung.cwd / "out" / "quality.json").read_text()) if f["check_name"] == "pytest"
             and f["severity"] == "major"]
    assert [(f["fingerprint"], f["location"]["lines"]) for f in later] == [(bad["fingerprint"], {"begin": 6})]


def test_code_quality_of_a_flaky_test(farflung):
    """A finding of less weight, though the run is good."""
    lay(farflung, "import os\n\ndef test_x():\n    if not os.path.exists('seen'):\n        open('seen', 'w').close()\n        assert 0\n",
        text=YAML.replace("{pytest: [t]}", "{pytest: [t], retries: 1}"))
    farflung.run("run", "--codequality", "q.json", code=0)
    finding, = json.loads((farflung.cwd / "q.json").read_text())
    assert finding["severity"] == "minor" and finding["description"] == "t/test_x.py::test_x: flaky: passed at attempt 2"
    assert finding["location"]["path"] == "t/test_x.py" and finding["location"]["lines"]["begin"] >= 1


def test_code_quality_of_a_good_run(farflung):
    lay(farflung, "def test_x(): pass\n")
    farflung.run("run", "--codequality", "q.json", code=0)
    assert json.loads((farflung.cwd / "q.json").read_text()) == []
    assert "q.json" not in farflung.run("run", code=0).stderr


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


# --- farflung ci ---


def pipeline(farflung, service, *words):
    text = farflung.run("ci", service, *words, code=0).stdout
    assert not re.search(r"@[A-Z]+@", text)
    return yaml.safe_load(text)


def sh(farflung, command, cwd, code=0, **env):
    """A line of a pipeline, in a machine's folder."""
    path = f"{farflung.cwd.parent}:{farflung.env['PATH']}"
    done = subprocess.run(["sh", "-ec", command], cwd=cwd, env=dict(farflung.env, PATH=path, **env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def machines(farflung, count):
    """Copies of the sources, as many machines would have; the program is in the PATH."""
    (farflung.cwd.parent / "farflung").symlink_to(farflung.program)
    lay(farflung, "import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_n(n): assert n != 7\n")
    folders = [farflung.cwd.parent / f"machine{i}" for i in range(count + 1)]
    for folder in folders:
        shutil.copytree(farflung.cwd, folder)
    return folders


def passed_and_failed(path):
    suites = ElementTree.parse(path).getroot()
    cases = list(suites.iter("testcase"))
    return len(cases), sum(case.find("failure") is not None for case in cases)


def test_pipeline_for_github(farflung):
    jobs = pipeline(farflung, "github", "--shards", "2")["jobs"]
    assert jobs["shard"]["strategy"]["matrix"]["shard"] == [1, 2]
    assert "farflung pytest --shard" in [step for step in jobs["shard"]["steps"] if step.get("name") == "Test"][0]["run"]
    *shards, last = machines(farflung, 2)
    jobs = pipeline(farflung, "github", "--shards", "2")["jobs"]
    test, = [step["run"] for step in jobs["shard"]["steps"] if step.get("name") == "Test"]
    merge, = [step["run"] for step in jobs["merge"]["steps"] if step.get("name") == "Merge"]
    codes = []
    for number, folder in enumerate(shards, 1):
        command = test.replace("${{ matrix.shard }}", str(number))
        assert "$" not in command
        codes.append(sh(farflung, command + " || echo failed", folder).stdout.count("failed\n"))
        shutil.copytree(folder / ".farflung" / "runs", last / "shards" / f"shard-{number}")
    assert sum(map(bool, codes)) >= 1
    sh(farflung, merge, last, code=1)
    assert passed_and_failed(last / "junit.xml") == (12, 1)
    assert (last / ".farflung" / "history.db").exists(), "what the cache is to keep"


def test_pipeline_for_gitlab(farflung):
    *shards, last = machines(farflung, 3)
    jobs = pipeline(farflung, "gitlab", "--shards", "3")
    assert jobs["shard"]["parallel"] == 3 and jobs["stages"] == ["test", "merge"]
    for number, folder in enumerate(shards, 1):
        env = {"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": "3"}
        sh(farflung, "\n".join(jobs["shard"]["script"]) + " || :", folder, **env)
        sh(farflung, "\n".join(jobs["shard"]["after_script"]), folder, **env)
        shutil.copytree(folder / f"shard-{number}", last / f"shard-{number}", symlinks=True)
    sh(farflung, "\n".join(jobs["merge"]["script"]), last, code=1)
    assert passed_and_failed(last / "junit.xml") == (12, 1)
    reports = jobs["merge"]["artifacts"]["reports"]
    assert reports["junit"] == "junit.xml"
    assert len(json.loads((last / reports["codequality"]).read_text())) == 1


@pytest.mark.parametrize("words, complaint", [
    ([], "ci: wants github or gitlab, got nothing"),
    (["jenkins"], "ci: wants github or gitlab, got 'jenkins'"),
    (["github", "gitlab"], "ci: wants github or gitlab, got several words"),
    (["github", "--shards", "0"], "ci: --shards wants 1 to 256, got 0"),
    (["github", "--shards", "x"], "'x'"),
], ids=str)
def test_no_pipeline(farflung, words, complaint):
    done = farflung.run("ci", *words, code=2)
    assert complaint in done.stderr and done.stdout == ""


def test_users_own_pytest_as_the_front(farflung, python):
    """Its text is pytest's: only the end is ours to say."""
    lay(farflung, textwrap.dedent("""
        def test_bad(): assert 1 == 2
        def test_good(): pass
    """))
    summary = farflung.cwd.parent / "summary.md"
    env = {"PYTHONPATH": str(TOP / "plugins" / "pytest"), "PYTEST_PLUGINS": "pytest_farflung",
           "FARFLUNG": farflung.program, "PYTHONDONTWRITEBYTECODE": "1", "GITHUB_STEP_SUMMARY": str(summary)}
    farflung.program = python
    done = run_in(farflung, "github", "-m", "pytest", "--farflung", "-n2", "t", code=1, env=env)
    assert [line.split(",")[0] for line in commands("github", done.stdout)] == ["::error file=t/test_x.py"]
    assert "1 failed, 1 passed in" in done.stdout and "## farflung: failed" in summary.read_text()

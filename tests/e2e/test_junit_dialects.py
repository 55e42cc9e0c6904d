"""--junit-dialect: JUnit as its readers take it. What each of them reads, and how, stands here in our words: by their
documentation and how they are known to behave."""
import os
import pathlib
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import of_kind, read_journal, write

DIALECTS = ["pytest", "jenkins", "gitlab", "circleci", "buildkite", "xunit2"]
TESTS = r"""
import os, pytest, sys

def test_good(record_property):
    record_property("who", "me\nand <you>")
    print("seen by few " * 2000)

@pytest.mark.parametrize("text", ["<b>", "]]>", "\x1b[31m", "\ud800", "\x00\x08", "ä€😀", 'quo"te', "x" * 500])
def test_hostile(text):
    print(text.encode("utf-8", "replace").decode())
    sys.stderr.write("\x07\x0b\ufffe")
    assert text == "", "]]>\x1b" + repr(text)

class TestIt:
    def test_huge(self):
        print("a€" * 200000)
        print("z", file=sys.stderr)
        assert 0, "m" * 300000

    @pytest.mark.skip(reason="not <now>")
    def test_skipped(self): pass

    @pytest.mark.xfail(reason="known")
    def test_known(self): assert 0

@pytest.fixture
def bad():
    yield
    assert 0, "teardown"

def test_teardown(bad): pass

def test_flaky():
    if not os.path.exists("flag"):
        open("flag", "w").close()
        assert 0, "the first time"

def test_crash():
    os.abort()
"""
FILE = """\
version: 1
inventory: [2*popen]
settings: {max_worker_restart: 9}
jobs:
  one: {pytest: [tests/test_it.py], retries: 1}
  two: {pytest: [tests/test_it.py], retries: 1}
  cmd: {run: 'mkdir -p log/deep; echo 1 > log/deep/a.txt; echo 2 > "log/b[1].txt"; exit 3', artifacts: [log]}
  control: {run: 'printf "\\\\033[1m\\\\001bye"; exit 1'}
"""
STUCK = "version: 1\ninventory: [popen]\njobs: {stuck: {run: 'echo begun; until test -e over; do sleep 0.02; done'}, later: {run: 'true', needs: [stuck]}}\n"


@pytest.fixture(scope="module")
def told(program, tmp_path_factory):
    """Two runs, one of which was killed, as reports in each dialect: name -> root, and the folder."""
    from conftest import Farflung

    cwd = tmp_path_factory.mktemp("checkout")
    farflung = Farflung(program, cwd)
    farflung.env.update(HOME=str(tmp_path_factory.mktemp("home")), CI_PROJECT_DIR=str(cwd))
    write(cwd / "tests" / "test_it.py", TESTS)
    farflung.yaml(FILE)
    farflung.run("run", code=1)
    first = (cwd / ".farflung/runs/last").resolve()
    farflung.yaml(STUCK)
    live = farflung.follow("run")
    live.event("unit-output")
    live.process.kill()
    live.finish()
    write(cwd / "over", "")
    second = (cwd / ".farflung/runs/last").resolve()
    roots = {}
    for name in DIALECTS:
        done = farflung.run("report", first, second, "--junit", "-", "--junit-dialect", name, code=3)
        roots[name] = ET.fromstring(done.stdout.encode())
    plain = farflung.run("report", first, second, "--junit", "-", code=3).stdout
    assert ET.tostring(ET.fromstring(plain.encode())) == ET.tostring(roots["pytest"]), "it is what holds without"
    assert not farflung.left_over()
    return roots, cwd, read_journal(first / "journal.jsonl")


def cases(root):
    return list(root.iter("testcase"))


def status(case):
    for word in ("error", "failure", "skipped"):
        if case.find(word) is not None:
            return word
    return "passed"


def named(root, name, suite=None):
    found = [c for s in root.iter("testsuite") if suite in (None, s.get("name")) for c in s.iter("testcase")
             if c.get("name") == name]  # fmt: skip
    assert found, name
    return found[0]


def text_of(case, element):
    found = case.find(element)
    return "" if found is None else "".join(found.itertext())


# --- all of them ---

TEXT = {"message", "type"}
CHILDREN = {"properties", "failure", "error", "skipped", "flakyFailure", "rerunFailure", "system-out", "system-err"}


@pytest.mark.parametrize("name", DIALECTS)
def test_all_have_the_same_cases(told, name):
    """In the same order with the same outcomes, lost and not run ones among them; totals are those of the cases."""
    roots, _, events = told
    root = roots[name]
    assert [status(c) for c in cases(root)] == [status(c) for c in cases(roots["pytest"])]
    assert len(cases(root)) >= 2 * 15 + 4
    for suite in root:
        assert suite.tag == "testsuite" and [c.tag for c in suite].count("properties") <= 1
        counted = [status(c) for c in suite.iter("testcase")]
        assert int(suite.get("tests")) == len(counted)
        for total, word in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(total)) == counted.count(word), (suite.get("name"), total)
    for case in cases(root):
        tags = [c.tag for c in case]
        assert set(tags) <= CHILDREN and len(tags) - len(set(tags)) == sum(
            max(0, tags.count(t) - 1) for t in ("flakyFailure", "rerunFailure"))  # fmt: skip
        assert re.fullmatch(r"\d+\.\d{3}", case.get("time")) and case.get("name")
        for problem in case:
            if problem.tag not in ("properties", "system-out", "system-err"):
                assert set(problem.attrib) <= TEXT and problem.get("message") is not None
    assert status(named(root, "test_crash")) == "error"
    flaky = [c for c in cases(root) if c.find("flakyFailure") is not None]
    assert len(flaky) == 1 and status(flaky[0]) == "passed" and "first time" in text_of(flaky[0], "flakyFailure")
    assert len(named(root, "test_huge").findall("rerunFailure")) == 1
    lost = [c for s in root if s.get("name") == "stuck" for c in s.iter("testcase")]
    assert len(lost) >= 1 and status(lost[0]) == "error" and "cut off" in ET.tostring(lost[0], "unicode")
    assert len(of_kind(events, "unit-finished", final=True)) < len(cases(root))


@pytest.mark.parametrize("name", DIALECTS[1:])
def test_what_all_but_pytest_have(told, name):
    root = told[0][name]
    assert int(root.get("tests")) == len(cases(root)) and float(root.get("time")) >= 0
    assert int(root.get("failures")) + int(root.get("errors")) == sum(
        status(c) in ("failure", "error") for c in cases(root))  # fmt: skip
    for case in cases(root):
        assert case.get("classname") and case.get("name")
        for problem in case:
            if problem.tag in ("failure", "error", "skipped", "flakyFailure", "rerunFailure"):
                assert problem.get("type")


# --- each ---


def test_xunit2(told):
    """The schema of Jenkins' xUnit plugin knows three attributes of a case, and no properties in it."""
    root = told[0]["xunit2"]
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors", "disabled"}
    for suite in root:
        assert set(suite.attrib) <= {
            "name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"}  # fmt: skip
        assert suite.get("timestamp") is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
        assert {c.tag for c in suite} <= {"properties", "testcase", "system-out", "system-err"}
        for case in suite.iter("testcase"):
            assert set(case.attrib) <= {"name", "classname", "time"}
            assert "properties" not in {c.tag for c in case}
    good = named(root, "test_good")
    assert text_of(good, "system-out").startswith("[[PROPERTY|who=me and <you>]]\n")
    flaky = text_of(named(root, "test_flaky", "one"), "system-out") + text_of(named(root, "test_flaky", "two"), "system-out")
    assert "[[PROPERTY|farflung.attempts=2]]" in flaky


def test_jenkins(told):
    """It keeps 1000 characters of a stream, of what failed 100,000; attachments are absolute, a line each."""
    roots, cwd, _ = told
    root = roots["jenkins"]
    for case in cases(root):
        bad = status(case) in ("failure", "error")
        for stream in ("system-out", "system-err"):
            assert len(text_of(case, stream)) <= (100000 if bad else 1000) + 300
        for problem in case.findall("failure"):
            assert len(problem.text or "") <= 100300
    huge = text_of(named(root, "test_huge"), "system-out")
    assert "bytes were left out here" in huge and "\ufffd" not in huge and huge.rstrip().endswith("a€")
    assert "bytes were left out here" in text_of(named(root, "test_good"), "system-out")
    (cmd,) = [s for s in root if s.get("name") == "cmd"]
    lines = text_of(cmd.find("testcase"), "system-out").splitlines()
    files = [line[len("[[ATTACHMENT|"):-2] for line in lines if line.startswith("[[ATTACHMENT|")]
    assert [os.path.basename(f) for f in files] == ["b[1].txt", "a.txt"]
    assert all(os.path.isabs(f) and pathlib.Path(f).is_file() and not os.path.islink(f) for f in files)
    assert len(re.findall(r"ATTACHMENT", ET.tostring(root, "unicode"))) == len(files)


def test_gitlab(told):
    """The first of two cases of a name is all it takes; of a problem it shows the text, of what passed no output."""
    roots, cwd, _ = told
    root = roots["gitlab"]
    keys = [(c.get("classname"), c.get("name")) for c in cases(root)]
    assert len(keys) == len(set(keys))
    assert sum(name.endswith(" (2)") for _, name in keys) >= 15, "the second job's"
    for case in cases(root):
        word = status(case)
        if word == "passed":
            assert case.find("system-out") is None and case.find("system-err") is None
        else:
            problem = case.find(word)
            assert (problem.text or "").strip(), "nothing but its text is read"
            # XML has no control characters in attributes, and newlines are blanks there.
            assert problem.get("message")[:20].split("\n")[0].strip() in problem.text
            assert len(problem.text.encode()) < 2 * 65536 + 1000
        if case.get("file"):
            assert (cwd / case.get("file")).is_file() and not os.path.isabs(case.get("file"))
    (cmd,) = [s for s in root if s.get("name") == "cmd"]
    found = re.search(r"\[\[ATTACHMENT\|(?P<path>[^\[\]\|]+?)\]\]", text_of(cmd.find("testcase"), "system-out"))
    assert not os.path.isabs(found["path"]) and (cwd / found["path"]).read_text() == "1\n"


def test_circleci(told):
    """Timings are by `file`; a case has that, name, class and time."""
    roots, cwd, _ = told
    for suite in roots["circleci"]:
        for case in suite.iter("testcase"):
            if suite.get("name") in ("one", "two") and case.get("name").startswith("test_") and status(case) != "error":
                assert (cwd / case.get("file")).is_file()
            for stream in ("system-out", "system-err"):
                assert len(text_of(case, stream).encode()) < 256 * 1024 + 1000


def test_buildkite(told):
    """Class and name are mandatory; file and line lead to the source, from 1."""
    roots, cwd, _ = told
    lines = (cwd / "tests/test_it.py").read_text().splitlines()
    for name in ("test_good", "test_huge"):
        case = named(roots["buildkite"], name)
        at = int(case.get("line"))
        assert case.get("file") == "tests/test_it.py" and f"def {name}" in "".join(lines[at - 1 : at + 1])
        assert at == 1 + next(i for i, line in enumerate(lines) if f"def {name}" in line)


# --- the option ---


def test_in_the_file(farflung):
    text = "version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\nreport: {junit: r.xml, junit_dialect: %s}\n"
    farflung.run_yaml(text % "buildkite", code=0)
    root = ET.parse(farflung.cwd / "r.xml").getroot()
    assert root.get("tests") == "1" and root.find("testsuite/testcase").get("classname") == "a"
    done = farflung.run_yaml(text % "gitlub", code=2)
    assert "farflung.yaml:4:24: 'junit_dialect' wants pytest, jenkins, gitlab, circleci, buildkite or xunit2, got 'gitlub'" in done.stderr
    done = farflung.run_yaml((text % "gitlab").replace("junit: r.xml, ", ""), code=2)
    assert "farflung.yaml:4:10: 'junit_dialect' says how 'junit' is written, and there is none" in done.stderr
    farflung.run_yaml(text % "gitlab", "--junit-dialect", "xunit2", code=0)
    assert ET.parse(farflung.cwd / "r.xml").getroot().get("name") == "farflung"


def test_pytest_has_it_too(farflung, python):
    write(farflung.cwd / "test_a.py", "def test_a(): pass\n")
    farflung.run("pytest", "--python", python, "-n", 1, "--junit", "r.xml", "--junit-dialect", "circleci", code=0)
    case = ET.parse(farflung.cwd / "r.xml").getroot().find("testsuite/testcase")
    assert case.get("file") == "test_a.py" and case.get("line") == "1"


def test_gitlab_takes_no_more_than_30_mb(farflung):
    """However much failed tests write, behind a bound each has a little."""
    farflung.yaml(
        "version: 1\ninventory: [4*popen]\n"
        "jobs: {a: {run: 'head -c 300000 /dev/zero | tr \"\\\\0\" x; head -c 300000 /dev/zero | tr \"\\\\0\" y >&2; exit 1',"
        " matrix: {n: [%s]}}}\n" % ", ".join(map(str, range(200))))
    farflung.run("run", "--junit", "r.xml", "--junit-dialect", "gitlab", code=1)
    path = farflung.cwd / "r.xml"
    assert 16 << 20 < path.stat().st_size < 20 << 20
    sizes = [len(text_of(case, "system-out")) for case in cases(ET.parse(path).getroot())]
    assert len(sizes) == 200 and max(sizes) > 60000 and 1000 < min(sizes) < 1200

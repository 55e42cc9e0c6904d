"""settings.links: where pages show a line of a file."""
import json
import shutil
import subprocess

import pytest

from conftest import write
from test_html import Page
from test_merge import journal, shards
from test_web import check, web  # noqa: F401

BAD = "version: 1\ninventory: [popen]\nsettings:\n  links: %s\njobs:\n  one: {run: 'exit 1'}\n"
GITHUB = "https://example.org/a/b/blob/{commit}/{file}#L{line}"


@pytest.mark.parametrize("links, why", [
    ("javascript:alert({line})//{path}", "does not begin with http:"),
    ("JavaScript://%0aalert({path})", "does not begin with http:"),
    ("file://{path}", "does not begin with http:"),
    ("{path}", "does not begin with http:"),
    ("https:{file}", "has no '//' behind its scheme"),
    ("https://{file}/", "has no '/' behind its host"),
    ("https:///{file}", "has no '/' behind its host"),
    ("https://example.org{path}", "has no '/' behind its host"),
    ("vscode://file{path}:{column}", "has a placeholder that is not one of"),
    ("vscode://file{path", "has '{' without '}'"),
    ("vscode://file}{path}", "has '}' without '{'"),
    ("vscode://file/x:{line}", "has neither {path} nor {file}"),
    ("vscode://file{path} :{line}", "has a character that no address has"),
    ("vscode://file{path}<b>", "has a character that no address has"),
])
def test_what_is_no_template(farflung, links, why):
    farflung.yaml(BAD % f"'{links}'")
    done = farflung.run("run", code=2)
    assert f"farflung.yaml:4:10: 'links': '{links}' {why}" in done.stderr, done.stderr
    assert "nothing was started" in done.stderr and not (farflung.cwd / ".farflung").exists()
    served = farflung.run("web", "--listen", "127.0.0.1:0", f"--links={links}", code=2)
    assert served.stderr.startswith(f"farflung: web: --links '{links}' {why}"), served.stderr
    assert served.stdout == ""
    farflung.yaml("version: 1\ninventory: [popen]\njobs:\n  one: {run: 'true'}\n")
    given = farflung.run("run", f"--links={links}", code=2)
    assert f"farflung: --links '{links}' {why}" in given.stderr and "nothing was started" in given.stderr, given.stderr
    assert not (farflung.cwd / ".farflung").exists()


def test_what_is_no_text(farflung):
    farflung.yaml(BAD % "[a]")
    done = farflung.run("run", code=2)
    assert "farflung.yaml:4:10: 'links' wants an address such as vscode://file{path}:{line}" in done.stderr, done.stderr


def test_a_commit(farflung, web):  # noqa: F811
    if not shutil.which("git"):
        pytest.skip("there is no git")
    top = farflung.cwd
    work = top / "sub" / "folder"
    write(work / "farflung.yaml", BAD % f"'{GITHUB}'")

    def git(*words):
        return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words], cwd=top, env=farflung.env, check=True,
                              capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    farflung.run("run", "--html", "r.html", code=1, cwd=work)
    served = web(work)
    (one,) = served.json("/api/v1/runs")["runs"]
    run = served.json(f"/api/v1/runs/{one['id']}")
    check(run, "/api/v1/runs/{run}")
    assert (run["links"], run["commit"], run["below"]) == (GITHUB, git("rev-parse", "HEAD"), "sub/folder/")
    page = Page(work / "r.html")
    assert {key: page.run[key] for key in ("links", "commit", "below")} == {key: run[key] for key in ("links", "commit", "below")}
    # Told again, the journal knows them still.
    farflung.run("replay", "last", "--html", "again.html", code=None, cwd=work)
    assert Page(work / "again.html").run["commit"] == run["commit"]


def test_no_commit_is_known(farflung, web):  # noqa: F811
    farflung.env["GIT_CEILING_DIRECTORIES"] = str(farflung.cwd.parent)
    farflung.run_yaml(BAD % f"'{GITHUB}'", code=1)
    served = web("--links", "vscode://file{path}:{line}")
    (one,) = served.json("/api/v1/runs")["runs"]
    run = served.json(f"/api/v1/runs/{one['id']}")
    assert "commit" not in run and "below" not in run
    assert run["links"] == "vscode://file{path}:{line}", "who serves has the last word"


def test_the_environment_may_say_it(farflung, web):  # noqa: F811
    farflung.env["WHERE"] = "https://example.org/x"
    farflung.run_yaml(BAD % "'${env:WHERE}/{path}'", code=1)
    served = web()
    (one,) = served.json("/api/v1/runs")["runs"]
    assert served.json(f"/api/v1/runs/{one['id']}")["links"] == "https://example.org/x/{path}"


def test_the_command_line_has_the_last_word(farflung):
    farflung.run_yaml(BAD % "'vscode://file{path}'", "--links", "zed://file{path}:{line}", "--html", "r.html", code=1)
    assert Page(farflung.cwd / "r.html").run["links"] == "zed://file{path}:{line}"


def test_merged_shards_keep_them(farflung, python):
    folders = shards(farflung, python, 2, "--links", GITHUB)
    commits = ["abc1234", "abc1234"]
    for expected in ("abc1234", None):
        for folder, commit in zip(folders, commits):
            path = journal(folder)
            lines = [json.loads(one) for one in path.read_text().splitlines()]
            lines[0].update(commit=commit, below="sub/")
            path.write_text("".join(json.dumps(one) + "\n" for one in lines))
        farflung.run("merge", "--html", "r.html", *folders, code=0)
        run = Page(farflung.cwd / "r.html").run
        assert (run["links"], run.get("commit"), run.get("below")) == (GITHUB, expected, expected and "sub/")
        commits[1] = "def5678"  # of two commits nobody knows which one it was

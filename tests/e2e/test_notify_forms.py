"""What Slack, Teams, Mattermost, Discord, GitHub, GitLab and mail servers get, and what they are spared."""
import json
import shutil
import subprocess

import pytest

from conftest import TOP
from notify_servers import certificate, hook, mail_server, reply

ONE = "version: 1\ninventory: [popen]\n"
PASSES = "jobs: {unit: {run: 'true'}}\n"
HOSTILE = ["<!channel> <http://x|y> & ```", "@everyone @here **b** [a](http://x)", "line\nbreak"]
FAILS = "jobs: {unit: {run: 'exit 1 # {item}', foreach: " + json.dumps(HOSTILE) + "}}\n"
SHA = "0123456789abcdef0123456789abcdef01234567"
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")


@pytest.fixture
def server():
    with hook() as told:
        yield told


def told_by(farflung, server, form, jobs=FAILS, code=1):
    farflung.run_yaml(ONE + jobs + f"notify: [{{{form}: '{server.url}/x', on: [failure, recovery, finish], link: 'http://see.example.org/1'}}]\n", code=code)
    got = server.next()
    assert got.path == "/x" and got.headers["Content-Type"] == "application/json"
    return got.json


def test_slack(farflung, server):
    told = told_by(farflung, server, "slack")
    assert set(told) == {"text", "blocks"} and told["text"].endswith(" work failed")
    head, body = (block["text"] for block in told["blocks"])
    assert head["type"] == body["type"] == "mrkdwn" and head["text"].endswith("work failed\n<http://see.example.org/1>")
    inner = body["text"][3:-3]
    assert body["text"] == f"```{inner}```" and "```" not in inner
    assert "<" not in inner and "&lt;!channel&gt; &lt;http://x|y&gt; &amp;" in inner and "3 failed" in inner
    # Limits of theirs.
    many = "jobs: {unit: {run: 'exit 1 # {item}', foreach: " + json.dumps(["<" * 290 + str(n) for n in range(30)]) + "}}\n"
    told = told_by(farflung, server, "slack", many)
    assert len(told["blocks"][1]["text"]["text"]) <= 3000 * 4 and "&lt" in told["blocks"][1]["text"]["text"]


def test_mattermost_and_discord(farflung, server):
    told = told_by(farflung, server, "mattermost")
    title, text = told["text"].split("\n```\n", 1)
    assert set(told) == {"text"} and "`work failed`\n<http://see.example.org/1>" in title
    assert text.endswith("\n```") and "`" not in text[:-4] and "@everyone" in text
    told = told_by(farflung, server, "discord")
    assert told["allowed_mentions"] == {"parse": []} and len(told["content"]) <= 2000
    assert told["content"].count("```") == 2


def test_teams(farflung, server):
    told = told_by(farflung, server, "teams")
    attachment, = told["attachments"]
    card = attachment["content"]
    assert told["type"] == "message" and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}, "no block that knows markup"
    lines = [block["inlines"][0]["text"] for block in card["body"]]
    assert lines[0] == "work failed" and any("@everyone @here **b**" in line for line in lines)
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": "http://see.example.org/1"}]


STATUS = "notify: [{{{form}: '{name}', token: {{secret: env:TOKEN}}, api: '{api}', sha: " + SHA + ", link: 'http://l/'}}]\n"


def statuses(farflung, server, form, name, jobs, code):
    farflung.env["TOKEN"] = "t0k3n-of-mine"
    farflung.run_yaml(ONE + jobs + STATUS.format(form=form, name=name, api=server.url + "/api/"), code=code)
    return server.rest()


def test_github(farflung, server):
    start, end = statuses(farflung, server, "github_status", "owner/name", FAILS, 1)
    assert start.path == end.path == f"/api/repos/owner/name/statuses/{SHA}"
    assert end.headers["Authorization"] == "Bearer t0k3n-of-mine" and end.headers["X-GitHub-Api-Version"]
    assert start.json["state"] == "pending" and end.json["state"] == "failure"
    assert end.json["context"] == "farflung" and end.json["target_url"] == "http://l/"
    assert end.json["description"].startswith("3 failed in ") and len(end.json["description"]) <= 140
    assert [got.json["state"] for got in statuses(farflung, server, "github_status", "a/b", PASSES, 0)] == ["pending", "success"]
    text = "setup: {run: 'false', per: run}\n" + PASSES
    assert statuses(farflung, server, "github_status", "a/b", text, 3)[-1].json["state"] == "error"


def test_gitlab(farflung, server):
    start, end = statuses(farflung, server, "gitlab_status", "group/sub/name", FAILS, 1)
    assert start.path == end.path == f"/api/projects/group%2Fsub%2Fname/statuses/{SHA}"
    assert end.headers["PRIVATE-TOKEN"] == "t0k3n-of-mine"
    assert (start.json["state"], end.json["state"], end.json["name"]) == ("running", "failed", "farflung")


def test_a_status_of_what_is_here(farflung, server):
    """The repository of CI's environment, the commit that git has, at the beginning of the run."""
    git = ["git", "-C", farflung.cwd, "-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    commit = [*git, "commit", "-q", "--allow-empty", "-m", "c"]
    subprocess.run(commit, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        farflung.env.pop(name, None)
    farflung.env.update(TOKEN="t0k3n-of-mine", GITHUB_REPOSITORY="o/n", GITHUB_API_URL=server.url)
    jobs = "jobs: {unit: {run: 'git -c user.name=n -c user.email=e@x commit -q --allow-empty -m more'}}\n"
    farflung.run_yaml(ONE + jobs + "notify: [{github_status: auto, token: {secret: env:TOKEN}}]\n", code=0)
    assert {got.path for got in server.rest()} == {f"/repos/o/n/statuses/{head}"}
    del farflung.env["GITHUB_REPOSITORY"]
    done = farflung.run_yaml(ONE + PASSES + "notify: [{github_status: auto, token: {secret: env:TOKEN}}]\n", code=0)
    assert "github_status was not told (2 notices): 'auto': the environment has no GITHUB_REPOSITORY\n" in done.stderr
    assert not list((farflung.cwd / ".farflung/notify").glob("*.json")), "nobody could ever send it"


# --- mail ---

def mail(server, more):
    return (f"notify:\n  - email: [a@example.org, b@example.org]\n    smtp: {server.url}\n"
            f"    from: farm@example.org\n    on: [failure, finish]\n    {more}\n")


def test_a_mail(farflung):
    with mail_server() as server:
        farflung.run_yaml(ONE + FAILS + mail(server, "tls: never"), code=1)
        got = server.mails.get(timeout=60)
    assert got.sender.startswith("<farm@example.org>") and got.recipients == ["<a@example.org>", "<b@example.org>"]
    message = got.message
    assert message["Subject"] == "work failed" and [str(a) for a in message["To"].addresses] == ["a@example.org", "b@example.org"]
    assert message["From"] == "farflung <farm@example.org>" and message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime and message["Message-ID"].endswith("@example.org>") and not message.defects
    body = message.get_content()
    assert "3 failed in " in body and "@everyone @here **b** [a](http://x)" in body
    assert max(map(len, got.data.splitlines())) <= 78 and b"\n.\r\n" not in got.data


def test_names_are_no_headers(farflung):
    """The title has the file's name."""
    name = "a\u00fc: x\nBcc: evil@example.org" + "\u00e9" * 60 + ".yaml"
    with mail_server() as server:
        path = farflung.yaml(ONE + PASSES + mail(server, "tls: never"), name)
        farflung.run("run", path, code=0)
        message = server.mails.get(timeout=60).message
    assert message["Bcc"] is None and not message.defects
    assert message["Subject"].startswith("a\u00fc: x") and message["Subject"].endswith("\u00e9 passed")


@needs_openssl
def test_mail_is_encrypted_before_anybody_logs_in(farflung, tmp_path):
    pair = certificate(tmp_path / "tls")
    farflung.env["PASSWORD"] = "p4ssw0rd-of-mine"
    login = f"user: me\n    password: {{secret: env:PASSWORD}}\n    ca_file: {pair[0]}"
    for implicit in (False, True):
        with mail_server(pair, implicit) as server:
            done = farflung.run_yaml(ONE + PASSES + mail(server, login), code=0)
            got = server.mails.get(timeout=60)
            assert got.encrypted and got.login == ["me", "p4ssw0rd-of-mine"], done.stderr
    with mail_server(pair) as server:
        done = farflung.run_yaml(ONE + PASSES + mail(server, login.replace(str(pair[0]), "/dev/null")), code=0)
        assert "email was not told" in done.stderr and server.mails.empty()
        assert not [line for line in server.seen if line.startswith("AUTH")]
    with mail_server() as server:
        done = farflung.run_yaml(ONE + PASSES + mail(server, login), code=0)
        assert "email was not told (2 notices): " in done.stderr and "STARTTLS" in done.stderr
        assert not [line for line in server.seen if line.split(" ")[0] in ("AUTH", "MAIL")]
        done = farflung.run_yaml(ONE + PASSES + mail(server, "tls: try"), code=0)
        assert not server.mails.get(timeout=60).encrypted


@pytest.mark.parametrize("word, answer, mails", [("MAIL", "451 later", 1), ("RCPT", "550 nobody of that name", 0)])
def test_a_mail_server_that_refuses(farflung, word, answer, mails):
    """4xx: once more; 5xx: not in this run."""
    with mail_server() as server:
        server.refuse[word] = [answer]
        done = farflung.run_yaml(ONE + PASSES + mail(server, "tls: never") + "settings: {notify_wait: 60}\n", code=0)
        assert server.mails.qsize() == mails
        assert ("email was not told" in done.stderr) == (not mails), done.stderr


def test_a_mail_server_that_stalls(farflung, server):
    """It accepts and says nothing: HTTP waits for the client, and so does SMTP."""
    mails = ("notify: [{email: a@b.example, from: c@d.example, smtp: 'smtp://127.0.0.1:%d', tls: never, on: finish, "
             "timeout: 300ms, retries: 0}]\n" % server.port)
    done = farflung.run_yaml(ONE + PASSES + mails, code=0)
    assert "email was not told (1 notice): " in done.stderr and "timed out" in done.stderr.lower()


def test_trying_out_a_mail(farflung):
    with mail_server() as server:
        path = farflung.yaml(ONE + PASSES + mail(server, "tls: never"))
        done = farflung.run("notify", "--test", path, code=0)
        assert done.stdout == f"email: sent, {server.url}: status 250\n"
        assert server.mails.get(timeout=60).message["Subject"] == "work: a test, nothing was run"


def test_a_status_token_goes_nowhere_else(farflung, server):
    with hook() as other:
        server.answer = lambda handler, got: reply(handler, 307, Location=other.url + "/x")
        statuses(farflung, server, "gitlab_status", "7", PASSES, 0)
        assert not other.rest()


# --- the example ---

def test_the_example(farflung, server):
    """configs/notify.yaml as it stands, on a good day and a bad one."""
    shutil.copy(TOP / "configs/notify.yaml", farflung.cwd)
    with mail_server() as mails:
        farflung.env.update(HOOK_URL=server.url + "/T1", HOOK_KEY="s1gned", SMTP_URL=mails.url,
                            NOTICES=str(farflung.cwd / "notices"))
        farflung.run("run", "notify.yaml", code=0)
        assert not server.rest() and mails.mails.empty()
        farflung.run("run", "notify.yaml", code=1, env=dict(farflung.env, BAD="3"))
        first, end = server.next(), server.next()
        assert (first.headers["X-Farflung-Event"], end.headers["X-Farflung-Event"]) == ("first_failure", "failure")
        assert end.headers["X-Hub-Signature-256"].startswith("sha256=") and end.json["fields"]["failed"] == 1
        assert end.json["text"].startswith("notify failed: 1 failed, 4 passed in ")
        assert "check[item=3]" in end.json["fields"]["tests"][0]["name"]
        assert mails.mails.get(timeout=60).recipients == ["<team@example.org>", "<night-watch@example.org>"]
        farflung.run("run", "notify.yaml", code=0)
        assert server.next().headers["X-Farflung-Event"] == "recovery"
        assert mails.mails.get(timeout=60).message["Subject"] == "notify passed again"
        assert farflung.run("notify", "--test", "notify.yaml", code=0).stdout.count(": sent, ") == 3
    notices = [json.loads(part) for part in (farflung.cwd / "notices").read_text().replace("}{", "}\n{").splitlines()]
    assert [notice["event"] for notice in notices] == ["finish"] * 3 + ["test"]

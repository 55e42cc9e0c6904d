"""Who is told of a run: when, in spite of what, and what becomes of what can't be sent."""
import hashlib
import hmac
import json
import os
import shutil
import signal
import time

import pytest

from conftest import command_line, read_journal, wait_until
from notify_servers import certificate, hook, reply

ONE = "version: 1\ninventory: [popen]\n"
FAILS = "jobs: {unit: {run: 'echo said; exit 3'}}\n"
PASSES = "jobs: {unit: {run: 'true'}}\n"
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")


@pytest.fixture
def server():
    with hook() as told:
        yield told


def webhook(url, more=""):
    return f"notify:\n  - {{webhook: '{url}'{', ' if more else ''}{more}}}\n"


def queued(farflung):
    """What is queued: of each file its content."""
    return [json.loads(path.read_text()) for path in sorted((farflung.cwd / ".farflung/notify").glob("*.json"))]


def wait_for(seconds):
    return f"settings: {{notify_wait: {seconds}}}\n"


# --- what is told ---

def test_a_failure(farflung, server):
    farflung.run_yaml(ONE + FAILS + webhook(server.url + "/told?a=b"), code=1)
    got = server.next()
    assert (got.method, got.path) == ("POST", "/told?a=b") and got.headers["Content-Type"] == "application/json"
    assert got.headers["X-Farflung-Event"] == "failure" and not server.rest()
    told = got.json
    assert (told["version"], told["event"], told["result"], told["exit_code"]) == (1, "failure", "failed", 1)
    assert told["title"] == "work failed" and told["summary"].startswith("1 failed in ")
    assert told["counts"]["failed"] == told["counts"]["total"] == told["failures_count"] == 1
    assert told["failures"] == [{"job": "unit", "name": "unit", "host": "popen", "outcome": "failed",
                                 "message": "exit status 3", "text": "unit (failed): exit status 3"}]
    journal = farflung.cwd / ".farflung/runs" / told["run"] / "journal.jsonl"
    assert journal.exists() and told["file"] == str(farflung.cwd / "farflung.yaml")
    assert got.headers["X-Farflung-Delivery"] == told["id"] and not queued(farflung)


def test_nobody_is_told_of_what_he_does_not_want(farflung, server):
    farflung.run_yaml(ONE + PASSES + webhook(server.url), code=0)
    farflung.run_yaml(ONE + FAILS + webhook(server.url), "--no-notify", code=1)
    assert not server.rest() and not queued(farflung)


def test_recovery(farflung, server):
    """Of the same file and jobs; what was interrupted is no outcome."""
    def run(jobs, code, *more):
        farflung.run_yaml(ONE + jobs + webhook(server.url, "on: [failure, recovery, finish]"), *more, code=code)
        return server.next().json

    assert run(PASSES, 0)["event"] == "finish", "there was no run before"
    failed = run(FAILS, 1)
    assert failed["event"] == "failure"
    interrupt(farflung, ONE + "jobs: {unit: {run: 'touch begun; sleep 300'}}\nsettings: {grace: 100ms}\n")
    again = run(PASSES, 0)
    assert again["event"] == "recovery" and again["previous_run"] == failed["run"] and again["title"] == "work passed again"
    assert run(PASSES, 0)["event"] == "finish"

    two = "jobs: {unit: {run: 'true'}, other: {run: 'false'}}\n"
    assert run(two, 1)["event"] == "failure"
    assert run(two, 0, "--job", "unit")["event"] == "finish", "what has failed was not run"
    assert run(two.replace("false", "true"), 0)["event"] == "recovery"


def interrupt(farflung, text, *more):
    (farflung.cwd / "begun").unlink(missing_ok=True)
    farflung.yaml(text)
    process = farflung.start("run", *more)
    wait_until((farflung.cwd / "begun").exists, 60, "the command runs")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    return err


def test_the_end_after_an_interrupt(farflung, server):
    jobs = "jobs: {unit: {run: 'touch begun; sleep 300'}}\nsettings: {grace: 100ms}\n"
    interrupt(farflung, ONE + jobs + webhook(server.url, "on: [failure, finish]"))
    told = server.next().json
    assert (told["event"], told["result"], told["exit_code"]) == ("finish", "interrupted", 130)
    assert not server.rest()


def test_flaky(farflung, server):
    job = "jobs: {unit: {run: 'test -e there || { touch there; exit 1; }', retries: 1}}\n"
    farflung.run_yaml(ONE + job + webhook(server.url, "on: [failure, flaky]"), code=0)
    told = server.next().json
    assert told["event"] == "flaky" and told["result"] == "passed" and told["flaky_count"] == 1
    assert told["flaky"][0]["name"] == "unit" and told["failures"] == []


def test_a_first_failure_is_told_while_the_run_goes_on(farflung, server):
    """The run waits for what only comes when it was told; the second failure tells nothing."""
    server.answer = lambda handler, got: (reply(handler, 200), (farflung.cwd / "told").write_text(""))
    jobs = ("jobs:\n"
            "  bad: {run: 'exit {item}', foreach: [1, 2]}\n"
            "  waits: {run: 'until test -e told; do sleep 0.05; done', timeout: 30s, needs: {bad: any}}\n")
    done = farflung.run_yaml(ONE + jobs + webhook(server.url, "on: first_failure"), code=1)
    told = server.next().json
    assert told["event"] == "first_failure" and told["result"] == "running" and told["exit_code"] is None
    assert "1 passed" in done.stderr + done.stdout and not server.rest()


def test_a_lost_host_is_told_while_the_run_goes_on(farflung, server):
    """One that is not there when it is tried again; of the second nothing more is said."""
    server.answer = lambda handler, got: (reply(handler, 200), (farflung.cwd / "told").write_text(""))
    text = ("inventory:\n  hosts:\n    - {spec: popen, name: good}\n"
            "    - {spec: 'socket=127.0.0.1:1', name: gone1}\n    - {spec: 'socket=127.0.0.1:1', name: gone2}\n"
            "jobs:\n  waits: {run: 'until test -e told; do sleep 0.05; done', timeout: 30s}\n")
    farflung.run_yaml(text + webhook(server.url, "on: host_lost"), code=0)
    told = server.next().json
    assert told["event"] == "host_lost" and told["title"] in ("work has lost host gone1", "work has lost host gone2")
    assert "127.0.0.1:1" in told["summary"] or "refused" in told["summary"].lower()
    assert not server.rest()


def test_a_host_that_dies(farflung, server):
    """Others go on: they wait for what only comes when it was told."""
    server.answer = lambda handler, got: (reply(handler, 200), (farflung.cwd / "told").write_text(""))
    box = farflung.start("socketserver", "--listen", "127.0.0.1:0")
    try:
        port = box.stdout.readline().rsplit(":", 1)[1].strip()
        text = (f"inventory:\n  hosts:\n    - {{spec: popen, name: good}}\n    - {{spec: 'socket=127.0.0.1:{port}', name: box}}\n"
                "jobs:\n  waits: {run: 'until test -e told; do sleep 0.05; done', timeout: 30s, on: good}\n"
                "  dies: {run: 'touch begun; sleep 300', on: box}\n")
        path = farflung.yaml(text + "settings: {reconnect: 100ms}\n" + webhook(server.url, "on: host_lost"))
        process = farflung.start("run", path)
        wait_until((farflung.cwd / "begun").exists, 60, "the host is used")
        for pid in farflung.left_over():
            if pid != process.pid and "socketserver" in command_line(pid):
                os.kill(pid, signal.SIGKILL)
        assert server.next().json["title"] == "work has lost host box"
        out, err = process.communicate(timeout=60)
        assert process.returncode != 0 and "1 passed" in out + err and not server.rest(), out + err
    finally:
        box.kill()
        box.communicate(timeout=60)


def test_the_start(farflung, server):
    farflung.run_yaml(ONE + PASSES + webhook(server.url, "on: [start, finish], link: 'http://see/{run}'"), code=0)
    begun, ended = server.next().json, server.next().json
    assert (begun["event"], ended["event"]) == ("start", "finish") and begun["run"] == ended["run"]
    assert begun["link"] == f"http://see/{begun['run']}"


def test_a_template_stays_json_whatever_tests_are_called(farflung, server):
    names = ['a"b', "back\\slash", "</script>", "{title}", '","x":"', "ü\u202e"]
    template = ('{"text": "{title}: {summary}\\n{failures}", "n": "{counts.failed}", "list": "{failures}", '
                '"event": "{event}", "as": "{{title}}", "none": "{link}", "deep": [{"r": "({run})"}]}')
    key = "a key that is secret"
    farflung.env["HOOK_KEY"] = key
    text = ONE + "jobs: {unit: {run: 'exit 1 # {item}', foreach: " + json.dumps(names) + "}}\n"
    farflung.run_yaml(text + webhook(server.url, "template: '" + template + "', hmac_key: {secret: env:HOOK_KEY}, "
                                     "method: PUT, headers: {X-Own: some text}"), code=1)
    got = server.next()
    assert got.method == "PUT" and got.headers["X-Own"] == "some text"
    signature = "sha256=" + hmac.new(key.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Hub-Signature-256"] == signature
    told = got.json
    assert set(told) == {"text", "n", "list", "event", "as", "none", "deep"}
    assert told["n"] == len(names) and told["event"] == "failure" and told["as"] == "{title}" and told["none"] is None
    assert told["text"].startswith(f"work failed: {len(names)} failed in ")
    shown = " ".join(failure["name"] for failure in told["list"])
    assert len(told["list"]) == len(names) and all(name in shown for name in names)
    assert told["deep"][0]["r"].startswith("(2")


def test_what_a_test_prints_is_bounded(farflung, server):
    jobs = "jobs: {unit: {run: 'exit 1 # {item}', foreach: " + json.dumps(["x" * 5000 + str(n) for n in range(50)]) + "}}\n"
    farflung.run_yaml(ONE + jobs + webhook(server.url), code=1)
    got = server.next()
    assert len(got.json["failures"]) == 20 and got.json["failures_count"] == 50 and len(got.body) < 64 << 10
    assert "- and 30 more" in got.json["text"]


# --- what can go wrong ---

def test_a_server_that_fails_twice(farflung, server):
    tries = []

    def answer(handler, got):
        tries.append(got.headers["X-Farflung-Delivery"])
        reply(handler, 503 if len(tries) < 3 else 200)

    server.answer = answer
    done = farflung.run_yaml(ONE + FAILS + wait_for(60) + webhook(server.url), code=1)
    assert len(tries) == 3 and len(set(tries)) == 1 and not queued(farflung)
    assert "was not told" not in done.stderr


def test_a_server_that_says_when(farflung, server):
    came = []

    def answer(handler, got):
        came.append(time.monotonic())
        reply(handler, 200) if len(came) == 2 else reply(handler, 429, Retry_After="3")

    server.answer = answer
    farflung.run_yaml(ONE + FAILS + wait_for(60) + webhook(server.url), code=1)
    assert len(came) == 2 and came[1] - came[0] >= 2.9, "without that it is 1.25 s at most"


def test_what_a_server_will_never_take_is_not_tried_again(farflung, server):
    server.answer = lambda handler, got: reply(handler, 404, b"no\x1b[31m such channel\n")
    done = farflung.run_yaml(ONE + FAILS + wait_for(60) + webhook(server.url), code=1)
    assert "notify: webhook was not told (1 notice): status 404: no\\x1b[31m such channel" in done.stderr
    assert len(server.rest()) == 1 and len(queued(farflung)) == 1


def test_a_server_that_stalls_costs_no_more_than_was_said(farflung, server):
    """What it was not told the next run tells, in order, and both runs are what they are without."""
    server.answer = lambda handler, got: server.over.wait(60)
    slow = ONE + PASSES + webhook(server.url, "on: finish, timeout: 60s") + wait_for("300ms")
    done = farflung.run_yaml(slow, code=0)
    assert "webhook was not told (1 notice): it had not answered when the time was over; the next run tries again, " \
           "or farflung notify --flush farflung.yaml" in done.stderr
    first = server.next().json
    assert [entry["notice"]["run"] for entry in queued(farflung)] == [first["run"]]

    done = farflung.run_yaml(ONE + PASSES + webhook(server.url, "on: finish, timeout: 200ms, retries: 0") + wait_for(60),
                             code=0)
    assert "webhook was not told (2 notices): Operation timed out" in done.stderr
    assert len(queued(farflung)) == 2
    server.rest()

    server.answer = lambda handler, got: reply(handler, 204)
    done = farflung.run_yaml(ONE + PASSES + webhook(server.url, "on: finish") + wait_for(60), code=0)
    told = [server.next().json["id"] for _ in range(3)]
    assert told == sorted(told) and told[0] == first["id"] and not server.rest() and not queued(farflung)


@pytest.mark.parametrize("path, words, requests", [
    ("/loop", "302 for the 4th time", 4),
    ("/file", "302, which leads to file:: only http and https are followed", 1),
    ("/nowhere", "302, which says not where to go", 1),
])
def test_redirects_that_are_not_followed(farflung, server, path, words, requests):
    where = {"/loop": {"Location": "/loop"}, "/file": {"Location": "file:///etc/passwd"}, "/nowhere": {}}
    server.answer = lambda handler, got: reply(handler, 302, **where[got.path])
    done = farflung.run_yaml(ONE + FAILS + webhook(server.url + path), code=1)
    assert f"webhook was not told (1 notice): {words}" in done.stderr, done.stderr
    assert len(server.rest()) == requests


def test_what_was_given_up_has_another_try_at_the_end(farflung, server):
    """Its server was down when it was tried, and is there when the run ends: both come, in order."""
    answers = iter([503])
    server.answer = lambda handler, got: reply(handler, next(answers, 200))
    jobs = ("jobs:\n  bad: {run: 'exit 1'}\n"
            "  waits: {run: 'until grep -qs 503 .farflung/notify/*.json; do sleep 0.05; done', timeout: 30s, needs: {bad: any}}\n")
    done = farflung.run_yaml(ONE + jobs + webhook(server.url, "on: [first_failure, failure], retries: 0") + wait_for(60),
                             code=1)
    assert [got.json["event"] for got in server.rest()] == ["first_failure", "first_failure", "failure"]
    assert "was not told" not in done.stderr and not queued(farflung)


def test_redirects_that_are(farflung, server):
    where = {"/a": (307, "/b"), "/b": (301, "/c"), "/c": (303, "/d")}

    def answer(handler, got):
        if got.path in where:
            reply(handler, where[got.path][0], Location=where[got.path][1])
        else:
            reply(handler, 200)

    server.answer = answer
    farflung.run_yaml(ONE + FAILS + webhook(server.url + "/a"), code=1)
    came = server.rest()
    assert [(got.method, got.path) for got in came] == [("POST", "/a"), ("POST", "/b"), ("POST", "/c"), ("GET", "/d")]
    assert came[0].body == came[1].body == came[2].body and not came[3].body


def test_headers_go_to_no_other_host(farflung, server):
    with hook() as other:
        server.answer = lambda handler, got: reply(handler, 307, Location=other.url + "/x")
        farflung.run_yaml(ONE + FAILS + webhook(server.url), code=1)
        assert other.next().path == "/x"
        done = farflung.run_yaml(ONE + FAILS + webhook(server.url, "headers: {X-Key: secret}"), code=1)
        assert "307, which leads to another host, where its headers are not to go" in done.stderr
        assert not other.rest()


def test_answers_without_end(farflung, server):
    """Yes is yes, however long it goes on; of a no the beginning is enough."""
    def endless(status):
        def answer(handler, got):
            handler.send_response(status)
            handler.end_headers()
            while not server.over.is_set():
                handler.wfile.write(b"#" * 65536)
        return answer

    server.answer = endless(200)
    done = farflung.run_yaml(ONE + FAILS + webhook(server.url, "timeout: 60s"), code=1)
    assert "was not told" not in done.stderr and len(server.rest()) == 1
    server.answer = endless(400)
    done = farflung.run_yaml(ONE + FAILS + webhook(server.url, "timeout: 60s"), code=1)
    assert "webhook was not told" in done.stderr and len(done.stderr) < 2000


def test_a_server_that_is_not_there(farflung):
    done = farflung.run_yaml(ONE + PASSES + webhook("http://127.0.0.1:1/x", "on: finish, retries: 0"), code=0)
    assert "webhook was not told (1 notice): Failed to connect to 127.0.0.1" in done.stderr


@needs_openssl
def test_certificates(farflung, tmp_path):
    """Nobody is believed who can't show one; those of a file are, also as curl's users name it."""
    pair, wrong = certificate(tmp_path / "tls"), certificate(tmp_path / "tls", "elsewhere")
    with hook(pair) as server, hook(wrong) as imposter:
        done = farflung.run_yaml(ONE + FAILS + webhook(server.url), code=1)
        assert "webhook was not told (1 notice): SSL certificate problem" in done.stderr and not server.rest()
        farflung.run_yaml(ONE + FAILS + webhook(server.url, f"ca_file: {pair[0]}"), code=1)
        assert len(server.rest()) == 2 and not queued(farflung), "that of the run before, too"
        done = farflung.run_yaml(ONE + FAILS + webhook(imposter.url, f"ca_file: {wrong[0]}"), code=1)
        assert "SSL: no alternative certificate subject name matches target host name 'localhost'" in done.stderr
        assert not imposter.rest()
        for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            farflung.env[name] = str(pair[0])
            farflung.run("notify", "--test", farflung.yaml(ONE + FAILS + webhook(server.url)), code=0)
            del farflung.env[name]


def test_proxies_as_curl_has_them(farflung, server):
    farflung.env["http_proxy"] = server.url
    farflung.run_yaml(ONE + FAILS + webhook("http://told.example.org/x"), code=1)
    got = server.next()
    assert got.path == "http://told.example.org/x" and got.json["event"] == "failure"
    farflung.env["no_proxy"] = "127.0.0.1"
    farflung.run_yaml(ONE + FAILS + webhook(server.url + "/direct"), code=1)
    assert server.next().path == "/direct"


# --- the queue ---

def test_a_notice_survives_the_controller(farflung, server):
    """It is killed while it sends; what was not taken goes by --flush, as the same delivery."""
    server.answer = lambda handler, got: server.over.wait(60)
    jobs = "jobs:\n  bad: {run: 'exit 1'}\n  waits: {run: 'sleep 300', needs: {bad: any}}\n"
    path = farflung.yaml(ONE + jobs + webhook(server.url, "on: first_failure, timeout: 60s"))
    process = farflung.start("run", path)
    first = server.next()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert [entry["id"] for entry in queued(farflung)] == [first.json["id"]]
    shown = farflung.run("notify", "--list", code=0).stdout
    assert "webhook  first_failure  work has a first failure  (it was not tried yet)" in shown

    server.answer = lambda handler, got: reply(handler, 500, b"still ill")
    done = farflung.run("notify", "--flush", path, code=1)
    assert done.stdout == (f"webhook: failed, {server.url}, first_failure of {first.json['run']}: "
                           "status 500: still ill\n")
    assert "(status 500: still ill)" in farflung.run("notify", "--list", code=0).stdout
    server.rest()
    server.answer = lambda handler, got: reply(handler, 200)
    done = farflung.run("notify", "--flush", path, code=0)
    assert done.stdout.startswith("webhook: sent, ") and server.next().json == first.json
    assert farflung.run("notify", "--flush", path, code=0).stdout == "nothing is queued\n"
    assert farflung.run("notify", "--list", code=0).stdout == "nothing is queued\n"


def test_two_at_a_time_send_it_once(farflung, server):
    done = farflung.run_yaml(ONE + PASSES + webhook("http://127.0.0.1:1", "on: finish, retries: 0, name: one"), code=0)
    assert "one was not told" in done.stderr
    path = farflung.yaml(ONE + PASSES + webhook(server.url, "name: one, timeout: 60s"))
    server.answer = lambda handler, got: (server.over.wait(60), reply(handler, 200))
    first = farflung.start("notify", "--flush", path)
    server.next()
    done = farflung.run("notify", "--flush", path, code=0)
    assert done.stdout == "1 more is queued, for other files or receivers, or being sent\n"
    server.over.set()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0 and out.startswith("one: sent, "), out + err
    assert not server.rest() and not queued(farflung)


def test_others_entries_stay(farflung, server):
    """Of another file, of a receiver that is no more; what is no notice goes."""
    farflung.run_yaml(ONE + PASSES + webhook("http://127.0.0.1:1", "on: finish, retries: 0, name: gone"), code=0)
    (farflung.cwd / ".farflung/notify/20200101-000000-aaaa.1.0.json").write_text("{half")
    path = farflung.yaml(ONE + PASSES + webhook(server.url), "other.yaml")
    assert "1 more is queued" in farflung.run("notify", "--flush", path, code=0).stdout
    path = farflung.yaml(ONE + PASSES + webhook(server.url))
    assert "1 more is queued" in farflung.run("notify", "--flush", path, code=0).stdout
    assert [entry["receiver"] for entry in queued(farflung)] == ["gone"] and not server.rest()


def test_what_is_old_is_of_no_use(farflung, server):
    farflung.run_yaml(ONE + PASSES + webhook("http://127.0.0.1:1", "on: finish, retries: 0"), code=0)
    path, = (farflung.cwd / ".farflung/notify").glob("*.json")
    entry = json.loads(path.read_text())
    entry["queued"] -= 8 * 86400
    path.write_text(json.dumps(entry))
    farflung.run_yaml(ONE + PASSES + webhook(server.url, "on: failure"), code=0)
    assert not queued(farflung) and not server.rest()


def test_a_queue_that_can_not_be_written(farflung, server):
    (farflung.cwd / ".farflung").mkdir()
    (farflung.cwd / ".farflung/notify").write_text("a file")
    done = farflung.run_yaml(ONE + FAILS + webhook(server.url), code=1)
    assert "notify: not queued: " in done.stderr and server.next().json["event"] == "failure"


def test_ctrl_c_at_the_end(farflung, server):
    """Who has waited enough need not wait; the run's own exit code holds."""
    server.answer = lambda handler, got: server.over.wait(60)
    path = farflung.yaml(ONE + FAILS + webhook(server.url, "timeout: 60s") + wait_for(60))
    process = farflung.start("run", path)
    server.next()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "webhook was not told (1 notice)" in err and len(queued(farflung)) == 1


# --- secrets ---

def test_secrets_are_nowhere(farflung, server):
    url, key = server.url + "/services/T0123456789", "s3cr3t-header-value"
    farflung.env.update(HOOK=url, KEY=key)
    seen = {}

    def answer(handler, got):
        seen.setdefault("command line", command_line(process.pid))
        seen["header"] = got.headers["X-Key"]
        reply(handler, 400, f"{url} {key} is wrong".encode())

    server.answer = answer
    (farflung.cwd / "leak").write_text(f"{url} {key}\n")
    path = farflung.yaml(ONE + "jobs: {unit: {run: 'cat leak; exit 1'}}\n"
                         "notify: [{webhook: {secret: env:HOOK}, headers: {X-Key: {secret: env:KEY}}}]\n")
    process = farflung.start("run", path, "-vv")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and seen["header"] == key
    assert "status 400: *** *** is wrong" in err, err
    texts = [out, err, seen["command line"], farflung.run("check", "--explain", path).stdout,
             farflung.run("notify", "--test", path, code=1).stdout, farflung.run("notify", "--flush", path, code=1).stdout]
    texts += [file.read_text() for file in (farflung.cwd / ".farflung").rglob("*") if file.is_file() and file.suffix != ".db"]
    assert len(texts) > 8 and not [text for text in texts if "T0123456789" in text or key in text]
    assert read_journal(farflung.cwd / ".farflung/runs/last/journal.jsonl")


# --- commands ---

def test_a_command(farflung):
    farflung.env["TOKEN"] = "t0k3n-of-mine"
    text = ("notify:\n  - command: 'cat > got.json; env > env.txt; echo \"$TOKEN\"'\n"
            "    env: {TOKEN: {secret: env:TOKEN}, OWN: text}\n")
    done = farflung.run_yaml(ONE + FAILS + text, code=1)
    got = json.loads((farflung.cwd / "got.json").read_text())
    env = dict(line.split("=", 1) for line in (farflung.cwd / "env.txt").read_text().splitlines() if "=" in line)
    assert got["event"] == env["FARFLUNG_EVENT"] == "failure" and env["FARFLUNG_TITLE"] == got["title"]
    assert env["TOKEN"] == "t0k3n-of-mine" and env["OWN"] == "text" and env["FARFLUNG_RUN"] == got["run"]
    assert "t0k3n" not in done.stdout + done.stderr


def test_reports_are_there_when_a_command_runs(farflung):
    text = "report: {junit: out.xml}\nnotify: [{command: 'cp out.xml seen.xml', on: finish}]\n"
    farflung.run_yaml(ONE + PASSES + text, code=0)
    assert (farflung.cwd / "seen.xml").read_text() == (farflung.cwd / "out.xml").read_text()


def test_commands_that_fail_or_hang(farflung):
    text = ("notify:\n  - {command: 'echo first; echo no such tool >&2; exit 4', on: finish, name: fails}\n"
            "  - {command: 'sleep 300 & sleep 300', on: finish, name: hangs, timeout: 300ms}\n"
            "  - {command: 'kill -9 $$', on: finish, name: dies}\n")
    done = farflung.run_yaml(ONE + PASSES + text, code=0)
    for words in ("fails was not told (1 notice): exit status 4: no such tool",
                  "hangs was not told (1 notice): it took longer than 0.3 s", "dies was not told (1 notice): signal 9"):
        assert words in done.stderr, done.stderr
    assert len(queued(farflung)) == 3


# --- farflung notify ---

def test_trying_them_out(farflung, server):
    def answer(handler, got):
        reply(handler, 200 if got.path == "/good" else 403, b"" if got.path == "/good" else b"not you")

    server.answer = answer
    path = farflung.yaml(ONE + PASSES + f"notify:\n  - webhook: {server.url}/good\n  - {{name: bad, webhook: {server.url}/bad}}\n"
                         f"  - webhook: http://user:pass@{server.url[7:]}/good\n")
    done = farflung.run("notify", "--test", path, code=1)
    assert done.stdout.splitlines() == [f"webhook: sent, {server.url}: status 200", f"bad: failed, {server.url}: status 403: not you",
                                        f"webhook-2: sent, {server.url}: status 200"]
    told = [got.json for got in server.rest()]
    assert {t["event"] for t in told} == {"test"} and told[0]["title"] == "work: a test, nothing was run"
    assert farflung.run("notify", "--test", path, "webhook", code=0).stdout.startswith("webhook: sent")
    assert len(server.rest()) == 1 and not (farflung.cwd / ".farflung/runs").exists() and not queued(farflung)
    done = farflung.run("notify", "--test", path, "no", code=2)
    assert done.stderr == f"{path}: 'notify' has none named 'no'\n"
    path = farflung.yaml(ONE + PASSES)
    assert farflung.run("notify", "--test", path, code=2).stderr == f"{path}: it has no 'notify'\n"
    for words in ([], ["--test", "--list"], ["--list", path, "b"]):
        farflung.run("notify", *words, code=2)


@pytest.mark.parametrize("entry, words", [
    ("webhook: ftp://x/", "farflung.yaml:5:14: 'webhook' wants an URL with http:// or https://, got 'ftp://x/'"),
    ("slack: file:///etc/passwd", "farflung.yaml:5:12: 'slack' wants an URL with http:// or https://, got 'file:///etc/passwd'"),
    ("webhook: 'http:///x'", "farflung.yaml:5:14: 'webhook' is no URL: 'http:///x'"),
    ("webhook: {secret: env:NOT_SET}", "farflung.yaml:5:23: secret env:NOT_SET: the environment has none of that name"),
    ("{}", "farflung.yaml:5:5: it has none of 'webhook', 'slack', 'teams', 'mattermost', 'discord', 'email', "
           "'github_status', 'gitlab_status' and 'command'"),
    ("{webhook: http://a, slack: http://b}", "farflung.yaml:5:25: it has both 'webhook' and 'slack'; it can have one"),
    ("{slack: http://a, template: '{}'}", "farflung.yaml:5:23: 'template' is for webhook, not for 'slack'"),
    ("{webhook: http://a, template: '{\"a\": }'}", "farflung.yaml:5:35: 'template': it is no JSON: its line 1, column 7: *"),
    ("{webhook: http://a, template: '[\"{titel}\"]'}",
     "farflung.yaml:5:35: 'template': {titel} stands for nothing; did you mean 'title'? ({{titel}} is the text itself)"),
    ("{webhook: http://a, on: [recovery, failed]}",
     "farflung.yaml:5:40: 'on' wants one or a list of start, first_failure, host_lost, failure, recovery, flaky or finish, "
     "got 'failed'"),
    ("{webhook: http://a, headers: {'A B': x}}", "farflung.yaml:5:42: 'A B' can't name a header"),
    ("{webhook: http://a, headers: {A: \"x\\ny: z\"}}", "farflung.yaml:5:38: the value of 'A' has control characters"),
    ("{webhook: http://a, link: 'javascript:x'}", "farflung.yaml:5:31: 'link' wants an URL with http:// or https://, got 'javascript:x'"),
    ("{webhook: http://a, link: 'http://x/{rnu}'}",
     "farflung.yaml:5:31: 'link': {rnu} stands for nothing; did you mean 'run'? ({{rnu}} is the text itself)"),
    ("email: a@example.org", "farflung.yaml:5:5: 'email' wants 'smtp', too"),
    ("{email: 'a@b, c', smtp: smtp://h, from: a@b}",
     "farflung.yaml:5:13: 'a@b, c' is no mail address: NAME@DOMAIN is wanted, without blanks and signs"),
    ("{email: a@b, smtp: smtp://h, from: \"a@b\\nBcc: c@d\"}",
     "farflung.yaml:5:40: 'a@b?Bcc: c@d' is no mail address: NAME@DOMAIN is wanted"),
    ("{email: a@b, smtp: http://h, from: a@b}", "farflung.yaml:5:24: 'smtp' wants an URL with smtp:// or smtps://, got 'http://h'"),
    ("{email: a@b, smtp: smtp://h, from: a@b, user: u, password: pass, tls: try}",
     "farflung.yaml:5:64: a password wants 'tls: always', so that nobody reads it on the way"),
    ("{github_status: name, token: abcd}", "farflung.yaml:5:21: 'github_status' wants OWNER/NAME or auto, got 'name'"),
    ("github_status: a/b", "farflung.yaml:5:5: 'github_status' wants 'token', too"),
    ("{command: x, env: {A=B: c}}", "farflung.yaml:5:29: 'A=B' can't name a variable"),
    ("text", "farflung.yaml:5:5: who is told is a mapping with 'webhook', 'email' or the like, got 'text'"),
])
def test_wrong_ones(farflung, entry, words):
    """Nothing is started, nobody is told."""
    (farflung.cwd / "farflung.yaml").write_text(ONE + PASSES + f"notify:\n  - {entry}\n")
    for command in ("run", "check", "notify"):
        if command == "check" and "NOT_SET" in entry:
            continue
        done = farflung.run(command, *(["--test"] if command == "notify" else []), code=2)
        line = done.stderr.splitlines()[0].replace("farflung: ", "", 1)
        assert line.startswith(words[:-1]) if words.endswith("*") else line == words, done.stderr
    assert not (farflung.cwd / ".farflung/runs").exists()


def test_two_of_a_name(farflung):
    farflung.yaml(ONE + PASSES + "notify: [{webhook: http://a, name: x}, {slack: http://a, name: x}]\n")
    assert "two of 'notify' are named 'x'" in farflung.run("check", code=2).stderr


# --- runs without a file of their own ---

TEST = "import os\ndef test_it(): assert os.path.exists('good')\n"


def told_file(farflung, server, more="on: [failure, recovery, finish]"):
    """It is read for those who are told; its jobs are another matter."""
    farflung.yaml(ONE + "jobs: {never: {run: 'touch ran'}}\n" + webhook(server.url, more), "who.yaml")


def test_of_pytest(farflung, python, server):
    """A recovery is of the same command line."""
    (farflung.cwd / "test_it.py").write_text(TEST)
    (farflung.cwd / "test_more.py").write_text("def test_more(): pass\n")
    told_file(farflung, server)

    def run(code, *words):
        farflung.run("pytest", "--python", python, "-n", 1, "--notify", "who.yaml", *words, code=code)
        return server.next().json

    failed = run(1, "test_it.py")
    assert (failed["event"], failed["exit_code"], failed["failures"][0]["name"]) == ("failure", 1, "test_it.py::test_it")
    assert run(0, "test_more.py")["event"] == "finish", "what has failed was not run"
    (farflung.cwd / "good").write_text("")
    again = run(0, "test_it.py")
    assert again["event"] == "recovery" and again["previous_run"] == failed["run"]
    assert not server.rest() and not queued(farflung) and not (farflung.cwd / "ran").exists()


def test_of_merged_shards(farflung, python, server):
    (farflung.cwd / "test_it.py").write_text(TEST + "def test_more(): pass\n")
    told_file(farflung, server)
    folders = []
    for k in (1, 2):
        folders.append(farflung.cwd.parent / f"shard{k}")
        folders[-1].mkdir()
        env = dict(farflung.env, FARFLUNG_RUNS=str(folders[-1]))
        farflung.run("pytest", "--python", python, "-n", 1, "--shard", f"{k}/2", env=env)
    farflung.run("merge", "--notify", "who.yaml", *folders, code=1)
    told = server.next().json
    assert (told["event"], told["exit_code"], told["counts"]["total"]) == ("failure", 1, 2)
    assert [one["name"] for one in told["failures"]] == ["test_it.py::test_it"]
    farflung.run("merge", "--notify", "who.yaml", folders[0], code=3)
    missing = server.next().json
    assert missing["event"] == "failure" and missing["exit_code"] == 3
    assert not server.rest() and not queued(farflung)


@pytest.mark.parametrize("text, words", [
    (ONE + "jobs: {a: {run: x}}\n", "it has no 'notify'"),
    (ONE + "jobs: {a: {run: x}}\nnotify: [{webhok: 'http://x'}]\n", "who.yaml:4:"),
    (ONE + "jobs: {a: {run: x}}\nnotify: [{webhook: {secret: env:NOT_THERE}}]\n", "NOT_THERE"),
    (None, "who.yaml"),
])
def test_a_file_that_tells_nobody(farflung, python, text, words):
    """Nothing is run, and nothing merged, that nobody would be told of."""
    (farflung.cwd / "test_it.py").write_text("def test_it(): open('ran', 'w')\n")
    if text:
        farflung.yaml(text, "who.yaml")
    done = farflung.run("pytest", "--python", python, "-n", 1, "--notify", "who.yaml", code=4)
    assert words in done.stderr and not (farflung.cwd / "ran").exists()
    farflung.run("pytest", "--python", python, "-n", 1, "--shard", "1/1", code=0)
    done = farflung.run("merge", "--notify", "who.yaml", ".", code=2)
    assert words in done.stderr and len(list((farflung.cwd / ".farflung/runs").glob("2*"))) == 1

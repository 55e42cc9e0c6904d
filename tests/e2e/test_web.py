"""farflung web: the runs of a folder as JSON and pages, for whoever may see them."""
import contextlib
import gzip
import http.client
import json
import re
import signal
import socket
import urllib.parse

import jsonschema
import pytest
import yaml

from conftest import TOP, junit_outcomes, wait_until, write
from test_output_cap import sanitized

API = yaml.safe_load((TOP / "web" / "openapi.yaml").read_text())
MODULES = re.findall(r"X\((\w+)\)", (TOP / "web" / "assets.h").read_text().split("FF_ASSET_MODULE_MAP(X)", 1)[1].split("struct")[0])
RUN = """
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  good: {run: "echo said {n}", matrix: {n: [1, 2, 3]}}
  bad: {run: "echo '<b>oops</b>' >&2; exit 3"}
"""


class Web:
    def __init__(self, farflung, *args, at="127.0.0.1"):
        self.process = farflung.start("web", "--listen", f"{at}:0", *args)
        self.url = self.process.stdout.readline().strip()
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port
        self.token = urllib.parse.parse_qs(parts.query).get("token", [None])[0]

    def ask(self, path, method="GET", **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, path, code=200, **headers):
        status, _, body = self.ask(path, **headers)
        assert status == code, body
        return json.loads(body)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def web(farflung):
    made = []

    def start(*args, **options):
        made.append(Web(farflung, *args, **options))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            assert one.end() == (0, "", "")


def resolved(schema):
    """With its references put in."""
    if isinstance(schema, list):
        return [resolved(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = API
        for word in schema["$ref"].lstrip("#/").split("/"):
            found = found[word]
        return resolved(found)
    return {key: resolved(value) for key, value in schema.items()}


def check(value, path, code="200"):
    answer = resolved(API["paths"][path]["get"]["responses"][code])
    jsonschema.validate(value, answer["content"]["application/json"]["schema"])


def test_runs_of_one_second_are_in_their_order(farflung, web):
    """Their names say nothing of it; the page and `farflung runs` have the same."""
    runs = farflung.cwd / ".farflung" / "runs"
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    names = [f"20260102-030405-{salt}" for salt in ("7777", "0001", "ffff", "1234")]
    for name in names:
        farflung.run("run", code=0)
        made = (runs / "last").resolve()
        text = (made / "journal.jsonl").read_text().replace(made.name, name)
        (made / "journal.jsonl").write_text(text)
        made.rename(runs / name)
    listed = [one["id"] for one in web().json("/api/v1/runs")["runs"]]
    assert listed == names[::-1]
    assert [json.loads(line)["run"] for line in farflung.run("runs", "--json", code=0).stdout.splitlines()] == listed


def test_the_api_is_as_its_document_says(farflung, web):
    farflung.run_yaml(RUN, "--junit", "r.xml", code=1)
    served = web()
    listed = served.json("/api/v1/runs")
    check(listed, "/api/v1/runs")
    (one,) = listed["runs"]
    assert one["state"] == "failed" and one["exit_code"] == 1
    base = f"/api/v1/runs/{one['id']}"
    run, rows, timeline = served.json(base), served.json(base + "/rows"), served.json(base + "/timeline")
    check(run, "/api/v1/runs/{run}")
    check(rows, "/api/v1/runs/{run}/rows")
    check(timeline, "/api/v1/runs/{run}/timeline")
    assert run["by_state"] == {"passed": 3, "failed": 1} and run["read"] == 1000
    assert rows["found"] == len(rows["rows"]) == len(junit_outcomes(farflung.cwd / "r.xml")) == 4
    assert sum(lane["attempts"] for lane in run["lanes"]) == 4
    pieces = [piece for lane in timeline["lanes"] for piece in pieces_of(lane)]
    assert sorted(piece["row"] for piece in pieces if piece["kind"] in (UNIT, MANY)) == [0, 1, 2, 3]
    for row in rows["rows"]:
        one = served.json(f"{base}/rows/{row['number']}")
        check(one, "/api/v1/runs/{run}/rows/{row}")
        assert one["row"] == row
        text = one["attempts"][0]["sections"][0]["text"]
        assert text == ("<b>oops</b>\n" if row["name"] == "bad" else f"said {row['name'][-2]}\n")
    missing = served.json(f"{base}/rows/4", code=404)
    check(missing, "/api/v1/runs/{run}/rows/{row}", "404")


UNIT, MANY = 0, 3


def pieces_of(lane):
    numbers = lane["pieces"]
    assert len(numbers) % 6 == 0
    return [dict(zip(("start", "took", "kind", "state", "count", "row"), numbers[i : i + 6])) for i in range(0, len(numbers), 6)]


def test_windows(farflung, web):
    farflung.run_yaml("""
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  many: {run: "exit $(({n} %% 10 == 3))", matrix: {n: [%s]}}
  other: {run: "echo Needle; sleep 0.3; exit 4"}
""" % ", ".join(map(str, range(50))), code=1)
    served = web()
    base = f"/api/v1/runs/{served.json('/api/v1/runs')['runs'][0]['id']}"

    def rows(query, code=200):
        answer = served.json(f"{base}/rows?{query}", code=code)
        check(answer, "/api/v1/runs/{run}/rows", str(code))
        return answer

    everything = rows("count=1000")
    total = everything["found"]
    assert [row["number"] for row in everything["rows"]] == list(range(total)) and total == served.json(base)["rows"]
    assert rows("from=10&count=5")["rows"] == everything["rows"][10:15]
    assert rows(f"from={total - 1}&count=5")["rows"] == everything["rows"][-1:] and rows("from=4000000000")["rows"] == []
    bad = rows("bad=1&count=1000")["rows"]
    assert bad == [row for row in everything["rows"] if row["bad"]] and 0 < len(bad) < total
    assert rows("states=failed,passed&count=1000")["found"] == total
    slowest = rows("sort=slowest&count=1000")["rows"]
    assert slowest[0]["name"] == "other" and [row["took"] for row in slowest] == sorted((row["took"] for row in slowest), reverse=True)
    assert [row["name"] for row in rows("sort=name&count=1000")["rows"]] == sorted(row["name"] for row in everything["rows"])
    jobs = [job["name"] for job in served.json(base)["jobs"]]
    assert [row["name"] for row in rows(f"job={jobs.index('other')}")["rows"]] == ["other"]
    assert [row["name"] for row in rows("q=OTHER+status")["rows"]] == ["other"] and rows("q=nothing")["found"] == 0
    causes = served.json(base)["causes"]
    assert sum(rows(f"bad=1&cause={number}")["found"] for number in range(len(causes))) + rows("bad=1&cause=none")["found"] == len(bad)
    for wrong in ("states=x", "sort=x", "from=x", "from=-1", "count=1001", "job=a", "cause=x"):
        assert wrong.split("=")[0] in rows(wrong, 400)["error"] or "'x'" in rows(wrong, 400)["error"]
    # A picture of few pixels has few pieces, and all units in them.
    coarse, fine = served.json(base + "/timeline?pixels=1"), served.json(base + "/timeline?pixels=16384")
    counted = [sum(piece["count"] for lane in of["lanes"] for piece in pieces_of(lane) if piece["kind"] in (UNIT, MANY)) for of in (coarse, fine)]
    assert counted == [total, total]
    assert sum(len(lane["pieces"]) for lane in coarse["lanes"]) < sum(len(lane["pieces"]) for lane in fine["lanes"])
    middle = served.json(base)["took_us"] // 2
    part = served.json(base + f"/timeline?from={middle}&to={middle + 1000}&pixels=100")
    assert all(piece["start"] < middle + 1000 and piece["start"] + piece["took"] >= middle for lane in part["lanes"] for piece in pieces_of(lane))
    for wrong in ("from=5&to=5", "pixels=16385", "to=x"):
        check(served.json(base + "/timeline?" + wrong, code=400), "/api/v1/runs/{run}/timeline", "400")


TREND = """
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  steady: {run: "true", matrix: {n: [1, 2, 3]}}
  grows: {run: "sleep %s"}
  turns: {run: "exit %d"}
%s"""


def test_trends_and_two_runs_beside_each_other(farflung, web):
    for i in range(4):
        more = "  flaky: {run: 'test -e flag || { touch flag; exit 1; }', retries: 1}\n" if i == 3 else "  once: {run: 'true'}\n"
        farflung.run_yaml(TREND % (0.01 + 2 * (i == 3), i % 2, more), code=i % 2)
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'sleep 100'}}\n")
    cut = farflung.follow("run")
    cut.event("unit-started")
    cut.process.kill()
    cut.process.wait()
    served = web()

    def trends(query, code=200):
        answer = served.json(f"/api/v1/trends?{query}", code=code)
        check(answer, "/api/v1/trends", str(code))
        return answer

    ids = sorted((run["began_us"], run["id"]) for run in served.json("/api/v1/runs")["runs"] if run["state"] != "cut off")
    ids = [name for _, name in ids]
    answer = trends("by=job&sort=growing")
    assert sorted(run["id"] for run in answer["runs"]) == sorted(ids) and len(ids) == 4, "only those that are over"
    groups = {group["name"]: group for group in answer["groups"]}
    assert sorted(groups) == ["flaky", "grows", "once", "steady", "turns"] and answer["groups"][0]["name"] == "grows"
    assert [point[0] for point in groups["steady"]["points"]] == [3] * 4
    assert sorted(point[1] for point in groups["turns"]["points"]) == [0, 0, 1, 1]
    assert sum(point[2] for point in groups["flaky"]["points"]) == 1 and sum(point[0] for point in groups["once"]["points"]) == 3
    for point in groups["grows"]["points"]:
        assert 10000 <= point[3] <= point[4]
    assert trends("by=job&sort=failing")["groups"][0]["name"] == "turns" and trends("sort=flaky")["groups"][0]["name"] == "flaky"
    assert sorted(group["name"] for group in trends("by=test&q=STEADY")["groups"]) == [f"steady[n={n}]" for n in (1, 2, 3)]
    assert [group["name"] for group in trends("by=host")["groups"]] == ["popen"] and trends("by=file")["groups"] == []
    assert len(trends("by=test&count=2")["groups"]) == 2 and trends("by=test&count=2")["found"] == 7 and len(trends("runs=2")["runs"]) == 2
    for wrong in ("by=x", "sort=x", "runs=51", "count=x"):
        assert wrong.split("=")[0] in trends(wrong, 400)["error"]

    def history(query, code=200):
        answer = served.json(f"/api/v1/history?{query}", code=code)
        check(answer, "/api/v1/history", str(code))
        return answer

    turns = history("job=turns&name=turns")["runs"]
    assert [run["id"] for run in turns] == [run["id"] for run in answer["runs"]] and [run["state"] for run in turns] == ["passed", "failed"] * 2
    assert [run["bad"] for run in turns] == [False, True] * 2 and len(history("job=flaky&name=flaky")["runs"]) == 1
    assert history("job=flaky&name=flaky")["runs"][0]["flaky"] and history("job=x&name=turns")["runs"] == []
    for wrong in ("", "job=turns", "job=turns&name=turns&runs=51"):
        history(wrong, 400)

    def compare(before, after):
        answer = served.json(f"/api/v1/compare?before={before}&after={after}")
        check(answer, "/api/v1/compare")
        return {name: [unit["name"] for unit in value["units"]] for name, value in answer.items() if isinstance(value, dict)}

    by_id = {run["id"]: run for run in answer["runs"]}
    green = [name for name in ids if by_id[name]["exit_code"] == 0]
    last = next(run["id"] for run in answer["runs"] if run["id"] == ids[-1])
    told = compare(green[0], last)
    assert told["broken"] == ["turns"] and "grows" in told["slower"] and told["added"] == ["flaky"] and told["removed"] == ["once"]
    assert told["fixed"] == told["still"] == [] and "grows" not in told["faster"]
    told = compare(last, green[0])
    assert told["fixed"] == ["turns"] and told["broken"] == [] and told["removed"] == ["flaky"] and "grows" not in told["slower"]
    assert compare(last, last)["still"] == ["turns"]
    for query in ("", f"before={last}", f"before={last}&after=x", f"before=..&after={last}", f"before={last}&after={cut_id(served)}"):
        check(served.json(f"/api/v1/compare?{query}", code=404), "/api/v1/compare", "404")


def cut_id(served):
    (one,) = (run["id"] for run in served.json("/api/v1/runs")["runs"] if run["state"] == "cut off")
    return one


def test_a_run_that_goes_on(farflung, web):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}, b: {run: 'until test -e go; do sleep 0.02; done', needs: [a]}}\n")
    live = farflung.follow("run")
    live.event("unit-started", unit="b")
    served = web()
    (one,) = served.json("/api/v1/runs")["runs"]
    assert one["state"] == "running"
    base = f"/api/v1/runs/{one['id']}"
    wait_until(lambda: served.json(base)["by_state"] == {"passed": 1, "running": 1}, 60, "what runs is shown")
    seq = served.json(base)["seq"]
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", base + "/events", headers={"Last-Event-ID": str(seq)})
        stream = connection.getresponse()
        assert stream.headers["Content-Type"] == "text/event-stream"
        write(farflung.cwd / "go", "")
        told = []
        while not told or not told[-1].startswith("event: over"):
            told.append(stream.readline().decode().strip())
        ids = [int(line[4:]) for line in told if line.startswith("id: ")]
        assert ids == sorted(ids) and ids[0] > seq
        stream.readline(), stream.readline()
        assert stream.read() == b"", "nothing more will come"
    live.finish(0)
    assert served.json(base)["by_state"] == {"passed": 2} and served.json("/api/v1/runs")["runs"][0]["state"] == "passed"


def test_a_run_that_was_killed(farflung, web):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'sleep 100'}}\n")
    live = farflung.follow("run")
    live.event("unit-started")
    served = web()
    live.process.kill()
    live.process.wait()
    wait_until(lambda: served.json("/api/v1/runs")["runs"][0]["state"] == "cut off", 60, "it is seen")


def test_pages_and_what_they_are_made_of(farflung, web):
    farflung.run_yaml(RUN, code=1)
    served = web()
    status, headers, body = served.ask("/")
    page = body.decode()
    assert status == 200 and "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"
    names = json.loads(re.search(r'<script type="importmap">(.*?)</script>', page).group(1))["imports"]
    assert sorted(names) == sorted(f"farflung/{name}" for name in MODULES)
    for path in [*names.values(), "/assets/style.css"]:
        status, headers, body = served.ask(path, Accept_Encoding="gzip")
        source = gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body
        name = path.rsplit("/", 1)[1]
        assert status == 200 and source == (TOP / "web" / "assets" / name).read_bytes()
        assert headers["Content-Type"].startswith("text/css" if name.endswith("css") else "text/javascript")
    assert served.ask("/runs/anything")[2] == page.encode()


@pytest.mark.parametrize("path", ["/x", "/assets/x.js", "/assets/../server.c", "/api/v1/", "/api/v1/runs/last", "/api/v1/runs/", "/api/v1/runs/..",
                                  "/api/v1/runs/%2e%2e", "/api/v1/runs/1/x", "/api/v1/runs/1/rows/x", "/api/v1/runs/1/rows/99999999999"])
def test_what_is_not_there(farflung, web, path):
    farflung.run_yaml(RUN, code=1)
    if path == "/api/v1/runs/last":  # a name, but no run's
        path = "/api/v1/runs/20010101-000000-0000"
    answer = web().json(path, code=404)
    assert answer["error"]


@pytest.mark.parametrize("headers, code", [
    ({"Host": "evil.example"}, 403), ({"Host": "evil.example:80"}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200),
])  # fmt: skip
def test_pages_of_others_get_nothing(farflung, web, headers, code):
    served = web()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/api/v1/runs", headers=headers)
        assert connection.getresponse().status == code
    assert served.ask("/api/v1/runs", Host=f"LOCALHOST:{served.port}", Origin=f"http://LOCALHOST:{served.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_changed(web, method):
    assert web().ask("/api/v1/runs", method=method)[0] == 405


class Acting:
    """A server that has a token, and who knows it."""

    def __init__(self, web):
        self.served = web("--token")
        self.cookie = f"farflung-{self.served.port}={self.served.token}"

    def json(self, path):
        return self.served.json(path, Cookie=self.cookie)

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)
        with contextlib.closing(connection):
            given = {"Content-Type": "application/json", "Cookie": self.cookie, **headers}
            connection.request("POST", path, body=body, headers={name: value for name, value in given.items() if value})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


def test_a_unit_and_a_run_are_ended(farflung, web):
    farflung.yaml("version: 1\ninventory: [{spec: popen, slots: 2}]\njobs: {a: {run: 'echo so far; sleep 100'}, b: {run: 'sleep 100'}, c: {run: 'true'}}\n")
    live = farflung.follow("run")
    live.event("unit-started", unit="b")
    acting = Acting(web)
    base = f"/api/v1/runs/{acting.json('/api/v1/runs')['runs'][0]['id']}"
    number = next(row["number"] for row in acting.json(base + "/rows")["rows"] if row["name"] == "a")
    wait_until(lambda: acting.json(f"{base}/rows/{number}").get("output") == "so far\n", 60, "output is shown as it comes")
    assert [lane.get("last_line") for lane in acting.json(base)["lanes"] if lane.get("unit") == "a"] == ["so far"]
    status, words = acting.post(base + "/cancel", '{"names": ["nobody"]}')
    assert status == 400 and "nobody" in words
    assert acting.post(base + "/cancel", '{"names": ["a"]}')[0] == 202
    wait_until(lambda: "running" not in [row["state"] for row in acting.json(base + "/rows?q=a")["rows"] if row["name"] == "a"], 60, "it is cancelled")
    assert acting.json(base)["by_state"].get("running"), "all else goes on"
    assert acting.post(base + "/cancel", "{}")[0] == 202
    live.finish(130)
    assert acting.post(base + "/cancel", "{}")[0] == 400, "it is over"


def test_what_failed_is_run_again(farflung, web):
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'test -e go'}, b: {run: 'true'}}\n", code=1)
    write(farflung.cwd / "go", "")
    acting = Acting(web)
    (one,) = acting.json("/api/v1/runs")["runs"]
    assert acting.post(f"/api/v1/runs/{one['id']}/rerun", "{}")[0] == 202
    wait_until(lambda: sorted(run["state"] for run in acting.json("/api/v1/runs")["runs"]) == ["failed", "passed"], 60, "a run of its own")
    (again,) = (run["id"] for run in acting.json("/api/v1/runs")["runs"] if run["state"] == "passed")
    assert acting.json(f"/api/v1/runs/{again}")["by_state"].get("passed") == 2, "what had passed is carried over"


@pytest.mark.parametrize("body, headers, code", [
    ("", {}, 400), ("[]", {}, 400), ('{"names": "a"}', {}, 400), ('{"names": [1]}', {}, 400), ('{"names": [""]}', {}, 400), ('{"x": 1}', {}, 400),
    ('{"names": [' + ",".join('"a"' for _ in range(1001)) + "]}", {}, 400), ("x" * 70000, {}, 413),
    ("{}", {"Content-Type": "text/plain"}, 415), ("{}", {"Content-Type": None}, 415), ("{}", {"Cookie": None}, 401),
    ("{}", {"Cookie": "farflung=x"}, 401), ("{}", {"Origin": "http://evil.example"}, 403),
])  # fmt: skip
def test_what_is_not_done(farflung, web, body, headers, code):
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    acting = Acting(web)
    run = acting.json("/api/v1/runs")["runs"][0]["id"]
    for what in ("cancel", "rerun"):
        assert acting.post(f"/api/v1/runs/{run}/{what}", body, **headers)[0] == code
    assert len(acting.json("/api/v1/runs")["runs"]) == 1
    assert acting.post("/api/v1/runs/20010101-000000-0000/cancel", "{}")[0] == 404


class Shown:
    """A run that is shown while it goes on."""

    def __init__(self, farflung, *args):
        self.process = farflung.start(*args)
        for line in self.process.stderr:
            if found := re.search(r"web: (http://127\.0\.0\.1:(\d+))(/runs/[^?]+)\?token=([0-9a-f]{32})$", line.strip()):
                break
        else:
            pytest.fail("no address")
        self.port, self.page, self.token = int(found[2]), found[3], found[4]
        self.base = f"/api/v1{self.page}"
        self.headers = {"Cookie": f"farflung-{self.port}={self.token}", "Content-Type": "application/json"}

    def ask(self, path, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=self.headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def finish(self, code):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == code, out + err


GOES_ON = "version: 1\ninventory: [{spec: popen, slots: 2}]\njobs: {a: {run: 'true'}, b: {run: 'until test -e go; do sleep 0.02; done', needs: [a]}}\n"


def test_a_run_that_is_shown(farflung, web):
    farflung.yaml(GOES_ON)
    shown, other = Shown(farflung, "run", "--web"), Shown(farflung, "run", "--web")
    assert shown.port != other.port, "the second one finds a port of its own"
    for one in (shown, other):
        wait_until(lambda: one.ask(one.base)[1]["by_state"] == {"passed": 1, "running": 1}, 60, "what runs is shown")
        assert one.ask("/api/v1/runs/20010101-000000-0000")[0] == 404
    status, answer = other.ask(other.base + "/cancel", "POST", "{}")
    assert status == 202, answer
    other.finish(130)
    # Who listens when it ends is told so.
    with socket.create_connection(("127.0.0.1", shown.port)) as listening:
        asked = f"GET {shown.base}/events HTTP/1.1\r\nHost: 127.0.0.1:{shown.port}\r\nCookie: {shown.headers['Cookie']}\r\n\r\n"
        listening.sendall(asked.encode())
        stream = listening.makefile("rb")
        assert stream.readline().startswith(b"HTTP/1.1 200")
        write(farflung.cwd / "go", "")
        assert b"event: over\n" in stream.read()
    shown.finish(0)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", shown.port)).close()


def test_who_listens_to_another_run_when_one_ends(farflung):
    """Is left without its end, which nobody knows yet."""
    farflung.yaml(GOES_ON)
    shown = Shown(farflung, "run", "--web")
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {c: {run: 'until test -e stop; do sleep 0.02; done'}}\n", name="other.yaml")
    other = Shown(farflung, "run", "--web", "other.yaml")
    wait_until(lambda: shown.ask(other.base)[1]["by_state"].get("running"), 10, "it runs")
    with socket.create_connection(("127.0.0.1", shown.port)) as listening:
        seq = shown.ask(other.base)[1]["seq"]
        listening.sendall(f"GET {other.base}/events?after={seq} HTTP/1.1\r\nHost: 127.0.0.1:{shown.port}\r\nCookie: {shown.headers['Cookie']}\r\n\r\n".encode())
        stream = listening.makefile("rb")
        assert stream.readline().startswith(b"HTTP/1.1 200")
        write(farflung.cwd / "go", "")
        assert b"event: over" not in stream.read()
    shown.finish(0)
    write(farflung.cwd / "stop", "")
    other.finish(0)


def test_pages_of_a_run_at_no_address(farflung):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'touch began'}}\n")
    for where in ("nonsense", "127.0.0.1:99999999"):
        assert where.split(":")[-1] in farflung.run("run", f"--web={where}", code=2).stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert str(taken.getsockname()[1]) in farflung.run("run", f"--web={taken.getsockname()[1]}", code=2).stderr
    assert not (farflung.cwd / "began").exists()


def test_a_run_does_not_notice_who_looks_at_it(farflung, web):
    """200 clients: silent ones, slow ones, some that only listen, some that ask and never read."""
    farflung.yaml(GOES_ON)
    shown = Shown(farflung, "run", "--web")
    wait_until(lambda: shown.ask(shown.base)[1]["by_state"].get("running"), 60, "it runs")

    def memory():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{shown.process.pid}/status").read())[1])

    before = memory()
    asked = f"GET {{}} HTTP/1.1\r\nHost: 127.0.0.1:{shown.port}\r\nCookie: {shown.headers['Cookie']}\r\n\r\n"
    words = [b"", b"GET /", asked.format(shown.base + "/events").encode(), asked.format("/assets/main.js").encode() * 200]
    clients = []
    with contextlib.ExitStack() as stack:
        for i in range(200):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", shown.port))
            clients.append((client, words[i % len(words)]))
        for client, text in clients:
            with contextlib.suppress(OSError):
                client.setblocking(True)
                client.settimeout(0.2)
                client.send(text)
        after = memory()
        write(farflung.cwd / "go", "")
        shown.finish(0)
    # A sanitizer keeps what was freed.
    assert sanitized(farflung.program) or after - before < 32 << 10


def test_without_a_token_nothing_is_done(farflung, web):
    farflung.run_yaml(RUN, code=1)
    served = web()
    run = served.json("/api/v1/runs")["runs"][0]["id"]
    for what in ("cancel", "rerun"):
        assert served.ask(f"/api/v1/runs/{run}/{what}", method="POST", Content_Type="application/json")[0] == 403


def test_a_token(farflung, web):
    served = web("--token")
    assert re.fullmatch("[0-9a-f]{32}", served.token)
    assert served.ask("/api/v1/runs")[0] == served.ask("/")[0] == served.ask("/assets/main.js")[0] == 401
    assert served.ask("/?token=" + "0" * 32)[0] == served.ask("/?token=")[0] == 401
    status, headers, _ = served.ask(f"/runs/x?token={served.token}")
    assert status == 303 and headers["Location"] == "/runs/x"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert served.ask("/api/v1/runs", Cookie=cookie.split(";")[0])[0] == 200
    assert served.ask(f"//evil.example?token={served.token}")[1]["Location"] == "/"


def test_elsewhere_a_token_is_always_asked_for(farflung, web):
    served = web(at="0.0.0.0")
    assert served.token and served.ask("/api/v1/runs")[0] == 401


@pytest.mark.parametrize("where, words", [("nonsense", "nonsense"), ("127.0.0.1:x", "'x'"), ("127.0.0.1:99999999", "99999999"), ("192.0.2.1:0", "192.0.2.1")])
def test_no_such_address(farflung, where, words):
    assert words in farflung.run("web", "--listen", where, code=2).stderr


def test_an_address_that_is_taken(farflung, web):
    served = web()
    assert str(served.port) in farflung.run("web", "--listen", str(served.port), code=2).stderr


def test_no_runs_are_no_error(farflung, web):
    assert web().json("/api/v1/runs") == {"runs": []}


def test_clients_that_say_nothing_keep_nobody_out(farflung, web):
    served = web()
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(20)]
    try:
        for one in silent[:10]:
            one.sendall(b"GET /api/v1/runs HTTP/1.1\r\nHost: ")
        assert served.json("/api/v1/runs") == {"runs": []}
    finally:
        for one in silent:
            one.close()


def test_it_ends_though_somebody_listens(farflung, web):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'until test -e go; do sleep 0.02; done'}}\n")
    live = farflung.follow("run")
    live.event("unit-started")
    served = web()
    run = served.json("/api/v1/runs")["runs"][0]["id"]
    with socket.create_connection(("127.0.0.1", served.port)) as listening:
        listening.sendall(f"GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        assert listening.recv(100)
        assert served.end() == (0, "", "")
    write(farflung.cwd / "go", "")
    live.finish(0)


def test_a_damaged_journal(farflung, web):
    farflung.run_yaml(RUN, code=1)
    journal = farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"
    text = journal.read_bytes()
    for damage, state in ((text.replace(b"\n", b"\ngarbage\n", 1), "failed"), (b"garbage\n", "damaged")):
        journal.write_bytes(damage)
        served = web()
        (one,) = served.json("/api/v1/runs")["runs"]
        assert one["state"] == state
        assert "journal.jsonl" in served.json(f"/api/v1/runs/{one['id']}", code=500)["error"]
        assert served.end() == (0, "", "")

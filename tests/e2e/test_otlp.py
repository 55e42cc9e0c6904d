"""--otlp: the run as an OpenTelemetry trace, for a collector of our own."""
import http.server
import json
import re
import threading

import pytest

from conftest import write

YAML = """
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  good: {run: "echo $TRACEPARENT > parent-{n}", matrix: {n: [1, 2]}}
  flaky: {run: "test -e flag || { touch flag; exit 1; }", retries: 1}
  bad: {run: "exit 3"}
  after: {run: "true", needs: [bad]}
"""
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """What came; `answers`: statuses, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.requests, collector = list(answers or [200]), [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, self.headers, json.loads(body)))
                status = collector.answers.pop(0) if len(collector.answers) > 1 else collector.answers[0]
                if status is None:
                    collector.stuck.wait(60)
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        self.stuck = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.stuck.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def spans(self):
        found = []
        for _, _, body in self.requests:
            for resource in body["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found += scope["spans"]
        return found


@pytest.fixture
def collector():
    made = []

    def make(*answers):
        made.append(Collector(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def attributes(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def check(spans, trace=None, parent=None):
    """Each is well-formed, its parent is there, and it lies within that."""
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans), "each has a name of its own"
    roots = [span for span in spans if span.get("parentSpanId") not in by_id]
    assert len(roots) == 1 and roots[0].get("parentSpanId") == parent
    for span in spans:
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert trace is None or span["traceId"] == trace
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) and span["kind"] == 1 and span["name"]
        above = by_id.get(span.get("parentSpanId"))
        if above and span["name"] != "setup":
            assert int(above["startTimeUnixNano"]) - 2e6 <= int(span["startTimeUnixNano"])
            assert int(span["endTimeUnixNano"]) <= int(above["endTimeUnixNano"]) + 2e6, (span["name"], above["name"])
    return roots[0], by_id


def parent_of(path):
    """What a unit was told: the trace, and the span that its own spans are below."""
    told = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", path.read_text().strip())
    assert told, path
    return told.groups()


def test_a_run_is_a_trace(farflung, collector):
    to = collector()
    farflung.run_yaml(YAML, "--otlp", to.url, code=1, env={"TRACEPARENT": PARENT, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=abc,other=d e"})
    assert {path for path, _, _ in to.requests} == {"/v1/traces"}
    headers = to.requests[0][1]
    assert headers["Content-Type"] == "application/json" and headers["X-Key"] == "abc" and headers["Other"] == "d e"
    spans = to.spans()
    run, by_id = check(spans, PARENT[3:35], PARENT[36:52])
    assert attributes(run)["cicd.pipeline.result"] == "failure" and run["status"]["code"] == 2
    for n in (1, 2):
        trace, parent = parent_of(farflung.cwd / f"parent-{n}")
        assert trace == PARENT[3:35] and by_id[parent]["name"] == "attempt", "units are told"
        assert by_id[by_id[parent]["parentSpanId"]]["name"] == f"good[n={n}]"
    jobs = {span["name"]: attributes(span) for span in spans if "cicd.pipeline.task.name" in attributes(span)}
    assert {name: one["cicd.pipeline.task.run.result"] for name, one in jobs.items()} == {"good": "success", "flaky": "success", "bad": "failure", "after": "skip"}
    units = {span["name"]: attributes(span) for span in spans if "farflung.attempts" in attributes(span)}
    assert {name: one["test.case.result.status"] for name, one in units.items()} == {"good[n=1]": "pass", "good[n=2]": "pass", "flaky": "pass", "bad": "fail"}
    attempts = [span for span in spans if span["name"] == "attempt"]
    assert sorted(by_id[span["parentSpanId"]]["name"] for span in attempts) == ["bad", "flaky", "flaky", "good[n=1]", "good[n=2]"]
    resource = {one["key"]: one["value"]["stringValue"] for one in to.requests[0][2]["resourceSpans"][0]["resource"]["attributes"]}
    assert resource["service.name"] == "farflung" and resource["service.version"]
    # Told again, from the journal: its own trace, the same each time.
    again = [collector() for _ in range(2)]
    for one in again:
        farflung.run("replay", "-q", "--otlp", one.url + "/v1/traces", code=1)
    ids = [sorted(span["spanId"] for span in one.spans()) for one in again]
    assert ids[0] == ids[1] and len(ids[0]) == len(spans) and check(again[0].spans())[0]["traceId"] != PARENT[3:35]


def test_of_pytest_with_phases(farflung, collector, python):
    to = collector()
    write(farflung.cwd / "test_x.py", """
import os, pytest, time
@pytest.fixture
def slow(): time.sleep(0.05); yield; time.sleep(0.02)
def test_a(slow): assert os.environ["TRACEPARENT"].startswith("00-")
def test_b(): assert 0, "no"
@pytest.mark.skip
def test_c(): pass
""")
    farflung.run("pytest", "-n2", "--otlp", to.url, code=1)
    run, by_id = check(to.spans())
    units = {span["name"]: span for span in to.spans() if "farflung.attempts" in attributes(span)}
    assert {name: attributes(span).get("test.case.result.status") for name, span in units.items()} == {"test_x.py::test_a": "pass", "test_x.py::test_b": "fail", "test_x.py::test_c": None}
    assert "no" in units["test_x.py::test_b"]["status"]["message"] and attributes(units["test_x.py::test_b"])["code.file.path"] == "test_x.py"
    phases = {span["name"]: int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) for span in to.spans() if span["name"] in ("setup", "call", "teardown") and attributes(span) == {}
              and by_id[by_id[span["parentSpanId"]]["parentSpanId"]]["name"] == "test_x.py::test_a"}
    assert set(phases) == {"setup", "call", "teardown"} and phases["setup"] >= 40e6 and phases["teardown"] >= 15e6


def test_what_comes_later_is_tried_again(farflung, collector):
    to = collector(503, 429, 200)
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n", "--otlp", to.url, code=0)
    assert len(to.requests) == 3 and to.requests[0][2] == to.requests[2][2]


@pytest.mark.parametrize("answer, words", [(400, "status 400"), (302, "status 302"), (None, "not taken")])
def test_what_is_not_taken_is_told(farflung, collector, answer, words):
    to = collector(answer)
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    done = farflung.run("run", "--otlp", to.url, code=3)
    assert words in done.stderr and "spans" in done.stderr and to.url in done.stderr
    assert len(to.requests) == 1 or answer is None


def test_nobody_is_there(farflung):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n")
    assert "spans were not taken" in farflung.run("run", "--otlp", "http://127.0.0.1:1", code=3).stderr


def test_no_address(farflung):
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'touch began'}}\n")
    for url in ("nonsense", "file:///etc/passwd", "ftp://x"):
        assert "http" in farflung.run("run", "--otlp", url, code=2).stderr
    assert not (farflung.cwd / "began").exists()


def test_a_file_says_it_and_up_to_date_stays_so(farflung, collector):
    to = collector()
    write(farflung.cwd / "in", "1")
    farflung.yaml(f"""
version: 1
inventory: [popen]
report: {{otlp: "{to.url}"}}
jobs: {{a: {{run: "cp in out; echo $TRACEPARENT", up_to_date: {{inputs: [in], outputs: [out]}}}}}}
""")
    farflung.run("run", code=0)
    first = check(to.spans())[0]["traceId"]
    to.requests.clear()
    done = farflung.run("run", "-v", code=0)
    assert "up to date" in done.stdout + done.stderr
    assert check(to.spans())[0]["traceId"] != first


def test_each_attempt_is_the_parent_of_what_it_does(farflung, collector):
    """Of units that are tried again, that have steps, that others go by, and that a list is made of; but what a job says
    itself stays."""
    to = collector()
    farflung.yaml("""
version: 1
inventory: [{spec: popen, slots: 2}]
jobs:
  again: {run: "echo $TRACEPARENT > again-$(ls again-* 2>/dev/null | wc -l); exit 1", retries: 2}
  steps: {steps: [{name: a, run: "echo $TRACEPARENT > step-a"}, {name: b, run: "echo $TRACEPARENT > step-b"}]}
  own: {run: "echo $TRACEPARENT > own", env: {TRACEPARENT: mine}}
  fresh: {run: "cp in out; echo $TRACEPARENT > fresh", up_to_date: {inputs: [in], outputs: [out]}}
""")
    write(farflung.cwd / "in", "1")
    farflung.run("run", "--otlp", to.url, code=1)
    _, by_id = check(to.spans())
    parents = [parent_of(farflung.cwd / f"again-{n}")[1] for n in range(3)]
    assert [attributes(by_id[span])["farflung.attempt"] for span in parents] == ["1", "2", "3"]
    assert {by_id[by_id[span]["parentSpanId"]]["name"] for span in parents} == {"again"}
    of_steps = {parent_of(farflung.cwd / f"step-{step}") for step in "ab"}
    assert len(of_steps) == 1 and by_id[by_id[of_steps.pop()[1]]["parentSpanId"]]["name"] == "steps"
    assert by_id[by_id[parent_of(farflung.cwd / "fresh")[1]]["parentSpanId"]]["name"] == "fresh"
    assert (farflung.cwd / "own").read_text() == "mine\n"
    to.requests.clear()
    farflung.run("map", "--otlp", to.url, "echo $TRACEPARENT > item-{}", ":::", "x", "y", code=0)
    _, by_id = check(to.spans())
    spans = [by_id[parent_of(farflung.cwd / f"item-{item}")[1]] for item in "xy"]
    assert {span["name"] for span in spans} == {"attempt"} and len({span["spanId"] for span in spans}) == 2

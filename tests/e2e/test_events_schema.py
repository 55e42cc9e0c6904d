"""configs/events.schema.json: what --jsonl writes, and a journal has, is as it says."""
import json
import os
import signal

import jsonschema
import pytest
from conftest import TOP, of_kind, read_jsonl, write

SCHEMA = TOP / "configs" / "events.schema.json"
TESTS = """
import os, pytest, warnings

@pytest.mark.parametrize("text", ["", "\\udcff", "\\x1b[1m", "é€"])
def test_text(text, record_property):
    record_property("a", "b")
    warnings.warn("look")
    print(text.encode("utf-8", "surrogateescape"))
    assert text

@pytest.mark.skip(reason="no")
def test_skipped(): pass

@pytest.mark.xfail
def test_known(): assert 0

def test_once():
    if not os.path.exists("once"):
        open("once", "w").close()
        os.abort()
"""
FILE = """\
version: 1
inventory:
  hosts:
    - {spec: popen, name: box, slots: 2, tags: [good]}
    - {spec: popen//python=/nothing, name: broken}
setup: {run: 'true'}
teardown: {run: 'true'}
settings: {output_cap: 2KiB}
jobs:
  tests: {pytest: [test_it.py], on: box, retries: 1}
  makes: {run: 'echo out; echo err >&2; printf "\\377\\0"; echo x > made; exit 1', artifacts: made, retries: 1, on: box}
  steps: {steps: [{name: a, run: 'true'}, {name: b, run: 'exit 2'}], on: box}
  late: {run: 'sleep 100', timeout: 0.2, on: box}
  behind: {run: 'true', needs: [makes], on: box}
  after: {run: 'true', when: success, needs: [steps], on: box}
  many: {run: 'head -c 3000 /dev/zero', matrix: {n: [1, 2, 3]}}
"""


@pytest.fixture(scope="module")
def schema():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    kinds = [one["$ref"].rsplit("/", 1)[1] for one in schema["oneOf"]]
    assert set(kinds) < set(schema["definitions"]) and len(kinds) == len(set(kinds)) > 40
    whole = jsonschema.Draft7Validator(schema)
    by_kind = {
        kind: jsonschema.Draft7Validator({"definitions": schema["definitions"], "$ref": f"#/definitions/{kind}"})
        for kind in kinds
    }

    def check(events):
        """Each by its own kind; the first of a kind by the whole, too."""
        seen = set()
        assert events
        for event in events:
            wrong = [error.message for error in by_kind[event["event"]].iter_errors(event)]
            assert not wrong, (event, wrong)
            if event["event"] not in seen:
                whole.validate(event)
            seen.add(event["event"])
        return seen

    return check


def run_of(farflung, schema, done_events):
    """What --jsonl told, and the journal of the same run."""
    (path,) = [p for p in (farflung.cwd / ".farflung/runs").glob("2*/journal.jsonl") if p.parent.name == done_events[0]["run"]]
    return schema(done_events) | schema(read_jsonl(path))


def test_the_file_is_the_generated_one(farflung):
    done = farflung.run("schema", "events", code=0)
    assert done.stdout == SCHEMA.read_text(encoding="utf-8"), \
        "build/farflung schema events > configs/events.schema.json"
    assert farflung.run("schema", "config", code=0).stdout == farflung.run("check", "--schema", code=0).stdout
    assert "config or events" in farflung.run("schema", "all", code=2).stderr


def test_it_refuses_what_is_none(schema, farflung):
    farflung.run_yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}}\n", "--jsonl", "e.jsonl", code=0)
    good = read_jsonl(farflung.cwd / "e.jsonl")
    schema(good)
    for change in ({"time": "yesterday"}, {"seq": "1"}, {"seq": 0}, {"more": 1}, {"host": 5}):
        for event in good:
            with pytest.raises(AssertionError):
                schema([dict(event, **change)])
    finished = of_kind(good, "unit-finished")[0]
    for key in ("unit", "index", "result", "attempt", "final", "time"):
        with pytest.raises(AssertionError):
            schema([{k: v for k, v in finished.items() if k != key}])


def test_events_of_runs(schema, farflung, python):
    """Of all kinds of jobs and ends."""
    write(farflung.cwd / "test_it.py", TESTS)
    write(farflung.cwd / "test_bad.py", "import nothing_of_that_name\n")
    done = farflung.run_yaml(FILE.replace("settings: {retry_hosts: 1}\n", "settings: {output_cap: 2KiB}\n"))
    assert done.returncode != 2, done.stderr
    seen = run_of(farflung, schema, done.events)
    path = farflung.cwd / "again.jsonl"
    farflung.run("replay", "--jsonl", path)
    assert schema(read_jsonl(path)) == {event["event"] for event in done.events}
    done = farflung.run("pytest", "--python", python, "-n", 2, "--jsonl", path, "--continue-on-collection-errors", ".", code=1)
    seen |= run_of(farflung, schema, read_jsonl(path))
    seen |= schema(map_of(farflung, path))
    seen |= schema(resumed(farflung, path))
    missing = {
        "run-started", "host-added", "job-added", "host-joining", "host-opened", "host-ready", "host-setup",
        "job-started", "worker-opening", "worker-started", "worker-ended", "collected", "collect-problem", "unit-started",
        "unit-output", "unit-finished", "unit-artifacts", "units-before", "unit-before", "units-not-run", "notice",
        "job-finished", "stopping", "interrupted", "run-finished"} - seen  # fmt: skip
    assert not missing, "runs above have events of these, too"


def map_of(farflung, path):
    farflung.run("map", "--jsonl", path, "echo", ":::", "a", "b", code=0)
    return read_jsonl(path)


def resumed(farflung, path):
    """Of a run that was interrupted, and of the one that went on with it."""
    farflung.yaml("version: 1\ninventory: [popen]\njobs: {a: {run: 'true'}, b: {run: 'echo on; until test -e flag; do sleep 0.02; done', needs: [a]}, c: {run: 'true', needs: [b]}}\n")
    live = farflung.follow("run")
    live.event("unit-output")
    os.kill(live.process.pid, signal.SIGINT)
    events = live.finish(130)
    write(farflung.cwd / "flag", "")
    farflung.run("run", "--resume", "--jsonl", path, code=0)
    return events + read_jsonl(path)

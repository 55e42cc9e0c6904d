"""What jobs can say: on each host, from rows and lists, only if others came out so."""
import pytest

from conftest import junit_outcomes, of_kind, outcomes, write


def test_each_host_runs_all_of_it(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: 'n[1-2]', slots: 2}, {spec: popen, name: other}]\n"
        "jobs:\n"
        "  made: {run: 'echo {v} >> made.{v}', matrix: {v: [a, b]}, each_host: true, on: 'n*'}\n"
        "  after: {run: 'cat made.a', needs: [made]}\n", "--junit", "j.xml", code=0)
    assert outcomes(done.events) == {
        "made@n1[v=a]": "passed", "made@n1[v=b]": "passed",
        "made@n2[v=a]": "passed", "made@n2[v=b]": "passed", "after": "passed"}
    for event in of_kind(done.events, "unit-started"):
        if "@" in event["unit"]:
            assert event["unit"].startswith(f"made@{event['host']}[")
    assert (farflung.cwd / "made.a").read_text() == "a\na\n"


def test_each_host_of_one_that_is_not_there_is_lost(farflung):
    done = farflung.run_yaml(
        "inventory: [{spec: popen, name: here}, {spec: ssh=nowhere.invalid, name: off}]\n"
        "jobs:\n"
        "  made: {run: 'true', each_host: true}\n"
        "  after: {run: 'true', needs: [made]}\n", "--junit", farflung.cwd / "j.xml", code=3)
    assert outcomes(done.events) == {"made@here": "passed", "made@off": "lost"}
    assert "made@off" in done.stderr + done.stdout
    assert 'name="made@off" errors="1"' in (farflung.cwd / "j.xml").read_text()

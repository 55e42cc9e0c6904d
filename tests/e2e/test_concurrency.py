"""concurrency: runs of one group go one at a time, in whatever process they are."""
import json
import signal

from conftest import of_kind, wait_until, write

FILE = ("concurrency: {how}\ninventory: [popen]\nsettings: {{grace: 200ms}}\n"
        "jobs: {{a: {{run: 'echo begin {who} >> story.txt; until [ -e go-{who} ]; do sleep 0.02; done; "
        "echo end {who} >> story.txt'}}}}\n")


def begin(farflung, who, how):
    farflung.yaml(FILE.format(who=who, how=how), f"{who}.yaml")
    return farflung.follow("run", f"{who}.yaml")


def story(farflung):
    path = farflung.cwd / "story.txt"
    return path.read_text().splitlines() if path.exists() else []


def said(live, words):
    return wait_until(lambda: words in live.stderr, 60, words)


def test_queue(farflung):
    first = begin(farflung, "first", "night/ly")
    first.event("unit-started")
    second = begin(farflung, "second", "{group: night/ly}")
    said(second, "group 'night/ly': waiting for the end of " + str(farflung.cwd))
    other = begin(farflung, "other", "{group: another}")
    other.event("unit-started")  # which has nothing to do with them
    assert not second.events and not any("second" in line for line in story(farflung))
    for who in ("first", "second", "other"):
        write(farflung.cwd / f"go-{who}", "")
    for live in (first, second, other):
        live.finish(0)
    ours = [line for line in story(farflung) if "other" not in line]
    assert ours == ["begin first", "end first", "begin second", "end second"]


def test_cancel_in_progress(farflung):
    first = begin(farflung, "first", "{group: g, cancel_in_progress: true}")
    started = first.event("unit-started") and first.event("run-started")
    second = begin(farflung, "second", "{group: g, cancel_in_progress: true}")
    said(second, f"group 'g': ending run {started['run']}")
    first.finish(130)
    second.event("unit-started")
    write(farflung.cwd / "go-second", "")
    second.finish(0)
    assert story(farflung) == ["begin first", "begin second", "end second"]


def test_killed_one_holds_nothing(farflung):
    first = begin(farflung, "first", "g")
    first.event("unit-started")
    second = begin(farflung, "second", "g")
    said(second, "waiting for the end of")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(60)
    second.event("unit-started")
    write(farflung.cwd / "go-second", "")
    write(farflung.cwd / "go-first", "")
    second.finish(0)


def test_interrupted_while_waiting(farflung):
    first = begin(farflung, "first", "g")
    first.event("unit-started")
    second = begin(farflung, "second", "g")
    said(second, "waiting for the end of")
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(60) == 130
    said(second, "nothing was started (exit 130)")
    assert "interrupted while it waited for group 'g'" in second.stderr and not second.events
    write(farflung.cwd / "go-first", "")
    first.finish(0)


def test_wrong_values(farflung):
    def refused(how, words):
        farflung.yaml(FILE.format(who="x", how=how))
        assert words in farflung.run("run", code=2).stderr

    refused("{group: g, cancel_in_progress: maybe}", "farflung.yaml:1:")
    refused("{cancel_in_progress: queue}", "'group'")
    refused("{group: g, cancel: true}", "unknown key 'cancel'")
    assert not story(farflung)

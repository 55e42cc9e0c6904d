"""Hosts that are not there, come late, or lack what a job needs: said once, and never a loss."""
import contextlib
import re
import socket

import pytest

from conftest import junit_outcomes, of_kind, outcomes, read_journal, write

NO_PYTHON = "/no/such/python"
CACHE = "-p, 'no:cacheprovider'"
SUITE = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_n(n): pass\n"
WAIT_SUITE = """
import pathlib, pytest, time
@pytest.mark.parametrize("n", range(6))
def test_n(n):
    while not pathlib.Path("$GO").exists():
        time.sleep(0.02)
"""


@contextlib.contextmanager
def port_of_nobody():
    """A port where connections are refused, and that nobody else gets; gives the socket that holds it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder


def port_of(holder):
    return holder.getsockname()[1]


@contextlib.contextmanager
def server(farflung, port):
    process = farflung.start("socketserver", "--listen", f"127.0.0.1:{port}")
    try:
        assert process.stdout.readline() == f"listening on 127.0.0.1:{port}\n", process.stderr.read()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def journal(farflung):
    return read_journal(farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl")


def last_line(text):
    return text.strip().splitlines()[-1]


def summary(text):
    """What stands behind the lines of units: which hosts were used, and what of the others."""
    return re.search(r"^hosts: (\d+ of \d+ used)(?:; |\n)((?:.+\n)*)", text, re.MULTILINE).groups()


def ran_on(events, job):
    return {e["host"] for e in of_kind(events, "unit-finished", job=job, final=True)}


def not_run(events, job):
    return sum(e["count"] for e in of_kind(events, "units-not-run", job=job))


# --- an interpreter that is not there ---

TWO = (f"inventory:\n  - {{spec: popen, name: good, python: '{{python}}'}}\n"
       f"  - {{spec: popen, name: bad, python: {NO_PYTHON}}}\n")
UNIT = f"  unit: {{pytest: [{CACHE}, test_it.py]ON}}\n"
SHELL = "  shell: {run: 'until test -e \"$GO\"; do sleep 0.02; done', count: 2}\n"


def two(farflung, python, jobs, settings=""):
    """Two hosts, of which one has no interpreter; units of `shell` wait for each other."""
    write(farflung.cwd / "test_it.py", SUITE)
    text = TWO.replace("{python}", python) + f"settings: {{{settings}}}\njobs:\n{jobs}"
    return text.replace("$GO", str(farflung.cwd / "go")).replace("]ON}", "]}")


def test_python_that_is_not_there(farflung, python):
    done = farflung.run_yaml(two(farflung, python, UNIT), "--junit", "junit.xml", code=0)
    for events in (done.events, journal(farflung)):
        (unfit,) = of_kind(events, "host-unfit")
        assert unfit["host"] == "bad" and unfit["payload"] == "pytest"
        assert NO_PYTHON in unfit["error"] and "not found" in unfit["error"]
        assert ran_on(events, "unit") == {"good"}
    assert set(outcomes(done.events).values()) == {"passed"} and len(outcomes(done.events)) == 6
    told = [line for line in done.stdout.splitlines() if NO_PYTHON in line]
    assert told == [f"host bad can't run pytest: python={NO_PYTHON}: not found",
                    f"hosts: 1 of 2 used; bad can't run pytest: python={NO_PYTHON}: not found"]
    assert set(junit_outcomes(farflung.cwd / "junit.xml").values()) == {("passed", "")}


def test_only_what_can_not_run_there_stays_away(farflung, python):
    """A command needs no interpreter: both hosts have to take one for the run to end."""
    meet = "  shell: {run: 'touch \"$GO{index}\"; until test -e \"$GO1\" -a -e \"$GO2\"; do sleep 0.02; done', count: 2}\n"
    done = farflung.run_yaml(two(farflung, python, UNIT + meet), code=0)
    assert len(of_kind(done.events, "host-unfit")) == 1
    assert ran_on(done.events, "unit") == {"good"}
    assert ran_on(done.events, "shell") == {"good", "bad"}


def test_who_needs_no_python_is_not_asked_for_it(farflung, python):
    (farflung.cwd / "go").touch()
    done = farflung.run_yaml(two(farflung, python, SHELL, "require_hosts: all"), code=0)
    assert not of_kind(done.events, "host-unfit") and NO_PYTHON not in done.stdout


def test_farflung_hosts_asks_for_python(farflung, python):
    farflung.yaml(two(farflung, python, UNIT))
    done = farflung.run("hosts", code=3)
    good, bad = re.split(r"^(?=bad )", done.stdout, flags=re.MULTILINE)
    assert good.startswith("good ") and re.search(r"python: .*\(3\.\d+", good)
    assert f"{NO_PYTHON}: not found" in bad and NO_PYTHON not in good
    farflung.run("hosts", "--on", "good", code=0)


# --- hosts that must be there, for a job ---


@pytest.mark.parametrize("need", ["all", "2"])
def test_required_python(farflung, python, need):
    (farflung.cwd / "go").touch()
    done = farflung.run_yaml(
        two(farflung, python, UNIT + SHELL + "  after: {run: 'true', needs: unit}\n", f"require_hosts: {need}"),
        "--junit", "junit.xml", code=3)
    words = f"require_hosts asks for 2 of 2 hosts, 1 can't be used: host bad: python={NO_PYTHON}: not found"
    assert last_line(done.stderr) == f"farflung: 2 passed, 1 not run; {words} (exit 3)"
    # What can run on both does.
    assert outcomes(done.events) == {"shell[1]": "passed", "shell[2]": "passed"}
    (end,) = of_kind(done.events, "job-finished", job="unit")
    assert end["why"] == "required-hosts" and end["reason"] == words
    assert of_kind(done.events, "job-finished", job="after")[0]["state"] == "skipped"
    assert not of_kind(done.events, "worker-opening")
    assert words in (farflung.cwd / "junit.xml").read_text().replace("&apos;", "'").replace("&#39;", "'")
    got = junit_outcomes(farflung.cwd / "junit.xml")
    assert got[("", "unit")][0] == "error" and got[("", "after")][0] == "skipped"


@pytest.mark.parametrize("need, on", [("1", ""), ("all", ", on: good"), ("2", ", on: good")])
def test_required_hosts_that_can(farflung, python, need, on):
    """Who is not meant to run a job need not be able to."""
    (farflung.cwd / "go").touch()
    jobs = UNIT.replace("ON", on) + SHELL
    done = farflung.run_yaml(two(farflung, python, jobs, f"require_hosts: {need}"), code=0)
    assert ran_on(done.events, "unit") == {"good"} and len(outcomes(done.events)) == 8


@pytest.mark.parametrize("need, code", [("1", 0), ("all", 3)])
def test_a_host_that_can_not_after_all(farflung, python, tmp_path, need, code):
    """It has a pytest, which does not start: that shows when the other host is at work."""
    write(tmp_path / "broken" / "pytest" / "__init__.py", "raise ImportError('half of it is missing')\n")
    go = farflung.cwd / "go"
    write(farflung.cwd / "test_it.py", WAIT_SUITE.replace("$GO", str(go)))
    farflung.yaml(
        f"inventory:\n  - {{spec: popen, name: good, python: '{python}'}}\n"
        f"  - {{spec: popen, name: bad, python: '{python}', env: {{PYTHONPATH: '{tmp_path}/broken'}}}}\n"
        f"settings: {{require_hosts: {need}}}\njobs:\n{UNIT.replace('ON', '')}")
    live = farflung.follow("run", "--junit", "junit.xml")
    unfit = live.event("host-unfit")
    assert unfit["host"] == "bad" and "half of it is missing" in unfit["error"]
    go.touch()
    events = live.finish(code)
    assert len(of_kind(events, "host-unfit")) == 1
    assert ran_on(events, "unit") <= {"good"} and set(outcomes(events).values()) <= {"passed"}
    assert code or len(outcomes(events)) == 6
    assert summary(live.stderr)[1].startswith("bad can't run pytest: ")
    kinds = {kind for kind, _ in junit_outcomes(farflung.cwd / "junit.xml").values()}
    assert ("error" in kinds) == bool(code)
    if code:
        assert "1 can't be used: host bad: " in last_line(live.stderr)
        assert "1 can't be used: host bad: " in (farflung.cwd / "junit.xml").read_text().replace("&#39;", "'")


# --- hosts that are down ---

WAITING = {
    "command": "  job: {run: 'until test -e \"$GO\"; do sleep 0.02; done', count: 6}\n",
    "pytest": f"  job: {{pytest: [{CACHE}, test_wait.py]}}\n",
}


def with_late(farflung, python, tmp_path, port, job, settings=""):
    """A host that is there, and one that is not; units wait for a file."""
    go = farflung.cwd / "go"
    write(farflung.cwd / "tree" / "test_wait.py", WAIT_SUITE.replace("$GO", str(go)))
    farflung.yaml(
        f"inventory:\n  - {{spec: 'popen//chdir={tmp_path}/here', name: here, python: '{python}'}}\n"
        f"  - {{spec: 'socket=127.0.0.1:{port}//chdir={tmp_path}/late', name: late, python: '{python}'}}\n"
        f"tree: tree\nsettings: {{{settings}}}\njobs:\n{job.replace('$GO', str(go))}")
    return go


@pytest.mark.parametrize("kind", WAITING)
def test_a_host_comes_late(farflung, python, tmp_path, kind):
    with port_of_nobody() as holder:
        port = port_of(holder)
        go = with_late(farflung, python, tmp_path, port, WAITING[kind])
        live = farflung.follow("run", "--junit", "junit.xml")
        live.event("unit-started", host="here")
        away = live.event("host-away", host="late")
        assert "refused" in away["error"] and away["retry_us"] > 0
    with server(farflung, port):
        live.event("unit-started", host="late")
        go.touch()
        events = live.finish(0)
    assert len(outcomes(events)) == 6 and set(outcomes(events).values()) == {"passed"}
    assert ran_on(events, "job") == {"here", "late"}
    assert not of_kind(events, "unit-lost")
    assert live.stderr.count("host late away: ") == 1 and live.stderr.count("host late is back: ") == 1
    assert "\nhosts: " not in live.stderr  # nothing is left to be said of it
    assert last_line(live.stderr) == "farflung: 6 passed (exit 0)"
    assert set(junit_outcomes(farflung.cwd / "junit.xml").values()) == {("passed", "")}


@pytest.mark.parametrize("kind", WAITING)
def test_a_host_never_comes(farflung, python, tmp_path, kind):
    with port_of_nobody() as holder:
        go = with_late(farflung, python, tmp_path, port_of(holder), WAITING[kind], "require_hosts: 1")
        live = farflung.follow("run", "--junit", "junit.xml")
        live.wait_for(lambda events: len(of_kind(events, "host-away", host="late")) >= 3)
        live.event("unit-started", host="here")
        go.touch()
        events = live.finish(0)
    assert len(outcomes(events)) == 6 and set(outcomes(events).values()) == {"passed"}
    assert ran_on(events, "job") == {"here"}
    for told in (events, journal(farflung)):
        assert all("refused" in e["error"] for e in of_kind(told, "host-away", host="late"))
        assert not of_kind(told, "host-ready", host="late")
    assert live.stderr.count("host late ") == 1  # however often it was tried
    used, others = summary(live.stderr)
    assert used == "1 of 2 used" and re.fullmatch(r"late away: .*refused.*\n", others)
    assert last_line(live.stderr) == "farflung: 6 passed (exit 0)"


@pytest.mark.parametrize("need", ["2", "all"])
@pytest.mark.parametrize("kind", WAITING)
def test_a_required_host_never_comes(farflung, python, tmp_path, kind, need):
    with port_of_nobody() as holder:
        with_late(farflung, python, tmp_path, port_of(holder), WAITING[kind], f"require_hosts: {need}")
        done = farflung.run("run", "--junit", "junit.xml", code=3)
    events = journal(farflung)
    assert outcomes(events) == {} and not of_kind(events, "unit-started")
    assert not_run(events, "job") == (6 if kind == "command" else 0)  # tests were not collected
    (stopping,) = of_kind(events, "stopping")
    assert stopping["why"] == "required-hosts"
    words = "require_hosts asks for 2 of 2 hosts, 1 can't be used: host late: "
    for text in (stopping["reason"], last_line(done.stderr)):
        assert words in text and "refused" in text
    used, others = summary(done.stdout)
    assert used == "1 of 2 used" and others.startswith("late failed: ")
    assert of_kind(events, "job-finished", job="job")[0]["state"] == "stopped"
    got = junit_outcomes(farflung.cwd / "junit.xml")
    assert {kind for kind, _ in got.values()} == {"error"}
    assert "host late: " in (farflung.cwd / "junit.xml").read_text()


def test_a_required_host_comes_late(farflung, python, tmp_path):
    """Nothing begins before it is there: a host that opens slowly keeps the run waiting."""
    slow = "  - {spec: 'popen//chdir=SLOW', name: slow, python: 'sh -c \"until test -e GO; do sleep 0.02; done; exec PY \\\"$@\\\"\" sh', worker: python}\n"
    with port_of_nobody() as holder:
        port = port_of(holder)
        go = with_late(farflung, python, tmp_path, port, WAITING["command"], "require_hosts: all")
        text = (farflung.cwd / "farflung.yaml").read_text()
        slow = slow.replace("SLOW", f"{tmp_path}/slow").replace("GO", str(farflung.cwd / "open")).replace("PY", python)
        farflung.yaml(text.replace("tree: tree", slow + "tree: tree"))
        live = farflung.follow("run")
        live.event("host-ready", host="here")
        live.event("host-away", host="late")
    with server(farflung, port):
        live.event("host-ready", host="late")
        assert not of_kind(live.events, "unit-started")
        (farflung.cwd / "open").touch()
        live.wait_for(lambda events: {e["host"] for e in of_kind(events, "unit-started")} == {"here", "late", "slow"})
        go.touch()
        events = live.finish(0)
    assert set(outcomes(events).values()) == {"passed"} and len(outcomes(events)) == 6


# --- nobody is there ---


@pytest.mark.parametrize("need", ["", "require_hosts: 1", "require_hosts: all"])
@pytest.mark.parametrize("kind", WAITING)
def test_no_host_is_there(farflung, python, tmp_path, kind, need):
    with port_of_nobody() as one, port_of_nobody() as two:
        hosts = "".join(f"  - {{spec: 'socket=127.0.0.1:{port_of(h)}', name: h{i}}}\n" for i, h in enumerate((one, two)))
        done = farflung.run_yaml(f"inventory:\n{hosts}settings: {{{need}}}\njobs:\n{WAITING[kind]}",
                                 "--junit", "junit.xml", code=3)
    bad = {kind for kind, _ in junit_outcomes(farflung.cwd / "junit.xml").values()}
    assert bad == {"error"}
    assert not of_kind(done.events, "unit-started")
    failed = {e["host"] for e in of_kind(done.events, "host-failed")}
    known = failed | {e["host"] for e in of_kind(done.events, "host-away")}
    # Where all are required, the first that is not there ends it.
    assert failed == {"h0", "h1"} or (need.endswith("all") and failed)
    for name in known:
        assert done.stdout.count(f"host {name} ") == 1 + (name in failed and bool(of_kind(done.events, "host-away", host=name)))
        assert f"host {name}: " in last_line(done.stderr)
    used, others = summary(done.stdout)
    assert used == "0 of 2 used" and others.count("refused") == len(known)
    assert "refused" in last_line(done.stderr) and "(exit 3)" in last_line(done.stderr)
    assert "refused" in (farflung.cwd / "junit.xml").read_text()


@pytest.mark.parametrize("need", ["", "require_hosts: 1", "require_hosts: all"])
def test_no_host_has_python(farflung, need):
    write(farflung.cwd / "test_it.py", SUITE)
    done = farflung.run_yaml(
        f"inventory: [{{spec: popen, name: 'h[0-1]', python: {NO_PYTHON}}}]\n"
        f"settings: {{{need}}}\njobs:\n{UNIT.replace('ON', '')}  shell: {{run: 'true'}}\n", "--junit", "junit.xml", code=3)
    unfit = [e["host"] for e in of_kind(done.events, "host-unfit")]
    assert sorted(unfit) == ["h0", "h1"] or (need.endswith("all") and unfit)
    assert outcomes(done.events) == {"shell": "passed"}
    for name in unfit if not need.endswith("all") else unfit[:1]:
        assert f"host {name}: python={NO_PYTHON}: not found" in last_line(done.stderr)
    got = junit_outcomes(farflung.cwd / "junit.xml")
    assert got.pop(("", "shell"))[0] == "passed"
    assert {kind for kind, _ in got.values()} == {"error"}
    assert NO_PYTHON in (farflung.cwd / "junit.xml").read_text()

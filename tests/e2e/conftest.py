"""End-to-end tests: the built program, run as a user runs it.

Every process that a test starts carries a mark in its environment; after the test none may be left.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests" / "fakes"))

MARK = "FARFLUNG_TEST_MARK"


# What a conftest.py has for the controlling side: values both ways, and something to say.
CONTROLLER_CONFTEST = """
import os, pathlib
HERE = pathlib.Path(__file__).parent

def pytest_configure_node(node):
    node.workerinput["answer"] = 42

def pytest_testnodedown(node, error):
    with open(HERE / "down.txt", "a") as file:
        print(node.gateway.id, error, node.workeroutput["exitstatus"], file=file)

def pytest_terminal_summary(terminalreporter, exitstatus):
    terminalreporter.write_line("our own summary, status %d" % exitstatus)
"""


def processes_with(mark, name=MARK):
    """Pids whose environment holds the mark (zombies have none)."""
    needle = f"{name}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if needle in file.read().split(b"\0"):
                    found.append(int(entry))
        except OSError:
            pass
    return found


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def wait_until(condition, seconds, what):
    """Polls for a state of the operating system that no descriptor announces; bounded."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Farflung:
    def __init__(self, program, cwd):
        self.program = program
        self.cwd = cwd
        self.mark = uuid.uuid4().hex
        self.env = dict(os.environ, **{MARK: self.mark})
        for name in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_AUTO_NUM_WORKERS", "FORCE_COLOR",
                     "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "GITLAB_CI", "CI_PROJECT_DIR",
                     "BUILDKITE", "BUILDKITE_BUILD_CHECKOUT_PATH", "BUILDKITE_JOB_ID", "TEAMCITY_VERSION"):
            self.env.pop(name, None)

    def start(self, *args, **options):
        options.setdefault("cwd", self.cwd)
        options.setdefault("env", self.env)
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(
            [self.program, *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **options,
        )

    def run(self, *args, code=None, timeout=120, **options):
        process = self.start(*args, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"farflung {args} hung\nstdout:\n{out}\nstderr:\n{err}")
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        if code is not None:
            assert done.returncode == code, f"exit {done.returncode}, not {code}\nstdout:\n{out}\nstderr:\n{err}"
        return done

    def follow(self, *args, **options):
        """Starts it with its events on stdout, to be read while it runs."""
        return Live(self.start(*args, "--jsonl", "-", **options))

    def yaml(self, text, name="farflung.yaml"):
        return write(self.cwd / name, text)

    def run_yaml(self, text, *args, code=None, **options):
        """Runs a file with this text; gives what became of it, with `events`."""
        self.yaml(text)
        path = self.cwd.parent / "events.jsonl"
        done = self.run("run", "--jsonl", path, *args, code=code, **options)
        done.events = read_jsonl(path) if path.exists() else []
        return done

    def left_over(self):
        return processes_with(self.mark)


@pytest.fixture(scope="session")
def program():
    path = os.environ.get("FARFLUNG", str(TOP / "build" / "farflung"))
    if not os.path.exists(path):
        pytest.exit(f"{path} is not built", returncode=3)
    return path


@pytest.fixture
def farflung(program, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    instance = Farflung(program, work)
    yield instance
    try:
        wait_until(lambda: not instance.left_over(), 60, "every process of the run is gone")
    finally:
        for pid in instance.left_over():
            print("left over:", pid, command_line(pid))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def python():
    """An interpreter with pytest, by which hosts run tests: $FARFLUNG_PYTHON, or the one that runs this."""
    return os.environ.get("FARFLUNG_PYTHON") or sys.executable


def has(python, *modules):
    command = [python, "-c", "".join(f"import {module}\n" for module in modules)]
    return not subprocess.call(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def xdist(python):
    if not has(python, "xdist"):
        pytest.skip("that Python has no pytest-xdist")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def junit_outcomes(path):
    """(classname, name) -> outcome of every testcase in a JUnit file; each may occur once."""
    import xml.etree.ElementTree as ElementTree

    outcomes = {}
    for case in ElementTree.parse(path).iter("testcase"):
        key = (case.get("classname"), case.get("name"))
        assert key not in outcomes, f"{key} twice"
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        detail = [child.get("type") or "" for child in case if child.tag == "skipped"]
        outcomes[key] = (kinds[0] if kinds else "passed", detail[0] if detail else "")
    return outcomes


class Live:
    """A run in progress whose events are read as they come (it was started with --jsonl -)."""

    def __init__(self, process):
        self.process = process
        self.events = []
        self.said = []
        self.news = threading.Condition()
        self.ended = False
        self.threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_words, daemon=True),
        ]
        for thread in self.threads:
            thread.start()

    def _read_events(self):
        for line in self.process.stdout:
            with self.news:
                self.events.append(json.loads(line))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def _read_words(self):
        for line in self.process.stderr:
            self.said.append(line)

    @property
    def stderr(self):
        return "".join(self.said)

    def story(self):
        return "\n".join(map(str, self.events[-15:])) + "\nstderr:\n" + self.stderr

    def wait_for(self, condition, seconds=60):
        """Waits until condition(events) is true, and gives its value."""
        end = time.monotonic() + seconds
        with self.news:
            while True:
                value = condition(self.events)
                if value:
                    return value
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    break
                self.news.wait(left)
        pytest.fail(f"{'the run ended' if self.ended else 'time is up'} before it happened:\n{self.story()}")

    def event(self, word, seconds=60, **fields):
        """Waits for an event of this kind with these fields."""

        def find(events):
            for event in events:
                if event["event"] == word and all(event.get(k) == v for k, v in fields.items()):
                    return event

        return self.wait_for(find, seconds)

    def finish(self, code=None, seconds=60):
        """Waits for the run to end by itself, and gives all its events."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"the run did not end by itself\n{self.story()}")
        for thread in self.threads:
            thread.join(10)
        if code is not None:
            assert self.process.returncode == code, f"exit {self.process.returncode}\n{self.story()}"
        return self.events


def of_kind(events, word, **fields):
    return [e for e in events if e["event"] == word and all(e.get(k) == v for k, v in fields.items())]


def outcomes(events):
    """unit -> outcome of its last attempt; each unit may have only one last attempt."""
    found = {}
    for event in of_kind(events, "unit-finished", final=True):
        assert event["unit"] not in found, f"{event['unit']} was reported twice"
        found[event["unit"]] = event["result"]["outcome"]
    return found


def result_of(events, unit):
    """The result of a unit's last attempt, with the texts of its output."""
    finals = of_kind(events, "unit-finished", unit=unit, final=True)
    assert len(finals) == 1, finals
    return with_output(events, finals[0])


STREAMS = {"stdout": 1, "stderr": 2}


def with_output(events, finished):
    """An attempt's result, whose output is told once, as it comes: put together as farflung does it."""
    same = [e for e in events if (e.get("job"), e.get("index")) == (finished["job"], finished["index"])]
    same = same[: same.index(finished)]
    begins = [i for i, e in enumerate(same) if e["event"] == "unit-started"]
    told = of_kind(same[begins[-1] if begins else 0 :], "unit-output")
    result = dict(finished["result"])
    if "sections" in result:
        result["sections"] = [
            section if "text" in section else dict(section, text=told_text(told, STREAMS[section["title"]]))
            for section in result["sections"]
        ]
    for section in result.get("sections", []):
        # What is no UTF-8 has become longer on its way.
        assert "len" not in section or len(section["text"].encode()) >= section["len"], section
    return result


def told_text(told, stream):
    head = "".join(e["text"] for e in of_kind(told, "unit-output", stream=stream) if not e.get("tail"))
    tails = of_kind(told, "unit-output", stream=stream, tail=True)
    tail = "".join(e["text"] for e in tails)
    cut = sum(e.get("cut", 0) for e in tails)
    if cut == 0:
        return head + tail
    cap, after = len(head.encode()), len(tail.encode())
    mark = f"\n[… {cut} bytes were cut here: output_cap is {cap}, {cap + cut + after} were written …]\n"
    return head + mark + tail


def read_jsonl(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def read_journal(path):
    """A journal's events as --jsonl has them: with the texts from the output file beside it."""
    output = pathlib.Path(path).with_name("output").read_bytes()

    def with_text(holder):
        if "at" in holder:
            at = holder.pop("at")
            text = output[at : at + holder.pop("len")]
            holder["text"] = text.decode("utf-8", "replace")

    events = read_jsonl(path)
    for event in events:
        with_text(event)
        for section in event.get("result", {}).get("sections", []):
            with_text(section)
    return events


def process_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.fixture
def fresh_sshd(farflung, tmp_path):
    """Starts sshd servers of our own whose sessions carry the test's mark and leave nothing in the
    home folder; gives a function of further sshd_config lines."""
    import sshd as fake

    if not fake.available():
        pytest.skip("no sshd, ssh or ssh-keygen here")
    with contextlib.ExitStack() as stack:

        def start(*options, **kinds):
            cache = tmp_path / "remote-cache"
            temp = tmp_path / "remote-tmp"
            cache.mkdir(exist_ok=True)
            temp.mkdir(exist_ok=True)
            words = f"SetEnv XDG_CACHE_HOME={cache} TMPDIR={temp} {MARK}={farflung.mark} PYTHONDONTWRITEBYTECODE=1"
            server = fake.Sshd(options=[words, *options], **kinds)
            server.cache, server.temp = cache, temp
            return stack.enter_context(server)

        yield start


@pytest.fixture
def sshd(fresh_sshd):
    return fresh_sshd()

# The pytest payload: sent to a python worker by remote_exec, runs a pytest session there item by
# item as told, and reports. It needs a channel and pytest, and must not know the runner.
#
# Sent:     ("missing", {module, executable, python, error})                    pytest isn't there
#           ("collected", {digest, count, deselected, errors, collectonly, rootdir, pytest, python,
#                          executable, plugins, header})
#           ("ids", [node id, …]) · ("dropped", [index, …])                     answers
#           ("start", index)                                                    it runs now
#           ("next", done, index)                                               done, and start index
#           done: ("done", index, outcome, duration, start time, phases, (setup, call, teardown),
#                  (file, line from 0 or None), user_properties or None)
#             phases: None if plainly passed, else a list of {when, outcome, duration, longrepr,
#             message, location, wasxfail, sections}
#           ("want", index)      index ran; its teardown waits to hear what comes next
#           ("collect_report", {nodeid, outcome, longrepr, message}) · ("warning", {…})
#           ("internal_error", text) · ("usage_error", text)
#           ("finished", {exitstatus, workeroutput, duration, shouldstop})      always last
# Received: ("list",) · ("run", [index, …]) · ("end",)
#           ("drop", [index, …] or None)  None: all, and only ("end",) may follow; else the next
#                                one stays if a teardown has already left its fixtures alone
#           ("idle",)            answer to want: nothing now, tear everything down
import os
import sys
import time
from collections import deque

SECTION_MAX = 1 << 20  # characters of one captured section


def clean(text):
    """`text` as a str that can be sent."""
    if type(text) is not str:
        text = str(text)
    try:
        data = str.encode(text)
    except UnicodeEncodeError:
        return str.encode(text, "utf-8", "backslashreplace").decode()
    return text if type(text) is str else data.decode()


def plain(value, depth=40):
    """`value` made of builtin types only."""
    kind = type(value)
    if value is None or kind in (bool, float, bytes):
        return value
    if isinstance(value, str):
        return clean(str.__str__(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        base = next(b for b in (list, tuple, set, frozenset) if isinstance(value, b))
        return base([plain(item, depth - 1) for item in value])
    if depth and isinstance(value, dict):
        return {plain(k, depth - 1): plain(v, depth - 1) for k, v in value.items()}
    for convert in ("__index__", "__float__", "__fspath__"):
        try:
            return plain(getattr(kind, convert)(value), 0)
        except Exception:
            pass
    return clean(repr(value))


def render(report):
    """The failure as the terminal shows it, without colours."""
    from io import StringIO

    from _pytest._io import TerminalWriter

    if not report.longrepr:
        return None
    out = StringIO()
    writer = TerminalWriter(out)
    writer.hasmarkup = False
    writer.fullwidth = 80
    report.toterminal(writer)
    return clean(out.getvalue())


def crash_of(report):
    """(one line that says what happened, [file, line] or None)"""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):  # a skip
        path, line, reason = longrepr
        reason = clean(reason)
        if reason.startswith("Skipped: "):
            reason = reason[len("Skipped: ") :]
        return reason, [clean(path), line]
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return clean(crash.message).split("\n")[0], [clean(crash.path), crash.lineno]
    lines = [line for line in clean(longrepr or "").split("\n") if line.strip()]
    if not lines:
        return None, None
    last = lines[-1].strip() if lines[-1].startswith("E  ") else lines[0].strip()
    return (last[1:].strip() if lines[-1].startswith("E  ") else last), None


def status_of(report):
    if hasattr(report, "wasxfail"):
        if report.outcome == "skipped":
            return "xfailed"
        if report.outcome == "passed":
            return "xpassed"
    if report.outcome == "failed" and report.when != "call":
        return "error"
    return report.outcome


def outcome_of(reports):
    """A test's outcome from its reports; those before the last rerun don't count."""
    calls, others = [], []
    for report in reports:
        status = status_of(report)
        if status == "rerun":
            del calls[:], others[:]
        else:
            (calls if report.when == "call" else others).append(status)
    for status in ("failed", "error"):
        if status in calls or status in others:
            return status
    for status in calls[::-1] + others:
        if status in ("skipped", "xfailed", "xpassed"):
            return status
    return "passed" if reports else "skipped"


def phase_of(report, seen):
    status = status_of(report)
    message = location = longrepr = None
    if report.longrepr:
        message, location = crash_of(report)
    if report.outcome == "failed" or status not in ("passed", "skipped", "xfailed", "xpassed"):
        longrepr = render(report)
    sections = []
    for title, text in report.sections[seen:]:
        text = clean(text)
        if len(text) > SECTION_MAX:
            left_out = len(text) - SECTION_MAX
            text = text[:SECTION_MAX] + "\n[%d more characters left out]\n" % left_out
        sections.append([clean(title), text])
    wasxfail = getattr(report, "wasxfail", None)
    return {
        "when": clean(report.when),
        "outcome": clean(status),
        "duration": float(report.duration),
        "longrepr": longrepr,
        "message": message,
        "location": location,
        "wasxfail": None if wasxfail is None else clean(wasxfail),
        "sections": sections,
    }


class NextItem:
    """Stands for the item that runs next, which is asked for when something wants to know."""

    def __init__(self, resolve):
        self._resolve = resolve

    def __bool__(self):
        return self._resolve() is not None

    def __eq__(self, other):
        return self._resolve() == other

    def __hash__(self):
        return hash(self._resolve())

    @property
    def __class__(self):
        return type(self._resolve())

    def __getattr__(self, name):
        return getattr(self._resolve(), name)

    def listchain(self):
        item = self._resolve()
        return [] if item is None else item.listchain()


class Worker:
    """Our plugin in pytest, and the conversation with the controller."""

    def __init__(self, channel, config, loadgroup):
        import queue
        import threading

        self.channel = channel
        self.config = config
        self.loadgroup = loadgroup
        self.orders = queue.Queue()
        self.lock = threading.Lock()  # of pending and promised
        self.pending = deque()
        self.promised = None  # index whose fixtures the running test's teardown left alone
        self.ended = self.idle = False
        self.session = None
        self.reports = []
        self.deselected = 0
        self.stopped = ""

    def send(self, *item):
        self.channel.send(item)

    # orders

    def take(self, order):
        """An order arrives, in the receiver's thread. What changes the queue does so at once: the
        running test may take long, and what waits behind it may be wanted back for others."""
        name = order[0] if order else "lost"
        if name == "run":
            with self.lock:
                self.pending.extend(order[1])
                self.idle = False
        elif name == "drop":
            self.drop(order[1])
        self.orders.put(order)

    def obey(self, block):
        """Take in the orders that are there; with `block`, wait for one first."""
        while block or not self.orders.empty():
            order = self.orders.get()
            block = False
            name = order[0] if order else "lost"
            if name in ("run", "drop"):
                continue  # done by take
            if name == "end":
                self.ended = True
            elif name == "idle":
                self.idle = True
            elif name == "list":
                self.send("ids", [clean(item.nodeid) for item in self.session.items])
            elif name == "lost":
                with self.lock:
                    self.pending.clear()
                self.ended = True
            else:
                raise ValueError("unknown order %r" % (order,))

    def drop(self, indexes):
        with self.lock:
            chosen = set(self.pending if indexes is None else indexes)
            if indexes is not None:
                chosen.discard(self.promised)
            dropped = [index for index in self.pending if index in chosen]
            self.pending = deque(index for index in self.pending if index not in chosen)
        self.send("dropped", dropped)

    # running

    def stopping(self):
        return self.session.shouldfail or self.session.shouldstop

    def next_item(self, index):
        """The item after `index`, for its teardown: None, the item, or its stand-in."""
        items = self.session.items
        known = []

        def resolve():
            if not known:
                known.append(None)
                self.obey(False)
                if not self.stopping():
                    if not self.pending and not self.ended:
                        self.idle = False
                        self.send("want", index)
                        while not (self.pending or self.ended or self.idle):
                            self.obey(True)
                    with self.lock:
                        if self.pending:
                            self.promised = self.pending[0]
                            known[0] = items[self.promised]
            return known[0]

        if self.pending or self.ended:
            return resolve()
        return NextItem(resolve)

    def run_one(self, index):
        item = self.session.items[index]
        self.promised = None
        self.reports = []
        began = time.time()
        self.config.hook.pytest_runtest_protocol(item=item, nextitem=self.next_item(index))
        reports, self.reports = self.reports, []
        times = {"setup": 0.0, "call": 0.0, "teardown": 0.0}
        noteworthy = False
        for report in reports:
            if report.when in times:
                times[report.when] += report.duration
            if report.outcome != "passed" or report.sections or hasattr(report, "wasxfail"):
                noteworthy = True
        phases = None
        outcome = "passed"
        if noteworthy or not reports:
            outcome = outcome_of(reports)
            phases = []
            seen = 0
            for report in reports:
                if seen > len(report.sections):
                    seen = 0
                phases.append(phase_of(report, seen))
                seen = len(report.sections)
        properties = None
        if reports and getattr(reports[-1], "user_properties", None):
            properties = [[clean(k), plain(v)] for k, v in reports[-1].user_properties]
        path, line = (reports[-1].location if reports else item.location)[:2]
        durations = (times["setup"], times["call"], times["teardown"])
        place = (clean(path), line)
        return (
            "done", index, outcome, sum(durations), began, phases, durations, place, properties,
        )  # fmt: skip

    def pytest_runtestloop(self, session):
        option = self.config.option
        self.send("collected", self.collected(session))
        if session.testsfailed and not option.continue_on_collection_errors:
            raise session.Interrupted(
                "%d error%s during collection"
                % (session.testsfailed, "" if session.testsfailed == 1 else "s")
            )
        done = None
        while 1:
            self.obey(False)
            with self.lock:
                index = self.pending.popleft() if self.pending else None
            if index is None:
                if done:
                    self.channel.send(done)
                    done = None
                if self.ended:
                    return True
                self.obey(True)
                continue
            if option.collectonly:
                continue
            if done:
                self.send("next", done, index)
            else:
                self.send("start", index)
            done = self.run_one(index)
            if self.stopping():
                self.channel.send(done)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                raise session.Interrupted(session.shouldstop)

    def collected(self, session):
        import hashlib

        import pytest

        digest = hashlib.sha256()
        for item in session.items:
            digest.update(item.nodeid.encode("utf-8", "backslashreplace") + b"\0")
        config = self.config
        header = []
        hook = config.hook.pytest_report_header
        try:
            header = hook(config=config, start_path=config.invocation_params.dir)
        except Exception:
            try:
                header = hook(config=config, startdir=str(config.invocation_params.dir))
            except Exception as exc:
                header = ["pytest_report_header failed: %s" % exc]
        lines = []
        for part in reversed(header):
            lines.extend([part] if isinstance(part, str) else part or ())
        plugins = []
        for _, dist in config.pluginmanager.list_plugin_distinfo():
            name = "%s-%s" % (dist.project_name, dist.version)
            name = name[7:] if name.startswith("pytest-") else name
            if name not in plugins:
                plugins.append(name)
        return {
            "digest": digest.hexdigest(),
            "count": len(session.items),
            "deselected": self.deselected,
            "errors": int(session.testsfailed),
            "collectonly": bool(config.option.collectonly),
            "rootdir": clean(getattr(config, "rootpath", None) or config.rootdir),
            "pytest": pytest.__version__,
            "python": sys.version.split()[0],
            "executable": sys.executable,
            "plugins": plugins,
            "header": [clean(line) for line in lines],
        }

    # what pytest tells us

    def pytest_sessionstart(self, session):
        self.session = session

    def pytest_deselected(self, items):
        self.deselected += len(items)

    def pytest_collection_modifyitems(self, items):
        if self.loadgroup:
            for item in items:
                mark = item.get_closest_marker("xdist_group")
                if mark:
                    name = mark.args[0] if mark.args else mark.kwargs.get("name", "default")
                    item._nodeid = "%s@%s" % (item.nodeid, name)

    def pytest_collectreport(self, report):
        if report.outcome == "passed":
            return
        message, _ = crash_of(report)
        self.send(
            "collect_report",
            {
                "nodeid": clean(report.nodeid),
                "outcome": clean(report.outcome),
                "longrepr": render(report) if report.outcome == "failed" else None,
                "message": message,
            },
        )

    def pytest_runtest_logreport(self, report):
        self.reports.append(report)

    def pytest_warning_recorded(self, warning_message, when, nodeid):
        import warnings

        text = clean(warning_message.message)
        kind, path, line = warning_message.category, warning_message.filename, warning_message.lineno
        self.send(
            "warning",
            {
                "message": text,
                "category": clean(getattr(kind, "__name__", kind)),
                "filename": clean(path),
                "lineno": int(line),
                "nodeid": clean(nodeid),
                "when": clean(when),
                "text": clean(warnings.formatwarning(text, kind, path, line, warning_message.line)),
            },
        )

    def pytest_internalerror(self, excrepr):
        self.send("internal_error", clean(excrepr))
        return True

    def pytest_keyboard_interrupt(self, excinfo):
        self.stopped = clean(excinfo.value) or excinfo.typename


def adapt(config, kw):
    """What pytest-xdist sets in its workers, so that it and other plugins take us for one."""
    option = config.option
    option.loadgroup = kw["dist"] == "loadgroup"
    for name in ("looponfail", "usepdb", "trace", "distload"):
        setattr(option, name, False)
    option.dist = "no"
    option.numprocesses = option.maxprocesses = None
    option.tx, option.px = [], []
    base = kw["basetemp"] or getattr(option, "basetemp", None)
    if base:
        option.basetemp = os.path.join(os.path.abspath(str(base)), "popen-" + kw["workerid"])
        os.makedirs(os.path.dirname(option.basetemp), exist_ok=True)
    config.workerinput = {
        "workerid": kw["workerid"],
        "workercount": kw["workercount"],
        "testrunuid": kw["testrunuid"],
        "mainargv": kw["mainargv"],
    }
    config.workeroutput = {}
    manager = config.pluginmanager
    if manager.hasplugin("_cov") or manager.hasplugin("pytest_cov"):
        import socket  # pytest-cov would hear these from its counterpart in the controller

        config.workerinput.update(
            cov_master_host=socket.gethostname(),
            cov_master_topdir=os.getcwd(),
            cov_master_rsync_roots=[],
        )
    manager.set_blocked("terminalreporter")  # its options stay known
    if not manager.hasplugin("xdist"):
        manager.register(stand_in(config.workerinput), "farflung-fixtures")


def stand_in(workerinput):
    """The fixtures and the marker of pytest-xdist where that is not installed."""
    import pytest

    class Fixtures:
        @pytest.fixture(scope="session")
        def worker_id(self):
            """The id of this worker, such as gw0."""
            return workerinput["workerid"]

        @pytest.fixture(scope="session")
        def testrun_uid(self):
            """The id that all workers of this run share."""
            return workerinput["testrunuid"]

        def pytest_configure(self, config):
            config.addinivalue_line(
                "markers", "xdist_group(name): tests of one name run on the same worker, one by one"
            )

    return Fixtures()


def conftest_error(exc):
    """The text that pytest prints for a conftest.py that can't be imported."""
    import pytest
    from _pytest.config import filter_traceback_for_conftest_import_failure as keep

    cause = getattr(exc, "cause", None)
    if cause is None:
        info = pytest.ExceptionInfo.from_exc_info(exc.excinfo)
    else:
        info = pytest.ExceptionInfo.from_exception(cause)
    info.traceback = info.traceback.filter(keep)
    text = info.getrepr(style="short", chain=False) if info.traceback else info.exconly()
    return "ImportError while loading conftest '%s'.\n%s" % (exc.path, text)


def session(channel, kw):
    """Run one pytest session; gives its exit status, worker and error text."""
    import pytest
    from _pytest.config import ConftestImportFailure, _prepareconfig

    config = worker = None
    try:
        config = _prepareconfig(kw["args"], None)
        if config.option.capture != "fd":
            os.dup2(2, 1)  # what is not captured should be seen
        adapt(config, kw)
        if kw["mainargv"]:
            config._parser.prog = os.path.basename(kw["mainargv"][0])
        hook = pytest.hookimpl(trylast=True)
        Worker.pytest_collection_modifyitems = hook(Worker.pytest_collection_modifyitems)
        Worker.pytest_runtestloop = pytest.hookimpl(tryfirst=True)(Worker.pytest_runtestloop)
        worker = Worker(channel, config, kw["dist"] == "loadgroup")
        config.pluginmanager.register(worker, "farflung-worker")
        channel.setcallback(worker.take, endmarker=None)
        return int(config.hook.pytest_cmdline_main(config=config)), worker, None
    except ConftestImportFailure as exc:
        return 4, worker, conftest_error(exc)
    except pytest.UsageError as exc:
        return 4, worker, "\n".join(str(arg) for arg in exc.args)
    except pytest.exit.Exception as exc:
        if worker is None:
            return exc.returncode or 2, None, str(exc.msg)
        worker.stopped = clean(exc.msg)
        return exc.returncode or 2, worker, None
    finally:
        if config is not None:
            config._ensure_unconfigure()


def main(
    channel, args, workerid, workercount, testrunuid, mainargv, dist="load", basetemp=None,
    pythonpath=None,
):  # fmt: skip
    began = time.time()
    here = os.getcwd()
    sys.path[:] = [here if path == "" else path for path in sys.path]
    if here not in sys.path:
        sys.path.insert(0, here)
    sys.path[:0] = [path for path in pythonpath or () if path not in sys.path]
    if mainargv:
        sys.argv = list(mainargv)
    os.environ["PYTEST_XDIST_WORKER"] = workerid
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workercount)
    os.environ["PYTEST_XDIST_TESTRUNUID"] = testrunuid
    try:
        import pytest  # noqa: F401
    except ImportError as exc:
        missing = {
            "module": "pytest",
            "executable": sys.executable,
            "python": sys.version.split()[0],
            "error": clean(exc),
        }
        channel.send(("missing", missing))
        return
    kw = {
        "args": list(args),
        "workerid": workerid,
        "workercount": workercount,
        "testrunuid": testrunuid,
        "mainargv": list(mainargv or ()),
        "dist": dist,
        "basetemp": basetemp,
    }
    status, worker, error = session(channel, kw)
    if error is not None:
        channel.send(("usage_error", clean(error)))
    ended = worker and worker.session
    stopped = ended and (ended.shouldfail or ended.shouldstop) or worker and worker.stopped or ""
    finished = {
        "exitstatus": status,
        "workeroutput": plain(getattr(worker and worker.config, "workeroutput", {})),
        "duration": time.time() - began,
        "shouldstop": clean(stopped),
    }
    channel.send(("finished", finished))

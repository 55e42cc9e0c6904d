# The pytest payload: sent to a python worker by remote_exec, runs a pytest session there item by
# item as told, and reports. It needs a channel and pytest, and must not know the runner. Other parts come
# before it, in one text: plugins/CMakeLists.txt.
#
# Sent:     ("missing", {module, executable, python, error})                    pytest isn't there
#           ("collected", {digest, count, deselected, errors, collectonly, rootdir, cache, suffixed,
#                          junit_family, tb, show_capture, chars, plugins, header, python, executable,
#                          implementation, pytest, platform, pid, collection_us, spread})
#             cache: where pytest keeps it, from the working directory, or None; suffixed: None, or
#             "yes": ids have something behind them that is not pytest's
#             spread: how its settings (addopts) want it spread: {dist or None, workers or -1,
#             scopes: whether it knows what belongs together, driven: whether the front says who
#             runs what, notes: [line, …], vain: [line, …] of what has no effect unless it is read
#             by the session that started the run}
#             files, go_on: with files that are collected one by one, how many there are (count is 0, the
#             digest theirs); whether the other tests run if one can't be collected
#             With the argument `repeat` each test is there so often (-1: as often as there is room
#             for), all of them once before any again; ids then have "@" and the run's number behind them
#           ("ids", [node id, …], [what each belongs to, …] or None)            answers
#           ("files", [node id, …], [bytes, …])                                 the same, of files
#           ("sources", [node id, …], [content, …], [µs, …])   before ids and files, and before tests of one
#                                that was collected: what its content is, as a number, and how long it took
#           ("tests", file, digest, [node id, …] or None, number, deselected)   a file was collected: its
#                                tests have the next indexes; None: they are as the order said
#           ("marks", file or None, [[index or place, bound, group, serial, [resource, …], host, timeout in
#                                µs or -1, retries or -1, weight, memory or 0], …])
#                                before ids, or tests: what tests ask for by their marks; bound: more
#                                than a worker, or that one of its group. A file that comes as a whole has
#                                these left out: they are given one by one (with loadfile all of it)
#           ("dropped", [index, …])
#           ("start", index)                                                    it runs now
#           ("next", done, index)                                               done, and start index
#           done: ("done", index, outcome, duration, start time, phases, (setup, call, teardown[, memory]),
#                  (file, line from 0 or None), user_properties or None,
#                  (bytes of captured output, whether it was cut) or None[, front])
#             memory: KiB that it took, if asked for, and known: see memory.py
#             phases: None if plainly passed, else a list of {when, outcome, duration, longrepr,
#             message, location, wasxfail, sections}
#           ("doing", words or None)     it lives, and is at this outside of what is a test's own
#           ("once", word, name, whether it is the run's, text or None)    see payload.h; answers come as
#           Received: ("once", name, whether it is the run's, word, text or None)
#           ("said", index, 1 or 2, line)      with -s: index printed it
#           ("want", index)      index ran; its teardown waits to hear what comes next
#           ("collect_report", {nodeid, outcome, longrepr, message}) · ("warning", {…})
#           ("property", name, value)    of the suite in JUnit's report, texts
#           ("internal_error", text) · ("usage_error", text)
#           ("imported", text)   for the template of the next run, if asked for: see imports.py
#           ("trouble", text)    the traceback of a hook that failed at the end
#           ("finished", {exitstatus, bad, stop, told, workeroutput, duration}) always last
#             bad: the status says more than the tests do; stop: why it is so, or stopped early;
#             told: that was one test's own, and told with it (KeyboardInterrupt)
# With the argument `front` ("auto", "always", "never"), which adds the last field to done:
#           ("need", [reason, …], about)   before all else: a front is needed, and waited for
#           ("without", [reason, …])       never: what has no effect then
#           ("front", value)     for the front (front.py), as relay.py says; so is done's last field
# Received: ("front", value)     the front's answer to need: {workerinput, basetemp, ids, starts, color,
#                                ports}; later ("net", …), see ports.py
#           ("list",) · ("run", [index, …]) · ("end",)
#           ("file", file, None, None)     collect it, and run all its tests
#           ("file", file, digest or None, [place, …])   the same with some of its tests: collects it
#                                unless that is done; if another digest comes out, nothing is run
#           ("drop", [index, …] or None)  None: all, and only ("end",) may follow; else the next
#                                one stays if a teardown has already left its fixtures alone
#           ("idle",)            answer to want: nothing now, tear everything down
import os
import re
import sys
import time
from collections import deque
from time import perf_counter as clock

COLOURS = re.compile("\x1b\\[[0-9;]*m")


TAKEN = ("taken",)  # stands for an order that the receiver's thread has carried out


class Worker(Files):
    """Our plugin in pytest, and the conversation with the controller."""

    relay = None  # to the front
    ahead = False  # whether the next item must be known before one starts
    ports = None  # of its machine
    imports = None  # if it is to tell them
    shard = None  # files are collected one by one
    suite = None  # what tells it from others, if something in it may see all tests at once
    sequence = None  # it repeats what an earlier one did
    memory = None  # if it is to tell what tests take

    def __init__(self, channel, config, kw, settings):
        import queue
        import threading

        self.channel = channel
        self.config = config
        self.output_cap = kw["output_cap"]
        self.workercount, self.run = kw["workercount"], kw["run"]
        self.here, self.each = kw["here"], kw["dist"] == "each"
        self.settings = settings
        self.has_front_field = bool(kw["front"])
        if kw["told"] is not None:
            self.relay = Relay(channel, config, kw["output_cap"], kw["told"])
        render.line = not self.relay and config.option.tbstyle == "line"
        self.live = None  # with -s
        self.signs = Signs(channel)
        self.groups = Groups()
        self.once = OnceBoard(self.send, self.signs.doing)
        self.sources = Sources()
        self.marks = Marks(settings["dist"] not in ("loadgroup", "each"))
        self.repeats = Repeats(kw["repeat"]) if kw["repeat"] else None
        self.split = None  # of a scheduler of somebody's own
        self.pid = os.getpid()  # a test may fork
        self.orders = queue.Queue()
        self.lock = threading.Lock()  # of pending and promised
        self.pending = deque()
        self.coming = deque()  # orders about files that are yet to be collected
        self.promised = None  # index whose fixtures the running test's teardown left alone
        self.ended = self.idle = False
        self.session = None
        self.collecting = time.monotonic()  # since when
        self.reports = []
        self.warned = {}  # how often, outside of tests
        self.deselected = 0
        self.failed = False  # a test, or a collection
        self.stopped = ""  # why it ends, in words
        self.broke_off = None  # a KeyboardInterrupt that was a test's own

    def send(self, *item):
        self.channel.send(item)

    # orders

    def take(self, order):
        """An order arrives, in the receiver's thread. What changes the queue does so at once: the
        running test may take long, and what waits behind it may be wanted back for others. It keeps
        no object: tests that look for leaks count them."""
        name = order[0] if order else "lost"
        if name == "front":
            if self.ports:
                self.ports.hear(*order[1][1:])
            return
        if name == "once":
            self.once.hear(*order[1:])
            return
        if name == "lost":
            self.once.lose()
        if name == "run":
            with self.lock:
                self.pending.extend(order[1])
                self.idle = False
        elif name == "file":
            with self.lock:
                self.take_file(order)
                self.idle = False
        elif name == "drop":
            self.drop(order[1])
        self.orders.put(TAKEN if name in ("run", "file", "drop") else order)

    def obey(self, block):
        """Take in the orders that are there; with `block`, wait for one first."""
        while block or not self.orders.empty():
            order = self.orders.get()
            block = False
            name = order[0] if order else "lost"
            if name == "end":
                self.ended = True
            elif name == "idle":
                self.idle = True
            elif name == "list":
                marks = [] if self.shard else self.marks.told(self.items)
                if self.sequence:  # who needs what is decided, and what was tried again is in it
                    marks = [limits_only(mark) for mark in marks]
                if marks:
                    self.send("marks", None, marks)
                names = ("files", *self.shard.list(self.sources)) if self.shard else ("ids", *self.ids())
                self.send("sources", *self.sources.told())
                self.send(*names)
            elif name == "lost":
                with self.lock:
                    self.pending.clear()
                    self.coming.clear()
                self.ended = True
            elif order is not TAKEN:
                raise ValueError("unknown order %r" % (order,))

    def ids(self):
        ids = [item.nodeid for item in self.items]
        scopes = None
        if self.split:
            scopes = [clean(self.split(nodeid)) for nodeid in ids]
        elif self.config.option.loadgroup:  # pytest 9.2 and later keep no group in the id
            scopes = [clean(self.groups.of.get(id(item), item.nodeid)) for item in self.items]
        if self.repeats:
            ids = [self.repeats.name(self.session.items, index) for index in range(len(ids))]
        return [clean(nodeid) for nodeid in ids], scopes

    def drop(self, indexes):
        with self.lock:
            chosen = set(self.pending if indexes is None else indexes)
            if indexes is not None:
                chosen.discard(self.promised)
            dropped = [index for index in self.pending if index in chosen]
            self.pending = deque(index for index in self.pending if index not in chosen)
            if indexes is None:
                self.coming.clear()
        self.send("dropped", dropped)

    # running

    @property
    def items(self):
        """What there is to run, by index."""
        return self.repeats.all(self.session.items) if self.repeats else self.session.items

    def stopping(self):
        return self.session.shouldfail or self.session.shouldstop

    def next_item(self, index):
        """The item after `index`, for its teardown: None, the item, or its stand-in."""
        items, repeats = self.session.items, self.repeats
        known = []

        def resolve():
            if not known:
                known.append(None)
                self.obey(False)
                if not self.stopping():
                    if not self.pending and not self.coming and not self.ended:
                        self.idle = False
                        self.send("want", index)
                        while not (self.pending or self.coming or self.ended or self.idle):
                            self.obey(True)
                    with self.lock:
                        if self.pending:
                            self.promised = self.pending[0]
                            known[0] = repeats.look(items, self.promised) if repeats else items[self.promised]
                        elif self.coming:
                            known[0] = self.shard.coming(self.shard.files[self.coming[0][1]])
                if known[0] is None:
                    self.signs.last()
            return known[0]

        if self.pending or self.coming or self.ended or self.ahead:
            return resolve()
        return NextItem(resolve)

    def run_one(self, index):
        items = self.session.items
        item = self.repeats.take(items, index) if self.repeats else items[index]
        self.promised = None
        self.reports = []
        self.signs.begin()
        if self.memory:
            self.memory.begin()
        began = time.time(), clock()  # the first may be set meanwhile
        try:
            if self.live:
                self.live.begin(index)
            if self.shard:
                self.shard.before(self.session, item)
            self.config.hook.pytest_runtest_protocol(item=item, nextitem=self.next_item(index))
        except BaseException as exc:  # pytest.exit, Ctrl-C, an error of a plugin: the session ends
            if os.getpid() == self.pid:
                try:
                    self.deliver(self.done(index, item, began, exc))
                except OSError:
                    pass
                self.broke_off = exc if isinstance(exc, KeyboardInterrupt) else None
            raise
        return self.done(index, item, began)

    def done(self, index, item, began, escaped=None):
        reports, self.reports = self.reports, []
        if self.live:
            self.live.end()
        try:
            done = done_item(index, item, reports, began, self.output_cap, escaped)
            if self.relay:  # its copies may have colours
                for phase in done[5] or ():
                    for key in ("longrepr", "message"):
                        phase[key] = phase[key] and COLOURS.sub("", phase[key])
        except Exception as exc:
            done = bare_item(index, began[0], "the test's reports can't be read: %s" % words_of(exc))
        if self.memory:
            done = with_memory(done, self.memory.end())
        if self.has_front_field:
            done += (self.relay.attempt(item, escaped) if self.relay else None,)
        if done[2] in ("failed", "error"):
            self.failed = True
        return done

    def deliver(self, done, index=None):
        """Sends ("done", …), alone or with the start of `index`."""
        try:
            self.channel.send(done if index is None else ("next", done, index))
        except OSError:
            raise
        except Exception as exc:
            self.failed = True
            text = "the test's reports can't be sent: %s" % words_of(exc)
            front = done[10:]
            done = bare_item(done[1], done[4], text) + front
            self.channel.send(done if index is None else ("next", done, index))

    def pytest_runtestloop(self, session):
        option = self.config.option
        self.ahead = looks_ahead(self.config)
        self.suite = self.shard and self.shard.suite
        if self.shard and not self.shard.on:
            if self.shard.why:
                self.settings["notes"].append(NOT_SHARDED % self.shard.why)
            self.shard = None
        if not self.settings["driven"]:
            self.split = own_scheduler(self.config, self.settings, self.workercount)
        if self.repeats:
            self.repeats.check(len(session.items))
            tell_seed(self.config, self.send)
        self.send("collected", self.collected(session))
        if self.imports and not self.shard:
            self.imports.look(self.config)
        if session.testsfailed and not option.continue_on_collection_errors:
            raise session.Interrupted(
                "%d error%s during collection"
                % (session.testsfailed, "" if session.testsfailed == 1 else "s")
            )
        quicken(session)
        done = None
        while 1:
            self.obey(False)
            with self.lock:
                index = self.pending.popleft() if self.pending else None
                order = self.coming.popleft() if index is None and self.coming else None
            if index is None:
                if done:
                    self.deliver(done)
                    done = None
                if order:
                    self.collect_file(order)
                    continue
                if self.ended:
                    return True
                self.obey(True)
                continue
            if option.collectonly:
                continue
            if done:
                self.deliver(done, index)
            else:
                if self.imports:
                    self.imports.first_test()
                self.send("start", index)
            done = self.run_one(index)
            if self.stopping():
                self.deliver(done)
                self.check_stop()

    def collected(self, session):
        import platform

        import pytest

        config = self.config
        return {
            "digest": self.shard.names() if self.shard else digest_of(item.nodeid for item in self.items),
            "files": len(self.shard.files) if self.shard else None,
            "go_on": bool(config.option.continue_on_collection_errors),
            "count": len(self.items),
            "deselected": self.deselected,
            "errors": int(session.testsfailed),
            "collectonly": bool(config.option.collectonly),
            "rootdir": clean(getattr(config, "rootpath", None) or config.rootdir),
            "pytest": clean(pytest.__version__),
            "python": sys.version.split()[0],
            "implementation": "Python" if platform.python_implementation() == "CPython"
            else platform.python_implementation(),
            "executable": clean(sys.executable),
            "platform": clean(sys.platform),
            "pid": str(os.getpid()),
            "cache": None if self.repeats else cache_place(config, self.here),
            "memory": memory_here(),
            "suite": self.suite,
            "collection_us": "%d" % ((time.monotonic() - self.collecting) * 1e6),
            "suffixed": "yes" if self.each or config.option.loadgroup else None,
            "junit_family": family_of(config),
            **asked_of_reporter(config),
            "plugins": plugins_of(config),
            "header": header_of(config),
            "spread": self.settings,
        }

    def trouble(self, config, text):
        self.stopped = self.stopped or text
        self.send("trouble", clean(text))

    # what pytest tells us

    def pytest_configure(self, config):
        share_temporary(config, config.workerinput["workerid"], self.run)
        take_properties(config, self.send)
        know_without_groups(config)
        add_own_markers(config)
        config.pluginmanager.register(self.marks, "farflung-marks")
        config.pluginmanager.register(self.sources, "farflung-sources")
        config.pluginmanager.register(once_plugin(Once(self.once), self.trouble), "farflung-once")
        if config.option.loadgroup:
            config.pluginmanager.register(self.groups, "farflung-groups")

    def pytest_sessionstart(self, session):
        self.session = session
        if self.relay:
            self.relay.ready()

    def pytest_collection(self, session):
        self.collecting = time.monotonic()

    def pytest_collection_finish(self, session):
        if self.relay:
            files = len(self.shard.files) if self.shard and self.shard.on else None
            self.relay.collected(self.items, self.groups.bare, files)

    def pytest_runtest_logstart(self, nodeid, location):
        if self.relay:
            self.relay.start(nodeid, location)

    def pytest_deselected(self, items):
        self.deselected += len(items)

    def pytest_collectreport(self, report):
        if report.outcome == "passed":
            return
        self.failed = self.failed or report.outcome == "failed"
        if self.relay:
            self.relay.collect_report(report)
        phase = phase_of(report)
        self.send(
            "collect_report",
            {
                "nodeid": clean(report.nodeid),
                "outcome": clean(report.outcome),
                "longrepr": phase["longrepr"],
                "message": phase["message"],
            },
        )

    def pytest_runtest_logreport(self, report):
        self.reports.append(report)
        if self.relay:
            self.relay.report(report)

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        if self.relay:
            self.relay.warning(warning_message, when, nodeid, location)
        warning = warning_told(warning_message, nodeid)
        if not nodeid:
            key = warning["filename"], warning["lineno"], warning["message"]
            warning["nth"] = self.warned[key] = self.warned.get(key, 0) + 1
        self.send("warning", warning)

    def pytest_internalerror(self, excrepr):
        text, words = internal_error(excrepr)
        self.stopped = self.stopped or words
        self.send("internal_error", text)
        if self.relay:
            self.relay.internal_error(text)
        return True

    def pytest_keyboard_interrupt(self, excinfo):
        own = isinstance(excinfo.value, self.interrupted)
        self.stopped = clean(excinfo.value) if own else words_of(excinfo.value)

    def pytest_sessionfinish(self, session):
        """Around all others."""
        before = session.exitstatus
        output = self.config.workeroutput
        output["exitstatus"] = plain(before)
        output["shouldfail"], output["shouldstop"] = plain(session.shouldfail), plain(session.shouldstop)
        result = yield
        if self.relay:
            self.relay.output(output)
        if result.excinfo:
            self.note_exit(result.excinfo[1])
        elif session.exitstatus != before:
            self.stopped = self.stopped or "a hook set the exit status to %s" % clean(
                plain(session.exitstatus)
            )

    # the end

    def note_exit(self, exc):
        if isinstance(exc, self.exit):  # pytest itself tells what any other one is
            self.stopped = self.stopped or words_of(exc)

    def why(self):
        """Why the session stopped, in words."""
        session = self.session
        if not self.stopped and session:
            return clean(session.shouldfail or session.shouldstop or "")
        return self.stopped

    def accounts_for(self, status):
        """Whether what was reported of tests says the same as the exit status."""
        if status == 1:
            return self.failed
        return status == 0 or status == 5 and not getattr(self.session, "testscollected", 0)


def adapt(config, kw, settings):
    """What pytest-xdist sets in its workers, so that it and other plugins take us for one."""
    option = config.option
    option.loadgroup = settings["dist"] == "loadgroup"
    for name in ("looponfail", "usepdb", "trace", "distload"):
        setattr(option, name, False)
    option.dist = "no"
    option.numprocesses = option.maxprocesses = None
    option.tx, option.px = [], []
    told = kw["told"] or {}
    if told.get("color"):
        option.color = told["color"]
    settings["driven"] = bool(told.get("driven"))
    if told.get("basetemp"):
        option.basetemp = told["basetemp"]
    else:
        place_temporary(option, kw["workerid"])
    config.workerinput = dict(told["workerinput"]) if told else WithoutFront(kw["front"])
    for name in ("workerid", "workercount", "testrunuid", "mainargv"):
        config.workerinput[name] = kw[name]
    config.workeroutput = {}
    manager = config.pluginmanager
    if not told and (manager.hasplugin("_cov") or manager.hasplugin("pytest_cov")):
        import socket  # pytest-cov would hear these from its counterpart in the controller

        config.workerinput.update(
            cov_master_host=socket.gethostname(),
            cov_master_topdir=os.getcwd(),
            cov_master_rsync_roots=[],
        )
    cov_apart(config)
    manager.register(Silence(bool(told)), "farflung-silence")
    if not manager.hasplugin("xdist"):
        manager.register(stand_in(config.workerinput), "farflung-fixtures")


def tell_imports(worker):
    if worker.shard:  # what it has collected is there by now
        worker.imports.look(worker.config)
    try:
        text = worker.imports.text(worker.config, worker.session)
    except Exception:  # a cache: without it the next run is slower, no more
        return
    worker.send("imported", text)


def make_worker(channel, config, kw, settings, ports):
    import pytest

    hook = pytest.hookimpl
    for name, how in (
        ("pytest_configure", hook(trylast=True)),
        ("pytest_collection", hook(tryfirst=True)),
        ("pytest_runtestloop", hook(tryfirst=True)),
        ("pytest_sessionfinish", hook(hookwrapper=True, tryfirst=True)),
    ):
        setattr(Worker, name, how(getattr(Worker, name)))
    Groups.pytest_collection_modifyitems = hook(hookwrapper=True, tryfirst=True)(
        Groups.pytest_collection_modifyitems
    )
    Marks.pytest_collection_modifyitems = hook(hookwrapper=True, tryfirst=True)(
        Marks.pytest_collection_modifyitems
    )
    Sources.pytest_make_collect_report = hook(hookwrapper=True)(Sources.pytest_make_collect_report)
    Signs.pytest_fixture_setup = hook(hookwrapper=True, tryfirst=True)(Signs.pytest_fixture_setup)
    within_all = hook(hookwrapper=True, trylast=True)
    Innermost.pytest_sessionfinish = within_all(Innermost.pytest_sessionfinish)
    Signs.file = pytest.File
    Worker.exit = pytest.exit.Exception
    Worker.interrupted = pytest.Session.Interrupted
    worker = Worker(channel, config, kw, settings)
    worker.ports = ports
    config.pluginmanager.register(worker, "farflung-worker")
    config.pluginmanager.register(worker.signs, "farflung-signs")
    config.pluginmanager.register(Innermost(worker.note_exit), "farflung-innermost")
    channel.setcallback(worker.take, endmarker=None)
    return worker


def session(channel, kw):
    """Run one pytest session; gives (its worker or None, its ending)."""
    config = worker = ports = None
    ending = Ending(channel)
    try:
        if {"-s", "--capture=no"}.intersection(kw["args"]):
            os.dup2(2, 1)  # what conftests print, too
        config = configure(kw["args"], [XdistOptions()], kw["addopts"])
        if config.option.capture != "fd":
            os.dup2(2, 1)  # what is not captured should be seen
        settings = settings_of(config)
        settings["dist"] = kw["dist"] or settings["dist"]
        settings["vain"] += vain_hooks(config)
        driven = wants_driver(config, settings, kw["workercount"])
        kw["told"] = ask_front(channel, config, kw["front"], driven)
        ports = open_ports(channel, kw["told"])
        adapt(config, kw, settings)
        if kw["mainargv"]:
            config._parser.prog = os.path.basename(kw["mainargv"][0])
        worker = make_worker(channel, config, kw, settings, ports)
        worker.imports = kw["imports"]
        worker.memory = Memory() if kw["memory"] else None
        worker.shard = make_shard(config, settings, kw)
        take_slice(config, kw["slice"], worker.send, settings["notes"])
        worker.sequence = take_sequence(config, kw["sequence"], worker.send)
        if config.option.capture == "no":
            worker.live = go_live(worker.send, kw["output_cap"])
        ending.set_status(config.hook.pytest_cmdline_main(config=config))
    except Dismissed:
        pass
    except BaseException as exc:
        ending.caught(exc)
    ending.unconfigure(config)
    if ports:
        ports.finish()
    return worker, ending


def main(
    channel, args, workerid, workercount, testrunuid, mainargv, dist=None,
    pythonpath=None, output_cap=0, front=None, addopts=True, run=None, collect=None, imports=False, columns=0,
    slice=None, sharded=(), repeat=0, sequence=None, memory=False,
):  # fmt: skip
    began = clock()
    imports = Imports() if imports else None
    here = os.getcwd()
    sys.path[:] = [here if path == "" else path for path in sys.path]
    if here not in sys.path:
        sys.path.insert(0, here)
    sys.path[:0] = [path for path in pythonpath or () if path not in sys.path]
    if mainargv:
        sys.argv = list(mainargv)
    render.columns = columns or render.columns
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
        "output_cap": output_cap,
        "front": front,
        "told": None,
        "here": here,
        "addopts": addopts,
        "run": run,
        "imports": imports,
        "collect": collect,
        "slice": slice,
        "sharded": sharded,
        "repeat": repeat,
        "sequence": sequence,
        "memory": memory,
    }
    worker, ending = session(channel, kw)
    if worker and worker.imports and worker.session:
        tell_imports(worker)
    told = worker.accounts_for(ending.status) if worker else not ending.status
    stop = ending.words or (worker.why() if worker else "")
    if not told and not stop:
        stop = "the exit status is %d, but no test failed" % ending.status
    finished = {
        "exitstatus": ending.status,
        "bad": ending.bad or not told,
        "stop": stop,
        # With its test: nothing keeps the others from being run elsewhere.
        "told": bool(worker and worker.broke_off and stop == words_of(worker.broke_off)),
        "workeroutput": plain(getattr(worker and worker.config, "workeroutput", {})),
        "duration": clock() - began,
    }
    try:
        channel.send(("finished", finished))
    except OSError:
        raise
    except Exception:
        channel.send(("finished", dict(finished, workeroutput=None)))
    keep(worker)

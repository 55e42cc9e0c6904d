# The front of a pytest job: a real pytest session on the controlling machine that runs no test. It is
# the controller's half of plugins: their hooks fill what workers are given, get every report, and
# write the files, the cache and the summary. It needs a channel and pytest, and must not know the
# runner. Other parts come before it, in one text: plugins/CMakeLists.txt.
#
# Received: ("node", id, {spec, host, python, chdir, local, about})   a worker wants its input
#           ("from", id, value)          what a worker told, see relay.py
#           ("test", id, index, value, again)   an attempt has ended; again: and there will be another
#           ("crash", id, index or None, nodeid or None, text, again)   a worker died
#           ("lost", index, nodeid, text)  a test without a report: an error, or if the run stops, not run
#           ("down", id, error or None)  a worker's end
#           ("line", text)               to be shown between other lines
#           ("stop", text)               why the run stops early
#           ("up", id) · ("back", id, [index, …]) · ("skip", id, index) · ("stuck", number)   to a
#                                        driver: a worker may be given tests, gave some back, has one
#                                        that was done before; nothing goes on, with so many workers
#           ("more", count, left)        so many tests are known, and so many files yet to be collected
#           ("end", interrupted, text)   all is told
# Sent:     ("ready", {rootdir, wants_starts, header})
#           ("to", id, {workerinput, basetemp, ids, starts, color, ports})   what that worker waits for
#             ports: of this machine, which it is to reach as ports.py says
#           ("to", id, ("net", number, word, value))   see ports.py
#           ("again", nodeid)            a plugin wants a crashed test to be run again
#           ("settled", nodeid)          that crash is dealt with; no again comes for it any more
#           ("stop", text)               a plugin wants the run to stop
#           ("give", id, [index, …]) · ("steal", id, [index, …]) · ("shut", id)   by a driver: what that
#                                        worker runs, is to give back, or that nothing more comes
#           ("give_up", index, text)     by a driver: a test that it gives to nobody any more
#           ("heard", count)             with a driver: what follows from so many messages was sent
#           ("text", str)                output, where `terminal` is None
#           ("usage_error", text) · ("internal_error", text) · ("trouble", text)
#           ("finished", {exitstatus, words, bad})   always last; bad: more than tests account for
import os
import sys
import time
from collections import deque

HELD_MAX = 1000  # results that wait until all workers have collected
HOLD_SECONDS = 2.0
GC_THRESHOLD = 20000  # reports are many and stay: looking through them often frees nothing


class Front(Hearing):
    """The plugin `dsession`."""

    def __init__(self, channel, config, kw):
        self.channel = self.inbox = channel
        self.ports = None  # once there is a worker that needs them
        self.outlet, self.gathers = kw.get("outlet"), False
        self.config = config
        self.kw = kw
        self.session = self.sched = self.trdist = self.driver = None
        self.heard = self.collected = 0
        self.files = None  # where they are collected one by one
        self.terminal = config.pluginmanager.getplugin("terminalreporter")
        self.verbose = getattr(config.option, "verbose", 0)  # unknown without a terminal
        self.log = Log()
        self.shuttingdown = False
        self.awaited = set()  # of the workers at the start, who have yet to collect
        self.held = deque()
        self.holding, self.held_since = True, None
        self.crashed = deque()  # who has not been replaced
        self.collect_reports = set()
        self.warned = {}  # how often, outside of tests
        self.cached = Cached(config.pluginmanager)
        self.not_run = []
        self.failed = False  # a test, or a collection
        self.ran = False
        self.broken = False  # a worker had an internal error
        self.stop = self.words = ""
        self.first_fail = False
        self.told_stop = self.ended = self.interrupted = self.lost = False

    def send(self, *item):
        try:
            self.channel.send(item)
        except OSError:
            pass  # nobody is left to hear it, but the end goes on

    def line(self, text):
        if self.terminal and self.verbose >= 0:
            self.terminal.write_line(text)

    # pytest's hooks

    def pytest_sessionstart(self, session):
        self.session = session
        self.nodemanager = NodeManager(self.config, self.kw["specs"], self.kw["testrunuid"])
        self.awaited = {spec.id for spec in self.nodemanager.specs}
        self.replay = Replay(self.config, self.kw["testrunuid"])
        self.sched = Scheduler(self.config, self.nodemanager, self.run_again)
        hook = self.config.hook
        if self.nodemanager.specs:
            hook.pytest_xdist_setupnodes(config=self.config, specs=self.nodemanager.specs)

    def pytest_collection(self):
        return True  # that is for workers

    def pytest_runtestloop(self, session):
        starts = self.verbose > 0 or self.others("pytest_runtest_logstart")
        self.wants_starts = bool(starts)
        self.wants_ids = bool(self.others("pytest_xdist_node_collection_finished"))
        self.gathers = bool(self.outlet) and not starts and not self.others("pytest_runtest_logreport") \
            and not self.others("pytest_runtest_logfinish")
        rootdir = clean(getattr(self.config, "rootpath", None) or self.config.rootdir)
        self.send("ready", {"rootdir": rootdir, "wants_starts": self.wants_starts, "header": []})
        while not self.ended:
            message = self.receive()
            if message is not None:
                self.hear(message)
        self.let_go()
        return self.conclude(session)

    def pytest_report_teststatus(self, report):
        if report.outcome == "rerun":
            return "rerun", "R", ("RERUN", {"yellow": True})

    def pytest_terminal_summary(self, terminalreporter):
        if self.not_run and self.verbose >= 0:
            count, (_, why) = len(self.not_run), self.not_run[0]
            terminalreporter.write_sep("=", "%d not run: %s" % (count, why.split("\n")[0]))
            for nodeid, _ in self.not_run if self.verbose > 0 else ():
                terminalreporter.write_line("NOT RUN %s" % nodeid)

    def pytest_warning_recorded(self, warning_message, nodeid):
        if not nodeid:
            key = clean(warning_message.filename), warning_message.lineno, clean(warning_message.message)
            self.warned[key] = self.warned.get(key, 0) + 1

    def pytest_internalerror(self, excrepr):
        text, words = internal_error(excrepr)
        self.words = self.words or words
        self.send("internal_error", text)

    def pytest_sessionfinish(self, session):
        """Around all others."""
        misled = self.driver and self.driver.failed
        if self.broken and (misled or session.exitstatus in (0, 1, 5)):
            session.exitstatus = 3
        self.cached.fill()
        before = session.exitstatus
        yield
        if session.exitstatus != before:
            status = clean(plain(session.exitstatus))
            self.words = self.words or "a hook set the exit status to %s" % status

    def others(self, name):
        """Who implements a hook beside pytest, xdist and us."""
        known = ("_pytest.", "xdist.")
        return [
            impl for impl in getattr(self.config.pluginmanager.hook, name).get_hookimpls()
            if impl.plugin is not self and not str(
                getattr(impl.plugin, "__module__", None) or getattr(impl.plugin, "__name__", "")
            ).startswith(known)
        ]  # fmt: skip

    # messages

    def let_go(self):
        if self.outlet:
            self.outlet.gathers = False
            self.outlet.let_go()

    def receive(self):
        """The next message; None: it is time to let go what is held."""
        self.heard += 1
        try:
            if self.outlet and self.outlet.held:
                try:
                    return self.inbox.receive(0)
                except self.inbox.TimeoutError:
                    self.outlet.let_go()
            if not self.holding or not self.held:
                return self.inbox.receive()
            left = self.held_since + HOLD_SECONDS - time.monotonic()
            return self.inbox.receive(max(left, 0.001))
        except self.inbox.TimeoutError:
            self.heard -= 1
            self.release()
            return None
        except EOFError:
            return self.deserted()

    def deserted(self):
        """Nobody tells the end."""
        self.lost = True
        return ("end", True, "")

    def hear(self, message):
        """Handles it now, or later: results are shown below the line that all have collected."""
        if self.driver is None:
            self.hear_in_turn(message)
        else:
            if message[0] == "end" and self.holding:
                self.release(quietly=not self.collected)
            self.handle(message)
        if self.driver:
            self.driver.look()
            self.send("heard", self.heard)

    def hear_in_turn(self, message):
        kind = message[0]
        result = kind in ("test", "crash", "lost") or kind == "from" and message[2][0] == "start"
        if self.holding:
            if kind == "down" or kind == "crash":
                self.awaited.discard(message[1])
            if result or kind == "down" and self.held:
                if not self.held:
                    self.held_since = time.monotonic()
                self.held.append(message)
                if len(self.held) >= HELD_MAX or not self.awaited:
                    self.release()
                return
            if kind == "end" or kind == "stop" and self.held:  # what was lost before is no test that did not run
                self.release(quietly=not self.collected)
        self.handle(message)
        if self.holding and not self.awaited:
            self.release()

    def release(self, quietly=False):
        self.holding = False
        if self.terminal and not quietly:
            if self.files is None:
                self.trdist.show()
            else:
                show_files(self.terminal, len(self.nodemanager.specs), self.files)
            self.terminal.write_line("")
            if self.verbose > 0:
                name = self.scheduler_name()
                self.terminal.write_line("scheduling tests via %s" % name)
        while self.held:
            self.handle(self.held.popleft())

    def scheduler_name(self):
        if self.driver:
            return self.driver.name
        return SCHEDULERS.get(self.config.option.dist, self.config.option.dist)

    def show_collected(self):
        if self.holding:
            self.release()

    def handle(self, message):
        if self.gathers and message[0] == "test":
            self.outlet.gathers = True
        else:
            self.let_go()
        getattr(self, "on_" + message[0])(*message[1:])
        self.look_for_stop()

    def node(self, id):
        return self.nodemanager.nodes.get(id) or self.nodemanager.node(id, {})

    def on_node(self, id, about):
        hook = self.config.hook
        if self.crashed:
            self.line("\nreplacing crashed worker %s" % self.crashed.popleft())
        node = self.nodemanager.node(id, about)
        hook.pytest_xdist_newgateway(gateway=node.gateway)
        basetemp = None
        factory = getattr(self.config, "_tmp_path_factory", None)
        if about.get("local") and factory is not None:
            basetemp = os.path.join(str(factory.getbasetemp()), "popen-" + id)
        hook.pytest_configure_node(node=node)
        if self.driver is None and (about.get("about") or {}).get("driven"):
            self.driver = make_driver(self) or False
            self.sched = self.driver.sched if self.driver else self.sched
        node.driver = self.driver or None
        node.starts = self.wants_starts
        workerinput = plain(node.workerinput, left=[1 << 20])
        self.send("to", id, {
            "workerinput": workerinput,
            "basetemp": basetemp,
            "ids": bool(self.wants_ids or self.driver),
            "starts": self.wants_starts,
            "color": getattr(self.config.option, "color", None),  # without a terminal there is none
            "ports": [] if about.get("local") else self.offer_ports(id, workerinput),
            "driven": bool(self.driver),
        })  # fmt: skip

    def offer_ports(self, id, workerinput):
        places = named_places(workerinput)
        if places and not self.ports:
            self.ports = FrontPorts(self.channel)
            self.ports.start()
            self.inbox = Sorter(self.channel, self.ports)
        if places:
            self.ports.offered[id] = places
        return list(places)

    def on_test(self, id, index, value, again):
        node, hook = self.node(id), self.config.hook
        if value is None:
            self.on_lost(index, "?", "the report of test %s was lost" % index)
            return self.complete(node, index, 0, again)
        value = attempt_of(value)
        nodeid, location, _, _, warnings = value
        self.ran = True
        self.cached.note(nodeid)
        duration = 0
        if not node.starts:
            hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        for report in self.replay.reports(node, index, value):
            rerun = again and report.outcome == "failed"
            if rerun:
                report.outcome = "rerun"
            hook.pytest_runtest_logreport(report=report)
            duration += getattr(report, "duration", 0) or 0
            if report.outcome == "failed":
                self.failed = True
                self.cached.note(nodeid, True)
            if rerun:
                break
        hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
        for warning in warnings:
            self.from_warning(node, *warning)
        self.complete(node, index, duration, again)

    def complete(self, node, index, duration, again):
        if self.driver:
            self.driver.complete(node, index, duration, again)

    def on_crash(self, id, index, nodeid, text, again):
        node = self.node(id)
        lines = [line for line in text.split("\n") if line.strip()]
        error = (lines[0] if nodeid and lines else text) or "Not properly terminated"
        if nodeid is None:
            return self.on_down(id, error)
        self.tell_down(node, error)
        if self.driver:
            return self.driver.crash(node, index, nodeid, text, again)
        self.tell_crash(node, index, nodeid, text, again, self.sched)
        self.send("settled", nodeid)

    def tell_crash(self, node, index, nodeid, text, again, sched):
        id = node.gateway.id
        words = "worker %r crashed while running %r" % (id, nodeid)
        report = failed_report(nodeid, "%s\n%s" % (words, text) if text else words, "???")
        report.node, report.worker_id, report.item_index = node, id, index
        report.testrun_uid = self.kw["testrunuid"]
        self.config.hook.pytest_handlecrashitem(crashitem=nodeid, report=report, sched=sched)
        if again and report.outcome == "failed":
            report.outcome = "rerun"
        self.report(report)

    def on_more(self, count, left):
        """What pytest's progress goes by, and whether it was the last test: not before all files are known."""
        files = max(self.files or 0, left)
        rest = -(-count * left // (files - left)) if files > left else left
        self.session.testscollected = count + max(rest, left)

    def on_lost(self, index, nodeid, text):
        if self.stop:
            self.not_run.append((nodeid, text))
            return
        self.report(failed_report(nodeid, text, "setup"))

    def report(self, report):
        self.ran = True
        self.cached.note(report.nodeid, report.outcome == "failed")
        self.config.hook.pytest_runtest_logreport(report=report)
        self.failed = self.failed or report.outcome == "failed"

    def on_down(self, id, error):
        node = self.node(id)
        if self.tell_down(node, error) and self.driver:
            self.driver.gone(node, error)

    def tell_down(self, node, error):
        """False: it was told before."""
        if node.down:
            return False
        node.down = True
        if self.ports:
            self.ports.left(node.gateway.id)
        if error is None and not hasattr(node, "workeroutput"):
            node.workeroutput = {"exitstatus": 0, "shouldfail": False, "shouldstop": False}
        with cov_told(self.config):
            self.config.hook.pytest_testnodedown(node=node, error=error)
        map_coverage(self.config, node)
        if error is not None:
            self.crashed.append(node.gateway.id)
        return True

    def on_up(self, id):
        if self.driver:
            self.driver.up(self.node(id))

    def on_back(self, id, indices):
        if self.driver:
            self.driver.back(self.node(id), indices)

    def on_skip(self, id, index):
        if self.driver:
            self.driver.skip(self.node(id), index)

    def on_stuck(self, count):
        if self.driver:
            self.driver.stuck(count)

    def on_line(self, text):
        if self.terminal:
            self.terminal.write_line(text)
        else:
            sys.stderr.write(text + "\n")

    def on_stop(self, text):
        self.stop = self.stop or clean(text) or "stopped"
        if self.driver:
            self.driver.stop()

    def on_end(self, interrupted, text):
        self.ended = True
        self.interrupted = bool(interrupted)

    # the end

    def run_again(self, nodeid):
        self.send("again", clean(nodeid))

    def look_for_stop(self):
        """A plugin may want the run to stop; --maxfail does."""
        why = self.session.shouldfail or self.session.shouldstop
        if why and not self.told_stop:
            self.told_stop = True
            if not self.stop and not self.ended:
                self.send("stop", clean(why))
            self.stop = self.stop or clean(why)
            self.first_fail = self.session.shouldfail
            if self.driver:
                self.driver.stop()

    def conclude(self, session):
        if self.lost and self.kw.get("lost"):
            raise self.kw["lost"]()
        if self.interrupted:
            raise KeyboardInterrupt()
        if self.first_fail:
            session.shouldfail = self.first_fail  # what failed until all had stopped doesn't count
        if self.stop:
            why = session.shouldfail or session.shouldstop or self.stop
            raise xdist_interrupted()(clean(why))
        if self.failed and not self.ran and not self.config.option.continue_on_collection_errors:
            count = session.testsfailed
            raise session.Interrupted(
                "%d error%s during collection" % (count, "" if count == 1 else "s")
            )
        return True

    def accounts_for(self, status):
        """Whether what was told of tests says the same as the exit status."""
        if status == 1:
            return self.failed
        stopped = self.interrupted or self.stop or self.failed and not self.ran
        return status in (0, 5) or status == 2 and bool(stopped)


class Entry:
    """Lets the front in behind all other plugins, in the place of pytest-xdist's controller."""

    def __init__(self, front_args, ending):
        self.front_args = front_args
        self.ending = ending
        self.front = None

    def pytest_cmdline_main(self, config):
        config.option.tx = tx_of(self.front_args[2])  # behind xdist, which makes it what -n says

    def pytest_keyboard_interrupt(self, excinfo):
        """An exit that a hook wants is told by pytest, but to nobody who asks for its reason."""
        if not self.front or not self.front.ended:
            self.ending.words = self.ending.words or words_of(excinfo.value)

    def pytest_internalerror(self, excrepr):
        if not self.front:  # it is told of the others
            text, words = internal_error(excrepr)
            self.ending.words = self.ending.words or words
            self.front_args[0].send(("internal_error", text))

    def pytest_configure(self, config):
        manager = config.pluginmanager
        for name in ("dsession", "terminaldistreporter"):
            manager._name2plugin.pop(name, None)  # unblocked, now that xdist's can't come any more
        front = self.front = Front(*self.front_args)
        if front.terminal:
            front.terminal.showfspath = False
            front.trdist, plugin = make_status_line(config)
            manager.register(plugin, "terminaldistreporter")
        manager.register(front, "dsession")


def enter(channel, config, kw, ending):
    """Makes a session that has not begun the front's; gives its Entry."""
    import pytest

    hook = pytest.hookimpl
    Front.pytest_sessionstart = hook(trylast=True)(Front.pytest_sessionstart)
    Front.pytest_sessionfinish = hook(hookwrapper=True, tryfirst=True)(Front.pytest_sessionfinish)
    Entry.pytest_configure = hook(trylast=True)(Entry.pytest_configure)
    become_controller(config, kw)
    entry = Entry((channel, config, kw), ending)
    config.pluginmanager.register(entry, "farflung-entry")
    return entry


def tell_end(channel, front, ending):
    told = front.accounts_for(ending.status) if front else not ending.status
    words = ending.words or (front.words or front.stop if front else "")
    if not told and not words and front:
        words = coverage_lacks(front.config)
    if not told and not words:
        words = "the exit status is %d, but no test failed" % ending.status
    channel.send(("finished", {
        "exitstatus": ending.status, "words": clean(words), "bad": bool(ending.bad or not told),
    }))  # fmt: skip


def run_front(channel, kw):
    """Gives (the front or None, the session's ending)."""
    config = entry = None
    ending = Ending(channel)
    try:
        config = controller_configuration(controller_args(kw), kw["args"], kw["addopts"])
        if kw["mainargv"]:
            config._parser.prog = os.path.basename(kw["mainargv"][0])
        entry = enter(channel, config, kw, ending)
        ending.set_status(config.hook.pytest_cmdline_main(config=config))
    except BaseException as exc:
        ending.caught(exc)
    ending.unconfigure(config)
    return entry and entry.front, ending


def main(
    channel, args, mainargv=(), dist=None, specs=(), numprocesses=None, maxprocesses=None,
    testrunuid="", maxfail=None, max_worker_restart=None, terminal=None, columns=None, color=None,
    addopts=True, joined=False,
):  # fmt: skip
    import gc
    import signal

    kw = {
        "args": list(args), "mainargv": list(mainargv or ()), "dist": dist,
        "specs": list(specs), "numprocesses": numprocesses, "maxprocesses": maxprocesses,
        "testrunuid": testrunuid, "maxfail": maxfail, "max_worker_restart": max_worker_restart,
        "color": color, "addopts": addopts,
    }  # fmt: skip
    if joined:
        return join(channel, kw)
    here = os.getcwd()
    sys.path[:] = [here if path == "" else path for path in sys.path]
    if here not in sys.path:
        sys.path.insert(0, here)
    if mainargv:
        sys.argv = list(mainargv)
    try:  # Ctrl-C at the terminal is the runner's, who tells us
        signal.signal(signal.SIGINT, lambda *args: None)
    except ValueError:
        pass
    gc.set_threshold(GC_THRESHOLD)
    screen = Screen(channel, terminal, columns)
    kw["outlet"] = screen.outlet
    front, ending = run_front(channel, kw)
    screen.close()
    tell_end(channel, front, ending)
    keep(front)

# Part of the front: stands for pytest-xdist's nodes, gateways and scheduler, with what plugins read of
# them; and makes reports and warnings of what relay.py sent.
import sys


class Spec:
    """An xspec, where execnet isn't installed: each key an attribute, unknown ones None."""

    def __init__(self, text):
        self._spec = text
        self.env = {}
        for part in text.split("//"):
            name, _, value = part.partition("=")
            if name.startswith("env:"):
                self.env[name[4:]] = value
            elif name:
                setattr(self, name, value or True)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return None

    def __repr__(self):
        return "<XSpec %r>" % self._spec

    def __str__(self):
        return self._spec

    def __hash__(self):
        return hash(self._spec)

    def __eq__(self, other):
        return self._spec == getattr(other, "_spec", None)


def spec_of(text, id):
    try:
        from execnet import XSpec

        spec = XSpec(text)
    except Exception:
        spec = Spec(text)
    spec.id = id
    return spec


class RInfo:
    """What gateway._rinfo() gives."""

    def __init__(self, about):
        self.executable = about.get("executable") or sys.executable
        self.version_info = tuple(about.get("version_info") or sys.version_info)
        self.platform = about.get("platform") or sys.platform
        self.cwd = about.get("cwd") or ""
        self.pid = about.get("pid")

    def __repr__(self):
        return "<RInfo %s>" % ", ".join("%s=%s" % pair for pair in sorted(vars(self).items()))


class NodeGateway:
    """The gateway of a worker; the real one is the runner's."""

    def __init__(self, id, spec, about):
        self.id = id
        self.spec = spec
        self.rinfo = RInfo(about)

    def __repr__(self):
        return "<Gateway id=%r>" % self.id

    def _rinfo(self, update=False):
        return self.rinfo


class Log:
    """The log of a node, which nobody reads."""

    def __call__(self, *args, **kwargs):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class Node:
    """A worker, as hooks get it."""

    def __init__(self, manager, id, spec, about):
        self.nodemanager = manager
        self.config = manager.config
        self.gateway = NodeGateway(id, spec, about)
        self.gateway.node = self
        self.workerinput = {
            "workerid": id,
            "workercount": len(manager.specs),
            "testrunuid": manager.testrunuid,
            "mainargv": list(sys.argv),
        }
        self.log = Log()
        self.down = self.collected = False
        self.starts = False  # it tells them as they happen
        self.warned = {}  # how often, outside of tests
        self.driver = None  # of the scheduler that says what it runs
        self.ids = None  # that it has collected
        self.shut = False  # nothing more comes

    def __repr__(self):
        return "<WorkerController %s>" % self.gateway.id

    @property
    def shutting_down(self):
        return self.down or self.shut

    # All but a scheduler has no say in it.

    def shutdown(self):
        if self.driver and not self.shutting_down:
            self.shut = True
            self.driver.shut(self)

    def send_runtest_some(self, indices):
        if self.driver:
            self.driver.give(self, indices)

    def send_runtest_all(self):
        if self.driver:
            self.driver.give(self, range(len(self.ids or ())))

    def send_steal(self, indices):
        if self.driver:
            self.driver.steal(self, indices)


class NodeManager:
    def __init__(self, config, specs, testrunuid):
        self.config = config
        self.testrunuid = testrunuid
        self.specs = [spec_of(entry["spec"], entry["id"]) for entry in specs]
        self.roots = []  # trees are brought along by the runner
        self.rsyncoptions = {"ignores": [], "verbose": getattr(config.option, "verbose", 0)}
        self.nodes = {}

    def node(self, id, about):
        """A new one, of the spec that was planned for it or another."""
        known = [spec for spec in self.specs if spec.id == id]
        spec = known[0] if known else spec_of(about.get("spec") or "popen", id)
        node = self.nodes[id] = Node(self, id, spec, about.get("about") or {})
        if not node.gateway.rinfo.cwd:
            node.gateway.rinfo.cwd = about.get("chdir") or ""
        return node


SCHEDULERS = {
    "each": "EachScheduling", "load": "LoadScheduling", "loadscope": "LoadScopeScheduling",
    "loadfile": "LoadFileScheduling", "loadgroup": "LoadGroupScheduling",
    "worksteal": "WorkStealingScheduling",
}  # fmt: skip


class Scheduler:
    """What plugins ask of a scheduler; the real one is the runner's."""

    def __init__(self, config, manager, again):
        self.config = config
        self.log = Log()
        self.numnodes = len(manager.specs)
        self.collection = None
        self.pending = []
        self._manager = manager
        self._again = again

    @property
    def nodes(self):
        return [node for node in self._manager.nodes.values() if not node.down]

    def mark_test_pending(self, item):
        self._again(item)


def show_files(terminal, workers, files):
    """What pytest-xdist says of tests, where nobody has collected all of them."""
    text = "%d worker%s [%d file%s]" % (workers, "" if workers == 1 else "s", files, "" if files == 1 else "s")
    if terminal.config.option.verbose < 0:
        return
    if getattr(terminal, "isatty", terminal.hasmarkup):
        terminal.rewrite(text, bold=True, erase=True)
        terminal.write("\n")
    else:
        terminal.write_line(text)


class StatusLine:
    """The lines about workers before the first test, in the words of pytest-xdist's newest version.
    Where xdist is installed, its own reporter writes them."""

    STEPS = ("created", "initialized", "ready")

    def __init__(self, config):
        self.config = config
        self.tr = config.pluginmanager.getplugin("terminalreporter")
        self.steps = {}
        self.counts = {}
        self.width = 0
        self.isatty = getattr(self.tr, "isatty", self.tr.hasmarkup)

    def text(self):
        total, steps = len(self.steps), list(self.steps.values())
        workers = "%d worker%s" % (total, "" if total == 1 else "s")
        if self.config.option.verbose < 0 or not total:
            return "bringing up nodes..."
        collected = [count for count in self.counts.values()]
        if len(collected) == total:
            return "%s [%d item%s]" % (workers, collected[0], "" if collected[0] == 1 else "s")
        if collected:
            return "collecting: %d/%s" % (sum(1 for count in collected if count), workers)
        best = max(steps)
        return "%s: %d/%s" % (self.STEPS[best], steps.count(best), workers)

    def rewrite(self, line, newline=False):
        padded = line + " " * max(self.width - len(line), 0)
        self.width = 0 if newline else len(line)
        self.tr.rewrite(padded + ("\n" if newline else ""), bold=True)

    def step(self, spec, step):
        self.steps[spec.id] = step
        if self.isatty:
            self.rewrite(self.text())

    def collected(self, spec, count):
        self.counts[spec.id] = count
        self.step(spec, 2)

    def show(self):
        if not self.isatty:
            self.tr.write_line(self.text())

    def pytest_xdist_setupnodes(self, specs):
        self.steps = {spec.id: 0 for spec in specs}
        self.step(specs[-1], 0)
        self.show()

    def pytest_xdist_newgateway(self, gateway):
        rinfo = gateway._rinfo()
        if self.config.option.verbose > 0 and rinfo.executable != sys.executable:
            version = "%s.%s.%s" % tuple(rinfo.version_info[:3])
            about = (gateway.id, rinfo.platform, version, rinfo.cwd)
            self.rewrite("[%s] %s Python %s cwd: %s" % about, newline=True)
        self.step(gateway.spec, 1)

    def pytest_testnodeready(self, node):
        info = node.workerinfo
        if self.config.option.verbose > 0 and info.get("executable") != sys.executable:
            version = info["version"].replace("\n", " -- ")
            self.rewrite("[%s] Python %s" % (info["id"], version), newline=True)
        self.step(node.gateway.spec, 2)

    def pytest_testnodedown(self, node, error):
        if error:
            self.tr.write_line("[%s] node down: %s" % (node.gateway.id, error))


class XdistStatusLine:
    """The same by pytest-xdist's own reporter, so that it looks as in the version that is there."""

    def __init__(self, config):
        from xdist import dsession

        self.reporter = dsession.TerminalDistReporter(config)
        self.done = getattr(getattr(dsession, "WorkerStatus", None), "CollectionDone", None)
        self.reporter.setstatus, self.reporter.ensure_show_status  # they are what we call

    def collected(self, spec, count):
        if self.done is None:
            self.reporter.setstatus(spec, "[%d]" % count)
        else:
            self.reporter.setstatus(spec, self.done, tests_collected=count)

    def show(self):
        self.reporter.ensure_show_status()


def make_status_line(config):
    """(what tells it of collections, the plugin to register)"""
    try:
        if config.pluginmanager.hasplugin("xdist"):
            line = XdistStatusLine(config)
            return line, line.reporter
    except Exception:
        pass
    line = StatusLine(config)
    return line, line


def xdist_interrupted():
    """The exception with which pytest-xdist's controller stops early; its name is shown."""
    try:
        from xdist.dsession import Interrupted
    except Exception:

        class Interrupted(KeyboardInterrupt):
            """The run stops early."""

        Interrupted.__module__ = "farflung"
        Interrupted.__qualname__ = "Interrupted"
    return Interrupted


def class_of(place, otherwise):
    """A class by [module, name], as far as it can be found."""
    import importlib

    try:
        found = getattr(importlib.import_module(place[0]), place[1])
        if isinstance(found, type) and issubclass(found, Warning):
            return found
    except Exception:
        pass
    return otherwise


def warning_of(data):
    """The warnings.WarningMessage that relay.py's warning_data described."""
    import warnings

    message, category = data["text"], None
    if data["category"]:
        stand_in = type(data["category"][1], (Warning,), {"__module__": data["category"][0]})
        category = class_of(data["category"], stand_in)
    if data["class"]:
        kind = class_of(data["class"], None)
        try:
            message = kind(*data["args"])
        except Exception:
            message = Warning("%s.%s: %s" % (data["class"][0], data["class"][1], data["text"]))
    return warnings.WarningMessage(
        message, category, data["filename"], data["lineno"], line=data["line"], source=data["source"]
    )


def report_of(config, data):
    """The report, or one that says why it can't be read."""
    import pytest

    try:
        report = config.hook.pytest_report_from_serializable(config=config, data=dict(data))
        if report is not None:
            return report
        why = "no plugin knows a report of type %r" % data.get("$report_type")
    except Exception as exc:
        why = "the report can't be read: %s" % words_of(exc)
    nodeid, text = clean(data.get("nodeid", "?")), data.get("longrepr")
    outcome = data.get("outcome")
    failed = outcome not in ("passed", "skipped")
    longrepr = "%s\n%s" % (text if isinstance(text, str) else shown(text), why)
    if data.get("$report_type") == "CollectReport":
        return pytest.CollectReport(nodeid, "failed", longrepr, [])
    return pytest.TestReport(
        nodeid, (nodeid.split("::")[0], None, nodeid), {}, outcome if not failed else "failed",
        longrepr if failed else None, data.get("when") or "call",
    )  # fmt: skip


def failed_report(nodeid, text, when, outcome="failed"):
    import pytest

    path = nodeid.split("::")[0]
    return pytest.TestReport(nodeid, (path, None, path), {}, outcome, text, when)


def attempt_of(value):
    """What relay.py's Relay.attempt packed."""
    import json

    if not isinstance(value, str):
        return value
    nodeid, location, keywords, entries, warnings = json.loads(value)
    return nodeid, tuple(location), keywords, entries, warnings


class Replay:
    """Makes reports of an attempt."""

    def __init__(self, config, testrunuid):
        import pytest

        self.config = config
        self.testrunuid = testrunuid
        self.make = pytest.TestReport
        # Only pytest's own knows reports: those that say nothing needn't ask.
        self.direct = len(config.pluginmanager.hook.pytest_report_from_serializable.get_hookimpls()) == 1

    def reports(self, node, index, value):
        """The reports, one after another, each with what pytest-xdist hangs on it."""
        nodeid, location, keywords, entries, _ = value
        if type(keywords) is list:
            keywords = dict.fromkeys(keywords, 1)
        own = {
            "item_index": index,
            "worker_id": node.gateway.id,
            "testrun_uid": self.testrunuid,
        }
        before = []
        for entry in entries:
            if len(entry) == 4:
                report = self.brief(nodeid, location, keywords, entry, own)
                before = []
            else:
                data, shared = entry
                if type(data.get("sections")) is list:
                    before = before[:shared] + data["sections"]
                    data["sections"] = before
                else:
                    before = []
                data.update(own)
                report = report_of(self.config, data)
            report.node = node
            report.item_index = index
            yield report

    def brief(self, nodeid, location, keywords, entry, own):
        when, duration, start, stop = entry
        times = {"duration": duration}
        if start is not None:
            times.update(start=start, stop=stop)
        if self.direct:
            return self.make(
                nodeid, location, keywords, "passed", None, when, (), **times, user_properties=[], **own
            )
        data = {
            "nodeid": nodeid, "location": location, "keywords": dict(keywords), "outcome": "passed",
            "longrepr": None, "when": when, "user_properties": [], "sections": [],
            "$report_type": "TestReport",
        }  # fmt: skip
        data.update(times)
        data.update(own)
        return report_of(self.config, data)

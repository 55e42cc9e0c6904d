# Part of the pytest payload: what a worker tells the front, as front.py takes it. The runner passes it
# on without looking inside.
#
# Told at once, in ("front", value):
#   ("ready", workerinfo) · ("collected", count, [node id, …] or None, files or None) · ("start", nodeid,
#   location)   files: so many are there, of which nobody has collected one
#   ("groups", {node id: that without @group})
#   ("collect_report", report) · ("warning", warning, when, nodeid, location)
#   ("internal_error", text) · ("output", workeroutput)
# With a test's "done":  (nodeid, location, keywords, [entry, …], [warning's four values, …])
#   entry: (when, duration, start, stop) of a report that says no more than that it passed, or
#          (report, shared) with the number of sections that it has in common with the one before.
#   If all reports are of the first kind and nobody warned: that as JSON, which both ends are fast at.
# report: what pytest_report_to_serializable made of it. keywords: names, if all their values are 1.
import json
import sys

REPORT_VALUES_MAX = 1 << 20  # in one report: a deep traceback has many lines
INT64 = 1 << 63
STANDARD = frozenset(
    "nodeid _id location keywords outcome longrepr when user_properties sections duration start stop "
    "$report_type".split()
)


def sendable(value, depth=40):
    """Whether `value` is made of builtin types, within the bounds of what can be sent."""
    kind = type(value)
    if kind is str:
        if len(value) > TEXT_MAX:
            return False
        return value.isascii() or raw(value) is value
    if value is None or kind is bool or kind is float:
        return True
    if kind is int:
        return -INT64 < value < INT64
    if not depth:
        return False
    if kind is tuple or kind is list:
        return all(sendable(item, depth - 1) for item in value)
    if kind is dict:
        for key, item in value.items():
            if not sendable(key, depth - 1) or not sendable(item, depth - 1):
                return False
        return True
    return kind is bytes and len(value) <= TEXT_MAX


def sent(value):
    return value if sendable(value) else plain(value, left=[REPORT_VALUES_MAX])


def shorten(text, cap):
    """Captured output of which the job wants no more than `cap`: head and tail."""
    if not cap or len(text) <= cap:
        return text
    head, tail = cap - cap // 2, cap // 2
    cut_out = "\n[… %d characters were cut here: output_cap is %d …]\n" % (len(text) - cap, cap)
    return text[:head] + cut_out + (text[-tail:] if tail else "")


def about_interpreter():
    """What pytest-xdist's controller knows of a gateway."""
    import os

    return {
        "executable": clean(sys.executable),
        "version_info": tuple(sys.version_info),
        "platform": sys.platform,
        "cwd": clean(os.getcwd()),
        "pid": os.getpid(),
    }


def workerinfo():
    import platform

    about = about_interpreter()
    return {
        "version": sys.version,
        "version_info": about["version_info"],
        "sysplatform": sys.platform,
        "platform": clean(platform.platform()),
        "executable": about["executable"],
        "cwd": about["cwd"],
    }


def warning_data(message):
    """A warnings.WarningMessage; its object is made anew where its class can be found."""
    said, category = message.message, message.category
    own = isinstance(said, Warning)
    return {
        "text": clean(said),
        "class": [clean(type(said).__module__), clean(type(said).__name__)] if own else None,
        "args": list(said.args) if own and sendable(said.args) else None,
        "category": [clean(category.__module__), clean(category.__name__)] if category else None,
        "filename": clean(message.filename),
        "lineno": message.lineno if sendable(message.lineno) else 0,
        "line": None if message.line is None else clean(message.line),
        "source": None if message.source is None else shown(message.source),
    }


class Relay:
    """Tells the front what happens in a session."""

    def __init__(self, channel, config, output_cap, told):
        self.channel = channel
        self.config = config
        self.output_cap = output_cap
        self.wants_ids = told.get("ids")
        self.wants_starts = told.get("starts")
        self.reports, self.warnings = [], []
        import pytest

        # Only pytest's own knows reports: those that say nothing needn't ask.
        impls = config.pluginmanager.hook.pytest_report_to_serializable.get_hookimpls()
        self.silent = pytest.TestReport if len(impls) == 1 else None

    def send(self, *value):
        try:
            self.channel.send(("front", value))
        except OSError:
            raise
        except Exception:
            self.channel.send(("front", plain(value, left=[REPORT_VALUES_MAX])))

    def serialized(self, report):
        try:
            data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
            if type(data) is dict:
                if self.output_cap and data.get("sections"):
                    data["sections"] = [
                        (title, shorten(text, self.output_cap)) for title, text in data["sections"]
                    ]
                return data
            why = "pytest_report_to_serializable gave %s" % shown(data)
        except Exception as exc:
            why = "the report can't be read: %s" % words_of(exc)
        return self.bare(report, why)

    def bare(self, report, why):
        """A report of which only the outcome is left, and `why`."""
        outcome = getattr(report, "outcome", None)
        phase = phase_of(report)
        return {
            "$report_type": "TestReport" if getattr(report, "when", "collect") != "collect"
            else "CollectReport",
            "nodeid": clean(getattr(report, "nodeid", "?")),
            "location": place_of(getattr(report, "location", None), "?") + ("?",),
            "keywords": {},
            "outcome": outcome if outcome in ("passed", "skipped") else "failed",
            "longrepr": "\n".join(filter(None, [phase["longrepr"], phase["message"], why])),
            "when": phase["when"],
            "sections": [],
            "duration": phase["duration"],
            "result": None,
        }

    # told at once

    def ready(self):
        self.send("ready", workerinfo())

    def collected(self, items, bare, files):
        if bare:
            self.send("groups", {clean(nodeid): clean(short) for nodeid, short in bare.items()})
        ids = [clean(item.nodeid) for item in items] if self.wants_ids else None
        self.send("collected", len(items), ids, files)

    def start(self, nodeid, location):
        if self.wants_starts:
            self.send("start", clean(nodeid), sent(location))

    def collect_report(self, report):
        data = self.serialized(report)
        self.send("collect_report", {clean(key): sent(value) for key, value in data.items()})

    def warning(self, message, when, nodeid, location):
        values = (warning_data(message), clean(when), clean(nodeid), sent(location))
        if when == "runtest":
            self.warnings.append(values)  # it is shown behind the reports of its test
        else:
            self.send("warning", *values)

    def internal_error(self, text):
        self.send("internal_error", text)

    def output(self, workeroutput):
        self.send("output", plain(workeroutput, left=[REPORT_VALUES_MAX]))

    # told with the test

    def report(self, report):
        """A report is made: what others do to it later is not part of it."""
        if type(report) is self.silent and report.outcome == "passed":
            known = report.__dict__
            if (
                known.get("longrepr") is None
                and not known.get("sections")
                and not known.get("user_properties")
                and STANDARD.issuperset(known)
            ):
                times = (report.when, report.duration, known.get("start"), known.get("stop"))
                self.reports.append((times, report.nodeid, report.location, report.keywords))
                return
        self.reports.append(self.serialized(report))

    def attempt(self, item, escaped=None):
        """The attempt that has just ended, with one more report for what ended the session."""
        reports, self.reports = self.reports, []
        warnings, self.warnings = self.warnings, []
        nodeid, location = item.nodeid, item.location
        if escaped or not reports:
            reports.append(self.unreported(nodeid, location, escaped))
        first = reports[0]
        keywords = first[3] if type(first) is tuple else first.get("keywords")
        entries, sections, brief = [], [], not warnings
        for data in reports:
            if type(data) is tuple:
                entry = data[0]
                if data[1] != nodeid or data[2] != location or data[3] != keywords:
                    data = self.spelled_out(data)
                    entry = None
            else:
                entry = self.brief(data, nodeid, location, keywords)
            if entry is None or not sendable(entry):
                data = self.spelled_out(data) if type(data) is tuple else data
                entry, sections = self.long(data, sections)
                brief = False
            else:
                sections = []
            entries.append(entry)
        names = keywords
        if type(keywords) is dict and all(type(v) is int and v == 1 for v in keywords.values()):
            names = list(keywords)
        value = (clean(nodeid), sent(location), sent(names), entries, warnings)
        if brief and type(names) is list and type(location) is tuple:
            return json.dumps(value)
        return value

    def spelled_out(self, silent):
        (when, duration, start, stop), nodeid, location, keywords = silent
        times = {} if start is None else {"start": start, "stop": stop}
        return dict(
            times, nodeid=nodeid, location=location, keywords=keywords, outcome="passed",
            longrepr=None, when=when, user_properties=[], sections=[], duration=duration,
            **{"$report_type": "TestReport"},
        )  # fmt: skip

    def brief(self, data, nodeid, location, keywords):
        if (
            data.get("outcome") != "passed"
            or data.get("sections")
            or data.get("longrepr") is not None
            or data.get("user_properties")
            or data.get("nodeid") != nodeid
            or data.get("location") != location
            or data.get("$report_type") != "TestReport"
            or data.get("keywords") != keywords
            or not STANDARD.issuperset(data)
        ):
            return None
        return data.get("when"), data.get("duration"), data.get("start"), data.get("stop")

    def long(self, data, before):
        sections, shared = data.get("sections"), 0
        if type(sections) in (list, tuple):
            for one, other in zip(sections, before):
                if one != other:
                    break
                shared += 1
            data["sections"] = list(sections[shared:])
        else:
            sections = []
        return ({clean(key): sent(value) for key, value in data.items()}, shared), sections

    def unreported(self, nodeid, location, escaped):
        text = trace_of(escaped)[0] if escaped else "the test ended without a report"
        return {
            "$report_type": "TestReport", "nodeid": clean(nodeid), "location": location,
            "keywords": {}, "outcome": "failed" if escaped else "skipped",
            "longrepr": text if escaped else (nodeid.split("::")[0], None, text),
            "when": "call", "sections": [], "duration": 0.0,
        }  # fmt: skip

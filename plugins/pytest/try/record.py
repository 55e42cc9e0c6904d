# What `farflung try` loads into plain pytest and into pytest-xdist's controller: it writes each test's
# outcome, judged by the same code as ours, as a line of JSON to $FARFLUNG_TRY_RECORD. The build puts
# reports.py before it. With $FARFLUNG_TRY_ONLY, a file of node ids, no other test is run.
import json
import os

open_file = open  # tests replace what is builtin
TEXT_SHOWN = 20000  # characters of what a failure says


class Recorder:
    def __init__(self, path):
        self.path = path
        self.reports = {}

    def write(self, **record):
        with open_file(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")

    def pytest_runtest_logreport(self, report):
        mine = self.reports.setdefault(report.nodeid, [])
        mine.append(report)
        text = "\n".join(render(r) or "" for r in mine if getattr(r, "outcome", "") == "failed")
        seconds = sum(getattr(r, "duration", 0) or 0 for r in mine)
        self.write(id=clean(report.nodeid), outcome=outcome_of(mine), text=text[-TEXT_SHOWN:], seconds=seconds)
        if report.when == "teardown":
            del self.reports[report.nodeid]

    def pytest_collectreport(self, report):
        if report.outcome == "failed":
            text = render(report) or ""
            self.write(id=clean(report.nodeid), outcome="error", text=text[-TEXT_SHOWN:], seconds=0)


class Chooser:
    def __init__(self, path):
        with open(path) as file:
            self.ids = set(json.load(file))

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if clean(item.nodeid) in self.ids]


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(Recorder(os.environ["FARFLUNG_TRY_RECORD"]), "farflung-recorder")
    if os.environ.get("FARFLUNG_TRY_ONLY"):
        config.pluginmanager.register(Chooser(os.environ["FARFLUNG_TRY_ONLY"]), "farflung-chooser")

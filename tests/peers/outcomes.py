"""A pytest plugin: writes each test's outcome into the file that PEERS_OUTCOMES names, as JSON, with the
first line of what failed. "hung" is one that did not end in its time."""
import json
import os

outcomes = {}


def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        said = report.outcome
        text = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
        if hasattr(report, "wasxfail"):
            said = "xfailed" if report.skipped else "xpassed"
        elif report.failed and "pytest-timeout" in text:
            said = "hung"
        outcomes[report.nodeid] = said, text.partition("\n")[0]


def pytest_sessionfinish():
    with open(os.environ["PEERS_OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(outcomes, file)

"""A pytest plugin: writes each test's outcome into the file that PEERS_OUTCOMES names, as JSON."""
import json
import os

outcomes = {}


def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        said = report.outcome
        if hasattr(report, "wasxfail"):
            said = "xfailed" if report.skipped else "xpassed"
        outcomes[report.nodeid] = said


def pytest_sessionfinish():
    with open(os.environ["PEERS_OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(outcomes, file)

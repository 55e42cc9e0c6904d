"""What is run with each plugin of pytest: a small suite, options, and what of it is compared.

A case names packages, files, options, the files that the plugin leaves (`leaves`: pattern -> how it is read), and what
the terminal says of it (`says`: regular expressions, all of whose matches are compared). Each
of these has to find something under pytest-xdist, but those in `none`, which have to find nothing there. With `ssh` ours
runs on two hosts, each with a folder of its own, to an sshd of ours on this machine; pytest-xdist runs here.
"""
import json
import re
import xml.etree.ElementTree as ElementTree


class Case:
    def __init__(self, name, files, args=(), packages=None, leaves=None, says=(), none=(), env=None, ssh=False):
        self.name = name
        self.files = files
        self.args = list(args)
        self.packages = [f"pytest-{name}"] if packages is None else list(packages)
        self.leaves = leaves or {}
        self.says = list(says)
        self.none = list(none)  # of the patterns
        self.env = env or {}
        self.ssh = ssh


# How files are read: what may differ from run to run is left out.


def exists(_):
    return "there"


def words(*patterns):
    """All matches of these patterns, sorted."""

    def read(text):
        return sorted(str(match) for pattern in patterns for match in re.findall(pattern, text))

    return read


def cobertura(text):
    root = ElementTree.fromstring(text)
    return {c.get("filename"): (c.get("line-rate"), c.get("branch-rate")) for c in root.iter("class")}


def json_report(text):
    report = json.loads(text)
    return report["exitcode"], report["summary"], sorted((t["nodeid"], t["outcome"]) for t in report["tests"])


def report_log(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return sorted((str(r.get("nodeid")), str(r.get("when")), str(r.get("outcome")), r["$report_type"]) for r in lines)


def allure_result(text):
    result = json.loads(text)
    return result["fullName"], result["status"], sorted((s["name"], s["status"]) for s in result.get("steps", []))


def benchmarks(text):
    return sorted(entry["fullname"] for entry in json.loads(text)["benchmarks"])


PASSING = "def test_a(): pass\ndef test_b(): pass\n"
MIXED = (
    "import pytest\ndef test_pass(): pass\ndef test_fail(): assert 1 == 2\ndef test_skip(): pytest.skip('not now')\n"
    "@pytest.mark.xfail\ndef test_xfail(): assert 0\n@pytest.fixture\ndef bad(): raise ValueError('bad')\n"
    "def test_error(bad): pass\n"
)
FLAKY = (
    "import os, pathlib\ndef test_flaky():\n    seen = pathlib.Path(__file__).with_name('seen')\n"
    "    first = not seen.exists()\n    seen.write_text('x')\n    assert not first\n"
    "def test_good(): pass\ndef test_bad(): assert 0\n"
)
COVERED = {
    "code.py": "def f(x):\n    if x:\n        return 1\n    return 2\n\ndef never():\n    return 3\n",
    "test_one.py": "import code_ as code\ndef test_one(): assert code.f(1) == 1\n",
    "test_two.py": "import code_ as code\ndef test_two(): assert code.f(1) == 1\n",
}
COVERED = {name.replace("code.py", "code_.py"): text for name, text in COVERED.items()}
IN_CHILD = {
    **COVERED,
    ".coveragerc": "[run]\npatch = subprocess\nparallel = true\n",
    "test_three.py": (
        "import subprocess, sys\n"
        # The packages are in no site-packages: coverage's .pth is not read by itself.
        "CHILD = 'import os, site; site.addsitedir(os.environ[\"PYTHONPATH\"]); import code_; assert code_.never() == 3'\n"
        "def test_three(): subprocess.run([sys.executable, '-c', CHILD], check=True)\n"
    ),
}
MANY = {f"test_{x}.py": "".join(f"def test_{i}(): pass\n" for i in range(5)) for x in "abc"}
SUBTESTS = (
    "import unittest\nclass TestU(unittest.TestCase):\n    def test_u(self):\n        for i in range(3):\n"
    "            with self.subTest(i=i): self.assertNotEqual(i, 1)\n"
    "def test_parts(subtests):\n    for i in range(3):\n        with subtests.test(msg='part', i=i): assert i != 2\n"
    "def test_whole(): pass\n"
)
DJANGO = {
    "settings.py": (
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3', 'TEST': {'NAME': 'test.sqlite3'}}}\n"
        "USE_TZ = True\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n"
    ),
    "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = settings\n",
    "test_users.py": (
        "import pytest\nfrom django.db import connection\n"
        "@pytest.mark.django_db\n@pytest.mark.parametrize('n', range(4))\ndef test_user(n, worker_id):\n"
        "    from django.contrib.auth.models import User\n    assert User.objects.count() == 0\n"
        "    User.objects.create_user('u%d' % n)\n    assert worker_id in connection.settings_dict['NAME']\n"
        "def test_forbidden():\n    from django.contrib.auth.models import User\n    User.objects.count()\n"
    ),
}
BDD = {
    "a.feature": "Feature: sums\n  Scenario: good\n    Given one\n    Then it is 1\n  Scenario: bad\n    Given one\n    Then it is 2\n",
    "test_bdd.py": (
        "from pytest_bdd import given, parsers, scenarios, then\nscenarios('a.feature')\n"
        "@given('one', target_fixture='n')\ndef one(): return 1\n"
        "@then(parsers.parse('it is {x:d}'))\ndef check(n, x): assert n == x\n"
    ),
}
HANGING = "import time, pytest\ndef test_hangs(): time.sleep(60)\ndef test_good(): pass\n"
ASYNC = "async def test_ok():\n    import asyncio\n    await asyncio.sleep(0)\nasync def test_bad(): assert 0\n"
XPROCESS = (
    "import socket, sys\nimport pytest\nfrom xprocess import ProcessStarter\n"
    "@pytest.fixture\ndef server(xprocess, worker_id):\n    class Starter(ProcessStarter):\n        pattern = 'ready'\n"
    "        args = [sys.executable, '-u', '-c', 'import time; print(\"ready\"); time.sleep(60)']\n"
    "    name = 'server-' + worker_id\n    yield xprocess.ensure(name, Starter)\n    xprocess.getinfo(name).terminate()\n"
    "def test_a(server): assert server\ndef test_b(server): assert server\n"
)

CASES = [
    Case("cov", COVERED, ["--cov=code_", "--cov-report=term"], leaves={".coverage": exists, ".coverage.*": exists}, none=[".coverage.*"],
         says=[r"code_\.py +\d+ +\d+ +\d+%"]),
    Case("cov-xml-branch", COVERED, ["--cov=code_", "--cov-branch", "--cov-report=xml"], ["pytest-cov"],
         leaves={"coverage.xml": cobertura, ".coverage.*": exists}, none=[".coverage.*"]),
    Case("cov-html", COVERED, ["--cov=code_", "--cov-report=html"], ["pytest-cov"], leaves={"htmlcov/index.html": words(r"\d+%")}),
    Case("cov-fail-under", COVERED, ["--cov=code_", "--cov-fail-under=99"], ["pytest-cov"],
         says=[r"Required test coverage of \d+% not reached"]),
    Case("cov-subprocess", IN_CHILD, ["--cov=code_", "--cov-report=term"], ["pytest-cov"], leaves={".coverage.*": exists}, none=[".coverage.*"],
         says=[r"code_\.py +6 +1 +83%"]),
    Case("cov-ssh", COVERED, ["--cov=code_", "--cov-report=term", "--cov-report=xml"], ["pytest-cov"], ssh=True,
         leaves={"coverage.xml": cobertura, ".coverage": exists, ".coverage.*": exists}, none=[".coverage.*"], says=[r"code_\.py +\d+ +\d+ +\d+%"]),
    Case("cov-subprocess-ssh", IN_CHILD, ["--cov=code_", "--cov-report=term"], ["pytest-cov"], ssh=True, says=[r"code_\.py +6 +1 +83%"]),
    Case("rerunfailures", {"test_f.py": FLAKY}, ["--reruns=2"], says=[r"\d+ rerun\b"]),
    Case("rerunfailures-ssh", {"test_f.py": FLAKY}, ["--reruns=2"], ["pytest-rerunfailures"], ssh=True, says=[r"\d+ rerun\b"]),
    Case("retry", {"test_f.py": FLAKY}, ["--retries=2"], says=[r"\d+ retried"]),
    Case("retry-ssh", {"test_f.py": FLAKY}, ["--retries=2"], ["pytest-retry"], ssh=True, says=[r"\d+ retried"]),
    Case("randomly", MANY, ["--randomly-seed=7"]),
    Case("random-order", MANY, ["--random-order", "--random-order-seed=7"], says=[r"random-order-seed=7", r"--random-order-bucket=\w+"]),
    Case("mypy", {"test_m.py": "x: int = 'text'\ndef test_a() -> None: pass\n"}, ["--mypy"], says=[r"Found \d+ error"]),
    Case("metadata", {"test_a.py": PASSING}, ["--metadata", "colour", "blue", "-v"], says=[r"'colour': 'blue'"]),
    Case("html", {"test_m.py": MIXED}, ["--html=report.html", "--self-contained-html"],
         leaves={"report.html": words(r"test_m\.py::test_\w+", r"\d+ Failed")}),
    Case("json-report", {"test_m.py": MIXED}, ["--json-report", "--json-report-file=report.json"], leaves={"report.json": json_report}),
    Case("reportlog", {"test_m.py": MIXED}, ["--report-log=log.jsonl"], leaves={"log.jsonl": report_log}),
    Case("timeout-signal", {"test_h.py": HANGING}, ["--timeout=1"], ["pytest-timeout"]),
    Case("timeout-thread", {"test_h.py": HANGING}, ["--timeout=1", "--timeout-method=thread"], ["pytest-timeout"]),
    Case("asyncio", {"test_a.py": ASYNC}, ["--asyncio-mode=auto"]),
    Case("anyio", {"test_a.py": "import pytest\npytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n" + ASYNC},
         packages=["anyio"]),
    Case("hypothesis", {"test_h.py": "from hypothesis import given, settings, strategies as st\n@settings(derandomize=True, database=None)\n@given(st.integers())\ndef test_i(i): assert i < 100\n@given(st.text())\ndef test_t(t): pass\n"},
         ["--hypothesis-show-statistics"], ["hypothesis"], says=[r"Hypothesis Statistics", r"test_h\.py::test_\w:$"]),
    Case("benchmark", {"test_b.py": "def test_b(benchmark): benchmark(sum, [1, 2])\ndef test_n(): pass\n"},
         ["--benchmark-json=bench.json", "--benchmark-max-time=0.01"], leaves={"bench.json": benchmarks}, says=[r"Benchmarks are automatically disabled"],
         none=["bench.json"]),
    Case("django", DJANGO, packages=["pytest-django", "django"], leaves={"test*.sqlite3*": exists}, none=["test*.sqlite3*"]),
    Case("django-ssh", DJANGO, packages=["pytest-django", "django"], ssh=True),
    Case("bdd", BDD, ["--cucumberjson=bdd.json"], leaves={"bdd.json": exists}),
    Case("order", {"test_o.py": "import pytest\n@pytest.mark.order(2)\ndef test_x(): pass\n@pytest.mark.order(1)\ndef test_y(): pass\n"}),
    Case("sugar", {"test_m.py": MIXED}, ["--force-sugar"], says=[r"\d+%", r"✓|✗"]),
    Case("instafail", {"test_m.py": MIXED}, ["--instafail"], says=[r"_+ test_fail _+"]),
    Case("github-actions-annotate-failures", {"test_m.py": MIXED}, says=[r"::error file=\S+?,line=\d+"], env={"GITHUB_ACTIONS": "true"}),
    Case("allure", {"test_m.py": "import allure\ndef test_a():\n    with allure.step('one'): pass\n" + MIXED}, ["--alluredir=allure"],
         ["allure-pytest"], leaves={"allure/*-result.json": allure_result}),
    Case("subtests", {"test_s.py": SUBTESTS}, says=[r"\d+ subtests? passed"]),
    Case("mock", {"test_m.py": "import os\ndef test_m(mocker):\n    mocker.patch('os.getcwd', return_value='/x')\n    assert os.getcwd() == '/x'\ndef test_n(mocker):\n    stub = mocker.stub()\n    stub.assert_called_once()\n"}),
    Case("forked", {"test_f.py": "import os, signal\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_good(): pass\ndef test_bad(): assert 0\n"}, ["--forked"]),
    Case("repeat", {"test_a.py": PASSING}, ["--count=3"]),
    Case("xprocess", {"test_x.py": XPROCESS}),
    Case("httpserver", {"test_w.py": "import urllib.request\ndef test_w(httpserver):\n    httpserver.expect_request('/a').respond_with_data('yes')\n    assert urllib.request.urlopen(httpserver.url_for('/a')).read() == b'yes'\n"}),
]  # fmt: skip

"""What conftests do on the controlling side: one hook or two each, and what they leave or say of it."""
from plugin_cases import FLAKY, MANY, MIXED, PASSING, Case

MINE = "def is_mine(config): return not hasattr(config, 'workerinput')\n"
LOG = MINE + "def log(*words):\n    with open('log', 'a') as file: print(*words, file=file)\n"
DIES = "import os\ndef test_dies():\n    if not os.path.exists('died'):\n        open('died', 'w').close()\n        os._exit(9)\ndef test_good(): pass\n"


def lines(text):
    return sorted(text.splitlines())


def variant(name, conftest, tests, args=(), leaves=("log",), says=()):
    files = {"conftest.py": LOG + conftest, **(tests if isinstance(tests, dict) else {"test_v.py": tests})}
    return Case(f"conftest-{name}", files, args, (), dict.fromkeys(leaves, lines), says)


VARIANTS = [
    variant("configure-node", (
        "def pytest_configure_node(node):\n    node.workerinput['colour'] = 'blue'\n    log(node.gateway.id)\n"
    ), "def test_v(request): assert request.config.workerinput['colour'] == 'blue'\n"),
    variant("workeroutput", (
        "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_sessionfinish(session):\n"
        "    if not is_mine(session.config): session.config.workeroutput['ran'] = 'some'\n"
        "def pytest_testnodedown(node, error): log(node.gateway.id, error, node.workeroutput['ran'])\n"
    ), MANY),
    variant("setup", (
        "import shutil, tempfile\ndef pytest_configure(config):\n    if is_mine(config):\n"
        "        config.place = tempfile.mkdtemp()\n        log('made')\n"
        "def pytest_configure_node(node): node.workerinput['place'] = node.config.place\n"
        "def pytest_unconfigure(config):\n    if is_mine(config):\n        shutil.rmtree(config.place)\n        log('removed')\n"
    ), "import os\ndef test_v(request): assert os.path.isdir(request.config.workerinput['place'])\n"),
    variant("sessionstart", (
        "def pytest_sessionstart(session):\n    if is_mine(session.config): log('start', sorted(session.config.option.file_or_dir))\n"
    ), PASSING),
    variant("sessionfinish", (
        "def pytest_sessionfinish(session, exitstatus):\n"
        "    if is_mine(session.config): log('finish', int(exitstatus), session.testsfailed)\n"
    ), MIXED),
    variant("exitstatus", (
        "def pytest_sessionfinish(session):\n    if is_mine(session.config):\n        log('changed')\n        session.exitstatus = 7\n"
    ), PASSING),
    variant("terminal-summary", (
        "def pytest_terminal_summary(terminalreporter, exitstatus):\n"
        "    terminalreporter.section('mine')\n    for key in ('passed', 'failed', 'skipped', 'error'):\n"
        "        terminalreporter.line('MINE %s %d' % (key, len(terminalreporter.stats.get(key, []))))\n"
    ), MIXED, leaves=(), says=[r"^MINE .*", r"^=+ mine =+$"]),
    variant("header", (
        "def pytest_report_header(config): return ['MINE: a header', 'MINE: two']\n"
    ), PASSING, leaves=(), says=[r"^MINE.*"]),
    variant("teststatus", (
        "def pytest_report_teststatus(report):\n    if report.when == 'call' and report.passed: return 'fine', 'F!', 'FINE'\n"
    ), PASSING, ["-v"], leaves=(), says=[r"\bFINE\b", r"\d+ fine\b"]),
    variant("logreport", (
        "def pytest_runtest_logreport(report):\n"
        "    if hasattr(report, 'node'): log(report.nodeid, report.when, report.outcome, report.node.gateway.id[:2])\n"
    ), MIXED),
    variant("logstart", (
        "def pytest_runtest_logstart(nodeid, location): log('start', nodeid, location[2])\n"
        "def pytest_runtest_logfinish(nodeid): log('finish', nodeid)\n"
    ), PASSING),
    variant("makereport", (
        "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item):\n    outcome = yield\n"
        "    report = outcome.get_result()\n    report.note = {'name': item.name, 'list': [1, 2.5, None]}\n"
        "    report.user_properties.append(('mine', report.when))\n"
        "def pytest_runtest_logreport(report):\n    if hasattr(report, 'node'): log(report.note, report.user_properties)\n"
    ), MIXED),
    variant("warnings", (
        "def pytest_warning_recorded(warning_message, when, nodeid):\n    log(warning_message.category.__name__, when, nodeid)\n"
    ), "import warnings\ndef test_v(): warnings.warn('mine')\ndef test_w(): warnings.warn('other', DeprecationWarning)\n",
        says=[r"\d+ warnings?\b"]),
    variant("crash", (
        "def pytest_handlecrashitem(crashitem, report, sched):\n    log(crashitem, report.outcome)\n"
        "    sched.mark_test_pending(crashitem)\n    report.outcome = 'rerun'\n"
    ), DIES),
    variant("collection-finished", (
        "def pytest_xdist_node_collection_finished(node, ids): log(node.gateway.id, len(ids), ids[0])\n"
    ), MANY),
    variant("nodes", (
        "def pytest_xdist_setupnodes(config, specs): log('setup', [spec.id for spec in specs])\n"
        "def pytest_xdist_newgateway(gateway): log('gateway', gateway.id, gateway.spec.popen)\n"
        "def pytest_testnodeready(node): log('ready', node.gateway.id, node.workerinfo['id'])\n"
    ), PASSING),
    variant("options", (
        "def pytest_addoption(parser): parser.addoption('--colour', default='none')\n"
        "def pytest_configure(config):\n    if is_mine(config): log(config.option.colour, config.option.numprocesses, config.option.dist)\n"
    ), "def test_v(pytestconfig): assert pytestconfig.getoption('colour') == 'blue'\n", ["--colour=blue"]),
    variant("raises", (
        "def pytest_sessionfinish(session):\n    if is_mine(session.config): raise RuntimeError('mine')\n"
    ), PASSING, leaves=(), says=[r"RuntimeError: mine"]),
    variant("maxfail", (
        "def pytest_sessionfinish(session):\n    if is_mine(session.config): log(bool(session.shouldstop or session.shouldfail))\n"
    ), {"test_f.py": FLAKY.replace("def test_good(): pass\n", "")}, ["--maxfail=1", "-p", "no:randomly"]),
]

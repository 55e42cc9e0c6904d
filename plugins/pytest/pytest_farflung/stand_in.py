# Part of the pytest payload, of the front and of the plugin: what pytest-xdist would bring where it isn't installed,
# so that what plugins, conftests and settings expect of it is there: hooks, options, fixtures, the
# marker; and pytest's configuration with that.
import os

FARFLUNG_MARK = (
    "farflung(serial, resource, host, timeout, retries, weight, memory): what the test needs of the workers "
    "that farflung spreads tests over; serial=True: nothing runs beside it; resource='db': one test at a "
    "time has it; host='tag': only there; timeout=s, retries=n: its own limits; weight=n: takes n workers "
    "of its host; memory='2G': of what its host has for such tests"
)

# With these pytest shows something and ends; there is no run that could have two sides.
ONLY_SHOWS = (
    "help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow", "setupplan",
    "collectonly", "usepdb", "trace",
)  # fmt: skip


def only_shows(option):
    return any(getattr(option, name, False) for name in ONLY_SHOWS)


def add_own_options(parser):
    """Those of the plugin pytest-farflung. Settings may have them, and not each host has the plugin."""
    group = parser.getgroup("farflung", "distributed testing with farflung")
    group.addoption(
        "--farflung", action="store_true", default=False,
        help="spread the tests by the program farflung: -n, --dist, --tx and the like, as pytest-xdist "
        "has them, are its options then",
    )  # fmt: skip
    group.addoption(
        "--farflung-args", action="append", metavar="OPTIONS", default=[],
        help="more options for the program, as farflung pytest has them: '--retries 2 --session-timeout 1m'",
    )  # fmt: skip
    parser.addini("farflung_args", "more options for the program, before --farflung-args", type="args", default=[])
    parser.addini("farflung", "as if --farflung was given", type="bool", default=False)
    parser.addini("farflung_program", "where the program farflung is", default="")


def side():
    """Tells that plugin that this session is a part of a run already."""
    import types

    plugin = types.ModuleType("farflung-side")
    plugin.pytest_addoption = add_own_options
    return plugin


def hookspecs():
    """Hooks that conftests implement, also those who don't say optionalhook."""
    import pytest

    first = pytest.hookspec(firstresult=True)
    spec = pytest.hookspec()

    class Hooks:
        @spec
        def pytest_xdist_setupnodes(self, config, specs):
            """Before the first worker starts."""

        @spec
        def pytest_xdist_newgateway(self, gateway):
            """A gateway is open."""

        @spec
        def pytest_xdist_rsyncstart(self, source, gateways):
            """Never called: trees are brought along by the runner."""

        @spec
        def pytest_xdist_rsyncfinish(self, source, gateways):
            """Never called."""

        @first
        def pytest_xdist_getremotemodule(self):
            """Never called."""

        @spec
        def pytest_configure_node(self, node):
            """A worker is about to start: fill node.workerinput."""

        @spec
        def pytest_testnodeready(self, node):
            """A worker's session has started."""

        @spec
        def pytest_testnodedown(self, node, error):
            """A worker has ended; its last words are in node.workeroutput."""

        @spec
        def pytest_xdist_node_collection_finished(self, node, ids):
            """A worker has collected."""

        @first
        def pytest_xdist_make_scheduler(self, config, log):
            """An object that decides who runs what."""

        @first
        def pytest_xdist_auto_num_workers(self, config):
            """What -n auto means."""

        @first
        def pytest_handlecrashitem(self, crashitem, report, sched):
            """A worker died while it ran this test."""

    return Hooks


def add_own_markers(config):
    """That of farflung, for --strict-markers and --markers; once, whoever comes first."""
    if not any(line.startswith("farflung(") for line in config.getini("markers")):
        config.addinivalue_line("markers", FARFLUNG_MARK)


def add_xdist_options(parser):
    group = parser.getgroup("xdist", "distributed testing")
    add = group._addoption  # short options in lower case are pytest's own, or this one
    add("-n", "--numprocesses", dest="numprocesses", metavar="N", default=None,
        type=lambda text: int(text) if text.isdigit() else text)  # or auto, or logical
    add("--dist", default="no", choices=(
        "auto", "each", "load", "loadscope", "loadfile", "loadgroup", "worksteal", "no"))
    add("-d", dest="distload", action="store_true", default=False)
    for name, dest in (("--maxprocesses", "maxprocesses"), ("--testrunuid", "testrunuid"),
                       ("--max-worker-restart", "maxworkerrestart"),
                       ("--maxschedchunk", "maxschedchunk")):
        add(name, dest=dest, default=None)
    for name in ("tx", "px", "rsyncdir", "rsyncignore"):
        add("--" + name, dest=name, action="append", default=[])
    add("--loadscope-reorder", dest="loadscopereorder", action="store_true", default=True)
    add("--no-loadscope-reorder", dest="loadscopereorder", action="store_false")
    for name in ("rsyncdirs", "rsyncignore"):
        parser.addini(name, "for pytest-xdist", type="pathlist" if name == "rsyncdirs" else "linelist")


class XdistOptions:
    """Its options for workers: pytest's settings may have them."""

    def pytest_addoption(self, parser, pluginmanager):
        import importlib.util

        if pluginmanager.is_blocked("xdist") or not importlib.util.find_spec("xdist"):
            add_xdist_options(parser)


def stand_in(workerinput=None):
    """A plugin in place of pytest-xdist; `workerinput` in workers only."""
    import types

    import pytest

    def pytest_addhooks(pluginmanager):
        if not pluginmanager.hasplugin("xdist"):
            pluginmanager.add_hookspecs(hookspecs())

    def pytest_configure(config):
        config.addinivalue_line(
            "markers", "xdist_group(name): tests of one name run on the same worker, one by one"
        )

    @pytest.fixture(scope="session")
    def worker_id():
        """The id of this worker, such as gw0."""
        return workerinput["workerid"]

    @pytest.fixture(scope="session")
    def testrun_uid():
        """The id that all workers of this run share."""
        return workerinput["testrunuid"]

    plugin = types.ModuleType("farflung-fixtures")  # fixtures of an instance are deprecated
    plugin.worker_id, plugin.testrun_uid = worker_id, testrun_uid
    plugin.pytest_addhooks, plugin.pytest_configure = pytest_addhooks, pytest_configure
    return plugin


def controller_stand_in():
    """The same for the front, with xdist's options: they are in its arguments, and others read them."""
    plugin = stand_in()
    plugin.pytest_addoption = add_xdist_options
    return plugin


def configure(args, plugins, addopts):
    """pytest's configuration. Without `addopts`, what PYTEST_ADDOPTS says is among `args` already."""
    from _pytest.config import _prepareconfig

    taken = None if addopts else os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        return _prepareconfig(args, [side()] + (plugins or []))
    finally:
        if taken is not None:
            os.environ["PYTEST_ADDOPTS"] = taken


def controller_configuration(args, said, addopts):
    """The same as pytest-xdist's controller has it, with xdist if it is there and nobody put it aside,
    else with what stands for it. `said`: those of the arguments that are the user's."""
    import importlib.util

    import pytest

    words = " ".join(said) + " " + (os.environ.get("PYTEST_ADDOPTS", "") if addopts else "")
    installed = importlib.util.find_spec("xdist") is not None and "no:xdist" not in words
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        installed = installed and "xdist" in words + os.environ.get("PYTEST_PLUGINS", "")
    try:
        return configure(args, None if installed else [controller_stand_in()], addopts)
    except (pytest.UsageError, ValueError) as exc:  # it was the other way round
        words = str(exc)
        if not ("-n" in words or "--dist" in words or "--tx" in words or "numprocesses" in words):
            raise
        return configure(args, [controller_stand_in()] if installed else None, addopts)

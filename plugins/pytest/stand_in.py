# Part of the pytest payload and of the front: what pytest-xdist would bring where it isn't installed,
# so that what plugins and conftests expect of it is there: hooks, options, fixtures, the marker.


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


def stand_in(workerinput=None):
    """A plugin in place of pytest-xdist; `workerinput` in workers only."""
    import pytest

    class StandIn:
        def pytest_addhooks(self, pluginmanager):
            if not pluginmanager.hasplugin("xdist"):
                pluginmanager.add_hookspecs(hookspecs())

        def pytest_configure(self, config):
            config.addinivalue_line(
                "markers", "xdist_group(name): tests of one name run on the same worker, one by one"
            )

        @pytest.fixture(scope="session")
        def worker_id(self):
            """The id of this worker, such as gw0."""
            return workerinput["workerid"]

        @pytest.fixture(scope="session")
        def testrun_uid(self):
            """The id that all workers of this run share."""
            return workerinput["testrunuid"]

    return StandIn()


def controller_stand_in():
    """The same for the front, with xdist's options: they are in its arguments, and others read them."""

    class Options(type(stand_in())):
        def pytest_addoption(self, parser):
            group = parser.getgroup("xdist", "distributed testing")
            count = lambda text: text if text in ("auto", "logical") else int(text)  # noqa: E731
            group._addoption("-n", "--numprocesses", dest="numprocesses", type=count)
            group._addoption("-d", dest="distload", action="store_true", default=False)
            group.addoption("--maxprocesses", dest="maxprocesses", type=int)
            group.addoption("--max-worker-restart", dest="maxworkerrestart")
            group.addoption("--dist", dest="dist", default="no")
            for name in ("tx", "px", "rsyncdir", "rsyncignore"):
                group.addoption("--" + name, dest=name, action="append", default=[])
            group.addoption("--testrunuid", dest="testrunuid")

    return Options()

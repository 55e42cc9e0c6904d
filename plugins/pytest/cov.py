# Part of the pytest payload and of the front: where pytest-cov does not manage by itself when workers have
# folders of their own, and what it gathers there travels in workeroutput.
import os


class CovApart:
    """In workers. Such a worker takes what lies beside its own data file for its children's, and that
    may be other workers' of the host, which write at the same time: it has a folder to itself."""

    folder = None

    def pytest_sessionstart(self):
        import tempfile

        self.folder = tempfile.mkdtemp(prefix="farflung-cov-")
        before = os.environ.get("COVERAGE_FILE")
        os.environ["COVERAGE_FILE"] = os.path.join(self.folder, ".coverage")
        yield
        if before is None:
            del os.environ["COVERAGE_FILE"]
        else:
            os.environ["COVERAGE_FILE"] = before

    def pytest_unconfigure(self):
        import shutil

        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def cov_apart(config):
    """Does so where pytest-cov sees that it does not share the controller's folder."""
    import socket

    import pytest

    told = config.workerinput
    place = (socket.gethostname(), os.getcwd())
    if "cov_master_host" in told and place != (told["cov_master_host"], told.get("cov_master_topdir")):
        CovApart.pytest_sessionstart = pytest.hookimpl(hookwrapper=True, tryfirst=True)(
            CovApart.pytest_sessionstart
        )
        config.pluginmanager.register(CovApart(), "farflung-cov")


def cov_told(config):
    """In the front, around pytest_testnodedown: pytest-cov measures nothing there, but puts what a worker has
    measured into an object that warns of that."""
    import contextlib
    import warnings

    @contextlib.contextmanager
    def quiet():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Module \S+ was never imported|Module \S+ was previously imported, "
                                    "but not measured|No data was collected")
            yield

    return quiet() if config.pluginmanager.hasplugin("_cov") else contextlib.nullcontext()


def map_coverage(config, node):
    """In the front: a worker's files stand for those here. pytest-cov notes the folders itself, but not in
    the one of its objects that combines."""
    path = getattr(node, "workeroutput", {}).get("cov_worker_path")
    controller = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    combining = getattr(controller, "combining_cov", None)
    if not path or combining is None:
        return
    paths = combining.get_option("paths") or {}
    ours = paths.setdefault("farflung", [controller.topdir])
    if path not in ours:
        ours.append(path)
        combining.set_option("paths", paths)


def coverage_lacks(config):
    """In the front: why pytest-cov fails a run in which no test failed, in words; "" if it does not."""
    cov = config.pluginmanager.getplugin("_cov")
    total, least = getattr(cov, "cov_total", None), getattr(getattr(cov, "options", None), "cov_fail_under", None)
    try:
        return "the coverage of %.2f%% is below --cov-fail-under=%g" % (total, least) if total < least else ""
    except TypeError:
        return ""  # it does not say, or not yet

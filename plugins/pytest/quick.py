# Part of the pytest payload: what pytest does again and again around each test, done once, or not at all
# where it would find nothing. Each of these changes nothing that anybody can see, and is left out where
# this pytest is not built as expected.
import gc
import os

END = os.SEEK_END


def quick_snap(capture, lseek=os.lseek):
    """What a capture of a descriptor has, which is mostly nothing: then four calls of the system, and their
    way through three layers of io, are one. It leaves the position where reading would have left it."""
    read, descriptor, nothing = capture.snap, capture.tmpfile.fileno(), type(capture.EMPTY_BUFFER)()

    def snap():
        try:
            if not lseek(descriptor, 0, END):
                return nothing
        except OSError:  # a test closed it: that is told as ever
            pass
        return read()

    return snap


def quicken_capture(config):
    capturing = getattr(config.pluginmanager.getplugin("capturemanager"), "_global_capturing", None)
    for name in ("out", "err"):
        capture = getattr(capturing, name, None)
        if type(capture).__module__ == "_pytest.capture" and type(capture).__name__ == "FDCapture":
            capture.snap = quick_snap(capture)


def quicken_paths(_):
    """Where a code object is from is asked of each test, and its file is looked for each time."""
    from _pytest._code.code import Code

    find, known = Code.path.fget, {}

    def path(code):
        name = code.raw.co_filename
        there = known.get(name)
        if there is None:
            there = find(code)
            if os.path.isabs(name) and isinstance(there, os.PathLike):
                known[name] = there
        return there

    Code.path = property(path, doc=find.__doc__)


def quicken_order(_):
    """Tests are put in the order of their parameters, looking at each once for every scope. Those of a file
    that has none stay as they are."""
    from _pytest import fixtures

    order = fixtures.reorder_items

    def reorder(items):
        if any(hasattr(item, "callspec") for item in items) or len(set(items)) < len(items):
            return order(items)
        return list(items)

    fixtures.reorder_items = reorder


class Proxies:
    """Which conftests see a node's hooks is worked out anew for each of its hooks, though it depends on
    nothing but its path and the plugins that there are."""

    def __init__(self, session):
        self.find = session.gethookproxy
        self.known = {}

    def __call__(self, fspath):
        try:
            return self.known[fspath]
        except (KeyError, TypeError):
            pass
        proxy = self.find(fspath)  # which may load conftests, and so forget all
        try:
            self.known[fspath] = proxy
        except TypeError:
            pass
        return proxy

    def pytest_plugin_registered(self):
        self.known.clear()


def quicken_hooks(session):
    session.gethookproxy = Proxies(session)
    session.config.pluginmanager.register(session.gethookproxy, "farflung-proxies")


def spare_collector():
    """What was collected lives as long as the session does: the garbage collector need not look at it again
    and again. Who asks for a full collection, or for what there is, gets all of it."""
    if not hasattr(gc, "freeze"):
        return

    def thawed(function):
        def call(*args, **kwargs):
            gc.unfreeze()
            return function(*args, **kwargs)

        call.__name__ = call.__qualname__ = function.__name__
        call.__doc__ = function.__doc__
        return call

    for name in ("collect", "get_objects", "get_referrers"):
        setattr(gc, name, thawed(getattr(gc, name)))
    gc.freeze()


def quicken(session):
    """Before the first test."""
    for quicker, what in (
        (quicken_capture, session.config), (quicken_hooks, session), (quicken_paths, session),
        (quicken_order, session),
    ):  # fmt: skip
        try:
            quicker(what)
        except (AttributeError, TypeError):
            pass
    spare_collector()

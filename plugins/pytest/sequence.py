# Which tests a session runs, in which order, if it repeats what a worker of an earlier run did: those
# of a list, one by one, also one that is there twice, whatever plugins make of the order.
import copy
import os

# (dest, what it is then): they choose tests by what an earlier session left, or end this one early.
NOT_REPEATED = (
    ("lf", False), ("failedfirst", False), ("newfirst", False), ("stepwise", False),
    ("stepwise_skip", False), ("maxfail", 0), ("collectonly", False),
)  # fmt: skip

GONE = "the earlier run had this test, and it is not collected now: it is not repeated"
NAMED = 5  # of those that are gone, in the session's last words


def without_place(name):
    """Of `ID@group`, `ID@gw1` (--dist loadgroup, each): ID."""
    return name.rsplit("@", 1)[0]


def twin(item):
    """The same test once more: an item of its own, or what stands around the two would stay up between
    them."""
    other = copy.copy(item)
    for name in ("stash", "_store"):
        if hasattr(item, name):
            setattr(other, name, type(getattr(item, name))())
    other._report_sections = []
    other.user_properties = list(item.user_properties)
    if hasattr(other, "_initrequest"):
        other._initrequest()
    return other


class Sequence:
    """Our plugin for this, behind all that choose and order tests."""

    def __init__(self, config, names, apart, send):
        self.names = names
        self.send = send
        self.gone = []
        self.files = self.files_of(config) if apart else None

    def files_of(self, config):
        """Those that the tests are in; None: not all of them can be told by their names."""
        root = str(getattr(config, "rootpath", None) or config.rootdir)
        paths = {os.path.realpath(os.path.join(root, name.split("::", 1)[0])) for name in self.names}
        return paths if all(map(os.path.isfile, paths)) else None

    def leave_out(self, config):
        """Arguments that are other files are not collected."""
        if self.files is None:
            return
        here = str(getattr(getattr(config, "invocation_params", None), "dir", os.getcwd()))
        config.args = [arg for arg in config.args if self.is_wanted(here, str(arg).split("::", 1)[0])]

    def is_wanted(self, here, arg):
        path = os.path.realpath(os.path.join(here, arg))
        return not os.path.isfile(path) or path in self.files

    def ignore(self, path):
        """True: a file that no test of ours is in. A package's own is what holds its tests together."""
        path = str(path)
        if self.files is None or os.path.basename(path) == "__init__.py" or not os.path.isfile(path):
            return None
        return None if os.path.realpath(path) in self.files else True

    def choose(self, config, before, items):
        by_name = {}
        for item in before + items:  # what was deselected is there, too; what is left wins
            by_name[clean(item.nodeid)] = item
        chosen, seen = [], set()
        for name in self.names:
            item = by_name.get(name) or by_name.get(without_place(name))
            if item is None:
                self.gone.append(name)
                continue
            chosen.append(twin(item) if id(item) in seen else item)
            seen.add(id(item))
        others = [item for item in items if id(item) not in seen]
        items[:] = chosen
        if others:
            config.hook.pytest_deselected(items=others)

    def complain(self):
        for name in dict.fromkeys(self.gone):
            problem = {"nodeid": name, "outcome": "failed", "longrepr": GONE, "message": GONE}
            self.send("collect_report", problem)

    def pytest_collection_modifyitems(self, config, items):
        before = list(items)
        outcome = yield
        outcome.get_result()
        self.choose(config, before, items)
        self.complain()


class Ignoring:
    def __init__(self, sequence):
        self.sequence = sequence

    def pytest_ignore_collect(self, collection_path):
        return self.sequence.ignore(collection_path)


def take_sequence(config, sequence, send):
    """(names, whether only their files are collected), or None; before pytest configures."""
    if sequence is None:
        return None
    import pytest

    hook = pytest.hookimpl
    for dest, value in NOT_REPEATED:
        if hasattr(config.option, dest):
            setattr(config.option, dest, value)
    names, apart = sequence
    Sequence.pytest_collection_modifyitems = hook(hookwrapper=True, tryfirst=True)(
        Sequence.pytest_collection_modifyitems
    )
    plugin = Sequence(config, names, apart and int(pytest.__version__.split(".")[0]) >= 7, send)
    if plugin.files is not None:
        plugin.leave_out(config)
        Ignoring.pytest_ignore_collect = hook(tryfirst=True)(Ignoring.pytest_ignore_collect)
        config.pluginmanager.register(Ignoring(plugin), "farflung-ignoring")
    config.pluginmanager.register(plugin, "farflung-sequence")
    return plugin

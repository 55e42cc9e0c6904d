# How a session is one of several: what pytest-xdist's options in its settings say, what belongs
# together, and the folders that all workers of a run share on a host.
import os
import sys

# What a worker can't do for the run: (name in the options, as it is written, its default values).
IN_VAIN = (
    ("tx", "--tx", ([], None)),
    ("px", "--px", ([], None)),
    ("maxprocesses", "--maxprocesses", (None,)),
    ("rsyncdir", "--rsyncdir", ([], None)),
    ("rsyncignore", "--rsyncignore", ([], None)),
    ("maxworkerrestart", "--max-worker-restart", (None,)),
    ("maxschedchunk", "--maxschedchunk", (None,)),
    ("testrunuid", "--testrunuid", (None,)),
    ("looponfail", "--looponfail", (False, None)),
)


def settings_of(config):
    """What the session's settings say; the command line's of the run is not among them."""
    option = config.option
    dist = getattr(option, "dist", "no")
    if getattr(option, "distload", False):
        dist = "load"
    number = getattr(option, "numprocesses", None)
    vain = []
    try:
        workers = -1 if number in (None, "auto") else int(number)
    except (TypeError, ValueError):
        workers = -1
        vain.append("-n %s in pytest's settings has no effect: give it on the command line" % clean(number))
    if workers == 0 or getattr(option, "usepdb", False):
        workers = 0
        dist = "no"
    elif dist == "no":
        dist = None  # that is how pytest-xdist has it where nothing is said
    for name, written, nothing in IN_VAIN:
        value = getattr(option, name, None)
        if value not in nothing:
            vain.append("%s in pytest's settings has no effect: give it on the command line" % written)
    if getattr(option, "loadscopereorder", True) is False:
        vain.append("--no-loadscope-reorder in pytest's settings has no effect: "
                     "give it on the command line")
    for name in ("rsyncdirs", "rsyncignore"):
        try:
            value = config.getini(name)
        except (KeyError, ValueError):
            continue  # of another version
        if value:
            vain.append("%s in pytest's settings has no effect: give --rsyncdir and --rsyncignore on "
                         "the command line" % name)
    return {"dist": dist, "workers": workers, "scopes": False, "driven": False, "notes": [], "vain": vain}


def cache_place(config, here):
    """The folder of pytest's cache, from the working directory if it is beside that, for who keeps it
    for the whole run; None: it has none, or nothing is to be kept."""
    if not config.pluginmanager.hasplugin("cacheprovider") or config.option.collectonly:
        return None
    try:
        path = os.path.expandvars(os.path.expanduser(config.getini("cache_dir")))
        if os.path.isabs(path):
            return clean(path)
        return clean(os.path.relpath(os.path.join(str(getattr(config, "rootpath", None) or config.rootdir), path), here))
    except (KeyError, ValueError):
        return None


def family_of(config):
    """How JUnit's report is to be written: "xunit1" or "xunit2"."""
    try:
        family = config.getini("junit_family")
    except (KeyError, ValueError):
        return None
    return "xunit1" if family in ("legacy", "xunit1") else "xunit2"


class SuiteProperties:
    """Stands for pytest's plugin that writes JUnit's report, which workers don't have."""

    family = "xunit1"  # fixtures warn of others

    def __init__(self, send):
        self.send = send

    def add_global_property(self, name, value):
        self.send("property", clean(name), clean(value))

    def node_reporter(self, *args, **kwargs):
        return self

    def add_attribute(self, name, value):
        """Of record_xml_attribute, which is for one writer's eyes."""


def take_properties(config, send):
    """Lets record_testsuite_property reach the report."""
    try:
        from _pytest.junitxml import xml_key

        stash = getattr(config, "stash", None) or config._store
        if stash.get(xml_key, None) is None:
            stand_in = SuiteProperties(send)
            config.pluginmanager.register(stand_in, "farflung-properties")
            stash[xml_key] = stand_in
    except Exception:
        pass  # another pytest has it elsewhere, or -p no:junitxml


class Groups:
    """With loadgroup: a plugin that puts a test's groups behind its id, as @group. It comes last, so
    that it is around all others: what they know of tests, as the cache, is without."""

    def __init__(self):
        self.of = {}  # by an item's id()
        self.bare = {}  # node ids without their group, by those with it

    def pytest_collection_modifyitems(self, items):
        yield
        for item in items:
            names = {
                str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
                for mark in item.iter_markers("xdist_group")
            }
            if names:
                group = "@" + "_".join(sorted(names))
                self.bare[item.nodeid + group] = item.nodeid
                rename(item, item.nodeid + group)
                self.of[id(item)] = group


def know_without_groups(config):
    """pytest-xdist's loadgroup leaves ids with @group in the cache: for --lf those are the tests
    without, which nobody else calls so."""
    plugin = config.pluginmanager.getplugin("lfplugin")
    known = getattr(plugin, "lastfailed", None)
    if isinstance(known, dict):
        make = cached_ids()
        names = [name for name in map(str, known) if "@" in name.rsplit("::", 1)[-1]]
        known.update({make(name.rpartition("@")[0]): True for name in names})


def lock_folder(folder):
    """A descriptor that holds the folder, or None where that can't be; not for long."""
    import time

    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    for _ in range(1000):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            time.sleep(0.01)  # the others make a folder
    os.close(descriptor)
    return None


def temporary_of_run(config, run):
    """The folder pytest-N of this run on this host: the first of its workers makes it."""
    import getpass
    import tempfile

    import pytest

    top = os.environ.get("PYTEST_DEBUG_TEMPROOT") or tempfile.gettempdir()
    try:
        user = getpass.getuser()
    except Exception:
        user = "unknown"
    top = os.path.join(os.path.realpath(top), "pytest-of-" + user)
    os.makedirs(top, mode=0o700, exist_ok=True)
    descriptor = lock_folder(top)
    if descriptor is None:
        return None
    try:
        numbers = [name[7:] for name in os.listdir(top) if name.startswith("pytest-")]
        for number in sorted((int(n) for n in numbers if n.isdigit()), reverse=True)[:20]:
            folder = os.path.join(top, "pytest-%d" % number)
            try:
                with open(os.path.join(folder, ".farflung")) as file:
                    if file.read() == run:
                        return folder
            except OSError:
                pass
        factory = pytest.TempPathFactory.from_config(config, _ispytest=True)
        folder = str(factory.getbasetemp())
        with open(os.path.join(folder, ".farflung"), "w") as file:
            file.write(run)
        return folder
    finally:
        os.close(descriptor)


def place_temporary(option, workerid):
    """Below the folder that was asked for each worker has its own."""
    base = getattr(option, "basetemp", None)
    if base:
        base = os.path.abspath(str(base))
        os.makedirs(base, exist_ok=True)
        option.basetemp = os.path.join(base, "popen-" + workerid)


def share_temporary(config, workerid, run):
    """The same in the folder of the run, which is made when the first test wants one."""
    factory = getattr(config, "_tmp_path_factory", None)
    if not run or getattr(factory, "_given_basetemp", run) is not None:
        return
    original = factory.getbasetemp

    def getbasetemp():
        if vars(factory).pop("getbasetemp", None):
            from pathlib import Path

            try:
                base = temporary_of_run(config, run)
            except Exception as exc:
                base = None
                sys.stderr.write("no common folder for temporary files: %s\n" % clean(exc))
            if base:
                factory._given_basetemp = Path(base, "popen-" + workerid)
        return original()

    factory.getbasetemp = getbasetemp

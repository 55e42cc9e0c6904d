# Part of the pytest payload: --collect shard. pytest's own collection walks down to the files without
# importing them; each file is collected by those workers that run tests of it, when they are given it.
import os
import re
import sys
from time import perf_counter as clock

# What sees all tests of a session at once; with --collect auto nobody but these may be among them.
WHOLE_HOOKS = (
    "pytest_collection", "pytest_collection_modifyitems", "pytest_collection_finish",
    "pytest_report_collectionfinish", "pytest_runtestloop",
)  # fmt: skip
ONE_BY_ONE = {
    "_hypothesis_pytestplugin": "marks each test that is its own",
    "anyio": "looks at one function at a time",
    "pytest_asyncio": "marks each coroutine function by itself",
    "pytest_cov": "stands around the loop, looks at no test",
}

# How others come to the tests of a session: session.items, which is no dict's items(), or their number.
READS_ALL = re.compile(rb"\.\s*items\b(?!\s*\()|\btestscollected\b|[\"']items[\"']\s*[,)]")
# Files of tests are imported later: they may not do so, nor bring plugins that do.
OF_SESSION = re.compile(rb"\bsession\s*\.\s*items\b|\btestscollected\b|^\s*pytest_plugins\b", re.MULTILINE)
SOURCE_MAX = 4 << 20  # a longer one is not looked at, but taken for one that does

# For each worker: with fewer most would come to be collected by several workers, as tests are taken
# over, and who knows all tests can hand out the longest first.
FILES_EACH = 2

NOT_SHARDED = (
    "all tests are collected by each worker because of %s; "
    "if that may see those of one file at a time, --collect shard has each file collected once; "
    "farflung try finds out, and it is remembered"
)

# The wrappers of pytest's hook that are also around the collection of one file.
AROUND_FILES = ("warnings", "logging-plugin")

# (dest, as it is given): they choose among all tests, or stop the whole session.
OF_ALL = (
    ("lf", "--lf"), ("failedfirst", "--ff"), ("newfirst", "--nf"), ("stepwise", "--sw"),
    ("collectonly", "--collect-only"),
)  # fmt: skip


def why_whole(config, settings, kw):
    """Why all is collected at once, whoever is registered; None: it need not be."""
    told = kw["told"] or {}
    if told.get("ids") or told.get("driven"):
        return "a hook in its front asks for all tests (pytest_xdist_node_collection_finished)"
    if settings["dist"] not in (None, "load", "worksteal", "loadfile"):
        return "of --dist %s" % settings["dist"]
    for dest, given in OF_ALL:
        if getattr(config.option, dest, False):
            return "of " + given
    return "of pytest_xdist_make_scheduler" if scheduler_hooks(config) else None


def who_sees_all(config):
    """(in words, its source or None) of each plugin and conftest that may look at all tests at once."""
    for name in WHOLE_HOOKS:
        for impl in getattr(config.pluginmanager.hook, name).get_hookimpls():
            if name == "pytest_collection_modifyitems" and not is_known(impl.plugin) and looks_at_one(impl):
                continue
            if is_conftest(impl.plugin):
                yield "%s (%s)" % (name, clean(impl.plugin.__file__)), impl.plugin.__file__
            elif not is_known(impl.plugin):
                yield "%s (%s)" % (name, clean(package_of(impl.plugin))), source_of(impl.plugin)
    for plugin in config.pluginmanager.get_plugins():
        path = None if is_known(plugin) else source_of(plugin)
        if path and reads_all(path, READS_ALL, b"session"):
            yield "what may read session.items (%s)" % clean(path), path


def suite_of(config, sources):
    """What tells this suite from others, and from itself when what sees all its tests has changed."""
    import hashlib

    import pytest

    known = hashlib.sha256()
    versions = ["%s %s" % (dist.project_name, dist.version) for _, dist in config.pluginmanager.list_plugin_distinfo()]
    for text in [sys.version, pytest.__version__, *sorted(versions)]:
        known.update(text.encode() + b"\0")
    top = str(getattr(config, "rootpath", None) or config.rootdir)
    inifile = getattr(config, "inipath", None) or getattr(config, "inifile", None)
    for path in sorted({str(path) for path in [*sources, inifile] if path}):
        known.update(raw(os.path.relpath(path, top)).encode() + b"\0")
        try:
            with open(path, "rb") as file:
                known.update(hashlib.sha256(file.read()).digest())
        except OSError:
            pass
    return known.hexdigest()[:32]


def package_of(plugin):
    return str(module_of(plugin)).split(".")[0]


def is_known(plugin):
    package = package_of(plugin)
    return package in ONE_BY_ONE or package in ("_pytest", "pytest", Shard.__module__)


def source_of(plugin):
    module = plugin if hasattr(plugin, "__file__") else sys.modules.get(str(module_of(plugin)))
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) and path.endswith(".py") else None


def reads_all(path, pattern, also=b""):
    """Whether a source looks as if it did; one that can't be read is a matter of its import."""
    try:
        with open(path, "rb") as file:
            text = file.read(SOURCE_MAX + 1)
    except OSError:
        return False
    return len(text) > SOURCE_MAX or also in text and bool(pattern.search(text))


class File:
    """Some nodes of one file, or below it, that were not collected yet."""

    def __init__(self, nodeid):
        self.nodeid = nodeid
        self.size = 0
        self.path = ""
        self.nodes = []
        self.first = None  # the place of its first item in the session's, once they are there
        self.digest = None


class Coming:
    """Stands for the first item of a file that is yet to be collected, as the one that runs next."""

    def __init__(self, node):
        self._node = node

    def __getattr__(self, name):
        return getattr(self._node, name)

    def listchain(self):
        return self._node.listchain() + [self]


class Shard:
    """Our plugin for this. Until the session has been walked through it stands before its genitems."""

    def __init__(self, config, auto, workers, sharded):
        self.config = config
        self.auto = auto
        self.enough = FILES_EACH * workers
        self.on = True  # false: it turned out that all must be collected at once
        self.why = self.suite = None
        self.sharded = sharded  # suites that come out the same
        self.files = []
        self.by_name = {}
        self.walked = []  # nodes as they came
        self.taken = None  # the file that is being collected
        self.items = []
        self.around = None
        self.left = None  # whose nodes the last teardown left alone, if not an item's

    # the walk

    def pytest_collection(self, session):
        if self.taken is None:
            session.genitems = lambda node: self.walk(session, node)
            return None
        for node in self.taken.nodes:
            self.items.extend(session.genitems(node))
        self.config.hook.pytest_collection_modifyitems(session=session, config=self.config, items=self.items)
        return True

    def walk(self, session, node):
        import pytest

        above = [one for one in node.listchain() if isinstance(one, pytest.File)]
        above = [one for one in above if not isinstance(one, pytest.Package)]
        if not above and not isinstance(node, pytest.Item):
            yield from type(session).genitems(session, node)  # which comes back here
            return
        self.walked.append(node)
        owner = above[0] if above else node
        file = self.by_name.get(owner.nodeid)
        if file is None:
            file = self.by_name[owner.nodeid] = File(owner.nodeid)
            self.files.append(file)
            file.path = str(getattr(owner, "path", None) or owner.fspath)
            try:
                file.size = os.stat(file.path).st_size
            except OSError:
                pass  # of no real file
        file.nodes.append(node)

    def pytest_collection_modifyitems(self, session, items):
        """At the end of the walk all conftests are there: the last look at who is registered."""
        if self.taken is not None or not self.on:
            return
        vars(session).pop("genitems", None)
        few = self.auto and len(self.files) < self.enough
        if self.auto and not few:
            self.look_who_sees_all()
        if not few and not self.why:
            return
        self.on = False
        for node in self.walked:
            items.extend(session.genitems(node))

    def look_who_sees_all(self):
        found = [*who_sees_all(self.config), *self.files_that_do()]
        if found:
            self.suite = suite_of(self.config, [source for _, source in found])
        if found and self.suite not in self.sharded:
            self.why = found[0][0]

    def files_that_do(self):
        """The same of the files that are yet to be imported."""
        for file in self.files:
            if file.path.endswith(".py") and reads_all(file.path, OF_SESSION):
                yield "what may read session.items, or bring plugins (%s)" % clean(file.nodeid), file.path

    # files

    def list(self, sources):
        sources.paths.update((file.nodeid, file.path) for file in self.files)
        return [clean(file.nodeid) for file in self.files], [file.size for file in self.files]

    def names(self):
        return digest_of(file.nodeid for file in self.files)

    def collect(self, session, file):
        """Gives the file's items, and how many errors that had; they are not the session's yet."""
        if self.around is None:
            manager = self.config.pluginmanager
            keep = [manager.getplugin(name) for name in AROUND_FILES] + [self]
            others = [plugin for plugin in manager.get_plugins() if not any(plugin is one for one in keep)]
            self.around = manager.subset_hook_caller("pytest_collection", remove_plugins=others)
        errors = session.testsfailed
        self.taken, self.items = file, []
        try:
            self.around(session=session)
        finally:
            self.taken = None
        items, self.items = self.items, []
        file.digest = digest_of(item.nodeid for item in items)
        return items, session.testsfailed - errors

    def coming(self, file):
        self.left = file
        return Coming(file.nodes[0])

    def before(self, session, item):
        """The last teardown left alone what the file that was to come needs. If that came to nothing,
        what is run now may need less."""
        left, self.left = self.left, None
        if left is not None and left.nodes[0] not in item.listchain():
            session._setupstate.teardown_exact(item)


def content_of(path):
    """What tells a file's content from what was there before; 0: no file, or nobody may read it."""
    import zlib

    try:
        with open(path, "rb") as file:
            return zlib.crc32(file.read())
    except OSError:
        return 0


class Sources:
    """Our plugin: how long each file of tests takes to be collected, its import included."""

    def __init__(self):
        self.took = {}  # node id: s
        self.paths = {}

    def pytest_make_collect_report(self, collector):
        import pytest

        began = clock()
        yield
        for node in collector.listchain():
            if isinstance(node, pytest.File) and not isinstance(node, pytest.Package):
                self.paths[node.nodeid] = str(getattr(node, "path", None) or node.fspath)
                self.took[node.nodeid] = self.took.get(node.nodeid, 0) + clock() - began
                break

    def told(self, names=None):
        """([node id, ...], [content, ...], [µs, ...]) of these files, or of all that were collected."""
        names = list(self.paths) if names is None else names
        return (
            [clean(name) for name in names],
            [content_of(self.paths[name]) for name in names],
            [int(self.took.get(name, 0) * 1e6) for name in names],
        )


class Files:
    """What a worker does with orders about files."""

    def take_file(self, order):
        """Of a file whose items are there, they wait; else the order does."""
        file, places = self.shard.files[order[1]], order[3]
        if file.first is None:
            self.coming.append(order)
        elif order[2] in (None, file.digest):
            self.pending.extend(file.first + place for place in places or ())

    def collect_file(self, order):
        session, (number, digest, places) = self.session, order[1:]
        file, deselected, errors = self.shard.files[number], self.deselected, 0
        if file.first is None:
            items, errors = self.shard.collect(session, file)
            self.send("sources", *self.sources.told([file.nodeid] if file.nodeid in self.sources.took else []))
            agrees = digest == file.digest
            ids = None if agrees else [clean(item.nodeid) for item in items]
            deselected = self.deselected - deselected
            with self.lock:
                file.first = len(session.items)
                session.items.extend(items)
                session.testscollected = len(session.items)
                marks = self.marks.told(items)
                if places is None:
                    bound = {mark[0] for mark in marks if mark[1]}
                    if bound and self.settings["dist"] == "loadfile":
                        bound = set(range(len(items)))
                    self.pending.extend(file.first + place for place in range(len(items)) if place not in bound)
            if marks and not agrees:
                self.send("marks", number, marks)
            self.send("tests", number, clean(file.digest), ids, len(items), deselected)
        if errors and not self.config.option.continue_on_collection_errors:
            raise session.Interrupted("%d error%s during collection" % (errors, "" if errors == 1 else "s"))
        if places is not None:
            with self.lock:
                self.take_file(order)
        self.check_stop()

    def check_stop(self):
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)


def digest_of(names):
    import hashlib

    digest = hashlib.sha256()
    for name in names:
        digest.update(raw(name).encode() + b"\0")
    return digest.hexdigest()


def make_shard(config, settings, kw):
    """Registers it where that is wanted and may be; None: all is collected at once."""
    import pytest

    if kw["collect"] not in ("shard", "auto"):
        return None
    auto = kw["collect"] == "auto"
    why = why_whole(config, settings, kw) or (auto and kw["workercount"] < 2 and "of one worker")
    if why:
        if not auto:
            settings["notes"].append("--collect shard has no effect because %s" % why)
        return None
    for name in ("pytest_collection", "pytest_collection_modifyitems"):
        setattr(Shard, name, pytest.hookimpl(tryfirst=True)(getattr(Shard, name)))
    shard = Shard(config, auto, kw["workercount"], kw["sharded"])
    config.pluginmanager.register(shard, "farflung-shard")
    return shard

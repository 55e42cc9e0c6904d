# What `farflung bisect` starts for each try: one plain session of pytest, in a process of its own, with
# just the tests of a list, in its order. The build puts reports.py, stand_in.py and sequence.py before it.
#
# FOLDER has `args` (pytest's, with a NUL behind each; before these "1" if PYTEST_ADDOPTS is among them) and
# NUMBER.tests (node ids, likewise; the last one is what this is about). Written there:
# NUMBER.result      "running" while that one runs, then "done OUTCOME"; or "missing" (it was not
#                    collected), "gone NAME" (another one was not), "broken WORDS"
# NUMBER.command     the words by which plain pytest runs the same here (with a NUL behind each)
# With ".plain" as a third word these words are what is run; with ".all" all files that the arguments name
# are collected, not just those of the tests.
import sys

open_file, replace_file = open, os.replace  # tests replace what is builtin


def read_words(path):
    with open_file(path, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]


class Result:
    """What became of the last test: our plugin in pytest."""

    def __init__(self, path, nodeid, earlier):
        self.path, self.nodeid = path, nodeid
        self.earlier = earlier  # how often it runs before, as it was tried again
        self.reports = []
        self.pid = os.getpid()  # a test may fork
        self.known = False

    def write(self, text):
        if os.getpid() != self.pid:
            return
        with open_file(self.path + ".new", "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        replace_file(self.path + ".new", self.path)
        self.known = True

    def is_it(self, nodeid):
        return clean(nodeid) in (self.nodeid, without_place(self.nodeid))

    def pytest_runtest_logstart(self, nodeid):
        self.reports = []
        if not self.is_it(nodeid):
            return
        self.earlier -= 1
        if self.earlier < 0:
            self.write("running")

    def pytest_runtest_logreport(self, report):
        if self.earlier >= 0 or not self.is_it(report.nodeid):
            return
        self.reports.append(report)
        if report.when == "teardown":
            self.write("done " + outcome_of(self.reports))


def own_words(config, args, kept):
    """Those of `args` that are options: what names files and tests is left out, and so is what chooses by
    an earlier session."""
    words = list(args)
    for named in reversed(getattr(config.option, "file_or_dir", None) or []):
        if named in words:
            del words[len(words) - 1 - words[::-1].index(named)]
    words = [word for word in words if word not in CHOOSES and word != "--"]
    manager = config.pluginmanager
    if kept["numprocesses"] and manager.hasplugin("xdist"):
        words.append("-n0")
    if kept["maxfail"]:
        words.append("--maxfail=0")
    return words + [word for name, word in STILL if manager.hasplugin(name)]


CHOOSES = {
    "--lf", "--last-failed", "--ff", "--failed-first", "--nf", "--new-first", "--sw", "--stepwise", "--sw-skip",
    "--stepwise-skip", "-x", "--exitfirst", "--co", "--collect-only", "--collectonly",
}  # fmt: skip
STILL = (("randomly", "--randomly-dont-reorganize"), ("random_order", "--random-order-bucket=none"))


def named_here(config, nodeid):
    """A node id as an argument in the working directory."""
    root = str(getattr(config, "rootpath", None) or config.rootdir)
    path, separator, rest = nodeid.partition("::")
    there = os.path.join(root, path)
    return (os.path.relpath(there) if os.path.exists(there) else path) + separator + rest


class Command:
    """Writes down how plain pytest would run the same."""

    def __init__(self, path, args, kept):
        self.path, self.args, self.kept = path, args, kept

    def pytest_collection_finish(self, session):
        config = session.config
        words = [sys.executable, "-m", "pytest"] + own_words(config, self.args, self.kept)
        words += [named_here(config, item.nodeid) for item in session.items]
        with open_file(self.path, "wb") as file:
            file.write(b"".join(os.fsencode(word) + b"\0" for word in words))


class Missing(Exception):
    pass


class Check:
    """Nothing is run if not all tests are there."""

    def __init__(self, sequence, result):
        self.sequence, self.result = sequence, result

    def pytest_runtestloop(self, session):
        if self.sequence.gone:
            gone = self.sequence.gone
            self.result.write("missing" if self.result.nodeid in gone else "gone " + gone[0])
            raise Missing()


def configured(args, addopts, sequence, number, result):
    """The session's configuration, with what makes it a try."""
    config = configure(["-o", "cache_dir=" + number + ".cache"] + args, [XdistOptions()], addopts)
    option, manager = config.option, config.pluginmanager
    kept = {name: getattr(option, name, None) for name in ("numprocesses", "maxfail")}
    for name in ("looponfail", "usepdb", "trace", "distload"):
        setattr(option, name, False)
    option.dist, option.numprocesses, option.maxprocesses = "no", None, None
    option.tx, option.px = [], []
    option.basetemp = number + ".tmp"
    if not manager.hasplugin("xdist"):
        manager.register(stand_in({"workerid": "master", "testrunuid": os.path.basename(number)}))
    sequence = take_sequence(config, sequence, lambda *item: None)
    manager.register(result, "farflung-result")
    manager.register(Check(sequence, result), "farflung-check")
    manager.register(Command(number + ".command", args, kept), "farflung-command")
    return config


def run_session(args, addopts, sequence, number, result):
    import pytest

    Check.pytest_runtestloop = pytest.hookimpl(tryfirst=True)(Check.pytest_runtestloop)
    Command.pytest_collection_finish = pytest.hookimpl(trylast=True)(Command.pytest_collection_finish)
    sys.argv = ["pytest"] + args
    config = configured(args, addopts, sequence, number, result)
    try:
        return config.hook.pytest_cmdline_main(config=config)
    finally:
        config._ensure_unconfigure()


def run_plain(number, result):
    import pytest

    words = read_words(number + ".command")[3:]
    sys.argv = ["pytest"] + words
    own = ["-o", "cache_dir=" + number + ".cache", "--basetemp=" + number + ".tmp"]
    return pytest.main(words + own, plugins=[result])


def cause_of(exc):
    """What went wrong, in a line: behind the usage in an error of that, say."""
    lines = [line.strip() for line in clean(exc).split("\n") if ": error: " in line]
    return lines[0] if lines else words_of(exc)


def main(folder, number, how=""):
    addopts, *args = read_words(os.path.join(folder, "args"))
    number = os.path.join(folder, number)
    names = read_words(number + ".tests")
    plain = how == ".plain"
    result = Result(number + (how if plain else "") + ".result", names[-1], 0 if plain else names.count(names[-1]) - 1)
    sys.path[0] = os.getcwd()
    try:
        if plain:
            status = run_plain(number, result)
        else:
            status = run_session(args, addopts != "1", (names, how != ".all"), number, result)
        words = "pytest's exit status is %s" % status
    except Missing:
        return
    except BaseException as exc:
        words = cause_of(exc)
        sys.stderr.write(trace_of(exc)[0])
    if not result.known:
        result.write("broken " + words)


main(*sys.argv[1:])

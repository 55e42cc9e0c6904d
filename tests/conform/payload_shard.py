"""payload.py with --collect shard: files are found without importing them, and collected when they are
given. Run with: python3 -m pytest tests/conform/payload_shard.py"""
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from payload_pytest import LIMIT, Run, suite  # noqa: E402, F401

LOG = """
    import os, pytest

    def log(text):
        with open(os.environ["FF_LOG"], "a") as fp:
            fp.write(text + "\\n")

    log("imported " + __name__)

    @pytest.fixture(scope="session")
    def for_session():
        log("+session"); yield; log("-session")

    @pytest.fixture(scope="package")
    def for_package(request):
        log("+package " + request.node.nodeid); yield; log("-package " + request.node.nodeid)

    @pytest.fixture(scope="module")
    def for_module(request):
        log("+module " + request.node.name); yield; log("-module " + request.node.name)

    @pytest.fixture(scope="class")
    def for_class(request):
        log("+class " + request.node.name); yield; log("-class " + request.node.name)
"""

SUITE = {
    "pytest.ini": "[pytest]\naddopts = -p no:cacheprovider --doctest-modules\nmarkers =\n  slow: marked\n",
    "conftest.py": LOG + """
    class Line(pytest.Item):
        def runtest(self): assert self.name != "bad"

    class Lines(pytest.File):
        def collect(self):
            for word in self.path.read_text().split():
                yield Line.from_parent(self, name=word)

    def pytest_collect_file(file_path, parent):
        if file_path.suffix == ".lines":
            return Lines.from_parent(parent, path=file_path)
    """,
    "words.lines": "one two bad",
    "test_plain.py": """
        import pytest
        from conftest import log
        log("imported plain")
        def test_one(for_session, for_module): pass
        @pytest.mark.slow
        def test_two(for_module): assert 0
        @pytest.mark.parametrize("n", [1, 2])
        def test_three(n): assert n == 1
        class TestHere:
            def test_four(self, for_class): pass
            class TestWithin:
                def test_five(self, for_class): pass
    """,
    "test_unit.py": """
        import unittest
        from conftest import log
        log("imported unit")
        class Case(unittest.TestCase):
            @classmethod
            def setUpClass(cls): log("+unit")
            @classmethod
            def tearDownClass(cls): log("-unit")
            def test_ok(self): pass
            def test_not(self): self.fail("no")
    """,
    "doc.py": '''
        def double(n):
            """
            >>> double(2)
            4
            """
            return 2 * n
    ''',
    "test_skipped.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
    "pack/__init__.py": "",
    "pack/test_a.py": "def test_pa(for_package): pass\ndef test_pb(for_package): pass\n",
    "pack/test_b.py": "def test_pc(for_package, for_session): pass\n",
    "pack/deep/__init__.py": "",
    "pack/deep/conftest.py": LOG,
    "pack/deep/test_c.py": "def test_pd(for_package): pass\n",
}


class Shard(Run):
    """One session that is given files; `pick`: what is done with what it says, or it gets all."""

    def __init__(self, folder, *args, collect="shard", pick=None, **kw):
        self.files, self.sizes, self.names, self.told = [], [], {}, []
        self.pick = pick
        super().__init__(folder, *args, collect=collect, orders=lambda give: self.drive_files(), **kw)

    def drive_files(self):
        todo = None
        while 1:
            try:
                item = self.receive()
            except EOFError:
                return
            if item[0] == "collected":
                self.order_it("list")
            elif item[0] == "files":
                self.files, self.sizes = item[1:]
                todo = list(range(len(self.files)))
                self.give(todo)
            elif item[0] == "ids":  # it did not
                self.order_it("run", list(range(len(item[1]))))
                self.order_it("end")
            elif item[0] == "tests":
                self.told.append(self.files[item[1]])
                if item[3] is not None:
                    self.names[self.files[item[1]]] = item[3]
                    self.ids = self.ids + item[3]
                if item[4] == 0:
                    self.give(todo)
            elif item[0] == "want":
                self.wants += 1
                self.give(todo)

    def give(self, todo):
        if todo:
            self.order_it("file", todo.pop(0), None, None)
        else:
            self.order_it("end")


def plain(folder, *args):
    """pytest's own outcomes by id, its exit status and log."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-v", "-rA", *args],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
    )
    outcomes = {}
    for name, word in re.findall(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)", done.stdout.decode(), re.M):
        outcomes[name] = {"XFAIL": "xfailed", "XPASS": "xpassed"}.get(word, word.lower())
    log = os.environ["FF_LOG"]
    text = open(log).read().split("\n") if os.path.exists(log) else []
    if os.path.exists(log):
        os.remove(log)
    return outcomes, done.returncode, text, done.stdout.decode()


def log_here():
    with open(os.environ["FF_LOG"]) as fp:
        return fp.read().split("\n")


@pytest.mark.parametrize("args", [
    [], ["-k", "test_p or one"], ["-m", "slow"], ["-m", "not slow"], ["--deselect", "test_plain.py::TestHere"],
    ["--ignore", "pack"], ["test_plain.py::TestHere::test_four", "pack/test_b.py"],
    ["test_plain.py::TestHere", "test_plain.py::test_one"], ["test_plain.py::test_three[2]", "test_unit.py::Case"],
    ["--pyargs", "pack.deep"], ["pack/deep", "doc.py", "words.lines"], ["test_skipped.py"], ["-k", "nothing_is_so"],
])  # fmt: skip
def test_it_runs_what_pytest_runs(suite, args):  # noqa: F811
    folder = suite(SUITE)
    outcomes, status, _, _ = plain(folder, *args)
    run = Shard(folder, *args)
    assert run.outcomes() == outcomes
    assert run.finished["exitstatus"] == status
    for file, names in run.names.items():
        assert names == [name for name in outcomes if name.split("::")[0] == file], "in pytest's order"
    deselected = sum(item[5] for item in run.items if item[0] == "tests")
    if args and args[0] in ("-k", "-m"):
        assert deselected == len(plain(folder)[0]) - len(outcomes)


def test_nothing_is_imported_before_it_is_given(suite):  # noqa: F811
    folder = suite(SUITE)
    seen = []

    class Looks(Shard):
        def give(self, todo):
            if os.path.exists(os.environ["FF_LOG"]):
                seen.append([line for line in log_here() if line in ("imported plain", "imported unit")])
            super().give(todo)

    run = Looks(folder)
    assert seen[0] == [] and seen[-1] == sorted(["imported plain", "imported unit"])
    assert run.told == run.files and len(run.files) >= 8
    assert run.sizes == [os.path.getsize(os.path.join(folder, name)) for name in run.files]


def test_each_scope_is_set_up_once_and_torn_down_behind_its_last_test(suite):  # noqa: F811
    folder = suite(SUITE)
    _, _, expected, _ = plain(folder)
    Shard(folder)
    assert [line for line in log_here() if line[:1] in "+-"] == [line for line in expected if line[:1] in "+-"]


def test_a_package_is_torn_down_though_the_file_that_kept_it_has_no_tests(suite):  # noqa: F811
    folder = suite({
        "conftest.py": LOG,
        "a/__init__.py": "",
        "a/test_1.py": "def test_1(for_package): pass\n",
        "a/test_2.py": "",
        "b/__init__.py": "",
        "b/test_3.py": "def test_3(for_package): pass\n",
    })
    _, _, expected, _ = plain(folder)
    run = Shard(folder)
    assert run.finished["exitstatus"] == 0 and len(run.tests) == 2
    assert [line for line in log_here() if line[:1] in "+-"] == [line for line in expected if line[:1] in "+-"]


def test_parts_of_a_file_and_what_is_given_back(suite):  # noqa: F811
    """As where another has collected it before: only some places, and the digest must agree."""
    folder = suite({"test_a.py": "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test(n): pass\n",
                    "test_b.py": "def test_b(): pass\n"})
    digest = Shard(folder).items
    digest = next(item[2] for item in digest if item[0] == "tests" and item[4] == 6)

    class Parts(Shard):
        def give(self, todo):
            if todo:
                todo.clear()
                self.order_it("file", 0, digest, [1, 3, 4])
                self.order_it("file", 0, digest, [5])
                self.order_it("file", 1, "0" * 64, [0])
                self.order_it("end")

    run = Parts(folder)
    tests = [item for item in run.items if item[0] == "tests"]
    assert [(item[1], item[3], item[4]) for item in tests] == [(0, None, 6), (1, ["test_b.py::test_b"], 1)]
    assert run.order == [1, 3, 4, 5], "where the tests are not the same, none of them is run"
    assert run.finished["exitstatus"] == 0


def test_a_stop_forgets_files_that_were_not_collected(suite):  # noqa: F811
    folder = suite(SUITE)

    class Stops(Shard):
        def give(self, todo):
            if todo is not None and len(todo) == len(self.files):
                for number in todo[:3]:
                    self.order_it("file", number, None, None)
                del todo[:3]
                self.order_it("drop", None)
            self.order_it("end")

    run = Stops(folder)
    assert len(run.told) <= 1 and run.finished["exitstatus"] in (0, 5)


@pytest.mark.parametrize("args, status, ran", [([], 2, 1), (["--continue-on-collection-errors"], 1, 2)])
def test_an_error_of_one_file(suite, args, status, ran):  # noqa: F811
    folder = suite({"test_a.py": "def test_a(): pass\n", "test_b.py": "import nothing_like_it\n",
                    "test_c.py": "def test_c(): pass\n"})
    assert plain(folder, *args)[1] == status
    run = Shard(folder, *args)
    (problem,) = run.named("collect_report")
    assert problem["nodeid"] == "test_b.py" and "nothing_like_it" in problem["longrepr"]
    assert run.finished["exitstatus"] == status and len(run.tests) == ran
    assert run.named("collected")[0]["go_on"] is bool(args)


def test_warnings_of_a_module_are_told(suite):  # noqa: F811
    folder = suite({"test_a.py": "import warnings\nwarnings.warn('at import')\ndef test_a(): pass\n"})
    (warning,) = Shard(folder).named("warning")
    assert warning["message"] == "at import" and not warning["nodeid"]


HOOK = "def pytest_collection_modifyitems(items): items.reverse()\n"
FEW = {"test_a.py": "def test_1(): pass\ndef test_2(): pass\n", "test_b.py": "def test_3(): pass\n"}
MORE = {"test_y.py": "def test_8(): pass\n", "test_z.py": "def test_9(): pass\n"}  # enough for two workers
MANY = dict(FEW, **MORE)


@pytest.mark.parametrize("where", ["conftest.py", "sub/conftest.py"])
def test_auto_collects_all_where_a_hook_may_see_all_of_it(suite, where):  # noqa: F811
    folder = suite(dict(MANY, **{where: HOOK, "sub/test_c.py": "def test_4(): pass\n"}))
    run = Shard(folder, collect="auto", workercount=2)
    assert run.files == [] and run.named("collected")[0]["count"] == 6
    (note,) = run.named("collected")[0]["spread"]["notes"]
    assert note.startswith("all tests are collected by each worker because of pytest_collection_modifyitems (")
    assert run.ids == list(plain(folder)[0]), "the hook saw them all"


@pytest.mark.parametrize("files, why", [
    ({"conftest.py": "import pytest\n@pytest.fixture(scope='session')\ndef names(request):\n"
                     "    return [item.name for item in request.session.items]\n"}, "what may read session.items ("),
    ({"conftest.py": "def pytest_sessionfinish(session):\n    for one in getattr(session, 'items'): one.name\n"},
     "what may read session.items ("),
    ({"conftest.py": "def pytest_runtestloop(session): pass\n"}, "pytest_runtestloop ("),
    ({"conftest.py": "def pytest_collection_finish(session): pass\n"}, "pytest_collection_finish ("),
    ({"conftest.py": "def pytest_report_collectionfinish(items): pass\n"}, "pytest_report_collectionfinish ("),
    ({"test_c.py": "def test_4(request): assert len(request.session.items) == 6\n"}, "what may read session.items, or"),
    ({"test_c.py": "pytest_plugins = ['helper']\ndef test_4(): pass\n", "helper.py": HOOK}, "what may read"),
    ({"conftest.py": "pytest_plugins = ['helper']\n", "helper.py": HOOK}, "pytest_collection_modifyitems (helper)"),
    ({"conftest.py": "def pytest_configure(config): config.pluginmanager.register(Own())\n"
                     "class Own:\n    def pytest_collection_modifyitems(self, items): items.reverse()\n"},
     "pytest_collection_modifyitems (conftest)"),
])  # fmt: skip
def test_auto_collects_all_where_tests_may_be_seen_otherwise(suite, files, why):  # noqa: F811
    run = Shard(suite(dict(MANY, **files)), collect="auto", workercount=2)
    assert run.files == [] and run.named("collected")[0]["count"] == (6 if "test_c.py" in files else 5)
    (note,) = run.named("collected")[0]["spread"]["notes"]
    assert note.startswith("all tests are collected by each worker because of " + why), note
    assert "--collect shard" in note, "and what could be done"


@pytest.mark.parametrize("conftest", [
    "import pytest\n@pytest.fixture(scope='session')\ndef pairs(): return list({1: 2}.items())\n",
    "def pytest_itemcollected(item): item.add_marker('slow')\n",
    "def pytest_generate_tests(metafunc): pass\n",
])  # fmt: skip
def test_auto_shards_what_looks_at_one_thing_at_a_time(suite, conftest):  # noqa: F811
    folder = suite(dict(MANY, **{"conftest.py": conftest}))
    assert Shard(folder, collect="auto", workercount=2).files == sorted(MANY)


@pytest.mark.parametrize("args, kw", [
    (["--lf"], {}), (["--ff"], {}), (["--collect-only"], {}), ([], {"dist": "loadscope"}), ([], {"dist": "each"}),
])  # fmt: skip
def test_what_looks_at_all_tests_has_them(suite, args, kw):  # noqa: F811
    folder = suite(dict(FEW, **{"pytest.ini": "[pytest]\n"}))
    run = Shard(folder, *args, **dict({"workercount": 2}, **kw))
    assert run.files == [] and run.named("collected")[0]["count"] == 3
    assert any("--collect shard has no effect" in note for note in run.named("collected")[0]["spread"]["notes"])


def test_auto_shards_a_plain_suite(suite):  # noqa: F811
    folder = suite(MANY)
    assert Shard(folder, collect="auto", workercount=2).files == sorted(MANY)
    assert Shard(folder, collect="auto", workercount=3).files == [], "too few files"
    assert Shard(folder, collect="auto", workercount=1).files == []
    assert Shard(folder, collect="every", workercount=2).files == []

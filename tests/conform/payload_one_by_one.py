"""What --collect auto takes for a hook that looks at one test at a time, and that such a one leaves the same tests
however it is asked. Run with: python3 -m pytest tests/conform/payload_one_by_one.py"""
import importlib.util
import itertools
import os
import sys
import textwrap

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from payload_pytest import suite  # noqa: E402, F401
from payload_shard import Shard, plain  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "plugins", "pytest"))

SUITE = {
    "pytest.ini": "[pytest]\naddopts = -p no:cacheprovider\nmarkers =\n  slow: marked\n  needs: marked\n",
    "test_a.py": """
        import pytest
        @pytest.mark.slow
        def test_1(): pass
        def test_2(): assert 0
        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_3(n): pass
    """,
    "test_b.py": "def test_4(): pass\ndef test_linux(): pass\n",
    "test_c.py": "import pytest\n@pytest.mark.needs('nothing')\ndef test_5(): pass\ndef test_db(): pass\n",
    "sub/test_d.py": "def test_6(): pass\n",
}
ONE_AT_A_TIME = {
    "marks": """
        import pytest
        def pytest_collection_modifyitems(config, items):
            if config.getoption("-m") == "all":
                return
            skip = pytest.mark.skip(reason="slow")
            for item in items:
                if "slow" in item.keywords:
                    item.add_marker(skip)
    """,
    "chooses": """
        def pytest_collection_modifyitems(config, items):
            kept = []
            left = []
            for item in list(items):
                if item.name.endswith("2"):
                    left.append(item)
                    continue
                kept.append(item)
            if left:
                config.hook.pytest_deselected(items=left)
                items[:] = kept
    """,
    "a list": """
        def pytest_collection_modifyitems(session, config, items):
            'those of Linux stay away'
            items[:] = [item for item in items if "linux" not in item.nodeid]
    """,
    "helpers": """
        import os, re, sys, pytest
        from pytest import mark
        WORDS = {"db": "a database", "4": "the fourth"}
        SHAPE = re.compile(r"test_(\\w+)")
        def needs(item):
            for marker in item.iter_markers(name="needs"):
                return marker.args[0]
            found = SHAPE.match(item.name)
            return WORDS.get(found.group(1)) if found else None
        def mark_all(items, config):
            for item in items:
                what = needs(item)
                if what is not None and not os.environ.get("HAS_" + what.upper()):
                    item.add_marker(mark.skip(f"needs {what}"))
        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(config, items):
            if not items:
                return
            mark_all(items, config)
    """,
    "own things": """
        import pathlib, pytest
        HERE = pathlib.Path(__file__).parent
        SLOW = ["test_3[1]", "test_6"]
        def pytest_collection_modifyitems(items):
            for item in items:
                item.user_properties.append(("file", str(item.fspath)))
                marks = [mark.name for mark in item.iter_markers()]
                if any(name in SLOW for name in [item.name]) or "needs" in marks:
                    item.add_marker(pytest.mark.xfail(strict=False))
                elif pathlib.Path(str(item.fspath)).parent == HERE / "sub":
                    item.add_marker("slow")
    """,
}
MAYBE_NOT = {
    "order": "items.reverse()",
    "sorted": "items.sort(key=lambda item: item.name)",
    "their number": "for item in items:\n    if len(items) > 3: item.add_marker('slow')",
    "counts": "n = 0\nfor item in items:\n    n += 1\n    if n > 3: item.add_marker('slow')",
    "remembers": "seen = set()\nfor item in items:\n    if item.name in seen: item.add_marker('slow')\n    seen.add(item.name)",
    "the one before": "last = None\nfor item in items:\n    if last: item.add_marker('slow')\n    last = item.name",
    "of the loop before": "for item in items:\n    for mark in item.iter_markers():\n        if kept: item.add_marker('slow')\n"
                          "        kept = mark",
    "all names": "names = {item.name for item in items}\nfor item in items:\n    if item.name in names: item.add_marker('slow')",
    "enumerated": "for i, item in enumerate(items):\n    if i > 2: item.add_marker('slow')",
    "the first": "items[0].add_marker('slow')",
    "up to one": "for item in items:\n    if item.name == 'test_3': break\n    item.add_marker('slow')",
    "returns": "for item in items:\n    if item.name == 'test_3': return\n    item.add_marker('slow')",
    "pairs": "for item in items:\n    for other in items:\n        if other.name in item.name: item.add_marker('slow')",
    "of what was chosen": "some = [i for i in items if '3' in i.name]\nfor item in items:\n    if some: item.add_marker('slow')",
    "taken away": "for item in list(items):\n    if '3' in item.name: items.remove(item)",
    "added": "items.extend(items)",
    "moved": "first = [i for i in items if '3' in i.name]\nrest = [i for i in items if '3' not in i.name]\nitems[:] = first + rest",
    "the session": "for item in items:\n    if item.session.testsfailed: item.add_marker('slow')",
    "by another name": "for item in items:\n    if getattr(item, 'session').testsfailed: item.add_marker('slow')",
    "kept in config": "for item in items:\n    config.last = item.name",
    "read of config": "for item in items:\n    if item.name != config.last: item.add_marker('slow')",
    "in a class": "for item in items:\n    item.cls.seen = True",
    "a global": "for item in items:\n    SEEN.append(item.name)",
    "a global that others change": "for item in items:\n    if item.name in CHANGED: item.add_marker('slow')",
    "a number that others change": "for item in items:\n    if COUNT > 3: item.add_marker('slow')",
    "an unknown function": "for item in items:\n    if keeps(item): item.add_marker('slow')",
    "as a default": "for item in items:\n    if by_default(item): item.add_marker('slow')",
    "a function as a value": "for item in items:\n    if max(['a'], key=keeps): item.add_marker('slow')",
    "a file": "for item in items:\n    open('names', 'a').write(item.name)",
    "text": "for item in items:\n    exec('SEEN.append(1)')",
    "a module": "import random\nfor item in items:\n    if random.random() > 2: item.add_marker('slow')",
    "raises": "for item in items:\n    if 'x' in item.name: raise ValueError(item.name)",
    "walrus": "for item in items:\n    if (last := item.name): item.add_marker('slow')",
    "a lambda": "keep = lambda item: True\nitems[:] = [item for item in items if keep(item)]",
    "a try": "try:\n    items[:] = []\nexcept ValueError:\n    pass",
    "deselects": "for item in items:\n    config.hook.pytest_deselected(items=[item])",
}
TOP = """
SEEN, CHANGED, COUNT = [], [], 0

def keeps(item):
    SEEN.append(item)
    return len(SEEN) > 3

def by_default(item, seen=[]):
    seen.append(item)
    return len(seen) > 3

def pytest_itemcollected(item):
    global COUNT
    COUNT += 1
    CHANGED.append(item.name)

"""
SHAPES = {
    "a wrapper": "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_collection_modifyitems(items):\n    yield\n",
    "a decorator": "import functools\ndef once(f):\n    seen = []\n    @functools.wraps(f)\n    def g(items):\n"
                   "        seen.append(1)\n        return f(items)\n    return g\n"
                   "@once\ndef pytest_collection_modifyitems(items):\n    pass\n",
    "a closure": "def make():\n    seen = []\n    def pytest_collection_modifyitems(items):\n        for item in items:\n"
                 "            if item.name in seen: item.add_marker('slow')\n    return pytest_collection_modifyitems\n"
                 "pytest_collection_modifyitems = make()\n",
    "made of text": "exec('def pytest_collection_modifyitems(items):\\n    items.reverse()\\n')\n",
    "two of one name": "def pytest_collection_modifyitems(items): items.reverse()\n"
                       "if 1: f = pytest_collection_modifyitems\ndef pytest_collection_modifyitems(items): pass\n"
                       "pytest_collection_modifyitems = f\n",
}  # fmt: skip


NUMBER = itertools.count()


def collected(folder):
    run = Shard(folder, collect="auto", workercount=2)
    return run, bool(run.files)


@pytest.mark.parametrize("kind", ONE_AT_A_TIME)
def test_one_at_a_time(suite, kind):  # noqa: F811
    folder = suite(dict(SUITE, **{"conftest.py": ONE_AT_A_TIME[kind]}))
    outcomes, status, _, _ = plain(folder)
    without = plain(suite(dict(SUITE, **{"conftest.py": ""})))[0]
    assert outcomes != without or kind == "own things", "the hook does something"
    run, sharded = collected(suite(dict(SUITE, **{"conftest.py": ONE_AT_A_TIME[kind]})))
    assert sharded and run.outcomes() == outcomes and run.finished["exitstatus"] == status


@pytest.mark.parametrize("kind", MAYBE_NOT)
def test_perhaps_not(suite, kind):  # noqa: F811
    hook = "def pytest_collection_modifyitems(config, items):\n" + textwrap.indent(MAYBE_NOT[kind], "    ") + "\n"
    assert not judged(suite, TOP + hook)
    if kind not in ("the session", "by another name"):
        assert judged(suite, TOP + "def pytest_collection_modifyitems(config, items):\n    pass\n")


@pytest.mark.parametrize("kind", SHAPES)
def test_other_shapes(suite, kind):  # noqa: F811
    assert not judged(suite, SHAPES[kind])


def judged(suite, text):
    """What the payload's reader says of a conftest's hook, without pytest."""
    folder = suite({"conftest.py": ""})
    path = os.path.join(str(folder), "hook_%d.py" % next(NUMBER))
    with open(path, "w") as file:
        file.write(text)
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reader = importlib.import_module("one_by_one")
    reader.SOURCE_MAX = 4 << 20  # shard.py's

    class Impl:
        hookwrapper = kind_of_hook(module)
        function = module.pytest_collection_modifyitems

    return reader.looks_at_one(Impl)


def kind_of_hook(module):
    return bool((getattr(module.pytest_collection_modifyitems, "pytest_impl", None) or {}).get("hookwrapper"))

"""payload.py where something goes wrong: how sessions end, and what can't be sent.
Run with: python3 -m pytest tests/conform/payload_faults.py"""
import os

import pytest

from payload_pytest import Run, open_farflung, plain_pytest, suite  # noqa: F401

PASSING = {"test_a.py": "def test_a(): pass\n"}
FAILING = {"test_a.py": "def test_a(): assert 0\ndef test_b(): pass\n"}
EXIT = "    import pytest; pytest.exit('no database', %s)\n"


def hook(head, body):
    return dict(PASSING, **{"conftest.py": "def %s:\n%s" % (head, body)})


# files, arguments, exit status, whether it is more than tests account for, why it ended
ENDS = [
    (PASSING, [], 0, False, ""),
    (FAILING, [], 1, False, ""),
    (FAILING, ["-x"], 1, False, "stopping after 1 failures"),
    (PASSING, ["-k", "nothing"], 5, False, ""),
    (hook("pytest_sessionstart(session)", EXIT % 1), [], 1, True, "Exit: no database"),
    (hook("pytest_sessionstart(session)", EXIT % 0), [], 0, False, "Exit: no database"),
    (hook("pytest_sessionstart()", "    raise KeyboardInterrupt"), [], 2, True, "KeyboardInterrupt"),
    (hook("pytest_sessionstart()", "    raise ValueError('a\\nb')"), [], 3, True,
     "internal error: ValueError: a"),
    (hook("pytest_configure()", EXIT % 3), [], 3, True, "Exit: no database"),
    (hook("pytest_collection_modifyitems()", EXIT % None), [], 2, True, "Exit: no database"),
    (hook("pytest_collection_finish()", "    raise KeyboardInterrupt('now')"), [], 2, True,
     "KeyboardInterrupt: now"),
    (hook("pytest_sessionfinish()", "    raise ValueError('leak found')"), [], 1, True,
     "ValueError: leak found (in pytest_sessionfinish)"),
    (hook("pytest_sessionfinish()", "    raise KeyboardInterrupt"), [], None, True,
     "KeyboardInterrupt (in pytest_sessionfinish)"),
    (hook("pytest_sessionfinish()", "    raise SystemExit(4)"), [], None, True,
     "SystemExit: 4 (in pytest_sessionfinish)"),
    (hook("pytest_sessionfinish()", EXIT % 1), [], 1, True, "Exit: no database"),
    (hook("pytest_sessionfinish()", EXIT % None), [], 0, False, "Exit: no database"),
    (hook("pytest_sessionfinish(session)", "    session.exitstatus = 7"), [], 7, True,
     "a hook set the exit status to 7"),
    (hook("pytest_sessionfinish(session)", "    session.exitstatus = 256"), [], None, True,
     "a hook set the exit status to 256"),
    (hook("pytest_sessionfinish(session)", "    session.exitstatus = -1"), [], 255, True,
     "a hook set the exit status to -1"),
    (hook("pytest_sessionfinish(session)", "    session.exitstatus = 5"), [], 5, True,
     "a hook set the exit status to 5"),
    (hook("pytest_sessionfinish(session)", "    session.exitstatus = 'bad'"), [], None, True,
     "the exit status 'bad' is no number"),
    (hook("pytest_runtest_logfinish(nodeid)",
          "    import sys; s = sys.modules['conftest'].SESSION; s.testsfailed += 1\n"
          "def pytest_sessionstart(session):\n    global SESSION; SESSION = session\n"),
     ["--import-mode=prepend"], 1, True, "the exit status is 1, but no test failed"),
    (hook("pytest_unconfigure()", "    1 / 0"), [], 1, True,
     "ZeroDivisionError: division by zero (in pytest_unconfigure)"),
    (hook("pytest_configure(config)",
          "    config.add_cleanup(lambda: 1 / 0)\n    config.add_cleanup(lambda: None)"), [], 1, True,
     "ZeroDivisionError: division by zero"),
    ({"test_a.py": "import nothing_there\n"}, [], 2, True, "1 error during collection"),
    ({"test_a.py": "import nothing_there\n", "test_b.py": "def test_b(): pass"},
     ["--continue-on-collection-errors"], 1, False, ""),
    (PASSING, ["--no-such-option"], 4, True, None),
]  # fmt: skip


@pytest.mark.parametrize("files, args, status, bad, stop", ENDS)
def test_ends(suite, files, args, status, bad, stop):  # noqa: F811
    folder = suite(files)
    run = Run(folder, *args)
    found = run.finished
    assert found["bad"] is bad and (stop is None or found["stop"] == stop)
    assert bool(found["exitstatus"]) or not bad
    if status is not None:  # where plain pytest itself ends sensibly: as that
        plain = plain_status(folder, *args)
        assert found["exitstatus"] == status == plain
    for text in run.named("trouble"):
        assert "Error" in text or "Interrupt" in text or "SystemExit" in text
        assert "/_pytest/" not in text and "/pluggy/" not in text
    assert run.named("trouble") or "(in " not in found["stop"]


def plain_status(folder, *args):
    import subprocess
    import sys

    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", *args]
    return subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=60).returncode  # fmt: skip


TESTS = "import pytest\ndef test_1(): pass\ndef test_2(): %s\ndef test_3(): pass\ndef test_4(): pass\n"


@pytest.mark.parametrize(
    "body, status, stop",
    [
        ("pytest.exit('the test machine is broken', returncode=9)", 9, "Exit: the test machine is broken"),
        ("pytest.exit('a\\n' * 3)", 2, "Exit: a"),
        ("raise KeyboardInterrupt", 2, "KeyboardInterrupt"),
    ],
)
def test_a_test_that_ends_the_session_is_told(suite, body, status, stop):  # noqa: F811
    run = Run(suite({"test_e.py": TESTS % body}))
    assert run.outcomes() == {"test_e.py::test_1": "passed", "test_e.py::test_2": "error"}
    setup, call = run.test("test_2")[5]
    assert (setup["when"], setup["outcome"]) == ("setup", "passed")
    assert (call["when"], call["outcome"], call["message"]) == ("call", "error", stop)
    assert "test_e.py" in call["longrepr"] and "/_pytest/" not in call["longrepr"]
    assert run.finished["exitstatus"] == status and run.finished["bad"]
    assert run.finished["stop"] == stop


def test_a_plugin_that_breaks_in_a_test_is_told(suite):  # noqa: F811
    conftest = "def pytest_runtest_logreport(report):\n    if '2' in report.nodeid: raise ValueError('boo')"
    run = Run(suite({"conftest.py": conftest, "test_e.py": TESTS % "pass"}))
    assert run.outcomes() == {"test_e.py::test_1": "passed", "test_e.py::test_2": "error"}
    assert run.test("test_2")[5][-1]["message"] == "ValueError: boo"
    assert run.finished["exitstatus"] == 3 and run.finished["bad"]
    assert run.finished["stop"] == "internal error: ValueError: boo"


def test_exit_in_fixtures(suite):  # noqa: F811
    text = """
        import pytest
        @pytest.fixture
        def early(): pytest.exit("early")
        @pytest.fixture
        def late():
            yield
            pytest.exit("late")
        def test_%s(%s): print("told")
    """
    for name, when, count in (("early", "setup", 1), ("late", "teardown", 3)):
        run = Run(suite({"test_%s.py" % name: text % (name, name)}), "test_%s.py" % name)
        phases = run.test("test_" + name)[5]
        assert len(phases) == count and phases[-1]["when"] == when
        assert phases[-1]["message"] == "Exit: " + name and run.test("test_" + name)[2] == "error"


ODD = """
    import pytest

    class NoRepr:
        def __repr__(self): raise ValueError("no repr")
    class NoStr(str):
        def __str__(self): raise ValueError("no str")
        __repr__ = __str__
    class List(list):
        def __hash__(self): return 1
        def __iter__(self): raise ValueError("no iter")
    class Liar:
        __class__ = list
    class Int(int):
        def __int__(self): raise ValueError("no int")
        __index__ = __repr__ = __int__
    class Meta(type):
        @property
        def __name__(self): raise ValueError("no name")
    class Nameless(metaclass=Meta):
        def __repr__(self): raise SystemError("x")

    deep = []
    for _ in range(100000): deep = [deep]
    wide = []
    wide.extend([wide] * 50)
    VALUES = {
        "norepr": NoRepr(), "nostr": NoStr("kept"), "list": List([1]), "key": {List([1]): 1},
        "member": {List([2])}, "liar": Liar(), "int": Int(7), "huge": 10 ** 5000, "deep": deep,
        "wide": wide, "surrogate": "\\udc80", "nul": "a\\0b", "bytes": b"a\\0b", "many": list(range(10 ** 6)),
        "nameless": Nameless(), "long": "x" * (20 << 20), "nested": {"a": (1, [NoRepr()])},
        "nan": float("nan"),
    }

    @pytest.mark.parametrize("name", sorted(VALUES))
    def test_value(name, record_property):
        record_property("before", 1)
        record_property(name, VALUES[name])
        record_property(VALUES[name], name)

    def test_no_pair(request):
        request.node.user_properties.append(5)
        request.node.user_properties.append(("good", 1))
    @pytest.mark.parametrize("name", ["norepr", "nostr", "deep", "nul", "long"])
    def test_message(name):
        print("printed")
        raise ValueError(VALUES[name])
    def test_nul():
        raise Exception("before" + chr(0) + "after-the-nul\\nand more lines")
    def test_output_nul(): print("a" + chr(0) + "b")
    def test_after(): pass
"""


def test_no_value_costs_more_than_itself(suite):  # noqa: F811
    run = Run(suite({"test_p.py": ODD}))
    assert len(run.tests) == len(run.ids) and run.finished is not None
    failing = [n for n, v in run.outcomes().items() if v != "passed"]
    assert all("test_message" in n or "test_nul" in n for n in failing) and len(failing) == 6
    assert run.finished["exitstatus"] == 1 and not run.finished["bad"]

    def value(name):
        before, after, _ = run.test("test_value[%s]" % name)[8]
        assert before == ["before", 1] and after[0] == name
        return after[1]

    assert value("norepr") == "<NoRepr: its repr raises ValueError>"
    assert value("nostr") == "kept" and value("list") == [1] and value("int") == 7
    assert value("key") == {"[1]": 1} and value("member") == {"[2]"}
    assert value("huge") == "<int of 16610 bits>"
    assert value("surrogate") == "\\udc80" and value("nul") == "a\\x00b" and value("bytes") == b"a\0b"
    assert len(value("long")) < 17 << 20 and "were cut here" in value("long")
    assert value("nested") == {"a": (1, ["<NoRepr: its repr raises ValueError>"])}
    assert value("nameless") == "<?: its repr raises SystemError>"
    assert run.test("test_no_pair")[8] == [["?", 5], ["good", 1]]
    (phase,) = run.failing("test_nul")
    assert phase["message"] == "Exception: before\\x00after-the-nul"
    assert "before\\x00after-the-nul" in phase["longrepr"] and "and more lines" in phase["longrepr"]
    assert run.test("test_output_nul")[5][1]["sections"] == [["Captured stdout call", "a\0b\n"]]
    for name in ("norepr", "nostr", "deep", "nul", "long"):
        assert ["Captured stdout call", "printed\n"] in run.failing("test_message[%s]" % name)[0]["sections"]


REPORTS = """
    import pytest

    class Odd:
        def __str__(self): raise ValueError("no str")
        def __getattr__(self, name): raise ValueError("no attribute")
        def __len__(self): raise ValueError("no len")
        def __iter__(self): raise ValueError("no iter")
        def __bool__(self): return True
        def __float__(self): raise ValueError("no float")

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_makereport(item, call):
        result = yield
        name = getattr(item, "originalname", "")[len("test_"):]
        if call.when == "call" and name in ("longrepr", "sections", "location", "duration", "when", "outcome",
                                            "wasxfail", "user_properties"):
            setattr(result.get_result(), name, Odd())
"""


def test_no_report_costs_more_than_itself(suite):  # noqa: F811
    names = ("longrepr", "sections", "location", "duration", "when", "outcome", "wasxfail",
             "user_properties")  # fmt: skip
    tests = "".join("def test_%s(): print('x'); assert 0\n" % name for name in names)
    folder = suite({
        "conftest.py": REPORTS,
        "test_r.py": tests + "def test_after(): pass\n",
    })
    run = Run(folder)
    assert run.finished is not None and run.test("test_after")[2] == "passed"
    assert len(run.tests) == len(run.ids)
    for name in names:
        assert run.test("test_" + name)[2] in ("failed", "error"), name


def test_warnings_and_headers_cost_no_more_than_themselves(suite):  # noqa: F811
    folder = suite({
        "conftest.py": """
            import warnings
            class Odd(UserWarning):
                asked = 0
                def __str__(self):  # the first to ask is Python itself
                    self.asked += 1
                    return "odd" if self.asked == 1 else [][0]
            odd = Odd()
            str(odd)
            def pytest_report_header(config): return ["good", 5, odd, "a\\0b"]
            def pytest_runtest_setup(item):
                warnings.warn_explicit("x" + chr(0), UserWarning, "f", -3)
                warnings.warn(Odd())
        """,
        "test_r.py": "def test_a(): pass\n",
    })
    run = Run(folder)
    assert list(run.outcomes().values()) == ["passed"] and run.finished["exitstatus"] == 0
    assert run.named("collected")[0]["header"][0::3] == ["good", "a\\x00b"]
    assert [w["message"] for w in run.named("warning")][0] == "x\\x00"
    assert len(run.named("warning")) == 2 and run.named("warning")[0]["lineno"] == 0


def test_output_cap(suite):  # noqa: F811
    folder = suite({"test_o.py": """
        import sys
        def test_big():
            print("head" + "x" * 3000000 + "tail")
        def test_two():
            print("o" * 600)
            print("\\u00e4" * 600 + "end", file=sys.stderr)
        def test_phases(noise): print("c" * 600)
        def test_small(): print("s" * 1023)
        def test_none(): pass
        import pytest
        @pytest.fixture
        def noise():
            print("s" * 400)
            yield
            print("t" * 400)
    """})
    run = Run(folder, output_cap=1024)

    def look(name):
        texts = [text for phase in run.test(name)[5] for _, text in phase["sections"]]
        kept = "".join(texts)
        marks = [line for line in kept.split("\n") if "were cut here" in line]
        for mark in marks:
            kept = kept.replace("\n" + mark + "\n", "")
        return texts, marks, len(kept.encode()), run.test(name)[9]

    (text,), marks, size, output = look("test_big")
    assert marks == ["[… 2998985 bytes were cut here: output_cap is 1024, 3000009 were written …]"]
    assert text.startswith("headxx") and text.endswith("xxtail\n") and size == 1024
    assert output == (3000009, True)
    texts, marks, size, output = look("test_two")
    assert texts[0].startswith("o" * 512) and texts[1].endswith("\u00e4end\n") and len(marks) == 1
    assert 1020 <= size <= 1024 and output == (601 + 1204, True)
    texts, marks, size, output = look("test_phases")
    assert [t[0] for t in texts] == ["s", "c", "t"] and len(marks) == 1 and size == 1024
    assert output == (1403, True)
    assert look("test_small") == (["s" * 1023 + "\n"], [], 1024, (1024, False))
    assert run.test("test_none")[5] is None and run.test("test_none")[9] is None
    run = Run(folder, "-k", "test_big")
    assert run.test("test_big")[9] == (3000009, False)


def test_nothing_but_atexit_comes_after_the_last_word(suite):  # noqa: F811
    """What was registered runs, but 20,000 tests are not freed one by one."""
    folder = suite({
        "conftest.py": """
            import atexit, os
            def log(text):
                with open(os.environ["FF_LOG"], "a") as fp: fp.write(text + "\\n")
            class Owned:
                def __del__(self, log=log): log("freed")
            def pytest_collection_modifyitems(items): items[0].owned = Owned()
            def pytest_unconfigure(): log("unconfigured")
            atexit.register(log, "exit")
        """,
        "test_a.py": "def test_a(): pass\n",
    })
    before = []

    def opener(folder):
        gateway, close = open_farflung(folder)

        def look_and_close():
            before.append(read_log())
            close()

        return gateway, look_and_close

    run = Run(folder, opener=opener)
    assert run.finished["exitstatus"] == 0
    assert before == ["unconfigured\n"] and read_log() == "unconfigured\nexit\n"


def read_log():
    with open(os.environ["FF_LOG"]) as fp:
        return fp.read()

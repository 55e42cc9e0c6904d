"""`gtest:` jobs: the tests of a googletest program, each a unit, whatever else it prints."""
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import of_kind, outcomes, result_of, write

SOURCE = r"""
#include <gtest/gtest.h>
#include <csignal>
#include <cstdio>
#include <unistd.h>
TEST(Math, Adds) { EXPECT_EQ(1 + 1, 2); }
TEST(Math, Fails) { EXPECT_EQ(1, 2) << "they differ"; EXPECT_TRUE(false); }
TEST(Math, Skips) { GTEST_SKIP() << "no hardware here"; }
TEST(Math, DISABLED_Broken) { FAIL(); }
TEST(Math, Crashes) { signal(SIGABRT, SIG_DFL); raise(SIGABRT); }
TEST(Math, Exits) { fflush(stdout); _exit(0); }
class P : public testing::TestWithParam<int> {};
TEST_P(P, IsOdd) { EXPECT_EQ(GetParam() % 2, 1); }
INSTANTIATE_TEST_SUITE_P(Some, P, testing::Values(1, 2));
template <class T> class Typed : public testing::Test {};
using Types = testing::Types<int, char>;
TYPED_TEST_SUITE(Typed, Types);
TYPED_TEST(Typed, IsSmall) { EXPECT_LE(sizeof(TypeParam), 1u); }
"""

# Says of one test what the program above says, for machines without googletest.
FAKE = r"""#!/bin/sh
for arg; do
  case $arg in
  --gtest_list_tests)
    printf '%s\n' 'Running main() from gtest_main.cc' Math. '  Adds' '  Fails' '  Skips' '  DISABLED_Broken' \
      '  Crashes' '  Exits' 'Typed/0.  # TypeParam = int' '  IsSmall' 'Typed/1.  # TypeParam = char' '  IsSmall' \
      'Some/P.' '  IsOdd/0  # GetParam() = 1' '  IsOdd/1  # GetParam() = 2'
    exit ;;
  --gtest_also_run_disabled_tests) disabled=1 ;;
  --gtest_filter=*) name=${arg#*=} ;;
  esac
done
echo "Note: Google Test filter = $name"
echo '[==========] Running 1 test from 1 test suite.'
echo "[ RUN      ] $name"
fail() { printf '%s\n' "tests.cc:$1: Failure" "$2" "$3" "[  FAILED  ] $name$4 (0 ms)" '[  PASSED  ] 0 tests.'; exit 1; }
case $name in
*Fails) printf '%s\n' 'tests.cc:7: Failure' 'Expected equality of these values:' '  1' '  2' 'they differ'; fail 7 no no ;;
*Broken) test "$disabled" && fail 9 Failed '' ;;
*Skips) printf '%s\n' 'tests.cc:8: Skipped' 'no hardware here' '' "[  SKIPPED ] $name (0 ms)"; exit ;;
*Crashes) kill -ABRT $$ ;;
*Exits) exit 0 ;;
*IsOdd/1) fail 13 'Expected equality of these values:' no ', where GetParam() = 2' ;;
Typed/0*) fail 17 'Expected: (sizeof(TypeParam)) <= (1u), actual: 4 vs 1' '' ', where TypeParam = int' ;;
esac
echo "[       OK ] $name (0 ms)"
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """googletest's own; None where it is not installed."""
    folder = tmp_path_factory.mktemp("gtest")
    write(folder / "tests.cc", SOURCE)
    if not shutil.which("g++"):
        return None
    done = subprocess.run(["g++", "-o", "tests", "tests.cc", "-lgtest", "-lgtest_main", "-pthread"], cwd=folder,
                          capture_output=True, text=True, check=False)
    if done.returncode and "gtest" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    return folder / "tests"


@pytest.fixture(params=["real", "fake"])
def tests(request, farflung):
    path = farflung.cwd / "tests"
    if request.param == "fake":
        write(path, FAKE).chmod(0o755)
        return path
    program = request.getfixturevalue("real")
    if not program:
        pytest.skip("there is no googletest")
    shutil.copy(program, path)
    return path


def run(farflung, job="gtest: ./tests", *args, code=1):
    return farflung.run_yaml(f"inventory: [2*popen]\njobs:\n  all: {{{job}}}\n", *args, code=code)


def test_each_test_is_a_unit(farflung, tests):
    done = run(farflung, "gtest: ./tests", "--junit", "out.xml")
    assert outcomes(done.events) == {
        "Math.Adds": "passed", "Math.Fails": "failed", "Math.Skips": "skipped", "Math.DISABLED_Broken": "skipped",
        "Math.Crashes": "crashed", "Math.Exits": "error", "Typed/0.IsSmall": "failed", "Typed/1.IsSmall": "passed",
        "Some/P.IsOdd/0": "passed", "Some/P.IsOdd/1": "failed"}
    assert not of_kind(done.events, "unit-started", unit="Math.DISABLED_Broken")
    failed = result_of(done.events, "Math.Fails")
    assert failed["message"] == "Expected equality of these values: 1 2 they differ"
    assert failed["file"] == "tests.cc" and failed["line"] == 7
    assert result_of(done.events, "Math.Skips")["message"] == "no hardware here"
    assert result_of(done.events, "Math.Exits")["message"] == "exit status 0 before it had come to its end"
    assert "actual: 4 vs 1" in result_of(done.events, "Typed/0.IsSmall")["message"]
    cases = {(case.get("classname"), case.get("name")) for case in
             ElementTree.parse(farflung.cwd / "out.xml").iter("testcase")}
    assert {("Math", "Adds"), ("Typed/0", "IsSmall"), ("Some/P", "IsOdd/1")} <= cases


def test_disabled_ones_run_if_that_is_asked_for(farflung, tests):
    done = run(farflung, "gtest: [./tests, --gtest_also_run_disabled_tests]")
    assert outcomes(done.events)["Math.DISABLED_Broken"] == "failed"


def test_the_programs_own_arguments_come_first(farflung, real):
    if not real:
        pytest.skip("there is no googletest")
    shutil.copy(real, farflung.cwd / "tests")
    done = run(farflung, "gtest: ./tests --gtest_filter=*IsSmall:Some/*-*/1", code=1)
    assert set(outcomes(done.events)) == {"Typed/0.IsSmall", "Typed/1.IsSmall", "Some/P.IsOdd/0"}


def test_its_tests_cannot_be_listed(farflung):
    write(farflung.cwd / "tests", "#!/bin/sh\necho 'cannot open libgpu.so' >&2; exit 127\n").chmod(0o755)
    done = run(farflung)
    assert "--gtest_list_tests: exit status 127" in done.stdout and "cannot open libgpu.so" in done.stdout
    assert not of_kind(done.events, "unit-started")


def test_no_such_program(farflung):
    done = run(farflung, "gtest: ./nowhere")
    assert "cannot run './nowhere'" in done.stdout


@pytest.mark.parametrize("text, words", [
    ("gtest: ''", "there is no program"),
    ("gtest: [./tests, --gtest_output=xml]", "'--gtest_output=xml' can't be given"),
    ("gtest: ./tests, count: 3", "'count' is for 'run' jobs, not for 'gtest'"),
])
def test_wrong_words(farflung, text, words):
    done = farflung.run_yaml(f"inventory: [popen]\njobs:\n  all: {{{text}}}\n", code=2)
    assert words in done.stderr and "farflung.yaml:3:" in done.stderr

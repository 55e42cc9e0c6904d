"""The JUnit report beside pytest's own: families, places, properties, and a test that goes wrong twice."""
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import write

SUITE = """
import pytest
@pytest.fixture
def bad():
    yield
    raise RuntimeError("torn")
@pytest.fixture(scope="session", autouse=True)
def about(record_testsuite_property): record_testsuite_property("arch", "a<b=c")
def test_twice(bad): assert 0, "called"
def test_once(bad): pass
class TestC:
    @pytest.mark.parametrize("n", [1, 2])
    def test_properties(self, n, record_property): record_property("k", n)
"""


def properties(element):
    return [(p.get("name"), p.get("value")) for found in element.findall("properties") for p in found]


def cases(path):
    """What each test case says, without times and the texts' wording."""
    found = []
    for case in ElementTree.parse(path).iter("testcase"):
        names = {name: value for name, value in case.attrib.items() if name != "time"}
        kinds = [child.tag for child in case if child.tag != "properties"]
        texts = "".join(child.text.split("\n")[-1 if child.text[-1:] != "\n" else -2] for child in case if child.text)
        found.append((sorted(names.items()), kinds, properties(case), texts))
    return sorted(found)


@pytest.mark.parametrize("family", ["xunit1", "xunit2", "legacy"])
def test_families(farflung, python, tmp_path, family):
    write(farflung.cwd / "sub" / "test_j.py", SUITE)
    ours, theirs = tmp_path / "ours.xml", tmp_path / "theirs.xml"
    subprocess.run([python, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", f"--junitxml={theirs}",
                    "-o", f"junit_family={family}"], cwd=farflung.cwd, env=farflung.env, stdout=subprocess.DEVNULL)
    done = farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, "--junit", ours, "-o",
                        f"junit_family={family}", code=1)
    assert cases(ours) == cases(theirs)
    assert ("line" in dict(cases(ours)[0][0])) is (family != "xunit2")
    (suite,) = ElementTree.parse(ours).iter("testsuite")
    (other,) = ElementTree.parse(theirs).iter("testsuite")
    assert sorted(properties(suite)) == sorted(properties(other) + [("farflung.host", "popen")])
    counted = {name: suite.get(name) for name in ("errors", "failures", "skipped")}
    assert counted == {name: other.get(name) for name in counted} == {"errors": "2", "failures": "1", "skipped": "0"}
    assert suite.get("tests") == str(len(cases(ours)))
    assert "warning" not in done.stdout

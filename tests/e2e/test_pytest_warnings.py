"""Warnings are counted and listed as pytest does, those outside of tests once and not once per worker."""
import re
import subprocess

import pytest

from conftest import of_kind, read_jsonl, write

INI = "[pytest]\nno_such_ini_key = 1\nfilterwarnings =\n    ignore:not this one\n"
SUITE = """
import warnings, pytest
warnings.warn("while collecting")
for _ in range(2): warnings.warn("twice while collecting")
class TestC:
    def __init__(self): pass
@pytest.mark.no_such_mark
def test_mark(): pass
def helper(): warnings.warn("from a helper", DeprecationWarning)
def test_one(): helper()
@pytest.fixture
def late():
    yield
    warnings.warn("torn down\\nin two lines", UserWarning)
def test_two(late): helper(); warnings.warn("not this one")
@pytest.mark.parametrize("n", range(12))
def test_many(n): warnings.warn("many")
"""


def summary(text):
    """The summary's paragraphs, and the total."""
    body = re.search(r"warnings summary [=═]+\n(.*?)\n(-- Docs|[=═]+ )", text, re.S).group(1).strip("\n")
    total = int(re.search(r"(\d+) warnings? in ", text).group(1))
    return {tuple(part.splitlines()) for part in body.split("\n\n") if part}, total


def by_text(paragraphs):
    """What is warned of -> what gave it, all sorted: pytest may have two messages in one paragraph."""
    texts = {}
    for lines in paragraphs:
        places = sorted(line for line in lines if not line.startswith(" "))
        texts["\n".join(line.strip() for line in lines if line.startswith(" ") and line.strip())] = places
    return texts


@pytest.mark.parametrize("front", ["never", "always"])
def test_as_pytest_has_them(farflung, python, front):
    write(farflung.cwd / "pytest.ini", INI)
    write(farflung.cwd / "test_w.py", SUITE)
    theirs = subprocess.run([python, "-m", "pytest", "-p", "no:xdist"], cwd=farflung.cwd, env=farflung.env,
                            capture_output=True, text=True)
    done = farflung.run("pytest", "-n", 2, "--front", front, "--python", python, "--jsonl", "e.jsonl", code=0)
    expected, total = summary(theirs.stdout)
    got, count = summary(done.stdout)
    assert count == total
    expected, got = by_text(expected), by_text(got)
    if front == "never":  # the place itself, where pytest has it from the folder
        got = {text: [place.replace(str(farflung.cwd) + "/", "") for place in places] for text, places in got.items()}
        expected = {text: [re.sub(r"^\.\..*/(?=[^/]*:\d)", "", place) for place in places] for text, places in expected.items()}
        got = {text: [re.sub(r"^/.*/(?=[^/]*:\d)", "", place) for place in places] for text, places in got.items()}
    assert got == expected
    events = [event for event in of_kind(read_jsonl(farflung.cwd / "e.jsonl"), "notice") if "category" in event]
    (one,) = [event for event in events if event["text"] == "from a helper" and event["test"].endswith("test_one")]
    assert one["source"].startswith("def helper()") and one["category"] == "DeprecationWarning"


def test_asked_for_or_not(farflung, python):
    write(farflung.cwd / "test_w.py", SUITE)
    run = lambda *args, code=0: farflung.run("pytest", "-n", 2, "--front", "never", "--python", python, *args, code=code)
    assert "warning" not in run("-p", "no:warnings", "-k", "one").stdout.replace("without a front", "")
    assert summary(run("-W", "ignore:many", "-W", "ignore::UserWarning", "-k", "one or many").stdout)[1] < 4
    done = run("-W", "error::DeprecationWarning", "-k", "one", code=1)
    assert "DeprecationWarning: from a helper" in done.stdout

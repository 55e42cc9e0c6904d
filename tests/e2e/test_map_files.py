"""farflung map: files that go along with units, as GNU parallel has them."""
import os
import subprocess

import pytest

NAMES = ["a.txt", "b.txt", "c d*.txt"]


@pytest.fixture
def files(farflung):
    (farflung.cwd / "data").mkdir()
    for name in NAMES:
        (farflung.cwd / "data" / name).write_text(name)
    return farflung


def run(farflung, *args, items=tuple("data/" + name for name in NAMES), code=0, worker="native"):
    process = farflung.start("map", "--tx", f"2*popen//chdir={farflung.cwd}/box//worker={worker}", *args, stdin=subprocess.PIPE)
    out, err = process.communicate("".join(item + "\n" for item in items), timeout=60)
    assert process.returncode == code, (out, err)
    return out, err


def in_box(farflung):
    box = farflung.cwd / "box"
    return sorted(str(path.relative_to(box)) for path in box.rglob("*") if path.is_file())


@pytest.mark.parametrize("worker", ["native", "python"])
@pytest.mark.parametrize("words", [["--transferfile", "{}", "--return", "{.}.out", "--cleanup"], ["--trc", "{.}.out"]], ids=["each", "trc"])
def test_there_and_back(files, words, worker):
    """A name is a name, whatever is in it; nothing of it stays there, and nothing but it comes here."""
    run(files, *words, "cat {} > {.}.out; echo >> {.}.out", worker=worker)
    for name in NAMES:
        assert (files.cwd / "data" / (name[:-4] + ".out")).read_text() == name + "\n"
    assert sorted(os.listdir(files.cwd / "data")) == sorted(NAMES + [name[:-4] + ".out" for name in NAMES])
    assert in_box(files) == []


def test_it_stays_without_cleanup(files):
    run(files, "--tf", "{}", "--tf", "{//}/{#}.extra", "test -e {} && test -e data/{#}.extra", items=["data/a.txt"], code=1)
    (files.cwd / "data/1.extra").touch()
    run(files, "--tf", "{}", "--tf", "{//}/{#}.extra", "test -e {} && test -e data/{#}.extra", items=["data/a.txt"])
    assert in_box(files) == ["data/1.extra", "data/a.txt"]


def test_here_nothing_is_sent_or_removed(files):
    process = files.start("map", "--trc", "{.}.out", "cp {} {.}.out", stdin=subprocess.PIPE)
    out, err = process.communicate("data/a.txt\n", timeout=60)
    assert process.returncode == 0, (out, err)
    assert sorted(os.listdir(files.cwd / "data")) == sorted(NAMES + ["a.out"])


def test_also_of_a_unit_that_failed(files):
    run(files, "--trc", "{.}.out", "cp {} {.}.out; exit 3", items=["data/a.txt"], code=1)
    assert (files.cwd / "data/a.out").read_text() == "a.txt" and in_box(files) == []


def test_without_its_file_it_does_not_run(files):
    out, err = run(files, "--tf", "{}", "touch ran", items=["data/none", "../x", "/etc/hostname"], code=3)
    assert "inputs: nothing matches data/none" in err
    assert "'../x' leads out" in err and "'/etc/hostname' is not relative" in err
    assert in_box(files) == []


def test_what_does_not_come_back_is_told(files):
    out, err = run(files, "--return", "{.}.out", "true", items=["data/a.txt"])
    assert "nothing matches data/a.out" in err


@pytest.mark.parametrize("words, text", [
    (["--cleanup", "true"], "--cleanup wants --transferfile or --return"),
    (["--pipe", "--tf", "x", "true"], "--transferfile has no items with --pipe"),
])
def test_wrong_words(files, words, text):
    out, err = run(files, *words, code=255)
    assert text in err and not (files.cwd / "box").exists()

#!/usr/bin/env python3
"""Writes a pytest suite of trivial tests into a folder: make_suite.py FOLDER FILES TESTS_PER_FILE"""
import pathlib
import sys

MODULE = """import pytest


@pytest.mark.parametrize("number", range({tests}))
def test_small(number):
    assert number < {tests}
"""


def make_suite(folder, files, tests):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"test_part{number:04}.py").write_text(MODULE.format(tests=tests))
    # Nothing above it is to be taken for its configuration.
    (folder / "pytest.ini").write_text("[pytest]\n")


if __name__ == "__main__":
    make_suite(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

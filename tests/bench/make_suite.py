#!/usr/bin/env python3
"""Writes a pytest suite into a folder: make_suite.py FOLDER FILES TESTS_PER_FILE [SEED]

Trivial tests; with a seed tests that sleep: most of them some milliseconds, those of the last tenth of
the files up to two seconds.
"""
import pathlib
import random
import sys

MODULE = """import pytest


@pytest.mark.parametrize("number", range({tests}))
def test_small(number):
    assert number < {tests}
"""

SLEEPERS = """import time

import pytest


@pytest.mark.parametrize("number, nap", list(enumerate({naps})))
def test_nap(number, nap):
    time.sleep(nap)
"""
NAP_MAX = 2.0


def naps_of(files, tests, seed):
    """What each test of each file sleeps, in seconds."""
    dice = random.Random(seed)
    heavy = files - max(1, files // 10)
    return [[round(min(NAP_MAX, dice.lognormvariate(-1.2 if number >= heavy else -5.0, 1.0)), 4)
             for _ in range(tests)] for number in range(files)]


def make_suite(folder, files, tests, seed=None):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    naps = naps_of(files, tests, seed) if seed is not None else None
    for number in range(files):
        text = SLEEPERS.format(naps=naps[number]) if naps else MODULE.format(tests=tests)
        (folder / f"test_part{number:04}.py").write_text(text)
    # Nothing above it is to be taken for its configuration.
    (folder / "pytest.ini").write_text("[pytest]\n")


if __name__ == "__main__":
    make_suite(sys.argv[1], *map(int, sys.argv[2:]))

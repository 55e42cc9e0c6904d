#!/usr/bin/env python3
"""Each --dist with each --collect, over each transport, in each situation: all of what tests/e2e/test_matrix.py has a sample of.

    ./setup matrix whole [-k dist-collect-transport-situation]    words are pytest's
"""
import os
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "test_matrix.py"

os.environ["FARFLUNG_MATRIX"] = "whole"
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(FILE), *sys.argv[1:]])

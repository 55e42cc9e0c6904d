import os

import pytest


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebook") / "notes.txt"
    path.write_text("begin\n")
    return path


def test_notes_begin(notebook):
    assert notebook.read_text().startswith("begin")


def test_workers_have_names(worker_id):
    assert worker_id == os.environ["PYTEST_XDIST_WORKER"]


@pytest.mark.xfail(reason="division by zero stays undefined")
def test_division():
    assert 1 / 0


@pytest.mark.parametrize("n", range(40))
def test_sums(n):
    assert sum(range(n + 1)) == n * (n + 1) // 2

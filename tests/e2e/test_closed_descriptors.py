"""Standard descriptors that are closed at the start: what is opened must not get their numbers."""
import os
import subprocess

import pytest

from conftest import write


def closing(*fds):
    def close():
        for fd in fds:
            os.close(fd)

    return close


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("worker", ["native", "python"])
def test_a_run(farflung, closed, worker):
    write(farflung.cwd / "test_it.py", "def test_it(): pass\n")
    farflung.yaml(
        f"inventory: ['popen//worker={worker}//python=/usr/bin/python3']\n"
        "jobs: {shell: {run: 'echo hi; echo there >&2'}, unit: {pytest: [-p, 'no:cacheprovider', test_it.py]}}\n")
    done = subprocess.run(
        [farflung.program, "run", "--jsonl", "out.jsonl"], cwd=farflung.cwd, env=farflung.env,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=closing(*closed), timeout=60)
    assert done.returncode == 0
    for path in (farflung.cwd / "out.jsonl", farflung.cwd / ".farflung" / "runs" / "last" / "journal.jsonl"):
        lines = path.read_text().splitlines()
        assert lines and all(line.startswith("{") and line.endswith("}") for line in lines), path

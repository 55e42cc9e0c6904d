"""The fault suite: tools of the end-to-end tests (../e2e/conftest.py), and hosts that can be hurt (rig.py)."""
import contextlib
import importlib.util
import pathlib
import sys

import pytest

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "conftest.py"
spec = importlib.util.spec_from_file_location("e2e_conftest", E2E)
sys.modules["e2e_conftest"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["e2e_conftest"])

from e2e_conftest import farflung, program, python  # noqa: E402, F401  (fixtures)

pytest.register_assert_rewrite("rig")
import rig  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.append(("the same points again", f"FARFLUNG_SEED={rig.SEED}"))


@pytest.fixture(scope="session")
def network():
    """Namespaces, or None: then all hosts are on the loopback."""
    return rig.Network.make()


@pytest.fixture
def case(farflung, network, tmp_path):
    """Two hosts, and a run over them still to be written."""
    if not rig.fake.available():
        pytest.skip("no sshd, ssh or ssh-keygen here")
    with contextlib.ExitStack() as stack:
        hosts = [rig.Host(stack, name, tmp_path / "far", farflung.mark, network) for name in ("one", "two")]
        yield rig.Case(farflung, hosts, tmp_path)

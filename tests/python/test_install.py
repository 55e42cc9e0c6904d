"""pip install, and the four places where the library is looked for."""
import ctypes.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

if pytest.importorskip("setuptools", minversion="61").__version__ < "70.1":  # before pip: they share a module
    pytest.importorskip("wheel")
pytest.importorskip("pip")

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "core" / "python"
LIBRARY = pathlib.Path(os.environ.get("FARFLUNG_LIBRARY", "."))
ASK = """
import farflung.execnet as execnet
gateway = execnet.makegateway()
print(gateway.remote_exec("channel.send(6 * 7)").receive(), execnet.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install")
    shutil.copytree(str(SOURCE), str(folder / "source"), ignore=shutil.ignore_patterns("__pycache__", "build"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
        env=dict(os.environ, HOME=str(folder), PIP_CONFIG_FILE=os.devnull))
    assert done.returncode == 0, done.stdout
    return folder / "site"


def ask(site, **environment):
    clean = {name: value for name, value in os.environ.items()
             if name not in ("FARFLUNG_LIBRARY", "PKG_CONFIG_PATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        env=dict(clean, PYTHONPATH=str(site), **environment), timeout=60, cwd=str(site.parent))
    return done.stdout, done.stderr


def works(site, **environment):
    said, complained = ask(site, **environment)
    assert said == "42 %s\n" % (site / "farflung" / "execnet" / "__init__.py"), complained


def test_all_files_are_there(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("farflung/**/*") if path.suffix != ".pyc"}
    for path in SOURCE.rglob("farflung/**/*"):
        if path.is_file() and path.suffix in (".py", ".pyi", ".typed"):
            assert str(path.relative_to(SOURCE)) in names


def test_variable_names_a_folder_or_a_file(installed):
    works(installed, FARFLUNG_LIBRARY=str(LIBRARY))
    works(installed, FARFLUNG_LIBRARY=str(LIBRARY / "libfarflung.so"))


def test_beside_the_package(installed):
    copies = []
    try:
        for name in ("libfarflung-python.so", "libfarflung.so.0"):
            copies.append(installed / "farflung" / name)
            shutil.copy(str(LIBRARY / name), str(copies[-1]))
        works(installed)
    finally:
        for copy in copies:
            copy.unlink()


def test_pkg_config(installed, tmp_path):
    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is needed")
    (tmp_path / "farflung.pc").write_text(
        "libdir=%s\nName: farflung\nDescription: x\nVersion: 1\nLibs: -L${libdir}\n" % LIBRARY)
    works(installed, PKG_CONFIG_PATH=str(tmp_path))


def test_the_systems_libraries(installed):
    works(installed, LD_LIBRARY_PATH=str(LIBRARY))


def test_nowhere(installed):
    if ctypes.util.find_library("farflung-python"):
        pytest.skip("it is installed here")
    said, complained = ask(installed, PATH="/nowhere")
    assert said == "" and "cannot load libfarflung-python.so; tried" in complained
    for place in ("beside the package: no ", "the system's libraries (ldconfig): "):
        assert place in complained


def test_one_version():
    top = SOURCE.parent.parent
    version = re.search(r"project\(farflung VERSION (\S+)", (top / "CMakeLists.txt").read_text()).group(1)
    assert '__version__ = "%s"' % version in (SOURCE / "farflung" / "__init__.py").read_text()
    assert 'version = "%s"' % version in (SOURCE / "pyproject.toml").read_text()

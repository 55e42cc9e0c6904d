"""Finds libfarflung-python, the shared library that does the work (and brings libfarflung itself)."""
import ctypes
import ctypes.util
import os
import subprocess

NAME = "libfarflung-python.so"
CORE = "libfarflung.so.0"
VARIABLE = "FARFLUNG_LIBRARY"


def _pkg_config():
    """The folder that pkg-config knows, or None."""
    try:
        found = subprocess.run(
            ["pkg-config", "--variable=libdir", "farflung"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    folder = os.fsdecode(found.stdout.strip())
    return folder if found.returncode == 0 and folder else None


def _candidates():
    """(where it was looked for, a path or a name for the loader), in order."""
    told = os.environ.get(VARIABLE)
    if told:
        folder = told if os.path.isdir(told) else os.path.dirname(os.path.abspath(told))
        yield "%s=%s" % (VARIABLE, told), os.path.join(folder, NAME)
        return  # who names one wants no other
    here = os.path.dirname(os.path.abspath(__file__))
    yield "beside the package", os.path.join(here, NAME)
    folder = _pkg_config()
    if folder:
        yield "pkg-config", os.path.join(folder, NAME)
    yield "the system's libraries (ldconfig)", NAME


def _load(path):
    # Beside it, and not yet known to the loader, may be the libfarflung that it was built with.
    core = os.path.join(os.path.dirname(path), CORE)
    if os.path.dirname(path) and os.path.exists(core):
        ctypes.CDLL(core)
    return ctypes.PyDLL(path)


def find():
    """The loaded library; ImportError names all places where it was looked for."""
    tried = []
    for where, path in _candidates():
        if os.path.dirname(path) and not os.path.exists(path):
            tried.append("%s: no %s" % (where, path))
            continue
        try:
            return _load(path)
        except OSError as exc:
            tried.append("%s: %s" % (where, exc))
    raise ImportError(
        "farflung: cannot load %s; tried\n  %s\n(build it with ./setup, or install it; %s may name its folder)"
        % (NAME, "\n  ".join(tried), VARIABLE))

"""The python worker's text, joined from its parts as the build joins it."""
import pathlib

PYTHON = pathlib.Path(__file__).resolve().parent.parent.parent / "core" / "worker" / "python"
PARTS = ("items", "channel", "gateway", "trace", "main")
GREEN = ("gevent", "eventlet")


def part(name):
    return (PYTHON / f"{name}.py").read_text()


def builtin_text(name):
    """As the build joins it."""
    return (part("programs") if name in ("command", "proxy") else "") + part(name)


def worker_text(execmodel="thread"):
    """As bootstrap.c sends it: green.py comes first, for the execmodels that need it."""
    return "".join(part(name) for name in (("green",) if execmodel in GREEN else ()) + PARTS)

"""Lets `import execnet` give farflung.execnet, for programs that are not to be changed.

    python -m farflung.as_execnet pytest -n 3      # the program, and all that it starts
    import farflung.as_execnet                     # this process, from here on
"""
import os
import runpy
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instead")
SUBMODULES = ("gateway", "gateway_base", "gateway_bootstrap", "gateway_io", "gateway_socket", "multi",
              "rsync", "rsync_remote", "xspec")


def install():
    """Puts farflung.execnet and its modules into sys.modules under execnet's names."""
    import importlib

    sys.modules["execnet"] = importlib.import_module("farflung.execnet")
    for name in SUBMODULES:
        sys.modules["execnet." + name] = importlib.import_module("farflung.execnet." + name)


def environment():
    """For what this process starts: there, `import execnet` finds the folder that does the same."""
    path = [FOLDER] + [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))


def main():
    argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if argv else 2
    environment()
    if argv[0] in ("python", "python3"):
        os.execv(sys.executable, [sys.executable] + argv[1:])
    sys.argv = argv
    sys.path.insert(0, FOLDER)
    install()
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
else:
    install()

"""Virtual environments with chosen versions of pytest and plugins, made by pip and kept under build/matrix.

An environment is made again when its list of packages changes. What can't be had is said, never imitated.
"""
import concurrent.futures
import fnmatch
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
HOME = TOP / "build" / "matrix"
FARFLUNG = os.environ.get("FARFLUNG", str(TOP / "build" / "farflung"))
UNREACHABLE = 3  # exit code: nothing was tested, since pip gets nothing
JOBS = 2
running = set()  # processes, each the leader of a group


class Unreachable(Exception):
    pass


class Environment:
    """A virtual environment: its name, the Pythons that will do (best first), what pip installs."""

    def __init__(self, name, pythons, packages):
        self.name = name
        self.pythons = pythons
        self.packages = packages
        self.path = HOME / "venv" / name
        self.python = str(self.path / "bin" / "python")

    def make(self):
        """Makes it if it isn't there as wanted."""
        base = interpreter(self.pythons)
        wanted = "\n".join([base, *self.packages])
        stamp = self.path / "made-of"
        if stamp.exists() and stamp.read_text() == wanted and works(self.python):
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        say(f"{self.name}: {' '.join(self.packages)} for {base}")
        log = self.path.with_suffix(".log")
        self._step(log, "wb", base, "-m", "venv", self.path)
        pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
        self._step(log, "ab", *pip, *self.packages)
        stamp.write_text(wanted)

    def _step(self, log, mode, *command):
        with open(log, mode) as out:
            code = subprocess.call(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if code:
            text = log.read_text(errors="replace").strip()
            tail = "\n".join(text.splitlines()[-15:])
            raise Unreachable(f"{self.name} could not be made: {' '.join(map(str, command))}\n{tail}")

    def versions(self):
        """project -> version of everything installed, and of python."""
        script = (
            "import platform\nfrom importlib.metadata import distributions\nprint('python', platform.python_version())\n"
            "for d in distributions(): print(d.metadata['Name'].lower(), d.version)"
        )
        out = subprocess.run([self.python, "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout
        return dict(line.split(" ", 1) for line in out.splitlines())


def say(text):
    print(f"matrix: {text}", file=sys.stderr, flush=True)


def works(python):
    null = subprocess.DEVNULL
    try:
        return not subprocess.call([python, "-c", "import venv, ssl"], stdin=null, stdout=null, stderr=null)
    except OSError:
        return False


def interpreter(versions):
    """The first of these Pythons ("3.12") that is here and can make virtual environments; else the system's."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for version in versions:
        found = sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}"))
        on_path = [os.path.join(folder, f"python{version}") for folder in ["/usr/bin", *os.get_exec_path()]]
        for candidate in found + [path for path in on_path if os.path.exists(path)]:
            if works(candidate):
                return candidate
    return "/usr/bin/python3" if works("/usr/bin/python3") else sys.executable


def make_all(environments):
    """Makes them two at a time; exits with 3 if pip can't."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        try:
            list(pool.map(lambda e: e.make(), environments))
        except Unreachable as exc:
            say(str(exc))
            say("no packages, no matrix: pip has to reach a package index (exit 3)")
            sys.exit(UNREACHABLE)


def clean_env(**more):
    """Our environment, without what would choose pytest's options."""
    env = {k: v for k, v in os.environ.items() if not fnmatch.fnmatch(k, "PYTEST*")}
    for name in ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "COLUMNS", "CI", "GITHUB_ACTIONS"):
        env.pop(name, None)
    env.update(PYTHONDONTWRITEBYTECODE="1", **more)
    return env


def run(command, cwd, env, timeout):
    """(exit status or "hung", stdout, stderr); a hanging one ends with all that it started."""
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    running.add(process)
    try:
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return "hung", out, err
    finally:
        running.discard(process)


def end_all(number, _):
    """On a signal: nothing that was started stays."""
    for process in list(running):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    os._exit(128 + number)


def obey_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_all)


def table(head, rows):
    """Aligned columns of text."""
    rows = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)

"""A session that is spread: the program farflung runs as a child, with a socket between us. What it
sends over that first is the worker's half of its protocol, which serves the socket in a thread; what it
executes by that is front.py, which then takes part in this session in the place of pytest-xdist's
controller. So both always fit each other."""
import ast
import copy
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from . import __version__, import_path
from .stand_in import controller_stand_in, only_shows

LOST_SECONDS = 10  # within them a program whose line has ended does so, too, or we don't wait to say so
IMPATIENT = 4  # so many interrupts end a program that doesn't end by them
INFRASTRUCTURE = 3  # pytest's status for an internal error

# What pytest-xdist's options are called in its settings; each is passed on as it was given.
PASSED_ON = (
    ("maxprocesses", "--maxprocesses"), ("testrunuid", "--testrunuid"),
    ("maxworkerrestart", "--max-worker-restart"), ("maxschedchunk", "--maxschedchunk"),
)  # fmt: skip


def join(config, parser, args):
    """Before conftests are loaded: what they, and the command line, expect of pytest-xdist is there."""
    manager = config.pluginmanager
    if not manager.hasplugin("xdist"):
        try:
            manager.register(controller_stand_in(), "farflung-stand-in")
        except ValueError as exc:
            raise pytest.UsageError("--farflung: another plugin has pytest-xdist's options: %s" % exc) from None
        config.known_args_namespace = parser.parse_known_args(args, namespace=copy.copy(config.option))
    option = config.known_args_namespace
    if is_spread(config, option) and option.numprocesses is None and option.dist == "no":
        option.dist = "load"  # by which plugins know already now that there are workers, as pytest-cov does
    run = Run(config)
    manager.register(run, "farflung-run")
    manager.register(run.instead, "farflung-instead")


# the program


def checkout():
    """Where it is built, if this file is one of a checkout."""
    return pathlib.Path(__file__).resolve().parents[3] / "build" / "farflung"


def find_program(config):
    for source, path in (
        ("$FARFLUNG", os.environ.get("FARFLUNG")),
        ("farflung_program in pytest's settings", config.getini("farflung_program")),
    ):
        if path:
            found = shutil.which(os.path.expanduser(path))
            if not found:
                raise pytest.UsageError("--farflung: %s names '%s', which is no program" % (source, path))
            return os.path.abspath(found)
    found = shutil.which("farflung") or shutil.which(str(checkout()))
    if not found:
        raise pytest.UsageError(
            "--farflung needs the program farflung: neither $FARFLUNG nor farflung_program in pytest's "
            "settings names it, and there is none in PATH"
        )
    return os.path.abspath(found)


def check_version(program):
    try:
        told = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=30,
        ).stdout.decode(errors="replace")  # fmt: skip
    except (OSError, subprocess.SubprocessError) as exc:
        raise pytest.UsageError("--farflung: %s does not run: %s" % (program, exc)) from None
    words = told.split()
    if words[:1] != ["farflung"] or len(words) != 2:
        raise pytest.UsageError("--farflung: %s is not farflung, it says %r" % (program, told[:200]))
    if words[1] != __version__:
        raise pytest.UsageError(
            "--farflung: the plugin pytest-farflung is version %s, but %s is version %s: install both "
            "from one source" % (__version__, program, words[1])
        )


# what it is told on its command line


def environment_words():
    return shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))


def given_words(config):
    """What was said, where settings don't count, as workers are to have it."""
    words = environment_words() + [str(word) for word in config.invocation_params.args]
    return [word for word in words if word != "--farflung"]


def says_no(words):
    """--dist no, said: pytest-xdist has the same word where nothing is."""
    return "--dist=no" in words or ("--dist", "no") in zip(words, words[1:])


def number_of_processes(config):
    """A number or a word for -n; None: nobody asked."""
    number = config.option.numprocesses
    if number in ("auto", "logical"):
        return config.hook.pytest_xdist_auto_num_workers(config=config) or number
    return number


def is_spread(config, option):
    """As with pytest-xdist not all sessions are: a debugger needs the terminal, and what only shows
    something shows it once."""
    if only_shows(option) or any(getattr(option, name, False) for name in ("setuponly", "looponfail")):
        return False
    if str(option.numprocesses) == "0":
        return False
    return option.numprocesses is not None or bool(option.tx) or not says_no(given_words(config))


def wishes(config):
    option = config.option
    words = []
    number = number_of_processes(config)
    if number is not None or not option.tx:
        words.append("--numprocesses=%s" % ("auto" if number is None else number))
    words += ["--tx=%s" % spec for spec in option.tx or () if number is None]
    words += ["--px=%s" % spec for spec in getattr(option, "px", None) or ()]
    if option.dist != "no" or getattr(option, "distload", False):
        words.append("--dist=%s" % ("load" if getattr(option, "distload", False) else option.dist))
    for name, word in PASSED_ON:
        value = getattr(option, name, None)
        if value is not None:
            words.append("%s=%s" % (word, value))
    if getattr(option, "loadscopereorder", True) is False:
        words.append("--no-loadscope-reorder")
    if option.maxfail:
        words.append("--maxfail=%d" % option.maxfail)
    return words + trees(config) + more_words(config)


def more_words(config):
    """Options of the program that pytest-xdist has not."""
    given = [list(config.getini("farflung_args"))]
    for text in config.option.farflung_args:
        try:
            given.append(shlex.split(text))
        except ValueError as exc:
            raise pytest.UsageError("--farflung-args: %s: %s" % (exc, text)) from None
    for words in given:
        wrong = [word for word in words if word == "--"] or [word for word in words[:1] if not word.startswith("-")]
        if wrong:
            raise pytest.UsageError("--farflung-args: '%s' is no option of farflung pytest" % wrong[0])
    return sum(given, [])


def trees(config):
    """Settings name trees for whoever may need them, and workers that share our folders don't."""
    dirs = [str(path) for path in config.option.rsyncdir or ()]
    ignored = list(config.option.rsyncignore or ())
    if any("popen" not in spec for spec in config.option.tx or ()):
        dirs += [str(path) for path in config.getini("rsyncdirs")]
    if dirs:
        ignored += config.getini("rsyncignore")
    return ["--rsyncdir=%s" % path for path in dirs] + ["--rsyncignore=%s" % ignore for ignore in ignored]


def environment(config):
    """Programs, those of editors above all, put folders before all others in which modules are looked
    for; pytest-xdist's local workers have them, too."""
    library, here = os.path.dirname(os.__file__), str(config.invocation_params.dir)
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep) + ["", here]
    if os.path.basename(sys.argv[0]) in ("pytest", "py.test"):
        known.append(os.path.dirname(os.path.abspath(sys.argv[0])))
    before = import_path[: import_path.index(library)] if library in import_path else []
    before = [path for path in before if path not in known and not path.endswith(".zip")]
    if not before:
        return None
    before += filter(None, [os.environ.get("PYTHONPATH")])
    return dict(os.environ, PYTHONPATH=os.pathsep.join(before))


# the run


class Line(threading.Thread):
    """Serves the program's end of the socket until that ends."""

    def __init__(self, sock):
        threading.Thread.__init__(self, name="farflung", daemon=True)
        self.sock = sock
        self.begun = threading.Event()  # the front is there, or there will be none
        self.front = None

    def run(self):
        try:
            source = b""
            while not source.endswith(b"\n"):
                got = self.sock.recv(1 << 16)
                if not got:
                    return
                source += got
            space = {"__name__": "<farflung>", "clientsock": self.sock}
            exec(ast.literal_eval(source.decode()), space)
        except OSError:
            pass  # as if it had ended
        finally:
            self.begun.set()
            self.sock.close()

    def take(self, front):
        """front.py says so, once the program has its connection."""
        self.front = front
        self.begun.set()

    def end(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join()


class Instead:
    """Answers in the place of the session: there is none."""

    status = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self):
        return self.status


class Run:
    """The child, and our session around it."""

    def __init__(self, config):
        self.config = config
        self.instead = Instead()
        self.child = self.line = self.front = None
        self.interrupts = 0
        self.before = None  # the handler of SIGINT
        self.over = False  # nothing more is to come from the session
        self.said = False  # how the child ended

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config):
        if not is_spread(config, config.option):
            option = config.option
            option.numprocesses, option.dist, option.tx, option.distload = None, "no", [], False
            yield
            return
        self.start(find_program(config))
        try:
            self.begin()
        except BaseException:
            self.line.end()
            self.finish()
            raise
        outcome = yield
        status = self.told(outcome) if self.front else 0
        code = self.finish()
        if self.front and not outcome.excinfo:
            outcome.force_result(code or status)

    # the child

    def start(self, program):
        check_version(program)
        ours, theirs = socket.socketpair()
        directory = str(self.config.invocation_params.dir)
        command = [program, "pytest", "--front-fd=%d" % theirs.fileno()]
        command += ["--python=%s" % shlex.quote(sys.executable)] + wishes(self.config)
        command += ["--"] + given_words(self.config)
        try:
            self.child = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, env=environment(self.config),
                pass_fds=[theirs.fileno()],
            )  # fmt: skip
        except OSError as exc:
            ours.close()
            raise pytest.UsageError("--farflung: %s can not be started: %s" % (program, exc)) from None
        finally:
            theirs.close()
        self.line = Line(ours)
        self.line.start()

    def begin(self):
        """The front is part of the session, or the session is not to be."""
        try:  # Ctrl-C at the terminal is for us alone
            self.before = signal.signal(signal.SIGINT, self.interrupt)
        except ValueError:
            pass  # we are no program's main thread
        self.line.begun.wait()
        self.front = self.line.front
        if self.front:
            self.front.begin(self.config, self.lost)
        else:
            self.instead.status = self.ended() or INFRASTRUCTURE

    def interrupt(self, number, frame):
        """The program hears of it, and tells us what becomes of the run. What hooks do when all is over
        is interrupted as in any other session."""
        front = self.front and self.front.front()
        if front and front.ended and not self.over and callable(self.before):
            return self.before(number, frame)
        self.interrupts += 1
        if self.interrupts < IMPATIENT:
            self.child.send_signal(signal.SIGINT)
        else:
            self.child.kill()

    def lost(self):
        """What the session ends with: the line did, before the run."""
        if self.interrupts:
            return KeyboardInterrupt()
        try:
            self.child.wait(LOST_SECONDS)
            how = self.how_it_ended()
        except subprocess.TimeoutExpired:
            how = "has closed its line"
        self.said = True
        words = "farflung %s: not all that it ran is known" % how
        return pytest.exit.Exception(words, returncode=INFRASTRUCTURE)

    def how_it_ended(self):
        code = self.child.returncode
        if code >= 0:
            return "ended with status %d" % code
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "signal %d" % -code
        return "was killed by %s" % name

    def told(self, outcome):
        """The program hears how the session ended; the status of that."""
        status = INFRASTRUCTURE if outcome.excinfo else int(outcome.get_result() or 0)
        self.front.end(status, outcome.excinfo and outcome.excinfo[1])
        return status

    def ended(self):
        """Its exit status when it has ended, which takes what its workers take."""
        code = self.child.wait()
        if code < 0 and not self.said:
            sys.stderr.write("farflung %s\n" % self.how_it_ended())
        self.said = True
        return code if code >= 0 else INFRASTRUCTURE

    def finish(self):
        self.over = True
        if not self.front:
            self.line.end()
        try:
            return self.ended()
        finally:
            self.line.end()
            if self.before is not None:
                signal.signal(signal.SIGINT, self.before)

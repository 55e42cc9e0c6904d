# Part of the pytest payload and of the front: how a session of pytest ended.
import os


def internal_error(excrepr):
    """(what pytest tells of one, the same in a few words)"""
    text = clean(excrepr)
    crash = getattr(excrepr, "reprcrash", None)
    lines = clean(crash.message if crash else text).strip().split("\n")
    return text, "internal error: %s" % (lines[0] if crash else lines[-1])


class Ending:
    """How a session ended: the exit status that pytest itself would have, and why."""

    def __init__(self, channel):
        self.channel = channel
        self.pid = os.getpid()
        self.status = 0
        self.words = ""
        self.bad = False

    def send(self, *item):
        try:
            self.channel.send(item)
        except OSError:
            pass  # nobody is left to hear it, but the end goes on

    def set_status(self, status):
        try:
            status = int(status or 0)
        except Exception:
            self.words = self.words or "the exit status %s is no number" % shown(status)
            status = 1
        self.status = status if 0 <= status <= 255 else status & 255 or 1

    def usage(self, text):
        text = clean(text)
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        lines = [line for line in lines if ": error: " in line] or lines or ["usage error"]
        self.status = 4
        self.words = lines[0]
        self.send("usage_error", text)

    def exit(self, exc):
        self.set_status(2 if exc.returncode is None else exc.returncode)
        self.words = self.words or words_of(exc)

    def trouble(self, exc):
        """A hook failed where pytest itself would end with a traceback."""
        if os.getpid() != self.pid:
            raise exc
        text, hook = trace_of(exc)
        words = words_of(exc) + (" (in %s)" % hook if hook else "")
        self.status = self.status or 1
        self.bad = True
        self.words = self.words or words
        self.send("trouble", text if hook is None else "in %s:\n%s" % (hook, text))

    def caught(self, exc):
        """What pytest itself would make of it."""
        import pytest
        from _pytest import config

        if isinstance(exc, config.ConftestImportFailure):
            self.usage(conftest_error(exc))
        elif isinstance(exc, getattr(config, "PluginImportFailure", ())):  # since 9.2
            cause = exc.__cause__ or exc
            self.status = 3
            self.words = 'Error importing plugin "%s": %s' % (clean(exc), clean(cause))
            self.trouble(cause)
        elif isinstance(exc, pytest.UsageError):
            self.usage("\n".join(str(arg) for arg in exc.args))
        elif isinstance(exc, pytest.exit.Exception):
            self.exit(exc)
        else:
            self.trouble(exc)

    def unconfigure(self, config):
        """None: there is nothing to unconfigure."""
        import pytest

        for _ in range(2 if config is not None else 0):  # once more for what follows one that failed
            try:
                config._ensure_unconfigure()
            except pytest.exit.Exception as exc:
                self.exit(exc)
            except BaseException as exc:
                self.trouble(exc)


class Innermost:
    """Within all wrappers of the session's end: one that lets an exception through, as pytest 7's own
    does, keeps it from those around it with pluggy 1.2 to 1.5."""

    def __init__(self, note):
        self.note = note

    def pytest_sessionfinish(self):
        result = yield
        if result.excinfo:
            self.note(result.excinfo[1])


def keep(*values):
    """Never free `values`: the objects of 20,000 tests take seconds, behind a run that is over. What
    has to happen at exit is in atexit's hands, or in modules, which are cleared all the same."""
    import gc

    if hasattr(gc, "freeze"):
        cycle = list(values)
        cycle.append(cycle)
        gc.freeze()

"""What can be raised."""
import os
import sys
import traceback

INTERRUPT_TEXT = "keyboard-interrupted"
MAIN_THREAD_ONLY_DEADLOCK_TEXT = (
    "concurrent remote_exec would cause deadlock for main_thread_only execmodel")
sysex = (KeyboardInterrupt, SystemExit)


class DataFormatError(Exception):
    """Data cannot be serialized, or be read again."""


class DumpError(DataFormatError):
    """An object cannot be serialized."""


class LoadError(DataFormatError):
    """Bytes are no serialized object."""


class RemoteError(Exception):
    """An exception at the other end; `formatted` is its traceback as text."""

    def __init__(self, formatted):
        super().__init__()
        self.formatted = formatted

    def __str__(self):
        return self.formatted

    def __repr__(self):
        return "%s: %s" % (type(self).__name__, self.formatted)

    def warn(self):
        """For an error that nobody will receive any more."""
        if self.formatted != INTERRUPT_TEXT:
            try:
                sys.stderr.write("[%d] Warning: unhandled %r\n" % (os.getpid(), self))
            except Exception:  # the interpreter may be going down
                pass


class TimeoutError(OSError):
    """A time is over."""


class HostNotFound(Exception):
    """A host could not be reached."""


def geterrortext(exc, format_exception=traceback.format_exception, sysex=sysex):
    """What is sent to the other end when `exc` was raised here."""
    try:
        return "".join(format_exception(type(exc), exc, exc.__traceback__))
    except sysex:
        raise
    except BaseException:
        return "%s: %s" % (type(exc).__name__, exc)

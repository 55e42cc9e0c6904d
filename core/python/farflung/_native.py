"""The functions of libfarflung-python, as attributes of this module.

They are builtin functions that C code makes from a table: ctypes only fetches that. Lines (gateways)
and ends (of channels) are numbers there; core/python/native/methods.c says what each function takes.
"""
import atexit
import ctypes

from farflung import _library

INTERFACE = 2  # FF_PY_INTERFACE

OPENING, OPEN, FAILED, CLOSED = range(4)


class _Mark:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "<%s>" % self.name


TIMED_OUT = _Mark("timed out")
ENDED = _Mark("ended")
EMPTY = _Mark("empty")

_CHUNK = 4000  # digits that every interpreter is ready to convert


def _digits(number):
    """The decimal digits of any integer."""
    if number < 0:
        return "-" + _digits(-number)
    parts = []
    base = 10 ** _CHUNK
    while number >= base:
        number, rest = divmod(number, base)
        parts.append("%0*d" % (_CHUNK, rest))
    parts.append("%d" % number)
    return "".join(reversed(parts))


def _number(digits):
    """The integer of any number of decimal digits, given as bytes."""
    sign, digits = (-1, digits[1:]) if digits[:1] == b"-" else (1, digits)
    number = 0
    for at in range(0, len(digits), _CHUNK):
        part = digits[at:at + _CHUNK]
        if not part.isdigit():
            raise ValueError("no digits")
        number = number * 10 ** len(part) + int(part)
    return sign * number


_library_handle = _library.find()


def _fetch():
    if _library_handle.ff_py_interface() != INTERFACE:
        raise ImportError(
            "farflung: %s is of another version than this package" % _library_handle._name)
    functions = _library_handle.ff_py_functions
    functions.restype = ctypes.py_object
    globals().update(functions())


_fetch()


def setup(dump_error, load_error, channel):
    """Once, before anything else: the classes that C code has to know."""
    function = _library_handle.ff_py_setup
    function.argtypes = [ctypes.c_size_t, ctypes.py_object]
    values = (type(None), dump_error, load_error, channel, TIMED_OUT, ENDED, EMPTY, _digits, _number)
    # An object's type is the last thing in front of what its class adds.
    if function(object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p), values) != 0:
        raise ImportError("farflung: this interpreter keeps its objects in a way that is not known")


# Registered first, so done last: groups end before the thread does that serves them.
atexit.register(stop)  # noqa: F821  (from the table)

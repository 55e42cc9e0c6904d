# The python worker: execnet's protocol for the far end. Its parts (items, channel, gateway, trace,
# main; green before them for its execmodels) are joined by the build, sent as text and executed.
# Standard library only, Python >= 3.7. It must not import what it does not need at start: starting
# fast is its first virtue. Text before it may set FF_ID, FF_EXECMODEL and FF_SOCKET (then
# `clientsock` carries the frames).
#
# One thread (or greenlet) reads frames and calls callbacks, the main thread executes the first
# task, further ones have threads of their own. Locks: _receivelock is held while a frame is acted
# upon, and then _writelock (frames leave whole, and in the order in which it was decided that they
# may leave) or _lock (counters) may be taken; these two never together. __del__ runs anywhere, so
# it waits for none of them.
import os
import sys
from _thread import RLock, allocate_lock, get_ident, start_new_thread
from _struct import Struct, error as struct_error
from time import monotonic
from _weakref import ref

try:
    from _queue import Empty, SimpleQueue
except ImportError:
    from queue import Empty, SimpleQueue

STATUS, RECONFIGURE, TERMINATE, EXEC, DATA, CLOSE, CLOSE_ERROR, LAST_MESSAGE = range(8)
HELLO, HEARTBEAT, CREDIT = 64, 65, 66
GREEN = ("gevent", "eventlet")
WINDOW = 1 << 20
READ_SIZE = 1 << 16
ATOMIC = 4096  # a pipe takes this much at once or not at all
INT_MAX = 2147483647
DIGITS = 4000  # newer interpreters refuse to make longer decimal numbers, or to read them
END = object()
INTERRUPT_TEXT = "keyboard-interrupted"
PATIENCE = 1  # seconds for what runs in the main thread, before another one is refused
DEADLOCK_TEXT = "concurrent remote_exec would cause deadlock for main_thread_only execmodel"

header = Struct("!bii")
one_int = Struct("!i")
op_int = Struct("!ci").pack
op_float = Struct("!cd").pack
op_complex = Struct("!cdd").pack
get_int = one_int.unpack_from
get_float = Struct("!d").unpack_from
get_complex = Struct("!dd").unpack_from


class DataFormatError(Exception):
    pass


class DumpError(DataFormatError):
    """An object can't be serialized."""


class LoadError(DataFormatError):
    """Bytes are no serialized object."""


def dump_int(obj, put):
    if -INT_MAX <= obj <= INT_MAX:
        put(op_int(b"F", obj))
    else:
        try:
            digits = int.__repr__(obj).encode()
        except ValueError:
            digits = long_digits(obj)
        put(op_int(b"H", len(digits)))
        put(digits)


def long_digits(number):
    left, parts = abs(number), []
    while left:
        left, part = divmod(left, 10**DIGITS)
        parts.append(b"%0*d" % (DIGITS, part))
    return b"-" * (number < 0) + b"".join(reversed(parts)).lstrip(b"0")


def long_number(digits):
    sign = digits[:1] if digits[:1] in (b"-", b"+") else b""
    digits, number = digits[len(sign) :], 0
    if not digits.isdigit():
        raise LoadError("a number that is none")
    for i in range(0, len(digits), DIGITS):
        part = digits[i : i + DIGITS]
        number = number * 10 ** len(part) + int(part)
    return -number if sign == b"-" else number


def dump_str(obj, put):
    try:
        data = str.encode(obj)
    except UnicodeEncodeError:
        raise DumpError("strings must be utf-8 encodable") from None
    put(op_int(b"N", len(data)))
    put(data)


def dump_bytes(obj, put):
    put(op_int(b"A", len(obj)))
    put(obj)


def dump_list(obj, put):
    put(op_int(b"K", len(obj)))
    for i, item in enumerate(obj):
        put(op_int(b"F", i))
        (dumpers.get(type(item)) or find_dumper(item))(item, put)
        put(b"P")


def dump_dict(obj, put):
    put(b"J")
    for key, item in obj.items():
        (dumpers.get(type(key)) or find_dumper(key))(key, put)
        (dumpers.get(type(item)) or find_dumper(item))(item, put)
        put(b"P")


def dump_many(obj, put, op=b"@"):
    for item in obj:
        (dumpers.get(type(item)) or find_dumper(item))(item, put)
    put(op_int(op, len(obj)))


dumpers = {
    type(None): lambda obj, put: put(b"L"),
    bool: lambda obj, put: put(b"R" if obj else b"C"),
    int: dump_int,
    float: lambda obj, put: put(op_float(b"D", obj)),
    complex: lambda obj, put: put(op_complex(b"T", obj.real, obj.imag)),
    str: dump_str,
    bytes: dump_bytes,
    list: dump_list,
    dict: dump_dict,
    tuple: dump_many,
    set: lambda obj, put: dump_many(obj, put, b"O"),
    frozenset: lambda obj, put: dump_many(obj, put, b"E"),
}


def find_dumper(obj):
    """For what is of no builtin type: its builtin base, or the number that it stands for. Remembered
    by nobody: classes that executed code makes must be able to go."""
    kind = type(obj)
    for base in (int, float, str, bytes, tuple, list, dict, set, frozenset, complex):
        if isinstance(obj, base):
            return dumpers[base]
    if kind.__name__ in ("bool_", "bool"):
        return lambda obj, put: put(b"R" if obj else b"C")
    for method, dump in (("__index__", dump_int), ("__float__", dumpers[float])):
        try:
            number = getattr(kind, method)(obj)
        except Exception:
            continue
        return lambda obj, put: dump(number, put)
    raise DumpError("can't serialize %s" % kind)


def dumps(obj):
    parts = []
    try:
        (dumpers.get(type(obj)) or find_dumper(obj))(obj, parts.append)
    except (RecursionError, struct_error) as exc:
        raise DumpError("can't serialize: %s" % exc) from None
    parts.append(b"Q")
    return b"".join(parts)


def loads(data, gateway=None, strconfig=(True, False)):
    stack = []
    try:
        load_onto(stack, data, gateway, strconfig)
    except (AttributeError, IndexError, TypeError, ValueError, struct_error) as exc:
        raise LoadError("not a serialized object: %s" % exc) from None
    if len(stack) != 1:
        raise LoadError("%d objects instead of one" % len(stack))
    return stack[0]


def load_onto(stack, data, gateway, strconfig):
    push, pop = stack.append, stack.pop
    size = room = len(data)
    i = 0
    while 1:
        op = data[i]
        i += 1
        if op == 80:  # P
            item = pop()
            key = pop()
            stack[-1][key] = item
        elif op == 78:  # N
            n = get_int(data, i)[0]
            i += 4
            if not 0 <= n <= size - i:
                raise LoadError("length %d, but %d bytes are left" % (n, size - i))
            push(data[i : i + n] if strconfig[1] else data[i : i + n].decode())
            i += n
        elif op == 70 or op == 71:  # F G
            push(get_int(data, i)[0])
            i += 4
        elif op in b"AMSHI":
            n = get_int(data, i)[0]
            i += 4
            if not 0 <= n <= size - i:
                raise LoadError("length %d, but %d bytes are left" % (n, size - i))
            raw = data[i : i + n]
            i += n
            if op == 83:  # S
                push(raw.decode())
            elif op == 65:  # A
                push(raw)
            elif op == 77:  # M
                push(raw.decode("latin-1") if strconfig[0] else raw)
            else:
                push(int(raw) if n <= DIGITS else long_number(raw))
        elif op == 74:  # J
            push({})
        elif op in b"K@OE":
            n = get_int(data, i)[0]
            i += 4
            if not 0 <= n <= (room if op == 75 else len(stack)):
                raise LoadError("count %d is too large" % n)
            if op == 75:  # K
                room -= n  # all lists together can't have more entries than there are bytes
                push([None] * n)
            else:
                start = len(stack) - n
                items = stack[start:]
                del stack[start:]
                push(tuple(items) if op == 64 else set(items) if op == 79 else frozenset(items))
        elif op == 76:  # L
            push(None)
        elif op == 82 or op == 67:  # R C
            push(op == 82)
        elif op == 68:  # D
            push(get_float(data, i)[0])
            i += 8
        elif op == 84:  # T
            push(complex(*get_complex(data, i)))
            i += 16
        elif op == 66:  # B
            push(gateway._channel(get_int(data, i)[0]))
            i += 4
        elif op == 81:  # Q
            if i != size:
                raise LoadError("%d bytes behind the end" % (size - i))
            return
        else:
            raise LoadError("unknown opcode %d" % op)

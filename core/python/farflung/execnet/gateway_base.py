"""Serialization, and everything else that programs look for under this name.

It can also be run, or imported, as a file of its own: then, too, it takes all from farflung.
"""
import io as _io
import os  # noqa: F401
import struct  # noqa: F401
import sys  # noqa: F401

from farflung import _native
from farflung.execnet._base import BaseGateway  # noqa: F401
from farflung.execnet._channel import (  # noqa: F401
    NO_ENDMARKER_WANTED, Channel, ChannelFactory, ChannelFile, ChannelFileRead, ChannelFileWrite)
from farflung.execnet._errors import (  # noqa: F401
    INTERRUPT_TEXT, MAIN_THREAD_ONLY_DEADLOCK_TEXT, DataFormatError, DumpError, LoadError, RemoteError,
    TimeoutError, geterrortext, sysex)
from farflung.execnet._models import (  # noqa: F401
    EventletExecModel, ExecModel, GeventExecModel, MainThreadOnlyExecModel, Reply, ThreadExecModel,
    WorkerPool, get_execmodel)
from farflung.execnet._trace import DEBUG, fn, notrace, pid, trace  # noqa: F401
from farflung.execnet._worker import Message, Popen2IO, WorkerGateway, init_popen_io  # noqa: F401


def bchr(n):
    return bytes((n,))


DUMPFORMAT_VERSION = bchr(2)
FOUR_BYTE_INT_MAX = 2147483647


class opcode:
    """The serialization's operations (PROTOCOL.md, "Serialization")."""

    BUILDTUPLE = b"@"
    BYTES = b"A"
    CHANNEL = b"B"
    FALSE = b"C"
    FLOAT = b"D"
    FROZENSET = b"E"
    INT = b"F"
    LONG = b"G"
    LONGINT = b"H"
    LONGLONG = b"I"
    NEWDICT = b"J"
    NEWLIST = b"K"
    NONE = b"L"
    PY2STRING = b"M"
    PY3STRING = b"N"
    SET = b"O"
    SETITEM = b"P"
    STOP = b"Q"
    TRUE = b"R"
    UNICODE = b"S"
    COMPLEX = b"T"


# How many bytes follow an operation; "+": a length of four, and so many more.
_FOLLOWS = {op: 4 for op in b"@BEFGKO"}
_FOLLOWS.update({op: 0 for op in b"CJLPQR"})
_FOLLOWS.update({op: "+" for op in b"AHIMNS"})
_FOLLOWS.update({ord("D"): 8, ord("T"): 16})


def _read(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("expected %d bytes, got %d" % (count, len(data)))
    return data


def _read_item(stream):
    """The bytes of one item, and none behind it."""
    pieces = []
    while True:
        op = _read(stream, 1)
        pieces.append(op)
        if op == opcode.STOP:
            return b"".join(pieces)
        follows = _FOLLOWS.get(op[0])
        if follows is None:
            raise LoadError("unknown opcode %r - wire protocol corruption?" % (op,))
        if follows == "+":
            pieces.append(_read(stream, 4))
            follows = struct.unpack("!i", pieces[-1])[0]
            if follows < 0:
                raise LoadError("a negative length")
        if follows:
            pieces.append(_read(stream, follows))


class Unserializer:
    """Reads items from a stream."""

    py2str_as_py3str = True
    py3str_as_py2str = False

    def __init__(self, stream, channel_or_gateway=None, strconfig=None):
        gateway = getattr(channel_or_gateway, "gateway", channel_or_gateway)
        if strconfig is None:
            strconfig = getattr(channel_or_gateway, "_strconfig", None)
        if strconfig is None:
            strconfig = self.py2str_as_py3str, self.py3str_as_py2str
        self.stream = stream
        self.strconfig = strconfig
        self._channel_of = None if gateway is None else gateway._channelfactory.new

    def load(self, versioned=False):
        if versioned:
            version = self.stream.read(1)
            if version != DUMPFORMAT_VERSION:
                raise LoadError("wrong dumpformat version %r" % version)
        py2, py3 = self.strconfig
        return _native.loads(_read_item(self.stream), 0, py2, py3, self._channel_of)[0]


def dumps(obj):
    """`obj` as bytes. Builtin values only: anything else is a DumpError."""
    return _native.dumps(obj, DUMPFORMAT_VERSION)


def loads(bytestring, py2str_as_py3str=False, py3str_as_py2str=False):
    """What dumps was given. Strings of Python 2 are bytes unless `py2str_as_py3str`."""
    if type(bytestring) is not bytes:
        bytestring = bytes(bytestring)
    if bytestring[:1] != DUMPFORMAT_VERSION:
        raise LoadError("wrong dumpformat version %r" % bytestring[:1])
    return _native.loads(bytestring, 1, py2str_as_py3str, py3str_as_py2str, None)[0]


def dump(byteio, obj):
    """Writes dumps(obj) to a file."""
    byteio.write(dumps(obj))


def load(io, py2str_as_py3str=False, py3str_as_py2str=False):
    """What dump wrote to a file; what stands behind it stays there."""
    return Unserializer(io, strconfig=(py2str_as_py3str, py3str_as_py2str)).load(versioned=True)


def dumps_internal(obj):
    """The same without a version, as items travel."""
    return _native.dumps(obj, b"")


def loads_internal(bytestring, channelfactory=None, strconfig=None):
    return Unserializer(_io.BytesIO(bytestring), channelfactory, strconfig).load()

"""Messages on a stream, and the pieces of a worker that is written in Python. Gateways that are made
here do not use them: libfarflung frames by itself, and has workers of its own."""
import os
import struct
import sys

from farflung.execnet._base import BaseGateway
from farflung.execnet._channel import Channel  # noqa: F401
from farflung.execnet._errors import INTERRUPT_TEXT, geterrortext


class Message:
    """A frame: a code, the id of a channel, and bytes."""

    _types = {}
    _names = ("STATUS", "RECONFIGURE", "GATEWAY_TERMINATE", "CHANNEL_EXEC", "CHANNEL_DATA",
              "CHANNEL_CLOSE", "CHANNEL_CLOSE_ERROR", "CHANNEL_LAST_MESSAGE")

    def __init__(self, msgcode, channelid=0, data=b""):
        self.msgcode = msgcode
        self.channelid = channelid
        self.data = data

    @staticmethod
    def from_io(io):
        """The next one of a stream; EOFError at its end."""
        try:
            header = io.read(9)
            if not header:
                raise EOFError("empty read")
        except EOFError as exc:
            raise EOFError("couldn't load message header, " + exc.args[0]) from None
        code, id, length = struct.unpack("!bii", header)
        return Message(code, id, io.read(length))

    def to_io(self, io):
        io.write(struct.pack("!bii", self.msgcode, self.channelid, len(self.data)) + self.data)

    def __repr__(self):
        return "<Message %s channel=%d lendata=%d>" % (
            self._names[self.msgcode], self.channelid, len(self.data))


for _code, _name in enumerate(Message._names):
    setattr(Message, _name, _code)
    Message._types[_code] = (_name, None)


class Popen2IO:
    """Two files as one stream of bytes."""

    error = (IOError, OSError, EOFError)

    def __init__(self, outfile, infile, execmodel):
        self.outfile, self.infile = outfile, infile
        self._read = getattr(infile, "buffer", infile).read
        self._write = getattr(outfile, "buffer", outfile).write
        self.execmodel = execmodel

    def read(self, numbytes):
        """Exactly so many bytes; EOFError if there are not."""
        data = b""
        while len(data) < numbytes:
            piece = self._read(numbytes - len(data))
            if not piece:
                raise EOFError("expected %d bytes, got %d" % (numbytes, len(data)))
            data += piece
        return data

    def write(self, data):
        assert isinstance(data, bytes)
        self._write(data)
        self.outfile.flush()

    def close_read(self):
        self.infile.close()

    def close_write(self):
        self.outfile.close()


def init_popen_io(execmodel):
    """This process's stdin and stdout as a stream; /dev/null takes their place."""
    stdin = execmodel.fdopen(os.dup(0), "r", 1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    stdout = execmodel.fdopen(os.dup(1), "w", 1)
    os.dup2(null, 1)
    os.close(null)
    stream = Popen2IO(stdout, stdin, execmodel)
    sys.stdin = execmodel.fdopen(0, "r", 1, False)
    sys.stdout = execmodel.fdopen(1, "w", 1, False)
    return stream


class WorkerGateway(BaseGateway):
    """The other end's gateway, as far as it executes."""

    def executetask(self, item):
        """Runs (channel, (source, file name, call name, kwargs)) and closes the channel."""
        try:
            channel, (source, file_name, call_name, kwargs) = _task(item)
            names = {"channel": channel, "__name__": "__channelexec__"}
            channel._executing = True
            try:
                exec(compile(source + "\n", file_name or "<remote exec>", "exec"), names)
                if call_name:
                    names[call_name](channel, **kwargs)
            finally:
                channel._executing = False
        except KeyboardInterrupt:
            channel.close(INTERRUPT_TEXT)
            raise
        except BaseException as exc:
            channel.close(geterrortext(exc))
        else:
            channel.close()


def _task(item):
    channel, task = item
    if len(task) == 3:  # without a call name
        task = task[0], None, None, task[2]
    return channel, task

"""Channels: their near ends are kept by libfarflung-python, these classes give them Python's face."""
import os
import weakref

from farflung import _native
from farflung.execnet._errors import DumpError, LoadError, RemoteError, TimeoutError, geterrortext

NO_ENDMARKER_WANTED = object()
STRCONFIG = (True, False)

_nowhere = None


def _line_of(gateway):
    """The gateway's line; one without a connection for whatever else has channels."""
    global _nowhere
    line = getattr(gateway, "_line", None)
    if line is None:
        if _nowhere is None:
            _native.start()
            _nowhere = _native.line_none()
        line = _nowhere
    return line


def _seconds(timeout):
    """As C code wants it: negative is for ever."""
    return -1.0 if timeout is None else max(0.0, float(timeout))


def wait_green(model, what, is_end, timeout, look):
    """Waits as greenlets do until look() gives something else than TIMED_OUT or False."""
    limit = None if timeout is None else _now() + timeout
    readable, writable = os.pipe()
    watch = None
    try:
        os.set_blocking(readable, False)
        os.set_blocking(writable, False)
        watch = _native.watch(what, is_end, writable)
        while True:
            found = look()
            left = None if limit is None else limit - _now()
            if (found is not _native.TIMED_OUT and found is not False) or (left is not None and left <= 0):
                return found
            model.wait_fd(readable, left)
            try:
                os.read(readable, 4096)
            except BlockingIOError:
                pass
    finally:
        if watch is not None:
            _native.unwatch(watch)
        os.close(readable)
        os.close(writable)


def _now():
    import time
    return time.monotonic()


class Channel:
    """One conversation with code at the other end of a gateway."""

    RemoteError = RemoteError
    TimeoutError = TimeoutError
    _INTERNALWAKEUP = 1000
    _executing = False
    _end = None

    def __init__(self, gateway, id, _end=None):
        self.gateway = gateway
        self.id = id
        self._strconfig = getattr(gateway, "_strconfig", STRCONFIG)
        self._called = False
        factory = getattr(gateway, "_channelfactory", None)
        self._channel_of = factory._of if factory is not None else None
        model = gateway.execmodel
        self._green = model if getattr(model, "wait_fd", None) is not None else None
        self._end = _native.line_end(_line_of(gateway), id) if _end is None else _end

    def __repr__(self):
        return "<Channel id=%d %s>" % (self.id, "closed" if self.isclosed() else "open")

    def __del__(self):
        end, self._end = self._end, None
        if end is None:
            return
        if _native is None:  # the interpreter is going down
            return
        if _native.end_state(end)[0]:
            text = _native.end_error(end)
            while text is not None:
                RemoteError(text).warn()
                text = _native.end_error(end)
        _native.end_drop(end)

    def _trace(self, *msg):
        self.gateway._trace(self.id, *msg)

    # --- sending and receiving ---

    def send(self, item):
        """Sends an item: a copy of a builtin value, or a channel."""
        _native.send(self._end, item)

    def _send_all(self, items, timeout):
        """Sends them, and waits until the other end's window has taken all: how many are on their way,
        and whether that was in time."""
        limit = _now() + timeout
        sent = 0
        for item in items:
            if self._wait(limit, lambda seconds: _native.send(self._end, item, seconds)) is _native.TIMED_OUT:
                return sent, False
            sent += 1
        return sent, self._wait(limit, lambda seconds: _native.taken(self._end, seconds))

    def _wait(self, limit, call):
        left = max(0.0, limit - _now())
        if self._green is None:
            return call(left)
        return wait_green(self._green, self._end, 1, left, lambda: call(0.0))

    def receive(self, timeout=None):
        """The next item; waits for it, at most `timeout` seconds (then TimeoutError).

        When there will be none: RemoteError if the other end had an exception, else EOFError.
        """
        if self._called:
            raise OSError("cannot receive(), channel has receiver callback")
        if self._green is not None:
            item = wait_green(
                self._green, self._end, 1, timeout,
                lambda: _native.receive(self._end, 0.0, self._channel_of))
        else:
            item = _native.receive(
                self._end, -1.0 if timeout is None else _seconds(timeout), self._channel_of)
        if item is _native.TIMED_OUT:
            raise self.TimeoutError("no item after %r seconds" % timeout)
        if item is _native.ENDED:
            raise self._getremoteerror() or EOFError()
        return item

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    next = __next__

    def setcallback(self, callback, endmarker=NO_ENDMARKER_WANTED):
        """callback(item) is called for each item from now on, those that wait already included.

        With `endmarker`, also once with that, when no more will come. Callbacks of one gateway run
        one after another, in a thread of their own.
        """
        gateway = self.gateway
        with gateway._receivelock:
            if self._called:
                raise OSError("%r has callback already registered" % (self,))
            self._called = True
            called = gateway._calls.add(self, callback, endmarker)
            while True:
                item = _native.call(self._end, self._channel_of)
                if item is _native.EMPTY:
                    break
                if item is _native.ENDED:
                    gateway._calls.ended(self._end)
                    break
                called.callback(item)

    # --- the end ---

    def isclosed(self):
        """Whether it is closed: nothing can be sent any more."""
        return bool(_native.end_state(self._end)[0])

    def _getremoteerror(self):
        text = _native.end_error(self._end)
        if text is not None:
            return RemoteError(text)
        return getattr(self.gateway, "_error", None)

    def close(self, error=None):
        """Closes it, here and there; with `error`, that is raised there as a RemoteError."""
        if self._executing:
            raise OSError("cannot explicitly close channel within remote_exec")
        if not self.isclosed():
            _native.close(self._end, None if error is None else str(error))
            if isinstance(error, RemoteError):
                _native.close_here(self._end, 1, str(error))

    def waitclose(self, timeout=None):
        """Waits until no more will come, at most `timeout` seconds; raises the other end's error."""
        if self._green is not None:
            over = wait_green(
                self._green, self._end, 1, timeout, lambda: _native.waitclose(self._end, 0.0))
        else:
            over = _native.waitclose(self._end, _seconds(timeout))
        if not over:
            raise self.TimeoutError("Timeout after %r seconds" % timeout)
        error = self._getremoteerror()
        if error:
            raise error

    def makefile(self, mode="w", proxyclose=False):
        """A file: 'w' sends what is written, each piece an item; 'r' reads what is received."""
        if mode == "w":
            return ChannelFileWrite(channel=self, proxyclose=proxyclose)
        if mode == "r":
            return ChannelFileRead(channel=self, proxyclose=proxyclose)
        raise ValueError("mode %r not available" % (mode,))

    def reconfigure(self, py2str_as_py3str=True, py3str_as_py2str=False):
        """How strings are read that come from Python 2, or go there."""
        self._strconfig = (py2str_as_py3str, py3str_as_py2str)
        _native.end_reconfigure(self._end, bool(py2str_as_py3str), bool(py3str_as_py2str))


_native.setup(DumpError, LoadError, Channel)


class _Called:
    """What is to be called for a channel, also when that is no more than an end."""

    def __init__(self, callback, endmarker):
        self.callback = callback
        self.endmarker = endmarker
        self.failed = False


class Calls:
    """The callbacks of a gateway, and the thread that they run in."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.by_end = {}
        self.started = False

    def add(self, channel, callback, endmarker):
        called = self.by_end[channel._end] = _Called(callback, endmarker)
        if not self.started:
            self.started = True
            self.gateway.execmodel.start(self.serve)
        return called

    def ended(self, end):
        called = self.by_end.pop(end, None)
        if called is not None and called.endmarker is not NO_ENDMARKER_WANTED:
            called.callback(called.endmarker)

    def serve(self):
        line, model = self.gateway._line, self.gateway.execmodel
        channel_of = self.gateway._channelfactory._of
        if getattr(model, "wait_fd", None) is None:
            while _native.line_next(line, -1.0, self.arrived, channel_of) is not None:
                pass
        else:
            while wait_green(
                    model, line, 0, None,
                    lambda: _native.line_next(line, 0.0, self.arrived, channel_of)) is not None:
                pass

    def arrived(self, end, item, error, is_end):
        """An item, or the end, of a channel that has a callback. Raises nothing."""
        with self.gateway._receivelock:
            called = self.by_end.get(end)
            try:
                if is_end:
                    self.ended(end)
                elif called is not None and not called.failed:
                    called.callback(item)
            except Exception as exc:
                self.gateway._trace("exception during callback: %s" % exc)
                if called is not None and not is_end:
                    called.failed = True
                    text = geterrortext(exc)
                    _native.close_here(end, 1, text)
                    _native.close(end, text)
        return True


class ChannelFactory:
    """The channels of a gateway."""

    def __init__(self, gateway, startcount=1):
        self.gateway = gateway
        self.count = startcount
        self._all = weakref.WeakValueDictionary()

    @property
    def finished(self):
        line = getattr(self.gateway, "_line", None)
        return line is not None and _native.line_state(line)[0] in (_native.FAILED, _native.CLOSED)

    @property
    def _channels(self):
        """Those that something may still come for, by id."""
        return {id: channel for id, channel in list(self._all.items())
                if not _native.end_state(channel._end)[1]}

    def channels(self):
        return list(self._channels.values())

    def _of(self, id):
        """The channel with that id, which came in an item."""
        channel = self._all.get(id)
        if channel is None:
            channel = self._all[id] = Channel(self.gateway, id)
        return channel

    def _made(self, made):
        """A Channel for (end, id)."""
        end, id = made
        channel = self._all[id] = Channel(self.gateway, id, end)
        return channel

    def new(self, id=None):
        """The channel with that id, or a new one."""
        if id is not None:
            return self._of(id)
        line = getattr(self.gateway, "_line", None)
        if line is None:
            id = self.count
            self.count += 2
            return self._of(id)
        if self.finished:
            raise OSError("connection already closed: %r" % (self.gateway,))
        return self._made(_native.line_channel(line))

    def _local_close(self, id, remoteerror=None, sendonly=False):
        """As if the other end had closed it."""
        channel = self._all.get(id)
        if channel is not None:
            _native.close_here(
                channel._end, not sendonly, None if remoteerror is None else str(remoteerror))
        elif remoteerror is not None:
            remoteerror.warn()


class ChannelFile:
    """A channel as a file; `close` closes the channel if `proxyclose`."""

    def __init__(self, channel, proxyclose=True):
        self.channel = channel
        self._proxyclose = proxyclose

    def isatty(self):
        return False

    def close(self):
        if self._proxyclose:
            self.channel.close()

    def __repr__(self):
        return "<ChannelFile %d %s>" % (
            self.channel.id, "closed" if self.channel.isclosed() else "open")


class ChannelFileWrite(ChannelFile):
    def write(self, out):
        self.channel.send(out)

    def flush(self):
        pass


class ChannelFileRead(ChannelFile):
    def __init__(self, channel, proxyclose=True):
        super().__init__(channel, proxyclose)
        self._buffer = None

    def _more(self):
        """Receives one more piece; False at the end."""
        try:
            piece = self.channel.receive()
        except EOFError:
            self.close()
            return False
        self._buffer = piece if self._buffer is None else self._buffer + piece
        return True

    def read(self, n):
        """`n` characters, less at the end."""
        while self._buffer is None or len(self._buffer) < n:
            if not self._more():
                break
        if self._buffer is None:
            return ""
        taken, self._buffer = self._buffer[:n], self._buffer[n:]
        return taken

    def readline(self):
        """Up to and with the next newline, or the rest."""
        seen = 0
        while True:
            if self._buffer is not None:
                at = self._buffer.find("\n" if isinstance(self._buffer, str) else b"\n", seen)
                if at >= 0:
                    return self.read(at + 1)
                seen = len(self._buffer)
            if not self._more():
                return self.read(seen)

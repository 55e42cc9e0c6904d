# Channels, their files, and what executions need around them.


class RemoteError(Exception):
    """What went wrong at the other side, as text."""

    def __init__(self, formatted):
        Exception.__init__(self)
        self.formatted = formatted

    def __str__(self):
        return self.formatted

    def __repr__(self):
        return "RemoteError: %s" % self.formatted

    def warn(self):
        if self.formatted != INTERRUPT_TEXT:
            complain("Warning: unhandled %r" % self)


class TimeoutError(OSError):
    """Nothing happened in time."""


def complain(text):
    try:
        sys.stderr.write("[%d] %s\n" % (os.getpid(), text))
    except Exception:
        pass  # nobody is there to hear it


def wait_for(gates, lock, ready, timeout=None):
    """Wait until ready(), looked at now and after each wake(gates)."""
    deadline = None if timeout is None else monotonic() + timeout
    gate = lock()
    gate.acquire()
    gates.append(gate)
    try:
        while not ready():
            left = -1 if deadline is None else deadline - monotonic()
            if deadline is not None and left <= 0:
                return False
            gate.acquire(True, left)
        return True
    finally:
        gates.remove(gate)


def wake(gates):
    for gate in list(gates):
        try:
            gate.release()
        except RuntimeError:
            pass  # it is awake already


class State:
    """What the gateway knows of a channel. It outlives the Channel, which executed code holds, for
    as long as there is a callback or a frame that could not leave yet."""

    __slots__ = ("id", "channel", "items", "callback", "endmarker", "strconfig", "errors", "gates",
                 "closed", "receiveclosed", "peergone", "pending", "sent", "granted", "eaten")  # fmt: skip

    def __init__(self, id, items, strconfig):
        self.id = id
        self.items = items  # (item, size); None once there is or was a callback
        self.callback = None
        self.strconfig = strconfig
        self.errors = []
        self.gates = []  # of threads that wait for a change
        self.closed = self.receiveclosed = self.peergone = False
        self.pending = []  # (code, data) that waits for credit, and what must stay behind it
        self.sent = self.granted = self.eaten = 0


class Channel:
    """One conversation with the other side."""

    RemoteError = RemoteError
    TimeoutError = TimeoutError
    _executing = False

    def __init__(self, gateway, state):
        self.gateway = gateway
        self.id = state.id
        self._state = state

    def __repr__(self):
        return "<Channel id=%d %s>" % (self.id, "closed" if self._state.closed else "open")

    def __del__(self):
        state = self._state
        if state.closed:
            for error in state.errors:
                error.warn()
        elif not state.peergone:
            self.gateway._dropped(state)

    def isclosed(self):
        return self._state.closed

    def send(self, item):
        """Send one item; waits while the other side has too many of ours unread."""
        if self._state.closed:
            raise OSError("cannot send to %r" % self)
        self.gateway._send_data(self._state, dumps(item))

    def _send_all(self, items, timeout):
        """Send them, and wait until the other side's window has taken all: how many are on their way,
        and whether that was in time."""
        limit = monotonic() + timeout
        for sent, item in enumerate(items):
            if self._state.closed:
                raise OSError("cannot send to %r" % self)
            if not self.gateway._send_data(self._state, dumps(item), limit):
                return sent, False
        return len(items), True

    def receive(self, timeout=None):
        """The next item; EOFError at the end, RemoteError if the other side failed."""
        state = self._state
        items = state.items
        if items is None:
            raise OSError("cannot receive(), channel has receiver callback")
        if timeout is None:
            item, size = items.get()
        else:
            try:
                item, size = items.get(timeout > 0, timeout)
            except Empty:
                raise self.TimeoutError("no item after %r seconds" % timeout) from None
        if item is END:
            items.put((END, 0))
            if state.items is None:
                raise OSError("cannot receive(), channel has receiver callback")
            raise self._remoteerror() or EOFError()
        if not state.receiveclosed and self.gateway._window:
            self.gateway._consumed(state, size)
        return item

    def _remoteerror(self):
        errors = self._state.errors
        return errors.pop(0) if errors else self.gateway._error

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    next = __next__

    def setcallback(self, callback, endmarker=END):
        """Have callback(item) called for queued items and then for each on arrival."""
        gateway, state = self.gateway, self._state
        with gateway._receivelock:
            items = state.items
            if items is None:
                raise OSError("%r has callback already registered" % self)
            state.items = None
            try:
                while 1:
                    try:
                        item, size = items.get(False)
                    except Empty:
                        with gateway._lock:
                            if not state.receiveclosed:
                                state.endmarker = endmarker
                                state.callback = callback
                                return
                        item = END  # under way
                    if item is END:
                        if endmarker is not END:
                            callback(endmarker)
                        return
                    callback(item)
                    if not state.receiveclosed:
                        gateway._consumed(state, size)
            finally:
                items.put((END, 0))  # for who waits in receive()

    def close(self, error=None):
        """Close; with `error`, the other side's receive raises it."""
        if self._executing:
            raise OSError("cannot explicitly close channel within remote_exec")
        state = self._state
        if state.closed:
            return
        gone = state.peergone
        if isinstance(error, RemoteError):
            state.errors.append(error)
        self.gateway._end(state, True, gone)
        if not gone:
            code, data = (CLOSE, b"") if error is None else (CLOSE_ERROR, dump_text(error))
            self.gateway._send_behind(state, code, data)

    def waitclose(self, timeout=None):
        """Wait until nothing more will arrive."""
        state = self._state
        if not state.receiveclosed and not self.gateway._wait(
            state, lambda: state.receiveclosed, timeout
        ):
            raise self.TimeoutError("Timeout after %r seconds" % timeout)
        error = self._remoteerror()
        if error:
            raise error

    def makefile(self, mode="w", proxyclose=False):
        """A file whose writes send items, or whose reads take from received ones."""
        if mode not in ("w", "r"):
            raise ValueError("mode %r not available" % mode)
        return (ChannelFileWrite if mode == "w" else ChannelFileRead)(self, proxyclose)

    def reconfigure(self, py2str_as_py3str=True, py3str_as_py2str=False):
        self._state.strconfig = strconfig = (py2str_as_py3str, py3str_as_py2str)
        self.gateway._send_behind(self._state, RECONFIGURE, dumps(strconfig))


dumpers[Channel] = lambda obj, put: put(op_int(b"B", obj.id))


class ChannelFile:
    def __init__(self, channel, proxyclose=True):
        self.channel = channel
        self._proxyclose = proxyclose
        self._buffer = None

    def __repr__(self):
        state = "closed" if self.channel.isclosed() else "open"
        return "<ChannelFile %d %s>" % (self.channel.id, state)

    def isatty(self):
        return False

    def close(self):
        if self._proxyclose:
            self.channel.close()


class ChannelFileWrite(ChannelFile):
    def write(self, out):
        self.channel.send(out)

    def flush(self):
        pass


class ChannelFileRead(ChannelFile):
    def read(self, n):
        try:
            if self._buffer is None:
                self._buffer = self.channel.receive()
            while len(self._buffer) < n:
                self._buffer += self.channel.receive()
        except EOFError:
            self.close()
        buffer = self._buffer
        if buffer is None:
            return ""
        self._buffer = buffer[n:]
        return buffer[:n]

    def readline(self):
        line = self.read(1)
        newline = "\n" if isinstance(line, str) else b"\n"
        while line and line[-1:] != newline:
            i = self._buffer.find(newline)
            more = self.read(i + 1 if i >= 0 else max(1, len(self._buffer)))
            if not more:
                break
            line += more
        return line


class ExecModel:
    """How things run beside each other: with threads. Executed code sees it as
    channel.gateway.execmodel."""

    _names = {
        "threading": "threading", "queue": "queue", "socket": "socket", "subprocess": "subprocess",
        "Lock": "threading:RLock", "RLock": "threading:RLock", "Event": "threading:Event",
        "_semaphore": "threading:Semaphore", "sleep": "time:sleep", "_open": "builtins:open",
        "get_ident": "_thread:get_ident",
    }  # fmt: skip
    _lock = allocate_lock
    _rlock = RLock
    _queue = SimpleQueue

    def __init__(self, backend):
        self.backend = backend

    def __repr__(self):
        return "<ExecModel %r>" % self.backend

    def __getattr__(self, name):
        if name not in self._names:
            raise AttributeError(name)
        module, _, attribute = self._names[name].partition(":")
        found = __import__(module, None, None, ["__doc__"])
        if attribute:
            found = getattr(found, attribute)
        setattr(self, name, found)
        return found

    def start(self, func, args=()):
        start_new_thread(func, args)

    def apart(self, func, *args):
        """Call what blocks, in such a way that others go on."""
        return func(*args)

    def fdopen(self, fd, mode, bufsize=1):
        return self._open(fd, mode, bufsize)

    def Semaphore(self, size=None):
        return self._semaphore(INT_MAX if size is None else size)

    def PopenPiped(self, args):
        pipe = self.subprocess.PIPE
        return self.subprocess.Popen(args, stdout=pipe, stdin=pipe)


FIRST_LINE = "Traceback (most recent call last):\n"


def error_text(source, name):
    """The current exception as text, without the worker's own frame, but with the source's lines."""
    kind, exc, trace = sys.exc_info()
    try:
        if hasattr(exc, "ff_text"):  # our own built-ins say it in one line
            return str(exc.ff_text)
        import linecache
        import traceback

        remember_source(linecache, source, name)
        text = "".join(traceback.format_exception(kind, exc, trace.tb_next))
        # a SyntaxError has no frames, and then no first line either
        return text if text.startswith(FIRST_LINE) else FIRST_LINE + text
    except Exception:
        return kind.__name__


def remember_source(linecache, source, name):
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)


def dedented(source):
    """As it would stand at the left margin; execnet does that where it sends."""
    blank = source[: len(source) - len(source.lstrip())]
    if blank[-1:] not in (" ", "\t"):
        return source
    import textwrap

    return textwrap.dedent(source)


def dump_text(text):
    """Dump a text that may hold what is no character, as names of files do."""
    return dumps(str(text).encode("utf-8", "backslashreplace").decode())


def ignore_interrupts():
    """For the main thread; returns what undoes it."""
    import _signal as signal

    try:
        before = signal.getsignal(signal.SIGINT)
        if before is not None:
            signal.signal(signal.SIGINT, lambda signum, frame: None)
            return lambda: signal.signal(signal.SIGINT, before)
    except ValueError:
        pass  # a server's thread is our main thread

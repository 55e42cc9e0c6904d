# The python worker: execnet's protocol for the far end, sent as text and executed from stdin.
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


def error_text(source, name):
    """The current exception as text, without the worker's own frame, but with the source's lines."""
    kind, exc, trace = sys.exc_info()
    try:
        if hasattr(exc, "ff_text"):  # our own built-ins say it in one line
            return str(exc.ff_text)
        import linecache
        import traceback

        remember_source(linecache, source, name)
        return "".join(traceback.format_exception(kind, exc, trace.tb_next))
    except Exception:
        return kind.__name__


def remember_source(linecache, source, name):
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)


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


class Gateway:
    """The connection to the other side."""

    def __init__(self, id, execmodel, rfd, wfd, sock):
        self.id = id
        self.execmodel = execmodel
        self._rfd, self._wfd, self._sock = rfd, wfd, sock
        self._strconfig = (True, False)
        self._states = {}  # by id of their channel
        self._count = 2
        self._error = None
        self._finished = self._forked = False
        self._late = []  # (state, code) of __del__, which must not wait for the lock
        self._tasks = execmodel._queue()  # for the main thread
        self._idle = execmodel._queue()
        self._running = 0
        self._mainbusy = False
        self._main = get_ident()
        self._window = 0  # the other side's; 0: it knows no credit
        self._sent_at = self._heard_at = monotonic()
        self._make_locks()
        if hasattr(os, "register_at_fork"):
            weak = ref(self)
            os.register_at_fork(after_in_child=lambda: weak() and weak()._after_fork())

    def _make_locks(self):
        self._receivelock = self.execmodel._rlock()
        self._writelock = self.execmodel._lock()
        self._lock = self.execmodel._lock()

    def __repr__(self):
        return "<Gateway id=%r receive-live>" % self.id

    def newchannel(self):
        """A new channel of ours; send it over another one to make it known."""
        with self._lock:
            id = self._count
            self._count += 2
        return self._channel(id)

    def _channel(self, id):
        with self._lock:
            if self._finished:
                raise OSError("connection already closed: %r" % self)
            state = self._states.get(id)
            channel = state and state.channel()
            if channel is None:
                if state is None or state.closed:
                    state = State(id, self.execmodel._queue(), self._strconfig)
                channel = Channel(self, state)
                state.channel = ref(channel)
                self._states[id] = state
            return channel

    def _forget(self, state):
        if self._states.get(state.id) is state:
            self._states.pop(state.id, None)

    def _wait(self, state, ready, timeout=None):
        return wait_for(state.gates, self.execmodel._lock, ready, timeout)

    def _end(self, state, closed, peergone):
        """Nothing more will arrive. The state changes before anybody is woken by it."""
        if closed:
            state.closed = True
        if peergone:
            state.peergone = True
            self._forget(state)
        state.receiveclosed = True
        if state.items is not None:
            state.items.put((END, 0))
        with self._lock:
            callback, state.callback = state.callback, None
        if callback is not None and state.endmarker is not END:
            try:
                callback(state.endmarker)
            except BaseException:
                complain("callback failed at the end of its channel\n%s" % error_text("", ""))
        wake(state.gates)

    def _after_fork(self):
        """A forked child has no business on our line, nor may it keep the line open."""
        self._forked = self._finished = True
        self._late.clear()
        self._make_locks()
        for fd in {self._rfd, self._wfd}:
            try:
                os.close(fd)
            except OSError:
                pass
        self._rfd = self._wfd = -1
        for state in list(self._states.values()):
            state.peergone = state.receiveclosed = True
            if state.items is not None:
                state.items.put((END, 0))

    # sending; _writelock is held where a frame is written

    def _write(self, code, id, data):
        size = len(data)
        if size <= ATOMIC - 9:
            self._write_all(header.pack(code, id, size) + data)
        elif get_ident() == self._main and os.name == "posix":
            # an exception from a signal handler between two parts of a frame would tear it
            import _signal as signal

            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            try:
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
                self._write_all(header.pack(code, id, size), data)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        else:
            self._write_all(header.pack(code, id, size), data)
        self._sent_at = monotonic()

    def _write_all(self, data, more=b""):
        if more and not hasattr(os, "writev"):
            data, more = data + more, b""
        size = len(data) + len(more)
        done = 0
        while done < size:
            try:
                if more:
                    done = os.writev(self._wfd, (data, more))
                    if 0 < done < size:
                        data, more = data + more, b""
                else:
                    done += os.write(self._wfd, memoryview(data)[done:] if done else data)
            except BlockingIOError:
                import select

                select.select([], [self._wfd], [])

    def _send(self, code, id=0, data=b""):
        try:
            with self._writelock:
                self._write(code, id, data)
        except OSError:
            raise OSError("cannot send (already closed?)") from None
        if self._late:
            self._flush_late()

    def _send_data(self, state, data):
        window = self._window
        if not window:
            return self._send(DATA, state.id, data)
        while 1:
            try:
                with self._writelock:
                    room = not state.pending and state.sent - state.granted < window
                    if room:
                        state.sent += len(data)
                        self._write(DATA, state.id, data)
                    elif self._receivelock._is_owned():
                        # a callback can't wait: it keeps credit from coming
                        state.pending.append((DATA, data))
                        room = True
            except OSError:
                raise OSError("cannot send (already closed?)") from None
            if self._late:
                self._flush_late()
            if room:
                return
            self._wait(
                state,
                lambda: state.closed or self._finished
                or not state.pending and state.sent - state.granted < window,
            )
            if state.closed or self._finished:
                raise OSError("cannot send to %r" % state.channel())

    def _put_behind(self, state, code, data):
        """A frame takes its place behind those that wait for credit."""
        if state.pending:
            state.pending.append((code, data))
            return
        self._write(code, state.id, data)
        if code == CLOSE or code == CLOSE_ERROR:
            self._forget(state)

    def _send_behind(self, state, code, data):
        try:
            with self._writelock:
                self._put_behind(state, code, data)
        except OSError:
            self._forget(state)
            raise OSError("cannot send (already closed?)") from None
        if self._late:
            self._flush_late()

    def _flush_pending(self, state):
        with self._writelock:
            pending, state.pending = state.pending, []
            done = 0
            for code, data in pending:
                if code == DATA:
                    if state.sent - state.granted >= self._window:
                        break
                    state.sent += len(data)
                self._put_behind(state, code, data)
                done += 1
            state.pending = pending[done:]

    def _dropped(self, state):
        if state.callback is None:
            state.closed = True
        if not self._finished:
            self._late.append((state, CLOSE if state.closed else LAST_MESSAGE))
            self._flush_late()

    def _flush_late(self):
        while self._late and self._writelock.acquire(False):
            try:
                while self._late:
                    self._put_behind(*self._late.pop(0), b"")
            except OSError:
                self._late.clear()
            finally:
                self._writelock.release()

    def _consumed(self, state, size):
        if self._window and size:
            with self._lock:
                state.eaten += size
                if state.eaten < WINDOW // 2:
                    return
                size, state.eaten = state.eaten, 0
            try:
                self._send(CREDIT, state.id, one_int.pack(size))
            except OSError:
                pass

    # receiving

    def _read(self, size):
        while 1:
            try:
                data = os.read(self._rfd, size)
            except BlockingIOError:
                import select

                select.select([self._rfd], [], [])
                continue
            except OSError:
                data = b""
            if not data:
                raise EOFError("the other side closed the connection")
            self._heard_at = monotonic()
            return data

    def _serve_frames(self):
        data = b""
        pos = 0
        while 1:
            while len(data) - pos < 9:
                data = data[pos:] + self._read(READ_SIZE)
                pos = 0
            code, id, size = header.unpack_from(data, pos)
            if size < 0 or id < 0:
                raise DataFormatError("frame of %d bytes for channel %d" % (size, id))
            pos += 9
            if len(data) - pos < size:
                parts = [data[pos:]]
                missing = size - len(parts[0])
                while missing > 0:
                    parts.append(self._read(min(max(missing, READ_SIZE), 1 << 20)))
                    missing -= len(parts[-1])
                data = b"".join(parts)
                pos = 0
            with self._receivelock:
                if self._frame(code, id, data[pos : pos + size]):
                    return
            pos += size

    def _frame(self, code, id, data):
        """Act upon a frame; true at the last one."""
        if code == DATA:
            self._on_data(id, data)
        elif code == EXEC:
            self._on_exec(self._channel(id), loads(data, self))
        elif code == CLOSE or code == LAST_MESSAGE:
            self._on_close(id, None, code == CLOSE)
        elif code == CLOSE_ERROR:
            self._on_close(id, RemoteError(loads(data)), True)
        elif code == CREDIT and self._window:
            state = self._states.get(id)
            if state is not None:
                state.granted += one_int.unpack(data)[0]
                try:
                    self._flush_pending(state)
                except OSError:
                    pass
                wake(state.gates)
        elif code == STATUS:
            self._on_status(id)
        elif code == RECONFIGURE:
            if id:
                self._channel(id)._state.strconfig = loads(data)
            else:
                self._strconfig = loads(data)
        elif code == HELLO and not self._window:
            self._on_hello(loads(data))
        elif code == TERMINATE:
            return True
        elif code != HEARTBEAT or not self._window:
            raise DataFormatError("unexpected frame code %d" % code)

    def _on_data(self, id, data):
        state = self._states.get(id)
        if state is None:
            return
        callback = state.callback
        try:
            if callback is not None:
                callback(loads(data, self, state.strconfig))
            elif state.items is not None and not state.closed and state.channel() is not None:
                state.items.put((loads(data, self, state.strconfig), len(data)))
                return
        except BaseException:  # a SystemExit must not stop the reader either
            text = error_text("", "")
            state.closed = True
            try:
                self._send_behind(state, CLOSE_ERROR, dump_text(text))
            except OSError:
                pass
            self._closed_by(state, RemoteError(text), True, self._finished)
        else:
            self._consumed(state, len(data))

    def _on_close(self, id, error, closed):
        state = self._states.get(id)
        if state is not None:
            self._closed_by(state, error, closed, closed or self._finished)
        elif error:
            error.warn()

    def _closed_by(self, state, error, closed, peergone):
        if error:
            if state.channel() is None:
                error.warn()
            else:
                state.errors.append(error)
        self._end(state, closed, peergone)

    def _on_status(self, id):
        status = {
            "numchannels": sum(
                not state.closed and state.channel() is not None
                for state in list(self._states.values())
            ),
            "numexecuting": self._running,
            "execmodel": self.execmodel.backend,
        }
        self._send(DATA, id, dumps(status))
        self._send(CLOSE, id)

    def _on_hello(self, peer):
        self._window = peer.get("window") or WINDOW
        try:
            cwd = os.getcwd()
        except OSError:
            cwd = ""  # it is no more
        answer = {
            "version": 1,
            "window": WINDOW,
            "worker": "python",
            "pid": os.getpid(),
            "python": sys.version.split()[0],
            "executable": sys.executable,
            "platform": sys.platform,
            "cwd": os.fsencode(cwd).decode("utf-8", "replace"),
        }
        self._send(HELLO, 0, dumps(answer))
        period = peer.get("heartbeat_us") or 0
        if period > 0:
            silence = peer.get("silence_us") or 0
            start_new_thread(self._heartbeat, (period / 1e6, silence / 1e6))

    def _heartbeat(self, period, silence):
        from select import select
        from time import sleep

        while 1:
            now = monotonic()
            due = self._sent_at + period
            if silence:
                due = min(due, self._heard_at + silence)
            sleep(max(due - now, 0.001))
            if self._finished:
                return
            now = monotonic()
            try:
                if silence and now >= self._heard_at + silence:
                    if select([self._rfd], [], [], 0)[0]:  # only unread
                        self._heard_at = now
                    elif self._sock is None:
                        os._exit(1)
                    else:
                        return self._sock.shutdown(2)
                if now >= self._sent_at + period:
                    # who writes is alive; and a stuck writer must not stop this watch
                    if select([], [self._wfd], [], 0)[1] and self._writelock.acquire(False):
                        try:
                            self._write(HEARTBEAT, 0, b"")
                        finally:
                            self._writelock.release()
                        self._flush_late()
                    else:
                        self._sent_at = now
            except (OSError, ValueError):
                return

    # executing

    def _on_exec(self, channel, task):
        with self._lock:
            main = not self._mainbusy
            if main:
                self._mainbusy = True
            refused = not main and self.execmodel.backend == "main_thread_only"
            if not refused:
                self._running += 1
        if refused:
            channel.close(DEADLOCK_TEXT)
        elif main:
            self._tasks.put((channel, task, True))
        else:
            try:
                self.execmodel.start(self._execute, (channel, task, False))
            except (RuntimeError, MemoryError) as exc:
                self._finish(channel, "cannot execute: %s" % exc, False)

    def _execute(self, channel, task, main):
        error = restore = None
        begun = False
        while 1:
            try:
                if not begun:
                    begun = channel._executing = True
                    error = self._run(channel, task)
                if main:
                    restore = ignore_interrupts()
                break
            except KeyboardInterrupt:  # late, or a second one
                error = INTERRUPT_TEXT
            except BaseException:
                if not main:
                    leave_thread()
                raise
        self._finish(channel, error, main)
        if restore:
            restore()

    def _run(self, channel, task):
        """Execute; returns what went wrong. Raises in a forked child only, and always there."""
        error = name = None
        source = ""
        try:
            source, name, call_name, kwargs = task
            name = name or "<remote exec>"
            # another thread may be importing it just now
            if hasattr(sys.modules.get("linecache"), "cache"):
                remember_source(sys.modules["linecache"], source, name)
            space = {"channel": channel, "__name__": "__channelexec__"}
            exec(compile(source + "\n", name, "exec", 0, True), space)
            if call_name:
                space[call_name](channel, **(kwargs or {}))
        except KeyboardInterrupt:
            error = INTERRUPT_TEXT
        except EOFError:
            pass
        except BaseException:
            if self._forked:
                raise
            if not self._finished:
                error = error_text(source, name)
        if self._forked:
            raise SystemExit
        return error

    def _finish(self, channel, error, main):
        channel._executing = False
        if main:  # before the other side hears of it and sends the next
            with self._lock:
                self._mainbusy = False
        try:
            channel.close(error)
        except OSError:
            pass
        with self._lock:
            self._running -= 1
            if self._finished and not self._running:
                self._idle.put(None)

    def _await_executions(self):
        with self._lock:
            if not self._running:
                return
        try:
            self._idle.get(True, 5)
        except Empty:
            if os.name == "posix":
                os.kill(os.getpid(), 2)
            else:
                __import__("_thread").interrupt_main()
            try:
                self._idle.get(True, 10)
            except Empty:
                os._exit(1)

    def _receive(self):
        try:
            self._serve_frames()
        except EOFError as exc:
            self._error = exc
        except BaseException as exc:
            if not self._forked:
                self._fail(exc)
        if self._forked:
            return
        with self._lock:
            self._finished = True
        for state in list(self._states.values()):
            self._end(state, False, True)
        self._await_executions()
        if self._sock is None:  # the interpreter ends now; a thread left behind must not keep it
            try:
                start_new_thread(exit_late, ())
            except RuntimeError:
                pass
        self._tasks.put(None)

    def _fail(self, exc):
        self._error = EOFError("protocol error: %s" % exc)
        complain(self._error)

    def serve(self):
        self._write_all(b"1")
        self.execmodel.start(self._receive)
        try:
            while 1:
                task = self._tasks.get()
                if task is None:
                    break
                self._execute(*task)
                del task
        except KeyboardInterrupt:
            pass
        if self._sock is not None:
            self._rfd = self._wfd = -1
            self._sock.close()


def exit_late():
    from time import sleep

    sleep(10)
    os._exit(1)


def leave_thread():
    """The end of a forked child that is not the main thread: nobody else looks at its exception."""
    exc = sys.exc_info()[1]
    code = 1
    try:
        if not isinstance(exc, SystemExit):
            sys.excepthook(*sys.exc_info())
        elif exc.code is None or isinstance(exc.code, int):
            code = exc.code or 0
        else:
            sys.stderr.write("%s\n" % exc.code)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 255)


def green(backend):
    """The classes of execmodels gevent and eventlet: greenlets of the main thread take the place of
    threads. Real threads may still use channels, and heartbeats come from one."""
    from _collections import deque
    from select import select

    if backend == "gevent":
        from gevent import spawn
        from gevent.hub import get_hub, getcurrent
        from gevent.lock import Semaphore

        def wait_readable(fd):
            hub = get_hub()
            watcher = hub.loop.io(fd, 1)
            try:
                hub.wait(watcher)
            finally:
                watcher.close()

        def soon(func, *args):
            get_hub().loop.run_callback(func, *args)

        names = {
            "threading": "threading", "queue": "gevent.queue", "socket": "gevent.socket",
            "subprocess": "gevent.subprocess", "Lock": "gevent.lock:RLock",
            "RLock": "gevent.lock:RLock", "Event": "gevent.event:Event",
            "_semaphore": "gevent.lock:Semaphore", "sleep": "gevent:sleep",
            "_open": "gevent.fileobject:FileObjectThread", "get_ident": "gevent.thread:get_ident",
        }  # fmt: skip
    else:
        from eventlet import getcurrent
        from eventlet import spawn_n as spawn
        from eventlet.hubs import get_hub, trampoline
        from eventlet.semaphore import Semaphore

        def wait_readable(fd):
            trampoline(fd, read=True)

        def soon(func, *args):
            get_hub().schedule_call_global(0, func, *args)

        names = {
            "threading": "eventlet.green.threading", "queue": "eventlet.queue",
            "socket": "eventlet.green.socket", "subprocess": "eventlet.green.subprocess",
            "Lock": "eventlet.green.threading:RLock", "RLock": "eventlet.green.threading:RLock",
            "Event": "eventlet.green.threading:Event",
            "_semaphore": "eventlet.green.threading:Semaphore", "sleep": "eventlet:sleep",
            "_open": "eventlet.green.os:fdopen", "get_ident": "eventlet.green.thread:get_ident",
        }  # fmt: skip
    home = get_ident()
    first = getcurrent()
    own = []  # greenlets that belong to the worker itself
    woken = deque()  # locks that real threads released
    bell = list(os.pipe())

    def on_interrupt(signum, frame):
        if getcurrent() not in own:
            raise KeyboardInterrupt
        soon(first.throw, KeyboardInterrupt)

    def listen():
        own.append(getcurrent())
        while 1:
            try:
                wait_readable(bell[0])
                os.read(bell[0], ATOMIC)
            except OSError:
                return  # a forked child
            while woken:
                wake(woken.popleft())

    class Lock:
        """A lock for greenlets of the main thread as for real threads."""

        def __init__(self):
            self._real = allocate_lock()
            self._gates = []  # of greenlets

        def acquire(self, blocking=True, timeout=-1):
            take = self._real.acquire
            if take(False):
                return True
            if not blocking:
                return False
            if get_ident() != home:
                return take(True, timeout)
            timeout = None if timeout < 0 else timeout
            return wait_for(self._gates, Gate, lambda: take(False), timeout)

        def release(self):
            self._real.release()
            if self._gates:
                if get_ident() == home:
                    wake(self._gates)
                else:
                    woken.append(self._gates)
                    os.write(bell[1], b"!")

        def __enter__(self):
            self.acquire()

        def __exit__(self, *exc_info):
            self.release()

    class Gate:
        def __init__(self):
            self._semaphore = Semaphore(1)
            self.release = self._semaphore.release

        def acquire(self, blocking=True, timeout=-1):
            return self._semaphore.acquire(True, None if timeout < 0 else timeout)

    class ReentrantLock(Lock):
        _owner = None
        _depth = 0

        def acquire(self):
            me = getcurrent()
            if self._owner is not me:
                Lock.acquire(self)
                self._owner = me
            self._depth += 1

        def release(self):
            self._depth -= 1
            if not self._depth:
                self._owner = None
                Lock.release(self)

        def _is_owned(self):
            return self._owner is getcurrent()

    class Queue:
        def __init__(self):
            self._items = deque()
            self._gates = []

        def put(self, item):
            self._items.append(item)
            wake(self._gates)

        def get(self, block=True, timeout=None):
            taken = []

            def take():
                try:
                    taken.append(self._items.popleft())
                except IndexError:
                    return False
                return True

            if not take() and not (block and wait_for(self._gates, Lock, take, timeout)):
                raise Empty
            return taken[0]

    class GreenModel(ExecModel):
        _names = names
        _lock, _rlock, _queue = Lock, ReentrantLock, Queue

        def start(self, func, args=()):
            spawn(func, *args)

        def apart(self, func, *args):
            if get_ident() != home:
                return func(*args)
            done, outcome, stopped = Queue(), [], None

            def run():
                try:
                    outcome.append((func(*args), None))
                except BaseException as exc:
                    outcome.append((None, exc))
                done.put(None)

            start_new_thread(run, ())
            while not outcome:
                try:
                    done.get()
                except BaseException as exc:  # what is under way can't be left alone
                    stopped = exc
            result, failed = outcome.pop()
            if stopped or failed:
                raise stopped or failed
            return result

    class GreenGateway(Gateway):
        def _writable(self):
            return select([], [self._wfd], [], 0)[1]

        def _write(self, code, id, data):
            if get_ident() != home or len(data) <= ATOMIC - 9 and self._writable():
                Gateway._write(self, code, id, data)
            else:
                self.execmodel.apart(Gateway._write, self, code, id, data)

        def _flush_late(self):
            # called from everywhere, even where a greenlet can't wait
            if get_ident() != home or self._writable():
                Gateway._flush_late(self)
            else:
                start_new_thread(Gateway._flush_late, (self,))

        def _read(self, size):
            try:
                wait_readable(self._rfd)
            except (OSError, ValueError):
                raise EOFError("the connection is closed") from None
            return Gateway._read(self, size)

        def _after_fork(self):
            Gateway._after_fork(self)
            while bell:
                os.close(bell.pop())
            bell.extend((-1, -1))

        def _receive(self):
            own.append(getcurrent())
            Gateway._receive(self)

        def serve(self):
            import _signal as signal

            try:
                if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                    signal.signal(signal.SIGINT, on_interrupt)
            except ValueError:
                pass  # a server's thread is our main thread
            spawn(listen)
            Gateway.serve(self)

    return GreenModel, GreenGateway


def traced(base, word):
    """A Gateway that tells what it does: to stderr if the word is 2, else to a file."""
    if word == "2":
        fd = 2
    else:
        from tempfile import gettempdir

        path = "%s/farflung-debug-%d" % (gettempdir(), os.getpid())
        try:
            os.unlink(path)
        except OSError:
            pass
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        try:  # only a file that we make: the folder may be everybody's
            fd = os.open(path, flags, 0o600)
        except OSError:
            return base
    codes = "STATUS RECONFIGURE TERMINATE EXEC DATA CLOSE CLOSE_ERROR LAST_MESSAGE"
    names = dict(enumerate(codes.split()))
    names.update({HELLO: "HELLO", HEARTBEAT: "HEARTBEAT", CREDIT: "CREDIT"})

    def put(gateway, *words):
        text = " ".join((gateway.id,) + words).replace("\n", "\\n")
        before = "[%d]" % os.getpid() if fd == 2 else "%.6f" % monotonic()
        try:
            os.write(fd, ("%s %s\n" % (before, text)).encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    def frame(code, id, data):
        return "%s channel=%d size=%d" % (names.get(code, code), id, len(data))

    class Traced(base):
        def _write(self, code, id, data):
            try:
                base._write(self, code, id, data)
            except OSError as exc:
                put(self, "failed to send", frame(code, id, data), str(exc))
                raise
            put(self, "sent", frame(code, id, data))

        def _frame(self, code, id, data):
            put(self, "received", frame(code, id, data))
            return base._frame(self, code, id, data)

        def _run(self, channel, task):
            put(self, "execution starts channel=%d:" % channel.id, repr(task[0])[:60])
            error = base._run(self, channel, task)
            put(self, "execution ends channel=%d:" % channel.id, error or "no error")
            return error

        def _end(self, state, closed, peergone):
            put(self, "channel=%d %s" % (state.id, "closed" if closed else "receives no more"))
            base._end(self, state, closed, peergone)

        def _fail(self, exc):
            put(self, "protocol error", repr(exc))
            base._fail(self, exc)

    return Traced


def main(id, backend, sock):
    model, gateway = ExecModel, Gateway
    if backend in GREEN:
        try:
            model, gateway = green(backend)
        except ImportError as exc:
            sys.exit("execmodel=%s: %s in %s" % (backend, exc, sys.executable))
    elif backend not in ("thread", "main_thread_only"):
        sys.exit("execmodel=%s: not known" % backend)
    word = os.environ.get("FARFLUNG_DEBUG", os.environ.get("EXECNET_DEBUG", ""))
    if word not in ("", "0"):
        gateway = traced(gateway, word)
    if sock is not None:
        rfd = wfd = sock.fileno()
    else:
        if os.name == "nt":
            import msvcrt

            for fd in 0, 1:
                msvcrt.setmode(fd, os.O_BINARY)
        rfd, wfd = os.dup(0), os.dup(1)
        for fd, flags in (0, os.O_RDONLY), (1, os.O_WRONLY):
            null = os.open(os.devnull, flags)
            os.dup2(null, fd)
            os.close(null)
        sys.stdin, sys.stdout = open(0, "r", 1, closefd=False), open(1, "w", 1, closefd=False)
    gateway(id + "-worker", model(backend), rfd, wfd, sock).serve()


main(
    globals().get("FF_ID", "gw"),
    globals().get("FF_EXECMODEL", "thread"),
    globals()["clientsock"] if globals().get("FF_SOCKET") else None,
)

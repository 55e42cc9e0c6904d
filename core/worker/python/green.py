# The execmodels gevent and eventlet; sent only when one of them is asked for.


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

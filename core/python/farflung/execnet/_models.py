"""Execution models: what threads, locks and queues are, and how one waits. And pools of threads."""
import os
import sys
import time


class ExecModel:
    """One way of running things concurrently; the names are those of `threading` and `_thread`."""

    backend = ""
    _queue = "queue"

    def __repr__(self):
        return "<ExecModel %r>" % self.backend

    @property
    def queue(self):
        return _module(self._queue)

    @property
    def subprocess(self):
        return _module("subprocess")

    @property
    def socket(self):
        return _module("socket")

    def start(self, func, args=()):
        raise NotImplementedError

    def get_ident(self):
        raise NotImplementedError

    def sleep(self, delay):
        time.sleep(delay)

    def fdopen(self, fd, mode, bufsize=1, closefd=True):
        if "b" not in mode:
            return os.fdopen(fd, mode, bufsize, encoding="utf-8", closefd=closefd)
        return os.fdopen(fd, mode, 0 if bufsize == 1 else bufsize, closefd=closefd)

    def Lock(self):
        raise NotImplementedError

    def RLock(self):
        raise NotImplementedError

    def Event(self):
        raise NotImplementedError

    def Semaphore(self, size=None):
        return _Unlimited() if size is None else self._semaphore(size)

    # How a thread of this model waits for a descriptor, or None: it may wait in a system call.
    wait_fd = None


class _Unlimited:
    """A semaphore that never keeps anybody waiting."""

    def acquire(self, *args, **kwargs):
        return True

    def release(self):
        pass

    __enter__ = acquire

    def __exit__(self, *exc):
        pass


def _module(name):
    __import__(name)
    return sys.modules[name]


class ThreadExecModel(ExecModel):
    backend = "thread"

    def start(self, func, args=()):
        _module("_thread").start_new_thread(func, args)

    def get_ident(self):
        return _module("_thread").get_ident()

    def Lock(self):
        return _module("threading").Lock()

    def RLock(self):
        return _module("threading").RLock()

    def Event(self):
        return _module("threading").Event()

    def _semaphore(self, size):
        return _module("threading").Semaphore(size)


class MainThreadOnlyExecModel(ThreadExecModel):
    backend = "main_thread_only"


class EventletExecModel(ExecModel):
    backend = "eventlet"
    _queue = "eventlet.queue"

    @property
    def subprocess(self):
        return _module("eventlet.green.subprocess")

    @property
    def socket(self):
        return _module("eventlet.green.socket")

    def start(self, func, args=()):
        _module("eventlet").spawn_n(func, *args)

    def get_ident(self):
        return _module("eventlet.green.thread").get_ident()

    def sleep(self, delay):
        _module("eventlet").sleep(delay)

    def fdopen(self, fd, mode, bufsize=1, closefd=True):
        return _module("eventlet.green.os").fdopen(fd, mode, bufsize)

    def Lock(self):
        return self.RLock()

    def RLock(self):
        return _module("eventlet.green.threading").RLock()

    def Event(self):
        return _module("eventlet.green.threading").Event()

    def _semaphore(self, size):
        return _module("eventlet.green.threading").Semaphore(size)

    def wait_fd(self, fd, timeout):
        hubs = _module("eventlet.hubs")
        try:
            hubs.trampoline(fd, read=True, timeout=timeout, timeout_exc=_TimeIsOver)
        except _TimeIsOver:
            pass


class _TimeIsOver(Exception):
    pass


class GeventExecModel(ExecModel):
    backend = "gevent"
    _queue = "gevent.queue"

    @property
    def subprocess(self):
        return _module("gevent.subprocess")

    @property
    def socket(self):
        return _module("gevent.socket")

    def start(self, func, args=()):
        _module("gevent").spawn(func, *args)

    def get_ident(self):
        return _module("gevent.thread").get_ident()

    def sleep(self, delay):
        _module("gevent").sleep(delay)

    def fdopen(self, fd, mode, bufsize=1, closefd=True):
        if "b" not in mode:
            return super().fdopen(fd, mode, bufsize, closefd)
        return _module("gevent.fileobject").FileObjectThread(fd, mode, bufsize, closefd)

    def Lock(self):
        return self.RLock()

    def RLock(self):
        return _module("gevent.lock").RLock()

    def Event(self):
        return _module("gevent.event").Event()

    def _semaphore(self, size):
        return _module("gevent.lock").Semaphore(size)

    def wait_fd(self, fd, timeout):
        try:
            _module("gevent.socket").wait_read(fd, timeout=timeout, timeout_exc=_TimeIsOver)
        except _TimeIsOver:
            pass


_MODELS = {model.backend: model for model in (
    ThreadExecModel, MainThreadOnlyExecModel, EventletExecModel, GeventExecModel)}


def get_execmodel(backend):
    """The model with that name; a model is given back as it is."""
    if hasattr(backend, "backend"):
        return backend
    try:
        return _MODELS[backend]()
    except KeyError:
        raise ValueError("unknown execmodel %r" % (backend,)) from None


class Reply:
    """What a pool gives for a task: wait for its result here."""

    def __init__(self, task, threadmodel):
        self.task = task
        self._done = threadmodel.Event()
        self._result = None
        self._exc = None
        self.running = True

    def run(self):
        func, args, kwargs = self.task
        try:
            self._result = func(*args, **kwargs)
        except BaseException as exc:
            self._exc = exc
        finally:
            self.running = False
            self._done.set()

    def waitfinish(self, timeout=None):
        self._done.wait(timeout)
        if not self._done.is_set():
            raise OSError("timeout waiting for %r" % (self.task,))

    def get(self, timeout=None):
        """The result; raises what the task has raised, OSError after `timeout` seconds."""
        self.waitfinish(timeout)
        if self._exc is not None:
            raise self._exc
        return self._result


class WorkerPool:
    """Runs each task in a thread of its own, or in the one that integrates itself as the primary."""

    def __init__(self, execmodel, hasprimary=False):
        self.execmodel = execmodel
        self._running_lock = execmodel.Lock()
        self._running = set()
        self._waitall_events = []
        self._shuttingdown = False
        self._hasprimary = hasprimary
        if hasprimary and execmodel.backend not in ("thread", "main_thread_only"):
            raise ValueError("hasprimary=True requires thread model")
        self._given = execmodel.Event() if hasprimary else None
        self._primary = None  # the reply that the primary thread has or gets

    def active_count(self):
        return len(self._running)

    def _finish(self, reply):
        with self._running_lock:
            self._running.discard(reply)
            if not self._running:
                events, self._waitall_events = self._waitall_events, []
                for event in events:
                    event.set()

    def _perform_spawn(self, reply):
        reply.run()
        self._finish(reply)

    def integrate_as_primary_thread(self):
        """Runs, in the calling thread, what is spawned while that is idle; until the shutdown."""
        while True:
            self._given.wait()
            with self._running_lock:
                reply = self._primary
                if reply is None:
                    self._given.clear()
                    if self._shuttingdown:
                        return
                    continue
            self._perform_spawn(reply)
            with self._running_lock:
                if self._primary is reply:
                    self._primary = None
                    if not self._shuttingdown:
                        self._given.clear()

    def _try_primary(self, reply):
        if not self._hasprimary:
            return False
        if self._primary is not None:
            if self.execmodel.backend != "main_thread_only":
                return False
            self._primary.waitfinish()
        self._primary = reply
        self._given.set()
        return True

    def spawn(self, func, *args, **kwargs):
        """Begins func(*args, **kwargs): a Reply."""
        reply = Reply((func, args, kwargs), self.execmodel)
        with self._running_lock:
            if self._shuttingdown:
                raise ValueError("pool is shutting down")
            self._running.add(reply)
            if not self._try_primary(reply):
                self.execmodel.start(self._perform_spawn, (reply,))
        return reply

    def trigger_shutdown(self):
        with self._running_lock:
            self._shuttingdown = True
            if self._given is not None:
                self._given.set()

    def terminate(self, timeout=None):
        """No further tasks; whether all have ended in that time."""
        self.trigger_shutdown()
        return self.waitall(timeout)

    def waitall(self, timeout=None):
        """Whether all tasks have ended in that time."""
        with self._running_lock:
            if not self._running:
                return True
            event = self.execmodel.Event()
            self._waitall_events.append(event)
        return event.wait(timeout)

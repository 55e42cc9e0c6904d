# The connection: frames in and out, credit, heartbeats, executions, the end.


os_read, os_write, os_writev = os.read, os.write, getattr(os, "writev", None)  # a test may replace them
EBADF = 9


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
        self._waiting = []  # (channel, task) for the main thread, where nothing else may execute
        self._patience = None  # until when the first of them waits
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

    # Where programs that know execnet's inside look for channels.
    _channelfactory = property(lambda self: self)
    _channels = property(lambda self: {
        id: state.channel() for id, state in list(self._states.items()) if not state.closed})

    def _trace(self, *words):
        """execnet's own sources, sent for `via=`, call it."""

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
        if more and not os_writev:
            data, more = data + more, b""
        size = len(data) + len(more)
        done = 0
        while done < size:
            try:
                if more:
                    done = os_writev(self._wfd, (data, more))
                    if 0 < done < size:
                        data, more = data + more, b""
                else:
                    done += os_write(self._wfd, memoryview(data)[done:] if done else data)
            except BlockingIOError:
                import select

                select.select([], [self._wfd], [])
            except OSError as exc:
                self._look_for_tear(exc)
                raise

    def _look_for_tear(self, exc):
        """Who closes all descriptors, as daemons do, takes ours along: a process that can neither hear
        nor speak is of no use to anybody."""
        if exc.errno == EBADF and self._sock is None and not self._finished and not self._forked:
            complain("something in this process has closed the connection")
            os._exit(1)

    def _send(self, code, id=0, data=b""):
        try:
            with self._writelock:
                self._write(code, id, data)
        except OSError:
            raise OSError("cannot send (already closed?)") from None
        if self._late:
            self._flush_late()

    def _send_data(self, state, data, limit=None):
        """Whether it was sent, or else the time is over."""
        window = self._window
        if not window:
            self._send(DATA, state.id, data)
            return True
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
                return True
            ready = self._wait(
                state,
                lambda: state.closed or self._finished
                or not state.pending and state.sent - state.granted < window,
                None if limit is None else max(0, limit - monotonic()),
            )
            if state.closed or self._finished:
                raise OSError("cannot send to %r" % state.channel())
            if not ready:
                return False

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
                data = os_read(self._rfd, size)
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
        try:
            answer["cpus"] = len(os.sched_getaffinity(0))
        except (AttributeError, OSError):
            answer["cpus"] = os.cpu_count() or 0
        try:
            answer["memory_kib"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
        except (ValueError, OSError):
            pass
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
            if now - due >= max(silence / 4, 0.02):
                self._heard_at = now  # we were stopped ourselves: nobody could be heard
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
            except ValueError:
                return
            except OSError as exc:
                return self._look_for_tear(exc)

    # executing

    def _on_exec(self, channel, task):
        with self._lock:
            main = not self._mainbusy
            if main:
                self._mainbusy = True
            wait = not main and self.execmodel.backend == "main_thread_only"
            if not wait:
                self._running += 1
            else:
                # the running one may have said its last word already
                watched = self._patience is not None
                if not self._waiting:
                    self._patience = monotonic() + PATIENCE
                self._waiting.append((channel, task))
        if wait:
            if not watched:
                self.execmodel.start(self._refuse_waiting)
        elif main:
            self._tasks.put((channel, task, True))
        else:
            try:
                self.execmodel.start(self._execute, (channel, task, False))
            except (RuntimeError, MemoryError) as exc:
                self._finish(channel, "cannot execute: %s" % exc, False)

    def _refuse_waiting(self):
        from time import sleep

        while 1:
            with self._lock:
                if not self._waiting:
                    self._patience = None
                    return
                left = self._patience - monotonic()
                late = self._waiting.pop(0) if left <= 0 else None
                if late:
                    self._patience = monotonic() + PATIENCE
            if not late:
                sleep(left)
                continue
            try:
                late[0].close(DEADLOCK_TEXT)
            except OSError:
                pass

    def _next_in_main(self):
        with self._lock:
            self._mainbusy = bool(self._waiting)
            if self._waiting:
                self._running += 1
                self._patience = monotonic() + PATIENCE
                self._tasks.put(self._waiting.pop(0) + (True,))

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
            source = dedented(source)
            name = name or "<remote exec>"
            # another thread may be importing it just now
            if hasattr(sys.modules.get("linecache"), "cache"):
                remember_source(sys.modules["linecache"], source, name)
            space = {"channel": channel, "__name__": "__channelexec__"}
            exec(compiled(source + "\n", name), space)
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
            self._next_in_main()
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
            del self._waiting[:]
        for state in list(self._states.values()):
            self._end(state, False, True)
        self._await_executions()
        if self._sock is None:  # the interpreter ends now; a thread left behind must not keep it
            begun = allocate_lock()
            begun.acquire()
            try:
                start_new_thread(exit_late, (begun,))
                begun.acquire()  # a thread that begins while the interpreter ends may crash it
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


def exit_late(begun):
    from time import sleep

    begun.release()
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

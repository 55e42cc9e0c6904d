# What FARFLUNG_DEBUG shows; costs nothing when it is not set.


def traced(base, word, prefix):
    """A Gateway that tells what it does: to stderr if the word is 2, else to a file."""
    if word == "2":
        fd = 2
    else:
        from tempfile import gettempdir

        path = "%s/%s-debug-%d" % (gettempdir(), prefix, os.getpid())
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

# Part of the front: where its session's output goes.
import errno
import io
import os
import select
import sys
from time import monotonic

PUMP_SECONDS = 0.02  # output is gathered: pytest writes a test's letter by itself


class Outlet(io.FileIO):
    """Descriptor 1. Who reads it may leave ("| head"): the session goes on, for all the others."""

    gathers = False  # while nobody but pytest's own terminal reporter can write
    held, since = b"", 0.0

    def write(self, data):
        if not self.gathers:
            return self.put(data)
        now = monotonic()
        self.since = self.since if self.held else now
        self.held += data
        if now - self.since >= PUMP_SECONDS:
            self.let_go()
        return len(data)

    def let_go(self):
        while self.held:
            done = self.put(self.held)
            self.held = self.held[done or 0 :]
            if not done:
                select.select([], [1], [])

    def put(self, data):
        try:
            return super().write(data)
        except OSError as exc:
            if exc.errno not in (errno.EPIPE, errno.EIO, errno.ENXIO, errno.ECONNRESET):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.close(nowhere)
            return len(data)


class Screen:
    """Where the session's output goes: descriptor 1, which is the user's, or a pipe to us."""

    def __init__(self, channel, terminal, columns):
        self.channel = channel
        self.thread = None
        if terminal is None:
            import threading

            reader, writer = os.pipe()
            os.dup2(writer, 1)
            os.close(writer)
            self.mark = os.urandom(16)
            self.closing = threading.Event()
            self.thread = threading.Thread(target=self.pump, args=(reader,), daemon=True)
            self.thread.start()
            if columns:
                os.environ.setdefault("COLUMNS", str(columns))
        elif terminal != 1:
            os.dup2(terminal, 1)
            if terminal > 2:
                os.close(terminal)
        self.outlet = Outlet(1, "w", closefd=False)
        sys.stdout = sys.__stdout__ = io.TextIOWrapper(
            io.BufferedWriter(self.outlet), errors=self.errors(), line_buffering=os.isatty(1),
        )  # fmt: skip

    def errors(self):
        return "strict" if self.thread is None else "backslashreplace"

    def pump(self, reader):
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        data, ended = b"", False
        while not ended:
            got = os.read(reader, 1 << 16)
            data += got
            place = data.find(self.mark)
            ended = place >= 0 or not got
            keep = 0 if ended else next(
                (n for n in range(len(self.mark) - 1, 0, -1) if data.endswith(self.mark[:n])), 0
            )
            out = data[: place if place >= 0 else len(data) - keep]
            data = data[len(out) :]
            text = decoder.decode(out, ended)
            try:
                if text:
                    self.channel.send(("text", text))
            except OSError:
                pass  # read on, so that nobody waits for us
            if not ended and not self.closing.is_set():
                self.closing.wait(PUMP_SECONDS)
        os.close(reader)

    def close(self):
        """All that was written has been sent or is on the terminal."""
        try:
            sys.stdout.flush()
            self.outlet.let_go()
        except (OSError, ValueError):
            pass
        if self.thread:
            self.closing.set()
            os.write(1, self.mark)
            self.thread.join()
        os.dup2(2, 1)

# What tests print where it is not captured (-s): sent line by line, with the test that it is from.
import io
import os

LIVE_LINE_MAX = 65536  # a longer one is several


class LiveRaw(io.RawIOBase):
    """The bytes below a text stream."""

    def __init__(self, live, descriptor):
        self.live, self.descriptor = live, descriptor

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor

    def write(self, data):
        data = bytes(data)
        self.live.write(self.descriptor, data)
        return len(data)


class Live:
    """Takes the place of sys.stdout and sys.stderr. What is not from a running test, or from a
    child that a test forked, goes where it always went."""

    def __init__(self, send, limit, write=os.write, getpid=os.getpid):
        import threading

        self.send, self.limit = send, limit
        self.os_write, self.getpid = write, getpid  # a test may replace them
        self.pid = getpid()
        self.lock = threading.RLock()
        self.index = None
        self.rest = {1: b"", 2: b""}
        self.sent = self.cut = 0

    def stream(self, descriptor):
        raw = LiveRaw(self, descriptor)  # with no buffer between, a line is its own test's
        return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)

    def write(self, descriptor, data):
        with self.lock:
            if self.index is None or self.getpid() != self.pid:
                while data:
                    data = data[self.os_write(2, data):]
                return
            lines = (self.rest[descriptor] + data).split(b"\n")
            self.rest[descriptor] = lines.pop()
            for line in lines:
                self.tell(descriptor, line)
            while len(self.rest[descriptor]) > LIVE_LINE_MAX:
                self.tell(descriptor, self.rest[descriptor][:LIVE_LINE_MAX])
                self.rest[descriptor] = self.rest[descriptor][LIVE_LINE_MAX:]

    def tell(self, descriptor, line):
        if self.limit and self.sent + len(line) > self.limit:
            self.cut += len(line) + 1
            return
        self.sent += len(line) + 1
        self.say(descriptor, line)

    def say(self, descriptor, line):
        try:
            self.send("said", self.index, descriptor, clean(line.decode("utf-8", "replace")))
        except OSError:
            pass  # nobody is left to hear it

    def begin(self, index):
        with self.lock:
            self.index, self.sent, self.cut = index, 0, 0

    def end(self):
        with self.lock:
            if self.index is None or self.getpid() != self.pid:
                return
            for descriptor, line in self.rest.items():
                if line:
                    self.tell(descriptor, line)
                self.rest[descriptor] = b""
            if self.cut:
                text = "[… %d bytes were cut here: output_cap is %d …]" % (self.cut, self.limit)
                self.say(1, text.encode())
            self.index = None


def go_live(send, limit):
    """Where nothing is captured."""
    import sys

    live = Live(send, limit)
    sys.stdout, sys.stderr = live.stream(1), live.stream(2)
    return live

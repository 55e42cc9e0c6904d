"""The round trip of an int through our python worker and through execnet's, alternately in one run.
Prints "round_trip_us ours X theirs Y". Each worker is spoken to by the same small frame client, so
that only the workers differ; and each block has new ones, as a worker whose two threads were put on
one CPU is up to three times faster than one with less luck. Compared are the lower quartiles of the
blocks, which have the same luck. Needs execnet."""
import inspect
import os
import statistics
import struct
import subprocess
import sys
import time

import execnet.gateway_base
from execnet.gateway_base import dumps_internal, loads_internal

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fakes"))
from worker_text import worker_text  # noqa: E402
EXEC, DATA, CREDIT, HELLO = 3, 4, 66, 64
ROUNDS, BLOCKS = 500, 31
ECHO = "for x in channel: channel.send(x + 1)"


class Worker:
    def __init__(self, text, hello):
        self.popen = subprocess.Popen(
            [sys.executable, "-u", "-c", "import sys;exec(eval(sys.stdin.readline()))"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.rfd, self.wfd = self.popen.stdout.fileno(), self.popen.stdin.fileno()
        self.put(repr(text).encode() + b"\n")
        assert os.read(self.rfd, 1) == b"1"
        if hello:
            self.send(HELLO, 0, dumps_internal({"version": 1, "window": 1 << 20}))
            assert self.frame()[0] == HELLO
        self.send(EXEC, 1, dumps_internal((ECHO, None, None, {})))
        self.round_trips(200)

    def put(self, data):
        while data:
            data = data[os.write(self.wfd, data) :]

    def send(self, code, id, data):
        self.put(struct.pack("!bii", code, id, len(data)) + data)

    def frame(self):
        data = b""
        while len(data) < 9 or len(data) < 9 + struct.unpack("!i", data[5:9])[0]:
            more = os.read(self.rfd, 1 << 16)
            assert more, "the worker died"
            data += more
        return data[0], data[9:]

    def round_trips(self, count):
        """Microseconds each. The answer is checked once, so that the client costs little."""
        question = dumps_internal(41)
        question = struct.pack("!bii", DATA, 1, len(question)) + question
        read, write = os.read, os.write
        began = time.perf_counter()
        for _ in range(count):
            write(self.wfd, question)
            answer = read(self.rfd, 1 << 16)
            while len(answer) != 15:  # a frame of 9 bytes and an int
                if answer[0] == CREDIT:
                    answer = answer[13:]
                if len(answer) < 15:
                    answer += read(self.rfd, 1 << 16)
        spent = time.perf_counter() - began
        assert loads_internal(answer[9:]) == 42
        return spent / count * 1e6

    def end(self):
        self.popen.stdin.close()
        self.popen.wait(20)
        self.popen.stdout.close()


def their_text():
    return inspect.getsource(execnet.gateway_base) + (
        "\nio = init_popen_io(get_execmodel('thread'))\nio.write('1'.encode('ascii'))\n"
        "serve(io, id='gw0-worker')\n"
    )


def our_text():
    return "FF_ID='gw0'\n" + worker_text()


def main():
    ours, theirs = (our_text(), True), (their_text(), False)
    times = {ours: [], theirs: []}
    for i in range(BLOCKS):
        for which in (ours, theirs) if i % 2 == 0 else (theirs, ours):
            worker = Worker(*which)
            times[which].append(worker.round_trips(ROUNDS))
            worker.end()
    print("round_trip_us ours %.1f theirs %.1f" % tuple(
        statistics.quantiles(times[which], n=4)[0] for which in (ours, theirs)
    ))  # fmt: skip


main()

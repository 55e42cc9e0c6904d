#!/usr/bin/env python3
"""Figures of execnet's interface, whoever provides it (the module named first), one "name value" a line."""
import importlib
import statistics
import sys
import time

execnet = importlib.import_module(sys.argv[1])

STARTS, ROUND_TRIPS, BLOCKS, BLOCK, SMALL = 15, 5000, 200, 1 << 20, 20000
clock = time.perf_counter


def starts(group):
    took = []
    for _ in range(STARTS):
        began = clock()
        group.makegateway("popen").remote_exec("channel.send(1)").receive()
        took.append(clock() - began)
    return statistics.median(took) * 1e3


def round_trip(channel):
    for i in range(-500, ROUND_TRIPS):
        if i == 0:
            began = clock()
        channel.send(1)
        channel.receive()
    return (clock() - began) / ROUND_TRIPS * 1e6


def there_and_back(channel):
    """1 MiB items, each there and back: 2 MiB a time."""
    block = b"x" * BLOCK
    began = clock()
    for _ in range(BLOCKS):
        channel.send(block)
        channel.receive()
    return 2 * BLOCKS * BLOCK / 1e6 / (clock() - began)


def received(gateway):
    channel = gateway.remote_exec(
        "block = b'x' * %d\nchannel.receive()\nfor _ in range(%d): channel.send(block)" % (BLOCK, BLOCKS))
    channel.send(None)
    began = clock()
    for _ in range(BLOCKS):
        channel.receive()
    return BLOCKS * BLOCK / 1e6 / (clock() - began)


def serialize():
    reports = [
        {"nodeid": "tests/test_x.py::test_%d" % i, "outcome": "passed", "duration": 0.0123, "when": "call",
         "sections": [("a", "b" * 20)], "n": i}
        for i in range(10000)
    ]
    began = clock()
    data = execnet.dumps(reports)
    dumped = clock()
    execnet.loads(data)
    return len(data) / 1e6 / (dumped - began), len(data) / 1e6 / (clock() - dumped)


def small():
    began = clock()
    for i in range(SMALL):
        execnet.dumps(("name", i))
    dumped = clock()
    data = execnet.dumps(("name", 17))
    for _ in range(SMALL):
        execnet.loads(data)
    return SMALL / (dumped - began), SMALL / (clock() - dumped)


def main():
    group = execnet.Group()
    print("start_ms", starts(group))
    group.terminate(timeout=5)
    gateway = group.makegateway("popen")
    echo = "for x in channel: channel.send(x)"
    print("round_trip_us", round_trip(gateway.remote_exec(echo)))
    print("blocks_MBps", there_and_back(gateway.remote_exec(echo)))
    print("received_MBps", received(gateway))
    group.terminate(timeout=5)
    print("dumps_MBps", serialize()[0])
    print("loads_MBps", serialize()[1])
    print("small_dumps_per_s", small()[0])
    print("small_loads_per_s", small()[1])


main()

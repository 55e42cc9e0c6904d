#!/usr/bin/env python3
"""Figures of Python's execnet, for comparison with bench_core: one "name value" a line."""
import statistics
import time

import execnet

STARTS, ROUND_TRIPS, BLOCKS, BLOCK = 15, 5000, 300, 1 << 20
clock = time.perf_counter


def starts(group):
    took = []
    for _ in range(STARTS):
        began = clock()
        group.makegateway("popen").remote_exec("channel.send(1)").receive()
        took.append(clock() - began)
    return statistics.median(took) * 1e3


def sixteen(group):
    began = clock()
    for _ in range(16):
        group.makegateway("popen")
    return (clock() - began) * 1e3


def round_trip(channel):
    for i in range(-200, ROUND_TRIPS):
        if i == 0:
            began = clock()
        channel.send(1)
        channel.receive()
    return (clock() - began) / ROUND_TRIPS * 1e6


def blocks(channel):
    began = clock()
    for _ in range(BLOCKS):
        channel.receive()
    return BLOCKS * BLOCK / 1e6 / (clock() - began)


def serialize():
    reports = [
        {"nodeid": f"tests/test_x.py::test_{i}", "outcome": "passed", "duration": 0.0123, "when": "call",
         "sections": [("a", "b" * 20)], "n": i}
        for i in range(10000)
    ]
    began = clock()
    data = execnet.dumps(reports)
    dumped = clock()
    execnet.loads(data)
    loaded = clock()
    return len(data) / 1e6 / (dumped - began), len(data) / 1e6 / (loaded - dumped)


def main():
    group = execnet.Group()
    print("start_ms", starts(group))
    group.terminate(timeout=5)
    print("open_16_ms", sixteen(group))
    group.terminate(timeout=5)
    gateway = group.makegateway("popen")
    print("round_trip_us", round_trip(gateway.remote_exec("for x in channel: channel.send(x)")))
    send = f"b = b'x' * {BLOCK}\nfor i in range({BLOCKS}): channel.send(b)"
    print("bytes_MBps", blocks(gateway.remote_exec(send)))
    group.terminate(timeout=5)
    dumps, loads = serialize()
    print("dumps_MBps", dumps)
    print("loads_MBps", loads)


main()

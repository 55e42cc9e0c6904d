"""Random values go from Python's execnet through our C code and back, byte for byte.

Usage: serialize_interop.py DUMPLOAD [COUNT]; DUMPLOAD is the built tests/conform/dumpload.c.
"""
import math
import random
import struct
import subprocess
import sys

import execnet

TEXTS = ["", "a", "test_x.py::test_1[é-€]", "𝄞", "\0", "x" * 300, "a'b\"c", "\u07ff\u0800\uffff"]


def scalar(rng):
    kind = rng.randrange(10)
    if kind == 0:
        return None
    if kind == 1:
        return rng.random() < 0.5
    if kind == 2:
        return rng.randrange(-(2**31), 2**31)
    if kind == 3:
        return rng.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, 2**63, 2**64, 10**40])
    if kind == 4:
        return rng.getrandbits(rng.randrange(1, 400))
    if kind == 5:
        return rng.choice([0.0, -0.0, 0.1, 1e308, 5e-324, math.inf, -math.inf, rng.gauss(0, 1)])
    if kind == 6:
        return complex(rng.gauss(0, 1), rng.choice([0.0, -0.0, math.inf, 2.5]))
    if kind == 7:
        return rng.randbytes(rng.randrange(40))
    return rng.choice(TEXTS) + rng.choice(TEXTS)


def value(rng, depth, hashable=False):
    if depth == 0 or rng.random() < 0.35:
        return scalar(rng)
    n = rng.randrange(4) if depth > 1 or rng.random() < 0.95 else rng.randrange(200)
    kind = rng.choice("tf" if hashable else "tfsldddll")
    if kind == "t":
        return tuple(value(rng, depth - 1, hashable) for _ in range(n))
    if kind == "f":
        return frozenset(value(rng, depth - 1, True) for _ in range(n))
    if kind == "s":
        return {value(rng, depth - 1, True) for _ in range(n)}
    if kind == "l":
        return [value(rng, depth - 1) for _ in range(n)]
    return {value(rng, depth - 1, True): value(rng, depth - 1) for _ in range(n)}


def exchange(dumpload, items):
    stream = b"".join(struct.pack("!i", len(item)) + item for item in items)
    done = subprocess.run([dumpload], input=stream, stdout=subprocess.PIPE, timeout=100)
    if done.returncode:
        sys.exit(f"dumpload ended with {done.returncode}")
    answers, at = [], 0
    while at < len(done.stdout):
        (size,) = struct.unpack_from("!i", done.stdout, at)
        answers.append(done.stdout[at + 4 : at + 4 + size])
        at += 4 + size
    if len(answers) != len(items):
        sys.exit(f"{len(items)} items went in, {len(answers)} came out")
    return answers


def check_round_trips(dumpload, count):
    """The order of sets and dicts is kept on the way, so the bytes are the same."""
    rng = random.Random(1)
    values = [value(rng, 5) for _ in range(count)]
    items = [execnet.dumps(v) for v in values]
    # 1.x and 2.x differ in the version byte alone; every other item says 2.
    sent = [b"\2" + item[1:] if i % 2 else item for i, item in enumerate(items)]
    for v, item, answer in zip(values, items, exchange(dumpload, sent)):
        if answer[:1] != b"\1" or answer[1:] != item[1:]:
            sys.exit(f"{item[:500]!r} came back as {answer[:500]!r}")
        back = execnet.loads(execnet.dumps(None)[:1] + answer[1:])
        if back != v:
            sys.exit(f"{repr(v)[:500]} came back as {repr(back)[:500]}")


def check_longs(dumpload):
    """Integers below -2**31: only we write them, as decimal text; execnet just loads them."""
    version = execnet.dumps(None)[:1]
    numbers = [-(2**31) - 1, -(2**63), -(2**63) - 1, -(10**50)]
    texts = [str(n).encode() for n in numbers]
    items = [version + b"H" + struct.pack("!i", len(t)) + t + b"Q" for t in texts]
    for n, item, answer in zip(numbers, items, exchange(dumpload, items)):
        if answer[1:] != item[1:] or execnet.loads(item[:1] + answer[1:]) != n:
            sys.exit(f"{n} came back as {answer!r}")


def check_python2_strings(dumpload):
    """loads() as execnet's: Python 2's str stays bytes, its unicode is text, its long an int."""
    items = [b"\1M\0\0\0\2a\xe9Q", b"\1S\0\0\0\2\xc3\xa9Q", b"\1G\0\0\0\5Q", b"\1I\0\0\0\00242Q"]
    version = execnet.dumps(None)[:1]
    for item, answer in zip(items, exchange(dumpload, items)):
        ours, theirs = execnet.loads(version + answer[1:]), execnet.loads(version + item[1:])
        if ours != theirs or type(ours) is not type(theirs):
            sys.exit(f"{item!r}: {ours!r} instead of {theirs!r}")


def check_refusals(dumpload):
    """What execnet refuses comes back empty."""
    version = execnet.dumps(None)[:1]
    items = [b"", b"\3LQ", version, version + b"L", version + b"UQ", version + b"LLQ"]
    items.append(version + b"JJLPQ")
    for item, answer in zip(items, exchange(dumpload, items)):
        try:
            execnet.loads(item)
        except Exception:
            if answer:
                sys.exit(f"{item!r} should not load")
        else:
            sys.exit(f"execnet loads {item!r}")


def main():
    dumpload = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    check_round_trips(dumpload, count)
    check_longs(dumpload)
    check_python2_strings(dumpload)
    check_refusals(dumpload)
    print(f"{count} values there and back, execnet {execnet.__version__}")


main()

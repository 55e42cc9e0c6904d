"""dumps and loads: the same bytes as execnet's, and nothing bad of bad bytes."""
import io
import random

import farflung.execnet as execnet
import pytest
from farflung.execnet import gateway_base

VALUES = [
    None, True, False, 0, 1, -1, 2**31 - 1, -2**31, 2**31, -2**31 - 1, 2**63, -2**63 - 1, 10**5000, -10**9999,
    0.0, -1.5, 1e300, float("inf"), 3 + 4j, "", "text", "\u00e9\u20ac\U0001f600", "nul\0", b"", b"\x00\xff",
    [], [1], [[], [None]], (), (1, ("a",)), {}, {"a": 1, 2: [3]}, {(1, 2): {3: 4}}, set(), {1, 2},
    frozenset(), frozenset(["x"]), list(range(1000)), [1.0] * 100, {str(n): n for n in range(100)},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30] if not isinstance(value, int) else "int")
def test_there_and_back(value):
    again = execnet.loads(execnet.dumps(value))
    assert again == value and type(again) is type(value)


def test_bytes_are_execnets():
    theirs = pytest.importorskip("execnet")
    for value in VALUES:
        try:
            data = theirs.gateway_base.dumps_internal(value)
        except Exception:
            continue  # what it fails at: small and very large integers
        assert gateway_base.dumps_internal(value) == data
        assert theirs.gateway_base.loads_internal(gateway_base.dumps_internal(value)) == value


def test_version():
    assert execnet.dumps(1)[:1] == b"\x02"
    with pytest.raises(execnet.DataFormatError, match="version"):
        execnet.loads(b"\x01" + execnet.dumps(1)[1:])


@pytest.mark.parametrize("value", [object(), bytearray(), type("Sub", (int,), {})(1), [object], {1: object()}])
def test_only_builtin_values(value):
    with pytest.raises(execnet.DumpError, match="can't serialize"):
        execnet.dumps(value)


def test_too_deep():
    value = []
    value.append(value)
    with pytest.raises(execnet.DumpError, match="inside each other"):
        execnet.dumps(value)


def test_python_2_strings():
    data = b"\x02M\x00\x00\x00\x01\xe9Q"
    assert execnet.loads(data) == b"\xe9"
    assert execnet.loads(data, py2str_as_py3str=True) == "\u00e9"
    assert execnet.loads(execnet.dumps("a"), py3str_as_py2str=True) == b"a"


def test_several_in_one_file():
    file = io.BytesIO()
    for value in VALUES:
        execnet.dump(file, value)
    file.seek(0)
    assert [execnet.load(file) for _ in VALUES] == VALUES
    with pytest.raises(execnet.DataFormatError):
        execnet.load(file)


def test_cut_and_damaged_bytes():
    """Each ends in a value or a LoadError; nothing is made that the bytes are not there for."""
    draw = random.Random(7)
    data = execnet.dumps(VALUES[:10] + VALUES[14:])
    for end in range(1, 400):
        with pytest.raises(execnet.LoadError):
            execnet.loads(data[:end])
    for _ in range(5000):
        bad = bytearray(data[:400] + b"Q")
        for _ in range(draw.randint(1, 4)):
            bad[draw.randrange(1, len(bad))] = draw.randrange(256)
        try:
            execnet.loads(bytes(bad))
        except execnet.LoadError:
            pass


@pytest.mark.parametrize("data", [
    b"", b"\x02", b"\x02Q", b"\x02LLQ", b"\x02K\x7f\xff\xff\xffQ", b"\x02K\xff\xff\xff\xffQ", b"\x02@\x00\x00\x00\x05Q",
    b"\x02H\x00\x00\x00\x01xQ", b"\x02N\x00\x00\x00\x01\xffQ", b"\x02JJLPQ", b"\x02B\x00\x00\x00\x01Q", b"\x02?Q",
    b"\x02K\x00\x00\x00\x01F\x00\x00\x00\x05LPQ",
])
def test_what_is_no_item(data):
    with pytest.raises(execnet.LoadError):
        execnet.loads(data)

# Part of the pytest payload: @pytest.mark.farflung(…) and xdist_group, read from the tests that were
# collected. A mark that says what can't be is its test's collection error.
import math
import re

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MOST = (1 << 31) - 1


class BadMark(Exception):
    pass


def mark_serial(value):
    return value if isinstance(value, bool) else None


def mark_text(value):
    return value if isinstance(value, str) and value.strip() and "\0" not in value else None


def mark_resource(value):
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple, set, frozenset)) or not names:
        return None
    return None if any(mark_text(name) is None for name in names) else sorted(set(names))


def mark_number(value, least):
    good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST
    return int(value) if good else None


def mark_timeout(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value * 1e6) if math.isfinite(value) and 0 < value <= MOST else None


def mark_memory(value):
    if isinstance(value, str):
        match = re.match(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*\Z", value, re.IGNORECASE)
        value = int(float(match.group(1)) * UNITS[match.group(2).upper()]) if match else None
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 62
    return value if good else None


# How each key is read, and what is expected of it.
MARK_KEYS = {
    "serial": (mark_serial, "True or False"),
    "resource": (mark_resource, "a name, or a list of names"),
    "host": (mark_text, "the name or tag of hosts"),
    "timeout": (mark_timeout, "a number of seconds above 0"),
    "retries": (lambda value: mark_number(value, 0), "a number from 0 on"),
    "weight": (lambda value: mark_number(value, 1), "a number from 1 on"),
    "memory": (mark_memory, "bytes, or a text such as '512M' or '2G'"),
}


def read_mark(mark, asks):
    """Adds what one mark says to `asks`; what is there already came from nearer to the test."""
    if mark.args:
        raise BadMark(
            "takes no %s without a key; expected keys are %s" % (shown(mark.args[0]), ", ".join(MARK_KEYS))
        )
    for key, value in mark.kwargs.items():
        if key not in MARK_KEYS:
            raise BadMark("has no key %s; expected keys are %s" % (shown(key), ", ".join(MARK_KEYS)))
        read, expected = MARK_KEYS[key]
        known = read(value)
        if known is None:
            raise BadMark("%s=%s: expected %s" % (key, shown(value), expected))
        asks.setdefault(key, known)


class Marks:
    """Our plugin that looks at the marks of tests once they are collected. Most have none: it costs a
    look at what their own nodes have, and one per file or class."""

    def __init__(self, groups):
        self.groups = groups  # whether xdist_group is looked at here
        self.of = {}  # what it is: by an item's id()
        self.kept = []  # these: another would get its number
        self.above = {}  # whether a node above tests has such marks, or one above it: by id()

    def has(self, node):
        for mark in getattr(node, "own_markers", ()):
            if mark.name == "farflung" or (self.groups and mark.name == "xdist_group"):
                return True
        return False

    def has_above(self, node):
        known = self.above.get(id(node)) if node is not None else (False, None)
        if known is None:
            known = self.above[id(node)] = (self.has(node) or self.has_above(node.parent), node)
        return known[0]

    def asks_of(self, item):
        asks = {}
        for mark in item.iter_markers("farflung"):
            read_mark(mark, asks)
        names = item.iter_markers("xdist_group") if self.groups else ()
        group = {str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")) for mark in names}
        if group:
            asks["group"] = "_".join(sorted(group))
        return asks

    def pytest_collection_modifyitems(self, session, config, items):
        yield
        bad = []
        for place, item in enumerate(items):
            if not (self.has(item) or self.has_above(item.parent)):
                continue
            try:
                asks = self.asks_of(item)
                if asks:
                    self.of[id(item)] = asks
                    self.kept.append(item)
            except BadMark as exc:
                bad.append(place)
                self.complain(session, item, str(exc))
        for place in reversed(bad):
            del items[place]

    def complain(self, session, item, text):
        from _pytest.reports import CollectErrorRepr, CollectReport

        words = "%s: @pytest.mark.farflung %s" % (item.nodeid, text)
        if re.match(r"\w+=", text):
            words = "%s: @pytest.mark.farflung: %s" % (item.nodeid, text)
        report = CollectReport(item.nodeid, "failed", CollectErrorRepr(words), [])
        item.ihook.pytest_collectreport(report=report)

    def told(self, items):
        """As the controller is to be told of these, by their place."""
        if not self.of:
            return []
        return [
            told_mark(place, self.of[id(item)]) for place, item in enumerate(items) if id(item) in self.of
        ]


def told_mark(place, asks):
    bound = bool({"serial", "resource", "host", "weight", "memory", "group"}.intersection(asks))
    return [
        place, bound, clean(asks["group"]) if "group" in asks else None, asks.get("serial", False),
        [clean(name) for name in asks.get("resource", ())], clean(asks["host"]) if "host" in asks else None,
        asks.get("timeout", -1), asks.get("retries", -1), asks.get("weight", 1), asks.get("memory", 0),
    ]  # fmt: skip


def limits_only(mark):
    """Of what a test asks for that which holds wherever it runs, and however often."""
    return [mark[0], False, None, False, [], None, mark[6], -1, 1, 0]


def memory_here():
    """Bytes that tests may use on this machine, as a text; None where nobody says so."""
    found = []
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    found.append(int(line.split()[1]) << 10)
                    break
        with open("/sys/fs/cgroup/memory.max") as line:
            found.append(int(line.read()))
    except (OSError, ValueError, IndexError):
        pass  # elsewhere, or "max"
    return str(min(found)) if found else None

# Which tests of a collection are this machine's, with --shard K/N: the same cut on each machine that
# has collected the same tests and knows the same of them, in whatever order it has collected them.


def slices(weights, count):
    """Cuts a list of positive numbers into `count` neighbouring pieces of about the same sum, none
    empty while there are enough; gives where each begins, and the end."""
    total, cuts, before = sum(weights), [0], 0
    for at, weight in enumerate(weights):
        left = len(weights) - at
        # A piece begins where most of the number lies behind the border, or where each number
        # that is left must be a piece of its own.
        while len(cuts) < count and at > cuts[-1] and (
            (2 * before + weight) * count > 2 * total * len(cuts) or left <= count - len(cuts)
        ):
            cuts.append(at)
        before += weight
    return cuts + [len(weights)] * (count + 1 - len(cuts))


def file_of(nodeid):
    return nodeid.split("::", 1)[0]


class Slice:
    """Deselects what other shards run, behind all that choose tests."""

    def __init__(self, number, count, known, send, notes):
        import struct

        self.number, self.count, self.send, self.notes = number, count, send, notes
        self.known = dict(struct.iter_unpack("<II", known))

    def weights(self, ids, items):
        """What each of `ids` takes, and by what that is known."""
        import zlib

        known = [self.known.get(zlib.crc32(id.encode("utf-8", "surrogateescape"))) for id in ids]
        seen = sorted(weight for weight in known if weight is not None)
        if seen:
            return [max(1, seen[len(seen) // 2] if weight is None else weight) for weight in known], "history"
        numbers, sizes = {}, {}
        for id in ids:
            numbers[file_of(id)] = numbers.get(file_of(id), 0) + 1
        for item in items:
            if file_of(item.nodeid) not in sizes:
                sizes[file_of(item.nodeid)] = size_of(str(item.fspath))
        return [max(1, sizes[file_of(id)] // numbers[file_of(id)]) for id in ids], "file sizes"

    def choose(self, config, items):
        import hashlib

        ids = sorted({item.nodeid for item in items}, key=lambda id: (file_of(id), id))
        weights, by = self.weights(ids, items)
        cuts = slices(weights, self.count)
        mine = set(ids[cuts[self.number - 1]:cuts[self.number]])  # fmt: skip
        others = [item for item in items if item.nodeid not in mine]
        plan = hashlib.sha1(repr((self.count, list(zip(ids, weights)))).encode("utf-8", "surrogateescape"))
        if others:
            items[:] = [item for item in items if item.nodeid in mine]
            config.hook.pytest_deselected(items=others)
        for name, value in (
            ("", "%d/%d" % (self.number, self.count)),
            (".tests", len(items)),
            (".left", len(others)),
            (".plan", plan.hexdigest()[:16]),
            (".by", by),
        ):
            self.send("property", "farflung.shard" + name, str(value))
        self.notes.append(
            "shard %d/%d, by %s: tests here: %d, left to other shards: %d"
            % (self.number, self.count, by, len(items), len(others))
        )

    def pytest_collection_modifyitems(self, config, items):
        outcome = yield
        outcome.get_result()
        self.choose(config, items)


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def take_slice(config, slice, send, notes):
    """With --shard: (K, N, what is known of tests); else None."""
    if slice is None:
        return
    import pytest

    Slice.pytest_collection_modifyitems = pytest.hookimpl(hookwrapper=True, tryfirst=True)(
        Slice.pytest_collection_modifyitems
    )
    config.pluginmanager.register(Slice(*slice, send, notes), "farflung-slice")

# Part of the pytest payload: each test many times (farflung stress). The session has each of its tests
# once; what is run is a copy of it, each time another, that begins as the collected one did.
import copy

RUNS_MAX = 200000  # of all tests together, where nobody says how often
RUNS_MOST = 1000000  # where somebody does


def instance_of(item):
    """What a method's test was collected with; None: it is no method, or has none yet."""
    bound = getattr(vars(item).get("_obj"), "__self__", None)
    return bound if bound is not None and type(bound) is getattr(item, "cls", None) else None


def fresh(item):
    """A copy with a request, an instance and marks of its own: what a run adds to it is gone with it."""
    own = copy.copy(item)
    for name, value in list(vars(own).items()):
        if type(value) in (list, dict, set):
            setattr(own, name, copy.copy(value))
    for name in ("stash", "_store"):
        held = getattr(item, name, None)
        storage = getattr(held, "_storage", None)
        if type(storage) is dict:
            held = copy.copy(held)
            held._storage = dict(storage)
            setattr(own, name, held)
    keywords = copy.copy(item.keywords)
    if type(getattr(keywords, "_markers", None)) is dict:
        keywords.node, keywords._markers = own, dict(keywords._markers)
        own.keywords = keywords
    if instance_of(own) is not None and not getattr(own._obj, "is_hypothesis_test", False):
        vars(own).pop("_obj")
        vars(own).pop("_instance", None)
    doctest = getattr(item, "dtest", None)
    if doctest is not None:
        own.dtest = copy.copy(doctest)
        own.dtest.globs = dict(doctest.globs)
    if hasattr(own, "_initrequest"):
        own._initrequest()
    return own


class Repeats:
    """Which run of which test an index is: all tests once, then all of them again."""

    def __init__(self, times):
        self.wish = times  # -1: as often as there is room for
        self.listed = []
        self.ahead = None, None  # index and copy that the one before it was told of
        self.kept = {}  # by their id, what instances had at first

    def times(self, count):
        return self.wish if self.wish > 0 else max(1, RUNS_MAX // max(1, count))

    def check(self, count):
        if count * self.times(count) > RUNS_MOST:
            import pytest

            raise pytest.UsageError(
                "%d tests, each %d times, are more than %d runs" % (count, self.times(count), RUNS_MOST)
            )

    def all(self, items):
        times = self.times(len(items))
        if len(self.listed) != len(items) * times:
            self.listed = items * times
        return self.listed

    def name(self, items, index):
        return "%s@%d" % (items[index % len(items)].nodeid, index // len(items) + 1)

    def look(self, items, index):
        if self.ahead[0] != index:
            self.ahead = index, fresh(items[index % len(items)])
        return self.ahead[1]

    def take(self, items, index):
        item = self.look(items, index)
        self.ahead = None, None
        instance = instance_of(item)
        if hasattr(instance, "__dict__"):  # hypothesis wants a test's own to be the same each time
            had = self.kept.setdefault(id(instance), dict(vars(instance)))
            vars(instance).clear()
            vars(instance).update(had)
        return item


def tell_seed(config, send):
    """By what a run of this session's tests can be had again."""
    seed = getattr(config.option, "randomly_seed", None)  # pytest-randomly's
    if isinstance(seed, int):
        send("property", "farflung.seed", "-p randomly --randomly-seed=%d" % seed)
    elif os.environ.get("PYTHONHASHSEED", "random") != "random":
        send("property", "farflung.seed", "PYTHONHASHSEED=%s" % clean(os.environ["PYTHONHASHSEED"]))



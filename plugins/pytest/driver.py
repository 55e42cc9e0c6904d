# Part of the front: drives somebody's own scheduler as pytest-xdist's controller (DSession) does. What
# the scheduler wants of its nodes is sent to the runner, which keeps that each test is run once.
#
# Whatever the scheduler throws ends the run, with its traceback. An item that it names as the one that
# was running when a node crashed has its end with that, also if the scheduler gives it out again (as
# pytest-xdist's LoadScopeScheduling does).
import os

PROTOCOL = (
    "nodes", "collection_is_completed", "tests_finished", "has_pending", "add_node",
    "add_node_collection", "mark_test_complete", "mark_test_pending", "remove_node", "schedule",
)  # fmt: skip


class SchedulerError(Exception):
    """What a scheduler must not do."""


class Crashed:
    """The scheduler, as pytest_handlecrashitem gets it: with a note of what is to be run again."""

    def __init__(self, sched):
        self.__dict__["_sched"] = sched
        self.__dict__["_again"] = set()

    def mark_test_pending(self, item):
        self._again.add(item)
        self._sched.mark_test_pending(item)

    def __getattr__(self, name):
        return getattr(self._sched, name)

    def __setattr__(self, name, value):
        setattr(self._sched, name, value)


def lacks(sched):
    """What is missing for it to be a scheduler."""
    kind, own = type(sched), getattr(sched, "__dict__", ())
    if hasattr(kind, "__getattr__"):
        return []
    return [name for name in PROTOCOL if not hasattr(kind, name) and name not in own]


def make_driver(front):
    """For what the hook gives; None: that is nothing, or the runner does it."""
    import pytest

    config = front.config
    if not scheduler_hooks(config) or config.option.dist == "each":
        return None
    try:
        from xdist.remote import Producer

        log = Producer("dsession", enabled=config.option.debug)
    except Exception:
        log = Quiet()
    sched = config.hook.pytest_xdist_make_scheduler(config=config, log=log)
    if sched is None or scheduler_kind(sched) != "driven":
        return None
    missing = lacks(sched)
    if missing:
        raise pytest.UsageError(
            "what pytest_xdist_make_scheduler gives, a %s, is no scheduler: it has no %s"
            % (clean(type(sched).__qualname__), ", ".join(missing))
        )
    return Driver(front, sched)


class Driver:
    def __init__(self, front, sched):
        self.front = front
        self.sched = sched
        self.name = clean(type(sched).__name__)
        self.shuttingdown = False
        self.stopped = self.failed = False
        self.given = {}  # index: node
        self.ended = {}  # index: how, in words
        self.crashed = set()  # indexes that it named
        self.later = None  # a list: what is sent when a crash is settled

    def send(self, *item):
        if self.later is None:
            self.front.send(*item)
        else:
            self.later.append(item)

    # what nodes are asked to do

    def give(self, node, indices):
        import operator

        if node.ids is None:
            raise SchedulerError("%s gives tests to %s before it has collected" % (
                self.name, node.gateway.id))  # fmt: skip
        indices = [operator.index(index) for index in indices]
        for index in indices:
            self.check(node, index)
            self.given[index] = node
        self.send("give", node.gateway.id, indices)

    def check(self, node, index):
        if not 0 <= index < len(node.ids):
            raise SchedulerError("%s gives number %d to %s, and there are only %d tests" % (
                self.name, index, node.gateway.id, len(node.ids)))  # fmt: skip
        why = None
        if node.shut and not node.down:
            why = "it has shut that down before"
        elif index in self.given:
            why = "%s has it already" % self.given[index].gateway.id
        elif index in self.ended and index not in self.crashed:
            why = self.ended[index]
        if why:
            hint = "" if node.shut else ": each test is run once (--dist each runs all on every worker)"
            raise SchedulerError("%s gives %r to %s, but %s%s" % (
                self.name, node.ids[index], node.gateway.id, why, hint))  # fmt: skip

    def steal(self, node, indices):
        import operator

        self.send("steal", node.gateway.id, [operator.index(index) for index in indices])

    def shut(self, node):
        self.send("shut", node.gateway.id)

    # what the scheduler is told

    def tell(self, function, *args):
        """Gives what the scheduler does; None, and the run ends, if it throws."""
        if self.failed:
            return None
        import pytest

        try:
            return function(*args)
        except pytest.exit.Exception:
            raise
        except Exception as exc:
            if not self.stopped:  # else the run ends anyway
                self.fail(exc)

    def call(self, name, *args):
        return self.tell(lambda: getattr(self.sched, name)(*args))

    def fail(self, exc):
        import pytest

        self.failed = True
        excinfo = pytest.ExceptionInfo.from_current()
        excrepr = excinfo.getrepr(style="native")
        words = "the scheduler %s (%s): %s" % (self.name, self.place(excinfo), words_of(exc))
        self.front.broken = True
        self.front.words = self.front.words or words
        self.front.send("internal_error", words)  # the rest of it is shown here
        self.front.config.hook.pytest_internalerror(excrepr=excrepr, excinfo=excinfo)

    def place(self, excinfo):
        """Where it was thrown: in somebody else's code, if there is any."""
        entries = list(excinfo.traceback)
        theirs = [entry for entry in entries if os.path.exists(str(entry.path))]
        entry = (theirs or entries)[-1]
        return clean("%s:%d" % (os.path.basename(str(entry.path)), entry.lineno + 1))

    def look(self):
        """After each thing that happened."""
        if not self.shuttingdown and self.tell(lambda: self.sched.tests_finished):
            self.trigger_shutdown()

    def trigger_shutdown(self):
        if self.shuttingdown:
            return
        self.shuttingdown = True
        self.tell(lambda: [node.shutdown() for node in self.sched.nodes])

    def stop(self):
        self.stopped = True
        self.trigger_shutdown()

    def ready(self, node):
        if self.shuttingdown:
            node.shutdown()
        else:
            self.call("add_node", node)

    def up(self, node):
        if not self.shuttingdown:
            self.call("add_node_collection", node, list(node.ids))
            self.schedule()

    def stuck(self, count):
        """All wait, and so many workers are up. One that waits for more of them does so no more; and
        with pytest-xdist's loadscope a worker can be given a group in which nothing is left to do, upon
        which that would wait for ever."""
        if not self.tell(lambda: self.sched.collection_is_completed):
            if isinstance(getattr(self.sched, "numnodes", None), int):
                self.sched.numnodes = count
        self.schedule()

    def schedule(self):
        if self.tell(lambda: self.sched.collection_is_completed):
            self.front.show_collected()
            self.call("schedule")

    def complete(self, node, index, duration, again):
        self.given.pop(index, None)
        self.ended[index] = "that has run already"
        self.call("mark_test_complete", node, index, duration)
        if again:
            self.shuttingdown = False
            self.again(index, node.ids)

    def again(self, index, ids):
        """What it takes to be over is to be run once more."""
        crashed = index in self.crashed
        self.ended.pop(index, None)
        self.crashed.discard(index)
        if index not in self.given:
            self.tell(self.mark_pending, index, ids[index], crashed)

    def mark_pending(self, index, nodeid, crashed):
        try:
            self.sched.mark_test_pending(nodeid)
        except NotImplementedError:
            if crashed:
                return  # it puts back by itself what its nodes had
            self.ended[index] = "that was given up"
            self.send("give_up", index, "the scheduler %s runs no test again" % self.name)

    def skip(self, node, index):
        """It has had its end before it was given."""
        self.given.pop(index, None)
        self.call("mark_test_complete", node, index, 0)

    def back(self, node, indices):
        for index in indices:
            self.given.pop(index, None)
        self.call("remove_pending_tests_from_node", node, indices)

    # nodes that are no more

    def removed(self, node):
        """Of what the scheduler says that it was running: (index, node id), or None."""

        def remove():
            try:
                item = self.sched.remove_node(node)
            except KeyError:
                return None  # it does not know that node, or not any more
            if item is None:
                return None
            if item not in (node.ids or ()):
                raise SchedulerError("%s says that %s was running %r, which is no test of it" % (
                    self.name, node.gateway.id, item))  # fmt: skip
            return node.ids.index(item), item

        self.given = {index: other for index, other in self.given.items() if other is not node}
        return self.tell(remove)

    def gone(self, node, error):
        if error is None:
            if self.tell(lambda: node in self.sched.nodes):
                self.removed(node)
            return
        item = self.removed(node)
        self.shuttingdown = self.stopped
        if item and item[0] not in self.ended:
            self.crashed.add(item[0])
            self.again(item[0], node.ids)  # it had not begun

    def crash(self, node, index, nodeid, text, again):
        """What becomes of the test is said before what the scheduler makes of it."""
        self.later = []
        item = self.removed(node)
        self.shuttingdown = self.stopped
        if self.failed or self.stopped:
            self.front.tell_crash(node, index, nodeid, text, again, self.sched)
        elif item is None:
            if not again:  # the scheduler has kept it for others
                self.front.send("again", nodeid)
        elif item[0] != index:
            self.tell(self.mistaken, node, nodeid, item[1])
        else:
            self.end_crashed(node, index, nodeid, text, again)
        self.front.send("settled", nodeid)
        later, self.later = self.later, None
        for item in later:
            self.front.send(*item)

    def mistaken(self, node, nodeid, item):
        raise SchedulerError("%s says that %s was running %r when it crashed; that was %r" % (
            self.name, node.gateway.id, item, nodeid))  # fmt: skip

    def end_crashed(self, node, index, nodeid, text, again):
        self.ended[index] = "%s crashed while running it" % node.gateway.id
        self.crashed.add(index)
        view = Crashed(self.sched)
        self.front.tell_crash(node, index, nodeid, text, again, view)
        if nodeid in view._again:
            self.ended.pop(index, None)
            self.crashed.discard(index)
            if not again:
                self.front.send("again", nodeid)
        elif again:
            self.again(index, node.ids)

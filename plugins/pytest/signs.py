# Part of the pytest payload: what a session is at outside of its tests' own work, so that who waits for
# it knows that it lives, and where it was when it gave no more sign of that.
from os import getpid  # tests replace it


class Signs:
    def __init__(self, channel):
        self.channel = channel
        self.pid = getpid()  # a test may fork
        self.none_follows = self.tears_down = False

    def doing(self, words):
        if getpid() != self.pid:
            return
        try:
            self.channel.send(("doing", words))
        except OSError:
            pass  # the session hears of that itself

    def pytest_collectstart(self, collector):
        if isinstance(collector, self.file):
            self.doing("collecting %s" % clean(collector.nodeid))

    def pytest_fixture_setup(self, fixturedef, request):
        outlasts = fixturedef.scope in ("session", "package")
        if outlasts:
            self.doing("setting up fixture '%s' (%s)" % (clean(fixturedef.argname), fixturedef.scope))
        yield
        if outlasts:
            self.doing(None)

    # what outlasts a test is torn down behind the last one

    def begin(self):
        self.none_follows = self.tears_down = False

    def last(self):
        """No test follows the one that runs."""
        self.none_follows = True
        if self.tears_down:
            self.doing("tearing down the session's fixtures")

    def pytest_runtest_teardown(self):
        self.tears_down = True
        if self.none_follows:
            self.last()

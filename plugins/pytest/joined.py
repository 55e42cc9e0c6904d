# Part of the front: with `pytest --farflung` it is no session of ours, but takes part in the user's. What
# executes this is a thread of his there (pytest_farflung/run.py), which is handed what it has to know.


class Joined:
    """The front in a session of the user's."""

    def __init__(self, channel, kw):
        self.channel = channel
        self.kw = kw
        self.ending = Ending(channel)
        self.entry = self.collect = None

    def begin(self, config, lost):
        """`lost` gives what is to be raised when the runner is lost."""
        import gc

        self.kw["lost"] = lost
        self.collect = gc.get_threshold()
        gc.set_threshold(GC_THRESHOLD)
        self.entry = enter(self.channel, config, self.kw, self.ending)

    def front(self):
        return self.entry and self.entry.front

    def end(self, status, exc):
        """The session is over, by `exc` or None."""
        import gc

        gc.set_threshold(*self.collect)
        if exc is None:
            self.ending.set_status(status)
        else:
            self.ending.caught(exc)
        try:
            tell_end(self.channel, self.front(), self.ending)
        except OSError:
            pass  # nobody is left to hear it


def join(channel, kw):
    import threading

    threading.current_thread().take(Joined(channel, kw))
    try:
        channel.waitclose()
    except (EOFError, OSError, channel.RemoteError):
        pass

"""Plain items and named values on one channel, in order; the other side is a Talk too, in Python or in C
(gateway/talk.h). Works on channels of farflung and of execnet. SOURCE is this file's text: put before what
is executed elsewhere, it has Talk there, too."""
import threading as _threading
import time as _time

_NAMES, _ITEM = "\0names", "\0item"
_ANY = object()


def _is_special(item):
    return type(item) is tuple and len(item) == 2 and type(item[0]) is str and item[0][:1] == "\0"


class Talk:
    """Takes over a channel: receive by this, not by the channel."""

    END = type("End", (), {"__repr__": lambda self: "<END>"})()  # what callbacks are told last

    def __init__(self, channel):
        self.channel = channel
        self._changed = _threading.Condition(_threading.RLock())
        self._items, self._names = [], {}
        self._item_calls, self._name_calls = [], {}
        self._ended = False
        channel.setcallback(self._arrived, endmarker=self.END)

    # --- to the other side ---

    def send(self, *items):
        """Sends plain items, one after the other."""
        for item in items:
            self.channel.send((_ITEM, item) if _is_special(item) else item)

    def set(self, *pairs, **names):
        """Sets names at the other side, all at once: set(port=1), set({"a name": 2})."""
        for pair in pairs:
            names.update(pair)
        if not names or not all(type(name) is str and 0 < len(name.encode()) < 256 and "\0" not in name
                                for name in names):
            raise ValueError("a name is a str of 1 to 255 bytes")
        self.channel.send((_NAMES, names))

    # --- from the other side ---

    def receive(self, timeout=None):
        """The next plain item."""
        with self._changed:
            if self._item_calls:
                raise OSError("somebody has subscribed to the items")
            self._wait(lambda: self._items, timeout)
            return self._items.pop(0)

    def get(self, name, timeout=None, ignore=_ANY):
        """What the other side has set a name to; waits until it has, and until that is not `ignore`."""
        def there():
            return name in self._names and (ignore is _ANY or self._names[name] != ignore)
        with self._changed:
            self._wait(there, timeout)
            return self._names[name]

    def subscribe(self, callback, name=None):
        """Has callback(value) called for each value of a name, the present one first, or for each plain
        item, those that wait first; at the end with END. Several are called in order."""
        with self._changed:
            if name is None:
                self._item_calls.append(callback)
                while self._items:
                    self._tell(self._item_calls, self._items.pop(0))
            else:
                self._name_calls.setdefault(name, []).append(callback)
                if name in self._names:
                    callback(self._names[name])
            if self._ended:
                callback(self.END)

    def unsubscribe(self, callback, name=None):
        with self._changed:
            (self._item_calls if name is None else self._name_calls.get(name, [])).remove(callback)

    # --- inside ---

    def _wait(self, ready, timeout):
        limit = None if timeout is None else _time.monotonic() + timeout
        while not ready():
            if self._ended:
                self.channel.waitclose(0)  # raises what the other side has raised
                raise EOFError()
            left = None if limit is None else limit - _time.monotonic()
            if left is not None and left <= 0:
                raise self.channel.TimeoutError("nothing after %r seconds" % timeout)
            self._changed.wait(left)

    @staticmethod
    def _tell(calls, value):
        for callback in list(calls):
            if callback in calls:
                callback(value)

    def _arrived(self, item):
        with self._changed:
            if item is self.END:
                self._ended = True
                for calls in [self._item_calls] + list(self._name_calls.values()):
                    self._tell(calls, item)
            elif _is_special(item) and item[0] == _NAMES:
                self._names.update(item[1])
                for name, value in item[1].items():
                    self._tell(self._name_calls.get(name, ()), value)
            else:
                if _is_special(item):
                    item = item[1]
                if self._item_calls:
                    self._tell(self._item_calls, item)
                else:
                    self._items.append(item)
            self._changed.notify_all()


try:
    with open(__file__) as _file:
        SOURCE = _file.read()
except (NameError, OSError):
    SOURCE = None  # it is being executed elsewhere

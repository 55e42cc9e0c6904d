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
        self._turn = _threading.Lock()  # of sending, where the channel itself knows no limit
        channel.setcallback(self._arrived, endmarker=self.END)

    # --- to the other side ---

    def send(self, *items, timeout=None):
        """Sends plain items, one after the other. With `timeout`, in seconds, it also waits until the
        other side's window has taken all of them: channel.TimeoutError, whose `sent` says how many are
        on their way; the others are not sent."""
        items = [(_ITEM, item) if _is_special(item) else item for item in items]
        if timeout is None:
            for item in items:
                self._send(item)
            return
        send_all = getattr(self.channel, "_send_all", self._send_aside)
        sent, in_time = send_all(items, timeout)
        if not in_time:
            error = self.channel.TimeoutError(
                "not taken after %r seconds; %d of %d items are on their way" % (timeout, sent, len(items)))
            error.sent = sent
            raise error

    def set(self, *pairs, **names):
        """Sets names at the other side, all at once: set(port=1), set({"a name": 2})."""
        for pair in pairs:
            names.update(pair)
        if not names or not all(type(name) is str and 0 < len(name.encode()) < 256 and "\0" not in name
                                for name in names):
            raise ValueError("a name is a str of 1 to 255 bytes")
        self._send((_NAMES, names))

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

    def _send(self, item):
        if hasattr(self.channel, "_send_all"):
            self.channel.send(item)
        else:
            with self._turn:
                self.channel.send(item)

    def _send_aside(self, items, timeout):
        """By execnet's own channels, which have no window and wait for the pipe without a limit: in a
        thread, which what is sent later comes behind."""
        begun, failed, late, done = [], [], [], _threading.Event()

        def run():
            try:
                with self._turn:
                    for item in items:
                        if late:
                            break
                        begun.append(item)
                        self.channel.send(item)
            except BaseException as exc:
                failed.append(exc)
            done.set()

        _threading.Thread(target=run, daemon=True).start()
        in_time = done.wait(timeout)
        late.append(True)
        if failed:
            raise failed[0]
        return len(begun), in_time

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

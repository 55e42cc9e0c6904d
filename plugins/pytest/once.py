# Part of the pytest payload: the fixture farflung_once, by which all workers of a host, or of the run,
# share what one of them has set up. The controller says who sets up, and who tears down.
import threading

ONCE_SIGN_S = 1.0  # who waits says so often that it lives


class OnceBoard:
    """The conversation about it. Answers come in the receiver's thread."""

    def __init__(self, send, doing):
        self.send = send
        self.doing = doing
        self.changed = threading.Condition()
        self.answers = {}
        self.lost = False

    def hear(self, name, run, word, text):
        with self.changed:
            self.answers[name, run] = word, text
            self.changed.notify_all()

    def lose(self):
        with self.changed:
            self.lost = True
            self.changed.notify_all()

    def ask(self, name, run, word, waits_for=None):
        """Says `word`, and gives (word, text) of the answer; ("lost", …) if none can come."""
        with self.changed:
            self.answers.pop((name, run), None)  # of a test that was broken off
        self.send("once", word, name, run, None)
        with self.changed:
            while (name, run) not in self.answers and not self.lost:
                if not self.changed.wait(ONCE_SIGN_S) and waits_for:
                    self.doing(waits_for)
            if waits_for:
                self.doing(None)
            return self.answers.pop((name, run), ("lost", "the connection is gone"))

    def tell(self, name, run, word, text=None):
        self.send("once", word, name, run, text)


class OnceFailed(Exception):
    """The setup failed, here or on another worker."""


class Once:
    """What the fixture gives. One per session; what it was asked for lasts as long as that."""

    def __init__(self, board):
        self.board = board
        self.values = {}  # by (name, whether it is the run's): (value, teardown, whether it was set up here)
        self.failed = {}

    def __call__(self, name, setup, teardown=None, scope="host"):
        check_once(name, setup, teardown, scope)
        key = name, scope == "run"
        if key in self.failed:
            raise OnceFailed(self.failed[key])
        if key not in self.values:
            self.values[key] = self.begin(key, setup, teardown)
        return read_spelled(self.values[key][0])

    def begin(self, key, setup, teardown):
        words = "waiting for farflung_once(%r)" % key[0]
        word, text = self.board.ask(*key, "ask", words)
        if word == "value":
            return text, teardown, False
        if word != "setup":
            self.failed[key] = text
            raise OnceFailed(text)
        try:
            value = setup()
            try:
                text = spelled(value)
            except ValueError as exc:
                if teardown:
                    teardown(value)
                raise ValueError("farflung_once(%r): its value can't be shared: %s" % (key[0], exc)) from None
        except BaseException as exc:
            self.failed[key] = "farflung_once(%r): its setup failed: %s" % (key[0], words_of(exc))
            self.board.tell(*key, "failed", clean(self.failed[key]))
            raise
        self.board.tell(*key, "have", text)
        return text, teardown, True

    def finish(self):
        """This session needs none of it any more. Whoever is the last tears it down."""
        problems = []
        for key, (text, teardown, own) in reversed(list(self.values.items())):
            word, _ = self.board.ask(*key, "leave", "waiting for others, to tear down farflung_once(%r)" % key[0])
            if word == "teardown" or (word == "lost" and own):
                try:
                    if teardown:
                        teardown(read_spelled(text))
                except Exception as exc:
                    problems.append("farflung_once(%r): its teardown failed: %s" % (key[0], words_of(exc)))
                finally:
                    self.board.tell(*key, "done")
        self.values.clear()
        return problems

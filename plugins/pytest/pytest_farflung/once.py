"""The fixture farflung_once where farflung does not spread the tests: under plain pytest a call, under
pytest-xdist a file lock that the workers of a machine share."""
import contextlib
import hashlib
import json
import os
import tempfile

from .spell import check_once, once_plugin, read_spelled, spelled

try:
    import fcntl
except ImportError:  # elsewhere each worker has its own
    fcntl = None


class OnceFailed(Exception):
    """The setup failed in another worker."""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


class Alone:
    """No other process: the value is told on as others would get it, so that suites work there, too."""

    def begin(self, name, setup, teardown):
        try:
            value = setup()
        except Exception as exc:
            return None, "farflung_once(%r): its setup failed: %s: %s" % (name, type(exc).__name__, exc), exc
        try:
            return spelled(value), None, None
        except ValueError as exc:
            if teardown:
                teardown(value)
            words = "farflung_once(%r): its value can't be shared: %s" % (name, exc)
            return None, words, ValueError(words)

    def end(self, name, text, teardown):
        if teardown:
            teardown(read_spelled(text))


class Shared(Alone):
    """With the other workers of one run on this machine, by files of that run."""

    def __init__(self, run):
        mine = hashlib.sha256(run.encode()).hexdigest()[:24]
        self.folder = os.path.join(tempfile.gettempdir(), "farflung-once-%d-%s" % (os.getuid(), mine))

    def path(self, name):
        return os.path.join(self.folder, hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24])

    @contextlib.contextmanager
    def locked(self, name):
        """Holds the lock of the name; who waits for it goes on when its holder dies."""
        path = self.path(name)
        while True:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if os.stat(self.folder).st_uid != os.getuid():
                raise OnceFailed("farflung_once: %s belongs to another user" % self.folder)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # the last one has just gone
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    break
            except FileNotFoundError:
                pass
            os.close(descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self, descriptor):
        try:
            return json.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode())
        except ValueError:
            return {"text": None, "error": None, "users": []}  # nothing is there, or half of it

    def write(self, descriptor, state):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(state).encode(), 0)

    def begin(self, name, setup, teardown):
        exc = None
        with self.locked(name) as descriptor:
            state = self.read(descriptor)
            if state["error"] is not None:
                return None, state["error"], None
            if state["text"] is None:
                state["text"], state["error"], exc = super().begin(name, setup, teardown)
            state["users"].append(os.getpid())
            self.write(descriptor, state)
        return state["text"], state["error"], exc

    def end(self, name, text, teardown):
        with self.locked(name) as descriptor:
            state = self.read(descriptor)
            state["users"] = [pid for pid in state["users"] if pid != os.getpid() and is_alive(pid)]
            if state["users"]:
                self.write(descriptor, state)
                return
            try:
                if text is not None:
                    super().end(name, text, teardown)
            finally:
                os.unlink(self.path(name))
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)


class Once:
    def __init__(self):
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
        self.how = Shared(run) if run and fcntl and os.environ.get("PYTEST_XDIST_WORKER") else Alone()
        self.known = {}

    def __call__(self, name, setup, teardown=None, scope="host"):
        check_once(name, setup, teardown, scope)
        key = "%s %s" % (scope, name)
        exc = None
        if key not in self.known:
            text, error, exc = self.how.begin(key, setup, teardown)
            if error is not None:
                error = error.replace(repr(key), repr(name))
            self.known[key] = text, error, teardown
        text, error, _ = self.known[key]
        if exc is not None:
            raise exc
        if error is not None:
            raise OnceFailed(error)
        return read_spelled(text)

    def finish(self):
        problems = []
        for key, (text, error, teardown) in reversed(list(self.known.items())):
            try:
                if text is not None or isinstance(self.how, Shared):
                    self.how.end(key, text, teardown)
            except Exception as exc:
                problems.append(
                    "farflung_once(%r): its teardown failed: %s: %s" % (key.split(" ", 1)[1], type(exc).__name__, exc)
                )
        self.known.clear()
        return problems


def plugin():
    def told(config, text):
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter:
            reporter.write_line(text, red=True)

    return once_plugin(Once(), told)

"""A module's file as a namespace elsewhere whose functions are called from here. `serve` is sent by
remote_exec (by C as well: transport/exec_import.c) and works in workers of ours and of execnet."""


def serve(channel, name, path):
    import linecache
    import sys
    import traceback
    import types

    text = channel.receive()
    module = types.ModuleType(name)
    module.__file__ = path
    linecache.cache[path] = (len(text), None, text.splitlines(True), path)
    exec(compile(text, path, "exec"), module.__dict__)
    channel.send(None)
    for target, args, kwargs in channel:
        try:
            found = module
            for part in target.split("."):
                found = getattr(found, part)
            channel.send((True, found(*args, **kwargs) if callable(found) else found))
        except Exception:
            kind, exc, trace = sys.exc_info()
            channel.send((False, "".join(traceback.format_exception(kind, exc, trace.tb_next))))


class RemoteModule:
    """Attributes are the module's functions there; what is no function is looked at by a call, too."""

    def __init__(self, gateway, module):
        import inspect
        import os
        import threading

        path = module if isinstance(module, str) else inspect.getsourcefile(module)
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        name = os.path.basename(path)
        name = name[:-3] if name.endswith(".py") else name
        self._lock = threading.Lock()
        self._channel = gateway.remote_exec(serve, name=name, path=path)
        self._channel.send(text)
        self._channel.receive()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args, **kwargs):
            with self._lock:
                self._channel.send((name, args, kwargs))
                good, what = self._channel.receive()
            if not good:
                raise self._channel.RemoteError(what)
            return what

        call.__name__ = name
        return call

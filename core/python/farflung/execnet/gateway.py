"""Gateways to interpreters elsewhere, and what can be run there."""
import ast
import builtins
import inspect
import linecache
import textwrap
import types

from farflung._import import RemoteModule
from farflung import _native
from farflung.execnet._base import BaseGateway
from farflung.execnet._channel import Channel, _seconds, wait_green

__all__ = ["Channel", "Gateway", "RInfo", "RemoteStatus", "rinfo_source"]


class Gateway(BaseGateway):
    """An interpreter, here or on another host. Groups make them."""

    def __init__(self, io, spec):
        self._line = io.line
        super().__init__(io=io, id=spec.id, _startcount=1)
        self.spec = spec

    def __del__(self):
        line = getattr(self, "_line", None)
        if line is not None and _native is not None:
            _native.line_free(line)

    @property
    def remoteaddress(self):
        return self._io.remoteaddress

    @property
    def _error(self):
        """Why the connection ended, unless we ended it; None while it has not."""
        state, code, text = _native.line_state(self._line)
        if code == 0 or state in (_native.OPENING, _native.OPEN):
            return None
        return EOFError(text)

    def hasreceiver(self):
        """Whether something can still come."""
        return _native.line_state(self._line)[0] == _native.OPEN

    def __repr__(self):
        return "<%s id=%r %s, %s model, %d active channels>" % (
            type(self).__name__, self.id, "receive-live" if self.hasreceiver() else "not-receiving",
            self.execmodel.backend, len(self._channelfactory.channels()))

    def exit(self):
        """Asks the other end to end. Waits for nothing: Group.terminate does."""
        group = self._group
        if self not in group:
            return
        group._unregister(self)
        self._trace("--> sending GATEWAY_TERMINATE")
        _native.line_exit(self._line)

    def join(self, timeout=None):
        """Waits until nothing more will come, at most `timeout` seconds."""
        self._wait(True, timeout)

    def _wait(self, over, timeout):
        """Whether it has been opened (or is over) in that time."""
        model = self.execmodel
        if model.wait_fd is None:
            return _native.line_wait(self._line, over, _seconds(timeout))
        return wait_green(
            model, self._line, 0, timeout, lambda: _native.line_wait(self._line, over, 0.0))

    def reconfigure(self, py2str_as_py3str=True, py3str_as_py2str=False):
        """How strings are read that come from Python 2, or go there; for channels made from now on."""
        self._strconfig = (py2str_as_py3str, py3str_as_py2str)
        _native.line_reconfigure(self._line, bool(py2str_as_py3str), bool(py3str_as_py2str))

    def _rinfo(self, update=False):
        """What the other end says of itself: executable, version_info, platform, cwd, pid."""
        if update or not hasattr(self, "_cache_rinfo"):
            channel = self.remote_exec(rinfo_source)
            try:
                self._cache_rinfo = RInfo(channel.receive())
            finally:
                channel.waitclose()
        return self._cache_rinfo

    def remote_status(self):
        """What runs there: numchannels, numexecuting, execmodel."""
        channel = self._channelfactory._made(_native.line_status(self._line))
        status = RemoteStatus(channel.receive())
        self._channelfactory._all.pop(channel.id, None)
        return status

    def remote_exec(self, source, **kwargs):
        """Runs `source` there, with `channel` in its namespace; returns our end of that channel.

        A string or a module is executed, a function is called with the channel and `kwargs`.
        """
        call_name = file_name = None
        if isinstance(source, types.ModuleType):
            file_name = inspect.getsourcefile(source)
            linecache.updatecache(file_name)
            source = inspect.getsource(source)
        elif isinstance(source, types.FunctionType):
            call_name = source.__name__
            file_name = inspect.getsourcefile(source)
            source = _source_of_function(source)
        else:
            source = textwrap.dedent(str(source))
        if kwargs and not call_name:
            raise TypeError("can't pass kwargs to non-function remote_exec")
        return self._channelfactory._made(
            _native.line_exec(self._line, source, file_name, call_name, kwargs))

    def remote_import(self, module):
        """Runs a module's file (a module, or its path) there as a namespace; attributes of what is
        returned are its functions, called there."""
        return RemoteModule(self, module)

    def remote_init_threads(self, num=None):
        """Does nothing; there are threads enough."""
        print("WARNING: remote_init_threads() is a no-operation in execnet-1.2")


class RInfo:
    """Facts as attributes."""

    def __init__(self, kwargs):
        self.__dict__.update(kwargs)

    def __repr__(self):
        facts = ", ".join("%s=%s" % item for item in sorted(self.__dict__.items()))
        return "<RInfo %r>" % facts


RemoteStatus = RInfo


def rinfo_source(channel):
    import os
    import sys

    channel.send(dict(
        executable=sys.executable, version_info=tuple(sys.version_info[:5]), platform=sys.platform,
        cwd=os.getcwd(), pid=os.getpid()))


def _find_non_builtin_globals(source, codeobj):
    """Names in `source` that are neither the code's own nor Python's."""
    known = set(codeobj.co_varnames) | set(vars(builtins))
    return [node.id for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Name) and node.id not in known]


def _source_of_function(function):
    """The text of a function that needs nothing but its arguments, on its line of its file."""
    if function.__name__ == "<lambda>":
        raise ValueError("can't evaluate lambda functions'")
    args = inspect.getfullargspec(function).args
    if not args or args[0] != "channel":
        raise ValueError("expected first function argument to be `channel`")
    if function.__closure__ is not None:
        raise ValueError("functions with closures can't be passed")
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except OSError as exc:
        raise ValueError("can't find source file for %s" % function) from exc
    used = _find_non_builtin_globals(source, function.__code__)
    if used:
        raise ValueError("the use of non-builtin globals isn't supported", used)
    return "\n" * (function.__code__.co_firstlineno - 1) + source

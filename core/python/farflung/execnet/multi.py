"""Groups of gateways, and many channels as one."""
import atexit
import os
import shlex
import sys
import time
from functools import partial
from threading import Lock

from farflung import _native
from farflung.execnet import gateway_io
from farflung.execnet._channel import NO_ENDMARKER_WANTED, Channel
from farflung.execnet._errors import HostNotFound
from farflung.execnet._models import WorkerPool, get_execmodel
from farflung.execnet._trace import trace
from farflung.execnet.gateway import Gateway
from farflung.execnet.xspec import XSpec

# libfarflung's error codes (base/err.h) that are something else than an OSError here.
_VALUE_ERRORS = (-2, -18, -21, -23)  # INVAL, EXISTS, UNSUPPORTED, CONFIG
_HOST_ERRORS = (-14, -15, -16, -17)  # AUTH, HOSTKEY, UNREACH, NOTFOUND: where ssh's status is 255
_KILL_SECONDS = 10.0  # for the system to bring in what was killed


def _raise(code, text):
    if code in _VALUE_ERRORS:
        raise ValueError(text)
    if code in _HOST_ERRORS:
        raise HostNotFound(text)
    raise OSError(text)


class Group:
    """Gateways that belong together. They end with it, and with the process at the latest."""

    defaultspec = "popen"

    def __init__(self, xspecs=(), execmodel="thread"):
        self._gateways = []
        self._gateways_to_join = []
        self._autoidcounter = 0
        self._autoidlock = Lock()
        self._number = None  # the library's group; made with the first gateway
        self._pid = os.getpid()
        self.set_execmodel(execmodel)
        for xspec in xspecs:
            self.makegateway(xspec)
        atexit.register(self._cleanup_atexit)

    @property
    def execmodel(self):
        return self._execmodel

    @property
    def remote_execmodel(self):
        return self._remote_execmodel

    def set_execmodel(self, execmodel, remote_execmodel=None):
        """How things run here and, if said, otherwise there; before the first gateway."""
        if self._gateways:
            raise ValueError(
                "can not set execution models if gateways have been created already")
        self._execmodel = get_execmodel(execmodel)
        self._remote_execmodel = get_execmodel(
            execmodel if remote_execmodel is None else remote_execmodel)

    def __repr__(self):
        return "<Group %r>" % [gateway.id for gateway in self]

    def __getitem__(self, key):
        if isinstance(key, int):
            return self._gateways[key]
        for gateway in self._gateways:
            if gateway == key or gateway.id == key:
                return gateway
        raise KeyError(key)

    def __contains__(self, key):
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __len__(self):
        return len(self._gateways)

    def __iter__(self):
        return iter(list(self._gateways))

    def allocate_id(self, spec):
        """Gives `spec` an id if it has none."""
        if spec.id is None:
            with self._autoidlock:
                id = "gw%d" % self._autoidcounter
                self._autoidcounter += 1
                if id in self:
                    raise ValueError("already have gateway with id %r" % id)
                spec.id = id

    def makegateway(self, spec=None):
        """Starts an interpreter, as `spec` says (`defaultspec` without), and returns its gateway.

        ``popen``, ``ssh=HOST``, ``socket=HOST:PORT``; with ``//`` between them also ``id=NAME``,
        ``python=PROGRAM``, ``execmodel=MODEL``, ``chdir=FOLDER``, ``nice=N``, ``env:NAME=VALUE``,
        ``via=ID``, and what else libfarflung knows.
        """
        if not spec:
            spec = self.defaultspec
        if not isinstance(spec, XSpec):
            spec = XSpec(spec)
        self.allocate_id(spec)
        if spec.execmodel is None:
            spec.execmodel = self.remote_execmodel.backend
        if spec.id in self:
            raise ValueError("already have gateway with id %r" % spec.id)
        gateway = self._open(spec)
        self._register(gateway)
        return gateway

    def _lines(self, spec):
        """What libfarflung is asked for: text, fields, variables."""
        asked = XSpec("popen")
        vars(asked).update(vars(spec))
        if "popen" not in vars(spec):
            del asked.popen
        if spec.popen and not spec.via and not spec.python:
            asked.python = shlex.quote(sys.executable)
        for key in ("via", "installvia"):
            other = getattr(spec, key)
            if other:
                setattr(asked, key, self[other]._io.name)
        return asked

    def _begin(self, asked):
        """A line that is being opened, and the name it has in the library's group: that of a gateway
        that is still ending is taken."""
        name, tries = asked.id, 0
        while True:
            made = _native.line_open(self._number, *asked._parts())
            if isinstance(made, int):
                return made, asked.id
            if made[0] != -18 or tries > 1000:
                _raise(*made)
            tries += 1
            asked.id = "%s~%d" % (name, tries)

    def _open(self, spec):
        _native.start()
        if self._number is None:
            self._number = _native.group_new()
        line, name = self._begin(self._lines(spec))
        gateway = Gateway(gateway_io.LineIO(line, name, spec, self.execmodel), spec)
        try:
            gateway._wait(False, None)
            state, code, text = _native.line_state(line)
        except BaseException:
            _native.line_kill(line)
            gateway._wait(True, _KILL_SECONDS)
            _native.line_release(line)
            raise
        if state != _native.OPEN:
            _native.line_release(line)
            _raise(code, text)
        return gateway

    def _register(self, gateway):
        assert not hasattr(gateway, "_group")
        assert gateway.id
        assert gateway.id not in self
        self._gateways.append(gateway)
        gateway._group = self

    def _unregister(self, gateway):
        self._gateways.remove(gateway)
        self._gateways_to_join.append(gateway)

    def _cleanup_atexit(self):
        if self._pid != os.getpid():
            return  # what a fork has of its parent's gateways is not its own
        trace("=== atexit cleanup %r ===" % (self,))
        self.terminate(timeout=1.0)

    def terminate(self, timeout=None):
        """Ends all gateways, those last that others go via, and waits until they have.

        What is not down after `timeout` seconds is killed; None waits for ever.
        """
        while self:
            vias = {gateway.spec.via for gateway in self if gateway.spec.via}
            vias |= {gateway.spec.installvia for gateway in self
                     if getattr(gateway.spec, "installvia", None)}
            going = [gateway for gateway in self if gateway.id not in vias]
            for gateway in going or list(self):
                gateway.exit()
            self._join(timeout)
        self._join(timeout)

    def _join(self, timeout):
        limit = None if timeout is None else time.monotonic() + timeout
        joining, self._gateways_to_join = self._gateways_to_join, []
        for gateway in joining:
            if not isinstance(gateway, Gateway):
                gateway.join()
                gateway._io.wait()
                continue
            left = None if limit is None else max(0.0, limit - time.monotonic())
            if not gateway._wait(True, left):
                trace("Gateways did not come down after timeout: %r" % (gateway,))
                gateway._io.kill()
        for gateway in joining:
            if isinstance(gateway, Gateway):
                gateway._wait(True, _KILL_SECONDS)
                _native.line_release(gateway._line)

    def remote_exec(self, source, **kwargs):
        """Runs it on all members; a MultiChannel."""
        return MultiChannel([gateway.remote_exec(source, **kwargs) for gateway in self])


class MultiChannel:
    """Several channels as one."""

    def __init__(self, channels):
        self._channels = channels

    def __len__(self):
        return len(self._channels)

    def __iter__(self):
        return iter(self._channels)

    def __getitem__(self, key):
        return self._channels[key]

    def __contains__(self, chan):
        return chan in self._channels

    def send_each(self, item):
        for channel in self._channels:
            channel.send(item)

    def receive_each(self, withchannel=False):
        """One item of each, in their order; with `withchannel`, pairs (channel, item)."""
        assert not hasattr(self, "_queue")
        received = [(channel, channel.receive()) for channel in self._channels]
        return received if withchannel else [item for _, item in received]

    def make_receive_queue(self, endmarker=NO_ENDMARKER_WANTED):
        """A queue that gets (channel, item) for all that is received; the same one each time."""
        try:
            return self._queue
        except AttributeError:
            self._queue = None
        for channel in self._channels:
            if self._queue is None:
                self._queue = channel.gateway.execmodel.queue.Queue()
            put = partial(_put_pair, self._queue, channel)
            if endmarker is NO_ENDMARKER_WANTED:
                channel.setcallback(put)
            else:
                channel.setcallback(put, endmarker=endmarker)
        return self._queue

    def waitclose(self):
        """Waits for all; then raises the first remote error, if there was one."""
        first = None
        for channel in self._channels:
            try:
                channel.waitclose()
            except Channel.RemoteError as exc:
                first = first or exc
        if first:
            raise first


def _put_pair(queue, channel, item):
    queue.put((channel, item))


def safe_terminate(execmodel, timeout, list_of_paired_functions):
    """Calls all (terminate, kill): the second where the first is not done in that time."""
    pool = WorkerPool(execmodel)

    def one(terminate, kill):
        try:
            pool.spawn(terminate).get(timeout=timeout)
        except OSError:
            kill()

    for reply in [pool.spawn(one, *pair) for pair in list_of_paired_functions]:
        reply.get()
    pool.waitall(timeout=timeout)


default_group = Group()
makegateway = default_group.makegateway
set_execmodel = default_group.set_execmodel

"""What the gateways of both ends have in common."""
from farflung.execnet._channel import Calls, ChannelFactory
from farflung.execnet._errors import geterrortext, sysex
from farflung.execnet._trace import trace


class BaseGateway:
    _sysex = sysex
    id = "<worker>"

    def __init__(self, io, id, _startcount=2):
        self.execmodel = io.execmodel
        self._io = io
        self.id = id
        self._strconfig = (True, False)
        self._channelfactory = ChannelFactory(self, _startcount)
        self._receivelock = self.execmodel.RLock()
        self._calls = Calls(self)
        self._geterrortext = geterrortext

    def _trace(self, *msg):
        trace(self.id, *msg)

    def newchannel(self):
        """A new channel: to be sent to the other end over another one."""
        return self._channelfactory.new()

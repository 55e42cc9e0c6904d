"""execnet's interface on top of libfarflung: `import farflung.execnet as execnet`."""
from farflung.execnet import gateway, gateway_base, multi, rsync, xspec  # noqa: F401
from farflung.execnet.gateway import Gateway
from farflung.execnet.gateway_base import (
    Channel, DataFormatError, DumpError, LoadError, RemoteError, TimeoutError, dump, dumps, load, loads)
from farflung.execnet.gateway_bootstrap import HostNotFound
from farflung.execnet.multi import Group, MultiChannel, default_group, makegateway, set_execmodel
from farflung.execnet.rsync import RSync
from farflung.execnet.xspec import XSpec

__version__ = "2.1.2"  # whose interface this is

__all__ = [
    "Channel", "DataFormatError", "DumpError", "Gateway", "Group", "HostNotFound", "LoadError",
    "MultiChannel", "RSync", "RemoteError", "TimeoutError", "XSpec", "__version__", "default_group",
    "dump", "dumps", "load", "loads", "makegateway", "set_execmodel",
]

from farflung.execnet import gateway as gateway
from farflung.execnet import gateway_base as gateway_base
from farflung.execnet import multi as multi
from farflung.execnet import rsync as rsync
from farflung.execnet import xspec as xspec
from farflung.execnet.gateway import Gateway as Gateway
from farflung.execnet.gateway_base import Channel as Channel
from farflung.execnet.gateway_base import DataFormatError as DataFormatError
from farflung.execnet.gateway_base import DumpError as DumpError
from farflung.execnet.gateway_base import LoadError as LoadError
from farflung.execnet.gateway_base import RemoteError as RemoteError
from farflung.execnet.gateway_base import TimeoutError as TimeoutError
from farflung.execnet.gateway_base import dump as dump
from farflung.execnet.gateway_base import dumps as dumps
from farflung.execnet.gateway_base import load as load
from farflung.execnet.gateway_base import loads as loads
from farflung.execnet.gateway_bootstrap import HostNotFound as HostNotFound
from farflung.execnet.multi import Group as Group
from farflung.execnet.multi import MultiChannel as MultiChannel
from farflung.execnet.multi import default_group as default_group
from farflung.execnet.multi import makegateway as makegateway
from farflung.execnet.multi import set_execmodel as set_execmodel
from farflung.execnet.rsync import RSync as RSync
from farflung.execnet.xspec import XSpec as XSpec

__version__: str

import os
from typing import Any, Callable, Optional, Union

from farflung.execnet.gateway import Gateway
from farflung.execnet.gateway_base import Channel

class RSync:
    def __init__(
        self, sourcedir: Union[str, "os.PathLike[str]"],
        callback: Optional[Callable[[str, int, Channel], object]] = ..., verbose: bool = ...) -> None: ...
    def filter(self, path: str) -> bool: ...
    def add_target(
        self, gateway: Gateway, destdir: Union[str, "os.PathLike[str]"],
        finishedcallback: Optional[Callable[[], object]] = ..., **options: Any) -> None: ...
    def send(self, raises: bool = ...) -> None: ...

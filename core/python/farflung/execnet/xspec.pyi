from typing import Any, Dict, Optional

class XSpec:
    env: Dict[str, Any]
    popen: Optional[bool]
    ssh: Optional[str]
    vagrant_ssh: Optional[str]
    socket: Optional[str]
    id: Optional[str]
    python: Optional[str]
    chdir: Optional[str]
    nice: Optional[str]
    execmodel: Optional[str]
    dont_write_bytecode: Optional[bool]
    ssh_config: Optional[str]
    via: Optional[str]
    installvia: Optional[str]
    def __init__(self, string: str) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...

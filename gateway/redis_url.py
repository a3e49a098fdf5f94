"""The address of the shared store."""

from typing import Literal

from msgspec import Struct

from gateway.secret import Secret


class RedisUrl(Struct, frozen=True, kw_only=True):
    """The nodes of a store; `path` of a Unix socket instead; `master` is Sentinel's name for it."""

    kind: Literal["single", "sentinel", "cluster"] = "single"
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    db: int = 0
    master: str = ""
    user: str | None = None
    password: Secret | None = None

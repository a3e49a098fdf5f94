"""The address of the shared store."""

from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from gateway.secret import Secret

Kind = Literal["single", "sentinel", "cluster"]


class RedisUrl(Struct, frozen=True, kw_only=True):
    """One server, the nodes of a cluster, or the Sentinels that know the server called `master`.

    `path` is that of a Unix socket, which stands in place of `nodes`. Sentinels are asked without
    `user` and `password`.
    """

    kind: Kind = "single"
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    db: int = 0
    master: str = ""
    user: str | None = None
    password: Secret | None = None

    @property
    def shown(self) -> str:
        """The address for people to read, without user and password."""
        if self.path is not None:
            return f"unix://{self.path}"
        scheme = ("rediss" if self.tls else "redis") + _SUFFIXES[self.kind]
        nodes = ",".join(_authority(*node) for node in self.nodes)
        return f"{scheme}://{nodes}" + (f"/{self.master}" if self.master else "")


_SUFFIXES = MappingProxyType({"single": "", "sentinel": "+sentinel", "cluster": "+cluster"})


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

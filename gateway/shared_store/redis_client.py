"""The client of the store: one server, Sentinel or a cluster, over TCP, TLS or a Unix socket.

By default the library retries unseen and waits without end. Here each step has a deadline and
nothing is repeated: the circuit and its probe do that, where it is seen.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from redis.asyncio import (
    Connection,
    ConnectionPool,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from gateway.redis_url import RedisUrl

from .batches import DEADLINE
from .connection import Connected

_CONNECTIONS = 8
"""For the pipelines at once, the subscription, and connections that are just closing."""

_UNABLE = (ClusterDownError, NoPermissionError, OutOfMemoryError, ReadOnlyError)
_BACKSTOP = 1.0
"""Seconds. `Batches` bounds calls before that, and tells a late reply from another failure."""

_UNABLE_CODES = ("BUSY", "MISCONF", "NOREPLICAS")
"""Replies for which the library has no type."""


def connected_to(url: RedisUrl) -> Connected:
    """Return a client for `url`. It connects with its first call."""
    if url.kind == "cluster":
        return _cluster(url)
    client = _sentinel(url) if url.kind == "sentinel" else _single(url)
    idle = partial(client.connection_pool.disconnect, inuse_connections=False)
    return _connected(client, idle)


def _connected(client: Redis | RedisCluster, renew: Callable[[], Awaitable[None]]) -> Connected:
    return Connected(
        client,
        client.pubsub,
        renew,
        failures=(Exception,),  # among others ValueError, for a MOVED without an address
        no_script=NoScriptError,
        of_one_call=(ResponseError, NoScriptError),
        unable=_is_unable,
    )


def _is_unable(error: BaseException) -> bool:
    """Return whether a store says that it is full, not the master, overtaxed, or closed to us."""
    return isinstance(error, _UNABLE) or str(error).startswith(_UNABLE_CODES)


def _options(url: RedisUrl, seconds: float = _BACKSTOP) -> dict[str, Any]:
    return {
        "username": url.user,
        "password": url.password.reveal() if url.password else None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "max_connections": _CONNECTIONS,
    }


def _single(url: RedisUrl) -> Redis:
    options = {**_options(url), "db": url.db}
    if url.path is not None:
        pool = ConnectionPool(connection_class=UnixDomainSocketConnection, path=url.path, **options)
    else:
        [(host, port)] = url.nodes
        kind = SSLConnection if url.tls else Connection
        pool = ConnectionPool(connection_class=kind, host=host, port=port, **options)
    return Redis.from_pool(pool)


def _sentinel(url: RedisUrl) -> Redis:
    asking = {**_options(url, DEADLINE), "username": None, "password": None}
    sentinel = Sentinel(url.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]  # it has no types
    master: Redis = sentinel.master_for(url.master, ssl=url.tls, db=url.db, **_options(url))
    return master


def _cluster(url: RedisUrl) -> Connected:
    nodes = [ClusterNode(host, port) for host, port in url.nodes]
    client = RedisCluster(
        startup_nodes=nodes, ssl=url.tls, cluster_error_retry_attempts=0, **_options(url)
    )
    return _connected(client, client.aclose)

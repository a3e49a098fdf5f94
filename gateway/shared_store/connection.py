"""The client of the store: one server, Sentinel or a cluster, over TCP, TLS or a Unix socket.

By default the library retries unseen and waits without end. Here each step has a deadline and
nothing is repeated: the circuit and its probe do that, where it is seen.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec import Struct
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

from gateway.redis_url import RedisUrl

from .batches import DEADLINE

_CONNECTIONS = 8
"""For the pipelines at once, the subscription, and connections that are just closing."""


class Connected(Struct, frozen=True):
    """A client, a function that begins a subscription, and one that drops idle connections.

    Connections made after `renew` find a server whose address has moved.
    """

    client: Any
    subscription: Callable[[], Any]
    renew: Callable[[], Awaitable[None]]


def connect(url: RedisUrl) -> Connected:
    """Return a client for `url`. It connects with its first call."""
    if url.kind == "cluster":
        return _cluster(url)
    client = _sentinel(url) if url.kind == "sentinel" else _single(url)
    idle = partial(client.connection_pool.disconnect, inuse_connections=False)
    return Connected(client, client.pubsub, idle)


def _options(url: RedisUrl) -> dict[str, Any]:
    return {
        "username": url.user,
        "password": url.password.reveal() if url.password else None,
        "socket_timeout": DEADLINE,
        "socket_connect_timeout": DEADLINE,
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
    asking = {**_options(url), "username": None, "password": None}
    sentinel = Sentinel(url.nodes, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    master: Redis = sentinel.master_for(url.master, ssl=url.tls, db=url.db, **_options(url))
    return master


def _cluster(url: RedisUrl) -> Connected:
    nodes = [ClusterNode(host, port) for host, port in url.nodes]
    client = RedisCluster(
        startup_nodes=nodes, ssl=url.tls, cluster_error_retry_attempts=0, **_options(url)
    )
    return Connected(client, client.pubsub, client.aclose)

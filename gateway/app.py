"""The composition root: the one place that constructs and connects.

request → Front (id, headers, body cap, access line)
        → FastPath, for room reads by callers known already; for all else
          Litestar (route → authentication → handler)
        → RoomService (policy, shapes) → RoomCache (single flight)
        → QliveClient → retry → breaker → limit → deadline → sign → transport → upstream
"""

import asyncio
import gc
import itertools
import os
import secrets
import signal
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import MappingProxyType

from litestar import Litestar
from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from gateway import USER_AGENT, serving
from gateway.background import meanwhile
from gateway.cache import Lifetimes, LocalOutcomes, RoomCache
from gateway.credentials import Credentials, qiniu_auth
from gateway.edge import (
    ClientAddress,
    Cors,
    RateLimiter,
    RateLimits,
    TokenCookie,
    build_application,
    encode_room,
)
from gateway.rooms import Creator, RoomService, Scopes
from gateway.rotation import Rotation
from gateway.settings import (
    RateLimit,
    Settings,
    UpstreamSettings,
    load,
)
from gateway.telemetry import build_logger
from gateway.threads import foreign_calls_returned
from gateway.upstream import (
    Breaker,
    Probe,
    QliveClient,
    Transport,
    attempt,
    build_transport,
    pipeline,
    probe,
)

_COLLECT_EVERY = 50_000
"""Objects made and not yet gone, after which the garbage collector looks at the young ones."""


def from_environment(environ: Mapping[str, str] = os.environ) -> ASGIApp:
    """Return the gateway that `environ` describes, in a worker of its own; raise SettingsError.

    What stands by then lives as long as the worker, and a request leaves no cycles behind: taking
    the first out of the garbage collector's sight and letting it run less often is worth one
    request in twenty.
    """
    settings = load(environ)
    stopping = serving.Stopping(settings.port, settings.shutdown_grace)
    stopping.take_signals()
    log = build_logger(settings.log_level, settings.log_format)
    gateway = build(settings, log, draining=lambda: stopping.announced, environ=environ)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)
    return stopping.around(gateway)


def build(
    settings: Settings,
    log: FilteringBoundLogger,
    *,
    transport: Transport | None = None,
    draining: Callable[[], bool] = lambda: False,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> ASGIApp:
    """Return the gateway as an ASGI application, on another `transport` where one is given.

    `draining` says whether it is about to stop, which makes it unready; key files that `environ`
    names are read again when they change. Raises SettingsError for an unusable key.
    """
    credentials = Credentials(settings, log)
    rotation = Rotation(environ, credentials.adopt, log)
    transport = transport or _transport(settings)
    breaker = Breaker(time.monotonic, log)
    send = pipeline(
        transport,
        credentials.auth,
        breaker,
        timeout=settings.upstream_timeout,
        connections=settings.upstream_connections,
    )
    client = QliveClient(
        send, base_url=settings.upstream_url, zone=settings.upstream_timezone, log=log
    )
    cache = RoomCache(
        client.read,
        encode_room,
        size=settings.cache_size,
        lifetimes=_lifetimes(settings),
        clock=time.monotonic,
    )
    creator = Creator(client, LocalOutcomes(time.monotonic))
    rooms = RoomService(
        client,
        cache,
        creator,
        Scopes(admin=settings.admin_scope, create=settings.create_scope),
        patience=settings.upstream_timeout,
    )
    cors, cookie = _for_browsers(settings)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        if environ:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rotation.ask)
        async with credentials.kept_current(), meanwhile(rotation.watch, log):
            yield
        await creator.aclose()
        await cache.aclose()
        await transport.aclose()
        await foreign_calls_returned()

    return build_application(
        rooms,
        credentials.tokens.verify,
        credentials.tokens.recall,
        _rate_limits(settings),
        cors=cors,
        cookie=cookie,
        max_concurrency=settings.max_concurrency,
        checks={
            "keys": lambda: credentials.state,
            "upstream": lambda: client.state,
            "breaker": lambda: breaker.state,
        },
        draining=draining,
        lifespan=lifespan,
        clock=lambda: datetime.now(UTC),
        new_id=_request_ids(),
        log=log,
        access_log=settings.access_log,
    )


async def probe_upstream(settings: UpstreamSettings) -> Probe:
    """Make one signed read and close the connection."""
    transport = _transport(settings)
    try:
        send = attempt(transport, qiniu_auth(settings), timeout=settings.upstream_timeout)
        return await probe(send, settings.upstream_url)
    finally:
        await transport.aclose()
        await foreign_calls_returned()


def _transport(settings: UpstreamSettings) -> Transport:
    return build_transport(
        connections=settings.upstream_connections,
        max_body=settings.upstream_max_body,
        user_agent=USER_AGENT,
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        fresh=settings.cache_ttl,
        revalidate=settings.cache_stale_while_revalidate,
        error=settings.cache_stale_if_error,
        unknown=settings.cache_negative_ttl,
    )


def _rate_limits(settings: Settings) -> RateLimits:
    def limiter(limit: RateLimit | None) -> RateLimiter | None:
        return RateLimiter(limit.count, limit.seconds, time.monotonic) if limit else None

    return RateLimits(
        limiter(settings.rate_limit_reads),
        limiter(settings.rate_limit_writes),
        limiter(settings.rate_limit_failed_auth),
        ClientAddress(settings.trusted_proxies or ()),
    )


def _for_browsers(settings: Settings) -> tuple[Cors | None, TokenCookie | None]:
    origins, name = settings.cors_origins or (), settings.jwt_cookie
    cors = Cors(origins, credentials=name is not None)
    if name is not None:
        return cors, TokenCookie(name, cors.lists)
    return (cors if origins else None), None


def _request_ids() -> Callable[[], str]:
    """Return a source of ids: a random part for this process, then a number."""
    process, numbers = secrets.token_hex(5), itertools.count()
    return lambda: f"{process}{next(numbers):08x}"

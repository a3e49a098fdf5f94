"""The composition root: the one place that constructs and connects.

request → Front (id, headers, body cap, access line)
        → FastPath, for room reads by callers known already; for all else
          Litestar (route → authentication → handler)
        → RoomService (policy, shapes) → RoomCache (single flight)
        → QliveClient → retry → breaker → limit → deadline → sign → transport → upstream
"""

import gc
import itertools
import os
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from litestar import Litestar
from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from gateway import __version__, serving
from gateway.cache import Lifetimes, LocalOutcomes, RoomCache
from gateway.edge import (
    ClientAddress,
    RateLimiter,
    RateLimits,
    build_application,
    encode_room,
)
from gateway.identity import (
    ClaimRules,
    Key,
    RememberingVerifier,
    StaticKeys,
    TokenVerifier,
    hmac_key,
    public_key,
)
from gateway.rooms import Creator, RoomService, Scopes
from gateway.settings import (
    JwtSettings,
    Problem,
    RateLimit,
    Settings,
    SettingsError,
    UpstreamSettings,
    load,
)
from gateway.telemetry import build_logger
from gateway.threads import foreign_calls_returned
from gateway.upstream import (
    Breaker,
    Probe,
    QiniuAuth,
    QliveClient,
    Transport,
    attempt,
    build_transport,
    pipeline,
    probe,
)

_COLLECT_EVERY = 50_000
"""Objects made and not yet gone, after which the garbage collector looks at the young ones."""

_TOKENS = 10_000
"""Verified tokens remembered."""


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
    gateway = build(settings, log, draining=lambda: stopping.announced)
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
) -> ASGIApp:
    """Return the gateway as an ASGI application, on another `transport` where one is given.

    `draining` says whether it is about to stop, which makes it unready. Raises SettingsError for an
    unusable key.
    """
    keys = StaticKeys(verification_keys(settings))
    tokens = RememberingVerifier(
        TokenVerifier(keys, claim_rules(settings), time.time),
        leeway=settings.jwt_leeway,
        clock=time.time,
        size=_TOKENS,
    )
    transport = transport or _transport(settings)
    breaker = Breaker(time.monotonic, log)
    send = pipeline(
        transport,
        _auth(settings),
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

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        yield
        await creator.aclose()
        await cache.aclose()
        await transport.aclose()
        await foreign_calls_returned()

    return build_application(
        rooms,
        tokens.verify,
        tokens.recall,
        _rate_limits(settings),
        max_concurrency=settings.max_concurrency,
        checks={
            "keys": lambda: "ok",
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


def verification_keys(settings: JwtSettings) -> list[Key]:
    """Return the configured keys, the current one first; raise SettingsError for a bad one."""
    names = settings.jwt_algorithms
    if settings.jwt_jwks_url is not None:
        raise _unusable("JWKS_URL", "not in effect yet: set a static key")
    keys = []
    if settings.jwt_public_key is not None:
        try:
            keys.append(public_key(settings.jwt_public_key.encode(), names))
        except ValueError as error:
            raise _unusable("PUBLIC_KEY", str(error)) from error
    for field, secret in (
        ("SECRET", settings.jwt_secret),
        ("SECRET_PREVIOUS", settings.jwt_secret_previous),
    ):
        if secret is not None:
            try:
                keys.append(hmac_key(secret.reveal().encode(), names))
            except ValueError as error:
                raise _unusable(field, str(error)) from error
    return keys


def claim_rules(settings: JwtSettings) -> ClaimRules:
    """Return what a token's claims must say."""
    return ClaimRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        user_claim=settings.jwt_user_claim,
    )


async def probe_upstream(settings: UpstreamSettings) -> Probe:
    """Make one signed read and close the connection."""
    transport = _transport(settings)
    try:
        send = attempt(transport, _auth(settings), timeout=settings.upstream_timeout)
        return await probe(send, settings.upstream_url)
    finally:
        await transport.aclose()
        await foreign_calls_returned()


def _transport(settings: UpstreamSettings) -> Transport:
    return build_transport(
        connections=settings.upstream_connections,
        max_body=settings.upstream_max_body,
        user_agent=f"live-room-gateway/{__version__}",
    )


def _auth(settings: UpstreamSettings) -> QiniuAuth:
    return QiniuAuth(settings.access_key.reveal(), settings.secret_key.reveal())


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


def _request_ids() -> Callable[[], str]:
    """Return a source of ids: a random part for this process, then a number."""
    process, numbers = secrets.token_hex(5), itertools.count()
    return lambda: f"{process}{next(numbers):08x}"


def _unusable(field: str, message: str) -> SettingsError:
    return SettingsError(Problem(f"GATEWAY_JWT_{field}", message))

"""The composition root: the one place that constructs and connects.

The way of a request, see CONTRIBUTING:
Front → FastPath or Litestar → RoomService → LocalRoomCache → LagTolerantUpstream → QliveClient
→ the pipeline → transport.
"""

import asyncio
import itertools
import logging
import secrets
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Scope
from structlog.typing import FilteringBoundLogger

from gateway import USER_AGENT
from gateway.background import background_task
from gateway.broadcasting import Broadcasting
from gateway.cache import KnownAnchors, Lifetimes, LocalRoomCache
from gateway.edge import (
    ClientAddress,
    Cors,
    HintRecorder,
    InFlight,
    ProtectedResource,
    RateLimits,
    Recorder,
    TokenCookie,
    TokenRefusals,
    build_application,
    encode_room,
    encoded,
    write_recorder,
)
from gateway.handover import Handover, LastText
from gateway.identity import KEY_SET_STATES
from gateway.keyring import Keyring
from gateway.metrics import Metrics
from gateway.orders import OrderFollower
from gateway.rooms import (
    Creator,
    FairShare,
    Hints,
    LagTolerantRoomCache,
    LagTolerantUpstream,
    Patience,
    RoomService,
    Scopes,
    share_of,
)
from gateway.rotation import Rotation, Stamp
from gateway.settings import (
    LogCaller,
    LogFormat,
    Settings,
)
from gateway.sharing import Stores, stores_of
from gateway.telemetry import (
    AccessLog,
    Counter,
    Stream,
    Telemetry,
    as_event,
    as_json,
    build_logger,
    caller_ids,
    sampling,
)
from gateway.threads import drain_native_threads
from gateway.traces import NO_TRACES, Tracing
from gateway.upstream import (
    BREAKER_STATES,
    Breaker,
    ClockSkew,
    ConnectionLimiter,
    DatabaseCheck,
    QliveClient,
    TimezoneCheck,
    Transport,
    build_transport,
    over_httpx,
    pipeline,
)
from gateway.watching import Watching

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport


def build(  # noqa: PLR0913  # the composition root
    settings: Settings,
    telemetry: Telemetry,
    metrics: Metrics,
    *,
    transport: "AsyncBaseTransport | None" = None,
    draining: asyncio.Event | None = None,
    environ: Mapping[str, str] = MappingProxyType({}),
    tracing: Tracing = NO_TRACES,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    handover: Handover | None = None,
    read_at: Stamp | None = None,
    orders: LastText | None = None,
    console: Sequence[HTTPRouteHandler] = (),
    trial_tokens: Mapping[str, str] = MappingProxyType({}),
) -> ASGIApp:
    """Return the gateway as an ASGI application, over a `transport` of httpx where one is given.

    `draining` is set when it is about to stop, and makes it unready. Key files that `environ` names
    are read again when they change. `tracing` wraps the traced parts. `sleep` pauses before another
    look at a doubtful write. Keys go to `handover`; `read_at` is the stamp of the key files from
    before they were read. `orders` are those of an operator, None if there is none.
    `trial_tokens`, by user, are on `/docs` for clients on this machine, and `console` are the
    routes of the sandbox's page. Raises SettingsError for an unusable key.
    """
    log = telemetry.log
    credentials = Keyring(
        settings,
        log,
        refreshes=metrics.key_refreshes,
        verifications=metrics.verifications,
        handover=handover,
    )
    rotation = Rotation(
        environ,
        credentials.adopt,
        log,
        metrics.key_refreshes,
        follow=partial(credentials.follow, settings),
        read_at=read_at,
    )
    sender = _transport(settings, transport)
    breaker = Breaker(time.monotonic, log, metrics.breaker_opened, sender.renew)
    limiter = ConnectionLimiter(settings.upstream_connections)
    skew = ClockSkew(time.time)
    database = DatabaseCheck(time.monotonic)
    send = pipeline(
        sender,
        credentials.signer,
        skew,
        breaker,
        database,
        limiter,
        base_url=settings.upstream_url,
        attempts=metrics.upstream_attempts,
        traced=partial(tracing.attempts, settings.upstream_url),
    )
    client = QliveClient(
        send,
        timeout=settings.upstream_timeout,
        zone=settings.upstream_timezone,
        log=log,
        calls=metrics.upstream_calls,
        duration=metrics.upstream_duration,
        repeats=metrics.push_url_repeats,
        saw=database.saw,
    )
    patience = Patience(settings.upstream_timeout, clock=time.monotonic, sleep=sleep)
    share = FairShare(
        share_of(settings.upstream_connections),
        settings.upstream_timeout / 2,
        partial(metrics.share_refusals.inc, "upstream"),
    )
    stores = stores_of(settings, metrics, log, encoded)
    upstream = LagTolerantUpstream(client, stores.recent, patience)
    lifetimes = _lifetimes(settings)
    cache = LocalRoomCache(
        stores.rooms(upstream.glance, encode_room),
        size=settings.cache_size,
        max_bytes=settings.cache_max_bytes,
        lifetimes=lifetimes,
        share=share,
        seconds=settings.upstream_timeout,
        clock=time.monotonic,
        report=tracing.lookups(metrics.lookups.inc),
        evictions=metrics.evictions,
    )
    tolerant = LagTolerantRoomCache(cache, upstream, encode_room, patience, share)
    anchors = KnownAnchors(
        client, patience, register=settings.register_anchors, clock=time.monotonic
    )
    creator = Creator(
        upstream,
        stores.idempotency,
        anchors,
        open_creates=stores.open_creates,
        share=share,
        skew=skew,
        compare=TimezoneCheck(settings.upstream_timezone, log),
        new_id=partial(secrets.token_hex, 16),
    )
    hints = Hints(
        tolerant,
        upstream,
        stores.recent,
        stores.idempotency,
        stores.open_creates,
        patience=Patience(
            settings.upstream_timeout + settings.upstream_lag, clock=time.monotonic, sleep=sleep
        ),
        reports=HintRecorder(metrics.callbacks, metrics.unknown_creates, log, telemetry.caller_id),
    )
    report = write_recorder(log, telemetry.caller_id)
    traced_cache = tracing.room_cache(tolerant)
    rooms = RoomService(
        upstream,
        traced_cache,
        creator,
        Scopes(admin=settings.admin_scope, create=settings.create_scope),
        recent=stores.recent,
        patience=patience,
        share=share,
        report=report,
    )
    broadcasting = settings.vendor_app_id and Broadcasting(
        settings.vendor_app_id,
        settings,
        metrics,
        log,
        client=client,
        skew=skew,
        rooms=rooms,
        upstream=upstream,
        cache=traced_cache,
        memory=cache,
        lifetimes=lifetimes,
        stores=stores,
        patience=patience,
        share=share,
        traced=tracing.lookups,
        report=report,
    )
    new_id = _request_ids()
    watching = Watching(
        settings, metrics, log, rooms, cache, tolerant.latest, credentials.tokens, new_id
    )
    draining = draining or asyncio.Event()
    address = ClientAddress(settings.trusted_proxies or ())
    cors, cookie = _for_browsers(settings)
    in_flight = InFlight(settings.max_concurrency, partial(metrics.share_refusals.inc, "requests"))
    _show_bounds(metrics, settings)

    own = partial(_sample, metrics, credentials, cache, in_flight, limiter, breaker)
    samples = (own, stores.sample, watching.sample)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        if environ:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rotation.request_reload)
        async with (
            credentials.kept_current(),
            stores.kept(cache),
            background_task(rotation.watch, log),
            _followed(orders, credentials, cache, log),
            watching.kept(draining),
            background_task(partial(sampling, metrics.loop_lag, *samples), log),
        ):
            yield
        if broadcasting:
            await broadcasting.aclose()
        for part in (hints, creator, anchors, tolerant, cache, stores, sender):
            await part.aclose()
        await drain_native_threads()
        telemetry.close()

    application = build_application(
        rooms,
        credentials.tokens.verify,
        _rate_limits(settings, stores, address, metrics.rate_limited),
        memory=cache,
        recall=credentials.tokens.recall,
        count_recalled=credentials.tokens.count_recalled,
        cors=cors,
        cookie=cookie,
        refusals=TokenRefusals(
            metrics.token_refusals, log, _shown_address(settings, address), time.monotonic
        ),
        resource=_resource(settings),
        live=broadcasting.handlers if broadcasting else None,
        hints=hints.take,
        callback_secret=settings.callback_secret,
        root_path=settings.root_path or "",
        docs=settings.docs,
        trial_tokens=trial_tokens,
        in_flight=in_flight,
        streams=watching.streams,
        checks={
            "keys": lambda: credentials.state,
            "upstream": lambda: client.state,
            "breaker": lambda: breaker.state,
            **stores.checks,
        },
        draining=draining,
        lifespan=lifespan,
        clock=lambda: datetime.now(UTC),
        new_id=new_id,
        recorder=Recorder(
            metrics.http_requests,
            metrics.http_duration,
            metrics.http_problems,
            metrics.replays,
            telemetry.access_log,
            log,
        ),
        console=console,
    )
    return tracing.application(application, log)


def _sample(
    metrics: Metrics,
    credentials: Keyring,
    cache: LocalRoomCache,
    in_flight: InFlight,
    limiter: ConnectionLimiter,
    breaker: Breaker,
) -> None:
    """Set the gauges."""
    metrics.shared.beat(time.monotonic())
    known, missing = cache.sizes
    metrics.cached.set(known, "known")
    metrics.cached.set(missing, "unknown")
    metrics.cached_bytes.set(cache.held)
    metrics.http_in_flight.set(in_flight.count)
    metrics.upstream_active.set(limiter.active)
    metrics.upstream_waiting.set(limiter.waiting)
    for state in KEY_SET_STATES:
        metrics.key_sets.set(credentials.issuers[state], state)
    for state in BREAKER_STATES:
        metrics.breaker.set(state == breaker.state, state)


def telemetry_to(
    stream: Stream,
    settings: Settings,
    *,
    close: Callable[[], None] = lambda: None,
    tracing: Tracing = NO_TRACES,
) -> Telemetry:
    """Build the logs that `settings` ask for, written to `stream`; `close` ends them."""
    style = settings.log_format
    log = build_logger(settings.log_level, style, stream, *tracing.processors)
    emit = as_json(stream) if style == LogFormat.JSON else as_event(log)
    key = settings.secret_key.reveal().encode()
    caller_id = caller_ids(key) if settings.log_caller == LogCaller.HASH else _no_user
    shown = settings.access_log and log.is_enabled_for(logging.INFO)
    access_log = AccessLog(emit, caller_id=caller_id, trace_id=tracing.trace_id) if shown else None
    return Telemetry(log, access_log, caller_id, close=close)


def _show_bounds(metrics: Metrics, settings: Settings) -> None:
    metrics.http_in_flight_max.set(settings.max_concurrency)
    metrics.cached_max.set(settings.cache_size)
    metrics.cached_bytes_max.set(settings.cache_max_bytes)
    metrics.upstream_active_max.set(settings.upstream_connections)


@asynccontextmanager
async def _followed(
    orders: LastText | None, credentials: Keyring, cache: LocalRoomCache, log: FilteringBoundLogger
) -> AsyncGenerator[None]:
    """Follow an operator's orders, those given before already when the block begins."""
    if orders is None:
        yield
        return
    follower = OrderFollower(
        orders, credentials.tokens.refuse, cache.invalidate, cache.invalidate_all
    )
    await follower.look()
    async with background_task(follower.follow, log):
        yield


def _transport(settings: Settings, given: "AsyncBaseTransport | None") -> Transport:
    if given is not None:
        return over_httpx(given)
    return build_transport(
        connections=settings.upstream_connections,
        max_body=settings.upstream_max_body,
        proxy=settings.upstream_proxy,
        user_agent=USER_AGENT,
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        fresh=settings.cache_ttl,
        revalidate=settings.cache_stale_while_revalidate,
        error=settings.cache_stale_if_error,
        missing=settings.cache_negative_ttl,
    )


def _no_user(_: str) -> None:
    """Log no user."""


def _shown_address(settings: Settings, address: ClientAddress) -> Callable[[Scope], str | None]:
    """Return the function from a request to its client's address in the log."""
    return address.of if settings.log_caller == LogCaller.HASH else lambda _: None


def _rate_limits(
    settings: Settings, stores: Stores, address: ClientAddress, refusals: Counter
) -> RateLimits:
    reads, writes = settings.rate_limit_reads, settings.rate_limit_writes
    failed_auth = settings.rate_limit_failed_auth
    return RateLimits(
        stores.settled("reads", reads) if reads else None,
        stores.exact("writes", writes) if writes else None,
        stores.exact("failed_auth", failed_auth) if failed_auth else None,
        address,
        refusals,
    )


def _for_browsers(settings: Settings) -> tuple[Cors | None, TokenCookie | None]:
    origins, name = settings.cors_origins or (), settings.jwt_cookie
    cors = Cors(origins, credentials=name is not None)
    if name is not None:
        return cors, TokenCookie(name, cors.lists)
    return (cors if origins else None), None


def _resource(settings: Settings) -> ProtectedResource | None:
    """Return the description for OAuth clients, who know issuers by URL; None without one."""
    urls = ("https://", "http://")
    issuers = tuple(each for each in settings.jwt_issuer or () if each.startswith(urls))
    if not issuers:
        return None
    scopes = () if settings.create_scope is None else (settings.create_scope,)
    return ProtectedResource(issuers, scopes, settings.root_path or "")


def _request_ids() -> Callable[[], str]:
    """Return a source of ids: a random part for this process, then a number.

    The last two digits come from a list: joining takes half the time of formatting.
    """
    process, ends = secrets.token_hex(5), [f"{number:02x}" for number in range(256)]
    beginnings = (f"{process}{number:06x}" for number in itertools.count())
    joined = (map(each.__add__, ends) for each in beginnings)
    return itertools.chain.from_iterable(joined).__next__

"""The processes of `gateway serve`: workers that serve, and a supervisor that answers scrapes.

The supervisor creates the memory of each worker's metrics, and that of the last keys and of an
operator's orders, before it starts them.
"""

import asyncio
import gc
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

from gateway import __version__, app, keyring, serving
from gateway.edge import AdminHandlers
from gateway.handover import Handover, LastText, handovers
from gateway.metrics import Metrics
from gateway.orders import OrderBook, shared_orders
from gateway.refusal_exchange import exchanging
from gateway.rotation import stamp_of_keys
from gateway.settings import Settings, SettingsError, load_admin_token
from gateway.telemetry import (
    STDOUT,
    Exposition,
    SharedMetrics,
    Sink,
    SinkHandler,
    Telemetry,
    families,
    metrics_at,
)
from gateway.traces import tracing_for

_GC_THRESHOLD = 50_000
"""New objects between two collections of the youngest generation."""


def serve(
    settings: Settings,
    beginning: bytes,
    public: serving.ReservedPort,
    private: serving.ReservedPort | None = None,
) -> None:
    """Run the gateway on `public` until SIGTERM or SIGINT, with metrics on `private`.

    `beginning` comes first on standard output. Raises SystemExit where its workers cannot start.
    """
    slots = settings.workers * serving.SLOTS_PER_WORKER
    shared = [SharedMetrics(families(Metrics)) for _ in range(slots)]
    supervisor = SharedMetrics(families(Metrics))
    last = handovers(slots, issuers=len(settings.jwt_jwks_url or ()))
    ordered = settings.admin_token is not None or settings.store is not None
    orders = shared_orders() if ordered else None
    with ExitStack() as stack:
        sink = Sink(STDOUT, Metrics(supervisor).log_dropped.inc)
        stack.callback(sink.close)
        sink.write(beginning)
        log = SinkHandler(sink, settings.log_format)
        telemetry = app.telemetry_to(sink, settings)
        book = None if orders is None else OrderBook(orders, time.time)
        if book is not None:
            exchange = exchanging(settings, book, Metrics(supervisor), telemetry.log)
            stack.enter_context(exchange)
        if private is not None:
            exposition = Exposition([*shared, supervisor], __version__)
            asked = None if settings.admin_token is None else book
            admin = None if asked is None else _admin(asked, telemetry)
            stack.enter_context(metrics_at(private.listener(), exposition, admin))
        serving.serve(
            partial(worker, settings, shared, last, log, orders=orders),
            public,
            shared,
            workers=settings.workers,
            replaced=partial(_count_restart, shared),
            delay=settings.shutdown_delay,
            grace=settings.shutdown_grace,
            keepalive=settings.keepalive_timeout,
            log=log,
        )


def _admin(book: OrderBook, telemetry: Telemetry) -> AdminHandlers:
    return AdminHandlers(
        book,
        partial(load_admin_token, os.environ),
        telemetry.log,
        telemetry.caller_id,
        clock=lambda: datetime.now(UTC),
        new_id=partial(secrets.token_hex, 8),
    )


def _count_restart(shared: Sequence[SharedMetrics], slot: int, reason: serving.Reason) -> None:
    Metrics(shared[slot]).worker_restarts.inc(reason)  # the worker itself never writes this number


def worker(
    at_start: Settings,
    shared: Sequence[SharedMetrics],
    last: Sequence[Handover],
    log: SinkHandler,
    slot: int,
    draining: asyncio.Event,
    environ: Mapping[str, str] = os.environ,
    orders: LastText | None = None,
) -> serving.Application:
    """Return the gateway of the worker that has `slot`, configured by `environ`.

    `log` has the supervisor's sink, and gets one of this process. `orders` are an operator's.

    A replacement worker reads key files again. If they are no longer valid, it uses the settings
    `at_start` with the `last` keys that a worker has adopted.
    """
    read_at = stamp_of_keys(environ)
    settings, problems = _current_settings(at_start, last[slot].keys, environ)
    metrics = Metrics(shared[slot])
    metrics.shared.begin()
    log.sink = sink = Sink(STDOUT, metrics.log_dropped.inc)
    tracing = tracing_for(environ)
    telemetry = app.telemetry_to(sink, settings, close=sink.close, tracing=tracing)
    if problems:
        telemetry.log.error("key_reload_failed", problems=problems)
    gateway = app.build(
        settings,
        telemetry,
        metrics,
        draining=draining,
        environ=environ,
        tracing=tracing,
        handover=last[slot],
        read_at=read_at,
        orders=orders,
    )
    _collect_rarely()
    return gateway


def _current_settings(
    at_start: Settings, last: LastText, environ: Mapping[str, str]
) -> tuple[Settings, list[str]]:
    began = time.monotonic()
    try:
        settings = keyring.usable_settings(environ)
    except SettingsError as error:
        problems = [str(each) for each in error.problems]
        return keyring.with_last_keys(at_start, last), problems
    keyring.hand_over(settings, last, began)
    return settings, []


def _collect_rarely() -> None:
    """Exempt all present objects from garbage collection, and collect others less often.

    They live as long as the worker, and requests leave no cycles: this saves 5 % of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)

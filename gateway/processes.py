"""The processes of `gateway serve`: workers that serve, and a supervisor that answers scrapes.

The supervisor creates the memory of each worker's metrics, and that of the last keys and of an
operator's orders, before it starts them. With a shared store it follows the refusals there.
"""

import asyncio
import gc
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

from gateway import __version__, app, keyring, serving
from gateway.edge import AdminHandlers
from gateway.handover import Handover, LastText, handovers
from gateway.metrics import Metrics
from gateway.orders import OrderBook, shared_orders
from gateway.refusal_replica import RefusalReplica
from gateway.rooms import OperatorOrders
from gateway.rotation import stamp_of_keys
from gateway.settings import Settings, SettingsError, load_admin_token
from gateway.shared_store import SharedStore, connect
from gateway.side_thread import beside
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

_GC_THRESHOLDS = (20_000, 0, 1_000)
"""New objects before the young are collected; how often that is before older ones are, and all.

Collecting all holds the loop: for 250 ms with 15,000 streams open."""


def serve(
    settings: Settings,
    beginning: bytes,
    public: serving.ReservedPort,
    private: serving.ReservedPort | None = None,
) -> None:
    """Run the gateway on `public` until SIGTERM or SIGINT, with metrics on `private`.

    `beginning` comes first on standard output. Raises SystemExit where its workers cannot start.
    """
    gc.freeze()  # imported code, which the workers share
    gc.enable()
    slots = settings.workers * serving.SLOTS_PER_WORKER
    shared = [SharedMetrics(families(Metrics)) for _ in range(slots)]
    supervisor = SharedMetrics(families(Metrics))
    metrics = Metrics(supervisor)
    last = handovers(slots, issuers=len(settings.jwt_jwks_url or ()))
    ordered = settings.admin_token is not None or settings.store is not None
    orders = shared_orders() if ordered else None
    with ExitStack() as stack:
        sink = Sink(STDOUT, metrics.log_dropped.inc)
        stack.callback(sink.close)
        sink.write(beginning)
        log = SinkHandler(sink, settings.log_format)
        telemetry = app.telemetry_to(sink, settings)
        book = stack.enter_context(_book(settings, orders, metrics, telemetry)) if orders else None
        if private is not None:
            exposition = Exposition([*shared, supervisor], __version__)
            admin = _admin(book, telemetry) if book and settings.admin_token is not None else None
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


@contextmanager
def _book(
    settings: Settings, orders: LastText, metrics: Metrics, telemetry: Telemetry
) -> Iterator[OperatorOrders]:
    """Return the book of an operator's orders; it follows the shared store where there is one."""
    book, url = OrderBook(orders, time.time), settings.store
    if url is None:
        yield book
        return
    store = SharedStore(
        connect(url),
        settings.redis_prefix,
        clock=time.monotonic,
        log=telemetry.log,
        calls=metrics.store_calls,
        duration=metrics.store_duration,
    )
    replica = RefusalReplica(book, store, clock=time.time, timer=time.monotonic, log=telemetry.log)
    with beside(replica.run, name="refusals"):
        replica.wait_for_first_look()
        yield replica


def _admin(orders: OperatorOrders, telemetry: Telemetry) -> AdminHandlers:
    return AdminHandlers(
        orders,
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
    collect_rarely()
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


def collect_rarely() -> None:
    """Exempt all present objects from garbage collection, and collect others less often.

    They live as long as the worker, and requests leave no cycles: this saves 5 % of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)

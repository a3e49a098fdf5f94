"""The processes of `gateway serve`: workers that serve, and a supervisor that answers scrapes.

The supervisor creates the memory of each worker's metrics before it starts them.
"""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from gateway import __version__, app, keyring, serving
from gateway.metrics import Metrics
from gateway.settings import LogFormat, Settings, SettingsError
from gateway.telemetry import Exposition, ServerLine, SharedMetrics, Sink, families, metrics_at
from gateway.traces import tracing_for

_GC_THRESHOLD = 50_000
"""New objects between two collections of the youngest generation."""


def serve(settings: Settings, listener: socket.socket) -> None:
    """Run the gateway on `listener` until SIGTERM or SIGINT.

    Raises SystemExit where its workers cannot start.
    """
    slots = settings.workers * serving.SLOTS_PER_WORKER
    shared = [SharedMetrics(families(Metrics)) for _ in range(slots)]
    with ExitStack() as stack:
        if settings.metrics_port:
            exposition = Exposition(shared, __version__)
            stack.enter_context(
                metrics_at(settings.metrics_host, settings.metrics_port, exposition)
            )
        serving.serve(
            partial(worker, settings, shared),
            listener,
            shared,
            workers=settings.workers,
            replaced=partial(_count_restart, shared),
            grace=settings.shutdown_grace,
            formatter=ServerLine if settings.log_format == LogFormat.JSON else logging.Formatter,
        )


def _count_restart(shared: Sequence[SharedMetrics], slot: int, reason: serving.Reason) -> None:
    Metrics(shared[slot]).worker_restarts.inc(reason)  # the worker itself never writes this number


def worker(
    at_start: Settings,
    shared: Sequence[SharedMetrics],
    slot: int,
    draining: asyncio.Event,
    environ: Mapping[str, str] = os.environ,
) -> serving.Application:
    """Return the gateway of the worker that has `slot`, configured by `environ`.

    A replacement worker reads key files again. If they are no longer valid, it uses the settings
    `at_start`, like the workers still running.
    """
    settings, problems = _current_settings(at_start, environ)
    metrics = Metrics(shared[slot])
    metrics.shared.begin()
    sink = Sink(sys.stdout.buffer, metrics.log_dropped.inc)
    tracing = tracing_for(environ)
    telemetry = app.telemetry_to(sink, settings, close=sink.close, tracing=tracing)
    if problems:
        telemetry.log.error("key_reload_failed", problems=problems)
    gateway = app.build(
        settings, telemetry, metrics, draining=draining, environ=environ, tracing=tracing
    )
    _collect_rarely()
    return gateway


def _current_settings(at_start: Settings, environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    try:
        return keyring.usable_settings(environ), []
    except SettingsError as error:
        return at_start, [str(each) for each in error.problems]


def _collect_rarely() -> None:
    """Exempt all present objects from garbage collection, and collect others less often.

    They live as long as the worker, and requests leave no cycles: this saves 5 % of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)

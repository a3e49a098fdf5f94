"""The processes of `gateway serve`: workers that serve, a supervisor that answers scrapes.

The supervisor makes a block of memory for each worker before it starts them, and reads what they
have written there when it is asked for metrics.
"""

import gc
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from gateway import __version__, app, keyring, serving
from gateway.settings import LogFormat, Settings, SettingsError
from gateway.telemetry import Exposition, Metrics, ServerLine, SharedMetrics, Sink, metrics_at
from gateway.traces import tracing_for

_COLLECT_EVERY = 50_000
"""Objects made and not yet gone, after which the garbage collector looks at the young ones."""


def serve(settings: Settings) -> None:
    """Run the gateway until SIGTERM or SIGINT; raise SystemExit where its workers cannot start."""
    blocks = [SharedMetrics() for _ in range(settings.workers)]
    with _private_listener(settings, blocks):
        serving.serve(
            partial(worker, settings, blocks),
            settings.host,
            settings.port,
            workers=settings.workers,
            grace=settings.shutdown_grace,
            formatter=ServerLine if settings.log_format == LogFormat.JSON else logging.Formatter,
        )


def worker(
    at_start: Settings,
    blocks: Sequence[SharedMetrics],
    number: int,
    environ: Mapping[str, str] = os.environ,
) -> serving.Application:
    """Return the gateway that `environ` describes, in the worker with this `number`, from 0.

    One that takes another's place reads key files again. If they have become bad by then, it goes
    on with the settings that the gateway began with, as the others go on with theirs.

    What stands by then lives as long as the worker, and a request leaves no cycles behind: taking
    the first out of the garbage collector's sight and letting it run less often is worth one
    request in twenty.
    """
    settings, problems = _read_again(at_start, environ)
    stopping = serving.GracefulShutdown(settings.port, settings.shutdown_grace)
    stopping.take_signals()
    metrics = Metrics(blocks[number])
    if blocks[number].begin():
        metrics.worker_restarts.inc()
    sink = Sink(sys.stdout.buffer, metrics.log_dropped.inc)
    tracing = tracing_for(environ)
    telemetry = app.telemetry_to(sink, settings, metrics, close=sink.close, tracing=tracing)
    if problems:
        telemetry.log.error("key_reload_failed", problems=problems)
    gateway = app.build(
        settings,
        telemetry,
        draining=stopping.draining,
        environ=environ,
        tracing=tracing,
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)
    return stopping.around(gateway)


def _read_again(at_start: Settings, environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    try:
        return keyring.usable_settings(environ), []
    except SettingsError as error:
        return at_start, [str(each) for each in error.problems]


def _private_listener(
    settings: Settings, blocks: Sequence[SharedMetrics]
) -> AbstractContextManager[object]:
    if not settings.metrics_port:
        return nullcontext()
    exposition = Exposition(blocks, __version__)
    return metrics_at(settings.metrics_host, settings.metrics_port, exposition)

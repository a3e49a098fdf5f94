"""The gateway as run by `gateway serve`, with workers that sample themselves for the soak.

`python -m tests.bench.watched` takes the gateway's own variables and BENCH_WATCH, a folder. Each
worker appends one `Moment` a second to `<pid>.jsonl` there. A file also works for an overloaded
worker and for several workers, unlike a route. BENCH_PLANT plants a fault.
"""

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import Any

import msgspec
from msgspec import Struct

from gateway import processes, serving
from gateway.handover import handovers
from gateway.metrics import Metrics
from gateway.settings import load
from gateway.telemetry import STDOUT, SharedMetrics, Sink, SinkHandler, families

from .plants import PLANTS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

_TICK = 0.02
"""Seconds between samples of the event loop's lag; shorter blocks may go unseen."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Moment(Struct):
    """A worker's sample of one second; `at` is the system's monotonic clock.

    `lags` are the delays of the loop in seconds. `blocked` is the longest of them without the time
    in which the core was busy with other threads, so a busy machine does not count as a blocked
    loop. `pauses` are the seconds of garbage collections.

    `coroutines`, in any state, are counted only after a second without a request, and after a
    collection, since counting takes long.
    """

    at: float
    resident: int
    descriptors: int
    tasks: int
    requests: int
    in_flight: int
    lags: list[float]
    blocked: float
    pauses: list[float]
    coroutines: int | None = None


class Watched:
    """The application `inner`, with its samples written to `file`."""

    def __init__(self, inner: Application, file: Path) -> None:
        self._inner = inner
        self._file = file
        self._requests = 0
        self._in_flight = 0
        self._pauses: list[float] = []
        self._collection = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; the sampling lasts as long as the lifespan."""
        if scope["type"] != "http":
            watch = asyncio.create_task(self._watch())
            await self._inner(scope, receive, send)
            watch.cancel()
            return
        self._requests += 1
        self._in_flight += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._in_flight -= 1

    async def _watch(self) -> None:
        requests = -1
        gc.callbacks.append(self._collecting)
        with self._file.open("ab", buffering=0) as file:
            while True:
                lateness = [await _lateness() for _ in range(round(1 / _TICK))]
                idle = requests == self._requests and not self._in_flight
                requests = self._requests
                file.write(msgspec.json.encode(self._moment(lateness, idle=idle)) + b"\n")
                self._pauses.clear()

    def _moment(self, lateness: list[tuple[float, float]], *, idle: bool) -> Moment:
        resident = int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
        descriptors = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208  # no objects wanted; less its own
        tasks = len(asyncio.all_tasks())
        moment = Moment(
            time.monotonic(),
            resident,
            descriptors,
            tasks,
            self._requests,
            self._in_flight,
            [lag for lag, _ in lateness],
            max(blocked for _, blocked in lateness),
            self._pauses,
        )
        if idle:
            gc.collect()
            moment.coroutines = sum(isinstance(each, CoroutineType) for each in gc.get_objects())
        return moment

    def _collecting(self, phase: str, _: object) -> None:
        if phase == "start":
            self._collection = time.perf_counter()
        else:
            self._pauses.append(time.perf_counter() - self._collection)


async def _lateness() -> tuple[float, float]:
    """Return the loop's delay in seconds, and the part of it not spent waiting for a core."""
    due, waited = time.perf_counter() + _TICK, _waited()
    await asyncio.sleep(_TICK)
    lag = max(0.0, time.perf_counter() - due)
    return lag, max(0.0, lag - (_waited() - waited))


def _waited() -> float:
    """Return the seconds that this thread has waited for a core so far."""
    return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1]) / 1e9


def build(
    slots: Sequence[SharedMetrics], log: SinkHandler, slot: int, draining: asyncio.Event
) -> Application:
    """Return the gateway that the environment describes, under watch."""
    gateway = processes.worker(load(os.environ), slots, handovers(len(slots)), log, slot, draining)
    inner = PLANTS[os.environ.get("BENCH_PLANT", "")](gateway)
    return Watched(inner, Path(os.environ["BENCH_WATCH"], f"{os.getpid()}.jsonl"))


def main() -> None:
    """Serve it like `gateway serve`."""
    settings = load(os.environ)
    places = settings.workers * serving.SLOTS_PER_WORKER
    slots = [SharedMetrics(families(Metrics)) for _ in range(places)]
    log = SinkHandler(Sink(STDOUT, lambda: None), settings.log_format)
    with serving.bind(settings.host, settings.port) as reserved:
        serving.serve(
            partial(build, slots, log),
            reserved,
            slots,
            workers=settings.workers,
            replaced=lambda *_: None,
            delay=settings.shutdown_delay,
            grace=settings.shutdown_grace,
            keepalive=settings.keepalive_timeout,
            log=log,
        )


if __name__ == "__main__":
    main()

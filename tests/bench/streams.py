"""Event streams by the thousand: `python -m tests.bench.streams`.

Gateways of one worker each, a vendor that counts, and watchers in a process of their own. It takes
some three minutes, and needs a quiet machine of two cores.
"""

import argparse
import asyncio
import os
import re
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests import clients
from tests.bench import results
from tests.bench.client import request
from tests.bench.figures import percentile
from tests.bench.results import Row, told
from tests.bench.watched import Moment
from tests.bench.watchers import Watchers, Watching, watching
from tests.commands import GATEWAY, free_port
from tests.live.counting_vendor import STANDING, Counting, counting_vendor
from tests.live.crowd import Crowd, send
from tests.live.replicas import ALICE, BOB, Replica, replicas
from tests.live.stores import store
from tests.waiting import eventually

TTL = 2.0
AT_REST = 20.0
_COST_SECONDS = 10.0
"""Seconds."""

_HELD = 50.0
"""Milliseconds for which the event loop may be held."""

CHANGES = 7
_SECRET = "the-vendors-secret-of-32-characters-or-more"
_SETTINGS = {"CACHE_TTL": f"{TTL:g}", "MAX_STREAMS": "20000"}


def rows() -> Iterator[Row]:
    """Measure the rows, one after the other."""
    yield from _at_rest(15_000, 500, 0.15)
    yield from _at_rest(3_000, 100, 0.05)
    yield from _opened(15_000)
    yield from _woken(5_000)
    yield from _against_polls(500)
    yield _deleted()
    yield _called_back()
    yield from _unread()
    yield from _vanished(1_000)
    yield from _stopped(5_000)


def _at_rest(streams: int, rooms: int, most: float) -> Iterator[Row]:
    """Hold streams of rooms that do not change."""
    with _stage() as (vendor, gateway):
        before = _resident(gateway)
        with watching(Watchers(gateway.port, streams, rooms)) as watchers:
            time.sleep(TTL)
            each = (_resident(gateway) - before) / streams / 1000
            used, read = gateway.seconds_used(), vendor.counts().reads
            began = time.monotonic()
            time.sleep(AT_REST)
            seconds = time.monotonic() - began
            cores = (gateway.seconds_used() - used) / seconds
            reads = (vendor.counts().reads - read) / rooms * TTL / seconds
            seen = watchers.seen()
    name = f"{streams:,} streams in {rooms} rooms"
    opened = f"{seen.open:,} open, {seen.events} events, {seen.secrets} secrets"
    yield _bounded(f"{name}, memory of each", each, 25, "KB", opened)
    yield _bounded(f"{name}, processor at rest", cores * 100, most * 100, "% of a core")
    yield Row(
        f"{name}, upstream reads a room and TTL", "–", f"{reads:.2f}", "1.00", reads <= 1.005, ""
    )


def _opened(streams: int) -> Iterator[Row]:
    """Open streams as fast as the gateway takes them."""
    with _under_watch() as (_, gateway, blocks), watching(Watchers(gateway.port, streams, 500)):
        began, opened = blocks.began, f"{streams:,} streams are opened"
        yield _bounded(f"{opened}, event loop held", blocks.longest(since=began), _HELD, "ms")


def _woken(streams: int) -> Iterator[Row]:
    """Change a room that all watch, while somebody else reads another one from memory."""
    spans = []
    with (
        _under_watch() as (vendor, gateway, blocks),
        watching(Watchers(gateway.port, streams, 1)) as watchers,
        _reading(gateway) as waits,
    ):
        began = time.monotonic()
        for number in range(CHANGES):
            watchers.forget()
            vendor.change(f"{STANDING}0", title=f"number {number}")
            eventually(_all_heard(watchers, "change", streams))
            seen = watchers.seen()
            spans.append(seen.last - seen.first)
        held = blocks.longest(since=began)
    name = f"{streams:,} in one room, a change"
    worst = f"the longest of {CHANGES}, {statistics.median(spans):.2f} s at the median"
    yield _bounded(f"{name}, from the first to the last who hears", max(spans), 0.6, "s", worst)
    yield _bounded(f"{name}, event loop held", held, _HELD, "ms")
    reads = [wait * 1000 for wait in waits]
    detail = f"{len(reads)} reads, one every 5 ms; the longest {max(reads):.0f} ms"
    yield _bounded(
        f"{name}, p99 of cached reads beside it", percentile(reads, 99), 60, "ms", detail
    )


def _against_polls(viewers: int) -> Iterator[Row]:
    """Compare what a watcher costs with what one costs who polls, in a room that changes."""
    costs = {}
    with _stage() as (vendor, gateway):
        vendor.behave()  # each read shows a change
        with watching(Watchers(gateway.port, viewers, 1)):
            costs["a stream"] = _cost(gateway, viewers)
        with _polling(gateway, viewers):
            costs["a poll"] = _cost(gateway, viewers)
    stream, poll = costs["a stream"], costs["a poll"]
    yield told(
        f"a stream of a room that changes every {TTL:g} s",
        f"{stream / poll:.2f}",
        f"{stream:.0f} / {poll:.0f} µs of processor a second, {viewers} viewers",
        f"a poll every {TTL:g} s",
    )


def _deleted() -> Row:
    """Delete rooms at one gateway that are watched at another."""
    waits = []
    with counting_vendor() as vendor, store() as shared:
        vendor.behave(still=True)
        with replicas(2, vendor, shared.url, **_SETTINGS) as (one, other):
            for number in range(10):
                with watching(Watchers(other.port, 1, 1, first=number)) as watchers:
                    time.sleep(0.3)
                    began = time.monotonic()
                    _ask(one, "DELETE", f"/v1/rooms/{STANDING}{number}", ALICE)
                    eventually(_all_heard(watchers, "deleted", 1))
                    waits.append((watchers.seen().last - began) * 1000)
    detail = f"the longest of {len(waits)}, from the request on"
    return _bounded("a delete at one gateway, heard at another", max(waits), 200, "ms", detail)


def _called_back() -> Row:
    """Have the vendor call back about a room that has changed, and is fresh for long."""
    waits = []
    settings = {"CALLBACK_SECRET": _SECRET, "CACHE_TTL": "3600"}
    with (
        _stage(**settings) as (vendor, gateway),
        watching(Watchers(gateway.port, 1, 1)) as watchers,
        clients.client(gateway.gateway.url) as caller,
    ):
        caller.auth = ("qlive", _SECRET)
        for number in range(10):
            watchers.forget()
            began = vendor.change(f"{STANDING}0", title=f"number {number}")
            told = {"type": "live_started", "body": {"live_id": f"{STANDING}0"}}
            caller.post("/v1/callbacks/qlive", json=told).raise_for_status()
            eventually(_all_heard(watchers, "change", 1))
            waits.append((watchers.seen().last - began) * 1000)
    detail = f"the longest of {len(waits)}; the vendor answers at once"
    return _bounded("a callback of the vendor's, heard on a stream", max(waits), 100, "ms", detail)


def _unread() -> Iterator[Row]:
    """Change a room all the time for one who reads, and for one who never does."""
    port = str(free_port())
    with (
        _stage(METRICS_PORT=port, CACHE_TTL="0.05") as (vendor, gateway),
        watching(Watchers(gateway.port, 1, 1)),
        _changing(vendor),
    ):
        time.sleep(5)
        before, began = _resident(gateway), time.monotonic()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", gateway.port))
            deaf.sendall(request("GET", f"/v1/rooms/{STANDING}0/events", BOB))
            eventually(lambda: _gauge(port) == 2)
            eventually(lambda: _gauge(port) == 1)
            took = time.monotonic() - began
            more = (_resident(gateway) - before) / 1e6
    name = "one who never reads"
    detail = "from its request on; 400 KB of events a second"
    yield _bounded(f"{name}, dropped after", took, 12, "s", detail)
    yield _bounded(f"{name}, memory more than with one who reads", more, 1, "MB")


@contextmanager
def _changing(vendor: Counting) -> Iterator[None]:
    """Change a room every 100 ms, by 40 KB."""
    over = threading.Event()

    def change() -> None:
        while not over.wait(0.1):
            vendor.change(f"{STANDING}0", notice=f"{time.monotonic()}".ljust(40_000, "x"))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _vanished(streams: int) -> Iterator[Row]:
    """Have all clients vanish."""
    for reset in (False, True):
        port = str(free_port())
        with (
            _stage(METRICS_PORT=port) as (_, gateway),
            watching(Watchers(gateway.port, streams, 10)) as watchers,
        ):
            time.sleep(1)
            before = _gauge(port)
            watchers.leave(reset=reset)
            time.sleep(2)
            left = _gauge(port)
        how = "by a reset" if reset else "with a farewell"
        yield Row(
            f"{streams:,} clients vanish {how}, streams left after 2 s",
            "–",
            str(left),
            "0",
            left == 0 and before == streams,
            f"{before} before",
        )


def _stopped(streams: int) -> Iterator[Row]:
    """Stop a gateway whose streams are open."""
    with (
        _stage(SHUTDOWN_DELAY="5") as (_, gateway),
        watching(Watchers(gateway.port, streams, 50)) as watchers,
    ):
        began = time.monotonic()
        gateway.gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: watchers.seen().open == 0)
        seen = watchers.seen()
    spread = (max(seen.retries) - min(seen.retries)) / 1000
    detail = f"{seen.ended:,} ended, {len(seen.retries):,} told, {seen.cut} cut"
    name = f"SIGTERM with {streams:,} streams open"
    whole = seen.ended == len(seen.retries) == streams and not seen.cut
    took = seen.ended_at - began
    yield Row(f"{name}, the last one ended", "–", f"{took:.2f} s", "≤ 2 s", took <= 2, "")
    yield Row(f"{name}, all told", "–", detail, "all, 0 cut", whole, "")
    yield Row(f"{name}, spread of `retry`", "–", f"{spread:.1f} s", "≥ 3 s", spread >= 3, "")


class Blocks:
    """The times for which the event loop of a watched gateway was held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.began = time.monotonic()

    def longest(self, *, since: float) -> float:
        """Return the longest in milliseconds, once its worker has told of all until now."""
        now = time.monotonic()
        eventually(lambda: self._moments()[-1].at > now)
        return max(each.blocked for each in self._moments() if each.at >= since) * 1000

    def _moments(self) -> list[Moment]:
        (file,) = self._folder.glob("*.jsonl")
        *whole, _ = file.read_bytes().split(b"\n")  # the last may still be written
        return [msgspec.json.decode(each, type=Moment) for each in whole]


@contextmanager
def _under_watch() -> Iterator[tuple[Counting, Replica, Blocks]]:
    """Run the same with a gateway that samples its event loop."""
    with TemporaryDirectory() as folder:
        command = ("env", f"BENCH_WATCH={folder}", sys.executable, "-m", "tests.bench.watched")
        with _stage(command) as (vendor, gateway):
            yield vendor, gateway, Blocks(Path(folder))


@contextmanager
def _stage(
    command: Sequence[str] = (*GATEWAY, "serve"), **environ: str
) -> Iterator[tuple[Counting, Replica]]:
    """Run a vendor whose rooms do not change by themselves, and a gateway that is warm."""
    with counting_vendor() as vendor:
        vendor.behave(still=True)
        with replicas(1, vendor, "none", command, **_SETTINGS | environ) as (gateway,):
            with watching(Watchers(gateway.port, 50, 50, first=100_000)):
                time.sleep(1)
            time.sleep(1)
            yield vendor, gateway


@contextmanager
def _reading(gateway: Replica) -> Iterator[list[float]]:
    """Read a room from memory every 5 ms; give the list of the seconds that it takes."""
    waits: list[float] = []
    over = threading.Event()

    def read() -> None:
        headers = {"Authorization": f"Bearer {BOB}"}
        with clients.client(gateway.gateway.url, headers) as client:
            due = time.monotonic()
            while not over.is_set():
                due += 0.005
                time.sleep(max(0.0, due - time.monotonic()))
                began = time.monotonic()
                client.get(f"/v1/rooms/{STANDING}reads").raise_for_status()
                waits.append(time.monotonic() - began)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


@contextmanager
def _polling(gateway: Replica, viewers: int) -> Iterator[None]:
    """Let so many viewers poll one room, each once per TTL, for as long as a cost is measured."""
    crowd = Crowd([gateway.port], viewers, _COST_SECONDS + 3 * TTL, 1, pause=TTL)
    thread = threading.Thread(target=lambda: asyncio.run(send(crowd)))
    thread.start()
    time.sleep(TTL)
    yield
    thread.join()


def _cost(gateway: Replica, viewers: int) -> float:
    """Return microseconds of processor time that each viewer costs in a second."""
    used = gateway.seconds_used()
    time.sleep(_COST_SECONDS)
    return (gateway.seconds_used() - used) / _COST_SECONDS / viewers * 1e6


def _all_heard(watchers: Watching, event: str, count: int) -> Callable[[], bool]:
    return lambda: watchers.seen().events.get(event) == count


def _ask(gateway: Replica, method: str, path: str, bearer: str) -> None:
    with clients.client(gateway.gateway.url, {"Authorization": f"Bearer {bearer}"}) as client:
        client.request(method, path).raise_for_status()


def _gauge(metrics_port: str) -> int:
    """Return how many streams a gateway says that it has."""
    page = clients.get(f"http://127.0.0.1:{metrics_port}/metrics").text
    found = re.search(r"^gateway_event_streams_active (\d+)", page, re.MULTILINE)
    assert found, page
    return int(found[1])


def _resident(gateway: Replica) -> int:
    """Return the bytes of memory that its worker holds."""
    (worker,) = gateway.gateway.workers()
    pages = Path(f"/proc/{worker}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _bounded(row: str, figure: float, most: float, unit: str, detail: str = "") -> Row:
    return Row(row, "–", f"{figure:.3g} {unit}", f"≤ {most:g} {unit}", figure <= most, detail)


def main() -> None:
    """Print the table; write it to RESULTS.md on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.streams", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    measured = results.printed(rows())
    if given.record:
        results.record("streams", measured)


if __name__ == "__main__":
    main()

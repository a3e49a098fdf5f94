"""The gateway's benchmark against its peers: `python -m tests.bench`.

Each server has one core, and the load generator another, with the upstream if a row has one. The
servers of a row all run, warm, and take turns, so a drifting machine slows both sides of a ratio. A
row's figure is the ratio of the medians of requests per second; beside it stands the ratio of the
processor time of a request, which is steadier. All answers have the same headers, but for those of
the servers themselves. The peers' files say what each of them lacks.

It needs wrk, and installs the peers' packages once. Without Go, or without Node and npm, it says
how to get them and goes on without their rows.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

from msgspec import to_builtins

from . import results, servers
from .figures import percentile
from .load import Rate, allow_descriptors, costed, herd, latencies, throughput
from .results import Row, told
from .servers import ROOM, Server

_CHANGED = "200 to the same request, room changed"
_BARE, _GO = "a bare ASGI application", "Go net/http, limiter and metrics on"

_WARM = 3.0
"""Seconds of load after which the compilers in Node and the caches of all are warm."""

Figures = dict[str, list[Rate]]
"""The rates of each server."""


class Bench:
    """The rows, with `rounds` rounds of `seconds` each and `readers` concurrent readers."""

    def __init__(self, *, rounds: int, seconds: float, readers: int, rooms: int) -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._readers = readers
        self._rooms = rooms
        self._bearer = servers.token()

    def rows(self) -> Iterator[Row]:
        """Measure the rows, one after the other."""
        with servers.running(servers.upstream(), self._bearer, servers.LOAD_CORE) as upstream:
            yield from self._cached(upstream)
            yield from self._missed(upstream)
            yield from self._added_latency(upstream)
        yield self._herd()
        yield self._memory()

    def _cached(self, upstream: Server) -> Iterator[Row]:
        ours = servers.gateway(upstream.url)
        with servers.running(ours, self._bearer):
            body, etag = self._room(ours)
        floor = servers.floor(body)
        fastify = servers.fastify(upstream.url, cache=True)
        tuned = servers.fastify(upstream.url, cache=True, tuned=True)
        logging = servers.fastify(upstream.url, cache=True, log=True)
        go = servers.go(upstream.url, cache=True)
        hit = self._measure(
            {
                "gateway": ours,
                "logging": servers.gateway(upstream.url, extra=servers.LOGGING),
                _BARE: floor,
                _GO: go,
                fastify.name: fastify,
                tuned.name: tuned,
                logging.name: logging,
                "FastAPI": servers.fastapi(upstream.url),
            }
        )
        unchanged = self._conditional(ours, etag)
        row = "cached read, access log off"
        yield _ratio(row, hit, "gateway", _BARE, 0.75)
        yield _ratio(row, hit, "gateway", _GO, 0.80)
        yield _ratio(row, hit, "gateway", fastify.name, 3.0)
        yield _ratio(row, hit, "gateway", tuned.name, 2.8)
        yield _ratio(row, hit, "gateway", "FastAPI", 6.0)
        row = "the same, access log on"
        yield _ratio(row, hit, "logging", "gateway", 0.85)
        yield _ratio(row, hit, "logging", logging.name, 2.0)
        yield _metrics_cost()
        yield _ratio("304 on the same room", unchanged, "304", "200", 1.0)
        yield _ratio("304 on the same room", unchanged, "304", _CHANGED, 1.0)

    def _missed(self, upstream: Server) -> Iterator[Row]:
        ours = servers.gateway(upstream.url, extra=servers.NO_CACHE)
        stock = servers.gateway(
            upstream.url, factory="tests.bench.stock:build", extra=servers.NO_CACHE
        )
        tuned = servers.fastify(upstream.url, cache=False, tuned=True)
        go = servers.go(upstream.url, cache=False)
        miss = self._measure(
            {"gateway": ours, tuned.name: tuned, _GO: go, "stock transport": stock}, distinct=True
        )
        yield _ratio("every read a miss", miss, "gateway", tuned.name, 0.75)
        yield _ratio("every read a miss", miss, "gateway", _GO, 0.40)
        yield _ratio("every read a miss", miss, "gateway", "stock transport", 6.0)

    def _added_latency(self, upstream: Server) -> Iterator[Row]:
        direct, through = [], []
        with servers.running(servers.gateway(upstream.url), self._bearer) as ours:
            for number in range(self._rounds):
                direct += self._paced(upstream, f"/server/live/{number}x{{}}")
                through += self._paced(ours, f"/v1/rooms/{number}x{{}}")
        for name, percent, limit in (("p50", 50, 0.7), ("p99", 99, 2.0)):
            near, far = percentile(direct, percent), percentile(through, percent)
            added = (far - near) * 1000
            yield Row(
                f"added latency of a miss at 200 req/s, {name}",
                "the upstream directly",
                f"{added:.2f} ms",
                f"≤ {limit:g} ms",
                added <= limit,
                f"{far * 1000:.2f} − {near * 1000:.2f} ms",
            )

    def _herd(self) -> Row:
        allow_descriptors(self._readers + 500)
        cold = servers.upstream(delay=0.5)
        with servers.running(cold, self._bearer, servers.LOAD_CORE):
            ours = servers.gateway(cold.url, extra={"GATEWAY_CACHE_TTL": "60"})
            with servers.running(ours, self._bearer):
                before = int(self._text(cold, "/calls"))
                seen = asyncio.run(herd(ours, f"{ROOM}0", self._bearer, self._readers))
                made = int(self._text(cold, "/calls")) - before - 1
        return Row(
            f"{self._readers} concurrent readers of a cold room",
            "–",
            f"{made} upstream calls, {seen.errors} errors",
            "1 call, 0 errors",
            made == 1 and seen.errors == 0,
            f"last answer after {seen.seconds:.2f} s",
        )

    def _memory(self) -> Row:
        command = (sys.executable, "-m", "tests.bench.memory", str(self._rooms))
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        kilobytes = float(printed) / 1024
        return Row(
            f"memory per cached room, {self._rooms} rooms",
            "its encoded body",
            f"{kilobytes:.2f} KB beyond",
            "≤ 3 KB",
            kilobytes <= 3,
            "",
        )

    def _conditional(self, server: Server, etag: str) -> Figures:
        """Return the rates with a matching condition, another one, and none."""
        conditions = {
            "304": [f"If-None-Match: {etag}"],
            "200": [],
            _CHANGED: ['If-None-Match: "x"'],
        }
        figures: Figures = {name: [] for name in conditions}
        with servers.process(server, self._bearer) as pid:
            throughput(server, self._bearer, _WARM)
            for _ in range(2 * self._rounds):
                for name, headers in conditions.items():
                    rate = costed(server, pid, self._bearer, self._seconds / 2, headers=headers)
                    figures[name].append(rate)
        return figures

    def _measure(self, compared: dict[str, Server], *, distinct: bool = False) -> Figures:
        """Return the rates of each server that is here, one for each round."""
        here = {name: server for name, server in compared.items() if servers.is_here(server)}
        figures: Figures = {name: [] for name in here}
        with ExitStack() as stack:
            pids = {
                name: stack.enter_context(servers.process(server, self._bearer))
                for name, server in here.items()
            }
            for server in here.values():
                throughput(server, self._bearer, _WARM, distinct=distinct)
            for _ in range(self._rounds):
                for name, server in here.items():
                    rate = costed(
                        server, pids[name], self._bearer, self._seconds, distinct=distinct
                    )
                    figures[name].append(rate)
        return figures

    def _paced(self, server: Server, path: str) -> list[float]:
        return asyncio.run(latencies(server, path, self._bearer, rate=200, seconds=self._seconds))

    def _text(self, server: Server, path: str) -> str:
        with self._get(server, path) as reply:
            return str(reply.read().decode())

    def _room(self, server: Server) -> tuple[str, str]:
        with self._get(server, ROOM) as reply:
            return reply.read().decode(), reply.headers["ETag"]

    def _get(self, server: Server, path: str) -> HTTPResponse:
        headers = {"Authorization": f"Bearer {self._bearer}"}
        request = urllib.request.Request(server.url + path, headers=headers)  # noqa: S310  # loopback
        reply: HTTPResponse = urllib.request.urlopen(request, timeout=5)  # noqa: S310  # loopback
        return reply


def _metrics_cost() -> Row:
    command = (sys.executable, "-m", "tests.bench.instruments")
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    microseconds, of = map(float, printed.split())
    return Row(
        "metrics of a cached read",
        "–",
        f"{microseconds:.2f} µs",
        "≤ 3 µs",
        microseconds <= 3,
        f"a read takes {of:.1f} µs, server apart",
    )


def _ratio(row: str, figures: Figures, ours: str, peer: str, must_reach: float) -> Row:
    if peer not in figures:
        return told(row, "–", "not here", peer)
    mine, other = _median(figures[ours]), _median(figures[peer])
    ratio = mine.requests / other.requests
    costs = f"{mine.microseconds:.1f} / {other.microseconds:.1f} µs"
    return Row(
        row,
        peer,
        f"{ratio:.2f}",
        f"≥ {must_reach:.2f}",
        ratio >= must_reach,
        f"{mine.requests:,.0f} / {other.requests:,.0f} req/s; processor time {costs}: "
        f"{other.microseconds / mine.microseconds:.2f}",
    )


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(
        statistics.median(each.requests for each in rates),
        statistics.median(each.microseconds for each in rates),
    )


def main() -> None:
    """Print the table; write it as JSON on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds a server (default 5)")
    parser.add_argument("--seconds", type=float, default=5, help="seconds a round (default 5)")
    parser.add_argument("--readers", type=int, default=10_000, help="readers in the herd")
    parser.add_argument("--rooms", type=int, default=100_000, help="rooms in the memory row")
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    given = parser.parse_args()
    servers.install_peers()
    bench = Bench(
        rounds=given.rounds, seconds=given.seconds, readers=given.readers, rooms=given.rooms
    )
    rows = results.printed(bench.rows())
    if given.record:
        results.record("benchmark", rows)
    if given.json:
        given.json.write_text(json.dumps(to_builtins(rows), indent=2) + "\n")


if __name__ == "__main__":
    main()

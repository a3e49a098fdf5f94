"""Mixed traffic with a misbehaving upstream: `python -m tests.bench.soak --minutes N`.

The gateway runs alone on one core, upstream and visitors on another. After the traffic the upstream
is calm again. Then reads must succeed within seconds, and the gateway's resources must be back at
their baseline. `--plant` shows that the soak finds planted faults. Exits with 1 if a bound is
broken.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from . import results, servers, traffic
from .asking import World
from .client import Connection, NoAnswer, request
from .plants import PLANTS
from .results import Row, told
from .servers import Server
from .tally import Tally
from .verdicts import at_rest, is_back, newborn, worker_rows
from .watched import Moment

_VISITORS = 80
_IDLE = 8.0
"""Seconds without a request until it is at rest."""

_SETTLE = 200.0
"""Seconds after the traffic in which everything must be back. The upstream client's pool closes a
connection that was idle for 90 s when it next looks, which it does every 90."""

_WORKERS = 2
"""Workers in a run with a kill."""

_MINUTE = 60.0
_READS, _WITHIN = 100, 5.0
"""Reads that must all succeed, and their seconds from the moment the upstream is calm."""

_ENVIRONMENT = {
    "GATEWAY_UPSTREAM_TIMEOUT": "1",  # seconds: more silent calls end in a run
    "GATEWAY_CACHE_SIZE": "1000",  # rooms: full before the warm-up ends
    "GATEWAY_LOG_LEVEL": "error",  # upstream faults are intended, tracebacks are not
}


class Plan(Struct, frozen=True):
    """The run in seconds; `kill` ends one of two workers half-way."""

    traffic: float
    warm_up: float
    kill: bool
    plant: str


class Soak:
    """One run against a gateway that writes its samples into `folder`."""

    def __init__(self, plan: Plan, upstream: Server, gateway: Server, folder: Path) -> None:
        self._plan = plan
        self._upstream = upstream
        self._gateway = gateway
        self._folder = folder
        self._tally = Tally()
        self._tokens = traffic.tokens()
        self._killed: int | None = None

    def rows(self) -> Iterator[Row]:
        """Run it and return the results."""
        time.sleep(_IDLE)
        before = {pid: at_rest(moments) for pid, moments in self._moments().items()}
        self._weather("storm")
        started = time.monotonic()
        asyncio.run(self._traffic(started + self._plan.traffic))
        ended = time.monotonic()
        served = self._weather("calm")
        recovery = asyncio.run(self._recovery())
        settled = self._settled(before)
        yield from self._answers(served, ended - started, recovery)
        for pid, moments in self._moments().items():
            of = f" of worker {pid}" if self._plan.kill else ""
            busy = [each for each in moments if started <= each.at <= ended]
            after = at_rest(moments)
            if pid in before:
                yield from worker_rows(of, before[pid], busy, after, warm_up=self._plan.warm_up)
            else:
                yield newborn(of, after)
        yield told("back at rest", f"{settled:.0f} s after the traffic")

    async def _traffic(self, until: float) -> None:
        world = World(
            self._gateway.port, self._tally, self._tokens, until, alone=not self._plan.kill
        )
        visits = asyncio.create_task(traffic.run(world, _VISITORS))
        if self._plan.kill:
            await asyncio.sleep(self._plan.traffic / 2)
            self._killed = min(self._moments())
            os.kill(self._killed, signal.SIGKILL)
        await visits

    async def _recovery(self) -> tuple[int, float]:
        """Return how many of the last reads succeeded, and seconds until they all did."""
        started, fine = time.monotonic(), 0
        while fine < _READS and time.monotonic() - started < _WITHIN:
            fine = sum(await asyncio.gather(*(self._is_fine(each) for each in range(_READS))))
        return fine, time.monotonic() - started

    async def _is_fine(self, number: int) -> bool:
        connection = Connection(self._gateway.port)
        user = f"user{number % 50}"
        path = f"/v1/rooms/{traffic.room_id(10_000 + number)}"
        try:
            answer = await connection.ask(request("GET", path, self._tokens[user][0]))
        except NoAnswer:
            return False
        connection.drop()
        return answer.status == 200

    def _settled(self, before: dict[int, Moment]) -> float:
        """Return the seconds until every worker is back at its baseline, or the time limit."""
        started, settled = time.monotonic(), False
        while not settled and time.monotonic() - started < _SETTLE:
            time.sleep(_IDLE)
            after = self._moments()
            settled = all(
                is_back(before[pid], at_rest(after[pid])) for pid in before.keys() & after
            )
        return time.monotonic() - started

    def _answers(
        self, served: dict[str, int], seconds: float, recovery: tuple[int, float]
    ) -> Iterator[Row]:
        tally = self._tally
        total = tally.answers.total()
        rate = f"{total / seconds:,.0f} a second for {seconds / _MINUTE:.1f} minutes"
        yield told("answers", f"{total:,}", f"{rate}; {tally.by_status()}")
        ways = ", ".join(f"{way}: {number:,}" for way, number in sorted(served.items()))
        yield told("upstream calls", f"{sum(served.values()):,}", ways)
        yield _none("answers that must never be given", tally.breaches.total())
        unanswered = "requests left without an answer"
        if self._plan.kill:
            yield told(unanswered, f"{tally.unanswered.total():,}", "a worker was killed")
            alive = len(self._moments())
            yield Row("workers", "–", f"{alive}", f"{_WORKERS}", alive == _WORKERS, "")
        else:
            yield _none(unanswered, tally.unanswered.total())
        fine, after = recovery
        limit = f"{_READS} within {_WITHIN:.0f} s"
        figure, detail = f"{fine} of {_READS}", f"after {after:.1f} s"
        yield Row("reads once the upstream is well", "–", figure, limit, fine == _READS, detail)

    def _moments(self) -> dict[int, list[Moment]]:
        """Return the samples of each living worker, by process id."""
        decoder = msgspec.json.Decoder(Moment)
        written = {int(file.stem): file for file in sorted(self._folder.glob("*.jsonl"))}
        return {
            pid: decoder.decode_lines(file.read_bytes().rpartition(b"\n")[0])
            for pid, file in written.items()
            if pid != self._killed
        }

    def _weather(self, weather: str) -> dict[str, int]:
        url = f"{self._upstream.url}/{weather}"
        with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # loopback
            return msgspec.json.decode(reply.read(), type=dict[str, int])

    def report(self) -> None:
        """Print the data behind the table."""
        for line in [*self._tally.by_request(), *self._tally.last_breaches]:
            print(line, file=sys.stderr)


def _none(row: str, number: int) -> Row:
    return Row(row, "–", f"{number:,}", "0", number == 0, "")


def main() -> None:
    """Print the table; write it into RESULTS.md on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="minutes of traffic (default 10)")
    parser.add_argument("--warm-up", type=float, help="of these (default a fifth, at least 3)")
    parser.add_argument("--kill", action="store_true", help="kill one of two workers half-way")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="", help="plant a fault")
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    warm_up = max(3, given.minutes / 5) if given.warm_up is None else given.warm_up
    plan = Plan(given.minutes * _MINUTE, warm_up * _MINUTE, given.kill, given.plant)
    with tempfile.TemporaryDirectory() as folder:
        rows = _run(plan, Path(folder))
    if given.record:
        results.record("soak", rows)
    sys.exit(0 if all(row.reached for row in rows) else 1)


def _run(plan: Plan, folder: Path) -> list[Row]:
    os.sched_setaffinity(0, {int(servers.LOAD_CORE)})
    bearer = servers.token()
    extra = _ENVIRONMENT | {
        "BENCH_WATCH": str(folder),
        "BENCH_PLANT": plan.plant,
        "GATEWAY_WORKERS": str(_WORKERS) if plan.kill else "1",
        "GATEWAY_REDIS_URL": "none",
    }
    with servers.running(servers.faulty(), bearer, servers.LOAD_CORE) as upstream:
        watched = servers.watched(upstream.url, extra)
        with servers.running(watched, bearer) as gateway:
            soak = Soak(plan, upstream, gateway, folder)
            rows = results.printed(soak.rows())
            soak.report()
    return rows


if __name__ == "__main__":
    main()

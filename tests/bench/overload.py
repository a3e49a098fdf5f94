"""Three times the capacity: `python -m tests.bench.overload --minutes N`.

First the peak: good answers per second with the best number of waiting clients. Then three times
that, for `--minutes` in all:

- Misses with an upstream of 100 concurrent calls of 100 ms each, which saturates. Arrivals keep to
  a schedule (`open_load`).
- Misses with an upstream that costs nothing, so that the gateway's core saturates. The row has no
  bound: a refusal costs the server's part of an answer, so the rest is arithmetic.
- Cached reads, with three times the connections of wrk and waiting clients. Nothing on one core can
  keep a schedule at that rate.

The limits per user are out of the way, since there is one user. Exits with 1 if a bound is broken.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping

from msgspec import structs

from . import results, servers
from .figures import milliseconds, percentile
from .load import allow_descriptors, goodput
from .open_load import Outcome, open_load
from .results import Row, told
from .servers import Server

_TIMES = 3
_KEPT = 0.9
_SOON = 0.05
"""Seconds for a refusal."""

_CROWDS = (32, 64, 128, 200)
"""Numbers of waiting clients to try for the peak."""

_LOOK, _RAMP = 5.0, 5.0
"""Seconds of each trial for the peak, and until the load counts as steady."""

_LANES = 6_000
_SCENES = 3
_MINUTE = 60.0

_CONCURRENCY = {"GATEWAY_MAX_CONCURRENCY": "1000"}


def _rows(seconds: float, bearer: str) -> Iterator[Row]:
    """Run the scenes, each with `seconds` of overload."""
    yield from _missed("the upstream saturated", 0.1, seconds, bearer)
    for row in _missed("the core saturated", 0.0, seconds, bearer):
        yield structs.replace(row, must_reach="–", reached=True)
    yield from _cached(seconds, bearer)


def _missed(what: str, delay: float, seconds: float, bearer: str) -> Iterator[Row]:
    with (
        servers.running(servers.upstream(delay), bearer, servers.LOAD_CORE) as upstream,
        servers.running(_gateway(upstream, servers.NO_CACHE), bearer) as gateway,
    ):
        peak, crowd = _peak(gateway, bearer)
        rate = _TIMES * peak
        yield told(f"peak, {what}", f"{peak:,.0f} req/s", f"{crowd} waiting clients")
        outcome = open_load(gateway, bearer, rate=rate, seconds=seconds, ramp=_RAMP, lanes=_LANES)
        yield from _met(what, peak, rate, outcome)
        again = goodput(gateway, bearer, _LOOK, connections=crowd, distinct=True)
        yield _kept(f"afterwards, {what}", again, peak)


def _met(what: str, peak: float, rate: float, outcome: Outcome) -> Iterator[Row]:
    good = len(outcome.good) / outcome.seconds
    taken = f"; {milliseconds(outcome.good)}"
    yield _kept(f"good answers at {_TIMES} times that, {what}", good, peak, taken)
    soon = percentile(outcome.refused, 99)
    codes = ", ".join(f"{code}: {number:,}" for code, number in outcome.refusals.most_common())
    yield Row(
        f"time to a refusal, {what}, p50 / p99 / max",
        "–",
        milliseconds(outcome.refused),
        f"p99 < {_SOON * 1000:g} ms",
        soon < _SOON,
        codes,
    )
    others = ", ".join(f"{status}: {number:,}" for status, number in outcome.others.most_common())
    yield told(f"other answers, {what}", f"{outcome.others.total():,}", others)
    yield Row(
        f"arrivals that found no free connection, {what}",
        f"{rate:,.0f} a second",
        f"{outcome.starved:,} of {outcome.arrivals:,}",
        "0",
        outcome.starved == 0,
        f"sent late by {milliseconds(outcome.late)}",
    )


def _cached(seconds: float, bearer: str) -> Iterator[Row]:
    with (
        servers.running(servers.upstream(), bearer, servers.LOAD_CORE) as upstream,
        servers.running(_gateway(upstream, {}), bearer) as gateway,
    ):
        crowd = _CROWDS[0]
        peak = goodput(gateway, bearer, seconds / 2, connections=crowd)
        pressed = goodput(gateway, bearer, seconds / 2, connections=_TIMES * crowd)
        yield _kept(f"cached reads with {_TIMES * crowd} clients instead of {crowd}", pressed, peak)


def _gateway(upstream: Server, cache: Mapping[str, str]) -> Server:
    return servers.gateway(upstream.url, extra={**_CONCURRENCY, **cache})


def _peak(gateway: Server, bearer: str) -> tuple[float, int]:
    """Return the highest rate of good answers, and its number of clients."""
    return max(
        (goodput(gateway, bearer, _LOOK, connections=crowd, distinct=True), crowd)
        for crowd in _CROWDS
    )


def _kept(row: str, good: float, peak: float, more: str = "") -> Row:
    kept = good / peak
    detail = f"{good:,.0f} / {peak:,.0f} req/s{more}"
    return Row(row, "peak", f"{kept:.2f}", f"≥ {_KEPT:.2f}", kept >= _KEPT, detail)


def main() -> None:
    """Print the table; write it into RESULTS.md on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of overload in all (default 10)")
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    allow_descriptors(2 * _LANES)
    os.sched_setaffinity(0, {int(servers.LOAD_CORE)})
    rows = results.printed(_rows(given.minutes * _MINUTE / _SCENES, servers.token()))
    if given.record:
        results.record("overload", rows)
    sys.exit(0 if all(row.reached for row in rows) else 1)


if __name__ == "__main__":
    main()

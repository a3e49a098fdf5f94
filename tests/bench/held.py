"""The memory of what a worker holds: `python -m tests.bench.held`.

Rooms, remembered tokens and users of a limit are made in this process and traced, `--each` of each
at once. Connections and event streams are opened at a real gateway whose
resident memory is read, as many as the limit of open files allows.
"""

import argparse
import asyncio
import gc
import os
import resource
import socket
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateway.identity import CachingVerifier, ClaimRules, StaticKeys, TokenVerifier, hmac_key, mint
from gateway.metrics import Metrics
from gateway.stores import LocalRateLimiter

from . import results, servers
from .load import request_for
from .memory import filled
from .results import Row, told

_SECRET = "a secret of at least thirty-two bytes"
_RULES = ClaimRules(issuer=None, audience=None, leeway=10)
_SPARE = 600
"""Descriptors of a process that are not for connections."""

Made = Callable[[int], Coroutine[Any, Any, object]]


async def _rooms(count: int) -> object:
    cache, _ = await filled(count)
    return cache


async def _tokens(count: int) -> object:
    verifier = CachingVerifier(
        TokenVerifier(StaticKeys([hmac_key(_SECRET.encode())]), _RULES),
        leeway=10,
        clock=time.time,
        size=count,
        scopes=frozenset(),
        verifications=Metrics().verifications,
    )
    for number in range(count):
        user = f"user-{number:012}"
        await verifier.verify(mint(_SECRET, user, _RULES, scopes=(), now=time.time(), ttl=3600))
    return verifier


async def _users(count: int) -> object:
    limiter = LocalRateLimiter(1200, 60, time.monotonic, count)
    for number in range(count):
        limiter.spend(limiter.bucket(f"user-{number:012}"))
    return limiter


_HELD: dict[str, tuple[Made, int]] = {
    "a room with its body, 0.7 KB": (_rooms, 4000),
    "a remembered token of 200 bytes": (_tokens, 2000),
    "a user of a limit": (_users, 500),
}
"""What is made here, and the bytes that each may have."""


def rows(each: int, opened: int) -> Iterator[Row]:
    """Measure the rows, one after the other; nothing is let go before the last one."""
    kept: list[object] = []
    tracemalloc.start()
    for name, (maker, most) in _HELD.items():
        before, _ = tracemalloc.get_traced_memory()
        kept.append(asyncio.run(maker(each)))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        yield _bounded(f"{name}, {each:,} of them", (after - before) / each, most)
    whole, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield told(f"all of these, {each:,} of each at once", f"{whole / 1e6:.0f} MB")
    kept.clear()
    yield from _opened(opened)


def _opened(count: int) -> Iterator[Row]:
    """Hold idle connections, then as many streams, at one gateway."""
    bearer = servers.token()
    extra = {"GATEWAY_MAX_STREAMS": "1000000", "GATEWAY_MAX_STREAMS_PER_USER": "1000000"}
    with servers.running(servers.upstream(), bearer, servers.LOAD_CORE) as upstream:
        ours = servers.gateway(upstream.url, extra=extra)
        for name, path, most in (
            ("an idle connection", servers.ROOM, 20_000),
            ("an event stream", f"{servers.ROOM}/events", 25_000),
        ):
            with servers.process(ours, bearer) as pid, ExitStack() as held:
                _open(held, ours.port, request_for(servers.ROOM, bearer), 200)
                before = _resident(pid)
                _open(held, ours.port, request_for(path, bearer), count)
                time.sleep(2)
                taken = (_resident(pid) - before) / count
            yield _bounded(f"{name}, {count:,} at once", taken, most)


def _open(held: ExitStack, port: int, request: bytes, count: int) -> None:
    for _ in range(count):
        connection = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def _resident(pid: int) -> int:
    """Return the bytes of memory of a supervisor's one worker."""
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _bounded(row: str, figure: float, most: int) -> Row:
    return Row(row, "–", f"{figure:,.0f} bytes", f"≤ {most:,}", figure <= most, "")


def main() -> None:
    """Print the table; write it into RESULTS.md on request."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.held", description=__doc__)
    parser.add_argument("--each", type=int, default=100_000, help="of rooms, tokens and users")
    parser.add_argument("--record", action="store_true", help="write the table to RESULTS.md")
    given = parser.parse_args()
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    measured = results.printed(rows(given.each, min(given.each, descriptors - _SPARE)))
    if given.record:
        results.record("held", measured)


if __name__ == "__main__":
    main()

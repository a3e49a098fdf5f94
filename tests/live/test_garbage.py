"""A request leaves nothing behind that only the garbage collector could free.

If each failure left its frames in a cycle, the collector would find thousands of them at a time and
stop all requests for a tenth of a second.
"""

import asyncio
import gc
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.processes import collect_rarely
from tests.live.fault_server import Exchange, enveloped, reply, rooms, serving
from tests.live.gateways import BOB, Gateway, gateway_at
from tests.live.viewers import viewer_at

FORGETFUL = {
    "CACHE_TTL": "0",
    "CACHE_STALE_WHILE_REVALIDATE": "0",
    "CACHE_NEGATIVE_TTL": "0",
    "RATE_LIMIT_FAILED_AUTH": "off",
}
ODD = ("frame", "traceback", "coroutine", "Task", "Future", "Request", "Reply", "UpstreamError")


async def misbehave(exchange: Exchange) -> None:
    """Fail in the way that the room is called."""
    if "reset" in exchange.live_id:
        exchange.reset()
    elif "html" in exchange.live_id:
        await exchange.write(reply(b"<html>", 502))
    elif "down" in exchange.live_id or exchange.target.startswith("/server/user/"):
        await exchange.write(reply(enveloped(code=500, message="create live failed")))
    elif "gone" in exchange.live_id:
        await exchange.write(reply(enveloped(code=500, message="record not found"), 500))
    else:
        if "slow" in exchange.live_id:
            await asyncio.sleep(0.05)
        await rooms(exchange)


@contextmanager
def collected() -> Iterator[Counter[str]]:
    """Give, once the block is left, what it left for the collector, by type."""
    found = Counter[str]()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__name__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def ask(gateway: Gateway, path: str, bearer: str | None = None) -> None:
    """Send a request without a client that leaves garbage of its own."""
    async with viewer_at(gateway.port) as viewer:
        await (viewer.get(path, bearer) if bearer else viewer.get(path))


async def leave(gateway: Gateway, path: str) -> None:
    """Send a request and be gone before its answer."""
    async with viewer_at(gateway.port) as viewer:
        viewer.ask(path)
        await asyncio.sleep(0.02)


async def flood(gateway: Gateway, path: str) -> None:
    """Send a read with too large a body; be refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BOB}\r\n"
    writer.write(f"{head}Content-Length: 70000\r\n\r\n".encode())
    assert b" 413 " in await reader.readline()
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["good", "reset", "html", "down", "gone", "batch", "bad token", "client left", "large body"],
)
async def test_nothing_is_left_in_circles(kind: str) -> None:
    """No request leaves a cycle, in success, in failure and with a stale room instead."""
    async with serving(misbehave) as server, gateway_at(server.url, **FORGETFUL) as gateway:
        numbers = itertools.count()  # a new room each time

        async def some() -> None:
            for number in itertools.islice(numbers, 5):
                if kind == "bad token":
                    await ask(gateway, "/v1/rooms/1", "a.b.c")
                elif kind == "batch":
                    await ask(gateway, f"/v1/rooms?id=reset-{number}&id=gone-{number}&id=good")
                elif kind == "client left":
                    await leave(gateway, f"/v1/rooms/slow-{number}")
                elif kind == "large body":
                    await flood(gateway, f"/v1/rooms/slow-{number}")
                else:
                    await ask(gateway, f"/v1/rooms/{kind}-{number}")
                    await ask(gateway, f"/v1/rooms/fine-{number}")
                await ask(gateway, "/v1/rooms/fine")

        await some()
        with collected() as found:
            await some()
            await asyncio.sleep(0.05)
        assert {name: count for name, count in found.items() if name in ODD} == {}


def test_collections_are_rare_and_short() -> None:
    """The young are few when they are collected, and all objects are hardly ever looked through."""
    young, middle, full = gc.get_threshold()
    frozen = gc.get_freeze_count()
    try:
        collect_rarely()
        assert gc.get_freeze_count() > frozen
        assert 10_000 <= gc.get_threshold()[0] <= 20_000
        assert gc.get_threshold()[1] == 0
        assert gc.get_threshold()[2] >= 1_000
    finally:
        gc.unfreeze()
        gc.set_threshold(young, middle, full)


def fail() -> None:
    """Raise an error."""
    raise ValueError


async def test_circles_would_be_seen() -> None:
    """The check above can fail."""
    with collected() as found:
        try:
            fail()
        except ValueError as error:
            kept = error
        circle = {"error": kept}
        circle["self"] = circle  # type: ignore[assignment]  # on purpose
        del circle, kept
    assert found["traceback"]

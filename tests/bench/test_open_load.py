import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.bench.open_load import open_load
from tests.bench.servers import Server

REFUSAL = b'{"code":"overloaded"}'


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that in turn answers 200, refuses, answers 504 and hangs up."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(started)))
    thread.start()
    port, loop, leave = started.result(timeout=5)
    yield Server("scripted", port, (), {})
    loop.call_soon_threadsafe(leave.set)
    thread.join()


async def _serve(started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    numbers, leave = itertools.count(), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                turn = next(numbers) % 4
                if turn == 3:
                    break
                status, body = ((200, b"{}"), (503, REFUSAL), (504, b""))[turn]
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        started.set_result((port, asyncio.get_running_loop(), leave))
        await leave.wait()


def test_arrivals_keep_to_the_schedule_and_are_told_apart(server: Server) -> None:
    """Each arrival is counted once, by its result."""
    seen = open_load(server, "token", rate=400, seconds=0.5, ramp=0, lanes=100)
    counted = len(seen.good) + len(seen.refused) + seen.others.total() + seen.starved
    assert 190 <= seen.arrivals <= 200
    assert counted == seen.arrivals
    assert seen.refusals == {"overloaded": len(seen.refused)}
    ways = [len(seen.good), len(seen.refused), seen.others[504], seen.others[0]]
    assert max(ways) - min(ways) <= 2


def test_arrivals_without_a_connection_are_counted(server: Server) -> None:
    """Arrivals without any connection left are counted as not offered."""
    seen = open_load(server, "token", rate=400, seconds=0.5, ramp=0, lanes=4)
    assert seen.starved > seen.arrivals / 2

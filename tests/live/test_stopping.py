"""H7: whichever way a gateway is told to stop, what it accepted it answers, and it ends with 0."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress

import httpx
import pytest

from tests.live.fault_server import Exchange, Script, rooms, serving, silence
from tests.served import Served, launched, served, token
from tests.waiting import eventually

LEAD = 1.0
"""Seconds that a gateway with enough grace goes on after SIGTERM."""


def slow(seconds: float) -> Script:
    """Return a script that answers well, after a while."""

    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await rooms(exchange)

    return answer


@asynccontextmanager
async def viewer(gateway: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client of bob's with connections of its own."""
    headers = {"Authorization": f"Bearer {token('bob')}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=gateway.url, headers=headers, limits=limits, timeout=20, trust_env=False
    ) as client:
        yield client


async def until(holds: Callable[[], bool], within: float = 10) -> None:
    """Wait until something holds; what runs here goes on meanwhile."""
    await asyncio.to_thread(eventually, holds, within)


async def ended(gateway: Served, within: float = 10) -> str:
    """Check that it ends with 0 in time; return its output."""
    code, output = await asyncio.to_thread(gateway.ended, within)
    assert code == 0, output
    return output


async def test_it_is_unready_first_and_serves_on() -> None:
    """After SIGTERM new requests on new connections are answered for a while, and told to close."""
    async with serving(rooms) as upstream:
        with served(upstream.url) as gateway:
            async with viewer(gateway) as client:
                assert gateway.readiness() == (200, "ready")
                assert "connection" not in (await client.get("/v1/rooms/1")).headers
                gateway.process.terminate()
                eventually(lambda: gateway.readiness() == (503, "draining"), within=LEAD / 2)
                for _ in range(2):
                    answer = await client.get("/v1/rooms/1")
                    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
                assert "Unexpected" not in await ended(gateway)
                assert gateway.readiness() == (0, "")


@pytest.mark.parametrize("to_group", [False, True])
async def test_all_that_was_accepted_is_answered(*, to_group: bool) -> None:
    """Slow reads and a create, under way or sent during the lead time: none is lost.

    systemd sends SIGTERM to all processes of a service at once.
    """
    async with serving(slow(1.5)) as upstream:
        with served(upstream.url, WORKERS="2") as gateway:
            async with viewer(gateway) as client:
                asked = [client.get(f"/v1/rooms/{number}") for number in range(50)]
                as_alice = {"Authorization": f"Bearer {token('alice')}"}
                asked.append(client.post("/v1/rooms", json={"title": "t"}, headers=as_alice))
                requests = [asyncio.create_task(each) for each in asked]
                await until(lambda: len(upstream.received) == len(requests))
                (gateway.signal_group if to_group else gateway.process.send_signal)(signal.SIGTERM)
                await asyncio.sleep(LEAD / 2)
                late = await client.get("/v1/rooms/late")
                answers = [*await asyncio.gather(*requests), late]
                assert {each.status_code for each in answers} == {200, 201}
                await ended(gateway)


async def test_a_stream_of_requests_is_not_cut() -> None:
    """Clients that ask without a pause get an answer each time, until nobody accepts them."""
    async with serving(rooms) as upstream:
        with served(upstream.url, WORKERS="2") as gateway:
            clients = [asyncio.create_task(_asking(gateway)) for _ in range(10)]
            await asyncio.sleep(0.3)
            gateway.process.terminate()
            answered = await asyncio.gather(*clients)
            assert min(answered) > 20
            await ended(gateway)


async def _asking(gateway: Served) -> int:
    """Ask for a room on one connection after the other; return how often that was answered.

    A connection may be reset that the system had established and the gateway not accepted yet.
    """
    request = f"GET /v1/rooms/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('bob')}\r\n\r\n"
    answered = 0
    with suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            with closing(writer):
                head = b""
                while b"connection: close" not in head:
                    writer.write(request.encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 200 ")
                    await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0]))
                    answered += 1
    return answered


async def test_a_hung_request_is_cut_when_the_grace_is_over() -> None:
    """The gateway ends then, with 0 all the same. The lead time is a part of the grace."""
    async with serving(silence) as upstream:
        with served(upstream.url, SHUTDOWN_GRACE="1", UPSTREAM_TIMEOUT="60") as gateway:
            async with viewer(gateway) as client:
                hung = asyncio.create_task(client.get("/v1/rooms/1"))
                await until(lambda: bool(upstream.received))
                begun = time.monotonic()
                gateway.process.terminate()
                await until(lambda: gateway.readiness() == (0, ""), within=LEAD / 2)
                with pytest.raises(httpx.TransportError):
                    await hung
                assert 0.9 < time.monotonic() - begun < 2.5
                await ended(gateway)


async def test_ctrl_c_has_no_lead_time() -> None:
    """It ends soon with connections open, however often the keys are pressed; answers come."""
    async with serving(slow(1.0)) as upstream:
        with served(upstream.url) as gateway, gateway.connect():
            async with viewer(gateway) as client:
                request = asyncio.create_task(client.get("/v1/rooms/1"))
                await until(lambda: bool(upstream.received))
                for _ in range(3):
                    gateway.signal_group(signal.SIGINT)
                    await asyncio.sleep(0.1)
                assert gateway.readiness() == (0, "")
                assert (await request).status_code == 200
                await ended(gateway)


async def test_a_second_signal_ends_the_lead_time() -> None:
    """Who cannot wait sends it twice."""
    with served(SHUTDOWN_GRACE="60") as gateway:
        gateway.process.terminate()
        eventually(lambda: gateway.readiness() == (503, "draining"), within=LEAD / 2)
        gateway.process.terminate()
        eventually(lambda: gateway.listeners() == 0, within=LEAD / 4)
        await ended(gateway)


async def test_it_can_be_stopped_while_it_starts() -> None:
    """Workers that do not listen yet end at once."""
    with launched(WORKERS="4") as gateway:
        eventually(lambda: len(gateway.workers()) == 4)
        begun = time.monotonic()
        gateway.process.terminate()
        await ended(gateway)
        assert time.monotonic() - begun < 5


async def test_workers_do_not_outlive_their_supervisor() -> None:
    """Where it is killed, they stop, in time and one after the other, and the port is free."""
    async with serving(slow(1.0)) as upstream:
        with served(upstream.url, WORKERS="2", SHUTDOWN_GRACE="2") as gateway:
            async with viewer(gateway) as client:
                request = asyncio.create_task(client.get("/v1/rooms/1"))
                await until(lambda: bool(upstream.received))
                gateway.process.kill()
                assert (await request).status_code == 200
            await until(lambda: gateway.readiness() == (0, ""), within=5)

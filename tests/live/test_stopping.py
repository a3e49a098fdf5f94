"""A gateway that is told to stop answers every accepted request, and ends with 0."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import httpx
import pytest

from tests import clients
from tests.commands import SHUTDOWN_DELAY as OPEN
from tests.live.fault_server import Held, rooms, serving, silence
from tests.served import Served, launched, served, token
from tests.waiting import eventually, until

PATIENT = {"SHUTDOWN_GRACE": "60", "UPSTREAM_TIMEOUT": "60"}
"""Settings of a gateway that ends no request on a busy machine."""


@asynccontextmanager
async def viewer(gateway: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client of bob's with connections of its own."""
    async with clients.async_client(gateway.url, signed_in("bob")) as client:
        yield client


def signed_in(user_id: str) -> dict[str, str]:
    """Return the headers of a user's request."""
    return {"Authorization": f"Bearer {token(user_id)}"}


async def until_unready(gateway: Served, status: int, word: str = "") -> None:
    """Wait until /readyz answers so, or not at all; what runs here goes on meanwhile."""
    await asyncio.to_thread(eventually, lambda: gateway.readiness() == (status, word))


async def ended(gateway: Served) -> str:
    """Check that it ends with 0; return its output."""
    code, output = await asyncio.to_thread(gateway.ended)
    assert code == 0, output
    return output


@pytest.mark.slow
async def test_it_is_unready_first_and_serves_on() -> None:
    """After SIGTERM a gateway is unready, answers for a while, and closes each connection."""
    async with serving(rooms) as upstream:
        with served(upstream.url) as gateway:
            async with viewer(gateway) as client:
                assert gateway.readiness() == (200, "ready")
                assert "connection" not in (await client.get("/v1/rooms/1")).headers
                gateway.process.terminate()
                await until_unready(gateway, 503, "draining")
                answer = await client.get("/v1/rooms/1")
                assert (answer.status_code, answer.headers["connection"]) == (200, "close")
                assert "Unexpected" not in await ended(gateway)
                assert gateway.readiness() == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("to_group", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_all_that_was_accepted_is_answered(*, to_group: bool) -> None:
    """No read or create that was sent before the end of the lead time is lost.

    systemd sends SIGTERM to all processes of a service at once.
    """
    held = Held()
    async with serving(held) as upstream:
        with served(upstream.url, descriptors=None, **PATIENT, WORKERS="2") as gateway:
            async with viewer(gateway) as client:
                asked = [
                    client.get(f"/v1/rooms/{number}", headers=signed_in(f"user-{number}"))
                    for number in range(50)
                ]
                asked.append(
                    client.post("/v1/rooms", json={"title": "t"}, headers=signed_in("alice"))
                )
                requests = [asyncio.create_task(each) for each in asked]
                await held.arrived(len(requests))
                (gateway.signal_group if to_group else gateway.process.send_signal)(signal.SIGTERM)
                await until_unready(gateway, 503, "draining")
                requests.append(asyncio.create_task(client.get("/v1/rooms/late")))
                await held.arrived(1)
                await until_unready(gateway, 0)
                held.let_go.set()
                answers = await asyncio.gather(*requests)
                assert {each.status_code for each in answers} == {200, 201}
                await ended(gateway)


@pytest.mark.slow  # for the lead time
async def test_a_stream_of_requests_is_not_cut() -> None:
    """Clients that ask without a pause are answered each time, until connections are refused."""
    async with serving(rooms) as upstream:
        with served(upstream.url, WORKERS="2") as gateway:
            clients = [asyncio.create_task(_asking(gateway)) for _ in range(10)]
            await until(lambda: len(upstream.received) > 0)
            gateway.process.terminate()
            answered = await asyncio.gather(*clients)
            assert min(answered) > 0
            await ended(gateway)


async def _asking(gateway: Served) -> int:
    """Ask for a room on one connection after the other; return the number of answers.

    The system may have established a connection that the gateway did not accept: it is reset.
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


@pytest.mark.slow
async def test_a_hung_request_is_cut_when_the_grace_is_over() -> None:
    """A request that hangs is cut at the end of the grace, and the gateway ends with 0."""
    async with serving(silence) as upstream:
        with served(upstream.url, SHUTDOWN_GRACE="1", UPSTREAM_TIMEOUT="60") as gateway:
            async with viewer(gateway) as client:
                hung = asyncio.create_task(client.get("/v1/rooms/1"))
                await until(lambda: bool(upstream.received))
                begun = time.monotonic()
                gateway.process.terminate()
                with pytest.raises(httpx.TransportError):
                    await hung
                assert time.monotonic() - begun > 0.9
                await ended(gateway)


async def test_ctrl_c_has_no_lead_time() -> None:
    """Ctrl-C, pressed three times, refuses connections at once and answers open requests."""
    held = Held()
    async with serving(held) as upstream:
        with served(upstream.url, descriptors=None, **PATIENT) as gateway, gateway.connect():
            async with viewer(gateway) as client:
                request = asyncio.create_task(client.get("/v1/rooms/1"))
                await held.arrived(1)
                for _ in range(3):
                    gateway.signal_group(signal.SIGINT)
                    await asyncio.sleep(0.1)
                await until_unready(gateway, 0)
                held.let_go.set()
                assert (await request).status_code == 200
                await ended(gateway)


async def test_a_second_signal_ends_the_lead_time() -> None:
    """A second SIGTERM refuses connections before the lead time is over."""
    for _ in range(5):  # the first will do, unless the machine is very busy
        with served(descriptors=None, **PATIENT) as gateway:
            begun = time.monotonic()
            gateway.process.terminate()
            await until_unready(gateway, 503, "draining")
            gateway.process.terminate()
            eventually(lambda: gateway.listeners() == 0)  # called at once
            took = time.monotonic() - begun
            await ended(gateway)
        if took < OPEN:
            return
    pytest.fail("it refuses connections no sooner")


async def test_it_can_be_stopped_while_it_starts() -> None:
    """A gateway that gets SIGTERM as its workers start ends with 0, long before the grace."""
    with launched(WORKERS="4", SHUTDOWN_GRACE="60") as gateway:
        eventually(lambda: len(gateway.workers()) == 4)
        gateway.process.terminate()
        assert "grace" not in await ended(gateway)


async def test_a_signal_as_a_worker_begins_to_serve_is_not_lost() -> None:
    """A gateway that gets SIGINT as soon as it listens ends with 0, long before the grace."""
    with launched(WORKERS="2", SHUTDOWN_GRACE="60") as gateway:
        while not gateway.listeners():
            pass
        assert "grace" not in gateway.stop()


@pytest.mark.slow
async def test_a_worker_does_not_outlive_its_supervisor() -> None:
    """A worker whose supervisor is killed answers open requests and stops."""
    held = Held()
    async with serving(held) as upstream:
        with served(upstream.url, descriptors=None, **PATIENT) as gateway:
            async with viewer(gateway) as client:
                request = asyncio.create_task(client.get("/v1/rooms/1"))
                await held.arrived(1)
                gateway.process.kill()
                await until_unready(gateway, 0)
                held.let_go.set()
                assert (await request).status_code == 200


@pytest.mark.slow  # for two lead times
def test_workers_do_not_outlive_their_supervisor() -> None:
    """Two workers whose supervisor is killed stop, one after the other."""
    with served(WORKERS="2", SHUTDOWN_GRACE="2") as gateway:
        gateway.process.kill()
        eventually(lambda: gateway.listeners() == 0)

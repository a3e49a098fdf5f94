"""Workers that die are replaced, and one that is out of descriptors recovers."""

import asyncio
import os
import resource
import signal
import time
from functools import partial
from pathlib import Path

import httpx
import jwt
import pytest

from tests import clients
from tests.commands import SECRET
from tests.live.fault_server import rooms, serving
from tests.served import Served, served, token
from tests.waiting import eventually


def descriptors(worker: int) -> int:
    """Return how many descriptors a worker has open."""
    return len(list(Path(f"/proc/{worker}/fd").iterdir()))


def processor_time(worker: int) -> float:
    """Return how many seconds of processor time a worker has used."""
    user, system = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def read(gateway: Served, live_id: str) -> httpx.Response:
    """Read a room as bob, on a new connection."""
    headers = {"Authorization": f"Bearer {token('bob')}"}
    async with clients.async_client(headers=headers) as client:
        return await client.get(f"{gateway.url}/v1/rooms/{live_id}")


def has_new_workers(gateway: Served, before: list[int], count: int) -> bool:
    """Return True if so many workers are new."""
    return len(set(gateway.workers()) - set(before)) == count


@pytest.mark.slow
def test_killed_workers_are_replaced() -> None:
    """Killed workers are replaced: one, at once the next, then both."""
    with served(WORKERS="2") as gateway:
        for count in (1, 1, 2):
            before = gateway.workers()
            for worker in before[:count]:
                os.kill(worker, signal.SIGKILL)
            eventually(partial(has_new_workers, gateway, before, count))
            eventually(lambda: gateway.listeners() == 2)
            assert gateway.readiness() == (200, "ready")
        gateway.stop()


@pytest.mark.slow
def test_a_worker_told_to_stop_is_replaced() -> None:
    """A worker that gets SIGTERM alone is replaced."""
    with served(SHUTDOWN_GRACE="1") as gateway:
        assert gateway.readiness() == (200, "ready")
        before = gateway.workers()
        os.kill(before[0], signal.SIGTERM)
        eventually(lambda: gateway.workers() not in ([], before))
        eventually(lambda: gateway.readiness() == (200, "ready"))


@pytest.mark.slow
def test_a_worker_is_replaced_while_a_key_file_is_bad(tmp_path: Path) -> None:
    """A worker that starts while a key file is bad has the keys from the gateway's start."""
    file = tmp_path / "jwt"
    file.write_text(SECRET)
    with served(JWT_SECRET="", JWT_SECRET_FILE=str(file), WORKERS="2") as gateway:
        before = gateway.workers()
        file.write_text("two\nlines")
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: gateway.workers() not in ([before[1]], before))
        eventually(lambda: gateway.listeners() == 2)
        for _ in range(10):
            assert signed_in(gateway, SECRET) in {502, 503}  # the upstream is nowhere
        file.write_text("another-secret-of-more-than-32-bytes")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: signed_in(gateway, SECRET) == 401)
        output = gateway.stop()
    assert '"event":"key_reload_failed"' in output


def signed_in(gateway: Served, secret: str) -> int:
    """Return the status of a read with a token made with `secret`."""
    token = jwt.encode({"sub": "bob", "exp": time.time() + 600}, secret, algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{gateway.url}/v1/rooms/1"
    return clients.get(url, headers).status_code


async def test_out_of_descriptors_it_recovers() -> None:
    """A worker out of descriptors serves its clients, and new ones once others leave."""
    with served() as gateway:
        (worker,) = gateway.workers()
        most = descriptors(worker) + 20
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (most, most))
        clients = [gateway.connect() for _ in range(60)]
        eventually(lambda: descriptors(worker) == most)
        clients[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 200 OK")
        for client in clients:
            client.close()
        assert gateway.readiness() == (200, "ready")
        assert gateway.workers() == [worker]
        eventually(lambda: descriptors(worker) < most - 10)


@pytest.mark.slow
async def test_clients_cannot_take_the_last_descriptor() -> None:
    """Clients beyond a bound wait at no cost, and leave descriptors for the upstream."""
    async with serving(rooms) as upstream:
        with served(upstream.url, descriptors=200) as gateway:
            (worker,) = gateway.workers()
            clients = [gateway.connect() for _ in range(99)]
            assert (await read(gateway, "1")).status_code == 200
            clients += [gateway.connect() for _ in range(60)]
            eventually(lambda: descriptors(worker) > 100)
            used = processor_time(worker)
            waiting = asyncio.create_task(read(gateway, "2"))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            assert processor_time(worker) - used < 0.25
            for client in clients:
                client.close()
            assert (await waiting).status_code == 200

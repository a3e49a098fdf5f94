"""H8, H9: workers that die are replaced, and one that is out of descriptors recovers."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx
import jwt
import pytest

from tests.commands import SECRET, environment, free_port
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
    async with httpx.AsyncClient(headers=headers, timeout=20, trust_env=False) as client:
        return await client.get(f"{gateway.url}/v1/rooms/{live_id}")


def has_new_workers(gateway: Served, before: list[int], count: int) -> bool:
    """Whether so many workers are not those of before."""
    return len(set(gateway.workers()) - set(before)) == count


def test_killed_workers_are_replaced() -> None:
    """One, again at once, then both: each time there are two that serve.

    That the last replacement was a moment ago says nothing about the next worker.
    """
    with served(WORKERS="2") as gateway:
        for count in (1, 1, 2):
            before = gateway.workers()
            for worker in before[:count]:
                os.kill(worker, signal.SIGKILL)
            eventually(partial(has_new_workers, gateway, before, count))
            eventually(lambda: gateway.listeners() == 2)
            assert gateway.readiness() == (200, "ready")
        gateway.process.terminate()
        code, _ = gateway.ended(within=5)
        assert code == 0


def test_a_worker_told_to_stop_is_replaced() -> None:
    """SIGTERM to a worker alone is not the end of the gateway."""
    with served(SHUTDOWN_GRACE="1") as gateway:
        before = gateway.workers()
        os.kill(before[0], signal.SIGTERM)
        eventually(lambda: gateway.workers() not in ([], before))
        eventually(lambda: gateway.readiness() == (200, "ready"))


CANNOT_START = """
import sys
from gateway import serving

def load(number):
    raise SystemExit("no worker can be made of this")

serving.serve(load, "127.0.0.1", int(sys.argv[1]), workers=1, grace=1)
"""


def test_workers_that_cannot_start_are_given_up() -> None:
    """The third that ends as it starts is the last; it ends with 1, and what they said is there."""
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", CANNOT_START, str(free_port())],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "Workers end as they start: giving up" in done.stdout
    assert done.stderr.count("no worker can be made of this") == 3


@pytest.mark.parametrize("spoilt", ["", "two\nlines", "x" * 31])
def test_a_worker_is_replaced_while_a_key_file_is_bad(tmp_path: Path, spoilt: str) -> None:
    """It goes on with the keys from the start, and takes the good ones when they are there."""
    file = tmp_path / "jwt"
    file.write_text(SECRET)
    with served(JWT_SECRET="", JWT_SECRET_FILE=str(file), WORKERS="2") as gateway:
        before = gateway.workers()
        file.write_text(spoilt)
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: gateway.workers() not in ([before[1]], before))
        eventually(lambda: gateway.listeners() == 2)
        for _ in range(10):
            assert signed_in(gateway, SECRET) in {502, 503}  # the upstream is nowhere
        file.write_text("another-secret-of-more-than-32-bytes")
        eventually(lambda: signed_in(gateway, SECRET) == 401)
        gateway.process.terminate()
        code, output = gateway.ended(within=10)
    assert code == 0
    assert '"event":"key_reload_failed"' in output


def signed_in(gateway: Served, secret: str) -> int:
    """Return the status of a read with a token made with `secret`."""
    token = jwt.encode({"sub": "bob", "exp": time.time() + 600}, secret, algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{gateway.url}/v1/rooms/1", headers=headers, trust_env=False).status_code


async def test_out_of_descriptors_it_recovers() -> None:
    """H9: clients that are in go on being served; as soon as others leave, new ones are."""
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
        begun = time.monotonic()
        assert gateway.readiness() == (200, "ready")
        assert time.monotonic() - begun < 2
        assert gateway.workers() == [worker]
        eventually(lambda: descriptors(worker) < most - 10)


async def test_clients_cannot_take_the_last_descriptor() -> None:
    """Beyond a bound they wait to be accepted, at no cost; the upstream can still be reached."""
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

"""Single flight at full size: 10,000 readers of one room at once, each on a connection of its own.

The gateway runs in a process of its own, so that either side needs 10,000 descriptors and not
both; the limit is raised here and inherited. No pipelining: the server answers a connection's
requests one after another, so pipelined readers would not wait at the same time.
"""

import asyncio
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.identity import ClaimRules, mint
from tests.bench.load import read_once, request_for
from tests.bench.peers.bare import ROOM
from tests.bench.servers import free_port

READERS = 10_000
SPARE = 500
SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
def _descriptors() -> Iterator[None]:
    """Room for the readers' sockets, here and in the gateway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = READERS + SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), max(hard, needed)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("_descriptors")
def test_ten_thousand_readers_of_a_cold_room() -> None:
    """They all wait for the one upstream read, and all are answered."""
    statuses, calls = asyncio.run(herd())
    assert statuses == {b"200": READERS}
    assert calls == 1


async def herd() -> tuple[Counter[bytes], int]:
    """Return how the readers were answered, and how often the upstream was asked."""
    everyone_waits = asyncio.Event()
    calls = 0

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await reader.readuntil(b"\r\n\r\n")
        calls += 1
        await everyone_waits.wait()
        body = (ROOM % "1").encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(upstream, "127.0.0.1", 0)
    upstream_port = server.sockets[0].getsockname()[1]
    async with server, gateway(upstream_port) as port:
        rules = ClaimRules(issuer=None, audience=None, leeway=10)
        token = mint(SECRET, "bob", rules, scopes=(), now=time.time(), ttl=600)
        request = request_for("/v1/rooms/1", token)
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(READERS)]
        readers = [asyncio.create_task(read_once(*each, request)) for each in connections]
        await asyncio.sleep(1)  # a reader that comes later finds the room cached
        everyone_waits.set()
        statuses = Counter(await asyncio.gather(*readers))
        for _, writer in connections:
            writer.close()
    return statuses, calls


@asynccontextmanager
async def gateway(upstream_port: int) -> AsyncGenerator[int]:
    """Run `gateway serve` until the block is left."""
    port = free_port()
    environ = {
        "GATEWAY_ACCESS_KEY": "ak",
        "GATEWAY_SECRET_KEY": "sk",
        "GATEWAY_JWT_SECRET": SECRET,
        "GATEWAY_UPSTREAM_URL": f"http://127.0.0.1:{upstream_port}",
        "GATEWAY_UPSTREAM_TIMEOUT": "30",
        "GATEWAY_CACHE_TTL": "60",
        "GATEWAY_PORT": str(port),
        "GATEWAY_ACCESS_LOG": "off",
        "GATEWAY_MAX_CONCURRENCY": "200000",
        "GATEWAY_RATE_LIMIT_READS": "off",
    }
    command = [sys.executable, "-m", "gateway", "serve"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environ})
    try:
        await listening(port)
        yield port
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 60)


async def listening(port: int) -> None:
    """Wait until something listens there."""
    for _ in range(1200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    pytest.fail(f"nothing listens on port {port}")

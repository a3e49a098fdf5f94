"""Gateways behind a balancer: idle connections, and restarts that it hears of late."""

import asyncio
import signal
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests import clients
from tests.live.fault_server import rooms, serving
from tests.live.nginx import Nginx, needs_nginx, nginx
from tests.served import Served, served, token
from tests.waiting import until

pytestmark = pytest.mark.slow  # for idle times, and delays of balancers

READ = (
    f"GET /v1/rooms/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('bob')}\r\n\r\n"
).encode()

DELAY = 2.0
"""Seconds that a gateway waits for the balancer, which is told after half of them."""


@pytest.mark.parametrize(("kept_for", "kept"), [("4", True), ("1", False)])
async def test_an_idle_connection_is_kept_for_its_time(kept_for: str, *, kept: bool) -> None:
    """A client that pauses for less than the time-out finds its connection, else it is closed."""
    async with serving(rooms) as upstream:
        with served(upstream.url, KEEPALIVE_TIMEOUT=kept_for) as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(READ)
            assert b"200 OK" in await reader.read(65536)
            await asyncio.sleep(2)
            writer.write(READ)
            with suppress(ConnectionError):
                assert (b"200 OK" in await reader.read(65536)) is kept
            writer.close()
            gateway.stop()


class Balanced:
    """Two gateways behind nginx, whose clients read and create without a pause."""

    def __init__(self, upstream_url: str, stack: ExitStack, folder: Path) -> None:
        self._upstream_url = upstream_url
        self._stack = stack
        self.gateways = [self.start() for _ in range(2)]
        self.outcomes = Counter[tuple[str, int | str]]()
        self.proxy: Nginx = stack.enter_context(nginx(folder, *self._directives()))

    def start(self) -> Served:
        """Start another gateway."""
        gateway = served(self._upstream_url, SHUTDOWN_DELAY=str(DELAY), SHUTDOWN_GRACE="30")
        return self._stack.enter_context(gateway)

    def tell(self) -> None:
        """Tell the balancer which gateways there are."""
        self.proxy.configure(*self._directives())
        self.proxy.reload()

    async def load(self) -> None:
        """Read and create as alice, until cancelled."""
        headers = {"Authorization": f"Bearer {token('alice')}"}
        async with clients.async_client(self.proxy.url, headers) as client:
            while True:
                await self._note("read", client.get("/v1/rooms/1"))
                await self._note("create", client.post("/v1/rooms", json={"title": "t"}))
                await asyncio.sleep(0.02)

    async def _note(self, name: str, request: object) -> None:
        try:
            answer = await request  # type: ignore[misc]  # a coroutine
            self.outcomes[name, answer.status_code] += 1
        except httpx.HTTPError as error:
            self.outcomes[name, type(error).__name__] += 1

    def _directives(self) -> tuple[str, str]:
        servers = " ".join(f"server 127.0.0.1:{each.port};" for each in self.gateways)
        inside = (
            "location / { proxy_pass http://gateways; proxy_http_version 1.1; "
            'proxy_set_header Connection ""; proxy_next_upstream off; }'
        )
        return inside, f"upstream gateways {{ {servers} keepalive 32; }}"


@needs_nginx
async def test_a_rolling_restart_loses_nothing(tmp_path: Path) -> None:
    """No request fails while each gateway is replaced, although the balancer hears of it late."""
    async with serving(rooms) as upstream:
        with ExitStack() as stack:
            here = await asyncio.to_thread(Balanced, upstream.url, stack, tmp_path)
            loads = [asyncio.create_task(here.load()) for _ in range(6)]
            await until(lambda: here.outcomes.total() > 50)
            for place in range(2):
                old, new = here.gateways[place], await asyncio.to_thread(here.start)
                old.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(DELAY / 2)
                here.gateways[place] = new
                here.tell()
                code, _ = await asyncio.to_thread(old.ended)
                assert code == 0
                before = here.outcomes.total()
                await until(lambda: here.outcomes.total() > before + 50)  # noqa: B023  # called at once
            for each in loads:
                each.cancel()
            await asyncio.gather(*loads, return_exceptions=True)
    assert set(here.outcomes) == {("read", 200), ("create", 201)}, here.outcomes

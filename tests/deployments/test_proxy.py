"""The compose file's nginx with real gateways behind it."""

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clients
from tests.commands import until_printed
from tests.deployments.proxy import Proxy, upstreams
from tests.live.fault_server import rooms, serving
from tests.live.nginx import needs_nginx
from tests.served import launched, served, token
from tests.waiting import eventually, until

pytestmark = needs_nginx

DELAY = "3"
"""Seconds before a gateway ends: more than the two for which nginx may still avoid the other."""


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    """`nginx -t` accepts the configuration, without a warning."""
    proxy = Proxy(tmp_path, dict.fromkeys(upstreams(), "127.0.0.1:9"))
    done = subprocess.run(  # noqa: S603  # ours
        proxy.command("-t"), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[" not in done.stderr  # [warn], [emerg]


class Behind:
    """The gateways of the compose file with nginx in front, and users who read a room."""

    def __init__(self, upstream_url: str, folder: Path, stack: ExitStack) -> None:
        self._upstream_url = upstream_url
        self._stack = stack
        names = sorted(upstreams())
        self.gateways = [
            stack.enter_context(served(upstream_url, ACCESS_LOG="on", SHUTDOWN_DELAY=DELAY))
            for _ in names
        ]
        addresses = [f"127.0.0.1:{each.port}" for each in self.gateways]
        self._proxy = Proxy(folder, dict(zip(names, addresses, strict=True)))
        stack.enter_context(self._proxy.running())
        self.outcomes = Counter[int]()

    def replace(self, place: int) -> None:
        """End a gateway, and start another at its address as Compose does."""
        old = self.gateways[place]
        old.process.send_signal(signal.SIGTERM)
        assert old.ended()[0] == 0
        new = self._stack.enter_context(launched(self._upstream_url, PORT=str(old.port)))
        self.gateways[place] = replace(new, port=old.port)
        eventually(lambda: clients.is_ready(old.port))

    async def read(self) -> None:
        """Read a room until cancelled."""
        headers = {"Authorization": f"Bearer {token('bob')}"}
        async with self._proxy.client(headers) as client:
            while True:
                self.outcomes[(await client.get("/v1/rooms/1")).status_code] += 1

    async def more(self) -> None:
        """Wait for another 50 outcomes."""
        so_far = self.outcomes.total()
        await until(lambda: self.outcomes.total() >= so_far + 50)


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    """Gateways with three users who read all the time; no read may fail."""
    async with serving(rooms) as upstream:
        with ExitStack() as stack:
            here = await asyncio.to_thread(Behind, upstream.url, tmp_path, stack)
            readers = [asyncio.create_task(here.read()) for _ in range(3)]
            await here.more()
            yield here
            for each in readers:
                each.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            assert set(here.outcomes) == {200}, here.outcomes


@pytest.mark.parametrize("killed", [0, 1])
async def test_a_crash(behind: Behind, killed: int) -> None:
    """Each gateway gets reads, and none fails when one of the two is killed."""
    gateway = behind.gateways[killed]
    await asyncio.to_thread(until_printed, gateway.process, '"route":"/v1/rooms/{live_id}"')
    gateway.signal_group(signal.SIGKILL)
    await behind.more()


@pytest.mark.slow
async def test_a_rollout(behind: Behind) -> None:
    """No read fails while one gateway after the other is replaced, of which nginx is not told."""
    for place in range(len(behind.gateways)):
        await asyncio.to_thread(behind.replace, place)
        await behind.more()

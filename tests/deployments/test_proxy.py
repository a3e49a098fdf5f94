"""The compose file's nginx with real gateways behind it."""

import asyncio
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.deployments.proxy import Proxy, upstreams
from tests.live.fault_server import rooms, serving
from tests.live.nginx import needs_nginx
from tests.served import Served, served, token

pytestmark = needs_nginx


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    """`nginx -t` accepts the configuration, without a warning."""
    proxy = Proxy(tmp_path, dict.fromkeys(upstreams(), "127.0.0.1:9"))
    done = subprocess.run(  # noqa: S603  # ours
        proxy.command("-t"), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "[" not in done.stderr  # [warn], [emerg]


def _reads(client: httpx.Client, number: int) -> Counter[int]:
    return Counter(client.get("/v1/rooms/1").status_code for _ in range(number))


def _counted(gateway: Served) -> int:
    """Return how many requests of rooms it has logged by its end."""
    return gateway.stop().count('"route":"/v1/rooms/{live_id}"')


@pytest.mark.parametrize("first", [0, 1])
async def test_it_balances_and_survives_a_crash(tmp_path: Path, first: int) -> None:
    """Both gateways get requests, and no read fails when either is killed."""
    async with serving(rooms) as upstream:
        with ExitStack() as stack:
            both = [
                stack.enter_context(served(upstream.url, ACCESS_LOG="on", LOG_FORMAT="json"))
                for _ in upstreams()
            ]
            servers = dict(
                zip(sorted(upstreams()), [f"127.0.0.1:{each.port}" for each in both], strict=True)
            )
            proxy = Proxy(tmp_path, servers)
            stack.enter_context(proxy.running())
            client = stack.enter_context(proxy.client({"Authorization": f"Bearer {token('bob')}"}))
            assert await asyncio.to_thread(_reads, client, 20) == {200: 20}
            both[first].signal_group(signal.SIGKILL)
            assert await asyncio.to_thread(_reads, client, 20) == {200: 20}
            assert await asyncio.to_thread(_counted, both[1 - first]) in range(25, 36)

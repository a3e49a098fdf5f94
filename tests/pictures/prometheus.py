"""A Prometheus that scrapes a gateway each second, and evaluates a dashboard's expressions."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from math import isfinite
from pathlib import Path

import httpx
from msgspec import Struct

from tests import clients
from tests.commands import free_port
from tests.waiting import until

_VARIABLES = (("$__rate_interval", "5s"), ("$job", ".*"), ("$instance", ".*"))
"""What Grafana would put into an expression, at a scrape each second."""


class Window(Struct, frozen=True):
    """The time from `begin` to `end`, epoch seconds, as `prometheus` saw it."""

    prometheus: httpx.AsyncClient
    begin: float
    end: float

    async def values(self, expression: str) -> list[tuple[Mapping[str, str], dict[float, float]]]:
        """Return labels and values by second of each series; not those that are no numbers."""
        for name, value in _VARIABLES:
            expression = expression.replace(name, value)
        asked = {"query": expression, "start": str(self.begin), "end": str(self.end), "step": "1"}
        told = await self.prometheus.get("/api/v1/query_range", params=asked)
        assert told.is_success, told.text
        return [
            (each["metric"], {at: float(v) for at, v in each["values"] if isfinite(float(v))})
            for each in told.json()["data"]["result"]
        ]


@asynccontextmanager
async def prometheus(folder: Path, metrics_port: int) -> AsyncGenerator[httpx.AsyncClient]:
    """Run it, with its data in `folder`, until the end of the block."""
    found = shutil.which("prometheus")
    assert found, "needs Prometheus: apt-get install prometheus"
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        found,
        f"--config.file={_configured(folder, metrics_port)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        async with clients.async_client(f"http://127.0.0.1:{port}") as client:
            await until(lambda: _ready(client))
            yield client
    finally:
        process.terminate()
        await process.wait()


def _configured(folder: Path, metrics_port: int) -> Path:
    target = {"targets": [f"127.0.0.1:{metrics_port}"]}
    content = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "gateway", "static_configs": [target]}],
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).is_success
    except httpx.TransportError:
        return False

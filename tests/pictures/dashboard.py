"""The dashboard's first panels, of a gateway whose upstream refuses all calls for a while."""

import asyncio
import json
import tempfile
import time
from base64 import b64encode
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.sandbox import Sandbox, running
from tests import clients
from tests.commands import behind, end, free_port, started
from tests.live.devtools import page
from tests.pictures.panels import drawn
from tests.pictures.prometheus import Window, prometheus
from tests.pictures.traffic import traffic
from tests.waiting import until

_ROWS = ("Overview", "Cache", "Upstream")
_BEFORE, _OUTAGE, _AFTER = 40, 15, 40
"""Seconds of traffic before, while and after the upstream refuses every call."""

_WARM_UP = 6
"""Seconds until there are rates."""


async def dashboard() -> bytes:
    """Return the picture, a PNG."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with running() as sandbox:
            text, (width, height) = await _watched(sandbox, Path(folder))
        url = f"data:text/html;base64,{b64encode(text.encode()).decode()}"
        async with page(Path(folder) / "profile") as browser:
            await browser.show(width, height)
            await browser.open(url)
            await browser.until("document.querySelector('svg') !== null")
            return await browser.picture()


async def _watched(sandbox: Sandbox, folder: Path) -> tuple[str, tuple[int, int]]:
    """Return the panels of a gateway before the sandbox's vendor as a page, and its size."""
    port, metrics_port = free_port(), free_port()
    environ = {
        **behind(sandbox),
        "GATEWAY_PORT": f"{port}",
        "GATEWAY_METRICS_PORT": f"{metrics_port}",
        "GATEWAY_WORKERS": "2",
        "GATEWAY_LOG_LEVEL": "error",
    }
    with started("serve", **environ) as gateway:
        await until(lambda: clients.is_ready(port))
        async with prometheus(folder, metrics_port) as client:
            begin = time.time() + _WARM_UP
            async with traffic(f"http://127.0.0.1:{port}", sandbox):
                await _story(sandbox)
            shown = await drawn(panels(), Window(client, begin, time.time()))
        end(gateway)
    return shown


async def _story(sandbox: Sandbox) -> None:
    await asyncio.sleep(_BEFORE)
    sandbox.vendor.faults.refuse = 503
    await asyncio.sleep(_OUTAGE)
    sandbox.vendor.faults.refuse = 0
    await asyncio.sleep(_AFTER)


def panels() -> list[Any]:
    """Return the panels of the first rows, and the rows' titles."""
    text = files("gateway").joinpath("telemetry", "dashboard.json").read_text("utf-8")
    shown, row = [], ""
    for panel in json.loads(text)["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        if row in _ROWS:
            shown.append(panel)
    return shown

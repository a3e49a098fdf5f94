"""README's two ways to watch a room, in headless Chromium, through a real nginx and without one."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.metrics import Metrics
from tests.commands import ROOT
from tests.live.browser import Site, browsing, needs_chromium, sites
from tests.live.fault_server import serving
from tests.live.gateways import BOB, Gateway, gateway_at
from tests.live.nginx import needs_nginx, nginx
from tests.live.test_events import OFTEN, Vendor
from tests.telemetry.counts import nonzero
from tests.waiting import until

pytestmark = needs_chromium

COOKIE = "session"
README = ROOT.joinpath("README.md").read_text("utf-8")
BY_COOKIE, BY_TOKEN = re.findall(
    r"```js\n(.*?)```", README[README.index("### Watch a room") :], re.DOTALL
)[:2]

_PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
const liveId = "1", lastId = "", token = %(token)s, seen = [];
const show = (room) => seen.push([room.live_status, room.title]);
const handle = (event) => seen.push(event.split("\\n").filter((line) => /^event:/.test(line)));
const report = () => fetch("/report", {method: "POST", body: JSON.stringify(seen)});
%(code)s
%(end)s
</script>
"""
_ENDS = {BY_COOKIE: 'events.addEventListener("deleted", report);', BY_TOKEN: "report();"}
_SEEN = {
    BY_COOKIE: [[0, "title of 1"], [1, "title of 1"]],
    BY_TOKEN: [[], ["event: room"], ["event: change"], ["event: deleted"]],
}
"""The first block of a stream is its `retry` alone."""

_PROXY = """
location /v1/ {{
    proxy_pass http://127.0.0.1:{gateway};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
}}
location / {{ proxy_pass http://127.0.0.1:{site}; }}
"""


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Run a site that signs bob in by cookie."""
    async with sites(1) as (one,):
        one.cookie = f"{COOKIE}={BOB}; Path=/; HttpOnly"
        yield one


def page(code: str, base: str = "") -> str:
    """Return a page with the code of README, for a gateway at another `base` if it is given."""
    code = code.replace("`/v1/", f"`{base}/v1/")
    return _PAGE % {"token": json.dumps(BOB), "code": code, "end": _ENDS[code_of(code)]}


def code_of(code: str) -> str:
    """Return which of the two ways it is."""
    found: str = BY_COOKIE if "EventSource(" in code else BY_TOKEN
    return found


async def live_a_life(gateway: Gateway, vendor: Vendor) -> None:
    """Let the room go live and be deleted, while somebody watches."""
    await until_sent(gateway, "room")
    vendor.fields = {**vendor.fields, "live_status": 1}
    await until_sent(gateway, "change")
    assert (await gateway.write("delete", "1")).status_code == 204


async def until_sent(gateway: Gateway, event: str) -> None:
    """Wait until a gateway has sent such an event."""
    await until(lambda: (event,) in nonzero(gateway.block, Metrics.events_sent))


@pytest.mark.parametrize("code", [BY_COOKIE, BY_TOKEN], ids=["EventSource", "fetch"])
@pytest.mark.parametrize("way", ["of another origin", pytest.param("nginx", marks=needs_nginx)])
async def test_a_page_watches(site: Site, tmp_path: Path, way: str, code: str) -> None:
    """By cookie and by token, it sees the room, its change and its end, as they come."""
    vendor = Vendor()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(vendor))
        settings = {**OFTEN, "CORS_ORIGINS": site.origin(), "JWT_COOKIE": COOKIE}
        gateway = await stack.enter_async_context(gateway_at(server.url, **settings))
        url = site.origin()
        if way == "nginx":
            inside = _PROXY.format(gateway=gateway.port, site=site.port)
            folder = tmp_path / "nginx"
            folder.mkdir()
            url = stack.enter_context(nginx(folder, inside)).url
            site.page = page(code)
        else:
            site.page = page(code, f"http://127.0.0.1:{gateway.port}")
        await stack.enter_async_context(browsing(url, tmp_path / "profile"))
        await live_a_life(gateway, vendor)
        seen: Any = await site.report()
    assert seen == _SEEN[code]

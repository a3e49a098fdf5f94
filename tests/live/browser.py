"""A real browser, and small sites whose pages call the gateway and report what they could see.

A test says which requests a page makes; the page's script makes them one after another, reports
what it was shown of each answer to its own site, and goes on to the next page.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live.fault_server import Exchange, reply, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs Chromium: apt-get install chromium",
)

BLOCKED = {"blocked": "TypeError"}
"""What a page is told of an answer that it may not read: not even the status."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 60
"""Seconds in which a page must have reported."""

_PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<body>
<script>
const {gateway, requests, forms, next, leave} = %s;

async function ask(path, options) {
  try {
    const reply = await fetch(gateway + path, options);
    const headers = Object.fromEntries(reply.headers);
    return {status: reply.status, type: reply.type, headers, body: await reply.text()};
  } catch (error) {
    return {blocked: error.name};
  }
}

function form(path, target) {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: gateway + path, target});
  document.body.append(form);
  return form;
}

function submit(path) {
  const frame = document.createElement("iframe");
  frame.name = "frame" + path;
  document.body.append(frame);
  return new Promise((done) => { frame.onload = done; form(path, frame.name).submit(); });
}

(async () => {
  const seen = {cookie: document.cookie, origin: location.origin};
  for (const [name, path, options] of requests) seen[name] = await ask(path, options);
  for (const path of forms) await submit(path);
  await fetch("/report", {method: "POST", body: JSON.stringify(seen)});
  if (leave) form(leave, "_top").submit();
  else if (next) location.replace(next);
})();
</script>
"""

Requests = Sequence[tuple[str, str, Mapping[str, object]]]
"""Name, path and the options of `fetch`."""


@dataclass
class Site:
    """A web server on `port` of loopback with one page; it sets `cookie` where there is one."""

    page: str = ""
    cookie: str = ""
    port: int = 0
    reports: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)

    def origin(self, host: str = "127.0.0.1") -> str:
        """Return its origin by this name."""
        return f"http://{host}:{self.port}"

    def calls(
        self,
        gateway: str,
        requests: Requests,
        *,
        forms: Sequence[str] = (),
        then: str = "",
        leave: str = "",
    ) -> None:
        """Let the page make these requests, submit these forms, and go on to another URL.

        It leaves for the gateway's own answer where a form is to be submitted in its place.
        """
        plan = {"gateway": gateway, "requests": requests, "forms": forms}
        self.page = _PAGE % json.dumps({**plan, "next": then, "leave": leave})

    async def report(self) -> Any:
        """Wait until the page has reported; return what it saw, by the requests' names."""
        async with asyncio.timeout(_PATIENCE):
            return await self.reports.get()

    async def answer(self, exchange: Exchange) -> None:
        """Serve the page, or take its report."""
        if exchange.method == "POST":
            self.reports.put_nowait(json.loads(exchange.raw.partition(b"\r\n\r\n")[2]))
            await exchange.write(reply(b"", 200, "Content-Type: text/plain"))
        else:
            cookie = f"Set-Cookie: {self.cookie}" if self.cookie else ""
            headers = f"Content-Type: text/html\nCache-Control: no-store\n{cookie}"
            await exchange.write(reply(self.page.encode(), 200, headers))


@asynccontextmanager
async def sites(count: int) -> AsyncIterator[list[Site]]:
    """Run so many sites, on ports of their own."""
    found = [Site() for _ in range(count)]
    async with AsyncExitStack() as stack:
        for site in found:
            server = await stack.enter_async_context(serving(site.answer))
            site.port = int(server.url.rpartition(":")[2])
        yield found


@asynccontextmanager
async def browsing(url: str, profile: Path) -> AsyncIterator[None]:
    """Have Chromium open a page, with an empty `profile`; end it at the end of the block."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.terminate()
        await browser.wait()


async def rendered(url: str, profile: Path) -> str:
    """Have Chromium load a page and run its scripts; return what it made of it, as HTML."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=10000",  # milliseconds of its timers; the network is waited for
        "--dump-dom",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            html, _ = await browser.communicate()
    finally:
        if browser.returncode is None:
            browser.kill()
    return html.decode()

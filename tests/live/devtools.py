"""A page in headless Chromium, driven by the DevTools protocol over a pipe: no port, no driver.

Messages are JSON, each with a NUL byte at its end (`--remote-debugging-pipe`).
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.live.browser import CHROMIUM, FLAGS
from tests.waiting import LIMIT, until

_LONGEST = 32 << 20
"""Bytes of a message; a screenshot is one."""


class Page:
    """An open page. `events` are those of the protocol that came so far, oldest first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.events: list[Any] = []
        self._reader = reader
        self._writer = writer
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._session: str | None = None

    async def attach(self) -> None:
        """Open an empty page, and hear of its requests, errors and messages."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", flatten=True, **target)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **params: object) -> Any:
        """Call a method of the protocol; return its result."""
        number = len(self._answers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        self._writer.write(json.dumps(message | session).encode() + b"\0")
        async with asyncio.timeout(LIMIT):
            told = await answer
        assert "error" not in told, told
        return told["result"]

    async def show(self, width: int, height: int, *, scheme: str = "light") -> None:
        """Set the window's size in pixels, and the colour scheme that people prefer."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def open(self, url: str) -> None:
        """Go to a URL."""
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """Return the value of an expression; a promise's when it is there."""
        told = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> None:
        """Evaluate an expression until it is true."""

        async def holds() -> bool:
            return bool(await self.run(script))

        await until(holds)

    async def picture(self, *, whole: bool = False) -> bytes:
        """Return a PNG of the window, or of the `whole` page."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def told(self, method: str) -> list[Mapping[str, Any]]:
        """Return what the events of one name told."""
        return [each["params"] for each in self.events if each["method"] == method]

    async def listen(self) -> None:
        """Take the browser's messages until it ends."""
        while message := (await self._reader.readuntil(b"\0"))[:-1]:
            told = json.loads(message)
            if "id" in told:
                self._answers[told["id"]].set_result(told)
            else:
                self.events.append(told)


@asynccontextmanager
async def page(profile: Path) -> AsyncGenerator[Page]:
    """Run Chromium, with an empty `profile`, until the end of the block."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null',  # where it reads and writes messages
        CHROMIUM,
        *FLAGS,
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST,
    )
    assert browser.stdin is not None
    assert browser.stdout is not None
    opened = Page(browser.stdout, browser.stdin)
    listening = asyncio.create_task(opened.listen())
    try:
        await opened.attach()
        yield opened
    finally:
        listening.cancel()
        browser.terminate()
        await browser.wait()

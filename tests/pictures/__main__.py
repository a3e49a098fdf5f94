"""Makes the pictures of the documents again: `python -m tests.pictures`, or with names of some.

Needs Chromium and a Chinese font, and for the dashboard Prometheus (Debian: `chromium`,
`fonts-noto-cjk`, `prometheus`).
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from tests.commands import ROOT
from tests.pictures.console import console
from tests.pictures.dashboard import dashboard

PICTURES: dict[str, Callable[[], Awaitable[bytes]]] = {
    "console": console,
    "dashboard": dashboard,
}
"""One function a picture, which returns it as PNG."""


async def _make(name: str) -> bytes:
    return await PICTURES[name]()


for each in sys.argv[1:] or PICTURES:
    path = ROOT / ".github" / f"{each}.png"
    path.write_bytes(asyncio.run(_make(each)))
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")

"""Makes the pictures of the documents again: `python -m tests.pictures`, or with names of some.

Needs Chromium and a Chinese font, and for the dashboard Prometheus (Debian: `chromium`,
`fonts-noto-cjk`, `prometheus`).
"""

import argparse
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


async def _make(name: str) -> None:
    path = ROOT / ".github" / f"{name}.png"
    path.write_bytes(await PICTURES[name]())
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


async def _make_all(names: list[str]) -> None:
    for name in names:
        await _make(name)


parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
parser.add_argument("names", nargs="*", help=f"of {', '.join(PICTURES)}; all by default")
asyncio.run(_make_all(parser.parse_args().names or list(PICTURES)))

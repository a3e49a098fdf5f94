"""`gateway sandbox`."""

import asyncio
import secrets
import sys
import webbrowser
from functools import partial

import click

from gateway import serving
from gateway.sandbox import (
    DialectName,
    Sandbox,
    in_colour,
    request_line,
    running,
    understands_colour,
    welcome,
)

from .refusals import fail


def run(port: int, upstream_port: int, dialect: DialectName, *, browse: bool) -> None:
    """Run until interrupted; `browse` opens a browser. Raises KeyboardInterrupt."""
    try:
        asyncio.run(_run(port, upstream_port, dialect, browse=browse))
    except serving.PortTaken as error:
        fail(f"{error}; choose others with --port and --upstream-port")


async def _run(port: int, upstream_port: int, dialect: DialectName, *, browse: bool) -> None:
    for_people, colour = sys.stdout.isatty(), understands_colour()
    environ = {
        "GATEWAY_LOG_FORMAT": "console",
        "GATEWAY_LOG_LEVEL": "warning" if for_people else "info",
        "GATEWAY_CALLBACK_SECRET": secrets.token_urlsafe(32),
        "GATEWAY_VENDOR_APP_ID": "sandbox",
    }
    async with running(
        port=port,
        upstream_port=upstream_port,
        dialect=dialect,
        environ=environ,
        line=partial(request_line, colour=colour) if for_people else None,
    ) as box:
        box.add_example_room()
        text = welcome(box, dialect)
        click.echo(in_colour(text) if colour else text)
        if browse:
            await _browse(box)
        await asyncio.Event().wait()


async def _browse(sandbox: Sandbox) -> None:
    """Open the console in a browser, which may take its time to start."""
    if not await asyncio.to_thread(webbrowser.open, sandbox.console):
        click.echo(f"  No browser was found; open {sandbox.console} in one.\n", err=True)

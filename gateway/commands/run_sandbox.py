"""`gateway sandbox`."""

import asyncio
import secrets

import click

from gateway import serving
from gateway.sandbox import DialectName, running, welcome

from .refusals import fail


def run(port: int, upstream_port: int, dialect: DialectName) -> None:
    """Run until interrupted. Raises KeyboardInterrupt."""
    try:
        asyncio.run(_run(port, upstream_port, dialect))
    except serving.PortTaken as error:
        fail(f"{error}; choose others with --port and --upstream-port")


async def _run(port: int, upstream_port: int, dialect: DialectName) -> None:
    environ = {
        "GATEWAY_LOG_FORMAT": "console",
        "GATEWAY_CALLBACK_SECRET": secrets.token_urlsafe(32),
        "GATEWAY_VENDOR_APP_ID": "sandbox",
    }
    async with running(
        port=port, upstream_port=upstream_port, dialect=dialect, environ=environ
    ) as box:
        click.echo(welcome(box, dialect))
        await asyncio.Event().wait()

"""`gateway caller-id`: what the access log calls a user."""

from collections.abc import Mapping

import click

from gateway.telemetry import caller_ids

from .refusals import valid_settings


def run(environ: Mapping[str, str], sub: str) -> None:
    """Print what stands in the log for the user `sub`."""
    settings = valid_settings(environ)
    click.echo(caller_ids(settings.secret_key.reveal().encode())(sub))

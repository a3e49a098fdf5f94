"""`gateway caller-id`: the hash of a user id in the access log."""

from collections.abc import Mapping

import click

from gateway.telemetry import caller_ids

from .refusals import valid_settings


def run(environ: Mapping[str, str], sub: str) -> None:
    """Print the access log's hash of the user id `sub`."""
    settings = valid_settings(environ)
    click.echo(caller_ids(settings.secret_key.reveal().encode())(sub))

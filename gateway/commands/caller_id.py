"""`gateway caller-id`: the hash of a user id in the access log."""

from collections.abc import Mapping

import click

from gateway.rooms import is_user_id
from gateway.telemetry import caller_ids

from .refusals import INVALID, fail, valid_settings


def run(environ: Mapping[str, str], sub: str) -> None:
    """Print the access log's hash of the user id `sub`."""
    settings = valid_settings(environ)
    if not is_user_id(sub):
        fail("a user id is 1 to 128 printable characters without white space", INVALID)
    click.echo(caller_ids(settings.secret_key.reveal().encode())(sub))

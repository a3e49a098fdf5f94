"""How a command ends that cannot do its work: a reason on standard error and what to do, no more.

Code 1: something failed. Code 2: the configuration is not valid.
"""

import sys
from collections.abc import Mapping
from typing import Never

import click
import msgspec

from gateway import keyring
from gateway.settings import Settings, SettingsError
from gateway.traces import tracing_for

INVALID = 2


def valid_settings(environ: Mapping[str, str], *, as_json: bool = False) -> Settings:
    """Return the configuration, whose keys can be used, or end with all that is wrong with it."""
    try:
        settings = keyring.usable_settings(environ)
        tracing_for(environ)
    except SettingsError as error:
        refuse(error, as_json=as_json)
    return settings


def refuse(error: SettingsError, *, as_json: bool = False) -> Never:
    """End with the problems of a configuration."""
    if as_json:
        click.echo(msgspec.json.encode({"ok": False, "problems": error.problems}))
        sys.exit(INVALID)
    if sys.stderr.isatty():
        from .findings import show_problems  # noqa: PLC0415  # rich is for terminals

        show_problems(error.problems)
        sys.exit(INVALID)
    fail(f"the configuration is not valid:\n\n{error}\n", INVALID)


def fail(message: str, code: int = 1) -> Never:
    """End with a reason."""
    click.echo(f"gateway: {message}", err=True)
    sys.exit(code)

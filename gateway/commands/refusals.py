"""Exits of a command that cannot do its work: a reason on standard error, then the exit code.

Exit code 1: something failed. Exit code 2: the configuration is not valid.
"""

import sys
from collections.abc import Mapping
from typing import Never, TextIO

import click

from gateway import checks, keyring
from gateway.settings import Settings, SettingsError
from gateway.traces import tracing_for

INVALID = 2


def valid_settings(environ: Mapping[str, str], *, as_json: bool = False) -> Settings:
    """Return the configuration with usable keys, or exit with every problem in it."""
    try:
        settings = keyring.usable_settings(environ)
        tracing_for(environ)
    except SettingsError as error:
        refuse(error, as_json=as_json)
    return settings


def refuse(error: SettingsError, *, as_json: bool = False) -> Never:
    """Exit with the problems of a configuration."""
    if not as_json:
        click.echo("gateway: the configuration is not valid\n", err=True)
    present(checks.invalid(error.problems), sys.stderr, as_json=as_json)
    sys.exit(INVALID)


def present(report: checks.Report, stream: TextIO, *, as_json: bool) -> None:
    """Print JSON to standard output, or a report for people to `stream`."""
    if as_json:
        click.echo(checks.encoded(report))
    elif stream.isatty():
        from rich.console import Console  # noqa: PLC0415  # only for a terminal

        checks.show(report, Console(file=stream, highlight=False))
    else:
        click.echo("\n".join(checks.lines(report)), file=stream)


def fail(message: str, code: int = 1) -> Never:
    """Exit with a reason."""
    click.echo(f"gateway: {message}", err=True)
    sys.exit(code)

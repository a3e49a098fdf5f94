"""`gateway check`: finds out what `gateway.check` judges, and shows the report."""

import asyncio
import os
import sys
from collections.abc import Mapping

import click
import msgspec

from gateway import app, audit, check, keyring

from .findings import show
from .refusals import valid_settings


def run(environ: Mapping[str, str], *, offline: bool, as_json: bool, fail_on: str | None) -> None:
    """Print the report and end: with 0, or 1 where something fails the check."""
    settings = valid_settings(environ, as_json=as_json)
    probe = None if offline else asyncio.run(app.probe_upstream(settings))
    issuer = None if offline else asyncio.run(keyring.check_issuer(settings))
    files = audit.key_files(environ, os.geteuid())
    least = None if fail_on is None else audit.Severity(fail_on)
    report = check.report(settings, environ, probe, files, least, issuer=issuer)
    if as_json:
        click.echo(msgspec.json.encode(report))
    elif sys.stdout.isatty():
        show(report)
    else:
        click.echo("\n".join(check.lines(report)))
    sys.exit(0 if report.ok else 1)

"""`gateway check`."""

import asyncio
import os
import sys
from collections.abc import Mapping

from gateway import checks

from .refusals import present, valid_settings


def run(environ: Mapping[str, str], *, offline: bool, as_json: bool, fail_on: str) -> None:
    """Print the report and exit: 0 if it is ok, else 1."""
    settings = valid_settings(environ, as_json=as_json)
    found = [
        *checks.configured_set_findings(settings),
        *checks.listener_findings(settings),
        *checks.callback_findings(settings),
    ]
    token_seconds = None
    if not offline:
        network = asyncio.run(checks.network_report(settings))
        found += network.findings
        token_seconds = network.token_seconds
    files = checks.key_files(environ, os.geteuid())
    severity = checks.Severity(fail_on)
    report = checks.report(settings, environ, found, files, severity, token_seconds)
    present(report, sys.stdout, as_json=as_json)
    sys.exit(0 if report.ok else 1)

"""`gateway serve`: check the configuration and the ports, then listen.

It starts with a summary: the banner on a terminal, else the log event `starting` in the format of
the log. An explicit GATEWAY_LOG_FORMAT takes precedence, so a container with a terminal can log
JSON alone.

The application is imported before the workers are forked, so they share its memory.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from io import BytesIO

from msgspec.structs import asdict

from gateway import checks, keyring, processes, serving
from gateway.settings import LogFormat, Settings
from gateway.telemetry import build_logger
from gateway.traces import traces_requested

from . import banner
from .facts import Facts, facts
from .refusals import fail, valid_settings


def run(environ: Mapping[str, str]) -> None:
    """Serve until a signal to stop, or exit with a reason."""
    settings = valid_settings(environ)
    with ExitStack() as stack:
        bound = [stack.enter_context(_bound(each)) for each in checks.listeners(settings)]
        summary = _facts(settings, environ)
        beginning = _beginning(summary, explicit=bool(environ.get("GATEWAY_LOG_FORMAT")))
        try:
            processes.serve(settings, beginning, *bound)
        except OSError as error:
            fail(f"cannot start: {error.strerror or error}")


def _bound(listener: checks.Listener) -> serving.ReservedPort:
    try:
        return serving.bind(listener.host, listener.port)
    except serving.PortTaken as error:
        fail(listener.refusal(error))


def _facts(settings: Settings, environ: Mapping[str, str]) -> Facts:
    return facts(
        settings,
        keyring.verification_keys(settings),
        checks.audit(settings, checks.key_files(environ, os.geteuid()), environ),
        traces="on" if traces_requested(environ) else "off",
    )


def _beginning(summary: Facts, *, explicit: bool) -> bytes:
    if sys.stdout.isatty() and not (explicit and summary.log_format == LogFormat.JSON):
        return banner.coloured(summary).encode(errors="replace")
    if summary.log_format == LogFormat.CONSOLE:
        return banner.plain(summary).encode()
    line = BytesIO()
    build_logger(summary.log_level, summary.log_format, line).info("starting", **asdict(summary))
    return line.getvalue()

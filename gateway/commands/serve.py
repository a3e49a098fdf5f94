"""`gateway serve`: nothing listens before everything that can be known beforehand is in order.

The summary at its start is for whoever reads standard output: people at a terminal get the banner.
Anything else is taken for a log, whose lines all have one format: `starting`, an event, says the
same. A GATEWAY_LOG_FORMAT that is set overrules the guess, so that a container with a terminal
attached can still write nothing but JSON.

The application is imported here and not by the workers: forked from this process they share it.
"""

import errno
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import asdict

from gateway import audit, keyring, processes, serving
from gateway.settings import LogFormat, Problem, Settings, SettingsError, pending, variables
from gateway.telemetry import build_logger
from gateway.traces import traces_requested

from . import banner
from .facts import Facts, facts
from .refusals import fail, refuse, valid_settings

_ADVICE = MappingProxyType(
    {
        errno.EADDRINUSE: "stop what listens there, or ",
        errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; have it, or ",
        errno.EADDRNOTAVAIL: "this machine has no such address; name one that it has, ",
    }
)


def run(environ: Mapping[str, str]) -> None:
    """Serve until asked to stop, or end with the reason why not."""
    settings = valid_settings(environ)
    _require_lasting(environ)
    _require_free(settings.host, settings.port, "GATEWAY_HOST and GATEWAY_PORT")
    if settings.metrics_port:
        others = "GATEWAY_METRICS_HOST and GATEWAY_METRICS_PORT (0: none)"
        _require_free(settings.metrics_host, settings.metrics_port, others)
    with suppress(OSError):  # a full disk, a reader that has gone: it can serve all the same
        _announce(_facts(settings, environ), explicit=bool(environ.get("GATEWAY_LOG_FORMAT")))
    try:
        processes.serve(settings)
    except OSError as error:
        fail(f"the system does not give what it takes: {error.strerror or error}")


def _require_lasting(environ: Mapping[str, str]) -> None:
    """End where a key comes out of a pipe: it has been read, and workers would find nothing."""
    given = [each.file_name for each in variables(Settings) if each.file]
    problems = [
        Problem(name, "must be a file that lasts, not a pipe: every worker reads it again")
        for name in given
        if environ.get(name) and not Path(environ[name]).is_file()
    ]
    if problems:
        refuse(SettingsError(*problems))


def _require_free(host: str, port: int, others: str) -> None:
    try:
        serving.require_free(host, port)
    except serving.PortTaken as error:
        cause = error.__cause__
        advice = _ADVICE.get(cause.errno or 0, "") if isinstance(cause, OSError) else ""
        fail(f"{error}; {advice}choose others with {others}")


def _facts(settings: Settings, environ: Mapping[str, str]) -> Facts:
    return facts(
        settings,
        keyring.verification_keys(settings),
        audit.findings(settings, audit.key_files(environ, os.geteuid())),
        not_in_effect=pending(environ),
        traces="on" if traces_requested(environ) else "off",
    )


def _announce(told: Facts, *, explicit: bool) -> None:
    if sys.stdout.isatty() and not (explicit and told.log_format == LogFormat.JSON):
        banner.show(told)
        return
    with FileIO(sys.stdout.fileno(), "w", closefd=False) as unbuffered:  # or workers would get it
        if told.log_format == LogFormat.CONSOLE:
            unbuffered.write(banner.plain(told).encode())
        else:
            log = build_logger(told.log_level, told.log_format, unbuffered)
            log.info("starting", **asdict(told))

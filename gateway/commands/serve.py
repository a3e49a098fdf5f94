"""`gateway serve`: check the configuration and the ports, then listen.

It starts with a summary: the banner on a terminal, else the log event `starting` in the format of
the log. An explicit GATEWAY_LOG_FORMAT takes precedence, so a container with a terminal can log
JSON alone.

The application is imported before the workers are forked, so they share its memory.
"""

import errno
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import asdict

from gateway import checks, keyring, processes, serving
from gateway.settings import LogFormat, Problem, Settings, SettingsError, pending, variables
from gateway.telemetry import build_logger
from gateway.traces import traces_requested

from . import banner
from .facts import Facts, facts
from .refusals import fail, refuse, valid_settings

_ADVICE = MappingProxyType(
    {
        errno.EADDRINUSE: "stop the process that listens there, or ",
        errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or ",
        errno.EADDRNOTAVAIL: "this machine has no such address; ",
    }
)


def run(environ: Mapping[str, str]) -> None:
    """Serve until a signal to stop, or exit with a reason."""
    settings = valid_settings(environ)
    _require_files(environ)
    with _bound(settings.host, settings.port, "GATEWAY_HOST and GATEWAY_PORT") as listener:
        if settings.metrics_port:
            others = "GATEWAY_METRICS_HOST and GATEWAY_METRICS_PORT (0: none)"
            _bound(settings.metrics_host, settings.metrics_port, others).close()
        with suppress(OSError):  # a full disk or a closed pipe does not keep it from serving
            _announce(_facts(settings, environ), explicit=bool(environ.get("GATEWAY_LOG_FORMAT")))
        try:
            processes.serve(settings, listener)
        except OSError as error:
            fail(f"cannot start: {error.strerror or error}")


def _require_files(environ: Mapping[str, str]) -> None:
    """Exit if a key comes from a pipe: every worker reads key files again."""
    given = [each.file_name for each in variables(Settings) if each.file]
    problems = [
        Problem(name, "must be a regular file, not a pipe: every worker reads it again")
        for name in given
        if environ.get(name) and not Path(environ[name]).is_file()
    ]
    if problems:
        refuse(SettingsError(*problems))


def _bound(host: str, port: int, others: str) -> socket.socket:
    try:
        return serving.bind(host, port)
    except serving.PortTaken as error:
        cause = error.__cause__
        advice = _ADVICE.get(cause.errno or 0, "") if isinstance(cause, OSError) else ""
        fail(f"{error}; {advice}choose others with {others}")


def _facts(settings: Settings, environ: Mapping[str, str]) -> Facts:
    return facts(
        settings,
        keyring.verification_keys(settings),
        checks.audit(settings, checks.key_files(environ, os.geteuid())),
        not_in_effect=pending(environ),
        traces="on" if traces_requested(environ) else "off",
    )


def _announce(summary: Facts, *, explicit: bool) -> None:
    if sys.stdout.isatty() and not (explicit and summary.log_format == LogFormat.JSON):
        banner.show(summary)
        return
    with FileIO(sys.stdout.fileno(), "w", closefd=False) as unbuffered:  # no buffer to fork
        if summary.log_format == LogFormat.CONSOLE:
            unbuffered.write(banner.plain(summary).encode())
        else:
            log = build_logger(summary.log_level, summary.log_format, unbuffered)
            log.info("starting", **asdict(summary))

"""Workers, and the process that supervises them.

A worker that dies is replaced. Three workers in a row that exit at startup end the supervisor, with
exit code 1. A killed worker is always replaced: its end says nothing about the next start.

SIGTERM and SIGINT end the supervisor with 0. Workers stop as in `graceful_shutdown` and are killed
at the end of the grace period; a second signal skips the lead time. SIGHUP is passed on to the
workers: new ones, granian's way, could not go back to the old keys if a file is bad.
"""

import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from math import ceil

from granian.log import LogLevels

from .graceful_shutdown import Application
from .granian_private import GranianSupervisor
from .limits import options, take_all_descriptors

Load = Callable[[int], Application]
"""Makes the application, in the worker with this number, from 0."""

_STARTS = 3
_STARTING = 10.0
"""Seconds; a worker that exits earlier has failed to start."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_STOPPED = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL})
"""Exit codes of workers that were stopped from outside."""


def serve(
    load: Load,
    host: str,
    port: int,
    *,
    workers: int,
    grace: float,
    formatter: type[logging.Formatter] = logging.Formatter,
) -> None:
    """Run the application of `load` in each worker until SIGTERM or SIGINT.

    `grace` is in seconds; `formatter` makes the server's own log lines. Raises SystemExit if
    workers cannot start.
    """
    take_all_descriptors()
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, _SIGNALS),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, _SIGNALS),
        after_in_child=_reset_signals,
    )
    supervisor = GranianSupervisor(
        "gateway",  # in place of an import path: granian gets a loader
        host,
        port,
        workers=workers,
        log_level=LogLevels.warning,
        log_dictconfig={"formatters": {name: {"()": formatter} for name in ("generic", "access")}},
        workers_kill_timeout=max(1, ceil(grace)),
        grace=grace,
        may_restart=Restarts().allowed,
        **options(),
    )
    try:
        supervisor.serve(target_loader=load, wrap_loader=False)
    finally:  # a late signal must not change the exit code
        _on_signals(signal.SIG_IGN)


class Restarts:
    """The count of failed starts in a row."""

    def __init__(self) -> None:
        self._failed = 0

    def allowed(self, lived: float, exitcode: int | None) -> bool:
        """Count a worker that ended after `lived` seconds; return False to give up."""
        failed = lived < _STARTING and exitcode not in _STOPPED
        self._failed = self._failed + 1 if failed else 0
        return self._failed < _STARTS


def _reset_signals() -> None:
    """Let a new worker end at once on a signal that comes before its own handlers are set.

    Signals are blocked during the fork: the supervisor's handlers would swallow them.
    """
    _on_signals(signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it has yet to read its files
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _on_signals(handler: signal.Handlers) -> None:
    for each in _SIGNALS:
        signal.signal(each, handler)

"""Workers, and the process that looks after them.

A worker that dies is replaced. If it ends by itself as it starts, three times in a row, it never
will start: the supervisor gives up, with 1, and what started the gateway may try again. One that is
killed is always replaced: that says nothing about the next.

SIGTERM and SIGINT end it with 0. Workers are told at once (`stopping` says what they do), and
killed when the grace is over; a second signal ends the first one's lead time. SIGHUP is passed on
to the workers: replacing them, as granian would, has nothing to go back to when a file is bad.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil
from multiprocessing.connection import wait
from types import FrameType

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels, logger
from granian.server.mp import MPServer, WorkerProcess

from .graceful_shutdown import Application
from .limits import BACKLOG, connections, http1, take_all_descriptors

Load = Callable[[int], Application]
"""Makes the application, in the worker with this number, from 0."""

_NO_TARGET = "gateway"
"""What granian would import; here it is given what to call."""

_FORMATTERS = ("generic", "access")
"""granian's names."""

_STARTS = 3
_STARTING = 10.0
"""Seconds of a worker's life in which its end is one of a worker that cannot start."""

_AGAIN = 1.0
"""Seconds after which workers are told to stop again."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_ASKED_TO = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL})
"""Exit codes of workers that others have ended."""


def serve(
    load: Load,
    host: str,
    port: int,
    *,
    workers: int,
    grace: float,
    formatter: type[logging.Formatter] = logging.Formatter,
) -> None:
    """Run what `load` returns in each worker until SIGTERM or SIGINT.

    `grace` is in seconds; `formatter` makes the lines of the server itself. Raises SystemExit where
    workers cannot start.
    """
    take_all_descriptors()
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, _SIGNALS),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, _SIGNALS),
        after_in_child=_forget_signals,
    )
    try:
        supervisor = _Supervisor(host, port, workers, grace, formatter)
        supervisor.serve(target_loader=load, wrap_loader=False)
    finally:  # a late signal would spoil the exit code
        _on_signals(signal.SIG_IGN)


class _Supervisor(MPServer):
    def __init__(
        self, host: str, port: int, workers: int, grace: float, formatter: type[logging.Formatter]
    ) -> None:
        super().__init__(
            _NO_TARGET,
            host,
            port,
            interface=Interfaces.ASGI,
            workers=workers,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=connections(),
            http1_settings=http1(),
            log_level=LogLevels.warning,
            log_dictconfig={"formatters": {name: {"()": formatter} for name in _FORMATTERS}},
            workers_kill_timeout=max(1, ceil(grace)),
        )
        self._grace = grace
        self._failed_starts = 0

    def signal_handler_interrupt(self, signum: int, _: FrameType | None) -> None:
        """Ask the main loop to end; called by the system's signals."""
        for worker in self.wrks:
            worker.interrupt_by_parent = True
            if signum == signal.SIGINT or self.interrupt_signal:
                _interrupt(worker)
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def signal_handler_reload(self, *_: object) -> None:
        """Pass a SIGHUP on."""
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, signal.SIGHUP)

    def _spawn_worker(  # type: ignore[override]  # granian's own differs the same way
        self, idx: int, target: object, callback_loader: Load
    ) -> WorkerProcess:
        return super()._spawn_worker(idx, target, partial(callback_loader, idx))

    def _serve_loop(self, spawn_target: object, target_loader: object) -> None:
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait()
            self.main_loop_interrupt.clear()
            while self.interrupt_children and not self.interrupt_signal:
                index = self.interrupt_children[0]
                if not self._can_start(self.wrks[index]):
                    logger.error("Workers end as they start: giving up")
                    return
                self._respawn_workers([index], spawn_target, target_loader)
                del self.interrupt_children[0]
        self.interrupt_children.clear()  # those that ended because of the signal

    def _stop_workers(self) -> None:
        for worker in self.wrks:
            worker.terminate()
        end = time.monotonic() + self._grace
        left = {worker.inner.sentinel: worker for worker in self.wrks}
        while left and (seconds := end - time.monotonic()) > 0:
            for ended in wait(left, min(seconds, _AGAIN)):
                del left[ended]
            for worker in left.values():  # uvloop loses a signal between two runs of its loop
                worker.terminate()
        for worker in left.values():
            logger.warning("The grace is over: killing worker-%d", worker.idx + 1)
            worker.kill()
        self.wrks.clear()

    def _can_start(self, dead: WorkerProcess) -> bool:
        """Whether it makes sense to put another in the place of `dead`."""
        early = time.monotonic() - dead.birth < _STARTING
        failed = early and dead.inner.exitcode not in _ASKED_TO
        self._failed_starts = self._failed_starts + 1 if failed else 0
        return self._failed_starts < _STARTS


def _interrupt(worker: WorkerProcess) -> None:
    if worker.inner.exitcode is None:
        with suppress(ProcessLookupError):
            os.kill(worker.inner.pid, signal.SIGINT)


def _forget_signals() -> None:
    """Let a new worker end at once if it is told to before it listens for that.

    Signals wait while it is forked: the supervisor's handlers, which it has at first, would take
    them and do nothing.
    """
    _on_signals(signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its files are read yet
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _on_signals(handler: signal.Handlers) -> None:
    for each in _SIGNALS:
        signal.signal(each, handler)

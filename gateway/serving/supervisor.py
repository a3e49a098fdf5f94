"""The process that supervises the workers: one loop, without a thread.

It does what `supervision` decides: it starts workers, notices their end, replaces those that do not
respond, and passes signals on.

SIGTERM and SIGINT end it with 0. Workers stop as in `graceful_shutdown` and are killed at the end
of the grace period; a second signal skips the delay. SIGHUP is passed on to the workers: new
ones could not go back to the old keys if a file is bad. If workers keep failing as they start, it
ends with 1.
"""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Protocol

from granian.log import LogLevels, configure_logging, logger

from .child_processes import SignalPipe, changes, fork, signals_into_pipe
from .graceful_shutdown import LEAVE, Application, GracefulShutdown
from .granian_private import GranianWorker
from .limits import take_all_descriptors
from .port import ReservedPort
from .supervision import Place, Reason, Supervision, Worker

Load = Callable[[int, asyncio.Event], Application]
"""Makes the application in a worker, from the number of its slot and the event of its draining."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class Slot(Protocol):
    """Memory that a worker shares with the supervisor."""

    @property
    def last_beat(self) -> float:
        """The time of the worker's last heartbeat, by the monotonic clock; 0 before the first."""

    def vacate(self) -> None:
        """Note that no worker has the slot."""


def serve(
    load: Load,
    port: ReservedPort,
    slots: Sequence[Slot],
    *,
    workers: int,
    replaced: Callable[[int, Reason], None],
    delay: float,
    grace: float,
    keepalive: float,
    log: logging.Handler,
) -> None:
    """Run the application of `load` in each worker until SIGTERM or SIGINT.

    Each worker uses SLOTS_PER_WORKER of the `slots`. `replaced` is called with the slot of each
    replacement. `delay`, `grace` and `keepalive` are in seconds, see the settings of these names.
    `log` gets the server's own lines and those of libraries, in every process. Raises SystemExit if
    workers cannot start.
    """
    take_all_descriptors()
    log_config = _config(log)
    configure_logging(LogLevels.warning, log_config)
    lifeline, held = os.pipe()
    work = _Work(load, delay, grace, keepalive, log_config, lifeline=lifeline, held=held)
    plan = Supervision(workers, grace, time.monotonic())
    with signals_into_pipe(_SIGNALS) as pipe:
        if not _Supervisor(plan, work, port, slots, replaced, pipe).run():
            sys.exit(1)


def _config(handler: logging.Handler) -> dict[str, Any]:
    """Return the part of `logging`'s configuration that replaces granian's own handlers."""
    handlers = {name: {"()": lambda: handler} for name in ("console", "access")}
    return {"handlers": handlers, "root": {"handlers": ["console"], "level": "WARNING"}}


@dataclass(frozen=True)
class _Work:
    """The work of a worker process. `lifeline` ends when no supervisor has `held`."""

    load: Load
    delay: float
    grace: float
    keepalive: float
    log: Mapping[str, Any]
    _: KW_ONLY
    lifeline: int
    held: int

    def run(self, number: int, slot: int, listeners: dict[int, socket.socket]) -> None:
        """Serve in this process, as the worker of that number, until it is told to stop."""
        os.close(self.held)
        listener = listeners.pop(number)
        for another in listeners.values():
            another.close()
        shutdown = GracefulShutdown(
            listener.fileno(), self.lifeline, delay=self.delay, grace=self.grace
        )
        shutdown.handle_signals()

        def load() -> Application:
            return shutdown.around(self.load(slot, shutdown.draining))

        GranianWorker(listener, self.log, self.keepalive).run(number, load)


class _Supervisor:
    def __init__(
        self,
        plan: Supervision,
        work: _Work,
        port: ReservedPort,
        slots: Sequence[Slot],
        replaced: Callable[[int, Reason], None],
        pipe: SignalPipe,
    ) -> None:
        self._plan = plan
        self._work = work
        self._slots = slots
        self._replaced = replaced
        self._pipe = pipe
        self._port = port
        self._listeners: dict[int, socket.socket] = {}  # by the place's number
        self._close_at = math.inf

    def run(self) -> bool:
        """Supervise until all workers have ended; return False if they could not start."""
        plan, hopeless = self._plan, False
        while not plan.over(now := time.monotonic()):
            plan.look(now)
            for worker in plan.running:
                self._look_at(worker, now)
            for worker in plan.take_out_unresponsive(now):
                logger.error("Unresponsive worker-%d; replacing it", worker.place.number + 1)
                _send(worker, LEAVE)
            for worker in plan.overdue(now):
                logger.warning("Grace period over; killing worker-%d", worker.place.number + 1)
                _send(worker, signal.SIGKILL)
            if plan.hopeless() and not plan.stopping:
                hopeless = True
                logger.error("Workers keep failing at startup; giving up")
                self._stop(signal.SIGINT)
            for place, slot in plan.due(now):
                self._start(place, slot)
            self._close_listeners(now)
            for number in self._pipe.wait(self._seconds()):
                self._handle(number)
        return not hopeless

    def _seconds(self) -> float:
        now = time.monotonic()
        until_close = self._close_at - now if self._listeners else math.inf
        return max(0.0, min(self._plan.next_look(now), until_close))

    def _look_at(self, worker: Worker, now: float) -> None:
        worker.beat = self._slots[worker.slot].last_beat
        for status in changes(worker.pid):
            if os.WIFSTOPPED(status):
                worker.stopped = now
            elif os.WIFCONTINUED(status):
                worker.stopped = math.inf
            else:
                self._ended(worker, os.waitstatus_to_exitcode(status), now)

    def _ended(self, worker: Worker, exit_code: int, now: float) -> None:
        self._slots[worker.slot].vacate()
        if self._plan.ended(worker, exit_code, now) and not self._plan.stopping:
            logger.error("Unexpected exit from worker-%d", worker.place.number + 1)

    def _start(self, place: Place, slot: int) -> None:
        self._slots[slot].vacate()
        try:
            if place.number not in self._listeners:
                self._listeners[place.number] = self._port.listener()
            pid = fork(partial(self._work.run, place.number, slot, self._listeners), self._pipe)
        except OSError as error:
            self._plan.not_started(place, time.monotonic())
            logger.error(
                "Cannot start worker-%d, trying again: %s", place.number + 1, error.strerror
            )
            return
        self._plan.started(place, slot, pid, time.monotonic())
        if place.left:
            self._replaced(slot, place.left)

    def _close_listeners(self, now: float) -> None:
        """Close the sockets from which no worker accepts: clients go to the others.

        A worker that is replaced at once leaves its socket to the new one. Connections wait there,
        and none is lost.
        """
        idle = [each.number for each in self._plan.places if not each.worker]
        for number in list(self._listeners) if now >= self._close_at else idle:
            if listener := self._listeners.pop(number, None):
                listener.close()

    def _handle(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            for worker in self._plan.running:
                _send(worker, number)
        elif number != signal.SIGCHLD:
            self._stop(signal.SIGINT if self._plan.stopping else number)

    def _stop(self, number: signal.Signals) -> None:
        """Pass a signal on to all workers; SIGINT skips the delay."""
        now = time.monotonic()
        delay = self._work.delay if number == signal.SIGTERM else 0.0
        self._plan.stop(now, delay)
        self._close_at = now + delay
        for worker in self._plan.running:
            _send(worker, number)


def _send(worker: Worker, number: signal.Signals) -> None:
    """Send a signal, also to a worker that the system has stopped: it goes on and handles it.

    A worker that has ended is there until its exit code has been taken.
    """
    os.kill(worker.pid, number)
    os.kill(worker.pid, signal.SIGCONT)

"""Everything here relies on parts of granian that it does not promise to keep.

- A worker's signal handlers: granian's own pass every signal to a channel of one, and hang the
  event loop at the third.
- The listening socket: granian closes it only together with its connections, including those with
  the first request still on its way.
- The supervisor's loop: granian replaces all workers on SIGHUP, and ends at the first crash loop.

tests/serving/test_granian_private.py checks each part against the installed granian.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any

from granian import _signals
from granian._granian import WorkerSignal
from granian.log import logger
from granian.server.mp import MPServer, WorkerProcess

from .limits import bound_unread
from .port import LOOPBACK

_DESCRIPTORS = Path("/dev/fd")


def replace_signal_handlers(
    handle: Callable[[asyncio.AbstractEventLoop, Callable[[], None]], None],
) -> None:
    """Have the worker of this process call `handle`, with its loop and a function to stop it."""

    def set_loop_signals(loop: asyncio.AbstractEventLoop) -> WorkerSignal:
        event = WorkerSignal()
        handle(loop, event.set)
        return event

    _signals.set_loop_signals = set_loop_signals


def refuse_connections(port: int) -> None:
    """Refuse new connections to this process's `port`; open ones go on.

    The descriptor of granian's listening socket becomes that of another one, without clients.
    """
    for descriptor in sorted(int(each.name) for each in _DESCRIPTORS.iterdir()):
        if _listens(descriptor, port):
            with socket.create_server((LOOPBACK, 0)) as nowhere:
                nowhere.settimeout(0)  # granian treats EAGAIN as nothing to accept
                os.dup2(nowhere.fileno(), descriptor, inheritable=False)
            return


def bound_unread_at(port: int) -> bool:
    """Apply `bound_unread` to this process's listener at `port`; return False without one."""
    for descriptor in sorted(int(each.name) for each in _DESCRIPTORS.iterdir()):
        if _listens(descriptor, port):
            listener = socket.socket(fileno=os.dup(descriptor))
            with listener:
                bound_unread(listener)
            return True
    return False


def _listens(descriptor: int, port: int) -> bool:
    try:
        candidate = socket.socket(fileno=descriptor)
    except OSError:  # not a socket, or closed in the meantime
        return False
    try:
        if not candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        return candidate.family != socket.AF_UNIX and candidate.getsockname()[1] == port
    finally:
        candidate.detach()


class GranianSupervisor(MPServer):
    """granian's supervisor, with other rules for signals and restarts.

    `may_restart` gets the seconds a worker lived and its exit code; False ends the supervisor.
    Workers are killed `grace` seconds after the signal to stop.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401  # granian's own
        grace: float,
        may_restart: Callable[[float, int | None], bool],
        **options: Any,  # noqa: ANN401  # same
    ) -> None:
        super().__init__(*arguments, **options)
        self._grace = grace
        self._may_restart = may_restart

    def signal_handler_interrupt(self, signum: int, _: FrameType | None) -> None:
        """Stop the main loop; a SIGINT or a second signal is passed on to the workers."""
        for worker in self.wrks:
            worker.interrupt_by_parent = True
            if signum == signal.SIGINT or self.interrupt_signal:
                _send(worker, signal.SIGINT)
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def signal_handler_reload(self, *_: object) -> None:
        """Pass a SIGHUP on to the workers."""
        for worker in self.wrks:
            _send(worker, signal.SIGHUP)

    def _spawn_worker(  # type: ignore[override]  # granian's own differs the same way
        self, idx: int, target: object, callback_loader: Callable[[int], object]
    ) -> WorkerProcess:
        return super()._spawn_worker(idx, target, partial(callback_loader, idx))

    def _serve_loop(self, spawn_target: object, target_loader: object) -> None:
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait()
            self.main_loop_interrupt.clear()
            while self.interrupt_children and not self.interrupt_signal:
                index = self.interrupt_children[0]
                dead = self.wrks[index]
                if not self._may_restart(time.monotonic() - dead.birth, dead.inner.exitcode):
                    logger.error("Workers keep failing at startup; giving up")
                    return
                self._respawn_workers([index], spawn_target, target_loader)
                del self.interrupt_children[0]
        self.interrupt_children.clear()  # ended by the signal

    def _stop_workers(self) -> None:
        for worker in self.wrks:
            worker.terminate()
        end = time.monotonic() + self._grace
        left = {worker.inner.sentinel: worker for worker in self.wrks}
        while left and (seconds := end - time.monotonic()) > 0:
            for ended in wait(left, seconds):
                del left[ended]
        for worker in left.values():
            logger.warning("Grace period over; killing worker-%d", worker.idx + 1)
            worker.kill()
        self.wrks.clear()


def _send(worker: WorkerProcess, signum: signal.Signals) -> None:
    if worker.inner.exitcode is None:
        with suppress(ProcessLookupError):
            os.kill(worker.inner.pid, signum)

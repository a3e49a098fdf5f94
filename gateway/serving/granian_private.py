"""Everything here relies on parts of granian that it does not promise to keep.

- A worker without granian's supervisor: that one dies if the system has no process for a
  replacement, holds a thread for each worker, and replaces all workers on SIGHUP.
- A worker's signal handlers: granian's own pass every signal to a channel of one, and hang the
  event loop at the third.
- The listening socket: granian makes its own, and closes it only together with its connections,
  including those with the first request still on its way.

tests/serving/test_granian_private.py checks each part against the installed granian.
"""

import asyncio
import os
import select
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from granian import _signals
from granian._granian import SocketHolder, WorkerSignal
from granian.constants import RuntimeModes
from granian.log import LogLevels
from granian.server.embed import Server
from granian.server.mp import MPServer

from .limits import BACKLOG, options
from .port import LOOPBACK

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""

_DESCRIPTORS = Path("/dev/fd")


class GranianWorker(MPServer):
    """granian's worker, accepting from the `listener`; a head may take `keepalive` seconds."""

    def __init__(self, listener: socket.socket, log: Mapping[str, Any], keepalive: float) -> None:
        super().__init__(
            "gateway",  # in place of an import path: granian gets a loader
            runtime_mode=RuntimeModes.mt,
            log_level=LogLevels.warning,
            log_dictconfig=dict(log),
            **options(keepalive),
        )
        self._shd: Any = _holder(listener)
        self._sso = None

    def run(self, number: int, load: Callable[[], object]) -> None:
        """Serve the application of `load` in this process until it is told to stop."""
        self._spawn_worker(number, self._spawn_asgi_lifespan_worker, load).inner.run()


class EmbeddedServer(Server):
    """granian in a running event loop, accepting from the `listener`."""

    def __init__(self, app: object, listener: socket.socket, keepalive: float) -> None:
        super().__init__(app, log_enabled=False, **options(keepalive))
        self._shd: Any = _holder(listener)

    def _init_shared_socket(self) -> None:
        """Make no socket: it has one."""


def _holder(listener: socket.socket) -> object:
    """Give the socket to granian, which closes it. On some systems it expects one that listens."""
    holder: Any = SocketHolder  # its types lack all of these
    if sys.platform.startswith(("linux", "freebsd")):
        return holder(listener.detach(), False, BACKLOG)  # noqa: FBT003  # has no keyword
    listener.listen(BACKLOG)
    is_unix = () if sys.platform == "win32" else (False,)
    return holder(listener.detach(), *is_unix)


def replace_signal_handlers(
    handle: Callable[[asyncio.AbstractEventLoop, Callable[[], None]], None],
) -> None:
    """Have the worker of this process call `handle`, with its loop and a function to stop it."""

    def set_loop_signals(loop: asyncio.AbstractEventLoop) -> WorkerSignal:
        event = WorkerSignal()
        handle(loop, event.set)
        return event

    _signals.set_loop_signals = set_loop_signals


def refuse_connections(listener: int) -> None:
    """Accept no more from this descriptor in this process; open connections go on.

    It becomes the descriptor of another socket, without clients. Other processes may still accept
    from the old one.
    """
    _forget(listener)
    with socket.create_server((LOOPBACK, 0)) as nowhere:
        nowhere.settimeout(0)  # granian treats EAGAIN as nothing to accept
        os.dup2(nowhere.fileno(), listener, inheritable=False)


def _forget(listener: int) -> None:
    """Take a descriptor out of every epoll of this process.

    An open socket stays in an epoll after its descriptor is gone. granian would free what the epoll
    refers to, although other processes still hold the socket.
    """
    if sys.platform != "linux":
        return
    for each in sorted(int(entry.name) for entry in _DESCRIPTORS.iterdir()):
        with suppress(OSError), closing(select.epoll.fromfd(os.dup(each))) as epoll:
            epoll.unregister(listener)  # fails unless it is an epoll that has it

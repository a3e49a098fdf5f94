"""The options of every server: the protocols, and bounds before the application sees a request.

granian answers too large a head with an empty 431 and closes the connection; too slow a head it
closes without an answer. The same time-out bounds a head and the idle time of a keep-alive
connection. A proxy in front needs a shorter idle time-out, or it would send a request on a
connection that is being closed.
"""

import socket
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

_RESOURCE: Any = import_module("resource") if find_spec("resource") else None
"""The module of limits; Windows has none."""

BACKLOG = 4096
"""Connections waiting to be accepted; the system's own bound is usually the same."""

KEEPALIVE = 75.0
"""Seconds for a request's head, from the connection or the last response on."""

_HEAD_SIZE = 16_384
"""Bytes of a request's head; granian answers more than 100 headers the same way."""

_UNREAD = (
    ("TCP_USER_TIMEOUT", 25_000),  # milliseconds in which a client must take something
    ("TCP_NOTSENT_LOWAT", 16_384),  # bytes kept that its window has no room for
)
"""Options of connections whose clients do not read. Linux has both, other systems not."""

_RESERVED = 256
"""Descriptors kept for 100 upstream connections, files and the runtime."""

_UNBOUNDED = 1_000_000


def options(keepalive: float) -> dict[str, Any]:
    """Return granian's options for ASGI over HTTP/1.1; a head may take `keepalive` seconds."""
    head = HTTP1Settings(header_read_timeout=round(keepalive * 1000), max_buffer_size=_HEAD_SIZE)
    return {
        "interface": Interfaces.ASGI,
        "http": HTTPModes.http1,
        "websockets": False,
        "backlog": BACKLOG,
        "backpressure": _connections(),
        "http1_settings": head,
    }


def _connections() -> int:
    """Return the number of connections a process may have open; more wait to be accepted.

    It is below the descriptor limit. Otherwise granian would retry to accept at full speed, with no
    descriptor left for the upstream.
    """
    descriptors = _descriptors()
    return max(descriptors - _RESERVED, descriptors // 2)


def _descriptors() -> int:
    if _RESOURCE is None:
        return _UNBOUNDED
    now, _ = _RESOURCE.getrlimit(_RESOURCE.RLIMIT_NOFILE)
    return _UNBOUNDED if now == _RESOURCE.RLIM_INFINITY else now


def bound_unread(listener: socket.socket) -> None:
    """Bound what the system keeps of unread answers, and for how long.

    Connections accepted from `listener` inherit these options. Without them the system keeps up to
    4 MB for each connection, for as long as its client likes.
    """
    for name, value in _UNREAD:
        if option := getattr(socket, name, None):
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


def take_all_descriptors() -> None:
    """Raise the descriptor limit of this process and its children to the hard limit.

    The soft limit is low for programs that use `select`.
    """
    _, most = _RESOURCE.getrlimit(_RESOURCE.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # the hard limit is above the system's
        _RESOURCE.setrlimit(_RESOURCE.RLIMIT_NOFILE, (most, most))

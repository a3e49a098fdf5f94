"""What connections may take before the application sees a request.

granian answers a head that is too large with an empty 431 and closes the connection; one that is
too slow it closes without an answer. It has one time for a head and for the wait until the next
one on a kept connection, so a proxy in front must let go of its idle connections before that.
"""

import sys
from contextlib import suppress

from granian.http import HTTP1Settings

if sys.platform != "win32":
    import resource

BACKLOG = 4096
"""Connections the system may hold until they are accepted; its own bound is usually the same."""

_HEAD_TIME = 8_000
"""Milliseconds a request's head may take, from the connection or the answer before it.

Heads that drip are to be gone within 10 s. Viewers who poll every few seconds keep theirs.
"""

_HEAD_SIZE = 16_384
"""Bytes a request's head may have; granian answers more than 100 headers the same way."""

_RESERVED = 256
"""Descriptors kept for all that is not a client: 100 upstream connections, files, the runtime."""

_UNBOUNDED = 1_000_000


def http1() -> HTTP1Settings:
    """Return the server's bounds for one connection."""
    return HTTP1Settings(header_read_timeout=_HEAD_TIME, max_buffer_size=_HEAD_SIZE)


def connections() -> int:
    """Return how many connections a process may have open; those beyond wait to be accepted.

    Without a bound below that of descriptors, granian would try to accept them at full speed, and
    none would be left to reach the upstream with.
    """
    descriptors = _descriptors()
    return max(descriptors - _RESERVED, descriptors // 2)


def take_all_descriptors() -> None:
    """Let this process and those it starts have as many descriptors as they are allowed.

    The bound that a process starts with is low for the sake of programs that use `select`.
    """
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # where that is more than the system can have
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _descriptors() -> int:
    if sys.platform == "win32":
        return _UNBOUNDED
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _UNBOUNDED if now == resource.RLIM_INFINITY else now

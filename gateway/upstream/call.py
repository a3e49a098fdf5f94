"""A call to the upstream, and the shape of the steps that it passes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.secret import Secret

from .reply import Reply


def deadline_in(seconds: float) -> float:
    """Return the moment `seconds` from now, on the event loop's clock."""
    return asyncio.get_running_loop().time() + seconds


@dataclass(slots=True, eq=False)
class Call:
    """One call with all its attempts, unsigned.

    `path` is sent as it stands and may hold a query. `body` is JSON. `deadline` bounds all
    attempts together, see `deadline_in`. `on_sent` is called when an attempt has a connection.
    `for_write` marks the calls of writes, their reads included. `token` is a user's client token of
    the vendor's, which is sent in place of a signature. `attempts` counts those made so far.
    """

    method: str
    path: str
    deadline: float
    request_id: str = ""
    body: bytes = b""
    on_sent: Callable[[], None] | None = None
    for_write: bool = False
    token: Secret | None = None
    attempts: int = 0

    def time_left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - asyncio.get_running_loop().time()


Send = Callable[[Call], Awaitable[Reply]]
"""Makes a call. Raises a `Fault` without a reply."""

Step = Callable[[Send], Send]
"""Puts a step in front of the next one."""

"""Large bodies on their way to their clients, within bounds of size and time.

The server takes a message of any size at once, and keeps it until the client has read it. So a
large body is sent in small pieces, each of which waits for those before it: of a client that does
not read, the server holds a few pieces only. The body itself is held here, so all of them together
are bounded too. Where one more is too much, the oldest is cut: whoever reads is soon done, and
clients that do not read take memory from each other.
"""

import asyncio

from litestar.types import Send

SMALL = 65_536
"""Bytes of a body that is sent in one message; the server may hold so much for each connection."""

_PIECE = 8_192
"""Bytes in a piece; granian keeps about seven."""

_TIME = 20.0
"""Seconds that a body may take: at 1 Mbit/s the largest, a batch of 2 MiB, takes 17."""

_MOST = 64 << 20
"""Bytes of all large bodies."""


class Outgoing:
    """The large bodies being sent: each for so many `seconds`, and `most` bytes of them at once."""

    def __init__(self, *, seconds: float = _TIME, most: int = _MOST) -> None:
        self._seconds = seconds
        self._left = most
        self._sizes: dict[asyncio.Timeout, int] = {}

    async def send(self, body: bytes, send: Send) -> bool:
        """Send a whole body after its head; return False if it was cut.

        Then the server closes the connection: the body is shorter than its head says.
        """
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                self._enter(deadline, len(body))
                try:
                    await _in_pieces(body, send)
                finally:
                    self._left += self._sizes.pop(deadline, 0)
        except TimeoutError:
            return False
        return True

    def _enter(self, deadline: asyncio.Timeout, size: int) -> None:
        self._sizes[deadline] = size
        self._left -= size
        while self._left < 0 and len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            self._left += self._sizes.pop(oldest)
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())


async def _in_pieces(body: bytes, send: Send) -> None:
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})

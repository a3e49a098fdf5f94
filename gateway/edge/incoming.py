"""What a client sends, bounded: how many headers, how many bytes, how much time.

The server bounds a request's head in bytes and time (`gateway.serving`); the rest is bounded here,
before it is in memory. The body's time is one deadline for all of it, as a client that drips would
keep any other. A body that is refused needs nothing more: the server closes the connection of an
answer that is ahead of its request's body.

A request that waits for its client costs next to nothing, so it is not in flight meanwhile: those
who drip do not lock the others out. Each piece of a body does cost something, whatever its size, so
one that comes in many is read ever more seldom.
"""

import asyncio
from collections.abc import Mapping, Sequence

from litestar.types import HTTPReceiveMessage, Receive

from gateway.rooms import FieldProblem, InvalidRequest

from .answers import Header
from .in_flight import InFlight
from .problems import BodyTooLarge, Overloaded

MAX_BODY = 65536
"""Bytes a request body may have."""

MAX_HEADERS = 64
"""Headers a request may have."""

_BODY_TIME = 10.0
"""Seconds a body may take: at 64 kbit/s the largest takes eight."""

_PIECES = 8
"""Pieces that are read as they come: 64 KiB at once are not more."""

_PAUSE = 0.0002
"""Seconds before each further one, times its number: about 300 are read before it is too late."""


class TooManyHeaders(InvalidRequest):
    """More headers than a request may have."""

    def __init__(self) -> None:
        super().__init__(FieldProblem("headers", f"more than {MAX_HEADERS}"))


class BodyTooSlow(InvalidRequest):
    """The body was not there in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(FieldProblem("body", f"did not arrive within {seconds:g} s"))


class BodyBrokenOff(InvalidRequest):
    """The body ended too early: its client left, or a chunk of it is not well-formed."""

    def __init__(self) -> None:
        super().__init__(FieldProblem("body", "broken off, or not well chunked"))


def require_few(headers: Sequence[Header]) -> None:
    """Raise TooManyHeaders for more than MAX_HEADERS."""
    if len(headers) > MAX_HEADERS:
        raise TooManyHeaders


class IncomingBody:
    """The messages of a request that the server gives by `receive`, up to a size and a time.

    The server has checked that the Content-Length in `headers` is a number.
    """

    __slots__ = (
        "_deadline",
        "_declared",
        "_in_flight",
        "_pieces",
        "_receive",
        "_seconds",
        "_seen",
        "_whole",
    )

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[bytes, bytes],
        in_flight: InFlight,
        *,
        seconds: float = _BODY_TIME,
    ) -> None:
        self._receive = receive
        self._declared = int(headers.get(b"content-length", 0))
        self._in_flight = in_flight
        self._seconds = seconds
        self._deadline: float | None = None
        self._pieces = 0
        self._seen = 0
        self._whole = False

    async def receive(self) -> HTTPReceiveMessage:
        """Return the next message; after the body's last these are the server's own.

        Raises BodyTooLarge as soon as that is known, BodyTooSlow, BodyBrokenOff, and Overloaded
        where others took all places while this request waited.
        """
        if self._whole:
            return await self._next()
        if self._declared > MAX_BODY:
            raise BodyTooLarge
        message = await self._wait()
        if message["type"] == "http.disconnect":
            raise BodyBrokenOff
        self._pieces += 1
        self._seen += len(message["body"])
        if self._seen > MAX_BODY:
            raise BodyTooLarge
        self._whole = not message["more_body"]
        return message

    async def _wait(self) -> HTTPReceiveMessage:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        self._in_flight.leave()
        try:
            async with asyncio.timeout_at(self._deadline):
                if self._pieces > _PIECES:
                    await asyncio.sleep(self._pieces * _PAUSE)
                message = await self._next()
        except TimeoutError as error:
            raise BodyTooSlow(self._seconds) from error
        finally:
            self._in_flight.enter()
        if self._in_flight.too_many:
            raise Overloaded
        return message

    async def _next(self) -> HTTPReceiveMessage:
        message: HTTPReceiveMessage = await self._receive()  # type: ignore[assignment]  # HTTP only
        return message

"""One attempt at a call: sign, send and read the whole reply before the call's time is over.

A step is a function from the next one; in which order they stand is said in `pipeline`. httpx's
timeouts bound single reads, which a dripping upstream outlives, so the deadline is around
everything, connecting included.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import httpx

from gateway.secret import NeverPickled

from .faults import Broken, DeadlineExceeded, Fault, NotAttempted, NotSent, Unreadable
from .transport import Transport


class Reply(NeverPickled):
    """A whole HTTP reply; `body` is decoded from its Content-Encoding.

    The body may hold a `push_url`: so a reply is a plain class, of which nothing lists the fields.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"


Send = Callable[[httpx.Request], Awaitable[Reply]]
"""Sends one request. Raises a `Fault` where there is no reply."""


def within(seconds: float, send: Send) -> Send:
    """Give the call `seconds` in all, from now on: whatever the next steps do ends by then."""

    async def timed(request: httpx.Request) -> Reply:
        request.extensions["until"] = _now() + seconds
        return await send(request)

    return timed


def time_left(request: httpx.Request) -> float:
    """Return how many seconds the call has left."""
    until: float = request.extensions["until"]
    return until - _now()


def deadline(send: Send) -> Send:
    """Raise DeadlineExceeded when the call's time is over; tell the transport the time left."""

    async def in_time(request: httpx.Request) -> Reply:
        left = time_left(request)
        if left <= 0:
            raise NotAttempted("no time was left to send it", retry_after=1)
        request.extensions["deadline"] = left
        try:
            async with asyncio.timeout(left):
                return await send(request)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no whole reply within {left:.3g} s") from error

    return in_time


def signed(auth: httpx.Auth, send: Send) -> Send:
    """Let `auth` sign the request; its flow is a single step without a challenge."""

    async def sign_and_send(request: httpx.Request) -> Reply:
        return await send(next(auth.auth_flow(request)))

    return sign_and_send


def plain(transport: Transport) -> Send:
    """Send over `transport`; the one place that translates its errors."""

    async def send(request: httpx.Request) -> Reply:
        try:
            response = await transport.handle_async_request(request)
            async with aclosing(response):
                body = await _whole(response.stream)
        except httpx.HTTPError as error:
            raise _fault(error) from error
        return Reply(response.status_code, response.headers, body)

    return send


async def _whole(stream: object) -> bytes:
    """Return a body that the transport has decoded; `Response.aread` would decode it again."""
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport has asynchronous streams")
    return b"".join([chunk async for chunk in stream])


def _fault(error: httpx.HTTPError) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceeded(str(error))
    if isinstance(error, httpx.ConnectError):
        return NotSent(str(error))
    return (Unreadable if isinstance(error, httpx.DecodingError) else Broken)(str(error))


def _now() -> float:
    return asyncio.get_running_loop().time()

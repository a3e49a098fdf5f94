"""One attempt at a call: sign, send and read the whole reply, all within one deadline.

A step is a function from the next one; `attempt` is the column in which they stand. httpx's
timeouts bound single reads, which a dripping upstream outlives, so the deadline is around
everything, connecting and waiting for a pool slot included.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import httpx
from msgspec import Struct

from .faults import Broken, Fault, NotSent, Overdue
from .transport import Transport


class Reply(Struct, frozen=True):
    """A whole HTTP reply; `body` is decoded from its Content-Encoding."""

    status: int
    headers: httpx.Headers
    body: bytes

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"  # the body may hold a push_url


Send = Callable[[httpx.Request], Awaitable[Reply]]
"""Sends one request. Raises a `Fault` where there is no reply."""


def attempt(transport: Transport, auth: httpx.Auth, *, timeout: float) -> Send:
    """Return the pipeline of one attempt: deadline → sign → send; `timeout` in seconds."""
    return deadline(timeout, signed(auth, plain(transport)))


def deadline(seconds: float, send: Send) -> Send:
    """Give up on `send` after `seconds`, raising Overdue; the transport is told as well."""

    async def within(request: httpx.Request) -> Reply:
        request.extensions["deadline"] = seconds
        try:
            async with asyncio.timeout(seconds):
                return await send(request)
        except TimeoutError as error:
            raise Overdue(f"no whole reply within {seconds:g} s") from error

    return within


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
        return Overdue(str(error))
    return NotSent(str(error)) if isinstance(error, httpx.ConnectError) else Broken(str(error))

"""One attempt at a call: sign, send, read the reply up to a cap, all within one deadline.

A step is a function from the next one; `attempt` is the column in which they stand. httpx's
timeouts bound single reads, which a dripping upstream outlives, so the deadline is around
everything, connecting and waiting for a pool slot included.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from msgspec import Struct

from .faults import Broken, Fault, NotSent, Overdue
from .transport import TIMEOUTS, TRANSPORT_ERRORS, Transport, was_never_sent


class Reply(Struct, frozen=True):
    """A whole HTTP reply; `body` is decoded from its Content-Encoding."""

    status: int
    headers: httpx.Headers
    body: bytes

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"  # the body may hold a push_url


Send = Callable[[httpx.Request], Awaitable[Reply]]
"""Sends one request. Raises a `Fault` where there is no reply."""


def attempt(transport: Transport, auth: httpx.Auth, *, timeout: float, max_body: int) -> Send:
    """Return the pipeline of one attempt: deadline → sign → send; `timeout` in seconds."""
    return deadline(timeout, signed(auth, plain(transport, max_body)))


def deadline(seconds: float, send: Send) -> Send:
    """Give up on `send` after `seconds`, raising Overdue.

    The transport is told too: it goes on with a call that is cancelled, holding its pool slot, and
    takes the sum of httpx's four timeouts as its limit for all of the call, the queue included.
    """

    async def within(request: httpx.Request) -> Reply:
        request.extensions["timeout"] = {"pool": seconds}
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


def plain(transport: Transport, max_body: int) -> Send:
    """Send over `transport` and read at most `max_body` bytes; the one place that translates."""

    async def send(request: httpx.Request) -> Reply:
        try:
            response = await transport.handle_async_request(request)
            try:
                body = await _read(response, max_body)
            finally:
                await response.aclose()
        except TRANSPORT_ERRORS as error:
            raise _fault(error) from error
        return Reply(response.status_code, response.headers, body)

    return send


def _fault(error: Exception) -> Fault:
    if isinstance(error, TIMEOUTS):
        return Overdue(str(error))
    return NotSent(str(error)) if was_never_sent(error) else Broken(str(error))


async def _read(response: httpx.Response, max_body: int) -> bytes:
    """Return the body, which the transport decodes piece by piece, dropping Content-Encoding.

    What it leaves encoded is refused: httpx would inflate a whole piece before it can be measured.
    """
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Broken("the reply has a content encoding that was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_body:
            raise Broken(f"the reply is larger than {max_body} bytes")
    return bytes(body)

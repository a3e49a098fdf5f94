"""Any transport of httpx as the gateway's transport, such as a mock or an ASGI application."""

import asyncio
from contextlib import aclosing

import httpx

from gateway.secret import NeverPickled

from .faults import Broken, DeadlineExceeded, Fault, NotSent, Unreadable
from .reply import Reply
from .transport import Request


class SignedRequest(NeverPickled, httpx.Request):
    """A request with the AK in its headers."""


class HttpxTransport:
    """A transport that sends over `inner`; it caps no body.

    `inner` is told the seconds left, as the request's extension `deadline`.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def send(self, request: Request, seconds: float) -> Reply:
        """Send a request. The one place that translates httpx's errors."""
        sent = SignedRequest(
            request.method,
            request.url,
            headers=request.headers,
            stream=httpx.ByteStream(request.body),  # `content=` would add headers
            extensions={"deadline": seconds},
        )
        await sent.aread()
        try:
            async with asyncio.timeout(seconds):
                response = await self._inner.handle_async_request(sent)
                body = await _whole(response.stream)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no whole reply within {seconds:.3g} s") from error
        except httpx.HTTPError as error:
            raise _fault(error) from error
        return Reply(response.status_code, response.headers, body)

    def renew(self) -> None:
        """Do nothing: the connections are httpx's."""

    async def aclose(self) -> None:
        """Close `inner`."""
        await self._inner.aclose()


async def _whole(stream: object) -> bytes:
    """Return a body as it came; `Response.aread` would decode it."""
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport has asynchronous streams")
    async with aclosing(stream):
        return b"".join([chunk async for chunk in stream])


def _fault(error: httpx.HTTPError) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceeded(str(error))
    if isinstance(error, httpx.ConnectError):
        return NotSent(str(error))
    return (Unreadable if isinstance(error, httpx.DecodingError) else Broken)(str(error))

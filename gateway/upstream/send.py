"""The last step of a call: sign it, send it and read the whole reply before the deadline.

A call with a client token has that in place of a signature.

Only here is there an HTTP request. httpx's timeouts bound single reads, and a dripping upstream
outlives them, so one deadline bounds everything, connecting included.
"""

import asyncio
from contextlib import aclosing

import httpx

from gateway.secret import NeverPickled

from .call import Call, Send
from .faults import Broken, DeadlineExceeded, Fault, NotAttempted, NotSent, Unreadable
from .reply import Reply
from .signature import QiniuSigner
from .transport import Transport

_WITH_LENGTH = frozenset({"POST", "PUT"})
"""Methods whose requests tell their length, also without a body."""


class SignedRequest(NeverPickled, httpx.Request):
    """A request with the AK, or a client token, in its headers."""


def transmit(transport: Transport, signer: QiniuSigner, base_url: str) -> Send:
    """Return the last step: sign a call and send it to `base_url`, a URL without a path."""
    host = httpx.URL(base_url).netloc.decode("ascii")

    async def sign_and_send(call: Call) -> Reply:
        signed = [("Content-Type", "application/json")] if call.body else []
        if call.token is None:
            authorization = signer.authorization(call.method, call.path, host, signed, call.body)
        else:
            authorization = call.token.reveal()  # as it is, without `Bearer`
        headers = [("Host", host), *signed, ("X-Reqid", call.request_id)]
        headers.append(("Authorization", authorization))
        if call.body or call.method in _WITH_LENGTH:
            headers.append(("Content-Length", str(len(call.body))))
        request = SignedRequest(
            call.method,
            f"{base_url}{call.path}",
            headers=headers,
            stream=httpx.ByteStream(call.body),  # `content=` would parse the headers again
        )
        request.read()
        return await round_trip(transport, request, call.deadline)

    return sign_and_send


async def round_trip(transport: Transport, request: httpx.Request, deadline: float) -> Reply:
    """Send `request` and return the whole reply, by `deadline` on the event loop's clock.

    The transport is told the seconds left, as the request's extension `deadline`. Raises a Fault:
    this is the one place that translates httpx's errors.
    """
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise NotAttempted("no time was left to send it", retry_after=1)
    request.extensions["deadline"] = left
    try:
        async with asyncio.timeout_at(deadline):
            response = await transport.handle_async_request(request)
            body = await _whole(response.stream)
    except TimeoutError as error:
        raise DeadlineExceeded(f"no whole reply within {left:.3g} s") from error
    except httpx.HTTPError as error:
        raise _fault(error) from error
    return Reply(response.status_code, response.headers, body)


async def _whole(stream: object) -> bytes:
    """Return a body that the transport has decoded; `Response.aread` would decode it again."""
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

"""The HTTP client under the httpx seam: reqwest, by way of pyreqwest.

httpx's own transport leaks a pool slot when a request is cancelled, and hands bytes that follow a
finished reply to the next request on that connection, which here would be another room's body.
pyreqwest's ready-made httpx transport does neither, but takes twice the time of this one and lets
errors in mid-body through as its own.

- No redirect is followed, no cookie kept, no proxy variable read (netrc is never read).
- HTTP/1.1 only: what is signed is what is sent.
- Writes do not use kept connections. Bytes that an upstream sent after a reply could pass for the
  next one, and that of a stop or a delete does not say what it is about; and a connection that the
  upstream is just closing leaves open whether the write got there.
- The body is decoded piece by piece and read up to a cap. A Content-Encoding that reqwest leaves
  in place is refused: httpx would inflate the body whole before it could be measured.
- reqwest goes on with a call whose task was cancelled, holding its pool slot, so it is given the
  time limit as well, as the request's extension `deadline` in seconds.
- A connection that broke after the request was sent is a ConnectError to pyreqwest; only the chain
  of causes in its details tells that from one never made (measured with version 0.15).

Where the time of a missed read goes, of 240 µs on one core without the HTTP server: 120 in reqwest
and in handing over between its thread and the event loop, 35 in httpx's Request and URL, 15 each in
the signature and in the task that others may join, 10 in the JSON, the rest in small pieces.
"""

from datetime import timedelta

import httpx
from httpx import AsyncBaseTransport
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.response import ResponseBodyReader

Transport = AsyncBaseTransport
"""The seam: anything that sends an `httpx.Request` and raises `httpx.HTTPError`."""


def build_transport(*, connections: int, max_body: int, user_agent: str) -> Transport:
    """Return a transport with at most `connections` for reads; close it with `aclose`.

    A reply may have `max_body` bytes after decoding.
    """
    reads = _client(user_agent).max_connections(connections)
    writes = _client(user_agent).pool_max_idle_per_host(0)
    return ReqwestTransport(reads.build(), writes.build(), max_body)


def _client(user_agent: str) -> ClientBuilder:
    return (
        ClientBuilder()
        .user_agent(user_agent)
        .follow_redirects(enable=False)
        .default_cookie_store(enable=False)
        .referer(enable=False)
        .no_proxy()
        .http1_only()
    )


class ReqwestTransport(AsyncBaseTransport):
    """Sends over two clients, which it closes; a reply comes whole, up to `max_body` bytes."""

    def __init__(self, reads: Client, writes: Client, max_body: int) -> None:
        self._reads = reads
        self._writes = writes
        self._max_body = max_body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, read the reply.

        Raises ConnectError, TimeoutException, ReadError, or DecodingError for a reply that is too
        large or in another encoding than was asked for.
        """
        client = self._reads if request.method == "GET" else self._writes
        builder = client.request(request.method, str(request.url))
        builder = builder.headers(request.headers.multi_items())
        if "deadline" in request.extensions:
            builder = builder.timeout(timedelta(seconds=request.extensions["deadline"]))
        if request.content:
            builder = builder.body_bytes(request.content)
        try:
            async with builder.build_streamed() as reply:
                headers = list(reply.headers.items())
                if reply.headers.get("content-encoding", "identity") != "identity":
                    raise httpx.DecodingError("the reply has an encoding that was not asked for")
                body = await self._read(reply.body_reader)
        except (PyreqwestError, ValueError) as error:  # ValueError: a header that is not ASCII
            raise _translated(error) from error
        return httpx.Response(reply.status, headers=headers, stream=httpx.ByteStream(body))

    async def aclose(self) -> None:
        """Close both."""
        await self._reads.close()
        await self._writes.close()

    async def _read(self, reader: ResponseBodyReader) -> bytes:
        body = bytearray()
        while (chunk := await reader.read(self._max_body + 1)) is not None:
            body += chunk
            if len(body) > self._max_body:
                raise httpx.DecodingError(f"the reply is larger than {self._max_body} bytes")
        return bytes(body)


def _translated(error: Exception) -> httpx.HTTPError:
    if not isinstance(error, DetailedPyreqwestError):
        return httpx.ReadError(str(error))
    causes = [cause["message"] for cause in error.details["causes"] or []]
    text = ": ".join([error.message, *causes[-1:]])  # the last is the nearest to the socket
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(text)
    if "client error (Connect)" in causes:
        return httpx.ConnectError(text)
    return httpx.ReadError(text)

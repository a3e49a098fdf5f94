"""The HTTP client under the httpx seam: reqwest, by way of pyreqwest.

httpx's own transport leaks a pool slot when a request is cancelled. It also hands bytes that follow
a finished reply to the next request on that connection: here, another room's body. pyreqwest's
ready-made httpx transport does neither, but is half as fast as this one and lets errors in mid-body
through as its own.

- No redirect is followed, no cookie kept, no proxy variable read (netrc is never read).
- HTTP/1.1 only, so the signed bytes are the sent bytes.
- Writes do not use kept connections. Bytes that an upstream sent after a reply could pass for the
  next reply, and the reply to a stop or a delete does not name its room. A connection that the
  upstream is just closing leaves open whether the write got there.
- The body is decoded piece by piece and read up to a cap. A Content-Encoding that reqwest leaves
  in place is refused: httpx would inflate the body whole before it could be measured.
- Connections are made anew on `renew` and every five minutes. A kept connection would stay with an
  upstream that has moved to another address for as long as the old one answers. A client that is
  dropped, not closed, finishes its calls and closes its idle connections.
- reqwest goes on with a call after its task was cancelled, and holds its pool slot. So it is told
  the time limit as well: the request's extension `deadline`, in seconds.
- pyreqwest raises ConnectError also for a connection that broke after the request was sent. Only
  the chain of causes in its details tells the two apart (measured with version 0.15).
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import httpx
from httpx import AsyncBaseTransport
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import ResponseBodyReader

from gateway.proxy import Proxy

Transport = AsyncBaseTransport
"""The seam: any sender of an `httpx.Request`. It raises `httpx.HTTPError`."""


_AGE = 300.0
"""Seconds until connections are made anew."""


def build_transport(
    *,
    connections: int,
    max_body: int,
    user_agent: str,
    proxy: Proxy | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Transport:
    """Return a transport with at most `connections` for reads; close it with `aclose`.

    Calls go through `proxy`, if there is one: as they are for http, in a tunnel for https.

    A reply may have `max_body` bytes after decoding. `clock` is monotonic, in seconds.
    """

    def clients() -> tuple[Client, Client]:
        reads = _client(user_agent, proxy).max_connections(connections)
        writes = _client(user_agent, proxy).pool_max_idle_per_host(0)
        return reads.build(), writes.build()

    return ReqwestTransport(clients, max_body, clock)


def renew(transport: Transport) -> None:
    """Make the connections of `transport` anew, if it keeps any."""
    if isinstance(transport, ReqwestTransport):
        transport.renew()


def _client(user_agent: str, proxy: Proxy | None) -> ClientBuilder:
    return (
        _through(proxy)
        .user_agent(user_agent)
        .follow_redirects(enable=False)
        .default_cookie_store(enable=False)
        .referer(enable=False)
        .http1_only()
    )


def _through(proxy: Proxy | None) -> ClientBuilder:
    """Return a builder of clients that use this proxy, and no other of the environment."""
    if proxy is None:
        return ClientBuilder().no_proxy()
    used = ProxyBuilder.all(proxy.url)
    if proxy.password is not None:
        used = used.basic_auth(proxy.user, proxy.password.reveal())
    return ClientBuilder().proxy(used)


class ReqwestTransport(AsyncBaseTransport):
    """A transport over two clients, closed with it; a reply comes whole, up to `max_body` bytes.

    `build` returns a client for reads and one for writes.
    """

    def __init__(
        self, build: Callable[[], tuple[Client, Client]], max_body: int, clock: Callable[[], float]
    ) -> None:
        self._build = build
        self._max_body = max_body
        self._clock = clock
        self._built_at = clock()
        self._reads, self._writes = build()

    def renew(self) -> None:
        """Send later calls over new connections; calls in flight finish on theirs."""
        self._built_at = self._clock()
        with suppress(PyreqwestError):  # short of resources: the old ones will do
            self._reads, self._writes = self._build()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and read the reply.

        Raises ConnectError, TimeoutException or ReadError; DecodingError for a reply that is too
        large or in an encoding that was not asked for.
        """
        if self._clock() - self._built_at > _AGE:
            self.renew()
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
        """Close the current clients."""
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
    messages = [cause["message"] for cause in error.details["causes"] or []]
    causes = [message.partition(" for url ")[0] for message in messages]  # a URL may name a user
    text = ": ".join([error.message, *causes[-1:]])  # the last is the nearest to the socket
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(text)
    if "client error (Connect)" in causes:
        return httpx.ConnectError(text)
    return httpx.ReadError(text)

"""The gateway's own transport: reqwest, by way of pyreqwest.

httpx's own transport leaks a pool slot when a request is cancelled. It also hands bytes that follow
a finished reply to the next request on that connection: here, another room's body. reqwest does
neither. pyreqwest's ready-made httpx transport is half as fast as this one and lets errors in
mid-body through as its own. aiohttp costs twice as much. A client over httptools, in the event
loop's own thread, would cost a third; its pool, TLS, proxies and defences would all be ours.

- No redirect is followed, no cookie kept, no proxy variable read (netrc is never read).
- HTTP/1.1 only, so the signed bytes are the sent bytes.
- Writes do not use kept connections. Bytes that an upstream sent after a reply could pass for the
  next reply, and the reply to a stop or a delete does not name its room. A connection that the
  upstream is just closing leaves open whether the write got there.
- The body is decoded piece by piece and read up to a cap. A Content-Encoding that reqwest leaves
  in place is refused.
- Connections are made anew on `renew` and every five minutes. A kept connection would stay with an
  upstream that has moved to another address for as long as the old one answers. A client that is
  dropped, not closed, finishes its calls and closes its idle connections.
- The time limit is reqwest's own. It goes on with a call after its task was cancelled, and holds
  the pool slot until that limit.
- pyreqwest raises ConnectError also for a connection that broke after the request was sent. Only
  the chain of causes in its details tells the two apart (measured with version 0.15).
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.response import ResponseBodyReader

from gateway.proxy import Proxy

from .faults import Broken, DeadlineExceeded, Fault, NotSent, Unreadable
from .reply import Reply
from .transport import Request, Transport

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
    """Return a transport with at most `connections` for reads.

    Calls go through `proxy`, if there is one: as they are for http, in a tunnel for https.

    A reply may have `max_body` bytes after decoding. `clock` is monotonic, in seconds.
    """

    def clients() -> tuple[Client, Client]:
        reads = _client(user_agent, proxy).max_connections(connections)
        writes = _client(user_agent, proxy).pool_max_idle_per_host(0)
        return reads.build(), writes.build()

    return ReqwestTransport(clients, max_body, clock)


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


class ReqwestTransport:
    """A transport over two clients, closed with it; a reply has up to `max_body` bytes.

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
        """Send later requests over new connections; those in flight finish on theirs."""
        self._built_at = self._clock()
        with suppress(PyreqwestError):  # short of resources: the old ones will do
            self._reads, self._writes = self._build()

    async def send(self, request: Request, seconds: float) -> Reply:
        """Send a request. The one place that translates pyreqwest's errors."""
        if self._clock() - self._built_at > _AGE:
            self.renew()
        client = self._reads if request.method == "GET" else self._writes
        builder = client.request(request.method, request.url).headers(request.headers)
        builder = builder.timeout(timedelta(seconds=seconds))
        if request.body:
            builder = builder.body_bytes(request.body)
        try:
            async with builder.build_streamed() as response:
                headers = _headers(response.headers)
                if headers.get("content-encoding", "identity") != "identity":
                    raise Unreadable("the reply has an encoding that was not asked for")
                return Reply(response.status, headers, await self._read(response.body_reader))
        except (PyreqwestError, ValueError) as error:  # ValueError: a header that is not ASCII
            raise _fault(error, seconds) from error

    async def aclose(self) -> None:
        """Close the current clients."""
        await self._reads.close()
        await self._writes.close()

    async def _read(self, reader: ResponseBodyReader) -> bytes:
        body = bytearray()
        while (chunk := await reader.read(self._max_body + 1)) is not None:
            body += chunk
            if len(body) > self._max_body:
                raise Unreadable(f"the reply is larger than {self._max_body} bytes")
        return bytes(body)


def _headers(sent: HeaderMap) -> Mapping[str, str]:
    """Return the headers of a reply; one that is repeated is a list (RFC 9110 §5.3)."""
    headers: dict[str, str] = {}
    for name, value in sent.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _fault(error: Exception, seconds: float) -> Fault:
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(f"no whole reply within {seconds:.3g} s")
    if not isinstance(error, DetailedPyreqwestError):
        return Broken(str(error))
    messages = [cause["message"] for cause in error.details["causes"] or []]
    causes = [message.partition(" for url ")[0] for message in messages]  # a URL may name a user
    text = ": ".join([error.message, *causes[-1:]])  # the last is the nearest to the socket
    return (NotSent if "client error (Connect)" in causes else Broken)(text)

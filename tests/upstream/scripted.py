"""The last step of a call, for tests; the vendor's SDK's signature of a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qiniu import QiniuMacAuth
from qiniu.utils import canonical_mime_header_key

from gateway.upstream import Call, QiniuSigner, Send, Transport, build_transport, transmit
from gateway.upstream.call import deadline_in

AK, SK = "access-key", "secret-key"


@asynccontextmanager
async def connecting(
    connections: int = 2, *, max_body: int = 1_000_000
) -> AsyncIterator[Transport]:
    """Return the gateway's own transport with a pool of this size."""
    transport = build_transport(connections=connections, max_body=max_body, user_agent="tests")
    try:
        yield transport
    finally:
        await transport.aclose()


def sender(transport: Transport, url: str) -> Send:
    """Return the gateway's own last step, to the server at `url`."""
    return transmit(transport, QiniuSigner(AK, SK), url)


@asynccontextmanager
async def sending(url: str, *, max_body: int = 1_000_000) -> AsyncIterator[Send]:
    """Return that step over a transport of its own."""
    async with connecting(max_body=max_body) as transport:
        yield sender(transport, url)


def call(method: str = "GET", path: str = "/", body: bytes = b"", *, seconds: float = 10.0) -> Call:
    """Return a call that has so many seconds."""
    return Call(method, path, deadline_in(seconds), "req-1", body)


def sdk_authorization(
    method: str, target: str, headers: dict[str, str], body: bytes, keys: tuple[str, str]
) -> str:
    """Return the Authorization value that the vendor's SDK makes for a request."""
    mac = QiniuMacAuth(*keys)
    named = {canonical_mime_header_key(name): value for name, value in headers.items()}
    token = mac.token_of_request(
        method,
        named["Host"],
        f"http://ignored{target}",
        mac.qiniu_headers(named),
        named.get("Content-Type"),
        body,
    )
    return f"Qiniu {token}"

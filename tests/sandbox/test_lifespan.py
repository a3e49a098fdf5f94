"""The vendor speaks the ASGI lifespan protocol and reads bodies in several messages."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.sandbox.vendor import Vendor


def drive(scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
    """Feed `messages` to a vendor and return its own; it must not ask for more."""
    incoming, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    vendor = Vendor("ak", "sk")
    asyncio.run(vendor(scope, receive, send))
    return [*sent, *(call.body for call in vendor.calls)]


def test_lifespan() -> None:
    """Startup and shutdown are each acknowledged."""
    sent = drive({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_a_body_in_pieces() -> None:
    """The vendor takes header names in any case, the client's port as text, and a split body."""
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/server/live",
        "query_string": b"",
        "headers": [(b"Host", b"h"), (b"X-REQID", b"r-1")],
        "client": ("127.0.0.1", "40000"),
    }
    start, reply, body = drive(
        scope,
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"cd"},
    )
    assert start["status"] == 401
    assert b'"request_id":"r-1"' in reply["body"]
    assert body == b"abcd"

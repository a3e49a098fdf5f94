"""Responses: the one place for status, headers and body.

A read ends in the same function here by the fast path and by the router. A viewer's own client may
keep a room while it is fresh, and revalidate it by its strong ETag. The anchor's room carries a
secret and must not be stored.

The outgoing guard: an answer to anyone but a room's anchor cannot contain its `push_url`, because
no type on the way to it has one.

- Viewers, administrators and batches are answered from a `CachedRoom`, encoded from a `ViewerRoom`
  by `encode_room`; a create is answered in the shape chosen by `policy.shape_for`.
- `push_url` is a Secret, and no encoder takes one. Only `_whole` reveals its text; it takes an
  `AnchorRoom`, and only a policy's verdict leads there.

mypy checks the first point (tests/leaks/test_types.py), and tests of traffic check both.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from types import MappingProxyType

import msgspec
from litestar.types import Message, Receive, Scope, Send
from msgspec import Struct

from gateway.rooms import (
    AnchorRoom,
    Batch,
    CachedRoom,
    Creation,
    EncodedRoom,
    LivePage,
    LookupResult,
    ViewerRoom,
)
from gateway.secret import NeverPickled, Secret

from .paths import ROOMS

Header = tuple[bytes, bytes]

_JSON = b"application/json"
_VARY = (b"vary", b"Authorization")
_CACHE_STATUS = MappingProxyType(
    {
        LookupResult.HIT: (b"cache-status", b"gateway; hit"),
        LookupResult.SHARED_HIT: (b"cache-status", b"gateway; hit"),
        LookupResult.STALE: (b"cache-status", b"gateway; hit; detail=stale"),
        LookupResult.STALE_IF_ERROR: (b"cache-status", b"gateway; hit; detail=stale"),
        LookupResult.MISS: (b"cache-status", b"gateway; fwd=miss"),
        LookupResult.COALESCED: (b"cache-status", b"gateway; fwd=miss"),
        LookupResult.BYPASS: (b"cache-status", b"gateway; fwd=bypass"),
    }
)
_REVALIDATE = (b"cache-control", b"private, no-cache")
NO_STORE = (b"cache-control", b"no-store")
REPLAYED = (b"idempotency-replayed", b"true")

_DESCRIBED = 2
"""Headers of an encoded room that describe its body; a 304 has none."""

_AGES = 4096
"""Values of `max-age` whose headers are remembered."""


class Answer(NeverPickled):
    """A response, and the ASGI application that sends it; header names are in lower case.

    `cache` is the lookup result of the room in it, None if there is none. The body may hold a
    `push_url`, so this is a plain class: no serializer can enumerate its fields.
    """

    __slots__ = ("body", "cache", "headers", "status")

    def __init__(
        self, status: int, headers: tuple[Header, ...], body: bytes = b"", cache: str | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.cache = cache

    def __repr__(self) -> str:
        return f"Answer(status={self.status})"

    def messages(self, more: tuple[Header, ...] = ()) -> tuple[Message, Message]:
        """Return its ASGI messages, with `more` headers."""
        headers = self.headers + more
        return (
            {"type": "http.response.start", "status": self.status, "headers": headers},
            {"type": "http.response.body", "body": self.body, "more_body": False},
        )

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        for message in self.messages():
            await send(message)


def json(value: Struct, *headers: Header, status: int = 200) -> Answer:
    """Return an answer with `value` as JSON."""
    return content(_JSON, msgspec.json.encode(value), *headers, status=status)


def content(media_type: bytes, body: bytes, *headers: Header, status: int = 200) -> Answer:
    """Return an answer with `body` as it is."""
    return Answer(status, (*_described(media_type, body), *headers), body)


def _described(media_type: bytes, body: bytes) -> tuple[Header, Header]:
    return (b"content-type", media_type), (b"content-length", b"%d" % len(body))


def encode_room(room: ViewerRoom) -> EncodedRoom:
    """Return a room's JSON and its strong ETag."""
    body = msgspec.json.encode(room)
    return encoded(room.anchor_info.user_id, body, etag_of(body))


def encoded(anchor_id: str, body: bytes, etag: bytes) -> EncodedRoom:
    """Return an encoded room with the headers that its responses have in common."""
    return EncodedRoom(anchor_id, body, etag, (*_described(_JSON, body), _VARY, (b"etag", etag)))


def encode_page(page: LivePage) -> EncodedRoom:
    """Return the JSON of a page of living rooms and its strong ETag; it has no anchor."""
    body = msgspec.json.encode(page)
    return encoded("", body, etag_of(body))


def etag_of(body: bytes) -> bytes:
    """Return a strong ETag."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'.encode()


def created(creation: Creation, root_path: str) -> Answer:
    """Answer a create, or repeat the answer to an earlier one."""
    room = creation.room
    location = (b"location", f"{root_path}{ROOMS}/{room.live_id}".encode())
    replayed = (REPLAYED,) if creation.replayed else ()
    body = _whole(room) if isinstance(room, AnchorRoom) else msgspec.json.encode(room)
    return content(_JSON, body, NO_STORE, location, *replayed, status=201)


def done() -> Answer:
    """Answer a start, a heartbeat, a stop or a delete."""
    return Answer(204, (NO_STORE,))


def found(
    room: CachedRoom | AnchorRoom, if_none_match: bytes | None, more: tuple[Header, ...] = ()
) -> Answer:
    """Answer a read of a room or a page, with `more` headers.

    `if_none_match` is the request's header of that name.
    """
    if isinstance(room, AnchorRoom):
        body, result = _whole(room), LookupResult.BYPASS
        secret = (*_described(_JSON, body), NO_STORE, _VARY, _CACHE_STATUS[result], *more)
        return Answer(200, secret, body, result)
    seen, result = room.room, room.result
    more = _freshness(room.max_age, result) + more
    if if_none_match is not None and matches(if_none_match, seen.etag):
        return Answer(304, seen.headers[_DESCRIBED:] + more, b"", result)
    return Answer(200, seen.headers + more, seen.body, result)


@lru_cache(_AGES)
def _freshness(max_age: int, result: LookupResult) -> tuple[Header, Header]:
    return (b"cache-control", b"private, max-age=%d" % max_age), _CACHE_STATUS[result]


def batch(rooms: Batch, if_none_match: bytes | None) -> Answer:
    """Answer a read of several rooms, each already encoded; a client asks again by the ETag."""
    missing, failed = msgspec.json.encode(rooms.missing), msgspec.json.encode(rooms.failed)
    body = b'{"rooms":[%b],"missing":%b,"failed":%b}' % (
        b",".join(each.room.body for each in rooms.found),
        missing,
        failed,
    )
    etag = etag_of(body)
    headers = (_REVALIDATE, _VARY, (b"etag", etag))
    if if_none_match is not None and matches(if_none_match, etag):
        return Answer(304, headers)
    return content(_JSON, body, *headers)


def _whole(room: AnchorRoom) -> bytes:
    return msgspec.json.encode(room, enc_hook=Secret.reveal)


def allowing(*methods: str) -> Answer:
    """Answer an OPTIONS."""
    return Answer(204, ((b"allow", allow(*methods).encode()), NO_STORE))


def allow(*methods: str) -> str:
    """Return an `Allow` header, with HEAD beside GET: the outer layer answers it."""
    return ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))


def condition_in(headers: Iterable[Header]) -> bytes | None:
    """Return the `If-None-Match` in raw request headers; several count as one list."""
    given = [value for name, value in headers if name == b"if-none-match"]
    return b", ".join(given) if given else None


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Return True if an `If-None-Match` header names `etag`, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match in (etag, b"*"):
        return True
    return etag in {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}

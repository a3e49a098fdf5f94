"""What a successful response contains: the one place that decides its body and headers.

A viewer's room may be kept by the viewer's own client and revalidated by its strong ETag; the
anchor's carries a secret and may be kept by nobody. Nothing is cached here yet, so `max-age` is 0
and `Cache-Status` (RFC 9211) says that every read went on to the upstream.
"""

import hashlib

import msgspec
from litestar import Response
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from gateway.rooms import AnchorRoom, ViewerRoom

JSON = "application/json"
NO_STORE = {"cache-control": "no-store"}


def created(room: ViewerRoom | AnchorRoom) -> Response[bytes]:
    """Answer a create."""
    headers = {"location": f"/v1/rooms/{room.live_id}", **NO_STORE}
    return Response(
        msgspec.json.encode(room), status_code=HTTP_201_CREATED, media_type=JSON, headers=headers
    )


def done() -> Response[None]:
    """Answer a stop or a delete."""
    return Response(None, status_code=HTTP_204_NO_CONTENT, headers=NO_STORE)


def found(room: ViewerRoom | AnchorRoom, if_none_match: str | None) -> Response[bytes]:
    """Answer a read; `if_none_match` is the request's header of that name."""
    body = msgspec.json.encode(room)
    if isinstance(room, AnchorRoom):
        headers = {**NO_STORE, "vary": "Authorization", "cache-status": "gateway; fwd=bypass"}
        return Response(body, media_type=JSON, headers=headers)
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {
        "cache-control": "private, max-age=0",
        "vary": "Authorization",
        "etag": etag,
        "cache-status": "gateway; fwd=miss",
    }
    if if_none_match is not None and matches(if_none_match, etag):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, status_code=HTTP_200_OK, media_type=JSON, headers=headers)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names `etag`, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    return etag in {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}

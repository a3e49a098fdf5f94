"""The examples of the OpenAPI document, and the types that only the document has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.events import event
from gateway.rooms import LIVE_ID, Anchor, FieldProblem, InvalidRequest, LivePage, ViewerRoom
from gateway.secret import Secret

from .bodies import CreateRoom
from .callback_handlers import Taken
from .health import SERVICE, Health, Index, Readiness
from .operations import EventsExample, Example
from .paths import DOCS, HEALTH, OPENAPI, READINESS
from .problems import Problem, details
from .protected_resource import ResourceMetadata

LiveId = Annotated[str, Meta(pattern=f"^{LIVE_ID}$")]


class RoomBatch(Struct, frozen=True):
    """Several rooms in viewer shape, in the order asked for."""

    rooms: Annotated[
        Sequence[ViewerRoom], Meta(description="Never with `push_url`, not even for their anchor.")
    ]
    missing: Annotated[Sequence[LiveId], Meta(description="Ids of rooms that do not exist.")]
    failed: Annotated[Sequence[LiveId], Meta(description="Ids that could not be read now.")]


class Callback(Struct, frozen=True):
    """A callback of the vendor's; anything but these is taken, and has no effect."""

    type: Annotated[
        str,
        Meta(description="`live_created`, `live_started`, `live_stopped` or `live_deleted`."),
    ]
    body: Annotated[Any, Meta(description="An object with the `live_id` of the room.")] = None


ROOM = ViewerRoom(
    live_id="1580203311927304192",
    title="Friday session",
    notice="Starts at eight",
    cover_url="https://example.com/cover.png",
    extends={"season": "2"},
    anchor_info=Anchor(
        user_id="alice",
        im_userid=9007199254740993,
        nick="Alice",
        avatar="https://example.com/alice.png",
        extends={},
    ),
    anchor_status=1,
    pk_id="",
    online_count=3,
    start_time=1791633600,
    end_time=None,
    chat_id=9007199254740995,
    hls_url="https://play.example.com/live/room.m3u8",
    rtmp_url="rtmp://play.example.com/live/room",
    flv_url="https://play.example.com/live/room.flv",
    pv=1003,
    uv=934,
    live_status=1,
)


_PUSH_URL = Secret("rtmp://push.example.com/live/room?token=only-for-its-anchor")

ROOMS = (
    Example("viewer", "To anyone else", ROOM),
    Example("anchor", "To the room's anchor", ROOM.for_anchor(_PUSH_URL)),
)


class NoData(Struct, frozen=True):
    """No data: the event's name says it all."""


class RoomEvents(Struct, frozen=True):
    """The data of each event on a stream, by the event's name."""

    room: ViewerRoom
    change: Annotated[
        Mapping[str, Any], Meta(description="What changed, as a JSON merge patch (RFC 7396).")
    ]
    deleted: NoData
    expired: NoData
    reconnect: NoData


EVENTS = EventsExample(
    "A room that goes live, and is deleted",
    b"".join(
        (
            event("room", msgspec.json.encode(ROOM), etag=b'"0d1e"'),
            event("change", b'{"live_status":1}', etag=b'"7f3a"'),
            event("deleted"),
        )
    ).decode(),
    RoomEvents,
)
BATCH = Example("rooms", "One of two found", RoomBatch((ROOM,), ("no-such-room",), ()))
LIVE_PAGE = Example("rooms", "The first of two", LivePage((ROOM,), 2, 2))
CREATE = Example(
    "room",
    "A room that ends by itself",
    CreateRoom(
        title="Friday session",
        notice="Starts at eight",
        extends={"season": "2"},
        end_at=datetime.fromisoformat("2030-12-02T23:00:00+08:00"),
    ),
)
INDEX = Example(
    "index", "All of them", Index(SERVICE, HEALTH, READINESS, docs=DOCS, openapi=OPENAPI)
)
ALIVE = Example("alive", "Alive", Health("ok"))
READY = Example("ready", "Ready", Readiness("ready", {"keys": "ok", "upstream": "ok"}))
DRAINING = Example(
    "draining", "About to stop", Readiness("draining", {"keys": "ok", "upstream": "ok"})
)
RESOURCE = Example(
    "resource",
    "Tokens of one issuer",
    ResourceMetadata(
        "https://live.example.com",
        ("https://accounts.example.com",),
        ("header",),
        ("rooms:create",),
    ),
)

CALLBACK = Example(
    "stopped", "A broadcast has ended", Callback("live_stopped", {"live_id": ROOM.live_id})
)
TAKEN = Example("taken", "Taken", Taken())


def problem(row: Problem) -> Example:
    """Return the problem of a row of the table."""
    errors = (FieldProblem("title", "required"),) if row.error is InvalidRequest else ()
    return Example(row.error.code, row.title, details(row, "2f1c7a5e9b0d4c68", errors))

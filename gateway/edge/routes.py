"""All routes, each a row with its documentation.

A new route is a row here, a path in `paths` and a method of a class of handlers.
"""

from typing import Annotated, Final

from msgspec import Meta
from msgspec.json import schema

from gateway.rooms import (
    IDEMPOTENCY_KEY,
    MAX_PAGE_SIZE,
    AnchorNotRegistered,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    MissingScope,
    NotRoomAnchor,
    OutcomeUnknown,
    RateLimited,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    TokenInvalid,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)

from . import examples
from .batch import MAX_BATCH
from .callback_handlers import CallbackHandlers
from .docs import DocsHandlers
from .event_handlers import EventHandlers
from .examples import LiveId
from .health import HealthHandlers
from .live_handlers import LiveHandlers
from .operations import Parameter, Reply, Route
from .paging import DEFAULT_PAGE_SIZE, LAST_PAGE
from .paths import (
    CALLBACK,
    DOCS,
    DOCS_FILE,
    EVENTS,
    HEALTH,
    HEARTBEAT,
    INDEX,
    LIVE_ROOMS,
    OPENAPI,
    READINESS,
    RESOURCE,
    ROOM,
    ROOMS,
    START,
    STOP,
)
from .problems import BodyTooLarge, CsrfRequired, NotFound, UnsupportedMediaType
from .protected_resource import ProtectedResource
from .room_handlers import RoomHandlers

_LIVE_ID = Parameter(
    "live_id", "path", "The room's id.", schema(LiveId), examples.ROOM.live_id, required=True
)
_IDS = Parameter(
    "id",
    "query",
    "A room's id; repeat it for each room. `id[]` is the same.",
    schema(Annotated[list[LiveId], Meta(min_length=1, max_length=MAX_BATCH)]),
    [examples.ROOM.live_id, "no-such-room"],
    required=True,
)
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "A new value for each room to create, sent again when the create is repeated. For 24 hours a "
    "repeated create is answered with the first outcome, and creates nothing.",
    schema(Annotated[str, Meta(pattern=f"^{IDEMPOTENCY_KEY}$")]),
    "0c9a4f5e-6d1b-4f0e-9d38-2f6f3f1f8a57",
)
_IF_NONE_MATCH = Parameter(
    "If-None-Match", "header", "An earlier ETag; 304 while it still holds.", schema(str)
)
_LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "header",
    "The id of the last event received, an ETag; nothing is sent until the room differs from it.",
    schema(str),
)
_PAGE = Parameter(
    "page",
    "query",
    "The number of the page; 1 without it.",
    schema(Annotated[int, Meta(ge=1, le=LAST_PAGE)]),
    1,
)
_PAGE_SIZE = Parameter(
    "page_size",
    "query",
    f"Rooms on a page; {DEFAULT_PAGE_SIZE} without it.",
    schema(Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)]),
    DEFAULT_PAGE_SIZE,
)
_UPSTREAM = (InvalidRequest, UpstreamError, UpstreamUnavailable, UpstreamTimeout)
_WRITING = (*_UPSTREAM, OutcomeUnknown, CsrfRequired)

ROOM_ROUTES = (
    # Litestar adds an OPTIONS handler of its own to a path unless its first handler is one.
    Route("OPTIONS", ROOMS, RoomHandlers.options),
    Route("OPTIONS", ROOM, RoomHandlers.options),
    Route(
        "POST",
        ROOMS,
        RoomHandlers.create,
        "createRoom",
        "Create a room",
        replies=(
            Reply(
                201,
                "Created; `push_url` only for the caller's own room.",
                examples.ROOMS,
                ("Location", "Idempotency-Replayed"),
                links=("getRoom", "stopRoom", "deleteRoom"),
            ),
        ),
        errors=(
            *(*_WRITING, MissingScope, BodyTooLarge, UnsupportedMediaType),
            *(AnchorNotRegistered, IdempotencyInProgress, IdempotencyKeyReused),
        ),
        parameters=(_IDEMPOTENCY_KEY,),
        body=examples.CREATE,
        replayed=(AnchorNotRegistered, UpstreamError, OutcomeUnknown),
    ),
    Route(
        "GET",
        ROOM,
        RoomHandlers.read,
        "getRoom",
        "Get a room",
        replies=(
            Reply(200, "The caller's shape.", examples.ROOMS, ("ETag", "Cache-Status")),
            Reply(304, "The room has not changed."),
        ),
        errors=(*_UPSTREAM, RoomNotFound),
        parameters=(_LIVE_ID, _IF_NONE_MATCH),
    ),
    Route(
        "GET",
        ROOMS,
        RoomHandlers.read_batch,
        "getRooms",
        "Get several rooms",
        replies=(
            Reply(200, "The rooms found.", (examples.BATCH,), ("ETag",)),
            Reply(304, "Nothing has changed."),
        ),
        errors=(InvalidRequest,),
        parameters=(_IDS, _IF_NONE_MATCH),
        description="In viewer shape, in the order asked for, duplicates folded. A room that is "
        "missing or failed does not fail the others; one beyond 2 MiB in all counts as failed.",
    ),
    Route(
        "POST",
        STOP,
        RoomHandlers.stop,
        "stopRoom",
        "End a room's broadcast",
        replies=(Reply(204, "The broadcast has ended, now or before."),),
        errors=(*_WRITING, RoomNotFound, NotRoomAnchor, RoomNotLive),
        parameters=(_LIVE_ID,),
    ),
    Route(
        "DELETE",
        ROOM,
        RoomHandlers.delete,
        "deleteRoom",
        "Delete a room",
        replies=(Reply(204, "The room is gone."),),
        errors=(*_WRITING, RoomNotFound, NotRoomAnchor),
        parameters=(_LIVE_ID,),
    ),
)

_WHERE_SET_UP = "Only where the gateway is set up for it."

LIVE_ROUTES = (
    Route(
        "POST",
        START,
        LiveHandlers.start,
        "startRoom",
        "Go live",
        replies=(Reply(204, "The room is living, now or before."),),
        errors=(*_WRITING, RoomNotFound, NotRoomAnchor, RoomEnded, NotFound),
        parameters=(_LIVE_ID,),
        description=f"{_WHERE_SET_UP} For the room's anchor alone, not for administrators. Then "
        "send its heartbeat once a minute: the vendor ends a room after ten minutes without.",
    ),
    Route(
        "POST",
        HEARTBEAT,
        LiveHandlers.heartbeat,
        "keepRoomLiving",
        "Keep a room living",
        replies=(Reply(204, "Taken; told to the vendor at most once a minute."),),
        errors=(
            *(*_UPSTREAM, CsrfRequired, RoomNotFound, NotRoomAnchor),
            *(RoomNotLive, RoomEnded, NotFound),
        ),
        parameters=(_LIVE_ID,),
        description=f"{_WHERE_SET_UP} For the room's anchor alone, once a minute.",
    ),
    Route(
        "GET",
        LIVE_ROOMS,
        LiveHandlers.living,
        "getLiveRooms",
        "Get the living rooms",
        replies=(
            Reply(200, "A page of them.", (examples.LIVE_PAGE,), ("ETag", "Cache-Status")),
            Reply(304, "The page has not changed."),
        ),
        errors=(*_UPSTREAM, NotFound),
        parameters=(_PAGE, _PAGE_SIZE, _IF_NONE_MATCH),
        description=f"{_WHERE_SET_UP} In viewer shape for everyone, the newest first. Rooms move "
        "from page to page while others go live or end.",
    ),
)

EVENT_ROUTES = (
    Route(
        "GET",
        EVENTS,
        EventHandlers.watch,
        "watchRoom",
        "Watch a room",
        replies=(Reply(200, "Events, until one that ends the stream.", events=examples.EVENTS),),
        errors=(*_UPSTREAM, RoomNotFound),
        parameters=(_LIVE_ID, _LAST_EVENT_ID),
        description="Server-sent events, in viewer shape for everyone. `room` is the whole room; "
        "`change` is a JSON merge patch (RFC 7396) against the last one sent. The stream ends with "
        "`deleted`; with `expired`, when the token is accepted no longer; or with `reconnect`, "
        "after some 15 minutes or before the gateway stops: then connect again after its `retry`.",
    ),
)

HEALTH_ROUTES = (
    Route(
        "GET",
        INDEX,
        HealthHandlers.index,
        "getIndex",
        "The service and its public paths",
        replies=(Reply(200, "The paths.", (examples.INDEX,)),),
        public=True,
    ),
    Route(
        "GET",
        HEALTH,
        HealthHandlers.healthz,
        "getHealth",
        "The process runs",
        replies=(Reply(200, "Yes.", (examples.ALIVE,)),),
        public=True,
    ),
    Route(
        "GET",
        READINESS,
        HealthHandlers.readyz,
        "getReadiness",
        "The gateway is ready for requests",
        replies=(
            Reply(200, "Yes.", (examples.READY,)),
            Reply(503, "Not now.", (examples.DRAINING,)),
        ),
        public=True,
    ),
)

RESOURCE_ROUTES = (
    Route(
        "GET",
        RESOURCE,
        ProtectedResource.metadata,
        "getProtectedResource",
        "Where to get a token",
        replies=(Reply(200, "The metadata of RFC 9728.", (examples.RESOURCE,)),),
        errors=(InvalidRequest, NotFound),
        description="Only where the gateway is set up for an issuer. `resource` is the origin of "
        "the request.",
        public=True,
    ),
)

CALLBACKS: Final = "callbacks"
"""The security scheme of the vendor's callbacks."""

CALLBACK_ROUTES = (
    Route(
        "POST",
        CALLBACK,
        CallbackHandlers.qlive,
        "takeCallback",
        "What the vendor tells of rooms",
        replies=(Reply(200, "Taken, whatever it tells.", (examples.TAKEN,)),),
        errors=(InvalidRequest, TokenInvalid, BodyTooLarge, UnsupportedMediaType, RateLimited),
        body=examples.CALLBACK,
        description="For the vendor alone, and only where the gateway is set up for it. Of all it "
        "tells, only the rooms' ids are believed: they are read again.",
        public=True,
        security=CALLBACKS,
    ),
)

DOCS_ROUTES = (
    Route("GET", OPENAPI, DocsHandlers.openapi),
    Route("GET", DOCS, DocsHandlers.page),
    Route("GET", DOCS_FILE, DocsHandlers.file),
)

DOCUMENTED = (
    *ROOM_ROUTES,
    *LIVE_ROUTES,
    *EVENT_ROUTES,
    *CALLBACK_ROUTES,
    *HEALTH_ROUTES,
    *RESOURCE_ROUTES,
)
ROUTES = tuple(dict.fromkeys(route.path for route in (*DOCUMENTED, *DOCS_ROUTES)))
"""The paths of all routes."""

"""The OpenAPI 3.1 document, made from the types that are sent and the table of problems.

Litestar can generate one, but documents errors as `application/json`, loses
`additionalProperties: false` and adds a malformed 400; six operations are shorter written out. A
test holds them against the routes.
"""

import msgspec

from gateway.rooms import AnchorRoom, ViewerRoom

from .bodies import CreateRoom
from .examples import ROOM, new_room_example, room_examples
from .health import Health, Readiness
from .openapi_parts import (
    Json,
    answer,
    empty,
    header,
    idempotency_key,
    limited,
    live_id,
    problems,
    room,
    schema,
    with_headers,
)
from .problems import ProblemDetails
from .routes import MAX_BATCH

_EVERYWHERE = (
    "token_missing",
    "token_invalid",
    "token_expired",
    "rate_limited",
    "internal_error",
    "overloaded",
)
_READING = ("room_not_found", "upstream_error", "upstream_unavailable", "upstream_timeout")
_WRITING = (*_READING, "outcome_unknown", "not_room_anchor", "csrf_required")


def openapi_json() -> bytes:
    """Return the document, indented, with a trailing newline."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def document() -> Json:
    """Return the document as JSON values."""
    shapes = [CreateRoom, ViewerRoom, AnchorRoom, ProblemDetails, Health, Readiness]
    _, schemas = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Live room gateway",
            "version": "1",
            "description": "Live rooms for apps. Sign in with your own token; only a room's "
            "anchor sees its `push_url`. Ids such as `chat_id` exceed 2^53: read them as 64-bit "
            "integers.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": "rooms", "description": "Create, read, stop and delete."},
            {"name": "service", "description": "For load balancers."},
        ],
        "paths": {
            "/v1/rooms": {"post": limited(_create()), "get": limited(_read_batch())},
            "/v1/rooms/{live_id}": {
                "parameters": [live_id()],
                "get": limited(_read()),
                "delete": limited(_delete()),
            },
            "/v1/rooms/{live_id}/stop": {"parameters": [live_id()], "post": limited(_stop())},
            "/healthz": {"get": _health()},
            "/readyz": {"get": _ready()},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Without `Authorization`, a cookie may carry the token where "
                    "the gateway is set up for one. Every POST and DELETE then needs the header "
                    "`X-Gateway-CSRF: 1`, and an `Origin`, when sent, that is allowed.",
                }
            },
            "headers": {
                "X-Request-Id": header("The id of this request; quote it when you ask."),
                "Location": header("The path of the new room."),
                "ETag": header("A strong validator of the viewer's shape."),
                "Cache-Status": header("How the answer came about (RFC 9211)."),
                "Idempotency-Replayed": header("`true` if an earlier request had this outcome."),
                "Retry-After": header("Seconds to wait before the next try."),
                "RateLimit-Limit": header("Requests that may be made at once."),
                "RateLimit-Remaining": header("Requests left just now."),
                "RateLimit-Reset": header("Seconds until all of them may be made again."),
            },
        },
    }


def _create() -> Json:
    created = answer("Created; `push_url` only for a room of one's own.", room(), room_examples())
    with_headers(created, "Location")
    created["links"] = {
        name: {"operationId": name, "parameters": {"live_id": "$response.body#/live_id"}}
        for name in ("getRoom", "stopRoom", "deleteRoom")
    }
    refused = problems(
        "invalid_request",
        *_EVERYWHERE,
        "missing_scope",
        "csrf_required",
        "body_too_large",
        "unsupported_media_type",
        "anchor_not_registered",
        "idempotency_in_progress",
        "idempotency_key_reused",
        "upstream_error",
        "upstream_unavailable",
        "upstream_timeout",
        "outcome_unknown",
    )
    for response in (created, refused["422"], refused["502"], refused["504"]):
        with_headers(response, "Idempotency-Replayed")
    return {
        "operationId": "createRoom",
        "tags": ["rooms"],
        "summary": "Create a room",
        "parameters": [idempotency_key()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schema("CreateRoom"),
                    "examples": {"room": {"value": new_room_example()}},
                }
            },
        },
        "responses": {"201": created, **refused},
    }


def _read() -> Json:
    found = answer("The room in the caller's shape.", room(), room_examples())
    with_headers(found, "ETag", "Cache-Status")
    return {
        "operationId": "getRoom",
        "tags": ["rooms"],
        "summary": "Get a room",
        "parameters": [
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "An ETag from before; 304 when it still holds.",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": found,
            "304": empty("The room has not changed."),
            **problems("invalid_request", *_EVERYWHERE, *_READING),
        },
    }


def _read_batch() -> Json:
    example = {
        "rooms": [msgspec.to_builtins(ROOM)],
        "missing": ["no-such-room"],
        "failed": [],
    }
    shape = {
        "type": "object",
        "required": ["rooms", "missing", "failed"],
        "properties": {
            "rooms": {"type": "array", "items": schema("ViewerRoom")},
            "missing": {"type": "array", "items": live_id()["schema"]},
            "failed": {"type": "array", "items": live_id()["schema"]},
        },
    }
    return {
        "operationId": "getRooms",
        "tags": ["rooms"],
        "summary": "Get several rooms",
        "description": "In viewer shape, in the order asked for, duplicates folded. `missing` are "
        "unknown, `failed` could not be read now; neither fails the rest.",
        "parameters": [
            {
                "name": "id",
                "in": "query",
                "required": True,
                "description": "A room's id; repeat it for each room.",
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_BATCH,
                    "items": live_id()["schema"],
                },
                "example": [ROOM.live_id, "no-such-room"],
            }
        ],
        "responses": {
            "200": answer("What could be found.", shape, {"rooms": {"value": example}}),
            **problems("invalid_request", *_EVERYWHERE),
        },
    }


def _stop() -> Json:
    return {
        "operationId": "stopRoom",
        "tags": ["rooms"],
        "summary": "End a room's broadcast",
        "responses": {
            "204": empty("The broadcast has ended, now or before."),
            **problems("invalid_request", *_EVERYWHERE, *_WRITING, "room_not_live"),
        },
    }


def _delete() -> Json:
    return {
        "operationId": "deleteRoom",
        "tags": ["rooms"],
        "summary": "Delete a room",
        "responses": {
            "204": empty("The room is gone."),
            **problems("invalid_request", *_EVERYWHERE, *_WRITING),
        },
    }


def _health() -> Json:
    example = {"alive": {"value": msgspec.to_builtins(Health())}}
    return _open("getHealth", "Whether the process runs", schema("Health"), example)


def _ready() -> Json:
    ready = Readiness("ready", {"keys": "ok", "upstream": "ok"})
    example = {"ready": {"value": msgspec.to_builtins(ready)}}
    draining = {"draining": {"value": msgspec.to_builtins(Readiness("draining", ready.checks))}}
    operation = _open("getReadiness", "Whether to send requests", schema("Readiness"), example)
    operation["responses"]["503"] = answer("Not now.", schema("Readiness"), draining)
    return operation


def _open(operation: str, summary: str, shape: Json, examples: Json) -> Json:
    return {
        "operationId": operation,
        "tags": ["service"],
        "summary": summary,
        "security": [],
        "responses": {"200": answer("Yes.", shape, examples), **problems("internal_error")},
    }

"""The OpenAPI 3.1 document, made from the types that are sent and the table of problems.

Litestar can generate one, but documents errors as `application/json`, loses
`additionalProperties: false` and adds a malformed 400; six operations are shorter written out. A
test holds them against the routes.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.rooms import AnchorRoom, ViewerRoom

from .bodies import CreateRoom
from .examples import ROOM, new_room_example, problem_example, room_examples
from .health import Health, Readiness
from .identifiers import LIVE_ID
from .problems import MEDIA_TYPE, PROBLEMS, ProblemDetails
from .routes import MAX_BATCH

Json = dict[str, Any]

_EVERYWHERE = ("token_missing", "token_invalid", "token_expired", "internal_error")
_READING = ("room_not_found", "upstream_error", "upstream_timeout")
_WRITING = (*_READING, "outcome_unknown", "not_room_anchor")


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
            "/v1/rooms": {"post": _create(), "get": _read_batch()},
            "/v1/rooms/{live_id}": {
                "parameters": [_live_id()],
                "get": _read(),
                "delete": _delete(),
            },
            "/v1/rooms/{live_id}/stop": {"parameters": [_live_id()], "post": _stop()},
            "/healthz": {"get": _health()},
            "/readyz": {"get": _ready()},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "headers": {
                "X-Request-Id": _header("The id of this request; quote it when you ask."),
                "Location": _header("The path of the new room."),
                "ETag": _header("A strong validator of the viewer's shape."),
                "Cache-Status": _header("How the answer came about (RFC 9211)."),
            },
        },
    }


def _create() -> Json:
    created = _answer("Created; `push_url` only for a room of one's own.", _room(), room_examples())
    created["headers"]["Location"] = {"$ref": "#/components/headers/Location"}
    created["links"] = {
        name: {"operationId": name, "parameters": {"live_id": "$response.body#/live_id"}}
        for name in ("getRoom", "stopRoom", "deleteRoom")
    }
    problems = _problems(
        "invalid_request",
        *_EVERYWHERE,
        "missing_scope",
        "body_too_large",
        "unsupported_media_type",
        "anchor_not_registered",
        "upstream_error",
        "outcome_unknown",
    )
    return {
        "operationId": "createRoom",
        "tags": ["rooms"],
        "summary": "Create a room",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _ref("CreateRoom"),
                    "examples": {"room": {"value": new_room_example()}},
                }
            },
        },
        "responses": {"201": created, **problems},
    }


def _read() -> Json:
    found = _answer("The room in the caller's shape.", _room(), room_examples())
    for name in ("ETag", "Cache-Status"):
        found["headers"][name] = {"$ref": f"#/components/headers/{name}"}
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
            "304": _empty("The room has not changed."),
            **_problems("invalid_request", *_EVERYWHERE, *_READING),
        },
    }


def _read_batch() -> Json:
    example = {
        "rooms": [msgspec.to_builtins(ROOM)],
        "missing": ["no-such-room"],
        "failed": [],
    }
    schema = {
        "type": "object",
        "required": ["rooms", "missing", "failed"],
        "properties": {
            "rooms": {"type": "array", "items": _ref("ViewerRoom")},
            "missing": {"type": "array", "items": _live_id()["schema"]},
            "failed": {"type": "array", "items": _live_id()["schema"]},
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
                    "items": _live_id()["schema"],
                },
                "example": [ROOM.live_id, "no-such-room"],
            }
        ],
        "responses": {
            "200": _answer("What could be found.", schema, {"rooms": {"value": example}}),
            **_problems("invalid_request", *_EVERYWHERE),
        },
    }


def _stop() -> Json:
    return {
        "operationId": "stopRoom",
        "tags": ["rooms"],
        "summary": "End a room's broadcast",
        "responses": {
            "204": _empty("The broadcast has ended, now or before."),
            **_problems("invalid_request", *_EVERYWHERE, *_WRITING, "room_not_live"),
        },
    }


def _delete() -> Json:
    return {
        "operationId": "deleteRoom",
        "tags": ["rooms"],
        "summary": "Delete a room",
        "responses": {
            "204": _empty("The room is gone."),
            **_problems("invalid_request", *_EVERYWHERE, *_WRITING),
        },
    }


def _health() -> Json:
    example = {"alive": {"value": msgspec.to_builtins(Health())}}
    return _open("getHealth", "Whether the process runs", _ref("Health"), example)


def _ready() -> Json:
    ready = Readiness("ready", {"keys": "ok", "upstream": "ok"})
    example = {"ready": {"value": msgspec.to_builtins(ready)}}
    return _open("getReadiness", "Whether to send requests here", _ref("Readiness"), example)


def _open(operation: str, summary: str, schema: Json, examples: Json) -> Json:
    return {
        "operationId": operation,
        "tags": ["service"],
        "summary": summary,
        "security": [],
        "responses": {"200": _answer("Yes.", schema, examples), **_problems("internal_error")},
    }


def _problems(*codes: str) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _problem(by_status[status]) for status in sorted(by_status)}


def _problem(codes: list[str]) -> Json:
    response = _empty("; ".join(f"`{code}`: {PROBLEMS[code].title.lower()}" for code in codes))
    examples = {code: {"value": problem_example(code)} for code in codes}
    response["content"] = {MEDIA_TYPE: {"schema": _ref("ProblemDetails"), "examples": examples}}
    return response


def _answer(description: str, schema: Json, examples: Mapping[str, Any]) -> Json:
    return {
        **_empty(description),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _empty(description: str) -> Json:
    return {
        "description": description,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
    }


def _room() -> Json:
    return {"anyOf": [_ref("AnchorRoom"), _ref("ViewerRoom")]}


def _live_id() -> Json:
    return {
        "name": "live_id",
        "in": "path",
        "required": True,
        "description": "The room's id.",
        "schema": {"type": "string", "pattern": f"^{LIVE_ID}$"},
        "example": ROOM.live_id,
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}

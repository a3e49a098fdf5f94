"""The OpenAPI 3.1 document, made from the tables of routes and problems.

Litestar's generator is not used, because it costs more than it saves. It needs an application, with
109 more modules and 0.1 s for a `gateway openapi` of 0.3 s. It would write the fifteen lines of
paths, ids and texts below. Response headers, links, and parameters and bodies that handlers read
raw would still be patched in, its own 400 patched out, and its schemas replaced: they lose
descriptions, formats, patterns and `additionalProperties: false`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from gateway.rooms import (
    AnchorRoom,
    RateLimited,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    ViewerRoom,
)
from gateway.secret import Secret

from . import examples
from .event_handlers import MEDIA_TYPE as EVENT_STREAM
from .operations import EventsExample, Example, Reply, Route
from .problems import (
    MEDIA_TYPE,
    PROBLEMS,
    InternalError,
    Overloaded,
    ProblemDetails,
    UnsupportedMediaType,
)
from .routes import CALLBACKS, DOCUMENTED

Json = dict[str, Any]

_ROOM = re.compile("(Viewer|Anchor)Room$")
_SIGNED_IN = (TokenMissing, TokenInvalid, TokenExpired, RateLimited, Overloaded)
_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_HEADERS = (
    ("X-Request-Id", "The id of this request; quote it when you ask."),
    ("Location", "The path of the new room."),
    ("ETag", "A strong validator."),
    ("Cache-Status", "The cache's part in the answer (RFC 9211)."),
    ("Idempotency-Replayed", "`true` if an earlier request had this outcome."),
    ("Accept", "The media type of a body."),
    ("Retry-After", "Seconds to wait before the next try."),
    ("RateLimit-Limit", "Requests that may be made at once."),
    ("RateLimit-Remaining", "Requests left just now."),
    ("RateLimit-Reset", "Seconds until all of them may be made again."),
)


def openapi_json(root_path: str = "") -> bytes:
    """Return the document of a server at `root_path`, indented, with a trailing newline."""
    document = msgspec.json.encode(_for_generators(_document(root_path or "/")))
    return msgspec.json.format(document, indent=2) + b"\n"


def _document(server: str) -> Json:
    routes = [route for route in DOCUMENTED if route.operation]
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Live room gateway",
            "version": "1",
            "description": "Live rooms for apps. Sign in with your own token; only a room's "
            "anchor sees its `push_url`. Ids such as `chat_id` exceed 2^53: read them as "
            "64-bit integers.",
        },
        "servers": [{"url": server}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": "rooms", "description": "Create, read, go live, stop and delete."},
            {"name": "events", "description": "Watch; generated clients cannot read a stream."},
            {"name": "service", "description": "For load balancers, OAuth clients and the vendor."},
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Without `Authorization`, a cookie may carry the token "
                    "where the gateway is set up for one. Every POST and DELETE then needs the "
                    "header `X-Gateway-CSRF: 1`, and an `Origin` that is allowed, or without one "
                    "`Sec-Fetch-Site: same-origin`.",
                },
                CALLBACKS: {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The vendor has them, in the URL that it calls.",
                },
            },
            "headers": {
                name: {"description": description, "schema": {"type": "string"}}
                for name, description in _HEADERS
            },
        },
    }


def _operation(route: Route) -> Json:
    limits = () if route.public else _LIMITS
    responses = {
        str(each.status): _response(each, ("X-Request-Id", *limits, *each.headers))
        for each in (*route.replies, *_problems(route))
    }
    written = {
        "operationId": route.operation,
        "tags": [_tag(route)],
        "summary": route.summary,
        "description": route.description,
        "parameters": msgspec.to_builtins(route.parameters),
        "requestBody": route.body and {"required": True, "content": _content(route.body)},
        "responses": responses,
    }
    schemes: list[Json] = [{route.security: []}] if route.security else []
    return _filled(written) | ({"security": schemes} if route.public else {})


def _tag(route: Route) -> str:
    """Return the group of a route. Those of streams are apart, so that generators can skip them."""
    if any(reply.events for reply in route.replies):
        return "events"
    return "service" if route.public else "rooms"


def _problems(route: Route) -> Iterator[Reply]:
    """Yield a reply for each status of the route's problems."""
    errors = {*route.errors, InternalError, *(() if route.public else _SIGNED_IN)}
    rows = [row for row in PROBLEMS.values() if row.error in errors]
    for status, group in groupby(rows, key=lambda row: row.status):
        same = tuple(group)
        waits = any(row.error.retry_after is not None for row in same)
        typed = any(row.error is UnsupportedMediaType for row in same)
        again = any(row.error in route.replayed for row in same)
        yield Reply(
            status,
            "; ".join(f"`{row.error.code}`: {row.title.lower()}" for row in same),
            tuple(map(examples.problem, same)),
            ("Retry-After",) * waits + ("Idempotency-Replayed",) * again + ("Accept",) * typed,
        )


def _response(reply: Reply, headers: Iterable[str]) -> Json:
    room = {"live_id": "$response.body#/live_id"}
    written = {
        "description": reply.description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": _stream(reply.events) if reply.events else _shown(reply.examples),
        "links": {name: {"operationId": name, "parameters": room} for name in reply.links},
    }
    return _filled(written)


def _filled(written: Json) -> Json:
    return {name: value for name, value in written.items() if value}


def _content(*shown: Example) -> Json:
    kind = type(shown[0].value)
    values = {
        each.name: {
            "summary": each.summary,
            "value": msgspec.to_builtins(each.value, enc_hook=Secret.reveal),
        }
        for each in shown
    }
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    media_type = MEDIA_TYPE if kind is ProblemDetails else "application/json"
    return {media_type: {"schema": schema, "examples": values}}


def _shown(shown: Sequence[Example]) -> Json:
    return _content(*shown) if shown else {}


def _stream(events: EventsExample) -> Json:
    about = f"Server-sent events; the data of each is JSON, as `{events.data.__name__}` names it."
    shown = {"stream": {"summary": events.summary, "value": events.text}}
    return {EVENT_STREAM: {"schema": {"description": about}, "examples": shown}}


def _schemas(routes: Iterable[Route]) -> Json:
    bodies: list[type] = [ProblemDetails]
    for route in routes:
        bodies += [type(each.value) for reply in route.replies for each in reply.examples]
        bodies += [type(route.body.value)] if route.body else []
        bodies += [reply.events.data for reply in route.replies if reply.events]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    del schemas[ViewerRoom.__name__]
    room = schemas.pop(AnchorRoom.__name__)
    room |= {"title": "Room", "description": "A room in the caller's shape."}
    room["required"].remove("push_url")
    return {**schemas, "Room": room}


def _for_generators(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Return a part of the document in the form that client generators understand.

    `null` is one of a schema's types, not a schema beside it. Both shapes of a room are one `Room`,
    because generators make one class with a required `push_url` from a choice of two. A field with
    a default would be required in TypeScript, so there are no defaults. A slash in a pattern is
    written as its code, because the generator of Swift escapes it, which Swift does not compile.
    """
    match value:
        case {"pattern": str(pattern), **rest} if "/" in pattern:
            return _for_generators({**rest, "pattern": pattern.replace("/", r"\x2f")})
        case {"anyOf": [{"type": kind, **schema}, {"type": "null"}], **rest}:
            return _for_generators({**schema, **rest, "type": [kind, "null"]})
        case {"$ref": str(ref)}:
            return {"$ref": _ROOM.sub("Room", ref)}
        case dict():
            return {
                name: _for_generators(each) for name, each in value.items() if name != "default"
            }
        case list():
            return [_for_generators(each) for each in value]
    return value

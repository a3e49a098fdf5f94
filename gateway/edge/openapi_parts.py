"""What the operations of the OpenAPI document are put together from."""

from collections.abc import Mapping
from typing import Any

from gateway.rooms import IDEMPOTENCY_KEY, LIVE_ID

from .examples import ROOM, problem_example
from .problems import MEDIA_TYPE, PROBLEMS

Json = dict[str, Any]

_LATER = frozenset(
    {"idempotency_in_progress", "rate_limited", "upstream_unavailable", "overloaded"}
)
"""Problems that say how long to wait."""


def problems(*codes: str) -> Json:
    """Return the responses of an operation that can end in these problems, by status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _problem(by_status[status]) for status in sorted(by_status)}


def answer(description: str, shape: Json, examples: Mapping[str, Any]) -> Json:
    """Return a response with a JSON body."""
    return {
        **empty(description),
        "content": {"application/json": {"schema": shape, "examples": examples}},
    }


def empty(description: str) -> Json:
    """Return a response without a body."""
    response: Json = {"description": description}
    return with_headers(response, "X-Request-Id")


def with_headers(response: Json, *names: str) -> Json:
    """Add headers of the components to a response, and return it."""
    headers = response.setdefault("headers", {})
    headers.update({name: {"$ref": f"#/components/headers/{name}"} for name in names})
    return response


def limited(operation: Json) -> Json:
    """Add to every response of an operation what is left of the caller's limit."""
    for response in operation["responses"].values():
        with_headers(response, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    return operation


def header(description: str) -> Json:
    """Return a header for the components."""
    return {"description": description, "schema": {"type": "string"}}


def schema(name: str) -> Json:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def room() -> Json:
    """Return the schema of a room in the caller's shape."""
    return {"anyOf": [schema("AnchorRoom"), schema("ViewerRoom")]}


def live_id() -> Json:
    """Return the parameter that names a room."""
    return {
        "name": "live_id",
        "in": "path",
        "required": True,
        "description": "The room's id.",
        "schema": {"type": "string", "pattern": f"^{LIVE_ID}$"},
        "example": ROOM.live_id,
    }


def idempotency_key() -> Json:
    """Return the parameter that makes a create safe to repeat."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Made up anew for each room to create, and sent again when the create is "
        "repeated: within 24 hours that is answered with the first outcome, and creates nothing.",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY}$"},
        "example": "0c9a4f5e-6d1b-4f0e-9d38-2f6f3f1f8a57",
    }


def _problem(codes: list[str]) -> Json:
    response = empty("; ".join(f"`{code}`: {PROBLEMS[code].title.lower()}" for code in codes))
    examples = {code: {"value": problem_example(code)} for code in codes}
    content = {MEDIA_TYPE: {"schema": schema("ProblemDetails"), "examples": examples}}
    return with_headers({**response, "content": content}, *_waits(codes))


def _waits(codes: list[str]) -> list[str]:
    return [] if _LATER.isdisjoint(codes) else ["Retry-After"]

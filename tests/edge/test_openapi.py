"""The OpenAPI document: committed as generated, valid, and true of the routes."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from litestar import Litestar
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.edge import (
    PROBLEMS,
    ClientAddress,
    InFlight,
    RateLimits,
    Recorder,
    build_application,
    openapi_json,
)
from gateway.edge.bodies import parse_create_room
from gateway.rooms import Caller, RoomService
from gateway.telemetry import Metrics

COMMITTED = Path(__file__).parents[2] / "openapi" / "gateway.json"
DOCUMENT = json.loads(openapi_json())
NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNDOCUMENTED = {"/openapi.json", "/docs", "/docs/{name}"}


def operations() -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and operation of everything documented."""
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            if method in item:
                yield method.upper(), path, item[method]


def responses() -> Iterator[tuple[str, str, Any]]:
    """Yield where, status and response of everything documented."""
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            yield f"{method} {path}", status, response


def examples() -> Iterator[Any]:
    """Yield a schema and a value of it for every example in a body or a parameter."""
    for method, path, operation in operations():
        bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
        for body in bodies:
            for content in body.get("content", {}).values():
                assert content["examples"]
                for name, example in content["examples"].items():
                    where = f"{method} {path} {name}"
                    yield pytest.param(content["schema"], example["value"], id=where)
        parameters = DOCUMENT["paths"][path].get("parameters", []) + operation.get("parameters", [])
        for each in parameters:
            if "example" in each:
                where = f"{method} {path} {each['name']}"
                yield pytest.param(each["schema"], each["example"], id=where)


def validator(schema: Any) -> Draft202012Validator:
    """Return a validator of `schema` that finds the document's components."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def application() -> Litestar:
    """Return the framework's application inside the gateway's."""

    async def authenticate(_: str) -> Caller:
        raise NotImplementedError

    def lifespan(_: Litestar) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    metrics = Metrics()
    front: Any = build_application(
        cast("RoomService", object()),
        authenticate,
        lambda _: None,
        RateLimits(None, None, None, ClientAddress(()), metrics.rate_limited),
        cors=None,
        cookie=None,
        in_flight=InFlight(1),
        checks={},
        draining=asyncio.Event(),
        lifespan=lifespan,
        clock=lambda: NOW,
        new_id=str,
        recorder=cast("Recorder", object()),
    )
    return cast("Litestar", front._app)  # noqa: SLF001  # the one way to the real routes


def test_the_committed_document_is_the_generated_one() -> None:
    """`openapi/gateway.json` is what `gateway openapi` prints."""
    assert COMMITTED.read_bytes() == openapi_json()


def test_the_document_is_valid_openapi() -> None:
    """The document is OpenAPI 3.1."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_documented_operations_are_the_routes() -> None:
    """No route is missing from the document, and none in it is missing from the gateway."""
    routes = {
        (method, route.path_format)
        for route in application().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and route.path_format not in UNDOCUMENTED
    }
    assert routes == {(method, path) for method, path, _ in operations()}


def test_operations_have_unique_ids() -> None:
    """A generated client gets one function an operation."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("schema", "value"), list(examples()))
def test_every_example_is_valid(schema: Any, value: Any) -> None:
    """An example of the document keeps to its own schema."""
    validator(schema).validate(value)


NOT_READY = ("GET /readyz", "503")
"""A state, not an error."""


@pytest.mark.parametrize(("where", "status", "response"), list(responses()))
def test_errors_are_problem_details(where: str, status: str, response: Any) -> None:
    """Every error is `application/problem+json` with the codes of its status; no success is."""
    content = response.get("content", {})
    if int(status) < 400 or (where, status) == NOT_READY:
        assert set(content) <= {"application/json"}, where
        return
    assert set(content) == {"application/problem+json"}, where
    problem = content["application/problem+json"]
    assert problem["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
    assert {PROBLEMS[code].status for code in problem["examples"]} == {int(status)}


@pytest.mark.parametrize(("method", "path", "operation"), list(operations()))
def test_what_needs_a_token_says_so(method: str, path: str, operation: Any) -> None:
    """Room operations document 401 and inherit the bearer scheme; the others need no token."""
    private = path.startswith("/v1/")
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert ("401" in operation["responses"]) == private, f"{method} {path}"
    assert (operation.get("security") == []) != private


def test_only_the_anchors_shape_has_a_push_url() -> None:
    """The viewer's schema and its example have no `push_url`, the anchor's require it."""
    schemas = DOCUMENT["components"]["schemas"]
    assert "push_url" not in json.dumps(schemas["ViewerRoom"])
    assert "push_url" in schemas["AnchorRoom"]["required"]
    shared = set(schemas["AnchorRoom"]["properties"]) - {"push_url"}
    assert shared == set(schemas["ViewerRoom"]["properties"])


def test_unknown_fields_are_documented_as_refused() -> None:
    """The create schema is closed."""
    schema = DOCUMENT["components"]["schemas"]["CreateRoom"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["title"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "a" * 129),
        ("title", None),
        ("notice", "a" * 256),
        ("cover_url", "ftp://x"),
        ("cover_url", ""),
        ("cover_url", "https://example.com/ x"),
        ("extends", {"k": 1}),
        ("anchor_id", "a b"),
        ("anchor_id", "a" * 65),
        ("push_url", "rtmp://x"),
    ],
)
def test_the_schema_refuses_what_the_gateway_refuses(field: str, value: Any) -> None:
    """A client that validates before it sends is told the same."""
    create = validator({"$ref": "#/components/schemas/CreateRoom"})
    assert create.is_valid({"title": "t"})
    assert not create.is_valid({"title": "t", field: value})


def test_the_example_of_a_create_is_accepted() -> None:
    """The example can be pasted as it stands."""
    content = DOCUMENT["paths"]["/v1/rooms"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        parse_create_room(json.dumps(example["value"]).encode(), NOW)


def test_a_create_documents_its_key_and_its_replays() -> None:
    """The header is optional; each answer that can be told again may carry the mark."""
    create = DOCUMENT["paths"]["/v1/rooms"]["post"]
    [key] = create["parameters"]
    assert (key["name"], key["in"], key.get("required", False)) == (
        "Idempotency-Key",
        "header",
        False,
    )
    for value, good in (("a", True), ("~!" * 64, True), ("", False), ("a b", False)):
        assert validator(key["schema"]).is_valid(value) is good
    assert not validator(key["schema"]).is_valid("a" * 129)
    marked = {
        status
        for status, response in create["responses"].items()
        if "Idempotency-Replayed" in response["headers"]
    }
    assert marked == {"201", "422", "502", "504"}


@pytest.mark.parametrize(("where", "status", "response"), list(responses()))
def test_a_wait_is_documented_where_there_is_one(where: str, status: str, response: Any) -> None:
    """Every 429 and 503, and a create that still runs, say when to come back."""
    problems = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    waits = status in {"429", "503"} or "idempotency_in_progress" in problems
    waits = waits and (where, status) != NOT_READY
    assert ("Retry-After" in response.get("headers", {})) is waits, where

"""The OpenAPI document: committed as generated, valid, true of the routes, fit for generators."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from litestar import Litestar
from openapi_spec_validator import OpenAPIV31SpecValidator
from structlog.testing import CapturingLogger

from gateway.edge import (
    PROBLEMS,
    ClientAddress,
    InFlight,
    LiveHandlers,
    ProtectedResource,
    RateLimits,
    Recorder,
    TokenRefusals,
    build_application,
    openapi_json,
)
from gateway.edge.bodies import CreateRoom, parse_create_room
from gateway.edge.paths import DOCS, DOCS_FILE, OPENAPI
from gateway.edge.routes import ROUTES
from gateway.events import EventStreams
from gateway.metrics import Metrics
from gateway.rooms import AnchorRoom, Caller, RoomMemory, RoomService, ViewerRoom
from gateway.secret import Secret

COMMITTED = Path(__file__).parents[2] / "openapi" / "gateway.json"
DOCUMENT = json.loads(openapi_json())
SCHEMAS = DOCUMENT["components"]["schemas"]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNDOCUMENTED = {OPENAPI, DOCS, DOCS_FILE}


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
        for each in operation.get("parameters", []):
            if "example" in each:
                where = f"{method} {path} {each['name']}"
                yield pytest.param(each["schema"], each["example"], id=where)


def validator(schema: Any) -> Draft202012Validator:
    """Return a validator of `schema` that finds the document's components."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def application() -> Litestar:
    """Return the framework's application inside the gateway's."""

    async def authenticate(_: str, _waiting: object) -> Caller:
        raise NotImplementedError

    def lifespan(_: Litestar) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    metrics = Metrics()
    front: Any = build_application(
        cast("RoomService", object()),
        authenticate,
        RateLimits(None, None, None, ClientAddress(()), metrics.rate_limited),
        memory=cast("RoomMemory", object()),
        recall=lambda _: None,
        count_recalled=lambda: None,
        cors=None,
        cookie=None,
        refusals=TokenRefusals(metrics.token_refusals, CapturingLogger(), lambda _: None, float),
        resource=ProtectedResource((), (), ""),
        live=cast("LiveHandlers", object()),
        hints=lambda _: None,
        callback_secret=Secret("s"),
        root_path="",
        docs=True,
        trial_tokens={},
        in_flight=InFlight(1),
        streams=cast("EventStreams", object()),
        checks={},
        draining=asyncio.Event(),
        lifespan=lifespan,
        clock=lambda: NOW,
        new_id=str,
        recorder=cast("Recorder", object()),
        console=(),
    )
    return cast("Litestar", front.app)  # the one way to the real routes


def test_the_committed_document_is_the_generated_one() -> None:
    """`openapi/gateway.json` must be the generated document."""
    assert COMMITTED.read_bytes() == openapi_json()


def test_the_document_is_valid_openapi() -> None:
    """The document must be valid OpenAPI 3.1."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_documented_operations_are_the_routes() -> None:
    """The document must have every route, and no other."""
    routes = {
        (method, route.path_format)
        for route in application().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS" and route.path_format not in UNDOCUMENTED
    }
    assert routes == {(method, path) for method, path, _ in operations()}


def test_every_path_is_a_route() -> None:
    """The paths in `routes.ROUTES` must be those of the gateway's routes."""
    assert {route.path_format for route in application().routes} == set(ROUTES)


def test_every_problem_is_documented() -> None:
    """Every problem must be documented, but for those of requests that match no operation."""
    documented = {
        code
        for _, _, response in responses()
        for code in response.get("content", {}).get(PROBLEM, {}).get("examples", {})
    }
    assert set(PROBLEMS) - documented == {"method_not_allowed"}


def test_operations_have_unique_ids() -> None:
    """Each operation must have an id of its own, for the function of a generated client."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("schema", "value"), list(examples()))
def test_every_example_is_valid(schema: Any, value: Any) -> None:
    """An example must be valid against its schema."""
    validator(schema).validate(value)


PROBLEM = "application/problem+json"

NOT_READY = ("GET /readyz", "503")
"""A state, not an error."""

EVENTS = ("GET /v1/rooms/{live_id}/events", "200")


@pytest.mark.parametrize(("where", "status", "response"), list(responses()))
def test_errors_are_problem_details(where: str, status: str, response: Any) -> None:
    """Every error, and nothing else, must be `application/problem+json` with its status's codes."""
    content = response.get("content", {})
    if int(status) < 400 or (where, status) == NOT_READY:
        expected = "text/event-stream" if (where, status) == EVENTS else "application/json"
        assert set(content) <= {expected}, where
        return
    assert set(content) == {PROBLEM}, where
    problem = content[PROBLEM]
    assert problem["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
    assert {PROBLEMS[code].status for code in problem["examples"]} == {int(status)}


@pytest.mark.parametrize(("method", "path", "operation"), list(operations()))
def test_what_needs_a_token_says_so(method: str, path: str, operation: Any) -> None:
    """Room operations must document 401 and inherit the bearer scheme; the others need no token."""
    private = path.startswith("/v1/")
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert ("401" in operation["responses"]) == private, f"{method} {path}"
    assert (operation.get("security") == []) != private


def test_a_room_is_one_schema_with_an_optional_push_url() -> None:
    """`Room` must have the fields of both shapes, and require those of the viewer's."""
    room = SCHEMAS["Room"]
    assert set(room["properties"]) == set(AnchorRoom.__struct_fields__)
    assert set(room["required"]) == set(ViewerRoom.__struct_fields__)
    assert set(room["properties"]) - set(room["required"]) == {"push_url"}
    assert not {"ViewerRoom", "AnchorRoom"} & set(SCHEMAS)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("post", "/v1/rooms", "201"), ("get", "/v1/rooms/{live_id}", "200")],
)
def test_a_room_has_an_example_of_each_shape(method: str, path: str, status: str) -> None:
    """Only the anchor's example may have a `push_url`."""
    answer = DOCUMENT["paths"][path][method]["responses"][status]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Room"}
    shapes = {name: set(each["value"]) for name, each in answer["examples"].items()}
    assert shapes == {
        "viewer": set(ViewerRoom.__struct_fields__),
        "anchor": set(AnchorRoom.__struct_fields__),
    }


def test_a_batch_has_named_rooms() -> None:
    """A batch must be a named schema of rooms, which says that none has a `push_url`."""
    rooms = SCHEMAS["RoomBatch"]["properties"]["rooms"]
    assert rooms["items"] == {"$ref": "#/components/schemas/Room"}
    assert "push_url" in rooms["description"]
    content = DOCUMENT["paths"]["/v1/rooms"]["get"]["responses"]["200"]["content"]
    [example] = content["application/json"]["examples"].values()
    assert "push_url" not in json.dumps(example)


def schemas_in(value: Any) -> Iterable[dict[str, Any]]:
    """Yield every JSON object in `value`."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from schemas_in(each)


def test_generators_find_no_choice_of_schemas() -> None:
    """No schema may be a choice of several, since generators make empty or wrong classes of it."""
    assert not [each for each in schemas_in(DOCUMENT) if {"anyOf", "oneOf"} & set(each)]


def test_generators_find_no_bare_enumeration() -> None:
    """Values may be listed only beside their type, since Kotlin's do not compile without."""
    assert not [each for each in schemas_in(DOCUMENT) if "enum" in each and "type" not in each]


def test_patterns_have_no_slash() -> None:
    """No pattern may have a slash, since the generator of Swift makes of it what Swift refuses."""
    patterns = [each["pattern"] for each in schemas_in(DOCUMENT) if "pattern" in each]
    assert patterns
    assert not [each for each in patterns if "/" in each]


def test_streams_are_apart() -> None:
    """Streams, which generated clients cannot read, must have a tag of their own."""
    tags = {operation["operationId"]: operation["tags"] for _, _, operation in operations()}
    assert [name for name, each in tags.items() if each == ["events"]] == ["watchRoom"]
    assert {tag for each in tags.values() for tag in each} == {
        each["name"] for each in DOCUMENT["tags"]
    }


def test_optional_fields_have_no_default() -> None:
    """No schema may have a default, since generators of TypeScript then require the field."""
    assert not [each for each in schemas_in(DOCUMENT) if "default" in each]


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("Room", {"start_time", "end_time", "chat_id", "online_count", "pv", "uv"}),
        ("Anchor", {"im_userid"}),
        ("ProblemDetails", set()),
    ],
)
def test_64_bit_integers_say_so(schema: str, names: set[str]) -> None:
    """Ids, counters and times must be `int64`, and only the times may be null."""
    fields = SCHEMAS[schema]["properties"]
    assert {name for name, each in fields.items() if each.get("format") == "int64"} == names
    nullable = {name for name, each in fields.items() if each.get("type") == ["integer", "null"]}
    assert nullable == names & {"start_time", "end_time"}


@pytest.mark.parametrize("name", CreateRoom.__struct_fields__)
def test_what_may_be_left_out_may_be_null(name: str) -> None:
    """A field of a create must have one type, beside null where it is optional."""
    kind = SCHEMAS["CreateRoom"]["properties"][name]["type"]
    assert (isinstance(kind, list) and kind[1:] == ["null"]) == (name != "title")


def test_planned_times_and_zero_counters_are_described() -> None:
    """The document must warn of what the upstream's fields do not mean."""
    fields = SCHEMAS["Room"]["properties"]
    for name in ("online_count", "pv", "uv", "anchor_status"):
        assert "always says 0" in fields[name]["description"]
    for name in ("start_time", "end_time"):
        assert "planned" in fields[name]["description"]


def test_unknown_fields_are_documented_as_refused() -> None:
    """The schema of a create must be closed."""
    schema = SCHEMAS["CreateRoom"]
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
        ("anchor_id", "a" * 129),
        ("push_url", "rtmp://x"),
    ],
)
def test_the_schema_refuses_what_the_gateway_refuses(field: str, value: Any) -> None:
    """The schema must refuse each value that the gateway refuses."""
    create = validator({"$ref": "#/components/schemas/CreateRoom"})
    assert create.is_valid({"title": "t"})
    assert not create.is_valid({"title": "t", field: value})


def test_the_example_of_a_create_is_accepted() -> None:
    """The gateway must accept the example as it stands."""
    content = DOCUMENT["paths"]["/v1/rooms"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        parse_create_room(json.dumps(example["value"]).encode(), NOW)


def test_a_create_documents_its_key_and_its_replays() -> None:
    """The key must be optional, and each outcome that can be repeated must document its mark."""
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
    """Every 429 and 503, and a create that still runs, must document `Retry-After`."""
    problems = response.get("content", {}).get(PROBLEM, {}).get("examples", {})
    waits = status in {"429", "503"} or "idempotency_in_progress" in problems
    waits = waits and (where, status) != NOT_READY
    assert ("Retry-After" in response.get("headers", {})) is waits, where

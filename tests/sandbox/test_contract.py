"""The simulated vendor and openapi/upstream.yaml must agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.sandbox.conftest import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonschema.protocols import Validator

    from tests.sandbox.conftest import Client, Played

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "openapi/upstream.yaml").read_text("utf-8"))
BASE = "urn:upstream"
REGISTRY: Registry[Any] = Registry().with_resource(BASE, DRAFT202012.create_resource(DOCUMENT))


def pointer(*keys: str) -> str:
    """Return a reference to the document's node under `keys`."""
    escaped = (key.replace("~", "~0").replace("/", "~1") for key in keys)
    return f"{BASE}#/{'/'.join(escaped)}"


def validator(operation: tuple[str, str], status: int, content_type: str) -> Validator:
    """Return the validator of one operation's answer; raise LookupError if undescribed."""
    method, path = operation
    where = pointer("paths", path, method, "responses", str(status))
    resolved = REGISTRY.resolver().lookup(where)
    if "$ref" in resolved.contents:
        where = f"{BASE}{resolved.contents['$ref']}"
    media_type = content_type.partition(";")[0].replace("/", "~1")
    where = f"{where}/content/{media_type}/schema"
    REGISTRY.resolver().lookup(where)
    return Draft202012Validator({"$ref": where}, registry=REGISTRY)


def validator_of(played: Played) -> Validator:
    """Return the validator of an answer."""
    response = played.response
    return validator(played.row.operation, response.status_code, response.headers["content-type"])


def test_the_document_is_openapi() -> None:
    """The document is valid OpenAPI 3.1."""
    assert DOCUMENT["openapi"].startswith("3.1")
    validate(DOCUMENT)


def test_every_answer_is_described(played: Played) -> None:
    """The document allows every row of the table in each dialect."""
    validator_of(played).validate(played.response.json())


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no code": lambda e: e.pop("code"),
    "no request id": lambda e: e.pop("request_id"),
    "unknown code": lambda e: e.update(code=418),
    "code as text": lambda e: e.update(code=str(e["code"])),
    "message null": lambda e: e.update(message=None),
    "data is text": lambda e: e.update(data="room"),
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_broken_envelopes_are_refused(
    played: Played, broken: Callable[[dict[str, Any]], object]
) -> None:
    """The document refuses every answer with a damaged envelope."""
    envelope = played.response.json()
    broken(envelope)
    assert not validator_of(played).is_valid(envelope)


@pytest.mark.parametrize(
    "field",
    [
        {"live_id": 1},
        {"extends": []},
        {"extends": {"k": 1}},
        {"anchor_info": None},
        {"anchor_status": 2},
        {"live_status": 3},
        {"start_time": None},
        {"chat_id": 2**63},
        {"push_url": None},
        {"total_mics": "0"},
    ],
)
def test_broken_rooms_are_refused(client: Client, field: dict[str, Any]) -> None:
    """The document refuses a room with a field of the wrong type or value."""
    response = client.get(client.new_room()["live_id"])
    read = validator(("get", "/server/live/{live_id}"), 200, "application/json")
    envelope = response.json()
    assert read.is_valid(envelope)
    envelope["data"] |= field
    assert not read.is_valid(envelope)


def test_every_documented_field_is_required(client: Client) -> None:
    """The document refuses a room without a field that every build has."""
    extras = {"room_token", "total_count", "total_mics", "anchor_status"}
    read = validator(("get", "/server/live/{live_id}"), 200, "application/json")
    envelope = client.get(client.new_room()["live_id"]).json()
    for name in list(envelope["data"]):
        less = {key: value for key, value in envelope["data"].items() if key != name}
        assert read.is_valid(envelope | {"data": less}) == (name in extras), name


def test_fields_of_later_services_are_allowed(client: Client) -> None:
    """The document allows unknown fields in a room."""
    read = validator(("get", "/server/live/{live_id}"), 200, "application/json")
    envelope = client.get(client.new_room()["live_id"]).json()
    envelope["data"]["added_later"] = {"x": 1}
    assert read.is_valid(envelope)


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"anchor_id": "alice"}, True),
        ({"anchor_id": "alice", "title": "t", "extends": {"k": "v"}}, True),
        ({"anchor_id": "alice", "start_at": "2027-01-15 16:30:00"}, True),
        ({"anchor_id": "alice", "added_later": 1}, True),
        ({}, False),
        ({"anchor_id": ""}, False),
        ({"anchor_id": "alice", "title": 1}, False),
        ({"anchor_id": "alice", "extends": {"k": 1}}, False),
        ({"anchor_id": "alice", "extends": None}, False),
        ({"anchor_id": "alice", "start_at": "2027-01-15T16:30:00Z"}, False),
        ({"anchor_id": "alice", "end_at": "2027-01-15 16:30:00.000"}, False),
    ],
)
def test_create_bodies_are_judged_alike(
    client: Client, body: dict[str, Any], *, good: bool
) -> None:
    """The document and the vendor accept and refuse the same create bodies."""
    assert schema("Create").is_valid(body) is good
    assert (client.send("POST", "/server/live", json=body).status_code == 200) is good


def schema(name: str) -> Validator:
    """Return the validator of one of the document's schemas."""
    return Draft202012Validator({"$ref": pointer("components", "schemas", name)}, registry=REGISTRY)


def test_switches_are_described(client: Client) -> None:
    """The document has every switch with its healthy value, and no other."""
    faults = client.send("GET", "/sandbox", sign=False).json()["faults"]
    properties = DOCUMENT["components"]["schemas"]["Faults"]["properties"]
    assert faults == {name: each["default"] for name, each in properties.items()}
    schema("Faults").validate(faults)


def test_rows_are_described(client: Client) -> None:
    """The document allows every row of the database, in each state."""
    client.new_room(**EVERYTHING)
    client.censor(client.living_room())
    client.delete(client.new_room()["live_id"])
    client.switch(sql_mode="lax")
    client.create(extends={"k": "<" * 200})
    rows = client.send("GET", "/sandbox/rooms", sign=False).json()
    assert len(rows) == 4
    for row in rows:
        schema("Row").validate(row)

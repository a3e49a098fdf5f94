"""The bodies of requests, with every fault named at once.

Types and lengths are in the annotations, and so in the OpenAPI document. `_rules` checks the rest,
for which JSON Schema has no words or another dialect of regular expressions. A repeated create may
have a `publish_expire_at` in the past, so a body without any other fault is left to the domain.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

from gateway.rooms import (
    USER_ID,
    Caller,
    FieldProblem,
    InvalidRequest,
    NewRoom,
    expiry_problems,
    is_user_id,
    stored_size,
)

_MAX_TITLE = 128
_MAX_NOTICE = 255
_MAX_COVER_URL = 255
_MAX_EXTENDS = 1024
_MOST_UNKNOWN = 20
"""Unknown fields that are named; a body has room for 13,000."""
_YEARS = range(1970, 9999)
_URL = r"https?://[^\s\x00-\x1f\x7f-\x9f/?#]+[^\s\x00-\x1f\x7f-\x9f]*"  # no space, no control

Notice = Annotated[str, Meta(max_length=_MAX_NOTICE)]
CoverUrl = Annotated[
    str,
    Meta(
        max_length=_MAX_COVER_URL,
        description="An http or https URL.",
        extra_json_schema={"pattern": f"^{_URL}$"},
    ),
]
Extends = Annotated[
    Mapping[str, str],
    Meta(
        description=(
            f"Free key-value pairs, at most {_MAX_EXTENDS} bytes as JSON. "
            "Each of `<`, `>`, `&`, U+2028 and U+2029 counts six."
        )
    ),
]
Moment = Annotated[
    datetime, Meta(tz=True, description="RFC 3339 with an offset; whole seconds count.")
]
AnchorId = Annotated[
    str,
    Meta(
        description="Printable characters without white space. Defaults to the caller; for another "
        "user the admin scope is needed.",
        extra_json_schema={"pattern": f"^{USER_ID}$"},
    ),
]


class CreateRoom(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A room to create. A field that is null counts as left out."""

    title: Annotated[str, Meta(min_length=1, max_length=_MAX_TITLE)]
    notice: Notice | None = None
    cover_url: CoverUrl | None = None
    extends: Extends | None = None
    start_at: Moment | None = None
    end_at: Annotated[Moment, Meta(description="RFC 3339, after `start_at`.")] | None = None
    publish_expire_at: Annotated[Moment, Meta(description="RFC 3339, in the future.")] | None = None
    anchor_id: AnchorId | None = None

    def new_room(self, caller: Caller) -> NewRoom:
        """Return the room that `caller` asks for."""
        return NewRoom(
            anchor_id=self.anchor_id or caller.user_id,
            title=self.title,
            notice=self.notice,
            cover_url=self.cover_url,
            extends=self.extends,
            start_at=self.start_at,
            end_at=self.end_at,
            publish_expire_at=self.publish_expire_at,
        )


class Refusal(Struct, frozen=True):
    """An operator's refusal of a user or a token."""

    until: Moment


def parse_refusal(body: bytes, now: datetime) -> float:
    """Return the time at which a refusal ends, in epoch seconds.

    Raises InvalidRequest with every problem of the body at `now`, a time with an offset.
    """
    values, problems = _converted(_json_object(body), _FIELDS_OF_REFUSAL)
    until: datetime | None = values.get("until")
    if until is not None and (until.year not in _YEARS or until <= now):
        problems.append(FieldProblem("until", f"must be in the future, before {_YEARS[-1]}"))
    if until is None or problems:
        raise InvalidRequest(*problems)
    return until.timestamp()


def parse_create_room(body: bytes, now: datetime) -> CreateRoom:
    """Return the valid body of a create, its `publish_expire_at` not yet compared with the clock.

    Raises InvalidRequest with every problem of the body at `now`, a time with an offset, but with
    20 unknown fields at most.
    """
    values, problems = _converted(_json_object(body), _FIELDS)
    problems += _rules(values)
    if problems:
        raise InvalidRequest(*problems, *expiry_problems(values.get("publish_expire_at"), now))
    return CreateRoom(**values)


def _converted(
    given: Mapping[str, Any], fields: Mapping[str, FieldInfo]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the values of valid fields, and a problem for each other."""
    values: dict[str, Any] = {}
    unknown = islice((name for name in given if name not in fields), _MOST_UNKNOWN)
    problems = [FieldProblem(name[:64], "unknown field") for name in unknown]
    for field in fields.values():
        if field.encode_name not in given:
            if field.required:
                problems.append(FieldProblem(field.name, "required"))
            continue
        try:
            values[field.name] = msgspec.convert(given[field.encode_name], field.type)
        except msgspec.ValidationError:
            problems.append(FieldProblem(field.name, _REQUIREMENTS[field.name]))
    return values, problems


_TIME = "must be a time with an offset, such as 2026-12-02T11:11:11+08:00"

_REQUIREMENTS = MappingProxyType(
    {
        "title": f"must be a string of 1 to {_MAX_TITLE} characters",
        "notice": f"must be a string of at most {_MAX_NOTICE} characters, or null",
        "cover_url": f"must be an http(s) URL of at most {_MAX_COVER_URL} characters, or null",
        "extends": "must be an object whose values are strings, or null",
        "start_at": f"{_TIME}, or null",
        "end_at": f"{_TIME}, or null",
        "publish_expire_at": f"{_TIME}, or null",
        "anchor_id": "must be 1 to 128 printable characters without white space, or null",
        "until": _TIME,
    }
)
"""What each field must be, in JSON's words: msgspec's errors speak of Python's types."""


def _fields(body: type[Struct]) -> Mapping[str, FieldInfo]:
    return MappingProxyType({field.name: field for field in msgspec.structs.fields(body)})


_FIELDS = _fields(CreateRoom)
_FIELDS_OF_REFUSAL = _fields(Refusal)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(FieldProblem("body", "not valid JSON")) from error
    if not isinstance(given, dict):
        raise InvalidRequest(FieldProblem("body", "must be a JSON object"))
    return given


def _rules(values: Mapping[str, Any]) -> Iterator[FieldProblem]:
    url = values.get("cover_url")
    if url is not None and not re.fullmatch(_URL, url):
        yield FieldProblem("cover_url", _REQUIREMENTS["cover_url"])
    if (extends := values.get("extends")) and stored_size(extends) > _MAX_EXTENDS:
        problem = f"may have {_MAX_EXTENDS} bytes as JSON at most; each of < > & counts six"
        yield FieldProblem("extends", problem)
    anchor_id = values.get("anchor_id")
    if anchor_id is not None and not is_user_id(anchor_id):
        yield FieldProblem("anchor_id", _REQUIREMENTS["anchor_id"])
    for name in ("start_at", "end_at", "publish_expire_at"):
        if (moment := values.get(name)) and moment.year not in _YEARS:
            yield FieldProblem(name, f"must lie between {_YEARS[0]} and {_YEARS[-1]}")
    start, end = values.get("start_at"), values.get("end_at")
    if start and end and end <= start:
        yield FieldProblem("end_at", "must be after start_at")

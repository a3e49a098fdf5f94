"""The body of a create: every fault is named at once, and no other exception escapes."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.bodies import CreateRoom, parse_create_room
from gateway.rooms import Caller, InvalidRequest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = "2026-11-22T12:00:01Z"


def parse(**fields: Any) -> CreateRoom:
    """Parse a body of a good title and `fields`."""
    return parse_create_room(json.dumps({"title": "t", **fields}).encode(), NOW)


def wrong_fields(body: bytes) -> list[str]:
    """Return the fields named in the refusal of `body`."""
    with pytest.raises(InvalidRequest) as refusal:
        parse_create_room(body, NOW)
    return [problem.field for problem in refusal.value.problems]


GOOD: list[tuple[str, Any]] = [
    ("title", "t"),
    ("title", "直" * 128),
    ("title", "\u0000\u202e 👩‍👩‍👧 '; --"),
    ("notice", ""),
    ("notice", "👍" * 255),
    ("cover_url", "https://example.com/cover.png"),
    ("cover_url", "http://h/" + "a" * 246),
    ("cover_url", "https://例子.example/封面.png?a=b#c"),
    ("extends", {}),
    ("extends", {"": "", "k": "直播"}),
    ("extends", {"k": "a" * 1016}),
    ("extends", {"k": "<" * 169}),
    ("extends", {"&": "\u2028" * 168}),
    ("anchor_id", "bob"),
    ("anchor_id", "auth0|5f7c0e2a9d1b3c4d5e6f7a8b"),
    ("anchor_id", "用户" * 64),
    ("publish_expire_at", LATER),
]


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_a_good_value_is_kept_as_it_is(field: str, value: Any) -> None:
    """A value within the contract's bounds must come through unchanged."""
    kept = getattr(parse(**{field: value}), field)
    assert (kept.isoformat().replace("+00:00", "Z") if field.endswith("_at") else kept) == value


@pytest.mark.parametrize(
    "field",
    ["notice", "cover_url", "extends", "start_at", "end_at", "publish_expire_at", "anchor_id"],
)
def test_null_counts_as_left_out(field: str) -> None:
    """An optional field with null must be the same as one left out."""
    assert parse(**{field: None}) == parse()


BAD: dict[str, list[Any]] = {
    "title": [None, "", "a" * 129, 1, True, ["t"], {"t": "t"}],
    "notice": ["a" * 256, 1, []],
    "cover_url": [
        "",
        "cover.png",
        "//example.com/a",
        "ftp://example.com/a",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "http://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/a\n",
        "https://example.com/\x00",
        "https://example.com/\x85",
        "https://\x0f",
        " https://example.com/",
        "https://example.com/" + "a" * 236,
        7,
    ],
    "extends": [
        "k=v",
        ["k"],
        {"k": 1},
        {"k": None},
        {"k": {}},
        {"k": "a" * 1017},
        {"k": "直" * 400},
        {"k": "<" * 170},
        {"k": "\u2029" * 170},
        {"k": "\b" * 170},
        {"&" * 170: ""},
        0,
    ],
    "anchor_id": ["", "a" * 129, "a b", "a\u3000b", "bob\n", "a\x00", "a\u200b", 7],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_bad_value_is_refused_by_its_name(field: str, value: Any) -> None:
    """A refusal must name the wrong field, and no other."""
    assert wrong_fields(json.dumps({"title": "t", field: value}).encode()) == [field]


GOOD_TIMES = [
    ("2026-12-02T11:11:11+08:00", datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)),
    ("2026-12-02T03:11:11Z", datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)),
    ("2026-12-02t03:11:11z", datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)),
    ("2026-12-02T03:11:11.5Z", datetime(2026, 12, 2, 3, 11, 11, 500_000, tzinfo=UTC)),
    ("2026-12-02T03:11:11.123456789Z", datetime(2026, 12, 2, 3, 11, 11, 123_457, tzinfo=UTC)),
    ("2026-12-01T18:11:11-09:00", datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)),
    ("2026-12-02T08:56:11+05:45", datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)),
    ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "moment"), GOOD_TIMES)
@pytest.mark.parametrize("field", ["start_at", "end_at", "publish_expire_at"])
def test_a_time_is_the_moment_it_names(field: str, text: str, moment: datetime) -> None:
    """`Z`, fractions and any offset must be read as the same moment."""
    assert getattr(parse(**{field: text}), field) == moment


PRINTED_TIMES = {
    "Java, Instant": "2026-12-02T03:11:11.123456789Z",
    "Java, OffsetDateTime": "2026-12-02T11:11:11.123+08:00",
    ".NET, O": "2026-12-02T11:11:11.1234567+08:00",
    "Go, RFC3339Nano": "2026-12-02T11:11:11.12345678+08:00",
    "JavaScript, toISOString": "2026-12-02T03:11:11.123Z",
    "Python, isoformat": "2026-12-02T11:11:11.123456+08:00",
    "Swift, ISO8601DateFormatter": "2026-12-02T03:11:11Z",
}


@pytest.mark.parametrize("text", PRINTED_TIMES.values(), ids=PRINTED_TIMES)
def test_a_time_is_read_as_languages_print_it(text: str) -> None:
    """A time must be read as the standard library of a client's language prints it."""
    start = parse(start_at=text).start_at
    assert start is not None
    assert start.replace(microsecond=0) == datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(CreateRoom.__struct_fields__)), JSON))
def test_messages_speak_of_json(body: dict[str, Any]) -> None:
    """No message may have a word of Python's or of a library's types."""
    try:
        parse_create_room(json.dumps(body).encode(), NOW)
    except InvalidRequest as refusal:
        told = " ".join(each.message for each in refusal.problems)
        assert not re.search(r"`|Expected|None|\bstr\b|dict|datetime|float", told)


def test_a_message_says_what_a_field_must_be() -> None:
    """A client's developer must read what to send, null included."""
    with pytest.raises(InvalidRequest) as refusal:
        parse(title=1, extends={"k": 1}, start_at="2026-12-02T11:11")
    assert [each.message for each in refusal.value.problems] == [
        "must be a string of 1 to 128 characters",
        "must be an object whose values are strings, or null",
        "must be a time with an offset, such as 2026-12-02T11:11:11+08:00, or null",
    ]


BAD_TIMES = [
    "2026-12-02T11:11+08:00",
    "2026-12-02T11:11:11",
    "2026-12-02 11:11:11",
    "2026-12-02",
    "11:11:11Z",
    "2026-13-02T11:11:11Z",
    "2026-02-29T11:11:11Z",
    "2026-12-02T24:00:00Z",
    "2026-12-02T11:60:00Z",
    "2026-12-02T11:11:11+24:00",
    "2026-12-02T11:11:11 +08:00",
    "2026-12-02T11:11:11Asia/Shanghai",
    "20261202T111111Z",
    "tomorrow",
    "",
    1796180000,
    1796180000.5,
    True,
    "0001-01-01T00:00:00+14:00",
    "0000-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "12026-12-02T11:11:11Z",
    "-2026-12-02T11:11:11Z",
]


@pytest.mark.parametrize("value", BAD_TIMES)
@pytest.mark.parametrize("field", ["start_at", "end_at", "publish_expire_at"])
def test_a_time_that_is_none_is_refused(field: str, value: Any) -> None:
    """A time without an offset, no time at all, or one far out of range must name its field."""
    assert field in wrong_fields(json.dumps({"title": "t", field: value}).encode())


@pytest.mark.parametrize(
    ("start", "end", "valid"),
    [
        ("2026-12-02T11:00:00+08:00", "2026-12-02T11:00:01+08:00", True),
        ("2026-12-02T11:00:00+08:00", "2026-12-02T03:00:01Z", True),
        ("2026-12-02T11:00:00+08:00", "2026-12-02T03:00:00Z", False),
        ("2026-12-02T11:00:00Z", "2026-12-02T12:00:00+08:00", False),
        ("2026-12-02T11:00:01Z", "2026-12-02T11:00:00Z", False),
    ],
)
def test_end_comes_after_start_across_offsets(start: str, end: str, *, valid: bool) -> None:
    """`end_at` must be a later moment than `start_at`, not the same one."""
    body = json.dumps({"title": "t", "start_at": start, "end_at": end}).encode()
    if valid:
        parse_create_room(body, NOW)
    else:
        assert wrong_fields(body) == ["end_at"]


@pytest.mark.parametrize(("delay", "wrong"), [(-86_400, True), (-1, True), (0.9, True), (1, False)])
def test_publishing_cannot_have_expired_already(delay: float, *, wrong: bool) -> None:
    """A past moment must be named among other faults; alone it is left to the domain."""
    moment = (NOW + timedelta(seconds=delay)).isoformat()
    named = wrong_fields(json.dumps({"title": "", "publish_expire_at": moment}).encode())
    assert named == ["title", "publish_expire_at"][: 1 + wrong]
    assert parse(publish_expire_at=moment).publish_expire_at == NOW + timedelta(seconds=delay)


def test_every_fault_is_named_at_once() -> None:
    """One refusal must list all wrong fields, unknown and missing ones included."""
    body = {
        "notice": "a" * 256,
        "cover_url": "ftp://x",
        "extends": {"k": 1},
        "start_at": "2026-12-02T11:11:11",
        "end_at": 5,
        "publish_expire_at": "2020-01-01T00:00:00Z",
        "anchor_id": "a b",
        "push_url": "rtmp://x",
    }
    assert sorted(wrong_fields(json.dumps(body).encode())) == sorted([*body, "title"])


@pytest.mark.parametrize("name", ["Title", "title ", "live_id", "push_url", "anchor_info", "", "é"])
def test_unknown_fields_are_refused_by_name(name: str) -> None:
    """A field outside the contract must be refused by its name."""
    assert wrong_fields(json.dumps({"title": "t", name: "x"}).encode()) == [name]


def test_a_long_unknown_name_is_cut() -> None:
    """A refusal must not grow with the body."""
    assert wrong_fields(json.dumps({"title": "t", "x" * 60_000: 1}).encode()) == ["x" * 64]


def test_few_unknown_names_are_told() -> None:
    """A refusal must not have thousands of problems; what else is wrong is among them."""
    body = json.dumps({str(number): 1 for number in range(5_000)}).encode()
    assert wrong_fields(body) == [*map(str, range(20)), "title"]


NOT_A_BODY = [
    b"",
    b" ",
    b"{",
    b'{"title":"t"}x',
    b'{"title":"t"}{"title":"t"}',
    b"{'title':'t'}",
    b'{"title":"t",}',
    b'{"title":"\xff"}',
    b'{"title":"\xc0\x80"}',
    b'{"title":"\xed\xa0\x80"}',
    b'{"title":"\\ud800"}',
    b'{"title":"\\udc00\\ud800"}',
    b'{"\\ud800":"t"}',
    b'{"title":"a\nb"}',
    b'\xef\xbb\xbf{"title":"t"}',
    '{"title":"t"}'.encode("utf-16"),
    b'{"title":NaN}',
    b'{"title":1e999}',
    b"[" * 100_000,
    b'{"title":' * 100_000,
    b'{"title":"t","extends":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b"null",
    b"[]",
    b'[{"title":"t"}]',
    b'"title"',
    b"1",
    b"true",
]


@pytest.mark.parametrize("body", NOT_A_BODY, ids=lambda body: repr(body[:30]))
def test_what_is_not_a_json_object_is_refused_as_the_body(body: bytes) -> None:
    """Broken JSON or text, deep nesting and other JSON values must be one problem: the body."""
    assert wrong_fields(body) == ["body"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_times = st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
_bodies = st.dictionaries(
    st.sampled_from([*CreateRoom.__struct_fields__, "live_id"]), _json | _times
).map(lambda body: json.dumps(body).encode())


@given(st.binary(max_size=200) | _json.map(lambda value: json.dumps(value).encode()) | _bodies)
def test_nothing_but_a_refusal_comes_out(body: bytes) -> None:
    """Any bytes must make a valid body or raise InvalidRequest."""
    with suppress(InvalidRequest):
        room = parse_create_room(body, NOW).new_room(Caller("alice"))
        assert 1 <= len(room.title) <= 128
        assert room.start_at is None or room.end_at is None or room.start_at < room.end_at


def test_the_anchor_defaults_to_the_caller() -> None:
    """Without `anchor_id` the room must be the caller's, with one that user's."""
    assert parse().new_room(Caller("alice")).anchor_id == "alice"
    assert parse(anchor_id="bob").new_room(Caller("alice")).anchor_id == "bob"

"""Replies read leniently: what is right stays, what is odd is empty, and nothing takes long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.secret import Secret
from gateway.upstream.faults import Broken
from gateway.upstream.repair import parse, reader, whole_number
from gateway.upstream.wire import RoomData, decode_envelope, decode_room
from tests.live.fault_server import ANCHOR, PUSH_URL, ROOM, enveloped

INT64 = st.integers(-(2**63), 2**63 - 1)
EXTENDS = st.none() | st.dictionaries(st.text(), st.text(), max_size=3)
ROOMS = st.fixed_dictionaries(
    {
        **{name: st.text() if isinstance(each, str) else INT64 for name, each in ROOM.items()},
        "live_id": st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"),
        "extends": EXTENDS,
        "anchor_info": st.fixed_dictionaries(
            {
                "user_id": st.text(min_size=1),
                "im_userid": INT64,
                "nick": st.text(),
                "avatar": st.text(),
                "extends": EXTENDS,
            }
        ),
    }
)


@given(ROOMS)
def test_both_ways_read_a_right_room_alike(room: dict[str, Any]) -> None:
    """A room that is right is the same read strictly and leniently, and nothing is repaired."""
    data = msgspec.json.encode(room)
    strictly = msgspec.json.decode(data, type=RoomData, dec_hook=lambda _, text: Secret(text))
    fields, repaired = reader(RoomData)(parse(data))
    leniently = msgspec.convert(fields, RoomData, dec_hook=lambda _, text: Secret(text))
    assert (leniently, list(repaired)) == (strictly, [])


@given(INT64)
def test_numbers_are_exact(number: int) -> None:
    """A whole number of 64 bits is exact as a number, in text, and as a float with an exponent."""
    for text in (str(number), f"{number}.0", f"{number}0e-1", f"{number}.000E+0"):
        assert whole_number(text) == whole_number(Raw(text.encode())) == number


@pytest.mark.parametrize(
    "given",
    [
        *("", " 1", "1 ", "+1", "1_0", "0x1", "１", "NaN", "Infinity", "1e", ".5", "1.", "--1"),  # noqa: RUF001  # a wide digit
        *("1.5", "9223372036854775808", "-9223372036854775809", "1e19", "1e999", "1e-1"),
        *("9" * 41, "9" * 5000, "1e99999999", f"1e{'9' * 50}", "1e-999"),
        *(None, True, False, {}, [], 1, 1.0),
    ],
)
def test_other_things_are_no_numbers(given: object) -> None:
    """Anything else is no whole number of 64 bits, and is not computed."""
    assert whole_number(given) is None
    if isinstance(given, str):
        assert whole_number(Raw(given.encode())) is None


def test_values_are_not_in_the_names() -> None:
    """What was repaired is told by the declared names alone; keys of `extends` are left out."""
    odd = ROOM | {"extends": {PUSH_URL: 7}, "anchor_info": {**ANCHOR, "nick": [PUSH_URL]}}
    decoded = decode_room(Raw(msgspec.json.encode(odd | {PUSH_URL: PUSH_URL})))
    assert decoded.repaired == ("anchor_info.nick", "extends")


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count the calls of Python and C functions in the block."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(None)


SIZE = 1 << 20


def filled(start: bytes, part: bytes, end: bytes) -> bytes:
    """Return a megabyte of `part` between `start` and `end`."""
    return start + part * ((SIZE - len(start) - len(end)) // len(part)) + end


def with_push_url(push_url: str, **fields: object) -> bytes:
    """Return a room with this `push_url`."""
    return msgspec.json.encode(ROOM | {"push_url": push_url} | fields)


LARGE = {
    "numbers": filled(b'{"title":null,"x":[', b"1,", b"1]}"),
    "objects": filled(b'{"title":null,"x":[', b"{},", b"{}]}"),
    "lists": filled(b'{"title":null,"x":[', b"[],", b"[]]}"),
    "members": filled(b'{"title":null,', b'"a":1,', b'"b":1}'),
    "digits": filled(b'{"pv":', b"7", b"}"),
    "digits in text": filled(b'{"pv":"', b"7", b'"}'),
    "halves": filled(b'{"title":"', b"\\ud83d", b'"}'),
    "bytes": filled(b'{"title":"', b"\xff", b'"}'),
    "nesting": filled(b'{"title":', b"[", b"}"),
    "escapes": with_push_url(PUSH_URL, title="%63" * (SIZE // 3)),
    "escaped escapes": with_push_url(PUSH_URL, title="%" + "25" * (SIZE // 2)),
    "escaped key": with_push_url("r://p?token=" + "%63" * (SIZE // 3), title="%63"),
    "tokens": with_push_url("r://p?a=b" + "&token=abcd" * (SIZE // 11), title="%61bcd"),
}


@pytest.mark.parametrize("case", LARGE)
def test_a_large_reply_takes_few_steps(case: str) -> None:
    """A megabyte is decoded, repaired, searched or refused in under 50,000 calls of functions."""
    data = LARGE[case]
    body = b'{"code":null,"data":%b}' % data
    with counting() as calls:
        decode_envelope(body)
        with suppress(Broken):
            decode_room(Raw(data))
    assert 0 < calls() < 50_000


@pytest.mark.parametrize("name", ["title", "unknown"])
def test_deep_nesting_is_survived(name: str) -> None:
    """Nesting beyond the recursion limit makes a reply unusable, and raises nothing else."""
    deep = b"[" * 100_000 + b"]" * 100_000
    data = b'{"title":7,"%b":%b}' % (name.encode(), deep)
    with pytest.raises(Broken):
        decode_room(Raw(data))
    assert decode_envelope(b'{"code":0,"data":%b}' % data) is None


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"{", b"{}{}", b"<html>", b"\xff\xfe{"]
)
def test_no_object_is_none(body: bytes) -> None:
    """Only a whole JSON object is parsed."""
    assert parse(body) is None


def test_an_envelope_with_half_an_emoji_keeps_its_room() -> None:
    """A half emoji in one field leaves all others of the reply as they are."""
    whole = enveloped(ROOM | {"chat_id": 2**63 - 1, "nick": "ok"})
    envelope = decode_envelope(whole.replace(b'"Friday"', b'"\\ud83d"'))
    assert envelope is not None
    assert (envelope.code, envelope.request_id) == (0, "up-1")
    decoded = decode_room(envelope.data)
    assert (decoded.room.title, decoded.room.chat_id) == ("", 2**63 - 1)
    assert decoded.repaired == ("title",)

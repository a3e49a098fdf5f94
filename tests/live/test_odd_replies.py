"""Odd replies: a room is served with empty fields in place of odd ones, and without its key."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gateway.metrics import Metrics
from tests.live.fault_server import ANCHOR, PUSH_URL, ROOM, Exchange, answering, reply, serving
from tests.live.gateways import ALICE, Gateway, assert_told, gateway_at
from tests.telemetry.counts import nonzero

HALF = b'"half an emoji \\ud83d"'
NO_UTF8 = b'"\xff"'
TEXTS = ("title", "notice", "cover_url", "pk_id", "hls_url", "rtmp_url", "flv_url")
NUMBERS = ("anchor_status", "online_count", "chat_id", "pv", "uv", "live_status")
TIMES = ("start_time", "end_time")

NO_TEXT = (b"null", b"7", b"1.5", b"true", b"[]", b"{}", HALF, NO_UTF8)
NO_NUMBER = (
    *(b"null", b"true", b"1.5", b"[1]", b"{}", b'""', b'"1x"', b'"0x1"', b'"1_0"', HALF, NO_UTF8),
    *(b"9223372036854775808", b"-9223372036854775809", b"9" * 400, b"9" * 5000, b"1e300", b"NaN"),
)
AS_NUMBER = {b'"12"': 12, b"12.0": 12, b'"-3"': -3, b"1.9903902E7": 19903902, b'"2.0"': 2}
NO_PAIRS = (b'"{}"', b"7", b"true", b"[]", HALF)
ENVELOPES = {"documented": b'"code":0,"message":""', "legacy": b'"code":200,"message":"success"'}


def cases() -> list[tuple[str, bytes | None, object]]:
    """Return (path, JSON of the value or None for none, value shown to viewers)."""
    found: list[tuple[str, bytes | None, object]] = []
    for name in (*TEXTS, "anchor_info.nick", "anchor_info.avatar"):
        found += [(name, value, "") for value in (*NO_TEXT, None)]
    for name in (*NUMBERS, "anchor_info.im_userid", *TIMES):
        empty = None if name in TIMES else 0
        found += [(name, value, empty) for value in NO_NUMBER]
        found += [(name, value, number) for value, number in AS_NUMBER.items()]
        if name != "anchor_status":  # builds up to v0.2.0 have none: that is not odd
            found.append((name, None, empty))
    for name in ("extends", "anchor_info.extends"):
        found += [(name, value, {}) for value in (*NO_PAIRS, None)]
        found += [
            (
                name,
                b'{"k":"v","n":7,"z":null,"h":%b}' % HALF,
                {"k": "v", "n": "", "z": "", "h": ""},
            ),
            (name, b'{"k":"v",%b:"v"}' % HALF, {"k": "v"}),
        ]
    return found


CASES = {str(number): case for number, case in enumerate(cases())}


def body(data: bytes, envelope: bytes) -> bytes:
    """Return an envelope with this JSON as its data."""
    return b'{"request_id":"up-1",%b,"data":%b}' % (envelope, data)


def encoded(room: Mapping[str, object], path: str, value: bytes | None) -> bytes:
    """Return the JSON of a room whose field at `path` has this value, or is missing."""
    name, _, inner = path.partition(".")
    fields = {each: msgspec.json.encode(shown) for each, shown in room.items() if each != name}
    if inner:
        fields[name] = encoded(ANCHOR, inner, value)
    elif value is not None:
        fields[name] = value
    return b"{%b}" % b",".join(b'"%b":%b' % (each.encode(), fields[each]) for each in fields)


def events(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    """Return the log lines of this event."""
    lines = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("dialect", ENVELOPES)
async def test_an_odd_field_is_empty_and_named(dialect: str) -> None:
    """Each odd value of each field is served to viewers as empty, and named once in the log."""

    async def odd(exchange: Exchange) -> None:
        path, value, _ = CASES[exchange.live_id]
        data = encoded(ROOM | {"live_id": exchange.live_id}, path, value)
        await exchange.write(reply(body(data, ENVELOPES[dialect])))

    wrong = []
    async with serving(odd) as server, gateway_at(server.url) as gateway:
        for live_id, case in CASES.items():
            answer = await gateway.read(live_id)
            shown = answer.json()
            for name in case[0].split("."):
                shown = shown.get(name, "missing")
            if (answer.status_code, shown) != (200, case[2]):
                wrong.append((*case, answer.status_code, shown))
        named = {line["live_id"]: line["fields"] for line in events(gateway, "room_repaired")}
    assert wrong == []
    assert named == {live_id: [case[0]] for live_id, case in CASES.items()}


IDENTIFYING = [
    *[("live_id", value) for value in (*NO_TEXT, None)],
    *[("anchor_info.user_id", value) for value in (*NO_TEXT, None)],
    *[("anchor_info", value) for value in (b"null", b"7", b"[]", b'"alice"', None)],
]


@pytest.mark.parametrize(("path", "value"), IDENTIFYING)
async def test_what_identifies_a_room_must_be_right(path: str, value: bytes | None) -> None:
    """A reply with an odd id or an odd anchor is refused; a create ends in an unknown outcome."""
    data = encoded(ROOM, path, value)

    async def odd(exchange: Exchange) -> None:
        await exchange.write(reply(body(data, ENVELOPES["legacy"])))

    async with serving(odd) as server, gateway_at(server.url) as gateway:
        assert_told(await gateway.read("1"), "upstream_error")
        assert_told(await gateway.write("create"), "outcome_unknown")


@pytest.mark.parametrize("value", [*NO_TEXT, None])
async def test_a_push_url_must_be_right_for_its_anchor(value: bytes | None) -> None:
    """Without a readable `push_url` viewers and writes get the room, its anchor does not."""
    data = encoded(ROOM, "push_url", value)

    async def odd(exchange: Exchange) -> None:
        await exchange.write(reply(body(data, ENVELOPES["documented"])))

    async with serving(odd) as server, gateway_at(server.url) as gateway:
        assert (await gateway.read("1")).json()["title"] == "Friday"
        assert_told(await gateway.read("1", ALICE), "upstream_error")
        assert_told(await gateway.write("create"), "outcome_unknown")
        assert (await gateway.write("stop")).status_code == 204
        assert {"push_url"} == {
            name for line in events(gateway, "room_repaired") for name in line["fields"]
        }


@pytest.mark.parametrize(
    "envelope",
    [
        *[b'"code":0,"message":%b' % value for value in NO_TEXT],
        *[b'"code":%b,"message":""' % code for code in (b'"0"', b"0.0", b'"200"', b"2e2")],
        b'"code":0',
        b'"code":0,"message":"","half \\ud83d":1',
    ],
)
async def test_an_odd_envelope_is_read(envelope: bytes) -> None:
    """An odd message, or a code in text, takes no call down."""

    async def odd(exchange: Exchange) -> None:
        await exchange.write(reply(body(msgspec.json.encode(ROOM), envelope)))

    async with serving(odd) as server, gateway_at(server.url) as gateway:
        assert (await gateway.read("1")).status_code == 200
        assert (await gateway.read("1", ALICE)).json()["push_url"] == PUSH_URL
        for operation, status in (("create", 201), ("stop", 204), ("delete", 204)):
            assert (await gateway.write(operation)).status_code == status


@pytest.mark.parametrize("code", [b"null", b'""', b"true", b"0.5", b"[]", b"1e300", b"9" * 5000])
async def test_a_code_is_never_guessed(code: bytes) -> None:
    """Without a readable code no call has succeeded."""

    async def odd(exchange: Exchange) -> None:
        envelope = b'"code":%b,"message":""' % code
        await exchange.write(reply(body(msgspec.json.encode(ROOM), envelope)))

    async with serving(odd) as server, gateway_at(server.url) as gateway:
        assert_told(await gateway.read("1"), "upstream_error")
        assert_told(await gateway.write("create"), "outcome_unknown")


ODD_TYPES = {
    "separators in quotes": f'application/json;x="{";" * 60_000}',
    "digits": f"application/json;a*{'9' * 4_400}=x",
    "quotes": 'application/json;x="' + '\\"' * 9_000,
    "two": "application/json\nContent-Type: application/json",
    "two charsets": "application/json; charset=utf-8; charset=utf-16",
    "nothing": "",
}


@pytest.mark.parametrize("case", ODD_TYPES)
async def test_an_odd_type_is_an_unreadable_reply(case: str) -> None:
    """A reply of an unreadable type is an upstream error, and after a create an unknown outcome."""
    headers = f"Content-Type: {ODD_TYPES[case]}"
    data = reply(body(msgspec.json.encode(ROOM), b'"code":0'), headers=headers)
    async with serving(answering(data)) as server, gateway_at(server.url) as gateway:
        assert_told(await gateway.read("1"), "upstream_error")
        assert_told(await gateway.write("create"), "outcome_unknown")


ODD_HEADERS = {
    "other parameters": "Content-Type: application/json; a*=x; a*0=y; charset*=utf-16''x",
    "the last date": "Content-Type: application/json\nDate: Fri, 31 Dec 9999 23:59:59 GMT",
    "the first date": "Content-Type: application/json\nDate: Mon, 01 Jan 0001 00:00:00 GMT",
    "no date": f"Content-Type: application/json\nDate: {'9' * 60_000}",
    "no time to wait": f"Content-Type: application/json\nRetry-After: {'9' * 5_000}",
}


@pytest.mark.parametrize("case", ODD_HEADERS)
async def test_an_odd_header_takes_no_call_down(case: str) -> None:
    """A create with a time and a read succeed whatever the other headers of earlier replies say."""
    data = reply(body(msgspec.json.encode(ROOM), b'"code":0'), headers=ODD_HEADERS[case])
    new = {"title": "t", "publish_expire_at": "2090-01-01T00:00:00Z"}
    signed_in = {"Authorization": f"Bearer {ALICE}"}
    async with serving(answering(data)) as server, gateway_at(server.url) as gateway:
        assert (await gateway.read("1")).status_code == 200
        made = await gateway.client.post("/v1/rooms", json=new, headers=signed_in)
        assert made.status_code == 201


REPEATING = {
    **dict.fromkeys(TEXTS, f"see {PUSH_URL}"),
    "extends": {"a": "canary", "canary": "b", "c": "d"},
    "anchor_info": {
        **ANCHOR,
        "nick": "canary",
        "avatar": "https://a.example/?u=rtmp%3A%2F%2Fpush%3Ftoken%3D%63anary",
        "extends": {"push": PUSH_URL},
    },
}


async def test_a_repeated_push_url_reaches_nobody() -> None:
    """Read, batch, create and replay have empty texts for repeats; one event and one count each."""

    async def repeating(exchange: Exchange) -> None:
        await exchange.write(reply(body(msgspec.json.encode(ROOM | REPEATING), b'"code":0')))

    async with serving(repeating) as server, gateway_at(server.url) as gateway:
        seen = await gateway.read("1")
        whole = await gateway.read("1", ALICE)
        batch = await gateway.read_batch("1")
        assert [each.status_code for each in (seen, whole, batch)] == [200] * 3
        assert "canary" not in seen.text + batch.text
        assert seen.json() == {
            **{name: value for name, value in whole.json().items() if name != "push_url"}
        }
        assert whole.json()["push_url"] == PUSH_URL
        assert whole.json()["extends"] == {"a": "", "c": "d"}
        assert "canary" not in whole.text.replace(PUSH_URL, "")
        created = await gateway.write("create")
        assert "canary" not in created.text.replace(PUSH_URL, "")
        told = events(gateway, "push_url_repeated")
        assert [line["level"] for line in told] == ["error"] * 3
        anchors = ["anchor_info.nick", "anchor_info.avatar", "anchor_info.extends"]
        assert sorted(told[0]["fields"]) == sorted([*TEXTS, "extends", *anchors])
        assert nonzero(gateway.block, Metrics.push_url_repeats) == {(): 3}


@pytest.mark.parametrize(
    "changes", [{"live_id": "canary-1"}, {"anchor_info": {**ANCHOR, "user_id": "canary"}}]
)
async def test_an_id_with_the_key_is_refused(changes: dict[str, object]) -> None:
    """A room whose ids repeat its token is not usable."""

    async def repeating(exchange: Exchange) -> None:
        await exchange.write(reply(body(msgspec.json.encode(ROOM | changes), b'"code":0')))

    async with serving(repeating) as server, gateway_at(server.url) as gateway:
        assert_told(
            await gateway.read("canary-1" if "live_id" in changes else "1"), "upstream_error"
        )

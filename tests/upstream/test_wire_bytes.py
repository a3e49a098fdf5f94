"""The signed bytes are the sent bytes, as a bare TCP server records all four calls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.metrics import Metrics
from gateway.rooms import NewRoom
from gateway.telemetry import RequestContext, build_logger
from gateway.upstream import QliveClient
from tests.live.fault_server import ROOM, answering, enveloped, reply, serving
from tests.upstream.scripted import AK, SK, sdk_authorization, sending

TITLE = '周五直播 \U0001f3a4 "<&>\u2028'
BODY = {
    "anchor_id": "alice",
    "title": TITLE,
    "notice": "",
    "cover_url": "https://example.test/a b.png?c=%20",
    "extends": {"键": "值"},
    "start_at": "2026-12-02 11:11:11",
}
NEW_ROOM = NewRoom(
    anchor_id="alice",
    title=TITLE,
    notice="",
    cover_url="https://example.test/a b.png?c=%20",
    extends={"键": "值"},
    start_at=datetime(2026, 12, 2, 3, 11, 11, tzinfo=UTC),
)


@dataclass(frozen=True)
class Sent:
    """A request taken apart; header names in lower case, each at most once."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Call = Callable[[QliveClient], Awaitable[object]]


async def sent_by(call: Call) -> Sent:
    """Make one call of the client over real sockets and return what went over the wire."""
    RequestContext("req-1").enter()
    async with serving(answering(reply(enveloped(ROOM)))) as server, sending(server.url) as send:
        metrics = Metrics()
        client = QliveClient(
            send,
            timeout=10,
            zone=ZoneInfo("Asia/Shanghai"),
            log=build_logger("debug", "json", BytesIO()),
            calls=metrics.upstream_calls,
            duration=metrics.upstream_duration,
            repeats=metrics.push_url_repeats,
        )
        await call(client)
        (exchange,) = server.received
        sent = parsed(exchange.raw)
        assert sent.headers["host"] == server.url.removeprefix("http://")
        return sent


def parsed(raw: bytes) -> Sent:
    """Take a request's bytes apart."""
    head, _, body = raw.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("ascii").split("\r\n")
    method, target, version = request_line.split(" ")
    assert version == "HTTP/1.1"
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    assert len(dict(headers)) == len(headers)
    return Sent(method, target, dict(headers), body)


OURS = {"host", "x-reqid", "authorization", "accept", "accept-encoding", "user-agent"}
LIVE_ID = "Az_-09" + "x" * 58

CALLS: list[tuple[Call, str, str, set[str]]] = [
    (
        lambda client: client.create(NEW_ROOM, "req-1"),
        "POST",
        "/server/live",
        OURS | {"content-type", "content-length"},
    ),
    (lambda client: client.read("1"), "GET", "/server/live/1", OURS),
    (
        lambda client: client.stop(LIVE_ID),
        "POST",
        f"/server/live/{LIVE_ID}/stop",
        OURS | {"content-length"},
    ),
    (lambda client: client.delete(LIVE_ID), "DELETE", f"/server/live/{LIVE_ID}", OURS),
]


@pytest.mark.parametrize(("call", "method", "target", "names"), CALLS)
async def test_signed_is_what_is_sent(
    call: Call, method: str, target: str, names: set[str]
) -> None:
    """The SDK's signature over the bytes received is the one sent; no header but ours."""
    sent = await sent_by(call)
    assert (sent.method, sent.target) == (method, target)
    assert set(sent.headers) == names
    assert sent.headers["x-reqid"] == "req-1"
    signed = {"Host": sent.headers["host"]}
    if "content-type" in sent.headers:
        signed["Content-Type"] = sent.headers["content-type"]
    expected = sdk_authorization(sent.method, sent.target, signed, sent.body, (AK, SK))
    assert sent.headers["authorization"] == expected


@pytest.mark.parametrize("call", [row[0] for row in CALLS[1:]])
async def test_calls_without_a_body(call: Call) -> None:
    """Get, stop and delete send no byte of body and no Content-Type, which would be signed."""
    sent = await sent_by(call)
    assert sent.body == b""
    assert "content-type" not in sent.headers
    assert sent.headers.get("content-length", "0") == "0"


async def test_the_body_of_a_create() -> None:
    """The body is UTF-8 JSON of the new room, its type without parameters."""
    sent = await sent_by(CALLS[0][0])
    assert sent.headers["content-type"] == "application/json"
    assert int(sent.headers["content-length"]) == len(sent.body)
    assert msgspec.json.decode(sent.body) == BODY
    assert "周五直播".encode() in sent.body

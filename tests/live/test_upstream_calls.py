"""Only the validated body and the id of a client's request reach the vendor."""

import json
import re

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests.conftest import signed_in

CANARY = "canary-2b7e"

CLIENT_HEADERS = {
    "Cookie": f"session={CANARY}",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Host": f"{CANARY}.example",
    "Forwarded": f"for={CANARY}",
    "Referer": f"https://{CANARY}.example/",
    "Origin": f"https://{CANARY}.example",
    "User-Agent": CANARY,
    "Accept-Language": CANARY,
    "X-Qiniu-Date": "20260101T000000Z",
    "X-Qiniu-Canary": CANARY,
    "X-Reqid": CANARY,
    "X-HTTP-Method-Override": "DELETE",
    "Proxy-Authorization": f"Basic {CANARY}",
    "If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "Range": "bytes=0-1",
    "Via": CANARY,
}

SENT = {
    "host",
    "authorization",
    "x-reqid",
    "content-type",
    "content-length",
    "user-agent",
    "accept",
    "accept-encoding",
}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/rooms", {"title": "t", "notice": "n"}),
        ("GET", "/v1/rooms/room-2", None),
        ("POST", "/v1/rooms/room-1/stop", None),
        ("DELETE", "/v1/rooms/room-1", None),
    ],
)
def test_nothing_of_the_client_passes(
    client: httpx.Client,
    sandbox: Sandbox,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    """No header, cookie, token or query of the client's reaches the vendor; its id does.

    A create has an id of the gateway's own instead, which nobody can choose.
    """
    sandbox.vendor.calls.clear()
    token = signed_in(sandbox, "alice")
    headers = {**CLIENT_HEADERS, **token, "X-Request-Id": "client.id-1"}
    response = client.request(method, f"{path}?q={CANARY}", json=body, headers=headers)
    assert response.headers["x-request-id"] == "client.id-1"
    assert sandbox.vendor.calls
    for call in sandbox.vendor.calls:
        assert {name for name, _ in call.headers} <= SENT
        [reqid] = call.values("x-reqid")
        is_create = (call.method, call.raw_path) == ("POST", "/server/live")
        assert re.fullmatch("[0-9a-f]{32}", reqid) if is_create else reqid == "client.id-1"
        assert call.values("authorization")[0].startswith("Qiniu ")
        assert CANARY not in f"{call.target} {call.headers} {call.body!r}"
        assert token["Authorization"].split()[1] not in f"{call.headers} {call.body!r}"


def test_a_new_id_is_sent_where_the_client_has_none(client: httpx.Client, sandbox: Sandbox) -> None:
    """The id that the client is told is the vendor's `X-Reqid`, different every time."""
    seen = set()
    for number in range(20):
        sandbox.vendor.calls.clear()
        response = client.get(f"/v1/rooms/new-{number}", headers=signed_in(sandbox, "alice"))
        [reqid] = {call.request_id for call in sandbox.vendor.calls}
        assert response.headers["x-request-id"] == reqid
        seen.add(reqid)
    assert len(seen) == 20


def test_the_body_is_the_validated_one(client: httpx.Client, sandbox: Sandbox) -> None:
    """Fields and times are sent as the vendor wants them, unset ones not at all."""
    sandbox.vendor.calls.clear()
    body = {
        "title": "直播",
        "notice": None,
        "start_at": "2026-12-02T03:11:11.5Z",
        "end_at": "2026-12-03T00:00:00-09:00",
    }
    client.post("/v1/rooms", json=body, headers=signed_in(sandbox, "alice"))
    [call] = sandbox.vendor.calls
    assert json.loads(call.body) == {
        "anchor_id": "alice",
        "title": "直播",
        "start_at": "2026-12-02 11:11:11",
        "end_at": "2026-12-03 17:00:00",
    }
    assert call.values("content-type") == ["application/json"]

"""An upstream that says all it has been told, and every `push_url`, wherever there is room for it.

The subject of a call says what becomes of it. It is the room's id, or the title of one to create:
`alice_ok_1` is a room of alice's, all reads of `bob_READ_html` and all writes to `bob_WRITE_html`
end in the fault of that name; so do starts of `bob_START_html` and heartbeats of `bob_BEAT_html`.
Rooms of the kinds `new` and `START` have not begun, those of the kind `over` have ended. Later
pages of living rooms end in a fault each, and so do tokens for a user `fault-<name>`.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec

from tests.leaks.canaries import PUSH, VENDOR_TOKENS, push_url
from tests.live.fault_server import ANCHOR, CREATED, Exchange, reply, room

_AUTHORIZATION = re.compile(rb"(?i)\r\nauthorization: (Qiniu [^:\r]+:([^\r]+))\r\n")
_CLIENT = re.compile(rb"(?i)\r\nauthorization: ([^\r]+)\r\n")
_PATH = re.compile(r"/server/live(?:/(?P<subject>[^/]+)(?P<stop>/stop)?)?")
_OF_CLIENTS = re.compile(r"/client/live/room/(?:user/|heartbeat/)?(?P<subject>[^/?]+)(?:\?.*)?")

Room = dict[str, object]


def signature_in(exchange: Exchange) -> str:
    """Return the signature of a request, which must have one."""
    found = _AUTHORIZATION.search(exchange.raw)
    assert found
    return found[2].decode()


async def telltale(exchange: Exchange) -> None:
    """Answer a call, and tell."""
    if exchange.user_ids:
        users = [{**ANCHOR, "user_id": each} for each in exchange.user_ids]
        await exchange.write(fine(told_by(exchange), users))
        return
    if exchange.target.startswith("/server/auth/token"):
        await _give_token(exchange)
        return
    if exchange.target.startswith("/client/live/room/list"):
        await _list(exchange)
        return
    subject, anchor = _subject(exchange)
    kind, name = subject.split("_")[1:3] if "_" in subject else ("ok", "")
    mine = made_for(anchor, CREATED if exchange.method == "POST" else subject)
    told = told_by(exchange)
    if kind == _failing_kind(exchange):
        if name == "silence":
            return
        await exchange.write(FAULTS[name](told, mine))
        exchange.close()
    else:
        await exchange.write(fine(told, mine))


def told_by(exchange: Exchange) -> str:
    """Return what the upstream knows: the request's credentials, and everyone's `push_url`."""
    found = (_CLIENT if _is_clients(exchange) else _AUTHORIZATION).search(exchange.raw)
    assert found
    urls = " ".join(push_url(anchor, "told") for anchor in PUSH)
    return f"{found[1].decode()} {urls}"


async def _give_token(exchange: Exchange) -> None:
    """Give a user's token, or fail at it, and tell of both."""
    [user] = parse_qs(exchange.target.partition("?")[2])["user_id"]
    token = VENDOR_TOKENS.get(user, VENDOR_TOKENS["others"])
    told, data = f"{told_by(exchange)} {token}", {"access_token": token, "expires_at": 2**33}
    name = user.removeprefix("fault-")
    if name == "silence":
        return
    await exchange.write(fine(told, data) if name == user else FAULTS[name](told, data))
    if name != user:
        exchange.close()


async def _list(exchange: Exchange) -> None:
    """Show everyone's room, and two that cannot be read; or fail at a later page."""
    [page] = parse_qs(exchange.target.partition("?")[2])["page_num"]
    rooms = [made_for(anchor, f"{anchor}_ok_9") for anchor in PUSH]
    odd = [{**rooms[0], "live_id": each} for each in ("", push_url("bob", "1"))]
    data = {"total_count": 99, "page_total": 5, "end_page": False, "list": [*rooms, *odd]}
    faults = [None, *FAULTS.values()]
    fault = faults[(int(page) - 1) % len(faults)]
    told = told_by(exchange)
    await exchange.write(fault(told, data) if fault else fine(told, data))
    if fault:
        exchange.close()


def _failing_kind(exchange: Exchange) -> str:
    if "/heartbeat/" in exchange.target:
        return "BEAT"
    return {"GET": "READ", "PUT": "START"}.get(exchange.method, "WRITE")


def _is_clients(exchange: Exchange) -> bool:
    return exchange.target.startswith("/client/")


def made_for(anchor: str, live_id: str) -> Room:
    """Return a room of an anchor's, which repeats its `push_url` in every field that can."""
    kind = live_id.split("_")[1] if "_" in live_id else ""
    state = {"new": 0, "START": 0, "over": 2}.get(kind, 1)
    made = {**room(live_id), "live_status": state, "anchor_info": {**ANCHOR, "user_id": anchor}}
    if anchor not in PUSH:
        return made | {"push_url": ""}
    url, key = push_url(anchor, live_id), PUSH[anchor]
    everywhere = {"url": url, url: "url", key: key, "key": key, "encoded": quote(url, safe="")}
    anchor_info = {**ANCHOR, "user_id": anchor, "nick": key, "avatar": url, "extends": everywhere}
    return {
        **made,
        "push_url": url,
        "title": f"See {url}!",
        "notice": key,
        "cover_url": f"https://img.example.test/?from={quote(url)}",
        "pk_id": quote(quote(key, safe=""), safe=""),
        "rtmp_url": url,
        "flv_url": f"{url}.flv",
        "hls_url": f"https://play.example.test/?token={key}",
        "extends": everywhere,
        "anchor_info": anchor_info,
    }


def fine(told: str, data: object) -> bytes:
    """Return a success that tells in every place that nobody should read."""
    if isinstance(data, dict):
        data = {**data, "room_token": told, "stop_reason": told, "push_url_2": told}
    return reply(_envelope(told, data), headers=f"{_JSON}\nSet-Cookie: a={told}\nX-Echo: {told}")


def _subject(exchange: Exchange) -> tuple[str, str]:
    found = (_OF_CLIENTS if _is_clients(exchange) else _PATH).fullmatch(exchange.target)
    assert found
    if subject := found["subject"]:
        return subject, subject.split("_")[0]
    body = msgspec.json.decode(exchange.raw.partition(b"\r\n\r\n")[2])
    return body["title"], body["anchor_id"]


def _envelope(told: str, data: object = None, code: int = 0) -> bytes:
    return msgspec.json.encode({"request_id": told, "code": code, "message": told, "data": data})


def _refusal(code: int, status: int = 200) -> "Fault":
    return lambda told, data: reply(_envelope(told, data, code), status)


def _broken(**changes: Any) -> "Fault":
    return lambda told, data: reply(_envelope(told, {**data, **changes}))


def _headed(headers: str, status: int = 200) -> "Fault":
    return lambda told, data: reply(
        _envelope(told, data), status, "\n".join([_JSON, *headers.format(told).split("\n")])
    )


Fault = Callable[[str, Room], bytes]

_JSON = "Content-Type: application/json"
_LATIN = b"HTTP/1.1 200 OK\r\nX-Echo: %s \xff\r\nContent-Length: 0\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"
_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n%s"

FAULTS: dict[str, Fault] = {
    "credentials": _refusal(401, 401),
    "unknown": _refusal(404),
    "dead": _refusal(601),
    "storage": _refusal(602, 500),
    "success-that-is-none": _refusal(0, 500),
    "html": lambda told, _: reply(f"<html>{told}".encode(), headers="Content-Type: text/html"),
    "text": lambda told, _: reply(told.encode(), 500, "Content-Type: text/plain"),
    "other-JSON": lambda told, _: reply(msgspec.json.encode({"Authorization": told})),
    "no-UTF-8": lambda told, data: reply(_envelope(told, data).replace(b"rtmp", b"rtm\xff")),
    "cut-JSON": lambda told, data: reply(_envelope(told, data)[:-1]),
    "a-number-for-a-title": _broken(title=7),
    "a-list-for-a-URL": _broken(push_url=[push_url("alice", "1")]),
    "a-URL-for-an-anchor": _broken(anchor_info=push_url("alice", "1")),
    "a-URL-for-an-id": _broken(live_id=push_url("alice", "1")),
    "another-room": _broken(live_id="other", anchor_info={**ANCHOR, "user_id": "other"}),
    "status-line": lambda told, _: f"HTTP/1.1 abc {told}\r\n\r\n".encode(),
    "reason": lambda told, _: f"HTTP/1.1 503 {told}\r\nContent-Length: 0\r\n\r\n".encode(),
    "no-HTTP": lambda told, _: told.encode(),
    "Latin-1": lambda told, _: _LATIN % told.encode(),
    "header-name": lambda told, _: f"HTTP/1.1 200 OK\r\n{told}\r\n\r\n".encode(),
    "length": _headed("Content-Length: {}"),
    "encoding": _headed("Content-Encoding: {}"),
    "type": _headed("Content-Type: {}"),
    "later": _headed("Retry-After: {}", 503),
    "redirect": _headed("Location: http://127.0.0.1:9/{0}\nSet-Cookie: {0}", 302),
    "chunk-size": lambda told, _: _CHUNKED % told.encode(),
    "cut": lambda told, _: _CUT % told.encode(),
}
"""What each makes of what the upstream knows, and the room that was asked for."""

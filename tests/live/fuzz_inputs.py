"""Requests and replies as no well-behaved peer would send them, generated from a seed.

Each begins as a good one. A few of its parts are replaced by mutations of what belongs there, or by
whatever has made some parser slow or fail: repeated separators, huge digits, nested quotes, RFC
2231 parameters, controls, bytes that are not ASCII.
"""

import random
from base64 import b64encode
from collections.abc import Callable, Sequence

import msgspec

from tests.live.fault_server import enveloped, room
from tests.live.gateways import ALICE, BOB

_SEPARATORS = [b";", b",", b" ", b"\\"]
_CHARACTERS = [
    *(*_SEPARATORS, b"=", b'"', b"\t", b"%", b"&", b"*", b"/", b".", b"-", b":", b"(", b"<"),
    *(b"0", b"9", b"a", b"\xff", b"\x80", b"\x01", b"\x7f", b"\0"),
]
_LENGTHS = [1, 2, 17, 100, 1_000, 4_301, 15_000]
_ALLOWED = [9, *range(32, 127), *range(128, 256)]
"""The bytes of a value that no server refuses at once."""

_READ = 6
"""The headers, first in their tables, that are parsed here: they are odd four times as often."""

_PIECES = [
    *(
        b'a="',
        b'\\"',
        b'"',
        b"a*=x; a*0=y",
        b"a*0*=utf-16''%ff",
        b"; charset=utf-16",
        b"; q=0.",
        b"W/",
    ),
    *(b"=?utf-8?b?_?=", b"(((", b"<>", b"%00", b"%ff", b"%", b"\xe9", "٣".encode(), "😀".encode()),
    *(
        b"-1",
        b"+5",
        b"0x10",
        b"1_0",
        b"1e999",
        b"NaN",
        b"null",
        b"\\ud83d",
        b"[",
        b'{"a":',
        b"../",
        b"//",
    ),
]

CALLBACK_SECRET = "callback-secret-of-more-than-32-characters"
VENDOR = b"Basic " + b64encode(f"qlive:{CALLBACK_SECRET}".encode())

HEADERS: dict[bytes, list[bytes]] = {
    b"Content-Type": [b"application/json", b'application/json; charset="utf-8"', b"text/plain"],
    b"Content-Length": [b"13", b"0", b"65537"],
    b"Authorization": [
        *(b"Bearer " + BOB.encode(), b"Bearer a.b.c", b"Basic YTpi", b"Digest a=b", VENDOR),
    ],
    b"Cookie": [
        b"session=" + BOB.encode(),
        b'session="a.b.c"; session=x; a=b',
        b"session.0=" + BOB[:99].encode() + b"; session.1=" + BOB[99:].encode(),
        b"session.0=a; session.2=c; session.0=d",
    ],
    b"traceparent": [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    b"X-Forwarded-For": [b"203.0.113.5, 10.0.0.1", b"[2001:db8::1]:443", b"fe80::1%eth0"],
    b"Content-Encoding": [b"identity", b"gzip"],
    b"Transfer-Encoding": [b"chunked", b"gzip, chunked"],
    b"Origin": [b"https://app.example.test", b"https://a.example.test", b"null"],
    b"Access-Control-Request-Method": [b"POST"],
    b"Access-Control-Request-Headers": [b"authorization, content-type, x-a"],
    b"X-Gateway-CSRF": [b"1"],
    b"Sec-Fetch-Site": [b"same-origin", b"cross-site"],
    b"Idempotency-Key": [b"key-1", b"key-2"],
    b"X-Reqid": [b"up-1"],
    b"If-None-Match": [b'"a", W/"b", *', b"*"],
    b"X-Request-Id": [b"id-1"],
    b"X-Forwarded-Proto": [b"https"],
    b"Forwarded": [b'for="[2001:db8::1]:443";proto=https, for=_x'],
    b"Host": [b"live.example.test:443", b"[::1]:80", b"a"],
    b"User-Agent": [b"app/1.0 (x; y)"],
    b"Accept": [b"application/json;q=0.9, */*;q=0.1", b"text/event-stream"],
    b"Accept-Encoding": [b"gzip, br;q=0.5"],
    b"Accept-Language": [b"zh-CN, en;q=0.5"],
    b"Range": [b"bytes=0-1, 2-"],
    b"Last-Event-ID": [b'"a"'],
    b"If-Modified-Since": [b"Sun, 06 Nov 1994 08:49:37 GMT"],
    b"tracestate": [b"a=1, b@c=2", b"a=1"],
    b"baggage": [b"a=1;p=2, b=3"],
    b"Expect": [b"100-continue"],
    b"Upgrade": [b"websocket", b"h2c"],
    b"Connection": [b"close, upgrade", b"keep-alive"],
    b"TE": [b"trailers"],
    b"X-Odd": [b"x"],
}
"""Every header that the gateway, its framework or its server reads, with good values."""

REPLY_HEADERS: dict[bytes, list[bytes]] = {
    b"Content-Type": [b"application/json; charset=utf-8", b"text/plain", b"application/x+json"],
    b"Date": [
        *(b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT"),
        *(b"Fri, 31 Dec 9999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 GMT"),
        *(b"Sun Nov  6 08:49:37 1994", b"Sun, 06 Nov 1994 08:49:37 -9999"),
    ],
    b"Retry-After": [b"0", b"1", b"Sun, 06 Nov 2094 08:49:37 GMT"],
    b"Content-Encoding": [b"identity", b"gzip"],
    b"Content-Length": [b"2"],
    b"Transfer-Encoding": [b"chunked"],
    b"X-Reqid": [b"up-1"],
    b"Set-Cookie": [b"a=b; Path=/; Expires=Sun, 06 Nov 2094 08:49:37 GMT"],
    b"Location": [b"http://127.0.0.1:9/", b"/"],
    b"Connection": [b"close", b"keep-alive"],
    b"Keep-Alive": [b"timeout=5, max=100"],
    b"Trailer": [b"X-Odd"],
    b"Vary": [b"*"],
    b"X-Odd": [b"x"],
}
"""The headers of a reply that the gateway or its HTTP client reads, with good values."""

CREATE = b"POST", b"/v1/rooms"
CALLBACK = b"POST", b"/v1/callbacks/qlive"
GOOD = [
    *[CREATE, (b"GET", b"/v1/rooms/1"), (b"GET", b"/v1/rooms?id=1&id=2")] * 4,
    *[CALLBACK] * 3,
    *((b"HEAD", b"/v1/rooms/1"), (b"GET", b"/docs/start.js"), (b"OPTIONS", b"/v1/rooms")),
    *((b"POST", b"/v1/rooms/1/stop"), (b"DELETE", b"/v1/rooms/1")),
    *((b"POST", b"/v1/rooms/1/start"), (b"POST", b"/v1/rooms/1/heartbeat")),
    (b"GET", b"/v1/live-rooms?page=1&page_size=20"),
]
"""Methods and targets of good requests; a stop and a delete take long, for they are confirmed."""

METHODS = [b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS", b"PUT", b"PATCH", b"TRACE", b"CONNECT"]
PATHS = [
    *(
        b"/v1/rooms",
        b"/v1/rooms/1",
        b"/v1/rooms/1/stop",
        b"/v1/rooms/1/events",
        b"/v1/callbacks/qlive",
    ),
    *(b"/healthz", b"/readyz", b"/openapi.json", b"/docs/start.js", b"/", b"*", b"//", b"/."),
    *(b"http://live.example.test/v1/rooms/1", b"live.example.test:443", b"/v1/rooms?id=1&id=2"),
    *(b"/v1/rooms?id=%31&id[]=2&x=%ff&&=", b"/v1/rooms/%e7%9b%b4", b"/v1/rooms/1;a=b?c#d"),
]
BODIES = [
    b'{"title":"t"}',
    b'{"title":"t","notice":"n","cover_url":"https://a.test/x","extends":{"k":"v"}}',
    b'{"title":"t","start_at":"2030-01-01T00:00:00Z","end_at":"2031-01-01T00:00:00+08:00"}',
    b'{"title":"t","publish_expire_at":"2031-01-01T00:00:00Z","anchor_id":"bob"}',
]
CALLBACKS = [
    b'{"type":"live_started","body":{"live_id":"1"}}',
    b'{"type":"live-created","body":{"id":7,"live_id":2,"extends":{"k":"v"},"push_url":"rtmp://a/b"}}',
    b'{"type":"pk_started","body":{"ID":7,"sid":"s","init_room_id":"1","recv_room_id":"2"}}',
    b'{"type":"gift_send","body":null}',
]
STATUSES = [
    b"200",
    b"200",
    b"200",
    b"201",
    b"204",
    b"301",
    b"400",
    b"401",
    b"404",
    b"429",
    b"500",
    b"503",
]


class Inputs:
    """Generates requests and replies by `chance`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def request(self) -> bytes:
        """Return a request that closes its connection, unless it says otherwise."""
        method, target = self._chance.choice(GOOD)
        headers = {b"Host": b"test", b"Connection": b"close"}
        headers[b"Authorization"] = b"Bearer " + self._chance.choice([ALICE, BOB]).encode()
        body = b""
        if (method, target) == CREATE:
            body = self._chance.choice(BODIES)
        elif (method, target) == CALLBACK:
            headers |= {b"Authorization": VENDOR, b"X-Reqid": b"up-1"}
            body = self._chance.choice(CALLBACKS)
        if self._chance.random() < 0.1:
            method = self._chance.choice([*METHODS, self._changed(method, 15_000)])
        if self._chance.random() < 0.2:
            target = self._changed(self._chance.choice([target, *PATHS]), 15_000)
        if self._chance.random() < 0.2:
            body = self._changed(body, 70_000)
        if body:
            headers[b"Content-Type"] = b"application/json"
            headers[b"Content-Length"] = b"%d" % len(body)
        lines = [method + b" " + target + b" HTTP/1.1", *self._lines(headers, HEADERS, 15_000)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def reply(self, live_id: str) -> bytes:
        """Return a reply about this room."""
        body = self._body(live_id)
        status = self._mostly(STATUSES, [b"099", b"999", b"2" * 5_000, b"abc", b""])
        headers = {b"Content-Type": b"application/json", b"Content-Length": b"%d" % len(body)}
        lines = [b"HTTP/1.1 " + status + b" X", *self._lines(headers, REPLY_HEADERS, 60_000)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _lines(
        self, headers: dict[bytes, bytes], known: dict[bytes, list[bytes]], most: int
    ) -> list[bytes]:
        """Return the lines of these headers, a few of them or others `known` changed."""
        lines = dict(headers)
        for _ in range(self._chance.choice([0, 1, 1, 1, 2, 4])):
            name = self._chance.choice([*known, *list(known)[:_READ] * 3])
            lines[name] = self._changed(self._chance.choice(known[name]), most)
        found = [name + b": " + value for name, value in lines.items()]
        if self._chance.random() < 0.1:
            found *= self._chance.choice([2, 10, 300])
        if self._chance.random() < 0.05:
            found.append(self._changed(b"X-Odd", most) + b": x")
        self._chance.shuffle(found)
        return found

    def _body(self, live_id: str) -> bytes:
        shown = (
            {**room(live_id), **self._odd_fields()}
            if self._chance.random() < 0.5
            else room(live_id)
        )
        code = self._chance.choice([0, 0, 0, 200, 401, 404, 499, 500, 601, 602])
        body = enveloped(shown, code, self._chance.choice(["", "record not found", "x"]))
        return self._changed(body, 600_000) if self._chance.random() < 0.5 else body

    def _odd_fields(self) -> dict[str, object]:
        name = self._chance.choice(list(room("1")))
        digits = msgspec.Raw(b"9" * self._chance.choice(_LENGTHS))
        text = self._chance.choice(_PIECES).decode(errors="ignore") * self._chance.choice(_LENGTHS)
        return {name: self._chance.choice([digits, text, None, 1.5, [], {}, {text: text}, True])}

    def _mostly(self, usual: Sequence[bytes], others: Sequence[bytes]) -> bytes:
        return self._chance.choice(usual if self._chance.random() < 0.9 else others)

    def _changed(self, value: bytes, most: int) -> bytes:
        """Return a mutation of `value` of about `most` bytes at the most."""
        ways: list[Callable[[bytes], bytes]] = [
            lambda value: value,
            lambda value: value[: self._chance.randrange(len(value) + 1)],
            lambda value: value + self._run(),
            lambda _: self._run(),
            lambda value: self._inserted(value, self._chance.choice(_PIECES)),
            lambda value: self._inserted(value, self._run()),
            lambda value: self._inserted(value, bytes(self._chance.choices(_ALLOWED, k=3))),
            lambda value: self._chance.choice([b";", b",", b", ", b""]).join([value] * 40),
            lambda value: value + b'; x="' + self._run() + self._chance.choice([b"", b'"']),
            lambda value: value + b'; x="' + self._chance.choice(_SEPARATORS) * most,
            lambda value: value + b"; a*" + b"9" * self._chance.choice(_LENGTHS) + b"=x",
            lambda value: value + b"; a*=x; a*0=y",
            lambda value: value.swapcase(),
            lambda value: bytes(self._chance.choices(_ALLOWED, k=len(value) or 1)),
        ]
        for _ in range(self._chance.choice([1, 1, 2, 3])):
            value = self._chance.choice(ways)(value)
        for line_end in (b"\r", b"\n"):
            value = value.replace(line_end, b"")
        return value[:most]

    def _run(self) -> bytes:
        """Return a piece, or one character, again and again."""
        piece = self._chance.choice(self._chance.choice([_CHARACTERS, _PIECES]))
        return piece * self._chance.choice(_LENGTHS)

    def _inserted(self, value: bytes, more: bytes) -> bytes:
        place = self._chance.randrange(len(value) + 1)
        return value[:place] + more + value[place:]

"""The simulated vendor: four calls, a signature check and both dialects.

A pure ASGI application without a framework. It shares no code with the gateway, so the two can
agree only by the vendor's published interface.

- An unknown path or method gets a plain-text 404 before any signature check, as in the service.
- `calls` records every HTTP request, refused ones too.
- `Date` follows the vendor's own clock, so clock skew can be simulated.
- `database` has the behaviour of rooms, `wording` the text of replies.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from .create import parse_create
from .database import Room, Rooms
from .request import Call
from .verification import is_authentic
from .wording import DIALECTS, TEXT, DialectName, Wording

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CALLS_KEPT = 1_000


class _Outcome(Struct, frozen=True):
    wording: Wording
    data: dict[str, object] | None = None
    error: str = ""


class _Answer(Struct, frozen=True):
    status: int
    content_type: str
    body: bytes


class Vendor:
    """The simulated live-room service, an ASGI application.

    `anchors` are registered at startup; `clock` gives epoch seconds. For tests: `calls` has the
    last requests and `rooms` the stored rooms. While `failing_creates` is set, every create fails
    as if the vendor's storage were down.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        *,
        dialect: DialectName = "documented",
        anchors: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = {access_key: secret_key}
        self._dialect = DIALECTS[dialect]
        self._clock = clock
        self.rooms = Rooms(secret_key, clock)
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self.failing_creates = False
        for user_id in anchors:
            self.register(user_id)

    def register(self, user_id: str) -> None:
        """Register `user_id` as an anchor, so that it may have rooms."""
        self.rooms.register(user_id)

    def issue_keys(self, access_key: str, secret_key: str) -> None:
        """Accept this key pair from now on, beside earlier ones."""
        self._keys[access_key] = secret_key

    def revoke_keys(self, access_key: str) -> None:
        """Refuse signatures with this key pair from now on."""
        del self._keys[access_key]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            call = self._call(scope, await _read_body(receive))
            self.calls.append(call)
            await self._send(self._answer(call), send)

    def _answer(self, call: Call) -> _Answer:
        operation = self._operation(call)
        if operation is None:
            return _Answer(404, TEXT, b"404 page not found")
        if not any(is_authentic(call, *pair) for pair in self._keys.items()):
            return _enveloped(call, _Outcome(self._dialect.bad_signature))
        return _enveloped(call, operation())

    def _operation(self, call: Call) -> Callable[[], _Outcome] | None:
        match (call.method, *unquote(call.raw_path).split("/")):
            case ("POST", "", "server", "live"):
                return lambda: self._create(call.body)
            case ("GET", "", "server", "live", live_id) if live_id:
                return lambda: self._read(live_id)
            case ("POST", "", "server", "live", live_id, "stop") if live_id:
                return lambda: self._write(live_id, self._stop)
            case ("DELETE", "", "server", "live", live_id) if live_id:
                return lambda: self._write(live_id, self._delete)
            case _:
                return None

    def _create(self, body: bytes) -> _Outcome:
        try:
            request = parse_create(body)
        except ValueError as error:
            return _Outcome(self._dialect.bad_request, error=str(error))
        if self.failing_creates:
            return _Outcome(self._dialect.create_failed, error="storage is down")
        room = self.rooms.create(request)
        if room is None:
            return _Outcome(self._dialect.anchor_unknown)
        return _Outcome(self._dialect.success, room.as_created())

    def _read(self, live_id: str) -> _Outcome:
        room = self.rooms.find(live_id)
        if room is None:
            return _Outcome(self._dialect.read_unknown)
        return _Outcome(self._dialect.success, room.as_read(self._clock()))

    def _write(self, live_id: str, change: Callable[[Room], Wording]) -> _Outcome:
        room = self.rooms.find(live_id)
        return _Outcome(self._dialect.write_unknown if room is None else change(room))

    def _stop(self, room: Room) -> Wording:
        return self._dialect.success if self.rooms.stop(room) else self._dialect.not_living

    def _delete(self, room: Room) -> Wording:
        room.deleted = True
        return self._dialect.success

    def _call(self, scope: Message, body: bytes) -> Call:
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        )
        request_id = dict(headers).get("x-reqid") or str(self.rooms.new_id())
        return Call(scope["method"], target.decode("latin-1"), headers, body, request_id)

    async def _send(self, answer: _Answer, send: Send) -> None:
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            (b"date", formatdate(self._clock(), usegmt=True).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _enveloped(call: Call, outcome: _Outcome) -> _Answer:
    wording = outcome.wording
    envelope: dict[str, object] = {
        "request_id": call.request_id,
        "code": wording.code,
        "message": outcome.error if wording.message is None else wording.message,
    }
    if outcome.data is not None:
        envelope["data"] = outcome.data
    return _Answer(wording.status, wording.content_type, msgspec.json.encode(envelope))


async def _read_body(receive: Receive) -> bytes:
    chunks, more = bytearray(), True
    while more:
        message = await receive()
        chunks += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(chunks)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return

"""The simulated vendor: its server API on rooms and users and a part of its client API.

A pure ASGI application without a framework, in both dialects. It shares no code with the gateway,
so the two can agree only by the vendor's published interface.

- An unknown path or method gets a plain-text 404 before any signature check, as in the service.
- `calls` records every HTTP request but those of control routes, refused ones too.
- `Date` follows the vendor's own clock, so clock skew can be simulated.
- A living room without a heartbeat for ten minutes has ended at the next call.
- `switches` has the faults, `control` the routes under `/sandbox` to set them, `room_calls`,
  `user_calls` and `client_calls` the behaviour, `database` and `users` what is stored, `wording`
  the text of replies.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from msgspec import UNSET, Struct

from .accounts import Users
from .client_calls import ClientCalls
from .client_tokens import ClientTokens
from .control import Control
from .create import Create
from .database import Rooms
from .go_json import go_json
from .ids import Ids
from .request import Call
from .room_calls import RoomCalls
from .switches import Faults
from .user_calls import UserCalls
from .verification import is_authentic
from .wording import DIALECTS, JSON, DialectName, Outcome, Wording

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_Operation = Callable[[], Awaitable[Outcome]]
_ClientOperation = Callable[[str], Awaitable[Outcome]]
"""Takes the id of the token's user."""

_CALLS_KEPT = 1_000
_POLL = 0.01
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class _Answer(Struct, frozen=True):
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Vendor:
    """The simulated live-room service, an ASGI application.

    `anchors` are registered at startup; `clock` gives epoch seconds; `pause` is awaited again and
    again while a call hangs. For tests: `calls` has the last requests, `rooms` the stored rows,
    `tokens` the key of client tokens and `faults` the switches.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        *,
        dialect: DialectName = "documented",
        anchors: Iterable[str] = (),
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._keys = {access_key: secret_key}
        self._dialect = DIALECTS[dialect]
        self._clock = clock
        self._pause = pause
        self._new_id = Ids(clock)
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self.faults = faults or Faults()
        self.rooms = Rooms(self.faults, clock)
        self._users = Users(self.faults, clock, self._new_id)
        self._room_calls = RoomCalls(
            self._dialect,
            self.rooms,
            self._users,
            self.faults,
            secret_key=secret_key,
            clock=clock,
            new_id=self._new_id,
            wait_while=self._wait_while,
        )
        self._user_calls = UserCalls(self._dialect, self._users, self.faults, self._wait_while)
        self.tokens = ClientTokens(clock)
        self._client_calls = ClientCalls(
            self._dialect,
            self.rooms,
            self._users,
            self.faults,
            self._room_calls,
            self.tokens,
            clock=clock,
            wait_while=self._wait_while,
        )
        self._control = Control(dialect, self.rooms, self._users, self.faults, self._room_calls)
        for user_id in anchors:
            self.register(user_id)

    def register(self, user_id: str) -> None:
        """Register `user_id` as an anchor, if new, as if it had always been one."""
        self._users.add(user_id)

    def add_living_room(self, live_id: str, anchor_id: str, title: str) -> None:
        """Store a room as if it had been created and gone live before."""
        self._room_calls.add_living(live_id, Create(anchor_id=anchor_id, title=title))

    async def go_live(self, live_id: str, request_id: str) -> None:
        """Begin a room, as its anchor's app does; raise DatabaseError if unknown or ended."""
        await self._room_calls.go_live(live_id, request_id)

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
            return
        call = self._call(scope, await _read_body(receive))
        await self._room_calls.end_silent()
        if call.raw_path.split("/")[1:2] == ["sandbox"]:
            controlled = await self._control.answer(call)
            answer = _Answer(controlled.status, JSON, go_json(controlled.data))
        else:
            self.calls.append(call)
            answer = await self._answer(call)
        await self._send(answer, send)

    async def _answer(self, call: Call) -> _Answer:
        if self.faults.refuse:
            return _refused(self.faults.refuse, self.faults.retry_after)
        if self.faults.html:
            return _Answer(200, "text/html", _PAGE.format("Welcome").encode())
        for_client = self._client_operation(call)
        if for_client is not None:
            return self._enveloped(call, await self._client_calls.answer(call, for_client))
        operation = self._operation(call)
        if operation is None:
            return _Answer(404, "text/plain", b"404 page not found")
        if not any(is_authentic(call, *pair) for pair in self._keys.items()):
            return self._enveloped(call, Outcome(self._dialect.bad_signature))
        return self._enveloped(call, await operation())

    def _operation(self, call: Call) -> _Operation | None:
        match (call.method, *unquote(call.raw_path).split("/")):
            case (method, "", "server", "live", *rest):
                return self._room_call(call, method, rest)
            case ("POST", "", "server", "user", "register"):
                return partial(self._user_calls.register, call.body)
            case ("GET", "", "server", "user", "infos"):
                return partial(self._user_calls.user_infos, call.raw_query)
            case ("GET", "", "server", "user", "info", user_id) if user_id:
                return partial(self._user_calls.user_info, user_id)
            case ("GET", "", "server", "auth", "token"):
                return partial(self._client_calls.token, call.raw_query)
            case _:
                return None

    def _client_operation(self, call: Call) -> _ClientOperation | None:
        calls = self._client_calls
        match (call.method, *unquote(call.raw_path).split("/")):
            case ("PUT", "", "client", "live", "room", live_id) if live_id:
                return partial(calls.start, live_id, call.request_id)
            case ("POST", "", "client", "live", "room", "user", live_id) if live_id:
                return partial(calls.join, live_id)
            case ("GET", "", "client", "live", "room", "heartbeat", live_id) if live_id:
                return partial(calls.heartbeat, live_id)
            case ("GET", "", "client", "live", "room", "list"):
                return partial(calls.list, call.raw_query)
            case _:
                return None

    def _room_call(self, call: Call, method: str, rest: list[str]) -> _Operation | None:
        match (method, *rest):
            case ("POST",):
                return partial(self._room_calls.create, call)
            case ("GET", live_id) if live_id:
                return partial(self._room_calls.read, live_id)
            case ("POST", live_id, "stop") if live_id:
                return partial(self._room_calls.stop, live_id, call.request_id)
            case ("DELETE", live_id) if live_id:
                return partial(self._room_calls.delete, live_id, call.request_id)
            case _:
                return None

    def _call(self, scope: Message, body: bytes) -> Call:
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        )
        request_id = dict(headers).get("x-reqid") or str(self._new_id())
        return Call(scope["method"], target.decode("latin-1"), headers, body, request_id)

    def _enveloped(self, call: Call, outcome: Outcome) -> _Answer:
        echoed = (("x-reqid", call.request_id),) if self._dialect.echoes_request_id else ()
        wording = outcome.wording or self._dialect.panicked
        if wording is None:
            return _Answer(500, "", b"", echoed)
        return _Answer(
            wording.status, wording.content_type, _envelope(call, wording, outcome), echoed
        )

    async def _send(self, answer: _Answer, send: Send) -> None:
        headers = [
            (b"content-length", b"%d" % len(answer.body)),
            (b"date", formatdate(self._clock(), usegmt=True).encode()),
            *((name.encode(), value.encode("latin-1")) for name, value in answer.headers),
        ]
        if answer.content_type:
            headers.append((b"content-type", answer.content_type.encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _wait_while(self, hangs: Callable[[], bool]) -> None:
        while hangs():
            await self._pause(_POLL)


def _envelope(call: Call, wording: Wording, outcome: Outcome) -> bytes:
    envelope: dict[str, object] = {
        "request_id": call.request_id,
        "code": wording.code,
        "message": outcome.error if wording.message is None else wording.message,
    }
    if outcome.data is not UNSET:
        envelope["data"] = outcome.data
    return go_json(envelope)


def _refused(status: int, retry_after: str) -> _Answer:
    headers = (("retry-after", retry_after),) if retry_after else ()
    return _Answer(
        status, "text/html", _PAGE.format(f"{status} {HTTPStatus(status).phrase}").encode(), headers
    )


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

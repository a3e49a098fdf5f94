"""Requests of a visitor: signed in, with its own request ids, each answer checked."""

import itertools
import random
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from .client import Answer, Connection, NoAnswer, request
from .faulty import anchor_of
from .tally import Tally, fault_in, room_in

_PAUSE = 0.2
"""Seconds between the pieces of a request."""


class World(Struct):
    """State shared by visitors. `alone`: one worker answers, so its own state is all there is."""

    port: int
    tally: Tally
    tokens: Mapping[str, Sequence[str]]
    until: float
    alone: bool
    by_key: dict[tuple[str, str], str] = {}  # (user, key) → the room it made


class Asker:
    """Requests of `user_id` on one connection, from the address `source`, with ids from `name`."""

    def __init__(
        self, world: World, user_id: str, name: str, chance: random.Random, source: str
    ) -> None:
        self._world = world
        self._user_id = user_id
        self._chance = chance
        self._connection = Connection(world.port, source)
        self._ids = (f"{name}-{count}" for count in itertools.count())

    def drop(self) -> None:
        """End the connection; the next request opens another."""
        self._connection.drop()

    async def create(self, what: str, headers: dict[str, str], pieces: int = 1) -> str | None:
        """Create a room and check it; return its id on success."""
        body = body_of(headers.get("Idempotency-Key", what))
        allowed = {201, 409} if headers else {201}
        answer = await self.ask(
            what, "POST", "", allowed, headers=headers, body=body, pieces=pieces
        )
        if answer is None or answer.status != 201:
            return None
        room = room_in(answer)
        live_id: str | None = room.get("live_id")
        if live_id is None or anchor_of(live_id) != self._user_id:
            self._world.tally.breach(what, f"{self._user_id} got {room}")
            return None
        self.check(what, room, live_id, self._user_id)
        return live_id

    async def read(
        self, what: str, live_id: str, headers: dict[str, str] | None = None
    ) -> Answer | None:
        """Read a room and check it."""
        allowed = {200, 304} if headers else {200}
        answer = await self.ask(what, "GET", f"/{live_id}", allowed, headers=headers)
        if answer is not None and answer.status == 200:
            self.check(what, room_in(answer), live_id, self._user_id)
        return answer

    def check(self, what: str, room: Mapping[str, object], live_id: str, user: str | None) -> None:
        """Check a room given to `user`; None means a batch."""
        fault = fault_in(room, live_id, user)
        if fault is not None:
            self._world.tally.breach(what, f"{user} asked for {live_id}: {fault}")

    async def ask(
        self,
        what: str,
        method: str,
        path: str,
        allowed: set[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        bearer: str | None = None,
        pieces: int = 1,
    ) -> Answer | None:
        """Send a request and count its answer; return None without one.

        A status outside `allowed` that is no limit and no upstream failure counts as a breach.
        """
        sent, request_id = self._request(method, path, headers or {}, body, bearer)
        size = -(-len(sent) // pieces)
        parts = [sent[start : start + size] for start in range(0, len(sent), size)]
        try:
            answer = await self._connection.ask(*parts, pause=_PAUSE)
        except NoAnswer:
            self._world.tally.unanswered[what] += 1
            return None
        self._world.tally.count(what, answer, frozenset(allowed))
        if answer.headers.get("x-request-id") != request_id:
            self._world.tally.breach(what, f"the answer to another request, {answer.headers}")
        return answer

    async def leave(
        self, method: str, path: str, body: bytes = b"", *, share: float = 1.0, after: float
    ) -> None:
        """Send a part of a request and disconnect some seconds later."""
        sent, _ = self._request(method, path, {}, body)
        await self._connection.abandon(sent[: round(len(sent) * share)], after=after)

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        bearer: str | None = None,
    ) -> tuple[bytes, str]:
        request_id = next(self._ids)
        if bearer is None:
            bearer = self._chance.choice(self._world.tokens[self._user_id])
        named = {"X-Request-Id": request_id, **headers}
        return request(method, f"/v1/rooms{path}", bearer, named, body), request_id


def body_of(title: str) -> bytes:
    """Return the body of a create."""
    return msgspec.json.encode({"title": title, "extends": {"from": "soak"}})

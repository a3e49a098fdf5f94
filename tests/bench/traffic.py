"""Mixed traffic for the soak: well-behaved, mistaken and hostile visitors."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from .asking import Asker, World, body_of
from .faulty import USERS
from .servers import token
from .tally import room_in

POPULAR, WIDE = 20, 2_000
"""Rooms that everyone polls, and rooms that usually miss."""

_FIRST = 10**18
_KEYS = 5
"""Idempotency keys per user, few enough that the store stops growing."""

_THINK = 0.2
"""Mean seconds between a visitor's requests, within both default limits."""


def room_id(number: int) -> str:
    """Return the id of the room with this number."""
    return str(_FIRST + number)


def tokens() -> dict[str, list[str]]:
    """Return three tokens for each user; `admin` has the admin scope."""
    scopes = {"admin": ("rooms:admin",)}
    names = [*(f"user{number}" for number in range(USERS)), "admin", "greedy"]
    return {
        name: [token(name, scopes.get(name, ()), ttl=86400 + extra) for extra in range(3)]
        for name in names
    }


async def run(world: World, visitors: int) -> None:
    """Run all visitors until the end."""
    crowd = [Visitor(world, f"user{number % USERS}", number) for number in range(visitors)]
    greedy = Visitor(world, "greedy", visitors)
    forger = Visitor(world, "user0", visitors + 1, source="127.0.0.2")
    await asyncio.gather(
        *(each.visit(each.mix(), _THINK) for each in crowd),
        greedy.visit([(1, greedy.read_popular)], 0.02),
        forger.visit([(1, forger.read_unauthorized)], 0.2),
    )


Deed = Callable[[], Awaitable[None]]


class Visitor:
    """One user on one connection."""

    def __init__(self, world: World, user_id: str, number: int, source: str = "127.0.0.1") -> None:
        self._world = world
        self._user_id = user_id
        self._chance = random.Random(number)  # noqa: S311  # the same visit in each run
        self._asker = Asker(world, user_id, f"v{number}", self._chance, source)
        self._etags: dict[str, str] = {}

    def mix(self) -> list[tuple[float, Deed]]:
        """Return the actions of an ordinary visitor with their weights in percent."""
        return [
            (54, self.read_popular),
            (14, self.read_wide),
            (8, self.read_own),
            (6, self.read_batch),
            (4, self.read_unknown),
            (2, self.run_a_room),
            (2, self.create_with_key),
            (2, self.touch_anothers),
            (2, self.send_nonsense),
            (4, self.leave_early),
            (1, self.leave_half_said),
            (1, self.create_slowly),
        ]

    async def visit(self, mix: Sequence[tuple[float, Deed]], think: float) -> None:
        """Repeat random actions until the end."""
        weights, deeds = zip(*mix, strict=True)
        while time.monotonic() < self._world.until:
            await asyncio.sleep(self._chance.expovariate(1 / think))
            await self._chance.choices(deeds, weights)[0]()
        self._asker.drop()

    async def read_popular(self) -> None:
        """Poll a popular room with its last ETag, as apps should."""
        live_id = room_id(self._chance.randrange(POPULAR))
        known = self._etags.get(live_id)
        answer = await self._asker.read("poll", live_id, {"If-None-Match": known} if known else {})
        if answer is not None and answer.status == 200 and "etag" in answer.headers:
            self._etags[live_id] = answer.headers["etag"]

    async def read_wide(self) -> None:
        """Read a room that is rarely read."""
        await self._asker.read("read", room_id(self._chance.randrange(POPULAR, WIDE)))

    async def read_own(self) -> None:
        """Read a room as its anchor."""
        number = int(self._user_id.removeprefix("user"))
        await self._asker.read("own room", room_id(number + USERS * self._chance.randrange(5)))

    async def read_batch(self) -> None:
        """Read several rooms, one of them unknown."""
        numbers = self._chance.sample(range(WIDE), self._chance.randint(2, 20))
        live_ids = [room_id(number) for number in numbers]
        path = "?" + "&".join(f"id={each}" for each in [*live_ids, f"9{live_ids[0]}"])
        answer = await self._asker.ask("batch", "GET", path, {200})
        if answer is None or answer.status != 200:
            return
        body = room_in(answer)
        for room in body["rooms"]:
            self._asker.check("batch", room, room.get("live_id"), None)
        seen = [*(room["live_id"] for room in body["rooms"]), *body["missing"], *body["failed"]]
        if sorted(seen) != sorted([*live_ids, f"9{live_ids[0]}"]):
            self._world.tally.breach("batch", f"of {live_ids} came {seen}")

    async def read_unknown(self) -> None:
        """Read an unknown room."""
        await self._asker.ask("unknown", "GET", f"/9{self._chance.randrange(10**6)}", {404})

    async def run_a_room(self) -> None:
        """Create a room, read, end and delete it, and see that it is gone."""
        created = await self._asker.create("create", {})
        if created is None:
            return
        path = f"/{created}"
        await self._asker.read("created", created)
        await self._asker.ask("stop", "POST", f"{path}/stop", {204})
        bearer = self._world.tokens["admin"][0] if self._chance.random() < 0.2 else None
        gone = await self._asker.ask("delete", "DELETE", path, {204}, bearer=bearer)
        if gone is not None and gone.status == 204:
            await self._asker.ask(
                "deleted", "GET", path, {404} if self._world.alone else {200, 404}
            )

    async def create_with_key(self) -> None:
        """Create a room with a key that may have been used before."""
        key = f"key-{self._chance.randrange(_KEYS)}"
        made = self._world.by_key.get((self._user_id, key))
        live_id = await self._asker.create("create with key", {"Idempotency-Key": key})
        if live_id is None or not self._world.alone:
            return
        if made not in {None, live_id}:
            self._world.tally.breach(
                "create with key", f"{key} of {self._user_id} made {made} and {live_id}"
            )
        self._world.by_key[self._user_id, key] = live_id

    async def touch_anothers(self) -> None:
        """Stop and delete another user's room."""
        number = int(self._user_id.removeprefix("user"))
        path = f"/{room_id(number + 1)}"
        await self._asker.ask("stop another's", "POST", f"{path}/stop", {403})
        await self._asker.ask("delete another's", "DELETE", path, {403})

    async def read_unauthorized(self) -> None:
        """Read with a bad token."""
        real = self._chance.choice(self._world.tokens["user0"])
        for bearer in ("", "nonsense", real[:-8] + "AAAAAAAA", f"{real}x"):
            await self._asker.ask("bad token", "GET", f"/{room_id(1)}", {401}, bearer=bearer)

    async def send_nonsense(self) -> None:
        """Send invalid requests."""
        await self._asker.ask("bad body", "POST", "", {400}, body=b'{"title": 5}')
        await self._asker.ask("large body", "POST", "", {413}, body=b'"%s"' % (b"x" * 70_000))
        self._asker.drop()  # the server closes it after an unread body
        await self._asker.ask("bad id", "GET", "/%ff", {400, 404})
        await self._asker.ask("bad method", "PATCH", f"/{room_id(1)}", {405})
        text = {"Content-Type": "text/plain"}
        await self._asker.ask("bad type", "POST", "", {415}, headers=text, body=b"x")

    async def leave_early(self) -> None:
        """Send a request and disconnect before the answer."""
        path = f"/{room_id(self._chance.randrange(WIDE))}"
        await self._asker.leave("GET", path, after=self._chance.uniform(0, 0.03))

    async def leave_half_said(self) -> None:
        """Disconnect in the middle of a request."""
        share = self._chance.uniform(0.1, 0.99)
        await self._asker.leave("POST", "", body_of("abandoned"), share=share, after=0.1)

    async def create_slowly(self) -> None:
        """Create a room over a slow connection."""
        await self._asker.create("create slowly", {}, pieces=6)

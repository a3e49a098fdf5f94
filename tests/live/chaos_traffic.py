"""The two sides of the chaos: an upstream with weather, clients that check all they are told."""

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from tests.live.fault_server import PUSH_URL, Exchange, enveloped, reply, room, rooms
from tests.live.faults import FAULTS, SLOW
from tests.live.gateways import ALICE, KEYS, token
from tests.live.viewers import Answer, Viewer, viewer_at

EXPECTED = {"room", "batch", "upstream_error", "upstream_timeout", "upstream_unavailable"}
EXPECTED_OF_ALICE = EXPECTED | {"overloaded"}
"""All clients are alice now and then, and one user has a share. Every other user asks alone."""

EXPECTED_OF_A_CREATE = EXPECTED_OF_ALICE | {"outcome_unknown"}

LIGHT = [fault.script for name, fault in FAULTS.items() if not name.startswith("large")]
SCRIPTS = [*LIGHT, *SLOW.values()]


@dataclass
class Outcome:
    """The kinds of answers, the broken promises, the workers killed and the seconds to heal."""

    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    killed: int = 0
    healed: float | None = None


class Weather:
    """An upstream that is fair most of the time, and stormy for half a second of every two."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._last = "none"
        self.creates = Counter[bytes]()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer well, or in any other way, perhaps about or followed by the room before."""
        if exchange.method == "POST":
            self.creates[exchange.raw.partition(b"\r\n\r\n")[2]] += 1
        stormy = time.monotonic() % 2 < 0.5
        if self._chance.random() < (0.7 if stormy else 0.1):
            await self._chance.choice([*SCRIPTS, self._another, self._and_another])(exchange)
        else:
            await rooms(exchange)
        self._last = exchange.live_id

    async def _another(self, exchange: Exchange) -> None:
        await exchange.write(reply(enveloped(room(self._last))))

    async def _and_another(self, exchange: Exchange) -> None:
        await rooms(exchange)
        await asyncio.sleep(self._chance.uniform(0, 0.002))
        await self._another(exchange)


class Client:
    """Reads rooms, single and in batches, and creates some; checks all that it is told."""

    def __init__(self, port: int, chance: random.Random, outcome: Outcome) -> None:
        self._port = port
        self._chance = chance
        self._outcome = outcome
        self._bearer = ""

    async def visit(self) -> None:
        """Connect as a new user, ask a few times, and leave in good order or not."""
        with suppress(OSError, asyncio.IncompleteReadError):  # a killed worker's connections break
            self._bearer = token(f"user-{self._chance.randrange(10**12)}")
            async with viewer_at(self._port) as viewer:
                for _ in range(self._chance.randrange(1, 5)):
                    asked = asyncio.create_task(self._ask(viewer))
                    if self._chance.random() < 0.3:
                        await asyncio.wait([asked], timeout=self._chance.uniform(0, 0.02))
                        asked.cancel()
                        await asyncio.wait([asked])
                        if asked.cancelled():
                            self._outcome.answers["left"] += 1
                            return
                    await asked
            return
        self._outcome.answers["lost"] += 1

    async def _ask(self, viewer: Viewer) -> None:
        bearer = self._chance.choice([ALICE, self._bearer])
        match self._chance.randrange(10):
            case 0:
                live_ids = [self._room() for _ in range(5)]
                query = "&".join(f"id={each}" for each in live_ids)
                answer = await viewer.get(f"/v1/rooms?{query}", bearer)
                self._check_batch(answer, live_ids)
            case 1:
                answer = await viewer.post(
                    "/v1/rooms", {"title": f"{self._chance.random()}"}, ALICE
                )
                self._count(answer, EXPECTED_OF_A_CREATE)
                return
            case _:
                live_id = self._room()
                answer = await viewer.get(f"/v1/rooms/{live_id}", bearer)
                if answer.status == 200:
                    self._check_room(json.loads(answer.body), live_id)
        self._count(answer, EXPECTED_OF_ALICE if bearer == ALICE else EXPECTED)
        if bearer != ALICE:
            self._hold(PUSH_URL.encode() not in answer.body, "a viewer got a push URL")

    def _room(self) -> str:
        """Return one of a few rooms that are often read, or one that nobody has read before."""
        kind, many = self._chance.choice([("hot", 5), ("cold", 10**9)])
        return f"{kind}-{self._chance.randrange(many)}"

    def _count(self, answer: Answer, expected: set[str]) -> None:
        told = json.loads(answer.body)
        name = told["code"] if answer.status >= 400 else "batch" if "rooms" in told else "room"
        self._outcome.answers[name] += 1
        self._hold(name in expected, f"an answer was {name}")
        self._hold(
            not [key for key in KEYS.values() if key.encode() in answer.body], "a key was told"
        )

    def _check_batch(self, answer: Answer, live_ids: list[str]) -> None:
        if answer.status == 200:
            for seen in json.loads(answer.body)["rooms"]:
                self._hold(seen["live_id"] in live_ids, "a batch had another room")
                self._check_room(seen, seen["live_id"])
                self._hold("push_url" not in seen, "a batch had a push URL")

    def _check_room(self, seen: dict[str, object], live_id: str) -> None:
        whole = room(live_id)
        own = all(seen[name] == whole[name] for name in ("live_id", "title", "extends", "hls_url"))
        self._hold(own, f"{live_id} was answered with {seen['live_id']}")

    def _hold(self, kept: object, promise: str) -> None:
        if not kept:
            self._outcome.broken.append(promise)

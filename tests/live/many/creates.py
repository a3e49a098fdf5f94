"""Keyed creates that several gateways get at once, and the truth of what each client was told."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct, field

from tests.bench.client import Answer, Connection, NoAnswer
from tests.leaks.canaries import token
from tests.live.counting_vendor import Counting, Made
from tests.live.crowd import create, named
from tests.waiting import until

_NOT_FINAL = {"409 idempotency_in_progress", "504 outcome_unknown"}
"""Neither says that the room was made, nor that it was not."""


class Told(Struct):
    """All answers about one key."""

    title: str
    rooms: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)


async def race(
    ports: Sequence[int], titles: Sequence[str], meanwhile: Callable[[], Awaitable[None]]
) -> list[Told]:
    """Send each create to all ports at once, with its title as its key, until none is in progress.

    `meanwhile` runs once all were sent. A gateway that is gone has no say. Afterwards each create
    is sent once more to each port.
    """
    told = [Told(title) for title in titles]
    sending = [asyncio.create_task(_until_settled(port, each)) for each in told for port in ports]
    await meanwhile()
    await asyncio.gather(*sending)
    await asyncio.gather(*(_once(port, each) for each in told for port in ports))
    return told


async def nothing() -> None:
    """Do nothing meanwhile."""


async def _until_settled(port: int, told: Told) -> None:
    async def settled() -> bool:
        return await _once(port, told) != "409 idempotency_in_progress"

    await until(settled)


async def _once(port: int, told: Told) -> str:
    connection = Connection(port)
    try:
        answer = await connection.ask(create(told.title, token(f"maker-of-{told.title}")))
    except NoAnswer:
        told.answers["lost"] += 1
        return "lost"
    finally:
        connection.drop()
    told.answers[named(answer)] += 1
    if answer.status == 201:
        told.rooms.append(_room_in(answer, told.title))
    return named(answer)


def _room_in(answer: Answer, title: str) -> str:
    """Return the id of the room; of another title's, something that is no id."""
    room = msgspec.json.decode(answer.body)
    return str(room["live_id"] if room["title"] == title else f"a room called {room['title']}")


def falsehoods(told: Sequence[Told], vendor: Counting) -> list[str]:
    """Return what was told wrongly, and the keys that made more than one room."""
    made: dict[str, list[Made]] = {}
    for room in vendor.counts().made:
        made.setdefault(room.title, []).append(room)
    found = []
    for each in told:
        ids = [room.live_id for room in made.get(each.title, [])]
        if len(ids) > 1:
            found.append(f"{each.title} made {len(ids)} rooms")
        if wrong := set(each.rooms) - set(ids):
            found.append(f"{each.title} was answered with {wrong}, made was {ids}")
        failures = {name for name in each.answers if name not in {"201", "lost", *_NOT_FINAL}}
        if failures and ids:
            found.append(f"{each.title} was answered with {failures}, and made")
    return found

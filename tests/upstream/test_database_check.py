"""Failed reads, and the look-up that tells an unknown room from a dead database."""

import asyncio
from collections.abc import Iterable

import httpx
import pytest

from gateway.upstream import Call, DatabaseCheck, Reply, deadline_in
from gateway.upstream.database_check import with_database_check
from gateway.upstream.faults import Broken, DatabaseDown, DeadlineExceeded, Fault
from tests.fakes.tasks import settle
from tests.live.fault_server import ROOM, enveloped


def reply(status: int, code: int = 0, message: str = "", data: object = None) -> Reply:
    """Return a reply with this envelope."""
    return Reply(status, httpx.Headers(), enveloped(data, code, message))


FINE = reply(200, data=ROOM)
AMBIGUOUS = reply(200, 500, "create live failed")
NOT_FOUND = reply(500, 500, "record not found")
UP = reply(200, data=[])
LEGACY_UP = reply(200, 200, data=[])
DOWN = reply(404, 500, "Internal error")
DOCUMENTED_DOWN = reply(500, 500, "Internal Server Error")
ERROR_PAGE = Reply(502, httpx.Headers(), b"<html>")

Outcome = Reply | Fault


class World:
    """A check over an upstream; `room` and `users` are what reads and look-ups end in."""

    def __init__(self, room: Outcome = AMBIGUOUS, users: Outcome = UP) -> None:
        self.now = 0.0
        self.room, self.users = room, users
        self.held: asyncio.Event | None = None
        self.look_ups: list[Call] = []
        self.asked = asyncio.Event()
        self._send = with_database_check(DatabaseCheck(lambda: self.now), self._answer)

    async def _answer(self, call: Call) -> Reply:
        outcome = self.room
        if call.path.startswith("/server/user/infos?user_ids="):
            self.look_ups.append(call)
            self.asked.set()
            outcome = self.users
            if self.held is not None:
                await self.held.wait()
        if isinstance(outcome, Fault):
            raise outcome
        return outcome

    async def send(self, live_id: str = "1", method: str = "GET", seconds: float = 60) -> Outcome:
        """Make a call and return its outcome."""
        path = f"/server/live/{live_id}"
        try:
            return await self._send(Call(method, path, deadline_in(seconds), "req-1"))
        except Fault as fault:
            return fault

    async def reads(self, live_ids: Iterable[str]) -> list[Outcome]:
        """Read rooms at once."""
        return await asyncio.gather(*(self.send(live_id) for live_id in live_ids))


@pytest.mark.parametrize("users", [UP, LEGACY_UP])
async def test_an_unknown_room(users: Reply) -> None:
    """With the database up the reply stands: the room is unknown."""
    world = World(AMBIGUOUS, users)
    assert await world.send() is AMBIGUOUS
    (call,) = world.look_ups
    assert (call.method, call.body, call.request_id) == ("GET", b"", "req-1")


@pytest.mark.parametrize("users", [DOWN, DOCUMENTED_DOWN, reply(200, 602), ERROR_PAGE])
@pytest.mark.parametrize(
    "room", [AMBIGUOUS, reply(200, 602, "Database error"), reply(500, 500, "dial tcp: refused")]
)
async def test_a_dead_database(room: Reply, users: Reply) -> None:
    """With the database down the read is a fault for the breaker, in both dialects."""
    fault = await World(room, users).send()
    assert type(fault) is DatabaseDown
    assert (fault.trips_breaker, fault.retryable) == (True, False)


@pytest.mark.parametrize(
    "room",
    [FINE, NOT_FOUND, reply(404, 404), reply(401, 401), ERROR_PAGE],
)
async def test_any_other_reply_needs_no_look_up(room: Reply) -> None:
    """A room, a plain refusal and a page without an envelope stand by themselves."""
    world = World(room, DOWN)
    assert await world.send() is room
    assert world.look_ups == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_failed_write_needs_no_look_up(method: str) -> None:
    """A failed write is unknown with the database up or down."""
    world = World(AMBIGUOUS, DOWN)
    assert await world.send(method=method) is AMBIGUOUS
    assert world.look_ups == []


@pytest.mark.parametrize("users", [UP, DOWN])
async def test_an_answer_is_kept_for_a_second(users: Reply) -> None:
    """One look-up serves all failed reads of unknown rooms for a second."""
    world = World(AMBIGUOUS, users)
    for number in range(50):
        await world.send(str(number))
    world.now += 0.99
    await world.send("last")
    assert len(world.look_ups) == 1
    world.now += 0.02
    await world.send("again")
    assert len(world.look_ups) == 2


async def test_concurrent_reads_share_a_look_up() -> None:
    """A hundred failed reads at once make one look-up, and all get its answer."""
    world = World(AMBIGUOUS, DOWN)
    world.held = asyncio.Event()
    reads = asyncio.create_task(world.reads(map(str, range(100))))
    await world.asked.wait()
    world.held.set()
    assert {type(outcome) for outcome in await reads} == {DatabaseDown}
    assert len(world.look_ups) == 1


async def test_a_known_room_is_not_given_up_on_an_old_answer() -> None:
    """The database may die within the second: a room that was there gets a look-up of its own."""
    world = World(FINE)
    await world.send("known")
    world.room = AMBIGUOUS
    assert await world.send("unknown") is AMBIGUOUS
    world.users = DOWN
    assert await world.send("other") is AMBIGUOUS
    assert type(await world.send("known")) is DatabaseDown


async def test_a_known_room_is_not_given_up_on_a_look_up_that_began_before() -> None:
    """The database may die during a look-up: a room that was there waits for a later one."""
    world = World(FINE)
    await world.send("known")
    world.room, world.held = AMBIGUOUS, asyncio.Event()
    unknown = asyncio.create_task(world.send("unknown"))
    await world.asked.wait()
    world.users = DOWN
    known = asyncio.create_task(world.reads(["known"] * 9))
    await settle()
    world.held.set()
    assert {type(outcome) for outcome in await known} == {DatabaseDown}
    assert await unknown is AMBIGUOUS
    assert len(world.look_ups) == 2


async def test_a_deleted_room_is_polled_without_look_ups() -> None:
    """The first failed read of a room that was there asks; the next ones share its answer."""
    world = World(FINE)
    await world.send("deleted")
    world.room = AMBIGUOUS
    for _ in range(50):
        assert await world.send("deleted") is AMBIGUOUS
    assert len(world.look_ups) == 1


async def test_a_look_up_without_a_reply_is_not_remembered() -> None:
    """Its own fault stands, and the next failed read asks again."""
    world = World(AMBIGUOUS, Broken("reset"))
    assert type(await world.send()) is Broken
    world.users = UP
    assert await world.send() is AMBIGUOUS


async def test_a_look_up_ends_by_the_read_s_deadline() -> None:
    """A look-up that hangs costs a read no more than its time."""
    world = World()
    world.held = asyncio.Event()
    assert type(await world.send(seconds=0.05)) is DeadlineExceeded

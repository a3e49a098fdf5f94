"""Event streams: what is written, how each ends, and how many there may be."""

import asyncio
import re
from collections.abc import AsyncGenerator

import pytest
from structlog.testing import CapturingLogger

from gateway.edge import encode_room
from gateway.events import (
    Bounds,
    EventStreams,
    RoomFeeds,
    Standing,
    Tally,
    TooManyStreams,
    Waker,
    Watch,
)
from gateway.metrics import Metrics
from gateway.rooms import (
    CachedRoom,
    Caller,
    CurrentRoom,
    EncodedRoom,
    LookupResult,
    Overloaded,
    RoomNotFound,
    TokenInvalid,
    UpstreamError,
    UpstreamUnavailable,
)
from gateway.secret import Secret
from gateway.telemetry import Family, SharedMetrics, families
from tests.fakes.clock import Clock
from tests.fakes.rooms import room_of
from tests.fakes.tasks import settle
from tests.telemetry.counts import nonzero

GOOD, SHORT = "good", "short"
EXPIRY = {GOOD: 5000.0, SHORT: 1100.0}
"""Tokens, and the epoch seconds at which they expire; the clocks begin at 1000."""


class World:
    """Streams, and all that they depend on."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.clock = Clock()
        self.block = SharedMetrics(families(Metrics))
        metrics = Metrics(self.block)
        self.live_status: int | Exception = 0
        self.bad_tokens: dict[str, Exception] = {}
        self.changes = 0
        waker = Waker()
        self.feeds = RoomFeeds(
            self._latest,
            waker.wake,
            seconds=32,
            clock=self.clock,
            new_id=str,
            log=CapturingLogger(),
            sleep=self._never,
        )
        self.streams = EventStreams(
            self._view,
            self.feeds,
            waker,
            Standing(self._expiry, lambda: self.changes),
            Tally(metrics.streams_opened, metrics.streams_ended, metrics.events_sent),
            bounds or Bounds(100, 100),
            clock=self.clock,
            now=self.clock,
        )
        self.open: list[Client] = []

    def room(self) -> EncodedRoom:
        """Return the room as it is now."""
        if isinstance(self.live_status, Exception):
            raise self.live_status
        return encode_room(room_of("alice", self.live_status).for_viewers())

    async def _latest(self, _: str) -> CurrentRoom:
        return CurrentRoom(self.room(), 2)

    async def _view(self, _caller: Caller, _live_id: str) -> CachedRoom:
        await asyncio.sleep(0)
        return CachedRoom(self.room(), LookupResult.HIT, 2)

    async def _expiry(self, secret: Secret) -> float:
        token = secret.reveal()
        if token in self.bad_tokens:
            raise self.bad_tokens[token]
        return EXPIRY[token]

    async def _never(self, _: float) -> None:
        await asyncio.Event().wait()

    async def watch(
        self, user: str = "bob", token: str = GOOD, etag: bytes | None = None
    ) -> "Client":
        """Let a client watch the room."""
        client = Client(self, user, token, etag)
        self.open.append(client)
        await settle()
        return client

    async def change(self, live_status: int | Exception) -> None:
        """Change the room, and let its readers hear of it."""
        self.live_status = live_status
        self.feeds.look_again("1")
        await settle()

    async def pass_(self, seconds: float) -> None:
        """Let the time pass, looking at the streams twice a second."""
        for _ in range(round(seconds * 2)):
            self.clock.now += 0.5
            self.streams.look()
            await settle()

    def counts(self, family: Family) -> dict[str, float]:
        """Return the counts of a metric with one label, or none, that are not zero."""
        return {"".join(labels): count for labels, count in nonzero(self.block, family).items()}


class Client:
    """One who reads a stream; without `reads` nothing more can be written."""

    def __init__(self, world: World, user: str, token: str, etag: bytes | None) -> None:
        self.text = b""
        self.reads = asyncio.Event()
        self.reads.set()
        self.task = asyncio.create_task(self._watch(world, user, token, etag))

    async def _watch(self, world: World, user: str, token: str, etag: bytes | None) -> bool:
        wanted = Watch(Caller(user), "1", Secret(token), etag)
        return await world.streams.serve(wanted, self._begin, self._write)

    async def _begin(self) -> bool:
        return True

    async def _write(self, piece: bytes) -> None:
        await self.reads.wait()
        self.text += piece

    @property
    def events(self) -> list[str]:
        """The names of the events so far."""
        return re.findall(r"^event: (\w+)$", self.text.decode(), re.MULTILINE)

    @property
    def retries(self) -> list[int]:
        """The milliseconds of each `retry` so far."""
        return [int(each) for each in re.findall(rb"^retry: (\d+)$", self.text, re.MULTILINE)]


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    """Return a world whose clients leave after the test."""
    made = World()
    yield made
    for each in made.open:
        each.task.cancel()
    await asyncio.gather(*(each.task for each in made.open), return_exceptions=True)
    assert len(made.streams) == 0
    assert len(made.feeds) == 0


async def test_a_stream_tells_the_room_and_its_changes(world: World) -> None:
    """First the whole room, then each change, at last that it was deleted."""
    client = await world.watch()
    assert client.events == ["room"]
    await world.change(1)
    assert client.events == ["room", "change"]
    await world.change(RoomNotFound())
    assert client.events == ["room", "change", "deleted"]
    assert await client.task
    assert world.counts(Metrics.events_sent) == {"room": 1, "change": 1, "deleted": 1}
    assert world.counts(Metrics.streams_ended) == {"deleted": 1}


async def test_who_knows_the_room_hears_nothing(world: World) -> None:
    """With the ETag of the state as it is, a stream begins with a retry alone."""
    client = await world.watch(etag=world.room().etag)
    assert client.events == []
    assert len(client.retries) == 1
    await world.change(1)
    assert client.events == ["change"]


async def test_a_comment_comes_every_ten_seconds(world: World) -> None:
    """Whether there are events or not."""
    client = await world.watch()
    await world.pass_(9.5)
    assert client.text.count(b"\n:\n") == 0
    await world.pass_(1)
    assert client.text.count(b"\n:\n") == 1
    await world.change(1)
    await world.pass_(20)
    assert client.text.count(b"\n:\n") == 3


async def test_a_stream_ends_with_its_token(world: World) -> None:
    """Within a second of `exp`."""
    client = await world.watch(token=SHORT)
    world.clock.now = EXPIRY[SHORT] - 1
    world.streams.look()
    await settle()
    assert "expired" not in client.events
    await world.pass_(1)
    assert client.events[-1] == "expired"
    assert await client.task


async def test_a_stream_ends_with_its_age(world: World) -> None:
    """After 12 to 18 minutes, with a time to come back."""
    client = await world.watch()
    world.clock.now += 0.8 * 900 - 1
    world.streams.look()
    await settle()
    assert "reconnect" not in client.events
    world.clock.now += 0.4 * 900 + 2
    world.streams.look()
    await settle()
    assert client.events[-1] == "reconnect"
    assert len(client.retries) == 2
    assert await client.task
    assert world.counts(Metrics.streams_ended) == {"aged": 1}


async def test_a_token_that_is_accepted_no_longer_ends_its_stream(world: World) -> None:
    """After a change of keys or refusals, and no other stream."""
    refused, good = await world.watch(token=SHORT), await world.watch()
    following = asyncio.create_task(world.streams.follow_changes())
    await settle()
    world.bad_tokens[SHORT] = TokenInvalid("refused")
    world.changes += 1
    async with asyncio.timeout(5):
        assert await refused.task
    assert refused.events == ["room", "expired"]
    assert good.events == ["room"]
    following.cancel()


async def test_a_change_is_seen_once_it_was_checked(world: World) -> None:
    """A check that fails for a reason nobody foresaw is made again."""
    client = await world.watch()
    world.bad_tokens[GOOD] = ValueError("unforeseen")
    world.changes += 1
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="unforeseen"):
            await world.streams.follow_changes()
        world.bad_tokens[GOOD] = TokenInvalid("refused")
        following = asyncio.create_task(world.streams.follow_changes())
        assert await client.task
    assert client.events == ["room", "expired"]
    following.cancel()


async def test_nobody_is_ended_while_keys_are_missing(world: World) -> None:
    """If nobody can tell whether a token is good, its stream goes on."""
    client = await world.watch()
    world.bad_tokens[GOOD] = UpstreamUnavailable("no keys", retry_after=1)
    assert not await world.streams.recheck()
    await settle()
    assert client.events == ["room"]


async def test_all_are_told_before_the_gateway_stops(world: World) -> None:
    """Each with another time to come back; who comes then hears the room and is told too."""
    clients = [await world.watch(f"user-{number}") for number in range(50)]
    draining = asyncio.Event()
    telling = asyncio.create_task(world.streams.drain(draining))
    await settle()
    assert all(each.events == ["room"] for each in clients)
    draining.set()
    async with asyncio.timeout(5):
        assert all(await asyncio.gather(*(each.task for each in clients)))
    assert all(each.events == ["room", "reconnect"] for each in clients)
    last = sorted(each.retries[-1] for each in clients)
    assert last[0] >= 500
    assert last[-1] - last[0] > 1500
    late = await world.watch()
    assert late.events == ["room", "reconnect"]
    assert await late.task
    await telling
    assert world.counts(Metrics.streams_ended) == {"shutdown": 51}


async def test_one_who_does_not_read_is_dropped(world: World) -> None:
    """After ten seconds, without an end; nothing was kept for them meanwhile."""
    client, other = await world.watch(), await world.watch()
    client.reads.clear()
    for status in (1, 2, 0, 1):
        await world.change(status)
    assert client.events == ["room"]
    await world.pass_(9.5)
    assert not client.task.done()
    await world.pass_(1)
    assert await client.task is False
    assert other.events == ["room", "change", "change", "change", "change"]
    assert world.counts(Metrics.streams_ended) == {"slow": 1}


async def test_one_who_is_behind_hears_the_newest_state(world: World) -> None:
    """They skip what was between."""
    client = await world.watch()
    client.reads.clear()
    await world.change(1)  # is being written
    await world.change(2)
    await world.change(0)
    await world.change(2)
    client.reads.set()
    await settle()
    assert client.events == ["room", "change", "room"]


async def test_a_failing_upstream_ends_no_stream(world: World) -> None:
    """The doubt is a comment, and what is new is told when the upstream is back."""
    client = await world.watch()
    before = client.text
    await world.change(UpstreamError("down"))
    assert client.text == before
    world.clock.now += 33
    await world.change(UpstreamError("down"))
    assert client.text.removeprefix(before).startswith(b": the live service does not answer")
    after = client.text
    await world.change(UpstreamError("down"))
    assert client.text == after
    await world.change(1)
    assert client.events == ["room", "change"]


async def test_a_client_that_leaves_is_forgotten(world: World) -> None:
    """Its place is free, and its room is watched no longer."""
    client = await world.watch()
    client.task.cancel()
    await asyncio.gather(client.task, return_exceptions=True)
    assert len(world.streams) == len(world.feeds) == 0
    assert world.counts(Metrics.streams_ended) == {"gone": 1}
    assert world.counts(Metrics.streams_opened) == {"": 1}


async def test_streams_are_bounded() -> None:
    """In all, and for one user; also if many ask at once."""
    world = World(Bounds(3, 2))
    clients = [await world.watch("alice") for _ in range(4)]
    assert [type(each.task.exception()) for each in clients[2:]] == [TooManyStreams] * 2
    others = [Client(world, f"user-{number}", GOOD, None) for number in range(3)]
    await settle()
    failed = [each.task.exception() for each in others if each.task.done()]
    assert [type(each) for each in failed] == [Overloaded] * 2
    assert len(world.streams) == 3
    clients[0].task.cancel()
    await settle()
    assert (await world.watch("alice")).events == ["room"]
    for each in (*clients, *others, *world.open):
        each.task.cancel()
    await settle()


async def test_what_cannot_be_watched_takes_no_place(world: World) -> None:
    """A missing room and a bad token are told as they are, before anything is written."""
    world.live_status = RoomNotFound()
    assert isinstance((await world.watch()).task.exception(), RoomNotFound)
    world.live_status = 0
    world.bad_tokens[SHORT] = TokenInvalid("bad")
    assert isinstance((await world.watch(token=SHORT)).task.exception(), TokenInvalid)
    assert len(world.streams) == len(world.feeds) == 0

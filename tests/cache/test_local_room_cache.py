"""LocalRoomCache beyond its port's contract: bounds, evictions, abandoned reads, secrets."""

import asyncio

import pytest

from gateway.cache import Lifetimes, LocalRoomCache, UpstreamRooms
from gateway.metrics import Metrics
from gateway.rooms import FreshRoom, LookupResult, RoomNotFound
from gateway.telemetry import SharedMetrics, families
from tests.fakes.clock import Clock
from tests.fakes.rooms import PUSH_URL, HeldUpstream, encode, room_of, share_for_all, title_of
from tests.fakes.tasks import settle
from tests.leaks.reachable import texts_in
from tests.telemetry.counts import nonzero

LIFETIMES = Lifetimes(fresh=2, revalidate=3, error=30, missing=1)


class Cached:
    """A cache over an upstream, and the time both live in."""

    def __init__(
        self, size: int = 100, lifetimes: Lifetimes = LIFETIMES, max_bytes: int = 1 << 20
    ) -> None:
        self.clock = Clock()
        self.upstream = HeldUpstream()
        self.block = SharedMetrics(families(Metrics))
        metrics = Metrics(self.block)
        self.rooms = LocalRoomCache(
            UpstreamRooms(self.upstream.read, encode, lifetimes.fresh),
            size=size,
            max_bytes=max_bytes,
            lifetimes=lifetimes,
            share=share_for_all(),
            seconds=60,
            clock=self.clock,
            report=metrics.lookups.inc,
            evictions=metrics.evictions,
        )

    def title(self, live_id: str = "a") -> str | None:
        """Return the title of the room in memory."""
        seen = self.rooms.peek(live_id)
        return None if seen is None else title_of(seen)

    async def get(self, live_id: str = "a") -> str:
        """Look a room up; return its title."""
        return title_of(await self.rooms.get(live_id))


async def test_a_read_without_readers_is_not_sent() -> None:
    """A read that all its readers left before it was sent never is."""
    cached = Cached()
    cached.upstream.sending.clear()
    readers = [asyncio.create_task(cached.get()) for _ in range(3)]
    await settle()
    for reader in readers:
        reader.cancel()
    late = asyncio.create_task(cached.get())
    await settle()
    cached.upstream.sending.set()
    assert await late == "first"
    assert cached.upstream.reads == ["a"]


async def test_a_refresh_is_never_given_up() -> None:
    """A reader who joins a background refresh and leaves does not cancel it."""
    cached = Cached()
    await cached.get()
    cached.clock.now += 2.5
    cached.upstream.title = "second"
    cached.upstream.sending.clear()
    assert cached.title() == "first"
    passer_by = asyncio.create_task(cached.rooms.get("a", "alice"))
    await settle()
    passer_by.cancel()
    await settle()
    cached.upstream.sending.set()
    await settle()
    assert cached.title() == "second"


async def test_missing_rooms_evict_no_rooms() -> None:
    """Any number of made-up ids takes one place in ten, and every known room stays."""
    cached = Cached(size=100)
    for number in range(90):
        await cached.get(f"room{number}")
    cached.upstream.error = RoomNotFound()
    for number in range(2000):
        with pytest.raises(RoomNotFound):
            await cached.get(f"none{number}")
    assert all(cached.title(f"room{number}") for number in range(90))


@pytest.mark.parametrize("size", [1, 5, 100])
async def test_size_bound(size: int) -> None:
    """The bound holds however many rooms are read, also for a cache of one."""
    cached = Cached(size=size)
    for number in range(size * 3):
        await cached.get(f"room{number}")
    kept = sum(cached.title(f"room{number}") is not None for number in range(size * 3))
    assert 0 < kept <= size
    await cached.rooms.mark_missing("none")
    assert sum(cached.rooms.sizes) <= size


async def test_bound_in_bytes() -> None:
    """Of many large rooms as many stay as the bytes allow, the last read; each eviction counts."""
    cached = Cached(max_bytes=10_000)
    cached.upstream.title = "t" * 2000
    for number in range(40):
        await cached.get(str(number))
        assert cached.rooms.held <= 10_000
    kept = [number for number in range(40) if cached.title(str(number)) is not None]
    assert kept == [36, 37, 38, 39]
    room = room_of(title="t" * 2000, live_id="36").for_viewers()
    assert cached.rooms.held == 4 * len(encode(room).body)
    assert nonzero(cached.block, Metrics.evictions) == {("capacity",): 36}


async def test_an_updated_room_is_weighed_anew() -> None:
    """A room that has grown evicts others, but not itself; one that has shrunk leaves space."""
    cached, kept, held = Cached(max_bytes=10_000), [], []
    await cached.get("b")
    for length in (4000, 9600, 1):
        cached.clock.now += 10
        cached.upstream.title = "t" * length
        await cached.get("a")
        kept.append(cached.rooms.sizes[0])
        held.append(cached.rooms.held)
    assert kept == [2, 1, 1]
    assert held[1] - held[2] == 9599
    assert nonzero(cached.block, Metrics.evictions) == {("capacity",): 1}


async def test_a_room_larger_than_the_bound_is_served_and_not_kept() -> None:
    """Such a room is read each time, and pushes out no other."""
    cached = Cached(max_bytes=10_000)
    await cached.get("small")
    cached.upstream.title = "t" * 10_000
    assert [len(await cached.get("large")) for _ in range(2)] == [10_000] * 2
    assert cached.upstream.reads == ["small", "large", "large"]
    assert (cached.title("small"), cached.rooms.sizes[0]) == ("first", 1)
    assert nonzero(cached.block, Metrics.evictions) == {}


async def test_nothing_is_kept_without_lifetimes() -> None:
    """Lifetimes of zero switch the cache off, while concurrent readers still share a read."""
    cached = Cached(lifetimes=Lifetimes(fresh=0, revalidate=0, error=0, missing=0))
    await asyncio.gather(cached.get(), cached.get())
    assert cached.title() is None
    cached.upstream.error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await cached.get()
    assert cached.title() is None
    assert cached.upstream.reads == ["a", "a"]


async def test_no_push_url_is_reachable_from_the_cache() -> None:
    """No object that the cache refers to holds the secret of a room that it has read."""
    cached = Cached()
    fetched = await cached.rooms.get("a", "alice")
    await settle()
    texts = texts_in(cached.rooms, HeldUpstream)
    assert any('"title":"first"' in text for text in texts)
    assert not any(PUSH_URL in text for text in texts)
    held = Cached()
    held.rooms.leak = fetched  # type: ignore[attr-defined]  # positive control
    assert any(PUSH_URL in text for text in texts_in(held.rooms, HeldUpstream))


async def test_closing_waits_for_reads_in_flight() -> None:
    """At the end waiting readers are answered, and no task is left running."""
    cached = Cached()
    before = asyncio.all_tasks()
    cached.upstream.answering.clear()
    reader = asyncio.create_task(cached.get())
    await settle()
    closing = asyncio.create_task(cached.rooms.aclose())
    await settle()
    assert not closing.done()
    cached.upstream.answering.set()
    await closing
    assert await reader == "first"
    assert asyncio.all_tasks() == before


async def test_lookups_are_counted_by_result() -> None:
    """The metric has a series for every result, and a lookup counts once."""
    assert {labels[0] for labels in Metrics.lookups.series} == set(LookupResult)
    cached = Cached()
    await asyncio.gather(*(cached.get() for _ in range(3)))
    cached.title()
    assert nonzero(cached.block, Metrics.lookups) == {("miss",): 1, ("coalesced",): 2, ("hit",): 1}


async def test_evictions_are_counted_by_reason() -> None:
    """Evictions for space and for writes are counted, writes to rooms not cached are not."""
    cached = Cached(size=10)
    for number in range(12):
        await cached.get(str(number))
    await cached.rooms.invalidate("11")
    await cached.rooms.invalidate("11")
    assert nonzero(cached.block, Metrics.evictions) == {("capacity",): 3, ("write",): 1}
    assert cached.rooms.sizes == (8, 0)
    await cached.rooms.mark_missing("10")
    assert cached.rooms.sizes == (7, 1)


async def test_all_rooms_are_forgotten_at_once() -> None:
    """Rooms, missing ones and reads in flight are forgotten, and the next reads go upstream."""
    cached = Cached()
    for live_id in "ab":
        await cached.get(live_id)
    await cached.rooms.mark_missing("c")
    cached.upstream.sending.clear()
    in_flight = asyncio.create_task(cached.get("d"))
    await settle()
    await cached.rooms.invalidate_all()
    cached.upstream.sending.set()
    assert await in_flight == "first"
    assert cached.rooms.sizes == (0, 0)
    cached.upstream.title = "second"
    assert {await cached.get(live_id) for live_id in "abcd"} == {"second"}


@pytest.mark.parametrize("fresh", [0, 0.05, 0.9, 1, 2, 3.5])
async def test_a_client_that_polls_as_told_does_not_spin(fresh: float) -> None:
    """A client that waits `max_age` must ask once a second at most, however short rooms live."""
    cached = Cached(lifetimes=Lifetimes(fresh=fresh, revalidate=2, error=30, missing=1))
    start, asked = cached.clock.now, 0
    while cached.clock.now < start + 10:
        found = await cached.rooms.get("a")
        await settle()
        asked += 1
        cached.clock.now += (found.cached if isinstance(found, FreshRoom) else found).max_age
    assert 10 / max(fresh, 1) - 1 <= asked <= 10

"""LocalRoomCache: lifetimes, sharing, eviction and the size bound, by a fake clock."""

import asyncio

import msgspec
import pytest

from gateway.cache import Lifetimes, LocalRoomCache
from gateway.metrics import Metrics
from gateway.rooms import EncodedRoom, RoomNotFound, Source, UpstreamError, ViewerRoom
from gateway.telemetry import SharedMetrics, families
from tests.cache.fakes import Clock, Upstream
from tests.cache.reachable import texts_in
from tests.rooms.fakes import PUSH_URL
from tests.telemetry.counts import nonzero

pytestmark = pytest.mark.anyio

LIFETIMES = Lifetimes(fresh=2, revalidate=3, error=30, unknown=1)


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, the loop the gateway runs in."""
    return "asyncio"


def encode(room: ViewerRoom) -> EncodedRoom:
    """Encode as the edge does, with a made-up tag."""
    return EncodedRoom(room.anchor_info.user_id, msgspec.json.encode(room), b'"tag"')


class Cached:
    """A cache over an upstream, and the time both live in."""

    def __init__(self, size: int = 100, lifetimes: Lifetimes = LIFETIMES) -> None:
        self.clock = Clock()
        self.upstream = Upstream()
        self.block = SharedMetrics(families(Metrics))
        self.rooms = LocalRoomCache(
            self.upstream.read,
            encode,
            size=size,
            lifetimes=lifetimes,
            clock=self.clock,
            metrics=Metrics(self.block),
        )

    def title(self, live_id: str = "a") -> str | None:
        """Return what a viewer would be served from memory."""
        seen = self.rooms.peek(live_id)
        return None if seen is None else str(msgspec.json.decode(seen.room.body)["title"])

    async def fetch(self, live_id: str = "a") -> str:
        """Fetch a room; return its title."""
        return (await self.rooms.fetch(live_id)).room.title


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_lifetimes() -> None:
    """A room is fresh, then stale while refreshed, then a last resort, then gone."""
    cached = Cached()
    assert cached.title() is None
    await cached.fetch()
    seen = cached.rooms.peek("a")
    assert seen is not None
    assert (seen.source, seen.max_age) == (Source.HIT, 2)
    cached.clock.now += 1.2
    seen = cached.rooms.peek("a")
    assert seen is not None
    assert (seen.source, seen.max_age) == (Source.HIT, 0)

    cached.clock.now += 3.7
    cached.upstream.error = UpstreamError("down")
    seen = cached.rooms.peek("a")
    assert seen is not None
    assert seen.source is Source.STALE
    await settle()
    cached.clock.now += 0.2
    assert cached.rooms.peek("a") is None
    assert cached.rooms.stale_if_error("a") is not None
    cached.clock.now += 26.7
    assert cached.rooms.stale_if_error("a") is not None
    cached.clock.now += 0.3
    assert cached.rooms.stale_if_error("a") is None


async def test_stale_is_refreshed_once_in_the_background() -> None:
    """C6: stale readers are served at once and cause one read, whose room then stands."""
    cached = Cached()
    await cached.fetch()
    cached.clock.now += 3
    cached.upstream.title = "second"
    cached.upstream.gate.clear()
    assert [cached.title() for _ in range(10)] == ["first"] * 10
    await settle()
    assert cached.upstream.reads == ["a", "a"]
    cached.upstream.gate.set()
    await settle()
    assert cached.title() == "second"


async def test_readers_of_a_cold_room_share_one_read() -> None:
    """C1: a thousand readers, one upstream read."""
    cached = Cached()
    titles = await asyncio.gather(*(cached.fetch() for _ in range(1000)))
    assert set(titles) == {"first"}
    assert cached.upstream.reads == ["a"]


async def test_the_first_reader_may_go_away() -> None:
    """C2: cancelling whoever started the read leaves the others served."""
    cached = Cached()
    cached.upstream.gate.clear()
    first, *others = [asyncio.create_task(cached.fetch()) for _ in range(10)]
    await settle()
    first.cancel()
    await settle()
    cached.upstream.gate.set()
    assert await asyncio.gather(*others) == ["first"] * 9
    assert first.cancelled()
    assert cached.upstream.reads == ["a"]


async def test_a_read_that_nobody_waits_for_any_more_is_not_sent() -> None:
    """When all have gone while it stood in line, the next reader starts another."""
    cached = Cached()
    cached.upstream.line.clear()
    readers = [asyncio.create_task(cached.fetch()) for _ in range(3)]
    await settle()
    for reader in readers[:2]:
        reader.cancel()
    await settle()
    cached.upstream.line.set()
    assert await readers[2] == "first"
    assert cached.upstream.reads == ["a"]

    cached.upstream.line.clear()
    readers = [asyncio.create_task(cached.fetch("b")) for _ in range(3)]
    await settle()
    for reader in readers:
        reader.cancel()
    late = asyncio.create_task(cached.fetch("b"))
    await settle()
    cached.upstream.line.set()
    assert await late == "first"
    assert cached.upstream.reads == ["a", "b"]
    await cached.rooms.aclose()


async def test_a_read_that_was_sent_goes_on() -> None:
    """What it brings is kept, though everyone has gone."""
    cached = Cached()
    cached.upstream.gate.clear()
    reader = asyncio.create_task(cached.fetch())
    await settle()
    reader.cancel()
    await settle()
    cached.upstream.gate.set()
    await settle()
    assert cached.title() == "first"


async def test_a_refresh_is_never_given_up() -> None:
    """Nobody waits for it to begin with; one who joins it and leaves changes nothing."""
    cached = Cached()
    await cached.fetch()
    cached.clock.now += 2.5
    cached.upstream.title = "second"
    cached.upstream.line.clear()
    assert cached.title() == "first"
    await settle()
    passer_by = asyncio.create_task(cached.fetch())
    await settle()
    passer_by.cancel()
    await settle()
    cached.upstream.line.set()
    await settle()
    assert cached.title() == "second"


async def test_an_error_is_shared() -> None:
    """C3: everyone who waits gets the one error; the next one tries again."""
    cached = Cached()
    cached.upstream.error = UpstreamError("down")
    ended = await asyncio.gather(*(cached.fetch() for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in ended} == {UpstreamError}
    assert cached.upstream.reads == ["a"]
    cached.upstream.error = None
    assert await cached.fetch() == "first"


@pytest.mark.parametrize("change", ["evict", "mark_missing"])
@pytest.mark.parametrize("warm", [False, True])
async def test_a_read_in_flight_does_not_bring_the_old_room_back(
    change: str, *, warm: bool
) -> None:
    """C4: what was read before a stop or delete answers its readers and is not kept."""
    cached = Cached()
    if warm:
        await cached.fetch()
    cached.upstream.gate.clear()
    old = asyncio.create_task(cached.fetch())
    await settle()
    getattr(cached.rooms, change)("a")
    cached.upstream.title = "second"
    new = asyncio.create_task(cached.fetch())
    await settle()
    cached.upstream.gate.set()
    assert list(await asyncio.gather(old, new)) == ["first", "second"]
    assert cached.title() == "second"


async def test_a_read_in_flight_does_not_make_a_room_unknown() -> None:
    """C4: that there was none before a stop says nothing about what comes after it."""
    cached = Cached()
    cached.upstream.error = RoomNotFound()
    cached.upstream.gate.clear()
    old = asyncio.create_task(cached.fetch())
    await settle()
    cached.rooms.evict("a")
    cached.upstream.gate.set()
    with pytest.raises(RoomNotFound):
        await old
    assert cached.rooms.peek("a") is None


async def test_an_evicted_room_is_no_last_resort() -> None:
    """C6: after a stop or delete nothing stale is served, not even when the upstream fails."""
    cached = Cached()
    await cached.fetch()
    cached.rooms.evict("a")
    assert cached.rooms.peek("a") is None
    assert cached.rooms.stale_if_error("a") is None


async def test_unknown_rooms_are_remembered_briefly() -> None:
    """An unknown room is refused from memory until its time is over."""
    cached = Cached()
    cached.upstream.error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await cached.fetch()
    with pytest.raises(RoomNotFound):
        cached.rooms.peek("a")
    cached.clock.now += 1
    assert cached.rooms.peek("a") is None
    cached.upstream.error = None
    await cached.fetch()
    assert cached.title() == "first"


async def test_a_room_that_turns_out_deleted_is_dropped() -> None:
    """A refresh that finds no room ends the stale one."""
    cached = Cached()
    await cached.fetch()
    cached.clock.now += 3
    cached.upstream.error = RoomNotFound()
    assert cached.title() == "first"
    await settle()
    with pytest.raises(RoomNotFound):
        cached.rooms.peek("a")
    assert cached.rooms.stale_if_error("a") is None


async def test_unknown_ids_do_not_push_rooms_out() -> None:
    """C5: any number of unknown ids takes one place in ten; every known room stays."""
    cached = Cached(size=100)
    for number in range(90):
        await cached.fetch(f"room{number}")
    cached.upstream.error = RoomNotFound()
    for number in range(2000):
        with pytest.raises(RoomNotFound):
            await cached.fetch(f"none{number}")
    assert all(cached.title(f"room{number}") for number in range(90))


async def test_size_bound() -> None:
    """C5: the bound holds however many rooms are read, and for a cache of one."""
    for size in (1, 5, 100):
        cached = Cached(size=size)
        for number in range(size * 3):
            await cached.fetch(f"room{number}")
        kept = sum(cached.title(f"room{number}") is not None for number in range(size * 3))
        assert 0 < kept <= size
        cached.rooms.mark_missing("none")
        assert sum(cached.rooms.sizes) <= size


async def test_nothing_is_kept_without_lifetimes() -> None:
    """Lifetimes of zero switch the cache off; readers still share a read."""
    cached = Cached(lifetimes=Lifetimes(fresh=0, revalidate=0, error=0, unknown=0))
    await asyncio.gather(cached.fetch(), cached.fetch())
    assert cached.title() is None
    assert cached.rooms.stale_if_error("a") is None
    assert cached.upstream.reads == ["a"]


async def test_no_push_url_is_reachable_from_the_cache() -> None:
    """Walk every object that the cache refers to: the secret is in none of them."""
    cached = Cached()
    fetched = await cached.rooms.fetch("a")
    await settle()
    assert fetched.room.push_url.reveal() == PUSH_URL
    texts = texts_in(cached.rooms, Upstream)
    assert any('"title":"first"' in text for text in texts)
    assert not any(PUSH_URL in text for text in texts)
    held = Cached()
    held.rooms.leak = fetched  # type: ignore[attr-defined]  # positive control
    assert any(PUSH_URL in text for text in texts_in(held.rooms, Upstream))


async def test_closing_waits_for_reads_in_flight() -> None:
    """When the gateway stops, who waits is answered, and nothing is left running."""
    cached = Cached()
    before = asyncio.all_tasks()
    cached.upstream.gate.clear()
    reader = asyncio.create_task(cached.fetch())
    await settle()
    assert len(asyncio.all_tasks() - before) == 2
    closing = asyncio.create_task(cached.rooms.aclose())
    await settle()
    assert not closing.done()
    cached.upstream.gate.set()
    await closing
    assert await reader == "first"
    assert asyncio.all_tasks() == before


async def test_lookups_are_counted_by_where_the_room_came_from() -> None:
    """Each once; an old room for bad times besides the miss before it."""
    cached = Cached()
    await asyncio.gather(*(cached.fetch() for _ in range(3)))
    cached.title()
    cached.clock.now += 2
    cached.title()
    await settle()
    cached.upstream.error = RoomNotFound()
    with pytest.raises(RoomNotFound):
        await cached.fetch("b")
    with pytest.raises(RoomNotFound):
        cached.title("b")
    cached.clock.now += 10
    cached.upstream.error = UpstreamError("down")
    with pytest.raises(UpstreamError):
        await cached.fetch()
    cached.rooms.stale_if_error("a")
    assert nonzero(cached.block, Metrics.lookups) == {
        ("miss",): 3,
        ("coalesced",): 2,
        ("hit",): 1,
        ("stale",): 1,
        ("unknown",): 1,
        ("stale_if_error",): 1,
    }


async def test_an_anchor_is_no_viewer() -> None:
    """Their own room is not given to them from memory, nor counted as if it were."""
    cached = Cached()
    await cached.fetch()
    assert cached.rooms.peek("a", "alice") is None
    assert cached.rooms.stale_if_error("a", "alice") is None
    assert cached.rooms.peek("a", "bob") is not None
    assert nonzero(cached.block, Metrics.lookups) == {("miss",): 1, ("hit",): 1}


async def test_evictions_are_counted_by_reason() -> None:
    """A room that another pushed out, and one that was written to; not one that was not there."""
    cached = Cached(size=10)
    for number in range(12):
        await cached.fetch(str(number))
    cached.rooms.evict("11")
    cached.rooms.evict("11")
    assert nonzero(cached.block, Metrics.evictions) == {("capacity",): 3, ("write",): 1}
    assert cached.rooms.sizes == (8, 0)
    cached.rooms.mark_missing("10")
    assert cached.rooms.sizes == (7, 1)

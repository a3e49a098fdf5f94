"""Pages of living rooms: one read for all, and rooms that also go to the cache of rooms."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import structs

from gateway.cache import (
    CachedLivePages,
    Lifetimes,
    LivePageReader,
    LocalRoomCache,
    ReadThroughCache,
    UpstreamRooms,
)
from gateway.metrics import Metrics
from gateway.rooms import (
    CachedRoom,
    EncodedRoom,
    LivePage,
    LookupResult,
    RecentWrites,
    RoomNotFound,
    UpstreamError,
    ViewerRoom,
)
from tests.fakes.clock import Clock
from tests.fakes.rooms import HeldUpstream, encode, room_of, share_for_all, title_of
from tests.fakes.tasks import settle, until

LIFETIMES = Lifetimes(fresh=2, revalidate=0, error=30, missing=1)


def living(*live_ids: str, title: str = "listed") -> LivePage:
    """Return a page with these rooms, in which people are."""
    rooms = [room_of(live_id=live_id, title=title).for_viewers() for live_id in live_ids]
    return LivePage([structs.replace(each, online_count=7) for each in rooms], len(rooms), None)


class Vendor:
    """A list of living rooms whose reads wait for `answering`; `asked` has them."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.page = living("a", "b")
        self.error: Exception | None = None

    async def start(self, live_id: str, anchor_id: str) -> None:
        """Not asked for here."""

    async def heartbeat(self, live_id: str, anchor_id: str) -> int:
        """Not asked for here."""
        raise NotImplementedError

    async def living(self, page: int, size: int, on_sent: Callable[[], None]) -> LivePage:
        """Return the page as it is at the moment of asking."""
        on_sent()
        self.asked.append((page, size))
        found, error = self.page, self.error
        await self.answering.wait()
        if error is not None:
            raise error
        return found


class World:
    """Pages over a vendor, beside a cache of rooms over another upstream."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.vendor = Vendor()
        self.upstream = HeldUpstream()
        self.recent = RecentWrites(5, clock=self.clock)
        self.results: list[LookupResult] = []
        metrics = Metrics()
        bounds: dict[str, Any] = {
            "size": 100,
            "max_bytes": 1 << 20,
            "lifetimes": LIFETIMES,
            "share": share_for_all(),
            "seconds": 60,
            "clock": self.clock,
            "evictions": metrics.evictions,
        }
        self.rooms = LocalRoomCache(
            UpstreamRooms(self.upstream.read, encode, LIFETIMES.fresh),
            report=metrics.lookups.inc,
            **bounds,
        )
        reader = LivePageReader(self.vendor, self.rooms, self.recent, encode)
        source = UpstreamRooms(reader.read, _encode_page, LIFETIMES.fresh)
        self.pages = CachedLivePages(ReadThroughCache(source, report=self.results.append, **bounds))

    async def page(self, number: int = 1, size: int = 20) -> LivePage:
        """Return a page."""
        return _decoded(await self.pages.get(number, size, "bob"))

    async def listing(self) -> "asyncio.Task[LivePage]":
        """Begin to read the first page, whose answer is held."""
        self.vendor.answering.clear()
        reading = asyncio.create_task(self.page())
        await until(lambda: bool(self.vendor.asked))
        return reading

    def title(self, live_id: str) -> str | None:
        """Return the title of a room in memory, None without one."""
        seen = self.rooms.peek(live_id)
        return None if seen is None else title_of(seen)


def _encode_page(page: LivePage) -> EncodedRoom:
    return EncodedRoom("", msgspec.json.encode(page), b'"tag"', ())


def _decoded(found: CachedRoom) -> LivePage:
    return msgspec.json.decode(found.room.body, type=LivePage)


async def test_200_clients_cost_one_read_in_each_lifetime() -> None:
    """However many ask for a page, it is read once until it is no longer fresh."""
    world = World()
    for _ in range(3):
        pages = await asyncio.gather(*(world.page() for _ in range(200)))
        assert all(page.total == 2 for page in pages)
        world.clock.now += 1.9
        await world.page()
        world.clock.now += 0.1
    assert world.vendor.asked == [(1, 20)] * 3
    assert world.upstream.reads == []


async def test_each_page_and_size_is_its_own() -> None:
    """Pages of other numbers or sizes are other reads."""
    world = World()
    for _ in range(2):
        for number, size in ((1, 20), (2, 20), (1, 50)):
            await world.page(number, size)
    assert world.vendor.asked == [(1, 20), (2, 20), (1, 50)]


async def test_a_failure_shows_the_last_page() -> None:
    """An expired page is served while the upstream fails, for as long as a room would be."""
    world = World()
    await world.page()
    world.vendor.error = UpstreamError("x")
    world.clock.now += 31
    assert (await world.page()).total == 2
    assert world.results[-1] is LookupResult.STALE_IF_ERROR
    world.clock.now += 1
    with pytest.raises(UpstreamError):
        await world.page()


async def test_rooms_of_a_page_need_no_read() -> None:
    """They are in the cache of rooms, fresh as if they had been read alone."""
    world = World()
    await world.page()
    world.clock.now += 1.9
    assert (world.title("a"), world.title("b")) == ("listed", "listed")
    world.clock.now += 0.1
    assert world.title("a") is None
    assert world.upstream.reads == []


async def test_a_room_does_not_change_with_its_source() -> None:
    """Counts that only the list has are on the page, and not in the room seen alone."""
    world = World()
    page = await world.page()
    seen = world.rooms.peek("a")
    assert seen is not None
    alone = msgspec.json.decode(seen.room.body, type=ViewerRoom)
    assert (page.rooms[0].online_count, alone.online_count, alone.anchor_status) == (7, 0, 0)


async def test_an_eviction_is_not_undone() -> None:
    """A room that is evicted while the page is read stays evicted, and the others are kept."""
    world = World()
    reading = await world.listing()
    await world.rooms.invalidate("a")
    world.vendor.answering.set()
    assert (await reading).total == 2
    assert (world.title("a"), world.title("b")) == (None, "listed")


async def test_a_deleted_room_stays_missing() -> None:
    """A room that turns out to be missing while the page is read is missing after it."""
    world = World()
    reading = await world.listing()
    await world.rooms.mark_missing("a")
    world.vendor.answering.set()
    await reading
    with pytest.raises(RoomNotFound):
        world.rooms.peek("a")


@pytest.mark.parametrize("forget", ["invalidate_all", "regain_touch"])
async def test_an_eviction_of_all_is_not_undone(forget: str) -> None:
    """After evictions that nobody heard, nothing of a page under way is kept."""
    world = World()
    reading = await world.listing()
    done = getattr(world.rooms, forget)()
    if done is not None:
        await done
    world.vendor.answering.set()
    await reading
    assert (world.title("a"), world.title("b")) == (None, None)


async def test_a_read_of_its_own_is_newer() -> None:
    """A room that was read alone after the page was asked for is not replaced by the page's."""
    world = World()
    world.upstream.title = "read alone"
    reading = await world.listing()
    await world.rooms.get("a")
    world.vendor.answering.set()
    await reading
    assert (world.title("a"), world.title("b")) == ("read alone", "listed")


async def test_a_later_page_may_bring_it_again() -> None:
    """Only reads that were under way at the eviction are older than it."""
    world = World()
    await world.rooms.invalidate("a")
    await world.page()
    assert world.title("a") == "listed"


async def test_a_page_agrees_with_recent_writes() -> None:
    """A room that was stopped or deleted just now is left out, whatever a replica lists."""
    world = World()
    world.vendor.page = living("a", "b", "c")
    await world.recent.stopped("a")
    await world.recent.deleted("b")
    page = await world.page()
    assert [room.live_id for room in page.rooms] == ["c"]
    assert page.total == 1
    assert (world.title("a"), world.title("b"), world.title("c")) == (None, None, "listed")


async def test_a_watched_room_hears_of_no_change() -> None:
    """A page that shows a room as it is evicts nothing."""
    world = World()
    evicted: list[str | None] = []
    world.rooms.tell_of_evictions(evicted.append)
    await world.page()
    await settle()
    assert evicted == []

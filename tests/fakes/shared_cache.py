"""Processes that share rooms, each as its own connections and its own memory in one event loop."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO

from gateway.cache import Lifetimes, LocalRoomCache, SharedRooms
from gateway.cache.source import Read
from gateway.metrics import Metrics
from gateway.redis_url import RedisUrl
from gateway.rooms import AnchorRoom, LookupResult
from gateway.shared_store import EvictionChannel, connect
from gateway.telemetry import build_logger
from gateway.traces.lookups import on_span
from tests.fakes.clock import Clock
from tests.fakes.clocked_store import ClockedStore
from tests.fakes.rooms import encode, restore, share_for_all
from tests.waiting import until

_NUMBERS = itertools.count()


def new_prefix() -> str:
    """Return a prefix that no other test has."""
    return f"test{next(_NUMBERS)}"


class Process:
    """A process of many: its cache, its store, and the results of its lookups."""

    def __init__(  # the wiring of a process
        self,
        url: RedisUrl,
        prefix: str,
        clock: Clock,
        read: Read[AnchorRoom],
        lifetimes: Lifetimes,
        rooms_of: type[SharedRooms[AnchorRoom]],
    ) -> None:
        connected = connect(url)
        self.results: list[LookupResult] = []
        self.events = BytesIO()
        self.store = ClockedStore(connected, prefix, clock)
        self.channel = EvictionChannel(
            connected,
            f"{prefix}:evicted",
            clock=asyncio.get_running_loop().time,
            log=build_logger("info", "json", self.events),
        )
        rooms = rooms_of(
            self.store,
            self.channel,
            read,
            encode,
            restore,
            fresh=lifetimes.fresh,
            missing=lifetimes.missing,
            sleep=_a_moment,
        )
        self.cache = LocalRoomCache(
            rooms,
            size=100,
            max_bytes=1 << 20,
            lifetimes=lifetimes,
            share=share_for_all(),
            seconds=60,
            clock=clock,
            report=on_span(self.results.append),
            evictions=Metrics().evictions,
        )


@asynccontextmanager
async def process(  # the wiring of a process
    url: RedisUrl,
    prefix: str,
    clock: Clock,
    read: Read[AnchorRoom],
    lifetimes: Lifetimes,
    rooms_of: type[SharedRooms[AnchorRoom]] = SharedRooms,
) -> AsyncGenerator[Process]:
    """Give a process that hears of evictions; `rooms_of` may be that of another release."""
    made = Process(url, prefix, clock, read, lifetimes, rooms_of)
    following = asyncio.create_task(made.channel.follow(made.cache))
    try:
        await until(lambda: b"subscription_back" in made.events.getvalue())
        yield made
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await made.cache.aclose()
        await made.store.aclose()


async def _a_moment(_: float) -> None:
    """Pause for a millisecond."""
    await asyncio.sleep(0.001)

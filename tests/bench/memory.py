"""The memory of a cached room beyond its encoded body: `python -m tests.bench.memory ROOMS`."""

import asyncio
import gc
import sys
import time
import tracemalloc

from gateway.cache import Lifetimes, LocalRoomCache, UpstreamRooms
from gateway.edge import encode_room
from gateway.metrics import Metrics
from gateway.rooms import Anchor, AnchorRoom, FreshRoom
from gateway.secret import Secret
from tests.fakes.rooms import share_for_all


async def filled(rooms: int) -> tuple[LocalRoomCache, int]:
    """Return a cache with so many rooms, and the bytes of their bodies."""
    lifetimes = Lifetimes(fresh=3600, revalidate=0, error=0, missing=1)
    metrics, bodies = Metrics(), 0

    async def read(live_id: str, _on_sent: object) -> AnchorRoom:
        return _room(live_id)

    cache = LocalRoomCache(
        UpstreamRooms(read, encode_room, lifetimes.fresh),
        size=rooms * 2,
        max_bytes=1 << 30,
        lifetimes=lifetimes,
        share=share_for_all(),
        seconds=60,
        clock=time.monotonic,
        report=metrics.lookups.inc,
        evictions=metrics.evictions,
    )
    for number in range(rooms):
        found = await cache.get(str(1882578996483325952 + number))
        assert isinstance(found, FreshRoom)
        bodies += len(found.cached.room.body)
    return cache, bodies


async def _fill(rooms: int) -> float:
    """Return the bytes of a room beyond its body."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    _cache, bodies = await filled(rooms)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return (after - before - bodies) / rooms


def _room(live_id: str) -> AnchorRoom:
    return AnchorRoom(
        live_id=live_id,
        title="Friday session",
        notice="Starts at eight",
        cover_url="https://example.com/cover.png",
        extends={"season": "2"},
        anchor_info=Anchor("alice", 1882578994683969536, "Alice", "", {"age": "18"}),
        anchor_status=1,
        pk_id="",
        online_count=3,
        start_time=1795367237,
        end_time=None,
        chat_id=1882578996483325953,
        push_url=Secret("rtmp://publish.example.com/live?token=x"),
        hls_url="https://hls.example.com/sandbox/1.m3u8",
        rtmp_url="rtmp://play.example.com/1",
        flv_url="https://flv.example.com/sandbox/1.flv",
        pv=1003,
        uv=934,
        live_status=1,
    )


if __name__ == "__main__":
    print(asyncio.run(_fill(int(sys.argv[1]))))

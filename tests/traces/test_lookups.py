"""What a trace says of room lookups."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Struct
from opentelemetry.trace import SpanKind

from gateway.rooms import (
    CachedRoom,
    EncodedRoom,
    RoomNotFound,
    Source,
    UpstreamTimeout,
)
from gateway.traces.lookups import TracedRoomCache
from tests.traces.recording import Recorder, attributes_of, failed, parent_of

ROOM = EncodedRoom("alice", b"{}", b'"1"')
RESULT = "gateway.cache.result"


class FreshRoom(Struct):
    """As much of a fetched room as is looked at."""

    sighting: CachedRoom


class Cache:
    """A cache that does what it is told to."""

    def __init__(self, seen: Source | Exception | None, *, reading: bool = False) -> None:
        self._seen = seen
        self.reading = reading
        self.asked: list[tuple[str, ...]] = []
        self.failure: BaseException | None = None

    def _answer(self, *asked: str | None) -> Any:
        self.asked.append(tuple(str(each) for each in asked))
        if isinstance(self._seen, Exception):
            raise self._seen
        return self._seen and CachedRoom(ROOM, self._seen, 0)

    def peek(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Answer."""
        answer: CachedRoom | None = self._answer("peek", live_id, reader)
        return answer

    def stale_if_error(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Answer."""
        answer: CachedRoom | None = self._answer("stale_if_error", live_id, reader)
        return answer

    def is_reading(self, live_id: str) -> bool:
        """Answer."""
        assert live_id == "1"
        return self.reading

    async def fetch(self, live_id: str) -> FreshRoom:
        """Answer, or fail."""
        self.asked.append(("fetch", live_id))
        if self.failure is not None:
            raise self.failure
        return FreshRoom(CachedRoom(ROOM, Source.MISS, 2))

    def evict(self, live_id: str) -> None:
        """Note it."""
        self.asked.append(("evict", live_id))

    def mark_missing(self, live_id: str) -> None:
        """Note it."""
        self.asked.append(("mark_missing", live_id))


def within_a_request(
    recorder: Recorder, cache: Cache, work: Callable[[TracedRoomCache], Awaitable[object]]
) -> None:
    """Do `work` with a traced memory while the span of a request is current."""
    stand_in: Any = cache
    memory = TracedRoomCache(stand_in, recorder.tracer)

    async def serve() -> None:
        with recorder.tracer.start_as_current_span("request"):
            await work(memory)

    asyncio.run(serve())


@pytest.mark.parametrize("source", [Source.HIT, Source.STALE])
def test_a_room_from_memory_is_told_by_the_request_s_span(source: Source) -> None:
    """There is no span for what takes a microsecond."""
    recorder, cache = Recorder(), Cache(source)

    async def work(memory: TracedRoomCache) -> None:
        seen = memory.peek("1", "bob")
        assert seen is not None
        assert seen.room is ROOM

    within_a_request(recorder, cache, work)
    assert attributes_of(recorder.span) == {RESULT: source.value}
    assert cache.asked == [("peek", "1", "bob")]


def test_a_known_gap_is_told() -> None:
    """It is no failure."""
    recorder = Recorder()

    async def work(memory: TracedRoomCache) -> None:
        with pytest.raises(RoomNotFound):
            memory.peek("1")

    within_a_request(recorder, Cache(RoomNotFound()), work)
    assert attributes_of(recorder.span) == {RESULT: "unknown"}
    assert not failed(recorder.span)


def test_nothing_in_memory_is_not_told() -> None:
    """What is fetched then is."""
    recorder = Recorder()

    async def work(memory: TracedRoomCache) -> None:
        assert memory.peek("1") is None
        assert memory.stale_if_error("1") is None

    within_a_request(recorder, Cache(None), work)
    assert attributes_of(recorder.span) == {}


@pytest.mark.parametrize(("reading", "result"), [(False, "miss"), (True, "coalesced")])
def test_a_lookup_beyond_memory_has_a_span(result: str, *, reading: bool) -> None:
    """It says whether it began the read, and the request's says the same."""
    recorder, cache = Recorder(), Cache(None, reading=reading)

    async def work(memory: TracedRoomCache) -> None:
        await memory.fetch("1")

    within_a_request(recorder, cache, work)
    lookup, request = recorder.spans
    assert (lookup.name, lookup.kind) == ("room lookup", SpanKind.INTERNAL)
    assert parent_of(lookup) == (
        f"{request.context.trace_id:032x}",
        f"{request.context.span_id:016x}",
    )
    assert attributes_of(lookup) == attributes_of(request) == {RESULT: result}
    assert not failed(lookup)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (RoomNotFound(), None),
        (UpstreamTimeout("canary"), "upstream_timeout"),
        (ZeroDivisionError("canary"), "ZeroDivisionError"),
        (asyncio.CancelledError("canary"), None),
    ],
)
def test_a_lookup_that_fails(failure: BaseException, error: str | None) -> None:
    """A problem goes by its code, a bug by its type; a client that leaves is neither."""
    recorder, cache = Recorder(), Cache(Source.STALE)
    cache.failure = failure

    async def work(memory: TracedRoomCache) -> None:
        with pytest.raises(type(failure)):
            await memory.fetch("1")

    within_a_request(recorder, cache, work)
    lookup, request = recorder.spans
    assert failed(lookup) is (error is not None)
    assert attributes_of(lookup).get("error.type") == error
    assert attributes_of(lookup)[RESULT] == "miss"
    assert attributes_of(request) == {}
    assert not lookup.events
    assert lookup.status.description is None


def test_a_stale_room_that_came_to_the_rescue_is_told() -> None:
    """The request was answered from memory in the end."""
    recorder, cache = Recorder(), Cache(Source.STALE)

    async def work(memory: TracedRoomCache) -> None:
        assert memory.stale_if_error("1", "bob") is not None

    within_a_request(recorder, cache, work)
    assert attributes_of(recorder.span) == {RESULT: "stale_if_error"}
    assert cache.asked == [("stale_if_error", "1", "bob")]


@pytest.mark.parametrize(("second", "told"), [(Source.HIT, "hit"), (Source.STALE, "mixed")])
def test_a_batch_of_different_results_is_mixed(second: Source, told: str) -> None:
    """It has one span, and rooms that were had in one way each."""
    recorder = Recorder()

    async def work(memory: TracedRoomCache) -> None:
        memory.peek("1")
        other: Any = Cache(second)
        TracedRoomCache(other, recorder.tracer).peek("2")

    within_a_request(recorder, Cache(Source.HIT), work)
    assert attributes_of(recorder.span) == {RESULT: told}


def test_what_is_written_goes_through() -> None:
    """Evictions need no span."""
    recorder, cache = Recorder(), Cache(None)

    async def work(memory: TracedRoomCache) -> None:
        memory.evict("1")
        memory.mark_missing("2")

    within_a_request(recorder, cache, work)
    assert cache.asked == [("evict", "1"), ("mark_missing", "2")]


def test_without_a_recorded_request_nothing_is_noted() -> None:
    """A request that is not sampled, or none at all."""
    stand_in: Any = Cache(Source.HIT)
    assert TracedRoomCache(stand_in, Recorder().tracer).peek("1") is not None

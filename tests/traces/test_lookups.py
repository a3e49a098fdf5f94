"""Spans of room lookups: the cache's result on each, and failures."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from opentelemetry.trace import SpanKind

from gateway.rooms import (
    CachedRoom,
    CurrentRoom,
    FreshRoom,
    LookupResult,
    RoomNotFound,
    UpstreamTimeout,
)
from gateway.traces.lookups import TracedRoomCache, on_span
from tests.fakes.rooms import cached_of, room_of
from tests.traces.recording import Recorder, attributes_of, failed, parent_of

RESULT = "gateway.cache.result"
ROOM = room_of()
IN_MEMORY = (LookupResult.HIT, LookupResult.STALE)


class Cache:
    """A cache whose lookups have the `result`, or fail after it."""

    def __init__(self, result: LookupResult, failure: BaseException | None = None) -> None:
        self.result = result
        self.failure = failure
        self.calls: list[str] = []
        self.reported: list[LookupResult] = []
        self._report = on_span(self.reported.append)

    def peek(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Return a room if it is in memory."""
        self.calls.append(f"peek {live_id} {user_id} {viewer_shape}")
        if self.result is LookupResult.MISSING:
            self._report(self.result)
            raise RoomNotFound
        if self.result not in IN_MEMORY:
            return None
        self._report(self.result)
        return cached_of(ROOM, self.result)

    async def find(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | None:
        """Record the call."""
        self.calls.append(f"find {live_id} {user_id} {viewer_shape}")
        return None

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room that is not in memory."""
        self.calls.append(f"get {live_id} {user_id} {viewer_shape}")
        self._report(self.result)
        if self.failure is not None:
            raise self.failure
        cached = cached_of(ROOM, self.result)
        return cached if self.result is LookupResult.STALE_IF_ERROR else FreshRoom(ROOM, cached)

    async def latest(self, live_id: str) -> CurrentRoom:
        """Record the call."""
        self.calls.append(f"latest {live_id}")
        return CurrentRoom(cached_of(ROOM).room, 2)

    async def invalidate(self, live_id: str) -> None:
        """Record the call."""
        self.calls.append(f"invalidate {live_id}")

    async def mark_missing(self, live_id: str) -> None:
        """Record the call."""
        self.calls.append(f"mark_missing {live_id}")


def within_a_request(
    recorder: Recorder, cache: Cache, work: Callable[[TracedRoomCache], Awaitable[object]]
) -> None:
    """Do `work` with a traced cache while the span of a request is current."""

    async def serve() -> None:
        with recorder.tracer.start_as_current_span("request"):
            await work(TracedRoomCache(cache, recorder.tracer))

    asyncio.run(serve())


@pytest.mark.parametrize("result", IN_MEMORY)
def test_a_room_in_memory_has_no_span(result: LookupResult) -> None:
    """A lookup in memory sets its result on the request's span, by `peek` and by `get`."""
    recorder, cache = Recorder(), Cache(result)

    async def work(traced: TracedRoomCache) -> None:
        assert traced.peek("1", "bob") == await traced.get("1", "bob")

    within_a_request(recorder, cache, work)
    assert attributes_of(recorder.span) == {RESULT: result.value}
    assert cache.calls == ["peek 1 bob False"] * 2


def test_a_missing_room_is_no_failure() -> None:
    """A room known to be missing sets the result, and neither span nor request failed."""
    recorder = Recorder()

    async def work(traced: TracedRoomCache) -> None:
        with pytest.raises(RoomNotFound):
            await traced.get("1")

    within_a_request(recorder, Cache(LookupResult.MISSING), work)
    assert attributes_of(recorder.span) == {RESULT: "missing"}
    assert not failed(recorder.span)


def test_an_empty_peek_sets_nothing() -> None:
    """A `peek` without a room is no lookup."""
    recorder = Recorder()

    async def work(traced: TracedRoomCache) -> None:
        assert traced.peek("1") is None

    within_a_request(recorder, Cache(LookupResult.MISS), work)
    assert attributes_of(recorder.span) == {}


@pytest.mark.parametrize("result", ["miss", "coalesced", "stale_if_error", "bypass"])
def test_a_lookup_beyond_memory_has_a_span(result: str) -> None:
    """The lookup's span and the request's have the cache's result, whatever it is."""
    recorder, cache = Recorder(), Cache(LookupResult(result))

    async def work(traced: TracedRoomCache) -> None:
        await traced.get("1", "bob")

    within_a_request(recorder, cache, work)
    lookup, request = recorder.spans
    assert (lookup.name, lookup.kind) == ("room lookup", SpanKind.INTERNAL)
    assert parent_of(lookup) == (
        f"{request.context.trace_id:032x}",
        f"{request.context.span_id:016x}",
    )
    assert attributes_of(lookup) == attributes_of(request) == {RESULT: result}
    assert not failed(lookup)
    assert cache.calls == ["peek 1 bob False", "get 1 bob False"]
    assert cache.reported == [result]


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
    """A failure has the error's code or type; a missing room or a cancellation is no failure."""
    recorder, cache = Recorder(), Cache(LookupResult.MISS, failure)

    async def work(traced: TracedRoomCache) -> None:
        with pytest.raises(type(failure)):
            await traced.get("1")

    within_a_request(recorder, cache, work)
    lookup, request = recorder.spans
    assert failed(lookup) is (error is not None)
    assert attributes_of(lookup).get("error.type") == error
    assert attributes_of(lookup)[RESULT] == "miss"
    assert attributes_of(request) == {RESULT: "miss"}
    assert not lookup.events
    assert lookup.status.description is None


@pytest.mark.parametrize(
    ("second", "seen"),
    [(LookupResult.HIT, "hit"), (LookupResult.STALE, "mixed"), (LookupResult.MISS, "mixed")],
)
def test_a_request_with_different_results_is_mixed(second: LookupResult, seen: str) -> None:
    """A request, such as a batch, has one result: that of all its lookups, or `mixed`."""
    recorder, cache = Recorder(), Cache(LookupResult.HIT)

    async def work(traced: TracedRoomCache) -> None:
        await traced.get("1")
        cache.result = second
        await traced.get("2")
        cache.result = LookupResult.HIT
        await traced.get("3")

    within_a_request(recorder, cache, work)
    request = recorder.spans[-1]
    assert attributes_of(request) == {RESULT: seen}


def test_a_lookup_may_outlive_its_request(caplog: pytest.LogCaptureFixture) -> None:
    """A lookup that a batch has given up sets nothing on a span that has ended."""
    recorder, cache = Recorder(), Cache(LookupResult.HIT)

    async def serve() -> None:
        with recorder.tracer.start_as_current_span("request", end_on_exit=False) as request:
            request.end()
            await TracedRoomCache(cache, recorder.tracer).get("1")

    asyncio.run(serve())
    assert attributes_of(recorder.span) == {}
    assert caplog.records == []  # the SDK warns of attributes that come too late
    assert cache.reported == [LookupResult.HIT]


def test_writes_have_no_span() -> None:
    """Invalidations go to the cache as they are."""
    recorder, cache = Recorder(), Cache(LookupResult.MISS)

    async def work(traced: TracedRoomCache) -> None:
        await traced.invalidate("1")
        await traced.mark_missing("2")

    within_a_request(recorder, cache, work)
    assert cache.calls == ["invalidate 1", "mark_missing 2"]
    assert len(recorder.spans) == 1


def test_results_are_reported_without_a_span() -> None:
    """A request that is not sampled, or none at all, still has its lookups counted."""
    cache = Cache(LookupResult.HIT)
    assert TracedRoomCache(cache, Recorder().tracer).peek("1") is not None
    assert cache.reported == [LookupResult.HIT]

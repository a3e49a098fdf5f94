"""Room lookups: an INTERNAL span around each that memory alone cannot answer, and what came of it.

`gateway.cache.result` says how a room was had: `hit`, `stale`, `unknown` (remembered not to exist),
`miss`, `coalesced` (with a read that another lookup had begun) or `stale_if_error`. The span of a
request has it as well, so that requests answered from memory can be told from others without a span
more; for a batch whose rooms were had in different ways it is `mixed`.

A read that several share is part of the trace of the request that began it.
"""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Tracer, get_current_span

from gateway.cache import LocalRoomCache
from gateway.rooms import CachedRoom, FreshRoom, GatewayError, RoomNotFound

from .failure import fail

_RESULT = "gateway.cache.result"


class TracedRoomCache:
    """The memory of `gateway.rooms`, in `cache`."""

    def __init__(self, cache: LocalRoomCache, tracer: Tracer) -> None:
        self._cache = cache
        self._tracer = tracer
        self.evict = cache.evict
        self.mark_missing = cache.mark_missing

    def peek(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Do what the cache does, and note the result."""
        try:
            seen = self._cache.peek(live_id, reader)
        except RoomNotFound:
            _note("unknown")
            raise
        if seen is not None:
            _note(seen.source.value)
        return seen

    async def fetch(self, live_id: str) -> FreshRoom:
        """Do what the cache does, within a span."""
        result = "coalesced" if self._cache.is_reading(live_id) else "miss"
        with self._tracer.start_as_current_span(
            "room lookup",
            attributes={_RESULT: result},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                fetched = await self._cache.fetch(live_id)
            except RoomNotFound:
                raise
            except GatewayError as error:
                fail(span, error.code)
                raise
            except Exception as error:
                fail(span, type(error).__name__)
                raise
        _note(result)
        return fetched

    def stale_if_error(self, live_id: str, reader: str | None = None) -> CachedRoom | None:
        """Do what the cache does, and note the result."""
        seen = self._cache.stale_if_error(live_id, reader)
        if seen is not None:
            _note("stale_if_error")
        return seen


def _note(result: str) -> None:
    span = get_current_span()
    if isinstance(span, ReadableSpan) and span.is_recording():
        before = (span.attributes or {}).get(_RESULT, result)
        span.set_attribute(_RESULT, result if result == before else "mixed")

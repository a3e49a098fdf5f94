"""INTERNAL spans around the room lookups that memory cannot answer, and the result of every lookup.

`gateway.cache.result` is the cache's `LookupResult`. It is on the span of the lookup and on the
request's: a lookup in memory has no span of its own. A request with different results, such as a
batch, has `mixed`. A read that several lookups share is in the trace of the request that began it.
"""

from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, Tracer, get_current_span

from gateway.rooms import CachedRoom, FreshRoom, GatewayError, LookupResult, RoomCache, RoomNotFound

from .failure import fail

_RESULT = "gateway.cache.result"

Report = Callable[[LookupResult], None]


def on_span(report: Report) -> Report:
    """Return `report` so that it also sets the result on the current span."""

    def reported(result: LookupResult) -> None:
        report(result)
        _set(get_current_span(), result.value)

    return reported


class TracedRoomCache:
    """`cache` with spans, for a cache that reports its results `on_span`."""

    def __init__(self, cache: RoomCache, tracer: Tracer) -> None:
        self._cache = cache
        self._tracer = tracer
        self.peek = cache.peek
        self.find = cache.find
        self.latest = cache.latest
        self.invalidate = cache.invalidate
        self.mark_missing = cache.mark_missing

    async def get(
        self, live_id: str, user_id: str | None = None, *, viewer_shape: bool = False
    ) -> CachedRoom | FreshRoom:
        """Return a room from memory, or from `cache` within a span."""
        seen = self.peek(live_id, user_id, viewer_shape=viewer_shape)
        if seen is not None:
            return seen
        request = get_current_span()
        with self._tracer.start_as_current_span(
            "room lookup", record_exception=False, set_status_on_exception=False
        ) as lookup:
            try:
                return await self._cache.get(live_id, user_id, viewer_shape=viewer_shape)
            except RoomNotFound:
                raise
            except GatewayError as error:
                fail(lookup, error.code)
                raise
            except Exception as error:
                fail(lookup, type(error).__name__)
                raise
            finally:
                _set(request, _result_of(lookup))


def _set(span: Span, result: str | None) -> None:
    if result is not None and span.is_recording():  # a request of a slow batch may have ended
        mixed = _result_of(span) not in {None, result}
        span.set_attribute(_RESULT, "mixed" if mixed else result)


def _result_of(span: Span) -> str | None:
    attributes = span.attributes if isinstance(span, ReadableSpan) else None
    result = (attributes or {}).get(_RESULT)
    return None if result is None else str(result)

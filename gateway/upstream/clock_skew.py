"""The difference between this clock and the upstream's, learnt from the `Date` of its replies.

`Date` has whole seconds and is as old as the reply, so less than two seconds are no difference.
"""

from collections.abc import Callable

from .call import Call, Send
from .http_date import parse_http_date
from .reply import Reply

_NOTICEABLE = 2


def skew_of(date: str | None, now: float) -> int | None:
    """Return `now`, epoch seconds, minus a `Date`, in whole seconds; None without a usable one."""
    upstreams = parse_http_date(date or "", now)
    return None if upstreams is None else round(now - upstreams)


class ClockSkew:
    """The clock skew as the latest reply shows it; `clock` has epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._latest: str | None = None
        self._seconds = 0

    def __call__(self) -> float:
        """Return this clock minus the upstream's, in seconds; 0 if unknown or hardly noticeable."""
        return self._seconds if abs(self._seconds) >= _NOTICEABLE else 0

    def learn(self, date: str | None) -> None:
        """Take the `Date` of a reply that has just come; one already seen is skipped."""
        if date == self._latest:
            return
        self._latest = date
        skew = skew_of(date, self._clock())
        if skew is not None:
            self._seconds = skew


def with_clock_skew(skew: ClockSkew, send: Send) -> Send:
    """Return `send` with `skew` learning from each reply."""

    async def learning(call: Call) -> Reply:
        reply = await send(call)
        skew.learn(reply.headers.get("date"))
        return reply

    return learning

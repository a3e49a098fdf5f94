"""The clock skew, learnt from the `Date` of replies."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Call, ClockSkew, Reply
from gateway.upstream.clock_skew import skew_of, with_clock_skew
from tests.fakes.clock import Clock

DATE, AT = "Sun, 22 Nov 2026 12:00:00 GMT", 1795348800.0


@pytest.mark.parametrize(("now", "skew"), [(AT, 0), (AT + 7.2, 7), (AT - 3600, -3600)])
def test_the_skew_is_this_clock_minus_the_upstreams(now: float, skew: int) -> None:
    """A clock ahead of the upstream's has a positive skew."""
    assert skew_of(DATE, now) == skew


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Sun, 99 Nov 2026 12:00:00 GMT", DATE + " " * 40, "9" * 30]
)
def test_an_unusable_date_has_no_skew(date: str | None) -> None:
    """A missing, wrong or overlong date tells nothing."""
    assert skew_of(date, AT) is None


@given(st.text(max_size=50))
def test_no_date_raises(date: str) -> None:
    """Any text gives a number or nothing."""
    skew_of(date, AT)


def test_the_latest_date_counts() -> None:
    """The skew is unknown, so none, at first; then that of the latest usable date."""
    clock = Clock(AT)
    skew = ClockSkew(clock)
    assert skew() == 0
    clock.now += 60
    skew.learn(DATE)
    assert skew() == 60
    clock.now += 100
    skew.learn(DATE)
    skew.learn(None)
    skew.learn("soon")
    assert skew() == 60
    skew.learn("Sun, 22 Nov 2026 12:02:41 GMT")
    assert skew() == 0


@pytest.mark.parametrize(("ahead", "skew"), [(0.9, 0), (1.4, 0), (2, 2), (-1, 0), (-2, -2)])
def test_less_than_two_seconds_are_none(ahead: float, skew: int) -> None:
    """`Date` is too coarse for a smaller difference."""
    clock = Clock(AT + ahead)
    learnt = ClockSkew(clock)
    learnt.learn(DATE)
    assert learnt() == skew


async def test_every_reply_teaches() -> None:
    """The step passes the reply on, refused or not, and has read its date."""
    clock = Clock(AT + 30)
    skew = ClockSkew(clock)
    reply = Reply(500, httpx.Headers({"Date": DATE}), b"")

    async def send(_: Call) -> Reply:
        return reply

    assert await with_clock_skew(skew, send)(Call("GET", "/", 0)) is reply
    assert skew() == 30

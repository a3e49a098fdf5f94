"""The check of the upstream's time zone by the answers to creates."""

from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from gateway.rooms import AnchorRoom, NewRoom
from gateway.secret import Secret
from gateway.upstream import TimezoneCheck
from gateway.upstream.timezone import hours_off
from tests.fakes.rooms import room_of

START = datetime(2026, 12, 2, 3, 11, 11, 400_000, tzinfo=UTC)
EXPIRY = START + timedelta(hours=3)
ASKED = NewRoom(anchor_id="alice", title="t", start_at=START, publish_expire_at=EXPIRY)
PLAIN = NewRoom(anchor_id="alice", title="t")


def made(
    start: float | None = 0, expiry: float | None = 0, url: str = "rtmp://h/a?e={}&token=x:y"
) -> AnchorRoom:
    """Return a room whose times differ by so many hours; None for unset."""
    at = None if start is None else int(START.timestamp() + start * 3600)
    end = "" if expiry is None else int(EXPIRY.timestamp() + expiry * 3600)
    return structs.replace(room_of(), start_time=at, push_url=Secret(url.format(end)))


@pytest.mark.parametrize(
    ("room", "hours"),
    [
        (made(), None),
        (made(8, 8), 8),
        (made(-8, -8), -8),
        (made(8, 0), 8),
        (made(None, 8), 8),
        (made(None, 9, "rtmp://h/a?token=x&e={}"), 9),
        (made(8 + 4 / 3600, 0), 8),
        (made(8 + 10 / 3600, 0), None),
        (made(0.5, 0.5), None),
        (made(4 / 3600, -4 / 3600), None),
        (made(None, None), None),
        (made(None, 8, "rtmp://h/a?none={}"), None),
        (made(None, 8, "rtmp://h/a?e={}0000"), None),
        (made(None, 8, "{}"), None),
    ],
)
def test_whole_hours_are_suspect(room: AnchorRoom, hours: int | None) -> None:
    """A difference of whole hours, within five seconds, is found in either time."""
    assert hours_off(ASKED, room) == hours


def test_what_was_not_asked_for_is_not_compared() -> None:
    """A default of the upstream's is no difference."""
    assert hours_off(PLAIN, made(8, 8)) is None


def test_the_warning_comes_once_and_without_the_secret() -> None:
    """A process warns of a suspect zone once, with the hours and without any of `push_url`."""
    log = CapturingLogger()
    check = TimezoneCheck(ZoneInfo("Asia/Shanghai"), cast("FilteringBoundLogger", log))
    check(ASKED, made())
    assert log.calls == []
    check(ASKED, made(8, 8))
    check(ASKED, made(8, 8))
    [call] = log.calls
    assert (call.method_name, call.args) == ("warning", ("upstream_timezone_suspect",))
    assert (call.kwargs["hours"], call.kwargs["zone"]) == (8, "Asia/Shanghai")
    assert "GATEWAY_UPSTREAM_TIMEZONE" in call.kwargs["advice"]
    assert "token" not in repr(call)

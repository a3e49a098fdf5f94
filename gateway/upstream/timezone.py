"""The time zone of the times sent upstream, checked against what the upstream makes of them.

A create is answered with the planned `start_time`, and with the end of publishing as `e=` in
`push_url`. A difference of whole hours from what was asked is a wrong `GATEWAY_UPSTREAM_TIMEZONE`.
"""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from structlog.typing import FilteringBoundLogger

from gateway.rooms import AnchorRoom, NewRoom
from gateway.secret import Secret

_HOUR = 3600
_TOLERANCE = 5
_EXPIRY = re.compile("[?&]e=([0-9]{1,11})(?:&|$)")


def hours_off(asked: NewRoom, made: AnchorRoom) -> int | None:
    """Return the whole hours by which a time of `made` differs from the one asked for, or None."""
    for difference in _differences(asked, made):
        hours = round(difference / _HOUR)
        if hours and abs(difference - hours * _HOUR) <= _TOLERANCE:
            return hours
    return None


def _differences(asked: NewRoom, made: AnchorRoom) -> Iterator[float]:
    if asked.start_at is not None and made.start_time is not None:
        yield made.start_time - asked.start_at.timestamp()
    expiry = _expiry(made.push_url)
    if asked.publish_expire_at is not None and expiry is not None:
        yield expiry - asked.publish_expire_at.timestamp()


def _expiry(push_url: Secret) -> int | None:
    found = _EXPIRY.search(push_url.reveal())
    return int(found[1]) if found else None


class TimezoneCheck:
    """Warns once of a `zone` that is probably not the upstream's."""

    def __init__(self, zone: ZoneInfo, log: FilteringBoundLogger) -> None:
        self._zone = zone
        self._log = log
        self._warned = False

    def __call__(self, asked: NewRoom, made: AnchorRoom) -> None:
        """Compare a room with what was asked for."""
        if self._warned or (hours := hours_off(asked, made)) is None:
            return
        self._warned = True
        self._log.warning(
            "upstream_timezone_suspect",
            hours=hours,
            zone=self._zone.key,
            advice="set GATEWAY_UPSTREAM_TIMEZONE to the zone of the upstream's build",
        )

"""HTTP dates, in the three forms of RFC 9110 §5.6.7.

Each form has a fixed length but for the name of a weekday, so any text is decided in bounded time.
"""

import re
from datetime import UTC, datetime

_SHORT, _LONG = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Mon|Tues|Wednes|Thurs|Fri|Satur|Sun"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY, _YEAR = "(?P<day>[0-9]{2})", "(?P<year>[0-9]{4})"
_FORMS = tuple(
    map(
        re.compile,
        (
            f"(?:{_SHORT}), {_DAY} {_MONTH} {_YEAR} {_TIME} GMT",
            f"(?:{_LONG})day, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
            f"(?:{_SHORT}) {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} {_YEAR}",
        ),
    )
)
_CENTURY, _AHEAD = 100, 50
_YEARS = range(1970, 9999)
"""Of dates that arithmetic with a clock can take without leaving the calendar."""


def parse_http_date(text: str, now: float) -> float | None:
    """Return the epoch seconds of an HTTP date; None for any other text.

    `now`, in epoch seconds, gives the century of a year of two digits: it is at most 50 years
    ahead.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        return None
    names = ("day", "hour", "minute", "second")
    day, hour, minute, second = (int(found[name]) for name in names)
    month, year = _MONTHS.index(found["month"]) + 1, _whole_year(found["year"], now)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() if year in _YEARS else None


def _whole_year(digits: str, now: float) -> int:
    year = int(digits)
    if len(digits) > len("99"):
        return year
    latest = datetime.fromtimestamp(now, UTC).year + _AHEAD
    return latest - (latest - year) % _CENTURY

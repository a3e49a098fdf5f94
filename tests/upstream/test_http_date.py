"""HTTP dates of the upstream."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.http_date import parse_http_date

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        ("Sun Nov  6 08:49:37 1994", (1994, 11, 6, 8, 49, 37)),
        ("Sun Nov 16 08:49:37 1994", (1994, 11, 16, 8, 49, 37)),
        ("Friday, 01-Jan-27 00:00:00 GMT", (2027, 1, 1)),
        ("Friday, 01-Jan-77 00:00:00 GMT", (2077, 1, 1)),
        ("Friday, 01-Jan-78 00:00:00 GMT", (1978, 1, 1)),
        ("Tue, 29 Feb 2028 00:00:00 GMT", (2028, 2, 29)),
        ("Fri, 31 Dec 9998 23:59:59 GMT", (9998, 12, 31, 23, 59, 59)),
    ],
)
def test_the_three_forms(text: str, moment: tuple[int, int, int]) -> None:
    """Each form is read; two digits of a year mean one that is at most 50 years ahead."""
    assert parse_http_date(text, NOW) == datetime(*moment, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "1794528000", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994"),
        *("Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 UTC", "06 Nov 1994 08:49"),
        *("Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 08:49:37 GMT\n", "Sun Nov 6 1994"),
        *("Sun, 99 Nov 2026 12:00:00 GMT", "Sun, 29 Feb 2026 12:00:00 GMT"),
        *("Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 23:59:60 GMT"),
        *("Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT"),
        *("Sun, 06 Nov 9999 08:49:37 GMT", "Sun, ٠٦ Nov 1994 08:49:37 GMT"),
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    """Any other text is no date, and neither is one that a clock cannot be compared with."""
    assert parse_http_date(text, NOW) is None


@given(st.text() | st.text("SunFriday, 0123456789-Nov:GMT", max_size=40))
def test_any_text_is_decided(text: str) -> None:
    """Any text is a date or none, never an exception."""
    found = parse_http_date(text, NOW)
    assert found is None or len(text) <= len("Wednesday, 06-Nov-94 08:49:37 GMT")


@given(st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)))  # noqa: DTZ001  # wants naive ones
def test_every_date_is_read(naive: datetime) -> None:
    """A date as servers write it is read to the second."""
    moment = naive.replace(microsecond=0, tzinfo=UTC)
    assert parse_http_date(format_datetime(moment, usegmt=True), NOW) == moment.timestamp()

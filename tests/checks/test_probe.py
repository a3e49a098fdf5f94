"""The probe of `gateway check`: one signed read."""

import asyncio
import string
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks.probe import Probe, probe
from gateway.upstream import Call, Reply
from gateway.upstream.faults import DeadlineExceeded, Fault, NotSent
from tests.live.fault_server import ROOM, enveloped

NOW = 1_800_000_000.25  # 2027-01-15 08:00:00 UTC
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
UNKNOWN = enveloped(code=500, message="record not found")
DRIVER = "dial tcp 127.0.0.1:3306: connect: connection refused"
LEGACY_UNKNOWN = enveloped(code=500, message="create live failed")


async def probed(
    outcome: Reply | Fault, sent: list[Call] | None = None, users: Reply | Fault | None = None
) -> Probe:
    """Return the probe of an upstream that ends so, after a quarter of a second.

    `users` is the answer to a look-up of users, a good one if nothing is said.
    """
    ticks: Iterator[float] = iter([10.0, 10.25, 10.5])

    async def send(call: Call) -> Reply:
        if sent is not None:
            sent.append(call)
        about_users = call.path.startswith("/server/user/infos?user_ids=")
        answered = (users or answer(200, enveloped([]))) if about_users else outcome
        if isinstance(answered, Fault):
            raise answered
        return answered

    return await probe(send, 3, timer=lambda: next(ticks), clock=lambda: NOW)


def answer(status: int, body: bytes, date: str | None = DATE) -> Reply:
    """Return a JSON reply with this Date, or none."""
    headers = {"Content-Type": "application/json"} | ({} if date is None else {"Date": date})
    return Reply(status, httpx.Headers(headers), body)


async def test_it_reads_a_room_that_cannot_exist() -> None:
    """The probe is one GET of an id that no room has, but that reaches the signature check."""
    sent: list[Call] = []
    await probed(answer(500, UNKNOWN), sent)
    (call,) = sent
    assert (call.method, call.path) == ("GET", "/server/live/gateway-check")
    assert call.request_id


@pytest.mark.parametrize(
    ("status", "body"), [(500, UNKNOWN), (200, LEGACY_UNKNOWN), (200, enveloped(ROOM))]
)
async def test_accepted(status: int, body: bytes) -> None:
    """An unknown room in either dialect, or even a room, means that the signature was accepted."""
    assert await probed(answer(status, body)) == Probe(None, 0.25, 0)


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (401, enveloped(code=401, message="Unauthorized"), "the upstream refused our credentials"),
        (200, enveloped(code=401), "the upstream refused our credentials"),
        (401, b"", "HTTP 401 without a usable envelope"),
        (200, b"<html>", "HTTP 200 without a usable envelope"),
        (500, enveloped(), "HTTP 500 with the code of a success"),
        (500, enveloped(code=500, message=DRIVER), "the upstream answered HTTP 500, code 500"),
        (500, enveloped(code=602), "the upstream answered HTTP 500, code 602"),
    ],
)
async def test_not_accepted(status: int, body: bytes, problem: str) -> None:
    """Any other reply is a problem, reported with the clock skew."""
    assert await probed(answer(status, body)) == Probe(problem, 0.25, 0)


@pytest.mark.parametrize(
    ("status", "body", "users"),
    [
        (200, LEGACY_UNKNOWN, (404, enveloped(code=500, message="Internal error"))),
        (500, enveloped(code=500, message=DRIVER), (500, enveloped(code=500))),
    ],
    ids=["legacy", "documented"],
)
async def test_a_dead_database_is_a_problem(
    status: int, body: bytes, users: tuple[int, bytes]
) -> None:
    """`legacy` says of an unknown room what it says without a database: one look-up tells."""
    sent: list[Call] = []
    told = await probed(answer(status, body), sent, answer(*users))
    assert told == Probe("the upstream's database is down", 0.25, 0)
    assert len(sent) == 2


async def test_a_look_up_without_a_reply_is_a_problem() -> None:
    """An upstream that does not answer the look-up is not fine."""
    told = await probed(answer(200, LEGACY_UNKNOWN), users=DeadlineExceeded("late"))
    assert told.problem == "no reply: late"


@pytest.mark.parametrize("fault", [NotSent("connection error"), DeadlineExceeded("late")])
async def test_no_reply(fault: Fault) -> None:
    """A fault is reported with its latency, and without a clock skew."""
    assert await probed(fault) == Probe(f"no reply: {fault}", 0.25)


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        (DATE, 0),
        ("Fri, 15 Jan 2027 07:58:30 GMT", 90),
        ("Fri, 15 Jan 2027 08:01:00 GMT", -60),
        ("Friday, 15-Jan-27 08:00:00 GMT", 0),
        ("Fri, 15 Jan 2027 16:00:00 +0800", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Fri, 32 Jan 2027 08:00:00 GMT", None),
        ("Fri, 15 Jan 2027 08:00:00 +99999999", None),
        (f"Fri, {10**30} Jan 2027 08:00:00 GMT", None),
        ("Fri, 15 Jan 2027 08:00:00 +" + "9" * 20, None),
    ],
)
async def test_clock_skew(date: str | None, skew: int | None) -> None:
    """The skew is this clock minus the upstream's, in whole seconds; None without a usable Date."""
    assert (await probed(answer(500, UNKNOWN, date))).clock_skew == skew


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; a*=x; a*0=y",
        f"application/json; a*{'9' * 4400}=x",
        "\udc80",
        '"' * 60_000,
    ],
)
async def test_an_odd_type_is_a_problem(content_type: str) -> None:
    """An unreadable media type is reported, and does not end the check."""
    headers = httpx.Headers([(b"Content-Type", content_type.encode(errors="surrogateescape"))])
    told = await probed(Reply(200, headers, enveloped(ROOM)))
    assert told.problem in {None, "HTTP 200 without a usable envelope"}
    assert (told.problem is None) == ("a*=x" in content_type)


WORDS = st.sampled_from([*DATE.split(" "), "-0000", "0", "99", ",", "9" * 20])


@given(st.text(string.printable) | st.lists(WORDS).map(" ".join))
def test_no_date_breaks_the_probe(date: str) -> None:
    """Any text as the upstream's Date gives a number or None."""
    told = asyncio.run(probed(answer(500, UNKNOWN, date)))
    assert told.problem is None
    assert isinstance(told.clock_skew, int | None)

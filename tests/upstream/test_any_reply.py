"""Whatever an upstream replies, a call ends in a result or in an error of the domain."""

from typing import Any

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rooms import AnchorRoom, GatewayError, OutcomeUnknown
from gateway.upstream import Call, ClockSkew, Reply
from gateway.upstream.clock_skew import with_clock_skew
from gateway.upstream.retry import RetryBudget, with_retry
from tests.live.fault_server import ROOM, enveloped
from tests.upstream.test_client import CALLS, Upstream

PIECES = st.sampled_from(
    [
        *(
            "application/json",
            "text/plain",
            "; ",
            "charset=",
            "utf-8",
            "a*=x",
            "a*0=y",
            '"',
            "\\",
            ",",
        ),
        *(
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "9" * 5_000,
            "-1",
            "\xff",
        ),
    ]
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Date", "Retry-After", "Content-Encoding", "X-Reqid"]),
        st.lists(PIECES, max_size=6).map("".join) | st.text(st.characters(max_codepoint=255)),
    ),
    max_size=6,
)
VALUES = st.sampled_from(
    [
        b"null",
        b"-1",
        b"1.5",
        b"9" * 400,
        b"9" * 5_000,
        b'"\\ud83d"',
        b'"\xff"',
        b"[]",
        b"{}",
        b"NaN",
    ]
)
GOOD = enveloped(ROOM)
FIELDS = st.sampled_from([b'"%b":' % name.encode() for name in (*ROOM, "code", "message", "data")])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a good body, one with an odd value, a part of one, or any bytes."""
    begin, field, rest = GOOD.partition(draw(FIELDS))
    odd = begin + field + draw(VALUES) + b',"x":' + rest
    cut = GOOD[: draw(st.integers(0, len(GOOD)))]
    return draw(st.sampled_from([GOOD, odd, cut]) | st.binary(max_size=40))


async def no_pause(_: float) -> None:
    """Go on at once."""


@example("create", 200, [("Content-Type", "application/json; a*=x; a*0=y")], GOOD)
@given(
    operation=st.sampled_from([*CALLS]),
    status=st.sampled_from([200, 200, 204, 302, 401, 429, 500, 503, 999]),
    headers=HEADERS,
    body=bodies(),
)
async def test_any_reply(
    operation: str, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    """A call ends in a result or an error; after an unreadable success a create is not known."""
    raw: Any = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    reply = Reply(status, httpx.Headers(raw), body)

    async def send(_: Call) -> Reply:
        return reply

    skew = ClockSkew(lambda: 1_800_000_000.0)
    retried = with_retry(RetryBudget(), send, sleep=no_pause)
    upstream = Upstream(send=with_clock_skew(skew, retried))
    try:
        outcome = await CALLS[operation](upstream.client)
    except GatewayError as error:
        outcome = error
    if operation == "create":
        unreadable = 200 <= status < 300 and reply.envelope is None
        assert isinstance(outcome, OutcomeUnknown if unreadable else AnchorRoom | GatewayError)
    assert abs(skew()) < 300 * 10**9

"""The calls of the vendor's client API: tokens, results, and what goes over the wire."""

from io import BytesIO

import pytest

from gateway.metrics import Metrics
from gateway.rooms import (
    NotRoomAnchor,
    OutcomeUnknown,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
    UpstreamTimeout,
)
from gateway.telemetry import build_logger
from gateway.upstream import READER, Call, QliveClientApi
from gateway.upstream.dialects import VendorTokenRefused
from gateway.upstream.faults import DeadlineExceeded, NotSent
from tests.fakes.clock import Clock
from tests.live.fault_server import answering, enveloped, reply, room, serving
from tests.telemetry.counts import nonzero
from tests.upstream.scripted import sending
from tests.upstream.test_client import Outcome, Upstream, success

NOW = 1_800_000_000.0
SKEW = 100.0
REFUSED = 401, enveloped(code=401, message="Unauthorized")
EXPIRED = 401, enveloped(code=499, message="Your token is expired")
NOT_IN_ROOM = 500, enveloped(code=500, message="user not in live room")
LEGACY_FAILED = 500, enveloped(code=500, message="heartbeat failed")
LIVING = success({"live_id": "1", "live_status": 1})
"""The answer to a heartbeat."""


def gives(text: str = "t1", seconds: int = 3600) -> Outcome:
    """Return an answer with a token."""
    return success({"access_token": text, "expires_at": int(NOW - SKEW) + seconds})


class Api:
    """The client API over scripted outcomes."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.upstream = Upstream(*outcomes)
        self.clock = Clock()
        self.api = QliveClientApi(
            self.upstream.client,
            "my-app",
            skew=lambda: SKEW,
            log=self.upstream.client._log,  # noqa: SLF001  # the same lines
            clock=self.clock,
            now=lambda: NOW,
        )

    @property
    def sent(self) -> list[tuple[str, str, str | None]]:
        """Return method, path and token of each call, tokens asked for by their user alone."""
        return [(each.method, _short(each), _text(each)) for each in self.upstream.calls]


def _short(call: Call) -> str:
    path, _, query = call.path.partition("?")
    is_token = path == "/server/auth/token"
    return query.partition("user_id=")[2].partition("&")[0] if is_token else call.path


def _text(call: Call) -> str | None:
    return None if call.token is None else call.token.reveal()


ALICES = ("GET", "alice", None)
START = "/client/live/room/1"
BEAT = "/client/live/room/heartbeat/1"
JOIN = "/client/live/room/user/1"


async def test_a_start() -> None:
    """A token for the anchor is asked for by a signed call, and sent with the start."""
    api = Api(gives(), success(room("1")))
    await api.api.start("1", "alice")
    assert api.sent == [ALICES, ("PUT", START, "t1")]
    assert api.upstream.calls[0].path == (
        "/server/auth/token?app_id=my-app&user_id=alice&device_id=live-room-gateway"
        "&expires_at=1800003500"  # an hour from now by the vendor's clock
    )


async def test_a_token_is_used_again() -> None:
    """The next call of the same user needs no other."""
    api = Api(gives(), success(), LIVING)
    await api.api.start("1", "alice")
    assert await api.api.heartbeat("1", "alice") == 1
    assert api.sent == [ALICES, ("PUT", START, "t1"), ("GET", BEAT, "t1")]


@pytest.mark.parametrize("refusal", [REFUSED, EXPIRED])
async def test_a_refused_token_is_asked_for_once_more(refusal: Outcome) -> None:
    """The call is made again with the other token, and counted as refused before."""
    api = Api(gives(), refusal, gives("t2"), success())
    await api.api.start("1", "alice")
    assert api.sent == [ALICES, ("PUT", START, "t1"), ALICES, ("PUT", START, "t2")]
    assert nonzero(api.upstream.block, Metrics.upstream_calls) == {
        ("token", "ok"): 2,
        ("start", "token_refused"): 1,
        ("start", "ok"): 1,
    }


async def test_a_second_refusal_is_final() -> None:
    """The client is told of an upstream error, and the start certainly did not happen."""
    api = Api(gives(), REFUSED, gives("t2"), REFUSED)
    with pytest.raises(VendorTokenRefused) as caught:
        await api.api.start("1", "alice")
    assert caught.value.sent is False
    assert "credentials_refused" not in api.upstream.logged


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (DeadlineExceeded("late"), UpstreamTimeout),
        (NotSent("refused"), UpstreamError),
        ((401, enveloped(code=401, message="Unauthorized")), UpstreamError),
        ((200, enveloped({"access_token": ""})), UpstreamError),
        ((500, enveloped(code=500, message="Internal error")), UpstreamError),
    ],
)
async def test_without_a_token_nothing_is_started(
    outcome: Outcome, error: type[UpstreamError]
) -> None:
    """A failure at the token says that the start was not sent."""
    api = Api(outcome)
    with pytest.raises(error) as caught:
        await api.api.start("1", "alice")
    assert caught.value.sent is False
    assert api.sent == [ALICES]


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ((500, enveloped(code=500, message="live status error")), RoomEnded),
        ((500, enveloped(code=500, message="user not anchor")), NotRoomAnchor),
        ((500, enveloped(code=500, message="record not found")), RoomNotFound),
        ((500, enveloped(code=500, message="start live failed")), OutcomeUnknown),
        (DeadlineExceeded("late"), OutcomeUnknown),
        (NotSent("refused"), UpstreamError),
    ],
)
async def test_a_failed_start(outcome: Outcome, error: type[Exception]) -> None:
    """A start is sent once, whatever comes of it."""
    api = Api(gives(), outcome)
    with pytest.raises(error) as caught:
        await api.api.start("1", "alice")
    assert type(caught.value) is error
    assert api.sent == [ALICES, ("PUT", START, "t1")]


@pytest.mark.parametrize("refusal", [NOT_IN_ROOM, LEGACY_FAILED])
async def test_a_forgotten_anchor_joins_again(refusal: Outcome) -> None:
    """The vendor forgets who is in a room after 20 s; joining does not begin the room anew."""
    api = Api(gives(), refusal, success(room("1")), LIVING)
    assert await api.api.heartbeat("1", "alice") == 1
    assert [each[:2] for each in api.sent[1:]] == [("GET", BEAT), ("POST", JOIN), ("GET", BEAT)]


async def test_an_anchor_who_cannot_join() -> None:
    """After a second refusal the room counts as not living."""
    api = Api(gives(), NOT_IN_ROOM, success(room("1")), NOT_IN_ROOM)
    with pytest.raises(RoomNotLive):
        await api.api.heartbeat("1", "alice")


@pytest.mark.parametrize("data", [None, [], {"live_status": "1"}, {}])
async def test_a_heartbeat_with_an_odd_answer(data: object) -> None:
    """Without the room's state it is an upstream error."""
    with pytest.raises(UpstreamError):
        await Api(gives(), success(data)).api.heartbeat("1", "alice")


async def test_a_page_of_living_rooms() -> None:
    """It is read in the name of the gateway's own user; odd fields and repeats are logged."""
    odd = {**room("2"), "notice": "canary", "title": None}
    api = Api(gives(), success({"total_count": 30, "list": [room("1"), odd, {}]}))
    sent: list[str] = []
    page = await api.api.living(1, 20, lambda: sent.append("sent"))
    assert [each.live_id for each in page.rooms] == ["1", "2"]
    assert (page.total, page.next_page) == (30, 2)
    [token, call] = api.upstream.calls
    assert f"user_id={READER}&" in token.path
    assert call.path == "/client/live/room/list?page_num=1&page_size=20&live_status=1"
    assert not call.for_write
    events = {line["event"]: line for line in api.upstream.lines}
    assert events["room_repaired"]["fields"] == ["title"]
    assert events["push_url_repeated"]["fields"] == ["notice"]
    assert events["live_rooms_unreadable"]["count"] == 1
    assert "canary" not in api.upstream.logged


async def test_the_token_is_sent_raw_and_unsigned() -> None:
    """`Authorization` has the token as it is, and a start tells its length of nothing."""
    async with serving(answering(reply(enveloped()))) as server, sending(server.url) as send:
        upstream = Upstream(send=send)
        api = QliveClientApi(
            upstream.client,
            "my-app",
            skew=lambda: 0.0,
            log=build_logger("info", "json", BytesIO()),
            clock=Clock(),
        )
        server.script = answering(reply(enveloped({"access_token": "a/b+c=", "expires_at": 0})))
        await api.start("1", "alice")
    token, start = server.received
    assert token.header("authorization").startswith("Qiniu ")
    assert start.header("authorization") == "a/b+c="
    assert (start.method, start.header("content-length")) == ("PUT", "0")
    assert start.target == START

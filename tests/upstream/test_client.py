"""The vendor's four calls: results, errors, metrics and log lines."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from gateway.metrics import Metrics
from gateway.rooms import (
    AnchorNotRegistered,
    AnchorRoom,
    ClientGone,
    GatewayError,
    NewRoom,
    OutcomeUnknown,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
    UpstreamFailure,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.telemetry import RequestContext, SharedMetrics, UpstreamCall, build_logger, families
from gateway.upstream import Call, QliveClient, Reply, Send
from gateway.upstream.dialects import CredentialsRefused
from gateway.upstream.faults import Broken, DeadlineExceeded, Fault, NotSent
from gateway.upstream.wire import encode_create
from tests.live.fault_server import PUSH_URL, ROOM, enveloped
from tests.telemetry.counts import nonzero, nonzero_series

TIMEOUT = 3.0
ZONE = ZoneInfo("Asia/Shanghai")
NEW_ROOM = NewRoom(anchor_id="alice", title="Friday")
SECRET_WORDS = "words of the upstream"

Outcome = tuple[int, bytes] | Fault | asyncio.CancelledError
Make = Callable[[QliveClient], Awaitable[object]]

CALLS: dict[str, Make] = {
    "create": lambda client: client.create(NEW_ROOM, "req-1"),
    "read": lambda client: client.read("1"),
    "stop": lambda client: client.stop("1"),
    "delete": lambda client: client.delete("1"),
}
ALREADY = 400, enveloped(code=10001, message="Already existed")
INTERNAL = 500, enveloped(code=500, message="Internal error")


class Upstream:
    """A client over a scripted `Send`, or another one; calls and log lines are kept."""

    def __init__(self, *outcomes: Outcome, send: Send | None = None) -> None:
        self.request = RequestContext("req-1")
        self.request.enter()
        self._outcomes = list(outcomes)
        self._log = BytesIO()
        self.calls: list[Call] = []
        log = build_logger("debug", "json", self._log)
        self.block = SharedMetrics(families(Metrics))
        metrics = Metrics(self.block)
        self.client = QliveClient(
            send or self._send,
            timeout=TIMEOUT,
            zone=ZONE,
            log=log,
            calls=metrics.upstream_calls,
            duration=metrics.upstream_duration,
            repeats=metrics.push_url_repeats,
        )

    async def _send(self, call: Call) -> Reply:
        self.calls.append(call)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        status, body = outcome
        return Reply(status, httpx.Headers({"Content-Type": "application/json"}), body)

    @property
    def logged(self) -> str:
        """Return all that was logged, as text."""
        return self._log.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines."""
        return [msgspec.json.decode(line) for line in self.logged.splitlines()]


def success(room: object = None) -> Outcome:
    """Return a success with `room` as its data."""
    return 200, enveloped(room)


REQUESTS = [
    ("create", "POST", "/server/live", encode_create(NEW_ROOM, ZONE)),
    ("read", "GET", "/server/live/1", b""),
    ("stop", "POST", "/server/live/1/stop", b""),
    ("delete", "DELETE", "/server/live/1", b""),
]


@pytest.mark.parametrize(("name", "method", "path", "body"), REQUESTS)
async def test_calls(name: str, method: str, path: str, body: bytes) -> None:
    """Each operation is one call, with the request's id and the whole timeout ahead."""
    upstream = Upstream(success(ROOM))
    await CALLS[name](upstream.client)
    (call,) = upstream.calls
    assert (call.method, call.path, call.body) == (method, path, body)
    assert (call.request_id, call.attempts) == ("req-1", 0)
    assert 0 < call.time_left() <= TIMEOUT


@pytest.mark.parametrize("name", ["create", "read"])
async def test_rooms_are_returned_whole(name: str) -> None:
    """Create and read give the room with its `push_url`, and log nothing."""
    upstream = Upstream(success(ROOM))
    room = await CALLS[name](upstream.client)
    assert isinstance(room, AnchorRoom)
    assert (room.live_id, room.anchor_info.user_id) == ("1", "alice")
    assert room.push_url.reveal() == PUSH_URL
    assert upstream.logged == ""


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (DeadlineExceeded("late"), "own-1"),
        ((200, b'{"code":500,"request_id":"not one"}'), "own-1"),
        ((200, b'{"code":500,"request_id":"up-1"}'), "up-1"),
    ],
)
async def test_the_id_of_a_create_is_known_without_a_reply(outcome: Outcome, told: str) -> None:
    """The log has the id that the create was sent with, beside the request's, if no other came."""
    upstream = Upstream(outcome)
    with pytest.raises(OutcomeUnknown):
        await upstream.client.create(NEW_ROOM, "own-1")
    assert upstream.calls[0].request_id == "own-1"
    [line] = upstream.lines
    assert (line["request_id"], line["upstream_request_id"]) == ("req-1", told)
    assert [each.request_id for each in upstream.request.calls] == [told]


async def test_a_create_that_is_called_off_counts_as_abandoned() -> None:
    """The call knows whom to ask before it is sent, and what that raises passes as it is."""
    upstream = Upstream()

    def gone() -> None:
        raise ClientGone

    async def about_to_send(call: Call) -> Reply:
        assert call.on_sent is gone
        call.on_sent()
        raise AssertionError

    upstream.client._send = about_to_send  # noqa: SLF001  # in place of the pipeline
    with pytest.raises(ClientGone):
        await upstream.client.create(NEW_ROOM, "req-1", gone)
    assert nonzero(upstream.block, Metrics.upstream_calls) == {("create", "abandoned"): 1}
    assert upstream.logged == ""


@pytest.mark.parametrize("name", ["stop", "delete"])
@pytest.mark.parametrize("body", [b'{"code":0}', enveloped(), enveloped(ROOM), enveloped([1])])
async def test_stop_and_delete_need_no_data(name: str, body: bytes) -> None:
    """A stop or delete succeeds with any `data`, or none."""
    assert await CALLS[name](Upstream((200, body)).client) is None


async def test_a_create_names_its_own_room() -> None:
    """The id of a new room is the upstream's to choose."""
    room = await Upstream(success(ROOM | {"live_id": "77"})).client.create(NEW_ROOM, "req-1")
    assert room.live_id == "77"


UNUSABLE = [success(), success({}), success([ROOM]), success(ROOM | {"live_id": "a/b"})]

ERRORS: list[tuple[str, Outcome, type[GatewayError], str]] = [
    ("read", success(ROOM | {"live_id": "2"}), UpstreamError, "failing"),
    *[("read", outcome, UpstreamError, "failing") for outcome in UNUSABLE],
    *[("create", outcome, OutcomeUnknown, "failing") for outcome in UNUSABLE],
    (
        "create",
        success(ROOM | {"anchor_info": {"user_id": "bob"}}),
        OutcomeUnknown,
        "failing",
    ),
    ("read", DeadlineExceeded("late"), UpstreamTimeout, "failing"),
    ("read", Broken("cut"), UpstreamError, "failing"),
    ("read", NotSent("refused"), UpstreamError, "failing"),
    *[
        (name, DeadlineExceeded("late"), OutcomeUnknown, "failing")
        for name in ("create", "stop", "delete")
    ],
    *[(name, NotSent("no"), UpstreamError, "failing") for name in ("create", "stop", "delete")],
    *[(name, (503, b""), OutcomeUnknown, "failing") for name in ("create", "stop", "delete")],
    *[(name, (401, enveloped(code=401)), CredentialsRefused, "failing") for name in CALLS],
    ("create", (404, enveloped(code=404)), AnchorNotRegistered, "ok"),
    *[
        (name, (500, enveloped(code=500, message="record not found")), RoomNotFound, "ok")
        for name in ("read", "stop", "delete")
    ],
    ("stop", (500, enveloped(code=501, message="live status error")), RoomNotLive, "ok"),
]


@pytest.mark.parametrize(("name", "outcome", "error", "state"), ERRORS)
async def test_errors(name: str, outcome: Outcome, error: type[GatewayError], state: str) -> None:
    """Each failure is the error its call documents, one line in the log and one more counted."""
    upstream = Upstream(outcome)
    with pytest.raises(error) as caught:
        await CALLS[name](upstream.client)
    assert type(caught.value) is error
    assert len(upstream.calls) == 1
    assert upstream.client.state == state
    *before, line = upstream.lines
    assert len(before) == (error is CredentialsRefused)
    assert line["level"] == ("warning" if state == "failing" else "debug")
    assert (line["operation"], line["problem"]) == (name, error.code)
    assert line["request_id"] == "req-1"
    kind = "credentials_refused" if error is CredentialsRefused else error.code
    calls = nonzero(upstream.block, Metrics.upstream_calls)
    assert calls == {(name, kind): 1}


async def test_refused_credentials_are_told_once_and_so_is_their_end() -> None:
    """Refused credentials are logged once, not per call, and once when accepted again."""
    refused = (401, enveloped(code=401))
    upstream = Upstream(refused, refused, Broken("cut"), refused, success(ROOM), success(ROOM))
    for _ in range(6):
        with suppress(GatewayError):
            await upstream.client.read("1")
    told = [each for each in upstream.lines if each["event"].startswith("credentials")]
    assert [(each["event"], each["level"]) for each in told] == [
        ("credentials_refused", "error"),
        ("credentials_accepted", "info"),
    ]


async def test_a_call_is_noted_for_the_request_that_made_it() -> None:
    """The upstream's code and request id are noted, and nothing without a reply."""
    upstream = Upstream(success(ROOM), (500, enveloped(code=602)), Broken("cut"))
    for _ in range(3):
        with suppress(GatewayError):
            await upstream.client.read("1")
    replies = UpstreamCall(0, "up-1"), UpstreamCall(602, "up-1"), UpstreamCall(None, None)
    assert upstream.request.calls == replies


async def test_a_call_takes_as_long_as_it_takes() -> None:
    """The duration of every call is observed by operation, cancelled calls included."""
    upstream = Upstream(success(ROOM), asyncio.CancelledError())
    await upstream.client.delete("1")
    with pytest.raises(asyncio.CancelledError):
        await upstream.client.delete("1")
    (series,) = nonzero_series(upstream.block, Metrics.upstream_duration).items()
    assert series[0] == ("delete",)
    assert sum(series[1][1:]) == 2
    assert nonzero(upstream.block, Metrics.upstream_calls) == {
        ("delete", "ok"): 1,
        ("delete", "abandoned"): 1,
    }


async def test_state_follows_the_last_call() -> None:
    """The state is `untried` at first, then `ok` or `failing`; a business refusal is `ok`."""
    upstream = Upstream(
        Broken("cut"),
        success(ROOM),
        DeadlineExceeded("late"),
        (500, enveloped(code=404)),
        (500, b""),
    )
    states = [upstream.client.state]
    for _ in range(5):
        with suppress(GatewayError):
            await upstream.client.read("1")
        states.append(upstream.client.state)
    assert states == ["untried", "failing", "ok", "failing", "ok", "failing"]


@pytest.mark.parametrize("name", CALLS)
async def test_a_refusal_is_logged_by_code_and_request_id(name: str) -> None:
    """The upstream's code and request id are logged; its message is neither logged nor raised."""
    upstream = Upstream((500, enveloped(code=602, message=SECRET_WORDS)))
    with pytest.raises(UpstreamFailure) as caught:
        await CALLS[name](upstream.client)
    (line,) = upstream.lines
    assert (line["upstream_code"], line["upstream_request_id"]) == (602, "up-1")
    assert SECRET_WORDS not in f"{upstream.logged} {caught.value!r}"


@pytest.mark.parametrize("name", ["create", "read"])
@pytest.mark.parametrize(
    "changes",
    [
        {"live_id": "2/"},
        {"push_url": [PUSH_URL]},
        {"title": 1},
        {"title": PUSH_URL},
        {"extends": {PUSH_URL: 1}},
        {"anchor_info": PUSH_URL},
    ],
)
async def test_no_push_url_is_logged(name: str, changes: dict[str, object]) -> None:
    """A room that is unusable, repaired or repeats its key is logged without any of its content."""
    upstream = Upstream((200, enveloped(ROOM | changes, message=SECRET_WORDS)))
    shown = ""
    try:
        await CALLS[name](upstream.client)
    except GatewayError as error:
        shown = f"{error!r} {error.__cause__!r}"
    assert upstream.lines
    shown += upstream.logged
    assert "canary" not in shown
    assert SECRET_WORDS not in shown


@pytest.mark.parametrize("name", ["create", "read"])
async def test_odd_fields_are_logged_by_name(name: str) -> None:
    """Repaired fields are a warning, repeats of the key an error and one more counted."""
    upstream = Upstream(success(ROOM | {"title": 7, "notice": PUSH_URL}))
    await CALLS[name](upstream.client)
    shared = {"request_id": "req-1", "live_id": "1"}
    told = [
        {key: each for key, each in line.items() if key != "timestamp"} for line in upstream.lines
    ]
    assert told == [
        {"event": "room_repaired", "level": "warning", "fields": ["title"], **shared},
        {"event": "push_url_repeated", "level": "error", "fields": ["notice"], **shared},
    ]
    assert nonzero(upstream.block, Metrics.push_url_repeats) == {(): 1}


async def test_the_cause_of_an_error_is_kept() -> None:
    """A fault is the `__cause__` of its error, for tracebacks."""
    fault = Broken("cut")
    with pytest.raises(UpstreamError) as caught:
        await Upstream(fault).client.read("1")
    assert caught.value.__cause__ is fault


def users(*user_ids: object) -> Outcome:
    """Return the answer to a look-up of users, with all that the vendor says of them."""
    return success([{"user_id": each, "nick": "n", "im_userid": 1} for each in user_ids])


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (users("alice"), "alice"),
        (users("ALICE", "alice"), "alice"),
        (users("ALICE"), None),
        (users("al\u00efce"), None),
        (users(), None),
        (success(None), None),
        ((200, enveloped([], code=200)), None),
    ],
)
async def test_a_user_is_found_by_the_exact_id(answer: Outcome, found: str | None) -> None:
    """The vendor finds other spellings as well: those are not the user."""
    assert await Upstream(answer).client.find_user("alice") == found


@pytest.mark.parametrize(
    ("user_id", "query"),
    [
        ("alice", "alice"),
        ("a&user_ids=b", "a%26user_ids%3Db"),
        ("spiffe://x/y?z#+%", "spiffe%3A%2F%2Fx%2Fy%3Fz%23%2B%25"),
        ("王", "%E7%8E%8B"),
    ],
)
async def test_any_user_id_can_be_looked_up(user_id: str, query: str) -> None:
    """The id is percent-encoded in the query, whatever its characters."""
    upstream = Upstream(users(user_id))
    assert await upstream.client.find_user(user_id) == user_id
    (call,) = upstream.calls
    assert (call.method, call.path) == ("GET", f"/server/user/infos?user_ids={query}")


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ((404, enveloped(code=500, message="Internal error")), UpstreamError),
        (success({"user_id": "alice"}), UpstreamError),
        (users(7), UpstreamError),
        (DeadlineExceeded("late"), UpstreamTimeout),
    ],
)
async def test_a_look_up_that_fails(outcome: Outcome, error: type[GatewayError]) -> None:
    """A look-up without a usable answer is a failed read, and never "no such user"."""
    with pytest.raises(error):
        await Upstream(outcome).client.find_user("alice")


async def test_a_registration() -> None:
    """A registration is one POST with the id, the nick and the avatar."""
    upstream = Upstream((200, enveloped(code=0, message="success")))
    await upstream.client.register("alice", "Alice", "https://a.test/a.png")
    (call,) = upstream.calls
    assert (call.method, call.path) == ("POST", "/server/user/register")
    assert msgspec.json.decode(call.body) == {
        "user_id": "alice",
        "nick": "Alice",
        "avatar": "https://a.test/a.png",
    }


@pytest.mark.parametrize(
    "outcomes",
    [
        (ALREADY, users("alice")),
        (ALREADY, users("ALICE", "alice")),
        (ALREADY, users()),  # a replica that lags
        (INTERNAL, users("alice")),
    ],
)
async def test_a_user_registered_already(outcomes: tuple[Outcome, ...]) -> None:
    """A second registration is as good as the first, in both dialects."""
    await Upstream(*outcomes).client.register("alice", "", "")


@pytest.mark.parametrize(
    ("outcomes", "error"),
    [
        ((ALREADY, users("ALICE")), AnchorNotRegistered),
        ((INTERNAL, users("ALICE")), AnchorNotRegistered),
        ((INTERNAL, users()), UpstreamError),
        ((INTERNAL, INTERNAL), UpstreamError),
        ((DeadlineExceeded("late"),), UpstreamTimeout),
    ],
)
async def test_a_registration_that_fails(
    outcomes: tuple[Outcome, ...], error: type[GatewayError]
) -> None:
    """Another spelling's user is not this user; without an exact one the failure stands."""
    with pytest.raises(error):
        await Upstream(*outcomes).client.register("alice", "", "")


async def test_a_busy_upstream_is_a_warning() -> None:
    """A 429 or 503 is logged as a failure, and not like a call that was not sent."""
    upstream = Upstream((429, b""))
    with pytest.raises(UpstreamUnavailable):
        await upstream.client.read("1")
    (line,) = upstream.lines
    assert (line["level"], line["problem"]) == ("warning", "upstream_unavailable")

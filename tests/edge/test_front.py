"""The outer layer: what every response has, whatever answers it."""

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.edge import Cors
from gateway.edge.answers import Answer
from gateway.edge.exchange import exchange_of
from gateway.edge.front import Front
from gateway.edge.in_flight import InFlight
from gateway.edge.incoming import MAX_BODY
from gateway.edge.outgoing import Outgoing
from gateway.edge.paths import ROOM
from gateway.edge.problems import BodyTooLarge
from gateway.edge.recorder import Recorder
from gateway.metrics import Metrics
from gateway.rooms import ClientGone, RoomNotFound
from gateway.telemetry import AccessLog, SharedMetrics, as_json, build_logger, families
from tests.telemetry.counts import nonzero, nonzero_series

Message = dict[str, Any]
SECRET = "canary-51ab"


async def not_taken(*_request: Any) -> None:
    """Leave every request to the application."""


class Exchange:
    """One request through a Front: its messages, its log lines and what the app was given."""

    def __init__(
        self,
        app: Any,
        *,
        fast_path: Any = not_taken,
        hit: Any = lambda *_: None,
        access_log: bool = True,
        cors: Cors | None = None,
    ) -> None:
        self.sent: list[Message] = []
        self.scope: Message = {}
        self.block = SharedMetrics(families(Metrics))
        self._log = io.BytesIO()
        self.in_flight = InFlight(1)
        metrics = Metrics(self.block)
        recorder = Recorder(
            metrics.http_requests,
            metrics.http_duration,
            metrics.http_problems,
            metrics.replays,
            AccessLog(as_json(self._log), caller_id=str.upper) if access_log else None,
            build_logger("debug", "json", self._log),
        )
        self._front = Front(
            app,
            fast_path,
            self.in_flight,
            Outgoing(),
            recorder,
            cors=cors,
            new_id=lambda: "made-up",
            hit=hit,
            timer=iter([1.0, 1.5]).__next__,
        )

    def run(
        self,
        *headers: tuple[bytes, bytes],
        method: str = "GET",
        body: Sequence[bytes] = (b"",),
    ) -> "Exchange":
        """Send one request whose body comes in the given parts."""
        incoming = [
            {"type": "http.request", "body": part, "more_body": place < len(body) - 1}
            for place, part in enumerate(body)
        ]

        async def receive() -> Message:
            if not incoming:
                await asyncio.Event().wait()  # as long as the client stays
            return incoming.pop(0)

        async def send(message: Message) -> None:
            self.sent.append(message)

        self.scope = {
            "type": "http",
            "method": method,
            "path": f"/{SECRET}",
            "query_string": f"q={SECRET}".encode(),
            "headers": [*headers, (b"authorization", f"Bearer {SECRET}".encode())],
        }
        front: Any = self._front
        asyncio.run(front(self.scope, receive, send))
        return self

    @property
    def status(self) -> int:
        """The status that was sent."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers that were sent; fails where one was sent twice."""
        names = [name for name, _ in self.sent[0]["headers"]]
        assert len(names) == len(set(names))
        return dict(self.sent[0]["headers"])

    @property
    def problem(self) -> Any:
        """The body that was sent."""
        return json.loads(self.sent[1]["body"])

    @property
    def log(self) -> list[Any]:
        """The lines that were logged."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]


async def fine(scope: Any, _receive: Any, send: Any) -> None:
    """Answer 200 with the request's id."""
    body = exchange_of(scope).request_id.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def failing(error: Exception) -> Callable[[Any, Any, Any], Any]:
    """Return an application that raises `error` before it answers."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise error

    return app


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, then answer."""
    while (await receive())["more_body"]:
        pass
    await fine(scope, receive, send)


@pytest.mark.parametrize("given", [b"a", b"A-z_0.9", b"x" * 64])
def test_a_wellformed_request_id_is_kept(given: bytes) -> None:
    """The client's id comes back, and the application sees the same."""
    exchange = Exchange(fine).run((b"x-request-id", given))
    assert exchange.headers[b"x-request-id"] == given == exchange.sent[1]["body"]


@pytest.mark.parametrize(
    "given",
    [[], [b""], [b"x" * 65], [b"a b"], [b"a\n"], [b"a\xff"], [b"a/b"], [b"\xc3\xa9"], [b"a", b"b"]],
)
def test_another_request_id_is_replaced(given: list[bytes]) -> None:
    """A missing, ill-formed or repeated id gives way to a new one."""
    exchange = Exchange(fine).run(*((b"x-request-id", value) for value in given))
    assert exchange.headers[b"x-request-id"] == b"made-up" == exchange.sent[1]["body"]


@pytest.mark.parametrize("app", [fine, failing(RoomNotFound()), failing(ValueError())])
def test_every_response_has_the_same_headers(app: Any) -> None:
    """The id and `nosniff` stand once on a success, a refusal and a failure."""
    headers = Exchange(app).run().headers
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-request-id"] == b"made-up"


def test_an_unexpected_exception_shows_nothing() -> None:
    """A 500 has the id and nothing of the cause, which is in the log instead."""
    exchange = Exchange(failing(ValueError("boom-9c"))).run()
    assert exchange.status == 500
    assert exchange.problem["code"] == "internal_error"
    assert exchange.problem["request_id"] == "made-up"
    assert "boom-9c" not in str(exchange.sent)
    assert "boom-9c" in str(exchange.log[0])
    assert exchange.log[0]["request_id"] == "made-up"


def test_a_tracebacks_frames_show_no_values() -> None:
    """The variables of a failing function are not logged."""
    exchange = Exchange(failing(ValueError())).run()
    assert "exception" in exchange.log[0]
    assert SECRET not in json.dumps(exchange.log)


def test_an_escaped_refusal_is_rendered() -> None:
    """An error of the domain that nothing caught is still its own problem."""
    exchange = Exchange(failing(RoomNotFound())).run()
    assert (exchange.status, exchange.problem["code"]) == (404, "room_not_found")


def test_an_exception_after_the_start_is_the_servers() -> None:
    """A response that has begun cannot become another; the server must cut it off."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        Exchange(app).run()


def test_a_refusal_after_the_start_ends_the_response() -> None:
    """A bad body beside an answer that has begun is the client's fault, and no error of ours."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise BodyTooLarge

    exchange = Exchange(app).run()
    assert [each["type"] for each in exchange.sent] == ["http.response.start"]
    assert [line["event"] for line in exchange.log] == ["request"]
    assert nonzero(exchange.block, Metrics.http_problems) == {("body_too_large",): 1}


def test_the_fast_path_comes_first() -> None:
    """A request it answers never reaches the application, and looks the same from outside."""

    async def fast_path(*_request: Any) -> Answer:
        return Answer(200, ((b"etag", b'"x"'),), b"fast")

    exchange = Exchange(failing(ValueError()), fast_path=fast_path).run()
    assert (exchange.status, exchange.sent[1]["body"]) == (200, b"fast")
    assert exchange.headers[b"x-request-id"] == b"made-up"
    assert exchange.headers[b"x-content-type-options"] == b"nosniff"
    assert [line["event"] for line in exchange.log] == ["request"]


def test_a_hit_comes_before_all_else() -> None:
    """A room in memory is sent as it is, and recorded as any read of a room."""

    def hit(_path: str, _headers: object, more: Any) -> tuple[Answer, str]:
        return Answer(200, ((b"etag", b'"x"'), *more), b"fast", "hit"), "bob"

    exchange = Exchange(failing(ValueError()), hit=hit).run((b"x-request-id", b"mine"))
    assert (exchange.status, exchange.sent[1]["body"]) == (200, b"fast")
    assert exchange.headers[b"x-request-id"] == b"mine"
    (line,) = exchange.log
    assert (line["route"], line["status"], line["milliseconds"]) == (ROOM, 200, 500)
    assert (line["request_id"], line["caller"], line["cache"]) == ("mine", "BOB", "hit")
    assert nonzero(exchange.block, Metrics.http_requests) == {(ROOM, "GET", "200"): 1}
    assert exchange.in_flight.count == 0


@pytest.mark.parametrize(
    ("busy", "method", "headers"),
    [
        (True, "GET", ()),
        (False, "HEAD", ()),
        (False, "GET", ((b"x", b"1"), (b"x", b"2"))),
        (False, "GET", tuple((b"x%d" % number, b"") for number in range(64))),
    ],
)
def test_an_odd_request_is_no_hit(
    busy: bool,  # noqa: FBT001  # one of several parameters
    method: str,
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    """Without a free place, with repeated or many headers, memory is not asked."""
    asked: list[Any] = []
    exchange = Exchange(fine, hit=lambda *request: asked.append(request))
    if busy:
        exchange.in_flight.enter("another")
    exchange.run(*headers, method=method)
    refused = busy or len(headers) > 2
    assert (exchange.status >= 400) == refused
    assert asked == []


def test_a_fault_of_the_hit_fails_no_request() -> None:
    """An unforeseen error is logged with its traceback, and the usual way answers."""

    def hit(*_request: Any) -> None:
        raise ValueError("unforeseen")

    exchange = Exchange(fine, hit=hit).run()
    assert exchange.status < 400
    failed, _ = exchange.log
    assert (failed["event"], failed["request_id"]) == ("request_failed", "made-up")
    assert "unforeseen" in str(failed)


def test_a_refusal_of_the_fast_path_is_rendered() -> None:
    """The fast path may also say that there is no such room."""

    async def fast_path(*_request: Any) -> Answer:
        raise RoomNotFound

    exchange = Exchange(fine, fast_path=fast_path).run()
    assert (exchange.status, exchange.problem["code"]) == (404, "room_not_found")


def test_head_is_routed_as_get() -> None:
    """The application sees GET; the log keeps what was asked."""
    exchange = Exchange(fine).run(method="HEAD")
    assert exchange.scope["method"] == "GET"
    assert exchange.log[-1]["method"] == "HEAD"


@pytest.mark.parametrize(
    "body", [[b""], [b"x" * MAX_BODY], [b"x" * 1000] * 65, [b"x"] * 100, [b"", b"", b"x"]]
)
def test_bodies_within_the_cap_are_read(body: list[bytes]) -> None:
    """64 KiB may come in, in one part or in many."""
    assert Exchange(reading).run(method="POST", body=body).status == 200


@pytest.mark.parametrize(
    "body", [[b"x" * (MAX_BODY + 1)], [b"x" * MAX_BODY, b"x"], [b"x" * 1000] * 66]
)
def test_bodies_over_the_cap_are_refused(body: list[bytes]) -> None:
    """One byte more is 413, also where no length was announced."""
    exchange = Exchange(reading).run(method="POST", body=body)
    assert (exchange.status, exchange.problem["code"]) == (413, "body_too_large")


def test_one_line_a_request_without_its_secrets() -> None:
    """The access line has the route and not the path, query, token or body."""
    [line] = Exchange(reading).run(method="POST", body=[SECRET.encode()]).log
    del line["timestamp"]
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "made-up",
        "method": "POST",
        "route": "unmatched",
        "status": 200,
        "milliseconds": 500.0,
    }


def test_the_access_log_can_be_off() -> None:
    """Off, a good request leaves no line."""
    assert Exchange(fine, access_log=False).run().log == []


APP = (b"origin", b"https://app.example.com")
CORS = Cors([APP[1].decode()], credentials=False)


@pytest.mark.parametrize("app", [fine, failing(RoomNotFound()), failing(ValueError())])
def test_every_response_says_who_may_read_it(app: Any) -> None:
    """A success, a refusal and a failure alike, even where the cause is ours."""
    headers = Exchange(app, cors=CORS).run(APP).headers
    assert headers[b"access-control-allow-origin"] == APP[1]
    assert headers[b"vary"] == b"Origin"
    assert b"access-control-allow-origin" not in Exchange(app, cors=CORS).run().headers


def test_a_preflight_is_answered_here() -> None:
    """It reaches neither the fast path nor the application, and is logged like any request."""

    async def fast_path(*_request: Any) -> Answer:
        raise AssertionError

    exchange = Exchange(failing(ValueError()), fast_path=fast_path, cors=CORS)
    exchange.run(APP, (b"access-control-request-method", b"GET"), method="OPTIONS")
    assert exchange.status == 204
    assert exchange.headers[b"x-request-id"] == b"made-up"
    [line] = exchange.log
    assert (line["method"], line["status"]) == ("OPTIONS", 204)


@pytest.mark.parametrize(
    ("app", "method", "labels", "problem"),
    [
        (fine, "GET", ("unmatched", "GET", "200"), None),
        (fine, "HEAD", ("unmatched", "HEAD", "200"), None),
        (fine, "BREW", ("unmatched", "other", "200"), None),
        (failing(RoomNotFound()), "GET", ("unmatched", "GET", "404"), "room_not_found"),
        (failing(ValueError()), "POST", ("unmatched", "POST", "500"), "internal_error"),
    ],
)
def test_every_request_is_counted_once(
    app: Any, method: str, labels: tuple[str, ...], problem: str | None
) -> None:
    """By route, method and status, with its time, and by its problem if it has one."""
    exchange = Exchange(app).run(method=method)
    assert nonzero(exchange.block, Metrics.http_requests) == {labels: 1}
    expected = {(problem,): 1} if problem else {}
    assert nonzero(exchange.block, Metrics.http_problems) == expected
    (total, *counts) = nonzero_series(exchange.block, Metrics.http_duration)[labels[0],]
    assert (total, sum(counts)) == (0.5, 1)


def test_the_route_is_its_template() -> None:
    """Not its path, which would make a series for each room."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/v1/rooms/{live_id}"
        await fine(scope, receive, send)

    exchange = Exchange(app).run()
    assert nonzero(exchange.block, Metrics.http_requests) == {
        ("/v1/rooms/{live_id}", "GET", "200"): 1
    }


def test_a_client_that_left_is_counted_as_gone() -> None:
    """There is no status that it has got."""
    exchange = Exchange(failing(ClientGone())).run()
    assert nonzero(exchange.block, Metrics.http_requests) == {("unmatched", "GET", "gone"): 1}
    assert nonzero(exchange.block, Metrics.http_problems) == {}


def test_replays_are_counted() -> None:
    """A create that was answered again, whether it had made a room or not."""

    async def replaying(scope: Any, receive: Any, send: Any) -> None:
        exchange_of(scope).replayed = True
        await fine(scope, receive, send)

    error = RoomNotFound()
    error.replayed = True
    for app, count in ((replaying, 1), (failing(error), 1), (failing(RoomNotFound()), 0)):
        exchange = Exchange(app).run()
        assert sum(nonzero(exchange.block, Metrics.replays).values()) == count


@pytest.mark.parametrize(
    ("status", "headers", "streams"),
    [
        (200, [], True),
        (200, [(b"content-type", b"text/event-stream")], True),
        (200, [(b"content-length", b"0")], False),
        (404, [(b"content-length", b"1")], False),
        (204, [], False),
        (304, [], False),
    ],
)
def test_a_stream_is_a_head_without_a_length(
    status: int, headers: list[tuple[bytes, bytes]], *, streams: bool
) -> None:
    """From its head on it is not in flight, and its time is no latency; all else is as ever."""
    counts: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        counts.append(exchange.in_flight.count)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        counts.append(exchange.in_flight.count)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        counts.append(exchange.in_flight.count)

    exchange = Exchange(app)
    exchange.run()
    assert [*counts, exchange.in_flight.count] == [1, *[0 if streams else 1] * 2, 0]
    assert nonzero(exchange.block, Metrics.http_requests) == {("unmatched", "GET", str(status)): 1}
    assert bool(nonzero_series(exchange.block, Metrics.http_duration)) is not streams
    assert exchange.log[-1]["status"] == status


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_failing_stream_leaves_once(method: str) -> None:
    """An error after its head does not give its place back a second time."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        exchange.in_flight.enter(exchange)  # another that is in flight meanwhile
        raise ValueError

    exchange = Exchange(app)
    with pytest.raises(ValueError, match=r"^$"):
        exchange.run(method=method)
    assert exchange.in_flight.count == 1
    assert len(exchange.sent) == 1

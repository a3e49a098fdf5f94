"""The whole pipeline under the client, with httpx's mock transport at the seam."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import httpx
import pytest
from structlog.testing import CapturingLogger

from gateway.metrics import Metrics
from gateway.rooms import RoomNotFound, UpstreamError, UpstreamUnavailable
from gateway.telemetry import RequestContext, SharedMetrics, families
from gateway.upstream import (
    Breaker,
    Call,
    ClockSkew,
    ConnectionLimiter,
    DatabaseCheck,
    QiniuSigner,
    QliveClient,
    Reply,
    Send,
    over_httpx,
    pipeline,
)
from gateway.upstream.pipeline import chain
from tests.live.fault_server import ROOM, enveloped
from tests.telemetry.counts import nonzero
from tests.upstream.scripted import AK, SK

FINE = httpx.Response(200, content=enveloped(ROOM))
DOWN = httpx.Response(503)


class World:
    """A client over the pipeline; responses come from a script, requests are kept."""

    def __init__(self, *responses: httpx.Response | httpx.HTTPError) -> None:
        RequestContext("req-1").enter()
        self._responses = list(responses)
        self.requests: list[httpx.Request] = []
        self.attempts: list[int] = []
        self.block = SharedMetrics(families(Metrics))
        metrics, log = Metrics(self.block), CapturingLogger()
        send = pipeline(
            over_httpx(httpx.MockTransport(self._answer)),
            QiniuSigner(AK, SK),
            ClockSkew(lambda: 0.0),
            Breaker(lambda: 0.0, log, metrics.breaker_opened),
            DatabaseCheck(lambda: 0.0),
            ConnectionLimiter(2),
            base_url="https://upstream.test",
            attempts=metrics.upstream_attempts,
            traced=self._traced,
        )
        self.client = QliveClient(
            send,
            timeout=60,
            zone=ZoneInfo("UTC"),
            log=log,
            calls=metrics.upstream_calls,
            duration=metrics.upstream_duration,
            repeats=metrics.push_url_repeats,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self._responses.pop(0)
        if isinstance(response, httpx.HTTPError):
            raise response
        return httpx.Response(response.status_code, content=response.content)

    def _traced(self, send: Send) -> Send:
        async def noting(call: Call) -> Reply:
            self.attempts.append(call.attempts)
            return await send(call)

        return noting

    @property
    def outcomes(self) -> dict[tuple[str, ...], float]:
        """The attempts counted."""
        return nonzero(self.block, Metrics.upstream_attempts)


async def test_a_read() -> None:
    """A room comes through every step; the request was signed and on_sent called once."""
    world, sent = World(FINE), list[str]()
    room = await world.client.read("1", lambda: sent.append("sent"))
    assert (room.live_id, sent, world.attempts) == ("1", ["sent"], [1])
    (request,) = world.requests
    assert (request.method, str(request.url)) == ("GET", "https://upstream.test/server/live/1")
    assert request.headers["X-Reqid"] == "req-1"
    assert request.headers["Authorization"].startswith(f"Qiniu {AK}:")
    assert world.outcomes == {("reply",): 1}


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (DOWN, "unavailable"),
        (httpx.ConnectError("refused"), "not_connected"),
        (httpx.ReadError("cut"), "broken"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_read_is_attempted_again(
    first: httpx.Response | httpx.HTTPError, outcome: str
) -> None:
    """The second attempt passes all steps again, signed anew, and both are counted."""
    world = World(first, FINE)
    assert (await world.client.read("1")).live_id == "1"
    assert (len(world.requests), world.attempts) == (2, [1, 2])
    assert world.outcomes == {(outcome,): 1, ("reply",): 1}


async def test_a_write_is_attempted_once() -> None:
    """A stop without a connection is an error that says so, after one attempt."""
    world = World(httpx.ConnectError("refused"))
    with pytest.raises(UpstreamError) as failed:
        await world.client.stop("1")
    assert not failed.value.sent
    assert world.attempts == [1]


async def test_an_open_breaker_refuses_without_an_attempt() -> None:
    """Each attempt counts as one call to the breaker, and after five nothing is sent."""
    world = World(*[DOWN] * 9)
    for _ in range(9):
        with pytest.raises(UpstreamUnavailable):
            await world.client.read("1")
    assert len(world.requests) == 5


async def test_a_read_without_the_database() -> None:
    """The look-up is an attempt of its own, and the read fails as an upstream error."""
    world = World(
        httpx.Response(200, content=enveloped(code=500, message="create live failed")),
        httpx.Response(404, content=enveloped(code=500, message="Internal error")),
    )
    with pytest.raises(UpstreamError, match="database is down"):
        await world.client.read("1")
    assert [request.url.path for request in world.requests] == [
        "/server/live/1",
        "/server/user/infos",
    ]
    assert (world.attempts, world.outcomes) == ([1, 1], {("reply",): 2})


async def test_a_refusal_is_final() -> None:
    """An unknown room is an answer: there is no second attempt."""
    reply = httpx.Response(500, content=enveloped(code=500, message="record not found"))
    world = World(reply)
    with pytest.raises(RoomNotFound):
        await world.client.read("1")
    assert world.outcomes == {("reply",): 1}


async def test_the_first_step_of_a_chain_is_outermost() -> None:
    """Steps run in the order in which they are listed, and the last one replies."""
    order: list[str] = []

    def noting(name: str) -> Callable[[Send], Send]:
        def step(send: Send) -> Send:
            async def noted(call: Call) -> Reply:
                order.append(name)
                return await send(call)

            return noted

        return step

    async def last(_: Call) -> Reply:
        order.append("last")
        return Reply(200, httpx.Headers(), b"")

    await chain((noting("a"), noting("b")), last)(Call("GET", "/", deadline=0))
    assert order == ["a", "b", "last"]

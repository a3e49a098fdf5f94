"""Streams behind the outer layer, on a real port: Litestar's own two kinds and a raw one."""

import asyncio
import io
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from litestar import Litestar, Response, asgi, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import ServerSentEvent, Stream
from litestar.types import Receive, Scope, Send

from gateway.edge import InFlight, Recorder
from gateway.edge.front import Front
from gateway.edge.outgoing import Outgoing
from gateway.metrics import Metrics
from gateway.serving import listening
from gateway.telemetry import AccessLog, SharedMetrics, as_json, build_logger, families
from tests.live.fault_server import Held, rooms, serving
from tests.live.gateways import ALICE, BOB, gateway_at
from tests.telemetry.counts import nonzero, nonzero_series

CHUNKS = [f"chunk-{number}" for number in range(20)]
KINDS = ["stream", "events", "raw"]
PATIENCE = 10.0
"""Seconds until something that should happen at once is given up."""

Chunks = AsyncGenerator[str]
Draining = NamedDependency[asyncio.Event]


class Streams:
    """An application that streams, behind a Front that lets `most` requests in.

    `/stream/…`, `/events/…` and `/raw/…` stream what the method of that name yields.
    """

    def __init__(self, most: int) -> None:
        self.in_flight = InFlight(most)
        self.draining = asyncio.Event()
        self.ended = 0
        self.block = SharedMetrics(families(Metrics))
        self._log = io.BytesIO()
        metrics = Metrics(self.block)
        recorder = Recorder(
            metrics.http_requests,
            metrics.http_duration,
            metrics.http_problems,
            metrics.replays,
            AccessLog(as_json(self._log), caller_id=str.upper),
            build_logger("info", "json", self._log),
        )
        litestar = Litestar(
            [*self._handlers(), plain],
            dependencies={"draining": Provide(lambda: self.draining, sync_to_thread=False)},
            exception_handlers={Exception: _raised},
            logging_config=None,
            openapi_config=None,
        )
        self.front = Front(
            litestar, not_taken, self.in_flight, Outgoing(), recorder, new_id=lambda: "id"
        )

    @property
    def log(self) -> list[Any]:
        """The lines that were logged."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    async def chunks(self, what: str, draining: asyncio.Event) -> Chunks:
        """Yield all chunks, fail after one, or yield one more when the gateway drains."""
        try:
            await _pause()
            yield CHUNKS[0]
            if what == "failing":
                raise ValueError
            if what == "endless":
                await draining.wait()
                yield "drained"
                return
            for chunk in CHUNKS[1:]:
                await _pause()
                yield chunk
        finally:
            self.ended += 1

    def _handlers(self) -> list[Any]:
        @get("/stream/{what:str}")
        async def stream(what: FromPath[str], draining: Draining) -> Stream:
            return Stream(self.chunks(what, draining))

        @get("/events/{what:str}")
        async def events(what: FromPath[str], draining: Draining) -> ServerSentEvent:
            return ServerSentEvent(self.chunks(what, draining))

        @asgi("/raw", is_mount=True, copy_scope=False)
        async def raw(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  # ASGI
            head: Any = {"type": "http.response.start", "status": 200, "headers": []}
            await send(head)
            async for chunk in self.chunks(scope["path"].strip("/"), self.draining):
                await send(_body(chunk, more=True))
            await send(_body("", more=False))

        return [stream, events, raw]


@get("/plain")
async def plain() -> str:
    """Answer at once."""
    return "plain"


async def _pause() -> None:
    await asyncio.sleep(0.01)  # chunks come one by one, those of all streams in turn


def _body(text: str, *, more: bool) -> Any:
    return {"type": "http.response.body", "body": text.encode(), "more_body": more}


def _raised(_: object, error: Exception) -> Response[bytes]:
    raise error


async def not_taken(*_request: Any) -> None:
    """Leave every request to the application."""


@asynccontextmanager
async def running(most: int = 100) -> AsyncIterator[tuple[Streams, httpx.AsyncClient]]:
    """Run the application on a port; give it and a client of it."""
    streams = Streams(most)
    async with (
        listening(streams.front, 0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
        ) as client,
    ):
        yield streams, client


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail if it does not in time."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", KINDS)
async def test_all_streams_complete(kind: str) -> None:
    """Each of twelve streams at once sends all of its chunks."""
    async with running() as (streams, client):
        answers = await asyncio.gather(*(client.get(f"/{kind}/all") for _ in range(12)))
        for answer in answers:
            assert answer.status_code == 200
            assert re.findall(r"chunk-\d+", answer.text) == CHUNKS
        await until(lambda: streams.ended == 12)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_ends_with_its_client(kind: str) -> None:
    """Its generator is closed soon and nothing of it is an error; other streams go on."""
    async with running() as (streams, client):
        async with client.stream("GET", f"/{kind}/endless") as other:
            texts = other.aiter_text()
            await anext(texts)
            async with client.stream("GET", f"/{kind}/endless"):
                assert streams.ended == 0
            await until(lambda: streams.ended == 1)
            streams.draining.set()
            assert "drained" in "".join([text async for text in texts])
        await until(lambda: len(streams.log) == 2)
        assert [(line["event"], line["status"]) for line in streams.log] == [("request", 200)] * 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_head_of_a_stream_ends_at_once(kind: str) -> None:
    """Nothing is generated for a client that gets no body."""
    async with running() as (streams, client):
        answer = await client.head(f"/{kind}/endless")
        assert (answer.status_code, answer.content) == (200, b"")
        await until(lambda: len(streams.log) == 1)
        assert streams.in_flight.count == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_open_streams_take_no_place(kind: str) -> None:
    """With more streams open than requests may be in flight, streams and reads are let in."""
    async with running(most=2) as (streams, client), AsyncExitStack() as opened:
        for _ in range(5):
            stream = client.stream("GET", f"/{kind}/endless")
            assert (await opened.enter_async_context(stream)).status_code == 200
        assert streams.in_flight.count == 0
        for _ in range(5):
            assert (await client.get("/plain")).text == "plain"
        streams.draining.set()
        await until(lambda: streams.ended == 5 and len(streams.log) == 10)
        assert streams.in_flight.count == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_hears_that_the_gateway_drains(kind: str) -> None:
    """The handler's event is set, and the handler ends the stream by itself."""
    async with running() as (streams, client), client.stream("GET", f"/{kind}/endless") as answer:
        texts = answer.aiter_text()
        first = await anext(texts)
        assert CHUNKS[0] in first
        streams.draining.set()
        assert "drained" in "".join([first, *[text async for text in texts]])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_is_counted_but_not_timed(kind: str) -> None:
    """It is a request in the counter and the access log; the latency histogram has reads only."""
    async with running() as (streams, client):
        await client.get(f"/{kind}/all")
        await until(lambda: len(streams.log) == 1)
        [(labels, count)] = nonzero(streams.block, Metrics.http_requests).items()
        assert (labels[1:], count) == (("GET", "200"), 1)
        assert nonzero_series(streams.block, Metrics.http_duration) == {}
        assert streams.log[0]["status"] == 200
        await client.get("/plain")
        await until(lambda: len(streams.log) == 2)
        assert len(nonzero_series(streams.block, Metrics.http_duration)) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_in_a_stream_cuts_it_off(kind: str) -> None:
    """It is logged once, with one head sent, and the client sees that the end is missing."""
    async with running() as (streams, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/{kind}/failing")
        await until(lambda: len(streams.log) == 2)
        assert [line["event"] for line in streams.log] == ["request_failed", "request"]
        assert streams.log[1]["status"] == 200


FLOOD = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
"""A chunk of the largest body that is allowed."""

FLOODS = 2_000
"""So many are 130 MB, more than any buffers hold."""


async def _all_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read()


BODIES = {
    "fast path": ("GET /v1/rooms/2", BOB, True),
    "usual way": ("GET /v1/rooms/2", ALICE, True),
    "head": ("HEAD /v1/rooms/2", BOB, True),
    "batch": ("GET /v1/rooms?id=2&id=3", BOB, True),
    "stop": ("POST /v1/rooms/2/stop", ALICE, False),
    "delete": ("DELETE /v1/rooms/2", ALICE, False),
    "nobody": ("GET /v1/rooms/2", "", False),
    "nothing": ("GET /nothing", BOB, False),
    "docs": ("GET /docs", "", False),
    "large docs": ("GET /docs/swagger-ui-bundle.js", "", True),
}
"""Requests that need no body, by whom, and whether a large one is why they are refused."""


@pytest.mark.parametrize(("line", "bearer", "refused"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 1000000000000"])
async def test_a_large_body_is_not_read(
    line: str, bearer: str, framing: str, *, refused: bool
) -> None:
    """While its upstream is slow, a read is refused like a write, and nothing more is read."""
    held = Held()
    async with serving(rooms) as server, gateway_at(server.url, UPSTREAM_TIMEOUT="30") as gateway:
        await gateway.read("1")  # from now on bob's token is known
        server.script = held
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        answer = asyncio.create_task(_all_of(reader))
        signed_in = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        writer.write(f"{line} HTTP/1.1\r\nHost: x\r\n{framing}\r\n{signed_in}\r\n".encode())
        if not refused:
            held.let_go.set()  # a write is not cut short, and reads nothing meanwhile
        sent = 0
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while sent < FLOODS:
                    writer.write(FLOOD)
                    await writer.drain()
                    sent += 1
        writer.close()
        held.let_go.set()
        await answer
        assert sent < FLOODS / 4
        problems = nonzero(gateway.block, Metrics.http_problems)
        assert (problems == {("body_too_large",): 1}) is refused

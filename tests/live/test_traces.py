"""Traces of the real gateway, as a collector gets them over OTLP/HTTP."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.live.fault_server import (
    Exchange,
    Held,
    Script,
    answering,
    enveloped,
    reply,
    rooms,
    serving,
    silence,
)
from tests.live.gateways import BOB, IMPATIENT, Gateway, gateway_at
from tests.live.test_garbage import FORGETFUL, ODD, ask, collected, misbehave
from tests.live.viewers import viewer_at
from tests.traces.collector import Collector, Span, collecting, exporting_to
from tests.traces.recording import NOT_SAMPLED, PARENT, TRACE, TRACEPARENT
from tests.waiting import until

RESULT = "gateway.cache.result"
BEARER = {"Authorization": f"Bearer {BOB}"}
STALE = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "60"}


EXPORTERS = {"OtelBatchSpanRecordProcessor", "last-spans"}


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Wait for the threads of an exporter."""
    yield
    for thread in threading.enumerate():
        if thread.name in EXPORTERS:
            thread.join(10)


@asynccontextmanager
async def traced(
    collector: Collector, upstream_url: str, queue: int = 2048, /, **environ: str
) -> AsyncIterator[Gateway]:
    """Run a gateway that exports to a collector; once the block is left it has all spans."""
    tracing = exporting_to(collector.endpoint, queue)
    async with gateway_at(upstream_url, tracing, **environ) as gateway:
        yield gateway


def chain(spans: Sequence[Span], span: Span) -> list[str]:
    """Return the kinds of a span and of those that it is within, from the outermost."""
    parents = {each.span_id: each for each in spans}
    found = [span.kind]
    while span.parent_id in parents:
        span = parents[span.parent_id]
        found.insert(0, span.kind)
    return found


async def test_a_read_is_one_trace() -> None:
    """A read is one trace from the client's span to the attempt upstream, or to the cache."""
    headers = {**BEARER, "traceparent": TRACEPARENT, "tracestate": "a=1", "baggage": "b=2"}
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url) as gateway,
    ):
        for _ in range(2):
            answer = await gateway.client.get("/v1/rooms/1", headers=headers)
            assert answer.status_code == 200
    first, second = collector.of("server")
    (upstream,) = collector.of("client")
    assert {span.trace_id for span in collector.spans} == {TRACE}
    assert (first.parent_id, second.parent_id) == (PARENT, PARENT)
    assert first.name == "GET /v1/rooms/{live_id}"
    assert chain(collector.spans, upstream) == ["server", "internal", "client"]
    assert [span.attributes[RESULT] for span in (first, second)] == ["miss", "hit"]
    assert upstream.attributes["url.full"] == f"{server.url}/server/live/1"
    assert {span.resource["service.name"] for span in collector.spans} == {"live-room-gateway"}
    assert not any(span.failed for span in collector.spans)


async def test_the_vendor_sees_nothing_of_it() -> None:
    """The vendor gets the same headers with traces and without."""
    headers = {**BEARER, "traceparent": TRACEPARENT, "tracestate": "a=1", "baggage": "b=2"}
    names: list[list[bytes]] = []
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url) as gateway,
    ):
        await gateway.client.get("/v1/rooms/1", headers=headers)
        await gateway.client.post("/v1/rooms/1/stop", headers=headers)
        async with gateway_at(server.url) as plain:
            await plain.client.get("/v1/rooms/1", headers=headers)
            await plain.client.post("/v1/rooms/1/stop", headers=headers)
    for exchange in server.received:
        assert TRACE.encode() not in exchange.raw
        lines = exchange.raw.split(b"\r\n")
        names.append([line.partition(b":")[0].lower() for line in lines])
    half = len(names) // 2
    assert names[:half] == names[half:]
    assert half >= 2
    assert len(collector.of("client")) == half


async def test_a_second_attempt_has_a_span_of_its_own() -> None:
    """A second attempt has a span of its own, in a lookup without an error."""

    async def once(exchange: Exchange) -> None:
        if len(server.received) == 1:
            exchange.reset()
        else:
            await rooms(exchange)

    async with (
        collecting() as collector,
        serving(once) as server,
        traced(collector, server.url) as gateway,
    ):
        assert (await gateway.read("1")).status_code == 200
    first, second = collector.of("client")
    assert first.parent_id == second.parent_id
    assert first.attributes["error.type"] == "Broken"
    assert (first.failed, second.failed) == (True, False)
    assert "http.request.resend_count" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    assert not any(span.failed for span in (*collector.of("internal"), *collector.of("server")))


async def test_one_read_for_many_is_in_the_trace_of_the_first() -> None:
    """A shared read is in the trace of its first reader, and the others are marked."""
    held = Held()
    async with (
        collecting() as collector,
        serving(held) as server,
        traced(collector, server.url) as gateway,
    ):
        reads = [asyncio.create_task(gateway.read("1")) for _ in range(20)]
        await held.arrived(1)
        await asyncio.sleep(0.5)  # until all have joined
        held.let_go.set()
        assert {(await read).status_code for read in reads} == {200}
    (upstream,) = collector.of("client")
    lookups = collector.of("internal")
    assert Counter(span.attributes[RESULT] for span in lookups) == {"miss": 1, "coalesced": 19}
    (first,) = [span for span in lookups if span.attributes[RESULT] == "miss"]
    assert upstream.parent_id == first.span_id
    assert len({span.trace_id for span in collector.of("server")}) == 20


async def test_a_refresh_in_the_background_is_in_the_trace_that_began_it() -> None:
    """A refresh in the background is in the trace of the request that began it."""
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url, **STALE) as gateway,
    ):
        await gateway.read("1")
        assert (await gateway.read("1")).status_code == 200
        await until(lambda: len(server.received) == 2)
    request = collector.of("server")[-1]
    refresh = collector.of("client")[-1]
    assert request.attributes[RESULT] == "stale"
    assert (refresh.trace_id, refresh.parent_id) == (request.trace_id, request.span_id)


async def test_an_upstream_that_says_nothing() -> None:
    """Every span of a timeout has a fixed word as its error."""
    async with (
        collecting() as collector,
        serving(silence) as server,
        traced(collector, server.url, **IMPATIENT) as gateway,
    ):
        answer = await gateway.read("1")
        assert answer.status_code == 504
    told = {span.kind: span.attributes["error.type"] for span in collector.spans}
    assert told == {"client": "DeadlineExceeded", "internal": "upstream_timeout", "server": "504"}
    assert all(span.failed for span in collector.spans)
    assert collector.of("server")[0].attributes["gateway.request_id"] == answer.json()["request_id"]


async def test_a_stale_room_in_an_outage() -> None:
    """The attempt failed; the lookup and the request did not."""
    stale = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "0"}
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url, **stale) as gateway,
    ):
        await gateway.read("1")
        server.script = answering(reply(enveloped(code=500), 500))
        assert (await gateway.read("1")).status_code == 200
    request = collector.of("server")[-1]
    assert request.attributes[RESULT] == "stale_if_error"
    assert not request.failed
    lookup = collector.of("internal")[-1]
    assert lookup.attributes[RESULT] == "stale_if_error"
    assert not lookup.failed


async def test_a_client_that_leaves() -> None:
    """The span of a client that leaves has no status and no error."""
    held = Held()
    async with (
        collecting() as collector,
        serving(held) as server,
        traced(collector, server.url) as gateway,
    ):
        async with viewer_at(gateway.port) as viewer:
            viewer.ask("/v1/rooms/1")
            await held.arrived(1)
        await until(lambda: bool(collector.of("server")))
        held.let_go.set()
    (request,) = collector.of("server")
    assert "http.response.status_code" not in request.attributes
    assert not request.failed


async def test_requests_on_many_connections_do_not_mix() -> None:
    """Requests at the same time stay in the traces of their own clients."""
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url) as gateway,
    ):

        async def read(number: int) -> None:
            traceparent = f"00-{number:032x}-{PARENT}-01"
            headers = {**BEARER, "traceparent": traceparent}
            await gateway.client.get(f"/v1/rooms/{number}", headers=headers)

        await asyncio.gather(*(read(number) for number in range(1, 51)))
    for span in collector.of("server"):
        assert span.attributes["url.path"] == f"/v1/rooms/{int(span.trace_id, 16)}"
    for span in collector.of("client"):
        assert str(span.attributes["url.full"]).endswith(f"/{int(span.trace_id, 16)}")
    assert len(collector.spans) == 150


async def test_what_a_client_does_not_sample_is_not_exported() -> None:
    """A trace that its client does not sample is not exported, but logged."""
    async with (
        collecting() as collector,
        serving(rooms) as server,
        traced(collector, server.url) as gateway,
    ):
        headers = {**BEARER, "traceparent": NOT_SAMPLED}
        await gateway.client.get("/v1/rooms/1", headers=headers)
    assert collector.spans == []
    assert TRACE in gateway.log.getvalue().decode()


async def test_the_log_tells_the_trace() -> None:
    """Every line of a request has its trace, and health checks have none."""
    headers = {**BEARER, "traceparent": TRACEPARENT}
    async with (
        collecting() as collector,
        serving(answering(reply(b"<html>", 502))) as server,
        traced(collector, server.url) as gateway,
    ):
        await gateway.client.get("/v1/rooms/1", headers=headers)
        await gateway.client.get("/healthz", headers=headers)
    lines = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    told = {(line["event"], line.get("route")): line.get("trace_id") for line in lines}
    assert told["upstream_call_failed", None] == TRACE
    assert told["request", "/v1/rooms/{live_id}"] == TRACE
    assert told["request", "/healthz"] is None


@pytest.mark.parametrize(
    "script",
    [silence, answering(reply(b"", 500)), answering(reply(b"", 503)), None],
    ids=["hangs", "fails", "is busy", "is not there"],
)
async def test_a_collector_in_trouble_is_in_nobody_s_way(script: Script | None) -> None:
    """A collector in trouble fails no request, nor the shutdown, and is logged once."""
    async with collecting(script) as collector, serving(rooms) as server:
        if script is None:
            collector.server.url = "http://127.0.0.1:9"
        tracing = exporting_to(collector.endpoint, 8, timeout=0.2)
        async with gateway_at(server.url, tracing) as gateway:
            for number in range(50):
                assert (await gateway.read(str(number))).status_code == 200
    events = [json.loads(line)["event"] for line in gateway.log.getvalue().splitlines()]
    assert events.count("traces_not_exported") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["good", "reset", "html", "gone"])
async def test_nothing_is_left_in_circles(kind: str) -> None:
    """Traces leave no more for the garbage collector than a gateway without them."""
    async with (
        collecting() as collector,
        serving(misbehave) as server,
        traced(collector, server.url, **FORGETFUL) as gateway,
    ):

        async def some() -> None:
            for number in range(5):
                await ask(gateway, f"/v1/rooms/{kind}-{number}")
                await ask(gateway, "/v1/rooms/fine")
            await asyncio.sleep(0.1)

        await some()
        with collected() as found:
            await some()
    left = {name: count for name, count in found.items() if name in {*ODD, "_Span", "Context"}}
    assert left == {}

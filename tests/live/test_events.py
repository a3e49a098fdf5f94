"""Event streams on real sockets: the contract, as a client of another make sees it."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from gateway.metrics import Metrics
from gateway.sandbox import running
from tests import clients
from tests.commands import free_port
from tests.leaks.canaries import token as canary_token
from tests.leaks.scan import scan
from tests.live import replicas as many
from tests.live.counting_vendor import STANDING, counting_vendor
from tests.live.fault_server import Exchange, Server, enveloped, reply, room, serving
from tests.live.gateways import ALICE, BOB, Gateway, assert_told, gateway_at, token
from tests.live.listening import listening
from tests.live.stores import store
from tests.live.test_rotation import SECRETS
from tests.served import served
from tests.telemetry.counts import nonzero, nonzero_series
from tests.waiting import until

EVENTS = "/v1/rooms/1/events"
SIGNED_IN = {"Authorization": f"Bearer {BOB}"}
OFTEN = {"CACHE_TTL": "0.3", "MAX_STREAMS_PER_USER": "100"}
ROOM = f"{STANDING}0"


class Vendor:
    """An upstream with one room, as its fields say; it fails while it is `down`."""

    def __init__(self) -> None:
        self.fields: dict[str, object] = {"live_status": 0}
        self.is_deleted = False
        self.down = False

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a read; a delete deletes."""
        if self.down:
            await exchange.write(reply(enveloped(code=500, message="oops"), 502))
            return
        if exchange.method == "DELETE":
            self.is_deleted = True
        elif self.is_deleted:
            await exchange.write(reply(enveloped(code=500, message="record not found"), 500))
            return
        shown = {**room(exchange.live_id), **self.fields}
        await exchange.write(reply(enveloped(shown if exchange.method == "GET" else None)))


@pytest.fixture
def vendor() -> Vendor:
    """Return a vendor."""
    return Vendor()


@pytest.fixture
async def server(vendor: Vendor) -> AsyncIterator[Server]:
    """Serve the vendor's room."""
    async with serving(vendor) as running:
        yield running


@pytest.fixture
async def gateway(server: Server) -> AsyncIterator[Gateway]:
    """Run a gateway that reads often."""
    async with gateway_at(server.url, **OFTEN) as running:
        yield running


async def test_a_room_from_its_start_to_its_end(gateway: Gateway, vendor: Vendor) -> None:
    """The whole room first, then what changed, then that it is gone; the ids are its ETags."""
    async with listening(gateway.port, "1", BOB) as heard:
        await heard.until("room")
        shown = await gateway.read("1")
        assert heard.events[0][1] == shown.json()
        assert heard.ids == [shown.headers["etag"]]
        vendor.fields = {"live_status": 1, "start_time": 1_700_000_000}
        await heard.until("room", "change")
        assert heard.events[1][1] == {"live_status": 1, "start_time": 1_700_000_000}
        await until(lambda: has_etag(gateway, heard.ids[1]))
        vendor.fields = {"live_status": 2, "title": "over"}
        await heard.until("room", "change", "change")
        assert heard.events[2][1] == {"live_status": 2, "start_time": None, "title": "over"}
        assert (await gateway.write("delete", "1")).status_code == 204
        assert await heard.end()
        assert heard.events[3] == ("deleted", {})
    head = heard.answer.headers
    assert head["content-type"] == "text/event-stream"
    assert head["cache-control"] == "no-store, no-transform"
    assert head["x-accel-buffering"] == "no"
    assert "content-length" not in head
    assert len(heard.retries) == 1


async def has_etag(gateway: Gateway, etag: str) -> bool:
    """Return whether a read gives this ETag."""
    return bool((await gateway.read("1")).headers["etag"] == etag)


async def test_the_anchor_sees_what_viewers_see(gateway: Gateway) -> None:
    """No stream has a `push_url`, nor has an administrator's."""
    async with listening(gateway.port, "1", ALICE) as heard:
        await heard.until("room")
        assert "push_url" not in heard.events[0][1]
    assert "push_url" in (await gateway.read("1", ALICE)).json()


async def test_who_comes_back_hears_nothing_twice(gateway: Gateway, vendor: Vendor) -> None:
    """With the last id, nothing is sent until the room differs from it."""
    async with listening(gateway.port, "1", BOB) as first:
        await first.until("room")
    known = {"Last-Event-ID": first.ids[-1]}
    async with listening(gateway.port, "1", BOB, known) as again:
        await asyncio.sleep(0.8)
        assert again.events == []
        vendor.fields = {"live_status": 1}
        await again.until("change")
    vendor.fields = {"live_status": 2}
    await until(lambda: has_status(gateway, 2))
    async with listening(gateway.port, "1", BOB, {"Last-Event-ID": again.ids[-1]}) as late:
        await late.until("room")
        assert late.events[0][1]["live_status"] == 2
    both = [("Last-Event-ID", first.ids[-1]), ("Last-Event-ID", "x"), *SIGNED_IN.items()]
    async with gateway.client.stream("GET", EVENTS, headers=both) as answer:
        assert b"event: room" in await anext(answer.aiter_raw())


async def has_status(gateway: Gateway, status: int) -> bool:
    """Return whether a read shows this status."""
    return bool((await gateway.read("1")).json()["live_status"] == status)


async def test_what_cannot_be_watched_is_a_problem(gateway: Gateway, vendor: Vendor) -> None:
    """Before the stream begins, each refusal is told as for any read."""
    assert_told(await gateway.client.get(EVENTS), "token_missing")
    bad = await gateway.client.get(EVENTS, headers={"Authorization": "Bearer x"})
    assert_told(bad, "token_invalid")
    odd = await gateway.client.get("/v1/rooms/a.b/events", headers=SIGNED_IN)
    assert (odd.status_code, odd.json()["code"]) == (400, "invalid_request")
    vendor.down = True
    assert_told(await gateway.client.get(EVENTS, headers=SIGNED_IN), "upstream_error")
    vendor.down, vendor.is_deleted = False, True
    assert_told(await gateway.client.get(EVENTS, headers=SIGNED_IN), "room_not_found")
    assert_told(await gateway.client.post(EVENTS, headers=SIGNED_IN), "method_not_allowed")


async def test_a_head_ends_at_once(gateway: Gateway) -> None:
    """HEAD has the head of the stream, and opens none."""
    answer = await gateway.client.head(EVENTS, headers=SIGNED_IN)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"
    assert (await gateway.client.head(EVENTS)).status_code == 401


async def test_bounds(server: Server) -> None:
    """One more than a user may have is 429, one more than all may have is 503."""
    bounds = {"MAX_STREAMS": "3", "MAX_STREAMS_PER_USER": "2", "CACHE_TTL": "60"}
    async with gateway_at(server.url, **bounds) as gateway, AsyncExitStack() as opened:
        for _ in range(2):
            stream = await opened.enter_async_context(listening(gateway.port, "1", BOB))
        refused = await gateway.client.get(EVENTS, headers=SIGNED_IN)
        assert_told(refused, "rate_limited")
        assert refused.headers["retry-after"] == "5"
        assert "close one" in refused.json()["detail"]
        await opened.enter_async_context(listening(gateway.port, "1", ALICE))
        carol = {"Authorization": f"Bearer {token('carol')}"}
        assert_told(await gateway.client.get(EVENTS, headers=carol), "overloaded")
        await stream.until("room")


async def test_streams_are_no_requests_in_flight(server: Server) -> None:
    """They take no place there, and are not in the latencies; an ended one is counted."""
    async with gateway_at(server.url, MAX_CONCURRENCY="1", CACHE_TTL="60") as gateway:
        async with AsyncExitStack() as opened:
            for number in range(5):
                bearer = token(f"user-{number}")
                await opened.enter_async_context(listening(gateway.port, "1", bearer))
            assert (await gateway.read("1")).status_code == 200
        route = "/v1/rooms/{live_id}/events"
        counted = (route, "GET", "200")
        await until(lambda: nonzero(gateway.block, Metrics.http_requests).get(counted) == 5)
        assert all(
            route not in each for each in nonzero_series(gateway.block, Metrics.http_duration)
        )


async def test_a_stream_ends_with_its_token(gateway: Gateway) -> None:
    """Within a second of its `exp`, and nobody else's does."""
    loop = asyncio.get_running_loop()
    async with listening(gateway.port, "1", ALICE) as other:
        began = loop.time()
        async with listening(gateway.port, "1", token("bob", ttl=2)) as heard:
            assert await heard.end()
            assert heard.names == ["room", "expired"]
        assert loop.time() - began > 0.9  # `exp` is in whole seconds
        assert other.names == ["room"]


async def test_an_outage_is_told_late_and_ends_nothing(server: Server, vendor: Vendor) -> None:
    """The stream stays open and says nothing, then that it does not know, then what is new."""
    settings = {**OFTEN, "CACHE_STALE_IF_ERROR": "1"}
    async with (
        gateway_at(server.url, **settings) as gateway,
        listening(gateway.port, "1", BOB) as heard,
    ):
        await heard.until("room")
        vendor.down = True
        await until(lambda: heard.comments != [])
        assert heard.comments[0].startswith("the live service does not answer")
        assert heard.names == ["room"]
        vendor.fields, vendor.down = {"live_status": 1}, False
        await heard.until("room", "change")


@pytest.mark.slow
async def test_a_comment_comes_every_ten_seconds(gateway: Gateway) -> None:
    """So that proxies keep the stream open, and clients see that it is alive."""
    async with listening(gateway.port, "1", BOB) as heard:
        await heard.until("room")
        await asyncio.sleep(11)
        assert heard.comments == [""]


@pytest.mark.slow
async def test_one_who_does_not_read_is_dropped(server: Server, vendor: Vendor) -> None:
    """Ten seconds after nothing more fits into the system's buffers; others hear all."""
    async with gateway_at(server.url, CACHE_TTL="0.05") as gateway:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)  # noqa: FBT003  # has no keyword
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", gateway.port))
            head = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ALICE}\r\n\r\n"
            await loop.sock_sendall(deaf, head.encode())
            async with listening(gateway.port, "1", BOB) as heard:

                def is_dropped() -> bool:
                    vendor.fields = {"notice": f"{loop.time()}".ljust(40_000, "x")}
                    return nonzero(gateway.block, Metrics.streams_ended).get(("slow",)) == 1

                await until(is_dropped)
                gone = ("/v1/rooms/{live_id}/events", "GET", "gone")
                await until(lambda: nonzero(gateway.block, Metrics.http_requests).get(gone) == 1)
                assert heard.whole is None
                assert len(heard.events) > 20


async def test_all_are_told_before_a_gateway_stops() -> None:
    """With SIGTERM each hears when to come back, each at another time, and the stream ends."""
    with counting_vendor() as counting, many.replicas(1, counting, "none") as (replica,):
        async with AsyncExitStack() as opened:
            heard = [
                await opened.enter_async_context(
                    listening(replica.port, ROOM, canary_token(f"user-{number}"))
                )
                for number in range(20)
            ]
            replica.gateway.process.send_signal(signal.SIGTERM)
            assert all(await asyncio.gather(*(each.end() for each in heard)))
        assert {tuple(each.names) for each in heard} == {("room", "reconnect")}
        last = [each.retries[-1] for each in heard]
        assert len(set(last)) > 15
        assert min(last) >= 500


async def test_an_operator_ends_a_users_streams() -> None:
    """A refused user, and nobody else, in the process that streams."""
    port, operator = str(free_port()), "an-operators-token-of-32-characters"
    settings = {"METRICS_PORT": port, "ADMIN_TOKEN": operator}
    with (
        counting_vendor() as counting,
        many.replicas(1, counting, "none", **settings) as (replica,),
    ):
        async with (
            listening(replica.port, ROOM, many.ALICE) as alice,
            listening(replica.port, ROOM, many.BOB) as bob,
        ):
            until_then = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            async with clients.async_client(f"http://127.0.0.1:{port}") as admin:
                refused = await admin.put(
                    "/admin/refusals/bob",
                    json={"until": until_then},
                    headers={"Authorization": f"Bearer {operator}"},
                )
            assert refused.status_code == 204
            assert await bob.end()
            assert bob.names[-1] == "expired"
            assert alice.whole is None


async def test_many_watchers_of_many_replicas_cost_one_read() -> None:
    """However many watch a room, where ever: one upstream read per TTL."""
    with (
        counting_vendor() as vendor,
        store() as shared,
        many.replicas(2, vendor, shared.url, CACHE_TTL="1") as running,
    ):
        vendor.behave(still=True)
        async with AsyncExitStack() as opened:
            for number in range(40):
                port = running[number % 2].port
                stream = listening(port, ROOM, canary_token(f"user-{number}"))
                await opened.enter_async_context(stream)
            before = vendor.counts().came[ROOM]
            await asyncio.sleep(5)
            read = vendor.counts().came[ROOM] - before
        assert 3 <= read <= 6


async def test_what_one_replica_does_is_heard_at_another() -> None:
    """A stop and a delete at once, and a stream goes on where another one left off."""
    with (
        counting_vendor() as vendor,
        store() as shared,
        many.replicas(2, vendor, shared.url, CACHE_TTL="60") as (one, other),
    ):
        vendor.behave(still=True)
        headers = {"Authorization": f"Bearer {many.ALICE}"}
        async with (
            clients.async_client(one.gateway.url, headers) as alice,
            listening(other.port, ROOM, many.BOB) as heard,
        ):
            await heard.until("room")
            known = {"Last-Event-ID": heard.ids[-1]}
            async with listening(one.port, ROOM, many.BOB, known) as again:
                assert (await alice.post(f"/v1/rooms/{ROOM}/stop")).status_code == 204
                await heard.until("room", "change")
                await again.until("change")
                assert heard.events[1][1]["live_status"] == 2
                assert (await alice.delete(f"/v1/rooms/{ROOM}")).status_code == 204
                assert await heard.end()
                assert await again.end()
                assert heard.names[-1] == again.names[-1] == "deleted"
                assert heard.ids[1] == again.ids[0]
        assert not scan(json.dumps([heard.events, again.events]).encode(), many.SECRETS)


async def test_clients_that_vanish_are_forgotten(gateway: Gateway) -> None:
    """Whether they say farewell or not, and the room is read no longer."""
    async with AsyncExitStack() as opened:
        for number in range(20):
            await opened.enter_async_context(listening(gateway.port, "1", token(f"user-{number}")))
    gone = ("gone",)
    await until(lambda: nonzero(gateway.block, Metrics.streams_ended).get(gone) == 20)


async def test_a_callback_of_the_vendors_is_heard_at_once(server: Server, vendor: Vendor) -> None:
    """What it tells is read, and told to those who watch, though the room is fresh for an hour."""
    secret = "canary-callback-secret-of-32-characters"
    settings = {"CACHE_TTL": "3600", "CALLBACK_SECRET": secret}
    async with (
        gateway_at(server.url, **settings) as gateway,
        listening(gateway.port, "1", BOB) as heard,
    ):
        await heard.until("room")
        vendor.fields = {"live_status": 1}
        taken = await gateway.client.post(
            "/v1/callbacks/qlive",
            json={"type": "live_started", "body": {"live_id": "1"}},
            auth=httpx.BasicAuth("qlive", secret),
        )
        assert taken.json() == {"code": 0}
        await heard.until("room", "change")
        assert heard.events[1][1] == {"live_status": 1}


async def test_a_withdrawn_key_ends_its_streams(tmp_path: Path, server: Server) -> None:
    """Those by tokens of the key that is no longer among the files, soon after a reload."""
    file = tmp_path / "jwt"
    file.write_text(SECRETS[0])
    by_old, by_new = (
        jwt.encode({"sub": "bob", "exp": 2**32}, each, algorithm="HS256") for each in SECRETS[:2]
    )
    with served(server.url, JWT_SECRET="", JWT_SECRET_FILE=str(file)) as gateway:
        async with listening(gateway.port, "1", by_old) as heard:
            await heard.until("room")
            file.write_text(SECRETS[1])
            gateway.process.send_signal(signal.SIGHUP)
            assert await heard.end()
            assert heard.names == ["room", "expired"]
        async with listening(gateway.port, "1", by_new) as heard:
            await heard.until("room")
        gateway.stop()


async def test_a_sandbox_does_not_wait_for_those_who_watch() -> None:
    """It tells them to come back, and ends."""
    async with AsyncExitStack() as box, AsyncExitStack() as opened:
        sandbox = await box.enter_async_context(running())
        headers = {"Authorization": f"Bearer {sandbox.token('alice')}"}
        async with clients.async_client(sandbox.url, headers) as alice:
            made = await alice.post("/v1/rooms", json={"title": "t"})
        port = int(sandbox.url.rpartition(":")[2])
        stream = listening(port, made.json()["live_id"], sandbox.token("bob"))
        heard = await opened.enter_async_context(stream)
        await heard.until("room")
        async with asyncio.timeout(10):
            await box.aclose()
        assert await heard.end()
        assert heard.names == ["room", "reconnect"]

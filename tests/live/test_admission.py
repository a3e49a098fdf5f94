"""Rate limits by user and by address, and the limit of requests in flight, on real sockets."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest

from gateway.metrics import Metrics
from tests.live.fault_server import Exchange, Held, Script, rooms, serving, silence
from tests.live.gateways import (
    ALICE,
    BOB,
    IMPATIENT,
    Gateway,
    assert_tells_no_secret,
    gateway_at,
    token,
)
from tests.live.viewers import viewer_at
from tests.telemetry.counts import nonzero
from tests.waiting import until

FORGED = "not.a.token"
CAROL, DAVE = token("carol"), token("dave")
"""More viewers: one user may have a tenth of the places."""


def limits(answer: httpx.Response) -> Any:
    """Return what an answer says of the limit: how many, how many left, seconds until full."""
    given = [answer.headers.get(f"ratelimit-{name}") for name in ("limit", "remaining", "reset")]
    return None if given == [None] * 3 else tuple(map(int, given))


def assert_limited(answer: httpx.Response, retry_after: int) -> None:
    """Check that an answer is a refusal that says when to come back."""
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) == retry_after
    assert answer.headers["cache-control"] == "no-store"
    assert limits(answer) is not None
    assert_tells_no_secret(answer.text)


async def as_bob(gateway: Gateway, method: str, path: str, **headers: str) -> httpx.Response:
    """Send a request of bob's."""
    headers = {"Authorization": f"Bearer {BOB}", **headers}
    return await gateway.client.request(method, path, headers=headers)


async def test_reads_are_limited_by_user() -> None:
    """Every kind of read counts for its user, a batch for each of its rooms, once each.

    One over the limit gets Retry-After, a batch as long as until all of it may pass.
    """
    async with (
        serving(rooms) as server,
        gateway_at(server.url, RATE_LIMIT_READS="8/day") as gateway,
    ):
        first = await as_bob(gateway, "GET", "/v1/rooms/1")
        etag = first.headers["etag"]
        answers = [
            first,
            await as_bob(gateway, "GET", "/v1/rooms/1"),
            await as_bob(gateway, "HEAD", "/v1/rooms/1"),
            await as_bob(gateway, "GET", "/v1/rooms/1", **{"If-None-Match": etag}),
            await as_bob(gateway, "GET", "/v1/rooms?id=1&id=2&id=1&id=%32"),
            await as_bob(gateway, "GET", "/v1/rooms/bad.id"),
            await as_bob(gateway, "GET", "/v1/rooms"),
        ]
        assert [each.status_code for each in answers] == [200, 200, 200, 304, 200, 400, 400]
        assert [limits(each) for each in answers] == [
            (8, 8 - used, pytest.approx(10800 * used, abs=5)) for used in (1, 2, 3, 4, 6, 7, 8)
        ]
        for path in ("/v1/rooms/1", "/v1/rooms?id=1"):
            assert_limited(await as_bob(gateway, "GET", path), retry_after=10800)
        three = await as_bob(gateway, "GET", "/v1/rooms?id=1&id=2&id=3")
        assert_limited(three, retry_after=3 * 10800)
        assert (await gateway.read("1", ALICE)).status_code == 200
        assert limits(await gateway.read("1", ALICE)) == (8, 6, pytest.approx(21600, abs=5))
        assert nonzero(gateway.block, Metrics.rate_limited) == {("reads",): 3}


async def test_a_batch_is_refused_whole() -> None:
    """A batch larger than what is left costs nothing and says what is; a smaller one passes.

    One larger than the whole limit costs all of it, so that it passes once that is unused.
    """
    async with (
        serving(rooms) as server,
        gateway_at(server.url, RATE_LIMIT_READS="4/day") as gateway,
    ):
        assert limits(await gateway.read_batch("1")) == (4, 3, 21600)
        refused = await gateway.read_batch(*map(str, range(50)))
        assert_limited(refused, retry_after=21600)
        assert limits(refused) == (4, 3, 21600)
        assert server.targets() == ["/server/live/1"]
        assert limits(await gateway.read_batch("1", "2", "3")) == (4, 0, 86400)
        path = "/v1/rooms?" + "&".join(f"id={number}" for number in range(50))
        carols = await gateway.client.get(path, headers={"Authorization": f"Bearer {CAROL}"})
        assert (carols.status_code, limits(carols)) == (200, (4, 0, 86400))


async def test_writes_have_a_limit_of_their_own() -> None:
    """Writes over their limit never reach the upstream, and limit no reads or other users."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, RATE_LIMIT_WRITES="3/hour") as gateway,
    ):
        answers = [await gateway.write(each) for each in ("create", "stop", "delete")]
        assert [limits(each) for each in answers] == [(3, 2, 1200), (3, 1, 2400), (3, 0, 3600)]
        seen = len(server.received)
        for operation in ("create", "stop", "delete"):
            assert_limited(await gateway.write(operation), retry_after=1200)
        assert len(server.received) == seen
        assert limits(await gateway.read("1", ALICE)) is None
        bobs = await as_bob(gateway, "POST", "/v1/rooms/2/stop")
        assert (bobs.status_code, limits(bobs)) == (403, (3, 2, 1200))
        assert nonzero(gateway.block, Metrics.rate_limited) == {("writes",): 3}


async def test_failed_sign_ins_are_limited_by_address() -> None:
    """Failed sign-ins over the limit are a 429 without a challenge; a good token still passes."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, RATE_LIMIT_FAILED_AUTH="3/minute") as gateway,
    ):
        failures = [
            await gateway.read("1", FORGED),
            await gateway.client.get("/v1/rooms/1"),
            await gateway.client.post("/v1/rooms", headers={"Authorization": "Basic Zm9vOmJhcg=="}),
        ]
        assert [each.status_code for each in failures] == [401] * 3
        assert [limits(each) for each in failures] == [(3, 2, 20), (3, 1, 40), (3, 0, 60)]
        for answer in (await gateway.read("1", FORGED), await gateway.client.get("/v1/rooms")):
            assert_limited(answer, retry_after=20)
            assert "www-authenticate" not in answer.headers
        assert (await gateway.read("1")).status_code == 200
        assert limits(await gateway.read("1")) is None
        assert nonzero(gateway.block, Metrics.rate_limited) == {("failed_auth",): 2}


async def fail_from(gateway: Gateway, forwarded: str) -> int:
    """Return the status of a failed sign-in that claims to come from `forwarded`."""
    headers = {
        "Authorization": f"Bearer {FORGED}",
        "X-Forwarded-For": forwarded,
        "X-Real-IP": forwarded,
        "Forwarded": f"for={forwarded}",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
    }
    return (await gateway.client.get("/v1/rooms/1", headers=headers)).status_code


async def test_a_forged_address_is_ignored() -> None:
    """A client that is no trusted proxy cannot escape its limit by claiming other addresses."""
    limit = {"RATE_LIMIT_FAILED_AUTH": "2/minute"}
    async with serving(rooms) as server, gateway_at(server.url, **limit) as gateway:
        assert [await fail_from(gateway, f"198.51.100.{n}") for n in range(4)] == [401] * 2 + [
            429
        ] * 2


async def test_a_trusted_proxy_is_believed() -> None:
    """Each client behind a trusted proxy has a limit of its own, which it cannot escape."""
    settings = {"RATE_LIMIT_FAILED_AUTH": "2/minute", "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        assert [await fail_from(gateway, f"198.51.100.{n}") for n in range(4)] == [401] * 4
        claims = [f"198.51.100.{n}, 203.0.113.9, 10.0.0.1" for n in range(4)]
        assert [await fail_from(gateway, each) for each in claims] == [401] * 2 + [429] * 2


async def test_open_routes_have_no_limit() -> None:
    """Health, documentation and unknown paths have no limit, and say nothing of one."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, RATE_LIMIT_READS="1/day", RATE_LIMIT_FAILED_AUTH="1/day") as gateway,
    ):
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/nothing") * 2:
            answer = await gateway.client.get(path)
            assert answer.status_code == (404 if path == "/nothing" else 200)
            assert limits(answer) is None


async def test_beyond_the_limit_requests_are_refused_at_once() -> None:
    """Requests beyond the limit are refused while others are in flight; health routes answer."""
    held = Held()
    settings = {"MAX_CONCURRENCY": "3"}
    async with serving(held) as server, gateway_at(server.url, **settings) as gateway:
        users = [token(f"user-{n}") for n in range(3)]
        admitted = [asyncio.create_task(gateway.read(f"{n}", each)) for n, each in enumerate(users)]
        await held.arrived(3)
        for path in ("/v1/rooms/4", "/v1/rooms?id=4", "/openapi.json", "/nothing"):
            refused = await as_bob(gateway, "GET", path)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "1"
        for path in ("/healthz", "/readyz"):
            assert (await gateway.client.get(path)).status_code == 200
        held.let_go.set()
        assert [each.status_code for each in await asyncio.gather(*admitted)] == [200] * 3
        assert (await gateway.read("4")).status_code == 200


def but_for_silent(script: Script) -> Script:
    """Return a script that answers well, but for rooms called silent."""

    async def answer(exchange: Exchange) -> None:
        await (script if "silent" in exchange.live_id else rooms)(exchange)

    return answer


async def test_a_place_is_given_back_whatever_happens() -> None:
    """Timeouts, refusals and clients that leave give their place back."""
    settings = {"MAX_CONCURRENCY": "2", **IMPATIENT}
    script = but_for_silent(silence)
    async with serving(script) as server, gateway_at(server.url, **settings) as gateway:
        for number in range(2):
            async with viewer_at(gateway.port) as viewer:
                viewer.ask(f"/v1/rooms/left-{number}")
            late, bad, anonymous = await asyncio.gather(
                gateway.read(f"silent-{number}", CAROL),
                gateway.read("bad.id", DAVE),
                gateway.client.get("/v1/rooms"),
            )
            assert late.status_code in {504, 503}
            assert {bad.status_code, anonymous.status_code} <= {400, 401, 503}
            assert (await gateway.read(f"good-{number}")).status_code == 200
        assert await both_are_let_in(gateway)


async def both_are_let_in(gateway: Gateway) -> bool:
    """Return True if two reads at the same time are let in."""
    both = await asyncio.gather(gateway.read("1"), gateway.read("2", CAROL))
    return [each.status_code for each in both] == [200, 200]


@pytest.mark.parametrize(
    ("path", "calls"),
    [("/v1/rooms/silent-{0}", 1), ("/v1/rooms?id=silent-{0}-1&id=silent-{0}-2", 2)],
    ids=["a room", "a batch"],
)
async def test_a_client_that_leaves_is_not_in_flight(path: str, calls: int) -> None:
    """A client that leaves gives its place back while its read is still under way.

    Each is another user, since the reads that go on take up their users' shares of the upstream.
    """
    held = Held()
    script = but_for_silent(held)
    async with serving(script) as server, gateway_at(server.url, MAX_CONCURRENCY="2") as gateway:
        for number in range(10):
            async with viewer_at(gateway.port) as viewer:
                viewer.ask(path.format(number), token(f"user-{number}"))
                await held.arrived(calls)
            await until(partial(both_are_let_in, gateway))
        held.let_go.set()

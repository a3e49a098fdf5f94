"""Second attempts, and a circuit breaker that spares an upstream in an outage."""

import asyncio
import itertools
import socket
import time

import httpx
import pytest

from tests.live.fault_server import (
    CREATED,
    Exchange,
    Script,
    Server,
    answering,
    enveloped,
    free_socket,
    reply,
    rooms,
    serving,
    silence,
    url_of,
)
from tests.live.faults import CLOSE, HALF_CLOSE, RESET, busy, ending
from tests.live.gateways import ALICE, IMPATIENT, Gateway, assert_told, gateway_at, token
from tests.waiting import until

pytestmark = pytest.mark.slow  # the breaker pauses for a second

OUTAGES: dict[str, Script] = {
    "reset": ending(RESET),
    "closed": ending(CLOSE),
    "half closed": ending(HALF_CLOSE),
    "silence": silence,
    "429": answering(busy(429)),
    "500": answering(busy(500)),
    "503": answering(busy(503)),
}
PAUSE = 1.0
"""Seconds, about, that an open breaker waits."""

FORGETFUL = {"CACHE_TTL": "0", "CACHE_STALE_WHILE_REVALIDATE": "0"}
"""Settings of a gateway that reads each room again."""


def but_for(script: Script, *live_ids: str) -> Script:
    """Return a healthy vendor whose reads of a few rooms end in `script`."""

    async def answer(exchange: Exchange) -> None:
        bad = exchange.method == "GET" and exchange.live_id in live_ids
        await (script if bad else rooms)(exchange)

    return answer


def assert_unavailable(answer: httpx.Response) -> None:
    """Check that an answer refuses a call without asking the upstream, with Retry-After."""
    assert_told(answer, "upstream_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 2


async def open_breaker(gateway: Gateway, server: Server) -> None:
    """Let reads fail one after another until they are refused."""
    server.script = ending(RESET)
    for number in range(6):
        if (await gateway.read(f"opening-{number}")).status_code == 503:
            return
    pytest.fail("the breaker did not open")


async def until_half_open(gateway: Gateway) -> None:
    """Wait until the pause is over, without a call upstream."""

    async def half_open() -> bool:
        return await gateway.breaker() != "open"

    await until(half_open)


async def until_served(gateway: Gateway) -> None:
    """Read until it goes well."""

    async def served() -> bool:
        return (await gateway.read("again")).status_code == 200

    await until(served)


@pytest.mark.parametrize("case", OUTAGES)
async def test_an_outage_is_noticed_soon(case: str) -> None:
    """At most five attempts reach an upstream in an outage before every call is refused."""
    async with (
        serving(OUTAGES[case]) as server,
        gateway_at(server.url, UPSTREAM_TIMEOUT="0.2" if case == "silence" else "30") as gateway,
    ):
        for number in range(5):
            await gateway.read(f"first-{number}")
            if await gateway.breaker() == "open":
                break
        assert len(server.received) <= 5
        attempts = len(server.received)
        refused = await asyncio.gather(
            gateway.write("create"),
            gateway.write("stop"),
            gateway.write("delete"),
            *(gateway.read(f"next-{number}") for number in range(7)),
        )
        for answer in refused:
            assert_unavailable(answer)
        assert len(server.received) == attempts


@pytest.mark.slow  # for the pause of an open breaker
@pytest.mark.parametrize("case", ["reset", "503"])
async def test_attempts_in_an_outage(case: str) -> None:
    """In an outage the upstream gets five attempts, and then one after each pause."""
    async with serving(OUTAGES[case]) as server, gateway_at(server.url) as gateway:
        began, waves = time.monotonic(), itertools.count()
        while (pauses := (time.monotonic() - began) / PAUSE) < 1.5:
            wave = next(waves)
            await asyncio.gather(*(gateway.read(f"{wave}-{number}") for number in range(10)))
        assert 5 < len(server.received) <= 15 + pauses


async def test_attempts_at_the_start_of_an_outage() -> None:
    """Fifty reads under way at the start of an outage have at most ten second attempts."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        for number in range(100):
            await gateway.read(f"good-{number}")
        everyone = asyncio.Event()

        async def down(exchange: Exchange) -> None:
            if len(server.received) == before + 50:
                everyone.set()
            await everyone.wait()
            exchange.reset()

        server.script, before = down, len(server.received)
        reads = (gateway.read(f"down-{each}", token(f"user-{each}")) for each in range(50))
        answers = await asyncio.gather(*reads)
        assert {each.json()["code"] for each in answers} == {"upstream_error"}
        assert 50 <= len(server.received) - before <= 60


async def test_one_probe_at_a_time() -> None:
    """A half-open breaker lets one call through, and its success closes it."""
    answered = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await answered.wait()
        await rooms(exchange)

    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        await open_breaker(gateway, server)
        server.script, before = held, len(server.received)
        await until_half_open(gateway)
        reads = [asyncio.create_task(gateway.read(f"probe-{number}")) for number in range(20)]
        refused = []
        for each in asyncio.as_completed(reads):
            answer = await each
            if answer.status_code == 200:
                break
            assert_unavailable(answer)
            refused.append(answer)
            if len(refused) == 19:
                assert len(server.received) - before == 1
                answered.set()
        assert len(refused) == 19
        assert await gateway.breaker() == "closed"
        good = await asyncio.gather(*(gateway.read(f"good-{number}") for number in range(20)))
        assert [each.status_code for each in good] == [200] * 20


@pytest.mark.slow  # for two pauses of an open breaker
async def test_a_failed_probe_opens_it_again() -> None:
    """A failed probe is one attempt and another pause; then a good one ends the outage."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        await open_breaker(gateway, server)
        await until_half_open(gateway)
        before, began = len(server.received), time.monotonic()
        assert_told(await gateway.read("probe"), "upstream_error")
        assert_unavailable(await gateway.read("after"))
        assert len(server.received) - before == 1
        server.script = rooms
        await until_half_open(gateway)
        assert time.monotonic() - began > PAUSE * 0.9
        assert (await gateway.write("create")).status_code == 201
        assert await gateway.breaker() == "closed"


@pytest.mark.slow  # for the pause of an open breaker
async def test_a_probe_whose_client_has_gone() -> None:
    """A probe whose client has left does not keep the breaker half-open."""
    async with serving(rooms) as server, gateway_at(server.url, **IMPATIENT) as gateway:
        await open_breaker(gateway, server)
        await until_half_open(gateway)
        server.script = silence
        probe = asyncio.create_task(gateway.read("probe"))
        await until(lambda: server.targets()[-1].endswith("/probe"))
        probe.cancel()
        server.script = rooms
        await until_served(gateway)


@pytest.mark.slow  # for the pause of an open breaker
async def test_an_upstream_that_is_gone() -> None:
    """Refused connections open the breaker, and a new listener closes it."""
    held = free_socket()
    async with gateway_at(url_of(held)) as gateway:
        for number in range(5):
            await gateway.read(f"gone-{number}")
        assert_unavailable(await gateway.read("gone"))
        async with serving(rooms, held=held):
            await until_served(gateway)


async def test_viewers_get_stale_rooms_meanwhile() -> None:
    """An open breaker leaves known rooms to viewers, and refuses their anchor and other rooms."""
    async with serving(rooms) as server, gateway_at(server.url, **FORGETFUL) as gateway:
        assert (await gateway.read("kept")).status_code == 200
        await open_breaker(gateway, server)
        attempts = len(server.received)
        seen = await gateway.read("kept")
        assert (seen.status_code, seen.json()["live_id"]) == (200, "kept")
        assert seen.headers["cache-status"] == "gateway; hit; detail=stale"
        batch = (await gateway.read_batch("kept", "other")).json()
        assert [each["live_id"] for each in batch["rooms"]] == ["kept"]
        assert batch["failed"] == ["other"]
        assert_unavailable(await gateway.read("kept", ALICE))
        assert len(server.received) == attempts


async def test_viewers_get_stale_rooms_from_the_first_failure() -> None:
    """Viewers get a known room from memory when the first read of it fails."""
    settings = {**FORGETFUL, **IMPATIENT}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        await gateway.read("kept")
        for script in (silence, ending(RESET), answering(busy(503))):
            server.script = script
            seen = await gateway.read("kept")
            assert (seen.status_code, seen.json()["live_id"]) == (200, "kept")


def failing_once(script: Script) -> Script:
    """Return a script that answers well from the second request on."""
    turns = iter([script])

    async def answer(exchange: Exchange) -> None:
        await next(turns, rooms)(exchange)

    return answer


@pytest.mark.parametrize("case", ["reset", "closed", "half closed", "429", "500", "503"])
async def test_a_second_attempt_mends_a_read(case: str) -> None:
    """A second attempt at a read hides a failure that is over by then."""
    async with (
        serving(failing_once(OUTAGES[case])) as server,
        gateway_at(server.url) as gateway,
    ):
        answer = await gateway.read("1")
        assert (answer.status_code, answer.json()["live_id"]) == (200, "1")
        assert server.targets() == ["/server/live/1"] * 2


@pytest.mark.slow  # Retry-After has whole seconds
async def test_retry_after_is_respected() -> None:
    """A second attempt waits for as long as Retry-After says, if the timeout allows it."""
    flooded = failing_once(answering(busy(429, "Retry-After: 1")))
    async with (
        serving(flooded) as server,
        gateway_at(server.url) as gateway,
    ):
        answer = await gateway.read("1")
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() >= 1
        assert len(server.received) == 2


async def test_one_bad_room_is_not_an_outage() -> None:
    """A room whose reads all time out fails alone, while others are read and written."""
    script = but_for(silence, "bad")
    async with (
        serving(script) as server,
        gateway_at(server.url, UPSTREAM_TIMEOUT="0.1") as gateway,
    ):
        for number in range(12):
            assert (await gateway.read(f"good-{number}")).status_code == 200
            for _ in range(2 + 4 * (number == 0)):
                assert (await gateway.read("bad")).json()["code"] == "upstream_timeout"
        assert (await gateway.write("create")).status_code == 201
        assert await gateway.breaker() == "closed"


async def test_a_silent_upstream_asked_for_one_room_is_an_outage() -> None:
    """Nothing else is asked for, so five timeouts of one room open the breaker."""
    async with (
        serving(silence) as server,
        gateway_at(server.url, UPSTREAM_TIMEOUT="0.1") as gateway,
    ):
        for _ in range(5):
            assert (await gateway.read("bad")).json()["code"] == "upstream_timeout"
        assert_unavailable(await gateway.read("bad"))


def reusable_socket(url: str = "http://127.0.0.1:0") -> socket.socket:
    """Return a socket on the port of `url`, which another may hold once nobody listens there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", int(url.rpartition(":")[2])))
    return held


@pytest.mark.parametrize("status", [429, 503])
async def test_an_address_that_moved_is_found_within_the_first_pause(status: int) -> None:
    """The old address goes on answering on kept connections; the probe is made over a new one."""
    held = reusable_socket()
    async with serving(rooms, held=held) as old, gateway_at(old.url) as gateway:
        assert (await gateway.read("before")).status_code == 200
        old.script = answering(busy(status))
        old.stop_listening()
        async with serving(rooms, held=reusable_socket(old.url)) as new:
            for number in range(5):
                assert_unavailable(await gateway.read(f"lost-{number}"))
            assert (new.received, old.connections) == ([], 1)
            await until_half_open(gateway)
            assert (await gateway.read("found")).status_code == 200
            assert await gateway.breaker() == "closed"


DRIVER = "dial tcp 127.0.0.1:3306: connect: connection refused"
DOWN = {"legacy": (200, 500, "create live failed"), "documented": (500, 500, DRIVER)}
LOOK_UP_DOWN = {"legacy": (404, 500, "Internal error"), "documented": (500, 500, "Internal")}


def without_database(dialect: str) -> Script:
    """Return a vendor whose database is down."""

    async def answer(exchange: Exchange) -> None:
        status, code, message = (LOOK_UP_DOWN if exchange.user_ids else DOWN)[dialect]
        await exchange.write(reply(enveloped(code=code, message=message), status))

    return answer


@pytest.mark.parametrize("dialect", DOWN)
async def test_a_dead_database_is_an_outage(dialect: str) -> None:
    """Reads are 502 and then refused, known rooms are served stale, nothing is told as gone."""
    lifetimes = {"CACHE_TTL": "0.05", "CACHE_STALE_WHILE_REVALIDATE": "0"}
    async with serving(rooms) as server, gateway_at(server.url, **lifetimes) as gateway:
        assert (await gateway.read("kept")).status_code == 200
        await asyncio.sleep(0.1)
        server.script, server.scripts_users = without_database(dialect), True
        assert (await gateway.read("kept")).headers["cache-status"].endswith("detail=stale")
        for operation in ("stop", "delete"):
            assert_told(await gateway.write(operation, "kept"), "upstream_error")
        for number in range(2):
            assert_told(await gateway.read(f"lost-{number}"), "upstream_error")
        assert (await gateway.client.get("/readyz")).json()["checks"] == {
            "keys": "ok",
            "upstream": "failing",
            "breaker": "open",
        }
        assert_unavailable(await gateway.read("lost"))
        assert (await gateway.read("kept")).headers["cache-status"].endswith("detail=stale")
        server.script, server.scripts_users = rooms, False
        await until_served(gateway)
        assert await gateway.breaker() == "closed"


async def test_a_created_room_is_not_given_up_when_the_database_dies() -> None:
    """An answer about the database that is a moment old does not make a room of ours missing."""
    unknown = answering(reply(enveloped(code=500, message="create live failed")))
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        assert (await gateway.write("create")).json()["live_id"] == CREATED
        server.script = unknown
        assert_told(await gateway.read("unknown"), "room_not_found")
        server.script, server.scripts_users = without_database("legacy"), True
        assert_told(await gateway.read(CREATED), "upstream_error")
        for operation in ("stop", "delete"):
            assert_told(await gateway.write(operation, CREATED), "upstream_error")

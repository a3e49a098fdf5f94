"""Going live through the gateway, in front of the simulated vendor in both of its dialects."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from gateway.metrics import Metrics
from gateway.sandbox import DialectName, Faults, Sandbox, running
from tests import clients
from tests.fakes.shared_cache import new_prefix
from tests.live.gateways import ALICE as ALICES_TOKEN
from tests.live.gateways import BOB as BOBS_TOKEN
from tests.live.gateways import KEYS, Gateway, gateway_at
from tests.store_server import StoreServer
from tests.telemetry.counts import nonzero
from tests.waiting import LIMIT, until

ENVIRON = {
    "GATEWAY_VENDOR_APP_ID": "app",
    "GATEWAY_ACCESS_LOG": "off",
    "GATEWAY_LOG_LEVEL": "warning",
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_CACHE_TTL": "60",  # nothing but an eviction makes a room be read again
    "GATEWAY_UPSTREAM_TIMEOUT": "10",
}
dialects = pytest.mark.parametrize("dialect", ["documented", "legacy"])


class Session:
    """alice and bob at a gateway."""

    def __init__(self, box: Sandbox, client: httpx.AsyncClient) -> None:
        self.box = box
        self.client = client

    async def ask(self, user: str, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request."""
        headers = {"Authorization": f"Bearer {self.box.token(user)}"} | parts.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **parts)

    async def new_room(self) -> str:
        """Create a room of alice's."""
        made = await self.ask("alice", "POST", "/v1/rooms", json={"title": "t"})
        return str(made.json()["live_id"])

    async def act(self, what: str, live_id: str, user: str = "alice") -> tuple[int, str]:
        """Start a room, send its heartbeat or stop it; return the status and a problem's code."""
        answer = await self.ask(user, "POST", f"/v1/rooms/{live_id}/{what}")
        return answer.status_code, answer.json()["code"] if answer.content else ""

    async def events(self, live_id: str) -> AsyncIterator[tuple[str, Any]]:
        """Watch a room as bob."""
        headers = {"Authorization": f"Bearer {self.box.token('bob')}"}
        path = f"/v1/rooms/{live_id}/events"
        async with self.client.stream("GET", path, headers=headers) as stream:
            name = ""
            async for line in stream.aiter_lines():
                field, _, value = line.partition(": ")
                name = value if field == "event" else name
                if field == "data":
                    yield name, json.loads(value)

    def called(self, beginning: str) -> list[str]:
        """Return the vendor's calls whose path begins so."""
        return [
            f"{each.method} {each.target}"
            for each in self.box.vendor.calls
            if each.target.startswith(beginning)
        ]


@asynccontextmanager
async def session(
    dialect: str = "documented", faults: Faults | None = None, **environ: str
) -> AsyncIterator[Session]:
    """Run a sandbox; `environ` are further settings without their prefix."""
    settings = ENVIRON | {f"GATEWAY_{name}": text for name, text in environ.items()}
    async with (
        running(dialect=cast("DialectName", dialect), faults=faults, environ=settings) as box,
        clients.async_client(box.url) as client,
    ):
        yield Session(box, client)


@dialects
async def test_the_whole_life_of_a_room(dialect: str) -> None:
    """Created, started, kept living, stopped and deleted, all as bob sees it at once."""
    async with session(dialect) as here:
        live_id = await here.new_room()
        seen = []
        async with asyncio.timeout(LIMIT):
            async for name, data in here.events(live_id):
                seen.append((name, data.get("live_status")))
                if seen == [("room", 0)]:
                    assert await here.act("start", live_id) == (204, "")
                    assert await here.act("start", live_id) == (204, "")
                    assert await here.act("heartbeat", live_id) == (204, "")
                elif data.get("live_status") == 1:
                    assert await here.act("stop", live_id) == (204, "")
                elif data.get("live_status") == 2:
                    assert await here.act("start", live_id) == (409, "room_ended")
                    assert await here.act("heartbeat", live_id) == (409, "room_ended")
                    gone = await here.ask("alice", "DELETE", f"/v1/rooms/{live_id}")
                    assert gone.status_code == 204
        assert seen == [("room", 0), ("change", 1), ("change", 2), ("deleted", None)]
        assert await here.act("start", live_id) == (404, "room_not_found")
        assert await here.act("heartbeat", live_id) == (404, "room_not_found")
        assert here.called("/client/") == [
            f"PUT /client/live/room/{live_id}",
            f"GET /client/live/room/heartbeat/{live_id}",
        ]
        assert len(here.called("/server/auth/token")) == 1


async def test_without_an_app_id_there_are_no_such_paths() -> None:
    """All three are 404, as any path that there is not."""
    async with session(VENDOR_APP_ID="") as here:
        live_id = await here.new_room()
        assert await here.act("start", live_id) == (404, "not_found")
        assert await here.act("heartbeat", live_id) == (404, "not_found")
        answer = await here.ask("bob", "GET", "/v1/live-rooms")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert here.called("/client/") == here.called("/server/auth") == []


@dialects
async def test_a_page_of_living_rooms(dialect: str) -> None:
    """Living rooms alone, in viewer shape for their anchor too, with what a poller needs."""
    async with session(dialect) as here:
        rooms = [await here.new_room() for _ in range(4)]
        for live_id in rooms[:3]:
            await here.act("start", live_id)
        first = await here.ask("alice", "GET", "/v1/live-rooms?page_size=2")
        page = first.json()
        assert (len(page["rooms"]), page["total"], page["next_page"]) == (2, 3, 2)
        assert "push" not in first.text.replace("publish", "")
        assert first.headers["cache-control"] == "private, max-age=60"
        assert first.headers["cache-status"] == "gateway; fwd=miss"
        assert first.headers["vary"] == "Authorization"
        condition = {"If-None-Match": first.headers["etag"]}
        again = await here.ask("bob", "GET", "/v1/live-rooms?page_size=2", headers=condition)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-status"] == "gateway; hit"
        last = (await here.ask("bob", "GET", "/v1/live-rooms?page=2&page_size=2")).json()
        assert (len(last["rooms"]), last["total"], last["next_page"]) == (1, 3, None)
        listed = {room["live_id"] for room in [*page["rooms"], *last["rooms"]]}
        assert listed == set(rooms[:3])


async def test_rooms_of_a_page_are_cached() -> None:
    """A viewer of a listed room costs no read, and its anchor still gets a fresh `push_url`."""
    async with session() as here:
        live_id = await here.new_room()
        await here.act("start", live_id)
        await here.ask("bob", "GET", "/v1/live-rooms")
        reads = len(here.called("/server/live/"))
        seen = await here.ask("bob", "GET", f"/v1/rooms/{live_id}")
        assert seen.headers["cache-status"] == "gateway; hit"
        assert (seen.json()["live_status"], "push_url" in seen.text) == (1, False)
        assert len(here.called("/server/live/")) == reads
        own = await here.ask("alice", "GET", f"/v1/rooms/{live_id}")
        assert own.json()["push_url"]


@asynccontextmanager
async def replicas(here: Session, store: StoreServer) -> AsyncIterator[list[Gateway]]:
    """Run two more gateways in front of the same vendor, which share a store."""
    here.box.vendor.issue_keys(KEYS["GATEWAY_ACCESS_KEY"], KEYS["GATEWAY_SECRET_KEY"])
    shared = {"REDIS_URL": store.text, "REDIS_PREFIX": new_prefix()}
    settings = {**shared, "VENDOR_APP_ID": "app", "CACHE_TTL": "60"}
    async with (
        gateway_at(here.box.upstream_url, **settings) as one,
        gateway_at(here.box.upstream_url, **settings) as other,
    ):
        yield [one, other]


def had_their_store(gateways: list[Gateway]) -> bool:
    """Return False if a call to the store was late: then each has decided alone, rightly."""
    counts = [nonzero(each.block, Metrics.store_calls) for each in gateways]
    return all(set(outcomes) <= {("ok",)} for outcomes in counts)


async def undisturbed(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Repeat an attempt until this machine was fast enough for the store all along."""
    for _ in range(20):
        if await attempt():
            return
    raise AssertionError("the store was late each time")


@dialects
async def test_200_clients_of_two_replicas_cost_one_read(
    dialect: str, store_server: StoreServer
) -> None:
    """However many poll a page, and wherever, it is read upstream once while it is fresh."""

    async def poll(gateway: Gateway, token: str) -> tuple[tuple[int, int | None], ...]:
        headers, answers = {"Authorization": f"Bearer {token}"}, []
        for _ in range(3):
            answer = await gateway.client.get("/v1/live-rooms", headers=headers)
            answers.append((answer.status_code, answer.json()["total"] if answer.content else None))
            headers["If-None-Match"] = answer.headers["etag"]
        return tuple(answers)

    async def attempt() -> bool:
        async with session(dialect) as here, replicas(here, store_server) as gateways:
            for live_id in [await here.new_room() for _ in range(3)]:
                await here.act("start", live_id)
            here.box.vendor.calls.clear()
            polls = [
                poll(gateways[number % 2], BOBS_TOKEN if number % 3 else ALICES_TOKEN)
                for number in range(200)
            ]
            found = Counter(await asyncio.gather(*polls))
            assert found == {((200, 3), (304, None), (304, None)): 200}
            if not had_their_store(gateways):
                return False
            assert len(here.called("/client/live/room/list")) == 1
            sent = [each.values("authorization")[0] for each in here.box.vendor.calls]
            secrets = [each for each in sent if not each.startswith("Qiniu ")]
            assert secrets
            logged = "".join(each.log.getvalue().decode() for each in gateways)
            assert not [each for each in secrets if each in logged]
            return True

    await undisturbed(attempt)


@dialects
async def test_a_heartbeat_is_told_once_a_minute_by_all_replicas(
    dialect: str, store_server: StoreServer
) -> None:
    """The anchor's app may send it to any replica, and as often as it likes."""

    async def attempt() -> bool:
        async with session(dialect) as here, replicas(here, store_server) as gateways:
            live_id = await here.new_room()
            await here.act("start", live_id)
            headers = {"Authorization": f"Bearer {ALICES_TOKEN}"}
            for each in gateways * 5:
                answer = await each.client.post(f"/v1/rooms/{live_id}/heartbeat", headers=headers)
                assert answer.status_code == 204
            if not had_their_store(gateways):
                return False
            assert len(here.called("/client/live/room/heartbeat")) == 1
            return True

    await undisturbed(attempt)


@dialects
async def test_a_token_that_the_vendor_refuses(dialect: str) -> None:
    """Another is asked for once more, and nobody notices; also with a list."""
    async with session(dialect) as here:
        live_id = await here.new_room()
        await here.act("start", live_id)
        await here.ask("bob", "GET", "/v1/live-rooms")
        here.box.vendor.tokens.key = "another key of the vendor's, long enough for HS256"
        assert await here.act("heartbeat", live_id) == (204, "")
        assert (await here.ask("bob", "GET", "/v1/live-rooms?page=2")).status_code == 200
        assert len(here.called("/server/auth/token")) == 4


@dialects
async def test_an_anchor_whom_the_vendor_has_forgotten(dialect: str) -> None:
    """A heartbeat long after the start puts the anchor into the room again, and keeps it living."""
    async with session(dialect) as here:
        live_id = await here.new_room()
        here.box.vendor.calls.clear()
        go_live = f"{here.box.upstream_url}/sandbox/rooms/{live_id}/live"  # of another client
        await here.client.post(go_live)
        before = here.box.vendor.rooms.find(live_id)
        assert await here.act("heartbeat", live_id) == (204, "")
        assert [each.split("/")[4] for each in here.called("/client/")] == [
            *("heartbeat", "user", "heartbeat"),
        ]
        after = here.box.vendor.rooms.find(live_id)
        assert before is not None
        assert after is not None
        assert after.start_at == before.start_at


@dialects
async def test_a_start_whose_answer_was_lost(dialect: str) -> None:
    """The room is read again, and the start told as done."""
    async with session(dialect, Faults()) as here:
        live_id = await here.new_room()
        here.box.vendor.faults.lost_commits = 1
        assert await here.act("start", live_id) == (204, "")


@dialects
async def test_a_start_that_did_not_take_effect(dialect: str) -> None:
    """Nobody can tell it from one that comes to light later: the outcome is unknown."""
    async with session(dialect, UPSTREAM_TIMEOUT="1") as here:
        live_id = await here.new_room()
        here.box.vendor.faults.failed_commits = 1
        assert await here.act("start", live_id) == (504, "outcome_unknown")
        assert await here.act("start", live_id) == (204, "")


@dialects
async def test_a_dead_database(dialect: str) -> None:
    """Nothing is started without it, and a page is shown as it was."""
    async with session(dialect, CACHE_TTL="0", CACHE_STALE_WHILE_REVALIDATE="0") as here:
        live_id = await here.new_room()
        await here.act("start", live_id)
        page = (await here.ask("bob", "GET", "/v1/live-rooms")).json()
        here.box.vendor.faults.database = "down"
        assert (await here.act("start", live_id))[0] in {502, 503, 504}
        stale = await here.ask("bob", "GET", "/v1/live-rooms")
        assert (stale.json(), stale.headers["cache-status"]) == (page, "gateway; hit; detail=stale")


@dialects
async def test_a_replica_of_the_vendors_that_lags(dialect: str) -> None:
    """A room that was just created goes live, and counts as living though reads show it new."""
    async with session(dialect, UPSTREAM_TIMEOUT="2") as here:
        await here.ask("bob", "GET", "/v1/live-rooms?page=9")  # makes the user who reads the list
        here.box.vendor.faults.lag = 0.3
        live_id = await here.new_room()
        assert await here.act("start", live_id) == (204, "")
        seen = await here.ask("bob", "GET", f"/v1/rooms/{live_id}")
        assert seen.json()["live_status"] == 1

        async def stopped() -> bool:
            return await here.act("stop", live_id) == (204, "")

        await until(stopped)
        page = (await here.ask("bob", "GET", "/v1/live-rooms")).json()
        assert page["rooms"] == []

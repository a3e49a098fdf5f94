"""Reads through the cache, over real sockets: headers, conditions, batches, eviction, counts."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import go_live, running_sandbox, signed_in
from tests.waiting import LIMIT


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox whose rooms stay fresh for as long as a test takes."""
    with running_sandbox(environ={"GATEWAY_CACHE_TTL": "60"}) as box:
        yield box


@pytest.fixture
def client(box: Sandbox) -> Iterator[httpx.Client]:
    """A client of that sandbox."""
    with clients.client(box.url) as client:
        yield client


def room_of(client: httpx.Client, box: Sandbox, user_id: str = "alice") -> str:
    """Create a room; return its id."""
    made = client.post("/v1/rooms", json={"title": "A room"}, headers=signed_in(box, user_id))
    return str(made.json()["live_id"])


def reads(box: Sandbox, live_id: str) -> int:
    """Return how often the vendor was asked for a room."""
    path = f"/server/live/{live_id}"
    return sum((call.method, call.target) == ("GET", path) for call in list(box.vendor.calls))


def test_headers_of_a_viewers_room(client: httpx.Client, box: Sandbox) -> None:
    """A viewer gets a miss, then hits whose `max-age` never rises, and a 304 for the ETag."""
    room, bob = room_of(client, box), signed_in(box, "bob")
    miss = client.get(f"/v1/rooms/{room}", headers=bob)
    hit = client.get(f"/v1/rooms/{room}", headers=bob)
    assert miss.headers["Cache-Status"] == "gateway; fwd=miss"
    ages = [each.headers["Cache-Control"].removeprefix("private, max-age=") for each in (miss, hit)]
    assert 60 == int(ages[0]) >= int(ages[1]) > 0
    assert hit.headers["Cache-Status"] == "gateway; hit"
    for reply in (miss, hit):
        assert reply.headers["Vary"] == "Authorization"
        assert reply.headers["ETag"] == miss.headers["ETag"]
        assert reply.headers["ETag"].startswith('"')
    assert hit.content == miss.content

    unchanged = client.get(
        f"/v1/rooms/{room}", headers={**bob, "If-None-Match": hit.headers["ETag"]}
    )
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == hit.headers["ETag"]
    assert reads(box, room) == 1


def test_the_anchor_reads_fresh(client: httpx.Client, box: Sandbox) -> None:
    """The anchor's read goes upstream each time, may not be stored, and has no ETag."""
    room = room_of(client, box)
    client.get(f"/v1/rooms/{room}", headers=signed_in(box, "bob"))
    for _ in range(3):
        own = client.get(f"/v1/rooms/{room}", headers=signed_in(box, "alice"))
        assert "push_url" in own.json()
        assert own.headers["Cache-Control"] == "no-store"
        assert own.headers["Cache-Status"] == "gateway; fwd=bypass"
        assert "ETag" not in own.headers
    assert reads(box, room) == 4
    seen = client.get(f"/v1/rooms/{room}", headers=signed_in(box, "bob"))
    assert seen.headers["Cache-Status"] == "gateway; hit"
    assert "push_url" not in seen.text


def test_a_stop_and_a_delete_are_seen_at_once(client: httpx.Client, box: Sandbox) -> None:
    """A viewer sees the end right after the stop, and no room right after the delete."""
    room, alice, bob = room_of(client, box), signed_in(box, "alice"), signed_in(box, "bob")
    path = f"/v1/rooms/{room}"
    go_live(box, room)
    assert client.get(path, headers=bob).json()["live_status"] == 1
    client.post(f"{path}/stop", headers=alice)
    assert client.get(path, headers=bob).json()["live_status"] == 2
    client.delete(path, headers=alice)
    before = reads(box, room)
    assert client.get(path, headers=bob).status_code == 404
    assert client.get("/v1/rooms", params={"id": room}, headers=bob).json()["missing"] == [room]
    assert reads(box, room) == before


def test_batch(client: httpx.Client, box: Sandbox) -> None:
    """A batch keeps the order without duplicates, in viewer shape, and names unknown rooms."""
    rooms = [room_of(client, box) for _ in range(12)]
    asked = [*rooms[6:], "unknown", *rooms[:6], rooms[0]]
    reply = client.get("/v1/rooms", params={"id": asked}, headers=signed_in(box, "alice"))
    assert reply.status_code == 200
    assert [each["live_id"] for each in reply.json()["rooms"]] == [*rooms[6:], *rooms[:6]]
    assert (reply.json()["missing"], reply.json()["failed"]) == (["unknown"], [])
    assert "push_url" not in reply.text
    client.get("/v1/rooms", params={"id": asked}, headers=signed_in(box, "bob"))
    assert [reads(box, room) for room in rooms] == [1] * 12


@pytest.mark.parametrize("ids", [[], ["a"] * 51, ["a", "b c"], ["x" * 65]])
def test_bad_batches(client: httpx.Client, box: Sandbox, ids: list[str]) -> None:
    """A batch without ids, or with too many or bad ones, never reaches the vendor."""
    before = len(box.vendor.calls)
    reply = client.get("/v1/rooms", params={"id": ids}, headers=signed_in(box, "bob"))
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")
    assert reply.json()["errors"][0]["field"] == "id"
    assert len(box.vendor.calls) == before


def test_stale_rooms_outlive_the_upstream() -> None:
    """Viewers get the last room when the upstream is gone, the anchor and others an error."""
    lifetimes = {
        "GATEWAY_CACHE_TTL": "0.05",
        "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": "0",
        "GATEWAY_CACHE_STALE_IF_ERROR": "60",
    }
    with running_sandbox(environ=lifetimes) as box, clients.client(box.url) as client:
        room, bob = room_of(client, box), signed_in(box, "bob")
        client.get(f"/v1/rooms/{room}", headers=bob)
        box.vendor.revoke_keys(box.settings.access_key.reveal())
        deadline = time.monotonic() + LIMIT
        while True:
            seen = client.get(f"/v1/rooms/{room}", headers=bob)
            if seen.headers["Cache-Status"] != "gateway; hit" or time.monotonic() > deadline:
                break
        assert seen.headers["Cache-Status"] == "gateway; hit; detail=stale"
        assert seen.headers["Cache-Control"] == "private, max-age=1"
        batch = client.get("/v1/rooms", params={"id": [room, "other"]}, headers=bob).json()
        assert [each["live_id"] for each in batch["rooms"]] == [room]
        assert (batch["missing"], batch["failed"]) == ([], ["other"])
        own = client.get(f"/v1/rooms/{room}", headers=signed_in(box, "alice"))
        assert (own.status_code, own.json()["code"]) == (502, "upstream_error")


@pytest.mark.slow
def test_polling_costs_the_vendor_one_read_a_lifetime() -> None:
    """Forty polling users cost each room one read a lifetime."""
    ttl, seconds = 0.2, 0.8
    with running_sandbox(environ={"GATEWAY_CACHE_TTL": str(ttl)}) as box:
        with clients.client(box.url) as client:
            rooms = [room_of(client, box) for _ in range(5)]
        started = time.monotonic()
        polls = asyncio.run(poll(box, rooms, users=40, seconds=seconds))
        allowed = int((time.monotonic() - started) / ttl) + 1
        made = {room: reads(box, room) for room in rooms}
    assert set(polls) == {200}
    assert polls[200] >= 40 * len(rooms)
    assert all(1 <= count <= allowed for count in made.values()), (made, allowed)


async def poll(box: Sandbox, rooms: list[str], *, users: int, seconds: float) -> Counter[int]:
    """Let every user read every room again and again; count the statuses."""
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds

    async def user(client: httpx.AsyncClient, number: int) -> None:
        headers = signed_in(box, f"viewer{number}")
        while time.monotonic() < end:
            for room in rooms:
                reply = await client.get(f"/v1/rooms/{room}", headers=headers)
                statuses[reply.status_code] += 1

    async with clients.async_client(box.url) as client:
        await asyncio.gather(*(user(client, number) for number in range(users)))
    return statuses

"""`Idempotency-Key` on the upstream's worst day: at most one create is sent, whatever happens."""

import asyncio

import httpx
import pytest

from tests.live.fault_server import (
    CREATED,
    PUSH_URL,
    Exchange,
    Held,
    free_socket,
    rooms,
    serving,
    silence,
    url_of,
)
from tests.live.gateways import ALICE, LATEST, Gateway, gateway_at


async def create(gateway: Gateway, title: str = "t", patience: float = 30) -> httpx.Response:
    """Create a room as alice, always with the same key."""
    headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": "key"}
    return await gateway.client.post(
        "/v1/rooms", json={"title": title}, headers=headers, timeout=patience
    )


async def ended(gateway: Gateway) -> httpx.Response:
    """Create until the first create with the key has ended."""
    for _ in range(100):
        answer = await create(gateway)
        if answer.status_code != 409:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("it never ended")


def told(answer: httpx.Response) -> tuple[str, bool]:
    """Return an answer's problem, or the id of its room, and whether it is a replay."""
    body = answer.json()
    return body.get("code") or body["live_id"], "idempotency-replayed" in answer.headers


async def test_an_unknown_outcome_stays_unknown() -> None:
    """U14: what timed out is never sent again, though the upstream is well by now."""
    async with serving(silence) as server, gateway_at(server.url) as gateway:
        first = await create(gateway)
        assert told(first) == ("outcome_unknown", False)
        assert first.elapsed.total_seconds() < LATEST
        server.script = rooms
        for _ in range(3):
            again = await create(gateway)
            assert (again.status_code, told(again)) == (504, ("outcome_unknown", True))
        assert server.targets("POST") == ["/server/live"]


async def test_while_the_first_runs() -> None:
    """Nine more are told so, another body is refused; after it they get its room."""
    held = Held()
    async with serving(held) as server, gateway_at(server.url) as gateway:
        first = asyncio.create_task(create(gateway))
        await held.arrived(1)
        others = await asyncio.gather(*(create(gateway) for _ in range(9)))
        assert {told(each) for each in others} == {("idempotency_in_progress", False)}
        assert {each.headers["retry-after"] for each in others} == {"1"}
        assert told(await create(gateway, "other")) == ("idempotency_key_reused", False)
        held.let_go.set()
        assert told(await first) == (CREATED, False)
        again = await create(gateway)
        assert told(again) == (CREATED, True)
        assert again.json()["push_url"] == PUSH_URL
        assert server.targets("POST") == ["/server/live"]


async def test_a_client_that_gives_up_finds_its_room() -> None:
    """The connection ends while the create runs; its outcome is there for the next try."""
    held = Held()
    async with serving(held) as server, gateway_at(server.url) as gateway:
        with pytest.raises(httpx.ReadTimeout):
            await create(gateway, patience=0.1)
        await held.arrived(1)
        held.let_go.set()
        assert told(await ended(gateway)) == (CREATED, True)
        assert server.targets("POST") == ["/server/live"]


async def test_what_was_never_sent_may_be_tried_again() -> None:
    """Where no connection can be made nothing has happened: the key is free for the next try."""
    held = free_socket()
    async with gateway_at(url_of(held)) as gateway:
        for _ in range(2):
            assert told(await create(gateway)) == ("upstream_error", False)
        async with serving(rooms, held=held) as server:
            assert told(await create(gateway)) == (CREATED, False)
            assert told(await create(gateway)) == (CREATED, True)
            assert server.targets("POST") == ["/server/live"]


async def test_a_room_whose_push_url_cannot_be_read_is_asked_for_again() -> None:
    """The failed read is told, not as the outcome; once it goes well the room is whole."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        assert told(await create(gateway)) == (CREATED, False)
        server.script = silence
        assert told(await create(gateway)) == ("upstream_timeout", False)
        server.script = rooms
        again = await create(gateway)
        assert told(again) == (CREATED, True)
        assert again.json()["push_url"] == PUSH_URL
        assert server.targets("POST") == ["/server/live"]


async def test_stopping_waits_for_a_create_whose_client_has_gone() -> None:
    """It is neither cut off nor left behind."""
    begun = asyncio.Event()
    before = asyncio.all_tasks()

    async def later(exchange: Exchange) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        await rooms(exchange)

    async with serving(later) as server:
        async with gateway_at(server.url) as gateway:
            with pytest.raises(httpx.ReadTimeout):
                await create(gateway, patience=0.05)
            await begun.wait()
        assert server.targets("POST") == ["/server/live"]
    assert b"upstream_call_failed" not in gateway.log.getvalue()
    assert asyncio.all_tasks() == before

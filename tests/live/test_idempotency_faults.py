"""With an `Idempotency-Key` at most one create is sent, whatever the upstream does."""

import asyncio

import httpx

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
from tests.live.gateways import ALICE, IMPATIENT, LATEST, Gateway, gateway_at
from tests.waiting import until


async def create(gateway: Gateway, title: str = "t") -> httpx.Response:
    """Create a room as alice, always with the same key."""
    headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": "key"}
    return await gateway.client.post("/v1/rooms", json={"title": title}, headers=headers)


async def ended(gateway: Gateway) -> httpx.Response:
    """Create until the first create with the key has ended."""
    answers: list[httpx.Response] = []

    async def has_ended() -> bool:
        answers.append(await create(gateway))
        return answers[-1].status_code != 409

    await until(has_ended)
    return answers[-1]


def told(answer: httpx.Response) -> tuple[str, bool]:
    """Return an answer's problem, or the id of its room, and whether it is a replay."""
    body = answer.json()
    return body.get("code") or body["live_id"], "idempotency-replayed" in answer.headers


async def test_an_unknown_outcome_stays_unknown() -> None:
    """A create that timed out is never sent again, even if the upstream is well by then."""
    async with serving(silence) as server, gateway_at(server.url, **IMPATIENT) as gateway:
        first = await create(gateway)
        assert told(first) == ("outcome_unknown", False)
        assert first.elapsed.total_seconds() < LATEST
        server.script = rooms
        for _ in range(3):
            again = await create(gateway)
            assert (again.status_code, told(again)) == (504, ("outcome_unknown", True))
        assert server.targets("POST") == ["/server/live"]


async def test_while_the_first_runs() -> None:
    """While a create runs, repeats get 409 and another body 422; later they get its room."""
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
    """A client that gives up during a create finds its room on the next try."""
    held = Held()
    async with serving(held) as server, gateway_at(server.url) as gateway:
        first = asyncio.create_task(create(gateway))
        await held.arrived(1)
        first.cancel()
        held.let_go.set()
        assert told(await ended(gateway)) == (CREATED, True)
        assert server.targets("POST") == ["/server/live"]


async def test_what_was_never_sent_may_be_tried_again() -> None:
    """A create without a connection leaves its key free for the next try."""
    held = free_socket()
    async with gateway_at(url_of(held)) as gateway:
        for _ in range(2):
            assert told(await create(gateway)) == ("upstream_error", False)
        async with serving(rooms, held=held) as server:
            assert told(await create(gateway)) == (CREATED, False)
            assert told(await create(gateway)) == (CREATED, True)
            assert server.targets("POST") == ["/server/live"]


async def test_a_room_whose_push_url_cannot_be_read_is_asked_for_again() -> None:
    """A replay whose read fails is no outcome, and the next one has the whole room."""
    async with serving(rooms) as server, gateway_at(server.url, **IMPATIENT) as gateway:
        assert told(await create(gateway)) == (CREATED, False)
        server.script = silence
        assert told(await create(gateway)) == ("upstream_timeout", False)
        server.script = rooms
        again = await create(gateway)
        assert told(again) == (CREATED, True)
        assert again.json()["push_url"] == PUSH_URL
        assert server.targets("POST") == ["/server/live"]


async def test_stopping_waits_for_a_create_whose_client_has_gone() -> None:
    """A shutdown neither cuts off a create whose client has left, nor leaves it behind."""
    begun = asyncio.Event()
    before = asyncio.all_tasks()

    async def later(exchange: Exchange) -> None:
        begun.set()
        await asyncio.sleep(0.2)  # until the shutdown has begun
        await rooms(exchange)

    async with serving(later) as server:
        async with gateway_at(server.url) as gateway:
            first = asyncio.create_task(create(gateway))
            await begun.wait()
            first.cancel()
        assert server.targets("POST") == ["/server/live"]
    assert b"upstream_call_failed" not in gateway.log.getvalue()
    assert asyncio.all_tasks() == before

"""Clients that send a whole request and close their sending side are taken for gone."""

import asyncio
import json

import pytest

from gateway.metrics import Metrics
from tests.live.fault_server import Exchange, Held, knows_everybody, rooms, serving
from tests.live.gateways import ALICE, Gateway, gateway_at
from tests.telemetry.counts import nonzero
from tests.waiting import until

CLIENTS = 20
BODY = b'{"title":"t"}'


def create(key: str | None) -> bytes:
    """Return a create by alice."""
    lines = [
        "POST /v1/rooms HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {ALICE}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        *([f"Idempotency-Key: {key}"] if key else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + BODY


def ended(gateway: Gateway) -> list[int | None]:
    """Return the statuses of all creates that have ended; None is that of a client that left."""
    lines = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    return [line["status"] for line in lines if line.get("method") == "POST"]


@pytest.mark.parametrize("keyed", [True, False])
async def test_no_create_is_sent_for_a_client_that_has_left(*, keyed: bool) -> None:
    """Whoever leaves before the create is sent makes no room, and the key stays free."""
    keys = [f"k{number}" if keyed else None for number in range(CLIENTS)]
    asked, let_go = asyncio.Event(), asyncio.Event()

    async def slow_to_find_users(exchange: Exchange) -> None:
        if not exchange.user_ids:
            await rooms(exchange)
            return
        asked.set()
        await let_go.wait()
        await knows_everybody(exchange)

    vendor = serving(slow_to_find_users, scripts_users=True)
    async with vendor as server, gateway_at(server.url) as gateway:
        streams = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in keys]
        for key, (_, writer) in zip(keys, streams, strict=True):
            writer.write(create(key))
        await asked.wait()  # the creates share one look-up
        for reader, writer in streams:
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        await gateway.client.get("/healthz")  # the server tells of them in order
        let_go.set()
        await until(lambda: ended(gateway) == [None] * CLIENTS)
        assert not server.targets("POST")
        assert nonzero(gateway.block, Metrics.http_problems) == {}
        headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": "k0"}
        again = await gateway.client.post("/v1/rooms", json={"title": "t"}, headers=headers)
        assert again.status_code == 201
        assert "idempotency-replayed" not in again.headers
        assert server.targets("POST") == ["/server/live"]


async def test_a_create_once_sent_runs_to_its_end() -> None:
    """Whoever leaves later finds the room with the same key, and no second one is made."""
    held = Held()
    async with serving(held) as server, gateway_at(server.url) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(create("k"))
        await held.arrived(1)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        held.let_go.set()
        await until(lambda: ended(gateway) == [201])
        headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": "k"}
        again = await gateway.client.post("/v1/rooms", json={"title": "t"}, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert server.targets("POST") == ["/server/live"]

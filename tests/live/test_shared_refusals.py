"""An operator's refusals hold in all gateways that share a store, whatever becomes of it."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from tests import clients
from tests.commands import SECRET, free_port
from tests.live.fault_server import rooms, serving
from tests.served import Served, served
from tests.store_server import StoreServer, running_store
from tests.waiting import until

OPERATOR = "an-operators-token-of-more-than-32-characters"
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
WORKERS = 2
SOON = 10.0
"""Seconds in which a gateway ends; without a store it needs a tenth of them."""


def token(user_id: str, token_id: str) -> str:
    """Return a token that the gateways accept."""
    claims = {"sub": user_id, "jti": token_id, "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


CAROLS, STOLEN, FRESH = token("carol", "1"), token("bob", "stolen/1"), token("bob", "2")
PATHS = ("refusals/carol", "refused-tokens/stolen%2F1")


class Replica:
    """A running gateway, and a client of its operator's routes."""

    def __init__(self, gateway: Served, admin: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.admin = admin

    async def statuses(self, token: str) -> set[int]:
        """Return the statuses of a read on many connections, enough to reach each worker."""
        found = set()
        for _ in range(20):
            async with clients.async_client(self.gateway.url) as client:
                headers = {"Authorization": f"Bearer {token}"}
                found.add((await client.get("/v1/rooms/1", headers=headers)).status_code)
        return found

    async def until_answered(self, token: str, status: int) -> None:
        """Wait until all workers answer so."""

        async def same() -> bool:
            return await self.statuses(token) == {status}

        await until(same)

    async def order(self, method: str, *paths: str) -> None:
        """Give orders to the operator's routes."""
        for path in paths:
            body = {"until": LATER} if method == "PUT" else None
            assert (await self.admin.request(method, path, json=body)).status_code == 204

    async def in_force(self) -> tuple[set[str], set[str]]:
        """Return the users and tokens that it lists."""
        listed = (await self.admin.get("refusals")).json()
        users = {each["user_id"] for each in listed["users"]}
        return users, {each["jti"] for each in listed["tokens"]}

    def stop(self) -> list[bool | None]:
        """End it; return which of its orders were in the store at once."""
        lines = [json.loads(line) for line in self.gateway.stop().splitlines()]
        return [line["shared"] for line in lines if line["event"].startswith("admin_")]


@asynccontextmanager
async def replica(upstream: str, store: str) -> AsyncIterator[Replica]:
    """Run a gateway that shares this store."""
    port = free_port()
    settings = {"METRICS_PORT": str(port), "ADMIN_TOKEN": OPERATOR, "REDIS_URL": store}
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with clients.async_client(f"http://127.0.0.1:{port}/admin", headers) as admin:
        with served(upstream, descriptors=None, WORKERS=str(WORKERS), **settings) as gateway:
            yield Replica(gateway, admin)


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    """The URL of a vendor that has every room."""
    async with serving(rooms) as server:
        yield server.url


@pytest.fixture
def store() -> Iterator[StoreServer]:
    """A store of this test's own."""
    with running_store() as server:
        yield server


async def test_refusals_hold_in_all_replicas_and_outlive_them(
    upstream: str, store: StoreServer
) -> None:
    """A refusal on one is obeyed by the other, by new workers and new gateways, until lifted."""
    async with replica(upstream, store.text) as a, replica(upstream, store.text) as b:
        assert await b.statuses(CAROLS) == await b.statuses(STOLEN) == {200}
        await a.order("PUT", *PATHS)
        for each in (b, a):
            await each.until_answered(CAROLS, 401)
            await each.until_answered(STOLEN, 401)
            assert await each.statuses(FRESH) == {200}
            assert await each.in_force() == ({"carol"}, {"stolen/1"})
        for worker in b.gateway.workers():
            os.kill(worker, signal.SIGKILL)
        await until(lambda: b.gateway.listeners() == WORKERS)
        assert await b.statuses(CAROLS) == await b.statuses(STOLEN) == {401}
        assert (a.stop(), b.stop()) == ([True, True], [])
    async with replica(upstream, store.text) as a, replica(upstream, store.text) as b:
        for each in (a, b):
            assert await each.statuses(CAROLS) == await each.statuses(STOLEN) == {401}
        await b.order("DELETE", *PATHS)
        for each in (a, b):
            await each.until_answered(CAROLS, 200)
            await each.until_answered(STOLEN, 200)
            assert await each.in_force() == (set(), set())


async def test_without_the_store_each_replica_obeys_and_shares_later(upstream: str) -> None:
    """Refusals in force stay, orders hold at once where they are given, and are shared later.

    The store comes back empty.
    """
    port = free_port()
    async with AsyncExitStack() as stack:
        with running_store(port=port) as store:
            a = await stack.enter_async_context(replica(upstream, store.text))
            b = await stack.enter_async_context(replica(upstream, store.text))
            await a.order("PUT", PATHS[0])
            await b.until_answered(CAROLS, 401)
        await b.order("PUT", PATHS[1])
        await b.until_answered(STOLEN, 401)
        for each in (a, b):
            assert await each.statuses(CAROLS) == {401}
        assert await a.statuses(STOLEN) == {200}
        with running_store(port=port) as store:
            await a.until_answered(STOLEN, 401)
            c = await stack.enter_async_context(replica(upstream, store.text))
            await c.until_answered(CAROLS, 401)
            await c.until_answered(STOLEN, 401)
            assert (a.stop(), b.stop(), c.stop()) == ([True], [False], [])


@contextmanager
def paused(store: StoreServer) -> Iterator[None]:
    """Stop the store with its connections open."""
    store.pause()
    try:
        yield
    finally:
        store.resume()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_paused_store_holds_up_neither_start_nor_orders_nor_end(
    upstream: str, store: StoreServer, how: signal.Signals
) -> None:
    """A gateway starts, obeys an operator and ends while the store does not answer."""
    async with replica(upstream, store.text) as a:
        with paused(store):
            async with replica(upstream, store.text) as b:
                for each in (a, b):
                    await each.order("PUT", *PATHS)
                    await each.until_answered(CAROLS, 401)
                began = time.monotonic()
                for each in (a, b):
                    each.gateway.process.send_signal(how)
                for each in (a, b):
                    assert each.gateway.ended()[0] == 0
                assert time.monotonic() - began < SOON

"""An audience for pictures: viewers who poll or watch, an anchor, and a few mistakes."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import jwt

from gateway.sandbox import Sandbox
from tests import clients
from tests.commands import SECRET

VIEWERS, WATCHERS, ROOMS = 40, 12, 12


@asynccontextmanager
async def traffic(url: str, sandbox: Sandbox) -> AsyncGenerator[None]:
    """Let the audience call the gateway at `url` until the end of the block."""
    async with clients.async_client(url) as client:
        rooms = [await _created(client, sandbox) for _ in range(ROOMS)]
        people = [
            *(_again(_viewer(client, number, rooms)) for number in range(VIEWERS)),
            *(_again(_watcher(client, number, rooms)) for number in range(WATCHERS)),
            _again(_anchor(client, sandbox)),
        ]
        tasks = [asyncio.create_task(each) for each in people]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _again(act: Callable[[], Awaitable[None]]) -> None:
    while True:
        with suppress(httpx.HTTPError, KeyError):  # an outage is part of the picture
            await act()
        await asyncio.sleep(0.1)


def _viewer(client: httpx.AsyncClient, number: int, rooms: list[str]) -> Callable[[], Any]:
    """Return a viewer's next poll: mostly of a popular room, with the last ETag."""
    chance, etags, headers = random.Random(number), dict[str, str](), _as(f"viewer{number}")  # noqa: S311  # no secret

    async def poll() -> None:
        room = rooms[min(int(chance.expovariate(0.5)), len(rooms) - 1)]
        lot = chance.random()
        if lot < 0.02:  # as are the others
            await client.get("/v1/rooms/no-such-room", headers=headers)
        elif lot < 0.03:
            await client.get(f"/v1/rooms/{room}", headers={"Authorization": "Bearer mistaken"})
        else:
            known = {"If-None-Match": etags[room]} if room in etags else {}
            told = await client.get(f"/v1/rooms/{room}", headers=headers | known)
            etags[room] = told.headers["etag"]
        await asyncio.sleep(chance.uniform(0.1, 0.6))

    return poll


def _watcher(client: httpx.AsyncClient, number: int, rooms: list[str]) -> Callable[[], Any]:
    async def watch() -> None:
        path = f"/v1/rooms/{rooms[number % len(rooms)]}/events"
        async with client.stream("GET", path, headers=_as(f"watcher{number}")) as told:
            async for _ in told.aiter_raw():
                pass

    return watch


def _anchor(client: httpx.AsyncClient, sandbox: Sandbox) -> Callable[[], Any]:
    async def broadcast() -> None:
        room = f"/v1/rooms/{await _created(client, sandbox)}"
        await asyncio.sleep(2)
        await client.post(f"{room}/stop", headers=_as("alice"))
        await client.delete(room, headers=_as("alice"))

    return broadcast


async def _created(client: httpx.AsyncClient, sandbox: Sandbox) -> str:
    """Create a living room of alice's; raise KeyError if refused."""
    told = await client.post("/v1/rooms", json={"title": "Friday session"}, headers=_as("alice"))
    live_id: str = told.json()["live_id"]
    await client.post(f"{sandbox.upstream_url}/sandbox/rooms/{live_id}/live")
    return live_id


def _as(user: str) -> dict[str, str]:
    token = jwt.encode({"sub": user, "exp": int(time.time()) + 3600}, SECRET)
    return {"Authorization": f"Bearer {token}"}

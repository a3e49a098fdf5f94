"""Watchers of rooms that change, through gateways that come and go: what they know in the end."""

import asyncio
import hashlib
import random
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import msgspec
from msgspec import Struct, field

from gateway.rooms import ViewerRoom
from tests import clients
from tests.events.patches import applied
from tests.leaks.canaries import token
from tests.leaks.scan import scan
from tests.live.counting_vendor import Counting
from tests.live.replicas import ALICE, SECRETS, Replica

TIMES = ("start_time", "end_time")


class Watcher(Struct):
    """What one watcher of a room knows; `false` are the contradictions they have met."""

    live_id: str
    user: str
    state: dict[str, Any] | None = None
    etag: str = ""
    is_deleted: bool = False
    heard: Counter[str] = field(default_factory=Counter)
    false: list[str] = field(default_factory=list)

    def take(self, block: str) -> None:
        """Take one event, and check it against all that is known."""
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        name = fields.get("event", "")
        self.heard[name] += bool(name)
        if self.is_deleted and name:
            self.false.append(f"{name} after the room was deleted")
        if name == "deleted":
            self.is_deleted = True
        if name not in {"room", "change"}:
            return
        if fields["id"] == self.etag:
            self.false.append(f"{name} without a change")
        data = msgspec.json.decode(fields["data"])
        if name == "room":
            self.state = data
        else:
            unset = {each: None for each in TIMES if data.get(each, 0) is None}
            self.state = {**applied(self.state, data), **unset}
        self.etag = fields["id"]
        assert self.state is not None
        if self.etag != _etag_of(self.state):
            self.false.append(f"the {name} does not make the state of its id")
        if scan(block.encode(), SECRETS):
            self.false.append("a secret")


def _etag_of(state: dict[str, Any]) -> str:
    """Return the ETag of a room's JSON, as the gateway makes it."""
    ordered = {name: state[name] for name in ViewerRoom.__struct_fields__}
    return f'"{hashlib.blake2b(msgspec.json.encode(ordered), digest_size=16).hexdigest()}"'


async def watch(watcher: Watcher, running: list[Replica], over: asyncio.Event) -> None:
    """Watch at any gateway that runs, leave and stall now and then, until it is over."""
    while not over.is_set() and not watcher.is_deleted:
        port = random.choice(running).port  # noqa: S311  # any will do
        try:
            async with asyncio.timeout(random.uniform(1, 8)):  # noqa: S311  # same
                await _connected(watcher, port)
        except (httpx.TransportError, TimeoutError):
            pass
        await asyncio.sleep(random.uniform(0, 0.5))  # noqa: S311  # same


async def _connected(watcher: Watcher, port: int) -> None:
    headers = {"Authorization": f"Bearer {token(watcher.user)}"}
    if watcher.etag:
        headers["Last-Event-ID"] = watcher.etag
    url = f"http://127.0.0.1:{port}/v1/rooms/{watcher.live_id}/events"
    async with (
        clients.async_client() as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        if answer.status_code == 404:
            watcher.is_deleted = True
        if answer.status_code != 200:
            watcher.heard[str(answer.status_code)] += 1
            return
        text = ""
        async for piece in answer.aiter_text():
            *blocks, text = (text + piece).split("\n\n")
            for block in blocks:
                watcher.take(block)
            if random.random() < 0.05:  # noqa: S311  # same
                await asyncio.sleep(random.uniform(0.5, 3))  # noqa: S311  # a stall


def differences(watcher: Watcher, vendor: Counting, deleted: set[str]) -> list[str]:
    """Return what a watcher knows that is not so, but for counters, which may be late."""
    if watcher.is_deleted != (watcher.live_id in deleted):
        return [f"{watcher.live_id} is deleted: {not watcher.is_deleted}"]
    if watcher.is_deleted:
        return []
    told = clients.get(f"{vendor.url}/server/live/{watcher.live_id}").json()["data"]
    known = watcher.state or {}
    return [
        f"{watcher.live_id}: {name} is {told[name]}, not {known.get(name)}"
        for name in ("title", "live_status")
        if known.get(name) != told[name]
    ]


async def change(
    vendor: Counting, live_ids: list[str], running: list[Replica], over: asyncio.Event
) -> set[str]:
    """Change rooms at the vendor and through gateways; return those that were deleted."""
    deleted: set[str] = set()
    number = 0
    while not over.is_set():
        number += 1
        live_id = random.choice(live_ids)  # noqa: S311  # same
        match number % 10:
            case 9 if len(deleted) < len(live_ids) // 3:
                await _write(running, "DELETE", f"/v1/rooms/{live_id}")
                deleted.add(live_id)
            case 8:
                await _write(running, "POST", f"/v1/rooms/{live_id}/stop")
            case _ if live_id not in deleted:
                fields: dict[str, object] = {
                    "title": f"number {number}",
                    "live_status": number % 3,
                    "end_time": random.choice([0, number]),  # noqa: S311  # same
                    "online_count": number,
                }
                await asyncio.to_thread(partial(vendor.change, live_id, **fields))
        await asyncio.sleep(0.05)
    return deleted


async def _write(running: list[Replica], method: str, path: str) -> None:
    """Write at any gateway, until one has done it."""
    headers = {"Authorization": f"Bearer {ALICE}"}
    while True:
        port = random.choice(running).port  # noqa: S311  # same
        with suppress(httpx.TransportError):
            async with clients.async_client(f"http://127.0.0.1:{port}", headers) as client:
                answer = await client.request(method, path)
            if answer.status_code in {204, 404, 409}:
                return
        await asyncio.sleep(0.2)

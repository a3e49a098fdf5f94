"""A vendor that counts, as a process of its own: `python -m tests.live.counting_vendor`.

It prints its port, and serves until its standard input ends. It knows every user and every room
whose id begins with `room-`, all of them alice's; it makes rooms, stops and deletes them. A room
says in its `notice` when it was read, in seconds of this machine's monotonic clock.

Those who measure talk to it on the same port:

- `GET /control/` for `Counts`
- `PUT /control/` with a `Behaviour`
- `PATCH /control/{live_id}` with fields of a room that change
"""

import asyncio
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct, field

from tests import clients
from tests.commands import ROOT
from tests.live.fault_server import ANCHOR, enveloped, reply, room
from tests.waiting import until

STANDING = "room-"
"""How the ids of rooms begin that there are without a create."""


PUSH_TOKEN = "pT5q-Vx8mWz3KfRj7NbY2c"
"""In the `push_url` of every room."""

_NOT_FOUND = reply(enveloped(code=500, message="record not found"), 500)
_FOUND = reply(enveloped())


class Behaviour(Struct):
    """Seconds that reads and creates take; `held` reads, of rooms by id, wait until they are not.

    `still` rooms do not say when they were read, and so are always the same.
    A held read that is let go shows the room as it was when the read came. Reads show what was
    before the writes of the last `lag` seconds.
    """

    read: float = 0.0
    create: float = 0.0
    lag: float = 0.0
    held: list[str] = field(default_factory=list)
    still: bool = False


class Made(Struct):
    """A room that was created."""

    title: str
    live_id: str
    anchor: str


class Counts(Struct):
    """Reads by room that have come and that were answered, rooms made, creates that came."""

    came: dict[str, int]
    answered: dict[str, int]
    made: list[Made]
    creates: int

    @property
    def reads(self) -> int:
        """How many reads came in all."""
        return sum(self.came.values())


class Vendor:
    """The rooms, and all that is counted."""

    def __init__(self) -> None:
        self._behaviour = Behaviour()
        self._changed = asyncio.Event()
        self._rooms: dict[str, dict[str, Any] | None] = {}
        self._before: dict[str, tuple[float, dict[str, Any] | None]] = {}
        self._came = Counter[str]()
        self._answered = Counter[str]()
        self._made: list[Made] = []
        self._creates = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(EOFError, OSError, asyncio.CancelledError):  # the end of either side
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                length = head.lower().partition("\r\ncontent-length:")[2].partition("\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                writer.write(await self._answer(method, target, body))
                await writer.drain()
        writer.close()

    async def _answer(self, method: str, target: str, body: bytes) -> bytes:
        path, _, query = target.partition("?")
        if path.startswith("/control/"):
            return self._control(method, path.removeprefix("/control/"), body)
        live_id = path.removeprefix("/server/live/").removesuffix("/stop")
        match method, path:
            case "GET", "/server/user/infos":
                users = [{**ANCHOR, "user_id": each} for each in parse_qs(query)["user_ids"]]
                return reply(enveloped(users))
            case "POST", "/server/live":
                return await self._create(msgspec.json.decode(body))
            case "GET", _:
                return await self._read(live_id)
            case "DELETE", _:
                self._change(live_id, None)
                return _FOUND
        self._change(live_id, {**(self._room(live_id) or {}), "live_status": 2})
        return _FOUND

    def _control(self, method: str, live_id: str, body: bytes) -> bytes:
        if method == "PATCH":
            self._change(live_id, {**(self._room(live_id) or {}), **msgspec.json.decode(body)})
        if method == "PUT":
            self._behaviour = msgspec.json.decode(body, type=Behaviour)
            self._changed.set()
            self._changed = asyncio.Event()
        counts = Counts(self._came, self._answered, self._made, self._creates)
        return reply(msgspec.json.encode(counts))

    async def _read(self, live_id: str) -> bytes:
        self._came[live_id] += 1
        found = self._shown(live_id)
        if self._behaviour.read:
            await asyncio.sleep(self._behaviour.read)
        while live_id in self._behaviour.held:
            await self._changed.wait()
        self._answered[live_id] += 1
        if found is None:
            return _NOT_FOUND
        told = {} if self._behaviour.still else {"notice": f"{time.monotonic():.6f}"}
        return reply(enveloped({**found, **told}))

    async def _create(self, wanted: dict[str, Any]) -> bytes:
        self._creates += 1
        anchor, live_id = wanted["anchor_id"], str(10**18 + self._creates)
        made = {
            **room(live_id),
            "title": wanted["title"],
            "anchor_info": {**ANCHOR, "user_id": anchor},
            "push_url": push_url(live_id),
        }
        self._change(live_id, made)
        self._made.append(Made(wanted["title"], live_id, anchor))
        if self._behaviour.create:
            await asyncio.sleep(self._behaviour.create)
        return reply(enveloped(made))

    def _room(self, live_id: str) -> dict[str, Any] | None:
        if live_id not in self._rooms and live_id.startswith(STANDING):
            self._rooms[live_id] = {**room(live_id), "push_url": push_url(live_id)}
        return self._rooms.get(live_id)

    def _shown(self, live_id: str) -> dict[str, Any] | None:
        changed, before = self._before.get(live_id, (-math.inf, None))
        return before if changed + self._behaviour.lag > time.monotonic() else self._room(live_id)

    def _change(self, live_id: str, changed: dict[str, Any] | None) -> None:
        self._before[live_id] = time.monotonic(), self._room(live_id)
        self._rooms[live_id] = changed


class Counting:
    """A running vendor, for those who measure."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def counts(self) -> Counts:
        """Return what it has counted."""
        told = clients.get(f"{self.url}/control/").content
        return msgspec.json.decode(told, type=Counts)

    def behave(
        self,
        *held: str,
        read: float = 0.0,
        create: float = 0.0,
        lag: float = 0.0,
        still: bool = False,
    ) -> None:
        """Have it behave so from now on."""
        behaviour = msgspec.json.encode(Behaviour(read, create, lag, list(held), still))
        with clients.client(self.url) as client:
            client.put("/control/", content=behaviour).raise_for_status()

    def change(self, live_id: str, **fields: object) -> float:
        """Change fields of a room; return the moment, in seconds of the monotonic clock."""
        with clients.client(self.url) as client:
            patch = msgspec.json.encode(fields)
            client.patch(f"/control/{live_id}", content=patch).raise_for_status()
        return time.monotonic()

    async def asked(self, live_id: str, times: int = 1) -> None:
        """Wait until so many reads of a room have come."""
        await until(lambda: self.counts().came.get(live_id, 0) >= times)


@contextmanager
def counting_vendor() -> Iterator[Counting]:
    """Run a vendor until the block is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.live.counting_vendor"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Counting(int(process.stdout.readline()))
        finally:
            process.stdin.close()


def push_url(live_id: str) -> str:
    """Return where the anchor of a room sends its stream to."""
    return f"rtmp://push.example.test/live/{live_id}?e=1700000000&token={PUSH_TOKEN}"


async def main() -> None:
    """Serve."""
    loop = asyncio.get_running_loop()
    vendor = Vendor()
    server = await asyncio.start_server(vendor.accept, "127.0.0.1", 0, backlog=1000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

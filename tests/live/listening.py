"""A client of event streams that keeps all it hears."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests import clients
from tests.waiting import until


@dataclass
class Heard:
    """What was heard on a stream: events with their data, ids, retries and comments in order.

    `whole` is None while it is open, then whether it ended as HTTP wants it. `answer` has the head.
    """

    answer: httpx.Response
    text: str = ""
    events: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    whole: bool | None = None

    @property
    def names(self) -> list[str]:
        """The names of the events."""
        return [name for name, _ in self.events]

    async def until(self, *names: str) -> None:
        """Wait until exactly these events were heard."""
        await until(lambda: len(self.events) >= len(names))
        assert self.names == list(names)

    async def end(self) -> bool:
        """Wait for the end; return whether the stream ended as HTTP wants it."""
        await until(lambda: self.whole is not None)
        return bool(self.whole)

    def take(self, piece: str) -> None:
        """Take what came."""
        *blocks, self.text = (self.text + piece).split("\n\n")
        for block in blocks:
            fields = dict(line.split(":", 1) for line in block.split("\n") if line)
            if "id" in fields:
                self.ids.append(fields["id"].strip())
            if "retry" in fields:
                self.retries.append(int(fields["retry"]))
            if "event" in fields:
                self.events.append((fields["event"].strip(), json.loads(fields["data"])))
            elif "" in fields:
                self.comments.append(fields[""].strip())


@asynccontextmanager
async def listening(
    port: int, live_id: str, bearer: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Heard]:
    """Listen to a room's events until the block is left; fail unless the stream begins."""
    url = f"http://127.0.0.1:{port}/v1/rooms/{live_id}/events"
    signed_in = {"Authorization": f"Bearer {bearer}", **(headers or {})}
    async with (
        clients.async_client() as client,
        client.stream("GET", url, headers=signed_in) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        heard = Heard(answer)
        task = asyncio.create_task(_hear(heard))
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _hear(heard: Heard) -> None:
    try:
        async for piece in heard.answer.aiter_text():
            heard.take(piece)
    except httpx.RemoteProtocolError:
        heard.whole = False
    else:
        heard.whole = True

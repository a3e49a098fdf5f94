"""Work that ends when its client goes."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from gateway.edge.connected import ClientGone, while_connected

pytestmark = pytest.mark.anyio

LAST = {"type": "http.request", "body": b"", "more_body": False}
MORE = {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}


@pytest.fixture
def anyio_backend() -> str:
    """What the server runs on."""
    return "asyncio"


class Client:
    """What a client does, message by message."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.leaves = asyncio.Event()

    async def receive(self) -> Any:
        """Return the next message; after the last, wait until the client leaves."""
        if self._messages:
            return self._messages.pop(0)
        await self.leaves.wait()
        return GONE


def watched(work: Awaitable[str], client: Client) -> Awaitable[str]:
    """Run work for a client."""
    return while_connected(work, client.receive)


async def endless(ended: list[str]) -> str:
    """Work for ever; note how it ends."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")
    return ""


@pytest.mark.parametrize("body", [(LAST,), (MORE, MORE, LAST), (MORE,), ()])
async def test_it_ends_when_the_client_leaves(body: tuple[dict[str, Any], ...]) -> None:
    """However much of a body there was; the work is over when that is known."""
    client, ended, before = Client(*body), list[str](), len(asyncio.all_tasks())
    task = asyncio.ensure_future(watched(endless(ended), client))
    await asyncio.sleep(0.001)
    assert not task.done()
    assert len(asyncio.all_tasks()) == before + 2
    client.leaves.set()
    with pytest.raises(ClientGone):
        await task
    assert ended == ["ended"]
    assert len(asyncio.all_tasks()) == before


async def test_what_ends_first_is_returned() -> None:
    """With the client still there nothing is left over."""

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    before = len(asyncio.all_tasks())
    assert await watched(work(), Client(LAST)) == "done"
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before


async def test_errors_pass() -> None:
    """What the work raises is raised."""

    async def work() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await watched(work(), Client(LAST))


async def test_another_cancellation_is_one() -> None:
    """A server that ends the task is not mistaken for a client that left."""
    ended = list[str]()
    task = asyncio.ensure_future(watched(endless(ended), Client(LAST)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]


async def test_the_task_is_as_good_as_new() -> None:
    """Once the client is gone the same task can go on, under a timeout, too."""
    client = Client(LAST)
    client.leaves.set()
    with pytest.raises(ClientGone):
        await watched(endless([]), client)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()


async def test_a_server_that_repeats_itself_ends_nothing() -> None:
    """Only a disconnect is one."""

    async def work() -> str:
        await asyncio.sleep(0.001)
        return "done"

    assert await watched(work(), Client(LAST, LAST, LAST)) == "done"

"""Work that ends when its client goes, and the one reader of what the client sends meanwhile."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest

from gateway.edge.exchange import Exchange
from gateway.edge.in_flight import InFlight
from gateway.edge.incoming import MAX_BODY, BodyBrokenOff, BodyTooSlow, Incoming
from gateway.edge.outgoing import Outgoing
from gateway.edge.problems import BodyTooLarge
from gateway.rooms import ClientGone

LAST = {"type": "http.request", "body": b"", "more_body": False}
MORE = {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}
CHUNKED = {b"transfer-encoding": b"chunked"}


class Client:
    """A client, message by message; it fails if it is read twice at once."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self._read = False
        self.asked = 0
        self.leaves = asyncio.Event()

    async def receive(self) -> Any:
        """Return the next message; after the last, wait until the client leaves."""
        assert not self._read
        self._read = True
        self.asked += 1
        await asyncio.sleep(0)
        if not self._messages:
            await self.leaves.wait()
        self._read = False
        return self._messages.pop(0) if self._messages else GONE


async def unsent(_message: object) -> None:
    """Send nothing."""


def from_client(
    client: Client,
    headers: Mapping[bytes, bytes] = CHUNKED,
    seconds: float = 10.0,
    moment: float = 0.0,
    quick: float = 60.0,
) -> Incoming:
    """Return what comes in from a client."""
    exchange = Exchange("id", "GET", unsent, InFlight(1), Outgoing())
    return Incoming(client.receive, headers, exchange, seconds=seconds, moment=moment, quick=quick)


def watched(work: Awaitable[str], client: Client) -> Awaitable[str]:
    """Run work for a client."""
    return from_client(client).while_connected(work)


async def endless(ended: list[str]) -> str:
    """Work for ever; note how it ends."""
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")
    return ""


@pytest.mark.parametrize("body", [(LAST,), (MORE, MORE, LAST)])
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


async def test_a_small_body_is_no_reason_to_end() -> None:
    """Work goes on while the body comes, which the work may read, then waits for the client."""
    client = Client(MORE, MORE, LAST)
    incoming = from_client(client)

    async def work() -> list[Any]:
        await asyncio.sleep(0.001)
        return [await incoming.receive() for _ in range(3)]

    assert await incoming.while_connected(work()) == [MORE, MORE, LAST]


@pytest.mark.parametrize(
    ("messages", "headers", "error"),
    [
        ([{**MORE, "body": b"x" * MAX_BODY}, MORE], CHUNKED, BodyTooLarge),
        ([MORE], {b"content-length": b"65537"}, BodyTooLarge),
        ([MORE], CHUNKED, BodyTooSlow),
        ([MORE, GONE], CHUNKED, BodyBrokenOff),
    ],
)
async def test_a_bad_body_ends_it(
    messages: list[Any], headers: Mapping[bytes, bytes], error: type[Exception]
) -> None:
    """A read is refused as a write is, the work is over, and nothing more is read."""
    client, ended = Client(*messages), list[str]()
    incoming = from_client(client, headers, seconds=0.01)
    with pytest.raises(error):
        await incoming.while_connected(endless(ended))
    assert ended == ["ended"]
    assert client.asked <= 2


async def test_a_request_without_a_body_has_no_deadline() -> None:
    """Nothing is to come, so that nothing can be late."""
    client = Client()
    watch = asyncio.ensure_future(
        from_client(client, {}, seconds=0).while_connected(endless(list[str]()))
    )
    await asyncio.sleep(0.01)
    assert not watch.done()
    watch.cancel()


async def test_a_quick_read_is_not_watched() -> None:
    """Work that is over soon costs no reader and no task of its own."""
    client, before = Client(LAST), len(asyncio.all_tasks())

    async def work() -> int:
        await asyncio.sleep(0.001)
        return len(asyncio.all_tasks())

    assert await from_client(client, {}).while_connected(work()) == before
    assert client.asked == 0


async def test_a_slow_read_is_watched() -> None:
    """Work ends for a client that left before the watch began, as for one that leaves later."""
    client, ended = Client(LAST), list[str]()
    client.leaves.set()
    with pytest.raises(ClientGone):
        await from_client(client, {}, quick=0.001).while_connected(endless(ended))
    assert ended == ["ended"]


async def test_the_watch_begins_with_the_first_message_wanted() -> None:
    """An application that reads has its message at once, from the one reader."""
    incoming = from_client(Client(LAST), {})
    assert await incoming.while_connected(incoming.receive()) == LAST


async def test_there_is_one_reader() -> None:
    """The application waits for a disconnect, and hears of it, without reading beside the watch."""
    client, heard = Client(LAST), list[Any]()
    incoming = from_client(client)

    async def listen() -> None:
        heard.extend([await incoming.receive(), await incoming.receive()])

    async def work() -> None:
        listener = asyncio.create_task(listen())
        try:
            await asyncio.Event().wait()
        finally:
            await listener

    task = asyncio.ensure_future(incoming.while_connected(work()))
    await asyncio.sleep(0.001)
    client.leaves.set()
    with pytest.raises(ClientGone):
        await task
    assert heard == [LAST, GONE]


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
    """An error of the work is raised."""

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


async def test_a_client_that_left_with_its_body_is_noticed_at_once() -> None:
    """Before anything is done for it the block is not even entered."""
    client = Client()
    client.leaves.set()
    with pytest.raises(ClientGone):
        async with from_client(client, moment=60).watched():
            raise AssertionError


async def test_a_client_that_leaves_later_is_noticed_when_asked() -> None:
    """The function raises from then on, and not before; the watch ends with the block."""
    client, before = Client(), len(asyncio.all_tasks())
    async with from_client(client, moment=0).watched() as require_client:
        require_client()
        client.leaves.set()
        await asyncio.sleep(0.001)
        for _ in range(2):
            with pytest.raises(ClientGone):
                require_client()
    async with from_client(Client(), moment=0).watched() as require_client:
        require_client()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before


async def test_a_server_that_repeats_itself_tells_of_no_leaving() -> None:
    """Only a disconnect calls a create off."""
    async with from_client(Client(LAST), moment=60).watched() as require_client:
        require_client()


async def test_a_busy_server_is_given_more_time() -> None:
    """The news may be eight times as late as the end of the body was."""
    client = Client()

    async def receive() -> Any:
        await asyncio.sleep(0.03)
        return LAST if client.asked == 0 else GONE

    incoming = from_client(client, moment=0)
    incoming._receive = receive  # noqa: SLF001  # a server with a pace of its own
    await incoming.receive()
    client.asked = 1
    with pytest.raises(ClientGone):
        async with incoming.watched():
            raise AssertionError

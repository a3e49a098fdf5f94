"""Large bodies are sent in pieces, in time, and take bounded memory together."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.outgoing import SMALL, Outgoing

BODY = bytes(range(256)) * 1000


class Client:
    """Reads `reads` pieces and no more."""

    def __init__(self, reads: int = 1 << 20) -> None:
        self.got: list[Any] = []
        self._reads = reads

    async def send(self, message: Any) -> None:
        """Take a message, or wait for ever."""
        if len(self.got) == self._reads:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.got.append(message)


@given(st.integers(0, 3 * SMALL))
def test_a_body_comes_whole_in_small_pieces(size: int) -> None:
    """The pieces make up the body, none is large, and only the last message ends it."""
    client, body = Client(), BODY[:size]
    assert asyncio.run(Outgoing().send(body, client.send))
    assert b"".join(each["body"] for each in client.got) == body
    assert max(len(each["body"]) for each in client.got) <= 8192
    *more, last = (each["more_body"] for each in client.got)
    assert all(more)
    assert not last


async def test_a_client_that_does_not_read_is_cut() -> None:
    """The body has a deadline, and its end is never sent."""
    client = Client(reads=3)
    assert not await Outgoing(seconds=0.01).send(BODY, client.send)
    assert [each["more_body"] for each in client.got] == [True] * 3


async def test_the_oldest_make_room_for_others() -> None:
    """With too many bytes on their way the oldest bodies are cut, several for a larger one."""
    outgoing = Outgoing(seconds=60, most=3 * len(BODY))
    deaf = [asyncio.create_task(outgoing.send(BODY, Client(reads=0).send)) for _ in range(3)]
    await asyncio.sleep(0)
    assert await outgoing.send(BODY * 2, Client().send)
    await asyncio.wait(deaf[:2])
    assert [each.done() for each in deaf] == [True, True, False]
    assert not any(each.result() for each in deaf[:2])
    deaf[2].cancel()


async def test_who_reads_is_not_cut() -> None:
    """A body that is done takes no memory any more, so none of many readers is cut."""
    outgoing = Outgoing(seconds=60, most=len(BODY))
    for _ in range(10):
        assert await outgoing.send(BODY, Client().send)


async def test_a_body_alone_may_be_of_any_size() -> None:
    """The largest answer is not refused, and many at once leave one."""
    outgoing = Outgoing(seconds=60, most=1)
    sent = [outgoing.send(BODY, Client().send) for _ in range(5)]
    assert await asyncio.gather(*sent) == [False] * 4 + [True]


async def test_who_is_late_already_is_not_cut_again() -> None:
    """The deadline of a body may pass just before another needs its place."""
    outgoing = Outgoing(seconds=0, most=1)
    late = asyncio.create_task(outgoing.send(BODY, Client(reads=0).send))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # its deadline has passed, and it does not know yet
    assert not late.done()
    await outgoing.send(BODY, Client().send)
    assert not await late

"""Readers are woken a few at a time."""

import asyncio

from gateway.events.reader import Reader
from gateway.events.waking import Waker
from gateway.secret import Secret


async def test_others_get_a_turn_while_many_are_woken() -> None:
    """No turn of the event loop wakes more than fifty; all are woken in the end."""
    woken = 0
    of_a_turn: list[int] = []

    async def sleep(reader: Reader) -> None:
        nonlocal woken
        await reader.sleep()
        woken += 1

    readers = [Reader(Secret(""), None) for _ in range(1050)]
    sleeping = [asyncio.create_task(sleep(each)) for each in readers]
    await asyncio.sleep(0)
    waker = Waker()
    waker.wake(readers[:500])
    waker.wake(readers[500:])
    while woken < len(readers):
        before = woken
        await asyncio.sleep(0)
        of_a_turn.append(woken - before)
    await asyncio.gather(*sleeping)
    assert max(of_a_turn) <= 50
    waker.wake(readers[:1])
    await readers[0].sleep()

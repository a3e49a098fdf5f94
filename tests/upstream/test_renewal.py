"""Connections made anew, over real sockets."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.upstream import Transport, build_transport
from gateway.upstream.users import look_up
from tests.live.fault_server import Held, answering, enveloped, reply, serving
from tests.upstream.scripted import call, sender, sending

FIVE_MINUTES = 300.0
ANSWER = answering(reply(enveloped()))


class World:
    """A clock, and a transport that goes by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.transport: Transport = build_transport(
            connections=2, max_body=1_000_000, user_agent="tests", clock=lambda: self.now
        )


async def test_connections_are_kept_for_five_minutes() -> None:
    """Reads share a connection until it is old, and then the next one."""
    world = World()
    async with serving(ANSWER, scripts_users=True) as server, aclosing(world.transport):
        send = sender(world.transport, server.url)
        for later in (0, FIVE_MINUTES, 1, FIVE_MINUTES):
            world.now += later
            await send(call())
        assert [each.connection for each in server.received] == [1, 1, 2, 2]


async def test_a_renewed_transport_leaves_calls_in_flight_alone() -> None:
    """A call in flight gets its reply over the old connection, which is closed after it."""
    held = Held()
    world = World()
    async with serving(held) as server, aclosing(world.transport):
        send = sender(world.transport, server.url)
        old = asyncio.ensure_future(send(call(path="/server/live/1")))
        await held.arrived(1)
        world.transport.renew()
        new = asyncio.ensure_future(send(call(path="/server/live/2")))
        await held.arrived(1)
        held.let_go.set()
        assert [(await each).status for each in (old, new)] == [200, 200]
        for _ in range(1000):
            if len(server.open) == 1:
                break
            await asyncio.sleep(0.01)
        await send(call(path="/server/live/3"))
        assert [each.connection for each in server.received] == [1, 2, 2]
        assert len(server.open) == 1


@pytest.mark.parametrize("user_id", ["a'b\"c<>`{}|^\\", "王 é", "~._-", "a&b=c#d?e/f%25+"])
async def test_a_look_up_is_sent_as_it_was_signed(user_id: str) -> None:
    """No part of the client rewrites the query, whatever the id has in it."""
    async with serving(ANSWER, scripts_users=True) as server, sending(server.url) as send:
        await send(call(path=look_up(user_id)))
        assert server.targets() == [look_up(user_id)]

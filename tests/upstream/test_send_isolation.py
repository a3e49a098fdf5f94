"""Isolation over real sockets: nothing leaks between calls, or in from the environment."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from gateway.upstream import Operation, Send
from gateway.upstream.dialects import accept
from gateway.upstream.faults import Broken, DeadlineExceeded
from gateway.upstream.wire import decode_this_room
from tests.live.fault_server import ROOM, Exchange, answering, enveloped, reply, serving
from tests.upstream.scripted import call, connecting, sender, sending

OK = reply(enveloped())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_redirects_are_not_followed(method: str, status: int) -> None:
    """The redirect itself is the reply, and its target sees no connection."""
    async with serving(answering(OK)) as elsewhere:
        redirect = reply(b"", status, f"Location: {elsewhere.url}/stolen")
        async with serving(answering(redirect)) as server, sending(server.url) as send:
            got = await send(call(method))
        assert got.status == status
        assert (len(server.received), elsewhere.connections) == (1, 0)


async def test_cookies_are_not_kept() -> None:
    """`Set-Cookie` of one reply is in no later request."""
    script = answering(reply(b"{}", headers="Set-Cookie: a=1; Path=/"))
    async with serving(script) as server, sending(server.url) as send:
        for path in ("/a", "/a", "/b"):
            await send(call("GET", path))
    assert len(server.received) == 3
    assert not any(b"cookie" in each.raw.lower() for each in server.received)


@pytest.mark.parametrize("case", [str.upper, str.lower])
async def test_proxy_variables_and_netrc_are_ignored(
    case: type[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment cannot reroute a call, nor put credentials of its own on it."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login planted password planted\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with serving(answering(OK)) as proxy, serving(answering(OK)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(case(name), proxy.url)
        async with sending(server.url) as send:
            await send(call("POST", body=b"{}"))
        assert (len(server.received), proxy.connections) == (1, 0)
        assert server.received[0].raw.count(b"uthorization: ") == 1
        assert b"uthorization: Qiniu " in server.received[0].raw


async def read_room(send: Send, live_id: str) -> str:
    """Read a room as the client does; return the id in the reply, or `refused`."""
    envelope = accept(Operation.READ, await send(call("GET", f"/{live_id}")))
    try:
        return decode_this_room(live_id, envelope.data).room.live_id
    except Broken:
        return "refused"


@pytest.mark.parametrize("pause", [0, 0.0003], ids=["in one piece", "a moment later"])
async def test_bytes_after_a_reply_are_nobodys(pause: float) -> None:
    """A whole second reply never becomes another room's.

    What comes with the reply is dropped with its connection. What comes when the next request is
    on its way already cannot be told from that one's reply, except by the id in it.
    """

    async def two_replies(exchange: Exchange) -> None:
        live_id = exchange.target.rpartition("/")[2]
        own, extra = (reply(enveloped(ROOM | {"live_id": each})) for each in (live_id, "extra"))
        if pause:
            await exchange.write(own)
            await asyncio.sleep(pause)
            await exchange.write(extra)
        else:
            await exchange.write(own + extra)

    pair = ("room-a", "room-b")
    results = Counter[tuple[str, str]]()
    async with serving(two_replies) as server, sending(server.url) as send:
        for _ in range(200):
            rooms = await asyncio.gather(*(read_room(send, each) for each in pair))
            results.update(zip(pair, rooms, strict=True))
    refused = {(room, "refused") for room in pair} if pause else set()
    assert set(results) - refused == {(room, room) for room in pair}


async def test_reads_keep_their_connection() -> None:
    """Keep-alive works, so the test above is about connections that might be reused."""
    async with serving(answering(OK)) as server, sending(server.url) as send:
        for _ in range(10):
            await send(call())
        assert server.connections == 1


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_write_has_a_connection_of_its_own(method: str) -> None:
    """A write shares no connection, so no earlier or later bytes can pass for its reply."""
    async with serving(answering(OK)) as server, sending(server.url) as send:
        for _ in range(3):
            await send(call())
            await send(call(method))
        connections = [each.connection for each in server.received]
        reads, writes = connections[::2], connections[1::2]
        assert len({*reads}) == 1
        assert len({*reads, *writes}) == 4


@pytest.mark.slow
@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "overdue"])
@pytest.mark.parametrize("path", ["silent", "half"])
async def test_unfinished_calls_give_their_connections_back(
    path: str,
    cancelled: bool,  # noqa: FBT001  # a case
) -> None:
    """With a pool of two, fifty unfinished calls leave twenty others unharmed."""
    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        arrived.set()
        if exchange.target != "/silent":
            await exchange.write(OK if exchange.target == "/good" else OK[:-5])

    async with serving(script) as server, connecting() as transport:
        send = sender(transport, server.url)
        hurried = [send(call("GET", f"/{path}", seconds=0.5)) for _ in range(50)]
        calls = [asyncio.ensure_future(each) for each in hurried]
        await arrived.wait()
        if cancelled:
            for each in calls:
                each.cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in ended} == {
            asyncio.CancelledError if cancelled else DeadlineExceeded
        }
        good = (send(call("GET", "/good")) for _ in range(20))
        assert [each.status for each in await asyncio.gather(*good)] == [200] * 20
    assert len(server.received) < 50


async def test_a_refused_body_gives_its_connection_back() -> None:
    """A reply that is cut at the cap holds its connection until the deadline at most."""

    async def stalling(exchange: Exchange) -> None:
        await exchange.write(reply(bytes(500_000))[:-1] if exchange.target == "/long" else OK)

    async with (
        serving(stalling) as server,
        connecting(1, max_body=1000) as transport,
    ):
        send = sender(transport, server.url)
        with pytest.raises(Broken, match="larger"):
            await send(call("GET", "/long", seconds=0.3))
        assert (await send(call("GET", "/good"))).status == 200


@pytest.mark.parametrize("answered", [True, False], ids=["when idle", "with a request on it"])
async def test_a_create_is_sent_at_most_once(answered: bool) -> None:  # noqa: FBT001  # a case
    """A connection that dies once it has been used harms no create and repeats none."""

    async def dying(exchange: Exchange) -> None:
        first = sum(each.connection == exchange.connection for each in server.received) == 1
        if first or answered:
            await exchange.write(OK)
        if answered or not first:
            exchange.close()

    async with serving(dying) as server, connecting(1) as transport:
        send = sender(transport, server.url)
        for number in range(50):
            await send(call("POST", f"/{number}", b"{}"))
    assert [each.target for each in server.received] == [f"/{number}" for number in range(50)]

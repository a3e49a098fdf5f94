"""Nothing of one upstream call gets into another, nor in from the environment."""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.live.fault_server import (
    PUSH_URL,
    Exchange,
    Script,
    answering,
    enveloped,
    reply,
    room,
    rooms,
    serving,
)
from tests.live.faults import ASKED, OTHER_ROOM
from tests.live.gateways import (
    ALICE,
    BOB,
    OPERATIONS,
    assert_serves,
    assert_tells_no_secret,
    assert_told,
    gateway_at,
)
from tests.live.viewers import Answer, viewer_at

READERS = 16


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """A redirect is a 502 after one attempt, and its target sees no connection."""
    async with serving(rooms) as elsewhere:
        location = f"Location: {elsewhere.url}/server/live/{ASKED}"
        redirect = answering(reply(enveloped(room(ASKED)), status, location))
        async with serving(redirect) as server, gateway_at(server.url) as gateway:
            assert_told(await gateway.read(ASKED), "upstream_error")
            for operation in OPERATIONS:
                assert_told(await gateway.write(operation, ASKED), "upstream_error")
            assert len(server.received) == 4
            await assert_serves(gateway, server)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [200, 500])
async def test_cookies_are_never_sent_again(status: int) -> None:
    """The upstream's cookies reach neither its next request nor a client."""
    crumbs = "Set-Cookie: session=crumb; Path=/\nSet-Cookie: other=crumb; Max-Age=600"

    async def baking(exchange: Exchange) -> None:
        body = enveloped(room(exchange.live_id), code=0 if status == 200 else 500)
        await exchange.write(reply(body, status, f"Content-Type: application/json\n{crumbs}"))

    async with serving(baking) as server, gateway_at(server.url) as gateway:
        answers = [await gateway.read(live_id) for live_id in ("1", "2")]
        answers += [await gateway.write(operation) for operation in OPERATIONS]
        assert len(server.received) > 3
        writes = server.targets("POST") + server.targets("DELETE")
        assert server.connections == 1 + len(writes)  # a kept one for reads, one for each write
        assert not any(b"cookie" in each.raw.lower() for each in server.received)
        assert not any("crumb" in str(each.headers) + each.text for each in answers)


def followed_by_another(pauses: tuple[float | None, ...]) -> Script:
    """Return a script that follows each room by the one that was asked for before.

    It takes one of `pauses` in turn between the two, in seconds; None is in one piece.
    """
    turns, before = itertools.cycle(pauses), "none"

    async def answer(exchange: Exchange) -> None:
        nonlocal before
        own, extra = (reply(enveloped(room(each))) for each in (exchange.live_id, before))
        before, pause = exchange.live_id, next(turns)
        if pause is None:
            await exchange.write(own + extra)
        else:
            await exchange.write(own)
            await asyncio.sleep(pause)
            await exchange.write(extra)

    return answer


async def test_bytes_after_a_reply_confirm_no_write() -> None:
    """A delete that the upstream refuses never takes left-over bytes for its reply."""

    async def answer(exchange: Exchange) -> None:
        if exchange.method != "GET":
            await exchange.write(reply(enveloped(code=601, message="bad status"), 500))
            return
        for _ in range(2):
            await exchange.write(reply(enveloped(room(exchange.live_id))))
            await asyncio.sleep(0.0005)

    async with serving(answer) as server, gateway_at(server.url) as gateway:
        answers = [await gateway.write("delete", f"room-{number}") for number in range(60)]
    assert {each.status_code for each in answers} == {502}


def is_of(live_id: str, answer: Answer) -> bool:
    """Return True if an answer is this room and has nothing of another one."""
    seen, whole = json.loads(answer.body), room(live_id)
    return all(seen[name] == whole[name] for name in ("live_id", "title", "extends", "hls_url"))


@pytest.mark.parametrize(
    ("pauses", "refused"),
    [((None,), False), ((0, 0.0003, None, 0.002), True)],
    ids=["in one piece", "at any time"],
)
async def test_bytes_after_a_reply_are_nobodys(
    pauses: tuple[float | None, ...],
    refused: bool,  # noqa: FBT001  # a case
) -> None:
    """No read of 1,500 at the same time gets another room than the one asked for.

    Only its id tells a reply from bytes that come late, after the next request: such a read is
    refused.
    """
    outcomes = Counter[str]()
    numbers = iter(range(1_500))

    async def read_some(port: int) -> None:
        async with viewer_at(port) as viewer:
            for number in numbers:
                answer = await viewer.get(f"/v1/rooms/room-{number}")
                if answer.status == 200:
                    outcomes["own" if is_of(f"room-{number}", answer) else "another's"] += 1
                else:
                    outcomes[json.loads(answer.body)["code"]] += 1

    async with (
        serving(followed_by_another(pauses)) as server,
        gateway_at(server.url) as gateway,
    ):
        await asyncio.gather(*(read_some(gateway.port) for _ in range(READERS)))
        await asyncio.sleep(0.05)  # the last extra bytes are still to come
        await assert_serves(gateway, server)
    assert outcomes.total() == 1_500
    assert set(outcomes) <= ({"own", "upstream_error"} if refused else {"own"})
    assert outcomes["own"] > 300


@pytest.mark.parametrize("case", OTHER_ROOM)
async def test_another_room_is_refused_and_not_kept(case: str) -> None:
    """A reply about another room is a 502 after one attempt, and nothing of it is cached."""
    other = OTHER_ROOM[case]
    async with (
        serving(answering(reply(enveloped(other)))) as server,
        gateway_at(server.url) as gateway,
    ):
        for bearer in (ALICE, BOB, ALICE):
            assert_told(await gateway.read(ASKED, bearer), "upstream_error")
        assert len(server.received) == 3
        batch = await gateway.read_batch(ASKED, "x")
        assert batch.json() == {"rooms": [], "missing": [], "failed": [ASKED, "x"]}
        assert_tells_no_secret(batch.text)
        for live_id in (ASKED, "2", "A", "11"):
            await assert_serves(gateway, server, live_id)
        assert server.targets()[-4:] == [f"/server/live/{each}" for each in (ASKED, "2", "A", "11")]


@pytest.mark.parametrize("case", [str.upper, str.lower])
async def test_proxy_variables_and_netrc_are_ignored(
    case: type[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment neither reroutes a call nor puts credentials of its own on it."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login planted password planted\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with serving(rooms) as proxy, serving(rooms) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(case(name), proxy.url)
        async with gateway_at(server.url) as gateway:
            assert (await gateway.read(ASKED, ALICE)).json()["push_url"] == PUSH_URL
            answers = [await gateway.write(operation, ASKED) for operation in OPERATIONS]
        assert [each.status_code for each in answers] == [201, 204, 204]
        assert (len(server.received), proxy.connections) == (6, 0)
        for each in server.received:
            assert each.raw.lower().count(b"\r\nauthorization: qiniu ") == 1
            assert each.raw.lower().count(b"authorization") == 1

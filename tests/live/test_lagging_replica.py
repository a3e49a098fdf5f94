"""A vendor whose reads lag behind its writes, and whose answers to writes get lost."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.live.fault_server import CREATED, PUSH_URL, Exchange, enveloped, reply, room, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at

PATH = f"/v1/rooms/{CREATED}"
PATIENT = {"UPSTREAM_TIMEOUT": "20", "UPSTREAM_LAG": "300"}
NOT_FOUND = reply(enveloped(code=500, message="record not found"), 500)


class Replica:
    """A vendor with one room; `behind` more reads show the room as before the last write.

    With `lost` the answer to a write is cut off; it has happened all the same.
    """

    def __init__(self, *, behind: int = 0, status: int | None = None, lost: bool = False) -> None:
        self.behind = behind
        self.now = status
        self.before = status
        self.lost = lost

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a call."""
        if exchange.target.startswith("/server/user"):
            users = parse_qs(urlsplit(exchange.target).query).get("user_ids", [])
            await exchange.write(reply(enveloped([{"user_id": each} for each in users])))
        elif exchange.method == "GET":
            await exchange.write(self._shown(self._status_read()))
        else:
            self.before = self.now
            self.now = self._status_after(exchange)
            if self.lost:
                exchange.reset()
            else:
                await exchange.write(self._shown(self.now or 0))

    def _status_read(self) -> int | None:
        self.behind -= 1
        return self.before if self.behind >= 0 else self.now

    def _status_after(self, exchange: Exchange) -> int | None:
        if exchange.method == "DELETE":
            return None
        return 2 if exchange.target.endswith("/stop") else 1

    def _shown(self, status: int | None) -> bytes:
        if status is None:
            return NOT_FOUND
        return reply(enveloped({**room(CREATED), "live_status": status}))


async def ask(gateway: Gateway, method: str, path: str = PATH, user: str = BOB) -> httpx.Response:
    """Send a request as this user; a create has a key, always the same."""
    headers = {"Authorization": f"Bearer {user}", "Idempotency-Key": "key"}
    body: dict[str, Any] = {"json": {"title": "t"}} if path == "/v1/rooms" else {}
    return await gateway.client.request(method, path, headers=headers, **body)


async def test_after_a_201_everyone_finds_the_room() -> None:
    """A viewer is answered at once, the anchor and a replay with `push_url` as soon as it shows."""
    async with serving(Replica(behind=6)) as server, gateway_at(server.url, **PATIENT) as gateway:
        assert (await ask(gateway, "POST", "/v1/rooms", ALICE)).status_code == 201
        for _ in range(2):
            viewers = await ask(gateway, "GET")
            assert (viewers.status_code, viewers.json()["live_id"]) == (200, CREATED)
            assert PUSH_URL not in viewers.text
        anchors = await ask(gateway, "GET", user=ALICE)
        assert (anchors.status_code, anchors.json()["push_url"]) == (200, PUSH_URL)
        assert isinstance(server.script, Replica)
        server.script.behind = 2
        again = await ask(gateway, "POST", "/v1/rooms", ALICE)
        assert (again.status_code, again.json()["push_url"]) == (201, PUSH_URL)
        assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(("method", "path"), [("POST", f"{PATH}/stop"), ("DELETE", PATH)])
async def test_after_a_201_the_room_can_be_stopped_and_deleted(method: str, path: str) -> None:
    """Stop and delete wait for the room to show, and send one write."""
    async with serving(Replica(behind=3)) as server, gateway_at(server.url, **PATIENT) as gateway:
        await ask(gateway, "POST", "/v1/rooms", ALICE)
        assert (await ask(gateway, method, path, ALICE)).status_code == 204
        assert len(server.targets("POST") + server.targets("DELETE")) == 2


async def test_after_a_stop_viewers_see_it_ended() -> None:
    """The old state is shown to nobody, nor kept."""
    async with serving(Replica(status=1)) as server, gateway_at(server.url, **PATIENT) as gateway:
        assert (await ask(gateway, "GET")).json()["live_status"] == 1
        assert (await ask(gateway, "POST", f"{PATH}/stop", ALICE)).status_code == 204
        assert isinstance(server.script, Replica)
        server.script.behind = 2
        for user in (BOB, ALICE, BOB):
            answer = await ask(gateway, "GET", user=user)
            assert (answer.status_code, answer.json()["live_status"]) == (200, 2)
            assert answer.headers["cache-status"] != "gateway; hit"
        assert (await ask(gateway, "GET")).headers["cache-status"] == "gateway; hit"


async def test_after_a_delete_it_is_gone() -> None:
    """A replica that still shows the room changes nothing, for anyone, not even for a batch."""
    async with serving(Replica(status=1)) as server, gateway_at(server.url, **PATIENT) as gateway:
        assert (await ask(gateway, "DELETE", user=ALICE)).status_code == 204
        assert isinstance(server.script, Replica)
        server.script.behind = 1000
        for user in (BOB, ALICE):
            assert (await ask(gateway, "GET", user=user)).status_code == 404
        assert (await gateway.read_batch(CREATED)).json()["missing"] == [CREATED]
        assert (await ask(gateway, "DELETE", user=ALICE)).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("POST", f"{PATH}/stop"), ("DELETE", PATH)])
@pytest.mark.parametrize("behind", [0, 3])
async def test_a_lost_answer_is_looked_after(method: str, path: str, behind: int) -> None:
    """A write that happened is told as done once a read shows it, and is sent once."""
    script = Replica(status=1, lost=True)
    async with serving(script) as server, gateway_at(server.url, **PATIENT) as gateway:
        script.behind = behind + 1
        assert (await ask(gateway, method, path, ALICE)).status_code == 204
        assert len(server.targets("POST") + server.targets("DELETE")) == 1


@pytest.mark.parametrize(("method", "path"), [("POST", f"{PATH}/stop"), ("DELETE", PATH)])
async def test_what_cannot_be_seen_is_unknown(method: str, path: str) -> None:
    """A write that never shows is told as unknown, after more than one look, by the deadline."""
    script = Replica(status=1, lost=True, behind=1000)
    async with serving(script) as server, gateway_at(server.url) as gateway:
        answer = await ask(gateway, method, path, ALICE)
        assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
        assert len(server.targets()) > 2


async def test_many_viewers_of_a_room_that_lags_share_reads() -> None:
    """However many viewers ask at once, one read is sent, and all see the room."""
    script = Replica(behind=1000)
    async with serving(script) as server, gateway_at(server.url, **PATIENT) as gateway:
        await ask(gateway, "POST", "/v1/rooms", ALICE)
        answers = await asyncio.gather(*(ask(gateway, "GET") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len(server.targets()) < 50

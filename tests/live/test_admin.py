"""An operator's orders reach every worker, also one that starts later."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from tests import clients
from tests.commands import ROOT, SECRET, free_port
from tests.live.fault_server import Server, answering, enveloped, reply, room, rooms, serving
from tests.served import Served, served
from tests.waiting import LIMIT, until

OPERATOR = "an operator's token of more than 32 characters".replace(" ", "-")
WORKERS = 2
TRIES = 20
"""Requests on new connections, enough to reach each worker."""

LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
USER = "carol:x@example.com"
CODED = "carol%3Ax%40example.com"
PATHS = (f"/refusals/{CODED}", "/refused-tokens/stolen%2F1")
EVENTS = [
    *("admin_user_refused", "admin_token_refused"),
    *("admin_user_allowed", "admin_token_allowed"),
]


class World:
    """A gateway of two workers with an operator; `admin` is a client of its private listener."""

    def __init__(self, gateway: Served, admin: httpx.AsyncClient, upstream: Server) -> None:
        self.gateway = gateway
        self.admin = admin
        self.upstream = upstream

    async def read(self, token: str) -> list[httpx.Response]:
        """Return the answers to a read of a room on many connections."""
        answers = []
        for _ in range(TRIES):
            async with clients.async_client(self.gateway.url) as client:
                headers = {"Authorization": f"Bearer {token}"}
                answers.append(await client.get("/v1/rooms/1", headers=headers))
        return answers

    async def codes(self, token: str) -> set[str | None]:
        """Return the codes of these answers, None for a room."""
        return {each.json().get("code") for each in await self.read(token)}

    async def until_codes(self, token: str, code: str | None) -> None:
        """Wait until all workers answer so."""

        async def same() -> bool:
            return await self.codes(token) == {code}

        await until(same)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run it, in front of a vendor whose rooms are kept for hours."""
    port = free_port()
    settings = {"METRICS_PORT": str(port), "ADMIN_TOKEN": OPERATOR, "CACHE_TTL": "3600"}
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with (
        serving(rooms) as upstream,
        clients.async_client(f"http://127.0.0.1:{port}/admin", headers) as admin,
    ):
        with served(upstream.url, descriptors=None, WORKERS=str(WORKERS), **settings) as gateway:
            yield World(gateway, admin, upstream)


def token(user_id: str, token_id: str) -> str:
    """Return a token that the gateway accepts."""
    claims = {"sub": user_id, "jti": token_id, "exp": (datetime.now(UTC) + timedelta(hours=1))}
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def test_who_is_refused_is_refused_by_every_worker(world: World) -> None:
    """A user and a token known to workers are refused by them, and by those that start later."""
    carols, stolen, fresh = token(USER, "1"), token("bob", "stolen/1"), token("bob", "2")
    assert await world.codes(carols) == await world.codes(stolen) == {None}
    for path in PATHS:
        assert (await world.admin.put(path, json={"until": LATER})).status_code == 204
    await world.until_codes(carols, "token_invalid")
    await world.until_codes(stolen, "token_invalid")
    for worker in world.gateway.workers():
        os.kill(worker, signal.SIGKILL)
    await until(lambda: world.gateway.listeners() == WORKERS)
    for each in (carols, token(USER, "2"), stolen):
        assert await world.codes(each) == {"token_invalid"}
    assert await world.codes(fresh) == {None}
    for path in PATHS:
        assert (await world.admin.delete(path)).status_code == 204
    await world.until_codes(carols, None)
    await world.until_codes(stolen, None)
    output = world.gateway.stop()
    lines = [json.loads(line) for line in output.splitlines() if '"admin_' in line]
    assert [line["event"] for line in lines] == EVENTS
    assert not [each for each in (USER, CODED, "stolen", OPERATOR, carols) if each in output]


async def test_an_evicted_room_is_read_again_by_every_worker(world: World) -> None:
    """Each worker forgets the room, and asks upstream at its next read."""
    bob = token("bob", "1")
    assert {each.json()["title"] for each in await world.read(bob)} == {"title of 1"}
    world.upstream.script = answering(reply(enveloped(room("1") | {"title": "Monday"})))
    assert (await world.admin.delete("/rooms/1")).status_code == 204

    async def new() -> bool:
        return {each.json()["title"] for each in await world.read(bob)} == {"Monday"}

    await until(new)


def test_the_runbooks_lines_work_as_pasted(tmp_path: Path) -> None:
    """The curl lines of the runbook succeed, in one paste."""
    bash, curl = shutil.which("bash"), shutil.which("curl")
    if bash is None or curl is None:
        pytest.skip("needs bash and curl")
    port, file = free_port(), tmp_path / "token"
    file.write_text(OPERATOR)
    runbook = ROOT.joinpath(".github/OPERATIONS.md").read_text()
    [lines] = re.findall(
        r"## A stolen token.*?^```sh\n(.*?)^```", runbook, re.DOTALL | re.MULTILINE
    )
    for written, ours in {
        "127.0.0.1:9090": f"127.0.0.1:{port}",
        "/run/secrets/admin_token": str(file),
        "2026-12-02T11:00:00+08:00": LATER,
        "curl -f": "curl -fsS -w '%{http_code} '",
    }.items():
        assert written in lines
        lines = lines.replace(written, ours)
    with served(METRICS_PORT=str(port), ADMIN_TOKEN_FILE=str(file)):
        done = subprocess.run(  # noqa: S603  # our own lines
            [bash, "-ec", lines], capture_output=True, text=True, check=True, timeout=LIMIT
        )
    assert re.findall(r"\b(\d{3}) ", done.stdout) == ["204", "204", "200", "204", "204"]


async def test_the_operators_token_is_read_again(tmp_path: Path) -> None:
    """A new token in the file is the only one from then on; without a file nobody is admitted."""
    port, file = free_port(), tmp_path / "token"
    file.write_text(OPERATOR + "\n")

    async def status(operator: str) -> int:
        headers = {"Authorization": f"Bearer {operator}"}
        async with clients.async_client(f"http://127.0.0.1:{port}", headers) as admin:
            return (await admin.get("/admin/refusals")).status_code

    with served(METRICS_PORT=str(port), ADMIN_TOKEN_FILE=str(file)):
        assert (await status(OPERATOR), await status("x" * 32)) == (200, 401)
        file.write_text("x" * 32)
        assert (await status(OPERATOR), await status("x" * 32)) == (401, 200)
        file.write_text("half")
        assert await status("half") == 401
        file.unlink()
        assert await status("x" * 32) == 401

"""Keys that change under load, without a restart and without a failed request."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest

from gateway.sandbox import Vendor
from gateway.serving import listening
from tests import clients
from tests.commands import free_port
from tests.served import Served, served
from tests.telemetry.samples import values
from tests.waiting import until

VISITORS = 6
WORKERS = 2
SECRETS = [f"a token secret of more than 32 bytes, number {number}" for number in range(4)]


class World:
    """A gateway of two workers that reads its keys from files, and a vendor that checks them."""

    def __init__(self, folder: Path, vendor: Vendor) -> None:
        self.folder = folder
        self.vendor = vendor
        self.gateway: Served
        self.secret = SECRETS[0]
        self.outcomes = Counter[tuple[str, int]]()
        self.visits = [0] * VISITORS
        self.metrics = free_port()

    def write(self, **files: str) -> None:
        """Replace key files, one after the other."""
        for name, text in files.items():
            new = self.folder / f"{name}.new"
            new.write_text(text + "\n")
            new.rename(self.folder / name)

    def token(self) -> str:
        """Return a token of alice's, as the issuer makes them now."""
        claims = {"sub": "alice", "exp": time.time() + 60, "jti": os.urandom(8).hex()}
        return jwt.encode(claims, self.secret, algorithm="HS256")

    async def visit(self, visitor: int) -> None:
        """Create and read rooms with new tokens, on new connections, until cancelled."""
        while True:
            headers = {"Authorization": f"Bearer {self.token()}"}
            async with clients.async_client(self.gateway.url, headers) as client:
                created = await client.post("/v1/rooms", json={"title": "t"})
                self.outcomes["create", created.status_code] += 1
                read = await client.get(created.headers.get("location", "/v1/rooms/x"))
                self.outcomes["read", read.status_code] += 1
            self.visits[visitor] += 1

    async def assert_works(self) -> None:
        """Wait for two new visits of each visitor; check that all visits ended well."""
        before = [*self.visits]
        await until(
            lambda: all(now > was + 2 for now, was in zip(self.visits, before, strict=True))
        )
        assert set(self.outcomes) == FINE

    async def until_each_worker_has_read(self, count: int, *, outcome: str = "ok") -> None:
        """Wait until every worker has read its key files so often, with this outcome."""
        name = "gateway_key_refreshes_total", (("outcome", outcome), ("source", "files"))

        async def has_read() -> bool:
            async with clients.async_client() as client:
                answer = await client.get(f"http://127.0.0.1:{self.metrics}/metrics")
            return values(answer.text).get(name) == count * WORKERS

        await until(has_read)


FINE = {("create", 201), ("read", 200)}


def world_files(here: World) -> dict[str, str]:
    """Write the first keys, and return the settings that name their files."""
    here.write(ak="ak-0", sk="sk-0", jwt=SECRETS[0], previous=SECRETS[3])
    files = {
        "ACCESS_KEY_FILE": "ak",
        "SECRET_KEY_FILE": "sk",
        "JWT_SECRET_FILE": "jwt",
        "JWT_SECRET_PREVIOUS_FILE": "previous",
    }
    settings = {"WORKERS": str(WORKERS), "ACCESS_KEY": "", "SECRET_KEY": "", "JWT_SECRET": ""}
    settings |= {"METRICS_PORT": str(here.metrics)}
    return settings | {name: str(here.folder / file) for name, file in files.items()}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Run it under load; every request meanwhile must have gone well."""
    vendor = Vendor("ak-0", "sk-0", anchors=["alice"])
    here = World(folder, vendor)
    settings = world_files(here)
    async with listening(vendor, 0) as port:
        with served(f"http://127.0.0.1:{port}", descriptors=None, **settings) as here.gateway:
            visitors = [asyncio.create_task(here.visit(each)) for each in range(VISITORS)]
            yield here
            assert set(here.outcomes) == FINE
            assert not any(each.done() for each in visitors)
            for visitor in visitors:
                visitor.cancel()
            await asyncio.gather(*visitors, return_exceptions=True)


@pytest.mark.slow  # files are looked at once a second, and taken when they have settled
async def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    """New AK, SK and token secret are read while all goes well, so the old can be withdrawn."""
    async with world(tmp_path) as here:
        await here.assert_works()
        here.vendor.issue_keys("ak-1", "sk-1")
        here.write(ak="ak-1", sk="sk-1")
        await here.until_each_worker_has_read(1)
        await here.assert_works()  # calls that were signed before are over
        here.vendor.revoke_keys("ak-0")
        await here.assert_works()

        here.write(jwt=SECRETS[1], previous=SECRETS[0])
        await here.until_each_worker_has_read(2)
        await here.assert_works()
        here.secret = SECRETS[1]
        await here.assert_works()


async def test_sighup_reads_them_at_once(tmp_path: Path) -> None:
    """SIGHUP gives the same workers new keys at once, and a bad file changes nothing."""
    async with world(tmp_path) as here:
        await here.assert_works()
        workers = here.gateway.workers()
        here.vendor.issue_keys("ak-1", "sk-1")
        here.write(ak="ak-1", sk="sk-1")
        here.gateway.process.send_signal(signal.SIGHUP)
        await here.until_each_worker_has_read(1)
        await here.assert_works()  # calls that were signed before are over
        here.vendor.revoke_keys("ak-0")
        await here.assert_works()
        here.write(jwt="too short")
        here.gateway.process.send_signal(signal.SIGHUP)
        await here.until_each_worker_has_read(1, outcome="failed")
        await here.assert_works()
        assert here.gateway.workers() == workers

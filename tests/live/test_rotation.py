"""S3: keys that change under load, without a restart and without a failed request."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import jwt

from gateway.sandbox import Vendor
from gateway.serving import listening
from tests.served import Served, served

VISITORS = 6
SECRETS = [f"a token secret of more than 32 bytes, number {number}" for number in range(4)]


class World:
    """A gateway of two workers that reads its keys from files, and a vendor that checks them."""

    def __init__(self, folder: Path, vendor: Vendor) -> None:
        self.folder = folder
        self.vendor = vendor
        self.gateway: Served
        self.secret = SECRETS[0]
        self.outcomes = Counter[tuple[str, int]]()
        self.moment = set[tuple[str, int]]()

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

    async def visit(self) -> None:
        """Create and read rooms with new tokens, on new connections, until cancelled."""
        while True:
            headers = {"Authorization": f"Bearer {self.token()}"}
            async with httpx.AsyncClient(
                base_url=self.gateway.url, headers=headers, trust_env=False, timeout=10
            ) as client:
                created = await client.post("/v1/rooms", json={"title": "t"})
                self.count("create", created)
                read = await client.get(created.headers.get("location", "/v1/rooms/x"))
                self.count("read", read)

    def count(self, kind: str, answer: httpx.Response) -> None:
        """Note how a request ended."""
        self.outcomes[kind, answer.status_code] += 1
        self.moment.add((kind, answer.status_code))

    async def worked(self) -> set[tuple[str, int]]:
        """Return how the visits of the next moments end."""
        self.moment.clear()
        await asyncio.sleep(0.5)
        return self.moment


FINE = {("create", 201), ("read", 200)}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Run it under load; whatever was asked meanwhile must have gone well."""
    vendor = Vendor("ak-0", "sk-0", anchors=["alice"])
    here = World(folder, vendor)
    here.write(ak="ak-0", sk="sk-0", jwt=SECRETS[0], previous=SECRETS[3])
    files = {
        "ACCESS_KEY_FILE": "ak",
        "SECRET_KEY_FILE": "sk",
        "JWT_SECRET_FILE": "jwt",
        "JWT_SECRET_PREVIOUS_FILE": "previous",
    }
    settings = {"WORKERS": "2", "ACCESS_KEY": "", "SECRET_KEY": "", "JWT_SECRET": ""}
    settings |= {name: str(folder / file) for name, file in files.items()}
    async with listening(vendor, 0) as port:
        with served(f"http://127.0.0.1:{port}", descriptors=None, **settings) as here.gateway:
            visitors = [asyncio.create_task(here.visit()) for _ in range(VISITORS)]
            yield here
            assert set(here.outcomes) == FINE
            assert not any(each.done() for each in visitors)
            for visitor in visitors:
                visitor.cancel()
            await asyncio.gather(*visitors, return_exceptions=True)


async def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    """AK and SK, then the token secret with an overlap: the old ones can be withdrawn."""
    async with world(tmp_path) as here:
        assert await here.worked() == FINE
        here.vendor.issue_keys("ak-1", "sk-1")
        here.write(ak="ak-1")
        await asyncio.sleep(0.3)
        here.write(sk="sk-1")
        await asyncio.sleep(4)
        here.vendor.revoke_keys("ak-0")
        assert await here.worked() == FINE

        here.write(jwt=SECRETS[1], previous=SECRETS[0])
        await asyncio.sleep(3)
        assert await here.worked() == FINE
        here.secret = SECRETS[1]
        assert await here.worked() == FINE


async def test_sighup_reads_them_at_once(tmp_path: Path) -> None:
    """The same workers go on, with other keys; a file that is not valid changes nothing."""
    async with world(tmp_path) as here:
        workers = here.gateway.workers()
        here.vendor.issue_keys("ak-1", "sk-1")
        here.write(ak="ak-1", sk="sk-1")
        here.gateway.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.3)
        here.vendor.revoke_keys("ak-0")
        assert await here.worked() == FINE
        here.write(jwt="too short")
        here.gateway.process.send_signal(signal.SIGHUP)
        assert await here.worked() == FINE
        assert here.gateway.workers() == workers

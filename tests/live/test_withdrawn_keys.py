"""Keys that were withdrawn do not come back with a new worker."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.sandbox import Vendor
from gateway.serving import listening
from tests import clients
from tests.live.test_rotation import SECRETS, WORKERS, World, world_files
from tests.served import served
from tests.waiting import until


def gone(file: Path) -> None:
    """Remove a file."""
    file.unlink()


def pipe(file: Path) -> None:
    """Put a pipe in its place, which nobody writes to."""
    file.unlink()
    os.mkfifo(file)


def endless(file: Path) -> None:
    """Put a link to a device without an end in its place."""
    file.unlink()
    file.symlink_to("/dev/zero")


@pytest.mark.parametrize("instead", [gone, pipe, endless])
async def test_a_withdrawn_key_does_not_come_back(
    tmp_path: Path, instead: Callable[[Path], None]
) -> None:
    """Killed workers are replaced with the last keys, whatever has become of their files."""
    vendor = Vendor("ak-0", "sk-0", anchors=["alice"])
    here = World(tmp_path, vendor)
    settings = world_files(here)
    async with listening(vendor, 0) as port:
        with served(f"http://127.0.0.1:{port}", descriptors=None, **settings) as here.gateway:
            vendor.issue_keys("ak-1", "sk-1")
            here.write(ak="ak-1", sk="sk-1", jwt=SECRETS[1], previous=SECRETS[2])
            here.gateway.process.send_signal(signal.SIGHUP)
            await here.until_each_worker_has_read(1)
            vendor.revoke_keys("ak-0")
            for name in ("ak", "sk", "jwt", "previous"):
                instead(tmp_path / name)
            before = here.gateway.workers()
            for worker in before:
                os.kill(worker, signal.SIGKILL)
            await until(lambda: here.gateway.listeners() == WORKERS)
            assert not set(before) & set(here.gateway.workers())
            for _ in range(10):
                assert await status(here, SECRETS[1]) == 404
                assert await status(here, SECRETS[0]) == 401


async def status(here: World, secret: str) -> int:
    """Return the status of a read over a new connection, with a token made with `secret`."""
    here.secret = secret
    headers = {"Authorization": f"Bearer {here.token()}"}
    async with clients.async_client(here.gateway.url, headers) as client:
        return (await client.get("/v1/rooms/none")).status_code

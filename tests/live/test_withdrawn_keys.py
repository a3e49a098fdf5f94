"""Keys that were withdrawn do not come back with a new worker."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.sandbox import Vendor
from gateway.serving import listening
from tests import clients
from tests.live.fault_server import answering, reply, rooms, serving
from tests.live.test_jwks import SigningKey, publishing
from tests.live.test_rotation import SECRETS, WORKERS, World, world_files
from tests.served import Served, served
from tests.test_keyring import pem
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


def empty(file: Path) -> None:
    """Leave nothing in it."""
    file.write_bytes(b"")


@pytest.mark.parametrize("instead", [gone, pipe, endless, empty])
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
            await all_replaced(here.gateway, WORKERS)
            for _ in range(10):
                assert await status(here.gateway, signed(here, SECRETS[1])) == 404
                assert await status(here.gateway, signed(here, SECRETS[0])) == 401
            here.gateway.process.send_signal(signal.SIGHUP)
            await here.until_each_worker_has_read(1, outcome="failed")
            assert await status(here.gateway, signed(here, SECRETS[1])) == 404
            assert "Grace period over" not in await asyncio.to_thread(here.gateway.stop)


@pytest.mark.slow  # one worker after the other is started
async def test_a_key_that_only_a_new_worker_has_read_is_the_last(tmp_path: Path) -> None:
    """A key that a worker read at its start is the last one too, for the next worker."""
    here = World(tmp_path, Vendor("ak-0", "sk-0", anchors=["alice"]))
    settings = world_files(here) | {"WORKERS": "1", "JWT_SECRET_PREVIOUS_FILE": ""}
    async with listening(here.vendor, 0) as port:
        with served(f"http://127.0.0.1:{port}", descriptors=None, **settings) as here.gateway:
            here.write(jwt=SECRETS[1])
            for _ in range(2):
                await all_replaced(here.gateway, 1)
                assert await status(here.gateway, signed(here, SECRETS[1])) == 404
                assert await status(here.gateway, signed(here, SECRETS[0])) == 401
                (tmp_path / "jwt").unlink(missing_ok=True)


async def test_a_withdrawn_public_key_does_not_come_back(tmp_path: Path) -> None:
    """Killed workers are replaced with the last public key, although its file is gone."""
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    here = World(tmp_path, Vendor("ak-0", "sk-0", anchors=["alice"]))
    settings = world_files(here)
    del settings["JWT_SECRET_FILE"], settings["JWT_SECRET_PREVIOUS_FILE"]
    settings["JWT_PUBLIC_KEY_FILE"] = str(tmp_path / "public")
    here.write(public=pem(old))
    async with listening(here.vendor, 0) as port:
        with served(f"http://127.0.0.1:{port}", descriptors=None, **settings) as here.gateway:
            assert await status(here.gateway, es256(old)) == 404
            here.write(public=pem(new))
            here.gateway.process.send_signal(signal.SIGHUP)
            await here.until_each_worker_has_read(1)
            gone(tmp_path / "public")
            await all_replaced(here.gateway, WORKERS)
            for _ in range(10):
                assert await status(here.gateway, es256(new)) == 404
                assert await status(here.gateway, es256(old)) == 401


@pytest.mark.slow  # a set is fetched again after 0.8 s at the earliest
async def test_a_key_withdrawn_by_the_issuer_does_not_come_back() -> None:
    """Killed workers begin with the issuer's last set while it is down, and go on asking it."""
    withdrawn, kept, late = (SigningKey(kid) for kid in ("withdrawn", "kept", "late"))
    async with serving(rooms) as upstream, serving(publishing(withdrawn, kept)) as issuer:
        settings = {"WORKERS": str(WORKERS), "JWT_SECRET": "", "JWT_JWKS_REFRESH": "1"}
        settings |= {"JWT_JWKS_URL": f"{issuer.url}/keys"}
        with served(upstream.url, descriptors=None, **settings) as gateway:
            await until(lambda: signed_in(gateway, withdrawn, 200))
            issuer.script = publishing(kept)
            for _ in range(WORKERS):
                await until(lambda: signed_in(gateway, withdrawn, 401))
            asked = len(issuer.received)
            await until(lambda: len(issuer.received) > asked + 2 * WORKERS)  # each has the new set
            issuer.script = answering(reply(b"", 503))
            await all_replaced(gateway, WORKERS)
            for _ in range(10):
                assert await signed_in(gateway, kept, 200)
                assert await signed_in(gateway, withdrawn, 401)
            issuer.script = publishing(kept, late)
            await until(lambda: signed_in(gateway, late, 200))


async def all_replaced(gateway: Served, workers: int) -> None:
    """Kill all workers, and wait until as many others listen."""
    before = set(gateway.workers())
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    await until(lambda: before.isdisjoint(gateway.workers()) and gateway.listeners() == workers)


async def signed_in(gateway: Served, key: SigningKey, expected: int) -> bool:
    """Return True if a read with a token of `key` ends so."""
    return await status(gateway, key.token(), "1") == expected


def signed(here: World, secret: str) -> str:
    """Return a token made with `secret`."""
    here.secret = secret
    return here.token()


def es256(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a token made with a private key."""
    return jwt.encode({"sub": "alice", "exp": time.time() + 60}, key, "ES256")


async def status(gateway: Served, token: str, live_id: str = "none") -> int:
    """Return the status of a read over a new connection."""
    headers = {"Authorization": f"Bearer {token}"}
    async with clients.async_client(gateway.url, headers) as client:
        return (await client.get(f"/v1/rooms/{live_id}")).status_code

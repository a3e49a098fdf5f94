"""Fixtures for all tests: the event loop, and sandboxes in a thread of their own on free ports."""

import asyncio
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from hypothesis import HealthCheck, settings

from gateway.sandbox import DialectName, Faults, Sandbox, running
from tests import clients
from tests.store_server import StoreServer, running_store

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # no property depends on how fast the machine is


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of every async test, which is the one that the gateway runs on."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Let the processes of tests be interrupted, as a suite in the background ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def store_server() -> Iterator[StoreServer]:
    """A store; tests that share it have prefixes of their own."""
    with running_store() as server:
        yield server


SCOPES = {"admin": ["rooms:admin"]}
UNLIMITED = {
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_RATE_LIMIT_FAILED_AUTH": "off",
}


@contextmanager
def running_sandbox(
    dialect: DialectName = "documented",
    environ: Mapping[str, str] | None = None,
    faults: Faults | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox in a thread; its access log and its rate limits are off."""
    started: Future[tuple[Sandbox, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        quiet = {"GATEWAY_ACCESS_LOG": "off", "GATEWAY_VENDOR_APP_ID": "app"}
        chosen = {**UNLIMITED, **quiet, **(environ or {})}
        async with running(dialect=dialect, faults=faults, environ=chosen) as sandbox:
            leave = asyncio.Event()
            started.set_result((sandbox, asyncio.get_running_loop(), leave))
            await leave.wait()

    def main() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main)
    thread.start()
    try:
        sandbox, loop, leave = started.result(timeout=30)
        try:
            yield sandbox
        finally:
            loop.call_soon_threadsafe(leave.set)
    finally:
        thread.join(timeout=30)


@pytest.fixture(scope="session", params=["documented", "legacy"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A gateway in front of the simulated vendor, in each dialect."""
    with running_sandbox(request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client of the gateway, not signed in."""
    with clients.client(sandbox.url) as client:
        yield client


def go_live(sandbox: Sandbox, live_id: str) -> None:
    """Let a room go live, as its anchor's app would."""
    url = f"{sandbox.upstream_url}/sandbox/rooms/{live_id}/live"
    assert httpx.post(url, trust_env=False).status_code == 200


def signed_in(sandbox: Sandbox, user_id: str) -> dict[str, str]:
    """Return the headers of a request by `user_id`; `admin` has the admin scope."""
    return {"Authorization": f"Bearer {sandbox.token(user_id, SCOPES.get(user_id, []))}"}


@pytest.fixture(scope="module")
def trusted() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def _system_trusts(trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the one that this system trusts, while the gateway starts."""
    trusted.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

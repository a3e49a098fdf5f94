"""The real gateway in front of a misbehaving upstream, and checks of its answers.

Gateway, upstream and client share one event loop, so a test sees every task that is left over.
"""

import asyncio
import io
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from gateway import app, keyring
from gateway.edge import PROBLEMS
from gateway.identity import mint
from gateway.metrics import Metrics
from gateway.serving import listening
from gateway.settings import Settings, load
from gateway.telemetry import SharedMetrics, families
from gateway.traces import NO_TRACES, Tracing
from tests.live.fault_server import PUSH_URL, Server, rooms

IMPATIENT = {"UPSTREAM_TIMEOUT": "0.5"}
"""Settings of a gateway whose upstream is about to exceed the timeout."""

LATEST = 5.0
"""Seconds until an answer: far more than a busy machine takes, and less than any slow upstream."""

KEYS = {
    "GATEWAY_ACCESS_KEY": "canary-access-key-7d1f",
    "GATEWAY_SECRET_KEY": "canary-secret-key-41c8",
    "GATEWAY_JWT_SECRET": "canary-jwt-secret-of-more-than-32-bytes",
}
SECRETS = (*KEYS.values(), PUSH_URL)

QUIET = {
    "GATEWAY_UPSTREAM_TIMEOUT": "30",  # no busy machine exceeds it
    "GATEWAY_UPSTREAM_LAG": "0",  # the scripted upstream keeps no state
    "GATEWAY_RATE_LIMIT_READS": "off",
    "GATEWAY_RATE_LIMIT_WRITES": "off",
    "GATEWAY_LOG_LEVEL": "debug",
}

_PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Of a client that needs no certificates: loading them takes longer than starting a gateway."""

OPERATIONS = ("create", "stop", "delete")


def token(user_id: str, ttl: int = 3600) -> str:
    """Return a token for `user_id` that these gateways accept for an hour, or `ttl` seconds."""
    rules = keyring.claim_rules(load(KEYS))
    secret = KEYS["GATEWAY_JWT_SECRET"]
    return mint(secret, user_id, rules, scopes=(), now=time.time(), ttl=ttl)


ALICE, BOB = token("alice"), token("bob")
"""Of the anchor of every room, and of a viewer."""


@dataclass(frozen=True)
class Gateway:
    """A running gateway on `port` of loopback, and a client of it.

    `log` has its log, `block` its metrics.
    """

    port: int
    client: httpx.AsyncClient
    log: io.BytesIO = field(default_factory=io.BytesIO)
    block: SharedMetrics = field(default_factory=lambda: SharedMetrics(families(Metrics)))

    async def read(self, live_id: str, bearer: str = BOB) -> httpx.Response:
        """Read a room, as a viewer by default."""
        return await self.client.get(f"/v1/rooms/{live_id}", headers=_signed_in(bearer))

    async def read_batch(self, *live_ids: str) -> httpx.Response:
        """Read several rooms."""
        params = {"id": live_ids}
        return await self.client.get("/v1/rooms", params=params, headers=_signed_in(BOB))

    async def write(self, operation: str, live_id: str = "1") -> httpx.Response:
        """Create, stop or delete a room as its anchor."""
        headers = _signed_in(ALICE)
        if operation == "create":
            return await self.client.post("/v1/rooms", json={"title": "t"}, headers=headers)
        path = f"/v1/rooms/{live_id}"
        if operation == "stop":
            return await self.client.post(f"{path}/stop", headers=headers)
        return await self.client.delete(path, headers=headers)

    async def breaker(self) -> str:
        """Return the state of the breaker."""
        return str((await self.client.get("/readyz")).json()["checks"]["breaker"])


@asynccontextmanager
async def gateway_at(
    upstream_url: str, tracing: Tracing = NO_TRACES, /, **environ: str
) -> AsyncIterator[Gateway]:
    """Run a gateway in front of `upstream_url`; `environ` are settings without their prefix.

    Whatever happened, no secret may have got into its log.
    """
    log = io.BytesIO()
    settings = settings_for(upstream_url, **environ)
    block = SharedMetrics(families(Metrics))
    telemetry = app.telemetry_to(log, settings, tracing=tracing)
    application = app.build(settings, telemetry, Metrics(block), tracing=tracing, sleep=no_pause)
    async with (
        listening(application, 0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, verify=_PLAIN_HTTP
        ) as client,
    ):
        yield Gateway(port, client, log, block)
    assert_tells_no_secret(log.getvalue().decode())


async def no_pause(_: float) -> None:
    """Let others run, and look again at once."""
    await asyncio.sleep(0)


def settings_for(upstream_url: str, **environ: str) -> Settings:
    """Return settings of these gateways; `environ` has further ones without their prefix."""
    changes = {f"GATEWAY_{name}": value for name, value in environ.items()}
    return load({**KEYS, **QUIET, "GATEWAY_UPSTREAM_URL": upstream_url, **changes})


def assert_told(answer: httpx.Response, code: str) -> None:
    """Check that an answer is the problem `code`, in time, whole, and without a secret."""
    assert (answer.status_code, answer.json()["code"]) == (PROBLEMS[code].status, code)
    assert answer.elapsed.total_seconds() < LATEST
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["type"] == f"urn:gateway:problem:{code}"
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert_tells_no_secret(answer.text + str(answer.headers))


def assert_tells_no_secret(text: str) -> None:
    """Check that no key, token or push URL is in `text`."""
    assert not [secret for secret in (*SECRETS, ALICE, BOB, "Qiniu ") if secret in text]


async def assert_serves(gateway: Gateway, server: Server, live_id: str = "healthy") -> None:
    """Check that a good read goes through at once, now that the upstream is healthy again."""
    server.script = rooms
    answer = await gateway.read(live_id)
    assert (answer.status_code, answer.json()["live_id"]) == (200, live_id)


def _signed_in(bearer: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"}

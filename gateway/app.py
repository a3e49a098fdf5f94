"""The composition root: the one place that constructs and connects.

request → Front (id, headers, body cap, access line)
        → Litestar (route → authentication → handler)
        → RoomService (policy, shapes) → QliveClient → deadline → sign → transport → upstream
"""

import os
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from litestar import Litestar
from litestar.types import ASGIApp
from structlog.typing import FilteringBoundLogger

from gateway import __version__
from gateway.edge import build_application
from gateway.identity import ClaimRules, Key, StaticKeys, TokenVerifier, hmac_key, public_key
from gateway.rooms import Caller, RoomService, Scopes
from gateway.settings import JwtSettings, Problem, Settings, SettingsError, UpstreamSettings, load
from gateway.telemetry import build_logger
from gateway.upstream import (
    Probe,
    QiniuAuth,
    QliveClient,
    Send,
    Transport,
    attempt,
    build_transport,
    probe,
)


def from_environment(environ: Mapping[str, str] = os.environ) -> ASGIApp:
    """Return the gateway that `environ` describes; raise SettingsError."""
    settings = load(environ)
    return build(settings, build_logger(settings.log_level, settings.log_format))


def build(settings: Settings, log: FilteringBoundLogger) -> ASGIApp:
    """Return the gateway as an ASGI application; raise SettingsError for an unusable key."""
    verifier = TokenVerifier(StaticKeys(verification_keys(settings)), claim_rules(settings))
    transport, send = _upstream(settings)
    client = QliveClient(
        send, base_url=settings.upstream_url, zone=settings.upstream_timezone, log=log
    )
    rooms = RoomService(client, Scopes(admin=settings.admin_scope, create=settings.create_scope))

    async def authenticate(token: str) -> Caller:
        return (await verifier.verify(token)).caller

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        yield
        await transport.aclose()

    return build_application(
        rooms,
        authenticate,
        checks={"keys": lambda: "ok", "upstream": lambda: client.state},
        lifespan=lifespan,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: secrets.token_hex(8),
        log=log,
        access_log=settings.access_log,
    )


def verification_keys(settings: JwtSettings) -> list[Key]:
    """Return the configured keys, the current one first; raise SettingsError for a bad one."""
    names = settings.jwt_algorithms
    if settings.jwt_jwks_url is not None:
        raise _unusable("JWKS_URL", "not in effect yet: set a static key")
    keys = []
    if settings.jwt_public_key is not None:
        try:
            keys.append(public_key(settings.jwt_public_key.encode(), names))
        except ValueError as error:
            raise _unusable("PUBLIC_KEY", str(error)) from error
    for field, secret in (
        ("SECRET", settings.jwt_secret),
        ("SECRET_PREVIOUS", settings.jwt_secret_previous),
    ):
        if secret is not None:
            try:
                keys.append(hmac_key(secret.reveal().encode(), names))
            except ValueError as error:
                raise _unusable(field, str(error)) from error
    return keys


def claim_rules(settings: JwtSettings) -> ClaimRules:
    """Return what a token's claims must say."""
    return ClaimRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        user_claim=settings.jwt_user_claim,
    )


async def probe_upstream(settings: UpstreamSettings) -> Probe:
    """Make one signed read and close the connection."""
    transport, send = _upstream(settings)
    try:
        return await probe(send, settings.upstream_url, timer=time.perf_counter, clock=time.time)
    finally:
        await transport.aclose()


def _upstream(settings: UpstreamSettings) -> tuple[Transport, Send]:
    transport = build_transport(
        connections=settings.upstream_connections, user_agent=f"live-room-gateway/{__version__}"
    )
    auth = QiniuAuth(settings.access_key.reveal(), settings.secret_key.reveal())
    send = attempt(
        transport, auth, timeout=settings.upstream_timeout, max_body=settings.upstream_max_body
    )
    return transport, send


def _unusable(field: str, message: str) -> SettingsError:
    return SettingsError(Problem(f"GATEWAY_JWT_{field}", message))

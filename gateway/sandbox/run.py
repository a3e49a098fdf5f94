"""The simulated vendor and a gateway in front of it, on loopback, without configuration.

Keys are made at startup and never stored. The gateway is built as in production, from a generated
environment, and has the console beside its own routes. Its page of the API offers the users'
tokens. The tests use this too.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from gateway import app, keyring, serving
from gateway.callback_url import callback_url
from gateway.edge import EXAMPLE_ROOM
from gateway.identity import mint
from gateway.metrics import Metrics
from gateway.settings import Settings, load
from gateway.telemetry import STDOUT, AccessLog, RequestLine, Sink

from .console_page import PATH as CONSOLE
from .console_page import console_routes
from .switches import Faults
from .vendor import Vendor
from .wording import DialectName

USERS = ("alice", "bob")
"""Users registered with the simulated vendor at startup."""

_DAY = 86400


class Sandbox(Struct, frozen=True):
    """A running gateway at `url`, in front of `vendor` at `upstream_url`."""

    url: str
    upstream_url: str
    vendor: Vendor
    settings: Settings

    @property
    def console(self) -> str:
        """The URL of the page to try first."""
        return f"{self.url}{CONSOLE}"

    def token(self, user_id: str, scopes: Sequence[str] = ()) -> str:
        """Mint a token for `user_id`, valid for a day. Needs an HS256 secret in the settings."""
        return _minted(self.settings, user_id, scopes)

    def add_example_room(self) -> None:
        """Let the room of the API's examples be there: alice's, and live."""
        anchor = EXAMPLE_ROOM.anchor_info.user_id
        self.vendor.add_living_room(EXAMPLE_ROOM.live_id, anchor, EXAMPLE_ROOM.title)


@asynccontextmanager
async def running(
    *,
    port: int = 0,
    upstream_port: int = 0,
    dialect: DialectName = "documented",
    faults: Faults | None = None,
    environ: Mapping[str, str] | None = None,
    line: Callable[[RequestLine], bytes] | None = None,
) -> AsyncGenerator[Sandbox]:
    """Run both in this event loop until the block is left. Port 0 means any free port.

    `faults` are the vendor's switches, all healthy by default. `environ` adds settings for the
    gateway; with a callback secret in it, the vendor tells the gateway about rooms. `line` is a
    request's line on the output, in place of the one of the settings; it has users by their names.
    Raises PortTaken or SettingsError.
    """
    access_key, secret_key = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
    vendor = Vendor(access_key, secret_key, dialect=dialect, anchors=USERS, faults=faults)
    async with serving.listening(vendor, upstream_port) as vendor_port:
        upstream_url = f"http://{serving.LOOPBACK}:{vendor_port}"
        settings = load(
            {
                "GATEWAY_ACCESS_KEY": access_key,
                "GATEWAY_SECRET_KEY": secret_key,
                "GATEWAY_UPSTREAM_URL": upstream_url,
                **_token_key(environ or {}),
                **(environ or {}),
            }
        )
        metrics = Metrics()
        sink = Sink(STDOUT, metrics.log_dropped.inc)
        telemetry = app.telemetry_to(sink, settings, close=sink.close)
        if line is not None:
            emit = AccessLog(lambda each: sink.write(line(each)), caller_id=str)
            telemetry = replace(telemetry, access_log=emit)
        draining = asyncio.Event()
        tokens = {user: _minted(settings, user) for user in USERS if settings.jwt_secret}
        gateway = app.build(
            settings,
            telemetry,
            metrics,
            draining=draining,
            trial_tokens=tokens,
            console=console_routes(tokens),
        )
        async with serving.listening(gateway, port) as own_port:
            url = f"http://{serving.LOOPBACK}:{own_port}"
            if settings.callback_secret is not None:
                told = callback_url(url, settings.callback_secret.reveal())
                vendor.faults.callback_url = told
            try:
                yield Sandbox(url, upstream_url, vendor, settings)
            finally:
                draining.set()  # ends the event streams, which the server would wait for


def _minted(settings: Settings, user_id: str, scopes: Sequence[str] = ()) -> str:
    if settings.jwt_secret is None:
        raise ValueError("this sandbox verifies with a public key")
    return mint(
        settings.jwt_secret.reveal(),
        user_id,
        keyring.claim_rules(settings),
        scopes=scopes,
        now=time.time(),
        ttl=_DAY,
    )


def _token_key(environ: Mapping[str, str]) -> Mapping[str, str]:
    if "GATEWAY_JWT_PUBLIC_KEY" in environ:
        return {}
    return {"GATEWAY_JWT_SECRET": secrets.token_urlsafe(32)}

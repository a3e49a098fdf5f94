"""The `gateway` command.

Exit codes: 0 fine; 1 something failed; 2 the configuration or the command line is not valid.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import Never

import click
import msgspec

from gateway import __version__, app, audit, check, credentials, serving
from gateway.edge import openapi_json
from gateway.identity import StaticKeys, TokenVerifier, mint
from gateway.rooms import TokenInvalid
from gateway.sandbox import DialectName, running, welcome
from gateway.settings import Settings, SettingsError, load, load_jwt
from gateway.telemetry import build_logger

_INVALID = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def main() -> None:
    """Live rooms for apps, without handing them the vendor's keys.

    Try it with `gateway sandbox`; it needs no configuration. In production set GATEWAY_ACCESS_KEY,
    GATEWAY_SECRET_KEY and a token key, run `gateway check`, then `gateway serve`.
    """


@main.command()
@click.option("--port", default=8080, show_default=True, help="The gateway's port.")
@click.option("--upstream-port", default=8081, show_default=True, help="The simulated vendor's.")
@click.option(
    "--dialect",
    type=click.Choice(["documented", "legacy"]),
    default="documented",
    show_default=True,
    help="Which build of the vendor's service to simulate.",
)
def sandbox(port: int, upstream_port: int, dialect: DialectName) -> None:
    """Run everything on loopback, with a simulated vendor."""
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_sandbox(port, upstream_port, dialect))
        except serving.PortTaken as error:
            _fail(f"{error}; choose others with --port and --upstream-port")


async def _sandbox(port: int, upstream_port: int, dialect: DialectName) -> None:
    environ = {"GATEWAY_LOG_FORMAT": "console"}
    async with running(
        port=port, upstream_port=upstream_port, dialect=dialect, environ=environ
    ) as box:
        click.echo(welcome(box, dialect))
        await asyncio.Event().wait()


@main.command()
def serve() -> None:
    """Run the gateway from GATEWAY_… variables."""
    settings = _settings()
    try:
        serving.require_free(settings.host, settings.port)
    except serving.PortTaken as error:
        _fail(f"{error}; choose others with GATEWAY_HOST and GATEWAY_PORT")
    build_logger(settings.log_level, settings.log_format).info(
        "starting",
        version=__version__,
        listening=f"http://{settings.host}:{settings.port}",
        upstream=settings.upstream_url,
        workers=settings.workers,
    )
    serving.serve(
        "gateway.app:from_environment",
        settings.host,
        settings.port,
        workers=settings.workers,
        grace=settings.shutdown_grace,
    )


@main.command("check")
@click.option("--offline", is_flag=True, help="Leave the network alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-on",
    type=click.Choice(audit.Severity, case_sensitive=False),
    help="Exit with 1 also for findings of this severity on; else for failed checks alone.",
)
def check_command(*, offline: bool, as_json: bool, fail_on: audit.Severity | None) -> None:
    """Check and audit the configuration, and make one signed read upstream."""
    settings = _settings(as_json=as_json)
    probe = None if offline else asyncio.run(app.probe_upstream(settings))
    issuer = None if offline else asyncio.run(credentials.check_issuer(settings))
    files = audit.key_files(os.environ, os.geteuid())
    report = check.report(settings, os.environ, probe, files, fail_on, issuer=issuer)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        click.echo("\n".join(check.lines(report)))
    sys.exit(0 if report.ok else 1)


@main.command()
@click.argument("sub")
@click.option("--scope", "scopes", multiple=True, help="A scope to grant; may be repeated.")
@click.option(
    "--ttl",
    default=3600,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seconds until it expires.",
)
def token(sub: str, scopes: tuple[str, ...], ttl: int) -> None:
    """Mint a token for user SUB with GATEWAY_JWT_SECRET, to try things out."""
    try:
        settings = load_jwt(os.environ)
        keys = StaticKeys(credentials.verification_keys(settings))
    except SettingsError as error:
        _refuse(error)
    if settings.jwt_secret is None:
        _fail("tokens are minted with GATEWAY_JWT_SECRET only; set it", _INVALID)
    rules = credentials.claim_rules(settings)
    secret = settings.jwt_secret.reveal()
    minted = mint(secret, sub, rules, scopes=scopes, now=time.time(), ttl=ttl)
    try:
        asyncio.run(TokenVerifier(keys, rules).verify(minted))
    except TokenInvalid as error:
        _fail(f"the gateway would refuse this token: {error}", _INVALID)
    click.echo(minted)


@main.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(openapi_json(), nl=False)


def _settings(*, as_json: bool = False) -> Settings:
    try:
        settings = load(os.environ)
        credentials.verification_keys(settings)
    except SettingsError as error:
        _refuse(error, as_json=as_json)
    return settings


def _refuse(error: SettingsError, *, as_json: bool = False) -> Never:
    if as_json:
        click.echo(msgspec.json.encode({"ok": False, "problems": error.problems}))
        sys.exit(_INVALID)
    _fail(f"the configuration is not valid:\n\n{error}\n", _INVALID)


def _fail(message: str, code: int = 1) -> Never:
    click.echo(f"gateway: {message}", err=True)
    sys.exit(code)

"""The `gateway` command: its words, options and help. What they do is in `commands`.

Exit codes: 0 fine; 1 something failed; 2 the configuration or the command line is not valid.

What a command needs is imported when it runs. `--help`, `--version` and a shell that completes a
word would otherwise wait for the web framework: half a second, where a tenth will do.
"""
# ruff: noqa: PLC0415  # said above

import os
import signal
import sys
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from gateway import __version__

if TYPE_CHECKING:
    from gateway.sandbox import DialectName

_SECTIONS = MappingProxyType(
    {
        "Try it": ("sandbox", "token"),
        "Run it": ("check", "serve"),
        "Watch it": ("dashboard", "alerts", "caller-id"),
        "Work with it": ("openapi", "completion"),
    }
)
"""Every command, as the help lists them."""


class _Commands(click.Group):
    """Commands under headings, in the order in which one comes to need them."""

    def list_commands(self, _: click.Context) -> list[str]:
        return [name for names in _SECTIONS.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{width}}", self._about(name)) for name in names])

    def _about(self, name: str) -> str:
        return self.commands[name].get_short_help_str(limit=80)


def _lines(*lines: str) -> str:
    """Return a part of a help text that is not wrapped."""
    return "\b\n" + "\n".join(lines)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_lines(
        "Examples:",
        "  gateway sandbox                   everything simulated, nothing to configure",
        "  gateway check && gateway serve    what the environment says, checked and run",
        "  gateway COMMAND -h                more about a command",
    ),
)
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def main() -> None:
    """Live rooms for apps, without handing them the vendor's keys.

    Try it with `gateway sandbox`; it needs no configuration. In production set GATEWAY_ACCESS_KEY,
    GATEWAY_SECRET_KEY and a token key, run `gateway check`, then `gateway serve`.
    """


_PORT = click.IntRange(0, 65_535)


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway sandbox",
        "  gateway sandbox --port 9000 --upstream-port 9001 --dialect legacy",
    )
)
@click.option(
    "--port", default=8080, show_default=True, type=_PORT, help="The gateway's port; 0: a free one."
)
@click.option(
    "--upstream-port",
    default=8081,
    show_default=True,
    type=_PORT,
    help="The simulated vendor's; 0: a free one.",
)
@click.option(
    "--dialect",
    type=click.Choice(["documented", "legacy"]),
    default="documented",
    show_default=True,
    help="Which build of the vendor's service to simulate.",
)
def sandbox(port: int, upstream_port: int, dialect: "DialectName") -> None:
    """Run everything on loopback, with a simulated vendor.

    Prints two users' tokens and the curl lines of a session to paste. Keys are made at start and
    die with it. Ctrl-C stops both.
    """
    try:
        from gateway.commands import run_sandbox as command

        command.run(port, upstream_port, dialect)
    except KeyboardInterrupt:
        return


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway serve",
        "  GATEWAY_HOST=0.0.0.0 GATEWAY_WORKERS=2 gateway serve",
        "  GATEWAY_LOG_FORMAT=console gateway serve",
        "",
        "Exit codes: 0 asked to stop; 1 cannot listen or start; 2 the configuration is not valid.",
    )
)
def serve() -> None:
    """Run the gateway from GATEWAY_* variables.

    Required are GATEWAY_ACCESS_KEY, GATEWAY_SECRET_KEY and one of GATEWAY_JWT_SECRET,
    GATEWAY_JWT_PUBLIC_KEY and GATEWAY_JWT_JWKS_URL; the README has them all. The configuration is
    checked before anything listens.

    On a terminal it begins with a summary, elsewhere with the log event `starting`, which says the
    same; GATEWAY_LOG_FORMAT, where it is set, chooses between them. SIGTERM or Ctrl-C lets requests
    finish, SIGHUP reads key files again.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end_at_once)
    if sys.stdout is None:
        click.echo("gateway: standard output is closed; give logs a place, or /dev/null", err=True)
        sys.exit(1)
    from gateway.commands import serve as command

    command.run(os.environ)


def _end_at_once(*_: object) -> None:
    """End before anything has begun; the server puts its own handlers in this one's place."""
    os._exit(0)


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway check",
        "  gateway check --offline --fail-on error    in a deployment's pipeline",
        "  gateway check --json | jq .audit",
        "",
        "Exit codes: 0 fine; 1 a check failed; 2 the configuration is not valid.",
    )
)
@click.option("--offline", is_flag=True, help="Leave the network alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "error"], case_sensitive=False),
    help="Exit with 1 also for findings of this severity on; else for failed checks alone.",
)
def check(*, offline: bool, as_json: bool, fail_on: str | None) -> None:
    """Check and audit the configuration, and ask the upstream.

    Every problem is listed at once, then what is valid and still unwise. Whether the upstream
    accepts the signature, how soon it answers and whether the clocks agree is found out by reading
    a room that does not exist; a JWK set is fetched once.
    """
    from gateway.commands import check as command

    command.run(os.environ, offline=offline, as_json=as_json, fail_on=fail_on)


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway token alice",
        '  curl -H "Authorization: Bearer $(gateway token alice)" URL',
        "  gateway token admin --scope rooms:admin --ttl 300",
    )
)
@click.argument("sub")
@click.option("--scope", "scopes", multiple=True, help="A scope to grant; may be repeated.")
@click.option(
    "--ttl",
    default=3600,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seconds until it expires.",
)
def token(sub: str, scopes: Sequence[str], ttl: int) -> None:
    """Mint a token for user SUB, to try things out.

    It is signed with GATEWAY_JWT_SECRET; the issuers of public keys mint their own.
    """
    from gateway.commands import token as command

    command.run(os.environ, sub, scopes, ttl)


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the gateway's API."""
    from gateway.edge import openapi_json

    click.echo(openapi_json(), nl=False)


@main.command(epilog=_lines("Example:", "  gateway dashboard > dashboard.json"))
def dashboard() -> None:
    """Print a Grafana dashboard (JSON) of the gateway's metrics."""
    _print_file("dashboard.json")


@main.command(epilog=_lines("Example:", "  gateway alerts > /etc/prometheus/gateway-alerts.yaml"))
def alerts() -> None:
    """Print alert rules (Prometheus YAML) on the gateway's metrics."""
    _print_file("alerts.yaml")


@main.command(
    "caller-id",
    epilog=_lines(
        "Example:", '  jq -c "select(.caller == \\"$(gateway caller-id alice)\\")" gateway.log'
    ),
)
@click.argument("sub")
def caller_id(sub: str) -> None:
    """Print what the access log calls user SUB.

    Users stand there as a hash with GATEWAY_SECRET_KEY, and as another once that has changed.
    """
    from gateway.commands import caller_id as command

    command.run(os.environ, sub)


def _print_file(name: str) -> None:
    from importlib import resources

    click.echo((resources.files("gateway") / "telemetry" / name).read_bytes(), nl=False)


@main.command(
    epilog=_lines(
        "Once, for the shell that you use:",
        "  bash  echo 'eval \"$(gateway completion bash)\"' >> ~/.bashrc",
        "  zsh   echo 'eval \"$(gateway completion zsh)\"' >> ~/.zshrc  # after compinit",
        "  fish  gateway completion fish > ~/.config/fish/completions/gateway.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes `gateway` in a shell."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    script = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(script(main, {}, "gateway", "_GATEWAY_COMPLETE").source())

"""The `gateway` command line: subcommands, options and help. The code is in `commands`.

Exit codes: 0 fine; 1 something failed; 2 the configuration or the command line is not valid.

A command's imports run when the command does. Otherwise `--help`, `--version` and completion would
wait half a second for the web framework.
"""
# ruff: noqa: PLC0415  # late imports, for the reason above

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
"""Every command, in the order of the help."""


class _Commands(click.Group):
    """Commands under headings, in the order of first use."""

    def list_commands(self, _: click.Context) -> list[str]:
        return [name for names in _SECTIONS.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in _SECTIONS.items():
            with formatter.section(heading):
                abouts = {name: self.commands[name].get_short_help_str(limit=80) for name in names}
                formatter.write_dl([(f"{name:<{width}}", about) for name, about in abouts.items()])


def _lines(*lines: str) -> str:
    """Return a part of a help text that click does not wrap."""
    return "\b\n" + "\n".join(lines)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog=_lines(
        "Examples:",
        "  gateway sandbox                   a simulated vendor, nothing to configure",
        "  gateway check && gateway serve    check the configuration, then serve",
        "  gateway COMMAND -h                the help of a command",
    ),
)
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def main() -> None:
    """Live rooms for apps, without giving them the vendor's keys.

    Try it with `gateway sandbox`: no configuration needed. In production set GATEWAY_ACCESS_KEY,
    GATEWAY_SECRET_KEY and a token key, run `gateway check`, then `gateway serve`.
    """


_PORT = click.IntRange(0, 65_535)


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway sandbox --open",
        "  gateway sandbox --port 9000 --upstream-port 9001 --dialect legacy",
    )
)
@click.option("--port", default=8080, type=_PORT, help="The gateway's port; 0: any free port.")
@click.option(
    "--upstream-port",
    default=8081,
    type=_PORT,
    help="The simulated vendor's port; 0: any free port.",
)
@click.option(
    "--dialect",
    type=click.Choice(["documented", "legacy"]),
    default="documented",
    help="The dialect of the simulated vendor.",
)
@click.option("--open", "browse", is_flag=True, help="Open the page of the API in a browser.")
def sandbox(port: int, upstream_port: int, dialect: "DialectName", *, browse: bool) -> None:
    """Run everything on loopback, with a simulated vendor.

    Prints tokens of two users and the curl commands of a session to paste. Keys are generated at
    the start and kept in memory. On a terminal each request is a line. Ctrl-C stops both servers.
    """
    _require_output()
    try:
        from gateway.commands import run_sandbox as command

        command.run(port, upstream_port, dialect, browse=browse)
    except KeyboardInterrupt:
        return


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway serve",
        "  GATEWAY_HOST=0.0.0.0 GATEWAY_WORKERS=2 gateway serve",
        "  GATEWAY_LOG_FORMAT=console gateway serve",
        "",
        "Exit codes: 0 stopped by a signal; 1 cannot start; 2 the configuration is not valid.",
    )
)
def serve() -> None:
    """Run the gateway, configured by GATEWAY_* variables.

    Required: GATEWAY_ACCESS_KEY, GATEWAY_SECRET_KEY and one of GATEWAY_JWT_SECRET,
    GATEWAY_JWT_PUBLIC_KEY and GATEWAY_JWT_JWKS_URL. The README lists every variable. The
    configuration is checked before anything listens.

    The output starts with a summary on a terminal, elsewhere with the log event `starting`;
    GATEWAY_LOG_FORMAT overrides this choice. SIGTERM or Ctrl-C finishes the requests in flight and
    stops; SIGHUP reloads key files.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _exit_at_once)
    _require_output()
    _require_fork()
    from gateway.commands import serve as command

    command.run(os.environ)


def _require_output() -> None:
    """Exit if standard output is closed: another file would get its descriptor, and the log."""
    if sys.stdout is None:
        click.echo(
            "gateway: standard output is closed; redirect it to a log or /dev/null", err=True
        )
        sys.exit(1)


def _require_fork() -> None:
    """Exit on a system without fork, by which workers start."""
    if not hasattr(os, "fork"):
        click.echo(
            "gateway: serve needs a system with fork, such as Linux; sandbox runs here", err=True
        )
        sys.exit(1)


def _exit_at_once(*_: object) -> None:
    """Exit before anything has started; the server replaces this handler."""
    os._exit(0)


@main.command(
    epilog=_lines(
        "Examples:",
        "  gateway check",
        "  gateway check --offline --fail-on error    in a deployment pipeline",
        "  gateway check --json | jq .audit",
        "",
        "Exit codes: 0 fine; 1 a check failed; 2 the configuration is not valid.",
    )
)
@click.option("--offline", is_flag=True, help="Skip the checks that need the network.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--fail-on",
    default="failed",
    type=click.Choice(["info", "warning", "error", "failed"], case_sensitive=False),
    help="Exit with 1 for findings of this severity or worse.",
)
def check(*, offline: bool, as_json: bool, fail_on: str) -> None:
    """Check and audit the configuration, and call the upstream.

    Lists every problem at once, then valid but unwise settings. One read of a room that does not
    exist checks the signature, the latency and the clocks. A JWK set is fetched once.
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
@click.option("--scope", "scopes", multiple=True, help="A scope to grant; repeatable.")
@click.option("--ttl", default=3600, type=click.IntRange(min=1), help="Lifetime in seconds.")
def token(sub: str, scopes: Sequence[str], ttl: int) -> None:
    """Mint a token for user SUB, for testing.

    It is signed with GATEWAY_JWT_SECRET. With public keys only the issuer can mint tokens.
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
    """Print the access log's hash of user SUB.

    Users are logged as a hash keyed with GATEWAY_SECRET_KEY; rotating the key changes it.
    """
    from gateway.commands import caller_id as command

    command.run(os.environ, sub)


def _print_file(name: str) -> None:
    from importlib import resources

    click.echo((resources.files("gateway") / "telemetry" / name).read_bytes(), nl=False)


@main.command(
    epilog=_lines(
        "Run once, for your shell:",
        "  bash  echo 'eval \"$(gateway completion bash)\"' >> ~/.bashrc",
        "  zsh   echo 'eval \"$(gateway completion zsh)\"' >> ~/.zshrc  # after compinit",
        "  fish  gateway completion fish > ~/.config/fish/completions/gateway.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script for `gateway`."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    script = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(script(main, {}, "gateway", "_GATEWAY_COMPLETE").source())

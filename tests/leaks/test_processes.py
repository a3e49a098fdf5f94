"""No real command prints a secret, in a crash or with bad settings either."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests import clients, commands
from tests.commands import GATEWAY, environment, free_port
from tests.leaks.canaries import CALLBACK, CANARIES, KEYS, TOKENS
from tests.leaks.scan import scan
from tests.leaks.telltale import FAULTS, made_for, telltale, told_by
from tests.live.fault_server import Exchange, Script, serving
from tests.served import served
from tests.waiting import eventually

CRASH = """
import sys
from gateway import app, checks, cli

def broken(settings, *_, **__):
    secrets = [settings.access_key.reveal(), settings.secret_key.reveal()]
    secrets.append(settings.jwt_secret.reveal())
    raise ZeroDivisionError(len(secrets))

app.build = checks.report = broken
sys.argv[0] = "gateway"
cli.main()
"""
REQUEST = '"event":"request"'
PRINT = """
import os, sys
print(os.environ["GATEWAY_SECRET_KEY"], file=sys.{stream})
"""


EVERY = {**KEYS, "GATEWAY_CALLBACK_SECRET": CALLBACK}


def run(*command: str, environ: Mapping[str, str] = EVERY) -> tuple[int, bytes]:
    """Run a command to its end; return its exit code and all it prints."""
    done = subprocess.run(  # noqa: S603  # our own
        command,
        env=environment(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def python(program: str, *arguments: str) -> tuple[int, bytes]:
    """Run a program that has the gateway's environment."""
    environ = {**KEYS, "GATEWAY_PORT": str(free_port())}
    return run(sys.executable, "-c", program, *arguments, environ=environ)


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["openapi"],
        ["dashboard"],
        ["alerts"],
        ["completion", "bash"],
        ["token", "alice"],
        ["caller-id", "alice"],
        ["check", "--offline"],
    ],
    ids=" ".join,
)
def test_commands_print_no_secret(command: list[str]) -> None:
    """Each command prints something without a secret: `token` a token, and not its secret."""
    code, said = run(*GATEWAY, *command)
    assert (code, bool(said)) == (0, True)
    assert scan(said, CANARIES) == []


async def refusing(exchange: Exchange) -> None:
    """Refuse the credentials, and tell them."""
    await exchange.write(FAULTS["credentials"](told_by(exchange), made_for("alice", "1")))


@pytest.mark.parametrize(("script", "expected"), [(telltale, 0), (refusing, 1)])
async def test_check_prints_no_secret(script: Script, expected: int) -> None:
    """`check` prints no secret, even if the upstream repeats the keys."""
    async with serving(script) as server:
        environ = {**EVERY, "GATEWAY_UPSTREAM_URL": server.url}
        code, said = await asyncio.to_thread(run, *GATEWAY, "check", environ=environ)
        assert (code, len(server.received)) == (expected, 1)
    assert scan(said, CANARIES) == []


MISPLACED = {
    "GATEWAY_ACCESS_KEY": f"{CANARIES['AK']} {CANARIES['SK']}",
    "GATEWAY_SECRET_KEY": "",
    "GATEWAY_SECRET_KEY_FILE": CANARIES["SK"],
    "GATEWAY_JWT_SECRET": CANARIES["AK"],
    "GATEWAY_JWT_PUBLIC_KEY": CANARIES["token secret"],
    "GATEWAY_JWT_ALGORITHMS": CANARIES["token secret"],
    "GATEWAY_UPSTREAM_URL": f"https://{CANARIES['AK']}:{CANARIES['SK']}@up.example",
    "GATEWAY_PORT": CANARIES["SK"],
    "GATEWAY_LOG_LEVEL": TOKENS["alice"],
    "GATEWAY_TRUSTED_PROXIES": TOKENS["alice"],
    "GATEWAY_SECRETKEY": CANARIES["SK"],
}


@pytest.mark.parametrize("command", [["serve"], ["check", "--json"]], ids=" ".join)
def test_bad_settings_are_not_quoted(command: list[str]) -> None:
    """A secret in the wrong variable is not printed, and the variable is named."""
    code, output, errors = commands.run(*command, environ=MISPLACED)
    assert code == 2
    assert all(name in output + errors for name, text in MISPLACED.items() if text)
    assert scan((output + errors).encode(), CANARIES) == []


async def test_a_gateway_prints_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway at debug level prints no secret in its whole life, with the crash of a worker."""
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    environ = {name.removeprefix("GATEWAY_"): text for name, text in EVERY.items()}
    environ |= {"LOG_LEVEL": "debug", "ACCESS_LOG": "on"}
    async with serving(telltale, scripts_users=True) as server:
        with served(server.url, descriptors=None, **environ) as gateway:
            for user in ("alice", "carol", "forged"):
                headers = {"Authorization": f"Bearer {TOKENS[user]}"}
                async with clients.async_client(gateway.url, headers) as client:
                    for path in ("alice_ok_1", "alice_READ_html", "bob_READ_no-HTTP"):
                        await client.get(f"/v1/rooms/{path}")
                    await client.post("/v1/rooms", json={"title": "alice_WRITE_storage"})
            # Whatever a worker has not written yet is lost with it.
            written = "".join(commands.until_printed(gateway.process, REQUEST) for _ in range(12))
            [worker] = gateway.workers()
            os.kill(worker, signal.SIGABRT)
            eventually(lambda: gateway.workers() not in ([worker], []))
            eventually(lambda: gateway.listeners() == 1)
            gateway.process.send_signal(signal.SIGINT)
            output, errors = gateway.process.communicate(timeout=60)
    said = (written + output + errors).encode()
    assert "Fatal Python error: Aborted" in errors
    assert scan(said, CANARIES) == []


@pytest.mark.parametrize("command", [["serve"], ["check", "--offline"]], ids=" ".join)
def test_a_crash_prints_no_local_variables(command: list[str]) -> None:
    """A bug prints its place and its error, and no local variable, in a worker or a command."""
    code, said = python(CRASH, *command)
    assert code == 1
    assert re.search(rb"in broken[^?]*ZeroDivisionError: 3", said)
    assert scan(said, CANARIES) == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_is_printed_would_be_found(stream: str) -> None:
    """A secret on either stream is found, as a positive control."""
    _, said = python(PRINT.format(stream=stream))
    assert scan(said, CANARIES)

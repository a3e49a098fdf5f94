"""Runs the `gateway` command for tests, here or as a process, and checks that it never crashes."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
GATEWAY = [sys.executable, "-m", "gateway"]
SECRET = "canary-jwt-secret-of-more-than-32-bytes"
VALID = {
    "GATEWAY_ACCESS_KEY": "canary-access-key",
    "GATEWAY_SECRET_KEY": "canary-secret-key",
    "GATEWAY_JWT_SECRET": SECRET,
}
SHUTDOWN_DELAY = 0.8
"""Seconds after SIGTERM in which these gateways take connections."""

CRASH = re.compile("Traceback|panic|Fatal|Aborted|Exception ignored|RuntimeWarning")


def environment(**changes: str) -> dict[str, str]:
    """Return an environment of this process's, with no gateway variable but `changes`.

    Tests may run beside another gateway: the port is a free one, and nothing listens for scrapes
    unless that is asked for. No test waits long for the end of a gateway. Workers share no store
    unless `changes` have one.
    """
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("GATEWAY_")}
    ours = {
        "GATEWAY_PORT": str(free_port()),
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_SHUTDOWN_DELAY": str(SHUTDOWN_DELAY),
    }
    if changes.get("GATEWAY_WORKERS", "1") != "1":
        ours["GATEWAY_REDIS_URL"] = "none"
    return {**inherited, "PYTHONPATH": str(ROOT), **ours, **changes}


def _fail(*_: object) -> None:
    raise AssertionError("it would serve")


def run(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    serve: Callable[..., None] = _fail,
) -> tuple[int, str, str]:
    """Run a command to its end in this process; return exit code, output and errors.

    `serve` takes the place of the processes of a `serve` that finds nothing wrong; by default it
    fails the test.
    """
    with (
        patch.dict(os.environ, environment(**(environ or {})), clear=True),
        patch("gateway.processes.serve", serve),
        _signals_kept(),
    ):
        done = CliRunner(catch_exceptions=False).invoke(main, arguments, prog_name="gateway")
    assert not CRASH.search(done.output), done.output
    assert "canary" not in done.output
    return done.exit_code, done.stdout, done.stderr


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put the handlers of the signals that `serve` takes back at the end."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            if signal.getsignal(each) is not handler:
                signal.signal(each, handler)


@contextmanager
def started(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background; kill it if the test did not end it."""
    with subprocess.Popen(  # noqa: S603  # our own command
        [*GATEWAY, *arguments],
        env=environment(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> str:
    """Send a signal; return the output of a process that ends with 0 and without a crash.

    SIGINT is the faster one for a gateway: there is no lead time for load balancers.
    """
    process.send_signal(how)
    output, errors = process.communicate(timeout=60)
    told = (output or "") + errors  # there is no output where it is no pipe
    assert not CRASH.search(told), told
    assert process.returncode == 0, told
    return told


def free_port() -> int:
    """Return a port on loopback that nothing listens on.

    It is outside the range that the system gives to clients, so it stays free until it is used.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as reserved, suppress(OSError):
            reserved.bind(("127.0.0.1", port))
            return port


def without(*capabilities: str) -> list[str]:
    """Return what to run a command with, so that it may not do more than other users."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv, or another user than root")
    dropped = ",".join(f"-{each}" for each in capabilities)
    return [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


def is_open(port: int) -> bool:
    """Return True if something listens on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def behind(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a second gateway in front of a sandbox's vendor."""
    return {
        "GATEWAY_ACCESS_KEY": sandbox.settings.access_key.reveal(),
        "GATEWAY_SECRET_KEY": sandbox.settings.secret_key.reveal(),
        "GATEWAY_UPSTREAM_URL": sandbox.upstream_url,
        "GATEWAY_JWT_SECRET": SECRET,
    }


def until_printed(process: subprocess.Popen[str], word: str) -> str:
    """Return the output of a process up to and with the line that has `word`."""
    assert process.stdout is not None
    printed = ""
    while word not in printed:
        line = process.stdout.readline()
        assert line, "it ended early"
        printed += line
    return printed

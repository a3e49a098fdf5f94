"""`gateway serve` that cannot start ends with one reason, with advice, and with an exit code."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import GATEWAY, VALID, environment, free_port, is_open, run, without

PRIVILEGED = 80
UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def refused(*, code: int, environ: dict[str, str]) -> str:
    """Return the reason for not starting, the only thing that `serve` may print."""
    port = free_port()
    ended, output, errors = run(
        "serve",
        environ={**VALID, "GATEWAY_PORT": str(port), "GATEWAY_METRICS_PORT": "0", **environ},
    )
    assert (ended, output) == (code, "")
    assert not is_open(port)
    return errors


@contextmanager
def taken() -> Iterator[int]:
    """Listen on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("listener", ["", "METRICS_"])
def test_a_taken_port(listener: str) -> None:
    """A port that is in use is named, with the variables that choose another."""
    with taken() as port:
        reason = refused(code=1, environ={f"GATEWAY_{listener}PORT": str(port)})
    assert re.fullmatch(
        rf"gateway: cannot listen on 127\.0\.0\.1:{port}: Address already in use; stop the "
        rf"process that listens there, or choose others with GATEWAY_{listener}HOST and "
        rf"GATEWAY_{listener}PORT( \(0: none\))?\n",
        reason,
    )


@pytest.mark.parametrize("listener", ["", "METRICS_"])
@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("192.0.2.1", "Cannot assign requested address; this machine has no such address"),
        ("nowhere.invalid", "; choose others"),
    ],
)
def test_an_address_that_is_not_there(listener: str, host: str, told: str) -> None:
    """The address of another machine, and an unknown name, are refused by their variable."""
    environ = {f"GATEWAY_{listener}HOST": host, f"GATEWAY_{listener}PORT": str(free_port())}
    reason = refused(code=1, environ=environ)
    assert re.fullmatch(rf"gateway: cannot listen on {host}:\d+: [^\n]*\n", reason)
    assert told in reason
    assert f"GATEWAY_{listener}HOST" in reason


def test_a_port_for_the_privileged() -> None:
    """A privileged port without the capability is refused with the capability's name."""
    if not UNPRIVILEGED.exists() or int(UNPRIVILEGED.read_text()) <= PRIVILEGED:
        pytest.skip("every port is for everyone here")
    environ = {**VALID, "GATEWAY_PORT": str(PRIVILEGED), "GATEWAY_METRICS_PORT": "0"}
    done = _served_without("net_bind_service", environ=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"gateway: cannot listen on .*:80: Permission denied; .*CAP_NET_BIND_SERVICE; .*PORT\n",
        done.stderr,
    )


def test_a_key_file_of_somebody_else(tmp_path: Path) -> None:
    """An unreadable key file is named by its variable, without its path or its content."""
    file = tmp_path / "canary"
    file.write_text("canary-of-somebody-else")
    file.chmod(0)
    environ = {**VALID, "GATEWAY_SECRET_KEY": "", "GATEWAY_SECRET_KEY_FILE": str(file)}
    done = _served_without("dac_override", "dac_read_search", environ=environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(
        r"^failed +GATEWAY_SECRET_KEY_FILE  must name a file that the gateway's user can read: "
        r"Permission denied$",
        done.stderr,
        re.MULTILINE,
    )
    assert "canary" not in done.stderr


def _served_without(
    *capabilities: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own command
        [*without(*capabilities), *GATEWAY, "serve"],
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_key_out_of_a_pipe(tmp_path: Path) -> None:
    """A key file that is a pipe is refused at once, though nobody has written to it yet."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environ = {"GATEWAY_SECRET_KEY": "", "GATEWAY_SECRET_KEY_FILE": str(pipe)}
    reason = refused(code=2, environ=environ)
    assert " GATEWAY_SECRET_KEY_FILE  must name a regular file" in reason


def test_listeners_in_each_others_way() -> None:
    """One port for both listeners is refused together with all other problems."""
    environ = {"GATEWAY_METRICS_PORT": "8080", "GATEWAY_PORT": "8080", "GATEWAY_WORKERS": "none"}
    reason = refused(code=2, environ=environ)
    assert " GATEWAY_METRICS_PORT  must differ from GATEWAY_PORT" in reason
    assert " GATEWAY_WORKERS " in reason


@pytest.mark.parametrize("command", ["serve", "check"])
def test_traces_that_cannot_be_given(command: str) -> None:
    """An exporter that is not supported is refused by OpenTelemetry's variable."""
    environ = {**VALID, "OTEL_TRACES_EXPORTER": "canary"}
    code, output, errors = run(command, environ=environ)
    assert (code, output) == (2, "")
    assert re.search("^failed +OTEL_TRACES_EXPORTER  must be ", errors, re.MULTILINE)


NO_OUTPUT = 'exec "$@" serve >&-'


def test_a_closed_standard_output() -> None:
    """A closed standard output ends it with a line that says so."""
    port = str(free_port())
    environ = {**VALID, "GATEWAY_PORT": port, "GATEWAY_METRICS_PORT": "0"}
    done = subprocess.run(  # noqa: S603  # our own command
        ["/bin/sh", "-c", NO_OUTPUT, "sh", *GATEWAY],
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"gateway: .*standard output is closed.*\n", done.stderr)
    assert not is_open(int(port))


SLOW_TO_LOAD = """
import runpy, sys, time

class Slow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {"click", "gateway.commands.serve", "gateway.commands.run_sandbox"}:
            print("loading", name, flush=True)
            time.sleep(30 if name != "click" else 0.3)

sys.meta_path.insert(0, Slow())
runpy.run_module("gateway", run_name="__main__")
"""


def test_a_hangup_while_it_starts() -> None:
    """A SIGHUP does not end `serve`, from its first import on."""
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", SLOW_TO_LOAD, "serve"],
        env=environment(**VALID),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for module in ("click", "gateway.commands.serve"):
                assert process.stdout.readline() == f"loading {module}\n"
                process.send_signal(signal.SIGHUP)
            process.terminate()
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("command", ["serve", "sandbox"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts(command: str, how: signal.Signals) -> None:
    """A signal during the start ends the command at once, without output and with 0."""
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", SLOW_TO_LOAD, command],
        env=environment(**VALID),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading click\n"
            assert process.stdout.readline().startswith("loading gateway.commands.")
            process.send_signal(how)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    if (command, how) == ("sandbox", signal.SIGTERM):  # nobody's supervisor: the system ends it
        assert process.returncode == -how
    else:
        assert process.returncode == 0
    assert output + errors == ""

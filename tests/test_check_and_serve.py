"""`gateway check` calls valid what `gateway serve` can do, and nothing else."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import clients
from tests.commands import GATEWAY, SECRET, VALID, environment, free_port, run, started, without
from tests.served import NOWHERE, served
from tests.waiting import LIMIT, eventually

MACHINE = socket.gethostname()
OTLP = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
NO_SECRET = {"JWT_SECRET": ""}

WORKS: dict[str, dict[str, str]] = {
    "the least": {},
    "a name": {"HOST": "localhost"},
    "IPv6": {"HOST": "::1"},
    "every IPv4 address": {"HOST": "0.0.0.0"},  # noqa: S104  # what containers set
    "every address": {"HOST": "::"},
    "another loopback address": {"HOST": "127.0.0.2"},
    "metrics at a name": {"METRICS_HOST": "localhost", "METRICS_PORT": "{private}"},
    "two addresses, one port": {"HOST": "::1", "METRICS_PORT": "{port}"},
    "two workers": {"WORKERS": "2", "REDIS_URL": "none"},
    "a public key": {**NO_SECRET, "JWT_PUBLIC_KEY": "{rsa}"},
    "a P-384 key": {**NO_SECRET, "JWT_PUBLIC_KEY": "{p384}"},
    "an Ed25519 key": {**NO_SECRET, "JWT_PUBLIC_KEY": "{ed25519}", "JWT_ALGORITHMS": "EdDSA"},
    "a key file": {**NO_SECRET, "JWT_SECRET_FILE": "{secret_file}"},
    "an issuer that is down": {**NO_SECRET, "JWT_JWKS_URL": "http://127.0.0.1:9/jwks"},
    "an odd upstream": {"UPSTREAM_URL": "http://qlive_1:65535"},
    "an IPv6 upstream": {"UPSTREAM_URL": "https://[::1]:1"},
    "a store": {"REDIS_URL": "rediss://:x@store.example:1/0"},
    "the shortest times": {"UPSTREAM_TIMEOUT": "0.001", "SHUTDOWN_GRACE": "0.001"},
    "the longest times": {"UPSTREAM_TIMEOUT": "300", "CACHE_TTL": "86400"},
    "the largest sizes": {"CACHE_SIZE": "10000000", "UPSTREAM_CONNECTIONS": "10000"},
    "going live": {"VENDOR_APP_ID": "app"},
    "a cookie": {"JWT_COOKIE": "session", "CORS_ORIGINS": "https://app.example"},
    "the quietest log": {"LOG_LEVEL": "critical", "LOG_FORMAT": "console"},
    "no limits": {"RATE_LIMIT_READS": "off", "MAX_CONCURRENCY": "1000000"},
    "traces": {**OTLP, "OTEL_SPAN_LINK_COUNT_LIMIT": "0"},
    "no traces": {**OTLP, "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "x"},
}
"""Settings that are valid, and work. Those without a prefix get the gateway's."""

FAILS: dict[str, tuple[int, dict[str, str]]] = {
    "an unknown name": (1, {"HOST": "nowhere.invalid"}),
    "metrics at an unknown name": (1, {"METRICS_HOST": "x.invalid", "METRICS_PORT": "{private}"}),
    "another machine": (1, {"HOST": "192.0.2.1"}),
    "another machine, IPv6": (1, {"HOST": "2001:db8::1"}),
    "a taken port": (1, {"PORT": "{taken}"}),
    "a taken metrics port": (1, {"METRICS_PORT": "{taken}"}),
    "one address by two names": (
        1,
        {"HOST": MACHINE, "METRICS_HOST": "{address}", "METRICS_PORT": "{port}"},
    ),
    "a broadcast address": (2, {"HOST": "255.255.255.255"}),
    "a multicast address": (2, {"HOST": "224.0.0.1"}),
    "no port": (2, {"PORT": "0"}),
    "one port for both": (2, {"METRICS_PORT": "{port}"}),
    "one port for both by name": (2, {"METRICS_PORT": "{port}", "HOST": "localhost"}),
    "one port for both everywhere": (2, {"METRICS_PORT": "{port}", "HOST": "::"}),
    "two workers, and no word of a store": (2, {"WORKERS": "2", "REDIS_URL": ""}),
    "too many workers": (2, {"WORKERS": "1000"}),
    "no cache": (2, {"CACHE_SIZE": "0"}),
    "a short secret": (2, {"JWT_SECRET": "x" * 31}),
    "a secret too short for HS512": (2, {"JWT_SECRET": "x" * 32, "JWT_ALGORITHMS": "HS512"}),
    "RS256 with a secret": (2, {"JWT_ALGORITHMS": "RS256"}),
    "ES256 with an RSA key": (
        2,
        {**NO_SECRET, "JWT_PUBLIC_KEY": "{rsa}", "JWT_ALGORITHMS": "ES256"},
    ),
    "ES256 with a P-384 key": (
        2,
        {**NO_SECRET, "JWT_PUBLIC_KEY": "{p384}", "JWT_ALGORITHMS": "ES256"},
    ),
    "a broken public key": (2, {**NO_SECRET, "JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----"}),
    "an http issuer": (2, {**NO_SECRET, "JWT_JWKS_URL": "http://id.example/jwks"}),
    "an empty key file": (2, {"SECRET_KEY": "", "SECRET_KEY_FILE": "{empty_file}"}),
    "a directory for a key": (2, {"SECRET_KEY": "", "SECRET_KEY_FILE": "{directory}"}),
    "no key file": (2, {"SECRET_KEY": "", "SECRET_KEY_FILE": "{directory}/none"}),
    "a binary key file": (2, {"SECRET_KEY": "", "SECRET_KEY_FILE": "{binary_file}"}),
    "a key file of two lines": (2, {"SECRET_KEY": "", "SECRET_KEY_FILE": "{lines_file}"}),
    "an upstream port too high": (2, {"UPSTREAM_URL": "http://a.example:65536"}),
    "a store without a host": (2, {"REDIS_URL": "redis://"}),
    "a cookie for every origin": (2, {"JWT_COOKIE": "session", "CORS_ORIGINS": "*"}),
    "an unknown log level": (2, {"LOG_LEVEL": "warn"}),
    "an unknown variable": (2, {"HOSTS": "localhost"}),
    "an unknown exporter": (2, {"OTEL_TRACES_EXPORTER": "console"}),
    "an unknown limit of traces": (2, {**OTLP, "OTEL_ATTRIBUTE_COUNT_LIMIT": "many"}),
}
"""Settings that do not work, and the exit code of both commands."""

UNREADABLE: dict[str, dict[str, str]] = {
    "a pipe for a key": {"SECRET_KEY": "", "SECRET_KEY_FILE": "{pipe}"},
    "a device for a key": {"SECRET_KEY": "", "SECRET_KEY_FILE": "/dev/zero"},
    "a huge key file": {"SECRET_KEY": "", "SECRET_KEY_FILE": "{huge_file}"},
}
"""Key files that must not be read to their end; exit code 2."""


@cache
def pem(kind: str) -> str:
    """Return a public key."""
    makers = {
        "rsa": lambda: rsa.generate_private_key(65_537, 2048),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    private: Any = makers[kind]()
    made = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(made, "ascii")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What the settings above have in braces."""
    contents = {"secret": SECRET.encode(), "empty": b"", "binary": b"\xff", "lines": b"a\nb\n"}
    contents["huge"] = b"x" * (1 << 17)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield {
            **{kind: pem(kind) for kind in ("rsa", "p384", "ed25519")},
            **{f"{name}_file": str(tmp_path / name) for name in contents},
            "directory": str(tmp_path),
            "pipe": str(tmp_path / "pipe"),
            "address": socket.gethostbyname(MACHINE),
            "port": str(free_port()),
            "private": str(free_port()),
            "taken": str(taken.getsockname()[1]),
        }


def environ_of(changes: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a table's row."""
    named = {
        name if name.startswith("OTEL_") else f"GATEWAY_{name}": text.format(**places)
        for name, text in changes.items()
    }
    return {**VALID, "GATEWAY_PORT": places["port"], "GATEWAY_UPSTREAM_URL": NOWHERE, **named}


def exit_codes(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the exit codes of `check` and of `serve`, which stops before it has workers."""
    with patch("gateway.checks.binding._PATIENCE", 0.1):  # nobody answers at the taken port
        check, _, _ = run("check", "--offline", environ=environ)
    serve, _, _ = run("serve", environ=environ, serve=_serve)
    return check, serve


def _serve(*_: object) -> None:
    """Serve nobody."""


@pytest.mark.parametrize("name", WORKS)
def test_what_works_is_valid(name: str, places: dict[str, str]) -> None:
    """Settings that work pass the check, and `serve` binds its ports."""
    assert exit_codes(environ_of(WORKS[name], places)) == (0, 0)


@pytest.mark.parametrize("name", FAILS)
def test_what_fails_is_not_valid(name: str, places: dict[str, str]) -> None:
    """Settings that cannot work fail the check with the exit code of `serve`."""
    code, changes = FAILS[name]
    assert exit_codes(environ_of(changes, places)) == (code, code)


@pytest.mark.parametrize("name", UNREADABLE)
def test_no_file_without_an_end(name: str, places: dict[str, str]) -> None:
    """A key file that is not a regular one, or a large one, is refused by both."""
    assert exit_codes(environ_of(UNREADABLE[name], places)) == (2, 2)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) for name in WORKS if name != "a name"] + ["a name"],
)
def test_what_works_comes_up(name: str, places: dict[str, str]) -> None:
    """A gateway with settings that work answers, and stops with 0."""
    environ = environ_of(WORKS[name], places)
    hosts = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104  # where to ask
    host = environ.get("GATEWAY_HOST", "127.0.0.1")
    url = f"http://{hosts.get(host, host)}:{places['port']}/healthz"
    with started("serve", **environ) as process:
        eventually(lambda: process.poll() is not None or _answers(url))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (0, ""), output


def _answers(url: str) -> bool:
    try:
        return clients.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILS)
def test_what_fails_does_not_come_up(name: str, places: dict[str, str]) -> None:
    """Both commands end with the same code as real processes."""
    code, changes = FAILS[name]
    environ = environ_of(changes, places)
    assert [ended(each, environ) for each in (["check", "--offline"], ["serve"])] == [code, code]


def ended(arguments: list[str], environ: Mapping[str, str], *before: str) -> int:
    """Run a command to its end; return its exit code."""
    return subprocess.run(  # noqa: S603  # our own command
        [*before, *GATEWAY, *arguments],
        env=environment(**environ),
        capture_output=True,
        timeout=LIMIT,
        check=False,
    ).returncode


def test_rights_that_are_missing(places: dict[str, str]) -> None:
    """A key file of somebody else's fails both commands."""
    file = Path(places["secret_file"])
    file.chmod(0)
    changes = {"SECRET_KEY": "", "SECRET_KEY_FILE": str(file)}
    before = without("dac_override", "dac_read_search")
    for command in (["check", "--offline"], ["serve"]):
        assert ended(command, environ_of(changes, places), *before) == 2


def test_check_beside_a_running_gateway(places: dict[str, str]) -> None:
    """A port that a gateway listens on does not fail the check: it is run beside one, too."""
    with served(METRICS_PORT=places["private"]) as gateway:
        ports = {"PORT": str(gateway.port), "METRICS_PORT": places["private"]}
        code, output, _ = run("check", "--offline", environ=environ_of(ports, places))
    assert code == 0
    for name, port in ports.items():
        message = f"GATEWAY_{name} +a gateway listens on 127.0.0.1:{port} already"
        assert re.search(message, output)

"""The first words of `gateway serve`: an event in a log, a banner for people."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import asdict

from gateway import __version__, checks, keyring
from gateway.commands import banner
from gateway.commands.facts import Facts, facts
from gateway.settings import load
from tests.clients import is_ready
from tests.commands import (
    GATEWAY,
    VALID,
    end,
    environment,
    free_port,
    started,
    until_printed,
)
from tests.terminal import COLOUR, gateway_on_terminal
from tests.waiting import eventually

WITHOUT_KEY = {name: text for name, text in VALID.items() if "JWT" not in name}
JWKS = {"GATEWAY_JWT_JWKS_URL": "https://id.example:8443/keys?token=canary"}
REDIS = {"GATEWAY_REDIS_URL": "redis://canary:canary@store.example/0"}
ALONE = {"GATEWAY_REDIS_URL": "none", "GATEWAY_WORKERS": "2"}
PREVIOUS = {"GATEWAY_JWT_SECRET_PREVIOUS": "canary-" * 5}


def pem(key: Ed25519PrivateKey | None = None) -> str:
    """Return a public key as text."""
    private = key or generate_private_key(65_537, 2048)
    public = private.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def facts_of(environ: dict[str, str]) -> Facts:
    """Return the facts of a configuration."""
    settings = load(environ)
    return facts(
        settings,
        keyring.verification_keys(settings),
        checks.audit(settings, (), {}),
        traces="off",
    )


def told(environ: dict[str, str]) -> dict[str, str]:
    """Return the lines of the banner by their names; none has a secret."""
    found = facts_of(environ)
    assert "canary" not in repr(found) + banner.plain(found)
    return dict(banner.rows(found))


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (VALID, "shared secret, HS256"),
        (VALID | {"GATEWAY_JWT_ALGORITHMS": "HS256"}, "shared secret, HS256"),
        (VALID | PREVIOUS, "shared secret, HS256; the previous secret too"),
        (WITHOUT_KEY | {"GATEWAY_JWT_PUBLIC_KEY": pem()}, "public key, RS256"),
        (
            WITHOUT_KEY | {"GATEWAY_JWT_PUBLIC_KEY": pem(Ed25519PrivateKey.generate())},
            "public key, EdDSA",
        ),
        (WITHOUT_KEY | JWKS, "JWK set at id.example:8443, algorithms as published"),
        (
            WITHOUT_KEY | JWKS | {"GATEWAY_JWT_ALGORITHMS": "ES256,EdDSA"},
            "JWK set at id.example:8443, ES256, EdDSA",
        ),
    ],
)
def test_the_source_of_keys(environ: dict[str, str], line: str) -> None:
    """The banner names the source of keys and the algorithms, and of a URL only the host."""
    assert told(environ)["keys"] == line


@pytest.mark.parametrize(
    ("changes", "public", "metrics"),
    [
        ({}, "http://127.0.0.1:8080", "http://127.0.0.1:9090/metrics"),
        ({"METRICS_PORT": "0"}, "http://127.0.0.1:8080", "none"),
        (
            {"HOST": "0.0.0.0", "METRICS_HOST": "::1"},  # noqa: S104  # told, not bound
            "http://0.0.0.0:8080  on every address of this machine",
            "http://[::1]:9090/metrics",
        ),
        (
            {"HOST": "::", "METRICS_HOST": "10.0.0.1", "PORT": "80"},
            "http://[::]:80  on every address of this machine",
            "http://10.0.0.1:9090/metrics",
        ),
    ],
)
def test_the_listeners(changes: dict[str, str], public: str, metrics: str) -> None:
    """The banner shows the URL of each listener, and warns if other machines can reach it."""
    lines = told(VALID | {f"GATEWAY_{name}": text for name, text in changes.items()})
    assert (lines["public"], lines["metrics"]) == (public, metrics)


def test_what_else_it_tells() -> None:
    """The banner shows upstream, cache, workers, traces, logs and the findings of the audit."""
    lines = told(VALID | {"GATEWAY_CACHE_TTL": "0.5"} | ALONE)
    assert lines["upstream"] == "https://live-api.qiniu.com"
    assert lines["cache"].startswith("10000 rooms, fresh for 0.5 s, then stale for 2 s")
    assert lines["cache"].endswith("for 30 s if the upstream fails")
    assert (lines["workers"], lines["traces"]) == ("2", "off")
    assert lines["logs"] == "json, level info, access log with hashed user ids"
    assert lines["audit"] == "4 warnings: run `gateway check`"
    lines = told(VALID | {"GATEWAY_LOG_CALLER": "off", "GATEWAY_LOG_LEVEL": "error"})
    assert lines["logs"] == "json, level error, access log with no user ids"
    lines = told(VALID | {"GATEWAY_ACCESS_LOG": "off", "GATEWAY_LOG_FORMAT": "console"})
    assert lines["logs"] == "console, level info, no access log"


def test_the_shared_store() -> None:
    """The banner shows the store that processes share, or that they share none."""
    assert told(VALID | REDIS)["shared"] == "redis://store.example:6379"
    own = "has rooms, limits and idempotency keys of its own"
    assert told(VALID | ALONE)["shared"] == f"none: each worker {own}"
    assert told(VALID)["shared"] == f"none: this process {own}"


def serving(**changes: str) -> dict[str, str]:
    """Return the environment of a gateway on a free port, with secrets of every kind."""
    port = {"GATEWAY_PORT": str(free_port()), "GATEWAY_METRICS_PORT": "0"}
    return {**VALID, **PREVIOUS, **REDIS, **port, **changes}


def test_a_log_begins_with_one_event() -> None:
    """A log begins with one JSON event that has all facts, unless the log level is higher."""
    environ = serving()
    with started("serve", **environ) as process:
        line = until_printed(process, "starting")
        eventually(lambda: is_ready(int(environ["GATEWAY_PORT"])))
        rest = end(process)
    event = json.loads(line)
    stamp = {"event": "starting", "level": "info", "timestamp": event["timestamp"]}
    assert event == json.loads(json.dumps(asdict(facts_of(environ)))) | stamp
    assert event["version"] == __version__
    assert "canary" not in line + rest
    environ = serving(GATEWAY_LOG_LEVEL="warning")
    with started("serve", **environ) as process:
        eventually(lambda: is_ready(int(environ["GATEWAY_PORT"])))
        assert end(process) == ""


def test_the_start_tells_of_traces() -> None:
    """The start says that traces are on, without the collector's address or key."""
    asking = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://canary@127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary",
    }
    with started("serve", **serving(**asking)) as process:
        line = until_printed(process, "starting")
    assert json.loads(line)["traces"] == "on"
    assert "canary" not in line


def test_a_log_for_people_begins_with_the_banner() -> None:
    """A console log begins with the banner in aligned plain text, without colour."""
    environ = serving(GATEWAY_LOG_FORMAT="console")
    with started("serve", **environ) as process:
        text = until_printed(process, "audit")
        text += end(process)
    assert text.startswith(banner.plain(facts_of(environ)).rstrip())
    assert {line[11:13] for line in text.splitlines()[2:13]} == {"  "}
    assert "\x1b" not in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("columns", "changes"),
    [(80, {}), (120, {"GATEWAY_LOG_FORMAT": "console"}), (80, {"NO_COLOR": "1"})],
)
def test_a_terminal_shows_the_banner(columns: int, changes: dict[str, str]) -> None:
    """A terminal shows all facts within its width, in colour if it may; Ctrl-C ends with 0."""
    environ = serving(**changes)
    with gateway_on_terminal("serve", columns=columns, environ=environ) as screen:
        text = screen.until("Ctrl-C")
        assert max(map(len, text.splitlines())) <= columns
        words = " ".join(text.split())
        known = {name: text for name, text in environ.items() if name != "NO_COLOR"}
        for name, fact in banner.rows(facts_of(known)):
            assert f"{name} {' '.join(fact.split())}" in words
        assert bool(COLOUR.search(screen.shown)) is ("NO_COLOR" not in changes)
        eventually(lambda: is_ready(int(environ["GATEWAY_PORT"])))
        screen.press("\x03")
        assert screen.to_its_end() == 0


def test_a_log_format_that_is_set_holds_on_a_terminal() -> None:
    """GATEWAY_LOG_FORMAT=json makes `serve` write nothing but JSON on a terminal too."""
    environ = serving(GATEWAY_LOG_FORMAT="json")
    with gateway_on_terminal("serve", columns=4000, environ=environ) as screen:
        line = screen.until("\n").partition("\n")[0]
        assert json.loads(line)["event"] == "starting"


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_full_disk_does_not_keep_it_from_serving(style: str) -> None:
    """A full disk behind standard output does not keep the gateway from serving."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    environ = serving(GATEWAY_LOG_FORMAT=style)
    with (
        full.open("w") as disk,
        subprocess.Popen(  # noqa: S603  # our own command
            [*GATEWAY, "serve"],
            env=environment(**environ),
            stdout=disk,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            eventually(lambda: is_ready(int(environ["GATEWAY_PORT"])))
            assert end(process) == ""
        finally:
            process.kill()

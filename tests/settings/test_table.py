"""The table of variables: names, order, defaults and those not in effect yet."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.secret import Secret
from gateway.settings import (
    LogCaller,
    LogFormat,
    LogLevel,
    RateLimit,
    Settings,
    SettingsError,
    load,
    variables,
)

REQUIRED = "required"

# name → (default as written, parsed value), in the documented order
CONTRACT: dict[str, tuple[str | None, Any]] = {
    "GATEWAY_ACCESS_KEY": (REQUIRED, Secret("ak")),
    "GATEWAY_SECRET_KEY": (REQUIRED, Secret("sk")),
    "GATEWAY_UPSTREAM_URL": ("https://live-api.qiniu.com", "https://live-api.qiniu.com"),
    "GATEWAY_UPSTREAM_TIMEOUT": ("3", 3.0),
    "GATEWAY_UPSTREAM_CONNECTIONS": ("100", 100),
    "GATEWAY_UPSTREAM_MAX_BODY": ("1048576", 1_048_576),
    "GATEWAY_UPSTREAM_TIMEZONE": ("Asia/Shanghai", ZoneInfo("Asia/Shanghai")),
    "GATEWAY_UPSTREAM_PROXY": (None, None),
    "GATEWAY_UPSTREAM_LAG": ("5", 5.0),
    "GATEWAY_REGISTER_ANCHORS": ("off", False),
    "GATEWAY_VENDOR_APP_ID": (None, None),
    "GATEWAY_JWT_SECRET": (None, None),
    "GATEWAY_JWT_PUBLIC_KEY": (None, None),
    "GATEWAY_JWT_JWKS": (None, None),
    "GATEWAY_JWT_JWKS_URL": (None, None),
    "GATEWAY_JWT_JWKS_REFRESH": ("300", 300.0),
    "GATEWAY_JWT_ALGORITHMS": (None, None),
    "GATEWAY_JWT_SECRET_PREVIOUS": (None, None),
    "GATEWAY_JWT_COOKIE": (None, None),
    "GATEWAY_JWT_ISSUER": (None, None),
    "GATEWAY_JWT_AUDIENCE": (None, None),
    "GATEWAY_JWT_LEEWAY": ("10", 10.0),
    "GATEWAY_JWT_USER_CLAIM": ("sub", "sub"),
    "GATEWAY_CALLBACK_SECRET": (None, None),
    "GATEWAY_CREATE_SCOPE": (None, None),
    "GATEWAY_ADMIN_SCOPE": ("rooms:admin", "rooms:admin"),
    "GATEWAY_CACHE_TTL": ("2", 2.0),
    "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": ("2", 2.0),
    "GATEWAY_CACHE_STALE_IF_ERROR": ("30", 30.0),
    "GATEWAY_CACHE_NEGATIVE_TTL": ("1", 1.0),
    "GATEWAY_CACHE_SIZE": ("10000", 10_000),
    "GATEWAY_CACHE_MAX_BYTES": ("67108864", 67_108_864),
    "GATEWAY_REDIS_URL": (None, None),
    "GATEWAY_REDIS_PREFIX": ("gateway", "gateway"),
    "GATEWAY_RATE_LIMIT_READS": ("1200/minute", RateLimit(1200, 60)),
    "GATEWAY_RATE_LIMIT_WRITES": ("60/minute", RateLimit(60, 60)),
    "GATEWAY_RATE_LIMIT_FAILED_AUTH": ("60/minute", RateLimit(60, 60)),
    "GATEWAY_MAX_CONCURRENCY": ("1000", 1000),
    "GATEWAY_MAX_STREAMS": ("15000", 15_000),
    "GATEWAY_MAX_STREAMS_PER_USER": ("5", 5),
    "GATEWAY_TRUSTED_PROXIES": (None, None),
    "GATEWAY_CORS_ORIGINS": (None, None),
    "GATEWAY_HOST": ("127.0.0.1", "127.0.0.1"),
    "GATEWAY_PORT": ("8080", 8080),
    "GATEWAY_ROOT_PATH": (None, None),
    "GATEWAY_DOCS": ("on", True),
    "GATEWAY_KEEPALIVE_TIMEOUT": ("75", 75.0),
    "GATEWAY_WORKERS": ("1", 1),
    "GATEWAY_METRICS_HOST": ("127.0.0.1", "127.0.0.1"),
    "GATEWAY_METRICS_PORT": ("9090", 9090),
    "GATEWAY_ADMIN_TOKEN": (None, None),
    "GATEWAY_LOG_LEVEL": ("info", LogLevel.INFO),
    "GATEWAY_LOG_FORMAT": ("json", LogFormat.JSON),
    "GATEWAY_ACCESS_LOG": ("on", True),
    "GATEWAY_LOG_CALLER": ("hash", LogCaller.HASH),
    "GATEWAY_SHUTDOWN_DELAY": ("5", 5.0),
    "GATEWAY_SHUTDOWN_GRACE": ("10", 10.0),
}

FILES = {
    "GATEWAY_ACCESS_KEY",
    "GATEWAY_SECRET_KEY",
    "GATEWAY_JWT_SECRET",
    "GATEWAY_JWT_PUBLIC_KEY",
    "GATEWAY_JWT_JWKS",
    "GATEWAY_JWT_SECRET_PREVIOUS",
    "GATEWAY_REDIS_URL",
    "GATEWAY_CALLBACK_SECRET",
    "GATEWAY_ADMIN_TOKEN",
}

LONG = "x" * 32
PEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"


def test_the_variables_are_the_contracts() -> None:
    """Names, order, defaults and required variables are exactly those promised."""
    declared = {
        each.name: REQUIRED if each.required else each.default for each in variables(Settings)
    }
    assert list(declared.items()) == [(name, text) for name, (text, _) in CONTRACT.items()]


def test_only_the_contracts_variables_may_come_from_files() -> None:
    """Exactly the marked variables have a NAME_FILE."""
    assert {each.name for each in variables(Settings) if each.file} == FILES


def test_every_variable_says_what_it_means_in_a_line() -> None:
    """Every variable has a meaning of one line."""
    for each in variables(Settings):
        assert each.about
        assert each.about.isprintable()


@pytest.mark.parametrize("name", CONTRACT)
def test_default(minimal: dict[str, str], name: str) -> None:
    """A missing variable has its promised default, parsed."""
    given = Secret(minimal[name]) if name in minimal else CONTRACT[name][1]
    assert _field(load(minimal), name) == given


@pytest.mark.parametrize("name", [name for name in CONTRACT if CONTRACT[name][0] != REQUIRED])
def test_empty_is_unset(minimal: dict[str, str], name: str) -> None:
    """An empty optional variable has its default."""
    minimal["GATEWAY_JWT_SECRET"] = ""
    minimal["GATEWAY_JWT_PUBLIC_KEY"] = PEM
    if name == "GATEWAY_JWT_PUBLIC_KEY":
        minimal["GATEWAY_JWT_SECRET"] = LONG
    assert _field(load({**minimal, name: ""}), name) == CONTRACT[name][1]


@pytest.mark.parametrize("name", [name for name in CONTRACT if CONTRACT[name][0] == REQUIRED])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "empty"])
def test_required(minimal: dict[str, str], name: str, absent: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A required variable that is missing or empty is a problem."""
    minimal[name] = ""
    if absent:
        del minimal[name]
    with pytest.raises(SettingsError) as refused:
        load(minimal)
    [problem] = refused.value.problems
    assert problem.variable == name
    assert problem.message.startswith("is required")


def _field(settings: Settings, name: str) -> Any:
    return getattr(settings, name.removeprefix("GATEWAY_").lower())

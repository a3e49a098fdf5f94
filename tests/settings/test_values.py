"""Each variable alone: values that are accepted and values that are refused."""

from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.proxy import Proxy
from gateway.redis_url import RedisUrl
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

LONG = "x" * 32
PEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"

GOOD: list[tuple[str, str, Any]] = [
    ("ACCESS_KEY", "Q-_0/+=~", Secret("Q-_0/+=~")),
    ("UPSTREAM_URL", "http://LIVE.example.com:80/", "http://live.example.com"),
    ("UPSTREAM_URL", "HTTPS://live.example.com:443", "https://live.example.com"),
    ("UPSTREAM_URL", "https://live.example.com:80", "https://live.example.com:80"),
    ("UPSTREAM_URL", "http://qlive_1:08099", "http://qlive_1:8099"),
    ("UPSTREAM_URL", "http://127.0.0.1:65535", "http://127.0.0.1:65535"),
    ("UPSTREAM_URL", "http://[0:0::1]:8081", "http://[::1]:8081"),
    ("UPSTREAM_TIMEOUT", "0.5", 0.5),
    ("UPSTREAM_CONNECTIONS", "1", 1),
    ("UPSTREAM_MAX_BODY", "4096", 4096),
    ("UPSTREAM_TIMEZONE", "UTC", ZoneInfo("UTC")),
    ("UPSTREAM_LAG", "0", 0.0),
    ("UPSTREAM_LAG", "300", 300.0),
    ("REGISTER_ANCHORS", "on", True),
    ("DOCS", "off", False),
    ("JWT_SECRET", LONG, Secret(LONG)),
    ("JWT_SECRET", "密" * 11, Secret("密" * 11)),
    ("JWT_SECRET_PREVIOUS", LONG, Secret(LONG)),
    ("JWT_ALGORITHMS", "HS256", ("HS256",)),
    ("JWT_ALGORITHMS", "HS512, HS384", ("HS512", "HS384")),
    ("JWT_COOKIE", "__Host-token", "__Host-token"),
    ("JWT_ISSUER", "https://accounts.example.com/", ("https://accounts.example.com/",)),
    ("JWT_AUDIENCE", "live rooms", "live rooms"),
    ("JWT_JWKS_REFRESH", "2.5", 2.5),
    ("JWT_LEEWAY", "0", 0.0),
    ("JWT_USER_CLAIM", "https://example.com/uid", "https://example.com/uid"),
    ("CREATE_SCOPE", "rooms:create", "rooms:create"),
    ("ADMIN_SCOPE", "!#[]~", "!#[]~"),
    ("CACHE_TTL", "0", 0.0),
    ("CACHE_STALE_WHILE_REVALIDATE", "0.25", 0.25),
    ("CACHE_STALE_IF_ERROR", "0", 0.0),
    ("CACHE_NEGATIVE_TTL", "5", 5.0),
    ("CACHE_SIZE", "1", 1),
    ("CACHE_MAX_BYTES", "1048576", 1_048_576),
    ("REDIS_URL", "none", "none"),
    ("REDIS_URL", "redis://redis", RedisUrl(nodes=(("redis", 6379),))),
    ("REDIS_URL", "redis://[::1]:1/3", RedisUrl(nodes=(("::1", 1),), db=3)),
    (
        "REDIS_URL",
        "rediss://:p%40ss@redis:6379/0",
        RedisUrl(tls=True, nodes=(("redis", 6379),), password=Secret("p@ss")),
    ),
    (
        "REDIS_URL",
        "unix://me:pass@/run/valkey.sock?db=2",
        RedisUrl(path="/run/valkey.sock", db=2, user="me", password=Secret("pass")),
    ),
    (
        "REDIS_URL",
        "redis+sentinel://a,b:26380/main/1",
        RedisUrl(kind="sentinel", nodes=(("a", 26379), ("b", 26380)), master="main", db=1),
    ),
    (
        "REDIS_URL",
        "rediss+cluster://a:7000,b",
        RedisUrl(kind="cluster", tls=True, nodes=(("a", 7000), ("b", 6379))),
    ),
    ("REDIS_PREFIX", "live:v1", "live:v1"),
    ("RATE_LIMIT_READS", "off", None),
    ("RATE_LIMIT_WRITES", "5/second", RateLimit(5, 1)),
    ("RATE_LIMIT_WRITES", "5/hour", RateLimit(5, 3600)),
    ("RATE_LIMIT_FAILED_AUTH", "1/day", RateLimit(1, 86_400)),
    ("MAX_CONCURRENCY", "1", 1),
    ("MAX_STREAMS", "1", 1),
    ("MAX_STREAMS_PER_USER", "100", 100),
    (
        "TRUSTED_PROXIES",
        "10.0.0.0/8, 192.0.2.7,2001:db8::/32",
        (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("2001:db8::/32")),
    ),
    ("CORS_ORIGINS", "*", ("*",)),
    (
        "CORS_ORIGINS",
        "https://App.example.com:443, http://localhost:3000,capacitor://localhost",
        ("https://app.example.com", "http://localhost:3000", "capacitor://localhost"),
    ),
    (
        "CORS_ORIGINS",
        "HTTPS://*.Example.com:443,http://*.a.test:8443,app://-,ionic://localhost,app://.",
        (
            *("https://*.example.com", "http://*.a.test:8443"),
            *("app://-", "ionic://localhost", "app://."),
        ),
    ),
    (
        "CORS_ORIGINS",
        "tauri://localhost,http://tauri.localhost,capacitor://localhost:3000",
        ("tauri://localhost", "http://tauri.localhost", "capacitor://localhost:3000"),
    ),
    ("UPSTREAM_PROXY", "HTTP://Proxy.test:3128/", Proxy("http://proxy.test:3128")),
    ("UPSTREAM_PROXY", "https://[::1]", Proxy("https://[::1]")),
    (
        "UPSTREAM_PROXY",
        "http://me:p%40ss:w%C3%B6rd@proxy.test",
        Proxy("http://proxy.test", "me", Secret("p@ss:wörd")),
    ),
    ("ROOT_PATH", "/live/v_1~-", "/live/v_1~-"),
    ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104  # what operators of containers set
    ("HOST", "::", "::"),
    ("HOST", "LOCALHOST", "localhost"),
    ("PORT", "65535", 65_535),
    ("METRICS_HOST", "::1", "::1"),
    ("METRICS_PORT", "0", 0),
    ("ADMIN_TOKEN", LONG, Secret(LONG)),
    ("CALLBACK_SECRET", f"{LONG}-._~A9", Secret(f"{LONG}-._~A9")),
    ("LOG_LEVEL", "WARNING", LogLevel.WARNING),
    ("LOG_FORMAT", "console", LogFormat.CONSOLE),
    ("ACCESS_LOG", "off", False),
    ("LOG_CALLER", "OFF", LogCaller.OFF),
    ("ACCESS_LOG", "On", True),
    ("SHUTDOWN_GRACE", "1.5", 1.5),
]

GOOD_WITHOUT_SECRET: list[tuple[str, str, Any]] = [
    ("JWT_PUBLIC_KEY", PEM, PEM),
    ("JWT_PUBLIC_KEY", PEM.replace("\n", "\\n"), PEM),
    ("JWT_JWKS", ' {"keys": []}', ' {"keys": []}'),
    ("JWT_JWKS_URL", "https://ID.example.com/jwks?v=1", ("https://id.example.com/jwks?v=1",)),
    ("JWT_JWKS_URL", "http://localhost:9000/jwks", ("http://localhost:9000/jwks",)),
    ("JWT_JWKS_URL", "http://127.8.0.1/jwks", ("http://127.8.0.1/jwks",)),
    ("JWT_JWKS_URL", "http://[::1]/jwks", ("http://[::1]/jwks",)),
]

NOT_A_NUMBER = ["x", "-1", "+1", "1e3", "nan", "inf", " 1", "1\n", "١", "1_000", "9" * 400]  # noqa: RUF001  # a digit of another script
NOT_SECONDS = [*NOT_A_NUMBER, "1.", ".5", "3s"]
NOT_AN_AMOUNT = [*NOT_A_NUMBER, "0", "1.5", "9" * 5000]

BAD: dict[str, list[str]] = {
    "ACCESS_KEY": ["a b", "ak\n", "密钥", "a" * 257],
    "SECRET_KEY": ["a b", "\x7f", "\udcff"],
    "UPSTREAM_URL": [
        *("live.example.com", "ftp://live.example.com", "https://", "https:///x", "//host"),
        *("https://host/path", "https://host?q", "https://host#f", "https://host//"),
        *("https://user@host", "https://user:pass@host", "https://@host"),
        *("https://host:", "https://host:0", "https://host:65536", "https://host:8x"),
        *("https://ho st", " https://host", "https://host\n", "https://ho\tst", "https://hôst"),
        *("https://-host", "https://a..b", "https://host.", "https://" + "a" * 64),
        *("https://0x7f.1", "https://127.1", "https://1.2.3.4.5", "https://256.1.1.1"),
        *("https://010.0.0.1", "https://::1", "https://[::1", "https://[::g]", "https://[]"),
        *("https://[fe80::1%25eth0]", "https://" + "a." * 127 + "a" * 9),
    ],
    "UPSTREAM_TIMEOUT": [*NOT_SECONDS, "0", "0.0001", "301"],
    "UPSTREAM_CONNECTIONS": NOT_AN_AMOUNT,
    "UPSTREAM_MAX_BODY": NOT_AN_AMOUNT,
    "UPSTREAM_LAG": [*NOT_SECONDS, "301"],
    "VENDOR_APP_ID": [" x", "x ", "a\tb", "a" * 257],
    "REGISTER_ANCHORS": ["true", "1", "yes"],
    "DOCS": ["true", "0", "no"],
    "UPSTREAM_TIMEZONE": [
        *(
            "Mars/Olympus",
            "Asia",
            "../../etc/passwd",
            "/etc/localtime",
            "A\0",
            "\udcff",
            "x" * 5000,
        ),
    ],
    "JWT_SECRET": ["x" * 31, "密" * 10, LONG + "\udcff"],
    "JWT_PUBLIC_KEY": [LONG, PEM.replace("PUBLIC", "PRIVATE"), "-----END PUBLIC KEY-----"],
    "JWT_JWKS": [LONG, "[]", PEM],
    "JWT_JWKS_URL": [
        *("http://id.example.com/jwks", "https://id.example.com/#x", "ftp://localhost/jwks"),
        *("https://user:pass@id.example.com/", "id.example.com", "https://id.example.com/a b"),
        *("http://127.0.0.1.example.com/", "http://localhost.example.com/", "http://128.0.0.1/"),
    ],
    "JWT_ALGORITHMS": ["none", "hs256", "HS256,", "HS256,HS256", "HS256;HS384", "ES256K", ","],
    "JWT_SECRET_PREVIOUS": ["short"],
    "JWT_COOKIE": ["a b", "a=b", "a;b", "té", "x" * 129],
    "JWT_ISSUER": ["a\nb", "a,,b", "a,a", "a,b", "x" * 257, "\udcff"],
    "JWT_AUDIENCE": ["\0", "\u202e"],
    "JWT_JWKS_REFRESH": [*NOT_SECONDS, "0.9", "86401"],
    "JWT_LEEWAY": [*NOT_SECONDS, "301"],
    "JWT_USER_CLAIM": ["a\tb", " "],
    "CREATE_SCOPE": ["a b", 'a"b', "a\\b", "é"],
    "ADMIN_SCOPE": ["rooms:admin rooms:all", "x" * 257],
    "CACHE_TTL": [*NOT_SECONDS, "86401"],
    "CACHE_STALE_WHILE_REVALIDATE": NOT_SECONDS,
    "CACHE_STALE_IF_ERROR": NOT_SECONDS,
    "CACHE_NEGATIVE_TTL": NOT_SECONDS,
    "CACHE_SIZE": NOT_AN_AMOUNT,
    "CACHE_MAX_BYTES": [*NOT_AN_AMOUNT, "64MB", str(2**40 + 1)],
    "REDIS_URL": [
        *("redis:6379", "http://redis", "redis://", "redis://a b", "redis://a,b", "redis://a/main"),
        *(
            "redis://a:0",
            "redis://a:70000",
            "redis://a?db=1",
            "redis://me@a",
            "redis://:@a",
            "None",
        ),
        *("redis+sentinel://a", "redis+sentinel://a/0", "redis+cluster://a/0", "redis+ring://a"),
        *(
            "redis+cluster://",
            "redis+cluster://a,",
            "unix://run/x",
            "unix:///run/x?db=x",
            "unix://",
        ),
    ],
    "REDIS_PREFIX": ["a b", "ä", "x" * 65, "{a}"],
    "RATE_LIMIT_READS": ["0/minute", "60", "60/", "60/week", "/minute", "-1/day", "1.5/day", "on"],
    "RATE_LIMIT_WRITES": ["60/Minute ", "60 / minute", "9999999999/day", "١/day"],  # noqa: RUF001  # a digit of another script
    "RATE_LIMIT_FAILED_AUTH": ["60/minutes"],
    "MAX_CONCURRENCY": NOT_AN_AMOUNT,
    "MAX_STREAMS": NOT_AN_AMOUNT,
    "MAX_STREAMS_PER_USER": NOT_AN_AMOUNT,
    "TRUSTED_PROXIES": ["10.0.0.1/8", "proxy", "10.0.0.0/33", "10.0.0.1,", "10.0.0.1,10.0.0.1/32"],
    "CORS_ORIGINS": [
        *("app.example.com", "https://app.example.com/", "https://a.example.com,*", "null"),
        *("https://*", "https://*.com", "https://*.*.a.test", "https://a.*.test", "app://*.a.test"),
        *("https://*.127.0.0.1", "https://*a.test", "app://", "app://a/b", "app://user@a"),
        *("https://user@a.example.com", "https://a,https://A:443"),
    ],
    "UPSTREAM_PROXY": [
        *("proxy.test:3128", "socks5://proxy.test", "http://", "http://proxy.test/x"),
        *("http://me@proxy.test", "http://:p@proxy.test", "http://a:b@c@d", "http://a b"),
    ],
    "ROOT_PATH": ["live", "/", "/live/", "//live", "/a b", "/a%20b", "/..", "/a.b", "/a?b", "/é"],
    "HOST": [
        "a b",
        "[::1]",
        "127.1",
        "fe80::1%eth0",
        "http://localhost",
        "localhost:80",
        "::x",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
    "PORT": [*NOT_AN_AMOUNT, "65536", "tcp://10.0.0.1:80"],
    "WORKERS": [*NOT_AN_AMOUNT, "257"],
    "METRICS_HOST": ["*"],
    "METRICS_PORT": [*NOT_A_NUMBER, "65536"],
    "ADMIN_TOKEN": ["x" * 31, "x" * 257, f"{LONG} {LONG}", LONG + "\n", "密" * 32],
    "CALLBACK_SECRET": ["x" * 31, "x" * 257, *(f"{LONG}{odd}" for odd in "/+@: \né")],
    "LOG_LEVEL": ["verbose", "warn", "20"],
    "LOG_FORMAT": ["text", "logfmt"],
    "LOG_CALLER": ["on", "plain"],
    "ACCESS_LOG": ["true", "1", "yes"],
    "KEEPALIVE_TIMEOUT": [*NOT_SECONDS, "0.9", "3601"],
    "SHUTDOWN_DELAY": [*NOT_SECONDS, "301"],
    "SHUTDOWN_GRACE": [*NOT_SECONDS, "0", "1801"],
}


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_good_value(minimal: dict[str, str], name: str, text: str, value: object) -> None:
    """A good value is parsed into its type."""
    parsed = _field(load({**minimal, f"GATEWAY_{name}": text}), f"GATEWAY_{name}")
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("name", "text", "value"), GOOD_WITHOUT_SECRET)
def test_good_key_source(minimal: dict[str, str], name: str, text: str, value: str) -> None:
    """Key sources other than a secret are parsed too."""
    del minimal["GATEWAY_JWT_SECRET"]
    assert _field(load({**minimal, f"GATEWAY_{name}": text}), f"GATEWAY_{name}") == value


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_bad_value(minimal: dict[str, str], name: str, text: str) -> None:
    """A bad value is a problem of its own variable and of no other."""
    if name in {"JWT_PUBLIC_KEY", "JWT_JWKS", "JWT_JWKS_URL"}:
        del minimal["GATEWAY_JWT_SECRET"]
    with pytest.raises(SettingsError) as refused:
        load({**minimal, f"GATEWAY_{name}": text})
    assert [problem.variable for problem in refused.value.problems] == [f"GATEWAY_{name}"]
    assert refused.value.problems[0].message.isprintable()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('"https://live.example"', "remove the quotes around it"),
        ("'https://live.example'", "remove the quotes around it"),
        ("https://live.example\r", "remove the white space around it"),
        ("live.example", None),
    ],
)
def test_a_bad_value_as_people_write_it(
    minimal: dict[str, str], text: str, hint: str | None
) -> None:
    """Quotes and white space around a value must be named."""
    with pytest.raises(SettingsError) as refused:
        load({**minimal, "GATEWAY_UPSTREAM_URL": text})
    [problem] = refused.value.problems
    assert problem.message.endswith(hint or "path or query")


def test_every_variable_is_tried_with_bad_values() -> None:
    """The tables above have a row for every variable."""
    assert {f"GATEWAY_{name}" for name in BAD} == {each.name for each in variables(Settings)}


def _field(settings: Settings, name: str) -> Any:
    return getattr(settings, name.removeprefix("GATEWAY_").lower())

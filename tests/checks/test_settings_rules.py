"""Audit rules about settings: each reports its case and nothing else."""

from base64 import b64encode

import pytest

from gateway.checks import RULES, Severity, audit
from gateway.settings import load

PEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"

SOUND = {
    "ACCESS_KEY": "ak",
    "SECRET_KEY": "sk",
    "JWT_PUBLIC_KEY": PEM,
    "JWT_ISSUER": "https://accounts.example",
    "JWT_AUDIENCE": "live",
}
TWICE = b64encode(b64encode(bytes(range(60, 90)))).decode()
SECRET = {"JWT_PUBLIC_KEY": "", "JWT_SECRET": "a secret of more than thirty-two bytes"}


def found(**changes: str) -> list[tuple[str, str]]:
    """Return the rules that a sound configuration with `changes` breaks, and the variables."""
    environ = {f"GATEWAY_{name}": text for name, text in (SOUND | changes).items()}
    return [
        (each.rule, each.subject.removeprefix("GATEWAY_"))
        for each in audit(load(environ), files=(), environ=environ)
    ]


def test_a_sound_configuration_breaks_no_rule() -> None:
    """The defaults, with a public key, issuer and audience, are sound."""
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "rule", "variable"),
    [
        ({"JWT_ISSUER": ""}, "A01", "JWT_ISSUER"),
        ({"JWT_AUDIENCE": ""}, "A02", "JWT_AUDIENCE"),
        (SECRET, "A03", "JWT_SECRET"),
        ({"CORS_ORIGINS": "*"}, "A04", "CORS_ORIGINS"),
        (
            {"CORS_ORIGINS": "https://a.test,https://*.a.test", "JWT_COOKIE": "session"},
            *("A21", "CORS_ORIGINS"),
        ),
        ({"UPSTREAM_URL": "http://live.example"}, "A05", "UPSTREAM_URL"),
        ({"UPSTREAM_URL": "http://10.0.0.1:8080"}, "A05", "UPSTREAM_URL"),
        ({"UPSTREAM_URL": "http://127.0.0.1.example"}, "A05", "UPSTREAM_URL"),
        ({"UPSTREAM_URL": "http://[::2]:8080"}, "A05", "UPSTREAM_URL"),
        ({"METRICS_HOST": "0.0.0.0"}, "A06", "METRICS_HOST"),  # noqa: S104  # to be found
        ({"METRICS_HOST": "::"}, "A06", "METRICS_HOST"),
        ({"METRICS_HOST": "93.184.216.34"}, "A06", "METRICS_HOST"),
        ({"METRICS_HOST": "metrics.example"}, "A06", "METRICS_HOST"),
        ({"CACHE_TTL": "3600"}, "A07", "CACHE_TTL"),
        ({"CACHE_STALE_IF_ERROR": "3599"}, "A07", "CACHE_STALE_IF_ERROR"),
        (
            {"CACHE_STALE_WHILE_REVALIDATE": "86400"},
            "A07",
            "CACHE_STALE_WHILE_REVALIDATE",
        ),
        ({"CACHE_NEGATIVE_TTL": "3601"}, "A07", "CACHE_NEGATIVE_TTL"),
        ({"JWT_LEEWAY": "60.5"}, "A08", "JWT_LEEWAY"),
        ({"RATE_LIMIT_READS": "off"}, "A09", "RATE_LIMIT_READS"),
        ({"RATE_LIMIT_WRITES": "off"}, "A09", "RATE_LIMIT_WRITES"),
        ({"RATE_LIMIT_FAILED_AUTH": "off"}, "A09", "RATE_LIMIT_FAILED_AUTH"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "A10", "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "10.0.0.1,::/0"}, "A10", "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1"}, "A10", "TRUSTED_PROXIES"),
        ({"REDIS_URL": "none"}, "A14", "REDIS_URL"),
        ({"SECRET_KEY": '"sk"'}, "A15", "SECRET_KEY"),
        ({"ACCESS_KEY": "'ak'"}, "A15", "ACCESS_KEY"),
        ({"SECRET_KEY": TWICE}, "A17", "SECRET_KEY"),
        ({"JWT_ISSUER": "https://accounts.example/"}, "A19", "JWT_ISSUER"),
    ],
)
def test_rule(changes: dict[str, str], rule: str, variable: str) -> None:
    """One unwise setting breaks one rule, reported once, with the variable to change."""
    assert found(**changes) == [(rule, variable)]


@pytest.mark.parametrize(
    "changes",
    [
        {"CORS_ORIGINS": "https://app.example,capacitor://localhost", "JWT_COOKIE": "session"},
        {"CORS_ORIGINS": "https://*.app.example"},
        {"UPSTREAM_URL": "http://127.0.0.1:8081"},
        {"UPSTREAM_URL": "http://127.9.9.9"},
        {"UPSTREAM_URL": "http://[::1]:8081"},
        {"UPSTREAM_URL": "http://localhost"},
        {"METRICS_HOST": "localhost"},
        {"METRICS_HOST": "::1"},
        {"METRICS_HOST": "10.1.2.3"},
        {"METRICS_HOST": "0.0.0.0", "METRICS_PORT": "0"},  # noqa: S104  # nothing listens
        {"CACHE_TTL": "60", "CACHE_STALE_IF_ERROR": "3540"},
        {"CACHE_NEGATIVE_TTL": "3600"},
        {"JWT_LEEWAY": "60"},
        {"JWT_LEEWAY": "0"},
        {"TRUSTED_PROXIES": "10.0.0.0/8,fc00::/7,192.168.0.1"},
        {"HOST": "0.0.0.0"},  # noqa: S104  # it is meant to be public
    ],
)
def test_sound_settings_break_no_rule(changes: dict[str, str]) -> None:
    """Loopback, private addresses, exact lists and values at the bound break no rule."""
    assert found(**changes) == []


@pytest.mark.parametrize(
    ("secret", "rules"),
    [
        ("a token secret of more than 32 bytes \r", ["A16"]),
        (" a token secret of more than 32 bytes", ["A16"]),
        ("Bearer a-token-secret-of-more-than-32-bytes", ["A16"]),
        ("'a token secret of more than 32 bytes'", ["A15"]),
        (b64encode(b64encode(bytes(range(60, 90)))).decode(), ["A17"]),
        (b64encode(bytes(range(200, 236))).decode(), []),
        ("a token secret of more than 32 bytes", []),
        ("0123456789abcdef" * 4, []),
        ("a" * 40, []),
        ("correct-horse-battery-staple-1234", []),
    ],
)
def test_a_token_secret_as_people_write_it(secret: str, rules: list[str]) -> None:
    """What is probably not meant is reported in words; other secrets are not."""
    assert [rule for rule, _ in found(**SECRET | {"JWT_SECRET": secret})] == ["A03", *rules]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_variable_is_not_read(name: str) -> None:
    """Whoever sets one is told of the gateway's own, unless that is set."""
    ours = {f"GATEWAY_{key}": text for key, text in SOUND.items()}
    environ = {**ours, name: "http://proxy.test:3128"}
    [told] = audit(load(environ), (), environ)
    assert (told.rule, told.subject) == ("A18", "GATEWAY_UPSTREAM_PROXY")
    assert "proxy.test" not in told.message
    environ["GATEWAY_UPSTREAM_PROXY"] = "http://proxy.test:3128"
    assert list(audit(load(environ), (), environ)) == []


def test_a_secret_is_worse_without_an_audience() -> None:
    """The finding then adds that tokens made for other services work here."""
    environ = {f"GATEWAY_{name}": text for name, text in (SOUND | SECRET).items()}
    [alone] = audit(load(environ), files=(), environ=environ)
    [_, worse] = audit(load(environ | {"GATEWAY_JWT_AUDIENCE": ""}), files=(), environ=environ)
    assert worse.message.startswith(alone.message)
    assert worse.message != alone.message


def test_the_operators_routes_need_a_private_address() -> None:
    """An admin token beside a public address is worse than the metrics alone."""
    token = {"ADMIN_TOKEN": "t" * 32}
    assert found(**token) == []
    public = found(**token, METRICS_HOST="0.0.0.0")  # noqa: S104  # to be found
    assert public == [("A06", "METRICS_HOST"), ("A20", "ADMIN_TOKEN")]


def test_every_finding_is_reported_together() -> None:
    """Every finding is reported at once, in the order of the rules."""
    rules = [rule for rule, _ in found(**SECRET, JWT_ISSUER="", CORS_ORIGINS="*", REDIS_URL="none")]
    assert rules == ["A01", "A03", "A04", "A14"]


@pytest.mark.parametrize(
    ("seconds", "rules"), [(None, []), (3600, []), (86_400, []), (86_401, ["A22"])]
)
def test_vendor_tokens_are_not_to_live_for_days(seconds: float | None, rules: list[str]) -> None:
    """A token that lives for over a day is reported, if one was asked for."""
    environ = {f"GATEWAY_{name}": text for name, text in SOUND.items()}
    told = list(audit(load(environ), (), environ, seconds))
    assert [each.rule for each in told] == rules


def test_numbers_stay() -> None:
    """Every rule has its own number, in order, and a line for the documentation."""
    assert [rule.number for rule in RULES] == [f"A{place:02}" for place in range(1, 23)]
    assert all(rule.about.isprintable() for rule in RULES)


def test_every_finding_says_what_to_do() -> None:
    """A finding has a message and an advice, one line each, without secrets."""
    unset = {"JWT_ISSUER": "", "JWT_AUDIENCE": ""}
    changes = {**SECRET, **unset, "REDIS_URL": "none", "JWT_LEEWAY": "99"}
    environ = {f"GATEWAY_{name}": text for name, text in (SOUND | changes).items()}
    for each in audit(load(environ), files=(), environ=environ):
        assert each.message.isprintable()
        assert each.advice.isprintable()
        assert SECRET["JWT_SECRET"] not in each.message + each.advice


@pytest.mark.parametrize(
    ("severity", "least", "reaches"),
    [
        (Severity.INFO, Severity.INFO, True),
        (Severity.INFO, Severity.WARNING, False),
        (Severity.WARNING, Severity.INFO, True),
        (Severity.WARNING, Severity.ERROR, False),
        (Severity.ERROR, Severity.WARNING, True),
        (Severity.ERROR, Severity.FAILED, False),
        (Severity.FAILED, Severity.ERROR, True),
        (Severity.OK, Severity.INFO, False),
    ],
)
def test_severities_have_an_order(severity: Severity, least: Severity, *, reaches: bool) -> None:
    """Severities rise from ok over info, warning and error to failed."""
    assert severity.reaches(least) is reaches

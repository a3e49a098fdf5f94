"""Rules across variables."""

import pytest

from gateway.settings import SettingsError, load

LONG = "x" * 32
PEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----"
URL = "https://id.example.com/jwks"

SOURCES = {
    "GATEWAY_JWT_SECRET": LONG,
    "GATEWAY_JWT_PUBLIC_KEY": PEM,
    "GATEWAY_JWT_JWKS_URL": URL,
}


@pytest.mark.parametrize("source", SOURCES)
def test_one_key_source_is_enough(source: str) -> None:
    """Each of the three key sources alone is valid."""
    load(_keys() | {source: SOURCES[source]})


def test_no_key_source() -> None:
    """No key source at all is one problem that names the three."""
    [(variable, message)] = _problems({})
    assert all(name in variable + message for name in SOURCES)


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        (["GATEWAY_JWT_SECRET", "GATEWAY_JWT_PUBLIC_KEY"], ["GATEWAY_JWT_PUBLIC_KEY"]),
        (["GATEWAY_JWT_SECRET", "GATEWAY_JWT_JWKS_URL"], ["GATEWAY_JWT_JWKS_URL"]),
        (["GATEWAY_JWT_PUBLIC_KEY", "GATEWAY_JWT_JWKS_URL"], ["GATEWAY_JWT_JWKS_URL"]),
        (list(SOURCES), ["GATEWAY_JWT_PUBLIC_KEY", "GATEWAY_JWT_JWKS_URL"]),
    ],
)
def test_several_key_sources(given: list[str], reported: list[str]) -> None:
    """Every further key source is a problem that names the first."""
    problems = _problems({name: SOURCES[name] for name in given})
    assert [variable for variable, _ in problems] == reported
    assert all(given[0] in message for _, message in problems)


def test_a_bad_key_source_still_counts_as_one() -> None:
    """An unparsable key source is reported as bad, not as missing."""
    [(variable, message)] = _problems({"GATEWAY_JWT_SECRET": "short"})
    assert variable == "GATEWAY_JWT_SECRET"
    assert "32 bytes" in message


@pytest.mark.parametrize("algorithms", ["HS256", "HS256,HS384,HS512"])
def test_symmetric_algorithms_go_with_a_secret(algorithms: str) -> None:
    """HMAC algorithms are accepted with a shared secret."""
    settings = load(_keys() | {"GATEWAY_JWT_SECRET": LONG, "GATEWAY_JWT_ALGORITHMS": algorithms})
    assert settings.jwt_algorithms == tuple(algorithms.split(","))


@pytest.mark.parametrize("source", ["GATEWAY_JWT_PUBLIC_KEY", "GATEWAY_JWT_JWKS_URL"])
@pytest.mark.parametrize(
    "algorithms", ["RS256,RS384,RS512,PS256,PS384,PS512", "ES256,ES384,ES512", "EdDSA"]
)
def test_asymmetric_algorithms_go_with_public_keys(source: str, algorithms: str) -> None:
    """Asymmetric algorithms are accepted with a public key or a JWK set."""
    settings = load(_keys() | {source: SOURCES[source], "GATEWAY_JWT_ALGORITHMS": algorithms})
    assert settings.jwt_algorithms == tuple(algorithms.split(","))


@pytest.mark.parametrize(
    ("source", "algorithms"),
    [
        ("GATEWAY_JWT_SECRET", "RS256"),
        ("GATEWAY_JWT_SECRET", "HS256,EdDSA"),
        ("GATEWAY_JWT_PUBLIC_KEY", "HS256"),
        ("GATEWAY_JWT_PUBLIC_KEY", "RS256,HS512"),
        ("GATEWAY_JWT_JWKS_URL", "HS384"),
    ],
)
def test_algorithms_of_the_other_kind(source: str, algorithms: str) -> None:
    """A symmetric algorithm with an asymmetric key, or the reverse, is refused."""
    [(variable, message)] = _problems(
        {source: SOURCES[source], "GATEWAY_JWT_ALGORITHMS": algorithms}
    )
    assert variable == "GATEWAY_JWT_ALGORITHMS"
    assert source in message


def test_a_previous_secret_needs_a_secret() -> None:
    """A previous secret beside a public key is a problem."""
    [(variable, message)] = _problems(
        {"GATEWAY_JWT_PUBLIC_KEY": PEM, "GATEWAY_JWT_SECRET_PREVIOUS": LONG}
    )
    assert variable == "GATEWAY_JWT_SECRET_PREVIOUS"
    assert "GATEWAY_JWT_SECRET" in message


SETS = "https://a.test/jwks,https://b.test/jwks"


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"JWT_JWKS_URL": SETS, "JWT_ISSUER": "a,b"}, None),
        ({"JWT_JWKS_URL": "https://a.test/jwks,https://a.test/jwks", "JWT_ISSUER": "a,b"}, None),
        ({"JWT_JWKS_URL": "https://a.test/jwks"}, None),
        ({"JWT_JWKS_URL": SETS}, "JWT_JWKS_URL"),
        ({"JWT_JWKS_URL": SETS, "JWT_ISSUER": "a"}, "JWT_ISSUER"),
        ({"JWT_JWKS_URL": SETS, "JWT_ISSUER": "a,b,c"}, "JWT_ISSUER"),
        ({"JWT_JWKS_URL": "https://a.test/jwks", "JWT_ISSUER": "a,b"}, "JWT_ISSUER"),
        ({"JWT_SECRET": LONG, "JWT_ISSUER": "a,b"}, "JWT_ISSUER"),
    ],
)
def test_several_issuers_have_a_set_each(variables: dict[str, str], wrong: str | None) -> None:
    """As many names as sets are valid, also of one set; anything else names the variable."""
    environ = {f"GATEWAY_{name}": text for name, text in variables.items()}
    if wrong is None:
        load(_keys() | environ)
        return
    [(variable, message)] = _problems(environ)
    assert variable == f"GATEWAY_{wrong}"
    assert "GATEWAY_JWT_JWKS_URL" in message


@pytest.mark.parametrize("cookie", [None, "session"])
@pytest.mark.parametrize("origins", ["https://app.example.com", "*"])
def test_a_cookie_needs_exact_origins(cookie: str | None, origins: str) -> None:
    """`*` is a problem beside a cookie: no page of any origin may use it."""
    variables = {"GATEWAY_JWT_SECRET": LONG, "GATEWAY_CORS_ORIGINS": origins}
    if cookie is not None:
        variables["GATEWAY_JWT_COOKIE"] = cookie
    if cookie is None or origins != "*":
        load(_keys() | variables)
        return
    [(variable, message)] = _problems(variables)
    assert variable == "GATEWAY_CORS_ORIGINS"
    assert "GATEWAY_JWT_COOKIE" in message


@pytest.mark.parametrize(
    ("variables", "wrong", "other"),
    [
        ({"PORT": "9090"}, "PORT", "METRICS_PORT"),
        ({"METRICS_PORT": "8080"}, "METRICS_PORT", "PORT"),
        ({"METRICS_PORT": "1", "PORT": "1"}, "METRICS_PORT", "PORT"),
        ({"METRICS_PORT": "8080", "HOST": "0.0.0.0"}, "METRICS_PORT", "PORT"),  # noqa: S104  # compared
        ({"METRICS_PORT": "8080", "METRICS_HOST": "::"}, "METRICS_PORT", "PORT"),
        ({"METRICS_PORT": "8080", "METRICS_HOST": "localhost"}, "METRICS_PORT", "PORT"),
        ({"PORT": "9090", "HOST": "localhost", "METRICS_HOST": "::1"}, "PORT", "METRICS_PORT"),
        (
            {"PORT": "9090", "HOST": "a.example", "METRICS_HOST": "a.example"},
            "PORT",
            "METRICS_PORT",
        ),
    ],
)
def test_listeners_do_not_share_a_port(variables: dict[str, str], wrong: str, other: str) -> None:
    """Two listeners on one port of one address are a problem of a variable that is set."""
    given = {f"GATEWAY_{name}": text for name, text in variables.items()}
    [(variable, message)] = _problems({"GATEWAY_JWT_SECRET": LONG, **given})
    assert variable == f"GATEWAY_{wrong}"
    assert f"GATEWAY_{other}:" in message


@pytest.mark.parametrize(
    "variables",
    [
        {"PORT": "9090", "METRICS_PORT": "0"},
        {"PORT": "9090", "METRICS_PORT": "8080"},
        {"PORT": "9090", "HOST": "127.0.0.2"},
        {"PORT": "9090", "HOST": "::1"},
        {"PORT": "9090", "HOST": "a.example"},
    ],
)
def test_listeners_that_do_not_meet(variables: dict[str, str]) -> None:
    """Listeners may share a port on different addresses; port 0 means no metrics listener."""
    given = {f"GATEWAY_{name}": text for name, text in variables.items()}
    load(_keys() | {"GATEWAY_JWT_SECRET": LONG, **given})


def test_a_bad_port_is_reported_for_itself_alone() -> None:
    """An invalid value is not compared with the other listener's."""
    variables = {"GATEWAY_PORT": "9090", "GATEWAY_METRICS_PORT": "ninety"}
    [(variable, _)] = _problems({"GATEWAY_JWT_SECRET": LONG, **variables})
    assert variable == "GATEWAY_METRICS_PORT"


def test_an_operator_needs_the_private_listener() -> None:
    """An admin token without a private listener is a problem of the token's variable."""
    given = {"GATEWAY_JWT_SECRET": LONG, "GATEWAY_ADMIN_TOKEN": LONG}
    load(_keys() | given)
    [(variable, message)] = _problems({**given, "GATEWAY_METRICS_PORT": "0"})
    assert variable == "GATEWAY_ADMIN_TOKEN"
    assert "GATEWAY_METRICS_PORT" in message


def test_several_workers_share_a_store_or_say_not() -> None:
    """With more than one worker the store must be named, or refused on purpose."""
    keys = _keys() | {"GATEWAY_JWT_SECRET": LONG}
    for workers, store in (("1", ""), ("1", "redis://a"), ("2", "none"), ("2", "redis://a")):
        load(keys | {"GATEWAY_WORKERS": workers, "GATEWAY_REDIS_URL": store})
    [(variable, message)] = _problems({"GATEWAY_JWT_SECRET": LONG, "GATEWAY_WORKERS": "2"})
    assert variable == "GATEWAY_REDIS_URL"
    assert message.startswith("is required with more than one of GATEWAY_WORKERS")


def test_an_unknown_name_can_be_printed() -> None:
    """A name of bytes other than UTF-8 is printable in its problem."""
    name = b"GATEWAY_PORT\xff".decode(errors="surrogateescape")
    [(variable, _)] = _problems({"GATEWAY_JWT_SECRET": LONG, name: "1"})
    assert variable == r"GATEWAY_PORT\udcff"


def _keys() -> dict[str, str]:
    return {"GATEWAY_ACCESS_KEY": "ak", "GATEWAY_SECRET_KEY": "sk"}


def _problems(variables: dict[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as refused:
        load(_keys() | variables)
    return [(problem.variable, problem.message) for problem in refused.value.problems]

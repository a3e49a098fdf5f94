"""Which pages a browser lets read a response, and what else the response says of it."""

import asyncio
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.edge import Cors
from gateway.edge.cors import varying
from gateway.settings import load

APP = b"https://app.example.com"
CONFIGURED = [
    "https://app.example.com",
    "http://localhost:5173",
    "https://app.example.com:8443",
    "capacitor://localhost",
    "http://[::1]:3000",
    "https://xn--bcher-kva.example",
]
ASKS = {b"access-control-request-method": b"DELETE"}

Header = tuple[bytes, bytes]


def headers_for(cors: Cors, origin: bytes | None, *given: Header) -> dict[bytes, bytes]:
    """Return the headers of a response with `given`; fails where one stands twice."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    marked = cors.wrap(send, origin)
    start = {"type": "http.response.start", "status": 200, "headers": given}
    asyncio.run(marked(start))  # type: ignore[arg-type]  # a coroutine
    names = [name for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names))
    return dict(sent[0]["headers"])


def is_allowed(cors: Cors, origin: bytes | None) -> bool:
    """Return True if a page of `origin` may read; fail where the signs of it differ."""
    headers = headers_for(cors, origin)
    allowed = headers.get(b"access-control-allow-origin")
    assert allowed in {None, origin}
    assert (b"access-control-expose-headers" in headers) is (allowed is not None)
    if origin is not None:
        assert cors.lists(origin) is (allowed is not None)
        preflight = cors.preflight("OPTIONS", ASKS, origin)
        assert preflight is not None
        assert preflight.status == 204
        assert (len(preflight.headers) > 1) is (allowed is not None)
    return allowed is not None


@pytest.mark.parametrize("origin", CONFIGURED)
def test_a_configured_origin_may_read(origin: str) -> None:
    """Web and app schemes, ports and addresses alike; the answer names the origin that asks."""
    assert is_allowed(Cors(CONFIGURED, credentials=False), origin.encode())


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"*",
        b"http://app.example.com",
        b"https://app.example.com:443",
        b"https://app.example.com:8080",
        b"https://app.example.com:84",
        b"https://app.example.com/",
        b"https://APP.example.com",
        b"HTTPS://app.example.com",
        b"https://app.example.com.",
        b"https://app.example.com.evil.example",
        b"https://app.example.comevil.example",
        b"https://evilapp.example.com",
        b"https://evil.app.example.com",
        b"https://example.com",
        b"https://appXexample.com",
        b"https://app.example.com@evil.example",
        b"https://user@app.example.com",
        b"https://evil.example/https://app.example.com",
        b"https://app.example.com https://evil.example",
        b"https://app.example.com, https://evil.example",
        b" https://app.example.com",
        b"https://app.example.com\t",
        b"https://app.example.com\x00",
        b"app.example.com",
        b"//app.example.com",
        b"capacitor://localhost:80",
        b"ionic://localhost",
        b"http://localhost",
        b"http://127.0.0.1:5173",
        b"http://[0:0:0:0:0:0:0:1]:3000",
        "https://bücher.example".encode(),
        b"\xff",
    ],
)
def test_another_origin_may_not(origin: bytes) -> None:
    """Scheme, host and port must all be the same, byte for byte; nothing is a pattern."""
    assert not is_allowed(Cors(CONFIGURED, credentials=False), origin)


@given(st.binary(max_size=40))
def test_no_other_bytes_may(origin: bytes) -> None:
    """Any text sent as an origin is allowed if it is configured and not else."""
    assert is_allowed(Cors(CONFIGURED, credentials=True), origin) is (
        origin in {each.encode() for each in CONFIGURED}
    )


@given(st.sampled_from(CONFIGURED), st.integers(0, 40), st.sampled_from(["x", ".", "/", ":", "%"]))
def test_no_near_miss_may(origin: str, place: int, character: str) -> None:
    """One character more, anywhere, makes it another origin."""
    near = origin[:place] + character + origin[place:]
    assert not is_allowed(Cors(CONFIGURED, credentials=False), near.encode())


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://app.example.com", APP),
        ("HTTPS://App.Example.COM:443", APP),
        ("http://localhost:80", b"http://localhost"),
        ("http://[0:0::1]:3000", b"http://[::1]:3000"),
        ("Capacitor://LocalHost", b"capacitor://localhost"),
    ],
)
def test_an_operators_spelling_is_made_the_browsers(
    written: str, sent: bytes, minimal_environ: dict[str, str]
) -> None:
    """A configured origin in another spelling matches the spelling of browsers."""
    settings = load({**minimal_environ, "GATEWAY_CORS_ORIGINS": written})
    assert is_allowed(Cors(settings.cors_origins or (), credentials=False), sent)


@pytest.fixture
def minimal_environ() -> dict[str, str]:
    """The least that makes a configuration valid."""
    return {
        "GATEWAY_ACCESS_KEY": "ak",
        "GATEWAY_SECRET_KEY": "sk",
        "GATEWAY_JWT_SECRET": "a secret of thirty-two bytes, or so",
    }


@pytest.mark.parametrize("credentials", [True, False])
def test_credentials_only_where_a_cookie_signs_in(*, credentials: bool) -> None:
    """The permission to send cookies goes to a configured origin in cookie mode, never else."""
    cors = Cors(CONFIGURED, credentials=credentials)
    name = b"access-control-allow-credentials"
    assert headers_for(cors, APP).get(name) == (b"true" if credentials else None)
    for origin in (None, b"null", b"https://evil.example"):
        assert name not in headers_for(cors, origin)


@pytest.mark.parametrize("origin", [None, b"null", b"https://anyone.example"])
def test_any_origin_may_read_without_credentials(origin: bytes | None) -> None:
    """`*` is the same for everyone, so caches need to know nothing; it allows no cookie."""
    cors = Cors(["*"], credentials=False)
    headers = headers_for(cors, origin)
    assert headers[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-credentials" not in headers
    assert b"vary" not in headers
    if origin is not None:
        assert not cors.lists(origin)


def test_any_origin_never_goes_with_credentials() -> None:
    """Whoever builds it so is told at once."""
    with pytest.raises(ValueError, match="listed"):
        Cors(["*"], credentials=True)


@pytest.mark.parametrize(
    ("origins", "credentials", "vary"),
    [
        ((), False, None),
        (("*",), False, None),
        (CONFIGURED, False, b"Origin"),
        ((), True, b"Cookie"),
        (CONFIGURED, True, b"Origin, Cookie"),
    ],
)
@pytest.mark.parametrize("origin", [None, APP, b"https://evil.example"])
def test_a_response_varies_by_what_decides_it(
    *, origins: list[str], credentials: bool, vary: bytes | None, origin: bytes | None
) -> None:
    """Whoever asks; beside what the response varies by already, in one header."""
    cors = Cors(origins, credentials=credentials)
    assert headers_for(cors, origin).get(b"vary") == vary
    merged = headers_for(cors, origin, (b"vary", b"Authorization"), (b"etag", b'"a"'))
    assert merged[b"vary"] == b"Authorization" + (b", " + vary if vary else b"")
    assert merged[b"etag"] == b'"a"'


def test_several_vary_headers_become_one() -> None:
    """None of their names is lost, nor any other header."""
    headers = [(b"vary", b"A"), (b"x", b"1"), (b"vary", b"B, C"), (b"x", b"2")]
    assert varying(headers, [b"Origin"]) == (
        (b"x", b"1"),
        (b"x", b"2"),
        (b"vary", b"A, B, C, Origin"),
    )


def test_a_body_passes_as_it_is() -> None:
    """Only the start of a response is changed."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    body: Any = {"type": "http.response.body", "body": b"x", "more_body": False}
    asyncio.run(Cors(CONFIGURED, credentials=True).wrap(send, APP)(body))  # type: ignore[arg-type]  # a coroutine
    assert sent == [{"type": "http.response.body", "body": b"x", "more_body": False}]


@pytest.mark.parametrize(
    ("method", "headers", "origin"),
    [
        ("GET", ASKS, APP),
        ("POST", ASKS, APP),
        ("OPTIONS", {}, APP),
        ("OPTIONS", ASKS, None),
    ],
)
def test_what_is_no_preflight_is_left(
    method: str, headers: dict[bytes, bytes], origin: bytes | None
) -> None:
    """Only an OPTIONS that asks for a method, of an origin, is answered here."""
    assert Cors(CONFIGURED, credentials=False).preflight(method, headers, origin) is None


def test_without_origins_there_are_no_preflights() -> None:
    """A cookie alone does not let pages of other origins ask."""
    assert Cors((), credentials=True).preflight("OPTIONS", ASKS, APP) is None


WILDCARD = Cors(["https://*.example.com", "http://*.a.test:8443"], credentials=True)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://app.example.com", True),
        (b"https://a-1.example.com", True),
        (b"https://" + b"a" * 63 + b".example.com", True),
        (b"http://x.a.test:8443", True),
        (b"https://example.com", False),
        (b"https://.example.com", False),
        (b"https://a.b.example.com", False),
        (b"https://app.example.com:8443", False),
        (b"http://app.example.com", False),
        (b"https://app.example.com.evil.test", False),
        (b"https://evil.test/.example.com", False),
        (b"https://evil.test#.example.com", False),
        (b"https://user@app.example.com", False),
        (b"https://appXexample.com", False),
        (b"https://*.example.com", False),
        (b"https://-a.example.com", False),
        (b"https://" + b"a" * 64 + b".example.com", False),
        (b"https://App.example.com", False),
        (b"https://a%2e.example.com", False),
        (b"https://app.example.com\n", False),
        (b"http://x.a.test", False),
        (b"null", False),
    ],
)
def test_an_asterisk_is_one_label(origin: bytes, *, allowed: bool) -> None:
    """Any one label may stand for it, with the same scheme and port, and nothing else."""
    assert is_allowed(WILDCARD, origin) is allowed


def permitted(asked: bytes | None) -> bytes | None:
    """Return the header names that a preflight permits which asks for these."""
    asks = ASKS if asked is None else {**ASKS, b"access-control-request-headers": asked}
    answer = Cors(CONFIGURED, credentials=False).preflight("OPTIONS", asks, APP)
    assert answer is not None
    headers = dict(answer.headers)
    assert headers[b"access-control-allow-methods"] == b"GET, HEAD, POST, DELETE"
    assert headers[b"vary"] == b"Access-Control-Request-Headers"
    assert int(headers[b"access-control-max-age"]) > 0
    return headers.get(b"access-control-allow-headers")


@pytest.mark.parametrize(
    "asked",
    [
        b"authorization",
        b"authorization,content-type,idempotency-key,if-none-match,x-gateway-csrf",
        b"authorization, sentry-trace, baggage, traceparent",
        b"x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
        b"X-Requested-With",
        b",".join(b"x-%d" % n for n in range(64)),
    ],
)
def test_a_preflight_permits_what_it_asks_for(asked: bytes) -> None:
    """Scripts that watch a page's requests may add their own headers."""
    assert permitted(asked) == asked


@pytest.mark.parametrize(
    "asked",
    [
        None,
        b"",
        b",",
        b"a,,b",
        b"a b",
        b"a\r\nx: y",
        b"*",
        b"authorization,*",
        b"\xc3\xa9",
        b"a" * 65,
        b",".join(b"x-%d" % n for n in range(65)),
        b"a" + b" " * 5000 + b",b",
    ],
)
def test_a_preflight_permits_nothing_else(asked: bytes | None) -> None:
    """Names that are none, or too many, are not repeated."""
    assert permitted(asked) is None


@given(st.binary(max_size=300))
def test_only_names_are_repeated(asked: bytes) -> None:
    """Whatever a preflight asks for, its answer has header names or nothing."""
    names = permitted(asked)
    assert names is None or re.fullmatch(rb"[!#$%&'+.^_`|~0-9A-Za-z, \t-]+", names)

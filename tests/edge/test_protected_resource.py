"""Protected resource metadata: the origin that a client used, and nothing else of its word."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge import ProtectedResource

RESOURCE = ProtectedResource(("https://accounts.example",), (), "")
PATH = "/.well-known/oauth-protected-resource"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("live.example.com", "https://live.example.com"),
        ("live.example.com:8443", "https://live.example.com:8443"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
        ("1127.0.0.1", "https://1127.0.0.1"),
    ],
)
def test_the_origin_is_https_but_on_loopback(host: str, origin: str) -> None:
    """The metadata's address is below the client's origin, which is plain http on loopback only."""
    assert RESOURCE.metadata_url([(b"host", host.encode())]) == f"{origin}{PATH}"


@given(st.binary(max_size=300))
@example(b'a", error="x')
@example(b"a/b")
@example(b"user@a")
@example(b"a:1:2")
@example(b"a\r\nb")
@example(b"\xe9")
@example(b"a" * 254)
def test_any_host(host: bytes) -> None:
    """Any other `Host` gives no address; nothing of one ends a quoted string or a header."""
    url = RESOURCE.metadata_url([(b"host", host)])
    if re.fullmatch(rb"[A-Za-z0-9_.:\[\]-]+", host) is None:
        assert url is None
    assert url is None or re.fullmatch(r"https?://[A-Za-z0-9_.:\[\]/-]+", url)


@pytest.mark.parametrize("hosts", [[], [b"a", b"a"], [b""], [b"a, b"]])
def test_one_host(hosts: list[bytes]) -> None:
    """No `Host`, an empty one and two of them give no address."""
    assert RESOURCE.metadata_url([(b"host", each) for each in hosts]) is None

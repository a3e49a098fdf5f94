"""The client's address: only trusted proxies are believed."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.client_address import ClientAddress

PROXIES = [ip_network(text) for text in ("10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48")]


def address(peer: str | None, *forwarded: str, trusted: Any = PROXIES) -> str:
    """Return the address of a request from `peer` with these headers."""
    scope: Any = {
        "client": peer and (peer, "1234"),
        "headers": [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded],
    }
    return ClientAddress(trusted).of(scope)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, 192.0.2.7, 10.1.1.1"], "203.0.113.5"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.5:51000"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, fe80::1%" + "a" * 9000], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, 10.0.0.2:" + "9" * 9000], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, " + ", ".join(["10.0.0.2"] * 31)], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, " + ", ".join(["10.0.0.2"] * 32)], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("2001:db8:1::1", ["2001:db8:2:3:4:5:6:7"], "2001:db8:2:3::/64"),
        ("2001:db8:1::1", ["[2001:db8:2:3::9]:443"], "2001:db8:2:3::/64"),
        ("2001:db8:2:3::1", [], "2001:db8:2:3::/64"),
        (None, ["203.0.113.5"], "unknown"),
        ("/run/socket", ["203.0.113.5"], "unknown"),
    ],
)
def test_the_address(peer: str | None, forwarded: list[str], expected: str) -> None:
    """The last hop that no trusted proxy vouches for."""
    assert address(peer, *forwarded) == expected


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=5))
def test_without_trusted_proxies_the_header_says_nothing(forwarded: list[str]) -> None:
    """A client cannot change its own address by any claim."""
    assert address("203.0.113.5", *forwarded, trusted=[]) == "203.0.113.5"


@given(st.lists(st.ip_addresses().map(str), max_size=5))
def test_what_a_client_puts_first_never_counts(forged: list[str]) -> None:
    """Behind a proxy that appends, the entries before its own change nothing."""
    assert address("10.0.0.1", ", ".join([*forged, "203.0.113.5"])) == "203.0.113.5"

"""The client's address, by trusted proxies only.

Every proxy appends the address that it sees to `X-Forwarded-For`, and a client can start the list
with anything. So the list is read from its end, as far as each entry was appended by a trusted
proxy.

A subscriber of IPv6 has at least 2⁶⁴ addresses: all of one /64 count as one.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from litestar.types import Scope

Network = IPv4Network | IPv6Network

_SUBSCRIBER = 64
_REMEMBERED = 4096
_MOST_HOPS = 32
_LONGEST = 64
"""Characters of an address with its port; the longest have 47."""


class ClientAddress:
    """Finds the address of clients behind `trusted` proxies."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_proxy = lru_cache(_REMEMBERED)(self._is_trusted)

    def of(self, scope: Scope) -> str:
        """Return the client's address; its /64 for IPv6, `unknown` if there is none."""
        peer = _parsed(scope["client"][0]) if scope["client"] else None
        if peer is None:
            return "unknown"
        for hop in _forwarded(scope["headers"]):
            if not self._is_proxy(peer):
                break
            address = _parsed(hop)
            if address is None:
                break
            peer = address
        return _subscriber(peer)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return the last entries of all `X-Forwarded-For` headers, the nearest hop first."""
    given = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    hops = given.decode("latin-1").rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]
    return [entry.strip() for entry in reversed(hops)]


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, without the port that some proxies append; one with a zone is none."""
    if len(text) > _LONGEST or "%" in text:
        return None
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _subscriber(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _SUBSCRIBER), strict=False))

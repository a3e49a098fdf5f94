"""Text -> value, for URLs, origins, hosts and networks.

Values are normalised, because they are compared or signed byte for byte: scheme and host in lower
case, no default port, no trailing slash, IPv6 in its shortest form. Hosts that HTTP clients would
rewrite before sending (`0x7f.1`, other scripts) are refused for the same reason.
"""

import re
from ipaddress import IPv4Address, ip_address, ip_network
from types import MappingProxyType
from typing import NamedTuple

from gateway.secret import Secret

from .invalid import InvalidValue
from .parse import listed
from .values import Network

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:[/?#][\x21-\x7e]*)?)"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_LENGTH = 253
_PORTS = range(1, 65536)
_DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})


class _Url(NamedTuple):
    """A parsed URL: `base` is scheme, host and port, `rest` is everything after them."""

    scheme: str
    host: str
    base: str
    rest: str


def upstream_url(text: str) -> str:
    """Parse the upstream's base URL into `scheme://host[:port]`."""
    url = _url(text)
    if url is None or url.scheme not in _DEFAULT_PORTS or url.rest not in {"", "/"}:
        raise InvalidValue(
            "must be http:// or https://, a host and an optional :port; no user, path or query"
        )
    return url.base


def jwks_url(text: str) -> str:
    """Parse the URL of a JWK set: over https, or over http from this host."""
    url = _url(text)
    safe = url and (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host)))
    if url is None or "#" in url.rest or not safe:
        raise InvalidValue(
            "must be an https URL without user or fragment; http only for a loopback host"
        )
    return url.base + url.rest


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "[::1]"} or (
        _ends_in_number(host) and IPv4Address(host).is_loopback
    )


def _origin(text: str) -> str:
    url = _url(text)
    if url is None or url.rest:
        raise InvalidValue(
            "must be an origin, such as https://app.example.com, without a path or slash"
        )
    return url.base


_origin_list = listed(_origin)


def origins(text: str) -> tuple[str, ...]:
    """Parse a comma list of exact origins, or `*` alone.

    Any scheme is valid: apps in a web view use origins such as `capacitor://localhost`.
    """
    return ("*",) if text == "*" else _origin_list(text)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise InvalidValue(
            "must be an address or a CIDR whose host bits are zero, such as 10.0.0.0/8"
        ) from None


networks = listed(_network)


def host(text: str) -> str:
    """Parse the address or name of a listener; IPv6 without brackets."""
    parsed = _ip(text) if ":" in text else _host(text)
    if parsed is None or _is_of_many(parsed):
        raise InvalidValue("must be an IP address or a host name, such as 0.0.0.0, :: or localhost")
    return parsed


def _is_of_many(host: str) -> bool:
    """Return True for broadcast and multicast: they can be bound, but nobody can connect."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_multicast or host == "255.255.255.255"


def redis_url(text: str) -> Secret:
    """Parse the shared store's URL, a secret because it may hold a password."""
    if not re.fullmatch(r"(rediss?|unix)://[\x21-\x7e]+", text):
        raise InvalidValue("must be a redis://, rediss:// or unix:// URL")
    return Secret(text)


def _url(text: str) -> _Url | None:
    match = _URL.fullmatch(text)
    if match is None:
        return None
    scheme, host, port = match["scheme"].lower(), _url_host(match["host"]), match["port"]
    if host is None or (port is not None and int(port) not in _PORTS):
        return None
    explicit = port is not None and int(port) != _DEFAULT_PORTS.get(scheme)
    base = f"{scheme}://{host}:{int(port)}" if explicit else f"{scheme}://{host}"
    return _Url(scheme, host, base, match["rest"])


def _url_host(text: str) -> str | None:
    if not text.startswith("["):
        return _host(text)
    address = _ip(text[1:-1]) if ":" in text else None
    return f"[{address}]" if address else None


def _host(text: str) -> str | None:
    name = text.lower()
    if _ends_in_number(name):
        return _ip(name)
    labels = name.split(".")
    valid = len(name) <= _HOST_LENGTH and all(_LABEL.fullmatch(label) for label in labels)
    return name if valid else None


def _ends_in_number(host: str) -> bool:
    """Return True if HTTP clients parse `host` as IPv4 (WHATWG URL, "ends in a number")."""
    return _NUMERIC.fullmatch(host.rpartition(".")[2]) is not None


def _ip(text: str) -> str | None:
    """Return an address in its shortest form; None for anything else, or with a zone."""
    try:
        return None if "%" in text else str(ip_address(text))
    except ValueError:
        return None

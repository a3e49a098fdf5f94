"""Text -> value, for URLs, origins, hosts and networks.

Values are normalised, because they are compared or signed byte for byte: scheme and host in lower
case, no default port, no trailing slash, IPv6 in its shortest form. Hosts that HTTP clients would
rewrite before sending (`0x7f.1`, other scripts) are refused for the same reason.
"""

import re
from ipaddress import IPv4Address, ip_address, ip_network
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from gateway.proxy import Proxy
from gateway.redis_url import Kind, RedisUrl
from gateway.secret import Secret

from .invalid import InvalidValue
from .parse import listed
from .values import NO_STORE, Network, NoStore

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:[/?#][\x21-\x7e]*)?)"
)
_PROXY = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>[!-9;-?A-~]+):(?P<password>[!-?A-~]*)@)?(?P<host>[^@]+)",
    re.IGNORECASE,
)
_REDIS_LOGIN = r"(?:(?P<user>[!-9;-?A-~]*):(?P<password>[!-?A-~]+)@)?"
_REDIS = re.compile(
    r"(?P<scheme>rediss?)(?:\+(?P<kind>sentinel|cluster))?://"
    + _REDIS_LOGIN
    + r"(?P<nodes>[^/?#@]+)"
    r"(?:/(?P<master>[A-Za-z][A-Za-z0-9._-]{0,63}))?(?:/(?P<db>[0-9]{0,5}))?"
)
_REDIS_SOCKET = re.compile(
    r"unix://" + _REDIS_LOGIN + r"(?P<path>/[!-\"$->@-~]+)(?:\?db=(?P<db>[0-9]{1,5}))?"
)
_REDIS_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_REDIS_PORTS = MappingProxyType({"single": 6379, "sentinel": 26379, "cluster": 6379})
_WILDCARD = "://*."
_APP_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://[A-Za-z0-9._-]{1,253}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9_~-]{1,64}){1,8}")
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


def proxy(text: str) -> Proxy:
    """Parse a proxy's URL, with `user:password@` before its host if it asks for them."""
    given = _PROXY.fullmatch(text)
    url = None if given is None else _url(f"{given['scheme']}://{given['host']}")
    if given is None or url is None or url.rest not in {"", "/"}:
        raise InvalidValue(
            "must be http:// or https://, maybe user:password@, a host and an optional :port"
        )
    if given["password"] is None:
        return Proxy(url.base)
    return Proxy(url.base, unquote(given["user"]), Secret(unquote(given["password"])))


def _jwks_url(text: str) -> str:
    """Parse the URL of a JWK set: over https, or over http from this host."""
    url = _url(text)
    safe = url and (url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host)))
    if url is None or "#" in url.rest or not safe:
        raise InvalidValue(
            "must be an https URL without user or fragment; http only for a loopback host"
        )
    return url.base + url.rest


jwks_urls = listed(_jwks_url, repeats=True)  # issuers of one provider may share a set


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "[::1]"} or (
        _ends_in_number(host) and IPv4Address(host).is_loopback
    )


def _origin(text: str) -> str:
    app = _APP_ORIGIN.fullmatch(text)
    if app is not None and app["scheme"].lower() not in _DEFAULT_PORTS:
        return text.lower()
    wildcard = _WILDCARD in text
    url = _url(text.replace(_WILDCARD, "://", 1))
    if url is None or url.rest or (wildcard and not _may_have_subdomains(url)):
        raise InvalidValue(
            "must be an origin, such as https://app.example.com or https://*.example.com, "
            "without a path or slash"
        )
    return url.base.replace("://", _WILDCARD, 1) if wildcard else url.base


def _may_have_subdomains(url: _Url) -> bool:
    """Return True for a domain of the web that is not a top-level one."""
    named = "." in url.host and not url.host.startswith("[") and not _ends_in_number(url.host)
    return url.scheme in _DEFAULT_PORTS and named


_origin_list = listed(_origin)


def origins(text: str) -> tuple[str, ...]:
    """Parse a comma list of origins, or `*` alone.

    The first label of a host may be `*`, for any one label. Other schemes are valid too: apps in a
    web view have origins such as `capacitor://localhost` or `app://-`.
    """
    return ("*",) if text == "*" else _origin_list(text)


def root_path(text: str) -> str:
    """Parse a path prefix, without a slash at its end."""
    if not _ROOT_PATH.fullmatch(text):
        raise InvalidValue(
            "must be a path such as /live, of A-Z a-z 0-9 _ ~ -, without a slash at its end"
        )
    return text


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


def redis_url(text: str) -> RedisUrl | NoStore:
    """Parse the shared store's URL; `none` is no store, on purpose."""
    if text == NO_STORE:
        return NO_STORE
    given = _REDIS.fullmatch(text)
    socket = _REDIS_SOCKET.fullmatch(text)
    try:
        if given is not None:
            return _redis_nodes(given)
        if socket is not None:
            return RedisUrl(path=socket["path"], db=int(socket["db"] or 0), **_login(socket))
    except ValueError:
        pass
    raise InvalidValue(
        "must be `none`, or redis://host:6379, rediss://user:password@host/0, "
        "unix:///path/to/socket, redis+sentinel://host:26379,host:26379/master, or "
        "redis+cluster://host:6379,host:6379"
    )


def redis_prefix(text: str) -> str:
    """Parse the first part of keys and channels."""
    if not _REDIS_PREFIX.fullmatch(text):
        raise InvalidValue("must be 1 to 64 characters of A-Z a-z 0-9 . _ : -")
    return text


def _redis_nodes(given: re.Match[str]) -> RedisUrl:
    """Return the URL of one server, of Sentinels or of a cluster. Raises ValueError."""
    kind: Kind = cast("Kind", given["kind"] or "single")
    nodes = tuple(_redis_node(each, _REDIS_PORTS[kind]) for each in given["nodes"].split(","))
    master, db = given["master"], given["db"]
    fits = {
        "single": len(nodes) == 1 and master is None,
        "sentinel": master is not None,
        "cluster": master is None and db is None,
    }
    if not fits[kind]:
        raise ValueError
    return RedisUrl(
        kind=kind,
        tls=given["scheme"] == "rediss",
        nodes=nodes,
        db=int(db or 0),
        master=master or "",
        **_login(given),
    )


def _redis_node(text: str, default: int) -> tuple[str, int]:
    url = _url(f"redis://{text}")
    if url is None or url.rest:
        raise ValueError
    port = url.base.removeprefix(f"redis://{url.host}").removeprefix(":")
    return url.host.strip("[]"), int(port or default)


def _login(given: re.Match[str]) -> dict[str, Any]:
    if given["password"] is None:
        return {}
    return {
        "user": unquote(given["user"]) or None,
        "password": Secret(unquote(given["password"])),
    }


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

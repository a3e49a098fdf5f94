"""Audit rules about settings. Pure: host names are not resolved."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.settings import NO_STORE, Network, Settings

from .finding import Note

_LEEWAY = 60.0
_WINDOW = 3600.0
"""Seconds. Only the issuer knows the lifetime of its tokens; few live longer than this."""

_WIDEST = MappingProxyType({4: 8, 6: 7})
"""The prefix of the widest private networks, by IP version: 10.0.0.0/8 and fc00::/7."""


def no_issuer(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that `iss` is not verified."""
    if settings.jwt_issuer is None:
        message = "not set: tokens of every issuer with the key are accepted"
        yield "GATEWAY_JWT_ISSUER", message, "set it to the `iss` of your tokens"


def no_audience(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that `aud` is not verified."""
    if settings.jwt_audience is None:
        message = "not set: tokens made for other services are accepted"
        yield "GATEWAY_JWT_AUDIENCE", message, "have the issuer add an `aud`, and set it"


def shared_secret(settings: Settings, *_: object) -> Iterator[Note]:
    """Report a symmetric key: every service with it can sign as well as verify."""
    if settings.jwt_secret is not None:
        message = "every service that has this secret can make tokens for any user"
        if settings.jwt_audience is None:
            message += ", and tokens made for other services work here"
        advice = "use a public key or a JWK set, or share the secret with the issuer alone"
        yield "GATEWAY_JWT_SECRET", message, advice


def any_origin(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that pages of any origin may call the gateway."""
    if "*" in (settings.cors_origins or ()):
        message = "pages of any origin may use a token that they obtain"
        yield "GATEWAY_CORS_ORIGINS", message, "list the origins of your apps"


def cookies_of_subdomains(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that any subdomain may use the users' cookies: one lost to others is enough."""
    patterns = [each for each in settings.cors_origins or () if "://*." in each]
    if settings.jwt_cookie is not None and patterns:
        message = f"{patterns[0]}: a page of any subdomain may act as a user by their cookie"
        yield "GATEWAY_CORS_ORIGINS", message, "list the origins of your apps"


def upstream_in_clear(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that push URLs cross a network unencrypted."""
    url = urlsplit(settings.upstream_url)
    address = _address(url.hostname or "")
    if url.scheme == "http" and not (address and address.is_loopback):
        message = "http: anyone on the network path can read push URLs and change replies"
        yield "GATEWAY_UPSTREAM_URL", message, "use https"


def public_metrics(settings: Settings, *_: object) -> Iterator[Note]:
    """Report a metrics listener on a public address."""
    if settings.metrics_port and _is_public(settings.metrics_host):
        message = "anyone who can reach this address can read the metrics"
        advice = "use 127.0.0.1 or a private address, or admit only the scraper"
        yield "GATEWAY_METRICS_HOST", message, advice


def public_admin(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that the operator's token crosses a network unencrypted, to a public address."""
    if settings.admin_token is not None and _is_public(settings.metrics_host):
        message = "the operator's token is sent here unencrypted, and anyone may try to guess it"
        advice = "use 127.0.0.1 or a private address, or admit only the operators"
        yield "GATEWAY_ADMIN_TOKEN", message, advice


def long_windows(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that rooms may be served stale for longer than most tokens live."""
    stale = {
        "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": settings.cache_stale_while_revalidate,
        "GATEWAY_CACHE_STALE_IF_ERROR": settings.cache_stale_if_error,
    }
    longest = max(stale.values())
    windows = {"GATEWAY_CACHE_TTL": settings.cache_ttl, **stale}
    oldest = {"room": settings.cache_ttl + longest, "unknown room": settings.cache_negative_ttl}
    advice = f"keep it under {_WINDOW:.0f} s: few tokens live longer"
    if oldest["room"] > _WINDOW:
        message = f"a room may be served as it was {oldest['room']:.0f} s ago"
        yield max(windows, key=lambda name: windows[name]), message, advice
    if oldest["unknown room"] > _WINDOW:
        message = f"a new room may stay unknown for {oldest['unknown room']:.0f} s"
        yield "GATEWAY_CACHE_NEGATIVE_TTL", message, advice


def much_leeway(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that tokens are accepted long after they have expired."""
    if settings.jwt_leeway > _LEEWAY:
        message = f"expired tokens are accepted for {settings.jwt_leeway:g} s more"
        yield "GATEWAY_JWT_LEEWAY", message, "synchronize the clocks; 10 s is plenty"


def no_limit(settings: Settings, *_: object) -> Iterator[Note]:
    """Report rate limits that are off."""
    consequences = {
        "READS": (settings.rate_limit_reads, "one user can use all the capacity"),
        "WRITES": (settings.rate_limit_writes, "one user can use up the vendor's quota"),
        "FAILED_AUTH": (settings.rate_limit_failed_auth, "tokens can be guessed without limit"),
    }
    for name, (limit, message) in consequences.items():
        if limit is None:
            yield f"GATEWAY_RATE_LIMIT_{name}", f"off: {message}", "set a limit"


def everyone_a_proxy(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that anyone can forge their client address."""
    wide = [each for each in settings.trusted_proxies or () if _is_wide(each)]
    if wide:
        message = f"{wide[0]}: any client in it can forge its address and escape the limits"
        yield "GATEWAY_TRUSTED_PROXIES", message, "list only your proxies' addresses"


def no_shared_store(settings: Settings, *_: object) -> Iterator[Note]:
    """Report processes that share nothing, on purpose."""
    if settings.redis_url == NO_STORE:
        message = "none: each process keeps its own rooms, limits and idempotency keys"
        yield "GATEWAY_REDIS_URL", message, "share a Redis or Valkey, or run one process only"


def store_password_in_clear(settings: Settings, *_: object) -> Iterator[Note]:
    """Report that the password of the store crosses a network unencrypted."""
    store = settings.store
    if store is None or store.password is None or store.tls or store.path is not None:
        return
    addresses = [_address(host) for host, _ in store.nodes]
    if not all(each is not None and each.is_loopback for each in addresses):
        message = "anyone on the network path can read the password of the store"
        yield "GATEWAY_REDIS_URL", message, "use rediss://, or a network of your own"


def _is_public(host: str) -> bool:
    address = _address(host)
    return address is None or not address.is_private or address.is_unspecified


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None


def _is_wide(network: Network) -> bool:
    return network.prefixlen < _WIDEST[network.version]

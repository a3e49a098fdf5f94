"""Rules about the settings. Pure: names are not resolved, so what a name means is not known."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.settings import Network, Settings, not_in_effect

from .files import KeyFile
from .finding import Remark

Files = Sequence[KeyFile]

_LEEWAY = 60.0
_WINDOW = 3600.0
"""Seconds. The lifetime of tokens is the issuer's, who does not tell; few live longer than this."""

_WIDEST = MappingProxyType({4: 8, 6: 7})
"""The prefix of the widest private networks, by IP version: 10.0.0.0/8 and fc00::/7."""


def no_issuer(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that `iss` is not looked at."""
    if settings.jwt_issuer is None:
        message = "not set: tokens of any issuer that has the key are accepted"
        yield Remark("GATEWAY_JWT_ISSUER", message, "set it to the `iss` of your tokens")


def no_audience(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that `aud` is not looked at."""
    if settings.jwt_audience is None:
        message = "not set: tokens made for other services are accepted"
        yield Remark("GATEWAY_JWT_AUDIENCE", message, "have the issuer add an `aud`, and set it")


def shared_secret(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find a symmetric key, which every service that verifies with it can also sign with."""
    if settings.jwt_secret is not None:
        message = "every service that has this secret can make tokens for any user"
        if settings.jwt_audience is None:
            message += ", and those it was given for itself work here"
        advice = "use a public key or a JWK set, or share the secret with the issuer alone"
        yield Remark("GATEWAY_JWT_SECRET", message, advice)


def any_origin(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that pages of any origin may call the gateway."""
    if "*" in (settings.cors_origins or ()):
        message = "pages of any origin may use a token they get hold of"
        yield Remark("GATEWAY_CORS_ORIGINS", message, "list the origins of your apps")


def upstream_in_clear(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that push URLs cross a network unencrypted."""
    url = urlsplit(settings.upstream_url)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        message = "http: whoever is on the way reads push URLs and can change replies"
        yield Remark("GATEWAY_UPSTREAM_URL", message, "use https")


def public_metrics(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find a metrics listener that is not on loopback or a private address."""
    if settings.metrics_port and not _is_private(settings.metrics_host):
        message = "metrics are for everyone who can reach this address"
        advice = "use 127.0.0.1 or a private address, or let only the scraper through"
        yield Remark("GATEWAY_METRICS_HOST", message, advice)


def long_windows(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find rooms that are shown longer than tokens live, after they have changed or gone."""
    stale = {
        "GATEWAY_CACHE_STALE_WHILE_REVALIDATE": settings.cache_stale_while_revalidate,
        "GATEWAY_CACHE_STALE_IF_ERROR": settings.cache_stale_if_error,
    }
    longest = max(stale.values())
    windows = {"GATEWAY_CACHE_TTL": settings.cache_ttl, **stale}
    oldest = {"room": settings.cache_ttl + longest, "unknown room": settings.cache_negative_ttl}
    advice = f"keep it under {_WINDOW:.0f} s, longer than which few tokens live"
    if oldest["room"] > _WINDOW:
        message = f"a room may be shown as it was {oldest['room']:.0f} s ago"
        yield Remark(max(windows, key=lambda name: windows[name]), message, advice)
    if oldest["unknown room"] > _WINDOW:
        message = f"a new room may stay unknown for {oldest['unknown room']:.0f} s"
        yield Remark("GATEWAY_CACHE_NEGATIVE_TTL", message, advice)


def much_leeway(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that tokens live on long after they have expired."""
    if settings.jwt_leeway > _LEEWAY:
        message = f"expired tokens are accepted for {settings.jwt_leeway:g} s more"
        yield Remark("GATEWAY_JWT_LEEWAY", message, "set the clocks; 10 s is plenty")


def no_limit(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find rate limits that are off."""
    consequences = {
        "READS": (settings.rate_limit_reads, "one user can take all there is"),
        "WRITES": (settings.rate_limit_writes, "one user can use up the vendor's quota"),
        "FAILED_AUTH": (settings.rate_limit_failed_auth, "tokens can be tried without end"),
    }
    for name, (limit, message) in consequences.items():
        if limit is None:
            yield Remark(f"GATEWAY_RATE_LIMIT_{name}", f"off: {message}", "set a limit")


def everyone_a_proxy(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find that anyone can say what address they come from."""
    wide = [each for each in settings.trusted_proxies or () if _is_wide(each)]
    if wide:
        message = f"{wide[0]}: anyone there can pretend to have another address, and has no limit"
        yield Remark("GATEWAY_TRUSTED_PROXIES", message, "list your proxies' addresses alone")


def several_memories(settings: Settings, _: Files) -> Iterator[Remark]:
    """Find processes that share nothing."""
    redis = settings.redis_url is not None and _is_in_effect("GATEWAY_REDIS_URL")
    if settings.workers > 1 and not redis:
        message = "limits, idempotency keys and rooms are remembered by each process for itself"
        advice = "use one process, or reckon with limits times their number"
        yield Remark("GATEWAY_WORKERS", message, advice)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_unspecified


def _is_wide(network: Network) -> bool:
    return network.prefixlen < _WIDEST[network.version]


def _is_in_effect(name: str) -> bool:
    return name not in {each.name for each in not_in_effect()}

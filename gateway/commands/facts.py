"""The configuration of `gateway serve` as it starts, without any secret.

Only scheme, host and port of a URL are included: its path or query may carry a token.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from gateway import __version__, checks, serving
from gateway.identity import Key
from gateway.settings import Settings


class Facts(Struct, frozen=True):
    """The fields of the log event `starting`: URLs, seconds, numbers.

    `keys` is `secret`, `public_key`, `jwk_set` or `jwks`; `issuer` has the hosts of the JWK sets'
    URLs. `algorithms` is empty if the published keys decide. `store` is the shared store's
    URL, None without one. `audit` lists the rules broken.
    """

    version: str
    listening: str
    metrics: str | None
    upstream: str
    keys: str
    issuer: str | None
    algorithms: tuple[str, ...]
    previous_secret: bool
    cache_ttl: float
    cache_stale_while_revalidate: float
    cache_stale_if_error: float
    cache_size: int
    store: str | None
    workers: int
    traces: str
    log_level: str
    log_format: str
    access_log: bool
    log_caller: str
    audit: tuple[str, ...]


def facts(
    settings: Settings,
    keys: Iterable[Key],
    findings: Iterable[checks.Finding],
    *,
    traces: str,
) -> Facts:
    """Return the facts; `keys` are made from the settings, `traces` is `on` or `off`."""
    private = serving.authority(settings.metrics_host, settings.metrics_port)
    used = {name for key in keys for name in key.algorithms} or settings.jwt_algorithms or ()
    return Facts(
        version=__version__,
        listening=f"http://{serving.authority(settings.host, settings.port)}",
        metrics=f"http://{private}/metrics" if settings.metrics_port else None,
        upstream=settings.upstream_route,
        keys=_source(settings),
        issuer=", ".join(urlsplit(each).netloc for each in settings.jwt_jwks_url or ()) or None,
        algorithms=tuple(sorted(used)),
        previous_secret=settings.jwt_secret_previous is not None,
        cache_ttl=settings.cache_ttl,
        cache_stale_while_revalidate=settings.cache_stale_while_revalidate,
        cache_stale_if_error=settings.cache_stale_if_error,
        cache_size=settings.cache_size,
        store=None if settings.store is None else settings.store.shown,
        workers=settings.workers,
        traces=traces,
        log_level=settings.log_level,
        log_format=settings.log_format,
        access_log=settings.access_log,
        log_caller=settings.log_caller,
        audit=tuple(each.rule for each in findings),
    )


def _source(settings: Settings) -> str:
    if settings.jwt_secret is not None:
        return "secret"
    if settings.jwt_public_key is not None:
        return "public_key"
    return "jwks" if settings.jwt_jwks_url else "jwk_set"

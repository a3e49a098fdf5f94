"""Every variable, in the order of the operator's documentation.

Bounds catch slips (milliseconds for seconds, a digit too many); they are not for tuning. There are
three classes, because some callers need only a part; `Settings` has every field. Its bases are in
reverse, because a dataclass takes the fields of its last base first.
"""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.proxy import Proxy
from gateway.redis_url import RedisUrl
from gateway.secret import Secret

from . import addresses, credentials, parse
from .values import NO_STORE, LogCaller, LogFormat, LogLevel, Network, NoStore, RateLimit
from .variable import from_environment, variable, variables

_wait = parse.seconds(least=0.001, most=300)
_window = parse.seconds(least=0, most=86_400)
_port = parse.whole(least=1, most=65_535)


@from_environment
class UpstreamSettings:
    """The upstream's address, limits and keys."""

    access_key: Secret = variable(credentials.api_key, "upstream AK", file=True)
    secret_key: Secret = variable(credentials.api_key, "upstream SK", file=True)
    upstream_url: str = variable(
        addresses.upstream_url,
        "upstream base URL, http(s), may carry a port",
        default="https://live-api.qiniu.com",
    )
    upstream_timeout: float = variable(
        _wait, "seconds, total for one call, both attempts of a read included", default="3"
    )
    upstream_connections: int = variable(
        parse.whole(1, 10_000), "connections to the upstream at most", default="100"
    )
    upstream_max_body: int = variable(
        parse.whole(1, 1 << 30),
        "bytes of upstream response accepted, after decoding",
        default="1048576",
    )
    upstream_timezone: ZoneInfo = variable(
        parse.zone, "zone of the times sent upstream", default="Asia/Shanghai"
    )
    upstream_proxy: Proxy | None = variable(
        addresses.proxy,
        "http(s) proxy for calls upstream; no proxy variable is ever read",
        default=None,
    )
    upstream_lag: float = variable(
        parse.seconds(least=0, most=300),
        "seconds for which the gateway stands by what it has just created, started, stopped or "
        "deleted, whatever a lagging replica says",
        default="5",
    )
    register_anchors: bool = variable(
        parse.switch,
        "on: a creator unknown to the upstream is registered there first, with nick and avatar "
        "from the claims `name` and `picture`",
        default="off",
    )
    vendor_app_id: str | None = variable(
        parse.name,
        "turns on going live and the list of living rooms: the `app_id` that vendor client "
        "tokens are asked for with, which stay on the server",
        default=None,
    )

    @property
    def upstream_route(self) -> str:
        """The upstream's URL, and that of the proxy on the way, for people to read."""
        proxy = self.upstream_proxy
        return self.upstream_url + (f" via {proxy.url}" if proxy else "")


@from_environment
class JwtSettings:
    """The authentication of callers. Exactly one of the first four is set."""

    jwt_secret: Secret | None = variable(
        credentials.hmac_secret, "HS256 secret, at least 32 bytes", default=None, file=True
    )
    jwt_public_key: str | None = variable(
        credentials.public_pem, "PEM public key (RSA, P-256, Ed25519)", default=None, file=True
    )
    jwt_jwks: str | None = variable(
        credentials.jwk_set,
        "a JWK set itself, usually as a file: several public keys without a network",
        default=None,
        file=True,
    )
    jwt_jwks_url: tuple[str, ...] | None = variable(
        addresses.jwks_urls,
        "https URL of a JWK set; a comma list for several issuers, then as many in "
        "GATEWAY_JWT_ISSUER, in the same order",
        default=None,
    )
    jwt_jwks_refresh: float = variable(
        parse.seconds(1, 86_400),
        "seconds until a key removed from the JWK set stops working",
        default="300",
    )
    jwt_algorithms: tuple[str, ...] | None = variable(
        credentials.algorithms,
        "comma list of accepted algorithms; unset: those of the key",
        default=None,
    )
    jwt_secret_previous: Secret | None = variable(
        credentials.hmac_secret,
        "the previous HS256 secret, accepted until its tokens expire",
        default=None,
        file=True,
    )
    jwt_cookie: str | None = variable(
        parse.cookie_name, "name of a cookie that may carry the token", default=None
    )
    jwt_issuer: tuple[str, ...] | None = variable(
        parse.names, "required `iss` claim; a comma list for several issuers", default=None
    )
    jwt_audience: str | None = variable(parse.name, "required `aud` claim", default=None)
    jwt_leeway: float = variable(
        parse.seconds(0, 300), "seconds by which clocks may differ", default="10"
    )
    jwt_user_claim: str = variable(parse.name, "claim with the user id", default="sub")


@from_environment
class Settings(JwtSettings, UpstreamSettings):
    """The whole valid configuration. Durations are in seconds, sizes in bytes."""

    callback_secret: Secret | None = variable(
        credentials.callback_secret,
        "turns on the route for the vendor's callbacks: the password in the URL that the vendor "
        "calls, at least 32 characters",
        default=None,
        file=True,
    )
    create_scope: str | None = variable(
        parse.scope,
        "scope required to create a room; unset: all callers may",
        default=None,
    )
    admin_scope: str = variable(
        parse.scope, "scope that may stop or delete any room", default="rooms:admin"
    )
    cache_ttl: float = variable(_window, "seconds a room is fresh", default="2")
    cache_stale_while_revalidate: float = variable(
        _window, "seconds after that it is served while refreshed", default="2"
    )
    cache_stale_if_error: float = variable(
        _window,
        "seconds after expiry it is served when the upstream fails",
        default="30",
    )
    cache_negative_ttl: float = variable(
        _window, "seconds an unknown room is remembered", default="1"
    )
    cache_size: int = variable(
        parse.whole(1, 10_000_000), "rooms in memory at most", default="10000"
    )
    cache_max_bytes: int = variable(
        parse.whole(1, 1 << 40),
        "bytes of encoded rooms in memory, whichever bound is reached first",
        default="67108864",
    )
    redis_url: RedisUrl | NoStore | None = variable(
        addresses.redis_url,
        "Redis or Valkey that all processes share: redis://, rediss://, unix://, "
        "redis+sentinel:// or redis+cluster://; none: each process keeps to itself, on purpose. "
        "With several workers one of the two must be said",
        default=None,
        file=True,
    )
    redis_prefix: str = variable(
        addresses.redis_prefix, "first part of every key and channel", default="gateway"
    )
    rate_limit_reads: RateLimit | None = variable(
        parse.rate_limit,
        "reads per user, a batch counts one for each room; off disables",
        default="1200/minute",
    )
    rate_limit_writes: RateLimit | None = variable(
        parse.rate_limit, "writes per user; off disables", default="60/minute"
    )
    rate_limit_failed_auth: RateLimit | None = variable(
        parse.rate_limit,
        "401s per client address; off disables",
        default="60/minute",
    )
    max_concurrency: int = variable(
        parse.whole(1, 1_000_000),
        "requests in flight per worker before new ones get 503; one user may have a tenth of them",
        default="1000",
    )
    max_streams: int = variable(
        parse.whole(1, 1_000_000), "event streams open per worker; more get 503", default="15000"
    )
    max_streams_per_user: int = variable(
        parse.whole(1, 1_000_000),
        "event streams open per user and worker; more get 429",
        default="5",
    )
    trusted_proxies: tuple[Network, ...] | None = variable(
        addresses.networks,
        "comma list of addresses or CIDRs with a trusted X-Forwarded-For",
        default=None,
    )
    cors_origins: tuple[str, ...] | None = variable(
        addresses.origins,
        "comma list of origins, as https://app.example.com or https://*.example.com; or *",
        default=None,
    )
    host: str = variable(addresses.host, "public listener's address or name", default="127.0.0.1")
    port: int = variable(_port, "public listener's port", default="8080")
    root_path: str | None = variable(
        addresses.root_path,
        "prefix that a proxy in front strips, as /live; in `Location` and the API document",
        default=None,
    )
    docs: bool = variable(
        parse.switch, "`/docs` and `/openapi.json`; off: no such paths", default="on"
    )
    keepalive_timeout: float = variable(
        parse.seconds(1, 3600),
        "seconds an idle connection is kept, and a request's head may take; longer than the proxy "
        "in front keeps its own",
        default="75",
    )
    workers: int = variable(parse.whole(1, 256), "processes", default="1")
    metrics_host: str = variable(
        addresses.host, "private listener's address or name", default="127.0.0.1"
    )
    metrics_port: int = variable(
        parse.whole(0, 65_535), "private listener's port; 0: none", default="9090"
    )
    admin_token: Secret | None = variable(
        credentials.admin_token,
        "turns on `/admin/` on the private listener, for who sends this token; at least 32 "
        "characters",
        default=None,
        file=True,
    )
    log_level: LogLevel = variable(parse.log_level, "lowest severity in the log", default="info")
    log_format: LogFormat = variable(parse.log_format, "json or console", default="json")
    access_log: bool = variable(parse.switch, "one log line per request; off", default="on")
    log_caller: LogCaller = variable(
        parse.log_caller,
        "users in that line: hash of the user id, or off",
        default="hash",
    )
    shutdown_delay: float = variable(
        parse.seconds(0, 300),
        "seconds after SIGTERM in which `/readyz` already says 503 and requests are still "
        "accepted; SIGINT skips it",
        default="5",
    )
    shutdown_grace: float = variable(
        parse.seconds(0.001, 1800), "seconds in-flight requests get after that", default="10"
    )

    @property
    def store(self) -> RedisUrl | None:
        """The shared store, if there is one."""
        return None if self.redis_url == NO_STORE else self.redis_url


def key_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the key files that `environ` names, of the vendor and of tokens."""
    names = [each.file_name for each in variables(JwtSettings) + variables(UpstreamSettings)]
    return tuple(Path(environ[name]) for name in names if environ.get(name))

"""The keys in use: those that sign upstream calls and those that verify tokens.

Part of the composition root. `app` builds the gateway with them; `rotation` and the issuer's JWK
set replace them while it runs.
"""

import time
from collections import Counter as Counts
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import msgspec
from structlog.typing import FilteringBoundLogger

from gateway import USER_AGENT
from gateway.background import background_task
from gateway.handover import JWK_SET_SIZE, Handover, LastText
from gateway.identity import (
    CachingVerifier,
    ClaimRules,
    IssuersVerifier,
    JwksKeys,
    Key,
    KeySet,
    KeySource,
    StaticKeys,
    StaticKeySet,
    TokenVerifier,
    hmac_key,
    parse_key_set,
    public_key,
)
from gateway.secret import Secret
from gateway.settings import JwtSettings, Problem, Settings, SettingsError, UpstreamSettings, load
from gateway.telemetry import Counter
from gateway.upstream import QiniuSigner, Transport, build_transport, fetch

TOKENS = 10_000
"""Verified tokens in the cache."""

JWKS_TIMEOUT = 5.0
"""Seconds for one fetch of the JWK set."""

_PUBLIC = ("jwt_public_key", "jwt_jwks")
_KEYS = ("access_key", "secret_key", "jwt_secret", "jwt_secret_previous", *_PUBLIC)
_JWK_SET = "application/jwk-set+json, application/json"


class Keyring:
    """The signer and the token verifier. Raises SettingsError for an unusable key.

    Keys that it adopts later go to `handover`.
    """

    def __init__(
        self,
        settings: Settings,
        log: FilteringBoundLogger,
        *,
        refreshes: Counter,
        verifications: Counter,
        handover: Handover | None = None,
    ) -> None:
        self._last_keys = None if handover is None else handover.keys
        self.signer = qiniu_signer(settings)
        self._log = log
        self._static = StaticKeys(verification_keys(settings))
        self._static_set = StaticKeySet(configured_set(settings))
        self._issuers: list[Transport] = []
        self._sources: list[KeySource] = []
        for place, url in enumerate(settings.jwt_jwks_url or ()):
            transport = issuer_transport()
            self._issuers.append(transport)
            source = JwksKeys(
                partial(fetch_jwks, transport, url),
                settings.jwt_algorithms,
                refresh=settings.jwt_jwks_refresh,
                clock=time.monotonic,
                on_change=lambda: self.tokens.clear(),  # noqa: PLW0108  # they are made below
                log=log,
                refreshes=refreshes,
                issuer=None if settings.jwt_issuer is None else settings.jwt_issuer[place],
                last=None if handover is None else handover.jwk_sets[place],
            )
            self._sources.append(source)
        if not self._sources:
            self._sources.append(self._static if settings.jwt_jwks is None else self._static_set)
        self.tokens = CachingVerifier(
            self._verifier(settings),
            leeway=settings.jwt_leeway,
            clock=time.time,
            size=TOKENS,
            scopes=frozenset({settings.admin_scope, settings.create_scope or ""}),
            verifications=verifications,
        )

    def _verifier(self, settings: Settings) -> TokenVerifier | IssuersVerifier:
        issuers = settings.jwt_issuer or (None,)
        verifiers = {
            issuer: TokenVerifier(source, claim_rules(settings, issuer), time.time)
            for issuer, source in zip(issuers, self._sources, strict=True)
        }
        if len(verifiers) == 1:
            return verifiers[issuers[0]]
        return IssuersVerifier({name: each for name, each in verifiers.items() if name})

    @property
    def issuers(self) -> Counts[str]:
        """The number of issuers' key sets by state, one of `KEY_SET_STATES`."""
        return Counts(each.state for each in self._sources if isinstance(each, JwksKeys))

    @property
    def state(self) -> str:
        """The state of the verification keys: `ok`, `stale` or `missing`.

        `partial` if only some issuers' keys are missing: their users cannot sign in.
        """
        states = {each.state for each in self._sources}
        if "missing" in states and len(states) > 1:
            return "partial"
        return "stale" if "stale" in states else states.pop()

    def adopt(self, settings: Settings, read_at: float) -> None:
        """Switch to the keys in `settings`, or raise SettingsError and change nothing.

        `read_at` is the monotonic time at which reading them began.
        """
        self._use(settings)
        if self._last_keys is not None:
            hand_over(settings, self._last_keys, read_at)

    def follow(self, settings: Settings) -> None:
        """Switch to the last keys of any worker; the rest of `settings` is of no account."""
        if self._last_keys is not None:
            self._use(with_last_keys(settings, self._last_keys))

    def _use(self, settings: Settings) -> None:
        self._static.replace(verification_keys(settings))
        self._static_set.replace(configured_set(settings))
        self.signer.use(settings.access_key.reveal(), settings.secret_key.reveal())
        self.tokens.clear()

    @asynccontextmanager
    async def kept_current(self) -> AsyncGenerator[None]:
        """Refresh the issuer's keys in the background until the block is left."""
        async with AsyncExitStack() as stack:
            for transport in self._issuers:
                stack.push_async_callback(transport.aclose)
            for source in self._sources:
                await stack.enter_async_context(background_task(source.keep_fresh, self._log))
            yield


def issuer_transport() -> Transport:
    """Return a transport to the issuer of tokens; close it with `aclose`."""
    return build_transport(connections=1, max_body=JWK_SET_SIZE, user_agent=USER_AGENT)


async def fetch_jwks(issuer: Transport, url: str) -> bytes:
    """Return the text of the JWK set; raise ConnectionError."""
    return await fetch(issuer, url, seconds=JWKS_TIMEOUT, accept=_JWK_SET)


def qiniu_signer(settings: UpstreamSettings) -> QiniuSigner:
    """Return the signer of upstream calls."""
    return QiniuSigner(settings.access_key.reveal(), settings.secret_key.reveal())


def hand_over(settings: Settings, last: LastText, read_at: float) -> None:
    """Put the keys in `settings`, which a worker began to read at `read_at`, for all workers."""
    last.put(msgspec.msgpack.encode(_key_texts(settings)), read_at)


def with_last_keys(settings: Settings, last: LastText) -> Settings:
    """Return `settings` with the last keys of any worker in place of their own."""
    text = last.get()
    if text is None:
        return settings
    texts: dict[str, str | None] = msgspec.msgpack.decode(text)
    keys = {
        name: each if each is None or name in _PUBLIC else Secret(each)
        for name, each in texts.items()
    }
    return replace(settings, **keys)  # type: ignore[arg-type]  # by name


def _key_texts(settings: Settings) -> dict[str, str | None]:
    keys = {name: getattr(settings, name) for name in _KEYS}
    return {name: key.reveal() if isinstance(key, Secret) else key for name, key in keys.items()}


def usable_settings(environ: Mapping[str, str]) -> Settings:
    """Load the configuration and check its keys; raise SettingsError."""
    settings = load(environ)
    verification_keys(settings)
    return settings


def verification_keys(settings: JwtSettings) -> list[Key]:
    """Return the configured keys, the current one first; raise SettingsError for a bad one."""
    given = {
        "PUBLIC_KEY": settings.jwt_public_key,
        "SECRET": settings.jwt_secret,
        "SECRET_PREVIOUS": settings.jwt_secret_previous,
    }
    keys = []
    for field, text in given.items():
        try:
            if isinstance(text, str):
                keys.append(public_key(text.encode(), settings.jwt_algorithms))
            elif text is not None:
                keys.append(hmac_key(text.reveal().encode(), settings.jwt_algorithms))
        except ValueError as error:
            raise SettingsError(Problem(f"GATEWAY_JWT_{field}", str(error))) from error
    return keys + [each.key for each in configured_set(settings).keys]


def configured_set(settings: JwtSettings) -> KeySet:
    """Return the configured JWK set, empty without one; raise SettingsError for a bad one."""
    if settings.jwt_jwks is None:
        return KeySet((), ())
    try:
        keys = parse_key_set(settings.jwt_jwks.encode(), settings.jwt_algorithms)
    except ValueError as error:
        raise SettingsError(Problem("GATEWAY_JWT_JWKS", str(error))) from error
    if not keys.keys:
        reasons = " ".join(keys.left_out) or "it is empty"
        raise SettingsError(Problem("GATEWAY_JWT_JWKS", f"has no usable key: {reasons}"))
    return keys


def claim_rules(settings: JwtSettings, issuer: str | None = None) -> ClaimRules:
    """Return the rules for the claims of a token of `issuer`, else of the first one."""
    return ClaimRules(
        issuer=issuer or (settings.jwt_issuer or (None,))[0],
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
        user_claim=settings.jwt_user_claim,
    )

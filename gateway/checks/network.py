"""Network checks: a read upstream, a token, the issuers' JWK sets, a write to the shared store."""

from collections.abc import Iterator

from msgspec import Struct

from gateway import USER_AGENT
from gateway.identity import KeySet, parse_key_set
from gateway.keyring import configured_set, fetch_jwks, issuer_transport, qiniu_signer
from gateway.redis_url import RedisUrl
from gateway.settings import JwtSettings, Settings
from gateway.shared_store import StoreUnavailable, try_store
from gateway.threads import drain_native_threads
from gateway.upstream import build_transport, transmit

from .finding import Finding, Severity
from .probe import Probe, probe
from .vendor_token import TokenAnswer, token_findings, try_token

_JWK_SET = "JWK set"
_STORE = "store"


class NetworkReport(Struct, frozen=True):
    """The findings, and the lifetime of a vendor token in seconds, None without one."""

    findings: list[Finding]
    token_seconds: float | None


async def network_report(settings: Settings) -> NetworkReport:
    """Call upstream, each issuer, and the shared store, and close the connections."""
    try:
        answer, token = await _upstream(settings)
        found = [*upstream_findings(settings, answer), *token_findings(token)]
        for url in settings.jwt_jwks_url or ():
            found += await _issuer_findings(settings, url)
        if settings.store is not None:
            found += await store_findings(settings.store, settings.redis_prefix)
    finally:
        await drain_native_threads()
    return NetworkReport(found, token.seconds)


def upstream_findings(settings: Settings, answer: Probe) -> Iterator[Finding]:
    """Judge the upstream's answer and the difference between the clocks."""
    if answer.problem is not None:
        yield Finding(Severity.FAILED, "upstream", f"{settings.upstream_route}: {answer.problem}")
    else:
        latency = f"{answer.latency * 1000:.0f} ms"
        accepted = f"{settings.upstream_route} accepted the signature in {latency}"
        yield Finding(Severity.OK, "upstream", accepted)
    if answer.clock_skew is not None:
        wrong = abs(answer.clock_skew) > max(settings.jwt_leeway, 1)
        direction = "ahead of" if answer.clock_skew >= 0 else "behind"
        message = f"{abs(answer.clock_skew)} s {direction} the upstream's"
        yield Finding(Severity.WARNING if wrong else Severity.OK, "clock", message)


def key_set_findings(published: KeySet) -> Iterator[Finding]:
    """Judge a JWK set: a warning for each unusable key, a failure without any usable one."""
    for reason in published.left_out:
        yield Finding(Severity.WARNING, _JWK_SET, reason)
    if published.keys:
        yield Finding(Severity.OK, _JWK_SET, f"{len(published.keys)} usable key(s)")
    else:
        yield Finding(Severity.FAILED, _JWK_SET, "it has no usable key")


async def store_findings(url: RedisUrl, prefix: str) -> list[Finding]:
    """Write to the shared store once, and judge what it does when it is full."""
    try:
        answer = await try_store(url, prefix)
    except StoreUnavailable as error:
        return [Finding(Severity.FAILED, _STORE, f"{url.shown}: {error}")]
    found = [
        Finding(
            Severity.OK, _STORE, f"{url.shown} accepted a write in {answer.latency * 1000:.0f} ms"
        )
    ]
    if answer.policy not in {None, "noeviction"}:
        message = (
            f"maxmemory-policy {answer.policy}: it may forget outcomes of creates and refusals"
        )
        found.append(Finding(Severity.WARNING, _STORE, message, "set noeviction"))
    return found


def configured_set_findings(settings: JwtSettings) -> list[Finding]:
    """Judge the configured JWK set, if there is one."""
    return [] if settings.jwt_jwks is None else list(key_set_findings(configured_set(settings)))


async def _upstream(settings: Settings) -> tuple[Probe, TokenAnswer]:
    """Return the answers to a read, and to a call for a token if such calls are made."""
    transport = build_transport(
        connections=1,
        max_body=settings.upstream_max_body,
        proxy=settings.upstream_proxy,
        user_agent=USER_AGENT,
    )
    try:
        send = transmit(transport, qiniu_signer(settings), settings.upstream_url)
        answer, token = await probe(send, settings.upstream_timeout), TokenAnswer()
        if settings.vendor_app_id is not None and answer.problem is None:
            token = await try_token(send, settings.vendor_app_id, settings.upstream_timeout)
        return answer, token
    finally:
        await transport.aclose()


async def _issuer_findings(settings: JwtSettings, url: str) -> list[Finding]:
    issuer = issuer_transport()
    try:
        published = parse_key_set(await fetch_jwks(issuer, url), settings.jwt_algorithms)
    except (OSError, ValueError) as error:
        return [Finding(Severity.FAILED, _JWK_SET, str(error))]
    finally:
        await issuer.aclose()
    return list(key_set_findings(published))

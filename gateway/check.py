"""`gateway check`: what an operator wants to know before the first user does.

The configuration is valid when this runs; what is found here are warnings, which do not fail the
check, and what the upstream says to one signed read.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from gateway.settings import Settings, pending
from gateway.upstream import Probe


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(Struct, frozen=True):
    """The result of one check: its subject, a variable or a dependency, and a sentence."""

    verdict: Verdict
    subject: str
    message: str


class Report(Struct, frozen=True):
    """All findings; `ok` unless one of them failed."""

    ok: bool
    findings: tuple[Finding, ...]


def report(settings: Settings, environ: Mapping[str, str], probe: Probe | None) -> Report:
    """Return everything there is to say; `probe` is None when the network was not to be used."""
    findings = (*_configuration(settings, environ), *_upstream(settings, probe))
    return Report(all(each.verdict is not Verdict.FAILED for each in findings), findings)


def _configuration(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding(Verdict.OK, "configuration", "valid")
    if settings.jwt_issuer is None:
        advice = "not set: tokens of any issuer that has the key are accepted"
        yield Finding(Verdict.WARNING, "GATEWAY_JWT_ISSUER", advice)
    if settings.jwt_audience is None:
        advice = "not set: tokens made for other services are accepted"
        yield Finding(Verdict.WARNING, "GATEWAY_JWT_AUDIENCE", advice)
    for name in pending(environ):
        yield Finding(Verdict.WARNING, name, "not in effect yet")


def _upstream(settings: Settings, probe: Probe | None) -> Iterator[Finding]:
    if probe is None:
        return
    latency = f"{probe.latency * 1000:.0f} ms"
    if probe.problem is not None:
        yield Finding(Verdict.FAILED, "upstream", f"{settings.upstream_url}: {probe.problem}")
    else:
        accepted = f"{settings.upstream_url} accepted the signature in {latency}"
        yield Finding(Verdict.OK, "upstream", accepted)
    if probe.clock_skew is not None:
        late = abs(probe.clock_skew) > max(settings.jwt_leeway, 1)
        direction = "ahead of" if probe.clock_skew >= 0 else "behind"
        message = f"{abs(probe.clock_skew)} s {direction} the upstream's"
        yield Finding(Verdict.WARNING if late else Verdict.OK, "clock", message)

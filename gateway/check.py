"""`gateway check`: what an operator wants to know before the first user does.

The configuration is valid when this runs. Told is what the upstream says to one signed read, which
fails the check where it goes wrong, and what the audit's rules find, which fails it only from a
severity on that the operator chooses.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from gateway import audit
from gateway.keyring import IssuerCheck
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
    """What was checked and what the audit found; `ok` unless some of it fails the check."""

    ok: bool
    findings: tuple[Finding, ...]
    audit: tuple[audit.Finding, ...]


def report(
    settings: Settings,
    environ: Mapping[str, str],
    probe: Probe | None,
    files: Sequence[audit.KeyFile] = (),
    fail_on: audit.Severity | None = None,
    *,
    issuer: IssuerCheck | None = None,
) -> Report:
    """Return everything there is to say; `probe` and `issuer` are None where nobody was asked.

    What the audit finds, and a warning, fails it from the severity `fail_on` on; with None never.
    """
    findings = (*_configuration(environ), *_upstream(settings, probe), *_issuer(issuer))
    audited = tuple(audit.findings(settings, files))
    ok = all(each.verdict is not Verdict.FAILED for each in findings)
    if fail_on is not None:
        told = [each.severity for each in audited]
        told += [audit.Severity.WARNING for each in findings if each.verdict is Verdict.WARNING]
        ok = ok and not any(each.reaches(fail_on) for each in told)
    return Report(ok, findings, audited)


class Row(Struct, frozen=True):
    """A finding of either kind, for people; `rule` and `advice` only where the audit has it."""

    severity: str
    subject: str
    message: str
    rule: str = ""
    advice: str = ""


def rows(report: Report) -> list[Row]:
    """Return all that the report has to tell."""
    return [
        *(Row(each.verdict, each.subject, each.message) for each in report.findings),
        *(
            Row(each.severity, each.variable, each.message, each.rule, each.advice)
            for each in report.audit
        ),
    ]


def lines(report: Report) -> Iterator[str]:
    """Return the report for people, a line a finding: how severity, what about, what is so."""
    told = rows(report)
    width = max(len(row.subject) for row in told)
    for row in told:
        message = f"{row.rule}: {row.message}; {row.advice}" if row.rule else row.message
        yield f"{row.severity:<7}  {row.subject:<{width}}  {message}"


def _configuration(environ: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding(Verdict.OK, "configuration", "valid")
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


def _issuer(issuer: IssuerCheck | None) -> Iterator[Finding]:
    if issuer is None:
        return
    for reason in issuer.left_out:
        yield Finding(Verdict.WARNING, "JWK set", reason)
    if issuer.problem is not None:
        yield Finding(Verdict.FAILED, "JWK set", issuer.problem)
    else:
        yield Finding(Verdict.OK, "JWK set", f"{issuer.keys} usable key(s)")

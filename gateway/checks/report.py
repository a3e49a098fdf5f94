"""The report of `gateway check`: every finding, and the verdict."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from gateway.settings import Problem, Settings

from .audit import audit
from .finding import Finding, Severity
from .key_files import KeyFile


class Report(Struct, frozen=True):
    """The findings of the checks and those of the audit; `ok` is the verdict."""

    ok: bool
    findings: tuple[Finding, ...]
    audit: tuple[Finding, ...] = ()


def report(
    settings: Settings,
    environ: Mapping[str, str],
    found: Iterable[Finding] = (),
    files: Sequence[KeyFile] = (),
    fail_on: Severity = Severity.FAILED,
    token_seconds: float | None = None,
) -> Report:
    """Return the report on a valid configuration, `ok` unless a finding reaches `fail_on`.

    `found` are the findings about listeners and network, `token_seconds` is as in `audit`.
    """
    findings = (
        Finding(Severity.OK, "configuration", "valid"),
        *found,
    )
    audited = tuple(audit(settings, files, environ, token_seconds))
    ok = not any(each.severity.reaches(fail_on) for each in findings + audited)
    return Report(ok, findings, audited)


def invalid(problems: Iterable[Problem]) -> Report:
    """Return the report on a configuration that is not valid."""
    return Report(
        ok=False,
        findings=tuple(Finding(Severity.FAILED, each.variable, each.message) for each in problems),
    )

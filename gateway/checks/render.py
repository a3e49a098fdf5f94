"""Reports as JSON, as plain text, and in colour on a terminal.

The severity is a word as well as a colour: with NO_COLOR, or to colour-blind readers, nothing is
lost. rich is imported only for a terminal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from .finding import Severity
from .report import Report

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = MappingProxyType(
    {
        Severity.OK: "green",
        Severity.INFO: "cyan",
        Severity.WARNING: "yellow",
        Severity.ERROR: "bold red",
        Severity.FAILED: "bold red",
    }
)
_NOUNS = MappingProxyType(
    {
        Severity.FAILED: "failure",
        Severity.ERROR: "error",
        Severity.WARNING: "warning",
        Severity.INFO: "note",
    }
)
"""The worst first."""


def encoded(report: Report) -> bytes:
    """Return the report as JSON."""
    return msgspec.json.encode(report)


def lines(report: Report) -> Iterator[str]:
    """Return one line per finding: severity, subject, message, and the audit's advice."""
    found = report.findings + report.audit
    width = max(len(each.subject) for each in found)
    for each in found:
        message = f"{each.rule}: {each.message}; {each.advice}" if each.rule else each.message
        yield f"{each.severity:<7}  {each.subject:<{width}}  {message}"


def show(report: Report, console: "Console") -> None:
    """Print the findings and the verdict on a terminal, folded to its width."""
    from rich.table import Table  # noqa: PLC0415  # not needed in scripts and servers
    from rich.text import Text  # noqa: PLC0415  # same

    found = report.findings + report.audit
    arrow = "→" if console.encoding.startswith("utf") else ">"
    table = Table.grid(padding=(0, 2, 0, 0))
    for each in found:
        severity = Text(f"  {each.severity:<7}", _STYLES[each.severity], no_wrap=True)
        details = Text(f"{each.subject}  {each.message}", overflow="fold")
        details.stylize("bold", 0, len(each.subject))
        if each.advice:
            details.append(f"\n{arrow} {each.advice}", "cyan")
        table.add_row(severity, Text(each.rule, "dim"), details)
    verdict = Text("passed", "bold green") if report.ok else Text("failed", "bold red")
    count = counted(each.severity for each in found)
    if count:
        verdict.append(f": {count}", "default not bold")
    console.print(table, "", verdict, sep="\n")


def counted(severities: Iterable[Severity]) -> str:
    """Return the number of findings by severity, such as `1 error, 2 warnings`."""
    counts = Counter(severities)
    return ", ".join(
        f"{counts[severity]} {noun}{'' if counts[severity] == 1 else 's'}"
        for severity, noun in _NOUNS.items()
        if counts[severity]
    )

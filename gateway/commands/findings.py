"""Findings on a terminal: what `check.lines` has, and SettingsError, to be read and not parsed.

How severity something is stands in words as well as in colour: NO_COLOR and the colour-blind lose
nothing. What to do stands on a line of its own.
"""

from collections.abc import Sequence
from types import MappingProxyType

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.check import Report, Row, rows
from gateway.settings import Problem

from .counts import counted

_STYLES = MappingProxyType(
    {"ok": "green", "info": "cyan", "warning": "yellow", "error": "bold red", "failed": "bold red"}
)


def show(report: Report, console: Console | None = None) -> None:
    """Print the report on a terminal, as wide as that is."""
    console = console or Console(highlight=False)
    found = rows(report)
    checks, audited = [row for row in found if not row.rule], [row for row in found if row.rule]
    console.print("\n[bold]Checks[/]", _checks(checks), "", sep="\n")
    if audited:
        console.print("[bold]Audit[/]", _audit(audited, _arrow(console)), "", sep="\n")
    console.print(_verdict(report, found))


def show_problems(problems: Sequence[Problem], console: Console | None = None) -> None:
    """Print what is wrong with a configuration on a terminal, to standard error."""
    console = console or Console(highlight=False, stderr=True)
    found = [Row("failed", each.variable, each.message) for each in problems]
    title = Text("gateway: the configuration is not valid", "bold red")
    console.print(title, "", _checks(found), "", sep="\n")


def _checks(checks: list[Row]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in checks:
        table.add_row(_grave(row), _folded(row.subject, "bold"), _folded(row.message))
    return table


def _arrow(console: Console) -> str:
    return "→" if console.encoding.startswith("utf") else ">"


def _audit(audited: list[Row], arrow: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in audited:
        table.add_row(_grave(row), Text(row.rule, "dim"), _told(row, arrow))
    return table


def _grave(row: Row) -> Text:
    return Text(f"  {row.severity:<7}", _STYLES[row.severity], no_wrap=True)


def _told(row: Row, arrow: str) -> RenderableType:
    advice = Table.grid(padding=(0, 1, 0, 0))
    advice.add_row(Text(arrow, "cyan"), _folded(row.advice, "cyan"))
    return Group(_folded(row.subject, "bold"), _folded(row.message), advice)


def _folded(text: str, style: str = "") -> Text:
    """Return what is broken where it does not fit, and not cut."""
    return Text(text, style, overflow="fold")


def _verdict(report: Report, found: list[Row]) -> Text:
    word = Text("passed", "bold green") if report.ok else Text("failed", "bold red")
    told = counted(row.severity for row in found)
    return word.append(f": {told}", "default not bold") if told else word

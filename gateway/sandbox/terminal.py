"""The sandbox on a terminal: its first words in colour, then a line for each request."""

import re

import click
from rich.console import Console

from gateway.telemetry import RequestLine

_ADDRESS = re.compile(r"(?<![\w/])https?://[\w.:-]+(/[\w/]*)?")
_HEADING = re.compile(r"^Live room gateway.*|^\S.*:$", re.MULTILINE)
_NAME = re.compile(r"^  (?=\w+ {2,}http)\w+", re.MULTILINE)
_COLOURS = ("", "", "green", "cyan", "yellow", "red")
"""By the first digit of a status."""


def understands_colour() -> bool:
    """Return True if standard output is a terminal with ANSI colours, and nobody wants none."""
    console = Console()
    return bool(console.color_system) and not (console.no_color or console.legacy_windows)


def in_colour(text: str) -> str:
    """Return the welcome with headings, names and addresses that stand out."""
    text = _HEADING.sub(lambda found: click.style(found[0], bold=True), text)
    text = _NAME.sub(lambda found: click.style(found[0], dim=True), text)
    return _ADDRESS.sub(lambda found: click.style(found[0], fg="cyan"), text)


def request_line(line: RequestLine, *, colour: bool) -> bytes:
    """Return the line of a request: time, method, route, status, time taken, user and more."""
    shown = _columns(line)
    return (shown if colour else click.unstyle(shown)).rstrip().encode() + b"\n"


def _columns(line: RequestLine) -> str:
    status = "gone" if line.status is None else str(line.status)
    colour = _COLOURS[(line.status or 400) // 100]
    words = (
        click.style(f"  {line.timestamp.astimezone():%H:%M:%S}", dim=True),
        f"{line.method:<7}{line.route:<31}",
        click.style(f"{status:<5}", fg=colour, bold=True),
        click.style(f"{line.milliseconds:7.1f} ms", dim=True),
        f" {line.caller or '':<7}",
        click.style(line.cache or line.refused or "", dim=True),
    )
    return " ".join(words)

"""The sandbox on a terminal: its first words in colour, then a line for each request."""

import re

import click

from gateway.telemetry import RequestLine

_ADDRESS = re.compile(r"(?<![\w/])https?://[\w.:-]+(/[\w/]*)?")
_HEADING = re.compile(r"^(?! )\S.*", re.MULTILINE)
_NAME = re.compile(r"^  (?=\w+ {2,}http)\w+", re.MULTILINE)
_COLOURS = ("", "", "green", "cyan", "yellow", "red")
"""By the first digit of a status."""


def in_colour(text: str) -> str:
    """Return the welcome with headings, names and addresses that stand out."""
    text = _HEADING.sub(lambda found: click.style(found[0], bold=True), text)
    text = _NAME.sub(lambda found: click.style(found[0], dim=True), text)
    return _ADDRESS.sub(lambda found: click.style(found[0], fg="cyan"), text)


def request_line(line: RequestLine) -> bytes:
    """Return a request as a line in columns: time, method, route, status, time taken, user, more."""
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
    return " ".join(words).rstrip().encode() + b"\n"

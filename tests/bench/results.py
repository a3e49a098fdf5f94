"""Tables of results: a row, its printed form, and its place in RESULTS.md.

Each script owns the lines between `<!-- its name -->` and `<!-- end of its name -->`. So none
erases another's results or the notes around them.
"""

import os
import platform
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

FILE = Path(__file__).parent / "RESULTS.md"
HEAD = "| row | compared with | figure | must reach | |\n| --- | --- | --- | --- | --- |"


class Row(Struct, frozen=True):
    """One line of a table; a dash as `must_reach` means no bound."""

    row: str
    compared_with: str
    figure: str
    must_reach: str
    reached: bool
    detail: str

    def __str__(self) -> str:
        mark = "" if self.reached else " **missed**"
        cells = (self.row, self.compared_with, self.figure + mark, self.must_reach, self.detail)
        return f"| {' | '.join(cells)} |"


def told(row: str, figure: str, detail: str = "", compared_with: str = "–") -> Row:
    """Return a row without a bound."""
    return Row(row, compared_with, figure, "–", reached=True, detail=detail)


def printed(rows: Iterable[Row]) -> list[Row]:
    """Print a table row by row, and return the rows."""
    print(HEAD)
    kept = []
    for row in rows:
        kept.append(row)
        print(row, flush=True)
    return kept


def record(name: str, rows: Iterable[Row]) -> None:
    """Write a table into RESULTS.md, with date, machine and command."""
    command = " ".join(["python -m", _module(), *sys.argv[1:]])
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, `{command}`.\n", HEAD, *map(str, rows)]
    FILE.write_text(replaced(FILE.read_text("utf-8"), name, "\n".join(lines)), "utf-8")


def replaced(text: str, name: str, table: str) -> str:
    """Return `text` with the section of `name` replaced; raise ValueError without one."""
    section = re.compile(f"(?<=<!-- {name} -->\n).*(?=<!-- end of {name} -->)", re.DOTALL)
    if section.search(text) is None:
        raise ValueError(f"RESULTS.md has no section {name}")
    return section.sub(lambda _: f"{table}\n", text)


def machine() -> str:
    """Return the size of this machine in words."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"
    return f"{cores}, {memory:.0f} GiB, CPython {platform.python_version()}"


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name.removesuffix(".__main__") if spec else "tests.bench"

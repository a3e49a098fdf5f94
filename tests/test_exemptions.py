"""Every exemption from a check names the check and a reason.

ruff (RUF100) and mypy (warn_unused_ignores) report their own exemptions that nothing needs.
"""

import fnmatch
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vulture import Vulture

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for top in ("gateway", "tests")
    for path in sorted(ROOT.joinpath(top).rglob("*.py"))
    if ".cache" not in path.parts
]
PYPROJECT = ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8")
TOOLS: dict[str, Any] = tomllib.loads(PYPROJECT)["tool"]

MARK = re.compile(r"noqa|type:\s*ignore|nosec|pragma|pylint:|pyright:|fmt:|ruff:|mypy:|isort:")
"""How a comment that exempts from something begins."""

EXPLAINED = re.compile(
    r"(?:# (?:(?:ruff: )?noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[\w, -]+\]"
    r"|nosec B\d+|pragma: no (?:cover|branch))  )+# \S.*"
)
"""One or more exemptions, each with its code, and then the reason."""


def comments(source: str) -> Iterator[str]:
    """Return the comments of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def unexplained(source: str) -> list[str]:
    """Return the comments that exempt from a check and do not say from which, and why."""
    exempting = (each for each in comments(source) if MARK.match(each.lstrip("# ")))
    return [each for each in exempting if not EXPLAINED.fullmatch(each)]


def test_exemptions_in_the_source() -> None:
    """Each has its code and its reason."""
    found = {path: unexplained(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: comments for path, comments in found.items() if comments} == {}


@pytest.mark.parametrize(
    ("comment", "explained"),
    [
        ("# noqa: S311  # no secret", True),
        ("# noqa: S311, PLR2004  # no secret", True),
        ("# ruff: noqa: PLC0415  # said above", True),
        ("# type: ignore[arg-type]  # noqa: SLF001  # by hand", True),
        ("# pragma: no cover  # another system's", True),
        ("# nosec B101  # why", True),
        ("# noqa", False),
        ("# noqa: S311", False),
        ("# noqa: S311 no secret", False),
        ("# noqa  # no secret", False),
        ("# type: ignore  # by hand", False),
        ("# type: ignore[arg-type]", False),
        ("# pragma: no cover", False),
        ("# nosec  # why", False),
        ("# ruff: noqa", False),
        ("# fmt: off", False),
    ],
)
def test_the_search_tells_them_apart(comment: str, *, explained: bool) -> None:
    """Without a code or a reason it is found."""
    assert unexplained(f"x = 1  {comment}\n") == ([] if explained else [comment])


EXEMPTING = re.compile("ignore|exclude|skips|omit")
"""What the name of a setting has that leaves something out of a check, or its table's name."""


def unexplained_settings(text: str) -> list[str]:
    """Return the lines of a TOML text that leave something out and do not say why."""
    found, by_table, by_key = [], False, False
    for line in text.splitlines():
        if line.startswith("["):
            by_table = bool(EXEMPTING.search(line))
            by_key = False
        elif key := re.match(r"(\S+) = ", line):
            by_key = by_table or bool(EXEMPTING.search(key[1]))
        around = not line or line == "]" or line.endswith("= [")
        if by_key and not around and "  # " not in line:
            found.append(line)
    return found


def test_exemptions_in_the_settings() -> None:
    """Each of a tool's settings that leaves something out has the reason on its line."""
    assert unexplained_settings(PYPROJECT) == []


def unused(*tops: str) -> set[str]:
    """Return the names that nothing in these folders uses, the ignored ones too."""
    search = Vulture()
    folders = [str(ROOT / top) for top in tops]
    search.scavenge(folders, exclude=[str(ROOT / each) for each in TOOLS["vulture"]["exclude"]])
    return {str(item.name) for item in search.get_unused_code(min_confidence=60)}


def test_names_that_count_as_used_would_not_otherwise() -> None:
    """Each name that vulture is told to ignore is one that it would find."""
    found = unused("gateway") | unused("gateway", "tests")
    ignored = TOOLS["vulture"]["ignore_names"]
    assert [name for name in ignored if not fnmatch.filter(found, name)] == []


def test_what_nothing_uses_is_found(tmp_path: Path) -> None:
    """The search sees a function, a method and an attribute that nothing uses."""
    tmp_path.joinpath("dead.py").write_text(
        "def dead_function() -> None: ...\n"
        "class Alive:\n"
        "    def __init__(self) -> None:\n"
        "        self.dead_attribute = 1\n"
        "    def dead_method(self) -> None: ...\n"
        "Alive()\n"
    )
    assert unused(str(tmp_path)) == {"dead_function", "dead_attribute", "dead_method"}

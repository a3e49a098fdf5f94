"""The Chinese README must keep up with the English one."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENGLISH = ROOT.joinpath("README.md").read_text("utf-8")
CHINESE = ROOT.joinpath(".github/README.zh-CN.md").read_text("utf-8")

CODE = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
PART = ENGLISH[ENGLISH.index("## Quick start") : ENGLISH.index("## Deploy")]
"""The translated part."""


def codes(text: str) -> list[tuple[str, str]]:
    """Return status and code of each problem in the table."""
    return re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, re.MULTILINE)


def test_the_problems_are_the_same() -> None:
    """Both READMEs list the same codes and statuses in the same order."""
    assert codes(CHINESE) == codes(ENGLISH) != []


def test_the_code_is_the_same() -> None:
    """Both have the same code blocks, but for a room's title and the tests."""
    blocks = [each for each in CODE.findall(PART) if "pytest" not in each]
    translated = [each.replace("周五场", "Friday session") for each in CODE.findall(CHINESE)]
    assert translated == blocks


def test_what_is_quoted_is_quoted() -> None:
    """Every header, field, route and setting of the English text is in the Chinese."""
    prose = CODE.sub("", PART)
    assert set(QUOTED.findall(prose)) - {"pytest"} <= set(QUOTED.findall(CODE.sub("", CHINESE)))

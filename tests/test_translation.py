"""The Chinese README keeps up with the English one: what needs no translation is the same."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENGLISH = ROOT.joinpath("README.md").read_text("utf-8")
CHINESE = ROOT.joinpath(".github/README.zh-CN.md").read_text("utf-8")

CODE = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
PART = ENGLISH[ENGLISH.index("## Quick start") : ENGLISH.index("## Deploy")]
"""What is translated."""


def codes(text: str) -> list[tuple[str, str]]:
    """Return status and code of each problem in a table."""
    return re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, re.MULTILINE)


def test_the_problems_are_the_same() -> None:
    """Every code with its status, in the same order."""
    assert codes(CHINESE) == codes(ENGLISH) != []


def test_the_code_is_the_same() -> None:
    """Every block, but for the title of a room and the tests, which are for developers."""
    blocks = [each for each in CODE.findall(PART) if "pytest" not in each]
    translated = [each.replace("周五场", "Friday session") for each in CODE.findall(CHINESE)]
    assert translated == blocks


def test_what_is_quoted_is_quoted() -> None:
    """No header, field, route or setting is left out."""
    prose = CODE.sub("", PART)
    assert set(QUOTED.findall(prose)) - {"pytest"} <= set(QUOTED.findall(CODE.sub("", CHINESE)))

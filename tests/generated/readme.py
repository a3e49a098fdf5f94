"""README's commands that make clients, and its code that uses them, as they stand there."""

import re

from tests.commands import ROOT

_README = ROOT.joinpath("README.md").read_text("utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NO_NAMES = re.compile(r"//.*|'[^']*'|\"(?:[^\"\\]|\\.)*\"")
"""Comments and text."""


def code(language: str) -> str:
    """Return the only block of code in a language."""
    [found] = [text for name, text in _BLOCK.findall(_README) if name == language]
    return str(found)


def commands() -> list[str]:
    """Return the command for each client."""
    return [text for _, text in _BLOCK.findall(_README) if text.startswith("openapi-generator-cli")]


def names(language: str) -> set[str]:
    """Return the types, members and named arguments in the code of a language."""
    return set(re.findall(r"\b[A-Z]\w*|(?<=\.)\w+|\w+(?=:)", _NO_NAMES.sub("", code(language))))

"""The README's tables are the code's."""

import re
from pathlib import Path

from gateway.audit import RULES
from gateway.edge import PROBLEMS
from gateway.settings import Settings, variables

README = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")


def test_settings_table() -> None:
    """Every variable stands in the README with its default, meaning and marks, and no other."""
    expected = []
    for each in variables(Settings):
        unset = "required" if each.required else "–"
        default = unset if each.default is None else f"`{each.default}`"
        star, note = (" *" if each.file else ""), ("" if each.in_effect else " ¹")
        expected.append(f"| `{each.name}`{star} | {default} | {each.about}{note} |")
    assert re.findall(r"^\| `GATEWAY_.*$", README, re.MULTILINE) == expected


def test_error_table() -> None:
    """Every problem stands in the README with its status and advice, and no other."""
    expected = [f"| {row.status} | `{code}` | {row.detail} |" for code, row in PROBLEMS.items()]
    assert re.findall(r"^\| \d{3} \| .*$", README, re.MULTILINE) == expected


def test_audit_table() -> None:
    """Every rule of the audit stands in the README with its severity, and no other."""
    expected = [f"| {rule.number} | {rule.severity} | {rule.about} |" for rule in RULES]
    assert re.findall(r"^\| A\d\d \| .*$", README, re.MULTILINE) == expected

"""The tables of the documents must match the code."""

import re
from pathlib import Path

import pytest

from gateway.checks import RULES
from gateway.edge import PROBLEMS
from gateway.metrics import Metrics
from gateway.settings import Settings, variables
from gateway.telemetry import Exposition, families

ROOT = Path(__file__).parent.parent
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
RESULTS = ROOT.joinpath("tests/bench/RESULTS.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.joinpath(".github").glob("*.md"))]


def test_settings_table() -> None:
    """README lists every variable with its default, meaning and marks, and no other."""
    expected = []
    for each in variables(Settings):
        unset = "required" if each.required else "–"
        default = unset if each.default is None else f"`{each.default}`"
        star = " *" if each.file else ""
        expected.append(f"| `{each.name}`{star} | {default} | {each.about} |")
    assert re.findall(r"^\| `GATEWAY_.*$", README, re.MULTILINE) == expected


def test_error_table() -> None:
    """README lists every problem with its status and advice, and no other."""
    expected = [f"| {row.status} | `{code}` | {row.detail} |" for code, row in PROBLEMS.items()]
    assert re.findall(r"^\| \d{3} \| .*$", README, re.MULTILINE) == expected


def test_audit_table() -> None:
    """README lists every audit rule with its severity, and no other."""
    expected = [f"| {rule.number} | {rule.severity} | {rule.about} |" for rule in RULES]
    assert re.findall(r"^\| A\d\d \| .*$", README, re.MULTILINE) == expected


def figures(row: str) -> tuple[list[float], list[float]]:
    """Return a row's ratios, and requests a second, in RESULTS.md."""
    found = re.findall(
        rf"^\| {row} \| ([\d.]+)\D.* \| ([\d,]+) / [\d,]+ req/s", RESULTS, re.MULTILINE
    )
    return [float(ratio) for ratio, _ in found], [_number(rate) for _, rate in found]


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def test_speed() -> None:
    """README's figures of one core are those of the benchmark's last run, rounded."""
    told = re.search(
        r"answers ([\d,]+) to ([\d,]+) cached reads a second, some ([\d.]+) of what a bare\s+"
        r"ASGI application does there, or some ([\d,]+) if each goes upstream",
        README,
    )
    assert told
    least, most, ratio, misses = map(_number, told.groups())
    ratios, without_log = figures(r"cached read, access log off \| a bare ASGI application")
    _, with_log = figures(r"the same, access log on \| gateway")
    assert least <= min(without_log + with_log) <= max(without_log + with_log) <= most
    assert ratios == pytest.approx([ratio], abs=0.1)
    assert figures(r"every read a miss \| Fastify.*")[1] == [pytest.approx(misses, rel=0.1)]
    assert "AMD EPYC" in RESULTS.partition("<!-- end of benchmark")[0]


def metric_rows() -> list[str]:
    """Return the table of all that a scrape shows: what workers count, then what is added."""
    counted = [
        (each.name, each.kind, [label.name for label in each.labels], each.about)
        for each in families(Metrics)
    ]
    metrics = Metrics()
    metrics.shared.begin()
    added = [
        (metric.samples[0].name, metric.type, metric.samples[0].labels, metric.documentation)
        for metric in list(Exposition([metrics.shared], "0").collect())[len(counted) :]
    ]
    return [
        f"| `{name}` | {kind} | {', '.join(labels) or '–'} | {about} |"
        for name, kind, labels, about in [*counted, *added]
    ]


def test_metric_table() -> None:
    """Every metric stands in one of the documents with kind, labels and meaning, and no other."""
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    found = [
        row
        for text in texts
        for row in re.findall(
            r"^\| `(?:gateway|process)_\w+` \| (?:counter|gauge|hist).*$", text, re.MULTILINE
        )
    ]
    assert found == metric_rows()

"""The dashboard shows existing metrics, with units and descriptions, on any installation."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from gateway import telemetry
from gateway.metrics import Metrics
from gateway.telemetry import families
from tests.telemetry.known import known_metrics, with_rules
from tests.telemetry.promql import labels_left, mistakes_in
from tests.telemetry.promtool import promtool, written
from tests.telemetry.rules import ALERTS

TEXT = files(telemetry).joinpath("dashboard.json").read_text(encoding="utf-8")
DASHBOARD = json.loads(TEXT)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24

KNOWN = with_rules(known_metrics(), (), ALERTS)


def expressions() -> Iterator[str]:
    """Return every expression, with variables filled in as Grafana does."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    asked += [each["expr"] for each in DASHBOARD["annotations"]["list"]]
    for name in ("job", "instance"):
        query = VARIABLES[name]["query"]["query"]
        asked.append(query.removeprefix("label_values(").rpartition(",")[0])
    for each in asked:
        yield filled_in(each)


def filled_in(expression: str) -> str:
    """Return the query that Grafana sends for one selected gateway."""
    for name, value in (("__rate_interval", "5m"), ("job", "gateway"), ("instance", "a:9090")):
        expression = re.sub(rf"\${name}\b", value, expression)
    return expression


@pytest.mark.parametrize("expression", [*expressions()])
def test_names(expression: str) -> None:
    """Every metric, label and value in a query exists."""
    assert mistakes_in(expression, KNOWN) == []


def test_grammar(tmp_path: Path) -> None:
    """Prometheus accepts every expression, and every variable is known."""
    rules = [{"record": f"of:{n}", "expr": each} for n, each in enumerate(expressions())]
    assert not [each for each in rules if "$" in each["expr"]]
    file = written(tmp_path / "rules.yaml", {"groups": [{"name": "all", "rules": rules}]})
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_every_family_is_shown() -> None:
    """The dashboard shows every metric."""
    shown = " ".join(expressions())
    assert [each.name for each in families(Metrics) if each.name not in shown] == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel(panel: dict[str, Any]) -> None:
    """A panel has a unit, describes what is normal, and shows the selected gateways."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert re.search(r"Normal: .*\. Not normal: ", panel["description"])
    assert panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    for target in panel["targets"]:
        assert 'job=~"$job' in target["expr"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_legend(panel: dict[str, Any]) -> None:
    """Each series of a panel has its own legend, made of labels that the result has."""
    names = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(names)) == len(names)
    for target in panel["targets"]:
        left = labels_left(filled_in(target["expr"]), KNOWN)
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left
        letters = [each["refId"] for each in panel["targets"]]
        assert letters == [*"ABCDEFGH"[: len(letters)]]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_overrides(panel: dict[str, Any]) -> None:
    """Every override matches a series of its panel."""
    letters = {target["refId"] for target in panel["targets"]}
    named = " ".join(_values(panel["targets"]))
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        assert matcher["options"] in (letters if matcher["id"] == "byFrameRefID" else named)


def test_layout() -> None:
    """Panels have distinct ids, do not overlap, fill their rows, and begin under a row."""
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for one, other in combinations(everything, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    covered = sum(each["gridPos"]["w"] * each["gridPos"]["h"] for each in everything)
    bottom = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in everything)
    assert covered == WIDTH * bottom
    assert everything[0]["type"] == "row"


def test_no_wall() -> None:
    """The dashboard stays readable: seven rows, at most 31 panels."""
    assert len(ROWS) == 7
    assert len(PANELS) <= 31


def test_any_installation() -> None:
    """The dashboard fits any Grafana: data source and gateways are variables."""
    assert DASHBOARD["id"] is None
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"
    assert VARIABLES["job"]["datasource"] == VARIABLES["instance"]["datasource"] == SOURCE
    assert {each["datasource"]["uid"] for each in DASHBOARD["annotations"]["list"]} == {
        "${datasource}"
    }
    assert set(re.findall(r'"uid": "([^"]*)"', TEXT)) == {"live-room-gateway", "${datasource}"}
    assert "://" not in TEXT


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _values(targets: list[dict[str, Any]]) -> Iterator[str]:
    """Return the parts of legends: their texts, and the values of the labels in them."""
    for target in targets:
        yield target["legendFormat"]
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            for labels in KNOWN.values():
                yield from labels.get(label) or ()

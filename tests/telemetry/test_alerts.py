"""Each alert fires when it should, alone, with the right text; none fires otherwise."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.telemetry.alert_cases import CASES, Case
from tests.telemetry.known import known_metrics, with_rules
from tests.telemetry.promql import labels_left, mistakes_in
from tests.telemetry.promtool import promtool, written
from tests.telemetry.rules import ALERTS, GROUPS, RECORDED, RULES
from tests.telemetry.scraped import MINUTES, History, input_series
from tests.telemetry.silences import SILENCES, Silence

KNOWN = with_rules(known_metrics(), RECORDED.items(), ALERTS)


def test_grammar(tmp_path: Path) -> None:
    """Prometheus accepts the rules."""
    rules = tmp_path / "alerts.yaml"
    rules.write_text(RULES, encoding="utf-8")
    assert f"{len(ALERTS) + len(RECORDED)} rules found" in promtool("check", "rules", rules)


@pytest.mark.parametrize(
    "expression", [*RECORDED.values(), *(each["expr"] for each in ALERTS.values())]
)
def test_names(expression: str) -> None:
    """Every metric, label and value in a rule exists."""
    assert mistakes_in(expression, KNOWN) == []


@pytest.mark.parametrize("name", ALERTS)
def test_form(name: str) -> None:
    """An alert has a severity, a duration, a summary, a description and a link to its runbook."""
    alert = ALERTS[name]
    assert set(alert) == {"alert", "expr", "for", "labels", "annotations"}
    assert alert["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert alert["annotations"]["runbook"] == f".github/OPERATIONS.md#{name.lower()}"


@pytest.mark.parametrize("name", ALERTS)
def test_names_its_gateway(name: str) -> None:
    """An alert has the job of its gateway, and no label that depends on single requests."""
    left = labels_left(ALERTS[name]["expr"], KNOWN)
    assert "job" in left
    assert left <= {"job", "instance", "operation", "le"}


def test_every_alert_is_tried() -> None:
    """Each alert has a history, and there is no other."""
    assert {case.alert for case in CASES} == set(ALERTS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[int, Future[None]]]:
    """A run of promtool for each history, by the history's id; two at a time."""
    with ThreadPoolExecutor(2) as threads:
        yield {
            id(each): threads.submit(_judge, tmp_path_factory.mktemp("history"), each)
            for each in (*CASES, *SILENCES)
        }
        threads.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_fires(case: Case, runs: Mapping[int, Future[None]]) -> None:
    """An alert fires in its history alone, not before its time, and describes what is so."""
    runs[id(case)].result()


@pytest.mark.parametrize("silence", SILENCES, ids=lambda silence: silence.name)
def test_keeps_silent(silence: Silence, runs: Mapping[int, Future[None]]) -> None:
    """No alert fires at any time in a history without trouble."""
    runs[id(silence)].result()


def _judge(folder: Path, history: Case | Silence) -> None:
    if isinstance(history, Silence):
        _run(folder, history.history, set(), MINUTES - 1)
        return
    case = history
    annotations = ALERTS[case.alert]["annotations"]
    fired = {
        "exp_labels": {**ALERTS[case.alert]["labels"], **case.labels},
        "exp_annotations": {**annotations, "description": case.description},
    }
    at = [
        {"eval_time": f"{case.before}m", "alertname": case.alert, "exp_alerts": []},
        {"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": [fired]},
    ]
    _run(folder, case.history, {case.alert}, case.at, alert_rule_test=at)


def _run(folder: Path, history: History, firing: set[str], until: int, **tests: Any) -> None:
    rules = folder / "alerts.yaml"
    rules.write_text(RULES, encoding="utf-8")
    fired = {
        "expr": f'group by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{until}m]))',
        "eval_time": f"{until}m",
        "exp_samples": [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in firing],
    }
    group = {
        "interval": "1m",
        "input_series": input_series(history),
        "promql_expr_test": [fired],
        **tests,
    }
    whole = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": "1m",
        "group_eval_order": [each["name"] for each in GROUPS],
        "tests": [group],
    }
    promtool("test", "rules", written(folder / "test.yaml", whole))

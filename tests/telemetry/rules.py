"""The alert rules as they are shipped."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import yaml

from gateway import telemetry

RULES = files(telemetry).joinpath("alerts.yaml").read_text(encoding="utf-8")
GROUPS: Sequence[dict[str, Any]] = yaml.safe_load(RULES)["groups"]

_ALL: Sequence[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in _ALL if "alert" in rule}
RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in _ALL if "record" in rule}

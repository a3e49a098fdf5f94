"""The runbook has a section for each alert, and names only what exists."""

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import granian.server.common
import granian.server.mp
import msgspec
import pytest

from gateway.edge import PROBLEMS
from gateway.metrics import Metrics
from gateway.settings import Settings, variables
from gateway.telemetry import access, families
from tests.telemetry.rules import ALERTS
from tests.telemetry.test_dashboard import PANELS

ROOT = Path(__file__).parent.parent.parent
WHOLE = ROOT.joinpath(".github", "OPERATIONS.md").read_text(encoding="utf-8")
RUNBOOK = WHOLE.partition("\n## Metrics")[0]
SECTIONS = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
SOURCES = [path.read_text(encoding="utf-8") for path in ROOT.joinpath("gateway").rglob("*.py")]
SERVERS = inspect.getsource(granian.server.common) + inspect.getsource(granian.server.mp)

LEVELS = frozenset({"debug", "info", "warning", "error", "exception"})
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \| (.*) \| .* \|$", re.MULTILINE)

CHECKS = frozenset({"keys", "upstream", "breaker", "starting", "missing", "clock"})
"""Words of `/readyz` and `gateway check`."""

OF_PROMETHEUS = frozenset({"job", "gateway_build_info"})
OF_JSON = frozenset({"true", "false"})
OF_TOKENS = frozenset({"exp", "jti"})
OF_ROOMS = frozenset({"push_url", "extends"})
OF_WRITES = frozenset({"replayed", "client_gone", "cut_off"})


def events() -> dict[str, set[str]]:
    """Return the fields of every event in the code, besides the common ones."""
    found: dict[str, set[str]] = defaultdict(set)
    for call in _calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in {*LEVELS, "log"}:
            continue
        name = call.args[call.func.attr == "log"] if call.args else None
        if not (isinstance(name, ast.Constant) and re.fullmatch("[a-z_]+", str(name.value))):
            continue
        fields = {each.arg for each in call.keywords if each.arg is not None}
        if call.func.attr == "exception" or "exc_info" in fields:
            fields = fields - {"exc_info"} | {"exception"}
        found[str(name.value)] |= fields
    lines = {each.name for each in msgspec.structs.fields(access.RequestLine)}
    found["server"] = {"message", "exception"}  # a formatter's
    found["request"] = lines - {"timestamp", "level", "event"}
    return found


def test_a_section_for_each_alert() -> None:
    """Each alert has its section, in the order of the rules, and there is no other."""
    assert list(SECTIONS) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_section(name: str) -> None:
    """A section has the severity of its rule, and steps to look at or to do."""
    urgency = ALERTS[name]["labels"]["severity"].capitalize()
    assert re.match(rf"\*\*{urgency}(, at once)?\.\*\* [A-Z0-9]", SECTIONS[name])
    assert re.search(r"^- (Look|Log|Do|As)", SECTIONS[name], re.MULTILINE)


def test_links() -> None:
    """Links within the runbook, and from alerts to it, lead to a heading."""
    headings = re.findall(r"^#+ (.*)$", WHOLE, re.MULTILINE)
    anchors = {re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings}
    links = re.findall(r"]\(#([^)]*)\)", WHOLE)
    links += [each["annotations"]["runbook"].partition("#")[2] for each in ALERTS.values()]
    assert set(links) <= anchors


def test_panels_and_messages() -> None:
    """Code-quoted text with a capital is a panel title, or a message of code or server."""
    titles = {panel["title"] for panel in PANELS}
    messages = "".join([*SOURCES, SERVERS])
    named = {re.sub(r"\d+$", "", each) for each in re.findall(r"`([A-Z][a-z]+ [^`]*)`", RUNBOOK)}
    assert {name for name in named - titles if name not in messages} == set()


def test_variables() -> None:
    """Every variable in the runbook exists."""
    known = {name for each in variables(Settings) for name in each.names}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]+[A-Z]\b(?!_…)", RUNBOOK)) <= known


def test_log_events() -> None:
    """The table of log events has every event of the code, with its fields."""
    documented = {
        name: set(re.findall(r"`(\w+)`", fields)) for name, _, fields in ROW.findall(RUNBOOK)
    }
    logged = events()
    assert set(documented) == set(logged)
    for name in set(documented) - {"starting"}:  # its fields are the whole configuration
        assert documented[name] == logged[name], name


def test_words() -> None:
    """Every code-quoted word is an event, a field, a label, its value, or a problem's code."""
    logged = events()
    labels = [label for family in families(Metrics) for label in family.labels]
    known = {
        *logged,
        *(field for fields in logged.values() for field in fields),
        *("timestamp", "level", "event"),
        *LEVELS,
        *(label.name for label in labels),
        *(value for label in labels for value in label.values),
        *PROBLEMS,
        *CHECKS,
        *OF_PROMETHEUS,
        *OF_JSON,
        *OF_ROOMS,
        *OF_WRITES,
        *OF_TOKENS,
    }
    assert set(re.findall(r"`([a-z_]+)`", RUNBOOK)) <= known


def _calls() -> Iterator[ast.Call]:
    for text in SOURCES:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                yield node

"""Panels of a Grafana dashboard as a page, with the values that Prometheus has for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import cycle
from typing import Any

from tests.pictures.chart import Chart, Line, number, top_of
from tests.pictures.prometheus import Window

_COLUMN, _ROW = 50, 30
"""Pixels of a column and of a row of the dashboard's grid, which has 24 columns."""

_PALETTE = ("#3b82c4", "#e6a117", "#3f9d4f", "#8c5bc0", "#d9534f", "#1aa6a6", "#b0702a", "#7a8699")
_COLOURS = {
    "blue": _PALETTE[0],
    "green": _PALETTE[2],
    "orange": "#e6802a",
    "purple": _PALETTE[3],
    "red": _PALETTE[4],
    "text": "#555b66",
    "yellow": "#e6c317",
}
_PAGE = f"""<!doctype html>
<meta charset="utf-8">
<style>
body {{ margin: 0; background: #f2f3f5; color: #24292f; font: 11px/1.35 sans-serif; }}
main {{ display: grid; grid: auto-flow {_ROW}px / repeat(24, {_COLUMN}px); }}
main > * {{ display: grid; }}
section {{ margin: 3px; padding: 5px 8px; background: #fff; border: 1px solid #dfe1e5; }}
h1 {{ margin: 8px 6px 0; font-size: 14px; }}
h2 {{ margin: 0 0 3px; font-size: 12px; }}
.stat {{ color: #fff; }}
.stat b {{ display: block; font-size: 34px; text-align: center; }}
ul {{ margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0 10px; list-style: none; }}
i {{ display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 0; }}
text {{ fill: #666d78; font-size: 10px; }}
</style>
<main>%s</main>
"""


async def drawn(panels: Sequence[Any], window: Window) -> tuple[str, tuple[int, int]]:
    """Return a page of panels, and its size in pixels."""
    shown = "".join([_placed(each["gridPos"], await _inside(each, window)) for each in panels])
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    return _PAGE.replace("%s", shown), (24 * _COLUMN, rows * _ROW)


def _placed(at: Mapping[str, int], inside: str) -> str:
    columns = f"grid-column:{at['x'] + 1}/span {at['w']}"
    rows = f"grid-row:{at['y'] + 1}/span {at['h']}"
    return f'<div style="{columns};{rows}">{inside}</div>'


async def _inside(panel: Any, window: Window) -> str:
    title = escape(panel["title"])
    if panel["type"] == "row":
        return f"<h1>{title}</h1>"
    config, colours = panel["fieldConfig"], cycle(_PALETTE)
    lines = [
        line
        for target in panel["targets"]
        for line in _lines(target, config, await window.values(target["expr"]), colours)
    ]
    if panel["type"] == "stat":
        return _stat(title, config["defaults"], lines)
    return _time_series(title, panel["gridPos"], config["defaults"], lines, window)


def _stat(title: str, defaults: Any, lines: Sequence[Line]) -> str:
    values = list(lines[0].values.values()) if lines else []
    text = number(values[-1], defaults["unit"]) if values else defaults["noValue"]
    steps = [
        each["color"]
        for each in defaults["thresholds"]["steps"]
        if each["value"] is None or (values and values[-1] >= each["value"])
    ]
    style = f'class="stat" style="background:{_COLOURS[steps[-1]]}"'
    return f"<section {style}><h2>{title}</h2><b>{text}</b></section>"


def _time_series(
    title: str, at: Mapping[str, int], defaults: Any, lines: Sequence[Line], window: Window
) -> str:
    chart = Chart(
        width=at["w"] * _COLUMN - 28,
        height=at["h"] * _ROW - 88,
        begin=window.begin,
        end=window.end,
        unit=defaults["unit"],
        top=defaults.get("max") or top_of(lines),
    )
    legend = "".join(map(_legend, lines))
    return f"<section><h2>{title}</h2>{chart.svg(lines)}<ul>{legend}</ul></section>"


def _legend(line: Line) -> str:
    """Return a line's name; a limit's with its value, as it may be above the chart."""
    most = f": {line.most:,.0f}" if line.dashed else ""
    scale = " (own scale)" if line.own_scale else ""
    return f'<li><i style="background:{line.colour}"></i>{escape(line.name)}{most}{scale}'


def _lines(
    target: Any,
    config: Any,
    series: Sequence[tuple[Mapping[str, str], Mapping[float, float]]],
    colours: Iterator[str],
) -> Iterator[Line]:
    """Yield the lines of one expression, as the panel's defaults and overrides have them."""
    for labels, values in series:
        parts = re.split(r"{{(\w+)}}", target["legendFormat"])
        name = "".join(labels.get(x, "") if at % 2 else x for at, x in enumerate(parts))
        looks = config["defaults"].get("custom", {}) | _overrides(config, name, target["refId"])
        fixed = looks.get("color", {}).get("fixedColor")
        yield Line(
            name,
            _COLOURS[fixed] if fixed else next(colours),
            values,
            stacked=looks.get("stacking", {}).get("mode") == "normal",
            dashed="lineStyle" in looks,
            own_scale="axisPlacement" in looks,
        )


def _overrides(config: Any, name: str, ref: str) -> dict[str, Any]:
    return {
        each["id"].removeprefix("custom."): each["value"]
        for override in config["overrides"]
        if override["matcher"]["options"] in {name, ref}
        for each in override["properties"]
    }

"""A chart as SVG: an axis, areas that stand on each other, and lines."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

_AXIS = 48
"""Pixels left of a chart, for the numbers of its axis."""

_ROOM = 1.1
"""The axis goes so much further than the largest value."""


class Line(Struct, frozen=True):
    """A line: its values by epoch second, and its looks. One with a scale of its own fills it."""

    name: str
    colour: str
    values: Mapping[float, float]
    stacked: bool
    dashed: bool
    own_scale: bool

    @property
    def most(self) -> float:
        """The largest value, above 0."""
        return max([*self.values.values(), 1e-9])


class Chart(Struct, frozen=True):
    """The place for lines: its size in pixels, epoch seconds, unit and largest value."""

    width: int
    height: int
    begin: float
    end: float
    unit: str
    top: float

    def svg(self, lines: Sequence[Line]) -> str:
        """Return the chart; a line above its top is left out."""
        inside = "".join([*self._axis(), *self._areas(lines), *self._lines(lines)])
        return f'<svg width="{self.width}" height="{self.height + 4}">{inside}</svg>'

    def _axis(self) -> Iterator[str]:
        for value in (0, self.top / 2, self.top):
            y = self._y(value, self.top)
            yield f'<path d="M{_AXIS} {y:.1f}H{self.width}" stroke="#e4e6ea"/>'
            text = number(value, self.unit)
            yield f'<text x="{_AXIS - 6}" y="{y + 3:.1f}" text-anchor="end">{text}</text>'

    def _areas(self, lines: Sequence[Line]) -> Iterator[str]:
        below: dict[float, float] = {}
        for line in lines:
            if line.stacked and line.values:
                upper = {at: value + below.get(at, 0) for at, value in line.values.items()}
                lower = {at: below.get(at, 0) for at in reversed(upper)}
                path = f"M{self._path(upper, self.top)}L{self._path(lower, self.top)}Z"
                yield f'<path d="{path}" fill="{line.colour}" opacity=".7"/>'
                below |= upper

    def _lines(self, lines: Sequence[Line]) -> Iterator[str]:
        for line in lines:
            top = line.most * _ROOM if line.own_scale else self.top
            if line.values and line.most <= top and not line.stacked:
                dashes = ' stroke-dasharray="6 5"' if line.dashed else ""
                path = f"M{self._path(line.values, top)}"
                yield f'<path d="{path}" fill="none" stroke="{line.colour}"{dashes}/>'

    def _path(self, values: Mapping[float, float], top: float) -> str:
        across = (self.width - _AXIS) / (self.end - self.begin)
        return "L".join(
            f"{_AXIS + (at - self.begin) * across:.1f} {self._y(value, top):.1f}"
            for at, value in values.items()
        )

    def _y(self, value: float, top: float) -> float:
        return self.height - (self.height - 8) * value / top


def top_of(lines: Sequence[Line]) -> float:
    """Return the end of the axis of these lines. A limit, which is dashed, may be far above."""
    sums = Counter[float]()
    for line in lines:
        if line.stacked:
            sums.update(line.values)
    plain = [x.most for x in lines if not (x.stacked or x.dashed or x.own_scale)]
    return max([*sums.values(), *plain], default=1) * _ROOM or 1


def number(value: float, unit: str) -> str:
    """Return a number with its unit, in a dashboard's names of units."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 0.9995 else f"{value * 1000:.3g} ms"
    return f"{value:.3g}" + ("/s" if unit in {"reqps", "ops"} else "")

"""The pictures of the documents: small, shown, and drawable from the dashboard as it is."""

from collections.abc import Mapping

import httpx

from tests.commands import ROOT
from tests.pictures.chart import Chart, Line
from tests.pictures.dashboard import panels
from tests.pictures.panels import drawn
from tests.pictures.prometheus import Window

LARGEST = 250_000
"""Bytes of a picture."""


class Made(Window, frozen=True):
    """A window in which each expression has one series without labels."""

    async def values(self, expression: str) -> list[tuple[Mapping[str, str], dict[float, float]]]:
        """Return it."""
        assert expression
        return [({}, {self.begin: 1.0, self.end: 2.0})]


async def test_all_panels_of_the_first_rows_are_drawn() -> None:
    """Each has its title, and each of its expressions a name in the legend."""
    shown = panels()
    text, size = await drawn(shown, Made(httpx.AsyncClient(), 0, 10))
    assert size[0] == 1200
    series = [each for each in shown if each["type"] == "timeseries"]
    assert len(series) > 8
    assert text.count("<svg") == len(series)
    assert text.count("<li>") == sum(len(each["targets"]) for each in series)
    for panel in shown:
        assert panel["title"] in text


def test_areas_stand_on_each_other() -> None:
    """The second of two stacked lines must begin where the first ends."""
    chart = Chart(width=148, height=108, begin=0, end=1, unit="none", top=4)
    low, high = (
        Line(name, "#000", {0: 1, 1: 1}, stacked=True, dashed=False, own_scale=False)
        for name in ("low", "high")
    )
    svg = chart.svg([low, high])
    assert "M48.0 83.0L148.0 83.0L148.0 108.0L48.0 108.0Z" in svg
    assert "M48.0 58.0L148.0 58.0L148.0 83.0L48.0 83.0Z" in svg


def test_each_picture_is_small_and_shown() -> None:
    """README and its translation must show every picture in `.github`."""
    english = ROOT.joinpath("README.md").read_text("utf-8")
    chinese = ROOT.joinpath(".github", "README.zh-CN.md").read_text("utf-8")
    found = list(ROOT.joinpath(".github").glob("*.png"))
    assert found
    for picture in found:
        assert picture.stat().st_size <= LARGEST
        assert f"(.github/{picture.name})" in english
        assert f"({picture.name})" in chinese

"""The declared metrics: names as Prometheus wants them, and a fixed number of series."""

import re

import pytest

from gateway.metrics import Metrics
from gateway.telemetry import OTHER, UNMATCHED, Family, Kind, families
from tests.edge.test_openapi import application

UNITS = (
    *("_total", "_seconds", "_bytes", "_max", "_in_flight", "_rooms", "_waiting", "_active"),
    "_workers",
    "_sets",
)


def test_routes() -> None:
    """Every route of the application is a label value, beside those for all other requests."""
    templates = {route.path_format for route in application().routes}
    (routes, *_) = Metrics.http_requests.labels
    assert set(routes.values) == templates | {UNMATCHED, OTHER}


@pytest.mark.parametrize("family", families(Metrics), ids=lambda family: family.name)
def test_form(family: Family) -> None:
    """A name says whose metric it is and its unit; counters alone end in `_total`."""
    assert re.fullmatch("gateway_[a-z_]+", family.name)
    assert family.name.endswith(UNITS)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.name.endswith("_seconds") == (family.kind is Kind.HISTOGRAM)
    assert family.about.endswith(".")
    assert list(family.bounds) == sorted(set(family.bounds))


def test_number_of_series() -> None:
    """A worker has no more series than fit on a page of a dashboard, whatever clients send."""
    assert sum(len(family.series) for family in families(Metrics)) < 2500

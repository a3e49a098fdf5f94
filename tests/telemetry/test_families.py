"""The table of metrics: its label values are those of the code, its names those of the field."""

import re

import pytest

from gateway.edge import PROBLEMS
from gateway.telemetry import FAMILIES, UNMATCHED, Family, Kind, Metrics, SharedMetrics, families
from gateway.upstream import BREAKER_STATES, Operation
from tests.edge.test_openapi import application

BY_NAME = {family.name: family for family in FAMILIES}
UNITS = ("_total", "_seconds", "_max", "_in_flight", "_rooms", "_waiting", "_active", "_workers")


def values(family: Family, label: str) -> list[str]:
    """Return the values of a family's label."""
    (found,) = [each.values for each in family.labels if each.name == label]
    return list(found)


def test_routes() -> None:
    """Every route of the application has its place, and there is one for all else."""
    templates = {route.path_format for route in application().routes}
    assert set(values(families.HTTP_REQUESTS, "route")) == templates | {UNMATCHED, families.OTHER}


def test_problems() -> None:
    """Every problem a client can meet is counted."""
    assert values(families.HTTP_PROBLEMS, "code") == list(PROBLEMS)


def test_statuses() -> None:
    """Every status of a problem has a place of its own, and so have those of successes."""
    told = {str(problem.status) for problem in PROBLEMS.values()} | {"200", "201", "204", "304"}
    assert set(values(families.HTTP_REQUESTS, "status")) == told | {"gone", families.OTHER}


def test_operations_and_states() -> None:
    """The upstream's calls and the states of the breaker are those of the code."""
    assert values(families.UPSTREAM_CALLS, "operation") == list(Operation)
    assert values(families.BREAKER, "state") == list(BREAKER_STATES)


def test_every_family_is_measured() -> None:
    """A worker's instruments are exactly the families of the table."""
    block = SharedMetrics()
    used = {id(each._places) for each in vars(Metrics(block)).values()}  # noqa: SLF001  # which it is
    assert used == {id(block.places(family)) for family in FAMILIES}


@pytest.mark.parametrize("name", BY_NAME)
def test_names(name: str) -> None:
    """A name says whose metric it is and its unit; counters alone end in `_total`."""
    family = BY_NAME[name]
    assert re.fullmatch("gateway_[a-z_]+", name)
    assert name.endswith(UNITS)
    assert name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert name.endswith("_seconds") == (family.kind is Kind.HISTOGRAM)
    assert family.about.endswith(".")
    assert list(family.bounds) == sorted(set(family.bounds))


def test_there_are_only_so_many_series() -> None:
    """Whatever is asked for, a worker has no more series than fit on a page of a dashboard."""
    assert sum(len(family.series) for family in FAMILIES) < 1500

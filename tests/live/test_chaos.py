"""A few seconds of chaos on real processes; `python -m tests.live.chaos` runs longer."""

import asyncio

import pytest

from tests.live.chaos import chaos
from tests.waiting import LIMIT


@pytest.mark.slow
def test_chaos() -> None:
    """Faults, clients that leave and a killed worker break no promise; then all is well soon."""
    result = asyncio.run(chaos(4, seed=1, within=LIMIT))
    assert result.broken == []
    assert result.killed >= 1
    assert result.answers["room"] > 10
    assert result.answers["left"] > 0
    assert result.answers["upstream_error"] > 0

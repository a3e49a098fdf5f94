"""A few seconds of chaos on real processes; `python -m tests.live.chaos` runs more of it."""

import asyncio

import pytest

from tests.live.chaos import chaos


@pytest.mark.slow
def test_chaos() -> None:
    """Faults, clients that leave and a killed worker break no promise; then all is well soon."""
    result = asyncio.run(chaos(4, seed=1))
    assert result.broken == []
    assert result.killed >= 1
    assert result.answers["room"] > 100
    assert result.answers["left"] > 10
    assert result.answers["upstream_error"] > 10

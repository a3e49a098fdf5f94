"""A moment of the fuzzer; `python -m tests.live.fuzz` runs longer."""

import asyncio

from tests.live.fuzz import fuzz


def test_nothing_that_comes_in_is_an_error_of_ours() -> None:
    """Odd requests and replies give no 500 and no traceback, and the worker lives on."""
    result = asyncio.run(fuzz(seed=5, most=200, traces=True))
    assert result.broken == []
    assert result.answers["HTTP/1.1 200 OK"]

"""Async tests here run on asyncio."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop that the gateway runs on."""
    return "asyncio"

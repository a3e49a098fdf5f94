"""A minimal valid environment."""

import pytest


@pytest.fixture
def minimal() -> dict[str, str]:
    """Return an environment with the required variables only."""
    return {
        "GATEWAY_ACCESS_KEY": "ak",
        "GATEWAY_SECRET_KEY": "sk",
        "GATEWAY_JWT_SECRET": "a secret of thirty-two bytes, or so",
    }

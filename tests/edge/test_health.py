"""The root, and readiness: keys, and no shutdown on its way."""

import pytest

from gateway.edge.health import HealthHandlers


@pytest.mark.parametrize(
    ("keys", "draining", "status"),
    [
        ("ok", False, "ready"),
        ("missing", False, "starting"),
        ("ok", True, "draining"),
        ("missing", True, "draining"),
    ],
)
def test_ready_means_with_keys_and_not_about_to_stop(
    keys: str, *, draining: bool, status: str
) -> None:
    """Other dependencies are reported in `checks` and never make the gateway unready."""
    checks = {"keys": lambda: keys, "upstream": lambda: "unreachable"}
    now = HealthHandlers(checks, lambda: draining).readiness()
    assert (now.status, now.checks) == (status, {"keys": keys, "upstream": "unreachable"})

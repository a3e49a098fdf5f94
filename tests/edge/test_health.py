"""What makes a gateway ready."""

import pytest

from gateway.edge.health import readiness


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
    """Whatever else does not work is told, but does not count."""
    checks = {"keys": lambda: keys, "upstream": lambda: "unreachable"}
    now = readiness(checks, lambda: draining)
    assert (now.status, now.checks) == (status, {"keys": keys, "upstream": "unreachable"})

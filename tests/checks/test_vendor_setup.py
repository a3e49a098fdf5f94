"""The URL of callbacks, as `gateway check` tells it."""

import pytest

from gateway.checks import Finding, Severity, callback_findings
from gateway.settings import load
from tests.checks.test_report import SOUND

SECRET = "callback-secret-of-more-than-32-characters"


@pytest.mark.parametrize(("root_path", "path"), [("", ""), ("/live", "/live")])
def test_the_url_is_told_without_the_secret(root_path: str, path: str) -> None:
    """The finding has the whole URL below the root path, and a mask in place of the secret."""
    changes = {"GATEWAY_CALLBACK_SECRET": SECRET, "GATEWAY_ROOT_PATH": root_path}
    url = f"https://qlive:***@<your host>{path}/v1/callbacks/qlive"
    assert [*callback_findings(load(SOUND | changes))] == [
        Finding(
            Severity.OK,
            "callbacks",
            f"have the vendor call {url}, with the secret in place of ***",
        )
    ]


def test_without_the_secret_there_is_no_url() -> None:
    """A gateway that takes no callbacks tells no URL."""
    assert [*callback_findings(load(SOUND))] == []

"""`push_url` reaches nobody but its anchor in cookie mode either, over random histories."""

from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests import clients
from tests.conftest import SCOPES, running_sandbox
from tests.live.test_histories import ANCHORS, Histories

COOKIE = "session"


class ByCookie(Histories):
    """Everyone is a web app's user."""

    def call(self, user: str, method: str, path: str, **parts: Any) -> httpx.Response:
        """Send a request that a user's cookie signs in."""
        token = self.sandbox.token(user, SCOPES.get(user, []))
        cookie = {"Cookie": f"{COOKIE}={token}", "X-Gateway-CSRF": "1"}
        headers = {**cookie, "Sec-Fetch-Site": "same-origin", **parts.pop("headers", {})}
        response = self.client.request(method, path, headers=headers, **parts)
        assert response.status_code < 500
        assert token not in response.text
        self.hides_tokens(response)
        return response


@pytest.mark.parametrize("dialect", ["documented", "legacy"])
def test_push_url_reaches_its_anchor_only(dialect: Any) -> None:
    """Creates, reads, lists, starts, heartbeats, stops and deletes, all by cookie."""
    bounds = settings(
        max_examples=10,
        stateful_step_count=20,
        derandomize=True,
        database=None,
    )
    with (
        running_sandbox(dialect, {"GATEWAY_JWT_COOKIE": COOKIE}) as sandbox,
        clients.client(sandbox.url) as client,
    ):
        for user in (*ANCHORS, "admin"):
            sandbox.vendor.register(user)
        members = {"sandbox": sandbox, "client": client}
        run_state_machine_as_test(type("BoundHistories", (ByCookie,), members), settings=bounds)

"""Refusals of an operator hold in every gateway that shares a store."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import jwt
import pytest

from tests import clients
from tests.commands import SECRET, free_port
from tests.served import NOWHERE, Served, served
from tests.store_server import StoreServer, running_store
from tests.waiting import eventually

OPERATOR = "operator-token-of-at-least-32-characters"
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
REFUSED, SERVED = 401, 502
"""The answers to a read, of which the second comes from a gateway whose upstream is nowhere."""


class Gateway:
    """A gateway, and its operator."""

    def __init__(self, store: StoreServer) -> None:
        self._store = store
        self._stack = ExitStack()
        self._served: Served
        self._admin: httpx.Client
        self.start()

    def start(self) -> None:
        """Start it, on new ports."""
        port = free_port()
        settings = {"ADMIN_TOKEN": OPERATOR, "METRICS_PORT": str(port)}
        gateway = served(NOWHERE, REDIS_URL=self._store.text, descriptors=None, **settings)
        self._served = self._stack.enter_context(gateway)
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        admin = clients.client(f"http://127.0.0.1:{port}/admin", headers)
        self._admin = self._stack.enter_context(admin)

    def stop(self) -> str:
        """Stop it; return what it has said."""
        output = self._served.stop()
        self._stack.close()
        return output

    def read(self, user_id: str) -> int:
        """Return the status that a user gets."""
        claims = {"sub": user_id, "exp": datetime.now(UTC) + timedelta(hours=1)}
        token = jwt.encode(claims, SECRET, algorithm="HS256")
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{self._served.url}/v1/rooms/1", headers=headers).status_code

    def gives(self, user_id: str, status: int) -> bool:
        """Return whether a user gets this status."""
        return self.read(user_id) == status

    def refuse(self, user_id: str) -> None:
        """Refuse a user."""
        answer = self._admin.put(f"/refusals/{user_id}", json={"until": LATER})
        assert answer.status_code == 204

    def allow(self, user_id: str) -> None:
        """Refuse a user no longer."""
        assert self._admin.delete(f"/refusals/{user_id}").status_code == 204

    def refused(self) -> set[str]:
        """Return the users that it refuses, as its operator sees it."""
        listed = self._admin.get("/refusals").json()["users"]
        return {each["user_id"] for each in listed}


@pytest.fixture
def store() -> Iterator[StoreServer]:
    """A store of one test."""
    with running_store() as server:
        yield server


@pytest.fixture
def gateways(store: StoreServer) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways that share a store."""
    pair = Gateway(store), Gateway(store)
    yield pair
    for each in pair:
        each.stop()


def test_every_gateway_refuses_and_allows(gateways: tuple[Gateway, Gateway]) -> None:
    """What either operator says holds in both, and still after both were restarted."""
    a, b = gateways
    assert a.read("trudy") == b.read("trudy") == SERVED
    a.refuse("trudy")
    for each in gateways:
        eventually(partial(each.gives, "trudy", REFUSED))
        assert each.gives("bob", SERVED)
    assert b.refused() == {"trudy"}
    for each in gateways:
        each.stop()
        each.start()
    for each in gateways:
        eventually(partial(each.gives, "trudy", REFUSED))
    b.allow("trudy")
    for each in gateways:
        eventually(partial(each.gives, "trudy", SERVED))
    assert a.refused() == set()


def test_refusals_without_the_store(gateways: tuple[Gateway, Gateway], store: StoreServer) -> None:
    """While the store does not answer, all that are in force stay, and new ones hold at home."""
    a, b = gateways
    a.refuse("trudy")
    eventually(partial(b.gives, "trudy", REFUSED))
    store.pause()
    a.refuse("mallory")
    eventually(partial(a.gives, "mallory", REFUSED))
    for each in gateways:
        assert each.gives("trudy", REFUSED)
    assert b.gives("mallory", SERVED)
    store.resume()
    eventually(partial(b.gives, "mallory", REFUSED))
    store.pause()
    said = a.stop()
    assert "trudy" not in said
    assert "mallory" not in said
    store.resume()
    a.start()
    eventually(partial(a.gives, "mallory", REFUSED))

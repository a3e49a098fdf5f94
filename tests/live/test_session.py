"""The contract's session, by a foreign client over real sockets, in both dialects."""

import httpx

from gateway.sandbox import Sandbox
from tests.conftest import go_live


def test_a_room_from_create_to_delete(client: httpx.Client, sandbox: Sandbox) -> None:
    """The anchor creates, reads, goes live, stops and deletes; a stranger sees no `push_url`."""
    alice = {"Authorization": f"Bearer {sandbox.token('alice')}"}
    bob = {"Authorization": f"Bearer {sandbox.token('bob')}"}

    created = client.post("/v1/rooms", json={"title": "Friday session"}, headers=alice)
    assert created.status_code == 201
    path = created.headers["Location"]
    assert path == f"/v1/rooms/{created.json()['live_id']}"
    push_url = created.json()["push_url"]
    assert push_url.startswith("rtmp://")

    assert "push_url" not in client.get(path, headers=bob).text
    assert client.get(path, headers=alice).json()["push_url"] == push_url
    refused = client.post(f"{path}/stop", headers=bob)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_room_anchor")
    early = client.post(f"{path}/stop", headers=alice)
    assert (early.status_code, early.json()["code"]) == (409, "room_not_live")
    go_live(sandbox, created.json()["live_id"])
    assert client.post(f"{path}/stop", headers=alice).status_code == 204
    assert client.post(f"{path}/stop", headers=alice).status_code == 204
    assert client.get(path, headers=bob).json()["live_status"] == 2
    assert client.delete(path, headers=alice).status_code == 204
    gone = client.get(path, headers=alice)
    assert (gone.status_code, gone.json()["code"]) == (404, "room_not_found")

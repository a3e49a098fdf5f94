"""Control routes of the simulated vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from gateway.sandbox.wording import DialectName
    from tests.sandbox.conftest import Client


def control(client: Client, method: str, path: str = "", **parts: Any) -> httpx.Response:
    """Call a control route."""
    return client.send(method, f"/sandbox{path}", sign=False, **parts)


def test_the_state(client: Client, dialect: DialectName) -> None:
    """The state has the dialect, every switch, the users and the number of rooms."""
    client.new_room()
    state = control(client, "GET").json()
    assert (state["dialect"], state["rooms"]) == (dialect, 1)
    assert state["users"] == ["alice", "bob"]
    assert state["faults"] == {
        "database": "up",
        "lost_commits": 0,
        "failed_commits": 0,
        "lag": 0,
        "sql_mode": "strict",
        "chat": "up",
        "censor": "up",
        "panic": False,
        "hanging_rooms": [],
        "refuse": 0,
        "retry_after": "",
        "html": False,
        "callback_url": "",
        "callback_first": False,
        "timezone": "UTC+8",
        "anchor_status": "anchor_status",
    }


def test_switches_are_set_one_by_one_and_reset_together(client: Client) -> None:
    """A PUT changes the switches that it names, a DELETE all of them."""
    healthy = control(client, "GET").json()["faults"]
    first = control(client, "PUT", "/faults", json={"lag": 1.5}).json()
    second = control(client, "PUT", "/faults", json={"database": "down"}).json()
    assert first == {**healthy, "lag": 1.5}
    assert second == {**first, "database": "down"}
    assert control(client, "DELETE", "/faults").json() == healthy
    assert client.create().status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"lag":-1}',
        b'{"lag":"1"}',
        b'{"database":"gone"}',
        b'{"lost_commits":1.5}',
        b'{"refuse":500}',
        b'{"no_such_switch":1}',
        b'{"lag":1,"panic":"yes"}',
    ],
)
def test_an_invalid_switch_changes_none(client: Client, body: bytes) -> None:
    """An unknown switch or value is refused with its reason, and nothing is changed."""
    healthy = control(client, "GET").json()["faults"]
    answer = control(client, "PUT", "/faults", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert control(client, "GET").json()["faults"] == healthy


def test_the_rows_of_the_database(client: Client) -> None:
    """Every row is shown as stored, deleted ones too."""
    kept = client.new_room(title="kept", extends={"k": "v"})
    gone = client.new_room(title="gone")
    client.delete(gone["live_id"])
    first, second = control(client, "GET", "/rooms").json()
    assert (first["live_id"], first["title"], first["extends"]) == (
        kept["live_id"],
        "kept",
        {"k": "v"},
    )
    assert (first["deleted_at"], first["live_status"]) == (None, 0)
    assert first["push_url"] == kept["push_url"]
    assert (second["live_id"], second["deleted_at"]) == (gone["live_id"], 1_800_000_000)


def test_a_change_answers_with_the_row(client: Client) -> None:
    """Going live shows the row it leaves behind; a refusal is said in words."""
    live_id = client.new_room()["live_id"]
    row = client.go_live(live_id).json()
    assert (row["live_id"], row["live_status"]) == (live_id, 1)
    client.stop(live_id)
    assert client.go_live(live_id).json() == {"error": "live status error"}
    assert client.go_live("1").json() == {"error": "record not found"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("GET", "/faults"),
        ("GET", "/rooms/1/live"),
        ("POST", "/rooms/1/x"),
        ("GET", "/"),
    ],
)
def test_other_control_routes(client: Client, method: str, path: str) -> None:
    """There are no others."""
    answer = control(client, method, path)
    assert (answer.status_code, answer.json()) == (404, {"error": "no such control route"})


def test_control_is_not_recorded_and_knows_no_faults(client: Client) -> None:
    """Control calls are no calls of the vendor's, and work whatever is switched."""
    client.switch(refuse=503, html=True, database="hang")
    assert control(client, "GET", "/rooms").json() == []
    assert control(client, "DELETE", "/faults").status_code == 200
    assert not client.vendor.calls

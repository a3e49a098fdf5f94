"""Faults of the simulated vendor: what an answer says, and what the database holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.sandbox.conftest import signed

if TYPE_CHECKING:
    from gateway.sandbox.wording import DialectName
    from tests.sandbox.conftest import Client


def titles(client: Client) -> list[str]:
    """Return the title of each row in the database, deleted ones too."""
    return [row["title"] for row in rows(client)]


def rows(client: Client) -> list[dict[str, Any]]:
    """Return the rows of the database."""
    listed: list[dict[str, Any]] = client.send("GET", "/sandbox/rooms", sign=False).json()
    return listed


@pytest.mark.parametrize(
    ("faults", "kept"),
    [
        ({"database": "down"}, False),
        ({"failed_commits": 1}, False),
        ({"chat": "fail"}, False),
        ({"lost_commits": 1}, True),
        ({"panic": True}, True),
        ({"censor": "fail"}, True),
    ],
)
def test_a_failed_create_may_leave_its_row(
    client: Client, faults: dict[str, Any], *, kept: bool
) -> None:
    """Lost commits, panics and the censor fail after the row was written, the others before."""
    client.switch(**faults)
    client.create(title="t")
    assert titles(client) == (["t"] if kept else [])


def test_a_database_that_is_down_changes_nothing(client: Client) -> None:
    """Stops, deletes and registrations have no effect while the database is down."""
    live_id = client.living_room()
    client.switch(database="down")
    for answer in (client.stop(live_id), client.delete(live_id), client.register("carol")):
        assert answer.json()["code"] in {500, 501}
    client.switch(database="up")
    assert client.room(live_id)["live_status"] == 1
    assert client.infos("carol").json()["data"] == []


def test_an_unknown_room_and_a_dead_database_read_alike(
    client: Client, dialect: DialectName
) -> None:
    """Legacy builds answer both with the same bytes; only the look-up of users differs."""
    header = {"X-Reqid": "r"}
    unknown = client.send("GET", "/server/live/1", headers=header)
    assert client.infos("x").json()["data"] == []
    client.switch(database="down")
    down = client.send("GET", "/server/live/1", headers=header)
    assert (down.content == unknown.content) == (dialect == "legacy")
    assert client.infos("x").json()["code"] == 500


@pytest.mark.parametrize(("fault", "ended"), [("lost_commits", True), ("failed_commits", False)])
def test_a_stop_of_legacy_builds_forgets_the_database(
    client: Client, dialect: DialectName, fault: str, *, ended: bool
) -> None:
    """The room ends or lives on; legacy builds call either a success."""
    live_id = client.living_room()
    client.switch(**{fault: 1})
    assert (client.stop(live_id).status_code == 200) == (dialect == "legacy")
    assert client.room(live_id)["live_status"] == (2 if ended else 1)


@pytest.mark.parametrize(("fault", "gone"), [("lost_commits", True), ("failed_commits", False)])
def test_a_failed_delete_may_be_done(client: Client, fault: str, *, gone: bool) -> None:
    """A delete answered as failed took effect if only the answer to its commit was lost."""
    live_id = client.new_room()["live_id"]
    client.switch(**{fault: 1})
    assert client.delete(live_id).status_code == 500
    assert (client.vendor.rooms.find(live_id) is None) == gone
    assert [row["deleted_at"] is not None for row in rows(client)] == [gone]


def test_so_many_commits_are_lost(client: Client) -> None:
    """A number of commits are lost; the next one is fine."""
    client.switch(lost_commits=2)
    codes = [client.create().json()["code"] for _ in range(3)]
    assert codes[:2] == [500, 500]
    assert codes[2] in {0, 200}
    assert len(rows(client)) == 3


def test_a_panic(client: Client, dialect: DialectName) -> None:
    """A panic shows Go's text, or in legacy builds an empty body."""
    client.switch(panic=True)
    answer = client.create()
    assert answer.status_code == 500
    if dialect == "documented":
        panic = "runtime error: invalid memory address or nil pointer dereference"
        assert (answer.json()["code"], answer.json()["message"]) == (500, panic)
    else:
        assert answer.content == b""


def test_a_replica_lags(client: Client) -> None:
    """Reads show a room, its start, its stop and its end only after the lag."""
    client.switch(lag=2)
    live_id = client.new_room()["live_id"]
    seen = [client.get(live_id).json().get("data", {}).get("live_status")]
    for change in (client.go_live, client.stop, client.delete):
        client.clock.now += 2
        seen.append(client.room(live_id)["live_status"])
        assert change(live_id).status_code == 200
        seen.append(client.room(live_id)["live_status"])
    client.clock.now += 2
    seen.append(client.get(live_id).json().get("data", {}).get("live_status"))
    assert seen == [None, 0, 0, 1, 1, 2, 2, None]


def test_writes_look_up_in_the_replica(client: Client) -> None:
    """Within the lag a new room cannot be stopped or deleted, and a stop can be repeated."""
    client.switch(lag=2)
    live_id = client.living_room()
    assert client.stop(live_id).json()["message"] == "record not found"
    assert client.delete(live_id).json()["message"] == "record not found"
    client.clock.now += 2
    assert [client.stop(live_id).status_code for _ in range(2)] == [200, 200]
    assert [client.delete(live_id).status_code for _ in range(2)] == [200, 200]


def test_a_stop_right_after_a_delete_finds_no_row_to_change(
    client: Client, dialect: DialectName
) -> None:
    """A deleted room that the replica still shows stays deleted."""
    live_id = client.living_room()
    client.clock.now += 5
    client.switch(lag=2)
    client.delete(live_id)
    answer = client.stop(live_id)
    if dialect == "documented":
        assert "Duplicate entry" in answer.json()["message"]
    assert client.vendor.rooms.find(live_id) is None


@pytest.mark.parametrize(("column", "limit"), [("title", 128), ("notice", 255), ("cover_url", 255)])
def test_column_limits(client: Client, column: str, limit: int) -> None:
    """Columns are measured in characters; longer text is refused, or cut with a lax mode."""
    longest = "\u76f4" * limit
    assert client.new_room(**{column: longest})[column] == longest
    assert client.create(**{column: longest + "x"}).json()["code"] == 500
    assert len(rows(client)) == 1
    client.switch(sql_mode="lax")
    created = client.new_room(**{column: longest + "x"})
    assert created[column] == longest + "x"
    assert client.room(created["live_id"])[column] == longest


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("x" * 1016, True),
        ("x" * 1017, False),
        ("<" * 169, True),
        ("<" * 170, False),
        ("\u2028" * 169, True),
        ("\u2029" * 170, False),
        ("\u76f4" * 1016, True),
        ('"' * 508, True),
        ('"' * 509, False),
    ],
)
def test_extends_is_measured_as_go_writes_it(client: Client, value: str, *, fits: bool) -> None:
    """`<`, `>`, `&` and the line separators take six characters of 1024, others one or two."""
    assert (client.create(extends={"k": value}).json()["code"] in {0, 200}) is fits


def test_a_room_with_cut_extends_is_lost(client: Client, dialect: DialectName) -> None:
    """A lax mode cuts `extends`; then the room can never be read, stopped or deleted."""
    client.switch(sql_mode="lax")
    created = client.new_room(extends={"k": "x" * 1017})
    assert created["extends"] == {"k": "x" * 1017}
    live_id = created["live_id"]
    client.go_live(live_id)
    text = "unexpected end of JSON input"
    legacy = dialect == "legacy"
    assert client.get(live_id).json()["message"] == ("create live failed" if legacy else text)
    for write in (client.stop, client.delete):
        answer = write(live_id).json()
        assert (answer["code"], answer["message"]) == (501 if legacy else 500, text)
    assert [row["extends"] for row in rows(client)] == ['{"k":"' + "x" * 1017 + '"']


@pytest.mark.parametrize("status", [429, 503])
def test_a_vendor_that_refuses_everything(client: Client, status: int) -> None:
    """Every call gets the status and `Retry-After`, whatever its signature."""
    client.switch(refuse=status, retry_after="7")
    for answer in (client.create(), client.get("1"), client.send("GET", "/x", sign=False)):
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
        assert answer.headers["content-type"] == "text/html"
    client.switch(retry_after="")
    assert "retry-after" not in client.create().headers
    assert rows(client) == []


def test_pages_in_place_of_json(client: Client) -> None:
    """A proxy in between answers with a page and status 200."""
    client.switch(html=True)
    answer = client.create()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.text.startswith("<html>")


def create() -> httpx.Request:
    """Return a signed create by alice."""
    return ready("POST", "/server/live", json={"anchor_id": "alice"})


def ready(method: str, path: str, **parts: Any) -> httpx.Request:
    """Return a signed request."""
    request = httpx.Request(method, f"http://vendor.test:8081{path}", **parts)
    request.headers["authorization"] = signed(request)
    return request


async def hang(client: Client, request: httpx.Request, lift: dict[str, Any]) -> tuple[int, Any]:
    """Send a request that hangs, then lift the fault; return the rows meanwhile, and the answer."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.vendor)) as http:
        sent = asyncio.create_task(http.send(request))
        client.pauses.begun = asyncio.Event()
        await client.pauses.begun.wait()
        assert not sent.done()
        meanwhile = len(client.vendor.rooms)
        for name, value in lift.items():
            setattr(client.vendor.faults, name, value)
        return meanwhile, (await sent).json()


@pytest.mark.parametrize(("fault", "kept"), [("database", 0), ("chat", 0), ("censor", 1)], ids=str)
def test_a_hanging_create_goes_on_later(client: Client, fault: str, kept: int) -> None:
    """A create that hangs is made in the end, and with a hanging censor at once."""
    client.switch(**{fault: "hang"})
    meanwhile, answer = asyncio.run(hang(client, create(), {fault: "up"}))
    assert meanwhile == kept
    assert answer["data"]["live_id"] == rows(client)[0]["live_id"]


def test_reads_of_one_room_hang(client: Client) -> None:
    """Reads of a hanging room wait until the fault is lifted; others are answered."""
    slow, fine = client.new_room()["live_id"], client.new_room()["live_id"]
    client.switch(hanging_rooms=[slow])
    request = ready("GET", f"/server/live/{slow}")
    _, answer = asyncio.run(hang(client, request, {"hanging_rooms": []}))
    assert answer["data"]["live_id"] == slow
    assert client.room(fine)["live_id"] == fine


def test_a_frozen_database_hangs_every_call(client: Client) -> None:
    """Reads, writes and look-ups of users wait for a frozen database."""
    live_id = client.living_room()
    for method, path in (
        ("GET", f"/server/live/{live_id}"),
        ("POST", f"/server/live/{live_id}/stop"),
        ("DELETE", f"/server/live/{live_id}"),
        ("GET", "/server/user/infos?user_ids=alice"),
        ("GET", "/server/user/info/alice"),
    ):
        client.switch(database="hang")
        _, answer = asyncio.run(hang(client, ready(method, path), {"database": "up"}))
        assert answer["code"] in {0, 200}, path

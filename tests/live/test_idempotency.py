"""`Idempotency-Key`: a create that is repeated is answered, not made again; in both dialects."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.sandbox import Sandbox
from tests import clients
from tests.conftest import go_live, signed_in

ROOM = {
    "title": "Friday session",
    "extends": {"a": "1", "b": "2"},
    "start_at": "2036-12-02T11:11:11+08:00",
}
SAME_ROOM = {
    "start_at": "2036-12-02T03:11:11.000Z",
    "anchor_id": "alice",
    "notice": None,
    "extends": {"b": "2", "a": "1"},
    "title": "Friday session",
}

Create = Callable[..., httpx.Response]

_numbers = itertools.count()


@pytest.fixture
def key() -> str:
    """A key that nobody has used."""
    return f"key-{next(_numbers)}"


@pytest.fixture
def create(sandbox: Sandbox, client: httpx.Client, key: str) -> Create:
    """Create with the fresh key, as alice and this room if nothing else is said."""
    sandbox.vendor.calls.clear()

    def ask(body: Any = ROOM, user: str = "alice", key: str = key) -> httpx.Response:
        headers = {**signed_in(sandbox, user), "Idempotency-Key": key}
        return client.post("/v1/rooms", json=body, headers=headers)

    return ask


def made(sandbox: Sandbox) -> int:
    """Return how many creates have reached the vendor."""
    return sum(call.method == "POST" for call in sandbox.vendor.calls)


def is_replay(answer: httpx.Response) -> bool:
    """Return True if an answer is marked as a replay."""
    mark = answer.headers.get("idempotency-replayed")
    assert mark in {None, "true"}
    return mark is not None


@pytest.mark.parametrize("again", [ROOM, SAME_ROOM], ids=["same bytes", "same meaning"])
def test_the_first_room_is_given_again(sandbox: Sandbox, create: Create, again: Any) -> None:
    """The same status, Location and body, `push_url` included; one create reaches the vendor."""
    first, second = create(), create(again)
    assert (first.status_code, second.status_code) == (201, 201)
    assert (is_replay(first), is_replay(second)) == (False, True)
    assert first.json()["push_url"]
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["cache-control"] == "no-store"
    assert made(sandbox) == 1
    assert not any(call.values("idempotency-key") for call in sandbox.vendor.calls)


def test_the_room_is_shown_as_it_is_now(
    sandbox: Sandbox, client: httpx.Client, create: Create
) -> None:
    """A room that has ended since is shown so; a deleted one as it was asked for, to its user."""
    body = {**ROOM, "notice": "n", "cover_url": "https://example.test/c.png"}
    first = create(body)
    path = first.headers["location"]
    alice = signed_in(sandbox, "alice")
    go_live(sandbox, first.json()["live_id"])
    assert client.post(f"{path}/stop", headers=alice).status_code == 204
    assert create(body).json() == client.get(path, headers=alice).json()
    assert client.delete(path, headers=alice).status_code == 204
    gone = create(body)
    assert (gone.status_code, is_replay(gone)) == (201, True)
    assert gone.headers["location"] == path
    assert gone.headers["cache-control"] == "no-store"
    told = ("live_id", "title", "notice", "cover_url", "extends", "start_time", "end_time")
    assert {name: gone.json()[name] for name in told} == {n: first.json()[n] for n in told}
    assert gone.json()["anchor_info"]["user_id"] == "alice"
    assert gone.json().keys() == first.json().keys() - {"push_url"}
    assert create({**body, "title": "other"}).status_code == 422


def test_users_do_not_meet(sandbox: Sandbox, create: Create) -> None:
    """Two users' equal keys make two rooms, each told to its own user."""
    body = {"title": "t"}
    alices, bobs = create(body), create(body, user="bob")
    assert not is_replay(bobs)
    assert (alices.json()["anchor_info"]["user_id"], bobs.json()["anchor_info"]["user_id"]) == (
        "alice",
        "bob",
    )
    assert create(body, user="bob").content == bobs.content
    assert create(body).content == alices.content
    assert made(sandbox) == 2


def test_who_creates_for_another_never_sees_push_url(sandbox: Sandbox, create: Create) -> None:
    """An administrator's create shows none, the first time or again."""
    body = {"title": "t", "anchor_id": "alice"}
    answers = [create(body, user="admin") for _ in range(3)]
    assert [is_replay(answer) for answer in answers] == [False, True, True]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert "push_url" not in answers[0].text
    assert made(sandbox) == 1


@pytest.mark.parametrize("change", [{"title": "Saturday"}, {"notice": ""}, {"extends": {}}])
def test_another_body_is_refused(sandbox: Sandbox, create: Create, change: Any) -> None:
    """422, and what the key stands for stays."""
    first = create()
    other = create({**ROOM, **change})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert not is_replay(other)
    assert create().content == first.content
    assert made(sandbox) == 1


def test_a_failure_of_the_vendors_is_told_again(sandbox: Sandbox, create: Create) -> None:
    """Its outcome is unknown, so it is not sent again, even when it would go well now."""
    sandbox.vendor.faults.failed_commits = 1
    first = create()
    second = create()
    for answer in (first, second):
        assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert (is_replay(first), is_replay(second)) == (False, True)
    assert made(sandbox) == 1
    assert create(key="another").status_code == 201


def test_an_unknown_anchor_uses_no_key_up(sandbox: Sandbox, create: Create) -> None:
    """An unknown anchor is refused before anything is sent; the key works once they are known."""
    body, admin = {"title": "t", "anchor_id": f"new-{next(_numbers)}"}, "admin"
    first = create(body, admin)
    assert (first.status_code, first.json()["code"]) == (422, "anchor_not_registered")
    sandbox.vendor.register(body["anchor_id"])
    second = create(body, admin)
    assert (second.status_code, is_replay(second)) == (201, False)
    assert made(sandbox) == 1


def test_what_is_refused_here_does_not_use_the_key_up(sandbox: Sandbox, create: Create) -> None:
    """A body that is not valid and a scope that is missing come before the key."""
    assert create({"title": ""}).status_code == 400
    assert create({"title": "t", "publish_expire_at": "2020-01-01T00:00:00Z"}).status_code == 400
    assert create({"title": "t", "anchor_id": "bob"}).status_code == 403
    assert made(sandbox) == 0
    assert create().status_code == 201


@pytest.mark.parametrize(
    "values", [[b""], [b"a b"], [b"k" * 129], ["é".encode()], [b"a", b"b"]], ids=repr
)
def test_a_bad_key_is_refused(
    sandbox: Sandbox, client: httpx.Client, create: Create, values: list[bytes]
) -> None:
    """400 names the header, and nothing is created."""
    del create
    alice = [(name.encode(), value.encode()) for name, value in signed_in(sandbox, "alice").items()]
    headers = [*alice, *((b"Idempotency-Key", value) for value in values)]
    answer = client.post("/v1/rooms", json=ROOM, headers=headers)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert made(sandbox) == 0


def test_the_longest_key_is_taken(create: Create) -> None:
    """128 characters, of every kind that is visible."""
    longest = ("".join(map(chr, range(0x21, 0x7F))) * 2)[:128]
    assert create(key=longest).status_code == 201
    assert is_replay(create(key=longest))


def test_ten_at_once_make_one_room(sandbox: Sandbox, create: Create, key: str) -> None:
    """One is told 201; the others the same as a replay, or that the first still runs."""
    del create
    headers = {**signed_in(sandbox, "alice"), "Idempotency-Key": key}

    async def ask() -> list[httpx.Response]:
        async with clients.async_client(sandbox.url) as client:
            return await asyncio.gather(
                *(client.post("/v1/rooms", json=ROOM, headers=headers) for _ in range(10))
            )

    answers = asyncio.run(ask())
    created = [answer for answer in answers if answer.status_code == 201]
    assert sum(not is_replay(answer) for answer in created) == 1
    assert len({answer.content for answer in created}) == 1
    for answer in answers:
        if answer not in created:
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"
    assert made(sandbox) == 1

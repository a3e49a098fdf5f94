"""The operator's routes, without sockets."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from gateway.edge import PROBLEMS, AdminHandlers
from gateway.edge.answers import Answer
from gateway.rooms import FieldProblem, InvalidRequest, RefusalKind, Refusals, is_user_id
from gateway.secret import Secret
from gateway.telemetry import PrivateRequest

TOKEN = "an-operators-token-of-thirty-two-or-more"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
UNTIL = b'{"until":"2026-12-02T11:11:11.5+08:00"}'
SECONDS = datetime(2026, 12, 2, 3, 11, 11, 500_000, tzinfo=UTC).timestamp()
AUTH = (b"authorization", b"Bearer " + TOKEN.encode())
JSON = (b"content-type", b"application/json")
PATHS = {
    "/admin/rooms/1": ("DELETE",),
    "/admin/refusals": ("GET", "HEAD"),
    "/admin/refusals/bob": ("DELETE", "PUT"),
    "/admin/refused-tokens/8c1f": ("DELETE", "PUT"),
}
END = "2026-12-02T03:11:11.500000+00:00"
METHODS = ("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS")


class Orders:
    """Notes what is ordered; `full` refuses no more, `broken` fails, `shared` is answered."""

    def __init__(self) -> None:
        self.shared: bool | None = None
        self.given: list[tuple[str, ...]] = []
        self.full = self.broken = False

    def evict(self, live_id: str) -> None:
        """Note it."""
        if self.broken:
            raise RuntimeError(TOKEN)
        self.given.append(("evict", live_id))

    def refuse(self, kind: RefusalKind, name: str, until: float) -> bool | None:
        """Note it."""
        if self.full:
            raise InvalidRequest(FieldProblem(kind, "full"))
        self.given.append((kind, name, str(until)))
        return self.shared

    def allow(self, kind: RefusalKind, name: str) -> bool | None:
        """Note it."""
        self.given.append((kind, name))
        return self.shared

    def in_force(self) -> Refusals:
        """Return some."""
        return Refusals({"auth0|bob": SECONDS}, {"8c1f": SECONDS})


class World:
    """The routes, and everything around them."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.log = CapturingLogger()
        self.token: Secret | None = Secret(TOKEN)
        self.answer = AdminHandlers(
            self.orders,
            lambda: self.token,
            self.log,
            lambda name: f"hash of {len(name)}",
            clock=lambda: NOW,
            new_id=lambda: "id-1",
        )

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = b"",
        headers: Iterable[tuple[bytes, bytes]] = (AUTH, JSON),
    ) -> Answer:
        """Return the answer."""
        return self.answer(PrivateRequest(method, path, tuple(headers), body))

    def code(self, method: str, path: str, *rest: Any) -> str:
        """Return the code of a problem that is told as everywhere."""
        answer = self.ask(method, path, *rest)
        told = msgspec.json.decode(answer.body)
        headers = dict(answer.headers)
        assert told["status"] == answer.status == PROBLEMS[told["code"]].status
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"x-request-id"] == told["request_id"].encode() == b"id-1"
        assert headers[b"cache-control"] == b"no-store"
        assert not self.orders.given
        return str(told["code"])


def test_orders_are_passed_on_and_logged() -> None:
    """Each order is carried out once, and logged once with a hash, a room's id or a time."""
    world = World()
    for method, path, body in (
        ("DELETE", "/admin/rooms/1882578996483325952", b""),
        ("PUT", "/admin/refusals/a%40b.c", UNTIL),
        ("PUT", "/admin/refused-tokens/8c%2F1f", UNTIL),
        ("DELETE", "/admin/refusals/a%40b.c", b""),
        ("DELETE", "/admin/refused-tokens/8c%2F1f", b""),
    ):
        answer = world.ask(method, path, body)
        assert (answer.status, answer.body) == (204, b"")
    assert world.orders.given == [
        ("evict", "1882578996483325952"),
        ("users", "a@b.c", str(SECONDS)),
        ("tokens", "8c/1f", str(SECONDS)),
        ("users", "a@b.c"),
        ("tokens", "8c/1f"),
    ]
    assert [(call.args[0], call.kwargs) for call in world.log.calls] == [
        ("admin_room_evicted", {"request_id": "id-1", "live_id": "1882578996483325952"}),
        ("admin_user_refused", _line(caller="hash of 5", until=END)),
        ("admin_token_refused", _line(token="hash of 5", until=END)),
        ("admin_user_allowed", _line(caller="hash of 5")),
        ("admin_token_allowed", _line(token="hash of 5")),
    ]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("path", ["/admin/refusals/bob", "/admin/refused-tokens/8c1f"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_log_says_whether_a_shared_store_has_an_order(
    path: str, method: str, *, shared: bool
) -> None:
    """With a shared store the answer is the same, and the log line says if the store has it."""
    world = World()
    world.orders.shared = shared
    assert world.ask(method, path, UNTIL).status == 204
    [call] = world.log.calls
    assert call.kwargs["shared"] is shared


def _line(**fields: str) -> dict[str, str | None]:
    return {"request_id": "id-1", "shared": None, **fields}


def test_all_refusals_are_listed() -> None:
    """Users and tokens in force are listed with their times."""
    answer = World().ask("GET", "/admin/refusals")
    assert msgspec.json.decode(answer.body) == {
        "users": [{"user_id": "auth0|bob", "until": "2026-12-02T03:11:11.500000Z"}],
        "tokens": [{"jti": "8c1f", "until": "2026-12-02T03:11:11.500000Z"}],
    }
    head = World().ask("HEAD", "/admin/refusals")
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


@pytest.mark.parametrize("path", [*PATHS, "/admin/", "/admin/nothing"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ((), "token_missing"),
        (((b"authorization", b"Basic " + TOKEN.encode()),), "token_missing"),
        (((b"authorization", b"Bearer"),), "token_invalid"),
        (((b"authorization", b"Bearer " + TOKEN[:-1].encode()),), "token_invalid"),
        (((b"authorization", b"Bearer " + TOKEN.encode() + b"x"),), "token_invalid"),
        (((b"authorization", b"Bearer \xff\xfe"),), "token_invalid"),
        ((AUTH, AUTH), "token_invalid"),
    ],
)
def test_without_the_token_nothing_is_told(
    path: str, method: str, headers: tuple[tuple[bytes, bytes], ...], code: str
) -> None:
    """Whatever a stranger asks for, the answer is a 401; so it is where no token is valid."""
    world = World()
    answer = world.ask(method, path, UNTIL, headers)
    assert (answer.status, b"www-authenticate" in dict(answer.headers)) == (401, True)
    assert method == "HEAD" or msgspec.json.decode(answer.body)["code"] == code
    world.token = None
    assert world.ask(method, path, UNTIL).status == 401
    assert not world.orders.given
    assert not world.log.calls


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_each_path_has_its_methods(path: str, method: str) -> None:
    """Another method gets a 405 that lists them."""
    answer = World().ask(method, path, UNTIL)
    if method in PATHS[path]:
        assert answer.status in {200, 204}
    else:
        assert answer.status == 405
        assert dict(answer.headers)[b"allow"].decode() == ", ".join(PATHS[path])


@pytest.mark.parametrize(
    "path",
    [
        *("/admin", "/admin/", "/admin/room/1", "/admin/rooms/1/", "/admin/rooms/1/2"),
        *("/admin/refusals/a/b", "//admin/rooms/1", "/ADMIN/rooms/1", "/admin/refused-tokens"),
        f"/admin/refusals/{'a' * 2040}",
    ],
)
def test_other_paths(path: str) -> None:
    """Other paths are not found."""
    assert World().code("DELETE", path) == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/rooms/", "/admin/rooms/%31", f"/admin/rooms/{'a' * 65}", "/admin/rooms/a.b"),
        *("/admin/refusals/", "/admin/refusals/%", "/admin/refusals/%4", "/admin/refusals/%zz"),
        *(
            "/admin/refusals/%00",
            "/admin/refusals/a%20b",
            "/admin/refusals/%ff",
            "/admin/refusals/ä",
        ),
        f"/admin/refusals/{'a' * 513}",
        *("/admin/refused-tokens/", "/admin/refused-tokens/%7F", "/admin/refused-tokens/%C3%A4"),
        f"/admin/refused-tokens/{'a' * 257}",
    ],
)
def test_ids_that_are_none(path: str) -> None:
    """An id that is not well-formed, or not well encoded, is a bad request."""
    assert World().code("DELETE", path) == "invalid_request"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b'{"until":null}', b'{"until":1800000000}'),
        *(b'{"until":"tomorrow"}', b'{"until":"2026-12-02T11:11:11"}', b"\xff", b"[" * 65_536),
        *(b'{"until":"2026-12-01T00:00:00Z"}', b'{"until":"2020-01-01T00:00:00Z"}'),
        *(b'{"until":"9999-12-31T23:59:59-23:59"}', UNTIL[:-1] + b',"more":1}'),
    ],
)
def test_bodies_that_are_none(body: bytes) -> None:
    """A body without a time in the future, or with anything else, is a bad request."""
    for path in ("/admin/refusals/bob", "/admin/refused-tokens/8c1f"):
        assert World().code("PUT", path, body) == "invalid_request"


def test_bodies_of_another_kind() -> None:
    """A body must be JSON, of a bounded length that is declared."""
    world, path = World(), "/admin/refusals/bob"
    assert world.code("PUT", path, UNTIL, (AUTH,)) == "unsupported_media_type"
    chunked = (AUTH, JSON, (b"transfer-encoding", b"chunked"))
    assert world.code("PUT", path, None, chunked) == "invalid_request"
    assert world.code("PUT", path, None) == "body_too_large"


def test_the_bound_is_told() -> None:
    """An order that does not fit any more is a bad request, and is not logged as done."""
    world = World()
    world.orders.full = True
    assert world.code("PUT", "/admin/refusals/bob", UNTIL) == "invalid_request"
    assert world.log.calls == []


def test_a_fault_is_a_problem_too() -> None:
    """An unexpected error is a 500, and logged."""
    world = World()
    world.orders.broken = True
    assert world.code("DELETE", "/admin/rooms/1") == "internal_error"
    [call] = world.log.calls
    assert call.args == ("request_failed",)


@given(st.text(min_size=1, max_size=128))
def test_any_user_can_be_refused(user_id: str) -> None:
    """Every user id that a token may have can be written into the path, slashes included."""
    world = World()
    answer = world.ask("PUT", f"/admin/refusals/{quote(user_id, safe='')}", UNTIL)
    if is_user_id(user_id):
        assert world.orders.given == [("users", user_id, str(SECONDS))]
    else:
        assert answer.status == 400


@given(st.text(alphabet="/%adminrefusltok-0123456789", max_size=40), st.sampled_from(METHODS))
def test_no_path_is_a_fault(path: str, method: str) -> None:
    """No path gives a 500."""
    world = World()
    assert world.ask(method, f"/admin/{path}", UNTIL).status < 500
    far = (NOW + timedelta(days=1)).isoformat().encode()
    assert world.ask(method, f"/admin/refusals/{path}", b'{"until":"%b"}' % far).status < 500

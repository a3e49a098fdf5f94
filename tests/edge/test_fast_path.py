"""The fast path says exactly what the usual way says."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from unittest.mock import patch

import httpx
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from litestar.types import ASGIApp
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from gateway import app
from gateway.edge.answers import Answer
from gateway.edge.fast_path import FastPath
from gateway.edge.front import Front, _no_hit
from gateway.identity import ClaimRules, mint
from gateway.metrics import Metrics
from gateway.sandbox import Vendor
from gateway.settings import load
from gateway.stores import LocalRateLimiter
from gateway.telemetry import Telemetry

SECRET = "a secret of at least thirty-two bytes"
RULES = ClaimRules(issuer=None, audience=None, leeway=10)
APP = "https://app.example.com"
BROWSERS = {
    "none": {},
    "any origin": {"GATEWAY_CORS_ORIGINS": "*"},
    "origin and cookie": {"GATEWAY_CORS_ORIGINS": APP, "GATEWAY_JWT_COOKIE": "session"},
}


class HasFront(Protocol):
    """A gateway's outer layer, somewhere."""

    front: Front


class World:
    """One gateway over an in-process vendor; its fast path can be closed.

    It holds a room of alice's and remembers an unknown one, for ever. `further` are settings.
    """

    def __init__(self, further: Mapping[str, str]) -> None:
        vendor = Vendor("ak", "sk", anchors=["alice"])
        environ = {
            "GATEWAY_ACCESS_KEY": "ak",
            "GATEWAY_SECRET_KEY": "sk",
            "GATEWAY_JWT_SECRET": SECRET,
            "GATEWAY_UPSTREAM_URL": "http://vendor.invalid",
            "GATEWAY_CACHE_TTL": "3600",
            "GATEWAY_CACHE_NEGATIVE_TTL": "3600",
            "GATEWAY_ACCESS_LOG": "off",
            **further,
        }
        log: FilteringBoundLogger = CapturingLogger()
        telemetry = Telemetry(log, None)
        transport = httpx.ASGITransport(vendor)
        with patch.object(time, "monotonic", lambda: 1000.0):  # of caches and limits, no tick
            front = app.build(load(environ), telemetry, Metrics(), transport=transport)
        assert isinstance(front, Front)
        self.front = front
        assert isinstance(front.fast_path, FastPath)
        self._fast_path = front.fast_path  # the one door between the two ways
        limits = vars(self._fast_path.limits)
        limiters = [limits["_failed_auth"], *(each for _, each in limits["_by_method"].values())]
        self._limiters = [each for each in limiters if isinstance(each, LocalRateLimiter)]
        self.answered_fast = self.hits = 0
        self.tokens = {user: self._token(user) for user in ("alice", "bob")}

    def _token(self, user_id: str) -> str:
        return mint(SECRET, user_id, RULES, scopes=(), now=time.time(), ttl=3600)

    async def ask(self, request: dict[str, Any], *, fast: bool) -> tuple[int, Any, bytes]:
        """Return status, headers and body of the answer."""
        self.front.hit = self._hit if fast else _no_hit
        self.front.fast_path = self._counted if fast else nothing
        for limiter in self._limiters:
            for bucket in limiter._buckets.values():  # noqa: SLF001  # to be asked as the first
                bucket.full_at = 0.0
        return await answer_to(self.front, request)

    def _hit(self, *request: Any) -> tuple[Answer, str] | None:
        hit = self._fast_path.hit(*request)
        self.answered_fast += hit is not None
        self.hits += hit is not None
        return hit

    async def _counted(self, *request: Any) -> Answer | None:
        answer = await self._fast_path(*request)
        self.answered_fast += answer is not None
        return answer


async def nothing(*_request: Any) -> Answer | None:
    """Leave every request to the usual way."""
    return None


async def answer_to(gateway: ASGIApp, request: dict[str, Any]) -> tuple[int, Any, bytes]:
    """Run one request through an ASGI application."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", "1"),
        "server": ("127.0.0.1", "2"),
        **request,
    }
    await gateway(scope, receive, send)  # type: ignore[arg-type]  # a scope by hand
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], list(sent[0]["headers"]), body


def requests(world: World, room: str, etag: bytes) -> st.SearchStrategy[dict[str, Any]]:
    """Return requests like those that clients send, and some that none should."""
    tokens = [token.encode() for token in world.tokens.values()]
    usual = st.just(b"Bearer " + tokens[1])
    authorization = st.one_of(
        usual,
        usual,
        st.sampled_from(
            [
                b"Bearer " + tokens[0],
                b"bearer " + tokens[1],
                b"Bearer  " + tokens[1],
                b"Basic eA==",
                b"Bearer",
            ]
        ),
        st.binary(max_size=20).map(lambda end: b"Bearer " + tokens[1] + end),
    )
    condition = st.sampled_from([etag, b"W/" + etag, b"*", b'"other"', b'"a", ' + etag, b""])
    origin = st.sampled_from([APP.encode(), b"https://evil.example", b"null", b""])
    cookie = st.sampled_from(
        [
            b"session=" + tokens[1],
            b"a=b; session=" + tokens[1],
            b'session="' + tokens[0] + b'"',
            b"session=" + tokens[0] + b"; session=" + tokens[1],
            b"session.1=" + tokens[1][40:] + b"; session.0=" + tokens[1][:40],
            b"session.0=x; session.1=y; session=" + tokens[1] + b"; session.0=" + tokens[0],
            b"session=forged; session=" + tokens[1],
            b"session=forged",
            b"session=",
            b"other=" + tokens[1],
        ]
    )
    header = st.one_of(
        st.tuples(st.just(b"origin"), origin),
        st.tuples(st.just(b"access-control-request-method"), st.just(b"GET")),
        st.tuples(st.just(b"cookie"), cookie),
        st.tuples(st.just(b"if-none-match"), condition),
        st.tuples(st.just(b"x-other"), st.binary(max_size=5)),
        st.tuples(st.just(b"authorization"), authorization),
    )
    path = st.one_of(
        st.just(f"/v1/rooms/{room}"),
        st.just(f"/v1/rooms/{room}"),
        st.sampled_from(["/v1/rooms/unknown", "/v1/rooms", f"/v1/rooms/{room}/", "/v1/rooms//"]),
        st.sampled_from([f"//v1/rooms/{room}", f"/v1/rooms/{room}/stop", "/v1/rooms/a b", "/x"]),
    )
    fixed = (b"x-request-id", b"the-same-for-both")
    signed_in = st.one_of(
        st.tuples(st.just(b"authorization"), authorization),
        st.tuples(st.just(b"authorization"), authorization),
        st.tuples(st.just(b"cookie"), cookie),
    )
    return st.fixed_dictionaries(
        {
            "method": st.sampled_from(["GET", "GET", "GET", "HEAD", "PUT", "OPTIONS"]),
            "path": path,
            "headers": st.tuples(
                signed_in, st.one_of(st.just([]), st.just([]), st.lists(header, max_size=4))
            ).map(lambda drawn: [drawn[0], *drawn[1], fixed]),
        }
    ).map(lambda drawn: {**drawn, "raw_path": str(drawn["path"]).encode()})


@pytest.mark.parametrize("browsers", BROWSERS)
def test_both_ways_answer_alike(browsers: str) -> None:
    """Status, headers in order and body are the same, byte for byte, whatever is asked."""
    with asyncio.Runner() as runner:
        world = World(BROWSERS[browsers])
        bob = (b"authorization", b"Bearer " + world.tokens["bob"].encode())
        alice = (b"authorization", b"Bearer " + world.tokens["alice"].encode())
        room = runner.run(create(world, alice))
        for _ in range(2):
            seen = runner.run(world.ask(read(room, bob), fast=True))
            runner.run(world.ask(read("unknown", bob), fast=True))
            runner.run(world.ask(read(room, alice), fast=True))
        etag = dict(seen[1])[b"etag"]

        @settings(max_examples=300, derandomize=True)
        @given(requests(world, room, etag))
        def alike(request: dict[str, Any]) -> None:
            ask: Callable[..., Any] = world.ask
            usual = runner.run(ask(dict(request), fast=False))
            fast = runner.run(ask(dict(request), fast=True))
            assert fast == usual

        world.answered_fast = world.hits = 0
        alike()
        assert world.answered_fast > world.hits > 9  # of 300: both ways are compared at all


@pytest.mark.parametrize(
    ("method", "headers", "fast"),
    [
        ("GET", [b"session=bob"], True),
        ("HEAD", [b'a=b; session="bob"; c=d'], True),
        ("GET", [b"session=bob; session=bob"], True),
        ("GET", [b"session.0=bob"], True),
        ("GET", [b"session=bob; session=x"], False),
        ("GET", [b"other=bob"], False),
        ("GET", [b"session=bob", b"a=b"], False),
    ],
)
def test_a_cookie_is_as_fast_as_a_header(method: str, headers: list[bytes], *, fast: bool) -> None:
    """A token that is known already is as good in the cookie; what is odd goes the usual way."""
    with asyncio.Runner() as runner:
        world = World(BROWSERS["origin and cookie"])
        token = {user: value.encode() for user, value in world.tokens.items()}
        room = runner.run(create(world, (b"authorization", b"Bearer " + token["alice"])))
        runner.run(world.ask(read(room, (b"authorization", b"Bearer " + token["bob"])), fast=True))
        world.answered_fast = 0
        cookies = [(b"cookie", each.replace(b"bob", token["bob"])) for each in headers]
        runner.run(world.ask({**read(room, *cookies), "method": method}, fast=True))
        assert world.answered_fast == fast


async def create(world: HasFront, alice: tuple[bytes, bytes]) -> str:
    """Create a room of alice's; return its id."""
    body = b'{"title":"Friday session"}'
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **read("", alice, (b"content-type", b"application/json")),
        "type": "http",
        "method": "POST",
        "path": "/v1/rooms",
        "raw_path": b"/v1/rooms",
        "query_string": b"",
        "root_path": "",
    }
    await world.front(scope, receive, send)  # type: ignore[arg-type]  # by hand
    assert sent[0]["status"] == 201, sent
    return str(dict(sent[0]["headers"])[b"location"], "ascii").rpartition("/")[2]


def read(room: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return a read of `room`."""
    path = f"/v1/rooms/{room}"
    return {"method": "GET", "path": path, "raw_path": path.encode(), "headers": list(headers)}

"""Pages of other origins may read what CORS allows, for every kind of answer, on real sockets.

test_browser shows that a browser keeps to it.
"""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.live.fault_server import (
    Held,
    Script,
    answering,
    enveloped,
    reply,
    rooms,
    serving,
    silence,
)
from tests.live.gateways import ALICE, BOB, IMPATIENT, Gateway, assert_tells_no_secret, gateway_at

APP, EVIL = "https://app.example.com", "https://evil.example"
ORIGINS = f"{APP},http://localhost:5173,capacitor://localhost"
GRANT = "access-control-"
PREFLIGHT = {
    "Access-Control-Request-Method": "DELETE",
    "Access-Control-Request-Headers": "authorization,idempotency-key",
}
PATHS = ("/v1/rooms", "/v1/rooms/1", "/v1/rooms/1/stop", "/healthz", "/nothing")

JSON = "application/json"
REQUESTS: list[tuple[int, str, str, dict[str, str], bytes]] = [
    (200, "GET", "/v1/rooms/1", {"Authorization": f"Bearer {BOB}"}, b""),
    (200, "GET", "/v1/rooms/1", {"Authorization": f"Bearer {ALICE}"}, b""),
    (200, "HEAD", "/v1/rooms/1", {"Authorization": f"Bearer {BOB}"}, b""),
    (200, "GET", "/v1/rooms?id=1", {"Authorization": f"Bearer {BOB}"}, b""),
    (200, "GET", "/healthz", {}, b""),
    (200, "GET", "/readyz", {}, b""),
    (200, "GET", "/openapi.json", {}, b""),
    (304, "GET", "/v1/rooms/1", {"Authorization": f"Bearer {BOB}", "If-None-Match": "*"}, b""),
    (
        201,
        "POST",
        "/v1/rooms",
        {"Authorization": f"Bearer {ALICE}", "Content-Type": JSON},
        b'{"title":"t"}',
    ),
    (204, "DELETE", "/v1/rooms/1", {"Authorization": f"Bearer {ALICE}"}, b""),
    (204, "OPTIONS", "/v1/rooms/1", {"Authorization": f"Bearer {ALICE}"}, b""),
    (400, "GET", "/v1/rooms/bad.id", {"Authorization": f"Bearer {BOB}"}, b""),
    (400, "GET", "/healthz", {f"X-{n}": "1" for n in range(65)}, b""),
    (401, "GET", "/v1/rooms/1", {}, b""),
    (401, "GET", "/v1/rooms/1", {"Authorization": "Bearer forged"}, b""),
    (401, "OPTIONS", "/v1/rooms/1", {}, b""),
    (403, "DELETE", "/v1/rooms/1", {"Authorization": f"Bearer {BOB}"}, b""),
    (404, "GET", "/nothing", {}, b""),
    (405, "PUT", "/v1/rooms/1", {"Authorization": f"Bearer {BOB}"}, b""),
    (
        413,
        "POST",
        "/v1/rooms",
        {"Authorization": f"Bearer {BOB}", "Content-Type": JSON, "Connection": "close"},
        b" " * 65_537,
    ),
    (415, "POST", "/v1/rooms", {"Authorization": f"Bearer {BOB}"}, b"{}"),
]
"""A request for each kind of answer that needs no trouble upstream."""


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Gateway]:
    """A gateway that allows some origins."""
    settings = {"CORS_ORIGINS": ORIGINS, "RATE_LIMIT_FAILED_AUTH": "off"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        yield gateway


def assert_readable(answer: httpx.Response, origin: str = APP) -> None:
    """Check that a page of `origin` may read an answer and the headers that tell it something."""
    headers = answer.headers
    assert headers.get_list("access-control-allow-origin") == [origin]
    exposed = set(headers["access-control-expose-headers"].lower().split(", "))
    assert exposed >= {"etag", "location", "retry-after", "cache-status", "x-request-id"}
    assert exposed >= {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
    assert "idempotency-replayed" in exposed
    assert "access-control-allow-credentials" not in headers


def assert_not_readable(answer: httpx.Response) -> None:
    """Check that nothing in an answer lets a page of another origin read it."""
    assert not [name for name in answer.headers if name.startswith(GRANT)]


def varies_by(answer: httpx.Response) -> set[str]:
    """Return what an answer varies by; fails where that stands in several headers."""
    [names] = answer.headers.get_list("vary")
    return set(names.split(", "))


async def ask(
    gateway: Gateway, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> httpx.Response:
    """Send a request as it is; its answer never has a secret but the anchor's own."""
    answer = await gateway.client.request(method, path, headers=headers, content=body)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: " ".join(map(str, each[:3])))
async def test_every_answer_is_for_the_allowed_origins_only(
    running: Gateway, request_: tuple[int, str, str, dict[str, str], bytes]
) -> None:
    """Every answer, good or bad, is readable by the app's pages, and by no others."""
    status, method, path, headers, body = request_
    for origin in (APP, "capacitor://localhost"):
        answer = await ask(running, method, path, {**headers, "Origin": origin}, body)
        assert answer.status_code == status
        assert_readable(answer, origin)
    for origins in ({"Origin": EVIL}, {"Origin": "null"}, {"Origin": f"{APP}.evil"}, {}):
        other = await ask(running, method, path, {**headers, **origins}, body)
        assert other.status_code == status
        assert_not_readable(other)
        assert varies_by(other) == varies_by(answer) >= {"Origin"}
        assert other.content == answer.content or "request_id" in other.text


async def test_a_room_varies_by_its_reader_and_origin() -> None:
    """One Vary header names everything that a cache must tell apart."""
    async with serving(rooms) as server:
        for settings, names in (
            ({}, {"Authorization"}),
            ({"CORS_ORIGINS": "*"}, {"Authorization"}),
            ({"CORS_ORIGINS": ORIGINS}, {"Authorization", "Origin"}),
            ({"JWT_COOKIE": "s"}, {"Authorization", "Cookie"}),
            ({"JWT_COOKIE": "s", "CORS_ORIGINS": APP}, {"Authorization", "Cookie", "Origin"}),
        ):
            async with gateway_at(server.url, **settings) as gateway:
                for bearer in (ALICE, BOB, BOB):
                    assert varies_by(await gateway.read("1", bearer)) == names
                assert varies_by(await gateway.read_batch("1", "2")) == names


async def test_two_origins_are_none() -> None:
    """A request with two origins comes from no browser, and is granted nothing."""
    two = [("Origin", APP), ("Origin", APP)]
    async with serving(rooms) as server, gateway_at(server.url, CORS_ORIGINS=ORIGINS) as gateway:
        read = await gateway.client.get("/healthz", headers=two)
        asks = await gateway.client.options("/healthz", headers=[*two, *PREFLIGHT.items()])
        assert_not_readable(read)
        assert_not_readable(asks)


@pytest.mark.parametrize("origin", [APP, EVIL, "null"])
async def test_any_origin_may_read_where_that_is_configured(origin: str) -> None:
    """GATEWAY_CORS_ORIGINS=* answers every origin with `*`, and never with credentials."""
    async with serving(rooms) as server, gateway_at(server.url, CORS_ORIGINS="*") as gateway:
        signed_in = {"Authorization": f"Bearer {BOB}", "Origin": origin}
        assert_readable(await ask(gateway, "GET", "/v1/rooms/1", signed_in), "*")
        refused = await ask(gateway, "GET", "/v1/rooms/1", {"Origin": origin})
        assert refused.status_code == 401
        assert_readable(refused, "*")
        preflight = await ask(gateway, "OPTIONS", "/v1/rooms/1", {**PREFLIGHT, "Origin": origin})
        assert preflight.status_code == 204
        assert_readable(preflight, "*")


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_needs_no_token(path: str) -> None:
    """A preflight is answered for any path without a token, and counts for no limit."""
    settings = {"CORS_ORIGINS": ORIGINS, "RATE_LIMIT_FAILED_AUTH": "1/day"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        for _ in range(3):
            answer = await ask(gateway, "OPTIONS", path, {**PREFLIGHT, "Origin": APP})
            assert (answer.status_code, answer.content) == (204, b"")
            assert_readable(answer)
            assert "DELETE" in answer.headers["access-control-allow-methods"]
            asked = PREFLIGHT["Access-Control-Request-Headers"]
            assert answer.headers["access-control-allow-headers"] == asked
            assert "*" not in str(answer.headers)
            assert int(answer.headers["access-control-max-age"]) > 0
            assert varies_by(answer) == {"Origin", "Access-Control-Request-Headers"}
            assert "ratelimit-limit" not in answer.headers
        for origin in (EVIL, "null", f"{APP}:443"):
            refused = await ask(gateway, "OPTIONS", path, {**PREFLIGHT, "Origin": origin})
            assert refused.status_code == 204
            assert_not_readable(refused)
            assert varies_by(refused) == {"Origin", "Access-Control-Request-Headers"}
        assert not server.received


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"CORS_ORIGINS": ORIGINS}, {"Origin": APP}),
        ({"CORS_ORIGINS": ORIGINS}, PREFLIGHT),
        ({}, {**PREFLIGHT, "Origin": APP}),
        ({"JWT_COOKIE": "s"}, {**PREFLIGHT, "Origin": APP}),
    ],
)
async def test_another_options_needs_a_token(
    settings: dict[str, str], headers: dict[str, str]
) -> None:
    """An OPTIONS that is no preflight, or without allowed origins, needs a token as before."""
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        assert (await ask(gateway, "OPTIONS", "/v1/rooms", headers)).status_code == 401
        signed_in = {**headers, "Authorization": f"Bearer {BOB}"}
        answer = await ask(gateway, "OPTIONS", "/v1/rooms", signed_in)
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
        assert "access-control-allow-methods" not in answer.headers


async def test_a_page_learns_that_it_is_limited() -> None:
    """A 429 is readable, by user and by address, with the time to wait."""
    limits = {"RATE_LIMIT_READS": "1/day", "RATE_LIMIT_FAILED_AUTH": "1/day"}
    async with (
        serving(rooms) as server,
        gateway_at(server.url, CORS_ORIGINS=ORIGINS, **limits) as gateway,
    ):
        for bearer in (BOB, "forged"):
            headers = {"Authorization": f"Bearer {bearer}", "Origin": APP}
            await ask(gateway, "GET", "/v1/rooms/1", headers)
            limited = await ask(gateway, "GET", "/v1/rooms/1", headers)
            assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
            assert limited.headers["retry-after"]
            assert_readable(limited)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (silence, 504),
        (answering(reply(b"garbage")), 502),
        (answering(reply(enveloped(None, 500, "record not found"), 500)), 404),
    ],
    ids=["timeout", "garbage", "unknown"],
)
async def test_a_page_learns_what_is_wrong_upstream(script: Script, status: int) -> None:
    """Failures and refusals of the upstream are readable, and say no more than elsewhere."""
    settings = {"CORS_ORIGINS": ORIGINS, **IMPATIENT}
    async with serving(script) as server, gateway_at(server.url, **settings) as gateway:
        headers = {"Authorization": f"Bearer {BOB}", "Origin": APP}
        answer = await ask(gateway, "GET", "/v1/rooms/1", headers)
        assert answer.status_code == status
        assert_readable(answer)
        assert_tells_no_secret(answer.text + str(answer.headers))


async def test_a_page_learns_that_there_is_too_much_to_do() -> None:
    """A 503 is readable, and a preflight is still answered, so that the page can see it."""
    settings = {"CORS_ORIGINS": ORIGINS, "MAX_CONCURRENCY": "1"}
    held = Held()
    async with serving(held) as server, gateway_at(server.url, **settings) as gateway:
        first = asyncio.create_task(gateway.read("1"))
        await held.arrived(1)
        headers = {"Authorization": f"Bearer {BOB}", "Origin": APP}
        refused = await ask(gateway, "GET", "/v1/rooms/2", headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert_readable(refused)
        preflight = await ask(gateway, "OPTIONS", "/v1/rooms/2", {**PREFLIGHT, "Origin": APP})
        assert preflight.status_code == 204
        assert_readable(preflight)
        held.let_go.set()
        await first


async def test_without_the_settings_nothing_is_said_of_origins() -> None:
    """Without the settings no answer has CORS headers, or `Vary: Origin`."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        for status, method, path, headers, body in REQUESTS:
            answer = await ask(gateway, method, path, {**headers, "Origin": APP}, body)
            assert answer.status_code == status
            assert_not_readable(answer)
            assert answer.headers.get("vary") in {None, "Authorization", "Accept-Encoding"}

"""A token in a cookie, on real sockets: who is signed in by it, and what it may do."""

import httpx
import pytest

from tests.live.fault_server import rooms, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at

APP, EVIL = "https://app.example.com", "https://evil.example"
NAME = "__Host-session"
COOKIE_MODE = {"JWT_COOKIE": NAME, "CORS_ORIGINS": APP}
ALICES, BOBS = f"{NAME}={ALICE}", f"{NAME}={BOB}"
MEANT = {"X-Gateway-CSRF": "1"}
WRITES = [("POST", "/v1/rooms"), ("POST", "/v1/rooms/1/stop"), ("DELETE", "/v1/rooms/1")]
FORM = "application/x-www-form-urlencoded"


async def ask(gateway: Gateway, method: str, path: str, **headers: str) -> httpx.Response:
    """Send a request with these headers; a create has a body."""
    json = {"title": "t"} if (method, path) == WRITES[0] else None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.client.request(method, path, json=json, headers=sent)


def told(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem."""
    return answer.status_code, answer.json()["code"]


async def test_a_cookie_signs_in() -> None:
    """Reads of every kind by the cookie alone, each in its reader's shape, known already or not."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        for _ in range(2):
            mine = await ask(gateway, "GET", "/v1/rooms/1", Cookie=f"a=b; {ALICES}")
            theirs = await ask(gateway, "GET", "/v1/rooms/1", Cookie=f'{NAME}="{BOB}"; c=d')
            assert (mine.status_code, theirs.status_code) == (200, 200)
            assert "push_url" in mine.json()
            assert "push_url" not in theirs.json()
            assert (await ask(gateway, "HEAD", "/v1/rooms/1", Cookie=BOBS)).status_code == 200
            batch = await ask(gateway, "GET", "/v1/rooms?id=1", Cookie=BOBS)
            assert batch.status_code == 200


async def test_a_cookie_is_off_by_default() -> None:
    """Without the setting, no cookie is looked at, whatever its name."""
    async with serving(rooms) as server, gateway_at(server.url, CORS_ORIGINS=APP) as gateway:
        for name in (NAME, "token", "Authorization", ""):
            refused = await ask(gateway, "GET", "/v1/rooms/1", Cookie=f"{name}={BOB}")
            assert told(refused) == (401, "token_missing")
            assert "access-control-allow-credentials" not in refused.headers
        assert not server.received


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Cookie", f"other={BOB}")], "token_missing"),
        ([("Cookie", f"{NAME.lower()}={BOB}")], "token_missing"),
        ([("Cookie", f"{NAME}=")], "token_invalid"),
        ([("Cookie", f"{NAME}=forged")], "token_invalid"),
        ([("Cookie", f"{NAME}={BOB}x")], "token_invalid"),
        ([("Cookie", f"{NAME}=Bearer {BOB}")], "token_invalid"),
        ([("Cookie", f"{BOBS}; {BOBS}")], "token_invalid"),
        ([("Cookie", BOBS), ("Cookie", f"{NAME}={ALICE}")], "token_invalid"),
        ([("Cookie", BOBS), ("Authorization", "Basic eDp5")], "token_missing"),
        ([("Cookie", BOBS), ("Authorization", "")], "token_missing"),
        ([("Cookie", BOBS), ("Authorization", "Bearer forged")], "token_invalid"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/rooms/1"), *WRITES])
async def test_a_bad_cookie_is_no_sign_in(
    method: str, path: str, headers: list[tuple[str, str]], code: str
) -> None:
    """401 before anything else, intended or not; a header that is sent hides every cookie."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        await gateway.read("1", BOB)  # from here on that token is remembered
        seen = len(server.received)
        for intent in ([], list(MEANT.items())):
            answer = await gateway.client.request(method, path, headers=[*headers, *intent])
            assert told(answer) == (401, code)
            assert answer.headers["www-authenticate"].startswith('Bearer realm="gateway"')
        assert len(server.received) == seen


@pytest.mark.parametrize("origin", [{}, {"Origin": APP}])
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_write_that_is_meant_is_done(
    method: str, path: str, origin: dict[str, str]
) -> None:
    """The header, and no origin or the app's."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        headers = {"Cookie": ALICES, **MEANT, **origin}
        answer = await ask(gateway, method, path, **headers)
        assert answer.status_code in {201, 204}
        assert answer.headers.get("access-control-allow-origin") == origin.get("Origin")
        assert method in {each.method for each in server.received}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": APP},
        {"X-Gateway-CSRF": "0", "Origin": APP},
        {"X-Gateway-CSRF": "1, 1", "Origin": APP},
        {"Origin": EVIL},
        {**MEANT, "Origin": EVIL},
        {**MEANT, "Origin": "null"},
        {**MEANT, "Origin": "https://app.example.com.evil.example"},
        {**MEANT, "Origin": f"{APP}:443"},
        {"Origin": EVIL, "Content-Type": FORM},
        {"X-HTTP-Method-Override": "GET"},
    ],
)
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_write_that_may_not_be_meant_is_refused(
    method: str, path: str, headers: dict[str, str]
) -> None:
    """403, and nothing goes upstream; it is not even counted as a write of the user's."""
    settings = {**COOKIE_MODE, "RATE_LIMIT_WRITES": "1/day"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        for _ in range(3):
            answer = await ask(gateway, method, path, Cookie=ALICES, **headers)
            assert told(answer) == (403, "csrf_required")
            assert answer.headers["cache-control"] == "no-store"
            assert "www-authenticate" not in answer.headers
            assert "ratelimit-remaining" not in answer.headers
        assert not server.received
        meant = await ask(gateway, method, path, Cookie=ALICES, **MEANT)
        assert meant.status_code in {201, 204}


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_without_origins_none_may_write(method: str, path: str) -> None:
    """An origin that is sent must be listed, the gateway's own as well; an app sends none."""
    async with serving(rooms) as server, gateway_at(server.url, JWT_COOKIE=NAME) as gateway:
        own = str(gateway.client.base_url).rstrip("/")
        for origin in (own, APP, "null"):
            answer = await ask(gateway, method, path, Cookie=ALICES, Origin=origin, **MEANT)
            assert told(answer) == (403, "csrf_required")
        assert not server.received
        meant = await ask(gateway, method, path, Cookie=ALICES, **MEANT)
        assert meant.status_code in {201, 204}


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_token_in_the_header_needs_no_intent(method: str, path: str) -> None:
    """A browser adds no such header by itself: who sends it means it, whatever cookie is there."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        headers = {"Authorization": f"Bearer {ALICE}", "Cookie": BOBS, "Origin": EVIL}
        answer = await ask(gateway, method, path, **headers)
        assert answer.status_code in {201, 204}
        assert "access-control-allow-origin" not in answer.headers


async def test_credentials_are_for_the_allowed_origin_only() -> None:
    """The app may send the cookie and read the answer, whatever it is; no other page may."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        asks = {"Access_Control_Request_Method": "POST"}
        for headers in ({"Cookie": BOBS}, {"Cookie": "x=y"}, {}):
            for method, path in (("GET", "/v1/rooms/1"), *WRITES, ("OPTIONS", "/v1/rooms")):
                answer = await ask(gateway, method, path, Origin=APP, **headers)
                assert answer.headers["access-control-allow-origin"] == APP
                assert answer.headers["access-control-allow-credentials"] == "true"
                other = await ask(gateway, method, path, Origin=EVIL, **headers)
                assert "access-control" not in str(other.headers)
        preflight = await ask(gateway, "OPTIONS", "/v1/rooms", Origin=APP, **asks)
        assert preflight.headers["access-control-allow-credentials"] == "true"
        assert "X-Gateway-CSRF" in preflight.headers["access-control-allow-headers"]


async def test_the_cookie_stays_here() -> None:
    """It is neither sent upstream nor set, nor logged (which the gateway's end checks)."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        answers = [
            await ask(gateway, method, path, Cookie=ALICES, **MEANT)
            for method, path in (("GET", "/v1/rooms/1"), *WRITES)
        ]
        assert not any("set-cookie" in each.headers for each in answers)
        received = b"".join(each.raw for each in server.received).lower()
        assert received
        assert b"cookie" not in received
        assert ALICE.lower().encode() not in received
        assert b"csrf" not in received

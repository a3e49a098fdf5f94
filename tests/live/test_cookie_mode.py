"""A token in a cookie, on real sockets: it signs in, and writes need proof of intent."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.live.fault_server import Server, rooms, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at, token

APP, EVIL = "https://app.example.com", "https://evil.example"
NAME = "__Host-session"
COOKIE_MODE = {"JWT_COOKIE": NAME, "CORS_ORIGINS": APP}
IN_CHUNKS = f"{NAME}.0={BOB[:99]}; {NAME}.1={BOB[99:]}"
EXPIRED = token("bob", ttl=-3600)
ALICES, BOBS = f"{NAME}={ALICE}", f"{NAME}={BOB}"
MEANT = {"X-Gateway-CSRF": "1"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
WRITES = [("POST", "/v1/rooms"), ("POST", "/v1/rooms/1/stop"), ("DELETE", "/v1/rooms/1")]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[tuple[Gateway, Server]]:
    """A gateway in cookie mode, and its upstream, for tests that leave no trace there."""
    settings = {**COOKIE_MODE, "RATE_LIMIT_FAILED_AUTH": "off"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        yield gateway, server


async def ask(gateway: Gateway, method: str, path: str, **headers: str) -> httpx.Response:
    """Send a request with these headers; a create has a body."""
    json = {"title": "t"} if (method, path) == WRITES[0] else None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.client.request(method, path, json=json, headers=sent)


def told(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem."""
    return answer.status_code, answer.json()["code"]


async def test_a_cookie_signs_in() -> None:
    """The cookie alone is enough for every kind of read, each in its reader's shape."""
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
    """No cookie signs in without the setting."""
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
        ([("Cookie", f"{NAME}=forged; {NAME}=x")], "token_invalid"),
        ([("Cookie", "; ".join([BOBS, *(f"{NAME}={n}" for n in range(4))]))], "token_invalid"),
        ([("Cookie", f"{NAME}.0={BOB[:40]}")], "token_invalid"),
        ([("Cookie", f"{NAME}=an.old.one; {NAME}={EXPIRED}")], "token_expired"),
        ([("Cookie", f"{NAME}={EXPIRED}; {NAME}=an.old.one")], "token_expired"),
        ([("Cookie", f"{NAME}.1={BOB}")], "token_missing"),
        ([("Cookie", BOBS), ("Cookie", f"{NAME}={ALICE}")], "token_invalid"),
        ([("Cookie", BOBS), ("Authorization", "Basic eDp5")], "token_missing"),
        ([("Cookie", BOBS), ("Authorization", "Bearer forged")], "token_invalid"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/rooms/1"), *WRITES])
async def test_a_bad_cookie_is_no_sign_in(
    running: tuple[Gateway, Server],
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    code: str,
) -> None:
    """A bad cookie, or a filled Authorization header beside one, is a 401 before anything else."""
    gateway, server = running
    await gateway.read("1", BOB)  # from here on that token is remembered
    seen = len(server.received)
    for intent in ([], list(MEANT.items())):
        answer = await gateway.client.request(method, path, headers=[*headers, *intent])
        assert told(answer) == (401, code)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="gateway"')
    assert len(server.received) == seen


@pytest.mark.parametrize(
    "headers",
    [
        [("Cookie", IN_CHUNKS)],
        [("Cookie", f"{NAME}.1={BOB[99:]}"), ("Cookie", f'{NAME}.0="{BOB[:99]}"')],
        [("Cookie", f"{NAME}=an.old.one; {BOBS}")],
        [("Cookie", f"{BOBS}; {NAME}=an.old.one; {BOBS}")],
        [("Cookie", f"{NAME}.0=an.old.one; {BOBS}")],
        [("Cookie", f"{NAME}.0=an.; {NAME}.1=old.; {NAME}.2=one; {IN_CHUNKS}")],
        [("Cookie", f"{NAME}.0=short; {IN_CHUNKS}")],
        [("Cookie", "; ".join([BOBS] * 9))],
        [("Cookie", BOBS), ("Authorization", "")],
        [("Cookie", BOBS), ("Authorization", "Bearer")],
    ],
)
async def test_a_cookie_signs_in_as_browsers_send_it(
    running: tuple[Gateway, Server], headers: list[tuple[str, str]]
) -> None:
    """A token in chunks, an old twin or an empty Authorization beside it must not be in the way."""
    gateway, _ = running
    assert (await gateway.client.get("/v1/rooms/1", headers=headers)).status_code == 200
    refused = await gateway.client.delete("/v1/rooms/1", headers=headers)
    assert told(refused) == (403, "csrf_required")


@pytest.mark.parametrize("origin", [SAME_ORIGIN, {"Origin": APP}])
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_write_that_is_meant_is_done(
    running: tuple[Gateway, Server], method: str, path: str, origin: dict[str, str]
) -> None:
    """A write with the CSRF header and the app's origin is sent, or with the browser's word."""
    gateway, server = running
    seen = len(server.received)
    headers = {"Cookie": ALICES, **MEANT, **origin}
    answer = await ask(gateway, method, path, **headers)
    assert answer.status_code in {201, 204}
    assert answer.headers.get("access-control-allow-origin") == origin.get("Origin")
    assert method in {each.method for each in server.received[seen:]}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": APP},
        {"X-Gateway-CSRF": "0", "Origin": APP},
        {"X-Gateway-CSRF": "1, 1", "Origin": APP},
        {"Origin": EVIL},
        MEANT,
        SAME_ORIGIN,
        {**MEANT, "Sec-Fetch-Site": "same-site"},
        {**MEANT, **SAME_ORIGIN, "Origin": EVIL},
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
    """A write without proof of intent is a 403, and counts for no limit."""
    settings = {**COOKIE_MODE, "RATE_LIMIT_WRITES": "1/day"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        for _ in range(3):
            answer = await ask(gateway, method, path, Cookie=ALICES, **headers)
            assert told(answer) == (403, "csrf_required")
            assert answer.headers["cache-control"] == "no-store"
            assert "www-authenticate" not in answer.headers
            assert "ratelimit-remaining" not in answer.headers
        assert not server.received
        meant = await ask(gateway, method, path, Cookie=ALICES, **MEANT, **SAME_ORIGIN)
        assert meant.status_code in {201, 204}


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_without_origins_none_may_write(method: str, path: str) -> None:
    """An Origin header must be listed, even if it is the gateway's own."""
    async with serving(rooms) as server, gateway_at(server.url, JWT_COOKIE=NAME) as gateway:
        own = str(gateway.client.base_url).rstrip("/")
        for origin in (own, APP, "null"):
            answer = await ask(gateway, method, path, Cookie=ALICES, Origin=origin, **MEANT)
            assert told(answer) == (403, "csrf_required")
        assert not server.received
        meant = await ask(gateway, method, path, Cookie=ALICES, **MEANT, **SAME_ORIGIN)
        assert meant.status_code in {201, 204}


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_token_in_the_header_needs_no_intent(
    running: tuple[Gateway, Server], method: str, path: str
) -> None:
    """A token in the header is proof of intent: no browser adds one by itself."""
    headers = {"Authorization": f"Bearer {ALICE}", "Cookie": BOBS, "Origin": EVIL}
    answer = await ask(running[0], method, path, **headers)
    assert answer.status_code in {201, 204}
    assert "access-control-allow-origin" not in answer.headers


async def test_credentials_are_for_the_allowed_origin_only() -> None:
    """Only the app's origin may send the cookie and read the answer."""
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
        assert preflight.headers["access-control-allow-methods"] == "GET, HEAD, POST, DELETE"


async def test_the_cookie_stays_here() -> None:
    """The cookie is not sent upstream, set or logged; `gateway_at` checks the log."""
    async with serving(rooms) as server, gateway_at(server.url, **COOKIE_MODE) as gateway:
        answers = [
            await ask(gateway, method, path, Cookie=ALICES, **MEANT, **SAME_ORIGIN)
            for method, path in (("GET", "/v1/rooms/1"), *WRITES)
        ]
        assert not any("set-cookie" in each.headers for each in answers)
        received = b"".join(each.raw for each in server.received).lower()
        assert received
        assert b"cookie" not in received
        assert ALICE.lower().encode() not in received
        assert b"csrf" not in received

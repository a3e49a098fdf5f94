"""CORS and cookies in headless Chromium: the rights of allowed and of foreign pages.

A foreign page comes from another port, which is another origin but the same site, so that every
cookie is sent from it, and from another host, which is another site.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.live.browser import BLOCKED, Requests, browsing, needs_chromium, sites
from tests.live.fault_server import Server, rooms, serving
from tests.live.gateways import ALICE, BOB, Gateway, gateway_at
from tests.waiting import until

pytestmark = needs_chromium

ROOM = "/v1/rooms/1"
STOP = f"{ROOM}/stop"
JSON = {"Content-Type": "application/json"}
MEANT = {"X-Gateway-CSRF": "1"}
COOKIES = {"credentials": "include"}
MONITORING = {
    "sentry-trace": "0",
    "baggage": "a=b",
    "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
    "x-datadog-trace-id": "1",
    "X-Requested-With": "XMLHttpRequest",
}
"""Headers that scripts add which watch a page's requests."""


def as_user(token: str, **headers: str) -> dict[str, str]:
    """Return headers that carry a token."""
    return {"Authorization": f"Bearer {token}", **headers}


BEARER: Requests = [
    ("read", ROOM, {"headers": as_user(BOB, **{"X-Request-Id": "from-a-page"})}),
    ("unchanged", ROOM, {"headers": as_user(BOB, **{"If-None-Match": "*"})}),
    ("anchor", ROOM, {"headers": as_user(ALICE)}),
    ("monitored", ROOM, {"headers": as_user(BOB, **MONITORING)}),
    (
        "create",
        "/v1/rooms",
        {
            "method": "POST",
            "body": '{"title":"t"}',
            "headers": as_user(ALICE, **JSON, **{"Idempotency-Key": "k"}),
        },
    ),
    ("delete", ROOM, {"method": "DELETE", "headers": as_user(ALICE)}),
    ("not the anchor", ROOM, {"method": "DELETE", "headers": as_user(BOB)}),
    ("no token", ROOM, {}),
    ("nothing", "/nothing", {}),
    ("put", ROOM, {"method": "PUT", "headers": as_user(ALICE)}),
    ("with cookies", "/healthz", COOKIES),
]

COOKIE: Requests = [
    ("read", ROOM, COOKIES),
    ("without it", ROOM, {"credentials": "omit"}),
    ("unmarked", STOP, {**COOKIES, "method": "POST"}),
    ("marked", STOP, {**COOKIES, "method": "POST", "headers": MEANT}),
    ("delete", "/v1/rooms/2", {**COOKIES, "method": "DELETE", "headers": MEANT}),
]

BLIND: Requests = [
    ("blind read", ROOM, {**COOKIES, "mode": "no-cors"}),
    ("blind write", STOP, {**COOKIES, "mode": "no-cors", "method": "POST", "body": "x=1"}),
]
"""What every page may send to anyone, but not read the answer to."""


def url_of(gateway: Gateway) -> str:
    """Return the gateway's base URL."""
    return f"http://127.0.0.1:{gateway.port}"


def answered(gateway: Gateway) -> Counter[tuple[str, int]]:
    """Return how often each method and status stands in the gateway's log."""
    lines = [json.loads(line) for line in gateway.log.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    return Counter((line["method"], line["status"]) for line in requests)


def written(upstream: Server) -> list[str]:
    """Return the writes that the upstream got."""
    return [each.target for each in upstream.received if each.method != "GET"]


def told(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem that a page was shown."""
    return answer["status"], json.loads(answer["body"])["code"]


async def test_a_token_in_a_header(tmp_path: Path) -> None:
    """A page of the allowed origin can do all that the API offers, one of another nothing."""
    async with (
        sites(3) as (app, neighbour, stranger),
        serving(rooms) as upstream,
        gateway_at(upstream.url, CORS_ORIGINS=app.origin()) as gateway,
    ):
        app.calls(url_of(gateway), BEARER, then=neighbour.origin())
        neighbour.calls(url_of(gateway), BEARER, then=stranger.origin("localhost"))
        stranger.calls(url_of(gateway), BEARER)
        async with browsing(app.origin(), tmp_path):
            assert_sees_everything(await app.report())
            before, asked = answered(gateway), len(upstream.received)
            assert before["OPTIONS", 204] > 0

            for foreign in (neighbour, stranger):
                seen = await foreign.report()
                assert [seen[name] for name, _, _ in BEARER] == [BLOCKED] * len(BEARER)
        new = answered(gateway) - before
        assert {method for method, _ in new} == {"OPTIONS", "GET"}
        assert len(upstream.received) == asked


def assert_sees_everything(seen: Any) -> None:
    """Check what a page that may read was shown."""
    read = seen["read"]
    assert (read["status"], read["type"]) == (200, "cors")
    assert json.loads(read["body"])["live_id"] == "1"
    assert "push_url" not in json.loads(read["body"])
    assert read["headers"]["x-request-id"] == "from-a-page"
    assert read["headers"]["etag"].startswith('"')
    assert read["headers"]["cache-status"].startswith("gateway; ")
    assert read["headers"]["cache-control"].startswith("private")
    assert seen["unchanged"]["status"] == 304
    assert "push_url" in json.loads(seen["anchor"]["body"])
    assert seen["monitored"]["status"] == 200
    created = seen["create"]
    assert (created["status"], created["headers"]["location"]) == (201, "/v1/rooms/created")
    assert seen["delete"]["status"] == 204
    assert told(seen["not the anchor"]) == (403, "not_room_anchor")
    assert told(seen["no token"]) == (401, "token_missing")
    assert told(seen["nothing"]) == (404, "not_found")
    assert seen["put"] == BLOCKED, "there is no PUT, and the preflight says so"
    assert seen["with cookies"] == BLOCKED, "they are allowed only where one may carry the token"


async def test_any_origin(tmp_path: Path) -> None:
    """`*` lets every page read with a token of its own, and none with the browser's cookies."""
    async with (
        sites(1) as (site,),
        serving(rooms) as upstream,
        gateway_at(upstream.url, CORS_ORIGINS="*") as gateway,
    ):
        site.calls(url_of(gateway), BEARER)
        async with browsing(site.origin("localhost"), tmp_path):
            assert_sees_everything(await site.report())


@pytest.mark.parametrize("same_site", ["Strict", "None; Secure"])
async def test_a_token_in_a_cookie(tmp_path: Path, same_site: str) -> None:
    """The app's page reads and, where it says so, writes; a foreign one changes and sees nothing.

    A cookie knows no port: the app's site sets it for the gateway, which has the same host.
    """
    async with (
        sites(3) as (app, neighbour, stranger),
        serving(rooms) as upstream,
        gateway_at(upstream.url, CORS_ORIGINS=app.origin(), JWT_COOKIE="session") as gateway,
    ):
        app.cookie = f"session={ALICE}; Path=/; HttpOnly; SameSite={same_site}"
        app.calls(url_of(gateway), COOKIE, then=neighbour.origin())
        neighbour.calls(
            url_of(gateway), [*COOKIE, *BLIND], forms=[STOP], then=stranger.origin("localhost")
        )
        stranger.calls(url_of(gateway), [*COOKIE, *BLIND], forms=[STOP], leave=STOP)
        async with browsing(app.origin(), tmp_path):
            seen = await app.report()
            assert seen["cookie"] == "", "the script holds no token"
            assert "push_url" in json.loads(seen["read"]["body"])
            assert told(seen["without it"]) == (401, "token_missing")
            assert told(seen["unmarked"]) == (403, "csrf_required")
            assert (seen["marked"]["status"], seen["delete"]["status"]) == (204, 204)
            assert written(upstream) == ["/server/live/1/stop", "/server/live/2"]
            before = answered(gateway)

            assert_sees_nothing(await neighbour.report())
            new = answered(gateway) - before
            assert new["POST", 403] == 3, "unmarked, blind and a form, each with the cookie"
            assert new["GET", 200] == 2, "a read with the cookie changes nothing, and is not seen"
            assert posts(new) == 3

            before = answered(gateway)
            assert_sees_nothing(await stranger.report())
            await until(lambda: posts(answered(gateway) - before) == 4)
        new = answered(gateway) - before
        assert new["POST", 401] + new["POST", 403] == 4
        assert (new["POST", 403] > 0) is same_site.startswith("None"), "the form in its place"
        assert written(upstream) == ["/server/live/1/stop", "/server/live/2"]


def assert_sees_nothing(seen: Any) -> None:
    """Check that a page was shown no answer that a cookie signed in to."""
    assert seen["cookie"] == "", "what is sent to the site is not shown to its script"
    assert [seen[name] for name, _, _ in COOKIE] == [BLOCKED] * len(COOKIE)
    for name, _, _ in BLIND:
        shown = seen[name]
        assert (shown["type"], shown["status"], shown["body"]) == ("opaque", 0, "")


def posts(answers: Counter[tuple[str, int]]) -> int:
    """Return how many of the answers are to a POST."""
    return sum(count for (method, _), count in answers.items() if method == "POST")


async def test_a_subdomain_with_a_token_in_chunks(tmp_path: Path) -> None:
    """A page of any one label may use cookies as Auth.js writes them; one of two labels may not.

    Chromium takes every name below `localhost` for this machine. An old twin, of a longer path,
    comes first.
    """
    half = len(ALICE) // 2
    cookies = (
        *(f"session.0={ALICE[:half]}; Path=/", f"session.1={ALICE[half:]}; Path=/"),
        *("session.0=an.old; Path=/v1", "session.1=.one; Path=/v1", "session.2=x; Path=/v1"),
    )
    async with sites(1) as (site,), serving(rooms) as upstream:
        origins = f"http://*.shop.localhost:{site.port}"
        async with gateway_at(upstream.url, CORS_ORIGINS=origins, JWT_COOKIE="session") as gateway:
            url = f"http://api.shop.localhost:{gateway.port}"
            shared = (f"{each}; Domain=shop.localhost; HttpOnly" for each in cookies)
            site.cookie = "\nSet-Cookie: ".join(shared)
            deeper = site.origin("a.b.shop.localhost")
            site.calls(url, COOKIE, then=deeper)
            async with browsing(site.origin("app.shop.localhost"), tmp_path):
                seen = await site.report()
                assert seen["origin"] == site.origin("app.shop.localhost")
                assert "push_url" in json.loads(seen["read"]["body"])
                assert told(seen["unmarked"]) == (403, "csrf_required")
                assert (seen["marked"]["status"], seen["delete"]["status"]) == (204, 204)
                seen = await site.report()
                assert seen["origin"] == deeper
                assert [seen[name] for name, _, _ in COOKIE] == [BLOCKED] * len(COOKIE)

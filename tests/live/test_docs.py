"""The pages for people: compressed once, told from what a browser has, and switched off."""

import gzip
from collections.abc import AsyncIterator

import pytest

from tests.live.fault_server import rooms, serving
from tests.live.gateways import BOB, Gateway, assert_told, gateway_at

PAGES = [
    "/docs",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
    "/docs/page.css",
    "/docs/start.js",
    "/openapi.json",
]
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Gateway]:
    """A gateway."""
    async with serving(rooms) as server, gateway_at(server.url) as gateway:
        yield gateway


async def raw(gateway: Gateway, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body as they came."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with gateway.client.stream("GET", path, headers=sent) as answer:
        return dict(answer.headers), b"".join([each async for each in answer.aiter_raw()])


@pytest.mark.parametrize("path", PAGES)
async def test_a_browser_gets_it_compressed(running: Gateway, path: str) -> None:
    """It is the same document in either coding, and much smaller in one."""
    plain, body = await raw(running, path, Accept_Encoding="identity")
    packed, smaller = await raw(running, path, Accept_Encoding="gzip, br")
    assert "content-encoding" not in plain
    assert packed["content-encoding"] == "gzip"
    assert gzip.decompress(smaller) == body
    assert len(body) < 5000 or len(smaller) < len(body) / 3
    assert plain["vary"] == packed["vary"] == "Accept-Encoding"
    assert plain["etag"] != packed["etag"]


@pytest.mark.parametrize("path", PAGES)
async def test_what_a_browser_has_is_not_sent_again(running: Gateway, path: str) -> None:
    """The ETag of the same coding is a 304 with what a cache needs; that of the other is not."""
    first = await running.client.get(path, headers=PLAIN)
    again = await running.client.get(
        path, headers={**PLAIN, "If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "vary", "cache-control", "x-request-id"):
        assert name in again.headers
    other = {"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]}
    assert (await running.client.get(path, headers=other)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_a_head_has_no_body(running: Gateway, path: str) -> None:
    """HEAD has the headers of GET."""
    answer = await running.client.head(path, headers=PLAIN)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_they_can_be_off() -> None:
    """Off, they are as any unknown path; the rest goes on."""
    async with serving(rooms) as server, gateway_at(server.url, DOCS="off") as gateway:
        for path in (*PAGES, "/docs/index.html"):
            assert_told(await gateway.client.get(path), "not_found")
        assert (await gateway.read("1", BOB)).status_code == 200


@pytest.mark.parametrize("docs", ["on", "off"])
async def test_the_root_names_what_anyone_may_ask_for(docs: str) -> None:
    """`GET /` must name the service and its public paths, each of which is there."""
    async with serving(rooms) as server, gateway_at(server.url, DOCS=docs) as gateway:
        told = await gateway.client.get("/")
        index = told.json()
        assert index.pop("service") == "live-room-gateway"
        documents = {"docs": "/docs", "openapi": "/openapi.json"} if docs == "on" else {}
        assert index == {"healthz": "/healthz", "readyz": "/readyz", **documents}
        for path in index.values():
            assert (await gateway.client.get(path)).status_code == 200
        head = await gateway.client.head("/")
        assert (head.status_code, head.content) == (200, b"")

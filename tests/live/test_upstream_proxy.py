"""Calls upstream through a forward proxy."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
import trustme

from tests.live.fault_server import free_socket, rooms, serving, url_of
from tests.live.faults import ASKED
from tests.live.forward_proxy import ForwardProxy, Head, proxying
from tests.live.gateways import ALICE, Gateway, assert_told, gateway_at
from tests.live.test_upstream_connections import presenting

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WANTS_A_USER = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n"
    b"Connection: close\r\n\r\n<html>"
)


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    """A proxy that refuses nothing."""
    async with proxying() as running:
        yield running


async def create(gateway: Gateway, key: str) -> httpx.Response:
    """Create a room as alice."""
    headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": key}
    return await gateway.client.post("/v1/rooms", json={"title": "t"}, headers=headers)


def written(head: Head) -> bool:
    """Return True for the head of a create."""
    return head[0] == "POST"


def signed(raw: bytes) -> tuple[bytes, ...]:
    """Return the parts of a request that its signature covers, and the signature."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    path = target[target.index(b"/server") :]
    named = (b"host:", b"content-type:", b"authorization:")
    return method, path, *sorted(each for each in headers if each.lower().startswith(named)), body


async def test_calls_go_through_the_proxy(proxy: ForwardProxy) -> None:
    """Every call has an absolute target there, and reaches the upstream as without a proxy."""
    async with serving(rooms) as server, gateway_at(server.url) as direct:
        assert (await direct.read(ASKED)).status_code == 200
        assert (await create(direct, "k")).status_code == 201
        alone = {signed(each.raw) for each in server.received}
        server.received.clear()
        async with gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway:
            assert (await gateway.read(ASKED)).status_code == 200
            assert (await create(gateway, "k")).status_code == 201
        assert {signed(each.raw) for each in server.received} == alone
        assert all(target.startswith(server.url) for _, target, _ in proxy.heads)


@pytest.mark.usefixtures("_system_trusts")
async def test_a_tunnel_for_https(proxy: ForwardProxy, trusted: trustme.CA) -> None:
    """The proxy sees a host and a port, and nothing of what is signed."""
    tls = presenting(trusted.issue_cert("localhost"))
    async with (
        serving(rooms, tls=tls) as server,
        gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway,
    ):
        assert (await gateway.read(ASKED)).status_code == 200
        assert (await create(gateway, "k")).status_code == 201
        authority = server.url.removeprefix("https://")
        assert {(method, target) for method, target, _ in proxy.heads} == {("CONNECT", authority)}
        assert not any(b"Qiniu" in rest for _, _, rest in proxy.heads)


async def test_a_proxy_that_asks_for_a_user(proxy: ForwardProxy) -> None:
    """It gets the name and password of the URL, and nobody else does."""
    basic = b"Basic " + base64.b64encode(b"me:p@ss")
    proxy.refuse = lambda head: b"" if basic in head[2] else WANTS_A_USER
    url = proxy.url.replace("http://", "http://me:p%40ss@")
    async with serving(rooms) as server, gateway_at(server.url, UPSTREAM_PROXY=url) as gateway:
        assert (await gateway.read(ASKED)).status_code == 200
    async with gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway:
        assert_told(await gateway.read(ASKED), "upstream_error")


@pytest.mark.usefixtures("_system_trusts")
@pytest.mark.parametrize("refusal", [FORBIDDEN, WANTS_A_USER, BAD_GATEWAY])
async def test_a_refused_tunnel_sends_nothing(
    proxy: ForwardProxy, trusted: trustme.CA, refusal: bytes
) -> None:
    """Without a tunnel nothing has happened upstream: the same key makes the room later."""
    tls = presenting(trusted.issue_cert("localhost"))
    async with (
        serving(rooms, tls=tls) as server,
        gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway,
    ):
        assert (await create(gateway, "other")).status_code == 201  # the anchor is known now
        proxy.refuse = lambda _: refusal
        assert_told(await create(gateway, "k"), "upstream_error")
        made = len(server.received)
        proxy.refuse = lambda _: b""
        answer = await create(gateway, "k")
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)
        assert len(server.received) > made


async def test_an_answer_of_the_proxy_s_own_leaves_the_outcome_open(proxy: ForwardProxy) -> None:
    """A 502 from the proxy says nothing about a create that it may have passed on."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway,
    ):
        proxy.refuse = lambda head: BAD_GATEWAY if written(head) else b""
        assert_told(await create(gateway, "k"), "outcome_unknown")
        proxy.refuse = lambda _: BAD_GATEWAY
        assert_told(await gateway.read(ASKED), "upstream_error")


async def test_no_proxy_at_all() -> None:
    """A proxy that refuses connections is a 502, and nothing is sent past it."""
    with free_socket() as held:
        async with (
            serving(rooms) as server,
            gateway_at(server.url, UPSTREAM_PROXY=url_of(held)) as gateway,
        ):
            assert_told(await gateway.read(ASKED), "upstream_error")
            assert_told(await create(gateway, "k"), "upstream_error")
            assert not server.received


async def test_proxy_variables_are_not_read(
    proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy is for others; so is NO_PROXY."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    async with serving(rooms) as server:
        async with gateway_at(server.url) as gateway:
            assert (await gateway.read(ASKED)).status_code == 200
        assert not proxy.heads
        monkeypatch.setenv("NO_PROXY", "*")
        async with gateway_at(server.url, UPSTREAM_PROXY=proxy.url) as gateway:
            assert (await gateway.read(ASKED)).status_code == 200
        assert proxy.heads

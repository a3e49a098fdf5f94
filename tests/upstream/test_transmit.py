"""The last step of a call, over httpx's own mock transport and over one that hangs."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Call, QiniuSigner, Reply, over_httpx, transmit
from gateway.upstream.faults import DeadlineExceeded, NotAttempted
from tests.upstream.scripted import AK, SK, call, sdk_authorization, sender
from tests.upstream.test_signature import HOSTS, METHODS, PATHS, QUERIES

URL = "https://upstream.test:8443"


def sent_by(make: Callable[[], Call], url: str = URL) -> tuple[list[httpx.Request], Reply]:
    """Make a call over a mock transport; return the requests that it got, and the reply."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(201, headers={"X-A": "b"}, content=b"whole")

    async def made() -> Reply:
        return await sender(over_httpx(httpx.MockTransport(answer)), url)(make())

    reply = asyncio.run(made())
    return requests, reply


def test_a_reply_is_whole() -> None:
    """Status, headers and body are those of the response."""
    _, reply = sent_by(call)
    assert (reply.status, reply.headers["X-A"], reply.body) == (201, "b", b"whole")


@pytest.mark.parametrize(
    ("method", "body", "more"),
    [
        ("GET", b"", {}),
        ("DELETE", b"", {}),
        ("POST", b"", {"content-length": "0"}),
        ("POST", b"{}", {"content-length": "2", "content-type": "application/json"}),
    ],
)
def test_a_request_has_these_headers_only(method: str, body: bytes, more: dict[str, str]) -> None:
    """A request has host, request id and signature, and with a body its type and length."""
    ((request,), _) = sent_by(lambda: call(method, "/server/live/1", body))
    assert (request.method, str(request.url)) == (method, f"{URL}/server/live/1")
    assert request.content == body
    assert request.headers.pop("Authorization").startswith(f"Qiniu {AK}:")
    assert dict(request.headers) == {"host": "upstream.test:8443", "x-reqid": "req-1", **more}


BODIES = st.just(b"") | st.text(min_size=1).map(str.encode)
ESCAPED = PATHS | st.just("/%E7%9B%B4%20x")


@given(METHODS, HOSTS, ESCAPED, QUERIES.filter(lambda query: "%" not in query), BODIES)
def test_the_signature_is_of_the_request(
    method: str, host: str, path: str, query: str, body: bytes
) -> None:
    """The vendor's SDK signs the request as it is sent like the call was signed."""
    ((request,), _) = sent_by(lambda: call(method, path + query, body), f"http://{host}")
    target = request.url.raw_path.decode()
    headers = dict(request.headers)
    value = headers.pop("authorization")
    assert value == sdk_authorization(request.method, target, headers, request.content, (AK, SK))


class Hanging(httpx.AsyncBaseTransport):
    """A transport without answers; `left` is the time that it was told."""

    left: float | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hang."""
        self.left = request.extensions["deadline"]
        await asyncio.Event().wait()
        raise AssertionError


def hang(transport: Hanging, seconds: float) -> None:
    """Make a call that has so many seconds."""

    async def made() -> None:
        send = transmit(over_httpx(transport), QiniuSigner(AK, SK), URL)
        await asyncio.wait_for(send(call(seconds=seconds)), timeout=60)

    asyncio.run(made())


def test_a_call_without_time_is_not_sent() -> None:
    """A call that has waited too long for a connection is refused: nothing has gone out."""
    transport = Hanging()
    with pytest.raises(NotAttempted) as refused:
        hang(transport, -0.001)
    assert refused.value.retry_after == 1
    assert transport.left is None


def test_a_call_ends_by_its_deadline() -> None:
    """A call that was sent may have been carried out, and the transport knows the time left."""
    transport = Hanging()
    with pytest.raises(DeadlineExceeded):
        hang(transport, 0.05)
    assert transport.left is not None
    assert 0 < transport.left <= 0.05

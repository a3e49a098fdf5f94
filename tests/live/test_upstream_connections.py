"""No connection, or one that cannot be trusted: nothing is sent."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from tests.live.fault_server import free_socket, rooms, serving, url_of
from tests.live.faults import ASKED
from tests.live.gateways import (
    IMPATIENT,
    OPERATIONS,
    Gateway,
    assert_serves,
    assert_told,
    gateway_at,
)


async def assert_nothing_works(gateway: Gateway, code: str = "upstream_error") -> None:
    """Check that a read and a create both end in `code`."""
    assert_told(await gateway.read(ASKED), code)
    assert_told(await gateway.write("create"), code)


async def test_a_refused_connection() -> None:
    """A refused connection is a 502 for reads and writes, until there is a listener.

    A stop and a delete fail at the read that says whose room it is.
    """
    held = free_socket()
    async with gateway_at(url_of(held)) as gateway:
        assert_told(await gateway.read(ASKED), "upstream_error")
        for operation in OPERATIONS[:2]:
            assert_told(await gateway.write(operation, ASKED), "upstream_error")
        async with serving(rooms, held=held) as server:
            await assert_serves(gateway, server)


async def test_a_name_that_does_not_resolve() -> None:
    """A name that does not resolve is a 502, and the gateway goes on."""
    async with gateway_at("http://nowhere.invalid") as gateway:
        await assert_nothing_works(gateway)
        assert (await gateway.client.get("/healthz")).status_code == 200


@pytest.mark.slow
async def test_a_connection_that_is_never_accepted() -> None:
    """A connection that is never accepted is a 504, for a create at the look-up of its anchor."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            async with gateway_at(url_of(full), **IMPATIENT) as gateway:
                assert_told(await gateway.read(ASKED), "upstream_timeout")
                assert_told(await gateway.write("create"), "upstream_timeout")


def presenting(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return what a server needs to present a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.usefixtures("_system_trusts")
async def test_a_good_certificate(trusted: trustme.CA) -> None:
    """A trusted certificate lets all calls pass, as a control for the tests below."""
    tls = presenting(trusted.issue_cert("localhost"))
    async with serving(rooms, tls=tls) as server, gateway_at(server.url) as gateway:
        await assert_serves(gateway, server)
        assert (await gateway.write("create")).status_code == 201


def bad_certificate(case: str, trusted: trustme.CA) -> trustme.LeafCert:
    """Return a certificate that nobody may accept for `localhost`."""
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    far_off = dt.datetime(2090, 1, 1, tzinfo=dt.UTC)
    match case:
        case "of an unknown authority":
            return trustme.CA().issue_cert("localhost")
        case "for another host":
            return trusted.issue_cert("elsewhere.test")
        case "expired":
            return trusted.issue_cert("localhost", not_after=long_ago)
        case "not valid yet":
            return trusted.issue_cert(
                "localhost", not_before=far_off, not_after=far_off + dt.timedelta(days=1)
            )
        case _:
            raise ValueError(case)


BAD_CERTIFICATES = ("of an unknown authority", "for another host", "expired", "not valid yet")


@pytest.mark.usefixtures("_system_trusts")
@pytest.mark.parametrize("case", BAD_CERTIFICATES)
async def test_a_bad_certificate(case: str, trusted: trustme.CA) -> None:
    """A bad certificate is a 502 before any byte is sent, and a good one mends it."""
    tls = presenting(bad_certificate(case, trusted))
    async with serving(rooms, tls=tls) as server, gateway_at(server.url) as gateway:
        await assert_nothing_works(gateway)
        assert server.received == []
        trusted.issue_cert("localhost").configure_cert(tls)
        await assert_serves(gateway, server)


async def test_a_self_signed_certificate() -> None:
    """The system's own authorities do not vouch for it: 502, nothing sent."""
    tls = presenting(trustme.CA().issue_cert("localhost"))
    async with serving(rooms, tls=tls) as server, gateway_at(server.url) as gateway:
        await assert_nothing_works(gateway)
        assert server.received == []


@pytest.mark.usefixtures("_system_trusts")
async def test_an_old_protocol(trusted: trustme.CA) -> None:
    """TLS 1.1 is refused."""
    tls = presenting(trusted.issue_cert("localhost"))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = tls.minimum_version = ssl.TLSVersion.TLSv1_1
    async with serving(rooms, tls=tls) as server, gateway_at(server.url) as gateway:
        await assert_nothing_works(gateway)
        assert server.received == []


@asynccontextmanager
async def no_tls(*, answer: bytes = b"") -> AsyncIterator[tuple[str, bytearray]]:
    """Run a server that keeps what it gets and knows no TLS; without an answer it stays silent."""
    got = bytearray()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            got.extend(await reader.read(65536))
            if answer:
                writer.write(answer)
            else:
                await reader.read()
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with listener:
        yield url_of(listener.sockets[0], tls=True), got


@pytest.mark.parametrize(
    ("answer", "read", "write"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "upstream_error", "upstream_error"),
        (b"", "upstream_timeout", "upstream_timeout"),
    ],
    ids=["plain HTTP", "silence"],
)
async def test_no_tls_at_all(answer: bytes, read: str, write: str) -> None:
    """A port without TLS gets no part of a request, signature or key included."""
    settings = {} if answer else IMPATIENT
    async with no_tls(answer=answer) as (url, got), gateway_at(url, **settings) as gateway:
        assert_told(await gateway.read(ASKED), read)
        assert_told(await gateway.write("create"), write)
    assert got
    assert not [word for word in (b"server/live", b"Qiniu", b"canary") if word in got]

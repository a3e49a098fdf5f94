"""One attempt over real sockets, against a server that misbehaves on purpose."""

import gzip
import os
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from gateway.upstream import Call, Reply
from gateway.upstream.faults import Broken, DeadlineExceeded, Fault, NotSent
from tests.live.fault_server import Exchange, Script, answering, enveloped, reply, serving
from tests.live.faults import CHUNKED, GZIP, HEAD, SLOW, dripping
from tests.upstream.scripted import call, sending

DEADLINE = 0.2
GENEROUS = 2.0  # far above the deadline, far below what a drip would take


def create(*, seconds: float = 10.0) -> Call:
    """Return a create."""
    return call("POST", "/server/live", b"{}", seconds=seconds)


async def reply_to(script: Script, *, method: str = "GET", max_body: int = 1_000_000) -> Reply:
    """Make one call to a server with this script."""
    async with serving(script) as server, sending(server.url, max_body=max_body) as send:
        return await send(create() if method == "POST" else call(method))


@pytest.mark.parametrize("case", SLOW)
async def test_the_deadline_bounds_the_whole_call(case: str) -> None:
    """The call ends soon after its deadline, however the upstream spends its time."""
    async with serving(SLOW[case]) as server, sending(server.url) as send:
        started = time.perf_counter()
        with pytest.raises(DeadlineExceeded):
            await send(create(seconds=DEADLINE))
        assert DEADLINE * 0.9 <= time.perf_counter() - started < GENEROUS
        assert len(server.received) == 1


async def test_waiting_for_a_connection_counts() -> None:
    """The same deadline bounds the wait for a connection, and such a call counts as sent."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            async with sending(f"http://127.0.0.1:{full.getsockname()[1]}") as send:
                started = time.perf_counter()
                with pytest.raises(DeadlineExceeded):
                    await send(create(seconds=DEADLINE))
                assert time.perf_counter() - started < GENEROUS


async def test_a_slow_reply_within_the_deadline_is_whole() -> None:
    """A dripping reply within the deadline is read whole."""
    got = await reply_to(dripping(b"23456789}", HEAD + b"Content-Length: 10\r\n\r\n1"))
    assert got.body == b"123456789}"


def compressed(size: int) -> bytes:
    """Return a gzip reply whose body inflates to `size` bytes."""
    return reply(gzip.compress(bytes(size)), headers=GZIP)


CAP = 1000

BODIES: list[tuple[Callable[[int], bytes], str]] = [
    (lambda size: reply(bytes(size)), "plain"),
    (lambda size: HEAD + b"\r\n" + bytes(size), "until close"),
    (lambda size: CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)), "chunked"),
    (compressed, "gzip"),
    (lambda size: reply(zlib.compress(bytes(size)), headers="Content-Encoding: deflate"), "zlib"),
    (lambda size: reply(bytes(size), headers="Content-Encoding: identity"), "identity"),
]


@pytest.mark.parametrize("sized", [body for body, _ in BODIES], ids=[name for _, name in BODIES])
async def test_the_cap_counts_decoded_bytes(sized: Callable[[int], bytes]) -> None:
    """A body of the cap is read whole; one byte more is refused."""
    got = await reply_to(answering(sized(CAP), close=True), max_body=CAP)
    assert got.body == bytes(CAP)
    with pytest.raises(Broken, match="larger than 1000 bytes"):
        await reply_to(answering(sized(CAP + 1), close=True), max_body=CAP)


async def test_an_endless_body_is_cut() -> None:
    """The cap ends a body that the deadline alone would let grow."""

    async def endless(exchange: Exchange) -> None:
        await exchange.write(CHUNKED)
        while True:
            await exchange.write(b"10000\r\n%s\r\n" % bytes(0x10000))

    with pytest.raises(Broken, match="larger"):
        await reply_to(endless)


BOMB = gzip.compress(bytes(50_000_000), mtime=0)


@pytest.mark.parametrize(
    "bomb",
    [reply(BOMB, headers=GZIP), reply(gzip.compress(BOMB, mtime=0), headers=f"{GZIP}, gzip")],
    ids=["once", "twice"],
)
async def test_a_bomb_is_not_inflated(bomb: bytes) -> None:
    """A small reply that inflates to 50 MB is refused without ever holding a tenth of that."""
    tracemalloc.start()
    try:
        with pytest.raises(Broken):
            await reply_to(answering(bomb))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


ZIPPED = gzip.compress(enveloped(), mtime=0)

BROKEN = {
    "bad gzip": reply(b"not gzip", headers=GZIP),
    "truncated gzip": reply(ZIPPED[:-8], headers=GZIP),
    "gzip with a wrong checksum": reply(ZIPPED[:-8] + bytes(8), headers=GZIP),
    "gzip under another name": reply(ZIPPED, headers="Content-Encoding: x-gzip"),
    "unknown encoding": reply(b"{}", headers="Content-Encoding: secret"),
    "truncated with a length": HEAD + b"Content-Length: 20\r\n\r\n{}",
    "truncated chunks": CHUNKED + b"2\r\n{}\r\n",
    "bad chunk size": CHUNKED + b"zz\r\n{}\r\n",
    "closed at once": b"",
    "closed in the status line": b"HTTP/1.1 20",
    "closed in the headers": HEAD + b"Content-Le",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a body alone": enveloped(),
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n{}",
    "a header in Latin-1": HEAD + b"X-Note: caf\xe9\r\nContent-Length: 2\r\n\r\n{}",
    "a megabyte of headers": HEAD + b"X: y\r\n" * 170_000 + b"\r\n",
}


@pytest.mark.parametrize("case", BROKEN)
async def test_an_unreadable_reply_is_broken(case: str) -> None:
    """A reply that breaks HTTP, or is visibly cut off, is Broken and never NotSent."""
    with pytest.raises(Broken):
        await reply_to(answering(BROKEN[case], close=True), method="POST")


async def test_a_body_cut_off_without_a_length_is_told_by_its_json() -> None:
    """HTTP cannot show such a truncation: the bytes are returned, for a strict decoder."""
    got = await reply_to(answering(HEAD + b"\r\n" + enveloped()[:-5], close=True))
    assert got.body == enveloped()[:-5]


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"])
async def test_a_reset_after_sending_is_broken(sent: bytes) -> None:
    """A create whose connection is reset may have been carried out."""

    async def reset(exchange: Exchange) -> None:
        await exchange.write(sent)
        exchange.reset()

    with pytest.raises(Broken):
        await reply_to(reset, method="POST")


def unused_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["127.0.0.1", "nope.invalid"])
async def test_no_connection_is_not_sent(host: str, method: str) -> None:
    """A refused connection or an unknown name proves that nothing was sent."""
    async with sending(f"http://{host}:{unused_port()}") as send:
        with pytest.raises(NotSent):
            await send(call(method))


@pytest.mark.parametrize("case", ["closed at once", "no HTTP", "a header in Latin-1"])
async def test_faults_tell_nothing_of_the_signature(case: str) -> None:
    """The text of a fault, meant for the log, has no key and no signature in it."""
    with pytest.raises(Fault) as caught:
        await reply_to(answering(BROKEN[case], close=True), method="POST")
    assert "Qiniu" not in str(caught.value)
    assert "key" not in str(caught.value)


async def test_a_reply_does_not_print_its_body() -> None:
    """The repr of a reply shows its status only: a body may hold a push URL."""
    got = await reply_to(answering(reply(os.urandom(4).hex().encode())))
    assert repr(got) == "Reply(status=200)"

"""Every fault of an upstream, by kind, with the problem that its clients get.

Where a reply is wrong in one point only, it is otherwise a good one about the right room: nothing
but that point may be the reason that it is refused.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.live.fault_server import Exchange, Script, answering, enveloped, reply, room, silence

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = "Content-Encoding: gzip"
ASKED = "1"
"""The room that the replies here are about."""

GOOD = enveloped(room(ASKED))
HUGE = GOOD + b" " * 10_000_000
WRITES = ("create", "stop", "delete")


@dataclass(frozen=True)
class Fault:
    """A fault of the upstream, the problems that clients get, and the attempts at a read.

    `writes` are those that it is a fault for: a stop or a delete ignores what comes as data.
    `wait` is the Retry-After that a reader is told.
    """

    script: Script
    write: str
    attempts: int = 1
    writes: tuple[str, ...] = WRITES
    read: str = "upstream_error"
    wait: str | None = None


def cut(script: Script) -> Fault:
    """Return a fault that breaks a reply off: another attempt may mend it."""
    return Fault(script, "outcome_unknown", attempts=2)


def garbage(script: Script) -> Fault:
    """Return a fault that answers with something else: another attempt would do so again."""
    return Fault(script, "outcome_unknown")


def refusal(data: bytes, attempts: int = 1) -> Fault:
    """Return a fault that says clearly that nothing was done."""
    return Fault(answering(data), "upstream_error", attempts)


def flooded(data: bytes, attempts: int = 1, wait: int = 1) -> Fault:
    """Return a fault that says clearly that nothing was done, and when to come back."""
    unavailable = "upstream_unavailable"
    return Fault(answering(data), unavailable, attempts, read=unavailable, wait=str(wait))


def down(data: bytes, attempts: int = 1, wait: int = 1) -> Fault:
    """Return a fault that says when to come back, and not whether a write was done."""
    unavailable = "upstream_unavailable"
    return Fault(answering(data), "outcome_unknown", attempts, read=unavailable, wait=str(wait))


def no_room(data: object) -> Fault:
    """Return a fault in the data of a good envelope."""
    script = answering(reply(enveloped(data)))
    return Fault(script, "outcome_unknown", writes=("create",))


def dripping(data: bytes, whole: bytes = b"") -> Script:
    """Return a script that sends `whole` at once and `data` byte by byte."""

    async def drip(exchange: Exchange) -> None:
        await exchange.write(whole)
        await exchange.drip(data)

    return drip


def repeating(data: bytes, whole: bytes) -> Script:
    """Return a script that sends `whole` and then `data` for ever."""

    async def repeat(exchange: Exchange) -> None:
        await exchange.write(whole)
        while True:
            await exchange.write(data)

    return repeat


def ending(end: Callable[[Exchange], None], data: bytes = b"") -> Script:
    """Return a script that sends `data` and ends the connection in this way."""

    async def answer(exchange: Exchange) -> None:
        await exchange.write(data)
        end(exchange)

    return answer


LENGTH = b"Content-Length: %d\r\n\r\n" % len(GOOD)
SLOW = {  # longer than any timeout
    "silence": silence,
    "dripped headers": dripping(HEAD + b"X-Filler: %s\r\n\r\n" % (b"x" * 1000)),
    "endless headers": dripping(b"X: y\r\n" * 1000, HEAD),
    "dripped body": dripping(GOOD, HEAD + LENGTH),
    "dripped chunks": dripping(b"1\r\n \r\n" * 1000, CHUNKED),
    "dripped until close": dripping(GOOD, HEAD + b"\r\n"),
    "a body that stops": answering(HEAD + LENGTH + GOOD[:-1]),
    "chunks without an end": answering(CHUNKED + b"%x\r\n%s\r\n" % (len(GOOD), GOOD)),
    "only early hints": answering(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "endless early hints": dripping(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
}

CLOSE, HALF_CLOSE, RESET = Exchange.close, Exchange.half_close, Exchange.reset
_ENDS = {"closed": CLOSE, "half closed": HALF_CLOSE, "reset": RESET}
_BEGUN = {
    "at once": b"",
    "in the status line": b"HTTP/1.1 20",
    "in the headers": HEAD + b"Content-Le",
    "before the body": HEAD + LENGTH,
    "in the body": HEAD + LENGTH + GOOD[:-1],
    "in the chunks": CHUNKED + b"%x\r\n%s\r\n" % (len(GOOD), GOOD),
    "in a chunk": CHUNKED + b"%x\r\n%s" % (len(GOOD), GOOD[:-1]),
}
CUT_OFF = {
    f"{how} {when}": ending(end, data)
    for how, end in _ENDS.items()
    for when, data in _BEGUN.items()
}
BOMB = gzip.compress(HUGE, mtime=0)
LARGE = {
    "10 MB": answering(reply(HUGE)),
    "10 MB in a chunk": answering(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HUGE), HUGE)),
    "10 MB until close": answering(HEAD + b"\r\n" + HUGE, close=True),
    "endless body": repeating(b" " * 65536, HEAD + b"\r\n" + GOOD),
    "endless chunks": repeating(b"10000\r\n%s\r\n" % (b" " * 65536), CHUNKED),
    "gzip bomb": answering(reply(BOMB, headers=GZIP)),
    "gzip bomb in a gzip": answering(reply(gzip.compress(BOMB, mtime=0), headers=f"{GZIP}, gzip")),
    "deflate bomb": answering(reply(zlib.compress(HUGE), headers="Content-Encoding: deflate")),
}

ZIPPED = gzip.compress(GOOD, mtime=0)
NO_HTTP = {  # broken before there is a body
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a body alone": GOOD,
    "bad status": b"HTTP/1.1 abc OK\r\n" + LENGTH + GOOD,
    "two lengths": HEAD + b"Content-Length: 2\r\n" + LENGTH + GOOD,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + GOOD,
    "bad chunk size": CHUNKED + b"zz\r\n%s\r\n0\r\n\r\n" % GOOD,
    "a megabyte of headers": HEAD + b"X: y\r\n" * 170_000 + LENGTH + GOOD,
}
NO_GZIP = {
    "bad gzip": reply(GOOD, headers=GZIP),
    "truncated gzip": reply(ZIPPED[:-8], headers=GZIP),
    "gzip with a wrong checksum": reply(ZIPPED[:-8] + bytes(8), headers=GZIP),
}
WRONG = {
    "html": reply(b"<html><body>code 0</body></html>", headers="Content-Type: text/html"),
    "an envelope as html": reply(GOOD, headers="Content-Type: text/html; charset=utf-8"),
    "an envelope as text": reply(GOOD, headers="Content-Type: text/plain; charset=utf-8"),
    "an envelope as octets": reply(GOOD, headers="Content-Type: application/octet-stream"),
    "declared UTF-16": reply(GOOD, headers="Content-Type: application/json; charset=utf-16"),
    "declared GBK": reply(GOOD, headers="Content-Type: application/json; charset=gbk"),
    "UTF-16": reply(GOOD.decode().encode("utf-16")),
    "gzip under another name": reply(ZIPPED, headers="Content-Encoding: x-gzip"),
    "unknown encoding": reply(GOOD, headers="Content-Encoding: secret"),
    "empty": reply(b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no JSON": reply(GOOD[:-1]),
    "two envelopes": reply(GOOD + GOOD),
    "array": reply(b"[%s]" % GOOD),
    "null": reply(b"null"),
    "a room without an envelope": reply(GOOD[GOOD.index(b'{"live_id"') : -1]),
    "code null": reply(GOOD.replace(b'"code":0', b'"code":null')),
    "deep": reply(b'{"code":0,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
}
UNTOLD = answering(HEAD + b"\r\n" + GOOD[:-1], close=True)
"""Cut off in a body without a length: nothing but its JSON tells."""

NO_ROOM: dict[str, object] = {
    "no data": None,
    "data of another type": [],
    "no id": {**room(ASKED), "live_id": None},
    "id as a number": {**room(ASKED), "live_id": 1},
    "id with a newline": {**room(ASKED), "live_id": "1\n"},
    "no anchor": {**room(ASKED), "anchor_info": None},
    "anchor as a number": {**room(ASKED), "anchor_info": {"user_id": 7}},
}
OTHER_ROOM: dict[str, object] = {
    "another room": room("2"),
    "the id in other case": room("A"),
    "a longer id": room("11"),
    "an empty id": room(""),
}


def busy(status: int, headers: str = "", body: bytes = b"busy") -> bytes:
    """Return a reply that says that the service is down or flooded."""
    return reply(body, status, f"Content-Type: text/plain\n{headers}")


BUSY = {
    "429": flooded(busy(429), attempts=2),
    "429 now": flooded(busy(429, "Retry-After: 0"), attempts=2),
    "429 later than anyone waits": flooded(busy(429, "Retry-After: 30"), wait=30),
    "429 for a day": flooded(busy(429, "Retry-After: 86400"), wait=60),
    "429 with an envelope": flooded(reply(enveloped(code=429, message="slow down"), 429), 2),
    "429 in the envelope only": flooded(reply(enveloped(code=429, message="slow down"))),
    "500 without an envelope": cut(answering(busy(500))),
    "502": cut(answering(busy(502))),
    "503": down(busy(503), attempts=2),
    "503 now": down(busy(503, "Retry-After: 0"), attempts=2),
    "503 later than anyone waits": down(busy(503, "Retry-After: 30"), wait=30),
    "503 on a date": down(busy(503, "Retry-After: Wed, 01 Jan 2098 00:00:00 GMT"), wait=60),
    "503 on a date in the past": down(busy(503, "Retry-After: Wed, 01 Jan 2020 00:00:00 GMT")),
    "503 beyond floats": down(busy(503, f"Retry-After: {'9' * 400}"), wait=60),
    "503 beyond integers": down(busy(503, f"Retry-After: {'9' * 5000}"), wait=60),
    "503 at a negative time": down(busy(503, "Retry-After: -1")),
    "503 with an envelope": down(reply(enveloped(code=503, message="down"), 503), 2),
    "504 as JSON": cut(answering(reply(b'{"error":"down"}', 504))),
}
REFUSED = {
    f"{status} without an envelope": refusal(busy(status)) for status in (400, 401, 403, 404, 413)
}

FAULTS = {
    **{f"cut: {name}": cut(script) for name, script in CUT_OFF.items()},
    **{f"no HTTP: {name}": cut(answering(data, close=True)) for name, data in NO_HTTP.items()},
    "cut off without a length": garbage(UNTOLD),
    **{f"large: {name}": garbage(script) for name, script in LARGE.items()},
    **{f"no gzip: {name}": cut(answering(data)) for name, data in NO_GZIP.items()},
    **{f"wrong: {name}": garbage(answering(data)) for name, data in WRONG.items()},
    **{f"no room: {name}": no_room(data) for name, data in NO_ROOM.items()},
    **{f"refused: {name}": fault for name, fault in REFUSED.items()},
    **{f"busy: {name}": fault for name, fault in BUSY.items()},
}

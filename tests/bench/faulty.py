"""A misbehaving vendor for the soak: `python -m tests.bench.faulty PORT`.

- Rooms need no store. An id of digits that starts with 1 is a room; its anchor and its texts follow
  from the number. Only stopped and deleted rooms are stored. A user is known by any id.
- After `/storm`, one call in sixteen fails in one of the ways of `_SHARES`, and every 45 seconds
  all calls fail for 4. `/calm` ends this. `/served` counts the calls by way.
- Signatures are not checked.
"""

import asyncio
import random
import socket
import struct
import sys
import time
from collections import Counter
from types import MappingProxyType

import msgspec

USERS = 50
"""The number of anchors: user0, user1 …"""

_LOOK_UP = "user/infos?user_ids="

_SHARES = MappingProxyType(
    {
        "slow": 0.020,  # up to 1.5 s
        "silent": 0.005,
        "dripped": 0.003,
        "reset": 0.007,
        "truncated": 0.007,
        "trailed": 0.005,  # a whole reply with another room's behind it
        "broken": 0.007,  # 500 without an envelope
        "throttled": 0.004,
        "page": 0.003,  # 200 and HTML
        "crossed": 0.006,  # another room's reply
    }
)
_OUTAGE = MappingProxyType({"reset": 0.5, "broken": 0.3, "silent": 0.2})
_EVERY, _LASTS = 45.0, 4.0
_FOR_EVER = 60.0
"""Seconds that a silent call is held, longer than any timeout."""


def anchor_of(live_id: str) -> str:
    """Return the anchor of this room."""
    return f"user{int(live_id) % USERS}"


def push_url_of(live_id: str) -> str:
    """Return the push address of a room."""
    return f"rtmp://push.bench.invalid/live/{live_id}?token=secret"


class Vendor:
    """The rooms and the current faults."""

    def __init__(self) -> None:
        self._chance = random.Random(7)  # noqa: S311  # the same faults in each run
        self._storm_since: float | None = None
        self._last = 15 * 10**17
        self._ended: set[str] = set()
        self._deleted: set[str] = set()
        self._served: Counter[str] = Counter()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        try:
            while not writer.is_closing():
                method, path, body = await _read(reader)
                await self._answer(method, path, body, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if not path.startswith("/server/"):
            writer.write(self._control(path))
            return
        way = self._way()
        self._served[way] += 1
        if way in {"silent", "reset", "broken", "throttled", "page"}:
            await _refuse(way, writer)  # without effect
            return
        whole = self._carry_out(method, path.removeprefix("/server/"), body)
        await _deliver(way, whole, self._chance.uniform(0.1, 1.5), writer)

    def _control(self, path: str) -> bytes:
        if path == "/storm":
            self._storm_since = time.monotonic()
        elif path == "/calm":
            self._storm_since = None
        elif path != "/served":  # the starter's probe
            return _envelope(data=_room(path.rpartition("/")[2], ended=False))
        return _http(msgspec.json.encode(self._served))

    def _way(self) -> str:
        if self._storm_since is None:
            return "fine"
        outage = (time.monotonic() - self._storm_since) % _EVERY > _EVERY - _LASTS
        shares = _OUTAGE if outage else _SHARES
        ways = [*shares, "fine"]
        return self._chance.choices(ways, [*shares.values(), max(0, 1 - sum(shares.values()))])[0]

    def _carry_out(self, method: str, rest: str, body: bytes) -> bytes:
        if rest.startswith(_LOOK_UP):
            return _envelope(data=[{"user_id": rest.removeprefix(_LOOK_UP)}])
        live_id, _, verb = rest.removeprefix("live").strip("/").partition("/")
        if method == "POST" and not live_id:
            return self._created(msgspec.json.decode(body)["anchor_id"])
        if not live_id.startswith("1") or live_id in self._deleted:
            return _envelope(500, 500, "record not found")
        if verb == "stop":
            return self._stopped(live_id)
        if method == "DELETE":
            self._deleted.add(live_id)
            return _envelope()
        return _envelope(data=_room(live_id, ended=live_id in self._ended))

    def _created(self, anchor: str) -> bytes:
        number = int(anchor.removeprefix("user"))
        self._last += USERS
        return _envelope(data=_room(str(self._last - self._last % USERS + number), ended=False))

    def _stopped(self, live_id: str) -> bytes:
        if live_id in self._ended:
            return _envelope(500, 501, "live status error")
        self._ended.add(live_id)
        return _envelope()


async def _refuse(way: str, writer: asyncio.StreamWriter) -> None:
    if way == "silent":
        await asyncio.sleep(_FOR_EVER)
        writer.close()
    elif way == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    elif way == "broken":
        writer.write(_http(b"Internal Server Error", 500, "text/plain"))
    elif way == "throttled":
        writer.write(_http(b"", 429, "text/plain", "Retry-After: 1\r\n"))
    else:
        writer.write(_http(b"<!doctype html><title>Welcome</title>", 200, "text/html"))


async def _deliver(way: str, whole: bytes, late: float, writer: asyncio.StreamWriter) -> None:
    if way == "slow":
        await asyncio.sleep(late)
    elif way == "dripped":
        while whole and not writer.is_closing():
            writer.write(whole[:8])
            whole = whole[8:]
            await asyncio.sleep(0.02)
    elif way == "truncated":
        whole = whole[:-20]
    elif way == "trailed":
        whole += _envelope(data=_room("1000", ended=False))
    elif way == "crossed":
        whole = _envelope(data=_room("1001", ended=False))
    writer.write(whole)
    if way == "truncated":
        writer.close()


def _room(live_id: str, *, ended: bool) -> dict[str, object]:
    anchor = anchor_of(live_id)
    return {
        "live_id": live_id,
        "title": f"Room {live_id}",
        "notice": "Starts at eight",
        "cover_url": f"https://example.com/{live_id}.png",
        "extends": {"room": live_id},
        "anchor_info": {
            "user_id": anchor,
            "im_userid": int(live_id) + 2,
            "nick": anchor,
            "avatar": "",
            "extends": None,
        },
        "anchor_status": 0 if ended else 1,
        "pk_id": "",
        "online_count": 0,
        "start_time": 1795367237,
        "end_time": 1795370837 if ended else -62135596800,
        "chat_id": int(live_id) + 1,
        "push_url": push_url_of(live_id),
        "hls_url": f"https://hls.bench.invalid/live/{live_id}.m3u8",
        "rtmp_url": f"rtmp://play.bench.invalid/live/{live_id}",
        "flv_url": f"https://flv.bench.invalid/live/{live_id}.flv",
        "pv": 0,
        "uv": 0,
        "live_status": 2 if ended else 1,
    }


def _envelope(status: int = 200, code: int = 0, message: str = "", data: object = None) -> bytes:
    reply = {"request_id": "r", "code": code, "message": message, "data": data}
    return _http(msgspec.json.encode(reply), status)


def _http(body: bytes, status: int = 200, kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}"
    return f"{head}\r\n".encode() + body


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    _, found, length = head.partition("content-length:")
    body = await reader.readexactly(int(length.split("\r\n")[0])) if found else b""
    method, path, _ = head.split(" ", 2)
    return method.upper(), path, body


async def _main(port: int) -> None:
    server = await asyncio.start_server(Vendor().accept, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))

"""The two ends of the benchmark: a bare ASGI application and an upstream of almost no cost.

`floor` answers everything with the bytes in BENCH_BODY and the headers of a cached room. `upstream`
answers a room read after BENCH_DELAY seconds, without checking the signature. `/calls` returns the
number of answers.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

_DELAY = float(os.environ.get("BENCH_DELAY", "0"))
_calls = itertools.count()
_BODY = os.environ.get("BENCH_BODY", "").encode()
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"vary", b"Authorization"),
    (b"etag", b'"59ef2598d8ecc8a299d185239310d879"'),
    (b"cache-control", b"private, max-age=2"),
    (b"cache-status", b"gateway; hit"),
    (b"x-request-id", b"15da6e3b205dc94800"),
    (b"x-content-type-options", b"nosniff"),
    (b"ratelimit-limit", b"999999999"),
    (b"ratelimit-remaining", b"999999998"),
    (b"ratelimit-reset", b"1"),
]

ROOM = (
    '{"request_id":"r","code":0,"message":"success","data":{"live_id":"%s",'
    '"title":"Friday session",'
    '"notice":"Starts at eight","cover_url":"https://example.com/cover.png","extends":{"season":"2"},'
    '"anchor_info":{"user_id":"alice","im_userid":1882578994683969536,"nick":"Alice","avatar":"",'
    '"extends":{"age":"18"}},"anchor_status":1,"pk_id":"","online_count":3,"start_time":1795367237,'
    '"end_time":-62135596800,"chat_id":1882578996483325953,'
    '"push_url":"rtmp://publish.live.invalid/sandbox/1?e=1795453637&token=W2kemXg11NICw_xd3C3K60DT",'
    '"hls_url":"https://hls.live.invalid/sandbox/1.m3u8","rtmp_url":"rtmp://play.live.invalid/1",'
    '"flv_url":"https://flv.live.invalid/sandbox/1.flv","pv":1003,"uv":934,"live_status":1,'
    '"room_token":"t","total_count":3,"total_mics":0}}'
)


async def floor(_scope: Message, _receive: Receive, send: Send) -> None:
    """Answer every request with the same bytes."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


async def upstream(scope: Message, _receive: Receive, send: Send) -> None:
    """Answer with the room named at the end of the path."""
    if scope["path"] == "/calls":
        body = b"%d" % next(_calls)
    else:
        next(_calls)
        if _DELAY:
            await asyncio.sleep(_DELAY)
        body = (ROOM % scope["path"].rpartition("/")[2]).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Callbacks: the vendor tells a configured server about its rooms.

Each is sent once, in a thread of its own: no signature, no retry, and failures are forgotten.
Credentials in the URL arrive as Basic authentication. `X-Reqid` is that of the causing request.
"""

import contextlib
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Thread
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from .go_json import go_json

_TIMEOUT = 5


def send_callback(url: str, event: str, body: dict[str, object], request_id: str) -> Thread:
    """Begin to POST an event to `url`; the thread ends once it is answered or has failed."""
    content = go_json({"type": event, "body": body})
    thread = Thread(target=_post, args=(url, content, request_id), daemon=True)
    thread.start()
    return thread


def _post(url: str, content: bytes, request_id: str) -> None:
    headers = {
        "User-Agent": "Golang qiniu/rpc package",
        "Content-Type": "application/json",
        "X-Reqid": request_id,
    }
    with contextlib.suppress(OSError, HTTPException, ValueError):
        parts = urlsplit(url)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        with contextlib.closing(connection):
            connection.request("POST", target, content, headers | _credentials(parts))
            connection.getresponse().read()


def _credentials(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

"""A reply of the upstream, and its envelope."""

from email.message import Message
from functools import lru_cache

import httpx

from gateway.secret import NeverPickled

from .wire import Envelope, decode_envelope

_UNAVAILABLE = frozenset({429, 503})
_REFUSAL = 400
_ERROR = 500


class Reply(NeverPickled):
    """A whole HTTP reply; `body` is decoded from its Content-Encoding.

    The body may hold a `push_url`, so this is a plain class: no serializer enumerates its fields.
    """

    __slots__ = ("_envelope", "body", "headers", "status")

    def __init__(self, status: int, headers: httpx.Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"

    @property
    def envelope(self) -> Envelope | None:
        """The envelope in the body, decoded once; None without one, or without JSON's type."""
        if not hasattr(self, "_envelope"):
            declared = self.headers.get("Content-Type")
            readable = declared is None or _is_json(declared, refusal=self.status >= _REFUSAL)
            self._envelope = decode_envelope(self.body) if readable else None
        return self._envelope

    @property
    def says_unavailable(self) -> bool:
        """True if the upstream is down or flooded, False if this reply is about the call."""
        return self.status in _UNAVAILABLE or (self.status >= _ERROR and self.envelope is None)


@lru_cache(maxsize=64)
def _is_json(content_type: str, *, refusal: bool) -> bool:
    """Return True for JSON in UTF-8; `legacy` refuses a create as plain text."""
    header = Message()
    header["Content-Type"] = content_type
    kind = header.get_content_type()
    if header.get_content_charset("utf-8") not in {"utf-8", "utf8", "us-ascii"}:
        return False
    return (
        kind == "application/json" or kind.endswith("+json") or (refusal and kind == "text/plain")
    )

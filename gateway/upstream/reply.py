"""A reply of the upstream, its envelope, and what both say of the upstream's health."""

from collections.abc import Callable, Mapping

from gateway.media_type import parse_media_type
from gateway.secret import NeverPickled

from .http_date import parse_http_date
from .wire import Envelope, decode_envelope

UNAVAILABLE = frozenset({429, 503})
"""The statuses of an upstream that is flooded or down."""

_JSON = "application/json"
_OK, _REDIRECT = 200, 300
_REFUSAL = 400
_ERROR = 500
_SUCCESS_CODES = frozenset({0, 200})
_BAD_STATUS = 601
_REFUSALS = frozenset(
    {"record not found", "live status error", "user not anchor", "user not in live room"}
)
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Reply(NeverPickled):
    """A whole HTTP reply: header names in lower case, `body` decoded from its Content-Encoding.

    The body may hold a `push_url`, so this is a plain class: no serializer enumerates its fields.
    """

    __slots__ = ("_envelope", "body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"

    @property
    def envelope(self) -> Envelope | None:
        """The envelope in the body, decoded once; None without one, or without JSON's type."""
        if not hasattr(self, "_envelope"):
            declared = self.headers.get("content-type")
            readable = declared is None or _is_json(declared, refusal=self.status >= _REFUSAL)
            self._envelope = decode_envelope(self.body) if readable else None
        return self._envelope

    @property
    def succeeded(self) -> bool:
        """True for HTTP 2xx with a success code of either dialect."""
        return _OK <= self.status < _REDIRECT and self.has_success_code

    @property
    def has_success_code(self) -> bool:
        """True for code 0 or 200, whatever the status."""
        return self.envelope is not None and self.envelope.code in _SUCCESS_CODES

    @property
    def says_failed(self) -> bool:
        """True if the upstream failed at the call: a code from 500 up that is no plain refusal."""
        if self.envelope is None or self.envelope.code < _ERROR:
            return False
        refused = self.envelope.message.lower() in _REFUSALS
        return not refused and self.envelope.code != _BAD_STATUS

    @property
    def says_unavailable(self) -> bool:
        """True if the upstream is down or flooded, False if this reply is about the call."""
        return self.status in UNAVAILABLE or (self.status >= _ERROR and self.envelope is None)

    def retry_after(self, clock: Callable[[], float]) -> float:
        """Return the seconds that `Retry-After` asks for, in digits or as a date: from 1 to 60."""
        asked = self.headers.get("retry-after", "")
        if asked.isascii() and asked.isdigit():
            seconds = float(asked[:9])
        else:
            now = clock()
            seconds = (parse_http_date(asked, now) or now) - now
        return min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)


def _is_json(content_type: str, *, refusal: bool) -> bool:
    """Return True for JSON in UTF-8; `legacy` refuses a create as plain text."""
    if content_type == _JSON:
        return True
    declared = parse_media_type(content_type)
    if declared is None or not declared.is_utf8:
        return False
    kind = declared.essence
    return kind == _JSON or kind.endswith("+json") or (refusal and kind == "text/plain")

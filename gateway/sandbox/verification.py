"""Verification of a request's signature, `Authorization: Qiniu <AK>:<sign>`.

Written from the vendor's published rules, without code of the gateway's signer, so each checks the
other.

- The signature covers the path percent-decoded and the query raw.
- It covers Host and Content-Type as received; a missing Host counts as empty.
- It covers every header `X-Qiniu-<something>`, with its name in canonical case, sorted by name.
- It covers the body unless body or Content-Type is empty or the type is octet-stream.
- A request with two Authorization, Host or Content-Type headers is ambiguous and refused.
"""

import hmac
from base64 import urlsafe_b64encode
from urllib.parse import unquote_to_bytes

from .request import Call

_PREFIX = b"X-Qiniu-"
_AT_MOST_ONCE = ("authorization", "host", "content-type")
_UNSIGNED_BODY = b"application/octet-stream"


def is_authentic(call: Call, access_key: str, secret_key: str) -> bool:
    """Return true if `call` was signed with this key pair."""
    if any(len(call.values(name)) > 1 for name in _AT_MOST_ONCE):
        return False
    digest = hmac.digest(secret_key.encode(), text_to_sign(call), "sha1")
    expected = b"Qiniu %s:%s" % (access_key.encode(), urlsafe_b64encode(digest))
    return hmac.compare_digest(_header(call, "authorization"), expected)


def text_to_sign(call: Call) -> bytes:
    """Return the bytes covered by the signature of `call`."""
    content_type = _header(call, "content-type")
    lines = [_request_line(call), b"Host: " + _header(call, "host")]
    if content_type:
        lines.append(b"Content-Type: " + content_type)
    lines += [b"%s: %s" % header for header in _qiniu_headers(call)]
    covers_body = content_type not in (b"", _UNSIGNED_BODY)
    return b"\n".join(lines) + b"\n\n" + (call.body if covers_body else b"")


def _request_line(call: Call) -> bytes:
    path = unquote_to_bytes(call.raw_path.encode("latin-1"))
    query = call.raw_query.encode("latin-1")
    return b"%s %s%s" % (call.method.encode(), path, b"?" + query if query else b"")


def _qiniu_headers(call: Call) -> list[tuple[bytes, bytes]]:
    headers = [(_canonical(name), value.encode("latin-1")) for name, value in call.headers]
    return sorted((n, v) for n, v in headers if n.startswith(_PREFIX) and n != _PREFIX)


def _canonical(name: str) -> bytes:
    """Capitalize a header name, ASCII letters only: `x-qiniu-aaa` → `X-Qiniu-Aaa`."""
    return b"-".join(word.capitalize() for word in name.encode("latin-1").split(b"-"))


def _header(call: Call, name: str) -> bytes:
    return next((value.encode("latin-1") for value in call.values(name)), b"")

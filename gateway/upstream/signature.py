"""The vendor's request signature, `Authorization: Qiniu <AK>:<sign>`.

The signature covers method, raw target, Host and Content-Type exactly as they are sent, every
`X-Qiniu-*` header, and the body. The service verifies the percent-decoded path; ids need no
encoding, so the two are the same.
Source: the vendor's documentation of the management credential, and its published vectors.
"""

import base64
import hmac
from collections.abc import Collection

from gateway.secret import Secret

_PREFIX = "X-Qiniu-"
_UNSIGNED_BODY = "application/octet-stream"


def canonical(name: str) -> str:
    """Return a header name in canonical case: `x-qiniu-date` → `X-Qiniu-Date`."""
    return "-".join(part.capitalize() for part in name.split("-"))


def signing_text(
    method: str, target: str, host: str, headers: Collection[tuple[str, str]], body: bytes
) -> bytes:
    """Return the bytes to sign; `target` is the path with `?` and the raw query, if any."""
    if not headers:
        return f"{method} {target}\nHost: {host}\n\n".encode()
    named = [(canonical(name), value) for name, value in headers]
    content_type = next((value for name, value in named if name == "Content-Type"), "")
    lines = [f"{method} {target}", f"Host: {host}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [
        f"{name}: {value}"
        for name, value in sorted(named)
        if name.startswith(_PREFIX) and name != _PREFIX
    ]
    text = "\n".join(lines).encode() + b"\n\n"
    return text + body if content_type and content_type != _UNSIGNED_BODY else text


def sign(key: hmac.HMAC, text: bytes) -> str:
    """Return the URL-safe base64, padding kept, of HMAC-SHA1 over `text`."""
    mac = key.copy()
    mac.update(text)
    return base64.urlsafe_b64encode(mac.digest()).decode()


class QiniuSigner:
    """A signer with the account's keys."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.use(access_key, secret_key)

    def use(self, access_key: str, secret_key: str) -> None:
        """Sign with this pair from now on."""
        self._access_key = Secret(access_key)
        self._key = hmac.new(secret_key.encode(), digestmod="sha1")

    def authorization(
        self, method: str, target: str, host: str, headers: Collection[tuple[str, str]], body: bytes
    ) -> str:
        """Return the `Authorization` value of a request; see `signing_text`."""
        text = signing_text(method, target, host, headers, body)
        return f"Qiniu {self._access_key.reveal()}:{sign(self._key, text)}"

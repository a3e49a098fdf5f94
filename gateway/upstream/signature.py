"""The vendor's request signature, `Authorization: Qiniu <AK>:<sign>`.

Signed is what is sent: method, raw target, Host and Content-Type exactly as in the request's
headers, every `X-Qiniu-*` header, and the body. The service verifies the percent-decoded path; ids
are restricted to characters that need no encoding, which makes the two the same.
Source: the vendor's documentation of the management credential, and its published vectors.
"""

import base64
import hmac
from collections.abc import Generator, Iterable

import httpx

from gateway.secret import NeverPickled, Secret

_PREFIX = "X-Qiniu-"
_UNSIGNED_BODY = "application/octet-stream"


def canonical(name: str) -> str:
    """Return a header name in canonical case: `x-qiniu-date` → `X-Qiniu-Date`."""
    return "-".join(part.capitalize() for part in name.split("-"))


def signing_text(
    method: str, target: str, host: str, headers: Iterable[tuple[str, str]], body: bytes
) -> bytes:
    """Return the bytes that are signed; `target` is the path with `?` and the raw query, if any."""
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


class SignedRequest(NeverPickled, httpx.Request):
    """A request that is signed on its way, which then holds the AK."""


class QiniuAuth(httpx.Auth):
    """Signs a request as it stands; nothing may change it afterwards."""

    requires_request_body = True

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.use(access_key, secret_key)

    def use(self, access_key: str, secret_key: str) -> None:
        """Sign with this pair from now on."""
        self._access_key = Secret(access_key)
        self._key = hmac.new(secret_key.encode(), digestmod="sha1")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the `Authorization` header and send the request once."""
        text = signing_text(
            request.method,
            request.url.raw_path.decode("ascii"),
            request.headers["Host"],
            request.headers.multi_items(),
            request.content,
        )
        signature = f"{self._access_key.reveal()}:{sign(self._key, text)}"
        request.headers["Authorization"] = f"Qiniu {signature}"
        yield request

"""The URL that the vendor calls: its path, and its credentials as Basic authentication has them."""

from base64 import b64encode
from typing import Final

from gateway.secret import Secret

PATH: Final = "/v1/callbacks/qlive"
_USER: Final = "qlive"


def callback_url(base: str, password: str) -> str:
    """Return the URL below `base`, a URL without credentials; `password` stands in it as it is."""
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{_USER}:{password}@{rest}{PATH}"


def credentials(password: Secret) -> Secret:
    """Return the credentials that HTTP clients make of that URL (RFC 7617)."""
    return Secret(b64encode(f"{_USER}:{password.reveal()}".encode()).decode())

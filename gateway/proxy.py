"""A proxy on the way to the upstream."""

from msgspec import Struct

from .secret import Secret


class Proxy(Struct, frozen=True):
    """`url` is scheme, host and port; a proxy that asks for a user gets the name and password."""

    url: str
    user: str = ""
    password: Secret | None = None

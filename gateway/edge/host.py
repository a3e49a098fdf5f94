"""The host that a client calls, in its `Host` header."""

import re
from collections.abc import Iterable

from msgspec import Struct

from .answers import Header

_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]", re.IGNORECASE)


class Host(Struct, frozen=True):
    """A host with its port, if any, as the client wrote it."""

    text: str
    is_loopback: bool
    """True for a name of this machine; not for one made to point here (DNS rebinding)."""


def host_in(headers: Iterable[Header]) -> Host | None:
    """Return the host in raw request headers; None unless there is exactly one that can be read."""
    given = [value.decode("latin-1") for name, value in headers if name == b"host"]
    found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    return found and Host(found[0], _LOOPBACK.fullmatch(found[1]) is not None)

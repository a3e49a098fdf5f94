"""A document, such as a JWK set, over the same hardened transport as the vendor's calls.

No redirect is followed, so nobody can send us to another host. The transport caps the body.
"""

import httpx

from .call import deadline_in
from .faults import Fault
from .send import round_trip
from .transport import Transport

_OK = 200


async def fetch(transport: Transport, url: str, *, seconds: float, accept: str) -> bytes:
    """Return the body of a 200 within `seconds`. Raises ConnectionError."""
    request = httpx.Request("GET", url, headers={"Accept": accept})
    try:
        reply = await round_trip(transport, request, deadline_in(seconds))
    except Fault as fault:
        raise ConnectionError(f"no answer: {fault}") from fault
    if reply.status != _OK:
        raise ConnectionError(f"it answered with HTTP {reply.status}")
    return reply.body

"""A document, such as a JWK set, over the same hardened transport as the vendor's calls.

No redirect is followed, so nobody can send us to another host. The transport caps the body.
"""

from .faults import Fault
from .transport import Request, Transport

_OK = 200


async def fetch(transport: Transport, url: str, *, seconds: float, accept: str) -> bytes:
    """Return the body of a 200 within `seconds`. Raises ConnectionError."""
    try:
        reply = await transport.send(Request("GET", url, [("Accept", accept)]), seconds)
    except Fault as fault:
        raise ConnectionError(f"no answer: {fault}") from fault
    if reply.status != _OK:
        raise ConnectionError(f"it answered with HTTP {reply.status}")
    return reply.body

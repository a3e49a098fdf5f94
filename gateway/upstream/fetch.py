"""Getting a document, such as a JWK set, over the same hardened client as the vendor's calls.

No redirect is followed, so that nobody can send us to another host; the reply is read up to the
transport's cap and within one deadline.
"""

import httpx

from .faults import Fault
from .send import deadline, plain, within
from .transport import Transport

_OK = 200


async def fetch(transport: Transport, url: str, *, seconds: float, accept: str) -> bytes:
    """Return the body of a 200 that comes within `seconds`; raise ConnectionError otherwise."""
    get = within(seconds, deadline(plain(transport)))
    try:
        reply = await get(httpx.Request("GET", url, headers={"Accept": accept}))
    except Fault as fault:
        raise ConnectionError(f"no answer: {fault}") from fault
    if reply.status != _OK:
        raise ConnectionError(f"it answered with HTTP {reply.status}")
    return reply.body

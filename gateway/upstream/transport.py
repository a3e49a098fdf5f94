"""The HTTP client under the httpx seam: reqwest, through pyreqwest's httpx transport.

httpx's own transport leaks a pool slot when a request is cancelled and hands bytes that follow a
finished reply to the next request on that connection, which here would be another room's body.
No redirect is followed, no cookie kept, no proxy variable read (netrc is never read). HTTP/1.1
only: what is signed is what is sent.

pyreqwest reports a connection that broke after the request was sent as a ConnectError too; only
the chain of causes in its details tells the two apart (measured with version 0.15).
"""

from httpx import AsyncBaseTransport, ConnectError, HTTPError, TimeoutException
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError

Transport = AsyncBaseTransport
"""The seam: anything that sends an `httpx.Request`."""

TRANSPORT_ERRORS = (HTTPError, PyreqwestError, ValueError)
"""All that a send, or reading its reply, can raise.

Mid-body errors come untranslated; a reply header that is not ASCII comes as a bare ValueError.
"""

TIMEOUTS = (TimeoutException, TimeoutError)
"""Those of them that say that the time was up, mid-body ones included."""


def build_transport(*, connections: int, user_agent: str) -> Transport:
    """Return a transport with a pool of at most `connections`; close it with `aclose`."""
    client = (
        ClientBuilder()
        .user_agent(user_agent)
        .max_connections(connections)
        .follow_redirects(enable=False)
        .default_cookie_store(enable=False)
        .referer(enable=False)
        .no_proxy()
        .http1_only()
    )
    return HttpxTransport(client.build())


def was_never_sent(error: Exception) -> bool:
    """Whether `error` proves that the request did not leave this machine."""
    if not isinstance(error, ConnectError):
        return False
    if not isinstance(error.__cause__, DetailedPyreqwestError):
        return True
    causes = error.__cause__.details["causes"] or []
    return any(cause["message"] == "client error (Connect)" for cause in causes)

"""The port under the pipeline: a transport sends one signed request and returns the whole reply.

`ReqwestTransport` is the gateway's own; `over_httpx` puts any transport of httpx in its place.
Neither the request nor the reply is an object of a client library: httpx's cost 150 µs a call, and
reqwest's part 40 (measured with httpx 0.28 and pyreqwest 0.15).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from gateway.secret import NeverPickled

from .reply import Reply

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport

Header = tuple[str, str]


class Request(NeverPickled):
    """A request with the AK or a client token in its `headers`; all of it is sent as it stands."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: Sequence[Header], body: bytes = b"") -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Request(method={self.method!r})"


class Transport(Protocol):
    """A sender of requests; close it with `aclose`."""

    async def send(self, request: Request, seconds: float) -> Reply:
        """Send `request` and return the whole reply, its body decoded and within a cap.

        `seconds` bound everything, connecting included: bounds of single reads would let a dripping
        upstream outlive them. Raises NotSent, DeadlineExceeded, Broken or Unreadable.
        """

    def renew(self) -> None:
        """Send later requests over new connections; those in flight finish on theirs."""

    async def aclose(self) -> None:
        """Close the connections."""


def over_httpx(inner: "AsyncBaseTransport") -> Transport:
    """Return a transport that sends over httpx's `inner`, such as a mock; it caps no body."""
    from .httpx_transport import HttpxTransport  # noqa: PLC0415  # httpx takes 45 ms of a start

    return HttpxTransport(inner)

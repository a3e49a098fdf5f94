"""Protected resource metadata (RFC 9728): where clients get a token for this gateway.

- The resource is the URL that the client used, because clients compare the two. Its origin comes
  from `Host`, which is the client's own word, so no cache may give the answer to another client.
  The root path and the issuers are the operator's.
- An origin is https, as §2 demands, but on loopback. What the connection has says nothing: a proxy
  in front ends TLS.
- Clients ask the issuer for all scopes that are listed, so the admin scope is not.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gateway.rooms import FieldProblem, InvalidRequest

from .answers import NO_STORE, Answer, Header, json
from .docs import PublicRequest
from .host import host_in
from .paths import RESOURCE


class ResourceMetadata(Struct, frozen=True, omit_defaults=True):
    """The issuers that give clients a token, and how clients send it (RFC 9728 §2)."""

    resource: str
    authorization_servers: Sequence[str]
    bearer_methods_supported: Sequence[str]
    scopes_supported: Sequence[str] = ()


class ProtectedResource(Struct, frozen=True):
    """Describes the gateway as a resource whose tokens `issuers` give, with these `scopes`.

    Clients know it below `root_path`.
    """

    issuers: tuple[str, ...]
    scopes: tuple[str, ...]
    root_path: str

    async def metadata(self, request: PublicRequest) -> Answer:
        """Return the metadata; raise InvalidRequest without one valid `Host`."""
        url = self._url(request.scope["headers"])
        if url is None:
            raise InvalidRequest(FieldProblem("Host", "must be one host, with a port or without"))
        return json(
            ResourceMetadata(url, self.issuers, ("header",), self.scopes),
            NO_STORE,
        )

    def metadata_url(self, headers: Iterable[Header]) -> str | None:
        """Return the address of the metadata for a client with these headers; None without one."""
        url = self._url(headers)
        return None if url is None else f"{url}{RESOURCE}"

    def _url(self, headers: Iterable[Header]) -> str | None:
        origin = _origin(headers)
        return None if origin is None else f"{origin}{self.root_path}"


def _origin(headers: Iterable[Header]) -> str | None:
    host = host_in(headers)
    if host is None:
        return None
    return f"{'http' if host.is_loopback else 'https'}://{host.text}"

"""One request as the simulated vendor received it.

Text from the wire is decoded as Latin-1. That keeps every byte, so the signature is checked over
the bytes as received.
"""

from msgspec import Struct


class Call(Struct, frozen=True):
    """A received request.

    `target` is the raw path and query. `headers` are in order of arrival, with names in lower case.
    `request_id` is the caller's `X-Reqid`, or else a new one.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request_id: str

    @property
    def raw_path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """The query without its `?`; empty if there is none."""
        return self.target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        """Return every value of the header `name`, given in lower case."""
        return [value for header, value in self.headers if header == name]

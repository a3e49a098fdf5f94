"""The ports: protocols for everything outside the domain, each with its contract."""

from typing import Protocol

from msgspec import Struct


class Quota(Struct, frozen=True, gc=False):
    """The state of one rate limit after a request; times in seconds.

    `reset` is the time until the limit is unused again. `retry_after` is 0 if the request may
    pass, else the time until the next one may.
    """

    limit: int
    remaining: int
    reset: float
    retry_after: float


class RateLimiter(Protocol):
    """One rate limit, counted for each key."""

    async def take(self, key: str) -> Quota:
        """Count one request for `key`; a refused request is not counted.

        Raises nothing. If a shared store is lost, requests pass.
        """
        ...

"""A client of the store, and the errors that it raises.

The library behind it takes a tenth of a second to load, so it is loaded with the first client only.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from gateway.redis_url import RedisUrl


class Connected(Struct, frozen=True):
    """A client, a function that begins a subscription, and one that drops idle connections.

    Connections made after `renew` find a server whose address has moved. `failures` are all errors
    that the client raises, or returns in place of a reply. Of these `no_script` tells that the
    store does not know a script, and those of exactly the types `of_one_call` tell nothing about
    the store's health, unless `unable` says that the store cannot do its work.
    """

    client: Any
    subscription: Callable[[], Any]
    renew: Callable[[], Awaitable[None]]
    failures: tuple[type[Exception], ...]
    no_script: type[Exception]
    of_one_call: tuple[type[Exception], ...]
    unable: Callable[[BaseException], bool]


def connect(url: RedisUrl) -> Connected:
    """Return a client for `url`. It connects with its first call."""
    from .redis_client import connected_to  # noqa: PLC0415  # see above

    return connected_to(url)

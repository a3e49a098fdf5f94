"""Work that is only worth doing while its client is there to see the result.

The server does not end a handler whose client has gone, so one that polls and leaves could fill
every place with requests that nobody waits for.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from litestar.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client has closed its connection; there is nobody to answer."""


async def while_connected(work: Awaitable[T], receive: Receive) -> T:
    """Return what `work` does; cancel it and raise ClientGone if the client leaves before.

    `receive` is the request's own, and `work` does not use it.
    """
    task = asyncio.current_task()
    gone = False

    async def watch() -> None:
        nonlocal gone
        gone = await _has_left(receive)
        if gone and task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if gone and task is not None:
            task.uncancel()
            raise ClientGone from None
        raise
    finally:
        watcher.cancel()


async def _has_left(receive: Receive) -> bool:
    """Wait for the message after the request's last, which says that the client has gone."""
    message: Any = {"more_body": True}
    while message.get("more_body", False):
        message = await receive()
    if message["type"] == "http.request":
        message = await receive()
    return bool(message["type"] == "http.disconnect")

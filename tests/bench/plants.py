"""Faults to plant in the gateway, to show that the soak finds each.

A plant is a step: a function from the application to one with the fault.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

Application = Callable[..., Awaitable[None]]
Plant = Callable[[Application], Application]
Scope = MutableMapping[str, Any]

_OFTEN, _SELDOM = 300, 2_000
_ROOM = "/v1/rooms/1"


def _nothing(app: Application) -> Application:
    return app


def _leak(app: Application) -> Application:
    """Keep 100 bytes of each request."""
    kept: list[bytearray] = []
    return _now_and_then(app, 1, lambda: kept.append(bytearray(100)))


def _block(app: Application) -> Application:
    """Hold the event loop for 200 ms."""
    return _now_and_then(app, _SELDOM, lambda: time.sleep(0.2))


def _task(app: Application) -> Application:
    """Start a task that never ends."""
    kept: list[asyncio.Task[bool]] = []
    return _now_and_then(
        app, _OFTEN, lambda: kept.append(asyncio.create_task(asyncio.Event().wait()))
    )


def _coroutine(app: Application) -> Application:
    """Leave a call unfinished that is no task, like a handler that hangs."""
    kept: list[object] = []

    def begin() -> None:
        call = asyncio.sleep(1)
        call.send(None)
        kept.append(call)

    return _now_and_then(app, _OFTEN, begin)


def _descriptor(app: Application) -> Application:
    """Leave a file open."""
    return _now_and_then(app, _OFTEN, lambda: os.open(os.devnull, os.O_RDONLY))


def _crossed(app: Application) -> Application:
    """Answer a read with the room of the previous read."""
    counter = itertools.count(1)
    last = ""

    async def planted(scope: Scope, receive: object, send: object) -> None:
        nonlocal last
        path = scope.get("path", "")
        if path.startswith(_ROOM) and scope["method"] == "GET":
            if next(counter) % _OFTEN == 0:
                scope["path"], scope["raw_path"] = last, last.encode()
            last = path
        await app(scope, receive, send)

    return planted


def _now_and_then(app: Application, every: int, fault: Callable[[], object]) -> Application:
    counter = itertools.count(1)

    async def planted(scope: Scope, receive: object, send: object) -> None:
        if scope["type"] == "http" and next(counter) % every == 0:
            fault()
        await app(scope, receive, send)

    return planted


PLANTS: Mapping[str, Plant] = MappingProxyType(
    {
        "": _nothing,
        "leak": _leak,
        "block": _block,
        "task": _task,
        "coroutine": _coroutine,
        "descriptor": _descriptor,
        "crossed": _crossed,
    }
)
"""By name; the empty name plants nothing."""

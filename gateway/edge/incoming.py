"""The one reader of a request's `receive`, within bounds of size and time.

The server bounds a request's head (`gateway.serving`). The body is bounded here before it is in
memory, with one deadline for all of it, because a client that drips would keep any other. Each
piece of a body costs something whatever its size, so many pieces are read ever more slowly. After
a refusal the server closes the connection: the answer is ahead of the rest of the body.

A write that waits for its client costs next to nothing and is not in flight meanwhile, so dripping
clients do not lock others out.

The server does not end a handler when its client leaves, so clients that poll and leave could fill
the gateway with useless work. `while_connected` cancels a read, and `watched` tells a create that
nobody waits for it any more. The server takes a client that has closed its sending side for gone.
To watch a client costs as much as all the rest of a read, and most reads are over in a few
milliseconds: so only slow ones are watched.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from litestar.types import HTTPReceiveMessage, Receive, Scope

from gateway.rooms import ClientGone, FieldProblem, GatewayError, InvalidRequest

from .answers import Header
from .exchange import Exchange
from .problems import BodyTooLarge

T = TypeVar("T")

_HTTPReceive = Callable[[], Awaitable[HTTPReceiveMessage]]

MAX_BODY = 65536
"""Bytes a request body may have."""

MAX_HEADERS = 64
"""Headers a request may have."""

_QUICK = 0.05
"""Seconds after which a read that is still under way is watched."""

_DIGITS = len(str(MAX_BODY)) + 1
"""Digits that are read of a length: so many are beyond MAX_BODY already."""

_BODY_TIME = 10.0
"""Seconds a body may take: at 64 kbit/s the largest takes eight."""

_PIECES = 8
"""Pieces read as they come: 64 KiB at once are not more."""

_PAUSE = 0.0002
"""Seconds before each further piece, times its number: about 300 are read before the deadline."""

_MOMENT = 0.01
"""Seconds after a body in which the server, unless busy, tells of a client that closed with it."""

_MESSAGES = 8
"""A busy server is given the time of so many messages, each as long as that of the body's end."""

_LONGEST_MOMENT = 0.3
"""Seconds for it at most: the end of a chunked body may have waited for the client."""


class TooManyHeaders(InvalidRequest):
    """More headers than a request may have."""

    def __init__(self) -> None:
        super().__init__(FieldProblem("headers", f"more than {MAX_HEADERS}"))


class BodyTooSlow(InvalidRequest):
    """The body was not there in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(FieldProblem("body", f"did not arrive within {seconds:g} s"))


class BodyBrokenOff(InvalidRequest):
    """The body ended too early: its client left, or a chunk of it is not well-formed."""

    def __init__(self) -> None:
        super().__init__(FieldProblem("body", "broken off, or not well chunked"))


def require_few(headers: Sequence[Header]) -> None:
    """Raise TooManyHeaders for more than MAX_HEADERS."""
    if len(headers) > MAX_HEADERS:
        raise TooManyHeaders


def declared_length(headers: Mapping[bytes, bytes]) -> int:
    """Return the Content-Length in `headers`, 0 without one; only its first digits if it is longer.

    There may be any number of zeros in front. Raises InvalidRequest for anything but ASCII digits;
    the server has refused two lengths that differ.
    """
    given = headers.get(b"content-length", b"0")
    if not given.isdigit():
        raise InvalidRequest(FieldProblem("Content-Length", "must be a number"))
    return int(given.lstrip(b"0")[:_DIGITS] or 0)


class Incoming:
    """The messages of the request with these `headers`, read by the server's `receive`."""

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[bytes, bytes],
        exchange: Exchange,
        *,
        seconds: float = _BODY_TIME,
        moment: float = _MOMENT,
        quick: float = _QUICK,
    ) -> None:
        self._receive: _HTTPReceive = receive  # type: ignore[assignment]  # no WebSocket
        self._declared = declared_length(headers)
        self._announced = self._declared > 0 or b"transfer-encoding" in headers
        self._exchange = exchange
        self._seconds = seconds
        self._moment = moment
        self._quick = quick
        self._deadline: float | None = None
        self._pieces = 0
        self._seen = 0
        self._whole = False
        self._last = 0.0
        self._reading: asyncio.Task[Any] | None = None
        self._messages: _Messages | None = None
        self._watching: asyncio.Task[None] | None = None
        self._end: list[Exception] = []

    async def receive(self) -> HTTPReceiveMessage:
        """Return the application's next message; after the body, wait until the client leaves.

        Raises BodyTooLarge, BodyTooSlow, BodyBrokenOff, and Overloaded if others took all places
        while this request waited. Under `while_connected` that raises in place of this.
        """
        if self._reading is not None or self._messages is not None:
            return await self._watch().get()
        if self._whole or self._exchange.streams:
            return await self._read()
        exchange = self._exchange
        with exchange.in_flight.away(exchange.user_id, exchange, exchange.method):
            return await self._read()

    async def while_connected(self, work: Awaitable[T]) -> T:
        """Return the result of `work`; cancel it if the client leaves or sends a bad body.

        Raises ClientGone, BodyTooLarge, BodyTooSlow or BodyBrokenOff.
        """
        self._reading = task = asyncio.current_task()
        if self._announced:
            self._watch()
        late = asyncio.get_running_loop().call_later(self._quick, self._watch)
        try:
            return await work
        except asyncio.CancelledError:
            if task is None or not self._end:
                raise
            task.uncancel()
            raise self._end.pop() from None  # kept nowhere: an error and its frames are a cycle
        finally:
            late.cancel()
            if self._watching is not None:
                self._watching.cancel()
            self._reading = self._watching = None  # their errors and frames refer to this: a cycle

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[Callable[[], None]]:
        """Watch the client, whose body has been read, until the block ends.

        Yields a function that raises ClientGone once the client has left. Raises it too, if a
        moment after the body the client has left.
        """
        leaving = asyncio.create_task(self._leaves())
        moment = min(self._moment + _MESSAGES * self._last, _LONGEST_MOMENT)

        def require_client() -> None:
            if leaving.done() and leaving.result():
                raise ClientGone

        try:
            await asyncio.wait({leaving}, timeout=moment)
            require_client()
            yield require_client
        finally:
            leaving.cancel()

    async def _leaves(self) -> bool:
        """Wait for the server's next message; return True if it says that the client has left."""
        return (await self._receive())["type"] == "http.disconnect"

    def _watch(self) -> "_Messages":
        """Watch the client from now on; return the messages for the application."""
        if self._messages is None:
            self._messages = _Messages()
            self._watching = asyncio.create_task(self._read_on(self._messages, self._reading))
        return self._messages

    async def _read_on(self, messages: "_Messages", task: asyncio.Task[Any] | None) -> None:
        """Read on for the application; cancel `task` once its answer is of no use."""
        try:
            while not self._whole:
                messages.put(await self._read())
            message = await self._receive()
        except GatewayError as error:
            self._end.append(error)
        else:
            if message["type"] != "http.disconnect":
                return
            messages.put(message)
            self._end.append(ClientGone())
        if task is not None:
            task.cancel()

    async def _read(self) -> HTTPReceiveMessage:
        """Return the server's next message, within the bounds of a body until that is whole."""
        if self._whole:
            return await self._receive()
        if self._declared > MAX_BODY:
            raise BodyTooLarge
        clock = asyncio.get_running_loop().time
        asked = clock()
        message = await (self._in_time() if self._announced else self._receive())
        self._last = clock() - asked
        if message["type"] == "http.disconnect":
            raise BodyBrokenOff
        self._pieces += 1
        self._seen += len(message["body"])
        if self._seen > MAX_BODY:
            raise BodyTooLarge
        self._whole = not message["more_body"]
        return message

    async def _in_time(self) -> HTTPReceiveMessage:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                if self._pieces > _PIECES:
                    await asyncio.sleep(self._pieces * _PAUSE)
                return await self._receive()
        except TimeoutError as error:
            raise BodyTooSlow(self._seconds) from error


class _Messages:
    """Messages for the one who takes them; a tenth of an `asyncio.Queue` of 3 KB."""

    __slots__ = ("_came", "_messages")

    def __init__(self) -> None:
        self._messages: list[HTTPReceiveMessage] = []
        self._came: asyncio.Future[None] | None = None

    def put(self, message: HTTPReceiveMessage) -> None:
        """Add a message."""
        self._messages.append(message)
        if self._came is not None and not self._came.done():
            self._came.set_result(None)

    async def get(self) -> HTTPReceiveMessage:
        """Return the first message; wait for one."""
        while not self._messages:
            self._came = asyncio.get_running_loop().create_future()
            await self._came
        return self._messages.pop(0)


def incoming_of(scope: Scope) -> Incoming:
    """Return what comes in for this request; the outer layer put it there."""
    incoming: Incoming = scope["state"]["incoming"]
    return incoming

"""Incoming bodies, bounded in size and time; a request that waits for one is not in flight."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge.exchange import Exchange
from gateway.edge.in_flight import InFlight
from gateway.edge.incoming import (
    MAX_BODY,
    MAX_HEADERS,
    BodyBrokenOff,
    BodyTooSlow,
    Incoming,
    TooManyHeaders,
    declared_length,
    require_few,
)
from gateway.edge.outgoing import Outgoing
from gateway.edge.problems import BodyTooLarge, Overloaded, render
from gateway.rooms import InvalidRequest

Message = dict[str, Any]
DISCONNECT: Message = {"type": "http.disconnect"}


def parts(*bodies: bytes) -> list[Message]:
    """Return the messages of a body that comes in these parts."""
    last = len(bodies) - 1
    return [
        {"type": "http.request", "body": each, "more_body": place < last}
        for place, each in enumerate(bodies)
    ]


class Client:
    """Sends messages, `pause` seconds before each; then nothing more, for ever."""

    def __init__(self, messages: Sequence[Message], pause: float = 0.0) -> None:
        self.asked = 0
        self.in_flight_meanwhile: list[bool] = []
        self.in_flight = InFlight(0)
        self._messages = list(messages)
        self._pause = pause

    async def receive(self) -> Message:
        """Return the next message."""
        self.asked += 1
        self.in_flight_meanwhile.append(self.in_flight.full("POST"))
        await asyncio.sleep(self._pause)
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


async def unsent(_message: object) -> None:
    """Send nothing."""


def incoming_from(client: Client, declared: int | None, *, seconds: float) -> Incoming:
    """Return what comes in from a client, with a length or in chunks."""
    headers = {b"transfer-encoding": b"chunked"}
    if declared is not None:
        headers = {b"content-length": b"%d" % declared}
    exchange = Exchange("id", "POST", unsent, client.in_flight, Outgoing())
    client.in_flight.enter(exchange)
    receive: Any = client.receive
    return Incoming(receive, headers, exchange, seconds=seconds)


def read(
    client: Client, *, declared: int | None = None, most: int = 1, seconds: float = 10.0
) -> bytes:
    """Return the whole body as an application reads it, at most `most` requests being in flight."""

    async def whole() -> bytes:
        client.in_flight = InFlight(most)
        incoming: Any = incoming_from(client, declared, seconds=seconds)
        body, more = b"", True
        while more:
            message = await incoming.receive()
            body += message["body"]
            more = message["more_body"]
        return body

    return asyncio.run(whole())


@pytest.mark.parametrize("count", [0, 1, MAX_HEADERS])
def test_as_many_headers_as_allowed(count: int) -> None:
    """64 may be sent."""
    require_few([(b"x", b"y")] * count)


@pytest.mark.parametrize("count", [MAX_HEADERS + 1, 1000])
def test_too_many_headers(count: int) -> None:
    """One more is refused as invalid."""
    with pytest.raises(TooManyHeaders) as refusal:
        require_few([(b"x", b"y")] * count)
    assert render(refusal.value, "id").status == 400
    assert b'"field":"headers"' in render(refusal.value, "id").body


@given(st.lists(st.binary(max_size=20_000), min_size=1, max_size=8))
def test_a_body_is_passed_on_whole_or_refused(bodies: list[bytes]) -> None:
    """In whichever parts it comes; too large is what is more than 64 KiB, with a length or not."""
    expected = b"".join(bodies)
    for declared in (None, len(expected)):
        if len(expected) <= MAX_BODY:
            assert read(Client(parts(*bodies)), declared=declared) == expected
        else:
            with pytest.raises(BodyTooLarge):
                read(Client(parts(*bodies)), declared=declared)


def test_a_body_declared_too_large_is_not_waited_for() -> None:
    """The length is enough to refuse it."""
    client = Client([])
    with pytest.raises(BodyTooLarge):
        read(client, declared=MAX_BODY + 1)
    assert client.asked == 0


def test_a_body_without_a_length_is_refused_in_time() -> None:
    """Nothing more is read once it is too large."""
    client = Client(parts(*[b"x" * 20_000] * 100))
    with pytest.raises(BodyTooLarge):
        read(client)
    assert client.asked == 4


def test_a_body_that_does_not_come() -> None:
    """The client is told which deadline it missed."""
    with pytest.raises(BodyTooSlow) as refusal:
        read(Client([]), seconds=0.05)
    answer = render(refusal.value, "id")
    assert answer.status == 400
    assert b'{"field":"body","message":"did not arrive within 0.05 s"}' in answer.body


def test_the_deadline_is_for_all_of_it() -> None:
    """Each part may be in time, the body is not."""
    client = Client(parts(*[b"x"] * 100), pause=0.02)
    with pytest.raises(BodyTooSlow):
        read(client, seconds=0.1)
    assert 2 <= client.asked <= 6


def test_tiny_pieces_are_read_ever_more_seldom() -> None:
    """However many there are, few are read."""
    client = Client(parts(*[b"x"] * 10_000))
    with pytest.raises(BodyTooSlow):
        read(client, seconds=0.2)
    assert 10 <= client.asked <= 60


@pytest.mark.parametrize("begun", [[], parts(b"{", b"}")[:1]], ids=["nothing", "a part"])
def test_a_body_that_is_broken_off(begun: list[Message]) -> None:
    """A disconnect within a body is the client's fault, not ours."""
    with pytest.raises(BodyBrokenOff) as refusal:
        read(Client([*begun, DISCONNECT]))
    assert render(refusal.value, "id").status == 400


def test_a_disconnect_after_the_body_is_the_applications() -> None:
    """Once the body is whole, messages are passed on as they are, and there is no deadline."""

    async def after() -> Any:
        client = Client([*parts(b"x"), DISCONNECT], pause=0.05)
        client.in_flight = InFlight(1)
        incoming = incoming_from(client, None, seconds=0.08)
        await incoming.receive()
        return await incoming.receive()

    assert asyncio.run(after()) == DISCONNECT


@pytest.mark.parametrize(
    ("messages", "end"),
    [(parts(b"x"), Overloaded), ([], BodyTooSlow), ([DISCONNECT], BodyBrokenOff)],
)
def test_who_waits_is_not_in_flight(messages: list[Message], end: type[Exception]) -> None:
    """A waiting request leaves its place, and is one too many if that is taken meanwhile."""
    client = Client(messages)
    with pytest.raises(end):
        read(client, most=0, seconds=0.01)
    assert client.in_flight_meanwhile == [False]
    assert client.in_flight.full("POST")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        *[(b"0", 0), (b"3", 3), (b"0" * 5000 + b"3", 3), (b"0" * 5000, 0)],
        *[(b"65536", MAX_BODY), (b"065537", MAX_BODY + 1)],
    ],
)
def test_a_length_may_have_zeros(text: bytes, length: int) -> None:
    """Any number of them, more than Python converts, says the same; no length is none."""
    assert declared_length({b"content-length": text}) == length
    assert declared_length({}) == 0


@given(st.integers(min_value=MAX_BODY + 1).map(str))
@example("9" * 16_000)
def test_any_greater_length_is_too_great(text: str) -> None:
    """A length may have any number of digits, and its first ones tell."""
    assert declared_length({b"content-length": text.encode()}) > MAX_BODY


@pytest.mark.parametrize(
    "text",
    [b"", b"+5", b"-1", b"0x10", b"1_0", b"1 3", b" 5", b"5\n", b"13, 13", b"\xd9\xa3", b"1e2"],
)
def test_a_length_that_is_no_number_is_refused(text: bytes) -> None:
    """Anything but ASCII digits is refused, whatever the server lets through."""
    with pytest.raises(InvalidRequest):
        declared_length({b"content-length": text})


def test_a_stream_waits_for_its_client_without_a_place() -> None:
    """Once its head is sent, reading on neither takes a place nor fails for want of one."""

    async def streaming() -> int:
        client = Client(parts(b"x"))
        exchange = Exchange("id", "POST", unsent, client.in_flight, Outgoing())
        client.in_flight.enter(exchange)
        await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
        receive: Any = client.receive
        await Incoming(receive, {}, exchange).receive()
        return client.in_flight.count

    assert asyncio.run(streaming()) == 0

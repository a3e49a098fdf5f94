"""The circuit breaker, by its own clock."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from gateway.metrics import Metrics
from gateway.telemetry import SharedMetrics, families
from gateway.upstream import Call, Reply
from gateway.upstream.breaker import Breaker, with_breaker
from gateway.upstream.faults import (
    Broken,
    DatabaseDown,
    DeadlineExceeded,
    Fault,
    NotAttempted,
    NotSent,
    Unreadable,
)
from tests.live.fault_server import enveloped
from tests.telemetry.counts import nonzero

PAUSE = 1.0
CALL = Call("GET", "/", deadline=0)


class World:
    """A breaker before an upstream whose next outcome is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.log = CapturingLogger()
        self.block = SharedMetrics(families(Metrics))
        self.opened_at: list[float] = []
        self.breaker = Breaker(
            lambda: self.now,
            self.log,
            Metrics(self.block).breaker_opened,
            lambda: self.opened_at.append(self.now),
        )
        self.outcome: Reply | BaseException = fine()
        self.sent = 0
        self._guarded = with_breaker(self.breaker, self._send)

    async def _send(self, _: Call) -> Reply:
        self.sent += 1
        await asyncio.sleep(0)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def call(self, outcome: Reply | BaseException, call: Call = CALL) -> bool:
        """Return whether a call with this outcome got as far as the upstream."""
        self.outcome, before = outcome, self.sent
        with suppress(Fault, asyncio.CancelledError):
            await self._guarded(call)
        return self.sent > before

    def once(self, outcome: Reply | BaseException, path: str, method: str = "GET") -> bool:
        """Make one call for `path`; return whether it was sent."""
        return asyncio.run(self.call(outcome, Call(method, path, deadline=0)))

    def calls(self, outcomes: Sequence[Reply | BaseException]) -> list[bool]:
        """Make calls one after the other."""

        async def run() -> list[bool]:
            return [await self.call(outcome) for outcome in outcomes]

        return asyncio.run(run())


def fine() -> Reply:
    """Return a reply with a room in it."""
    return Reply(200, httpx.Headers(), enveloped({}))


def reply(status: int, body: bytes = b"") -> Reply:
    """Return a reply with this status."""
    return Reply(status, httpx.Headers(), body)


FAILURES = {
    "not sent": NotSent("refused"),
    "timeout": DeadlineExceeded("3 s"),
    "broken": Broken("reset"),
    "without its database": DatabaseDown("down"),
    "429": reply(429),
    "429 with an envelope": reply(429, enveloped(code=429)),
    "503": reply(503),
    "503 with an envelope": reply(503, enveloped(code=503)),
    "500 without an envelope": reply(500, b"oops"),
    "502 in HTML": reply(502, b"<html>"),
}
BUSINESS = {
    "a room": fine(),
    "an unknown room": reply(500, enveloped(code=500, message="record not found")),
    "refused credentials": reply(401, enveloped(code=401)),
    "a bad request": reply(400, enveloped(code=400)),
    "404 without an envelope": reply(404),
    "too large": Unreadable("larger than 5 bytes"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_five_failures_in_a_row_open_it(failure: Reply | Fault) -> None:
    """The fifth opens it: the sixth call is refused without being sent."""
    world = World()
    assert world.calls([failure] * 7) == [True] * 5 + [False] * 2
    assert world.breaker.state == "open"


@pytest.mark.parametrize("outcome", BUSINESS.values(), ids=BUSINESS)
def test_an_answer_never_opens_it(outcome: Reply | Fault) -> None:
    """A reply about the call itself shows that the upstream is alive."""
    world = World()
    assert world.calls([outcome] * 100) == [True] * 100
    assert world.breaker.state == "closed"


def test_half_of_the_last_twenty_open_it() -> None:
    """Ten failures in the last twenty calls open it; older failures do not count."""
    world, bad = World(), Broken("reset")
    assert all(world.calls([bad, fine(), fine()] * 30))
    assert world.breaker.state == "closed"
    sent = world.calls([bad, fine()] * 20)
    assert not all(sent)
    assert sent.index(False) <= 20


def test_it_says_how_long_it_stays_open() -> None:
    """A refusal carries the rest of the pause."""
    world = World()
    world.calls([Broken("reset")] * 5)
    world.now += 0.4
    with pytest.raises(NotAttempted) as caught:
        world.breaker.admit()
    assert caught.value.retry_after == pytest.approx(PAUSE - 0.4)


def test_a_good_probe_closes_it() -> None:
    """After the pause one call goes through; when it succeeds, all do."""
    world = World()
    world.calls([Broken("reset")] * 5)
    world.now += PAUSE
    assert world.breaker.state == "half-open"
    assert world.calls([fine()] * 3) == [True] * 3
    assert world.breaker.state == "closed"
    assert world.calls([Broken("reset")] * 4 + [fine()]) == [True] * 5


def test_a_bad_probe_opens_it_again() -> None:
    """One failure is enough then, for another whole pause."""
    world = World()
    world.calls([Broken("reset")] * 5)
    world.now += PAUSE
    assert world.calls([DeadlineExceeded("3 s"), fine()]) == [True, False]
    world.now += PAUSE * 0.9
    assert world.calls([fine()]) == [False]
    world.now += PAUSE * 0.2
    assert world.calls([fine()]) == [True]


def test_there_is_one_probe_at_a_time() -> None:
    """After the pause one of a hundred simultaneous calls is sent."""
    world = World()
    world.calls([Broken("reset")] * 5)
    world.now += PAUSE

    async def crowd() -> list[bool]:
        return await asyncio.gather(*(world.call(DeadlineExceeded("3 s")) for _ in range(100)))

    before = world.sent
    asyncio.run(crowd())
    assert world.sent == before + 1


@pytest.mark.parametrize(
    "given_up", [asyncio.CancelledError(), NotAttempted("no connection", retry_after=1)], ids=repr
)
def test_a_probe_that_is_given_up_makes_room_for_the_next(given_up: BaseException) -> None:
    """A probe that is given up neither closes nor blocks the breaker."""
    world = World()
    world.calls([Broken("reset")] * 5)
    world.now += PAUSE
    assert world.calls([given_up]) == [True]
    assert world.breaker.state == "half-open"
    assert world.calls([fine()]) == [True]
    assert world.breaker.state == "closed"


@pytest.mark.parametrize("late", [True, False])
def test_what_was_sent_before_it_opened_counts_no_more(*, late: bool) -> None:
    """A straggler neither closes an open breaker nor prolongs its pause."""
    world = World()
    straggler = world.breaker.admit()
    world.calls([Broken("reset")] * 5)
    world.now += PAUSE * 0.9
    world.breaker.record(straggler, "/", failed=late)
    assert world.breaker.state == "open"
    world.now += PAUSE * 0.2
    assert world.breaker.state == "half-open"


def test_an_operator_sees_it_open_and_close() -> None:
    """Each transition is one log line, and a failed probe is none."""
    world = World()
    world.calls([Broken("reset")] * 9)
    world.now += PAUSE
    world.calls([Broken("reset")])
    world.now += PAUSE
    world.calls([fine()])
    assert [call.args[0] for call in world.log.calls] == ["breaker_opened", "breaker_closed"]


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 2)), max_size=200))
def test_it_always_recovers(history: list[tuple[bool | None, float]]) -> None:
    """After any history and a pause, a single good call closes the breaker."""
    world = World()
    for failed, later in history:
        world.now += later
        try:
            world.breaker.record(world.breaker.admit(), "/", failed=failed)
        except NotAttempted:
            assert world.breaker.state == "open"
    world.now += PAUSE + 0.001
    world.breaker.record(world.breaker.admit(), "/", failed=False)
    assert world.breaker.state == "closed"


def test_openings_are_counted() -> None:
    """Each opening of a closed breaker is counted, and a failed probe is not."""
    world = World()
    for _ in range(2):
        world.calls([Broken("cut")] * 5)
        world.now += PAUSE
        world.calls([Broken("cut")])
        world.now += PAUSE
        world.calls([fine()])
        assert world.breaker.state == "closed"
    assert nonzero(world.block, Metrics.breaker_opened) == {(): 2}


TIMEOUT = DeadlineExceeded("3 s")


def test_one_bad_room_never_opens_it() -> None:
    """A room that always times out is no outage while another room is read in between."""
    world = World()
    for _ in range(30):
        assert world.once(fine(), "/good")
        for _ in range(5):
            world.now += 1.9
            assert world.once(TIMEOUT, "/bad")
    assert world.breaker.state == "closed"


def test_one_bad_room_adds_nothing_to_the_failures_of_others() -> None:
    """The bad room counts as one of five failures in a row, however often it is read."""
    world = World()
    world.once(fine(), "/good")
    assert [world.once(TIMEOUT, "/bad") for _ in range(20)] == [True] * 20
    assert [world.once(TIMEOUT, f"/{number}") for number in range(5)] == [True] * 4 + [False]


def test_a_dead_upstream_asked_for_one_room_opens_it() -> None:
    """Without a success for another path, five timeouts of one path are an outage."""
    world = World()
    world.once(fine(), "/bad")
    assert [world.once(TIMEOUT, "/bad") for _ in range(6)] == [True] * 5 + [False]


def test_a_sign_of_life_is_good_for_ten_seconds() -> None:
    """Timeouts of one path count again once no other path has succeeded for ten seconds."""
    world = World()
    world.once(fine(), "/good")
    assert [world.once(TIMEOUT, "/bad") for _ in range(20)] == [True] * 20
    world.now += 10.1
    assert [world.once(TIMEOUT, "/bad") for _ in range(6)] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("failure", [NotSent("refused"), Broken("reset"), reply(503)], ids=repr)
def test_other_failures_of_one_room_count(failure: Reply | Fault) -> None:
    """A refused or broken connection, or a 503, is the upstream's and not the room's."""
    world = World()
    world.once(fine(), "/good")
    assert [world.once(failure, "/bad") for _ in range(6)] == [True] * 5 + [False]


PATHS = st.sampled_from(["/a", "/b", "/c"])
HISTORY = st.lists(st.tuples(PATHS | st.just("/bad"), st.floats(0, 5)), max_size=200)


@given(HISTORY)
def test_no_history_of_one_bad_room_opens_it(history: list[tuple[str, float]]) -> None:
    """In any order of reads, one room that times out is no outage while others answer."""
    world = World()
    for path, later in history:
        world.now += later
        world.once(fine(), "/always")
        assert world.once(TIMEOUT if path == "/bad" else fine(), path)


@given(HISTORY, st.lists(PATHS, min_size=5, max_size=5))
def test_after_any_history_a_dead_upstream_opens_it(
    history: list[tuple[str, float]], paths: list[str]
) -> None:
    """Whatever came before, five timeouts open it once the last success is ten seconds old."""
    world = World()
    for path, later in history:
        world.now += later
        world.once(fine(), path)
    world.now += 10.1
    for path in paths:
        world.once(TIMEOUT, path)
    assert world.breaker.state == "open"


FAILED = reply(500, enveloped(code=500, message="create live failed"))


def test_a_write_that_the_upstream_failed_at_proves_nothing() -> None:
    """Such a write neither ends a row of failures, nor opens the breaker, nor closes it."""
    world = World()
    for _ in range(5):
        assert world.once(FAILED, "/server/live", "POST")
        assert world.once(Broken("reset"), "/room")
    assert world.breaker.state == "open"
    world.now += PAUSE
    assert world.once(FAILED, "/server/live", "POST")
    assert world.breaker.state == "half-open"
    world.once(fine(), "/room")
    assert world.breaker.state == "closed"
    assert [world.once(FAILED, "/server/live", "POST") for _ in range(50)] == [True] * 50


def test_connections_are_dropped_when_it_opens() -> None:
    """`on_open` is called once for each opening and for each failed probe."""
    world = World()
    world.calls([Broken("reset")] * 9)
    assert world.opened_at == [100.0]
    world.now += PAUSE
    world.calls([Broken("reset")] * 2)
    assert world.opened_at == [100.0, 100.0 + PAUSE]
    world.now += PAUSE
    world.calls([fine()])
    assert len(world.opened_at) == 2

"""Decisions about workers, without a process and without waiting."""

import math
import signal
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.serving.supervision import (
    FAILED_STARTS,
    FIRST_BEAT,
    FIRST_PAUSE,
    LAST_WAIT,
    LONGEST_PAUSE,
    LOOK,
    SETTLED,
    SILENCE,
    SLOTS_PER_WORKER,
    STOPPED,
    Supervision,
    Worker,
    pause,
)

GRACE = 10.0
CRASH = 1


class Gateway:
    """Places with workers, and a clock; the processes are numbers."""

    def __init__(self, places: int = 1) -> None:
        self.now = 1000.0
        self.plan = Supervision(places, GRACE, self.now)
        self._pids = iter(range(1, 10_000))

    def later(self, seconds: float) -> None:
        """Let time pass, with looks as often as the supervisor takes them."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + LOOK)
            self.plan.look(self.now)

    def start(self) -> list[Worker]:
        """Start the workers that are due."""
        return [
            self.plan.started(place, slot, next(self._pids), self.now)
            for place, slot in self.plan.due(self.now)
        ]

    def beat(self) -> None:
        """Have every worker send a heartbeat."""
        for worker in self.plan.running:
            worker.beat = self.now

    def end(self, worker: Worker, exit_code: int = CRASH) -> None:
        """End a worker."""
        self.plan.ended(worker, exit_code, self.now)

    def crash_at_start(self, place: int, times: int) -> None:
        """Let a place's workers crash as they start, again and again."""
        for _ in range(times):
            while not (worker := self.plan.places[place].worker):
                self.later(0.1)
                self.start()
            self.end(worker)


@pytest.fixture
def one() -> Gateway:
    """Return a gateway with one worker that has a heartbeat."""
    gateway = Gateway()
    gateway.start()
    gateway.beat()
    return gateway


def test_every_place_gets_one_worker_at_once() -> None:
    """At the beginning each place is due once, with a slot of its own."""
    gateway = Gateway(3)
    assert [worker.slot for worker in gateway.start()] == [0, 1, 2]
    assert gateway.start() == []


@given(st.integers(1, 5000))
def test_pauses_grow_to_a_bound(tries: int) -> None:
    """A pause is never shorter than the one before it, and has a bound for any number of tries."""
    assert FIRST_PAUSE <= pause(tries) <= pause(tries + 1) <= LONGEST_PAUSE


def test_a_fork_that_fails_is_tried_again() -> None:
    """A place without a process is due again after a pause; the others are not touched."""
    gateway = Gateway(2)
    ((first, slot), (second, _)) = gateway.plan.due(gateway.now)
    gateway.plan.started(first, slot, 1, gateway.now)
    waits = []
    for _ in range(8):
        gateway.plan.not_started(second, gateway.now)
        begun = gateway.now
        while not list(gateway.plan.due(gateway.now)):
            gateway.now += 0.05
        waits.append(gateway.now - begun)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5], abs=0.06)
    assert not gateway.plan.hopeless()
    assert len(gateway.start()) == 1


@pytest.mark.parametrize("exit_code", [0, 1, -signal.SIGKILL, -signal.SIGSEGV])
def test_a_worker_that_lasted_is_replaced_at_once(one: Gateway, exit_code: int) -> None:
    """A worker that ends after a long life is replaced without a pause, for whatever reason."""
    (worker,) = one.plan.running
    one.later(SETTLED)
    one.end(worker, exit_code)
    (new,) = one.start()
    assert (new.place.left, new.slot) == ("ended", worker.slot)


def test_a_worker_that_ends_early_is_replaced_after_a_pause(one: Gateway) -> None:
    """Early ends in a row make longer pauses; a long life resets them."""
    for expected in (0.1, 0.2, 0.4):
        (worker,) = one.plan.running
        one.end(worker, -signal.SIGKILL)
        assert one.start() == []
        one.later(expected)
        assert len(one.start()) == 1
        one.beat()
    one.later(SETTLED)
    one.end(one.plan.running[0])
    assert len(one.start()) == 1


@pytest.mark.parametrize(
    ("ends", "hopeless"),
    [
        ([(0.1, 1), (0.1, 1), (0.1, 1)], True),
        ([(0.1, 1), (0.1, 1)], False),
        ([(0.1, 1), (0.1, 1), (60, 1), (0.1, 1)], False),
        ([(0.1, 1), (0.1, -signal.SIGKILL), (0.1, 1), (0.1, 1)], False),
        ([(0.1, 0)] * 4, False),
        ([(0.1, -signal.SIGTERM)] * 4, False),
        ([(0.1, -signal.SIGSEGV)] * 3, True),
    ],
)
def test_only_failed_starts_in_a_row_count(
    ends: list[tuple[float, int]], *, hopeless: bool
) -> None:
    """The third failed start in a row is the last; a long life or an outside signal resets it."""
    gateway = Gateway()
    for lived, exit_code in ends:
        while not gateway.plan.running:
            gateway.later(0.1)
            gateway.start()
        (worker,) = gateway.plan.running
        for _ in range(int(lived)):
            gateway.beat()
            gateway.later(1)
        gateway.end(worker, exit_code)
    assert gateway.plan.hopeless() is hopeless


def test_without_a_heartbeat_a_long_start_is_a_failed_one() -> None:
    """A worker that ends after a long time without a heartbeat has failed to start."""
    gateway = Gateway()
    for _ in range(FAILED_STARTS):
        gateway.later(LONGEST_PAUSE)
        (worker,) = gateway.start()
        gateway.later(SETTLED + 1)
        gateway.end(worker)
    assert gateway.plan.hopeless()


def test_failures_of_one_do_not_end_the_others() -> None:
    """A place that fails for ever does not end those that are healthy, nor a killed one."""
    gateway = Gateway(4)
    gateway.start()
    gateway.beat()
    gateway.crash_at_start(0, 20)
    assert not gateway.plan.hopeless()
    for place in gateway.plan.places[1:]:
        assert place.worker is not None
        gateway.end(place.worker, -signal.SIGKILL)
        assert not gateway.plan.hopeless()
    assert gateway.start()


def test_failures_of_all_end_it() -> None:
    """Without a healthy worker there is no hope once each place has failed three times."""
    gateway = Gateway(3)
    gateway.start()
    for place in range(3):
        assert not gateway.plan.hopeless()
        gateway.crash_at_start(place, FAILED_STARTS)
    assert gateway.plan.hopeless()


@pytest.mark.parametrize(
    ("silent", "taken_out"), [(0.0, False), (SILENCE - LOOK, False), (SILENCE, True), (99, True)]
)
def test_a_blocked_worker_is_replaced(one: Gateway, silent: float, *, taken_out: bool) -> None:
    """A worker without a heartbeat for ten seconds is taken out, and its place due at once."""
    (worker,) = one.plan.running
    one.later(SETTLED)
    one.beat()
    one.later(silent)
    assert one.plan.take_out_unresponsive(one.now) == ([worker] if taken_out else [])
    new = one.start()
    assert [each.place.left for each in new] == ["unresponsive"] * taken_out
    assert all(each.slot != worker.slot for each in new)
    assert one.plan.take_out_unresponsive(one.now) == []


def test_one_taken_out_is_killed_at_the_end_of_the_grace(one: Gateway) -> None:
    """A worker that was taken out has the grace period to end, and its end is expected."""
    one.later(SILENCE)
    (worker,) = one.plan.take_out_unresponsive(one.now)
    one.start()
    one.beat()
    one.later(GRACE - LOOK)
    one.beat()
    assert one.plan.overdue(one.now) == []
    one.later(LOOK)
    assert one.plan.overdue(one.now) == [worker]
    assert one.plan.overdue(one.now) == []
    assert not one.plan.ended(worker, -signal.SIGKILL, one.now)
    assert len(one.plan.running) == 1


def test_a_slow_start_is_not_a_blocked_worker() -> None:
    """A worker may take a minute until its first heartbeat, and then has failed to start."""
    gateway = Gateway()
    (worker,) = gateway.start()
    gateway.later(FIRST_BEAT - LOOK)
    assert gateway.plan.take_out_unresponsive(gateway.now) == []
    gateway.later(LOOK)
    assert gateway.plan.take_out_unresponsive(gateway.now) == [worker]
    assert worker.place.failures == 1


@pytest.mark.parametrize("started", [True, False])
def test_a_stopped_worker_is_replaced(*, started: bool) -> None:
    """A worker that the system has stopped for a second is taken out, one that goes on is not."""
    gateway = Gateway()
    (worker,) = gateway.start()
    if started:
        gateway.beat()
    worker.stopped = gateway.now
    gateway.later(STOPPED / 2)
    worker.stopped = math.inf
    gateway.later(STOPPED)
    assert gateway.plan.take_out_unresponsive(gateway.now) == []
    worker.stopped = gateway.now
    gateway.later(STOPPED)
    assert gateway.plan.take_out_unresponsive(gateway.now) == [worker]


@pytest.mark.parametrize("paused", [LOOK + 1.1, 30.0, 100_000.0])
def test_after_a_pause_of_its_own_it_waits(one: Gateway, paused: float) -> None:
    """A supervisor that was paused gives its workers as long as if they had just sent a beat."""
    (worker,) = one.plan.running
    worker.stopped = one.now
    one.later(STOPPED - LOOK)
    one.now += paused
    one.plan.look(one.now)
    assert one.plan.take_out_unresponsive(one.now) == []
    worker.stopped = math.inf
    one.later(SILENCE - LOOK)
    assert one.plan.take_out_unresponsive(one.now) == []
    one.later(LOOK)
    assert one.plan.take_out_unresponsive(one.now) == [worker]


def test_a_stop_ends_with_the_grace(one: Gateway) -> None:
    """After a stop nothing is started or taken out, and what is left is killed with the grace."""
    (worker,) = one.plan.running
    one.plan.stop(one.now)
    one.later(GRACE - LOOK)
    assert one.plan.take_out_unresponsive(one.now) == []
    assert one.plan.overdue(one.now) == []
    one.later(LOOK)
    assert one.plan.overdue(one.now) == [worker]
    assert not one.plan.over(one.now)
    one.end(worker, -signal.SIGKILL)
    assert one.start() == []
    assert one.plan.over(one.now)


def test_a_delay_comes_before_the_grace(one: Gateway) -> None:
    """Responses in flight have the whole grace after the delay."""
    (worker,) = one.plan.running
    one.plan.stop(one.now, delay=5)
    one.later(GRACE)
    assert one.plan.overdue(one.now) == []
    one.later(5)
    assert one.plan.overdue(one.now) == [worker]


def test_a_second_stop_ends_the_delay(one: Gateway) -> None:
    """The grace begins with the second stop."""
    (worker,) = one.plan.running
    one.plan.stop(one.now, delay=60)
    one.later(1)
    one.plan.stop(one.now)
    one.later(GRACE)
    assert one.plan.overdue(one.now) == [worker]


def test_a_stop_waits_for_nobody_who_cannot_be_killed(one: Gateway) -> None:
    """A worker that even SIGKILL does not end delays the end by a second only."""
    one.plan.stop(one.now)
    one.later(GRACE)
    one.plan.overdue(one.now)
    assert not one.plan.over(one.now)
    one.later(LAST_WAIT)
    assert one.plan.over(one.now)


def test_a_stop_lengthens_no_ones_grace(one: Gateway) -> None:
    """A worker that was taken out before a stop is killed no later because of it."""
    one.later(SILENCE)
    (worker,) = one.plan.take_out_unresponsive(one.now)
    one.later(GRACE / 2)
    one.plan.stop(one.now)
    one.plan.stop(one.now + 5)
    one.later(GRACE / 2)
    assert one.plan.overdue(one.now) == [worker]


def no_process(gateway: Gateway) -> None:
    """Have no process for the places that are due."""
    for place, _ in gateway.plan.due(gateway.now):
        gateway.plan.not_started(place, gateway.now)


def end_first(gateway: Gateway, exit_code: int) -> None:
    """End a worker."""
    for worker in gateway.plan.running[:1]:
        gateway.end(worker, exit_code)


def end_last(gateway: Gateway) -> None:
    """End a worker, maybe one that was taken out."""
    for worker in gateway.plan.running[-1:]:
        gateway.end(worker, 0)


def stop_first(gateway: Gateway) -> None:
    """Stop a worker by the system."""
    for worker in gateway.plan.running[:1]:
        worker.stopped = gateway.now


EVENTS: dict[str, Callable[[Gateway], object]] = {
    "start": Gateway.start,
    "no process": no_process,
    "beat": Gateway.beat,
    "crash": lambda gateway: end_first(gateway, CRASH),
    "kill": lambda gateway: end_first(gateway, -signal.SIGKILL),
    "end": end_last,
    "stopped": stop_first,
    "wait": lambda gateway: gateway.later(0.3),
    "long wait": lambda gateway: gateway.later(SILENCE),
}


@given(st.integers(1, 4), st.lists(st.sampled_from(sorted(EVENTS)), max_size=60))
def test_whatever_happens(places: int, events: list[str]) -> None:
    """No slot has two processes, no place two workers, looks go on, and a stop ends in time."""
    gateway = Gateway(places)
    for event in events:
        EVENTS[event](gateway)
        gateway.plan.take_out_unresponsive(gateway.now)
        gateway.plan.overdue(gateway.now)
        slots = [worker.slot for worker in gateway.plan.running]
        assert len(set(slots)) == len(slots) <= places * SLOTS_PER_WORKER
        assert set(slots) <= set(range(places * SLOTS_PER_WORKER))
        assert 0 < gateway.plan.next_look(gateway.now) <= LOOK
    gateway.plan.stop(gateway.now)
    assert list(gateway.plan.due(gateway.now)) == []
    gateway.later(GRACE)
    assert set(gateway.plan.overdue(gateway.now)) <= set(gateway.plan.running)
    gateway.later(LAST_WAIT)
    assert gateway.plan.over(gateway.now)

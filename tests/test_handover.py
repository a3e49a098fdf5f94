"""The last keys in use, shared among workers."""

import os

from gateway.handover import _HEAD as HEAD  # to write as a worker does that is killed
from gateway.handover import JWK_SET_SIZE, handovers


def test_the_latest_text_of_any_worker_counts() -> None:
    """Each worker reads what the last one wrote, whoever that was."""
    first, second = (each.keys for each in handovers(2))
    assert first.get() is None
    for writer, text in ((first, b"1"), (second, b"2"), (first, b"3"), (first, b"4")):
        writer.put(text, read_at=float(text))
        assert (first.get(), second.get()) == (text, text)


def test_the_latest_is_the_one_whose_reading_began_last() -> None:
    """A text that comes late, and was asked for before another, is the older of the two."""
    slow, quick = (each.keys for each in handovers(2))
    quick.put(b"newer", read_at=2)
    slow.put(b"older", read_at=1)
    assert (slow.get(), quick.get()) == (b"newer", b"newer")


def test_kinds_are_apart() -> None:
    """Keys are no JWK set."""
    [only] = handovers(1)
    only.keys.put(b"keys", 1)
    assert only.jwk_sets[0].get() is None


def test_a_worker_killed_while_it_writes_leaves_the_older_text() -> None:
    """A half that is not whole does not count, wherever the writing ended."""
    [only] = handovers(1)
    only.keys.put(b"older", 1)
    only.keys.put(b"newer", 2)
    [newest] = [half for half in only.keys._mine if b"newer" in half[:]]  # noqa: SLF001  # as a worker that is killed leaves it
    for place in (0, 9, 20, HEAD.size, HEAD.size + 4):
        whole = newest[:]
        newest[place] ^= 1
        assert only.keys.get() == b"older"
        newest[: len(whole)] = whole
    assert only.keys.get() == b"newer"


def test_a_text_that_is_too_long_is_left_out() -> None:
    """The last text that fits stays."""
    [only] = handovers(1)
    only.jwk_sets[0].put(b"x" * JWK_SET_SIZE, 1)
    only.jwk_sets[0].put(b"y" * (JWK_SET_SIZE + 1), 2)
    assert only.jwk_sets[0].get() == b"x" * JWK_SET_SIZE


def test_a_process_hands_over_to_its_parent() -> None:
    """What a worker writes is there after its end."""
    [only] = handovers(1)
    pid = os.fork()
    if not pid:
        only.keys.put(b"from the worker", 1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert only.keys.get() == b"from the worker"

"""Creating with an `Idempotency-Key`: once upstream, and the first outcome for every retry."""

import asyncio
import gc
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from gateway.rooms import (
    AnchorNotRegistered,
    AnchorRoom,
    Caller,
    ClientGone,
    Created,
    Creation,
    Creator,
    Failed,
    GatewayError,
    IdempotencyClaim,
    InvalidRequest,
    NewRoom,
    Outcome,
    OutcomeUnknown,
    RoomNotFound,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    ViewerRoom,
    expiry_problems,
)
from tests.fakes.rooms import (
    ADMIN,
    ALICE,
    CREATED,
    ENDED,
    NOW,
    PUSH_URL,
    Anchors,
    IdempotencyStore,
    OpenCreates,
    Upstream,
    creator_of,
    room_of,
)

NEW_ROOM = NewRoom(anchor_id="alice", title="Friday")
UNKNOWN = Failed("outcome_unknown")


async def create(
    creator: Creator, caller: Caller = ALICE, room: NewRoom = NEW_ROOM, key: str | None = "key"
) -> Creation:
    """Create a room."""
    return await creator.create(caller, room, now=NOW, key=key)


class SlowUpstream(Upstream):
    """An upstream with creates that wait for `gate`."""

    def __init__(self, error: BaseException | None = None, *reads: AnchorRoom) -> None:
        super().__init__(*reads)
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.outcome = error

    async def create(
        self, room: NewRoom, request_id: str, on_sent: Callable[[], None] | None = None
    ) -> AnchorRoom:
        """Create a room once the gate is open."""
        self.begun.set()
        await self.gate.wait()
        if self.outcome is not None:
            raise self.outcome
        return await super().create(room, request_id, on_sent)


async def test_a_repeated_create_makes_no_second_room() -> None:
    """The anchor gets the first room as it is now, with its `push_url`, read again each time."""
    upstream = Upstream(room_of(), room_of(live_status=ENDED))
    creator = creator_of(upstream, IdempotencyStore())
    assert await create(creator) == Creation(room_of(live_status=CREATED))
    assert await create(creator) == Creation(room_of(), replayed=True)
    assert await create(creator) == Creation(room_of(live_status=ENDED), replayed=True)
    assert upstream.calls == ["create", "read 1", "read 1"]


async def test_who_creates_for_another_sees_no_push_url() -> None:
    """An administrator gets the viewer shape each time, of the room as it is now."""
    upstream = Upstream(room_of(live_status=ENDED))
    creator = creator_of(upstream, IdempotencyStore())
    shown = [await create(creator, ADMIN), await create(creator, ADMIN)]
    assert [each.replayed for each in shown] == [False, True]
    assert [each.room for each in shown] == [
        room_of(live_status=status).for_viewers() for status in (CREATED, ENDED)
    ]


async def test_without_a_key_every_create_is_one() -> None:
    """A create without a key makes no claim and records no outcome."""
    upstream, store = Upstream(), IdempotencyStore()
    creator = creator_of(upstream, store)
    await create(creator, key=None)
    assert await create(creator, key=None) == Creation(room_of(live_status=CREATED))
    assert (upstream.calls, store.calls) == (["create", "create"], [])


@pytest.mark.parametrize("key", ["key", None])
async def test_a_create_that_is_called_off_is_not_sent(key: str | None) -> None:
    """A client that has left before it is sent makes no room, and leaves its key free."""
    upstream, store = Upstream(), IdempotencyStore()
    creator = creator_of(upstream, store)

    def gone() -> None:
        raise ClientGone

    with pytest.raises(ClientGone):
        await creator.create(ALICE, NEW_ROOM, now=NOW, key=key, on_sent=gone)
    assert upstream.calls == []
    assert store.calls == (["begin", "release"] if key else [])
    assert not (await create(creator, key=key)).replayed


@pytest.mark.parametrize("caller", [ALICE, ADMIN])
async def test_a_deleted_room_is_shown_as_it_was_asked_for(caller: Caller) -> None:
    """A create stays done if its room is gone: its id, what was asked for, and nothing else."""
    room = NewRoom(
        anchor_id="alice",
        title="Friday",
        notice="n",
        cover_url="https://example.test/",
        extends={"a": "1"},
        start_at=NOW,
        end_at=NOW + timedelta(hours=1.9),
        publish_expire_at=NOW + timedelta(days=1),
    )
    creator = creator_of(Upstream(RoomNotFound(), room_of()), IdempotencyStore())
    await create(creator, caller, room)
    gone = await create(creator, caller, room)
    assert gone.replayed
    anchor = {"user_id": "alice", "im_userid": 0, "nick": "", "avatar": "", "extends": {}}
    asked_for = {
        "live_id": "1",
        "title": "Friday",
        "notice": "n",
        "cover_url": "https://example.test/",
        "extends": {"a": "1"},
        "start_time": 1795348800,
        "end_time": 1795348800 + 6840,
    }
    shown = msgspec.to_builtins(gone.room)
    empty = {name: type(value)() for name, value in shown.items()}
    assert shown == {**empty, **asked_for, "anchor_info": anchor}
    assert type(gone.room) is ViewerRoom
    assert (await create(creator, caller, room)).room != gone.room


async def test_a_deleted_room_without_times_has_none() -> None:
    """A time that was not asked for is unset."""
    creator = creator_of(Upstream(RoomNotFound()), IdempotencyStore())
    await create(creator)
    gone = (await create(creator)).room
    assert (gone.notice, gone.extends, gone.start_time, gone.end_time) == ("", {}, None, None)


@pytest.mark.parametrize(
    "error",
    [UpstreamTimeout("late"), UpstreamError("odd"), UpstreamUnavailable("open", retry_after=1)],
)
async def test_a_failed_read_is_not_the_outcome(error: GatewayError) -> None:
    """A failed read is raised as itself, not as a replay, and the next try gets the room."""
    upstream = Upstream(error, room_of())
    creator = creator_of(upstream, IdempotencyStore())
    await create(creator)
    with pytest.raises(GatewayError) as caught:
        await create(creator)
    assert caught.value is error
    assert not caught.value.replayed
    assert (await create(creator)).replayed
    assert upstream.calls == ["create", "read 1", "read 1"]


async def test_another_anchors_push_url_is_not_shown() -> None:
    """A room that now has another anchor is shown as any viewer sees it."""
    creator = creator_of(Upstream(room_of("bob")), IdempotencyStore())
    await create(creator)
    assert (await create(creator)).room == room_of("bob").for_viewers()


@pytest.mark.parametrize(
    "error", [AnchorNotRegistered(), UpstreamError("refused"), OutcomeUnknown("late")]
)
async def test_what_was_sent_and_failed_is_told_again(error: GatewayError) -> None:
    """A retry gets the same error, marked as a replay, without a call upstream."""
    upstream = Upstream(error=error)
    creator = creator_of(upstream, IdempotencyStore())
    for replayed in (False, True, True):
        with pytest.raises(type(error)) as caught:
            await create(creator)
        assert caught.value.replayed is replayed
    assert upstream.calls == ["create"]


@pytest.mark.parametrize(
    "error", [UpstreamError("no connection", sent=False), UpstreamUnavailable("", retry_after=1)]
)
async def test_what_was_not_sent_may_be_tried_again(error: GatewayError) -> None:
    """A create that was not sent releases its key and records no outcome."""
    upstream, store = Upstream(error=error), IdempotencyStore()
    creator = creator_of(upstream, store)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            await create(creator)
        assert not caught.value.replayed
    assert upstream.calls == ["create", "create"]
    assert store.calls == ["begin", "release"] * 2


async def test_a_moment_that_has_passed_is_refused_the_first_time_only() -> None:
    """`publish_expire_at` must be in the future for a first create, not for its retry."""
    upstream, store = Upstream(room_of()), IdempotencyStore()
    creator = creator_of(upstream, store)
    room = NewRoom(anchor_id="alice", title="t", publish_expire_at=NOW)
    for key in ("key", None):
        with pytest.raises(InvalidRequest) as caught:
            await create(creator, room=room, key=key)
        assert [each.field for each in caught.value.problems] == ["publish_expire_at"]
    assert (upstream.calls, store.known) == ([], {})
    before, after = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    await creator.create(ALICE, room, now=before, key="key")
    assert (await creator.create(ALICE, room, now=after, key="key")).replayed


NEW_UNTIL = NewRoom(anchor_id="alice", title="t", publish_expire_at=NOW + timedelta(seconds=1.9))


@pytest.mark.parametrize(
    ("skew", "passed"), [(0, False), (60, False), (-0.9, False), (-1, True), (-60, True)]
)
async def test_the_upstreams_clock_decides(skew: float, *, passed: bool) -> None:
    """`publish_expire_at`, cut to whole seconds, is compared with the upstream's clock."""
    upstream = Upstream()
    creator = creator_of(upstream, IdempotencyStore(), skew=skew)
    if passed:
        with pytest.raises(InvalidRequest) as caught:
            await create(creator, room=NEW_UNTIL)
        assert [each.field for each in caught.value.problems] == ["publish_expire_at"]
    else:
        await create(creator, room=NEW_UNTIL)
    assert upstream.calls == ["create"] * (not passed)


@pytest.mark.parametrize(
    ("moment", "passed"), [(0.9, True), (0, True), (-0.1, True), (1, False), (1.5, False)]
)
def test_a_moment_is_cut_to_whole_seconds(moment: float, *, passed: bool) -> None:
    """A moment whose whole second is not in the future has passed."""
    assert bool(expiry_problems(NOW + timedelta(seconds=moment), NOW)) is passed


async def test_the_anchor_is_required_before_a_first_create_only() -> None:
    """The anchor is looked up for the caller of a first create, and for no repeated one."""
    upstream, anchors = Upstream(room_of()), Anchors()
    creator = creator_of(upstream, IdempotencyStore(), anchors)
    for_alice = NewRoom(anchor_id="alice", title="t")
    for key in ("key", "key", None):
        await create(creator, ADMIN, for_alice, key)
    assert anchors.required == [("alice", "root"), ("alice", "root")]
    late = NewRoom(anchor_id="alice", title="t", publish_expire_at=NOW)
    with pytest.raises(InvalidRequest):
        await create(creator, room=late, key="late")
    assert len(anchors.required) == 2


@pytest.mark.parametrize("key", ["key", None])
@pytest.mark.parametrize(
    "error",
    [
        AnchorNotRegistered(sent=False),
        UpstreamError("look-up failed", sent=False),
        UpstreamUnavailable("open", retry_after=1),
    ],
)
async def test_a_missing_anchor_sends_nothing(error: GatewayError, key: str | None) -> None:
    """Without the anchor nothing is sent, no outcome is recorded, and the key stays free."""
    upstream, store, anchors = Upstream(), IdempotencyStore(), Anchors(error)
    creator = creator_of(upstream, store, anchors)
    with pytest.raises(type(error)) as caught:
        await create(creator, key=key)
    assert (caught.value.replayed, upstream.calls, store.known) == (False, [], {})
    anchors.error = None
    assert not (await create(creator, key=key)).replayed


async def test_every_made_room_is_compared() -> None:
    """A room that was made is compared with what was asked for; a replay and a failure are not."""
    compared: list[tuple[NewRoom, AnchorRoom]] = []
    upstream = Upstream(room_of())
    creator = creator_of(
        upstream,
        IdempotencyStore(),
        compare=lambda asked, made: compared.append((asked, made)),
    )
    for _ in range(2):
        await create(creator)
    assert compared == [(NEW_ROOM, room_of(live_status=CREATED))]


async def test_a_client_that_goes_away_loses_nothing() -> None:
    """A create runs to its end without its client, and a retry gets its outcome."""
    upstream, store = SlowUpstream(), IdempotencyStore()
    creator = creator_of(upstream, store)
    before = asyncio.all_tasks()
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    request.cancel()
    await asyncio.wait([request])
    assert request.cancelled()
    assert store.known == {}
    upstream.gate.set()
    await creator.aclose()
    assert [*store.known.values()] == [Created("1")]
    assert asyncio.all_tasks() == before


async def test_a_failure_that_nobody_waits_for_is_remembered_in_silence() -> None:
    """A create that fails without its client is recorded, and the event loop does not complain."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    upstream, store = SlowUpstream(OutcomeUnknown("late")), IdempotencyStore()
    creator = creator_of(upstream, store)
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    request.cancel()
    await asyncio.wait([request])
    del request
    upstream.gate.set()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert [*store.known.values()] == [UNKNOWN]
    assert complaints == []


async def test_closing_waits_for_what_runs() -> None:
    """`aclose` returns once running creates have ended, and their clients get the errors."""
    upstream, store = SlowUpstream(OutcomeUnknown("late")), IdempotencyStore()
    creator = creator_of(upstream, store)
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    closing = asyncio.create_task(creator.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    upstream.gate.set()
    await closing
    assert [*store.known.values()] == [UNKNOWN]
    with pytest.raises(OutcomeUnknown):
        await request


@pytest.mark.parametrize("error", [ValueError("a defect"), asyncio.CancelledError()])
async def test_what_is_cut_off_is_unknown(error: BaseException) -> None:
    """After a defect or a cancellation the outcome is unknown."""
    upstream, store = SlowUpstream(error), IdempotencyStore()
    creator = creator_of(upstream, store)
    upstream.gate.set()
    with pytest.raises(type(error)):
        await create(creator)
    assert [*store.known.values()] == [UNKNOWN]
    with pytest.raises(OutcomeUnknown) as caught:
        await create(creator)
    assert caught.value.replayed


class FailingStore(IdempotencyStore):
    """A store that fails to settle once."""

    async def settle(self, claim: IdempotencyClaim, outcome: Outcome) -> Outcome:
        """Record an outcome, but for the first."""
        if "settle" not in self.calls:
            self.calls.append("settle")
            raise MemoryError
        return await super().settle(claim, outcome)


async def test_an_outcome_that_cannot_be_kept_is_unknown() -> None:
    """An outcome that could not be recorded is unknown, and the key stays used."""
    upstream, store = Upstream(), FailingStore()
    creator = creator_of(upstream, store)
    with pytest.raises(MemoryError):
        await create(creator)
    with pytest.raises(OutcomeUnknown):
        await create(creator)
    assert upstream.calls == ["create"]


async def test_only_the_answer_holds_the_room() -> None:
    """The recorded outcome has the id of the room, and nothing else of it."""
    store = IdempotencyStore()
    creation = await create(creator_of(Upstream(), store))
    assert isinstance(creation.room, AnchorRoom)
    assert creation.room.push_url.reveal() == PUSH_URL
    assert [*store.known.values()] == [Created("1")]


async def test_every_create_has_a_request_id_of_its_own() -> None:
    """Each create is sent with a new id, with a key and without."""
    upstream = Upstream()
    creator = creator_of(upstream, IdempotencyStore())
    for key in ("a", None, "b"):
        await create(creator, key=key)
    assert upstream.created_by == ["id-1", "id-2", "id-3"]


async def test_a_create_is_open_while_it_runs() -> None:
    """A create with a key is open under its request id, with all that a room must show of it."""
    upstream, creates = SlowUpstream(), OpenCreates()
    creator = creator_of(upstream, IdempotencyStore(), open_creates=creates)
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    [(request_id, one)] = creates.now.items()
    assert (request_id, one.claim.user_id) == ("id-1", "alice")
    assert one.made(room_of())
    upstream.gate.set()
    await request
    assert creates.now == {}


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (OutcomeUnknown("late"), True),
        (ValueError("a defect"), True),
        (UpstreamError("refused"), False),
        (UpstreamError("no connection", sent=False), False),
        (AnchorNotRegistered(), False),
    ],
)
async def test_only_an_unknown_outcome_leaves_a_create_open(
    error: Exception, *, stays: bool
) -> None:
    """A create stays open if and only if it may have made a room."""
    creates = OpenCreates()
    creator = creator_of(Upstream(error=error), IdempotencyStore(), open_creates=creates)
    with pytest.raises(type(error)):
        await create(creator)
    assert [*creates.now] == ["id-1"] * stays


async def test_without_a_key_nothing_is_open() -> None:
    """A create without a key cannot be asked for again, so nothing is remembered of it."""
    creates = OpenCreates()
    creator = creator_of(
        Upstream(error=OutcomeUnknown("late")), IdempotencyStore(), open_creates=creates
    )
    with pytest.raises(OutcomeUnknown):
        await create(creator, key=None)
    assert creates.seen == {}


async def test_a_create_that_was_settled_meanwhile_gives_its_room() -> None:
    """A create that times out after a callback has settled it answers with the room."""
    upstream = SlowUpstream(OutcomeUnknown("late"), room_of())
    store, creates = IdempotencyStore(), OpenCreates()
    creator = creator_of(upstream, store, open_creates=creates)
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    [one] = creates.now.values()
    await store.settle(one.claim, Created("1"))
    upstream.gate.set()
    assert await request == Creation(room_of(), replayed=True)
    assert creates.now == {}


@pytest.mark.parametrize("error", [ValueError("a defect"), asyncio.CancelledError()])
async def test_a_defect_is_told_even_if_the_room_is_known(error: BaseException) -> None:
    """Only an unknown outcome gives way to the room; the next try gets it."""
    upstream, store, creates = SlowUpstream(error), IdempotencyStore(), OpenCreates()
    creator = creator_of(upstream, store, open_creates=creates)
    request = asyncio.create_task(create(creator))
    await upstream.begun.wait()
    [one] = creates.now.values()
    await store.settle(one.claim, Created("1"))
    upstream.gate.set()
    with pytest.raises(type(error)):
        await request
    assert [*store.known.values()] == [Created("1")]


async def test_a_key_is_kept_as_a_hash() -> None:
    """The key that the client chose, which may be anything, is in no claim."""
    creates = OpenCreates()
    await create(creator_of(Upstream(), IdempotencyStore(), open_creates=creates), key="secret-key")
    assert "secret-key" not in str(creates.seen)

"""Starts, stops and deletes with a doubtful answer: the room shows whether they happened.

- After an unknown outcome, or a refusal that was sent, the room is read again, after a moment and
  more than once. Known builds of the vendor's service carry out a stop and still answer with an
  error, and a write can become visible later. `legacy` refuses a start in the same words for
  whatever reason.
- A room that still shows the old state proves nothing. Only a living, ended or missing room is a
  proof.
- Without a proof the first error is raised: OutcomeUnknown if the write may have happened.
"""

from functools import partial

from .errors import (
    GatewayError,
    OutcomeUnknown,
    RoomEnded,
    RoomNotFound,
    RoomNotLive,
    UpstreamError,
)
from .patience import Deadline
from .ports import Broadcasts, Upstream
from .room import CREATED, LIVING

_LOOKS_AFTER_REFUSAL = 2


async def start(
    broadcasts: Broadcasts, upstream: Upstream, live_id: str, anchor_id: str, deadline: Deadline
) -> None:
    """Let a room go live and make sure of it, before `deadline`.

    Raises RoomNotFound, RoomEnded, NotRoomAnchor or UpstreamFailure.
    """
    try:
        await broadcasts.start(live_id, anchor_id)
    except (OutcomeUnknown, UpstreamError) as error:
        look = partial(_is_living, upstream, live_id)
        if not await deadline.retry(look, at_most=_looks_after(error)):
            raise


async def stop(upstream: Upstream, live_id: str, deadline: Deadline) -> None:
    """End a room's broadcast and make sure of it, before `deadline`.

    Raises RoomNotFound, RoomNotLive or UpstreamFailure.
    """
    try:
        await upstream.stop(live_id)
    except (OutcomeUnknown, RoomNotLive, UpstreamError) as error:
        refused = isinstance(error, RoomNotLive)
        look = partial(_has_ended, upstream, live_id, refused=refused)
        if not await deadline.retry(look, at_most=_looks_after(error)):
            raise


async def delete(upstream: Upstream, live_id: str, deadline: Deadline) -> None:
    """Delete a room and make sure of it, before `deadline`.

    Raises RoomNotFound or UpstreamFailure.
    """
    try:
        await upstream.delete(live_id)
    except (OutcomeUnknown, UpstreamError) as error:
        look = partial(_is_gone, upstream, live_id)
        if not await deadline.retry(look, at_most=_looks_after(error)):
            raise


def _looks_after(error: GatewayError) -> int | None:
    if isinstance(error, UpstreamError):
        return _LOOKS_AFTER_REFUSAL if error.sent else 0
    return None


async def _is_living(upstream: Upstream, live_id: str) -> bool | None:
    """Return True for a living room, None for one that may begin yet.

    Raises RoomNotFound, or RoomEnded for a room that has ended meanwhile.
    """
    try:
        room = await upstream.read(live_id, for_write=True)
    except RoomNotFound:
        raise
    except GatewayError:
        return None
    if room.has_ended:
        raise RoomEnded(live_id)
    return True if room.live_status == LIVING else None


async def _has_ended(upstream: Upstream, live_id: str, *, refused: bool) -> bool | None:
    """Return True for an ended room, False for one that this stop cannot have ended, else None."""
    try:
        room = await upstream.read(live_id, for_write=True)
    except RoomNotFound:
        return False
    except GatewayError:
        return None
    if refused and room.live_status == CREATED:
        return False
    return True if room.has_ended else None


async def _is_gone(upstream: Upstream, live_id: str) -> bool | None:
    """Return True for a missing room, else None."""
    try:
        await upstream.read(live_id, for_write=True)
    except RoomNotFound:
        return True
    except GatewayError:
        return None
    return None

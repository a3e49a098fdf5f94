"""Each request that is sent upstream counts, by what came back."""

from asyncio import CancelledError

import httpx

from gateway.telemetry import Counter

from .dialects import says_unavailable
from .faults import DeadlineExceeded, Fault, NotAttempted, NotSent
from .send import Reply, Send


def counted(attempts: Counter, send: Send) -> Send:
    """Return `send`, whose outcomes `attempts` counts."""

    async def count(request: httpx.Request) -> Reply:
        try:
            reply = await send(request)
        except (Fault, CancelledError) as end:
            if not isinstance(end, NotAttempted):
                attempts.inc(_outcome(end))
            raise
        attempts.inc("unavailable" if says_unavailable(reply) else "reply")
        return reply

    return count


def _outcome(end: BaseException) -> str:
    match end:
        case CancelledError():
            return "abandoned"
        case NotSent():
            return "not_connected"
        case DeadlineExceeded():
            return "timeout"
        case _:
            return "broken"

"""Attempts, counted by outcome."""

from asyncio import CancelledError

from gateway.telemetry import Counter

from .call import Call, Send
from .faults import Fault
from .reply import Reply


def with_count(outcomes: Counter, send: Send) -> Send:
    """Return `send`, with each attempt counted in its call and each outcome in `outcomes`."""

    async def counted(call: Call) -> Reply:
        call.attempts += 1
        try:
            reply = await send(call)
        except Fault as fault:
            if fault.label is not None:
                outcomes.inc(fault.label)
            raise
        except CancelledError:
            outcomes.inc("abandoned")
            raise
        outcomes.inc("unavailable" if reply.says_unavailable else "reply")
        return reply

    return counted

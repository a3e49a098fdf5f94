"""A vendor client token, asked for as `serve` does, to show an operator that it can be had.

It is for the user in whose name the gateway reads the list of living rooms, and is dropped at once.
"""

import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from gateway.rooms import GatewayError
from gateway.upstream import (
    LIFETIME,
    READER,
    Call,
    Fault,
    Operation,
    Send,
    accept,
    ask_for_token,
    deadline_in,
    decode_token,
)

from .finding import Finding, Severity

_CHECK_ID = "gateway-check"
_SUBJECT = "vendor token"


class TokenAnswer(Struct, frozen=True):
    """The upstream's answer: a `problem`, or the `seconds` for which the token lives."""

    problem: str | None = None
    seconds: float | None = None


async def try_token(
    send: Send,
    app_id: str,
    timeout: float,  # noqa: ASYNC109  # a deadline for all of it, connecting included
    *,
    clock: Callable[[], float] = time.time,
) -> TokenAnswer:
    """Ask for a token through `send`, within `timeout` seconds; `clock` gives epoch seconds."""
    path = ask_for_token(app_id, READER, int(clock()) + LIFETIME)
    try:
        reply = await send(Call("GET", path, deadline_in(timeout), _CHECK_ID))
        token = decode_token(accept(Operation.TOKEN, reply).data)
    except Fault as fault:
        return TokenAnswer(f"no usable reply: {fault}")
    except GatewayError as error:
        return TokenAnswer(str(error))
    return TokenAnswer(seconds=token.expires_at - clock())


def token_findings(answer: TokenAnswer) -> Iterator[Finding]:
    """Judge the answer; how long a token may live is for the audit."""
    if answer.problem is not None:
        yield Finding(Severity.FAILED, _SUBJECT, answer.problem)
    elif answer.seconds is not None:
        message = f"the upstream gives one, for {answer.seconds:.0f} s"
        yield Finding(Severity.OK, _SUBJECT, message)

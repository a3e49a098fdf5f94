"""Slow, broken, huge and wrong upstream replies: clients get a true answer, soon."""

import asyncio

import pytest

from tests.live.fault_server import Exchange, Script, rooms, serving
from tests.live.faults import ASKED, FAULTS, SLOW
from tests.live.gateways import IMPATIENT, OPERATIONS, assert_serves, assert_told, gateway_at

OFTEN = {"silence", "dripped headers", "dripped body"}
"""Slow replies that are always tried."""


def but_for(live_id: str, script: Script) -> Script:
    """Return a script that answers reads of one room well."""

    async def answer(exchange: Exchange) -> None:
        well = exchange.method == "GET" and exchange.live_id == live_id
        await (rooms if well else script)(exchange)

    return answer


@pytest.mark.parametrize(
    "case",
    [
        each if each in OFTEN else pytest.param(each, marks=pytest.mark.slow)
        for each in SLOW  # for the timeout
    ],
)
async def test_what_takes_too_long(case: str) -> None:
    """A reply that takes too long is a 504 after one attempt, for a write an unknown outcome.

    A stop and a delete read the room before: that read is good. Afterwards all is well.
    """
    slow = but_for("own", SLOW[case])
    async with serving(slow) as server, gateway_at(server.url, **IMPATIENT) as gateway:
        read, *writes = await asyncio.gather(
            gateway.read(ASKED), *(gateway.write(operation, "own") for operation in OPERATIONS)
        )
        assert_told(read, "upstream_timeout")
        for answer in writes:
            assert_told(answer, "outcome_unknown")
        good_reads = ["/server/live/own"] * 2
        assert sorted(server.targets()) == sorted([f"/server/live/{ASKED}", *good_reads])
        assert len(server.received) == 6
        await assert_serves(gateway, server)


@pytest.mark.parametrize("case", FAULTS)
async def test_a_read(case: str) -> None:
    """A bad reply to a read is a 502 or 503, after a second attempt only where one may help."""
    fault = FAULTS[case]
    async with serving(fault.script) as server, gateway_at(server.url) as gateway:
        told = await gateway.read(ASKED)
        assert_told(told, fault.read)
        assert told.headers.get("retry-after") == fault.wait
        assert len(server.received) == fault.attempts
        await assert_serves(gateway, server)


@pytest.mark.parametrize("case", FAULTS)
async def test_writes(case: str) -> None:
    """A write is sent once: a 502 or 503 if it was refused, a 504 if nobody knows."""
    fault = FAULTS[case]
    script = but_for(ASKED, fault.script)
    async with serving(script) as server, gateway_at(server.url) as gateway:
        answers = [gateway.write(operation, ASKED) for operation in fault.writes]
        for answer in await asyncio.gather(*answers):
            assert_told(answer, fault.write)
        sent = [each for each in server.received if each.method != "GET"]
        assert len(sent) == len(fault.writes)
        await assert_serves(gateway, server)

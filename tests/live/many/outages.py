"""What clients see of a store that is not there."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from tests.bench.client import Connection, request
from tests.live.many import reads
from tests.live.replicas import Replica
from tests.live.stores import Store
from tests.waiting import until


async def state_of(port: int) -> str:
    """Return what a gateway says of its store."""
    connection = Connection(port)
    answer = await connection.ask(request("GET", "/readyz", ""))
    connection.drop()
    return str(msgspec.json.decode(answer.body)["checks"]["store"])


async def until_told(replicas: Sequence[Replica], state: str) -> float:
    """Wait until all gateways say so of their store; return after how many seconds they did."""
    began = time.monotonic()

    async def told() -> bool:
        return {await state_of(each.port) for each in replicas} == {state}

    await until(told)
    return time.monotonic() - began


async def paused(store: Store, replicas: Sequence[Replica], seconds: float) -> tuple[float, float]:
    """Pause the store for so long; return the seconds until all say so, and until all is well."""
    store.pause()
    try:
        degraded, _ = await asyncio.gather(until_told(replicas, "degraded"), asyncio.sleep(seconds))
    finally:
        store.resume()
    return degraded, await until_told(replicas, "ok")


async def seconds_until_gone(replicas: Sequence[Replica], live_ids: Sequence[str]) -> float:
    """Delete rooms on the first gateway; return when the last one of the others shows none.

    All have them in memory and go on being read.
    """
    writer, *others = replicas
    for live_id in live_ids:
        for each in replicas:
            await reads.get(each.port, live_id)
    looking = [
        asyncio.create_task(reads.moment(each.port, live_id, reads.is_gone))
        for each in others
        for live_id in live_ids
    ]
    answers = await asyncio.gather(
        *(reads.write(writer.port, "DELETE", f"/v1/rooms/{live_id}") for live_id in live_ids)
    )
    assert {each.status for each in answers} == {204}, answers
    answered = time.monotonic()
    return max(await asyncio.gather(*looking)) - answered

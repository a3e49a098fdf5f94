"""One write to the store, to show an operator that it can be used."""

import time

from msgspec import Struct
from redis.exceptions import RedisError

from gateway.redis_url import RedisUrl

from .batches import DEADLINE, StoreUnavailable
from .connection import connect

_TRIAL = "redis.call('SET', KEYS[1], 1, 'PX', 1000) redis.call('PUBLISH', ARGV[1], '')"


class Trial(Struct, frozen=True):
    """The seconds of a write, and what a full store forgets, None if it does not say."""

    latency: float
    policy: str | None


async def try_store(url: RedisUrl, prefix: str) -> Trial:
    """Write to the store, and publish, in a script. Raises StoreUnavailable with the reason."""
    connected = connect(url)
    client = connected.client
    try:
        await client.eval(_TRIAL, 1, f"{prefix}:trial", f"{prefix}:trial")
        began = time.perf_counter()
        await client.eval(_TRIAL, 1, f"{prefix}:trial", f"{prefix}:trial")
        latency = time.perf_counter() - began
        try:
            policy = (await client.info("memory")).get("maxmemory_policy")
        except RedisError:  # not every user may ask
            policy = None
    except TimeoutError as error:
        raise StoreUnavailable(f"no reply within {DEADLINE:g} s") from error
    except (RedisError, OSError) as error:
        raise StoreUnavailable(str(error)) from error
    finally:
        await client.aclose()
    return Trial(latency, policy)

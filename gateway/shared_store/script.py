"""Lua scripts that the store runs whole, each on keys of one place in a cluster."""

import hashlib

NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
"""
"""Begins a script that needs the time: `now` is epoch milliseconds of the store's clock.

No other clock counts, so the clocks of processes may differ.
"""


class Script:
    """A script, and the hash by which a store that has it knows it."""

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest().encode()

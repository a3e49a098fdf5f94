"""The store that processes share: Redis or Valkey, whose loss holds up nobody."""

from .batches import StoreUnavailable
from .connection import Connected, connect
from .eviction_channel import EvictionChannel
from .script import NOW, Script
from .store import CALL_OUTCOMES, STORE_STATES, SharedStore
from .trial import Trial, try_store

__all__ = [
    "CALL_OUTCOMES",
    "NOW",
    "STORE_STATES",
    "Connected",
    "EvictionChannel",
    "Script",
    "SharedStore",
    "StoreUnavailable",
    "Trial",
    "connect",
    "try_store",
]

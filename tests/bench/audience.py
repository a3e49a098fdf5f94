"""The arithmetic of a large audience: what viewers who poll ask of each part. Pure."""

from itertools import count
from math import expm1

from msgspec import Struct

CALLS_OF_A_MISS = 4
"""Of the store: look up, take the lease, look for own recent writes, fill."""


class Costs(Struct, frozen=True):
    """Microseconds of our processor time for a read, by where the room is found."""

    local: float
    shared: float
    missed: float


class Audience(Struct, frozen=True):
    """So many viewers spread evenly over rooms, each reading every `poll` seconds.

    A room is fresh for `ttl` seconds. Reads of a room come by chance, as a Poisson process.
    """

    viewers: int
    rooms: int
    poll: float = 2.0
    ttl: float = 2.0

    @property
    def reads(self) -> float:
        """Reads per second, of all viewers."""
        return self.viewers / self.poll

    @property
    def upstream_reads(self) -> float:
        """Reads per second that go upstream: for each room, the first one after it was fresh."""
        return self.rooms / (self.ttl + self.rooms / self.reads)

    def processes(self, costs: Costs, load: float) -> int:
        """Return how many processes it takes if each may use `load` of a core."""
        return next(each for each in count(1) if self._cores(each, costs) <= each * load)

    def store_calls(self, processes: int) -> float:
        """Return the calls per second of the store, for so many processes.

        Of a room that was read upstream, each other process learns with one call, if one of its
        own viewers reads it while it is fresh.
        """
        return CALLS_OF_A_MISS * self.upstream_reads + self._learnt(processes)

    def _learnt(self, processes: int) -> float:
        """Return the rooms per second that are found in the store."""
        reads_of_one = self.reads / self.rooms / processes
        return self.upstream_reads * (processes - 1) * -expm1(-reads_of_one * self.ttl)

    def _cores(self, processes: int, costs: Costs) -> float:
        """Return how many cores all processes use together."""
        missed, shared = self.upstream_reads, self._learnt(processes)
        local = self.reads - missed - shared
        return (local * costs.local + shared * costs.shared + missed * costs.missed) / 1e6

"""A row of the table."""

from msgspec import Struct


class Row(Struct, frozen=True):
    """What was measured, the figure asked for and the one seen, and if it was met."""

    name: str
    asked: str
    seen: str
    met: bool

    def __str__(self) -> str:
        """Return a line of the table."""
        return (
            f"{'ok    ' if self.met else 'MISSED'}  {self.name}: {self.seen} (asked: {self.asked})"
        )

"""Refused sign-ins in log and metrics."""

from typing import Any

from structlog.testing import CapturingLogger

from gateway.edge import TokenRefusals
from gateway.metrics import Metrics
from gateway.rooms import TokenExpired, TokenFault, TokenInvalid, TokenMissing, Unauthenticated
from gateway.telemetry import SharedMetrics, families
from tests.fakes.clock import Clock
from tests.telemetry.counts import nonzero


class Refused:
    """Only the part of an exchange that is recorded."""

    request_id = "r-1"
    refused: str | None = None


class World:
    """A recorder of refusals, and what it has recorded."""

    def __init__(self, address: str | None = "192.0.2.7") -> None:
        self.clock = Clock()
        self.log = CapturingLogger()
        self.block = SharedMetrics(families(Metrics))
        metrics = Metrics(self.block)
        self.exchange: Any = Refused()
        self._refusals = TokenRefusals(
            metrics.token_refusals, self.log, lambda _: address, self.clock
        )

    def refuse(self, error: Unauthenticated) -> None:
        """Record a refusal."""
        scope: Any = {}
        self._refusals.record(error, scope, self.exchange)

    def lines(self) -> list[dict[str, Any]]:
        """Return the fields of each line."""
        return [call.kwargs for call in self.log.calls]


def test_a_refusal_is_told_with_its_reason() -> None:
    """The line has reason, address and configured issuer; the request's own has the reason."""
    world = World()
    error = TokenInvalid("aud does not name the configured audience", TokenFault.AUDIENCE)
    error.issuer = "https://id.test"
    world.refuse(error)
    assert world.lines() == [
        {
            "reason": "aud",
            "count": 1,
            "request_id": "r-1",
            "detail": "aud does not name the configured audience",
            "issuer": "https://id.test",
            "address": "192.0.2.7",
        }
    ]
    assert world.exchange.refused == "aud"


def test_what_is_not_known_is_null() -> None:
    """There may be neither an address nor an issuer."""
    world = World(address=None)
    world.refuse(TokenMissing())
    [line] = world.lines()
    assert (line["reason"], line["issuer"], line["address"]) == ("missing", None, None)


def test_a_flood_is_one_line_in_ten_seconds() -> None:
    """Each reason has its own lines, with the number since the last; all are counted."""
    world = World()
    for _ in range(1000):
        world.refuse(TokenExpired())
    world.refuse(TokenMissing())
    world.clock.now += 9.9
    world.refuse(TokenExpired())
    world.clock.now += 0.2
    world.refuse(TokenExpired())
    assert [(each["reason"], each["count"]) for each in world.lines()] == [
        ("expired", 1),
        ("missing", 1),
        ("expired", 1001),
    ]
    assert nonzero(world.block, Metrics.token_refusals) == {("expired",): 1002, ("missing",): 1}

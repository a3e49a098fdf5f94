"""The fast path says what the usual way says, whatever happened before.

Two gateways with one vendor and one clock live through the same history, one with its fast path
closed. Rooms, tokens and buckets are few, and their memories smaller still, so everything that the
fast path remembers stops being true in every way: by time, by a write, by lack of space, by an
operator, by a change of keys.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import httpx
import hypothesis.strategies as st
import msgspec
from hypothesis import Phase, given, settings
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from gateway import app, keyring
from gateway.edge.fast_path import FastPath
from gateway.edge.front import Front, _no_hit
from gateway.identity import CachingVerifier, ClaimRules, hmac_key, mint
from gateway.metrics import Metrics
from gateway.rooms import Refusals
from gateway.sandbox import Vendor
from gateway.settings import load
from gateway.stores import local_rate_limiter
from gateway.telemetry import AccessLog, Kind, SharedMetrics, Telemetry, families

from .test_fast_path import answer_to, create, nothing, read

SECRETS = ("a secret of at least thirty-two bytes", "another one of at least thirty-two bytes")
RULES = ClaimRules(issuer=None, audience=None, leeway=10)
START = 1_800_000_000.0
USERS = ("alice", "bob", "carol")
ROOMS = 3
ENVIRON = {
    "GATEWAY_ACCESS_KEY": "ak",
    "GATEWAY_SECRET_KEY": "sk",
    "GATEWAY_JWT_SECRET": SECRETS[0],
    "GATEWAY_JWT_COOKIE": "session",
    "GATEWAY_CORS_ORIGINS": "https://app.example.com",
    "GATEWAY_UPSTREAM_URL": "http://vendor.invalid",
    "GATEWAY_RATE_LIMIT_READS": "60/minute",
    "GATEWAY_CACHE_SIZE": "2",
    "GATEWAY_MAX_CONCURRENCY": "3",
    "GATEWAY_DOCS": "off",
}
TOKENS = tuple(
    mint(SECRETS[0], user, RULES, scopes=(), now=START, ttl=ttl)
    for user in USERS
    for ttl in (30, 3600)
)


class Now:
    """The time of both gateways and of their vendor."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        """Return epoch seconds."""
        return START + self.passed

    def monotonic(self) -> float:
        """Return seconds since something else."""
        return 1000.0 + self.passed


class Life:
    """A gateway over `vendor`, with memories for four tokens, two buckets and two rooms."""

    def __init__(self, vendor: Vendor, now: Now, *, fast: bool) -> None:
        self.lines: list[Any] = []
        self.shared = SharedMetrics(families(Metrics))
        log: FilteringBoundLogger = CapturingLogger()
        telemetry = Telemetry(log, AccessLog(self.lines.append, lambda user_id: user_id))
        with ExitStack() as patched:
            patched.enter_context(patch.object(time, "monotonic", now.monotonic))
            patched.enter_context(patch.object(time, "time", now.wall))
            patched.enter_context(patch.object(keyring, "TOKENS", 4))
            init = local_rate_limiter.LocalRateLimiter.__init__
            patched.enter_context(patch.object(init, "__defaults__", (2,)))
            front = app.build(
                load(ENVIRON),
                telemetry,
                Metrics(self.shared),
                transport=httpx.ASGITransport(vendor),
            )
        assert isinstance(front, Front)
        self.front = front
        path = front.fast_path
        assert isinstance(path, FastPath)
        self.memory: Any = path.memory
        self.tokens: CachingVerifier = path.recall.__self__  # type: ignore[attr-defined]  # a method
        self._hit = front.hit
        self.hits = 0
        front.hit = self._counted if fast else _no_hit
        if not fast:
            front.fast_path = nothing

    def _counted(self, *request: Any) -> Any:
        hit = self._hit(*request)
        self.hits += hit is not None
        return hit

    async def ask(self, request: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Return an answer, after all that it began."""
        answer = await answer_to(self.front, request)
        for _ in range(200):
            if len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0)
        return answer

    def rekey(self, secret: str) -> None:
        """Verify tokens with another secret from now on."""
        verifier: Any = self.tokens
        verifier._verifier._keys.replace([hmac_key(secret.encode())])  # noqa: SLF001  # a rotation
        self.tokens.clear()

    def counted(self) -> dict[str, Any]:
        """Return the numbers of every series; of a duration only how many there were."""
        counted = {}
        for family in self.shared.families:
            series = self.shared.series(family)
            if family.kind is Kind.HISTOGRAM:
                counted[family.name] = {name: sum(each[1:]) for name, each in series.items()}
            elif family.kind is Kind.COUNTER:
                counted[family.name] = {name: each for name, (each,) in series.items()}
        return counted

    def logged(self) -> list[Any]:
        """Return the access log but for its times and the ids of calls upstream."""
        dropped = {"timestamp", "milliseconds", "upstream_request_id"}
        lines = map(msgspec.structs.asdict, self.lines)
        return [{name: line[name] for name in line.keys() - dropped} for line in lines]


Step = Callable[["Both"], Any]
Act = Callable[[Life, "Both"], None]


class Both:
    """Two gateways, one with its fast path closed, and `rooms` of alice's."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.run = runner.run
        self.now = Now()
        self.vendor = Vendor("ak", "sk", anchors=["alice"], clock=self.now.wall)
        self.fast = Life(self.vendor, self.now, fast=True)
        self.usual = Life(self.vendor, self.now, fast=False)
        self.lives = (self.fast, self.usual)
        alice = (b"authorization", b"Bearer " + TOKENS[1].encode())
        third = Life(self.vendor, self.now, fast=True)
        self.rooms = [self.run(create(third, alice)) for _ in range(ROOMS)]
        self.now.passed += 20
        self.before = [(each, each.counted()) for each in self.lives]
        self.wrote = False

    def ask(self, request: dict[str, Any], *, same: bool) -> None:
        """Ask both, who must answer the `same` byte for byte."""
        fast, usual = [self.run(each.ask(dict(request))) for each in self.lives]
        assert not same or fast == usual

    def compare_records(self) -> None:
        """Require that both have logged, and without a write also counted, the same."""
        assert self.fast.logged() == self.usual.logged()
        if self.wrote:  # the second of two writes finds it done
            return
        fast, usual = ((each.counted(), before) for each, before in self.before)
        for name, grown in usual[0].items():
            for labels, number in grown.items():
                mine = fast[0][name][labels] - fast[1][name][labels]
                assert mine == number - usual[1][name][labels], (name, labels)


def reads() -> st.SearchStrategy[Step]:
    """Return reads of a room by someone, in one of the ways that a token can come."""

    def step(room: int, token: int, way: int, condition: bytes | None, count: int) -> Step:
        value = TOKENS[token].encode()
        credentials = (b"authorization", b"Bearer " + value)
        if way == 0:
            credentials = (b"cookie", b"session=" + value)
        headers = [credentials, (b"x-request-id", b"same")]
        if way == 1:
            headers.append((b"origin", b"https://app.example.com"))
        if condition is not None:
            headers.append((b"if-none-match", condition))

        def ask(both: Both) -> None:
            for _ in range(count):
                both.ask(read(both.rooms[room], *headers), same=True)

        return ask

    return st.builds(
        step,
        st.sampled_from([0, 0, 0, 1, 2]),
        st.sampled_from([3, 3, 3, 2, 5, 0, 1, 4]),
        st.integers(0, 6),
        st.sampled_from([None, None, b"*", b'"x"']),
        st.integers(1, 5),
    )


def waits() -> st.SearchStrategy[Step]:
    """Return steps of the clock, some to the edge of a lifetime."""

    def wait(seconds: float) -> Step:
        def step(both: Both) -> None:
            both.now.passed += seconds

        return step

    return st.sampled_from([0.001, 0.5, 0.5, 0.999, 1.0, 1.001, 2.0, 3.9, 15.0, 60.0]).map(wait)


def writes() -> st.SearchStrategy[Step]:
    """Return stops and deletes by the anchor; the second gateway finds the work done."""

    def write(room: int, method: str, end: str) -> Step:
        def step(both: Both) -> None:
            request = read(both.rooms[room], (b"authorization", b"Bearer " + TOKENS[1].encode()))
            path = request["path"] + end
            request |= {"method": method, "path": path, "raw_path": path.encode()}
            both.ask(request, same=False)
            both.wrote = True
            for life in both.lives:
                life.lines.clear()  # of which one has a call more
            both.now.passed += 6  # the lag in which only one of them knows better

        return step

    how = st.sampled_from([("POST", "/stop"), ("POST", "/stop"), ("DELETE", "")])
    return st.builds(lambda room, how: write(room, *how), st.integers(0, ROOMS - 1), how)


def evict(life: Life, both: Both) -> None:
    """Forget a room, as after another process."""
    both.run(life.memory.invalidate(both.rooms[0]))


def evict_all(life: Life, both: Both) -> None:
    """Forget all rooms."""
    both.run(life.memory.invalidate_all())


def lose_touch(life: Life, _: Both) -> None:
    """Hear no evictions for now."""
    life.memory.lose_touch()


def regain_touch(life: Life, _: Both) -> None:
    """Hear them again."""
    life.memory.regain_touch()


def refuse(life: Life, both: Both) -> None:
    """Refuse bob for a while."""
    life.tokens.refuse(Refusals({"bob": both.now.wall() + 20}, {}))


def allow(life: Life, _: Both) -> None:
    """Refuse nobody."""
    life.tokens.refuse(Refusals({}, {}))


def lose_keys(life: Life, _: Both) -> None:
    """Have no key for any token."""
    life.rekey(SECRETS[1])


def find_keys(life: Life, _: Both) -> None:
    """Have the key again, which makes all tokens new."""
    life.rekey(SECRETS[0])


def fail(_: Life, both: Both) -> None:
    """Have the vendor refuse all calls."""
    both.vendor.faults.change(b'{"refuse": 503}')


def mend(_: Life, both: Both) -> None:
    """Have it serve again."""
    both.vendor.faults.reset()


def crowd(life: Life, _: Both) -> None:
    """Have as many requests in flight as there may be."""
    for number in range(3):
        life.front.in_flight.enter(number)


def leave(life: Life, _: Both) -> None:
    """Have none of them in flight."""
    for number in range(3):
        life.front.in_flight.leave(number)


def orders() -> st.SearchStrategy[Step]:
    """Return acts of an operator, of an issuer, of the vendor and of a crowd; each may pass."""

    def step(acts: tuple[Act, ...]) -> Step:
        def act(both: Both) -> None:
            for life in both.lives:
                for each in acts:
                    each(life, both)

        return act

    back = (regain_touch, allow, find_keys, mend, leave)
    acts = [evict, evict_all, lose_touch, refuse, lose_keys, find_keys, fail, crowd, crowd]
    alone: list[tuple[Act, ...]] = [(each,) for each in acts]
    return st.sampled_from([*alone, *[back] * 7]).map(step)


def histories() -> st.SearchStrategy[list[Step]]:
    """Return histories, mostly of reads."""
    quiet = st.one_of(*[reads()] * 5, waits(), orders())
    step = st.one_of(*[reads()] * 5, waits(), writes(), orders())
    return st.one_of(*(st.lists(each, min_size=25, max_size=80) for each in (quiet, step)))


def test_both_ways_answer_alike_after_any_history() -> None:
    """Answers are the same byte for byte, and so are counters and the access log."""
    hits = 0

    generated = [Phase.generate]  # a history that fails is short enough as it is

    @settings(max_examples=40, deadline=None, derandomize=True, phases=generated)
    @given(histories())
    def alike(steps: list[Step]) -> None:
        nonlocal hits
        with asyncio.Runner() as runner:
            both = Both(runner)
            for step in steps:
                step(both)
            both.compare_records()
            hits += both.fast.hits

    alike()
    assert hits > 100

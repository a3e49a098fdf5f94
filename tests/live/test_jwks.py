"""An issuer that rotates its keys, hangs, dies and talks nonsense, on real sockets."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.commands import VALID, run
from tests.live.fault_server import (
    Exchange,
    Script,
    Server,
    answering,
    enveloped,
    reply,
    rooms,
    serving,
    silence,
)
from tests.live.gateways import Gateway, gateway_at
from tests.waiting import until

MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class SigningKey:
    """A key of the issuer's, and what it signs."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._private = MAKERS[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part, as published."""
        made = get_default_algorithms()[self.algorithm]
        public = made.to_jwk(self._private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def token(self, kid: str | None = None, user_id: str = "bob", **more: object) -> str:
        """Return a token of bob's with `more` claims; `kid` instead of the key's own."""
        claims = {"sub": user_id, "exp": time.time() + 60, **more}
        headers = {"kid": kid or self.kid}
        return jwt.encode(claims, self._private, self.algorithm, headers)


def publishing(*keys: SigningKey) -> Script:
    """Return an issuer's script."""
    return answering(reply(json.dumps({"keys": [key.jwk for key in keys]}).encode()))


@asynccontextmanager
async def world(
    script: Script, refresh: float = 300, **environ: str
) -> AsyncIterator[tuple[Gateway, Server]]:
    """Run a gateway that believes an issuer; give it and the issuer."""
    async with serving(rooms) as upstream, serving(script) as issuer:
        settings = {
            "JWT_SECRET": "",
            "JWT_JWKS_URL": f"{issuer.url}/keys",
            "JWT_JWKS_REFRESH": str(refresh),
            "RATE_LIMIT_FAILED_AUTH": "off",
            **environ,
        }
        async with gateway_at(upstream.url, **settings) as gateway:
            yield gateway, issuer


async def status(gateway: Gateway, token: str) -> int:
    """Return how a read with this token ends."""
    return (await gateway.read("1", token)).status_code


async def readiness(gateway: Gateway) -> tuple[int, str]:
    """Return what /readyz says of the keys."""
    answer = await gateway.client.get("/readyz")
    return answer.status_code, answer.json()["checks"]["keys"]


async def until_read(gateway: Gateway, token: str, expected: int) -> None:
    """Read until a read with this token ends so."""

    async def ended() -> bool:
        return await status(gateway, token) == expected

    await until(ended)


@pytest.mark.parametrize("algorithm", MAKERS)
async def test_tokens_of_the_issuer_are_good(algorithm: str) -> None:
    """Tokens with any kind of the issuer's keys are good, and no others."""
    key, other = SigningKey("a", algorithm), SigningKey("a", algorithm)
    async with world(publishing(key)) as (gateway, issuer):
        assert await status(gateway, key.token()) == 200
        assert await status(gateway, other.token()) == 401
        assert await status(gateway, key.token(kid="../../etc/passwd")) == 401
        assert await readiness(gateway) == (200, "ok")
        assert issuer.targets() == ["/keys"]


async def test_rotation() -> None:
    """A new key works, and a withdrawn one stops working."""
    old, new = SigningKey("old"), SigningKey("new", "RS256")
    async with world(publishing(old), refresh=1) as (gateway, issuer):
        assert await status(gateway, old.token()) == 200
        issuer.script = publishing(old, new)
        await until_read(gateway, new.token(), 200)
        assert await status(gateway, old.token()) == 200
        remembered = old.token()
        assert await status(gateway, remembered) == 200
        issuer.script = publishing(new)
        await until_read(gateway, remembered, 401)
        assert await status(gateway, new.token()) == 200


TROUBLE: dict[str, Script] = {
    "silent": silence,
    "an error": answering(reply(b"", 500)),
    "garbage": answering(reply(b"<html>")),
    "another shape": answering(reply(b'{"keys": 5}')),
    "too large": answering(reply(b'{"keys": [' + b" " * 300_000 + b"]}")),
    "elsewhere": answering(reply(b"", 302, "Location: http://127.0.0.1:9/keys")),
    "no HTTP": answering(b"\x15\x03\x01\x00\x02\x02\x50", close=True),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [
        each if each in {"silent", "garbage"} else pytest.param(each, marks=pytest.mark.slow)
        for each in TROUBLE  # the least refresh is a second
    ],
)
async def test_an_outage_of_the_issuer_signs_nobody_out(trouble: str) -> None:
    """Known keys go on working in an outage of the issuer, and it recovers by itself."""
    key, late = SigningKey("a"), SigningKey("late")
    async with world(publishing(key), refresh=1) as (gateway, issuer):
        assert await status(gateway, key.token()) == 200
        issuer.script = TROUBLE[trouble]
        asked = len(issuer.received)
        while len(issuer.received) < asked + (1 if trouble == "silent" else 3):
            assert await status(gateway, key.token()) == 200
            await asyncio.sleep(0.05)
        assert (await readiness(gateway))[0] == 200
        if trouble != "silent":
            assert await readiness(gateway) == (200, "stale")
            issuer.script = publishing(key, late)
            await until_read(gateway, late.token(), 200)
            assert await readiness(gateway) == (200, "ok")


async def test_starting_without_an_issuer() -> None:
    """A gateway without keys is unready, and refuses no token as bad."""
    key = SigningKey("a")
    async with world(answering(reply(b"", 503)), refresh=1) as (gateway, issuer):
        answer = await gateway.read("1", key.token())
        assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert await readiness(gateway) == (503, "missing")
        issuer.script = publishing(key)
        await until_read(gateway, key.token(), 200)
        assert await readiness(gateway) == (200, "ok")


async def test_made_up_names_are_not_the_issuers_problem() -> None:
    """Tokens with unknown `kid`s cost the issuer one read, and one each five seconds."""
    key = SigningKey("a")
    async with world(publishing(key)) as (gateway, issuer):
        assert await status(gateway, key.token()) == 200
        tokens = [key.token(kid=f"made-up-{number}") for number in range(300)]
        seen = Counter[int]()
        began = time.monotonic()
        for start in range(0, len(tokens), 50):
            some = tokens[start : start + 50]
            seen.update(await asyncio.gather(*(status(gateway, token) for token in some)))
        assert seen == {401: 300}
        cooldowns = (time.monotonic() - began) / 5
        assert len(issuer.received) <= 3 + cooldowns
        assert await status(gateway, key.token()) == 200


class Hanging:
    """An issuer that answers nobody until `let_go`; then it publishes `keys`."""

    def __init__(self, *keys: SigningKey) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self._publish = publishing(*keys)

    async def __call__(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        self.asked.set()
        await self.let_go.wait()
        await self._publish(exchange)


def codes(answers: Iterable[httpx.Response]) -> Counter[int]:
    """Return how many answers have each status."""
    return Counter(each.status_code for each in answers)


def strict(script: Script) -> AbstractAsyncContextManager[tuple[Gateway, Server]]:
    """Run a gateway with ten places in flight and five failures a day for each address."""
    return world(script, MAX_CONCURRENCY="10", RATE_LIMIT_FAILED_AUTH="5/day")


async def test_made_up_names_keep_nobody_out() -> None:
    """While the issuer hangs, unknown `kid`s take no place in flight, and good tokens pass.

    As many wait as may fail. The others are refused at once, and so are all once these have failed.
    """
    key = SigningKey("a")
    async with strict(publishing(key)) as (gateway, issuer):
        assert await status(gateway, key.token()) == 200
        issuer.script = hanging = Hanging(key)
        flood = [
            asyncio.create_task(gateway.read("1", key.token(kid=f"made-up-{number}")))
            for number in range(40)
        ]
        await hanging.asked.wait()
        await until(lambda: done(flood) == 35)
        users = [key.token(user_id=f"user-{number}") for number in range(20)]
        assert [await status(gateway, each) for each in users * 2] == [200] * 40
        hanging.let_go.set()
        answers = await asyncio.gather(*flood)
        assert codes(answers) == {429: 35, 401: 5}
        assert {each.headers.get("retry-after") for each in answers} == {"1", None}
        fetches = len(issuer.received)
        assert await status(gateway, key.token(kid="made-up")) == 429
        assert await status(gateway, users[0]) == 200
        assert len(issuer.received) == fetches


async def read_with_cookies(gateway: Gateway, *tokens: str) -> int:
    """Return how a read with these tokens in cookies of one name ends."""
    cookies = "; ".join(f"session={each}" for each in tokens)
    return (await gateway.client.get("/v1/rooms/1", headers={"Cookie": cookies})).status_code


async def test_an_old_cookie_waits_for_nobody() -> None:
    """Beside a valid cookie, one of a withdrawn key is not asked for, and no limit keeps it out."""
    key, withdrawn = SigningKey("a"), SigningKey("withdrawn")
    settings = {"JWT_COOKIE": "session", "RATE_LIMIT_FAILED_AUTH": "1/day"}
    async with world(publishing(key), 300, **settings) as (gateway, issuer):
        assert await read_with_cookies(gateway, key.token()) == 200
        fetches = len(issuer.received)
        issuer.script = silence
        good, old = key.token(), withdrawn.token()
        assert await read_with_cookies(gateway, old, good) == 200
        assert await read_with_cookies(gateway, good, old) == 200
        assert len(issuer.received) == fetches
        issuer.script = publishing(key)
        failures = [await read_with_cookies(gateway, old, "not.a.token") for _ in range(2)]
        assert failures == [401, 429]
        assert await read_with_cookies(gateway, old, good) == 200


async def test_a_new_cookie_beside_an_old_one_is_looked_up() -> None:
    """Where no cookie is valid yet, the issuer is asked for their keys as for any other."""
    old, new = SigningKey("old"), SigningKey("new")
    async with world(publishing(old), JWT_COOKIE="session") as (gateway, issuer):
        assert await status(gateway, old.token()) == 200
        issuer.script = publishing(new)
        assert await read_with_cookies(gateway, "not.a.token", new.token()) == 200


async def test_a_new_key_locks_nobody_out() -> None:
    """After a rotation all users of an address pass at their second try, and none has failed."""
    old, new = SigningKey("old"), SigningKey("new")
    async with strict(publishing(old)) as (gateway, issuer):
        assert await status(gateway, old.token()) == 200
        issuer.script = hanging = Hanging(old, new)
        tokens = [new.token(user_id=f"user-{number}") for number in range(30)]
        first = [asyncio.create_task(gateway.read("1", each)) for each in tokens]
        await hanging.asked.wait()
        await until(lambda: done(first) == 25)
        hanging.let_go.set()
        assert codes(await asyncio.gather(*first)) == {200: 5, 429: 25}
        assert [await status(gateway, each) for each in tokens] == [200] * 30
        failures = [await status(gateway, "not.a.token") for _ in range(6)]
        assert failures == [401] * 5 + [429]


async def test_an_issuer_that_hangs_from_the_start() -> None:
    """Without any keys yet, requests that wait for them take no place in flight."""
    key = SigningKey("a")
    hanging = Hanging(key)
    async with world(hanging, MAX_CONCURRENCY="20") as (gateway, _):
        tokens = [key.token(user_id=f"user-{number}") for number in range(20)]
        waiting = [asyncio.create_task(gateway.read("1", each)) for each in tokens]
        await hanging.asked.wait()
        for _ in range(5):
            assert await status(gateway, "not.a.token") == 401
        assert await readiness(gateway) == (503, "missing")
        hanging.let_go.set()
        assert codes(await asyncio.gather(*waiting)) == {200: 20}


def done(tasks: Iterable[asyncio.Task[Any]]) -> int:
    """Return how many tasks are done."""
    return sum(each.done() for each in tasks)


@pytest.mark.parametrize(
    ("script", "exit_code", "said"),
    [
        (publishing(SigningKey("a"), SigningKey("b")), 0, "2 usable key(s)"),
        (publishing(), 1, "no usable key"),
        (answering(reply(b"<html>")), 1, "not a JWK set"),
        (answering(reply(b"", 404)), 1, "HTTP 404"),
    ],
    ids=["good", "empty", "garbage", "missing"],
)
async def test_check_asks_the_issuer(script: Script, exit_code: int, said: str) -> None:
    """`gateway check` fetches the set once and judges it."""
    gone = answering(reply(enveloped(code=500, message="record not found"), 500))
    async with serving(gone) as upstream, serving(script) as issuer:
        environ = {
            **VALID,
            "GATEWAY_JWT_SECRET": "",
            "GATEWAY_JWT_JWKS_URL": f"{issuer.url}/keys",
            "GATEWAY_UPSTREAM_URL": upstream.url,
        }
        code, output, errors = await asyncio.to_thread(run, "check", environ=environ)
        assert (code, errors) == (exit_code, "")
        assert said in output
        assert len(issuer.received) == 1

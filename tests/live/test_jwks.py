"""An issuer that rotates its keys, hangs, dies and talks nonsense, on real sockets."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.commands import VALID, run
from tests.live.fault_server import (
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

    def token(self, kid: str | None = None, user_id: str = "bob") -> str:
        """Return a token of bob's; `kid` instead of the key's own."""
        claims = {"sub": user_id, "exp": time.time() + 60}
        headers = {"kid": kid or self.kid}
        return jwt.encode(claims, self._private, self.algorithm, headers)


def publishing(*keys: SigningKey) -> Script:
    """Return an issuer's script."""
    return answering(reply(json.dumps({"keys": [key.jwk for key in keys]}).encode()))


@asynccontextmanager
async def world(script: Script, refresh: float = 300) -> AsyncIterator[tuple[Gateway, Server]]:
    """Run a gateway that believes an issuer; give it and the issuer."""
    async with serving(rooms) as upstream, serving(script) as issuer:
        settings = {
            "JWT_SECRET": "",
            "JWT_JWKS_URL": f"{issuer.url}/keys",
            "JWT_JWKS_REFRESH": str(refresh),
            "RATE_LIMIT_FAILED_AUTH": "off",
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

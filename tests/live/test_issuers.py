"""Several issuers at once, each with keys of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.live.fault_server import Server, answering, reply, rooms, serving
from tests.live.gateways import Gateway, gateway_at
from tests.live.test_jwks import SigningKey, publishing
from tests.live.test_upstream_connections import presenting
from tests.waiting import until

ONE, OTHER = "https://one.test", "https://other.test"


def token(key: SigningKey, issuer: object) -> str:
    """Return a token of `key` that names an issuer, None for none."""
    return key.token() if issuer is None else key.token(iss=issuer)


async def status(gateway: Gateway, bearer: str) -> int:
    """Return the status of a read."""
    return (await gateway.read("1", bearer)).status_code


@asynccontextmanager
async def two_issuers(
    one: SigningKey, other: SigningKey
) -> AsyncIterator[tuple[Gateway, Server, Server]]:
    """Run a gateway that trusts two issuers, and both of them."""
    async with (
        serving(rooms) as upstream,
        serving(publishing(one)) as first,
        serving(publishing(other)) as second,
    ):
        settings = {
            "JWT_SECRET": "",
            "JWT_JWKS_URL": f"{first.url}/keys,{second.url}/keys",
            "JWT_ISSUER": f"{ONE},{OTHER}",
        }
        async with gateway_at(upstream.url, **settings) as gateway:
            yield gateway, first, second


async def test_each_issuer_signs_its_users_in() -> None:
    """A token is good with the key of the issuer that it names, though the keys share an id."""
    one, other = SigningKey("same"), SigningKey("same")
    async with two_issuers(one, other) as (gateway, _, _):

        async def ready() -> bool:
            return await status(gateway, token(one, ONE)) == 200

        await until(ready)
        assert await status(gateway, token(other, OTHER)) == 200
        for key, issuer in (
            (one, OTHER),
            (other, ONE),
            (one, None),
            (one, "https://unknown.test"),
            (one, f"{ONE},{OTHER}"),
            (one, f"{ONE}/"),
        ):
            refused = await gateway.read("1", token(key, issuer))
            assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")


async def test_readiness_tells_of_a_missing_issuer() -> None:
    """A gateway without the keys of one issuer is ready, and says so."""
    key = SigningKey("k")
    async with (
        serving(rooms) as upstream,
        serving(answering(reply(b"", 503))) as down,
        serving(publishing(key)) as up,
    ):
        settings = {
            "JWT_SECRET": "",
            "JWT_JWKS_URL": f"{down.url}/keys,{up.url}/keys",
            "JWT_ISSUER": f"{ONE},{OTHER}",
        }
        async with gateway_at(upstream.url, **settings) as gateway:

            async def ready() -> bool:
                return await status(gateway, token(key, OTHER)) == 200

            await until(ready)
            readiness = await gateway.client.get("/readyz")
            assert (readiness.status_code, readiness.json()["checks"]["keys"]) == (200, "partial")
            refused = await gateway.read("1", token(key, ONE))
            assert (refused.status_code, refused.json()["code"]) == (503, "upstream_unavailable")


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_configured_set_needs_no_network(tmp_path: Path, *, as_file: bool) -> None:
    """Each key of a configured JWK set verifies the tokens that name it."""
    keys = [SigningKey("a"), SigningKey("b")]
    text = json.dumps({"keys": [each.jwk for each in keys]})
    (tmp_path / "jwks.json").write_text(text)
    given = {"JWT_JWKS_FILE": str(tmp_path / "jwks.json")} if as_file else {"JWT_JWKS": text}
    async with (
        serving(rooms) as upstream,
        gateway_at(upstream.url, JWT_SECRET="", **given) as gateway,
    ):
        for each in keys:
            assert await status(gateway, token(each, None)) == 200
        stranger = SigningKey("a")
        assert await status(gateway, token(stranger, None)) == 401
        assert await status(gateway, token(SigningKey("c"), None)) == 401


@pytest.mark.usefixtures("_system_trusts")
async def test_an_issuer_behind_an_internal_authority(trusted: trustme.CA) -> None:
    """The authorities in SSL_CERT_FILE must hold for the issuer too, and no others."""
    key = SigningKey("k")
    good = presenting(trusted.issue_cert("localhost"))
    bad = presenting(trustme.CA().issue_cert("localhost"))
    async with serving(rooms) as upstream:
        for tls, expected in ((good, 200), (bad, 503)):
            async with serving(publishing(key), tls=tls) as issuer:
                settings = {"JWT_SECRET": "", "JWT_JWKS_URL": f"{issuer.url}/keys"}
                async with gateway_at(upstream.url, **settings) as gateway:

                    async def told(gateway: Gateway = gateway, expected: int = expected) -> bool:
                        return await status(gateway, key.token()) == expected

                    await until(told)

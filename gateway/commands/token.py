"""`gateway token`: a token that the gateway accepts, or the reason for none."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import click

from gateway import keyring
from gateway.identity import StaticKeys, TokenVerifier, mint
from gateway.rooms import TokenInvalid
from gateway.settings import SettingsError, load_jwt

from .refusals import INVALID, fail, refuse


def run(environ: Mapping[str, str], sub: str, scopes: Sequence[str], ttl: int) -> None:
    """Print a token for `sub` that expires in `ttl` seconds."""
    try:
        settings = load_jwt(environ)
        keys = StaticKeys(keyring.verification_keys(settings))
    except SettingsError as error:
        refuse(error)
    if settings.jwt_secret is None:
        fail("tokens can be minted only with GATEWAY_JWT_SECRET; set it", INVALID)
    rules = keyring.claim_rules(settings)
    secret = settings.jwt_secret.reveal()
    minted = mint(secret, sub, rules, scopes=scopes, now=time.time(), ttl=ttl)
    try:
        asyncio.run(TokenVerifier(keys, rules).verify(minted))
    except TokenInvalid as error:
        fail(f"the gateway would reject this token: {error}", INVALID)
    click.echo(minted)

"""Token → Caller: verification keys, the checks on a token, and what its claims mean."""

from .claims import ClaimRules, Identity
from .jwk import parse_key_set
from .jwks import JwksKeys
from .keys import Key, KeySource, StaticKeys, hmac_key, public_key
from .memory import RememberingVerifier
from .mint import mint
from .tokens import TokenVerifier

__all__ = [
    "ClaimRules",
    "Identity",
    "JwksKeys",
    "Key",
    "KeySource",
    "RememberingVerifier",
    "StaticKeys",
    "TokenVerifier",
    "hmac_key",
    "mint",
    "parse_key_set",
    "public_key",
]

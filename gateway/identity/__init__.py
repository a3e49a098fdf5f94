"""Authentication: verification keys, the checks on a bearer token, and its claims."""

from .claims import ClaimRules, Identity
from .issuers import IssuersVerifier
from .jwk import KeySet, StaticKeySet, parse_key_set
from .jwks import KEY_SET_STATES, JwksKeys
from .keys import Key, KeySource, StaticKeys, hmac_key, public_key
from .mint import mint
from .token_cache import CachingVerifier
from .tokens import TokenVerifier

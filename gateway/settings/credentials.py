"""Text -> value, for keys and their algorithms.

Secrets become a Secret here and stay one.
"""

import re

from gateway.secret import Secret

from .invalid import InvalidValue
from .parse import listed

SYMMETRIC = ("HS256", "HS384", "HS512")
ASYMMETRIC = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)

_HMAC_BYTES = 32


def _algorithm(text: str) -> str:
    if text not in SYMMETRIC + ASYMMETRIC:
        raise InvalidValue(f"must be one of {', '.join(SYMMETRIC + ASYMMETRIC)}")
    return text


algorithms = listed(_algorithm)


def api_key(text: str) -> Secret:
    """Parse an upstream AK or SK: visible ASCII."""
    if not re.fullmatch(r"[\x21-\x7e]{1,256}", text):
        raise InvalidValue("must be 1 to 256 visible ASCII characters without blanks")
    return Secret(text)


def admin_token(text: str) -> Secret:
    """Parse the operator's token: visible ASCII, as it stands in a header."""
    if not re.fullmatch(r"[\x21-\x7e]{32,256}", text):
        raise InvalidValue(
            "must be 32 to 256 visible ASCII characters without blanks; "
            "openssl rand -hex 32 makes one"
        )
    return Secret(text)


def callback_secret(text: str) -> Secret:
    """Parse the password of the vendor's callbacks: characters that stand in a URL as they are."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]{32,256}", text):
        raise InvalidValue(
            "must be 32 to 256 characters of A-Z a-z 0-9 . _ ~ -; openssl rand -hex 32 makes one"
        )
    return Secret(text)


def hmac_secret(text: str) -> Secret:
    """Parse an HS256 secret: any text of at least 32 bytes (RFC 7518 section 3.2)."""
    if len(text.encode()) < _HMAC_BYTES:
        raise InvalidValue(
            f"must be at least {_HMAC_BYTES} bytes; openssl rand -base64 48 makes one"
        )
    return Secret(text)


def jwk_set(text: str) -> str:
    """Parse a JWK set; its keys are checked when they are built."""
    if not text.lstrip().startswith("{"):
        raise InvalidValue('must be a JWK set: {"keys": [...]}')
    return text


def public_pem(text: str) -> str:
    r"""Parse a PEM block, but not a private key; the key itself is checked when it is built.

    A literal `\n` is a line break: env files cannot hold real ones.
    """
    pem = text.replace("\\n", "\n")
    if "PRIVATE KEY" in pem:
        raise InvalidValue("must be a public key; this is a private key, only for the issuer")
    if not pem.lstrip().startswith("-----BEGIN "):
        raise InvalidValue("must be a PEM public key, beginning with -----BEGIN PUBLIC KEY-----")
    return pem

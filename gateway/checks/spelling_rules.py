"""Audit rules about values that are valid, but probably not what somebody meant. Pure."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from gateway.secret import Secret
from gateway.settings import Settings

from .finding import Note

_QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LETTERS = re.compile(r"[a-z]+|[A-Z]+|[0-9a-fA-F]+|.*[ .].*")
"""Texts in the alphabet of base64 that nobody made with it."""

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_SECRETS = ("access_key", "secret_key", "jwt_secret", "jwt_secret_previous")
_BEARER = "bearer "


def quoted_secret(settings: Settings, *_: object) -> Iterator[Note]:
    """Report quotes around a secret: some tools that read env files keep them."""
    for name, text in _secrets(settings):
        if len(text) > 1 and _QUOTED.fullmatch(text):
            message = "begins and ends with a quote, which counts as part of it"
            yield name, message, "remove the quotes; docker's --env-file keeps them"


def padded_secret(settings: Settings, *_: object) -> Iterator[Note]:
    """Report white space around a secret, and a scheme before it."""
    for name, text in _secrets(settings):
        if text != text.strip():
            message = "begins or ends with white space, which counts as part of it"
            yield name, message, "remove it; a file written on Windows ends lines with CR"
        elif text.lower().startswith(_BEARER):
            yield name, "begins with `Bearer `, which counts as part of it", "remove that word"


def twice_encoded_secret(settings: Settings, *_: object) -> Iterator[Note]:
    """Report a secret that is base64 of base64: Kubernetes decodes `data` once, by itself."""
    for name, text in _secrets(settings):
        decoded = _decoded(text)
        if decoded is not None and decoded.isascii() and _decoded(decoded.decode()) is not None:
            message = "looks encoded with base64 twice"
            yield (
                name,
                message,
                "encode it once for `data` of a Kubernetes Secret, or use stringData",
            )


def unused_proxy(
    settings: Settings, _files: object, environ: Mapping[str, str], *_: object
) -> Iterator[Note]:
    """Report a proxy variable, which the gateway does not read."""
    given = next(
        (each for each in _PROXIES if environ.get(each) or environ.get(each.lower())), None
    )
    if given is not None and settings.upstream_proxy is None:
        message = f"not set, and {given} is: calls upstream go directly"
        yield "GATEWAY_UPSTREAM_PROXY", message, "set it if the upstream is reached through a proxy"


def issuer_with_slash(settings: Settings, *_: object) -> Iterator[Note]:
    """Report an issuer whose URL ends with a slash, which `iss` must have as well."""
    if any(each.endswith("/") for each in settings.jwt_issuer or ()):
        message = "ends with a slash: a token whose `iss` has none is refused"
        yield "GATEWAY_JWT_ISSUER", message, "write it exactly as `iss` in your tokens"


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    for field in _SECRETS:
        secret: Secret | None = getattr(settings, field)
        if secret is not None:
            yield f"GATEWAY_{field.upper()}", secret.reveal()


def _decoded(text: str) -> bytes | None:
    """Return the bytes of a text that looks like base64, else None."""
    if not _BASE64.fullmatch(text) or _LETTERS.fullmatch(text) or len(text) % 4:
        return None
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return None

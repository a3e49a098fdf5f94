"""Rules across variables: combinations, and unknown names.

Most depend only on the names given, so they are reported beside invalid values. The fit of an
algorithm to the key's type and length is checked when keys are built.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from .credentials import ASYMMETRIC, SYMMETRIC
from .invalid import Problem
from .variable import FILE_SUFFIX, PREFIX, Variable

_SOURCES = ("jwt_secret", "jwt_public_key", "jwt_jwks", "jwt_jwks_url")

_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared, not bound
_SAME = (frozenset({"localhost", "127.0.0.1"}), frozenset({"localhost", "::1"}))

_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)\w*)")
"""Variables that Kubernetes sets in a pod for a Service with a name such as "gateway"."""


def key_source(given: Mapping[str, str]) -> Iterator[Problem]:
    """Check that there is exactly one source of keys, and a previous secret only beside a secret.

    `given` maps each field that is set to its variable.
    """
    sources = [given[field] for field in _SOURCES if field in given]
    if not sources:
        names = [PREFIX + field.upper() for field in _SOURCES]
        yield Problem(names[0], f"set this, or one of {', '.join(names[1:])}: one is required")
    for extra in sources[1:]:
        yield Problem(extra, f"cannot be set beside {sources[0]}: keep one of them")
    if "jwt_secret_previous" in given and "jwt_secret" not in given:
        yield Problem(given["jwt_secret_previous"], f"needs {PREFIX}JWT_SECRET beside it")


def algorithms_fit(given: Mapping[str, str], algorithms: Collection[str]) -> Iterator[Problem]:
    """Check that a shared secret has only HMAC algorithms, and other keys have none of them."""
    sources = [field for field in _SOURCES if field in given]
    if len(sources) != 1:
        return
    fitting = SYMMETRIC if sources == ["jwt_secret"] else ASYMMETRIC
    if not set(algorithms) <= set(fitting):
        yield Problem(
            given["jwt_algorithms"], f"with {given[sources[0]]}: only {', '.join(fitting)}"
        )


def issuers_paired(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that several JWK sets have as many issuers. `values` has the valid fields."""
    urls, issuers = (values.get(field) or () for field in ("jwt_jwks_url", "jwt_issuer"))
    if len(urls) > 1 and len(urls) != len(issuers):
        wrong = given.get("jwt_issuer", given["jwt_jwks_url"])
        names = f"one name in {PREFIX}JWT_ISSUER for each URL in {PREFIX}JWT_JWKS_URL"
        yield Problem(wrong, f"needs {names}, in the same order")
    elif len(issuers) > 1 and len(urls) != len(issuers):
        yield Problem(given["jwt_issuer"], f"several need as many URLs in {PREFIX}JWT_JWKS_URL")


def origins_listed(given: Mapping[str, str], origins: Collection[str]) -> Iterator[Problem]:
    """Check that cookies are not accepted from pages of every origin."""
    if "jwt_cookie" in given and "*" in origins:
        yield Problem(given["cors_origins"], f"with {given['jwt_cookie']}: not `*`, list origins")


def listeners_apart(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that the two listeners have different ports or different addresses.

    `values` has the valid fields. The only host name with a known address is localhost.
    """
    if "metrics_port" not in values or values["metrics_port"] != values.get("port"):
        return
    hosts = {values.get("host"), values.get("metrics_host")}
    if len(hosts) == 1 or hosts & _EVERY_ADDRESS or hosts in _SAME:
        private = "metrics_port" in given
        wrong, other = ("metrics_port", "PORT") if private else ("port", "METRICS_PORT")
        yield Problem(given[wrong], f"must differ from {PREFIX}{other}: choose another")


def admin_reachable(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that there is a private listener for the operator's routes."""
    if "admin_token" in given and values.get("metrics_port") == 0:
        yield Problem(given["admin_token"], f"needs a {PREFIX}METRICS_PORT other than 0 beside it")


def store_said(given: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Check that several workers share a store, or are told not to."""
    if values.get("workers", 1) > 1 and "redis_url" not in given:
        several = given["workers"]
        remedy = "set it to the URL of a Redis or Valkey, or to `none` if each is to be alone"
        yield Problem(
            f"{PREFIX}REDIS_URL", f"is required with more than one of {several}: {remedy}"
        )


def unknown_names(names: Collection[str], known: Collection[Variable]) -> Iterator[Problem]:
    """Check that every `GATEWAY_…` name is a known variable, in alphabetical order."""
    ours = [name for each in known for name in each.names]
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in ours:
            yield Problem(_text(name), _advice(name, ours))


def _text(name: str) -> str:
    """Return a printable name: bytes other than UTF-8 are lone surrogates in it."""
    return name.encode(errors="backslashreplace").decode()


def _advice(name: str, ours: list[str]) -> str:
    plain = name.removesuffix(FILE_SUFFIX)
    if plain in ours:
        return f"cannot be given as a file: set {plain} itself"
    [nearest] = get_close_matches(name.upper(), ours, n=1, cutoff=0.0)
    advice = f"is not a variable of the gateway; the nearest is {nearest}"
    if _SERVICE_LINK.fullmatch(name):
        return f"{advice}; if Kubernetes set it, give the pod `enableServiceLinks: false`"
    return advice

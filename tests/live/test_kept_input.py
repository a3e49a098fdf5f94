"""No cache of the framework or the standard library keeps what a client made up."""

import functools
import gc
from collections.abc import Iterator
from ipaddress import IPv6Address
from urllib.parse import urlsplit

import pytest

from tests.live.fault_server import rooms, serving
from tests.live.fuzz import answer_to
from tests.live.gateways import BOB, gateway_at

LONGEST = 300
"""Characters that a cache may keep of a request: a thousand entries of them are nothing."""

MADE_UP = b"canary-" + b"k" * 1_000
OWN = b"GET /v1/rooms/1"

REQUESTS = {
    "path": (b"GET /v1/rooms/" + MADE_UP, b""),
    "path of a file": (b"GET /docs/" + MADE_UP, b""),
    "wide path": (b"POST /v1/rooms/%e7%9b%b4" + MADE_UP + b"/stop", b""),
    "query": (b"GET /v1/rooms?id=" + MADE_UP + b"&x" + MADE_UP, b""),
    "query of a room": (OWN + b"?" + MADE_UP, b""),
    "method": (MADE_UP + b" /v1/rooms/1", b""),
    "cookie": (OWN, b"Cookie: a=" + MADE_UP),
    "host": (OWN, b"Host: " + MADE_UP),
    "accept": (OWN, b"Accept: text/" + MADE_UP),
    "type": (b"POST /v1/rooms", b"Content-Type: application/" + MADE_UP),
    "origin": (OWN, b"Origin: https://" + MADE_UP),
    "zone": (OWN, b"Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.1, fe80::1%" + MADE_UP),
}
"""The beginning of a request, and a header."""


@pytest.mark.parametrize("case", REQUESTS)
async def test_nothing_of_a_client_is_kept(case: str) -> None:
    """A long part of a request is in no cache once the request has been answered."""
    begin, header = REQUESTS[case]
    signed_in = b"" if b"Authorization" in header else b"Authorization: Bearer " + BOB.encode()
    request = b"\r\n".join([begin + b" HTTP/1.1", *filter(None, [signed_in, header]), b"", b""])
    environ = {"TRUSTED_PROXIES": "127.0.0.1", "JWT_COOKIE": "session"}
    async with (
        serving(rooms) as server,
        gateway_at(server.url, CORS_ORIGINS="https://app.example.test", **environ) as gateway,
    ):
        assert (await answer_to(gateway.port, request)).startswith(b"HTTP/1.1 ")
    assert [text for text in kept() if "canary" in text and len(text) > LONGEST] == []


def test_what_is_kept_would_be_found() -> None:
    """The check above can fail."""
    urlsplit(b"https://" + MADE_UP)
    assert [text for text in kept() if "canary" in text and len(text) > LONGEST]
    urlsplit.cache_clear()  # type: ignore[attr-defined]  # a cached function


def kept() -> Iterator[str]:
    """Yield the texts in the keys of every `lru_cache` of this process."""
    for cache in gc.get_objects():
        if isinstance(cache, functools._lru_cache_wrapper):  # noqa: SLF001  # no other way
            for each in gc.get_referents(cache):
                if isinstance(each, dict) and each is not cache.__dict__:
                    yield from texts_in([*each])


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts in a key."""
    if isinstance(value, str | IPv6Address):
        yield str(value)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, tuple | list):
        for each in value:
            yield from texts_in(each)
